//! Notes and alerts name what was known when their exit was taken.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::diagnosis::{Alert, Diagnosis, Output};
use iot_runbook::fact::{Details, Observation, Value};
use iot_runbook::runbook::RunbookSet;
use iot_runbook::runbook::document::Document;
use iot_runbook::runbook::step::AlertText;
use iot_runbook::subject::{Subject, Trigger};
use ulid::Ulid;

use crate::deepest::NOW;

/// A tank that is measured until it is full.
const TANK: &str = r#"
name = "tank"
version = 1
title = "A tank that is not full"
start = "pump"

[checks.pump]
scope = "device"
domain = ["runs", "off"]

[checks.level]
scope = "device"
domain = "number"

[steps.pump]
check = "pump"
unknown = "explore"
branches = [{ any = true, to = "level", note = "The pump {pump}, its {{fuse}} is {pump.fuse}." }]

[steps.level]
check = "level"
unknown = { to = "by-hand", note = "Nobody knows how full it is; the pump {pump}." }
branches = [
    { below = 0.5, to = "pause", note = "Only {value:%} full.", alert = { severity = "warning", text = "{value:%} full, the pump {pump}, {level}." } },
    { from = 0.5, to = "full", note = "It is {level:%} full, fuse {pump.fuse}." },
]

[steps.pause]
wait = { for = "1m" }
to = { to = "again", note = "Waited at {level:%}." }

[steps.again]
check = "pump"
unknown = { to = "level", alert = { severity = "info", text = "The pump is {pump} after {level:%}." } }
branches = [{ any = true, to = "level" }]

[conclusions.full]
title = "It is full"
severity = "info"

[conclusions.by-hand]
title = "Measure it by hand"
severity = "warning"
"#;

fn tank() -> RunbookSet {
    RunbookSet::new([Document::from_toml(TANK).unwrap().validate().unwrap()]).unwrap()
}

fn begun() -> Diagnosis {
    let trigger = Trigger::new("low", NOW);
    Diagnosis::new(Ulid(1), &tank(), "tank", Subject::device("tank-1"), trigger, NOW).unwrap()
}

fn pump(name: &str) -> Observation {
    let set = tank();
    let query = set.queries().iter().find(|query| &*query.check == "pump").unwrap();
    let fuse = Details::one("fuse", "10 A");
    Observation::known(query.domain.find_choice(name).unwrap(), NOW, "meter")
        .with_details(fuse.iter().cloned())
}

fn level(share: f64) -> Observation {
    Observation::known(Value::Number(share), NOW, "meter")
}

/// Answers what is asked in that order, and returns the alerts.
fn walk(diagnosis: &mut Diagnosis, answers: &[Observation]) -> Vec<Alert> {
    let mut answers = answers.iter();
    let mut alerts = Vec::new();
    let mut now: DateTime<Utc> = NOW;
    loop {
        match diagnosis.poll(now) {
            Output::Probe(request) => {
                let Some(answer) = answers.next() else { return alerts };
                diagnosis.answer(request.id, answer.clone(), now).unwrap();
            }
            Output::Alert(alert) => alerts.push(alert),
            Output::Pending { .. } => now += TimeDelta::minutes(1),
            Output::Concluded(_) => return alerts,
            other => panic!("{other:?}"),
        }
    }
}

fn texts(alerts: &[Alert]) -> Vec<&str> {
    alerts.iter().map(Alert::text).collect()
}

#[test]
fn notes_and_alerts_name_facts() {
    let mut diagnosis = begun();
    let alerts = walk(&mut diagnosis, &[pump("off"), level(0.25), pump("runs"), level(0.75)]);
    assert_eq!(texts(&alerts), ["25 % full, the pump off, 0.25."]);
    let finding = diagnosis.finding().unwrap();
    let notes: Vec<&str> = finding.contributing().iter().map(|one| &*one.note).collect();
    assert_eq!(
        notes,
        [
            "The pump off, its {fuse} is 10 A.",
            "Only 25 % full.",
            "Waited at 25 %.",
            "It is 75 % full, fuse 10 A.",
        ]
    );
    let answers = diagnosis.answers();
    let of_answers: Vec<&str> = answers.iter().filter_map(|answer| answer.note.as_deref()).collect();
    assert_eq!(of_answers, [notes[0], notes[1], notes[3]]);
}

#[test]
fn fact_that_is_not_known_is_named_so() {
    let mut diagnosis = begun();
    let unknown = Observation::unknown(iot_runbook::fact::UnknownReason::NoAdapter, "meter", "");
    let alerts = walk(&mut diagnosis, &[pump("off"), level(0.0), unknown.clone(), unknown]);
    // The newest answer of the pump is unknown: the older one may not hold any more.
    assert_eq!(texts(&alerts), ["0 % full, the pump off, 0.", "The pump is not known after 0 %."]);
    let finding = diagnosis.finding().unwrap();
    let last = &finding.contributing().last().unwrap().note;
    assert_eq!(&**last, "Nobody knows how full it is; the pump not known.");
}

/// An alert that was not delivered before the process ended says the same afterwards, whatever was found since.
#[test]
fn resumed_alert_says_what_was_known_then() {
    let mut diagnosis = begun();
    let answers = [pump("off"), level(0.25), pump("runs"), level(0.75)];
    let first = walk(&mut diagnosis, &answers);
    assert_eq!(first.len(), 1);
    let bundle = diagnosis.bundle();
    let mut again = Diagnosis::resume(&bundle, &tank()).unwrap();
    // What is known by now goes with it; its text is that of then.
    assert_eq!(texts(&walk(&mut again, &[])), texts(&first));
    // The bundle keeps the words of the runbook: no fact is in it that redaction would miss.
    let saved = serde_json::to_string(&bundle).unwrap();
    assert!(saved.contains("{value:%} full, the pump {pump}, {level}."), "{saved}");
    assert!(!saved.contains("25 % full"), "{saved}");
}

#[test]
fn alert_text_is_saved_as_written() {
    let runbook = Document::from_toml(TANK).unwrap().validate().unwrap();
    let step = runbook.step(runbook.find("level").unwrap()).unwrap();
    let alert = step.kind.exits().find_map(|(_, exit)| exit.alert.clone()).unwrap();
    let json = serde_json::to_string(&alert).unwrap();
    assert_eq!(json, r#"{"severity":"warning","text":"{value:%} full, the pump {pump}, {level}."}"#);
    assert_eq!(serde_json::from_str::<AlertText>(&json).unwrap(), alert);
    let broken = json.replace("{pump}", "{pump");
    assert!(serde_json::from_str::<AlertText>(&broken).unwrap_err().to_string().contains("brace"));
}
