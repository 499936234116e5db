use std::fmt;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::Figures;
use super::fmt::{Exact, Rounded};

/// Is the band right?
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Verdict {
    /// The process moved by more than its noise, and no report shows it.
    TooWide,
    /// Only noise was seen, and the band kept it back.
    ProcessStable,
    /// The sensor is stuck: its value is exactly constant, where its noise was above its resolution before.
    Stuck,
    /// The process moved, its reports show it, and the noise was kept back.
    Fine,
    /// The band lets noise through.
    TooNarrow,
    /// The samples do not show whether the band is right.
    Undetermined {
        /// Why not.
        why: Why,
    },
}

/// Why the samples do not show whether a band is right.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Why {
    /// There are too few samples.
    TooFew {
        /// How many there are.
        samples: u64,
        /// How many are needed.
        needed: u64,
    },
    /// The value never changed, and no noise is known from before: a process at rest, or a dead sensor.
    Constant,
    /// What was hidden is as quick as the noise of a damped transmitter, and as a quick process: set
    /// [`Limits::damping`], or [`Limits::matters`].
    Coloured,
    /// What was hidden is about as large as the noise: observe for longer, or set [`Limits::matters`].
    Unsure,
    /// Neighbouring samples alternate: an oscillation that is scanned too slowly, or two sources in one tag.
    Alternating,
    /// The shown value was off by more than twice the band: something else suppressed samples, such as a shortest
    /// interval, or a rule that compares with the previous sample.
    BeyondBand,
    /// A figure or a limit is negative or not finite, or a share is more than the whole.
    Unbelievable,
}

/// What is asked of a band.
///
/// Shares are from zero to one, lengths are finite and not negative; by other limits nothing is judged:
/// [`Why::Unbelievable`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Limits {
    /// Fewer samples are not judged: 50.
    pub min_samples: u64,
    /// The share of the moving time that may hide an excursion beyond the noise band: 0.2. It is not zero, since every
    /// band cuts the tips of what it follows.
    pub hidden_time: f64,
    /// The share of samples that noise may have reported: 0.01.
    pub noise_reports: f64,
    /// The longest damping that a transmitter of the tag may have, in seconds when saved: five minutes. Movement that
    /// is quicker may be noise; a scan that is slower shows none.
    #[serde(with = "seconds")]
    pub damping: TimeDelta,
    /// The smallest excursion that matters to the process, in the unit of the tag. If set, it decides in place of
    /// [`hidden_time`](Self::hidden_time): none that large may be hidden.
    pub matters: Option<f64>,
    /// How far the shown value may be from the raw one, in the unit of the tag.
    pub error_budget: Option<f64>,
    /// A recommended band that is wider than this share of the raw range is flagged: 0.2.
    pub range_share: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            min_samples: 50,
            hidden_time: 0.2,
            noise_reports: 0.01,
            damping: TimeDelta::minutes(5),
            matters: None,
            error_budget: None,
            range_share: 0.2,
        }
    }
}

impl Limits {
    setters! {
        /// Sets [`matters`](Self::matters).
        const with_matters(change: f64) => matters = Some(change);
        /// Sets [`error_budget`](Self::error_budget).
        const with_error_budget(budget: f64) => error_budget = Some(budget);
        /// Sets [`noise_reports`](Self::noise_reports).
        const with_noise_reports(share: f64) => noise_reports = share;
        /// Sets [`damping`](Self::damping).
        const with_damping(damping: TimeDelta) => damping = damping;
    }

    fn are_believable(&self) -> bool {
        let sizes = [self.matters.unwrap_or(0.0), self.error_budget.unwrap_or(0.0)];
        let shares = [self.hidden_time, self.noise_reports, self.range_share];
        sizes.iter().all(|size| *size >= 0.0 && size.is_finite())
            && shares.iter().all(|share| (0.0..=1.0).contains(share))
            && self.damping >= TimeDelta::zero()
    }
}

