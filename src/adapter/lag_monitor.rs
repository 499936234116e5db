use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::covered;
use crate::fact::Source;
use crate::lag::{Position, Reset, Sample, Window, WindowError};
use crate::probe::{
    Bridged, BridgedRequest, KafkaProbe, LagFacts, LagRequest, LagSample, OffsetReset, Offsets,
    OffsetsRequest, OpenTransaction, PartitionLag, ProbeError, ResetCause, StuckRecord, StuckState,
    TransactionState,
};
use crate::subject::{DeviceId, PipelineId, TagId};
use crate::time::{Clock, Period, SystemClock};

/// A [`KafkaProbe`] over windows of offsets: it answers what a consumer group did from the samples that your monitor
/// takes.
///
/// ```
/// use std::sync::Arc;
///
/// use chrono::Utc;
/// use iot_runbook::adapter::LagMonitor;
/// use iot_runbook::lag::Sample;
/// use iot_runbook::probe::Probes;
/// use iot_runbook::subject::PipelineId;
///
/// // A day of looks, one each 30 s.
/// let monitor = Arc::new(LagMonitor::new("kafka eu-1", 2_880)?);
/// let ingest = PipelineId::from("ingest");
/// // At each look, for each partition:
/// monitor.observe(&ingest, 0, Sample::new(Utc::now(), 0, 900).with_committed(Some(880)));
/// monitor.set_state(&ingest, Some("Stable"), Some(2));
/// let probes = Probes::new().with_kafka(monitor);
/// # Ok::<(), iot_runbook::lag::WindowError>(())
/// ```
///
/// # What it can answer
/// Offsets are of all devices. Which messages are of one device is for a [`TopicReader`] to count:
///
/// | question | from the windows | by the reader |
/// |---|---|---|
/// | [`lag`](KafkaProbe::lag) | samples, state of the group | messages not read yet; without it, the offsets decide alone |
/// | [`bridged`](KafkaProbe::bridged) | whether the log still has the period | messages in the topic; without it, unsupported |
/// | [`offsets`](KafkaProbe::offsets) | open transactions; the position of a group; where it lost its offset and began at the head | messages in each range; what set the position; failures of a record; without it, unsupported |
///
/// **A forward move of an offset looks like fast reading.** So the windows alone never prove that nothing was skipped:
/// [`TopicReader::set_positions`] must say so. If an offset expired and the group begins at the head again, then
/// [`with_reset_policy`](Self::with_reset_policy) decides: with `latest` it skipped what lies between.
pub struct LagMonitor {
    source: Source,
    capacity: usize,
    clock: Arc<dyn Clock>,
    reader: Option<Arc<dyn TopicReader>>,
    policy: Option<ResetPolicy>,
    groups: Mutex<BTreeMap<PipelineId, Group>>,
}

/// Where a group begins that has no offset (`auto.offset.reset`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResetPolicy {
    /// At the start of the log: it skips nothing.
    Earliest,
    /// At the head: it skips all that came while it was away.
    Latest,
}

#[derive(Clone, Default)]
struct Group {
    state: Option<Box<str>>,
    members: Option<u32>,
    is_share_group: bool,
    partitions: BTreeMap<i32, Window>,
}

/// Counts the messages of a device in a topic, and knows what offsets alone do not show. An adapter of yours: it may read
/// the topic, or an index of it.
#[async_trait]
pub trait TopicReader: Send + Sync {
    /// The partition that the device's messages are on; `None`: they may be on any.
    ///
    /// # Errors
    /// [`ProbeError`] where it is not known.
    async fn partition(&self, _pipeline: &PipelineId, _device: &DeviceId) -> Result<Option<i32>, ProbeError> {
        Ok(None)
    }

    /// How many different messages of the device whose sample times are in the period are at these offsets.
    ///
    /// # Errors
    /// [`ProbeError`] where it is not known; none is zero.
    async fn count(&self, messages: &MessagesAt) -> Result<u64, ProbeError>;

