//! How logs are read with care: what a log covers.

use chrono::TimeDelta;

use super::judge::moment;
use crate::time::Period;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::period;

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
}
