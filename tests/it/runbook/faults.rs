use std::collections::BTreeMap;

use iot_runbook::runbook::document::Document;
use iot_runbook::runbook::fault::{FaultKind, Faults};

use super::{PUMP, pump};

/// A change to the pump's runbook and all the faults it must give, from `faults.toml`.
#[derive(serde::Deserialize)]
struct Case {
    from: String,
    to: String,
    /// Each with the line of the text it stands on (empty: no line), and what is printed of it.
    faults: Vec<(String, String)>,
}

fn check(group: &str) {
    let mut groups: BTreeMap<String, Vec<Case>> = toml::from_str(include_str!("faults.toml")).unwrap();
    for Case { from, to, faults: expected } in groups.remove(group).unwrap() {
        let text = pump(&from, &to);
        let found: Vec<(String, String)> = faults(&text)
            .iter()
            .map(|fault| {
                let shown = fault.to_string();
                let Some(line) = fault.line else { return (String::new(), shown) };
                let rest = shown.strip_prefix(&format!("line {line}: ")).expect("the line first");
                (text.lines().nth(line as usize - 1).expect("a line of the text").to_owned(), rest.to_owned())
            })
            .collect();
        assert_eq!(found, expected, "{from:?} → {to:?}");
    }
}

fn faults(text: &str) -> Faults {
    Document::from_toml(text).unwrap().validate().unwrap_err()
}

#[test]
fn the_pump_has_none() {
    Document::from_toml(PUMP).unwrap().validate().unwrap();
}

#[test]
fn shapes_that_are_not_those_of_a_runbook() {
    check("shapes");
}

#[test]
fn texts_that_name_no_fact() {
    check("texts");
}

#[test]
fn missing_threshold_and_domain_are_named() {
    let text = pump("domain = \"count\"", "domain = \"counter\"").replace("\"$many\"", "\"$mny\"");
    let shown: Vec<_> = faults(&text).iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 3, "{shown:?}");
    for told in [
        "uses the threshold `many`",
        "`counter` is no domain",
        "branches[1].from: there is no threshold `mny`",
    ] {
        assert!(shown.iter().any(|fault| fault.contains(told)), "{told}: {shown:?}");
    }
}

#[test]
fn steps_that_do_not_say_what_they_do() {
    check("kinds");
}

#[test]
fn values_of_the_wrong_type_are_faults() {
    check("values");
}

#[test]
fn guards_that_do_not_take_each_value_once() {
    check("guards");
}

#[test]
fn graphs_that_lead_nowhere_or_round() {
    check("graph");
}

#[test]
fn all_faults_come_at_once_by_line() {
    let text = pump("version = 1\n", "version = 1\ncolour = 3\n")
        .replace("    { absent = true, to = \"state\" },\n", "")
        .replace("after = \"$window\"", "after = \"soon\"")
        .replace("to = \"jammed\" }", "to = \"jamed\" }");
    let kinds: Vec<FaultKind> = faults(&text).iter().map(|fault| fault.kind.clone()).collect();
    assert!(
        matches!(
            kinds.as_slice(),
            [
                FaultKind::UnknownKey { .. },
                FaultKind::Hole(_),
                FaultKind::UnknownTarget { .. },
                FaultKind::Duration(_),
                FaultKind::UnknownTarget { .. },
            ]
        ),
        "{kinds:?}"
    );
}

#[test]
fn printed_list_is_capped_and_the_value_is_not() {
    let keys: String = (0..100).map(|n| format!("key{n} = {n}\n")).collect();
    let found = faults(&pump("version = 1\n", &format!("version = 1\n{keys}")));
    assert_eq!(found.as_slice().len(), 100);
    let printed = found.to_string();
    assert_eq!(printed.lines().count(), 1 + Faults::PRINTED + 1);
    assert!(
        printed.starts_with("runbook \"pump\" has 100 faults:\n  line 3: key0: unknown key"),
        "{printed}"
    );
    assert!(printed.ends_with("\n  and 75 more"), "{printed}");
}

#[test]
fn duplicate_key_is_a_fault_in_every_format() {
    let json = r#"{"name":"n","name":"m","version":1,"title":"t","start":"a",
        "conclusions":{"a":{"title":"t","severity":"info"},"a":{"title":"u","severity":"info"}}}"#;
    let document: Document = serde_json::from_str(json).unwrap();
    let found: Vec<String> = document.validate().unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        ["name: duplicate key `name`; keep one", "conclusions.a: duplicate key `a`; keep one",]
    );
}
