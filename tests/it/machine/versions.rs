//! Sets that hold several versions of one runbook.

use iot_runbook::diagnosis::{Diagnosis, Output, ResumeError};
use iot_runbook::fact::{Observation, Value};
use iot_runbook::runbook::{Runbook, SetError};

use super::*;

const CALLER: &str = r#"
    name = "caller"
    version = 1
    title = "t"
    start = "call"
    [steps.call]
    handover = "callee"
    unknown = "end"
    branches = [{ any = true, to = "end" }]
    [conclusions.end]
    title = "The end"
    severity = "info"
"#;

fn callee(version: u32, open: &str) -> Runbook {
    let text = format!(
        r#"
        name = "callee"
        version = {version}
        title = "t"
        start = "door"
        [checks.door]
        scope = "device"
        domain = "flag"
        [steps.door]
        check = "door"
        unknown = "explore"
        branches = [{{ is = true, to = "shut" }}, {{ is = false, to = "{open}" }}]
        [conclusions.shut]
        title = "Shut"
        severity = "info"
        [conclusions.{open}]
        title = "Open"
        severity = "info"
    "#
    );
    Document::from_toml(&text).unwrap().validate().unwrap()
}

fn caller(version: u32) -> Runbook {
    let text = CALLER.replace("version = 1", &format!("version = {version}"));
    Document::from_toml(&text).unwrap().validate().unwrap()
}

/// Half way, and what it comes to when it goes on in another set.
fn goes_on(before: &RunbookSet, after: &RunbookSet) -> Result<String, ResumeError> {
    let mut diagnosis = player::begin(before, "caller", NOW);
    let _ = diagnosis.poll(NOW);
    let mut diagnosis = Diagnosis::resume(&diagnosis.bundle(), after)?;
    let Output::Probe(request) = diagnosis.poll(NOW) else { panic!() };
    diagnosis.answer(request.id, Observation::known(Value::Flag(false), NOW, "test"), NOW).unwrap();
    let finding = diagnosis.finding().unwrap();
    // It survives the next restart too.
    Diagnosis::resume(&diagnosis.bundle(), after)?;
    Ok(finding.called()[0].conclusion.as_deref().unwrap().to_owned())
}

#[test]
fn cases_keep_the_versions_they_began_with() {
    let set = |runbooks: &[Runbook]| RunbookSet::new(runbooks.iter().cloned()).unwrap();
    let old = set(&[caller(1), callee(1, "open")]);
    let new_callee = callee(2, "ajar");
    assert_eq!(goes_on(&old, &old).as_deref(), Ok("open"));
    // A new callee beside the old one, in any order, and a new caller too.
    for after in [
        set(&[caller(1), callee(1, "open"), new_callee.clone()]),
        set(&[new_callee.clone(), callee(1, "open"), caller(1)]),
        set(&[caller(2), new_callee.clone(), caller(1), callee(1, "open")]),
    ] {
        assert_eq!(goes_on(&old, &after).as_deref(), Ok("open"));
        // What begins takes the newest.
        assert_eq!(goes_on(&after, &after).as_deref(), Ok("ajar"));
        assert_eq!(after.find("callee").map(Runbook::version), Some(2));
    }
    // In place of the old one it is refused.
    let only_new = set(&[caller(1), new_callee]);
    assert!(matches!(goes_on(&old, &only_new), Err(ResumeError::OtherRunbook { .. })));
}

#[test]
fn two_of_one_version_are_no_set() {
    let twice = RunbookSet::new([callee(1, "open"), callee(1, "ajar")]).unwrap_err();
    assert_eq!(twice.0, [SetError::NameTwice("callee".to_owned())]);
}
