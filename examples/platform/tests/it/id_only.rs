use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::dedup::{Fingerprint, MessageId};
use iot_runbook::probe::{DedupLogProbe, DroppedRequest, ProbeErrorKind, conformance};
use iot_runbook::subject::DeviceId;
use iot_runbook::time::{Clock, ManualClock, Period};
use platform::id_only::IdOnly;

use crate::start;

fn at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_800_000_000_000 + ms).unwrap()
}

fn period(from: DateTime<Utc>, to: DateTime<Utc>) -> Period {
    Period::new(from, to).unwrap()
}

#[tokio::test]
async fn log_counts_dropped_and_false_copies() {
    let (_redis, link) = start().await;
    let clock = Arc::new(ManualClock::new(at(0)));
    let dedup = IdOnly::begin(link, clock.clone(), TimeDelta::hours(6)).await.unwrap();
    let (one, two) = (DeviceId::from("press-4"), DeviceId::from("press-7"));
    let id = MessageId::from_u128(1);
    let payload = Fingerprint::from_u64;
    assert!(!dedup.drops(id, &one, payload(5)).await.unwrap());
    for (ms, device, content) in [(10, &one, 5), (20, &two, 5), (20, &two, 5), (30, &one, 6)] {
        clock.set(at(ms));
        assert!(dedup.drops(id, device, payload(content)).await.unwrap());
    }
    clock.set(at(1000));
    for (device, from, to, dropped, collided) in [
        (&one, at(0), at(1000), 2, 1),
        (&two, at(0), at(1000), 2, 2),
        // The end is not of the period, and the beginning is; also between milliseconds.
        (&one, at(10), at(30), 1, 0),
        (&one, at(11), at(31), 1, 1),
        (&one, at(10) + TimeDelta::microseconds(1), at(30) + TimeDelta::microseconds(1), 1, 1),
        (&one, at(10) - TimeDelta::microseconds(1), at(30) - TimeDelta::microseconds(1), 1, 0),
    ] {
        let asked = DroppedRequest::new(device.clone(), period(from, to));
        let answer = dedup.dropped(&asked).await.unwrap();
        assert_eq!((answer.dropped, answer.collided), (dropped, collided), "{device} {from} {to}");
        assert_eq!(answer.covers, period(from, to));
        assert_eq!(answer.ttl, Some(TimeDelta::hours(6)));
    }
}

#[tokio::test]
async fn it_covers_what_the_log_covers_and_no_more() {
    let (_redis, link) = start().await;
    let clock = Arc::new(ManualClock::new(at(0)));
    let began = IdOnly::begin(Arc::clone(&link), clock.clone(), TimeDelta::hours(6)).await.unwrap();
    clock.set(at(5000));
    // A second consumer does not make the log younger.
    let dedup = IdOnly::begin(link, clock.clone(), TimeDelta::hours(6)).await.unwrap();
    drop(began);
    let asked = |from, to| DroppedRequest::new("press-4".into(), period(from, to));
    assert_eq!(dedup.dropped(&asked(at(-500), at(9000))).await.unwrap().covers, period(at(0), at(5000)));
    assert_eq!(dedup.dropped(&asked(at(-500), at(-400))).await.unwrap().covers.length(), TimeDelta::zero());
    let now = clock.now();
    let asked = period(at(0), at(5000));
    assert_eq!(conformance::dedup_log(&dedup, "press-4", asked, now).await, []);
}

#[tokio::test]
async fn no_answer_is_not_zero() {
    let (redis, link) = start().await;
    let clock = Arc::new(ManualClock::new(at(0)));
    let dedup = IdOnly::begin(link, clock, TimeDelta::hours(6)).await.unwrap();
    let asked = DroppedRequest::new("press-4".into(), period(at(0), at(1)));
    let of_a_tag = asked.clone().with_tag("temperature".into());
    assert_eq!(dedup.dropped(&of_a_tag).await.unwrap_err().kind(), ProbeErrorKind::Unsupported);
    drop(redis);
    assert!(dedup.dropped(&asked).await.is_err());
}
