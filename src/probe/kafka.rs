//! The messages in Kafka, and how far its consumers are.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::ProbeError;
use super::record::records;
use crate::fact::Source;
use crate::subject::{DeviceId, PipelineId, TagId};
use crate::time::Period;

/// The lag of the ingestion's consumer group, and the messages that the bridge brought into Kafka.
#[async_trait]
pub trait KafkaProbe: Send + Sync {
    /// Who answers, such as `kafka eu-1`. Make it once and clone it.
    fn source(&self) -> Source;

    /// How far the pipeline's consumer group was over a period, by partition. Ask without joining the group. About
    /// a period that is over an answer may be kept.
    ///
    /// # Errors
    /// [`ProbeError`] where Kafka does not answer. A partition on which the group never committed is an answer, and so is
    /// a share group (KIP-932): it has no committed offset, so answer [`is_share_group`](LagFacts::is_share_group) and no
    /// partition.
    async fn lag(&self, request: &LagRequest) -> Result<LagFacts, ProbeError>;

    /// How many messages of a device whose sample times lie in a period came into Kafka, in the period or later. Ask
    /// afresh each time.
    ///
    /// # Errors
    /// [`ProbeError`] if the log was not read; no message is an answer of zero.
    async fn bridged(&self, request: &BridgedRequest) -> Result<Bridged, ProbeError>;

    /// Where the pipeline's consumer group stopped or skipped on the partition of a device: resets of its offset in or
    /// after the period, a transaction that is open now, and a record that it fails at now. Ask afresh each time.
    ///
    /// # Errors
    /// [`ProbeError`] if the offsets were not read; the default does not answer.
    async fn offsets(&self, _request: &OffsetsRequest) -> Result<Offsets, ProbeError> {
        Err(ProbeError::unsupported())
    }
}

const _: Option<&dyn KafkaProbe> = None;

records! {
    /// How far was the consumer group over the period?
    #[derive(Eq, Hash)]
    LagRequest {
        /// The pipeline whose consumer group is asked about.
        pipeline: PipelineId,
        /// The period in question.
        period: Period,
        ..
        /// The device whose messages matter: report its partition alone where it is known.
        device: Option<DeviceId> = with_device(device: DeviceId) => Some(device),
        /// Count the messages that carry this tag; `None`: all of the device.
        tag: Option<TagId> = with_tag(tag: TagId) => Some(tag),
    }

    /// How far a consumer group was over a period.
    LagFacts {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        /// The period that the samples stand for.
        covers: Period,
        ..
        /// Each partition that the device's messages may stand in.
        partitions: Vec<PartitionLag> = with_partitions(partitions: Vec<PartitionLag>) => partitions,
        /// How many consumers the group had at the end of the period; `None` if not known.
        members: Option<u32> = with_members(members: u32) => Some(members),
        /// The state of the group at the end of the period, as Kafka names it (`kafka-consumer-groups --describe
        /// --state`), of classic groups and of those of the consumer protocol (KIP-848): `Stable`, `Empty`, `Dead`,
        /// `PreparingRebalance`, `CompletingRebalance`, `Assigning`, `Reconciling`. `None` where nobody asked.
        state: Option<Box<str>> = with_state(state: impl Into<Box<str>>) => Some(state.into()),
        /// True if it is a share group (KIP-932). It commits no offset, so its lag is unknown.
        is_share_group: bool = with_share_group(is_one: bool) => is_one,
        /// How many of the device's messages of the period the group has not read yet and still can: at
        /// `observed_at`, different ones, by sample time. `None` where nobody counted them.
        messages_unread: Option<u64> = with_messages_unread(count: u64) => Some(count),
        /// How many of the device's messages of the period went behind the start of the log before the group read
        /// them. `None` where nobody counted them.
        messages_gone: Option<u64> = with_messages_gone(count: u64) => Some(count),
    }

    /// The lag of one partition.
    PartitionLag {
        /// Its number.
        partition: i32,
        ..
        /// Samples within the period, in any order; two at least, so that progress can be seen.
        samples: Vec<LagSample> = with_samples(samples: Vec<LagSample>) => samples,
        /// Why its lag could not be read, where the others' could: the answer is partial, and not an error.
        unread: Option<String> = with_unread(why: impl Into<String>) => Some(why.into()),
    }

    /// One partition at one time.
    LagSample {
        /// When.
        at: DateTime<Utc>,
        /// The oldest offset that is still kept.
        low_watermark: u64,
        /// The offset that the next message will get.
        high_watermark: u64,
        ..
        /// The offset that the group committed: the next it will read. `None`: looked, and it never committed.
        committed: Option<u64> = with_committed(offset: u64) => Some(offset),
        /// When the group committed it. `None` where that is not known: a group that commits one offset again
        /// and again then looks like one that commits no more.
        committed_at: Option<DateTime<Utc>> = with_committed_at(at: DateTime<Utc>) => Some(at),
        /// How old the message at the committed offset is; zero where the group has read all. `None` where it
        /// is not known.
        age: Option<TimeDelta> = with_age(age: TimeDelta) => Some(age),
        /// The last stable offset, for a group that reads committed messages (`isolation.level=read_committed`)
        /// and for no other: it cannot read further while a transaction is open.
        last_stable_offset: Option<u64> = with_last_stable_offset(offset: u64) => Some(offset),
        /// True if a fetch from the committed offset on found no message: only markers of transactions, or
        /// offsets that compaction emptied.
        nothing_unread: bool = with_nothing_unread(is_so: bool) => is_so,
    }

    /// How many of the device's messages are in Kafka?
    #[derive(Eq, Hash)]
    BridgedRequest {
        /// The pipeline whose topic is asked.
        pipeline: PipelineId,
        /// The device.
        device: DeviceId,
        /// The period in question: when the samples of the messages were taken, as
        /// [`MessagesRequest::period`](super::MessagesRequest::period).
        period: Period,
        ..
        /// Count the messages of this tag alone; `None`: of all.
        tag: Option<TagId> = with_tag(tag: TagId) => Some(tag),
    }

    /// The messages that the bridge brought into Kafka.
    Bridged {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        /// The period that the count is complete for.
        covers: Period,
        /// How many different messages.
        in_kafka: u64,
    }

    /// Where did the consumer group stop or skip on the device's partition?
    #[derive(Eq, Hash)]
    OffsetsRequest {
        /// The pipeline whose consumer group is asked about.
        pipeline: PipelineId,
        /// The device.
        device: DeviceId,
        /// The period in question: when the samples of the messages were taken.
        period: Period,
        ..
        /// Count the messages that carry this tag; `None`: all of the device.
        tag: Option<TagId> = with_tag(tag: TagId) => Some(tag),
    }

    /// Where a consumer group stopped or skipped. Counts are of different messages of the device in the period.
    Offsets {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        /// The period that [`resets`](Self::resets) is complete for.
        covers: Period,
        ..
        /// Each forward move of the group's offset that no reading explains; empty: looked, and there is none.
        /// `None` where that is not known.
        resets: Option<Vec<OffsetReset>> = with_resets(resets: Vec<OffsetReset>) => Some(resets),
        /// Whether a transaction is open now.
        transaction: TransactionState = with_transaction(state: TransactionState) => state,
        /// Whether the group stops at one record now.
        stuck: StuckState = with_stuck(state: StuckState) => state,
    }

    /// A move of a group's offset past messages that it had not read.
    OffsetReset {
        /// When.
        at: DateTime<Utc>,
        /// The offset before.
        from: u64,
        /// The offset after.
        to: u64,
        /// How many of the device's messages of the period it skipped, that were not read afterwards either.
        skipped: u64,
        ..
        /// What moved it.
        cause: ResetCause = with_cause(cause: ResetCause) => cause,
    }
}

