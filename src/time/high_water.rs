//! The one rule by which a clock is found to be wrong.

#[cfg(any(feature = "certificate", test))]
use chrono::TimeDelta;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The latest time that was trusted, kept over restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct HighWater(DateTime<Utc>);

impl HighWater {
    pub(crate) const fn new(at: DateTime<Utc>) -> Self {
        Self(at)
    }

    pub(crate) const fn at(self) -> DateTime<Utc> {
        self.0
    }

    /// Raises the mark to `now`. An earlier time changes nothing.
    pub(crate) fn advance(&mut self, now: DateTime<Utc>) {
        self.0 = self.0.max(now);
    }

    #[cfg(any(feature = "certificate", test))]
    /// True if `now` is behind the mark by more than `tolerance`, or ahead of it by more than `jump`.
    pub(crate) fn suspects(self, now: DateTime<Utc>, tolerance: TimeDelta, jump: TimeDelta) -> bool {
        let ahead = now.signed_duration_since(self.0);
        ahead < -tolerance || ahead > jump
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspect_beyond_bounds_to_the_nanosecond() {
        let nano = TimeDelta::nanoseconds(1);
        let (tolerance, jump) = (TimeDelta::seconds(30), TimeDelta::days(30));
        let mut mark = HighWater::new(DateTime::UNIX_EPOCH);
        for (ahead, suspect) in [
            (-tolerance - nano, true),
            (-tolerance, false),
            (TimeDelta::zero(), false),
            (jump, false),
            (jump + nano, true),
        ] {
            let now = DateTime::UNIX_EPOCH + ahead;
            assert_eq!(mark.suspects(now, tolerance, jump), suspect, "{ahead}");
        }
        mark.advance(DateTime::UNIX_EPOCH - nano);
        assert_eq!(mark.at(), DateTime::UNIX_EPOCH);
        mark.advance(DateTime::UNIX_EPOCH + nano);
        assert_eq!(mark.at(), DateTime::UNIX_EPOCH + nano);
        let ends = [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC];
        for (mark, now) in ends.iter().flat_map(|mark| ends.map(|now| (HighWater::new(*mark), now))) {
            let suspect = mark.suspects(now, TimeDelta::MAX, TimeDelta::MAX);
            assert!(!suspect, "nothing is beyond the longest of bounds");
        }
    }
}
