//! The step `consumer-lag` of the data-gap runbook: answered from windows, and when the answer does not come.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::catalog;
use iot_runbook::check::{Checks, partition_lag};
use iot_runbook::diagnosis::{Diagnosis, Ending, Finding};
use iot_runbook::driver::{Driver, SimulatedTimer};
use iot_runbook::fact::Source;
use iot_runbook::lag::{Sample, Window};
use iot_runbook::mock::{
    MockBrokerProbe, MockDeadbandProbe, MockDedupLogProbe, MockSchemaProbe, MockTelemetryProbe,
};
use iot_runbook::probe::{
    Bridged, BridgedRequest, ConnectionLog, DeadbandFacts, Dropped, Elsewhere, KafkaProbe, LagFacts,
    LagRequest, Messages, ProbeError, Probes, Rejections, Rows, SessionState, StorageRefusals,
};
use iot_runbook::subject::{Subject, Trigger};
use iot_runbook::time::{ManualClock, Period};
use ulid::Ulid;

use super::streams::at;

fn period() -> Period {
    Period::new(at(0), at(3600)).unwrap()
}

/// A Kafka whose bridge lost nothing. Its lag is what the windows hold, with so many messages of the device unread; or it
/// never answers.
struct Kafka(Option<(Vec<Window>, Option<u64>)>);

#[async_trait]
impl KafkaProbe for Kafka {
    fn source(&self) -> Source {
        Source::from_static("kafka eu-1")
    }

    async fn lag(&self, request: &LagRequest) -> Result<LagFacts, ProbeError> {
        let Some((windows, unread)) = &self.0 else { return pending().await };
        let partitions =
            windows.iter().zip(0..).map(|(window, number)| partition_lag(number, window, request.period));
        let facts = LagFacts::new(at(3700), request.period).with_partitions(partitions.collect());
        Ok(match unread {
            Some(unread) => facts.with_messages_unread(*unread).with_messages_gone(0),
            None => facts,
        })
    }

    async fn bridged(&self, request: &BridgedRequest) -> Result<Bridged, ProbeError> {
        Ok(Bridged::new(at(3700), request.period, 100))
    }
}

/// Looked in each place, and found nothing.
fn nowhere(period: Period) -> Elsewhere {
    let answer = Elsewhere::new(at(3700), period).with_other_times(0).with_other_name(0);
    answer.with_replaced(0).with_retention(0).with_not_applied(0)
}

/// An hour online in which all 100 messages came to Kafka, and 40 rows came of them. So many were rejected.
fn run(kafka: Kafka, rejected: u64) -> (Diagnosis, Finding) {
    let source = || Source::from_static("memory");
    let mut broker = MockBrokerProbe::new();
    broker.expect_source().returning(source);
    broker.expect_connection_log().returning(|request| {
        Ok(Some(ConnectionLog::new(at(3700), request.period).with_at_start(SessionState::Up)))
    });
    broker.expect_messages().returning(|request| Ok(Messages::new(at(3700), request.period, 100)));
    let mut telemetry = MockTelemetryProbe::new();
    telemetry.expect_source().returning(source);
    telemetry.expect_rows().returning(|_| Ok(Rows::new(at(3700), 100, 40)));
    telemetry
        .expect_storage_refusals()
        .returning(|request| Ok(StorageRefusals::new(at(3700), request.period, 0)));
    telemetry.expect_elsewhere().returning(|request| Ok(nowhere(request.period)));
    let mut schema = MockSchemaProbe::new();
    schema.expect_source().returning(source);
    schema
        .expect_rejections()
        .returning(move |request| Ok(Rejections::new(at(3700), request.period, rejected)));
    let mut dedup = MockDedupLogProbe::new();
    dedup.expect_source().returning(source);
    dedup.expect_dropped().returning(|request| Ok(Dropped::new(at(3700), request.period, 0, 0)));
    let mut deadband = MockDeadbandProbe::new();
    deadband.expect_source().returning(source);
    deadband.expect_deadband().returning(|request| Ok(DeadbandFacts::new(at(3700), request.period)));
    let probes = Probes::new()
        .with_broker(Arc::new(broker))
        .with_kafka(Arc::new(kafka))
        .with_telemetry(Arc::new(telemetry))
        .with_schema(Arc::new(schema))
        .with_dedup_log(Arc::new(dedup))
        .with_deadband(Arc::new(deadband));
    let set = catalog::set().unwrap();
    let now: DateTime<Utc> = at(3700);
    let clock = Arc::new(ManualClock::new(now));
    let timer = Arc::new(SimulatedTimer::new(clock.clone()));
    let driver = Driver::new(&set, &Checks::builtin(), probes, timer).unwrap().with_clock(clock);
    let subject =
        Subject::device("press-07").with_gateway("gw-2").with_pipeline("ingest").with_period(period());
    let trigger = Trigger::new("gap", now);
    let mut diagnosis = Diagnosis::new(Ulid(1), &set, "data-gap", subject, trigger, now).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let finding = runtime.block_on(driver.run(&mut diagnosis)).unwrap();
    (diagnosis, finding)
}

