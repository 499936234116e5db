//! Time at the edge: a [`Clock`] for those who must read one, and the plain types that carry time inwards.
//!
//! Nothing that decides reads a clock: the time is an argument. Only the driver, and the modules above it, hold a
//! [`Clock`].

mod duration;
mod high_water;
mod period;
mod timer;

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};

pub use duration::{DurationError, format_duration, parse_duration};
pub use period::{Period, PeriodError};
#[cfg(feature = "tokio")]
pub use timer::TokioTimer;
pub use timer::{SimulatedTimer, Sleep, Timer};

pub(crate) use high_water::HighWater;
pub(crate) use timer::within;

/// The clock of the platform, in UTC.
///
/// It may step back or jump, as a real clock does; all that receive the time cope with that. It must never block.
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

/// The latest time that a service ever knew: a mark that only rises. Clones share it. Keep it over restarts, and a clock
/// that was set back is found by it.
///
/// ```
/// use chrono::{DateTime, TimeDelta, Utc};
/// use iot_runbook::time::TimeMark;
///
/// let mark = TimeMark::new(DateTime::UNIX_EPOCH + TimeDelta::days(30));
/// mark.advance(DateTime::UNIX_EPOCH);
/// assert_eq!(mark.at(), DateTime::UNIX_EPOCH + TimeDelta::days(30));
/// ```
#[derive(Clone, Debug)]
pub struct TimeMark(Arc<Mutex<HighWater>>);

impl TimeMark {
    /// A mark at this time.
    #[must_use]
    pub fn new(at: DateTime<Utc>) -> Self {
        Self(Arc::new(Mutex::new(HighWater::new(at))))
    }

    /// Raises it to `at`; an earlier time changes nothing. Only pass a time that is trusted: the mark never falls.
    pub fn advance(&self, at: DateTime<Utc>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).advance(at);
    }

    /// The latest time that is known.
    #[must_use]
    pub fn at(&self) -> DateTime<Utc> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).at()
    }
}

/// A clock that moves only when a test moves it.
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

/// `now - then`, as chrono has it, and many times as fast where both are of one day, as nearly always: chrono
/// counts the days of both calendars first, and a diagnosis takes such differences at every step.
pub(crate) fn since(now: DateTime<Utc>, then: DateTime<Utc>) -> TimeDelta {
    const SECOND: u32 = 1_000_000_000;
    let (later, earlier) = (now.naive_utc(), then.naive_utc());
    let (time, time_then) = (later.time(), earlier.time());
    let (nanos, nanos_then) = (time.nanosecond(), time_then.nanosecond());
    // Within a leap second the nanoseconds run on; that is left to chrono.
    if later.date() != earlier.date() || nanos >= SECOND || nanos_then >= SECOND {
        return now.signed_duration_since(then);
    }
    let seconds =
        i64::from(time.num_seconds_from_midnight()) - i64::from(time_then.num_seconds_from_midnight());
    let (seconds, nanos) = match nanos.checked_sub(nanos_then) {
        Some(nanos) => (seconds, nanos),
        None => (seconds - 1, SECOND + nanos - nanos_then),
    };
    // A difference within a day is always in range.
    TimeDelta::new(seconds, nanos).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_difference_is_that_of_chrono() {
        let nanos = [0, 1, 499_999_999, 999_999_999, 1_000_000_000, 1_999_999_999];
        let seconds = [-62_135_596_801, -1, 0, 1, 59, 86_399, 86_400, 1_800_000_000, 1_800_000_059];
        let all = seconds.iter().flat_map(|second| {
            // A leap second is allowed at the end of a minute only.
            nanos.iter().filter_map(|nano| DateTime::<Utc>::from_timestamp(*second, *nano))
        });
        let all: Vec<_> = all.chain([DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC]).collect();
        assert!(all.iter().any(|at| at.nanosecond() > 1_000_000_000));
        for now in &all {
            for then in &all {
                assert_eq!(since(*now, *then), now.signed_duration_since(*then), "{now} {then}");
            }
        }
    }
}
