//! A consumer group, over the broker that `KAFKA_BOOTSTRAP` names, or over librdkafka's mock of the protocol.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::adapter::LagMonitor;
use iot_runbook::driver::{Driver, TokioTimer};
use iot_runbook::fact::Source;
use iot_runbook::lag::{Judge, Rule, Settings, Verdict};
use iot_runbook::probe::{
    KafkaProbe as _, LagRequest, ProbeError, Probes, Rows, RowsRequest, StorageRefusals,
    StorageRefusalsRequest, TelemetryProbe, conformance,
};
use iot_runbook::time::{Clock as _, ManualClock, Period};
use iot_runbook::{Checks, Diagnosis, Document, RunbookSet, Subject, Trigger};
use platform::kafka::{GroupWatch, KeyedTopic, LookError};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use ulid::Ulid;

const WITHIN: Duration = Duration::from_secs(10);

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

/// A topic of two partitions that nobody else uses, and a group that reads it.
struct Kafka {
    /// `None`: a real broker.
    mock: Option<MockCluster<'static, DefaultProducerContext>>,
    config: ClientConfig,
    topic: String,
    group: String,
    producer: FutureProducer,
    consumer: BaseConsumer,
}

impl Kafka {
    async fn start(name: &str) -> Self {
        let id = Ulid::from_parts(Utc::now().timestamp_millis().unsigned_abs(), std::process::id().into());
        let (topic, group) = (format!("{name}-{id}"), format!("{name}-group-{id}"));
        let mut config = ClientConfig::new();
        let mock = match std::env::var("KAFKA_BOOTSTRAP") {
            Ok(bootstrap) => {
                config.set("bootstrap.servers", bootstrap);
                let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
                let new = NewTopic::new(&topic, 2, TopicReplication::Fixed(1));
                for made in admin.create_topics(&[new], &AdminOptions::new()).await.unwrap() {
                    made.unwrap();
                }
                None
            }
            Err(_) => {
                let mock = MockCluster::new(1).unwrap();
                mock.create_topic(&topic, 2, 1).unwrap();
                config.set("bootstrap.servers", mock.bootstrap_servers());
                Some(mock)
            }
        };
        let producer = config.clone().set("linger.ms", "0").create().unwrap();
        let consumer =
            config.clone().set("group.id", &group).set("enable.auto.commit", "false").create().unwrap();
        Self { mock, config, topic, group, producer, consumer }
    }

    /// Messages of a device, a second apart from that time on.
    async fn produce(&self, partition: i32, device: &str, from: DateTime<Utc>, messages: i64) {
        for number in 0..messages {
            let sampled = (from + TimeDelta::seconds(number)).timestamp_millis();
            let record = FutureRecord::to(&self.topic).partition(partition).key(device).payload("21.5");
            self.producer.send(record.timestamp(sampled), WITHIN).await.unwrap();
        }
    }

    fn commit(&self, partition: i32, offset: i64) {
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(&self.topic, partition, Offset::Offset(offset)).unwrap();
        self.consumer.commit(&offsets, CommitMode::Sync).unwrap();
    }

    fn watch(&self) -> GroupWatch {
        GroupWatch::new(&self.config, &self.group, &self.topic, "ingest").unwrap().with_patience(WITHIN)
    }
}

/// Of a hundred rows forty are stored.
struct Stored;

#[async_trait]
impl TelemetryProbe for Stored {
    fn source(&self) -> Source {
        Source::from_static("postgresql")
    }

    async fn rows(&self, _: &RowsRequest) -> Result<Rows, ProbeError> {
        Ok(Rows::new(at(1_800), 100, 40))
    }

    async fn storage_refusals(&self, _: &StorageRefusalsRequest) -> Result<StorageRefusals, ProbeError> {
        Err(ProbeError::unsupported())
    }
}

/// A runbook of one check.
const RUNBOOK: &str = r#"
name = "lag"
version = 1
title = "Has the group read the messages?"
start = "lag"
[checks.consumer-lag]
scope = "pipeline"
domain = ["past-retention", "stopped", "stalled", "over-threshold", "unread", "drained", "normal"]
about = "period"
[steps.lag]
check = "consumer-lag"
params = { lag_age = "5m", lag_messages = 10000, explains = 0.5 }
unknown = { to = "not-known" }
branches = [
    { is = ["stopped", "stalled"], to = "stopped" },
    { is = ["past-retention", "over-threshold", "unread", "drained", "normal"], to = "other" },
]
[conclusions.stopped]
title = "The group has stopped"
severity = "critical"
[conclusions.other]
title = "It is not the group"
severity = "info"
[conclusions.not-known]
title = "Nobody knows"
severity = "warning"
"#;

