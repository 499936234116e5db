//! The step `dedup-log` of the data-gap runbook, answered from an engine at work.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::adapter::DedupLog;
use iot_runbook::catalog;
use iot_runbook::check::{CheckRequest, Checks};
use iot_runbook::dedup::{Devices, Message, Secret, Settings, SharedDeduplicator};
use iot_runbook::fact::{Observation, Source, UnknownReason, Value};
use iot_runbook::mock::MockTelemetryProbe;
use iot_runbook::probe::{DedupLogProbe as _, DroppedRequest, Probes, Rows};
use iot_runbook::subject::{DeviceId, Subject, TagId};
use iot_runbook::time::{ManualClock, Period};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

/// An hour in which one message in three was sent twice, and two had the id of another.
fn ingestion() -> DedupLog {
    let secret = Secret::from_bytes([1; 16]);
    let engine = SharedDeduplicator::new(&Settings::new(TimeDelta::hours(2)).with_secret(secret), 4).unwrap();
    let mut devices = Devices::default();
    let press = devices.number("press-07").unwrap();
    for second in 0..3600_i64 {
        let message = Message::new(secret.id(&second.to_le_bytes()), press, secret.fingerprint(b"23.5"));
        engine.observe(&message, at(second));
        if second % 3 == 0 {
            assert!(engine.observe(&message, at(second)).drops());
        }
        if second == 1000 || second == 2000 {
            let other = Message::new(message.id, press, secret.fingerprint(b"99.9"));
            assert!(engine.observe(&other, at(second)).passes());
        }
    }
    let number = move |device: &DeviceId, tag: Option<&TagId>| match tag {
        Some(_) => None,
        None => devices.find(device.as_str()),
    };
    let clock = Arc::new(ManualClock::new(at(3600)));
    DedupLog::new("ingestion 3", Arc::new(engine), number).with_clock(clock)
}

async fn asked(ingestion: DedupLog, from: i64, to: i64) -> Observation {
    let set = catalog::set().unwrap();
    let query = set.queries().iter().position(|query| &*query.check == "dedup-drops").unwrap();
    let bound = Checks::builtin().bind(&set).unwrap();
    let subject = Subject::device("press-07").with_period(Period::new(at(from), at(to)).unwrap());
    let mut telemetry = MockTelemetryProbe::new();
    telemetry.expect_source().return_const(Source::new("series"));
    telemetry.expect_rows().returning(|_| Ok(Rows::new(at(3600), 100, 40)));
    let probes = Probes::new().with_dedup_log(Arc::new(ingestion)).with_telemetry(Arc::new(telemetry));
    let about = set.queries()[query].about;
    let request = CheckRequest::new(&subject, &set.queries()[query].params, about, at(0), at(0), at(3600));
    bound.observe(query, &request, &probes).await.unwrap()
}

#[tokio::test]
async fn all_that_it_dropped_were_duplicates() {
    let observation = asked(ingestion(), 600, 1200).await;
    assert_eq!(observation.value(), Some(Value::Number(0.0)), "{observation:?}");
    assert_eq!(observation.details().find("dropped"), Some("200"));
    assert_eq!(observation.details().find("ttl"), Some("2h"));
}

#[tokio::test]
async fn period_before_start_is_unknown() {
    let observation = asked(ingestion(), -100, 1200).await;
    let Observation::Unknown(unknown) = &observation else { panic!("{observation:?}") };
    assert_eq!(unknown.reason, UnknownReason::Stale);
    let observation = asked(ingestion(), -200, -100).await;
    assert!(matches!(observation, Observation::Unknown(_)), "{observation:?}");
}

#[tokio::test]
async fn device_or_tag_without_a_number_is_an_error() {
    let period = Period::new(at(0), at(60)).unwrap();
    let request = DroppedRequest::new("press-07".into(), period);
    let dropped = ingestion().dropped(&request).await.unwrap();
    assert_eq!((dropped.dropped, dropped.collided, dropped.observed_at), (20, 0, at(3600)));
    let of_tag = ingestion().dropped(&request.with_tag("pressure".into())).await.unwrap_err();
    assert_eq!(of_tag.text(), "the deduplication has no number for device `press-07`, tag `pressure`");
    let other = ingestion().dropped(&DroppedRequest::new("press-08".into(), period)).await.unwrap_err();
    assert_eq!(other.text(), "the deduplication has no number for device `press-08`");
}
