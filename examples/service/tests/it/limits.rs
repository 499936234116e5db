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

/// Who approves sees that the limit is used up before anybody approves, in the list, with the case and on its page.
#[test]
fn an_approval_shows_that_the_limit_is_reached() {
    let mut world = World::new(2, 1, 0);
    world.settings.push(("ACTS_PER_HOUR", "1"));
    let service = Service::start(&world, "one");
    raise(&service, &["gw-1-dev-1", "gw-2-dev-1"]);
    let shown = approvals(&service, 2);
    for approval in &shown {
        let limit = &approval["limit"];
        assert_eq!(
            (&limit["is_reached"], &limit["used"], &limit["most"]),
            (&json!(false), &json!(0), &json!(1))
        );
        assert!(limit["since"].is_null() && limit["free_at"].is_null(), "{limit}");
    }
    approve(&service, &shown[0]);
    let reached = wait_for("the limit to be reached", || {
        let (_, open) = service.get("/approvals");
        let open = open.as_array()?.clone();
        open.into_iter().find(|one| one["limit"]["is_reached"] == true)
    });
    assert_eq!(reached["id"], shown[1]["id"]);
    let (limit, case) =
        (&reached["limit"], reached["cases"].as_object().unwrap().keys().next().unwrap().clone());
    assert!(limit["since"].is_string() && limit["free_at"].is_string(), "{limit}");
    let words = limit["words"].as_str().unwrap();
    let begin = "the limit is reached: 1 of 1 `restart-gateway` at site north within 1 h, the first at ";
    assert!(words.starts_with(begin) && words.ends_with(" is refused"), "{words}");
    let (_, shown) = service.get(&format!("/cases/{case}"));
    assert_eq!(shown["asks"][0]["limit"]["words"], words);
    let (status, page) = service.ask_text("GET", &format!("/cases/{case}/report"), None);
    assert!(status == 200 && page.contains("the limit is reached: 1 of 1"), "{page}");
    // What was saved with the approval is how it was when it was asked.
    let saved = world.sql(&format!("SELECT state FROM runbook_cases WHERE id = '{case}'"));
    assert!(saved[0].contains("\"quota\""), "{}", saved[0]);
}

/// Somebody has changed a row by hand.
#[test]
fn a_damaged_case_hides_no_approval() {
    let world = World::new(2, 2, 0);
    let service = Service::start(&world, "one");
    raise(&service, &["gw-1-dev-1", "gw-1-dev-2", "gw-2-dev-1"]);
    let shown = wait_for("three cases to ask", || {
        let open = approvals(&service, 2);
        let cases: usize = open.iter().map(|one| one["cases"].as_object().unwrap().len()).sum();
        (cases == 3).then_some(open)
    });
    let of_two = shown.iter().find(|one| one["cases"].as_object().unwrap().len() == 2).unwrap();
    let cases: Vec<String> = of_two["cases"].as_object().unwrap().keys().cloned().collect();
    let id = of_two["id"].as_str().unwrap();
    let damaged = cases.iter().find(|case| !id.starts_with(case.as_str())).unwrap();
    world.sql(&format!("UPDATE runbook_cases SET opening = '(' || opening WHERE id = '{damaged}'"));
    let (status, open) = service.get("/approvals");
    let open = open.as_array().unwrap();
    assert_eq!((status, open.len()), (200, 3));
    let last = open.last().unwrap();
    assert_eq!(
        (last["case"].as_str(), last["damaged"].is_string()),
        (Some(damaged.as_str()), true),
        "{last}"
    );
    let (status, all) = service.get("/cases");
    let all = all.as_array().unwrap();
    assert_eq!((status, all.len()), (200, 3));
    let ids: Vec<&str> = all.iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    assert!(all.iter().any(|one| one["id"] == damaged.as_str() && one["damaged"].is_string()), "{all:?}");
    // The word on the act goes to the case that can be read.
    approve(&service, of_two);
    wait_for("the gateway to be restarted", || (!world.restarts().is_empty()).then_some(()));
}