/// The conclusion of that runbook about the period, at its end.
async fn concluded(monitor: Arc<LagMonitor>, period: Period) -> (String, Vec<String>) {
    let set = RunbookSet::new([Document::from_toml(RUNBOOK).unwrap().validate().unwrap()]).unwrap();
    let clock = Arc::new(ManualClock::new(period.end() + TimeDelta::seconds(5)));
    let probes = Probes::new().with_kafka(monitor).with_telemetry(Arc::new(Stored));
    // The topic is read in real time.
    let driver = Driver::new(&set, &Checks::builtin(), probes, Arc::new(TokioTimer))
        .unwrap()
        .with_clock(clock.clone());
    let subject = Subject::device("press-07").with_pipeline("ingest").with_period(period);
    let trigger = Trigger::new("rows are missing", clock.now());
    let mut diagnosis = Diagnosis::new(Ulid(1), &set, "lag", subject, trigger, clock.now()).unwrap();
    let finding = driver.run(&mut diagnosis).await.unwrap();
    (finding.conclusion().unwrap().to_owned(), diagnosis.trace().map(|record| record.to_string()).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_has_each_offset_of_the_group() {
    let kafka = Kafka::start("offsets").await;
    kafka.produce(0, "press-07", at(0), 30).await;
    kafka.produce(1, "press-07", at(0), 7).await;
    let mut watch = kafka.watch();
    // Before it has committed: looked, and it never did.
    let look = watch.look(at(0)).unwrap();
    assert!(look.unread.is_empty(), "{look:?}");
    let read = |look: &platform::kafka::Look| {
        let of = |(partition, sample): &(i32, iot_runbook::lag::Sample)| {
            (*partition, sample.log_start, sample.committed, sample.high_watermark, sample.last_stable_offset)
        };
        look.samples.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(read(&look), [(0, 0, None, 30, Some(30)), (1, 0, None, 7, Some(7))]);
    kafka.commit(0, 12);
    let look = watch.look(at(30)).unwrap();
    assert_eq!(read(&look), [(0, 0, Some(12), 30, Some(30)), (1, 0, None, 7, Some(7))]);
    let judge = Judge::new(Settings::default()).unwrap();
    let report = watch.judge(&judge, at(30)).unwrap();
    assert_eq!((report.partitions, report.most_lag), (2, Some((0, 18))), "{report}");

    let mut uncommitted = kafka.watch().reading_uncommitted();
    let look = uncommitted.look(at(30)).unwrap();
    assert!(look.samples.iter().all(|(_, sample)| sample.last_stable_offset.is_none()));
    let mut nowhere = GroupWatch::new(&kafka.config, &kafka.group, "no-such-topic", "ingest").unwrap();
    // The mock makes each topic that is asked for.
    if kafka.mock.is_none() {
        assert!(matches!(nowhere.look(at(30)), Err(LookError::NoTopic(_))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_partition_is_found_and_diagnosed() {
    let kafka = Kafka::start("stopped").await;
    let clock = Arc::new(ManualClock::new(at(0)));
    let reader = Arc::new(KeyedTopic::new(&kafka.config, &kafka.topic, WITHIN));
    let monitor = LagMonitor::new("kafka", 1_000).unwrap().with_clock(clock.clone()).with_reader(reader);
    let mut watch = kafka.watch().with_monitor(Arc::new(monitor));
    let judge = Judge::new(Settings::default()).unwrap();
    let mut healthy = 0;
    // A look each half minute of half an hour; after ten minutes nobody reads partition 1 any more.
    for look in 0..=60_i64 {
        kafka.produce(0, "press-08", at(30 * look), 2).await;
        kafka.produce(1, "press-07", at(30 * look), 2).await;
        kafka.commit(0, 2 * look + 2);
        kafka.commit(1, (2 * look + 2).min(40));
        clock.set(at(30 * look));
        let taken = watch.look(at(30 * look)).unwrap();
        assert_eq!(taken.samples.len(), 2, "{taken:?}");
        let verdict = watch.judge(&judge, at(30 * look)).unwrap().verdict();
        healthy += i32::from(verdict == Verdict::Ok);
        assert!(look > 20 || verdict != Verdict::Stop, "look {look}");
    }
    assert!(healthy > 5, "{healthy}");
    let report = watch.judge(&judge, at(1_800)).unwrap();
    assert_eq!(report.verdict(), Verdict::Stop, "{report}");
    let (partition, worst) = report.worst.unwrap();
    assert_eq!((partition, matches!(worst.rule, Rule::Stopped { .. })), (1, true), "{worst}");

    let monitor = watch.monitor();
    let period = Period::new(at(0), at(1_795)).unwrap();
    assert_eq!(conformance::kafka(&*monitor, "ingest", "press-07", period, at(1_800)).await, []);
    let facts = monitor.lag(&LagRequest::new("ingest".into(), period)).await.unwrap();
    assert_eq!((facts.partitions.len(), facts.covers), (2, period));
    // Of this device all that came to partition 1 within the period since the group stopped; of the other nothing.
    let unread = async |device: &str| {
        let asked = LagRequest::new("ingest".into(), period).with_device(device.into());
        monitor.lag(&asked).await.unwrap().messages_unread
    };
    assert_eq!((unread("press-07").await, unread("press-08").await), (Some(80), Some(0)));
    let (conclusion, trace) = concluded(monitor, period).await;
    assert_eq!(conclusion, "stopped", "{trace:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_read_is_not_made_up() {
    let kafka = Kafka::start("unread").await;
    // A real broker is not made to fail.
    let Some(mock) = &kafka.mock else { return };
    kafka.produce(0, "press-07", at(0), 5).await;
    kafka.commit(0, 5);
    let mut watch = kafka.watch().with_patience(Duration::from_millis(1_500));
    watch.look(at(0)).unwrap();
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    mock.request_errors(RDKafkaApiKey::OffsetFetch, &[refused; 50]);
    assert!(watch.look(at(30)).is_err());
    mock.clear_request_errors(RDKafkaApiKey::OffsetFetch);
    mock.broker_down(1).unwrap();
    assert!(watch.look(at(60)).is_err());
    // The engine sees that the last look is old, and nobody says OK.
    let judge = Judge::new(Settings::default()).unwrap();
    let report = watch.judge(&judge, at(3_600)).unwrap();
    assert_eq!(report.verdict(), Verdict::Unknown, "{report}");
    let period = Period::new(at(0), at(3_600)).unwrap();
    let (conclusion, trace) = concluded(watch.monitor(), period).await;
    assert_eq!(conclusion, "not-known", "{trace:#?}");
    mock.broker_up(1).unwrap();
}
