use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// A half-open stretch of time, from `from` up to but not including `to`. It never runs backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Bounds", into = "Bounds")]
pub struct Period {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

/// A period was given with its end before its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the period ends at {to}, before it begins at {from}: give the earlier instant first")]
pub struct PeriodError {
    /// Where it was to begin.
    pub from: DateTime<Utc>,
    /// Where it was to end.
    pub to: DateTime<Utc>,
}

impl Period {
    /// The period from `from` to `to`; an empty one is allowed.
    ///
    /// # Errors
    /// [`PeriodError`] where `to` is before `from`.
    pub fn new(from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Self, PeriodError> {
        if to < from { Err(PeriodError { from, to }) } else { Ok(Self { from, to }) }
    }

    /// The period of length `length` that ends at `to`; empty where `length` is not positive.
    #[must_use]
    pub fn ending(to: DateTime<Utc>, length: TimeDelta) -> Self {
        let length = length.max(TimeDelta::zero());
        Self { from: super::saturating_add(to, -length), to }
    }

    /// Its first instant.
    #[must_use]
    pub const fn start(&self) -> DateTime<Utc> {
        self.from
    }

    /// The first instant after it.
    #[must_use]
    pub const fn end(&self) -> DateTime<Utc> {
        self.to
    }

    /// How long it is; never negative.
    #[must_use]
    pub fn length(&self) -> TimeDelta {
        self.to.signed_duration_since(self.from)
    }

    /// Whether `at` lies in it.
    #[must_use]
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.from <= at && at < self.to
    }

    /// Whether all of `other` lies in it.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.from <= other.from && other.to <= self.to
    }
}

#[derive(Serialize, Deserialize)]
struct Bounds {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

impl TryFrom<Bounds> for Period {
    type Error = PeriodError;

    fn try_from(bounds: Bounds) -> Result<Self, PeriodError> {
        Self::new(bounds.from, bounds.to)
    }
}

impl From<Period> for Bounds {
    fn from(period: Period) -> Self {
        Self { from: period.from, to: period.to }
    }
}
