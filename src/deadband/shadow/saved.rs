//! The state of a candidate and of a shadow as they are saved, and the proof that a restored one makes sense.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Candidate, Shadow};
use crate::deadband::filter::{Counts, Filter, RestoreError, Rule, Saved};
use crate::deadband::sample::Number;

/// All that a [`Candidate`] remembers, in any form of serde.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "V: Number", deserialize = "V: Number"), deny_unknown_fields)]
pub struct SavedCandidate<V: Number = f64> {
    filter: Saved<V>,
    reports: u64,
    /// By their bits: some readers of numbers round, and the value that is shown may be NaN.
    shown: u64,
    first: i64,
    errors: u64,
    squares: u64,
    worst: u64,
}

/// All that a [`Shadow`] remembers, of the live filter too, in any form of serde.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "V: Number", deserialize = "V: Number"), deny_unknown_fields)]
pub struct SavedShadow<V: Number = f64> {
    live: Saved<V>,
    before: u64,
    candidate: SavedCandidate<V>,
}

impl<V: Number> Candidate<V> {
    /// Returns all that it remembers, to be written by any serde format.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use iot_runbook::deadband::filter::{Extent, Rule, Settings};
    /// use iot_runbook::deadband::sample::Sample;
    /// use iot_runbook::deadband::shadow::Candidate;
    ///
    /// let rule = Arc::new(Rule::new(Settings::new(Extent::Absolute(2.0)))?);
    /// let mut candidate = Candidate::new(Arc::clone(&rule));
    /// candidate.observe(Sample::new(0, 20.0));
    /// candidate.observe(Sample::new(1, 21.5));
    /// let text = serde_json::to_string(&candidate.save())?;
    /// let restored = Candidate::restore(rule, &serde_json::from_str(&text)?)?;
    /// assert_eq!(restored.row(), candidate.row());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn save(&self) -> SavedCandidate<V> {
        SavedCandidate {
            filter: Saved::new(self.rule.profile(), self.state, self.hold, Counts::default()),
            reports: self.reports,
            shown: self.shown.to_bits(),
            first: self.first,
            errors: self.errors,
            squares: self.squares.to_bits(),
            worst: self.worst.to_bits(),
        }
    }

    /// Restores a candidate that continues where another was saved. Its band may differ: then its figures are of both.
    ///
    /// # Errors
    /// [`RestoreError`] if it was saved under another profile, or is no state that a candidate could be in.
    pub fn restore(rule: Arc<Rule<V>>, saved: &SavedCandidate<V>) -> Result<Self, RestoreError> {
        let (state, hold, _) = saved.filter.open(&rule)?;
        let [squares, worst] = [saved.squares, saved.worst].map(f64::from_bits);
        let invalid = |field| Err(RestoreError::Field { field });
        // Squares may overflow, and small ones vanish.
        if squares.is_nan() || squares < 0.0 || saved.errors == 0 && squares > 0.0 {
            return invalid("squares");
        }
        if !(0.0..f64::INFINITY).contains(&worst) || saved.errors == 0 && worst > 0.0 {
            return invalid("worst");
        }
        let mut restored = Self {
            rule,
            state,
            hold,
            reports: saved.reports,
            shown: f64::from_bits(saved.shown),
            first: saved.first,
            errors: saved.errors,
            squares,
            worst,
        };
        restored.check_fast_path();
        Ok(restored)
    }
}

impl<V: Number> Shadow<V> {
    /// Returns all that it remembers, to be written by any serde format.
    #[must_use]
    pub fn save(&self) -> SavedShadow<V> {
        SavedShadow { live: self.live.save(), before: self.before, candidate: self.candidate.save() }
    }

    /// Restores a live filter with its candidate, each under its rule.
    ///
    /// # Errors
    /// As [`Filter::restore`] and [`Candidate::restore`].
    pub fn restore(
        live: Arc<Rule<V>>,
        candidate: Arc<Rule<V>>,
        saved: &SavedShadow<V>,
    ) -> Result<Self, RestoreError> {
        let live = Filter::restore(live, &saved.live)?;
        if saved.before > live.counts().all_reported() {
            return Err(RestoreError::Field { field: "before" });
        }
        Ok(Self { live, before: saved.before, candidate: Candidate::restore(candidate, &saved.candidate)? })
    }
}
