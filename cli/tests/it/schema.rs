//! `schema`.

mod validator;

use serde_json::{Value, json};

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
