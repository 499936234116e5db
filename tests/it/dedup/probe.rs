//! The step `dedup-log` of the data-gap runbook, answered from an engine at work.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::catalog;
use iot_runbook::check::{CheckRequest, Checks, dedup_dropped};
use iot_runbook::dedup::{Devices, Message, Secret, Settings, SharedDeduplicator};
use iot_runbook::fact::{Observation, Source, UnknownReason, Value};
use iot_runbook::mock::MockTelemetryProbe;
use iot_runbook::probe::{DedupLogProbe, Dropped, DroppedRequest, ProbeError, Probes, Rows};
use iot_runbook::subject::Subject;
use iot_runbook::time::Period;

/// The adapter of a service that deduplicates with this library.
struct Ingestion {
    engine: SharedDeduplicator,
    devices: Devices,
    now: DateTime<Utc>,
}

#[async_trait]
impl DedupLogProbe for Ingestion {
    fn source(&self) -> Source {
        Source::from_static("ingestion 3")
    }

    async fn dropped(&self, request: &DroppedRequest) -> Result<Dropped, ProbeError> {
        let device = self.devices.find(request.device.as_str());
        let device = device.ok_or_else(|| ProbeError::failed("it has never sent anything"))?;
        let drops = self.engine.dropped(device, request.period);
        Ok(dedup_dropped(&drops, self.engine.settings().ttl, request.period, self.now))
    }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

/// An hour in which one message in three was sent twice, and two had the id of another.
fn ingestion() -> Ingestion {
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
    Ingestion { engine, devices, now: at(3600) }
}

async fn asked(ingestion: Ingestion, from: i64, to: i64) -> Observation {
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
async fn of_a_period_before_it_was_started_it_knows_nothing() {
    let observation = asked(ingestion(), -100, 1200).await;
    let Observation::Unknown(unknown) = &observation else { panic!("{observation:?}") };
    assert_eq!(unknown.reason, UnknownReason::Stale);
    let observation = asked(ingestion(), -200, -100).await;
    assert!(matches!(observation, Observation::Unknown(_)), "{observation:?}");
}
