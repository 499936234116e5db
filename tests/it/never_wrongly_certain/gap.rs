//! Of `data-gap`: a cause must cover what it explains.
//!
//! In each, a press that should have 100 rows of an hour has 40. Its expected answer was written before it was run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::catalog;
use iot_runbook::check::Checks;
use iot_runbook::diagnosis::{Diagnosis, Ending, Finding};
use iot_runbook::driver::{Driver, SimulatedTimer};
use iot_runbook::fact::Source;
use iot_runbook::probe::*;
use iot_runbook::subject::{Subject, Trigger};
use iot_runbook::time::{ManualClock, Period};
use ulid::Ulid;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn period() -> Period {
    Period::new(at(0), at(3600)).unwrap()
}

/// When the diagnosis runs.
const NOW: i64 = 3700;

/// What goes wrong in a world.
type Fault = fn(&mut World);

/// All that the adapters answer: at first, every part between device and database is well.
#[derive(Clone)]
struct World {
    /// How many of the 100 rows are stored, at the first question and at each that follows.
    stored: u64,
    /// From this question on all rows are stored.
    healed_at: u64,
    /// When the diagnosis runs, in seconds; and when the last row of the period was stored.
    now: i64,
    last_stored: Option<i64>,
    /// How many rows of the period were stored since the alert, and how many rows the time after it has.
    late: u64,
    rows_after: u64,
    service: ServiceHistory,
    session: ConnectionLog,
    messages: Messages,
    outbox: Outbox,
    acquisition: Acquisition,
    bridged: Bridged,
    offsets: Offsets,
    /// `None`: Kafka does not answer.
    lag: Option<LagFacts>,
    rejections: Rejections,
    dropped: Dropped,
    refusals: StorageRefusals,
    elsewhere: Elsewhere,
    deadband: DeadbandFacts,
}

impl World {
    /// All 100 messages came to the broker and on into Kafka, were read, and no stage lost any.
    fn new() -> Self {
        let (now, period) = (at(NOW), period());
        let sample = |second, offset| LagSample::new(at(second), 0, offset).with_committed(offset);
        let partition =
            PartitionLag::new(3).with_samples(vec![sample(0, 0), sample(1800, 50), sample(3590, 100)]);
        Self {
            stored: 40,
            healed_at: u64::MAX,
            now: NOW,
            last_stored: None,
            late: 0,
            rows_after: 0,
            service: ServiceHistory::new(now, period, Some(ServiceState::InService)),
            session: ConnectionLog::new(now, period).with_at_start(SessionState::Up),
            messages: Messages::new(now, period, 100).with_dropped(vec![]),
            outbox: Outbox::new(now, period).with_device_dropped(0).with_unsent(0),
            acquisition: Acquisition::new(now, period).with_due(100).with_answered(100).with_passed_on(100),
            bridged: Bridged::new(now, period, 100),
            offsets: Offsets::new(now, period)
                .with_resets(vec![])
                .with_transaction(TransactionState::NotOpen)
                .with_stuck(StuckState::NotStuck),
            lag: Some(
                LagFacts::new(now, period)
                    .with_partitions(vec![partition])
                    .with_members(2)
                    .with_messages_unread(0)
                    .with_messages_gone(0),
            ),
            rejections: Rejections::new(now, period, 0),
            dropped: Dropped::new(now, period, 0, 0),
            refusals: StorageRefusals::new(now, period, 0),
            elsewhere: Elsewhere::new(now, period)
                .with_other_times(0)
                .with_other_name(0)
                .with_replaced(0)
                .with_retention(0)
                .with_not_applied(0),
            deadband: DeadbandFacts::new(now, period),
        }
    }

    /// Only the messages of the stored rows came to the broker.
    fn nothing_came() -> Self {
        let mut world = Self::new();
        world.messages.arrived = world.stored;
        world
    }

    fn diagnose(self) -> Finding {
        self.diagnose_of(Subject::device("press-07").with_gateway("gw-2").with_pipeline("ingest"))
    }

