//! Requests that are wrong.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use crate::service::Service;
use crate::world::{RAISED, World, webhook};

#[test]
fn wrong_requests_are_refused_with_the_reason() {
    let world = World::new(0, 0, 0);
    let service = Service::start(&world, "one");
    let none = "01JZZZZZZZZZZZZZZZZZZZZZZZ";
    let alert = r#"{"status": "firing", "startsAt": "yesterday", "labels": {"device": "pump"}}"#;
    let too_early = format!(r#"{{"alerts": [{alert}]}}"#);
    for (method, path, body, status, has) in [
        ("POST", "/alerts", Some("{"), 400, "EOF while parsing"),
        ("POST", "/alerts", Some("{}"), 422, "missing field `alerts`"),
        ("POST", "/alerts", Some(too_early.as_str()), 422, "startsAt"),
        ("POST", "/alerts", None, 415, "send JSON"),
        ("GET", "/alerts", None, 405, "`/alerts` does not take GET"),
        ("GET", "/devices", None, 404, "there is no `/devices`"),
        ("GET", "/cases?state=lost", None, 422, "unknown variant `lost`"),
        ("GET", "/cases?limit=-1", None, 422, "limit"),
        ("GET", "/cases/7", None, 404, "`7` is not a ULID"),
        ("GET", &format!("/cases/{none}"), None, 404, "`GET /cases` lists them"),
        ("GET", &format!("/cases/{none}/report"), None, 404, "`GET /cases` lists them"),
        ("DELETE", &format!("/cases/{none}"), Some(r#"{"by": " ", "why": "a test"}"#), 422, "`by` is empty"),
        (
            "DELETE",
            &format!("/cases/{none}"),
            Some(r#"{"by": "ann", "why": "a test"}"#),
            404,
            "there is no case",
        ),
        (
            "POST",
            "/approvals/7",
            Some(r#"{"approve": true, "by": "ann"}"#),
            404,
            "`GET /approvals` lists them",
        ),
        ("POST", "/approvals/7-1", Some(r#"{"approve": true, "by": ""}"#), 422, "`by` is empty"),
        ("POST", "/approvals/7-1", Some(r#"{"aprove": true, "by": "ann"}"#), 422, "unknown field `aprove`"),
        (
            "POST",
            &format!("/approvals/{none}-1"),
            Some(r#"{"approve": true, "by": "ann"}"#),
            404,
            "there is no case",
        ),
        (
            "POST",
            &format!("/questions/{none}-1"),
            Some(r#"{"answer": true, "by": "ann"}"#),
            404,
            "there is no case",
        ),
    ] {
        let (answered, answer) = service.ask(method, path, body);
        let error = answer["error"].as_str().unwrap_or_else(|| panic!("{path}: {answer}"));
        assert!(answered == status && error.contains(has), "{method} {path}: {answered} {error}");
    }
    assert_eq!(world.sql("SELECT count(*) FROM runbook_cases"), ["0"]);
}

#[test]
fn alert_without_device_keeps_no_other_back() {
    let world = World::new(1, 1, 0);
    let service = Service::start(&world, "one");
    let mut alerts = webhook("firing", RAISED, &["gw-1-dev-1", "gw-1-dev-1"]);
    alerts["alerts"][0]["labels"] = json!({ "alertname": "DeviceSilent" });
    let (status, answer) = service.post("/alerts", &alerts);
    assert_eq!((status, &answer["opened"]), (422, &json!(1)), "{answer}");
    assert!(answer["wrong"][0].as_str().unwrap().starts_with("alert 0 of the webhook has no label `device`"));
}

/// The limit of the tests is 64 KiB.
#[test]
fn a_body_over_the_limit_is_refused() {
    let world = World::new(0, 0, 0);
    let service = Service::start(&world, "one");
    let long = format!("\"{}\"", "x".repeat(70_000));
    let (status, answer) = service.ask("POST", "/alerts", Some(&long));
    assert_eq!(status, 413, "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("`max_alerts`"), "{answer}");
    // Nor is a body that does not say how long it is.
    let mut stream = TcpStream::connect(service.address()).unwrap();
    let head = "POST /alerts HTTP/1.1\r\nHost: service\r\nConnection: close\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\n\r\n";
    let _ = write!(stream, "{head}11170\r\n{long}");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}
