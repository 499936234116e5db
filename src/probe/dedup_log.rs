//! What the deduplication dropped.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::ProbeError;
use super::record::records;
use crate::fact::Source;
use crate::subject::{DeviceId, TagId};
use crate::time::Period;

/// The messages that the deduplication in use dropped.
#[async_trait]
pub trait DedupLogProbe: Send + Sync {
    /// Who answers, such as `dedup in redis`. Make it once and clone it.
    fn source(&self) -> Source;

    /// The messages of a device, of a period, that were dropped as duplicates. About a period that is over an
    /// answer may be kept.
    ///
    /// # Errors
    /// [`ProbeError`] where the log cannot be read; nothing dropped is an answer of zero.
    async fn dropped(&self, request: &DroppedRequest) -> Result<Dropped, ProbeError>;
}

const _: Option<&dyn DedupLogProbe> = None;

records! {
    /// What was dropped as a duplicate?
    #[derive(Eq, Hash)]
    DroppedRequest {
        /// The device.
        device: DeviceId,
        /// The period in question.
        period: Period,
        ..
        /// Count the messages of this tag alone; `None`: of all.
        tag: Option<TagId> = with_tag(tag: TagId) => Some(tag),
    }

    /// The messages that were dropped as duplicates.
    Dropped {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        /// The period that the counts are complete for.
        covers: Period,
        /// How many were dropped in all.
        dropped: u64,
        /// How many of those had the id of another message and a content of their own: false positives.
        collided: u64,
        ..
        /// How many different dropped messages have no row in the database now: their ids, or their device and sample
        /// times, looked up there. `None` where nobody looked.
        unstored: Option<u64> = with_unstored(count: u64) => Some(count),
        /// How many of [`unstored`](Self::unstored) are copies of a message whose row the database refused: they count
        /// for the database, and not for the deduplication.
        first_refused: u64 = with_first_refused(count: u64) => count,
        /// How many of [`dropped`](Self::dropped) had the id and the whole content of a message that was passed on
        /// before: real duplicates. `None` where the log does not compare contents.
        identical: Option<u64> = with_identical(count: u64) => Some(count),
        /// For how long an id is remembered, where it is known.
        ttl: Option<TimeDelta> = with_ttl(ttl: TimeDelta) => Some(ttl),
        /// How long after its first delivery a message may be replayed, where it is known: a shorter `ttl`
        /// lets duplicates in.
        replay: Option<TimeDelta> = with_replay(replay: TimeDelta) => Some(replay),
    }
}
