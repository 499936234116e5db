//! The step `consumer-lag` of the data-gap runbook: answered from windows, and when the answer does not come.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::adapter::{Failures, LagMonitor, MessagesAt, ResetPolicy, SetPositions, TopicReader};
use iot_runbook::catalog;
use iot_runbook::check::Checks;
use iot_runbook::diagnosis::{Diagnosis, Ending, Finding};
use iot_runbook::driver::{Driver, SimulatedTimer};
use iot_runbook::fact::Source;
use iot_runbook::lag::Sample;
use iot_runbook::mock::{
    MockBrokerProbe, MockDeadbandProbe, MockDedupLogProbe, MockSchemaProbe, MockTelemetryProbe,
};
use iot_runbook::probe::{
    Bridged, BridgedRequest, ConnectionLog, DeadbandFacts, Dropped, Elsewhere, KafkaProbe, LagFacts,
    LagRequest, Messages, OffsetsRequest, ProbeError, ProbeErrorKind, Probes, Rejections, ResetCause, Rows,
    SessionState, StorageRefusals, StuckState, TransactionState,
};
use iot_runbook::subject::{DeviceId, PipelineId, Subject, Trigger};
use iot_runbook::time::{Clock, ManualClock, Period};
use ulid::Ulid;

use super::streams::at;

fn period() -> Period {
    Period::new(at(0), at(3600)).unwrap()
}

/// Kafka never answers.
struct Silent;

#[async_trait]
impl KafkaProbe for Silent {
    fn source(&self) -> Source {
        Source::from_static("kafka eu-1")
    }

    async fn lag(&self, _: &LagRequest) -> Result<LagFacts, ProbeError> {
        pending().await
    }

    async fn bridged(&self, request: &BridgedRequest) -> Result<Bridged, ProbeError> {
        Ok(Bridged::new(at(3700), request.period, 100))
    }
}

/// A topic of which each offset that is named holds a message of the device; those of an empty range are none.
#[derive(Default)]
struct Topic {
    own: Vec<u64>,
    partition: Option<i32>,
    set: Option<Vec<SetPositions>>,
    failures: Option<Failures>,
}

#[async_trait]
impl TopicReader for Topic {
    async fn partition(&self, _: &PipelineId, _: &DeviceId) -> Result<Option<i32>, ProbeError> {
        Ok(self.partition)
    }

    async fn count(&self, messages: &MessagesAt) -> Result<u64, ProbeError> {
        assert_eq!((messages.device.as_str(), messages.period), ("press-07", period()));
        Ok(self.own.iter().filter(|offset| messages.offsets.contains(offset)).count() as u64)
    }

    async fn set_positions(&self, _: &MessagesAt) -> Result<Option<Vec<SetPositions>>, ProbeError> {
        Ok(self.set.clone())
    }

    async fn failures(&self, _: &PipelineId, _: i32, _: u64) -> Result<Option<Failures>, ProbeError> {
        Ok(self.failures.clone())
    }
}

fn ingest() -> PipelineId {
    PipelineId::from("ingest")
}

/// A monitor that took these looks, partition by partition.
fn monitor(partitions: &[Vec<Sample>], now: DateTime<Utc>) -> LagMonitor {
    let monitor = LagMonitor::new("kafka eu-1", 100).unwrap().with_clock(Arc::new(ManualClock::new(now)));
    for (partition, looks) in (0..).zip(partitions) {
        looks.iter().for_each(|look| monitor.observe(&ingest(), partition, *look));
    }
    monitor
}

/// Looked in each place, and found nothing.
fn nowhere(now: DateTime<Utc>, period: Period) -> Elsewhere {
    let answer = Elsewhere::new(now, period).with_other_times(0).with_other_name(0);
    answer.with_replaced(0).with_retention(0).with_not_applied(0)
}

