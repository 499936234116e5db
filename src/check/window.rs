//! How logs and clocks are read with care: what a log covers, and what lies in the future.

use chrono::{DateTime, TimeDelta, Utc};

use super::judge::moment;
use crate::time::{Period, saturating_add};

/// Two clocks of one platform may differ by this much: a fact this far in the future is still "now".
pub(super) const CLOCK_TOLERANCE: TimeDelta = TimeDelta::seconds(30);

/// How far back is asked where nothing says since when.
pub(super) const ONE_DAY: TimeDelta = TimeDelta::days(1);

/// What of `asked` the log does not cover, in words; `None` where it covers all.
pub(super) fn not_covered(asked: Period, covers: Period) -> Option<String> {
    let mut text = String::new();
    if covers.start() > asked.start() {
        let until = covers.start().min(asked.end());
        text = format!("the log does not cover {} to {}", moment(asked.start()), moment(until));
    }
    if covers.end() < asked.end() {
        let from = covers.end().max(asked.start());
        let (start, and) = if text.is_empty() { ("the log does not cover", "") } else { ("", " and") };
        text += &format!("{start}{and} {} to {}", moment(from), moment(asked.end()));
    }
    (!text.is_empty()).then_some(text)
}

/// The sum of two lengths of time, held at the longest there is.
pub(super) fn sum(one: TimeDelta, other: TimeDelta) -> TimeDelta {
    one.checked_add(&other).unwrap_or(TimeDelta::MAX)
}

/// Whether a fact of that time can be true: not beyond what clocks may differ by.
pub(super) fn has_happened(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    at <= saturating_add(now, CLOCK_TOLERANCE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::at;

    fn period(from: i64, to: i64) -> Period {
        Period::new(at(from), at(to)).unwrap()
    }

    #[test]
    fn what_is_missing_is_named() {
        let asked = period(10, 20);
        for (covers, missing) in [
            (period(10, 20), 0),
            (period(0, 30), 0),
            (period(11, 20), 2),
            (period(10, 19), 2),
            (period(12, 15), 4),
            (period(30, 40), 2),
            (period(0, 5), 2),
        ] {
            let text = not_covered(asked, covers).unwrap_or_default();
            assert_eq!(text.matches('Z').count(), missing, "{text}");
        }
    }

    #[test]
    fn a_clock_may_be_ahead_by_the_tolerance() {
        let ahead = at(0) + CLOCK_TOLERANCE;
        assert!(has_happened(ahead, at(0)));
        assert!(!has_happened(ahead + TimeDelta::nanoseconds(1), at(0)));
    }
}
