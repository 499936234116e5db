//! What share of the missing rows a cause accounts for.

use chrono::{DateTime, Utc};

use super::judge::Verdict;
use super::window::not_covered;
use crate::fact::{Detail, Details, Value};
use crate::probe::Rows;
use crate::time::Period;

/// The share of the missing rows that `count` messages account for: as old as the older of the two answers.
pub(super) fn of_missing(
    what: &'static str,
    count: u64,
    rows: &Rows,
    asked: Period,
    covers: Period,
    observed_at: DateTime<Utc>,
) -> Verdict {
    let details =
        [Detail::new(what, count.to_string()), Detail::new("rows missing", rows.missing().to_string())];
    if let Some(missing) = not_covered(asked, covers) {
        return Verdict::stale(missing).with(details);
    }
    match share(count, rows.missing()) {
        Some(share) => Verdict::known(share, observed_at.min(rows.observed_at), Details::from_iter(details)),
        None => Verdict::undetermined("no row is missing in the period").with(details),
    }
}

/// `part` of `whole`, from 0 to 1: more than all is all, as where a message was counted twice. `None` of nothing.
pub(super) fn share(part: u64, whole: u64) -> Option<Value> {
    // Beyond 2^53 the quotient is off by a rounding, which no threshold sees.
    (whole > 0).then(|| Value::Number((part as f64 / whole as f64).min(1.0)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::testing::{NOW, at, period};
    use crate::fact::UnknownReason;

    fn judged(count: u64, expected: u64, present: u64) -> Verdict {
        let rows = Rows::new(at(NOW), expected, present);
        of_missing("lost", count, &rows, period(0, 100), period(0, 100), at(NOW))
    }

    #[test]
    fn half_is_half() {
        assert_eq!(judged(5, 20, 10).value(), Some(Value::Number(0.5)));
        assert_eq!(judged(0, 20, 10).value(), Some(Value::Number(0.0)));
    }

    #[test]
    fn it_is_as_old_as_the_older_answer() {
        for (answer, counted) in [(NOW - 7, NOW), (NOW, NOW - 7)] {
            let rows = Rows::new(at(counted), 20, 10);
            let verdict = of_missing("lost", 5, &rows, period(0, 100), period(0, 100), at(answer));
            assert_eq!(verdict.observed_at(), Some(at(NOW - 7)));
        }
    }

    #[test]
    fn where_no_row_is_missing_there_is_no_share() {
        for (expected, present) in [(0, 0), (10, 10), (10, 11)] {
            assert_eq!(judged(5, expected, present).reason(), Some(UnknownReason::Undetermined));
        }
    }

    #[test]
    fn a_log_that_does_not_cover_is_stale() {
        let rows = Rows::new(at(NOW), 20, 10);
        let verdict = of_missing("lost", 5, &rows, period(0, 100), period(0, 99), at(NOW));
        assert_eq!(verdict.reason(), Some(UnknownReason::Stale));
        assert_eq!(verdict.details().find("lost"), Some("5"));
    }

    proptest! {
        /// Beside integers: the share is on the side of a bound on which the counts are.
        #[test]
        fn it_agrees_with_whole_numbers(count in 0u64..1000, missing in 1u64..1000, percent in 0u64..=100) {
            let Some(Value::Number(share)) = judged(count, missing, 0).value() else { panic!() };
            prop_assert!((0.0..=1.0).contains(&share));
            let exact = count.min(missing) * 100;
            if exact > percent * missing {
                prop_assert!(share > percent as f64 / 100.0 - 1e-12);
            }
            if exact < percent * missing {
                prop_assert!(share < percent as f64 / 100.0);
            }
        }
    }
}
