//! How many samples were reported and suppressed.

use serde::{Deserialize, Serialize};

use super::{Reason, Suppression, Verdict};

/// Counts of a filter, by reason. They stop at their end, and never wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Counts {
    reported: [u64; 8],
    suppressed: [u64; 5],
    held: u64,
}

impl Counts {
    /// Samples reported for this reason.
    #[must_use]
    pub const fn reported(&self, reason: Reason) -> u64 {
        let [order, first, quality, value, gap, heartbeat, held, previous] = self.reported;
        match reason {
            Reason::Order => order,
            Reason::First => first,
            Reason::Quality => quality,
            Reason::Value => value,
            Reason::Gap => gap,
            Reason::Heartbeat => heartbeat,
            Reason::Held => held,
            Reason::Previous => previous,
        }
    }

    /// Samples reported, for whatever reason.
    #[must_use]
    pub fn all_reported(&self) -> u64 {
        self.reported.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Samples suppressed for this reason. One that was reported later, as the previous of another, counts here too.
    #[must_use]
    pub const fn suppressed(&self, why: Suppression) -> u64 {
        let [band, min_interval, order, ignored, duplicate] = self.suppressed;
        match why {
            Suppression::Band => band,
            Suppression::MinInterval => min_interval,
            Suppression::Order => order,
            Suppression::Ignored => ignored,
            Suppression::Duplicate => duplicate,
        }
    }

    /// Samples out of time order, passed or dropped; duplicates that were dropped are apart. Where it rises with every sample, a clock once ran ahead of time:
    /// see [`Filter::accept_clock`](super::Filter::accept_clock).
    #[must_use]
    pub const fn out_of_order(&self) -> u64 {
        self.reported(Reason::Order).saturating_add(self.suppressed(Suppression::Order))
    }

    /// Samples within the band.
    #[must_use]
    pub const fn suppressed_in_band(&self) -> u64 {
        self.suppressed(Suppression::Band)
    }

    /// Samples that were held. Those that left are reported too, as [`Reason::Held`].
    #[must_use]
    pub const fn held(&self) -> u64 {
        self.held
    }

    #[inline]
    pub(super) fn add(&mut self, reason: Reason) {
        bump(&mut self.reported, reason as usize);
    }

    /// Counts many at once.
    pub(in crate::deadband) fn add_many(&mut self, reason: Reason, many: u64) {
        if let Some(count) = self.reported.get_mut(reason as usize) {
            *count = count.saturating_add(many);
        }
    }

    /// Counts many at once.
    pub(in crate::deadband) fn suppress_many(&mut self, why: Suppression, many: u64) {
        if let Some(count) = self.suppressed.get_mut(why as usize) {
            *count = count.saturating_add(many);
        }
    }

    #[inline]
    pub(super) fn suppress(&mut self, why: Suppression) {
        bump(&mut self.suppressed, why as usize);
    }

    #[inline]
    pub(super) fn judge(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Reported(_) => {}
            Verdict::Held => self.held = self.held.saturating_add(1),
            Verdict::Suppressed(why) => self.suppress(why),
        }
    }
}

#[inline]
fn bump(counts: &mut [u64], at: usize) {
    if let Some(count) = counts.get_mut(at) {
        *count = count.saturating_add(1);
    }
}
