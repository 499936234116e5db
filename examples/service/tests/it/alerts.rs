//! From alerts to cases.

use serde_json::json;

use crate::service::{Service, wait_for};
use crate::world::{RAISED, World, approvals, ended, now, raise, webhook};

#[test]
fn repeated_alert_opens_no_second_case() {
    let world = World::new(1, 1, 0);
    let service = Service::start(&world, "one");
    raise(&service, &["gw-1-dev-1"]);
    approvals(&service, 1);
    // Alertmanager repeats what still fires; and the alert may end and begin again while the case runs.
    for at in [RAISED, "2026-01-01T00:45:00Z"] {
        let (status, answer) = service.post("/alerts", &webhook("firing", at, &["gw-1-dev-1"]));
        assert_eq!((status, &answer["known"]), (200, &json!(1)), "{answer}");
    }
    assert_eq!(world.sql("SELECT count(*) FROM runbook_cases"), ["1"]);
}

#[test]
fn resolved_alert_ends_the_case() {
    let world = World::new(1, 1, 0);
    let service = Service::start(&world, "one");
    let resolved = webhook("resolved", RAISED, &["gw-1-dev-1"]);
    assert_eq!(service.post("/alerts", &resolved).1["nothing-open"], 1);
    raise(&service, &["gw-1-dev-1"]);
    approvals(&service, 1);
    assert_eq!(service.post("/alerts", &resolved).1["resolved"], 1);
    assert_eq!(ended(&service, "gw-1-dev-1")["finding"]["conclusion"], "recovered-meanwhile");
    // The same alert is over; a later one opens a case.
    for (at, outcome) in [(RAISED, "known"), (&*now(), "opened")] {
        let (_, answer) = service.post("/alerts", &webhook("firing", at, &["gw-1-dev-1"]));
        assert_eq!(answer[outcome], 1, "{answer}");
    }
    assert_eq!(service.post("/alerts", &webhook("resolved", RAISED, &["gw-1-dev-1"])).1["resolved"], 1);
    wait_for("both to end", || {
        (world.sql("SELECT count(*) FROM runbook_cases WHERE state_kind = 'ended'") == ["2"]).then_some(())
    });
}

#[test]
fn metrics_count_and_name_no_device() {
    let world = World::new(2, 2, 0);
    let service = Service::start(&world, "one");
    raise(&service, &["gw-1-dev-1", "gw-1-dev-2", "gw-2-dev-1", "gw-2-dev-2"]);
    approvals(&service, 2);
    let text = wait_for("all cases to ask", || {
        let (status, text) = service.ask_text("GET", "/metrics", None);
        assert_eq!(status, 200);
        text.contains("service_cases{state=\"asking\"} 4").then_some(text)
    });
    for line in [
        "service_alerts_total{outcome=\"opened\"} 4",
        "service_cases{state=\"ended\"} 0",
        "service_database_up 1",
        "# TYPE iot_runbook_probe_seconds histogram",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(
        text.contains("iot_runbook_probe_answers_total{method=\"gateway.health\",outcome=\"known\"}"),
        "{text}"
    );
    assert!(!text.contains("dev-") && !text.contains("gw-"), "{text}");
}

#[test]
fn unknown_device_gets_a_case_too() {
    let world = World::new(0, 0, 0);
    let service = Service::start(&world, "one");
    raise(&service, &["unheard-of"]);
    assert_eq!(ended(&service, "unheard-of")["finding"]["conclusion"], "never-provisioned");
}
