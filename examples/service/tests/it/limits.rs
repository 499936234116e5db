//! Limits of acts, over all replicas, and a dry run.

use std::thread;

use serde_json::{Value, json};

use crate::service::{Service, wait_for};
use crate::world::{World, approvals, approve, raise, recovered};

/// Waits until a person is asked whether somebody did the restart by hand.
fn asked_by_hand(service: &Service) {
    wait_for("a person to be asked", || {
        let (_, open) = service.get("/questions");
        let by_hand = |question: &Value| {
            question["question"] == "Was the gateway restarted by hand, or does it run again?"
        };
        open.as_array()?.iter().any(by_hand).then_some(())
    });
}

/// Three gateways at one site want a restart at the same time, by two replicas, and two are allowed in an hour.
#[test]
fn replicas_share_the_limit_of_a_site() {
    let mut world = World::new(3, 1, 100);
    world.settings.push(("ACTS_PER_HOUR", "2"));
    let (one, two) = (Service::start(&world, "one"), Service::start(&world, "two"));
    raise(&one, &["gw-1-dev-1", "gw-2-dev-1", "gw-3-dev-1"]);
    let shown = approvals(&one, 3);
    thread::scope(|scope| {
        for (approval, service) in shown.iter().zip([&one, &two, &one]) {
            scope.spawn(move || approve(service, approval));
        }
    });
    asked_by_hand(&one);
    let ended = wait_for("two cases to end", || {
        let (_, cases) = two.get("/cases?state=ended");
        let cases = cases.as_array()?.clone();
        (cases.len() == 2).then_some(cases)
    });
    for case in ended {
        recovered(&two.get(&format!("/cases/{}", case["id"].as_str().unwrap())).1);
    }
    assert_eq!(world.restarts().len(), 2);
    // The refusal is kept with the case, with when there is room again.
    let refused = world.sql("SELECT record FROM runbook_records WHERE record LIKE '%act limit%'");
    assert_eq!(refused.len(), 1, "{refused:?}");
    for words in ["at most 2 `restart-gateway` at one site within an hour", "free at"] {
        assert!(refused[0].contains(words), "{}", refused[0]);
    }
    // No act was noted that was not begun.
    assert_eq!(world.sql("SELECT count(*) FROM service_acts"), ["2"]);
}

#[test]
fn a_dry_run_does_nothing_and_says_so() {
    let mut world = World::new(1, 1, 0);
    world.settings.push(("DRY_RUN", "1"));
    let service = Service::start(&world, "one");
    raise(&service, &["gw-1-dev-1"]);
    approve(&service, &approvals(&service, 1).remove(0));
    asked_by_hand(&service);
    assert!(world.restarts().is_empty());
    let refused = world.sql("SELECT record FROM runbook_records WHERE record LIKE '%this is a dry run%'");
    assert_eq!(refused.len(), 1);
}

#[test]
fn a_case_keeps_the_trace_of_its_alert() {
    let world = World::new(1, 2, 0);
    let service = Service::start(&world, "one");
    let (own, header) = (
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    );
    let mut alerts = crate::world::webhook("firing", crate::world::RAISED, &["gw-1-dev-1", "gw-1-dev-2"]);
    alerts["alerts"][0]["annotations"]["traceparent"] = json!(own);
    assert_eq!(service.post_with(&format!("traceparent: {header}"), "/alerts", &alerts).0, 200);
    let sql = "SELECT opening::json->'trigger'->>'trace_parent' FROM runbook_cases \
        ORDER BY opening::json->'subject'->>'device'";
    assert_eq!(world.sql(sql), [own, header]);
}
