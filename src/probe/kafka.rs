//! What stands in Kafka, and how far its consumers are.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::ProbeError;
use super::record::record;
use crate::fact::Source;
use crate::subject::{DeviceId, PipelineId, TagId};
use crate::time::Period;

/// Tells the lag of the ingestion's consumer group, and which messages the bridge brought into Kafka.
#[async_trait]
pub trait KafkaProbe: Send + Sync {
    /// Who answers, such as `kafka eu-1`. Make it once and clone it.
    fn source(&self) -> Source;

    /// How far the pipeline's consumer group was over a period, by partition. Ask without joining the group. About
    /// a period that is over an answer may be kept.
    ///
    /// # Errors
    /// [`ProbeError`] where Kafka does not answer. A partition on which the group never committed is an answer. A share
    /// group (KIP-932) commits no offset and has no lag: refuse.
    async fn lag(&self, request: &LagRequest) -> Result<LagFacts, ProbeError>;

    /// How many messages of a device, of those that reached the broker in a period, stand in Kafka. About a period
    /// that is over an answer may be kept.
    ///
    /// # Errors
    /// [`ProbeError`] where nobody can tell; none is an answer of zero.
    async fn bridged(&self, request: &BridgedRequest) -> Result<Bridged, ProbeError>;
}

const _: Option<&dyn KafkaProbe> = None;

record! {
    /// How far was the consumer group over the period?
    LagRequest {
        required {
            /// The pipeline whose consumer group is asked about.
            pipeline: PipelineId,
            /// The period in question.
            period: Period,
        }
        optional {
            /// The device whose messages matter: tell its partition alone where it is known.
            device: Option<DeviceId> = with_device(device: DeviceId) => Some(device),
        }
    }
}

record! {
    /// How far a consumer group was over a period.
    LagFacts {
        required {
            /// When this was looked up.
            observed_at: DateTime<Utc>,
            /// The period that the samples stand for.
            covers: Period,
        }
        optional {
            /// Each partition that the device's messages may stand in.
            partitions: Vec<PartitionLag> = with_partitions(partitions: Vec<PartitionLag>) => partitions,
            /// How many consumers the group had at the end of the period; `None` where it is not told.
            members: Option<u32> = with_members(members: u32) => Some(members),
        }
    }
}

record! {
    /// The lag of one partition.
    PartitionLag {
        required {
            /// Its number.
            partition: i32,
        }
        optional {
            /// Samples within the period, in any order; two at least, so that progress can be seen.
            samples: Vec<LagSample> = with_samples(samples: Vec<LagSample>) => samples,
            /// Why its lag could not be read, where the others' could: the answer is partial, and not an error.
            unread: Option<String> = with_unread(why: impl Into<String>) => Some(why.into()),
        }
    }
}

record! {
    /// One partition at one time.
    LagSample {
        required {
            /// When.
            at: DateTime<Utc>,
            /// The oldest offset that is still kept.
            low_watermark: u64,
            /// The offset that the next message will get.
            high_watermark: u64,
        }
        optional {
            /// The offset that the group committed: the next it will read. `None`: looked, and it never committed.
            committed: Option<u64> = with_committed(offset: u64) => Some(offset),
            /// When the group committed it. `None` where that is not known: a group that commits one offset again
            /// and again then looks like one that commits no more.
            committed_at: Option<DateTime<Utc>> = with_committed_at(at: DateTime<Utc>) => Some(at),
            /// How old the message at the committed offset is; zero where the group has read all. `None` where it
            /// is not told.
            age: Option<TimeDelta> = with_age(age: TimeDelta) => Some(age),
            /// The last stable offset, for a group that reads committed messages (`isolation.level=read_committed`)
            /// and for no other: it cannot read further while a transaction is open.
            last_stable_offset: Option<u64> = with_last_stable_offset(offset: u64) => Some(offset),
            /// True if a fetch from the committed offset on found no message: only markers of transactions, or
            /// offsets that compaction emptied.
            nothing_unread: bool = with_nothing_unread(is_so: bool) => is_so,
        }
    }
}

record! {
    /// How many of the device's messages are in Kafka?
    BridgedRequest {
        required {
            /// The pipeline whose topic is asked.
            pipeline: PipelineId,
            /// The device.
            device: DeviceId,
            /// The period in which the messages reached the broker.
            period: Period,
        }
        optional {
            /// Count the messages of this tag alone; `None`: of all.
            tag: Option<TagId> = with_tag(tag: TagId) => Some(tag),
        }
    }
}

record! {
    /// The messages that the bridge brought into Kafka.
    Bridged {
        required {
            /// When this was looked up.
            observed_at: DateTime<Utc>,
            /// The period that the count is complete for.
            covers: Period,
            /// How many different messages.
            in_kafka: u64,
        }
        optional {}
    }
}
