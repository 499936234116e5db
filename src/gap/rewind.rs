use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::cadence::Promise;
use super::wire;

/// How many rows in a row make a rewind. Fewer are stray copies.
pub const REWIND_ROWS: u64 = 3;

/// How many rewinds are listed; of more, the latest are only counted.
pub(super) const MOST_REWINDS: usize = 64;

/// Time zones and summer time move clocks by whole half hours, and by a day and two hours at most.
const HALF_HOUR: u64 = 1_800_000_000_000;
const WIDEST: u64 = 26 * 2 * HALF_HOUR;

/// A silence may be so long, tolerance included, that a jump by any distance would look like a whole half hour. With
/// five minutes, one in six does.
const LONGEST_TELLING: u64 = 300_000_000_000;

/// The times of a device went back over ground where rows stand already, and ran forward from there.
///
/// A clock that was set back does that, as in autumn where a device sends local time for UTC; so does a replay of rows
/// that had arrived. Its rows are counted as [`stepped_back`](super::Counts::stepped_back): they are neither copies nor
/// do they fill or open a gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rewind {
    /// The newest event before it.
    pub from: DateTime<Utc>,
    /// The event of its first row.
    pub to: DateTime<Utc>,
    /// The event of its last row.
    pub last: DateTime<Utc>,
    /// How many rows it has.
    pub rows: u64,
    /// The whole half hours that the clock was set back by, as time zones and summer time do; `None`: by something
    /// else, or the cadence is too slow to tell (a silence of more than five minutes is allowed).
    #[serde(default, with = "wire::maybe_span", skip_serializing_if = "Option::is_none")]
    pub zone: Option<TimeDelta>,
}

impl Rewind {
    /// How far the times went back: from the newest event to the first of the rewind.
    #[must_use]
    pub fn by(&self) -> TimeDelta {
        self.from.signed_duration_since(self.to)
    }
}

/// A rewind as it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Running {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) last: i64,
    pub(super) rows: u64,
    /// How many of its rows were counted as before the period, until it was recognized.
    pub(super) before: u64,
    /// How many of them were counted as unplaced.
    pub(super) unplaced: u64,
    /// Nanoseconds of whole half hours.
    pub(super) zone: Option<u64>,
}

impl Running {
    pub(super) fn new(newest: i64, event: i64, promise: &Promise) -> Self {
        Self {
            from: newest,
            to: event,
            last: event,
            rows: 1,
            before: 0,
            unplaced: 0,
            zone: zone(newest.abs_diff(event), promise.limit()),
        }
    }

    pub(super) const fn is_recognized(&self) -> bool {
        self.rows >= REWIND_ROWS
    }

    /// Where the device's clock would stand now, had it not been set back by a time zone.
    pub(super) fn told_right(&self) -> Option<i64> {
        let zone = self.zone.filter(|_| self.is_recognized())?;
        Some(self.last.saturating_add_unsigned(zone))
    }

    pub(super) fn is_whole(&self) -> bool {
        self.to <= self.last
            && self.last <= self.from
            && self.before.saturating_add(self.unplaced) <= self.rows
    }

    pub(super) fn told(&self) -> Rewind {
        let time = DateTime::from_timestamp_nanos;
        Rewind {
            from: time(self.from),
            to: time(self.to),
            last: time(self.last),
            rows: self.rows,
            zone: self.zone.and_then(|zone| i64::try_from(zone).ok()).map(TimeDelta::nanoseconds),
        }
    }
}

/// The first row after the step was due within the longest silence after the newest one, so the clock went back by
/// more than the distance, and by no more than a silence more.
fn zone(distance: u64, limit: u64) -> Option<u64> {
    if limit > LONGEST_TELLING {
        return None;
    }
    let whole = (distance / HALF_HOUR + 1).checked_mul(HALF_HOUR)?;
    (whole <= WIDEST && whole - distance <= limit).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_whole_half_hours_within_a_silence() {
        const SECOND: u64 = 1_000_000_000;
        let table = [
            (3599 * SECOND, 3 * SECOND / 2, Some(3600 * SECOND)),
            (3598 * SECOND, 3 * SECOND / 2, None),
            (3600 * SECOND, 3 * SECOND / 2, None),
            (3600 * SECOND - 1, SECOND, Some(3600 * SECOND)),
            (1799 * SECOND, SECOND, Some(1800 * SECOND)),
            (26 * 3600 * SECOND - 1, SECOND, Some(26 * 3600 * SECOND)),
            (26 * 3600 * SECOND + 1799 * SECOND, SECOND, None),
            (3599 * SECOND, 300 * SECOND, Some(3600 * SECOND)),
            (3599 * SECOND, 301 * SECOND, None),
            (u64::MAX, SECOND, None),
        ];
        for (distance, limit, expected) in table {
            assert_eq!(zone(distance, limit), expected, "{distance} {limit}");
        }
    }
}
