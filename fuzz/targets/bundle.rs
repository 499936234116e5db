//! A bundle of any content, edited by hand and signed again too, resumes as what it says or is refused.
#![no_main]

use iot_runbook::diagnosis::{Bundle, Diagnosis, Output, Redaction};
use iot_runbook::report::Report;
use iot_runbook::runbook::RunbookSet;
use iot_runbook_fuzz::choices::Choices;
use iot_runbook_fuzz::signed;
use iot_runbook_fuzz::walk::{self, NOW};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|data: &[u8]| {
    if let Ok(bundle) = serde_json::from_slice::<Bundle>(data) {
        resume(bundle, &walk::runbooks(&mut Choices::new(&[])));
    }
    let mut choices = Choices::new(data);
    let set = walk::runbooks(&mut choices);
    let bundle = walked(&mut choices, &set);
    assert_eq!(signed::digest(&bundle), bundle.digest, "the target computes the digest as the library does");
    let mut tree = serde_json::to_value(&bundle).expect("a bundle is written");
    for _ in 0..=choices.below(3) {
        let mut places = Vec::new();
        count(&tree, &mut Vec::new(), &mut places);
        let place = places.swap_remove(choices.below(places.len()));
        edit(&mut choices, &mut tree, &place);
    }
    if let Ok(edited) = serde_json::from_value::<Bundle>(tree) {
        resume(edited, &set);
    }
});

/// A bundle as a diagnosis makes it, some way in.
fn walked(choices: &mut Choices<'_>, set: &RunbookSet) -> Bundle {
    let mut diagnosis = walk::begin(choices, set);
    let mut now = NOW;
    for _ in 0..choices.below(24) {
        now = now.max(walk::time_after(choices, &diagnosis, now));
        // What is not answered expires: waits, acts and people are covered so.
        if let Output::Probe(request) = diagnosis.poll(now) {
            let domain = request.query().domain.clone();
            let _ = diagnosis.answer(request.id, walk::observation(choices, &domain, now), now);
        }
    }
    diagnosis.bundle()
}

fn resume(mut bundle: Bundle, set: &RunbookSet) {
    // Debug forms grow with the text, and hashing them takes the time: no finding.
    if bundle.digest != signed::digest(&bundle) {
        assert!(Diagnosis::resume(&bundle, set).is_err(), "an edited bundle is refused");
        signed::sign(&mut bundle);
    }
    match Diagnosis::resume(&bundle, set) {
        Ok(mut diagnosis) => {
            let mut again = diagnosis.bundle();
            // The version is the author's own count, for people: the fingerprint says what the runbook means. So are the
            // words of notes and alerts: those of the runbook count, whatever the bundle says.
            again.version = bundle.version;
            [&mut again, &mut bundle].into_iter().for_each(signed::without_words);
            assert_eq!(again, bundle, "what was resumed is what was saved");
            report(&diagnosis, set);
            let as_of = bundle.as_of;
            walk::to_the_end(&mut diagnosis, as_of);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// It can be shown, and redacted it resumes to the same end.
fn report(diagnosis: &Diagnosis, set: &RunbookSet) {
    let report = Report::of(diagnosis);
    for page in [report.to_text(40), report.to_markdown(), report.to_html(), report.to_post_mortem()] {
        assert!(!page.is_empty());
        assert!(page.chars().all(|c| c == '\n' || !c.is_control()), "a page holds no control characters");
    }
    let redacted = diagnosis.bundle().redacted(&Redaction::new(b"secret"));
    let again = Diagnosis::resume(&redacted, set).expect("a redacted bundle replays");
    let end = |diagnosis: &Diagnosis| diagnosis.finding().map(|one| one.conclusion().map(str::to_owned));
    assert_eq!(end(&again), end(diagnosis), "to the same end");
}

type Place = Vec<String>;

/// Every place in the tree, by its path.
fn count(tree: &Value, path: &mut Place, places: &mut Vec<Place>) {
    places.push(path.clone());
    let children: Vec<(String, &Value)> = match tree {
        Value::Array(items) => items.iter().enumerate().map(|(at, item)| (at.to_string(), item)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, field)| (name.clone(), field)).collect(),
        _ => return,
    };
    for (name, child) in children {
        path.push(name);
        count(child, path, places);
        path.pop();
    }
}

fn edit(choices: &mut Choices<'_>, tree: &mut Value, path: &[String]) {
    let pointer: String =
        path.iter().map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect();
    let donor = {
        let mut places = Vec::new();
        count(tree, &mut Vec::new(), &mut places);
        let from: String =
            places.swap_remove(choices.below(places.len())).iter().map(|part| format!("/{part}")).collect();
        tree.pointer(&from).cloned().unwrap_or(Value::Null)
    };
    let Some(value) = tree.pointer_mut(&pointer) else { return };
    match choices.below(6) {
        // The same kind of value, another one.
        0 | 1 => match value {
            Value::Number(number) => {
                let number = number.as_u64().unwrap_or(0);
                *value = json!(choices.pick(&[
                    0,
                    1,
                    number + 1,
                    number.saturating_sub(1),
                    u64::from(u32::MAX),
                    u64::MAX
                ]));
            }
            Value::String(text) => {
                *text = choices
                    .pick(&[
                        "",
                        "5m",
                        "-1ns",
                        "NaN",
                        "inf",
                        "-0",
                        "2027-01-15T08:00:00Z",
                        "2027-01-15T08:05:00Z",
                        "2016-12-31T23:59:60Z",
                        "-262143-01-01T00:00:00Z",
                        "+262142-12-31T23:59:59.999999999Z",
                        "device-offline",
                        "healthy",
                        "\u{0}",
                    ])
                    .to_owned();
            }
            Value::Bool(flag) => *flag = !*flag,
            Value::Array(items) if !items.is_empty() => {
                let at = choices.below(items.len());
                items.remove(at);
            }
            _ => *value = Value::Null,
        },
        2 => match value {
            Value::Array(items) if !items.is_empty() => {
                let (from, to) = (choices.below(items.len()), choices.below(items.len()));
                let item = items[from].clone();
                items.insert(to, item);
            }
            Value::Object(fields) => {
                let name = fields.keys().nth(choices.below(fields.len().max(1))).cloned();
                name.and_then(|name| fields.remove(&name));
            }
            _ => *value = donor,
        },
        3 => match value {
            Value::Array(items) if items.len() > 1 => {
                let (one, other) = (choices.below(items.len()), choices.below(items.len()));
                items.swap(one, other);
            }
            _ => *value = donor,
        },
        4 => *value = donor,
        _ => *value = json!(choices.pick(&["", "1"])),
    }
}