/// What to set in place of the band.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Recommendation {
    /// The narrowest deadband that keeps the noise back.
    Band {
        /// In the unit of the tag.
        width: f64,
        /// The share of the raw range that this is, where the process moved and it is more than
        /// [`Limits::range_share`]: such a band shows little of the process. Less noise is the better answer.
        of_range: Option<f64>,
    },
    /// No band does both: the narrowest that keeps the noise back is wider than the error that is allowed. Damp the
    /// signal before the filter, or accept reports of noise. Whether a
    /// [swinging door](crate::deadband::swinging_door) needs fewer samples depends on the signal: try both.
    Conflict {
        /// The narrowest band that keeps the noise back.
        noise_band: f64,
        /// The error that is allowed.
        error_budget: f64,
    },
}

/// A constant value is a stuck sensor only if noise had made so many equal samples with at most this chance.
const CHANCE: f64 = 1e-9;

/// Fewer equal samples than this are never called stuck.
const FEWEST_CONSTANT: u64 = 16;

/// A sensor whose samples were never equal may still have one in so many.
const LEAST_TIES: f64 = 0.05;

/// A process that moved by less than this many noise bands is stable.
const MOVED: f64 = 2.0;

/// An exact deadband is off by one band at most. A width that varies with the value is given room.
const BEYOND: f64 = 2.0;

/// The damped noise is at least so many times the noise between neighbours, where the noise is coloured.
const COLOURED: f64 = 1.3;

impl Figures {
    /// Judges whether the band is right, by these limits.
    #[must_use]
    pub fn judge(&self, limits: &Limits) -> Verdict {
        match self.verdict(limits) {
            Ok(verdict) => verdict,
            Err(why) => Verdict::Undetermined { why },
        }
    }

    fn verdict(&self, limits: &Limits) -> Result<Verdict, Why> {
        if !(self.are_believable() && limits.are_believable()) {
            return Err(Why::Unbelievable);
        }
        if self.samples < limits.min_samples {
            return Err(Why::TooFew { samples: self.samples, needed: limits.min_samples });
        }
        if self.is_stuck() {
            return Ok(Verdict::Stuck);
        }
        if self.may_be_dead() {
            return Err(Why::Constant);
        }
        if self.off > BEYOND * self.band + self.noise_band {
            return Err(Why::BeyondBand);
        }
        if self.alternates {
            return Err(Why::Alternating);
        }
        let (hides, may_hide) = match limits.matters {
            Some(matters) => (
                self.hidden >= matters && self.hidden_time > 0.0,
                self.hidden >= matters && self.hidden_time_most > 0.0,
            ),
            None => (self.hidden_time > limits.hidden_time, self.hidden_time_most > limits.hidden_time),
        };
        if hides {
            return Ok(Verdict::TooWide);
        }
        if may_hide {
            let is_coloured = self.damped_noise > COLOURED * self.noise;
            return Err(if is_coloured { Why::Coloured } else { Why::Unsure });
        }
        let reported = self.reported as f64 / self.samples.max(1) as f64;
        if self.noise > 0.0 && self.band < self.noise_band_least && reported > limits.noise_reports {
            return Ok(Verdict::TooNarrow);
        }
        Ok(if self.moves() { Verdict::Fine } else { Verdict::ProcessStable })
    }

    /// Recommends the narrowest band that keeps the noise back; none where the verdict is stuck or undetermined.
    #[must_use]
    pub fn recommend(&self, limits: &Limits) -> Option<Recommendation> {
        if let Verdict::Undetermined { .. } | Verdict::Stuck = self.judge(limits) {
            return None;
        }
        let width = self.noise_band;
        if let Some(error_budget) = limits.error_budget.filter(|budget| width > *budget) {
            return Some(Recommendation::Conflict { noise_band: width, error_budget });
        }
        let of_range = (self.moves() && width > limits.range_share * self.range).then(|| width / self.range);
        Some(Recommendation::Band { width, of_range })
    }

    /// Whether it is exactly constant, and noise that is above the resolution cannot be.
    fn is_stuck(&self) -> bool {
        let chance = self.ties.max(LEAST_TIES).powf(self.constant as f64);
        self.constant >= FEWEST_CONSTANT && self.noise > self.quantum && chance < CHANCE
    }