fn causes(finding: &Finding) -> Vec<&str> {
    finding.hypotheses().iter().map(|left| &*left.cause).collect()
}

#[test]
fn a_lag_that_times_out_leaves_ranked_hypotheses_and_what_to_ask_next() {
    let (diagnosis, finding) = run(Kafka(None), 0);
    assert_eq!(finding.ending(), Ending::Undetermined);
    assert!(diagnosis.trace().any(|record| {
        let line = record.to_string();
        line.contains("consumer-lag") && line.contains("timeout")
    }));
    // All others answered: it is the lag, or nothing that the runbook knows.
    assert_eq!(causes(&finding).first(), Some(&"consumer-lag"));
    assert_eq!(finding.next_probe().map(|next| &*next.step), Some("consumer-lag"));
    let refuted: BTreeSet<_> = finding.refuted().iter().map(|refuted| &*refuted.conclusion).collect();
    for gone in [
        "schema-mismatch",
        "dedup-false-positive",
        "storage-write-fault",
        "deadband-too-wide",
        "process-stable",
    ] {
        assert!(refuted.contains(gone), "{gone} in {refuted:?}");
    }
}

#[test]
fn what_another_probe_found_stands_beside_a_lag_that_times_out() {
    let (_, finding) = run(Kafka(None), 55);
    assert_eq!(finding.ending(), Ending::Undetermined);
    assert_eq!(causes(&finding), ["schema-rejection", "consumer-lag"]);
    assert_eq!(finding.next_probe().map(|next| &*next.step), Some("consumer-lag"));
}

/// A look a minute, with the head moving by ten; the group is told by how far it is at each.
fn window(committed: impl Fn(u64) -> u64) -> Window {
    let mut window = Window::new(60).unwrap();
    for minute in 0..60_u64 {
        let when = at(0) + TimeDelta::minutes(i64::try_from(minute).unwrap());
        window.observe(Sample::new(when, 0, 1000 + 10 * minute).with_committed(Some(committed(minute))));
    }
    window
}

#[test]
fn windows_of_the_engine_answer_the_step() {
    let fine = || window(|minute| 1000 + 10 * minute);
    let stopped = window(|minute| 1000 + 10 * minute.min(30));
    for (windows, unread, conclusion) in [
        (vec![fine(), fine()], None, Some("unexplained-gap")),
        (vec![fine(), stopped.clone()], Some(60), Some("ingestion-overloaded")),
        // It stopped, and the rows are missing for another reason.
        (vec![fine(), stopped], Some(0), Some("unexplained-gap")),
        (vec![fine(), window(|_| 900)], Some(30), Some("ingestion-overloaded")),
        (vec![fine(), window(|_| 900)], None, None),
        (vec![fine(), Window::default()], None, None),
        (vec![], None, None),
    ] {
        let (_, finding) = run(Kafka(Some((windows, unread))), 0);
        assert_eq!(finding.conclusion(), conclusion, "{finding:?}");
    }
}
