//! The saved form: its fields, and that what an older version saved is read.

use chrono::TimeDelta;
use iot_runbook::certificate::lifecycle::Lifecycle;
use serde_json::{Value, json};

use super::{Bench, NOW, certificate, day, with_left};

/// Seen with its new certificate, with the old one in the overlap.
fn in_the_overlap() -> Bench {
    let mut bench = Bench::new(&with_left(19));
    bench.order();
    let new = certificate(1, 2, NOW, NOW + day(60));
    bench.issue(1, &new).unwrap();
    bench.settle();
    bench.pass(TimeDelta::hours(1)).connect(&new).unwrap();
    bench
}

#[test]
fn parts_are_saved_side_by_side() {
    let saved = serde_json::to_value(in_the_overlap().machine).unwrap();
    let mut keys: Vec<_> = saved.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    let mut expected = [
        "version",
        "device",
        "auto_renewal",
        "in_use",
        "cert_id",
        "origin",
        "generation",
        "seen_at",
        "clock_doubt",
        "cut_off",
        "renewal",
        "candidates",
        "retiring",
        "retired",
        "desired_generation",
        "adopted",
        "recovery",
        "unanswered",
        "follow_up",
        "reachability",
        "contact",
        "offered",
        "compromised",
        "escalated",
        "replaced",
        "asked",
        "high_water",
        "suspect",
        "closed_at",
        "outbox",
        "timeline",
    ];
    expected.sort_unstable();
    assert_eq!(keys, expected);
}

#[test]
fn what_an_older_version_saved_is_read() {
    let mut bench = in_the_overlap();
    let mut saved = serde_json::to_value(&bench.machine).unwrap();
    saved["retiring"][0]["compromised"] = json!(false);
    saved["retiring"][0].as_object_mut().unwrap().remove("alerted");
    saved.as_object_mut().unwrap().remove("retired");
    assert_eq!(serde_json::from_value::<Lifecycle>(saved).unwrap(), bench.machine);
    // Under way again.
    bench.pass(TimeDelta::hours(1)).connect(&with_left(19)).unwrap();
    let mut saved = serde_json::to_value(&bench.machine).unwrap();
    let confirmed_at = saved["renewal"].as_object_mut().unwrap().remove("first_confirmed_at");
    assert!(confirmed_at.is_some_and(|at| at != Value::Null));
    let read: Lifecycle = serde_json::from_value(saved).unwrap();
    assert_eq!(read.progress().unwrap().first_confirmed_at, None);
}
