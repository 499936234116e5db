//! Alerts as monitoring systems send them.

use iot_runbook::fleet::{Notice, Webhook};

use super::*;

#[test]
fn a_webhook_is_read_alert_by_alert() {
    let text = json!({
        "version": "4", "groupKey": "{}", "status": "firing", "receiver": "iot", "truncatedAlerts": 3,
        "groupLabels": {}, "commonLabels": {}, "externalURL": "http://localhost:9093",
        "alerts": [
            {"status": "firing", "labels": {"alertname": "Silent", "device": "d-1"},
             "annotations": {"last_seen": "2026-03-01T02:00:00Z",
                             "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, "startsAt": "2026-03-01T02:14:00.123Z",
             "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": "9f"},
            {"status": "resolved", "labels": {"device": "d-2"}, "startsAt": "2026-03-01T02:14:00Z",
             "endsAt": "2026-03-01T02:20:00+01:00"},
            {"status": "firing", "labels": {"instance": "d-3"}, "startsAt": "2026-03-01T02:14:00Z"},
            {"status": "firing", "labels": {"device": ""}, "startsAt": "2026-03-01T02:14:00Z",
             "values": {"A": 1}, "dashboardURL": "", "silenceURL": ""},
        ],
    });
    let webhook: Webhook = serde_json::from_value(text).unwrap();
    assert_eq!(webhook.truncated_alerts, 3);
    let notices = webhook.notices("device-offline", "device");
    let Ok(Notice::Raised(raised)) = &notices[0] else { panic!("{:?}", notices[0]) };
    assert_eq!(
        (raised.device.as_str(), &*raised.trigger.text, raised.source.as_str()),
        ("d-1", "Silent", "iot")
    );
    assert_eq!(raised.last_seen, "2026-03-01T02:00:00Z".parse().ok());
    let parent = raised.trigger.trace_parent.map(|parent| parent.to_string());
    assert_eq!(parent.as_deref(), Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
    // An end before the beginning is no end in the past.
    let at = "2026-03-01T02:14:00Z".parse().unwrap();
    assert_eq!(notices[1], Ok(Notice::Resolved { device: "d-2".into(), at }));
    for (position, notice) in notices.iter().enumerate().skip(2) {
        let error = notice.as_ref().unwrap_err();
        assert_eq!((error.position, &*error.label), (position, "device"));
        assert!(error.to_string().contains("has no label `device`"), "{error}");
    }
}

#[test]
fn what_is_no_webhook_is_refused() {
    for text in ["{}", "[]", r#"{"alerts": [{}]}"#, r#"{"alerts": [{"status": "odd", "startsAt": "now"}]}"#] {
        assert!(serde_json::from_str::<Webhook>(text).is_err(), "{text}");
    }
}
