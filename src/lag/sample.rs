use std::cmp::Reverse;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::time::since;

/// One look at one partition: the broker's offsets, and the offset that the group committed.
///
/// Ask for the committed offset first, then for the last stable offset, then for the watermarks: so none is beyond the
/// next. Offsets count from zero. librdkafka returns a negative number (`-1001`) for "none", so
/// [`with_committed`](Self::with_committed) takes `u64::try_from(raw).ok()`.
///
/// ```
/// use chrono::{TimeZone, Utc};
/// use iot_runbook::lag::Sample;
///
/// let raw: i64 = -1001;
/// let at = Utc.timestamp_opt(1_800_000_000, 0).unwrap();
/// let sample = Sample::new(at, 0, 900).with_committed(u64::try_from(raw).ok());
/// assert_eq!(sample.lag(), None);
/// assert_eq!(sample.with_committed(Some(880)).lag(), Some(20));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sample {
    /// When the offsets were read.
    pub at: DateTime<Utc>,
    /// The offset that the group committed: the next it will read. `None`: there is none.
    pub committed: Option<u64>,
    /// The high watermark: the offset that the next message will get.
    pub high_watermark: u64,
    /// The log's start, or low watermark: the oldest offset that is still kept.
    pub log_start: u64,
    /// When the group committed it, as `__consumer_offsets` has it; Kafka's request for offsets returns no time. With
    /// it a group that commits one offset again and again (a stall) differs from one that commits no more (a stop).
    pub committed_at: Option<DateTime<Utc>>,
    /// The timestamp of the first message at or after the committed offset, the oldest that the group has not read. A
    /// timestamp of zero or less is none. What the heads say of the same message bounds it.
    pub oldest_at: Option<DateTime<Utc>>,
    /// The last stable offset: the first that a group with `isolation.level=read_committed` cannot read, because a
    /// transaction is open there. Give it for such a group and for no other: its lag and its age count up to here.
    #[serde(default)]
    pub last_stable_offset: Option<u64>,
    /// True if a fetch from the committed offset on found no message: what is there are markers of transactions, or
    /// offsets that compaction emptied. The lag is zero then.
    #[serde(default)]
    pub nothing_unread: bool,
}

impl Sample {
    /// The broker's offsets at a time; nothing is committed yet.
    #[must_use]
    pub const fn new(at: DateTime<Utc>, log_start: u64, high_watermark: u64) -> Self {
        Self {
            at,
            committed: None,
            high_watermark,
            log_start,
            committed_at: None,
            oldest_at: None,
            last_stable_offset: None,
            nothing_unread: false,
        }
    }

    setters! {
        /// With the offset that the group committed.
        const with_committed(offset: Option<u64>) => committed = offset;
        /// With the time of the commit. The same offset with the same time is the same commit.
        const with_committed_at(at: DateTime<Utc>) => committed_at = Some(at);
        /// With the timestamp of the oldest message that is not read.
        const with_oldest_at(at: DateTime<Utc>) => oldest_at = Some(at);
        /// With the last stable offset, for a group that reads committed messages alone.
        const with_last_stable_offset(offset: u64) => last_stable_offset = Some(offset);
    }

    /// With the finding that no message is unread, whatever the offsets say.
    #[must_use]
    pub const fn with_nothing_unread(mut self) -> Self {
        self.nothing_unread = true;
        self
    }

    /// How many offsets lie between the committed one and [`end`](Self::end); zero where it is beyond. An upper bound
    /// of the messages: compaction and transactions leave offsets without one.
    #[must_use]
    pub fn lag(&self) -> Option<u64> {
        let behind = self.committed.map(|committed| self.end().saturating_sub(committed));
        if self.nothing_unread { behind.and(Some(0)) } else { behind }
    }

    /// Where what the group can read ends: the last stable offset where it is given, else the head.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.last_stable_offset.unwrap_or(self.high_watermark)
    }

    /// The timestamp of the oldest unread message. Kafka writes 0 or -1 where a message has none.
    pub(super) fn message_at(&self) -> Option<DateTime<Utc>> {
        self.oldest_at.filter(|at| *at > DateTime::UNIX_EPOCH)
    }

    /// Whether a message is unread for sure. A single offset may be the marker at the end of a transaction.
    pub(super) fn has_unread(&self) -> bool {
        let fewest = if self.message_at().is_some() { 1 } else { 2 };
        self.lag().is_some_and(|lag| lag >= fewest)
    }

    /// Whether its offsets contradict each other.
    pub(super) fn contradicts(&self) -> bool {
        let beyond = |offset: Option<u64>| offset.is_some_and(|offset| offset > self.high_watermark);
        self.log_start > self.high_watermark || beyond(self.committed) || beyond(self.last_stable_offset)
    }

    pub(super) fn commit(&self) -> Option<Commit> {
        let at = self.committed_at.map_or(self.at, |at| at.min(self.at));
        self.committed.map(|offset| Commit { at, offset, seen: self.at, head: self.end() })
    }
}

/// A commit, when it was first seen, and the head then. Its order is that in which one of two of one time is kept:
/// the one that is further behind, and of one offset the one that was seen first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Commit {
    pub(super) at: DateTime<Utc>,
    pub(super) offset: u64,
    pub(super) seen: DateTime<Utc>,
    pub(super) head: u64,
}

impl Commit {
    pub(super) const fn lag(&self) -> u64 {
        self.head.saturating_sub(self.offset)
    }
}

/// An item that a ring sorts by time.
pub(super) trait Timed: Copy + Ord {
    fn at(&self) -> DateTime<Utc>;

    /// Which of two of one time is kept, whichever came first.
    fn kept(self, other: Self) -> Self {
        self.min(other)
    }
}

impl Timed for Sample {
    fn at(&self) -> DateTime<Utc> {
        self.at
    }

    /// The one that is further behind: without a commit, then by its lag.
    fn kept(self, other: Self) -> Self {
        let behind = |sample: &Self| (sample.lag().is_none(), sample.lag(), Reverse(*sample));
        if behind(&other) > behind(&self) { other } else { self }
    }
}

impl Timed for Commit {
    fn at(&self) -> DateTime<Utc> {
        self.at
    }
}

/// How long before `now` something was; never negative.
pub(super) fn ago(now: DateTime<Utc>, then: DateTime<Utc>) -> chrono::TimeDelta {
    since(now, then).max(chrono::TimeDelta::zero())
}
