//! The charts of the reference as they are drawn, without the branches they leave out: the validator names
//! what is missing, to the end of the interval.

use std::ops::Bound;

use chrono::TimeDelta;
use iot_runbook::runbook::document::Document;
use iot_runbook::runbook::fault::{FaultKind, Gap};

/// The kinds of all faults of a runbook with one check step of that domain and those guards.
fn kinds(domain: &str, guards: &[&str]) -> Vec<FaultKind> {
    let branches: Vec<String> = guards.iter().map(|guard| format!("{{ {guard}, to = \"end\" }}")).collect();
    let text = format!(
        r#"
        name = "chart"
        version = 1
        title = "A chart taken literally"
        start = "ask"
        [checks.ask]
        scope = "device"
        {domain}
        [steps.ask]
        check = "ask"
        unknown = "explore"
        branches = [{}]
        [conclusions.end]
        title = "The end"
        severity = "info"
        "#,
        branches.join(", ")
    );
    match Document::from_toml(&text).unwrap().validate() {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(|fault| fault.kind.clone()).collect(),
    }
}

fn choices(names: &[&str]) -> Gap {
    Gap::Choices(names.iter().map(|name| (*name).into()).collect())
}

#[test]
fn last_seen_without_middle_has_a_hole() {
    let found = kinds(r#"domain = "instant""#, &[r#"below = "5m""#, r#"above = "30m""#]);
    let hole =
        Gap::Durations(Bound::Included(TimeDelta::minutes(5)), Bound::Included(TimeDelta::minutes(30)));
    assert_eq!(found, [FaultKind::Hole(hole.clone())]);
    assert_eq!(
        found[0].to_string(),
        "guards leave a hole: from 5m up to 30m; add a branch for it or name it in another"
    );
    // Optional, as a last-seen is: a device that never spoke is left out too.
    let found = kinds("domain = \"instant\"\noptional = true", &[r#"below = "5m""#, r#"above = "30m""#]);
    assert_eq!(found, [FaultKind::Hole(hole), FaultKind::Hole(Gap::Absent)]);
}

#[test]
fn ends_that_are_taken_are_not_in_the_hole() {
    let found = kinds(r#"domain = "instant""#, &[r#"up_to = "5m""#, r#"from = "30m""#]);
    let hole =
        Gap::Durations(Bound::Excluded(TimeDelta::minutes(5)), Bound::Excluded(TimeDelta::minutes(30)));
    assert_eq!(found, [FaultKind::Hole(hole)]);
}

#[test]
fn edge_buffer_that_is_empty_is_left_out() {
    let found = kinds(r#"domain = ["full", "unsent", "empty"]"#, &[r#"is = "full""#, r#"is = "unsent""#]);
    assert_eq!(found, [FaultKind::Hole(choices(&["empty"]))]);
}

#[test]
fn a_deadband_is_only_ever_too_wide() {
    let found = kinds(
        r#"domain = ["too-wide", "stable", "fine", "too-narrow", "none"]"#,
        &[r#"is = ["too-wide", "stable"]"#],
    );
    assert_eq!(found, [FaultKind::Hole(choices(&["fine", "too-narrow", "none"]))]);
}

#[test]
fn gateway_health_without_a_value_has_a_hole() {
    let found = kinds(
        r#"domain = ["healthy", "degraded", "offline", "oom", "unreachable"]"#,
        &[r#"is = "healthy""#, r#"is = ["offline", "oom"]"#],
    );
    assert_eq!(found, [FaultKind::Hole(choices(&["degraded", "unreachable"]))]);
}

#[test]
fn counts_have_no_hole_between_neighbours() {
    assert_eq!(kinds(r#"domain = "count""#, &["up_to = 5", "from = 6"]), []);
    let hole = Gap::Counts(Bound::Included(6), Bound::Included(6));
    assert_eq!(kinds(r#"domain = "count""#, &["up_to = 5", "above = 6"]), [FaultKind::Hole(hole)]);
}

#[test]
fn last_count_and_the_infinities_are_values_too() {
    assert_eq!(kinds(r#"domain = "count""#, &["up_to = 9", "from = 10"]), []);
    let open = Gap::Numbers(Bound::Excluded(1.0), Bound::Unbounded);
    assert_eq!(kinds(r#"domain = "number""#, &["below = 0", "from = 0, up_to = 1"]), [FaultKind::Hole(open)]);
    let open = Gap::Numbers(Bound::Unbounded, Bound::Excluded(0.0));
    assert_eq!(kinds(r#"domain = "number""#, &["from = 0"]), [FaultKind::Hole(open)]);
}