    fn diagnose_of(self, subject: Subject) -> Finding {
        let now = at(self.now);
        let world = Arc::new(Adapters { world: self, questions: AtomicU64::new(0) });
        let probes = Probes::new()
            .with_device(world.clone())
            .with_broker(world.clone())
            .with_gateway(world.clone())
            .with_edge_buffer(world.clone())
            .with_kafka(world.clone())
            .with_schema(world.clone())
            .with_dedup_log(world.clone())
            .with_telemetry(world.clone())
            .with_deadband(world);
        let set = catalog::set().unwrap();
        let clock = Arc::new(ManualClock::new(now));
        let timer = Arc::new(SimulatedTimer::new(clock.clone()));
        let driver = Driver::new(&set, &Checks::builtin(), probes, timer).unwrap().with_clock(clock);
        let subject = subject.with_period(period());
        let trigger = Trigger::new("gap", at(NOW));
        let mut diagnosis = Diagnosis::new(Ulid(1), &set, "data-gap", subject, trigger, now).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(driver.run(&mut diagnosis)).unwrap()
    }
}

struct Adapters {
    world: World,
    /// How often the rows were counted.
    questions: AtomicU64,
}

/// Each of these methods answers from one field of the world.
macro_rules! answers {
    ($($probe:ident { $($method:ident($request:ident) -> $answer:ty = $field:ident,)* })*) => {$(
        #[async_trait]
        impl $probe for Adapters {
            fn source(&self) -> Source {
                Source::from_static("memory")
            }

            $(async fn $method(&self, _: &$request) -> Result<$answer, ProbeError> {
                Ok(self.world.$field.clone())
            })*

        }
    )*};
}

answers! {
    EdgeBufferProbe { outbox(OutboxRequest) -> Outbox = outbox, }
    SchemaProbe { rejections(RejectionsRequest) -> Rejections = rejections, }
    DedupLogProbe { dropped(DroppedRequest) -> Dropped = dropped, }
    DeadbandProbe { deadband(DeadbandRequest) -> DeadbandFacts = deadband, }
}

#[async_trait]
impl DeviceProbe for Adapters {
    fn source(&self) -> Source {
        Source::from_static("memory")
    }

    async fn service_state(&self, _: &ServiceStateRequest) -> Result<ServiceStateAnswer, ProbeError> {
        Err(ProbeError::unsupported())
    }

    async fn last_seen(&self, _: &LastSeenRequest) -> Result<LastSeenAnswer, ProbeError> {
        Err(ProbeError::unsupported())
    }

    async fn receipts(&self, _: &ReceiptsRequest) -> Result<Receipts, ProbeError> {
        Err(ProbeError::unsupported())
    }

    async fn service_history(&self, _: &ServiceHistoryRequest) -> Result<ServiceHistory, ProbeError> {
        Ok(self.world.service.clone())
    }
}

#[async_trait]
impl BrokerProbe for Adapters {
    fn source(&self) -> Source {
        Source::from_static("memory")
    }

    async fn connection_log(&self, _: &ConnectionLogRequest) -> Result<Option<ConnectionLog>, ProbeError> {
        Ok(Some(self.world.session.clone()))
    }

    async fn messages(&self, _: &MessagesRequest) -> Result<Messages, ProbeError> {
        Ok(self.world.messages.clone())
    }
}

#[async_trait]
impl GatewayProbe for Adapters {
    fn source(&self) -> Source {
        Source::from_static("memory")
    }

    async fn health(&self, _: &HealthRequest) -> Result<GatewayHealth, ProbeError> {
        Err(ProbeError::unsupported())
    }

    async fn acquisition(&self, _: &AcquisitionRequest) -> Result<Acquisition, ProbeError> {
        Ok(self.world.acquisition.clone())
    }
}

#[async_trait]
impl KafkaProbe for Adapters {
    fn source(&self) -> Source {
        Source::from_static("memory")
    }

    async fn lag(&self, _: &LagRequest) -> Result<LagFacts, ProbeError> {
        self.world.lag.clone().ok_or_else(|| ProbeError::failed("the coordinator is gone"))
    }

