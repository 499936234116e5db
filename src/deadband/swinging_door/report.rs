use serde::{Deserialize, Serialize};

use crate::deadband::sample::{Number, Sample};

/// A sample that is kept, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report<V = f64> {
    /// The sample as it came in.
    pub sample: Sample<V>,
    /// Why it is kept.
    pub reason: Reason,
}

/// Why a sample is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// It is the first.
    First,
    /// No line from the sample kept before could pass it and go on.
    Line,
    /// Its value differs from the one that held, beyond the deviation ([`Mode::Step`](super::Mode::Step)).
    Value,
    /// The line would have become longer than the max interval.
    MaxInterval,
    /// Its quality is another.
    Quality,
    /// It is not finite where the one before was, or the other way round, or another infinity.
    NotFinite,
    /// It is the last before a break in quality or finiteness, or before a flush.
    Last,
    /// It is out of time order, and no part of the line.
    Order,
}

/// What became of the samples. They hold at the largest `u64`, which no tag reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// Kept, for whatever reason.
    pub kept: u64,
    /// Dropped: what is drawn passes them within the deviation.
    pub dropped: u64,
    /// Dropped within the min interval, and what is drawn may miss them by more.
    pub unbounded: u64,
    /// Dropped as out of time order, by [`Order::Drop`](crate::deadband::filter::Order::Drop).
    pub out_of_order: u64,
    /// Dropped as [duplicates](crate::deadband::filter::Order): equal to the newest sample or to the last that was kept.
    pub duplicates: u64,
    /// The latest, which are neither kept nor dropped yet: at most [`look_ahead`](super::Settings::look_ahead).
    pub pending: u64,
}

impl Counts {
    #[inline]
    pub(super) fn keep<V: Number>(&mut self, sample: Sample<V>, reason: Reason) -> Report<V> {
        self.kept = self.kept.saturating_add(1);
        Report { sample, reason }
    }

    #[inline]
    pub(super) fn drop_of(&mut self, all: u64, unbounded: u64) {
        let unbounded = unbounded.min(all);
        self.unbounded = self.unbounded.saturating_add(unbounded);
        self.dropped = self.dropped.saturating_add(all - unbounded);
    }
}