    /// Whether it never changed, and no noise is known that says which: nothing was seen before, or only a signal whose
    /// movement covers its noise. A counter or a valve is known by its rests.
    fn may_be_dead(&self) -> bool {
        let is_unseen = self.noise_samples == 0 && self.quantum == 0.0;
        let never_rested = self.noise <= self.quantum && self.ties < LEAST_TIES;
        self.constant == self.samples && (is_unseen || never_rested)
    }

    fn moves(&self) -> bool {
        // Where every few samples are reported, there is no silence to read a level from.
        let movement = if self.movement > 0.0 { self.movement } else { self.range };
        movement > MOVED * self.noise_band
    }

    fn are_believable(&self) -> bool {
        let lengths = [
            self.band,
            self.noise,
            self.damped_noise,
            self.quantum,
            self.noise_band,
            self.noise_band_least,
            self.range,
            self.movement,
            self.error,
            self.error_max,
            self.off,
            self.hidden,
        ];
        let shares = [self.ties, self.hidden_time, self.hidden_time_most];
        lengths.iter().all(|length| *length >= 0.0 && length.is_finite())
            && shares.iter().all(|share| (0.0..=1.0).contains(share))
            && self.reported <= self.samples
            && self.constant <= self.samples
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooWide => {
                f.write_str("too wide: the process moved by more than its noise, and no report shows it")
            }
            Self::ProcessStable => f.write_str("idle: the process is stable, and only noise was kept back"),
            Self::Stuck => f.write_str("not the matter: the sensor is stuck at exactly one value"),
            Self::Fine => f.write_str("fine: the reports show what moved, and the noise was kept back"),
            Self::TooNarrow => f.write_str("too narrow: it lets noise through"),
            Self::Undetermined { why } => write!(f, "undetermined: {why}"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFew { samples, needed } => write!(f, "there are {samples} samples, and {needed} are needed"),
            Self::Constant => f.write_str(
                "the value never changed, and no noise is known from before: a process at rest, or a dead sensor",
            ),
            Self::Coloured => f.write_str(
                "what was hidden is as quick as the noise of a damped transmitter, and as a quick process; set \
                 the longest damping of the transmitter, or the smallest change that matters",
            ),
            Self::Unsure => f.write_str(
                "what was hidden is about as large as the noise; observe for longer, or set the smallest change that \
                 matters",
            ),
            Self::Alternating => f.write_str(
                "neighbouring samples alternate: an oscillation that is scanned too slowly, or two sources in one tag",
            ),
            Self::BeyondBand => f.write_str(
                "the shown value was off by more than twice the band, so something else suppressed samples; look for a \
                 shortest interval, or a rule that compares with the previous sample",
            ),
            Self::Unbelievable => {
                f.write_str("a figure or a limit is negative, not a number, or a share above the whole")
            }
        }
    }
}

impl fmt::Display for Recommendation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Band { width, of_range } => {
                write!(f, "the narrowest band that keeps the noise back is {}", Rounded(*width))?;
                match of_range {
                    Some(share) => write!(
                        f,
                        ", which is {:.0} % of the range of the signal: damp the noise instead",
                        100.0 * share
                    ),
                    None => Ok(()),
                }
            }
            Self::Conflict { noise_band, error_budget } => write!(
                f,
                "no band does both: to keep the noise back takes {}, and an error of {} is allowed; damp the noise, or \
                 accept its reports",
                Rounded(*noise_band),
                Exact(*error_budget)
            ),
        }
    }
}

/// A time difference as whole seconds.
mod seconds {
    use chrono::TimeDelta;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(time: &TimeDelta, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(time.num_seconds())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<TimeDelta, D::Error> {
        let seconds = i64::deserialize(from)?;
        TimeDelta::try_seconds(seconds)
            .ok_or_else(|| D::Error::custom(format!("{seconds} s is out of range")))
    }
}

#[cfg(test)]
mod tests;
