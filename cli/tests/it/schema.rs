//! `schema`.

mod validator;

use std::fs;
use std::path::{Path, PathBuf};

use iot_runbook::catalog;
use iot_runbook::diagnosis::Bundle;
use iot_runbook::diagnosis::rehearsal::Rehearsal;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use super::{PUMP, run};
use validator::Validator;

fn schema(of: &str) -> Value {
    let printed = run(&["schema", of]);
    assert_eq!((printed.code, printed.err.as_str()), (0, ""));
    printed.json()
}

fn of_toml(text: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Value>(text).unwrap()).unwrap()
}

#[test]
fn schema_accepts_every_runbook_that_loads() {
    let schema = schema("runbook");
    let validator = Validator(&schema);
    for text in [
        PUMP,
        include_str!("../../../src/catalog/device-offline.toml"),
        include_str!("../../../src/catalog/data-gap.toml"),
        include_str!("../../../src/catalog/certificate-expiry.toml"),
        include_str!("../../../examples/02_own_runbook.toml"),
        include_str!("../../../tests/it/machine/press.toml"),
        include_str!("../../../tests/it/machine/feed.toml"),
    ] {
        iot_runbook::Document::from_toml(text).unwrap().validate().unwrap();
        assert!(validator.accepts(&of_toml(text)), "{text}");
    }
}

#[test]
fn schema_accepts_every_rehearsal_that_loads() {
    let schema = schema("rehearsals");
    let validator = Validator(&schema);
    for text in [
        include_str!("../../../tests/it/rehearsals/device-offline.toml"),
        include_str!("../../../tests/it/rehearsals/data-gap.toml"),
        include_str!("../../../tests/it/rehearsals/certificate-expiry.toml"),
    ] {
        assert!(validator.accepts(&of_toml(text)));
    }
    for wrong in [
        json!({ "rehearsal": [] }),
        json!({ "rehearsal": [{ "name": "n", "runbook": "r" }] }),
        json!({ "name": "n", "runbook": "r", "expect": {}, "fact": {} }),
        json!({ "name": "n", "runbook": "r", "expect": {}, "facts": { "s": { "unknown": "perhaps" } } }),
        json!({ "name": "n", "runbook": "r", "expect": {}, "names": ["house"] }),
    ] {
        assert!(!validator.accepts(&wrong), "{wrong}");
    }
}

#[test]
fn schema_refuses_nine_in_ten_faults_of_shape() {
    #[derive(serde::Deserialize)]
    struct Case {
        from: String,
        to: String,
    }
    #[derive(serde::Deserialize)]
    struct Cases {
        shapes: Vec<Case>,
    }
    // The library's own table of changes to a runbook that make it faulty.
    let cases: Cases = toml::from_str(include_str!("../../../tests/it/runbook/faults.toml")).unwrap();
    let source = include_str!("../../../tests/it/runbook.rs");
    let text = source.split_once("PUMP: &str = r#\"").unwrap().1.split_once("\"#;").unwrap().0;
    let schema = schema("runbook");
    let validator = Validator(&schema);
    assert!(validator.accepts(&of_toml(text)));
    let refused = |case: &&Case| !validator.accepts(&of_toml(&text.replacen(&case.from, &case.to, 1)));
    let count = cases.shapes.iter().filter(refused).count();
    assert!(
        cases.shapes.len() > 20 && count * 10 >= cases.shapes.len() * 9,
        "{count} of {}",
        cases.shapes.len()
    );
}

const REHEARSALS: [&str; 3] = [
    include_str!("../../../tests/it/rehearsals/device-offline.toml"),
    include_str!("../../../tests/it/rehearsals/data-gap.toml"),
    include_str!("../../../tests/it/rehearsals/certificate-expiry.toml"),
];

fn rehearsals() -> Vec<Value> {
    let files = REHEARSALS.iter().map(|text| of_toml(text)["rehearsal"].as_array().unwrap().clone());
    files.flatten().collect()
}

/// The evidence of every rehearsal, and that which the library keeps of every kind of record.
fn bundles() -> Vec<Value> {
    let set = catalog::set().unwrap();
    let mut bundles: Vec<Value> = rehearsals()
        .into_iter()
        .map(|rehearsal| serde_json::from_value::<Rehearsal>(rehearsal).unwrap())
        .map(|rehearsal| serde_json::to_value(rehearsal.run(&set).unwrap().bundle).unwrap())
        .collect();
    for corpus in [
        include_str!("../../../tests/it/case/corpus/device-offline.json"),
        include_str!("../../../tests/it/case/corpus/data-gap.json"),
        include_str!("../../../tests/it/case/corpus/certificate-expiry.json"),
    ] {
        bundles.extend(serde_json::from_str::<Map<String, Value>>(corpus).unwrap().into_values());
    }
    bundles
}

