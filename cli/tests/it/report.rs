//! `report` and `redact`.

use super::replay::undetermined;
use super::{Files, run, run_with};

#[test]
fn report_is_written_in_each_format() {
    for (format, begins, has) in [
        ("text", "Not certain. Most likely: ", "Still possible"),
        ("markdown", "# Not certain\\. Most likely", "## Still possible"),
        ("html", "<!DOCTYPE html><html lang=\"en\">", "<h2>Still possible</h2>"),
        ("post-mortem", "# Post-mortem: Not certain", "## What follows"),
    ] {
        let written = run_with(&["report", "-", "--format", format], undetermined().as_bytes(), 60);
        assert_eq!((written.code, &*written.err), (0, ""), "{format}");
        let begins = begins.replace("\\.", ".");
        assert!(written.out.starts_with(&begins) && written.out.contains(has), "{format}: {}", written.out);
    }
    let narrow = run_with(&["report", "-"], undetermined().as_bytes(), 40);
    assert!(narrow.out.lines().all(|line| line.chars().count() <= 40), "{}", narrow.out);
}

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
fn what_is_no_bundle_is_refused() {
    for command in ["report", "redact"] {
        let refused = run_with(&[command, "-"], b"{}", 80);
        assert_eq!((refused.code, &*refused.out), (2, ""));
        assert!(refused.err.contains("not the bundle of a diagnosis"), "{}", refused.err);
    }
    // Of a runbook that is not built in.
    let other = undetermined().replace("device-offline", "device-offlime");
    let refused = run_with(&["report", "-"], other.as_bytes(), 80);
    assert_eq!(refused.code, 2, "{}", refused.err);
}
