//! Which device's messages were dropped when.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::dedup::Device;
use crate::dedup::clock::instant;
use crate::time::Period;

/// How many devices are counted at a time before one of two that meet is put away.
const OPEN: usize = 1 << 10;
/// How many counts are kept: 1 MiB.
const KEPT: usize = 1 << 16;

/// How many messages of a device were dropped in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Drops {
    /// How many, counted by whole seconds: those of a second that the period cuts are among them.
    pub dropped: u64,
    /// The part of the period that the count is complete for, up to the engine's time; `None` where it knows
    /// nothing of it.
    pub covers: Option<Period>,
}

impl Drops {
    /// What was dropped by two engines that share the work.
    pub(in crate::dedup) fn merge(self, other: Self) -> Self {
        let covers = self.covers.zip(other.covers).and_then(|(one, other)| {
            let (from, to) = (one.start().max(other.start()), one.end().min(other.end()));
            Period::new(from, to).ok().filter(|_| from < to)
        });
        Self { dropped: self.dropped + other.dropped, covers }
    }
}

/// So many messages of a device in one second.
#[derive(Clone, Copy, Debug)]
struct Tally {
    second: i64,
    device: Device,
    dropped: u32,
}

/// Counts by device and second, of the latest 65 536 such pairs.
#[derive(Clone, Debug, Default)]
pub(super) struct DropLog {
    /// When it began to count, in milliseconds.
    since: Option<i64>,
    /// By the lower bits of the device; empty until something is dropped.
    open: Vec<Option<Tally>>,
    put_away: VecDeque<Tally>,
    /// The last second of which something was forgotten.
    forgotten: Option<i64>,
}

impl DropLog {
    #[inline]
    pub(super) fn begin(&mut self, at: i64) {
        if self.since.is_none() {
            self.since = Some(at);
        }
    }

    pub(super) fn count(&mut self, device: Device, at: i64) {
        self.begin(at);
        let second = at.div_euclid(1000);
        if self.open.is_empty() {
            self.open = vec![None; OPEN];
        }
        let Some(place) = self.open.get_mut(device.number() as usize % OPEN) else { return };
        match place {
            Some(tally) if tally.device == device && tally.second == second => {
                tally.dropped = tally.dropped.saturating_add(1);
            }
            _ => {
                if let Some(done) = place.replace(Tally { second, device, dropped: 1 }) {
                    self.put_away(done);
                }
            }
        }
    }

    fn put_away(&mut self, done: Tally) {
        if self.put_away.len() >= KEPT
            && let Some(oldest) = self.put_away.pop_front()
        {
            self.forgotten = self.forgotten.max(Some(oldest.second));
        }
        self.put_away.push_back(done);
    }

    /// What was dropped of a device in a period, at the engine's time.
    pub(super) fn of(&self, device: Device, period: Period, now: Option<i64>) -> Drops {
        let (first, last) = (
            period.start().timestamp_millis().div_euclid(1000),
            (period.end().timestamp_millis() - 1).div_euclid(1000),
        );
        let dropped = self
            .open
            .iter()
            .flatten()
            .chain(&self.put_away)
            .filter(|tally| tally.device == device && (first..=last).contains(&tally.second))
            .map(|tally| u64::from(tally.dropped))
            .sum();
        let covers = self.known(now).and_then(|(from, to)| {
            let (from, to) = (period.start().max(from), period.end().min(to));
            Period::new(from, to).ok().filter(|_| from < to)
        });
        Drops { dropped, covers }
    }

    /// From when to when the counts are complete.
    fn known(&self, now: Option<i64>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let since = self.since?;
        let remembered = self.forgotten.map_or(since, |second| since.max((second + 1).saturating_mul(1000)));
        Some((instant(remembered), instant(now?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(number: u32) -> Device {
        Device::new(number).unwrap()
    }

    fn period(from: i64, to: i64) -> Period {
        Period::new(instant(from), instant(to)).unwrap()
    }

    #[test]
    fn each_device_and_second_is_counted() {
        let mut log = DropLog::default();
        assert_eq!(log.of(device(1), period(0, 9000), Some(9000)), Drops { dropped: 0, covers: None });
        log.begin(500);
        // Two devices that meet in one place, by turns.
        for at in [1000, 1001, 1999, 2000, 5500] {
            log.count(device(7), at);
            log.count(device(7 + OPEN as u32), at);
        }
        let of = |from, to| log.of(device(7), period(from, to), Some(6000)).dropped;
        assert_eq!(
            (of(0, 9000), of(1000, 2000), of(1999, 2001), of(2001, 5000), of(0, 1000)),
            (5, 3, 4, 1, 0)
        );
        assert_eq!(log.of(device(8), period(0, 9000), Some(6000)).dropped, 0);
        assert_eq!(log.of(device(7), period(0, 9000), Some(6000)).covers, Some(period(500, 6000)));
        assert_eq!(log.of(device(7), period(700, 800), Some(6000)).covers, Some(period(700, 800)));
        assert_eq!(log.of(device(7), period(6000, 8000), Some(6000)).covers, None);
    }

    #[test]
    fn what_is_forgotten_is_not_covered() {
        let mut log = DropLog::default();
        let last = KEPT as i64 + 5;
        for second in 0..=last {
            log.count(device(1), second * 1000);
        }
        // One is open, and as many as are kept are put away.
        let known = log.of(device(1), period(0, 1 << 40), Some(1 << 40));
        assert_eq!(known.dropped, KEPT as u64 + 1);
        assert_eq!(known.covers, Some(period((last - KEPT as i64) * 1000, 1 << 40)));
    }
}
