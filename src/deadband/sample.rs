//! What goes in and comes out: a value with its time and its quality.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

mod number;
mod quality;
mod wire;

pub(super) use number::two_sum;
pub use number::{Class, Number};
pub use quality::{Quality, Severity};
pub(super) use wire::exact;

/// One value of one tag: what it was, when, and how good.
///
/// In a format that people read, a value that is no finite number is the text `NaN`, `inf` or `-inf`.
///
/// ```
/// use chrono::{TimeZone, Utc};
/// use iot_runbook::deadband::sample::{Quality, Sample};
///
/// let sample = Sample::at_time(Utc.timestamp_opt(1_800_000_000, 0).unwrap(), 21.5)?;
/// assert_eq!(sample, Sample::new(1_800_000_000_000_000_000, 21.5).with_quality(Quality::GOOD));
/// # Ok::<(), iot_runbook::deadband::sample::TimeRangeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "V: Number", deserialize = "V: Number"))]
pub struct Sample<V = f64> {
    /// When the source took it: nanoseconds since the Unix epoch, UTC. That reaches from 1677 to 2262.
    pub at: i64,
    /// What it was, in the unit of the tag.
    #[serde(with = "wire::readable")]
    pub value: V,
    /// How good it is.
    #[serde(default)]
    pub quality: Quality,
}

impl<V> Sample<V> {
    /// A good sample, taken `at_nanos` nanoseconds after the Unix epoch.
    ///
    /// Seconds or milliseconds in their place are a moment of 1970: [`at_time`](Self::at_time) takes a `DateTime`.
    #[must_use]
    pub const fn new(at_nanos: i64, value: V) -> Self {
        Self { at: at_nanos, value, quality: Quality::GOOD }
    }

    /// A good sample at a moment of the calendar.
    ///
    /// # Errors
    /// [`TimeRangeError`] where the moment lies before 1677-09-21 or after 2262-04-11.
    pub fn at_time(at: DateTime<Utc>, value: V) -> Result<Self, TimeRangeError> {
        Ok(Self::new(at.timestamp_nanos_opt().ok_or(TimeRangeError { at })?, value))
    }

    /// The same with another quality.
    #[must_use]
    pub fn with_quality(self, quality: Quality) -> Self {
        Self { quality, ..self }
    }

    /// When the source took it.
    #[must_use]
    pub const fn time(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_nanos(self.at)
    }
}

/// A moment that nanoseconds in 64 bits do not reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at} is out of the range of a sample: give a time between 1677-09-21 and 2262-04-11")]
pub struct TimeRangeError {
    /// The moment.
    pub at: DateTime<Utc>,
}
