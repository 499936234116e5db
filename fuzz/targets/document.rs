//! Any text, as TOML and as JSON, is a runbook or is refused with reasons; a runbook runs to an end.
#![no_main]

use iot_runbook::diagnosis::Diagnosis;
use iot_runbook::runbook::RunbookSet;
use iot_runbook::runbook::document::Document;
use iot_runbook::subject::{Subject, Trigger};
use iot_runbook_fuzz::walk::{NOW, saved_and_resumed, to_the_end};
use libfuzzer_sys::fuzz_target;
use ulid::Ulid;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        match Document::from_toml(text) {
            Ok(document) => look_at(&document),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    if let Ok(document) = serde_json::from_slice::<Document>(data) {
        look_at(&document);
    }
});

fn look_at(document: &Document) {
    let runbook = match document.validate() {
        Ok(runbook) => runbook,
        Err(faults) => {
            assert!(!faults.to_string().is_empty());
            assert_eq!(document.validate().err(), Some(faults), "the same faults twice");
            return;
        }
    };
    let again = document.validate().expect("it was valid");
    assert_eq!(again.fingerprint(), runbook.fingerprint());
    let text = serde_json::to_string(document).expect("a document is written");
    let read: Document = serde_json::from_str(&text).expect("what was written is read");
    let read = read.validate().expect("what was valid is valid in another format");
    assert_eq!(read.fingerprint(), runbook.fingerprint(), "the format has no say");

    // A handover needs its callee: such a runbook is no set by itself.
    let name = runbook.name().to_owned();
    let Ok(set) = RunbookSet::new([runbook]) else { return };
    let subject = Subject::device("press-07");
    let trigger = Trigger::new("alert", NOW);
    let mut diagnosis = Diagnosis::new(Ulid(7), &set, &name, subject, trigger, NOW).expect("the set has it");
    to_the_end(&mut diagnosis, NOW);
    saved_and_resumed(&diagnosis, &set);
}