/// The files of scenarios, those in folders too.
fn scenarios() -> Vec<Value> {
    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { files(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/plant/scenarios"), &mut found);
    found.sort();
    found.iter().map(|path| of_toml(&fs::read_to_string(path).unwrap())).collect()
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// Damages one value anywhere in it: a key that is renamed or missing, a value of another type, another word.
fn damage(value: &mut Value, random: &mut Random) -> &'static str {
    let mut pointers = vec![String::new()];
    let mut at = 0;
    while let Some(pointer) = pointers.get(at).cloned() {
        at += 1;
        match value.pointer(&pointer).unwrap() {
            Value::Object(table) => pointers.extend(
                table.keys().map(|key| format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))),
            ),
            Value::Array(items) => pointers.extend((0..items.len()).map(|item| format!("{pointer}/{item}"))),
            _ => {}
        }
    }
    let place = value.pointer_mut(&pointers[random.below(pointers.len())]).unwrap();
    let kind = random.below(4);
    match place {
        Value::Object(table) if !table.is_empty() && kind < 3 => {
            let key = table.keys().nth(random.below(table.len())).unwrap().clone();
            let old = table.remove(&key).unwrap();
            if kind == 2 {
                return "removed";
            }
            table.insert(format!("{key}x"), old);
            "renamed"
        }
        Value::String(text) if kind < 2 => {
            text.insert(0, 'X');
            "word"
        }
        _ => {
            let others = [json!("x"), json!(-7.5), json!([[]]), json!({ "x": {} }), json!(true)];
            *place = others[random.below(others.len())].clone();
            "type"
        }
    }
}

/// Of `count` damaged values those that do not load, and how many of these the schema refuses. One that loads may be
/// refused for its words alone: whoever reads them checks them later.
fn refused(of: &str, values: &[Value], count: usize, loads: impl Fn(&Value) -> bool) {
    let schema = schema(of);
    let validator = Validator(&schema);
    for value in values {
        assert!(loads(value) && validator.accepts(value), "{value}");
    }
    let mut random = Random(17);
    let (mut faults, mut caught) = (0, 0);
    for _ in 0..count {
        let mut value = values[random.below(values.len())].clone();
        let how = damage(&mut value, &mut random);
        let accepts = validator.accepts(&value);
        if loads(&value) {
            assert!(accepts || matches!(how, "word" | "type"), "{how}: this loads: {value}");
        } else {
            faults += 1;
            caught += usize::from(!accepts);
        }
    }
    println!("schema {of}: {caught} of {faults} faults of shape are refused");
    assert!(faults > count / 3 && caught * 10 >= faults * 9, "{of}: {caught} of {faults}");
}

#[test]
fn rehearsal_schema_refuses_faults_of_shape() {
    refused("rehearsal", &rehearsals(), 2_000, |value| Rehearsal::deserialize(value).is_ok());
}

#[test]
fn bundle_schema_refuses_faults_of_shape() {
    refused("bundle", &bundles(), 600, |value| Bundle::deserialize(value).is_ok());
    // What a later version adds is read past, so it is no fault.
    let schema = schema("bundle");
    let mut bundle = bundles().remove(0);
    bundle["added_later"] = json!({ "x": 1 });
    bundle["records"][0]["added_later"] = json!(1);
    assert!(Bundle::deserialize(&bundle).is_ok() && Validator(&schema).accepts(&bundle));
}

/// The plant's own reader knows every key and word, so that each of these changes is a fault there; a test of the plant
/// holds the words of the schema beside its vocabulary.
#[test]
fn scenario_schema_refuses_faults_of_shape() {
    let schema = schema("scenario");
    let validator = Validator(&schema);
    let scenarios = scenarios();
    assert!(scenarios.len() > 40);
    for scenario in &scenarios {
        assert!(validator.accepts(scenario), "{scenario}");
    }
    let mut random = Random(23);
    let (mut faults, mut caught) = (0, 0);
    for _ in 0..2_000 {
        let original = &scenarios[random.below(scenarios.len())];
        let mut scenario = original.clone();
        let how = damage(&mut scenario, &mut random);
        let lacks = |key: &str| scenario.get(key).is_none() && original.get(key).is_some();
        let is_text =
            how == "type" && scenario["title"] != original["title"] && scenario["title"].is_string();
        let is_title = how == "word" && scenario["title"] != original["title"];
        // These may be left out, and a title may be any text.
        let is_optional = how == "removed"
            && (["title", "people", "expect"].iter().any(|key| lacks(key))
                || scenario["expect"] != original["expect"]
                || scenario["operation"].as_array().is_some_and(|all| {
                    all.iter().all(|one| one.get("part").is_some() && one.get("do").is_some())
                }));
        let is_optional =
            is_optional && scenario.get("device").is_some() && scenario.get("operation").is_some();
        if is_text || is_title || is_optional {
            continue;
        }
        faults += 1;
        caught += usize::from(!validator.accepts(&scenario));
    }
    println!("schema scenario: {caught} of {faults} faults of shape are refused");
    assert!(faults > 1_000 && caught * 10 >= faults * 9, "{caught} of {faults}");
    for (from, to) in
        [("/operation/0/part", "press-1.breakr"), ("/operation/0/do", "tripp"), ("/device", "press-0")]
    {
        let mut scenario =
            json!({ "device": "press-1", "operation": [{ "part": "press-1.breaker", "do": "trip" }] });
        assert!(validator.accepts(&scenario));
        *scenario.pointer_mut(from).unwrap() = json!(to);
        assert!(!validator.accepts(&scenario), "{from}");
    }
}