    async fn bridged(&self, _: &BridgedRequest) -> Result<Bridged, ProbeError> {
        Ok(self.world.bridged.clone())
    }

    async fn offsets(&self, _: &OffsetsRequest) -> Result<Offsets, ProbeError> {
        Ok(self.world.offsets.clone())
    }
}

#[async_trait]
impl TelemetryProbe for Adapters {
    fn source(&self) -> Source {
        Source::from_static("memory")
    }

    async fn rows(&self, request: &RowsRequest) -> Result<Rows, ProbeError> {
        if request.period.start() >= period().end() {
            return Ok(Rows::new(at(self.world.now), 1000, self.world.rows_after));
        }
        let question = self.questions.fetch_add(1, Ordering::Relaxed);
        let stored = if question >= self.world.healed_at { 100 } else { self.world.stored };
        let mut rows = Rows::new(at(self.world.now), 100, stored).with_late(self.world.late);
        rows.last_stored = self.world.last_stored.map(at);
        Ok(rows)
    }

    async fn storage_refusals(&self, _: &StorageRefusalsRequest) -> Result<StorageRefusals, ProbeError> {
        Ok(self.world.refusals.clone())
    }

    async fn elsewhere(&self, _: &ElsewhereRequest) -> Result<Elsewhere, ProbeError> {
        Ok(self.world.elsewhere.clone())
    }
}

