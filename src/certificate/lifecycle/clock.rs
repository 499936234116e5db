//! The time that a lifecycle goes by: a high-water mark, and what a clock shows that cannot be trusted.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::rules::Settings;
use crate::time::{HighWater, saturating_add};

/// A mark that only rises, until a person accepts another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MarkedClock {
    high_water: HighWater,
    /// What the clock showed when it could not be trusted.
    suspect: Option<DateTime<Utc>>,
}

/// What a look at the clock came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// It cannot be trusted, from now on or still.
    Suspect { is_first: bool },
    /// It is trusted. What it showed before, where it could not be.
    Trusted { before: Option<DateTime<Utc>> },
}

impl MarkedClock {
    pub(super) const fn new(now: DateTime<Utc>) -> Self {
        Self { high_water: HighWater::new(now), suspect: None }
    }

    /// The latest time that was trusted.
    pub(super) const fn high_water(self) -> DateTime<Utc> {
        self.high_water.at()
    }

    /// What the clock showed last, where it cannot be trusted.
    pub(super) const fn suspect(self) -> Option<DateTime<Utc>> {
        self.suspect
    }

    /// The time that alerts go by. They go out whatever the clock, so it is what a suspect clock shows.
    pub(super) fn alert_time(self) -> DateTime<Utc> {
        self.suspect.unwrap_or(self.high_water.at())
    }

    /// Looks at the clock. The mark rises to `now` where that can be trusted.
    pub(super) fn read(&mut self, settings: &Settings, now: DateTime<Utc>) -> Reading {
        if self.high_water.suspects(now, settings.clock_tolerance, settings.policy.jump) {
            return Reading::Suspect { is_first: self.suspect.replace(now).is_none() };
        }
        self.high_water.advance(now);
        Reading::Trusted { before: self.suspect.take() }
    }

    /// Takes `now` for right, whatever the mark. What the clock showed before, where it could not be trusted.
    pub(super) fn accept(&mut self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.high_water = HighWater::new(now);
        self.suspect.take()
    }

    /// When to look again: a suspect clock soon, any other before a long rest could be taken for a jump.
    pub(super) fn wake_at(self, settings: &Settings) -> DateTime<Utc> {
        match self.suspect {
            Some(now) => saturating_add(now, settings.first_retry),
            None => saturating_add(self.high_water.at(), settings.policy.jump / 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn suspect_clock_is_told_from_a_trusted_one() {
        let settings = Settings::default();
        let start = DateTime::UNIX_EPOCH;
        let day = TimeDelta::days;
        let mut clock = MarkedClock::new(start);
        assert_eq!(clock.wake_at(&settings), start + day(15));
        assert_eq!(clock.read(&settings, start + day(1)), Reading::Trusted { before: None });
        assert_eq!(clock.read(&settings, start), Reading::Suspect { is_first: true });
        assert_eq!(clock.read(&settings, start - day(1)), Reading::Suspect { is_first: false });
        assert_eq!((clock.high_water(), clock.alert_time()), (start + day(1), start - day(1)));
        assert_eq!(clock.wake_at(&settings), start - day(1) + settings.first_retry);
        let before = Some(start - day(1));
        assert_eq!(clock.read(&settings, start + day(2)), Reading::Trusted { before });
        assert_eq!((clock.high_water(), clock.alert_time()), (start + day(2), start + day(2)));
        clock.read(&settings, start);
        assert_eq!(clock.accept(start), Some(start));
        assert_eq!((clock.high_water(), clock.suspect()), (start, None));
    }
}
