//! What a filter holds back: outside the state that every sample touches.

use serde::{Deserialize, Serialize};

use super::{Reason, Report};
use crate::deadband::sample::{Number, Quality, Sample, exact};

/// What a filter holds back of one tag: the suppressed sample before the next report, and what a shortest interval
/// holds. Empty where the rule has neither.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "V: Number", deserialize = "V: Number"), default)]
pub struct Hold<V: Number = f64> {
    pub(super) previous: Option<Kept<V>>,
    pub(super) held: Option<Held<V>>,
}

impl<V: Number> Default for Hold<V> {
    fn default() -> Self {
        Self { previous: None, held: None }
    }
}

/// The samples that leave when the shortest interval is over. One sample may be two or all of them.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "V: Number", deserialize = "V: Number"))]
pub(super) struct Held<V: Number> {
    pub(super) lowest: Kept<V>,
    pub(super) highest: Kept<V>,
    pub(super) last: Kept<V>,
}

/// A sample, written so that the very same comes back.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "V: Number", deserialize = "V: Number"))]
pub(super) struct Kept<V: Number> {
    pub(super) at: i64,
    #[serde(with = "exact")]
    pub(super) value: V,
    pub(super) quality: Quality,
}

impl<V: Number> From<Sample<V>> for Kept<V> {
    fn from(Sample { at, value, quality }: Sample<V>) -> Self {
        Self { at, value, quality }
    }
}

impl<V: Number> From<Kept<V>> for Sample<V> {
    fn from(Kept { at, value, quality }: Kept<V>) -> Self {
        Self { at, value, quality }
    }
}

impl<V: Number> Held<V> {
    pub(super) fn new(sample: Sample<V>) -> Self {
        let kept = sample.into();
        Self { lowest: kept, highest: kept, last: kept }
    }

    /// Takes in a later sample. Of equal ones, the earlier stays the extreme.
    pub(super) fn join(&mut self, sample: Sample<V>) {
        let kept = sample.into();
        if sample.value < self.lowest.value {
            self.lowest = kept;
        }
        if sample.value > self.highest.value {
            self.highest = kept;
        }
        self.last = kept;
    }

    /// Reports them in time order, each once.
    pub(super) fn report(&self, out: &mut impl FnMut(Report<V>)) {
        let (earlier, later) = if self.lowest.at <= self.highest.at {
            (self.lowest, self.highest)
        } else {
            (self.highest, self.lowest)
        };
        // No two samples in order are of one moment, so the moment identifies them.
        let mut reported = None;
        for kept in [earlier, later, self.last] {
            if reported != Some(kept.at) {
                out(Report { sample: kept.into(), reason: Reason::Held });
                reported = Some(kept.at);
            }
        }
    }
}
