//! The engine's time: what it is told, made monotonic, with large leaps held back.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Timelike as _, Utc};
use serde::{Deserialize, Serialize};

/// Engine time in milliseconds since the Unix epoch. It never runs back, and follows a leap forward beyond a bound
/// only when told to.
#[derive(Clone, Debug)]
pub(super) struct EngineClock {
    /// `None` until it is first told the time.
    now: Option<i64>,
    /// The date that was told last, and the milliseconds since the epoch at which it begins.
    date: NaiveDate,
    midnight: i64,
    max_forward_jump: i64,
    audit: ClockAudit,
}

/// What the clock that an engine is told did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClockAudit {
    /// A leap forward that is not believed: engine time holds until
    /// [`accept_time`](super::Deduplicator::accept_time), and nothing expires. While this stands,
    /// copies older than the TTL are still told as duplicates, and a reservation that was never decided stays in
    /// flight.
    pub holding: Option<Holding>,
    /// How often a leap forward was held back.
    pub leaps: u64,
    /// By how much the clock was behind engine time at most: it stepped back, or callers are told the time late.
    pub behind_by_at_most: TimeDelta,
}

/// A leap forward that is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Holding {
    /// The engine time that holds.
    pub at: DateTime<Utc>,
    /// What the clock says, last.
    pub told: DateTime<Utc>,
}

impl EngineClock {
    pub(super) fn new(max_forward_jump: i64) -> Self {
        let audit = ClockAudit { holding: None, leaps: 0, behind_by_at_most: TimeDelta::zero() };
        let date = DateTime::<Utc>::UNIX_EPOCH.date_naive();
        Self { now: None, date, midnight: 0, max_forward_jump, audit }
    }

    /// A clock that goes on from a time, as after a restart.
    pub(super) fn at(now: Option<i64>, max_forward_jump: i64) -> Self {
        Self { now, ..Self::new(max_forward_jump) }
    }

    /// The engine time, after it was told that it is `told`.
    #[inline]
    pub(super) fn tell(&mut self, told: DateTime<Utc>) -> i64 {
        let at = self.millis(told);
        match self.now {
            // What comes in order, or again, as nearly always.
            Some(now) if at >= now && at - now <= self.max_forward_jump => {
                self.audit.holding = None;
                self.now = Some(at);
                at
            }
            Some(now) => self.strange(now, told),
            None => {
                self.now = Some(at);
                at
            }
        }
    }

    /// The milliseconds since the epoch, with the date turned into days but once a day: that takes longer than all else
    /// the clock does.
    #[inline]
    fn millis(&mut self, told: DateTime<Utc>) -> i64 {
        let (date, time) = {
            let told = told.naive_utc();
            (told.date(), told.time())
        };
        if date != self.date {
            self.turn_over(date);
        }
        self.midnight
            + i64::from(time.num_seconds_from_midnight()) * 1000
            + i64::from(time.nanosecond() / 1_000_000)
    }

    #[cold]
    fn turn_over(&mut self, date: NaiveDate) {
        (self.date, self.midnight) = (date, date.and_time(NaiveTime::MIN).and_utc().timestamp_millis());
    }

    /// Takes `told` for the time, however far ahead it is. Engine time still never runs back.
    pub(super) fn accept(&mut self, told: DateTime<Utc>) -> i64 {
        let at = told.timestamp_millis().max(self.now.unwrap_or(i64::MIN));
        self.now = Some(at);
        self.audit.holding = None;
        at
    }

    pub(super) const fn now(&self) -> Option<i64> {
        self.now
    }

    pub(super) const fn audit(&self) -> &ClockAudit {
        &self.audit
    }

    #[cold]
    fn strange(&mut self, now: i64, told: DateTime<Utc>) -> i64 {
        let at = told.timestamp_millis();
        if at < now {
            // The clock is back, so there is no leap to hold.
            self.audit.holding = None;
            self.audit.behind_by_at_most = self
                .audit
                .behind_by_at_most
                .max(TimeDelta::try_milliseconds(now - at).unwrap_or(TimeDelta::MAX));
        } else {
            self.audit.leaps += u64::from(self.audit.holding.is_none());
            self.audit.holding = Some(Holding { at: instant(now), told });
        }
        now
    }
}

/// The instant of so many milliseconds since the epoch; held at the ends of the calendar.
pub(super) fn instant(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or(if ms < 0 {
        DateTime::<Utc>::MIN_UTC
    } else {
        DateTime::<Utc>::MAX_UTC
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_runs_back_and_a_leap_is_held_until_it_is_accepted() {
        let mut clock = EngineClock::new(100);
        assert_eq!(clock.now(), None);
        assert_eq!(clock.tell(instant(1000)), 1000);
        assert_eq!(clock.tell(instant(1100)), 1100, "as far as the bound");
        assert_eq!(clock.tell(instant(900)), 1100);
        assert_eq!(clock.tell(instant(1000)), 1100);
        assert_eq!(clock.audit().behind_by_at_most, TimeDelta::milliseconds(200));
        assert_eq!(clock.tell(instant(1201)), 1100, "beyond the bound");
        assert_eq!(clock.tell(instant(9000)), 1100);
        let holding = Holding { at: instant(1100), told: instant(9000) };
        assert_eq!((clock.audit().holding, clock.audit().leaps), (Some(holding), 1));
        assert_eq!(clock.accept(instant(9000)), 9000);
        assert_eq!(clock.audit().holding, None);
        assert_eq!(clock.accept(instant(8000)), 9000);
        assert_eq!(clock.tell(instant(9001)), 9001);
    }

    #[test]
    fn a_clock_that_comes_back_from_a_leap_goes_on() {
        let mut clock = EngineClock::new(100);
        clock.tell(instant(0));
        clock.tell(instant(5000));
        assert!(clock.audit().holding.is_some());
        assert_eq!(clock.tell(instant(50)), 50);
        assert_eq!(clock.audit().holding, None);
        clock.tell(instant(5000));
        clock.tell(instant(10));
        assert_eq!((clock.audit().holding, clock.audit().leaps), (None, 2));
    }

    #[test]
    fn its_milliseconds_are_those_of_the_calendar() {
        let mut clock = EngineClock::new(i64::MAX);
        let day = 86_400_000;
        let near = [0, 1, 999, 1000, day - 1, day, day + 1]
            .map(|ms| [ms, -ms, ms + 20_000 * day, ms - 800_000 * day]);
        for ms in near.into_iter().flatten() {
            assert_eq!(clock.millis(instant(ms)), ms);
        }
        for end in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            assert_eq!(clock.millis(end), end.timestamp_millis());
        }
        // A leap second, as chrono has it.
        let leap = NaiveTime::from_hms_milli_opt(23, 59, 59, 1500).unwrap();
        let leap = NaiveDate::from_ymd_opt(2016, 12, 31).unwrap().and_time(leap).and_utc();
        assert_eq!(clock.millis(leap), leap.timestamp_millis());
    }

    #[test]
    fn the_ends_of_the_calendar_are_no_trouble() {
        let mut clock = EngineClock::new(i64::MAX);
        clock.tell(DateTime::<Utc>::MIN_UTC);
        assert_eq!(clock.tell(DateTime::<Utc>::MAX_UTC), DateTime::<Utc>::MAX_UTC.timestamp_millis());
        assert_eq!(instant(i64::MIN), DateTime::<Utc>::MIN_UTC);
        assert_eq!(instant(i64::MAX), DateTime::<Utc>::MAX_UTC);
    }
}
