//! How wide a band is.

use serde::{Deserialize, Serialize};

use super::SettingsError;
use crate::deadband::profile::Profile;

/// One way to say how wide a band is.
///
/// A percentage is turned into a width by one multiplication and then one division, each rounded to the nearest
/// `f64`: 7 % of 100 is 7, where `7.0 / 100.0 * 100.0` is a little more. What the verdict is held against is that
/// width; the comparison itself does not round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Extent {
    /// In the unit of the tag. Finite, at least zero.
    Absolute(f64),
    /// Percent of a range, which OPC UA calls `EURange`. The range must be finite, and `high` above `low`.
    PercentOfSpan {
        /// At least zero.
        percent: f64,
        /// The lower end of the range, in the unit of the tag.
        low: f64,
        /// Its upper end.
        high: f64,
    },
    /// Percent of the magnitude of the last reported value; never narrower than `floor`, so that a tag at zero
    /// does not report its noise.
    PercentOfLast {
        /// At least zero.
        percent: f64,
        /// In the unit of the tag, at least zero.
        floor: f64,
    },
}

/// The band of a tag: how far its value may move from the last reported one without being reported.
///
/// ```
/// use iot_runbook::deadband::filter::{Band, Extent, Rule, Settings};
///
/// let band = Band::Larger(Extent::Absolute(0.5), Extent::PercentOfLast { percent: 7.0, floor: 0.0 });
/// let rule = Rule::<f64>::new(Settings::new(band))?;
/// assert_eq!(rule.width_at(1.0), 0.5);
/// assert_eq!(rule.width_at(-100.0), 7.0);
/// # Ok::<(), iot_runbook::deadband::filter::SettingsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Band {
    /// None: every change is reported.
    None,
    /// One width.
    Of(Extent),
    /// The larger of two.
    Larger(Extent, Extent),
    /// The smaller of two.
    Smaller(Extent, Extent),
}

impl From<Extent> for Band {
    fn from(extent: Extent) -> Self {
        Self::Of(extent)
    }
}

/// A band that is proven to be whole: widths alone, no ranges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::deadband) enum Widths {
    One(Width),
    Larger(Width, Width),
    Smaller(Width, Width),
}

/// `max(floor, percent · |last| / 100)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::deadband) struct Width {
    pub(in crate::deadband) percent: f64,
    pub(in crate::deadband) floor: f64,
}

impl Widths {
    /// # Errors
    /// [`SettingsError`] for what is negative, not finite, or no range.
    pub(in crate::deadband) fn new(band: Band, profile: &Profile) -> Result<Self, SettingsError> {
        Ok(match band {
            Band::None => Self::One(Width { percent: 0.0, floor: 0.0 }),
            Band::Of(extent) => Self::One(Width::new(extent, profile)?),
            Band::Larger(a, b) => Self::Larger(Width::new(a, profile)?, Width::new(b, profile)?),
            Band::Smaller(a, b) => Self::Smaller(Width::new(a, profile)?, Width::new(b, profile)?),
        })
    }

    /// Whether it is the same for every value.
    pub(in crate::deadband) fn is_constant(self) -> bool {
        match self {
            Self::One(width) => width.percent == 0.0,
            Self::Larger(a, b) | Self::Smaller(a, b) => a.percent == 0.0 && b.percent == 0.0,
        }
    }

    /// How wide it is while `last` is the last reported value.
    #[inline]
    pub(in crate::deadband) fn at(self, last: f64) -> f64 {
        match self {
            Self::One(width) => width.at(last),
            Self::Larger(a, b) => a.at(last).max(b.at(last)),
            Self::Smaller(a, b) => a.at(last).min(b.at(last)),
        }
    }
}

impl Width {
    fn new(extent: Extent, profile: &Profile) -> Result<Self, SettingsError> {
        match extent {
            Extent::Absolute(width) => {
                Ok(Self { percent: 0.0, floor: at_least_zero("band.absolute", width)? })
            }
            Extent::PercentOfSpan { percent, low, high } => {
                let percent = at_least_zero("band.percent", percent)?;
                let span = high - low;
                if !(span > 0.0 && span.is_finite()) {
                    return Err(SettingsError::Range { low, high });
                }
                let width = profile.share_of_span(percent, span);
                Ok(Self { percent: 0.0, floor: at_least_zero("band.percent", width)? })
            }
            Extent::PercentOfLast { percent, floor } => Ok(Self {
                percent: at_least_zero("band.percent", percent)?,
                floor: at_least_zero("band.floor", floor)?,
            }),
        }
    }

    #[inline]
    fn at(self, last: f64) -> f64 {
        if self.percent == 0.0 {
            return self.floor;
        }
        // Multiplied first, so that it rounds once where both are whole numbers. Only where that overflows, the other way round.
        let hundredfold = self.percent * last.abs();
        let share =
            if hundredfold.is_finite() { hundredfold / 100.0 } else { last.abs() / 100.0 * self.percent };
        share.max(self.floor)
    }
}

fn at_least_zero(field: &'static str, value: f64) -> Result<f64, SettingsError> {
    if value >= 0.0 && value.is_finite() { Ok(value) } else { Err(SettingsError::NoWidth { field, value }) }
}
