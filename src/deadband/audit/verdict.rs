use std::fmt;

use super::{Figures, Measured};

/// Is the band right?
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// The process moved, and the filter hid it.
    TooWide,
    /// There was nothing but noise, and the filter kept it back.
    ProcessStable,
    /// What moved was reported, and the noise was not.
    Fine,
    /// It reports noise.
    TooNarrow,
    /// It cannot be told.
    Undetermined {
        /// Why not.
        why: Why,
    },
}

/// Why it cannot be told whether a band is right.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Why {
    /// Too few samples.
    TooFew {
        /// How many there are.
        samples: u64,
        /// How many are needed.
        needed: u64,
    },
    /// Neighbouring samples are alike, and it may be a damped transmitter's noise as well as the process: audit at
    /// a slower scan, or without the damping.
    Coloured,
    /// Neighbouring samples alternate, or every second one does, as neither noise nor a process does at that scan: an
    /// oscillation that is sampled too slowly, or two sources in one tag.
    Alternating,
    /// A figure or a limit is negative or not finite, or a share is more than the whole.
    Unbelievable,
}

/// What is asked of a band. The defaults are what the tables of the [audit](super) were measured with.
///
/// Shares are from zero to one, the rest is finite and not negative; by others nothing is judged:
/// [`Why::Unbelievable`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Below it nothing is said: 500 samples.
    pub min_samples: u64,
    /// From how many standard deviations on the signal is not white noise: 4.
    pub significance: f64,
    /// The share of the variance from which on movement counts: 0.5, as much movement as noise.
    pub movement: f64,
    /// The share of the movement's variance that may be hidden: 0.25.
    pub hidden: f64,
    /// The share of samples that noise may have reported: 0.01.
    pub noise_reports: f64,
    /// The smallest change that matters to the process, in the unit of the tag. Where it is told it decides what
    /// may be hidden, in place of [`hidden`](Self::hidden).
    pub matters: Option<f64>,
    /// How far a reported value may be from the raw one, in the unit of the tag.
    pub error_budget: Option<f64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            min_samples: 500,
            significance: 4.0,
            movement: 0.5,
            hidden: 0.25,
            noise_reports: 0.01,
            matters: None,
            error_budget: None,
        }
    }
}

impl Limits {
    /// The same with [`matters`](Self::matters) set.
    #[must_use]
    pub const fn with_matters(self, change: f64) -> Self {
        Self { matters: Some(change), ..self }
    }

    /// The same with [`error_budget`](Self::error_budget) set.
    #[must_use]
    pub const fn with_error_budget(self, budget: f64) -> Self {
        Self { error_budget: Some(budget), ..self }
    }

    /// The same with [`noise_reports`](Self::noise_reports) set.
    #[must_use]
    pub const fn with_noise_reports(self, share: f64) -> Self {
        Self { noise_reports: share, ..self }
    }

    fn are_believable(&self) -> bool {
        let sizes = [self.significance, self.matters.unwrap_or(0.0), self.error_budget.unwrap_or(0.0)];
        let shares = [self.movement, self.hidden, self.noise_reports];
        sizes.iter().all(|size| *size >= 0.0 && size.is_finite())
            && shares.iter().all(|share| (0.0..=1.0).contains(share))
    }
}

/// What to set in place of the band.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Recommendation {
    /// A deadband of this width: the narrowest that keeps noise reports under the set rate.
    Band {
        /// In the unit of the tag.
        width: f64,
    },
    /// No band does both: the narrowest that keeps the noise back is wider than the error that is allowed. A
    /// swinging door keeps the error, and needs fewer samples than a band that narrow.
    SwingingDoor {
        /// Its deviation: the error that is allowed.
        deviation: f64,
        /// What the band would have to be to keep the noise back.
        noise_band: f64,
    },
}

/// The standard errors of the noise and of the colour, relative and times √n, are some 1.6 and 4 (as simulated). So
/// much room each is given.
const NOISE_ROOM: f64 = 2.5;
const COLOUR_ROOM: f64 = 4.0;

/// From this share on of what a first-order damping would leave, the colour is taken for that damping.
const COLOURED: f64 = 0.6;

/// No first-order damping raises the second differences at a lag of two by more.
const MOST_COLOUR: f64 = 2.0;

/// From this slowness on, most of the variance is slower than any damping is taken to be.
const SLOW: f64 = 3.0;

/// From this share on, what was suppressed is movement and not only noise.
const STRUCTURED: f64 = 0.3;