    /// Each position to which somebody set the group in the period or after it, with a tool or in code; empty: looked, and
    /// there is none. `None` where nobody keeps a log of it, as by default.
    ///
    /// # Errors
    /// [`ProbeError`] where the log cannot be read.
    async fn set_positions(&self, _messages: &MessagesAt) -> Result<Option<Vec<SetPositions>>, ProbeError> {
        Ok(None)
    }

    /// How often the record at this offset has failed to be processed, now; `None` where nobody counts, as by default.
    ///
    /// # Errors
    /// [`ProbeError`] where the count cannot be read.
    async fn failures(
        &self,
        _pipeline: &PipelineId,
        _partition: i32,
        _offset: u64,
    ) -> Result<Option<Failures>, ProbeError> {
        Ok(None)
    }
}

const _: Option<&dyn TopicReader> = None;

/// Messages of one device in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessagesAt {
    /// The pipeline whose topic it is.
    pub pipeline: PipelineId,
    /// The device.
    pub device: DeviceId,
    /// The tag; `None`: all messages of the device.
    pub tag: Option<TagId>,
    /// When the samples of the messages were taken.
    pub period: Period,
    /// The partition.
    pub partition: i32,
    /// The offsets; the end is not part of it.
    pub offsets: Range<u64>,
}

/// A position that somebody set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetPositions {
    /// When.
    pub at: DateTime<Utc>,
    /// The offset before.
    pub from: u64,
    /// The offset after.
    pub to: u64,
}

impl SetPositions {
    /// A position that was set from one offset to another.
    #[must_use]
    pub const fn new(at: DateTime<Utc>, from: u64, to: u64) -> Self {
        Self { at, from, to }
    }
}

/// How often a record has failed to be processed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failures {
    /// How often.
    pub count: u64,
    /// What one of the failures said.
    pub example: Option<Box<str>>,
}

impl Failures {
    /// So many failures.
    #[must_use]
    pub const fn new(count: u64) -> Self {
        Self { count, example: None }
    }

    /// With what one of them said.
    #[must_use]
    pub fn with_example(mut self, text: impl Into<Box<str>>) -> Self {
        self.example = Some(text.into());
        self
    }
}

impl LagMonitor {
    /// A monitor that keeps at most `capacity` samples of each partition: the longest period that is asked about, and the
    /// time since.
    ///
    /// # Errors
    /// [`WindowError`] if a [`Window`] cannot have this size.
    pub fn new(source: impl Into<Source>, capacity: usize) -> Result<Self, WindowError> {
        Window::new(capacity)?;
        Ok(Self {
            source: source.into(),
            capacity,
            clock: Arc::new(SystemClock),
            reader: None,
            policy: None,
            groups: Mutex::default(),
        })
    }

    setters! {
        /// With another clock.
        with_clock(clock: Arc<dyn Clock>) => clock = clock;
        /// With who counts the messages of a device.
        with_reader(reader: Arc<dyn TopicReader>) => reader = Some(reader);
        /// With the groups' `auto.offset.reset`. Without it, a group that lost its offset and began at the head
        /// leaves it unknown whether it skipped messages.
        const with_reset_policy(policy: ResetPolicy) => policy = Some(policy);
    }

    /// Takes a look at a partition.
    pub fn observe(&self, pipeline: &PipelineId, partition: i32, sample: Sample) {
        self.with_group(pipeline, |group| {
            // The capacity was checked when the monitor was made.
            let window = || Window::new(self.capacity).unwrap_or_default();
            group.partitions.entry(partition).or_insert_with(window).observe(sample);
        });
    }

    /// Sets what the coordinator says of a group: its state as Kafka names it, and how many members it has; `None` where
    /// it was not asked. The check judges the name: see [`LagFacts::state`].
    pub fn set_state(&self, pipeline: &PipelineId, state: Option<&str>, members: Option<u32>) {
        self.with_group(pipeline, |group| {
            (group.state, group.members, group.is_share_group) = (state.map(Box::from), members, false);
        });
    }

    /// Marks a group as a share group (KIP-932): it commits no offset, and each answer says so.
    pub fn set_share_group(&self, pipeline: &PipelineId) {
        self.with_group(pipeline, |group| group.is_share_group = true);
    }

    fn with_group(&self, pipeline: &PipelineId, change: impl FnOnce(&mut Group)) {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        change(groups.entry(pipeline.clone()).or_default());
    }