/// An hour online in which all 100 messages came to Kafka, and 40 rows came of them. So many were rejected.
fn run(kafka: Arc<dyn KafkaProbe>, rejected: u64) -> (Diagnosis, Finding) {
    let now: DateTime<Utc> = at(3700);
    let clock = Arc::new(ManualClock::new(now));
    // What an adapter says holds at the time at which it is asked.
    let asked = || {
        let clock = clock.clone();
        move || clock.now()
    };
    let source = || Source::from_static("memory");
    let mut broker = MockBrokerProbe::new();
    broker.expect_source().returning(source);
    broker.expect_connection_log().returning({
        let now = asked();
        move |request| Ok(Some(ConnectionLog::new(now(), request.period).with_at_start(SessionState::Up)))
    });
    broker.expect_messages().returning({
        let now = asked();
        move |request| Ok(Messages::new(now(), request.period, 100))
    });
    let mut telemetry = MockTelemetryProbe::new();
    telemetry.expect_source().returning(source);
    telemetry.expect_rows().returning({
        let now = asked();
        move |_| Ok(Rows::new(now(), 100, 40))
    });
    telemetry.expect_storage_refusals().returning({
        let now = asked();
        move |request| Ok(StorageRefusals::new(now(), request.period, 0))
    });
    telemetry.expect_elsewhere().returning({
        let now = asked();
        move |request| Ok(nowhere(now(), request.period))
    });
    let mut schema = MockSchemaProbe::new();
    schema.expect_source().returning(source);
    schema.expect_rejections().returning({
        let now = asked();
        move |request| Ok(Rejections::new(now(), request.period, rejected))
    });
    let mut dedup = MockDedupLogProbe::new();
    dedup.expect_source().returning(source);
    dedup.expect_dropped().returning({
        let now = asked();
        move |request| Ok(Dropped::new(now(), request.period, 0, 0))
    });
    let mut deadband = MockDeadbandProbe::new();
    deadband.expect_source().returning(source);
    deadband.expect_deadband().returning({
        let now = asked();
        move |request| Ok(DeadbandFacts::new(now(), request.period))
    });
    let probes = Probes::new()
        .with_broker(Arc::new(broker))
        .with_kafka(kafka)
        .with_telemetry(Arc::new(telemetry))
        .with_schema(Arc::new(schema))
        .with_dedup_log(Arc::new(dedup))
        .with_deadband(Arc::new(deadband));
    let set = catalog::set().unwrap();
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
fn timed_out_lag_leaves_hypotheses() {
    let (diagnosis, finding) = run(Arc::new(Silent), 0);
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
fn other_findings_stay_beside_timed_out_lag() {
    let (_, finding) = run(Arc::new(Silent), 55);
    assert_eq!(finding.ending(), Ending::Undetermined);
    assert_eq!(causes(&finding), ["schema-rejection", "consumer-lag"]);
    assert_eq!(finding.next_probe().map(|next| &*next.step), Some("consumer-lag"));
}

/// A look a minute from before the period on, with the head moving by ten; the group is where it is said to be at each.
fn looks(committed: impl Fn(u64) -> u64) -> Vec<Sample> {
    let look = |minute: u64| {
        let when = at(-60) + TimeDelta::minutes(i64::try_from(minute).unwrap());
        Sample::new(when, 0, 1000 + 10 * minute).with_committed(Some(committed(minute)))
    };
    (0..=62).map(look).collect()
}

/// So many messages of the device at the end of the log, and the rest of 100 at its start.
fn own(unread: u64) -> Vec<u64> {
    (0..100 - unread).chain(1620 - unread..1620).collect()
}

#[test]
fn windows_of_the_engine_answer_the_step() {
    let fine = || looks(|minute| 1000 + 10 * minute);
    let stopped = looks(|minute| 1000 + 10 * minute.min(30));
    let idle = looks(|_| 900);
    for (partitions, unread, conclusion) in [
        (vec![fine(), fine()], None, Some("unexplained-gap")),
        (vec![fine(), stopped.clone()], Some(60), Some("ingestion-overloaded")),
        // It stopped, and the rows are missing for another reason.
        (vec![fine(), stopped], Some(0), Some("unexplained-gap")),
        (vec![fine(), idle.clone()], Some(30), Some("ingestion-overloaded")),
        (vec![fine(), idle], None, None),
        (vec![fine(), vec![]], None, None),
        (vec![], None, None),
    ] {
        let case = format!("{unread:?} {} partitions", partitions.len());
        let mut monitor = monitor(&partitions, at(3700));
        if partitions.get(1).is_some_and(Vec::is_empty) {
            monitor.observe(&ingest(), 1, Sample::new(at(9_000), 0, 9));
        }
        if let Some(unread) = unread {
            let topic = Topic { own: own(unread), partition: Some(1), ..Topic::default() };
            monitor = monitor.with_reader(Arc::new(topic));
        }
        let (_, finding) = run(Arc::new(Bridging(monitor)), 0);
        assert_eq!(finding.conclusion(), conclusion, "{case}: {finding:?}");
    }
}

/// A monitor beside a bridge that is known to have lost nothing.
struct Bridging(LagMonitor);

#[async_trait]
impl KafkaProbe for Bridging {
    fn source(&self) -> Source {
        self.0.source()
    }

    async fn lag(&self, request: &LagRequest) -> Result<LagFacts, ProbeError> {
        self.0.lag(request).await
    }

    async fn bridged(&self, request: &BridgedRequest) -> Result<Bridged, ProbeError> {
        Ok(Bridged::new(at(3700), request.period, 100))
    }
}

fn offsets_request() -> OffsetsRequest {
    OffsetsRequest::new(ingest(), "press-07".into(), period())
}

#[tokio::test]
async fn without_a_reader_no_message_is_counted() {
    let monitor = monitor(&[looks(|_| 900)], at(3700));
    monitor.set_state(&ingest(), Some("Stable"), Some(2));
    let request = LagRequest::new(ingest(), period()).with_device("press-07".into());
    let facts = monitor.lag(&request).await.unwrap();
    assert_eq!((facts.messages_unread, facts.messages_gone, facts.partitions.len()), (None, None, 1));
    assert_eq!((facts.state.as_deref(), facts.members, facts.covers), (Some("Stable"), Some(2), period()));
    let bridged = BridgedRequest::new(ingest(), "press-07".into(), period());
    assert_eq!(monitor.bridged(&bridged).await.unwrap_err().kind(), ProbeErrorKind::Unsupported);
    assert_eq!(monitor.offsets(&offsets_request()).await.unwrap_err().kind(), ProbeErrorKind::Unsupported);
    let other = LagRequest::new("other".into(), period());
    assert_eq!(monitor.lag(&other).await.unwrap_err().text(), "no sample was taken of the group of `other`");
    monitor.set_share_group(&ingest());
    let facts = monitor.lag(&request).await.unwrap();
    assert!(facts.is_share_group && facts.partitions.is_empty());
}

#[tokio::test]
async fn messages_are_kept_until_a_look_denies() {
    let request = LagRequest::new(ingest(), period()).with_device("press-07".into());
    let counted = async |change: &dyn Fn(&mut Vec<Sample>)| {
        let mut looks = looks(|minute| 990 + 10 * minute);
        change(&mut looks);
        let reader = Topic { own: own(5), ..Topic::default() };
        let facts = monitor(&[looks], at(3700)).with_reader(Arc::new(reader)).lag(&request).await.unwrap();
        (facts.messages_unread, facts.messages_gone)
    };
    assert_eq!(counted(&|_| {}).await, (Some(5), Some(0)));
    // Retention follows behind the group.
    assert_eq!(counted(&|looks| looks[40].log_start = 1380).await, (Some(5), Some(0)));
    // It may have passed the group between two looks.
    assert_eq!(counted(&|looks| looks[40].log_start = 1381).await, (Some(5), None));
    // No look is from before the period.
    assert_eq!(counted(&|looks| drop(looks.drain(..2))).await, (Some(5), None));
    // Nobody knows what a group without an offset has read.
    assert_eq!(counted(&|looks| looks[62].committed = None).await, (None, None));
    assert_eq!(counted(&|looks| looks[62].committed = Some(9_999)).await, (None, None));
}

#[tokio::test]
async fn lossy_topic_bridges_an_unknown_number() {
    let bridged = async |log_start: u64, first: usize| {
        let mut looks = looks(|minute| 1000 + 10 * minute);
        looks.last_mut().unwrap().log_start = log_start;
        looks.drain(..first);
        let reader = Topic { own: own(5), ..Topic::default() };
        let monitor = monitor(&[looks], at(3700)).with_reader(Arc::new(reader));
        let request = BridgedRequest::new(ingest(), "press-07".into(), period());
        monitor.bridged(&request).await.map(|bridged| bridged.in_kafka)
    };
    assert_eq!(bridged(0, 0).await.unwrap(), 100);
    assert_eq!(bridged(50, 0).await.unwrap(), 50);
    // At the start of the period the head was at 1010.
    assert_eq!(bridged(1010, 0).await.unwrap(), 5);
    assert!(bridged(1011, 0).await.is_err());
    assert!(bridged(0, 2).await.is_err());
}

#[tokio::test]
async fn offsets_say_what_the_looks_prove() {
    let fine = || looks(|minute| 1000 + 10 * minute);
    let ask = async |looks: Vec<Sample>, reader: Topic, policy: Option<ResetPolicy>| {
        let mut monitor = monitor(&[looks], at(3700)).with_reader(Arc::new(reader));
        if let Some(policy) = policy {
            monitor = monitor.with_reset_policy(policy);
        }
        monitor.offsets(&offsets_request()).await.unwrap()
    };
    // A group that has read all is not stuck. Whether it skipped, and whether a transaction is open, nobody knows.
    let well = ask(fine(), Topic::default(), Some(ResetPolicy::Latest)).await;
    assert_eq!(
        (well.resets, well.transaction, well.stuck, well.covers),
        (None, TransactionState::NotKnown, StuckState::NotStuck, period())
    );
    let reader = || Topic { set: Some(vec![]), ..Topic::default() };
    assert_eq!(ask(fine(), reader(), None).await.resets, Some(vec![]));

    // It lost its offset for ten minutes, and began at the head.
    let mut lost = fine();
    lost[20..30].iter_mut().for_each(|look| look.committed = None);
    let own = || (1180..1300).collect::<Vec<u64>>();
    let reader = || Topic { own: own(), ..Topic::default() };
    let resets = ask(lost.clone(), reader(), Some(ResetPolicy::Latest)).await.resets.unwrap();
    assert_eq!(resets.len(), 1);
    assert_eq!((resets[0].at, resets[0].from, resets[0].to), (at(29 * 60), 1190, 1290));
    assert_eq!((resets[0].skipped, resets[0].cause), (100, ResetCause::Newest));
    assert_eq!(ask(lost.clone(), reader(), Some(ResetPolicy::Earliest)).await.resets, None);
    assert_eq!(ask(lost.clone(), reader(), None).await.resets, None, "the policy is not known");
    let known = || Topic { set: Some(vec![]), ..reader() };
    assert_eq!(ask(lost.clone(), known(), None).await.resets, None);
    assert_eq!(ask(lost, known(), Some(ResetPolicy::Earliest)).await.resets, Some(vec![]));

    // Somebody set it: forward, back, and before the period.
    let set = [(100, 1190, 1200), (200, 1200, 1190), (-10, 1180, 1190)];
    let set = set.map(|(second, from, to)| SetPositions::new(at(second), from, to)).to_vec();
    let resets = ask(fine(), Topic { set: Some(set), ..reader() }, None).await.resets.unwrap();
    assert_eq!(resets.len(), 1);
    assert_eq!((resets[0].skipped, resets[0].cause), (10, ResetCause::Position));

    // A transaction holds back what comes.
    let mut held = looks(|minute| 1000 + 10 * minute.min(30));
    for (minute, look) in (0..).zip(&mut held) {
        look.last_stable_offset = Some(1000 + 10 * u64::min(minute, 30));
    }
    let reader = Topic { own: (1290..1620).collect(), ..Topic::default() };
    let answer = ask(held, reader, None).await;
    let TransactionState::Open(open) = answer.transaction else { panic!("{answer:?}") };
    assert_eq!((open.last_stable_offset, open.high_watermark, open.held_back), (1300, 1620, 320));
    assert_eq!((open.unmoved_since, open.reads_committed), (Some(at(30 * 60)), Some(true)));
    assert_eq!(answer.stuck, StuckState::NotStuck);

    // One record fails again and again.
    let stuck = || looks(|minute| 1000 + 10 * minute.min(30));
    let failing = |count| Topic {
        own: (1290..1620).collect(),
        failures: Some(Failures::new(count).with_example("bad date")),
        ..Topic::default()
    };
    let StuckState::Stuck(record) = ask(stuck(), failing(7), None).await.stuck else { panic!() };
    assert_eq!((record.offset, record.failures, record.behind), (1300, 7, 320));
    assert_eq!((record.since, record.example.as_deref()), (Some(at(30 * 60)), Some("bad date")));
    assert_eq!(ask(stuck(), failing(0), None).await.stuck, StuckState::NotStuck);
    assert_eq!(ask(stuck(), Topic::default(), None).await.stuck, StuckState::NotKnown);
    // A single record at the end is enough.
    let mut last = fine();
    last[62].committed = Some(1619);
    assert!(matches!(ask(last, failing(2), None).await.stuck, StuckState::Stuck(_)));
}

#[tokio::test]
async fn offsets_are_of_the_device_s_partition_alone() {
    let two = [looks(|minute| 1000 + 10 * minute), looks(|minute| 1000 + 10 * minute)];
    let ask = async |partition| {
        let reader = Topic { partition, ..Topic::default() };
        let monitor = monitor(&two, at(3700)).with_reader(Arc::new(reader));
        monitor.offsets(&offsets_request()).await.map(|_| ()).map_err(|error| error.text().to_owned())
    };
    assert_eq!(ask(Some(1)).await, Ok(()));
    assert_eq!(ask(None).await.unwrap_err(), "the partition of the device is not known");
    assert_eq!(ask(Some(7)).await.unwrap_err(), "no sample was taken of partition 7 of `ingest`");
}
