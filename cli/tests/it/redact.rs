//! `redact`.

use super::replay::undetermined;
use super::{Files, run, run_with};

#[test]
fn redacted_evidence_replays_without_names() {
    let files = Files::new();
    let (bundle, key) = (files.write("bundle.json", undetermined()), files.write("key", "a secret"));
    let redact = || run(&["redact", &bundle, "--key", &key, "--name", "in-service"]);
    let redacted = redact();
    assert_eq!((redacted.code, &*redacted.err), (0, ""));
    assert_eq!(redacted.out, redact().out, "one secret, one pseudonym");
    assert_ne!(redacted.out, run(&["redact", &bundle]).out);
    assert_eq!(redacted.json()["subject"]["device"].as_str().unwrap().len(), "device-00000000".len());
    let replayed = run_with(&["replay", "-", "--json"], redacted.out.as_bytes(), 80);
    assert_eq!((replayed.code, replayed.json()["same"].as_bool()), (0, Some(true)), "{}", replayed.err);
}

#[test]
fn what_is_no_bundle_is_not_redacted() {
    let refused = run_with(&["redact", "-"], b"{}", 80);
    assert_eq!((refused.code, &*refused.out), (2, ""));
    assert!(refused.err.contains("not the bundle of a diagnosis"), "{}", refused.err);
}