    /// A copy of a group, so that no lock is held while a reader is asked; of the device's partition alone, where the
    /// reader knows it.
    async fn group(&self, pipeline: &PipelineId, device: Option<&DeviceId>) -> Result<Group, ProbeError> {
        let found = self.groups.lock().unwrap_or_else(PoisonError::into_inner).get(pipeline).cloned();
        let mut group = found
            .ok_or_else(|| ProbeError::failed(format!("no sample was taken of the group of `{pipeline}`")))?;
        if let (Some(reader), Some(device)) = (&self.reader, device)
            && let Some(own) = reader.partition(pipeline, device).await?
        {
            let window = group.partitions.remove(&own);
            let window = window.ok_or_else(|| {
                ProbeError::failed(format!("no sample was taken of partition {own} of `{pipeline}`"))
            })?;
            group.partitions = BTreeMap::from([(own, window)]);
        }
        Ok(group)
    }

    fn reader(&self) -> Result<&dyn TopicReader, ProbeError> {
        self.reader.as_deref().ok_or_else(ProbeError::unsupported)
    }

    /// The positions now, by partition; an error where one is not known.
    fn positions(&self, group: &Group) -> Result<Vec<(i32, Position)>, ProbeError> {
        let now = self.clock.now();
        let position = |(partition, window): (&i32, &Window)| {
            let position = window.position(now);
            let why =
                || ProbeError::failed(format!("the offsets of partition {partition} contradict each other"));
            Ok((*partition, position.ok_or_else(why)?))
        };
        group.partitions.iter().map(position).collect()
    }

    /// The messages of the device of which `offsets` remain to be set.
    fn asked(request: &OffsetsRequest) -> MessagesAt {
        MessagesAt {
            pipeline: request.pipeline.clone(),
            device: request.device.clone(),
            tag: request.tag.clone(),
            period: request.period,
            partition: 0,
            offsets: 0..0,
        }
    }

    /// What was skipped; `None` where nobody knows.
    async fn resets(
        &self,
        reader: &dyn TopicReader,
        asked: &MessagesAt,
        window: &Window,
    ) -> Result<Option<Vec<OffsetReset>>, ProbeError> {
        let set = reader.set_positions(asked).await?;
        let mut lost = window.resets(self.clock.now());
        lost.retain(|lost| self.policy != Some(ResetPolicy::Earliest) && lost.at >= asked.period.start());
        if set.is_none() && lost.is_empty() || self.policy.is_none() && !lost.is_empty() {
            return Ok(None);
        }
        let lost = lost.into_iter().map(|Reset { at, from, to, .. }| (at, from, to, ResetCause::Newest));
        let set = set.into_iter().flatten().map(|set| (set.at, set.from, set.to, ResetCause::Position));
        let mut resets = Vec::new();
        for (at, from, to, cause) in lost.chain(set) {
            // A position that was set back skips nothing.
            if from < to && at >= asked.period.start() {
                let skipped = reader.count(&MessagesAt { offsets: from..to, ..asked.clone() }).await?;
                resets.push(OffsetReset::new(at, from, to, skipped).with_cause(cause));
            }
        }
        Ok(Some(resets))
    }

    async fn transaction(
        reader: &dyn TopicReader,
        asked: &MessagesAt,
        position: &Position,
    ) -> Result<TransactionState, ProbeError> {
        let (stable, head) = (position.last_stable_offset, position.high_watermark);
        let Some(stable) = stable else { return Ok(TransactionState::NotKnown) };
        if stable >= head {
            return Ok(TransactionState::NotOpen);
        }
        let held_back = reader.count(&MessagesAt { offsets: stable..head, ..asked.clone() }).await?;
        // A sample gives a last stable offset only for a group that reads committed messages.
        let mut open = OpenTransaction::new(stable, head, held_back).with_reads_committed(true);
        open.unmoved_since = position.held_since;
        Ok(TransactionState::Open(open))
    }

