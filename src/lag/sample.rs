use std::cmp::Reverse;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::time::since;

/// One look at one partition: the broker's offsets, and the offset that the group committed.
///
/// Ask for the committed offset first and for the watermarks after it: then the committed offset cannot be beyond
/// the head. Offsets are counts from zero. librdkafka tells "none" by a negative number (`-1001`), so
/// `u64::try_from(raw).ok()` is what [`with_committed`](Self::with_committed) takes.
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
    /// When it was looked.
    pub at: DateTime<Utc>,
    /// The offset that the group committed: the next it will read. `None`: looked, and there is none.
    pub committed: Option<u64>,
    /// The high watermark: the offset that the next message will get.
    pub high_watermark: u64,
    /// The log's start, or low watermark: the oldest offset that is still kept.
    pub log_start: u64,
    /// When the group committed it. `None`: not told, and then each look counts as a commit of its own, as if the
    /// group committed when it was looked.
    pub committed_at: Option<DateTime<Utc>>,
    /// The timestamp of the message at the committed offset, the oldest that the group has not read.
    pub oldest_at: Option<DateTime<Utc>>,
}

impl Sample {
    /// The broker's offsets at a time; nothing is committed yet.
    #[must_use]
    pub const fn new(at: DateTime<Utc>, log_start: u64, high_watermark: u64) -> Self {
        Self { at, committed: None, high_watermark, log_start, committed_at: None, oldest_at: None }
    }

    /// With the offset that the group committed.
    #[must_use]
    pub const fn with_committed(mut self, offset: Option<u64>) -> Self {
        self.committed = offset;
        self
    }

    /// With the time of the commit, as `__consumer_offsets` tells it. A commit that is told again is no new one.
    #[must_use]
    pub const fn with_committed_at(mut self, at: DateTime<Utc>) -> Self {
        self.committed_at = Some(at);
        self
    }

    /// With the timestamp of the oldest message that is not read.
    #[must_use]
    pub const fn with_oldest_at(mut self, at: DateTime<Utc>) -> Self {
        self.oldest_at = Some(at);
        self
    }

    /// How many offsets lie between the committed one and the head; zero where it is beyond the head. An upper
    /// bound of the messages: compaction and transactions leave offsets without one.
    #[must_use]
    pub fn lag(&self) -> Option<u64> {
        self.committed.map(|committed| self.high_watermark.saturating_sub(committed))
    }

    /// Whether its offsets cannot stand beside each other.
    pub(super) fn contradicts(&self) -> bool {
        self.log_start > self.high_watermark
            || self.committed.is_some_and(|committed| committed > self.high_watermark)
    }

    pub(super) fn commit(&self) -> Option<Commit> {
        let at = self.committed_at.map_or(self.at, |told| told.min(self.at));
        self.committed.map(|offset| Commit { at, offset, seen: self.at, head: self.high_watermark })
    }

    /// Whether it tells of the same commit as another. Where the time of commits is not told, an offset that
    /// stands still is one.
    pub(super) fn is_of_one_commit(&self, other: &Self) -> bool {
        (self.committed, self.committed_at) == (other.committed, other.committed_at)
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

/// What has a place in time.
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