impl Figures {
    /// Whether the band is right, by these limits.
    #[must_use]
    pub fn judge(&self, limits: &Limits) -> Verdict {
        if !(self.are_believable() && limits.are_believable()) {
            return Verdict::Undetermined { why: Why::Unbelievable };
        }
        if self.samples < limits.min_samples {
            let why = Why::TooFew { samples: self.samples, needed: limits.min_samples };
            return Verdict::Undetermined { why };
        }
        let moves = self.movement >= limits.movement && self.significance >= limits.significance;
        if moves && self.is_coloured() {
            return Verdict::Undetermined { why: Why::Coloured };
        }
        let alternates = self.movement <= -limits.movement && self.significance <= -limits.significance;
        if alternates || (!moves && self.is_coloured_beyond(MOST_COLOUR)) {
            return Verdict::Undetermined { why: Why::Alternating };
        }
        if moves && self.hides(limits) {
            return Verdict::TooWide;
        }
        let reported = self.reported as f64 / self.samples.max(1) as f64;
        let surely = Self { noise: self.noise / (1.0 + NOISE_ROOM / (self.samples as f64).sqrt()), ..*self };
        if surely.noise_reports() > limits.noise_reports && reported > limits.noise_reports {
            return Verdict::TooNarrow;
        }
        if moves { Verdict::Fine } else { Verdict::ProcessStable }
    }

    /// The narrowest band that keeps noise reports under the set rate, where it is within the error budget; where
    /// it is not, a swinging door. None where the noise is not known: the figures are too few, or the noise is
    /// coloured.
    #[must_use]
    pub fn recommend(&self, limits: &Limits) -> Option<Recommendation> {
        if let Verdict::Undetermined { .. } = self.judge(limits) {
            return None;
        }
        let width = self.noise_band(limits.noise_reports);
        match limits.error_budget {
            Some(budget) if width > budget => {
                Some(Recommendation::SwingingDoor { deviation: budget, noise_band: width })
            }
            _ => Some(Recommendation::Band { width }),
        }
    }

    /// Whether a damped transmitter's noise may look like that.
    fn is_coloured(&self) -> bool {
        // What a first-order damping that left this much movement would do to the second differences.
        let share = self.movement.clamp(0.0, 0.999);
        let squared = share * share;
        let damped = (6.0 - 8.0 * squared + 2.0 * squared * squared) / (6.0 - 8.0 * share + 2.0 * squared);
        let seen = self.colour * self.colour_room();
        seen >= 1.0 + COLOURED * (damped - 1.0) && self.slowness < SLOW
    }

    /// Whether its colour is surely more than this.
    fn is_coloured_beyond(&self, colour: f64) -> bool {
        self.colour > colour * self.colour_room()
    }

    fn colour_room(&self) -> f64 {
        1.0 + COLOUR_ROOM / (self.samples as f64).sqrt()
    }

    fn hides(&self, limits: &Limits) -> bool {
        let is_much = match limits.matters {
            Some(matters) => self.hidden_range >= matters,
            None => self.hidden() >= limits.hidden,
        };
        is_much && self.structure >= STRUCTURED
    }

    fn are_believable(&self) -> bool {
        let lengths = [
            self.band,
            self.noise,
            self.quantum,
            self.spread,
            self.range,
            self.colour,
            self.slowness,
            self.error,
            self.error_max,
            self.hidden_range,
        ];
        lengths.iter().all(|length| *length >= 0.0 && length.is_finite())
            && [self.movement, self.significance, self.structure].iter().all(|share| share.is_finite())
            && self.reported <= self.samples
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooWide => f.write_str("too wide: the process moved, and the filter hid it"),
            Self::ProcessStable => f.write_str("the process is stable: there was nothing but noise"),
            Self::Fine => f.write_str("fine: what moved was reported, the noise was not"),
            Self::TooNarrow => f.write_str("too narrow: it reports noise"),
            Self::Undetermined { why } => write!(f, "undetermined: {why}"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFew { samples, needed } => write!(f, "{samples} samples, and it takes {needed}"),
            Self::Coloured => f.write_str(
                "neighbouring samples are alike, as a damped transmitter's noise is and a quick process too; \
                 audit at a slower scan or without the damping",
            ),
            Self::Alternating => f.write_str(
                "neighbouring samples alternate, or every second one does: an oscillation that is sampled too slowly, \
                 or two sources in one tag",
            ),
            Self::Unbelievable => f.write_str("a figure or a limit is negative, no number, or more than the whole"),
        }
    }
}

impl fmt::Display for Recommendation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Band { width: 0.0 } => f.write_str("any band does, for there was no noise"),
            Self::Band { width } => write!(f, "a band of {}", Measured(*width)),
            Self::SwingingDoor { deviation, noise_band } => write!(
                f,
                "a swinging door with a deviation of {}: a band would have to be {} to keep the noise back, and miss \
                 by more than is allowed",
                Measured(*deviation),
                Measured(*noise_band)
            ),
        }
    }
}

#[cfg(test)]
mod tests;