    async fn stuck(
        reader: &dyn TopicReader,
        asked: &MessagesAt,
        position: &Position,
    ) -> Result<StuckState, ProbeError> {
        let Some(offset) = position.committed else { return Ok(StuckState::NotKnown) };
        if offset >= position.last_stable_offset.unwrap_or(position.high_watermark) {
            return Ok(StuckState::NotStuck);
        }
        let Some(failures) = reader.failures(&asked.pipeline, asked.partition, offset).await? else {
            return Ok(StuckState::NotKnown);
        };
        if failures.count == 0 {
            return Ok(StuckState::NotStuck);
        }
        let offsets = offset..position.high_watermark;
        let behind = reader.count(&MessagesAt { offsets, ..asked.clone() }).await?;
        let mut record = StuckRecord::new(offset, failures.count, behind);
        (record.since, record.example) = (position.waits_since, failures.example);
        Ok(StuckState::Stuck(record))
    }
}

impl Group {
    /// The part of a period that every window has samples of.
    fn covers(&self, asked: Period) -> Period {
        let ends = self.partitions.values().map(|window| {
            let mut samples = window.samples();
            let first = samples.next();
            (first.map(|first| first.at), samples.next_back().or(first).map(|last| last.at))
        });
        let (mut from, mut to) = (asked.start(), asked.end());
        for (first, last) in ends {
            from = from.max(first.unwrap_or(asked.end()));
            to = to.min(last.unwrap_or(asked.start()));
        }
        covered(asked, from, to)
    }
}

impl fmt::Debug for LagMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LagMonitor").field("source", &self.source).finish_non_exhaustive()
    }
}

#[async_trait]
impl KafkaProbe for LagMonitor {
    fn source(&self) -> Source {
        self.source.clone()
    }

    /// What retention took unread is not counted: where the log's start has passed the group, the offsets show it.
    async fn lag(&self, request: &LagRequest) -> Result<LagFacts, ProbeError> {
        let group = self.group(&request.pipeline, request.device.as_ref()).await?;
        let (now, period) = (self.clock.now(), request.period);
        let mut facts = LagFacts::new(now, period).with_share_group(group.is_share_group);
        (facts.state, facts.members) = (group.state.clone(), group.members);
        if group.is_share_group {
            return Ok(facts);
        }
        facts.covers = group.covers(period);
        let lag = |(number, window): (&i32, &Window)| PartitionLag::from_window(*number, window, period);
        facts.partitions = group.partitions.iter().map(lag).collect();
        let (Some(reader), Some(device)) = (&self.reader, &request.device) else { return Ok(facts) };
        // Offsets that contradict each other leave nothing to count, and the check says so.
        let Ok(positions) = self.positions(&group) else { return Ok(facts) };
        let (mut unread, mut is_whole) = (0_u64, true);
        for (partition, position) in positions {
            // Of a group without an offset nobody knows what it has read.
            let Some(next) = position.committed else { return Ok(facts) };
            let asked = MessagesAt {
                pipeline: request.pipeline.clone(),
                device: device.clone(),
                tag: request.tag.clone(),
                period,
                partition,
                offsets: next.max(position.log_start)..position.high_watermark,
            };
            unread = unread.saturating_add(reader.count(&asked).await?);
            facts.observed_at = facts.observed_at.min(position.at);
            let window = group.partitions.get(&partition);
            is_whole &= window.is_some_and(|window| has_lost_nothing(window, period));
        }
        facts.messages_unread = Some(unread);
        facts.messages_gone = is_whole.then_some(0);
        Ok(facts)
    }

    async fn bridged(&self, request: &BridgedRequest) -> Result<Bridged, ProbeError> {
        let reader = self.reader()?;
        let group = self.group(&request.pipeline, Some(&request.device)).await?;
        let mut answer = Bridged::new(self.clock.now(), request.period, 0);
        for (partition, position) in self.positions(&group)? {
            // Before the period the head was here: if the log still begins no later, nothing of the period is gone.
            let mut samples = group.partitions.get(&partition).into_iter().flat_map(Window::samples);
            let head_before = samples.rfind(|sample| sample.at <= request.period.start());
            if head_before.is_none_or(|before| before.high_watermark < position.log_start) {
                return Err(ProbeError::failed(format!(
                    "partition {partition} may have deleted messages of the period, or no sample was taken before it"
                )));
            }
            let asked = MessagesAt {
                pipeline: request.pipeline.clone(),
                device: request.device.clone(),
                tag: request.tag.clone(),
                period: request.period,
                partition,
                offsets: position.log_start..position.high_watermark,
            };
            answer.in_kafka = answer.in_kafka.saturating_add(reader.count(&asked).await?);
            answer.observed_at = answer.observed_at.min(position.at);
        }
        Ok(answer)
    }

