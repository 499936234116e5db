//! A consumer group of Kafka by its offsets: it feeds the library's `LagMonitor`, which is a `KafkaProbe`, and the windows of the
//! lag engine.
//!
//! It asks as the group and never joins it: the group is not rebalanced, and nothing is read or committed.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use iot_runbook::adapter::{LagMonitor, MessagesAt, TopicReader};
use iot_runbook::lag::{GroupReport, GroupState, GroupStateError, Judge, Sample, Window, WindowError};
use iot_runbook::probe::ProbeError;
use iot_runbook::subject::PipelineId;
use iot_runbook::time::{Clock as _, SystemClock};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

/// How many looks are kept of each partition: a day, at one in 30 s.
const LOOKS: usize = 2_880;

/// A group that is watched.
pub struct GroupWatch {
    /// It sees each record: its high watermark is the head of the log.
    head: BaseConsumer,
    /// It sees committed records alone: its high watermark is the last stable offset.
    stable: BaseConsumer,
    group: String,
    topic: String,
    pipeline: PipelineId,
    reads_committed: bool,
    within: Duration,
    monitor: Arc<LagMonitor>,
    windows: BTreeMap<i32, Window>,
    state: Option<(Box<str>, u32)>,
}

/// A look that could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The client could not be made, or the topic could not be asked about.
    #[error("Kafka does not answer: {0}")]
    Kafka(#[from] KafkaError),
    /// The topic has no partition.
    #[error("there is no topic `{0}`: name the topic that the group reads")]
    NoTopic(String),
    /// The windows could not be made.
    #[error(transparent)]
    Window(#[from] WindowError),
}

/// What one look came to.
#[derive(Debug)]
pub struct Look {
    /// The sample of each partition that was read.
    pub samples: Vec<(i32, Sample)>,
    /// The partitions that could not be read, and why. Nothing is made up for them.
    pub unread: Vec<(i32, KafkaError)>,
    /// Why the coordinator did not say how the group is; `None` where it did.
    pub no_state: Option<KafkaError>,
}

impl GroupWatch {
    /// Watches `group` on `topic`, for the questions about `pipeline`. `config` names the brokers (`bootstrap.servers`), and
    /// how to log in.
    ///
    /// # Errors
    /// [`LookError`] where the configuration is refused. Nobody is connected to yet.
    pub fn new(config: &ClientConfig, group: &str, topic: &str, pipeline: &str) -> Result<Self, LookError> {
        let consumer = |isolation: &str| -> KafkaResult<BaseConsumer> {
            let mut config = config.clone();
            config.set("group.id", group).set("enable.auto.commit", "false");
            config.set("allow.auto.create.topics", "false").set("isolation.level", isolation);
            config.create()
        };
        Ok(Self {
            head: consumer("read_uncommitted")?,
            stable: consumer("read_committed")?,
            group: group.to_owned(),
            topic: topic.to_owned(),
            pipeline: pipeline.into(),
            reads_committed: true,
            within: Duration::from_secs(5),
            monitor: Arc::new(LagMonitor::new(format!("kafka group {group}"), LOOKS)?),
            windows: BTreeMap::new(),
            state: None,
        })
    }

    /// For a group whose consumers read uncommitted records (`isolation.level=read_uncommitted`): no open transaction holds
    /// it back. Without this it is taken to read committed ones, as consumers of librdkafka do; those of Java do not.
    #[must_use]
    pub fn reading_uncommitted(mut self) -> Self {
        self.reads_committed = false;
        self
    }

    /// How long each question may take. Default 5 s.
    #[must_use]
    pub const fn with_patience(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// With another monitor: one with a clock, or with a reader of your messages.
    #[must_use]
    pub fn with_monitor(mut self, monitor: Arc<LagMonitor>) -> Self {
        self.monitor = monitor;
        self
    }

    /// The probe for `Probes::with_kafka`.
    pub fn monitor(&self) -> Arc<LagMonitor> {
        Arc::clone(&self.monitor)
    }

    /// Takes a look at each partition, at the time `now`. It blocks: call it in a thread, at a steady pace.
    ///
    /// # Errors
    /// [`LookError`] where the partitions or the committed offsets are not known. The look is missing then, and the engine
    /// knows from the time of the last one that it is.
    pub fn look(&mut self, now: DateTime<Utc>) -> Result<Look, LookError> {
        let partitions = self.partitions()?;
        let mut asked = TopicPartitionList::new();
        for partition in &partitions {
            asked.add_partition(&self.topic, *partition);
        }
        for partition in &partitions {
            // One that gives no answer has an empty window: the engine says then that it is not known.
            if !self.windows.contains_key(partition) {
                self.windows.insert(*partition, Window::new(LOOKS)?);
            }
        }
        let committed = self.head.committed_offsets(asked, self.within)?;
        let mut look = Look { samples: Vec::new(), unread: Vec::new(), no_state: None };
        for partition in partitions {
            let offset = committed.find_partition(&self.topic, partition);
            // An error of one partition is its own, and not "never committed".
            let sample = offset.as_ref().map_or(Ok(()), |found| found.error());
            match sample.and_then(|()| self.sample(partition, offset.map(|found| found.offset()), now)) {
                Ok(sample) => look.samples.push((partition, sample)),
                Err(error) => look.unread.push((partition, error)),
            }
        }
        for (partition, sample) in &look.samples {
            self.monitor.observe(&self.pipeline, *partition, *sample);
            if let Some(window) = self.windows.get_mut(partition) {
                window.observe(*sample);
            }
        }
        (self.state, look.no_state) = match self.group_state() {
            Ok(state) => (state, None),
            Err(error) => (None, Some(error)),
        };
        let (state, members) = self.state.clone().unzip();
        self.monitor.set_state(&self.pipeline, state.as_deref(), members);
        Ok(look)
    }

    /// The verdict of the engine on the group at that time.
    ///
    /// # Errors
    /// [`GroupStateError`] where the coordinator named a state that the engine does not know.
    pub fn judge(&self, judge: &Judge, now: DateTime<Utc>) -> Result<GroupReport<i32>, GroupStateError> {
        let state = match &self.state {
            Some((name, _)) => name.parse()?,
            None => GroupState::NotAsked,
        };
        Ok(judge.group(now, state, self.windows.iter().map(|(partition, window)| (*partition, window))))
    }

    fn partitions(&self) -> Result<Vec<i32>, LookError> {
        let metadata = self.head.fetch_metadata(Some(&self.topic), self.within)?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == self.topic);
        let partitions = topic.into_iter().flat_map(|topic| topic.partitions());
        let mut partitions: Vec<i32> = partitions.map(|partition| partition.id()).collect();
        partitions.sort_unstable();
        if partitions.is_empty() { Err(LookError::NoTopic(self.topic.clone())) } else { Ok(partitions) }
    }

    /// The committed offset was asked before, so that it is never beyond the head.
    fn sample(&self, partition: i32, committed: Option<Offset>, now: DateTime<Utc>) -> KafkaResult<Sample> {
        let committed = committed.and_then(|offset| match offset {
            Offset::Offset(offset) => u64::try_from(offset).ok(),
            _ => None,
        });
        // The last stable offset first, for the same reason.
        let stable = match self.reads_committed {
            true => Some(self.stable.fetch_watermarks(&self.topic, partition, self.within)?.1),
            false => None,
        };
        let (low, high) = self.head.fetch_watermarks(&self.topic, partition, self.within)?;
        let sample = Sample::new(now, low.unsigned_abs(), high.unsigned_abs()).with_committed(committed);
        Ok(stable
            .into_iter()
            .fold(sample, |sample, stable| sample.with_last_stable_offset(stable.unsigned_abs())))
    }

    /// The state and how many members the group has, as its coordinator says; `None` where it knows no such group.
    fn group_state(&self) -> KafkaResult<Option<(Box<str>, u32)>> {
        let groups = self.head.fetch_group_list(Some(&self.group), self.within)?;
        let group = groups.groups().iter().find(|group| group.name() == self.group);
        Ok(group
            .map(|group| (group.state().into(), u32::try_from(group.members().len()).unwrap_or(u32::MAX))))
    }
}

/// Counts the messages of a device in the topic of a [`GroupWatch`]: a `TopicReader` for its monitor. It takes the key of a record for
/// the device, and its timestamp for the time of the sample. Where yours are in the payload, read it there.
#[derive(Clone)]
pub struct KeyedTopic {
    config: ClientConfig,
    topic: String,
    within: Duration,
}

/// How many records are read for one answer at the most.
const MOST_READ: u64 = 200_000;

impl KeyedTopic {
    /// Reads that topic, for at most `within` from one record to the next.
    #[must_use]
    pub fn new(config: &ClientConfig, topic: &str, within: Duration) -> Self {
        let mut config = config.clone();
        // It is in no group: it assigns itself what it reads. Its name is for the broker's log.
        config.set("group.id", "iot-runbook-reader").set("enable.auto.commit", "false");
        config.set("enable.partition.eof", "true").set("isolation.level", "read_uncommitted");
        Self { config, topic: topic.to_owned(), within }
    }

    fn read(&self, asked: &MessagesAt) -> Result<u64, ProbeError> {
        let MessagesAt { offsets, period, partition, .. } = asked;
        let length = offsets.end.saturating_sub(offsets.start);
        if length == 0 {
            return Ok(0);
        }
        if length > MOST_READ {
            let why =
                format!("{length} records are to be read, more than {MOST_READ}: keep an index of them");
            return Err(ProbeError::failed(why));
        }
        let failed = |error: KafkaError| ProbeError::failed(error.to_string());
        let consumer: BaseConsumer = self.config.create().map_err(failed)?;
        let mut start = TopicPartitionList::new();
        let from = i64::try_from(offsets.start).unwrap_or(i64::MAX);
        start.add_partition_offset(&self.topic, *partition, Offset::Offset(from)).map_err(failed)?;
        consumer.assign(&start).map_err(failed)?;
        // A producer that tries again may write a message twice.
        let mut different = BTreeSet::new();
        loop {
            let record = match consumer.poll(self.within) {
                None => return Err(ProbeError::failed(format!("no record came within {:?}", self.within))),
                // What is left are markers of transactions, or offsets that compaction emptied.
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(record) => record.map_err(failed)?,
            };
            let offset = record.offset().unsigned_abs();
            let at = record.timestamp().to_millis().and_then(DateTime::from_timestamp_millis);
            let is_of_device = record.key() == Some(asked.device.as_str().as_bytes());
            if offset < offsets.end && is_of_device && at.is_some_and(|at| period.contains(at)) {
                different.insert((at, record.payload().unwrap_or_default().to_vec()));
            }
            if offset.saturating_add(1) >= offsets.end {
                break;
            }
        }
        Ok(different.len() as u64)
    }
}

#[async_trait]
impl TopicReader for KeyedTopic {
    async fn count(&self, messages: &MessagesAt) -> Result<u64, ProbeError> {
        if messages.tag.is_some() {
            return Err(ProbeError::unsupported());
        }
        let (reader, messages) = (self.clone(), messages.clone());
        let read = tokio::task::spawn_blocking(move || reader.read(&messages)).await;
        read.map_err(|error| ProbeError::failed(error.to_string()))?
    }
}

impl std::fmt::Debug for KeyedTopic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyedTopic").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// Looks at a group each `every` until the other end of `stop` is dropped, and says what the engine makes of it. A look that
/// can't be taken is said, and taken again.
pub fn follow(
    mut watch: GroupWatch,
    judge: &Judge,
    every: Duration,
    stop: &Receiver<Infallible>,
    mut say: impl FnMut(String),
) {
    loop {
        let now = SystemClock.now();
        match watch.look(now) {
            Ok(look) => {
                for (partition, error) in look.unread {
                    say(format!("partition {partition} can't be read: {error}"));
                }
                if let Some(error) = look.no_state {
                    say(format!("the state of the group is not known: {error}"));
                }
            }
            Err(error) => say(error.to_string()),
        }
        say(match watch.judge(judge, now) {
            Ok(report) => format!("{} {report}", now.format("%H:%M:%S")),
            Err(error) => error.to_string(),
        });
        if stop.recv_timeout(every) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

impl std::fmt::Debug for GroupWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupWatch")
            .field("group", &self.group)
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}
