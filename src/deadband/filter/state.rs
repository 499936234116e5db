//! What a filter remembers of one tag.

use serde::{Deserialize, Serialize};

use crate::deadband::profile::Anchor;
use crate::deadband::sample::{Number, Quality, Sample, exact};

/// What a filter remembers of one tag: at most 48 bytes, whatever the rule. What a rule holds back on top of that
/// is in [`Hold`](super::Hold).
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "V: Number", deserialize = "V: Number"))]
pub struct State<V: Number = f64> {
    /// The value that the next is held against: the last report's, but for some modes of Node-RED.
    #[serde(with = "exact")]
    pub(in crate::deadband) last: V,
    /// How far the next may be from it. It follows from the rule, so it is not saved.
    #[serde(skip)]
    pub(in crate::deadband) width: V::Width,
    /// When the last report was.
    pub(in crate::deadband) reported_at: i64,
    /// For how long after the last report the fast path may decide, in nanoseconds: until a heartbeat is due. Zero while
    /// something is held, before the first sample, and for semantics that have no fast path. Not saved either.
    #[serde(skip)]
    pub(in crate::deadband) fast_until: u64,
    /// When the newest sample in order was.
    pub(in crate::deadband) newest: i64,
    /// The quality of the last report.
    pub(in crate::deadband) quality: Quality,
    /// Whether there was any sample, and what `last` is.
    pub(in crate::deadband) anchor: Anchor,
}

impl<V: Number> Default for State<V> {
    fn default() -> Self {
        Self {
            last: V::default(),
            width: V::Width::default(),
            reported_at: 0,
            fast_until: 0,
            newest: 0,
            quality: Quality::GOOD,
            anchor: Anchor::Nothing,
        }
    }
}

impl<V: Number> State<V> {
    /// Disables the fast path.
    pub(in crate::deadband) const fn disable_fast_path(&mut self) {
        self.fast_until = 0;
    }

    /// The last report in time order, if there was any.
    #[must_use]
    pub fn last_report(&self) -> Option<Sample<V>> {
        (self.anchor == Anchor::Value).then_some(Sample {
            at: self.reported_at,
            value: self.last,
            quality: self.quality,
        })
    }

    /// The moment of the newest sample in time order, in nanoseconds since the Unix epoch.
    #[must_use]
    pub fn newest(&self) -> Option<i64> {
        (self.anchor != Anchor::Nothing).then_some(self.newest)
    }
}