    async fn offsets(&self, request: &OffsetsRequest) -> Result<Offsets, ProbeError> {
        let reader = self.reader()?;
        let group = self.group(&request.pipeline, Some(&request.device)).await?;
        if group.is_share_group {
            return Err(ProbeError::failed("a share group commits no offset"));
        }
        let positions = self.positions(&group)?;
        let [(partition, position)] = positions[..] else {
            return Err(ProbeError::failed("the partition of the device is not known"));
        };
        let window = group.partitions.get(&partition).cloned().unwrap_or_default();
        let asked = MessagesAt { partition, ..Self::asked(request) };
        let mut answer = Offsets::new(self.clock.now().min(position.at), group.covers(request.period));
        answer.resets = self.resets(reader, &asked, &window).await?;
        answer.transaction = Self::transaction(reader, &asked, &position).await?;
        answer.stuck = Self::stuck(reader, &asked, &position).await?;
        Ok(answer)
    }
}

/// Whether retention took nothing unread since before the period: at each look the log began no later than where the group
/// was at the look before.
fn has_lost_nothing(window: &Window, period: Period) -> bool {
    let mut samples = window.samples();
    let Some(first) = samples.next().filter(|first| first.at <= period.start()) else { return false };
    let mut before = first.committed;
    before.is_some_and(|committed| first.log_start <= committed)
        && samples.all(|sample| {
            let is_kept = before.is_some_and(|committed| sample.log_start <= committed);
            before = sample.committed;
            is_kept
        })
}

impl PartitionLag {
    /// Returns one partition of the answer of a [`KafkaProbe`] from a window: its samples within the period, which the
    /// check `consumer-lag` judges as [`lag`](crate::lag) does. A window without one in the period says so.
    ///
    /// ```
    /// use chrono::{TimeZone, Utc};
    /// use iot_runbook::lag::{Sample, Window};
    /// use iot_runbook::probe::{LagFacts, PartitionLag};
    /// use iot_runbook::time::Period;
    ///
    /// let (eight, nine) = (Utc.timestamp_opt(28_800, 0).unwrap(), Utc.timestamp_opt(32_400, 0).unwrap());
    /// let mut window = Window::default();
    /// window.observe(Sample::new(eight, 0, 500).with_committed(Some(480)));
    /// let covers = Period::new(eight, nine)?;
    /// let seen = PartitionLag::from_window(0, &window, covers);
    /// assert_eq!(seen.samples[0].committed, Some(480));
    /// let unseen = PartitionLag::from_window(1, &Window::default(), covers);
    /// assert_eq!(unseen.unread.as_deref(), Some("no sample in the period"));
    /// let facts = LagFacts::new(nine, covers).with_partitions(vec![seen, unseen]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn from_window(partition: i32, window: &Window, period: Period) -> Self {
        let told = |sample: &Sample| {
            let mut told = LagSample::new(sample.at, sample.log_start, sample.high_watermark);
            (told.committed, told.committed_at) = (sample.committed, sample.committed_at);
            told.age = sample.oldest_at.map(|oldest| (sample.at - oldest).max(TimeDelta::zero()));
            (told.last_stable_offset, told.nothing_unread) =
                (sample.last_stable_offset, sample.nothing_unread);
            told
        };
        // The end of a period is no part of it, but a sample of that moment shows how it ended.
        let is_within = |sample: &&Sample| period.start() <= sample.at && sample.at <= period.end();
        let samples: Vec<_> = window.samples().filter(is_within).map(told).collect();
        if samples.is_empty() {
            Self::new(partition).with_unread("no sample in the period")
        } else {
            Self::new(partition).with_samples(samples)
        }
    }
}
