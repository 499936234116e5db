//! Time at the edge: a [`Clock`] for those who must read one, and the plain types that carry time inwards.
//!
//! Nothing that decides reads a clock: it is told the time as an argument. Only the driver and what stands
//! above it hold a [`Clock`].

mod duration;
mod period;

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

pub use duration::{DurationError, format_duration, parse_duration};
pub use period::{Period, PeriodError};

/// Tells the time of the platform, in UTC.
///
/// It may step back or jump, as a real clock does; whoever is told the time copes with that. It must never
/// block.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> DateTime<Utc>;
}

const _: Option<&dyn Clock> = None;

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// A clock that stands still until a test moves it.
///
/// ```
/// use chrono::{TimeDelta, TimeZone, Utc};
/// use iot_runbook::time::{Clock, ManualClock};
///
/// let clock = ManualClock::new(Utc.timestamp_opt(1_800_000_000, 0).unwrap());
/// clock.advance(TimeDelta::minutes(5));
/// assert_eq!(clock.now().timestamp(), 1_800_000_300);
/// ```
#[derive(Debug)]
pub struct ManualClock(Mutex<DateTime<Utc>>);

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub const fn new(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(now))
    }

    /// Sets it to `now`, forward or back.
    pub fn set(&self, now: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Moves it by `by`, back where `by` is negative. It stops at the ends of the calendar.
    pub fn advance(&self, by: TimeDelta) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = saturating_add(*now, by);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `at + by`, held at the ends of the calendar (chrono's range, some 262 000 years either way).
#[must_use]
pub fn saturating_add(at: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    at.checked_add_signed(by).unwrap_or(if by < TimeDelta::zero() {
        DateTime::<Utc>::MIN_UTC
    } else {
        DateTime::<Utc>::MAX_UTC
    })
}
