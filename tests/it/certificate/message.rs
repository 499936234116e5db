//! The messages of a renewal and the names of their topics.

use iot_runbook::certificate::message::{
    Desired, LONGEST_REASON, Outcome, Reason, Reported, TopicError, desired_topic, device_of_reported,
    reported_topic,
};
use proptest::prelude::*;

use super::random::cases;
use serde_json::{Value, json};

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Downloaded),
        Just(Outcome::TestPassed),
        Just(Outcome::Switched),
        "\\PC{0,9}".prop_map(|reason| Outcome::Refused { reason: Reason::new(reason) }),
        "\\PC{0,9}".prop_map(|reason| Outcome::TestFailed { reason: Reason::new(reason) }),
    ]
}

#[test]
fn other_version_or_missing_field_is_refused() {
    let desired = Desired::new(1, "text");
    let reported = Reported::new(&desired, Outcome::TestPassed);
    for good in [serde_json::to_value(&desired).unwrap(), serde_json::to_value(&reported).unwrap()] {
        let is_read = |value: &Value| {
            if good.get("outcome").is_some() {
                serde_json::from_value::<Reported>(value.clone()).map(drop)
            } else {
                serde_json::from_value::<Desired>(value.clone()).map(drop)
            }
        };
        assert!(is_read(&good).is_ok());
        for version in
            [json!(0), json!(2), json!(4_294_967_297_u64), json!(-1), json!("1"), json!(1.5), json!(null)]
        {
            let mut other = good.clone();
            other["version"] = version;
            assert!(is_read(&other).is_err(), "{other}");
        }
        let mut other = good.clone();
        other["version"] = json!(2);
        assert!(is_read(&other).unwrap_err().to_string().contains("version 2 of the message"));
        for field in good.as_object().unwrap().keys() {
            let mut less = good.clone();
            less.as_object_mut().unwrap().remove(field);
            assert!(is_read(&less).is_err(), "{less}");
        }
        let mut more = good.clone();
        more["added"] = json!({ "later": [1] });
        assert!(is_read(&more).is_ok());
    }
    let mut changed = serde_json::to_value(&desired).unwrap();
    changed["certificate"] = json!("texT");
    let error = serde_json::from_value::<Desired>(changed).unwrap_err().to_string();
    assert!(error.contains("changed on its way"), "{error}");
}

#[test]
fn long_reason_is_cut_between_two_characters() {
    for (reason, length) in [
        ("x".repeat(LONGEST_REASON), LONGEST_REASON),
        ("x".repeat(LONGEST_REASON + 1), LONGEST_REASON),
        ("é".repeat(LONGEST_REASON), LONGEST_REASON),
        (format!("x{}", "é".repeat(LONGEST_REASON)), LONGEST_REASON - 1),
    ] {
        let read: Reason = serde_json::from_value(json!(reason)).unwrap();
        assert_eq!(read.as_str().len(), length);
        assert!(reason.starts_with(read.as_str()));
    }
}

#[test]
fn device_id_makes_one_topic_and_no_other() {
    for (device, character, at) in [
        ("a/b", '/', 1),
        ("/", '/', 0),
        ("+", '+', 0),
        ("a#", '#', 1),
        ("a\0", '\0', 1),
        ("é\n", '\n', 2),
        ("\u{7f}", '\u{7f}', 0),
        ("\u{fdd0}", '\u{fdd0}', 0),
        ("\u{ffff}", '\u{ffff}', 0),
        ("\u{1fffe}", '\u{1fffe}', 0),
        ("$SYS", '$', 0),
    ] {
        let error = TopicError::Character { character, at };
        assert_eq!(desired_topic(device), Err(error.clone()), "{device:?}");
        assert_eq!(reported_topic(device), Err(error.clone()));
        assert_eq!(device_of_reported(&format!("{device}/config/reported")), Err(error));
    }
    assert_eq!(desired_topic(""), Err(TopicError::Empty));
    assert_eq!(desired_topic(" "), Err(TopicError::Empty));
    assert_eq!(device_of_reported("/config/reported"), Err(TopicError::Empty));
    for other in ["", "pump/config/desired", "pump/config/reported/", "config/reported"] {
        assert_eq!(device_of_reported(other), Err(TopicError::Other), "{other}");
    }
    let longest = "x".repeat(65_535 - "/config/desired".len());
    assert!(desired_topic(&longest).is_ok());
    assert!(desired_topic(&format!("{longest}x")).is_err());
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn what_is_written_is_read(generation: u64, certificate in "\\PC{0,40}", outcome in outcome()) {
        let desired = Desired::new(generation, certificate);
        let text = serde_json::to_string(&desired).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Desired>(&text).unwrap(), &desired);
        let reported = Reported::new(&desired, outcome);
        let text = serde_json::to_string(&reported).unwrap();
        let read: Reported = serde_json::from_str(&text).unwrap();
        prop_assert!(read.is_of(&desired));
        prop_assert!(!read.is_of(&Desired::new(generation ^ 1, desired.certificate.clone())));
        let other = Desired::new(generation, desired.certificate + "x");
        prop_assert!(!read.is_of(&other));
        prop_assert_eq!(read, reported);
    }

    #[test]
    fn topic_of_any_device_leads_back_to_it(device in "\\PC{0,9}|[a-z/+#$]{0,4}") {
        if let Ok(topic) = reported_topic(&device) {
            prop_assert_eq!(topic.matches('/').count(), 2);
            prop_assert_eq!(device_of_reported(&topic), Ok(device.as_str()));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), topic in "\\PC*") {
        let _ = serde_json::from_slice::<Reported>(&bytes);
        let _ = serde_json::from_slice::<Desired>(&bytes);
        let _ = device_of_reported(&topic);
    }
}