/// What moved the offset of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResetCause {
    /// Somebody set it to a position, or to a time.
    Position,
    /// The reset policy moved it to the newest message: `auto.offset.reset=latest`.
    Newest,
    /// Not known.
    #[default]
    NotKnown,
}

/// Whether a transaction of a producer is open on the partition.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum TransactionState {
    /// Looked, and no transaction is open.
    NotOpen,
    /// One is open.
    Open(OpenTransaction),
    /// Not known.
    #[default]
    NotKnown,
}

records! {
    /// A transaction that is open on the partition.
    OpenTransaction {
        /// The last stable offset: readers of committed records get no record from here on.
        last_stable_offset: u64,
        /// The offset that the next message will get.
        high_watermark: u64,
        /// How many of the device's messages of the period are at the last stable offset or beyond.
        held_back: u64,
        ..
        /// Since when the last stable offset has not moved.
        unmoved_since: Option<DateTime<Utc>> = with_unmoved_since(at: DateTime<Utc>) => Some(at),
        /// Whether the consumers of the group read committed records only; `None` where it is not known.
        reads_committed: Option<bool> = with_reads_committed(reads: bool) => Some(reads),
        /// Whose transaction it is, where it is known.
        producer: Option<Box<str>> = with_producer(producer: impl Into<Box<str>>) => Some(producer.into()),
    }
}

/// Whether the group stops at one record.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum StuckState {
    /// Looked, and it does not.
    NotStuck,
    /// Its position is at one record, which it reads again and again.
    Stuck(StuckRecord),
    /// Not known.
    #[default]
    NotKnown,
}

records! {
    /// A record at which the group's position does not move.
    StuckRecord {
        /// Its offset.
        offset: u64,
        /// How often processing it has failed.
        failures: u64,
        /// How many of the device's messages of the period are at this record or behind it, unread.
        behind: u64,
        ..
        /// Since when the position has been there.
        since: Option<DateTime<Utc>> = with_stuck_since(at: DateTime<Utc>) => Some(at),
        /// What one of the failures said.
        example: Option<Box<str>> = with_example(text: impl Into<Box<str>>) => Some(text.into()),
    }
}
