use chrono::TimeDelta;
use iot_runbook::catalog;
use iot_runbook::runbook::document::{Document, LoadError, ThresholdValue};
use iot_runbook::runbook::fault::FaultKind;
use iot_runbook::runbook::step::{ApprovalPolicy, Param, StepKind};

use super::{PUMP, pump};

fn the_pump() -> Document {
    Document::from_toml(PUMP).unwrap()
}

fn kinds(document: &Document) -> Vec<FaultKind> {
    document.validate().unwrap_err().iter().map(|fault| fault.kind.clone()).collect()
}

#[test]
fn override_replaces_the_value() {
    let same = Document::from_toml(&pump("window = \"5m\"", "window = \"5s\"")).unwrap().validate().unwrap();
    for value in [ThresholdValue::from("5s"), TimeDelta::seconds(5).into(), String::from("5000ms").into()] {
        let taken = the_pump().threshold("window", value).validate().unwrap();
        assert_eq!(taken.fingerprint(), same.fingerprint());
    }
    let same = Document::from_toml(&pump("hot = 0.9", "hot = 0.5")).unwrap().validate().unwrap();
    for value in [ThresholdValue::from(0.5), "0.5".into()] {
        let taken = the_pump().threshold("hot", value).validate().unwrap();
        assert_eq!(taken.fingerprint(), same.fingerprint());
    }
    let same = Document::from_toml(&pump("hot = 0.9", "hot = 2.0")).unwrap().validate().unwrap();
    assert_eq!(the_pump().threshold("hot", 2_u64).validate().unwrap().fingerprint(), same.fingerprint());
    // The last word counts.
    let twice = the_pump().threshold("hot", 7.0).threshold("hot", 2.0).validate().unwrap();
    assert_eq!(twice.fingerprint(), same.fingerprint());
}

#[test]
fn an_override_is_proven_like_the_text() {
    assert!(matches!(
        kinds(&the_pump().threshold("window", "1h")).as_slice(),
        [FaultKind::Overlap { .. }, FaultKind::EmptyGuard,]
    ));
    assert_eq!(kinds(&the_pump().threshold("hot", f64::NAN)), [FaultKind::NotFinite]);
    assert!(matches!(
        kinds(&the_pump().threshold("pause", TimeDelta::zero())).as_slice(),
        [FaultKind::NotPositive { .. }, FaultKind::NotPositive { .. }]
    ));
    assert!(matches!(kinds(&the_pump().threshold("many", 12_u64)).as_slice(), [FaultKind::Hole(_)]));
    // The largest count is more than the largest signed number.
    assert!(matches!(kinds(&the_pump().threshold("many", u64::MAX)).as_slice(), [FaultKind::Hole(_)]));
    // The longest duration there is goes through whole.
    let longest = kinds(&the_pump().threshold("window", TimeDelta::MAX));
    assert!(matches!(longest.as_slice(), [FaultKind::Overlap { .. }, FaultKind::EmptyGuard]), "{longest:?}");
}

#[test]
fn override_of_another_unit_is_a_fault() {
    let none = FaultKind::OverrideOfNoThreshold { name: "widow".into() };
    assert_eq!(kinds(&the_pump().threshold("widow", "5s")), [none]);
    for (name, value) in [
        ("window", ThresholdValue::from(5.0)),
        ("window", 5_u64.into()),
        ("window", "5".into()),
        ("hot", TimeDelta::seconds(5).into()),
        ("hot", "warm".into()),
        ("many", 5.0.into()),
        ("many", "-1".into()),
    ] {
        let found = kinds(&the_pump().threshold(name, value.clone()));
        assert!(matches!(found.as_slice(), [FaultKind::OverrideUnit { .. }]), "{name} {value:?} {found:?}");
    }
    for step in ["state", "restarts", "fine"] {
        let found = kinds(&the_pump().approval(step, ApprovalPolicy::Never));
        assert_eq!(found, [FaultKind::OverrideOfNoAct { name: step.into() }]);
    }
}

