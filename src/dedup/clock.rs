//! The engine's time: the caller's time, made monotonic, with large leaps held back.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Timelike as _, Utc};
use serde::{Deserialize, Serialize};

/// Engine time in milliseconds since the Unix epoch. It never runs back, and follows a leap forward beyond a bound
/// only when it is accepted.
#[derive(Clone, Debug)]
pub(super) struct EngineClock {
    now: i64,
    /// True once it was given a time.
    is_told: bool,
    /// How much later than `now`, in milliseconds, the first time is that it does not follow at once: none is where it
    /// was never given a time, or holds.
    reach: u64,
    /// The date that was given last, and the milliseconds since the epoch at which it begins.
    date: NaiveDate,
    midnight: i64,
    max_forward_jump: i64,
    /// Engine time after a leap moved it on by itself.
    moved_to: i64,
    audit: ClockAudit,
}

/// What the caller's clock did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClockAudit {
    /// A leap forward that is in doubt: engine time holds until the clock is back, or
    /// [`accept_clock`](super::Deduplicator::accept_clock), and no id leaves. Until then an id from before the leap is as
    /// old as the clock makes it: a copy that is older than the TTL by the clock passes, for it may be a new measurement.
    pub holding: Option<Holding>,
    /// How often a leap forward was held back.
    pub leaps: u64,
    /// By how much the clock was behind engine time at most: it stepped back, or callers learn the time late.
    pub behind_by_at_most: TimeDelta,
}

/// A leap forward that is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Holding {
    /// The engine time that holds: a millisecond after what came last.
    pub at: DateTime<Utc>,
    /// What the clock says, last.
    pub told: DateTime<Utc>,
}

impl EngineClock {
    pub(super) fn new(max_forward_jump: i64) -> Self {
        let audit = ClockAudit { holding: None, leaps: 0, behind_by_at_most: TimeDelta::zero() };
        let date = DateTime::<Utc>::UNIX_EPOCH.date_naive();
        Self {
            now: i64::MIN,
            is_told: false,
            reach: 0,
            date,
            midnight: 0,
            max_forward_jump,
            moved_to: i64::MIN,
            audit,
        }
    }

    /// A clock that goes on from a time, as after a restart.
    pub(super) fn at(now: Option<i64>, max_forward_jump: i64) -> Self {
        let mut clock = Self::new(max_forward_jump);
        if let Some(now) = now {
            clock.set(now);
        }
        clock
    }

    /// The engine time, after it was given the time `told`.
    #[inline]
    pub(super) fn tell(&mut self, told: DateTime<Utc>) -> i64 {
        self.follow(told).unwrap_or_else(|| self.tell_strange(told))
    }

    /// The engine time, after it was given the time `told`, where that comes in order, or again, as nearly always. Else
    /// nothing has changed, and the caller goes on with [`Self::tell_strange`].
    #[inline(always)]
    pub(super) fn follow(&mut self, told: DateTime<Utc>) -> Option<i64> {
        let at = self.millis(told);
        if (at.wrapping_sub(self.now) as u64) < self.reach {
            self.now = at;
            return Some(at);
        }
        None
    }

    /// The slow path of [`Self::follow`]: a time that is out of order, or far ahead.
    #[cold]
    pub(super) fn tell_strange(&mut self, told: DateTime<Utc>) -> i64 {
        let at = told.timestamp_millis();
        if !self.is_told {
            self.set(at);
        } else if at < self.now {
            // The clock is back, so there is no leap to hold.
            self.set(self.now);
            let behind = TimeDelta::try_milliseconds(self.now.saturating_sub(at)).unwrap_or(TimeDelta::MAX);
            self.audit.behind_by_at_most = self.audit.behind_by_at_most.max(behind);
        } else if at.saturating_sub(self.now) <= self.max_forward_jump {
            self.set(at);
        } else {
            if self.audit.holding.is_none() {
                self.audit.leaps += 1;
                self.set_apart();
            }
            self.audit.holding = Some(Holding { at: instant(self.now), told });
            self.reach = 0;
        }
        self.now
    }

    /// A millisecond later, so that what came before the leap is known from what comes while it is held. Once only for
    /// each time that was given: two clocks that take turns do not push engine time ahead of both.
    fn set_apart(&mut self) {
        if self.now != self.moved_to {
            self.now = self.now.saturating_add(1);
            self.moved_to = self.now;
        }
    }

    /// The time that the clock shows, in milliseconds, while a leap is held.
    pub(super) fn doubt(&self) -> Option<i64> {
        self.audit.holding.map(|holding| holding.told.timestamp_millis())
    }

    /// That is the time, and no leap is held.
    fn set(&mut self, at: i64) {
        self.now = at;
        self.is_told = true;
        self.reach = self.max_forward_jump.cast_unsigned().saturating_add(1);
        self.audit.holding = None;
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
        self.set(told.timestamp_millis().max(self.now));
        self.now
    }

    pub(super) fn now(&self) -> Option<i64> {
        self.is_told.then_some(self.now)
    }

    pub(super) const fn audit(&self) -> &ClockAudit {
        &self.audit
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
    fn leap_is_held_until_it_is_accepted() {
        let mut clock = EngineClock::new(100);
        assert_eq!(clock.now(), None);
        assert_eq!(clock.tell(instant(1000)), 1000);
        assert_eq!(clock.tell(instant(1100)), 1100, "as far as the bound");
        assert_eq!(clock.tell(instant(900)), 1100);
        assert_eq!(clock.tell(instant(1000)), 1100);
        assert_eq!(clock.audit().behind_by_at_most, TimeDelta::milliseconds(200));
        assert_eq!(clock.tell(instant(1201)), 1101, "beyond the bound");
        assert_eq!((clock.tell(instant(9000)), clock.doubt()), (1101, Some(9000)));
        let holding = Holding { at: instant(1101), told: instant(9000) };
        assert_eq!((clock.audit().holding, clock.audit().leaps), (Some(holding), 1));
        assert_eq!(clock.accept(instant(9000)), 9000);
        assert_eq!(clock.audit().holding, None);
        assert_eq!(clock.accept(instant(8000)), 9000);
        assert_eq!(clock.tell(instant(9001)), 9001);
    }

    #[test]
    fn clock_that_comes_back_from_a_leap_goes_on() {
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
    fn ends_of_the_calendar_are_no_trouble() {
        let mut clock = EngineClock::new(i64::MAX);
        clock.tell(DateTime::<Utc>::MIN_UTC);
        assert_eq!(clock.tell(DateTime::<Utc>::MAX_UTC), DateTime::<Utc>::MAX_UTC.timestamp_millis());
        assert_eq!(instant(i64::MIN), DateTime::<Utc>::MIN_UTC);
        assert_eq!(instant(i64::MAX), DateTime::<Utc>::MAX_UTC);
    }
}
