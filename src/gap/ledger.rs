use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::cadence::Promise;
use super::coverage::{MOST_RUNS, Run, Runs};
use super::report::Unlisted;

/// A silence that breaks the promise, and the late rows in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Silence {
    pub(super) from: i64,
    pub(super) to: i64,
    #[serde(default, skip_serializing_if = "Runs::is_empty")]
    pub(super) runs: Runs,
    /// Late rows in it that found no room among the runs.
    #[serde(default)]
    pub(super) unplaced: u32,
    /// Whether the arrivals of its two rows contradict a clock that was set forward.
    #[serde(default)]
    pub(super) is_real: bool,
}

impl Silence {
    pub(super) const fn new(from: i64, to: i64, runs: Runs) -> Self {
        Self { from, to, runs, unplaced: 0, is_real: false }
    }

    /// How many rows it should have, and how many it misses.
    fn rows(&self, promise: Promise) -> (u64, u64) {
        let promise = promise.between_rows(self.from, self.to);
        let holes = self.runs.holes(self.from, self.to, promise);
        (promise.missing(self.from, self.to), holes.map(|(_, _, missing)| missing).sum())
    }
}

/// The silences so far, in order of time; never more than `most` of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ledger {
    promise: Promise,
    most: usize,
    /// How many runs of late rows the silences have together, and how many they may have.
    runs: usize,
    most_runs: usize,
    silences: VecDeque<Silence>,
    /// The silences that are not listed.
    unlisted: Unlisted,
    /// The end of the last one that is listed no longer.
    forgotten: Option<i64>,
}

/// Where a row lies that is older than the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GapSlot {
    /// In a silence that is listed.
    Silence(usize),
    /// Where silences may have been that are listed no longer.
    Forgotten,
    /// Where rows are.
    Covered,
}

impl Ledger {
    pub(super) const fn new(promise: Promise, most: usize) -> Self {
        // 64 for each gap, wherever they are needed.
        let most_runs = if most < MOST_RUNS / 64 { MOST_RUNS } else { most * 64 };
        Self {
            promise,
            most,
            runs: 0,
            most_runs,
            silences: VecDeque::new(),
            unlisted: Unlisted::NONE,
            forgotten: None,
        }
    }

    pub(super) fn restore(
        mut self,
        silences: &[Silence],
        unlisted: Unlisted,
        forgotten: Option<i64>,
        (start, newest): (i64, i64),
    ) -> Option<Self> {
        let whole = silences.iter().all(|silence| {
            let promise = self.promise.between_rows(silence.from, silence.to);
            promise.missing(silence.from, silence.to) > 0
                && silence.runs.are_within(silence.from, silence.to, &self.promise)
        });
        let ordered = silences.is_sorted_by(|a, b| a.to <= b.from);
        let within = silences
            .first()
            .is_none_or(|first| first.from >= start && forgotten.is_none_or(|at| at <= first.from))
            && silences.last().is_none_or(|last| last.to <= newest);
        if !(whole && ordered && within) {
            return None;
        }
        (self.unlisted, self.forgotten) = (unlisted, forgotten);
        self.silences.extend(silences.iter().cloned());
        self.runs = self.silences.iter().map(|silence| silence.runs.len()).sum();
        self.keep_to_most();
        Some(self)
    }

    /// Lists a silence later than all, with the late rows in it.
    pub(super) fn push(&mut self, silence: Silence) {
        self.runs += silence.runs.len();
        self.silences.push_back(silence);
        self.keep_to_most();
    }

    pub(super) fn place(&self, at: i64) -> GapSlot {
        let index = self.silences.partition_point(|silence| silence.to <= at);
        if self.silences.get(index).is_some_and(|silence| silence.from < at) {
            GapSlot::Silence(index)
        } else if self.forgotten.is_some_and(|forgotten| at < forgotten) {
            GapSlot::Forgotten
        } else {
            GapSlot::Covered
        }
    }

    /// Takes a late row into a silence. `false`: there are too many runs of late rows already.
    pub(super) fn fill(&mut self, index: usize, at: i64) -> bool {
        self.add(index, Run::of(at))
    }

    /// Takes late rows into the silences that they reach over. `false`: some found no room.
    pub(super) fn fill_run(&mut self, rows: Run) -> bool {
        let first = self.silences.partition_point(|silence| silence.to <= rows.from);
        let mut is_placed = true;
        for index in first..self.silences.len() {
            let Some(silence) = self.silences.get(index).filter(|silence| silence.from < rows.to) else {
                break;
            };
            if let Some(part) = rows.within(silence.from, silence.to) {
                is_placed &= self.add(index, part);
            }
        }
        is_placed
    }

    fn add(&mut self, index: usize, rows: Run) -> bool {
        let has_room = self.runs < self.most_runs;
        let Some(silence) = self.silences.get_mut(index) else { return false };
        let before = silence.runs.len();
        let is_placed = silence.runs.add(rows, &self.promise, has_room);
        self.runs = (self.runs + silence.runs.len()).saturating_sub(before);
        silence.unplaced = silence.unplaced.saturating_add(u32::from(!is_placed));
        is_placed
    }

    /// A row lies in a silence after all: what is left on either side is a silence or none.
    pub(super) fn split(&mut self, index: usize, at: i64) {
        let Some(silence) = self.silences.remove(index) else { return };
        self.runs = self.runs.saturating_sub(silence.runs.len());
        let Silence { from, to, mut runs, .. } = silence;
        let before = Silence { from, to: at, runs: runs.split_off_before(at), ..silence };
        let after = Silence { from: at, to, runs, ..silence };
        for part in [after, before] {
            if self.promise.between_rows(part.from, part.to).missing(part.from, part.to) > 0 {
                self.runs += part.runs.len();
                self.silences.insert(index, part);
            }
        }
        self.keep_to_most();
    }

    /// Hands over the silences that end at `until` or before; their rows stay counted.
    pub(super) fn take_until(&mut self, until: i64) -> Vec<Silence> {
        let count = self.silences.partition_point(|silence| silence.to <= until);
        let taken: Vec<_> = self.silences.drain(..count).collect();
        taken.iter().for_each(|silence| self.forget(silence));
        taken
    }

    pub(super) fn silences(&self) -> impl ExactSizeIterator<Item = &Silence> {
        self.silences.iter()
    }

    pub(super) const fn unlisted(&self) -> Unlisted {
        self.unlisted
    }

    pub(super) const fn forgotten(&self) -> Option<i64> {
        self.forgotten
    }

    fn keep_to_most(&mut self) {
        while self.silences.len() > self.most {
            let Some(silence) = self.silences.pop_front() else { return };
            self.forget(&silence);
        }
    }

    /// Counts a silence that is listed no longer.
    fn forget(&mut self, silence: &Silence) {
        self.forgotten = Some(silence.to);
        self.runs = self.runs.saturating_sub(silence.runs.len());
        let (expected, missing) = silence.rows(self.promise);
        self.unlisted.add(expected, missing);
    }
}