#[test]
fn an_approval_can_be_overridden() {
    for policy in [ApprovalPolicy::Automatic, ApprovalPolicy::Required, ApprovalPolicy::Never] {
        for text in [PUMP.to_owned(), pump("approval = \"required\"\n", "")] {
            let runbook = Document::from_toml(&text).unwrap().approval("restart", policy).validate().unwrap();
            let step = runbook.step(runbook.find("restart").unwrap()).unwrap();
            let StepKind::Act(act) = &step.kind else { panic!("{step:?}") };
            assert_eq!(act.approval, policy);
        }
    }
}

#[test]
fn what_is_asked_twice_is_one_query() {
    let runbook = catalog::device_offline().unwrap().validate().unwrap();
    let query = |step: &str| match &runbook.step(runbook.find(step).unwrap()).unwrap().kind {
        StepKind::Check(check) => check.source,
        other => panic!("{other:?}"),
    };
    assert_eq!(query("gateway-health"), query("gateway-after-restart"));
    assert_ne!(query("certificate"), query("refused-certificate"));
}

#[test]
fn params_are_read_as_what_they_are() {
    let runbook = Document::from_toml(&pump(
        "mode = \"mean\"",
        "mode = \"mean\", on = true, n = 3, s = 0.5, back = \"-$window\"",
    ))
    .unwrap()
    .validate()
    .unwrap();
    let query = runbook.queries().iter().find(|query| &*query.check == "load").unwrap();
    let params: Vec<(&str, Param)> =
        query.params.iter().map(|(name, param)| (&**name, param.clone())).collect();
    assert_eq!(
        params,
        [
            ("back", Param::Duration(TimeDelta::minutes(-5))),
            ("hot", Param::Number(0.9)),
            ("mode", Param::Text("mean".into())),
            ("n", Param::Count(3)),
            ("on", Param::Flag(true)),
            ("over", Param::Duration(TimeDelta::minutes(10))),
            ("s", Param::Number(0.5)),
        ]
    );
}

#[test]
fn a_text_that_is_not_toml_says_where() {
    let error = Document::from_toml("name = \"pump\"\nversion = = 1\n").unwrap_err();
    assert!(matches!(error, LoadError::Syntax { line: 2, column: 11, .. }), "{error:?}");
    let error = Document::from_toml("name = \"pumpé\" \u{7} ").unwrap_err();
    assert!(matches!(error, LoadError::Syntax { line: 1, column: 16, .. }), "{error:?}");
}

#[test]
fn an_empty_text_is_toml_and_no_runbook() {
    let found = kinds(&Document::from_toml("").unwrap());
    for key in ["name", "version", "title", "start"] {
        assert!(found.contains(&FaultKind::MissingKey { key }), "{key}: {found:?}");
    }
    assert!(found.contains(&FaultKind::StepCount), "{found:?}");
    assert!(serde_json::from_str::<Document>("[]").unwrap_err().to_string().contains("a runbook is a table"));
}

#[test]
fn the_example_of_the_form_is_a_runbook() {
    let form = include_str!("../../../src/runbook/document/format.md");
    let example = form.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    Document::from_toml(example).unwrap().validate().unwrap_or_else(|faults| panic!("{faults}"));
}

#[test]
fn every_format_finds_the_same_faults() {
    let text =
        pump("recovered = true", "recovered = 1979-05-27").replace("hot = 0.9", "hot = 9223372036854775808");
    let direct = Document::from_toml(&text).unwrap().validate().unwrap_err();
    let through_serde = toml::from_str::<Document>(&text).unwrap().validate().unwrap_err();
    assert_eq!(direct.as_slice().len(), 3, "{direct}");
    // Without lines they stay in the order in which they were found.
    let mut unmatched: Vec<_> = through_serde.iter().collect();
    for one in &direct {
        let same = unmatched
            .iter()
            .position(|other| (&one.path, &one.kind, &one.step) == (&other.path, &other.kind, &other.step));
        let other = unmatched.remove(same.unwrap_or_else(|| panic!("{one} is not found without lines")));
        assert!(one.line.is_some() && other.line.is_none());
    }
    assert!(unmatched.is_empty());
}
