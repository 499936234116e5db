//! Approvals and questions.

use serde_json::json;

use crate::service::{Service, wait_for};
use crate::world::{World, approvals, approve, ended, raise, recovered};

#[test]
fn an_approved_act_ends_the_case() {
    let world = World::new(1, 2, 0);
    let service = Service::start(&world, "one");
    raise(&service, &["gw-1-dev-1", "gw-1-dev-2"]);
    let shown = wait_for("both in one approval", || {
        let shown = approvals(&service, 1).remove(0);
        (shown["cases"].as_object()?.len() == 2).then_some(shown)
    });
    assert_eq!((&shown["action"], &shown["target"]), (&json!("restart-gateway"), &json!("gw-1")));
    assert_eq!(shown["title"], "Restart the gateway, if that is safe");
    assert_eq!(shown["advice"].as_array().unwrap().len(), 2);
    let health = shown["evidence"].as_array().unwrap().iter().find(|fact| fact["check"] == "gateway-health");
    assert_eq!(health.unwrap()["value"], "offline");
    assert_eq!(
        shown["trigger"]["reason"].as_str().or(shown["trigger"]["text"].as_str()),
        Some("no message for 30 min")
    );

    let case = shown["cases"].as_object().unwrap().keys().next().unwrap();
    let (_, page) = service.ask_text("GET", &format!("/cases/{case}/report"), None);
    let id = format!("POST /approvals/{case}-");
    for words in [
        "<h1>Waits for an approval: Restart the gateway, if that is safe</h1>",
        "<dd>restart gateway: gw-1</dd>",
        &id,
        "<li>Check its system logs first",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }

    approve(&service, &shown);
    let mut restarted = 0;
    for device in ["gw-1-dev-1", "gw-1-dev-2"] {
        let case = ended(&service, device);
        recovered(&case);
        // Where the restart of the first case is done before the second looks again, its device is back without an act.
        if case["case"]["conclusion"] == "recovered-meanwhile" {
            continue;
        }
        restarted += 1;
        assert_eq!(case["case"]["conclusion"], case["finding"]["conclusion"]);
        let trace = case["trace"].to_string();
        assert!(trace.contains("ann"), "who approved is in the trace: {trace}");
        let path = format!("/cases/{}/report", case["case"]["id"].as_str().unwrap());
        let (status, page) = service.ask_text("GET", &path, None);
        assert_eq!(status, 200, "{page}");
        for words in ["<h1>The gateway was down; the device is back after its restart</h1>", "ann approved"] {
            assert!(page.contains(words), "{words}: {page}");
        }
    }
    assert!(restarted > 0, "nobody restarted it");
    assert_eq!(world.restarts(), ["gw-1"]);
    // The approval is closed.
    let (status, answer) = service.post(
        &format!("/approvals/{}", shown["id"].as_str().unwrap()),
        &json!({ "approve": true, "by": "bob" }),
    );
    assert_eq!(status, 409, "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("is not open"), "{answer}");
}

#[test]
fn a_refused_act_is_not_done() {
    let world = World::new(1, 1, 0);
    let service = Service::start(&world, "one");
    raise(&service, &["gw-1-dev-1"]);
    let shown = approvals(&service, 1).remove(0);
    let path = format!("/approvals/{}", shown["id"].as_str().unwrap());
    let (status, answer) = service.post(&path, &json!({ "approve": false, "by": "ann" }));
    assert_eq!(
        (status, answer["error"].as_str().unwrap()),
        (422, "`reason` is missing: say why it is refused")
    );
    let word = json!({ "approve": false, "by": "ann", "reason": "people at work" });
    assert_eq!(service.post(&path, &word).0, 202);
    // The runbook asks next whether somebody did it by hand.
    let question = question(&service);
    let path = format!("/questions/{}", question["id"].as_str().unwrap());
    assert_eq!(service.post(&path, &json!({ "answer": false, "by": "ann" })).0, 202);
    let case = ended(&service, "gw-1-dev-1");
    assert_eq!(case["finding"]["conclusion"], "gateway-fault");
    assert!(case["trace"].to_string().contains("people at work"));
    assert!(world.restarts().is_empty());
}

#[test]
fn an_answered_question_decides() {
    let world = World::new(0, 0, 0);
    let service = Service::start(&world, "one");
    raise(&service, &["pump"]);
    let shown = question(&service);
    assert_eq!(shown["question"], "Has the device power, and is its network link up?");
    assert_eq!(shown["answers"], "choice of confirmed | lost | uncertain");
    let path = format!("/questions/{}", shown["id"].as_str().unwrap());
    let (status, answer) = service.post(&path, &json!({ "answer": "maybe", "by": "ann" }));
    let error =
        "`answer` is \"maybe\": give a choice of confirmed | lost | uncertain, or null where nobody knows";
    assert_eq!((status, answer["error"].as_str().unwrap()), (422, error));
    let reply = json!({ "answer": "lost", "by": "ann", "remark": "the breaker is open" });
    assert_eq!(service.post(&path, &reply).0, 202);
    let case = ended(&service, "pump");
    assert_eq!(case["finding"]["conclusion"], "power-fault");
    assert!(case["history"].to_string().contains("the breaker is open"));
}

/// The only open question.
fn question(service: &Service) -> serde_json::Value {
    wait_for("a question", || {
        let (_, open) = service.get("/questions");
        let open = open.as_array()?;
        (open.len() == 1).then(|| open[0].clone())
    })
}
