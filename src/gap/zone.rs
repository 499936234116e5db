//! Steps of a clock by a time zone or by summer time, as the times of rows show them.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::wire;

const HALF_HOUR: u64 = 1_800_000_000_000;
const HOUR: u64 = 2 * HALF_HOUR;

/// Time zones and summer time move clocks by a day and two hours at most.
const WIDEST: u64 = 26 * HOUR;

/// Within so much a step is recognized: one distance in six would fit a whole half hour by chance.
const WINDOW: u64 = 300_000_000_000;

/// How many rows in a row make a rewind. Fewer are stray copies.
pub const REWIND_ROWS: u64 = 3;

/// A step of a device's clock by a time zone or by summer time, as far as the times of its rows show it.
///
/// A gap of an hour may also be an outage of an hour, and an hour that is repeated may be a replay. So a step explains a
/// gap and does not remove its missing rows. Where arrivals are given, a step that they contradict is not reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ZoneStep {
    /// The last row before the step.
    pub from: DateTime<Utc>,
    /// The first row after it.
    pub to: DateTime<Utc>,
    /// By how much the clock was set: forward where it is positive (spring), back where it is negative (autumn).
    #[serde(with = "wire::span")]
    pub by: TimeDelta,
}

/// Which steps a cadence lets one recognize.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ZoneRule {
    /// The next row comes within a silence of at most five minutes: any whole half hours.
    Fast { limit: u64 },
    /// The next row comes a sample period later, give or take: an hour, as summer time is.
    Slow { every: u64, within: u64 },
    /// Rows come at any time within a long silence.
    None,
}

impl ZoneRule {
    /// The rule for a sample period, whether a heartbeat is added to it, and the tolerance of the silence.
    pub(super) const fn new(silence: u64, tolerance: u64, has_heartbeat: bool) -> Self {
        let limit = silence.saturating_add(tolerance);
        if limit <= WINDOW {
            Self::Fast { limit }
        } else if has_heartbeat {
            Self::None
        } else {
            let within = if tolerance < WINDOW / 2 { tolerance } else { WINDOW / 2 };
            Self::Slow { every: silence, within }
        }
    }

    /// By how much a clock was set back whose times went back by `distance`: from the newest row to the next one, which
    /// came a silence later.
    pub(super) fn back(self, distance: u64) -> Option<u64> {
        match self {
            Self::Fast { limit } => {
                let whole = (distance / HALF_HOUR + 1).checked_mul(HALF_HOUR)?;
                (whole <= WIDEST && whole - distance <= limit).then_some(whole)
            }
            Self::Slow { every, within } => {
                let elapsed = HOUR.checked_sub(distance)?;
                (elapsed.abs_diff(every) <= within).then_some(HOUR)
            }
            Self::None => None,
        }
    }

    /// By how much a clock was set forward whose times went on by `distance`: to the next row, which came a silence later.
    pub(super) fn forward(self, distance: u64) -> Option<u64> {
        match self {
            Self::Fast { limit } => {
                let whole = distance.checked_sub(1)? / HALF_HOUR * HALF_HOUR;
                (0 < whole && whole <= WIDEST && distance - whole <= limit).then_some(whole)
            }
            Self::Slow { every, within } => {
                let elapsed = distance.checked_sub(HOUR)?;
                (elapsed.abs_diff(every) <= within).then_some(HOUR)
            }
            Self::None => None,
        }
    }

    /// How many rows an hour that is repeated has, [`REWIND_ROWS`] of them sufficing.
    pub(super) fn rows_of(self, zone: Option<u64>) -> u64 {
        match (self, zone) {
            (Self::Slow { every, .. }, Some(zone)) => (zone / every.max(1)).clamp(1, REWIND_ROWS),
            _ => REWIND_ROWS,
        }
    }
}

/// Whether so much time between arrivals is that of rows that were made `elapsed` apart: half of it, as rows may arrive
/// by batches. Rows that were kept and sent together arrive at once.
pub(super) const fn is_live(arrived: u64, elapsed: u64) -> bool {
    arrived.saturating_mul(2) >= elapsed
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const MINUTE: u64 = 60 * SECOND;

    #[test]
    fn fast_step_back_is_whole_half_hours() {
        let table = [
            (3599 * SECOND, 3 * SECOND / 2, Some(3600 * SECOND)),
            (3598 * SECOND, 3 * SECOND / 2, None),
            (3600 * SECOND, 3 * SECOND / 2, None),
            (3600 * SECOND - 1, SECOND, Some(3600 * SECOND)),
            (1799 * SECOND, SECOND, Some(1800 * SECOND)),
            (26 * 3600 * SECOND - 1, SECOND, Some(26 * 3600 * SECOND)),
            (26 * 3600 * SECOND + 1799 * SECOND, SECOND, None),
            (3599 * SECOND, 300 * SECOND, Some(3600 * SECOND)),
            (u64::MAX, SECOND, None),
        ];
        for (distance, limit, expected) in table {
            assert_eq!(ZoneRule::Fast { limit }.back(distance), expected, "{distance} {limit}");
        }
    }

    #[test]
    fn fast_step_forward_is_whole_half_hours() {
        let table = [
            (3601 * SECOND, Some(3600 * SECOND)),
            (3600 * SECOND, None),
            (3600 * SECOND + 3 * SECOND / 2, Some(3600 * SECOND)),
            (3602 * SECOND, None),
            (1801 * SECOND, Some(1800 * SECOND)),
            (SECOND, None),
            (0, None),
            (27 * 3600 * SECOND + SECOND, None),
            (u64::MAX, None),
        ];
        for (distance, expected) in table {
            assert_eq!(ZoneRule::new(SECOND, SECOND / 2, false).forward(distance), expected, "{distance}");
        }
    }

    #[test]
    fn slow_step_is_an_hour_and_a_sample_period() {
        // Sample period, distance back, distance forward, in minutes.
        let table = [
            (5, Some(55), Some(65)),
            (15, Some(45), Some(75)),
            (30, Some(30), Some(90)),
            (45, Some(15), Some(105)),
            (60, Some(0), Some(120)),
            (120, None, Some(180)),
        ];
        for (every, back, forward) in table {
            let rule = ZoneRule::new(every * MINUTE, every * MINUTE / 2, false);
            for minute in 0_u64..200 {
                let hour = |fits: Option<u64>| fits.map(|_| HOUR);
                let near = |at: Option<u64>| at.filter(|at| minute.abs_diff(*at) <= 2);
                assert_eq!(rule.back(minute * MINUTE), hour(near(back)), "{every} {minute}");
                assert_eq!(rule.forward(minute * MINUTE), hour(near(forward)), "{every} {minute}");
            }
        }
        let banded = ZoneRule::new(61 * MINUTE, MINUTE / 2, true);
        assert_eq!((banded.back(0), banded.forward(121 * MINUTE)), (None, None));
    }

    #[test]
    fn repeated_hour_of_a_slow_series_has_few_rows() {
        for (every, rows) in [(10, 3), (20, 3), (30, 2), (45, 1), (60, 1)] {
            let rule = ZoneRule::new(every * MINUTE, every * MINUTE / 2, false);
            assert_eq!((rule.rows_of(Some(HOUR)), rule.rows_of(None)), (rows, 3), "{every}");
        }
        assert_eq!(ZoneRule::new(SECOND, 0, false).rows_of(Some(HOUR)), 3);
    }
}