/// What the conformance functions find wrong with a world, by method.
fn violations(world: World) -> Vec<(&'static str, conformance::Rule)> {
    let adapters = Adapters { world, questions: AtomicU64::new(0) };
    let found = async {
        let (now, period) = (at(NOW), period());
        let press = || Client::Device("press-07".into());
        let mut found = conformance::device(&adapters, "press-07", period, now).await;
        found.extend(conformance::broker(&adapters, press(), period, now).await);
        found.extend(conformance::gateway(&adapters, "gw-2", "press-07", period, now).await);
        found.extend(conformance::edge_buffer(&adapters, "gw-2", "press-07", period, now).await);
        found.extend(conformance::kafka(&adapters, "ingest", "press-07", period, now).await);
        found.extend(conformance::dedup_log(&adapters, "press-07", period, now).await);
        found.extend(conformance::telemetry(&adapters, "ingest", "press-07", period, now).await);
        found.extend(conformance::deadband(&adapters, "press-07", period, now).await);
        found
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(found).into_iter().map(|violation| (violation.method, violation.rule)).collect()
}

#[test]
fn conformance_names_impossible_counts() {
    use conformance::Rule::{Contradiction, Number, Outside};
    assert_eq!(violations(World::new()), []);
    let cases: [(&str, conformance::Rule, Fault); 13] = [
        ("service_history", Outside, |world| {
            world.service.changes = vec![ServiceChange::new(at(-1), Some(ServiceState::Maintenance))];
        }),
        ("messages", Contradiction, |world| world.messages.live = Some(101)),
        ("messages", Contradiction, |world| {
            world.messages.dropped = Some(vec![BrokerDrop::new(BrokerDropReason::Acl, 101)]);
        }),
        ("acquisition", Contradiction, |world| world.acquisition.passed_on = Some(101)),
        ("acquisition", Number, |world| world.acquisition.subscription_down = Some(TimeDelta::seconds(-1))),
        ("outbox", Contradiction, |world| {
            (world.outbox.device_dropped, world.outbox.dropped_in_all) = (Some(1), Some(0));
        }),
        ("outbox", Number, |world| world.outbox.usual_part = Some(97.0)),
        ("offsets", Contradiction, |world| {
            world.offsets.resets = Some(vec![OffsetReset::new(at(5), 10, 20, 11)]);
        }),
        ("offsets", Contradiction, |world| {
            world.offsets.transaction = TransactionState::Open(OpenTransaction::new(91, 90, 1));
        }),
        ("dropped", Contradiction, |world| world.dropped.unstored = Some(1)),
        ("rows", Contradiction, |world| world.stored = 101),
        ("elsewhere", Contradiction, |world| world.elsewhere.backfill = 1),
        ("deadband", Number, |world| world.deadband.resolution = Some(f64::NAN)),
    ];
    for (method, rule, fault) in cases {
        let mut world = World::new();
        fault(&mut world);
        assert_eq!(violations(world), [(method, rule)]);
    }
}

fn causes(finding: &Finding) -> Vec<&str> {
    finding.hypotheses().iter().map(|left| &*left.cause).collect()
}

/// A spike of six minutes in the middle of the hour, drained well before its end.
fn lag_spike() -> LagFacts {
    let sample = |second, committed, head| LagSample::new(at(second), 0, head).with_committed(committed);
    let behind = sample(1800, 20, 50).with_age(TimeDelta::minutes(6));
    let samples = vec![sample(0, 0, 0), behind, sample(3590, 100, 100)];
    LagFacts::new(at(NOW), period())
        .with_partitions(vec![PartitionLag::new(3).with_samples(samples)])
        .with_members(2)
}

#[test]
fn drained_lag_hides_no_schema_rejects() {
    for unread in [None, Some(0)] {
        let mut world = World::new();
        let mut lag = lag_spike();
        lag.messages_unread = unread;
        lag.messages_gone = unread;
        world.lag = Some(lag);
        world.rejections.rejected = 60;
        let finding = world.diagnose();
        assert_eq!(finding.conclusion(), Some("schema-mismatch"), "{finding:?}");
        let noted = finding.contributing().iter().any(|one| one.note.contains("caught up since"));
        assert!(noted, "{:?}", finding.contributing());
    }
}

#[test]
fn foreign_message_overruns_no_buffer() {
    for (device, all) in [(Some(0), Some(1)), (None, Some(1))] {
        let mut world = World::nothing_came();
        (world.outbox.device_dropped, world.outbox.dropped_in_all) = (device, all);
        world.acquisition.passed_on = Some(40);
        let finding = world.diagnose();
        assert_eq!(finding.conclusion(), Some("gateway-collector-fault"), "{finding:?}");
    }
}

/// It keeps its rows itself, and nobody can ask what it still holds. A replay that stood still for 15 minutes is over.
#[test]
fn replaying_buffer_has_lost_nothing() {
    const MINUTE: i64 = 60;
    let (catching_up, lost) = (Some("disconnected-catching-up"), Some("disconnected-data-lost"));
    // Minutes since the gap; how many of them ago its last row was stored, and how many came since the alert; rows of the
    // time after it.
    for (after, stored_ago, late, rows_after, expected) in [
        (120, Some(2), 5, 50, catching_up),
        (120, Some(15), 5, 50, catching_up),
        (120, Some(16), 5, 50, lost),
        (120, None, 0, 50, lost),
        // It is not back, or only lately: what it kept may still come.
        (120, Some(16), 5, 0, None),
        (120, None, 0, 0, None),
        (10, None, 0, 50, None),
        // Some came, and nobody knows when.
        (120, None, 5, 50, None),
    ] {
        let mut world = World::new();
        world.session.at_start = SessionState::Down;
        world.now = 3600 + after * MINUTE;
        world.last_stored = stored_ago.map(|ago: i64| world.now - ago * MINUTE);
        (world.late, world.rows_after) = (late, rows_after);
        let finding = world.diagnose_of(Subject::device("press-07").with_pipeline("ingest"));
        let row = (after, stored_ago, late, rows_after);
        assert_eq!(finding.conclusion(), expected, "{row:?} {finding:?}");
        if expected.is_none() {
            assert_eq!(finding.ending(), Ending::Undetermined);
            assert_eq!(causes(&finding), ["device-offline"], "{row:?}");
        }
    }
}

#[test]
fn an_open_transaction_is_no_overload() {
    let mut world = World::new();
    let open = OpenTransaction::new(40, 100, 60).with_reads_committed(true).with_producer("bridge-2");
    world.offsets.transaction = TransactionState::Open(open);
    let sample = |second, head| LagSample::new(at(second), 0, head).with_committed(40);
    let stalled = PartitionLag::new(3).with_samples(vec![sample(0, 40), sample(1800, 70), sample(3590, 100)]);
    let lag = LagFacts::new(at(NOW), period()).with_partitions(vec![stalled]).with_members(2);
    world.lag = Some(lag.with_messages_unread(60).with_messages_gone(0));
    assert_eq!(world.clone().diagnose().conclusion(), Some("producer-transaction-open"));
    // The same lag without the transaction: the ingestion has not read them.
    world.offsets.transaction = TransactionState::NotOpen;
    assert_eq!(world.diagnose().conclusion(), Some("ingestion-overloaded"));
}

#[test]
fn refusing_database_leads_if_lag_unknown() {
    let mut world = World::new();
    world.lag = None;
    world.refusals.refused = 60;
    let finding = world.diagnose();
    assert_eq!(finding.ending(), Ending::Undetermined);
    assert_eq!(causes(&finding).first(), Some(&"storage-write"), "{:?}", causes(&finding));
}

#[test]
fn meanwhile_rows_are_no_ingestion_fault() {
    let mut world = World::new();
    world.rejections.rejected = 60;
    // Each step counts the rows once: the seventh question is the one right before the conclusion.
    let mut meanwhile = 0;
    for healed_at in 0..10 {
        let world = World { healed_at, ..world.clone() };
        match world.diagnose().conclusion() {
            Some("recovered-meanwhile") => meanwhile += 1,
            Some("schema-mismatch") => assert!(healed_at > 1, "{healed_at}"),
            other => panic!("{healed_at}: {other:?}"),
        }
    }
    assert!((2..10).contains(&meanwhile), "{meanwhile}");
}

#[test]
fn joint_causes_are_several() {
    let mut world = World::new();
    world.rejections.rejected = 20;
    world.refusals.refused = 20;
    let finding = world.clone().diagnose();
    assert_eq!(finding.conclusion(), Some("several-causes"), "{finding:?}");
    // What never came to the broker counts beside another cause, and not alone.
    world.refusals.refused = 0;
    assert_eq!(world.clone().diagnose().conclusion(), Some("unexplained-gap"));
    world.messages.arrived = 80;
    world.bridged.in_kafka = 80;
    assert_eq!(world.clone().diagnose().conclusion(), Some("several-causes"));
    world.messages.arrived = 70;
    world.bridged.in_kafka = 70;
    world.rejections.rejected = 0;
    assert_eq!(world.diagnose().conclusion(), Some("unexplained-gap"));
}

#[test]
fn refused_first_copy_counts_for_the_database() {
    let mut world = World::new();
    // Every message came twice; the row of its first copy was refused, and the second was dropped.
    world.dropped = Dropped::new(at(NOW), period(), 60, 0).with_unstored(60).with_first_refused(60);
    world.refusals.refused = 60;
    assert_eq!(world.diagnose().conclusion(), Some("storage-write-fault"));
}

#[test]
fn stored_duplicates_are_no_false_positives() {
    let mut world = World::new();
    world.dropped = Dropped::new(at(NOW), period(), 60, 0).with_unstored(0);
    world.elsewhere.other_times = Some(60);
    assert_eq!(world.diagnose().conclusion(), Some("timestamps-wrong"));
}

#[test]
fn a_heartbeat_is_never_withheld() {
    let band = |facts: DeadbandFacts| {
        let mut world = World::nothing_came();
        world.acquisition = Acquisition::new(at(NOW), period())
            .with_due(100)
            .with_answered(100)
            .with_withheld(60)
            .with_passed_on(40);
        world.deadband = facts.with_width(5.0).with_movement(1.0).with_matters(3.0).with_withheld(60);
        world.diagnose()
    };
    let facts = || DeadbandFacts::new(at(NOW), period());
    assert_eq!(band(facts()).conclusion(), Some("process-stable"));
    let heartbeat = band(facts().with_heartbeat(TimeDelta::seconds(36)));
    assert_eq!(heartbeat.conclusion(), Some("unexplained-gap"));
}

#[test]
fn unnamed_gateway_is_no_cause() {
    let world = World::nothing_came();
    let finding = world.diagnose_of(Subject::device("press-07").with_pipeline("ingest"));
    assert_eq!(finding.conclusion(), Some("unexplained-gap"), "{finding:?}");
    let unasked: Vec<_> = finding.unasked().iter().map(|part| &*part.step).collect();
    assert_eq!(unasked, ["edge-buffer", "acquisition"]);
}

#[test]
fn every_stage_that_lost_all_is_the_conclusion() {
    let cases: [(&str, Fault); 14] = [
        ("expected-offline", |world| world.service.at_start = Some(ServiceState::Maintenance)),
        ("disconnected-data-lost", |world| world.session.at_start = SessionState::Down),
        ("broker-dropped", |world| {
            world.messages.dropped = Some(vec![BrokerDrop::new(BrokerDropReason::QueueFull, 60)]);
        }),
        ("buffer-overrun", |world| {
            (world.messages.arrived, world.outbox.device_dropped) = (40, Some(60));
        }),
        ("gateway-uplink-fault", |world| (world.messages.arrived, world.outbox.unsent) = (40, Some(60))),
        ("acquisition-fault", |world| {
            (world.messages.arrived, world.acquisition.answered) = (40, Some(40));
            world.acquisition.passed_on = Some(40);
        }),
        ("bridge-fault", |world| world.bridged.in_kafka = 40),
        ("messages-skipped", |world| {
            world.offsets.resets = Some(vec![OffsetReset::new(at(1800), 40, 100, 60)]);
        }),
        ("poison-record", |world| world.offsets.stuck = StuckState::Stuck(StuckRecord::new(40, 900, 60))),
        ("dedup-false-positive", |world| {
            world.dropped = Dropped::new(at(NOW), period(), 60, 0).with_unstored(60);
        }),
        ("storage-write-fault", |world| world.refusals.refused = 60),
        ("stored-out-of-sight", |world| world.elsewhere.retention = Some(60)),
        ("sensor-stuck", |world| {
            let constant = world.deadband.clone().with_width(5.0).with_movement(0.0).with_withheld(60);
            world.deadband = constant.with_least_noise_before(0.2).with_resolution(0.1);
        }),
        ("unexplained-gap", |_| {}),
    ];
    for (conclusion, fault) in cases {
        let mut world = World::new();
        fault(&mut world);
        let finding = world.diagnose();
        assert_eq!(finding.conclusion(), Some(conclusion), "{finding:?}");
    }
}

/// What an expert accepts was written before it was run.
#[test]
fn odd_gaps_are_answered_by_the_expert() {
    let at_edge = |facts: DeadbandFacts| {
        let mut world = World::nothing_came();
        let acquired = Acquisition::new(at(NOW), period()).with_due(100).with_answered(100);
        world.acquisition = acquired.with_withheld(60).with_passed_on(40);
        world.deadband = facts.with_width(5.0).with_withheld(60);
        world
    };
    let facts = || DeadbandFacts::new(at(NOW), period());
    // The new firmware polls less often, and the registry still has the old cadence.
    let mut slower = World::nothing_came();
    slower.bridged.in_kafka = 40;
    slower.acquisition =
        Acquisition::new(at(NOW), period()).with_due(40).with_made(40).with_answered(40).with_passed_on(40);
    for (name, conclusion, world) in [
        // The band was one of millibar, and is one of bar now.
        ("unit changed", "deadband-too-wide", at_edge(facts().with_movement(2.0).with_matters(0.05))),
        (
            "closed valve",
            "process-stable",
            at_edge(facts().with_movement(0.0).with_least_noise_before(0.0).with_resolution(0.1)),
        ),
        ("cadence changed", "unexplained-gap", slower),
    ] {
        let finding = world.diagnose();
        assert_eq!(finding.conclusion(), Some(conclusion), "{name}: {finding:?}");
    }
}
