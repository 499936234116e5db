use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::cadence::{Promise, distance};
use super::coverage::{Run, Runs};
use super::settings::Rule;
use super::wire;
use super::zone::{REWIND_ROWS, is_live};
use crate::fact::duration_in_words;

/// How many rewinds are listed; of more, the latest are only counted.
pub(super) const MOST_REWINDS: usize = 64;

/// The times of a device went back to where rows are already, and ran forward from there.
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
    /// By how much a clock was set back, if the rewind looks like a step of a time zone or of summer time; `None`: it
    /// does not, or the rows or their arrivals that followed are those of a replay.
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

impl fmt::Display for Rewind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, rows, zone, .. } = self;
        write!(f, "times went back from {from} to {to}, and {rows} rows ran forward from there: ")?;
        match zone {
            Some(zone) => {
                write!(f, "clock set back by {}, as at a change of time zone", duration_in_words(*zone))
            }
            None => f.write_str("a replay, or a clock that was set back"),
        }
    }
}

/// A rewind as it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Running {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) last: i64,
    pub(super) rows: u64,
    /// How many of its rows were counted as before the period, until it was recognized.
    pub(super) before: u64,
    /// How many of them were counted as unplaced; later, how many rows that it holds back found no room.
    pub(super) unplaced: u64,
    /// Nanoseconds that the clock was set back by, if it was.
    zone: Option<u64>,
    /// When the row before it and its last row arrived, if that is known.
    arrived_before: Option<i64>,
    arrived: Option<i64>,
    /// Whether it has enough rows to be no stray copies.
    pub(super) is_recognized: bool,
    /// Its rows where rows are missing. They fill the gaps if it turns out to be a replay.
    pub(super) held: Runs,
    pub(super) held_rows: u64,
}

impl Running {
    /// A rewind of one row.
    pub(super) fn new(newest: (i64, Option<i64>), row: (i64, Option<i64>), rule: &Rule) -> Self {
        let (from, arrived_before) = newest;
        let (to, arrived) = row;
        Self {
            from,
            to,
            last: to,
            rows: 1,
            before: 0,
            unplaced: 0,
            zone: rule.zone.back(from.abs_diff(to)),
            arrived_before,
            arrived,
            is_recognized: false,
            held: Runs::default(),
            held_rows: 0,
        }
    }

    /// Takes the next row.
    pub(super) const fn advance(&mut self, event: i64, arrival: Option<i64>) {
        self.last = event;
        self.arrived = arrival;
        self.rows = self.rows.saturating_add(1);
    }

    /// Takes a row where rows are missing, to be decided on when the rewind ends.
    pub(super) fn hold(&mut self, event: i64, promise: &Promise) {
        self.held_rows = self.held_rows.saturating_add(1);
        if !self.held.add(Run::of(event), promise, true) {
            self.unplaced = self.unplaced.saturating_add(1);
        }
    }

    /// What the clock was set back by, unless the arrivals so far are those of a replay.
    pub(super) fn zone(&self) -> Option<u64> {
        let zone = self.zone?;
        let elapsed = distance(self.from, self.last.saturating_add_unsigned(zone));
        let is_replay = self
            .arrived_before
            .zip(self.arrived)
            .is_some_and(|(before, arrived)| !is_live(distance(before, arrived), elapsed));
        (!is_replay).then_some(zone)
    }

    /// The same, unless `next` contradicts it: the row or the moment that follows. A clock that stays wrong goes on from
    /// the last row. One that is set right goes on where it would be without the step. A replay does neither.
    pub(super) fn zone_before(&self, next: i64, promise: Promise) -> Option<u64> {
        let goes_on = || promise.between_rows(self.last, next).missing(self.last, next) == 0;
        self.zone().filter(|zone| next >= self.last.saturating_add_unsigned(*zone) || goes_on())
    }

    /// Where the clock would be at the last row, had it not been set back by a time zone. `None`, too, where the whole time
    /// came twice: then the clock stays as it is, and a silence that follows is a gap.
    pub(super) fn set_right(&self, next: i64, promise: Promise) -> Option<i64> {
        if promise.between_rows(self.last, self.from).missing(self.last, self.from) == 0 {
            return None;
        }
        let zone = self.zone_before(next, promise).filter(|_| self.is_recognized)?;
        Some(self.last.saturating_add_unsigned(zone))
    }

    /// The rewind with what is known of its zone when it is over, and what it held back if that is to be given free.
    pub(super) fn end(mut self, next: Option<i64>, promise: Promise) -> (Self, Runs) {
        self.zone = next.map_or_else(|| self.zone(), |next| self.zone_before(next, promise));
        let held = std::mem::take(&mut self.held);
        if self.zone.is_some() {
            self.held_rows = 0;
            return (self, Runs::default());
        }
        self.rows = self.rows.saturating_sub(self.held_rows);
        (self, held)
    }

    pub(super) fn is_whole(&self, promise: &Promise, last: i64) -> bool {
        self.to <= self.last
            && self.last <= self.from
            && self.before.saturating_add(self.unplaced) <= self.rows
            && self.held_rows <= self.rows
            && self.held.are_within(self.to, last, promise)
            && (self.is_recognized || self.rows < REWIND_ROWS)
    }

    pub(super) fn report(&self) -> Rewind {
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
