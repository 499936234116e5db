use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::cadence::Promise;
use super::coverage::Runs;
use super::report::Unlisted;

/// A silence that breaks the promise, and the late rows in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Silence {
    pub(super) from: i64,
    pub(super) to: i64,
    #[serde(default, skip_serializing_if = "Runs::is_empty")]
    pub(super) runs: Runs,
}

impl Silence {
    /// How many rows it should have, and how many it misses.
    fn rows(&self, promise: Promise) -> (u64, u64) {
        let holes = self.runs.holes(self.from, self.to, promise);
        (promise.missing(self.from, self.to), holes.map(|(_, _, missing)| missing).sum())
    }
}

/// The silences so far, in order of time; never more than `most` of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ledger {
    promise: Promise,
    most: usize,
    silences: VecDeque<Silence>,
    /// The silences that are not listed.
    unlisted: Unlisted,
    /// The end of the last one that is listed no longer.
    forgotten: Option<i64>,
}

/// Where a row lies that is older than the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a silence that is listed.
    Silence(usize),
    /// Where silences may have been that are listed no longer.
    Forgotten,
    /// Where rows stand.
    Covered,
}

impl Ledger {
    pub(super) const fn new(promise: Promise, most: usize) -> Self {
        Self { promise, most, silences: VecDeque::new(), unlisted: Unlisted::NONE, forgotten: None }
    }

    pub(super) fn restore(
        mut self,
        silences: &[Silence],
        unlisted: Unlisted,
        forgotten: Option<i64>,
        (start, newest): (i64, i64),
    ) -> Option<Self> {
        let whole = silences.iter().all(|silence| {
            self.promise.missing(silence.from, silence.to) > 0
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
        self.keep_to_most();
        Some(self)
    }

    /// Lists a silence later than all, with the late rows in it.
    pub(super) fn push(&mut self, silence: Silence) {
        self.silences.push_back(silence);
        self.keep_to_most();
    }

    pub(super) fn place(&self, at: i64) -> Place {
        let index = self.silences.partition_point(|silence| silence.to <= at);
        if self.silences.get(index).is_some_and(|silence| silence.from < at) {
            Place::Silence(index)
        } else if self.forgotten.is_some_and(|forgotten| at < forgotten) {
            Place::Forgotten
        } else {
            Place::Covered
        }
    }

    /// Takes a late row into a silence. `false`: there are too many runs of late rows already.
    pub(super) fn fill(&mut self, index: usize, at: i64) -> bool {
        self.silences.get_mut(index).is_some_and(|silence| silence.runs.add(at, &self.promise))
    }

    /// A row stands in a silence after all: what is left on either side is a silence or none.
    pub(super) fn split(&mut self, index: usize, at: i64) {
        let Some(Silence { from, to, mut runs }) = self.silences.remove(index) else { return };
        let before = Silence { from, to: at, runs: runs.split_off_before(at) };
        let after = Silence { from: at, to, runs };
        for silence in [after, before] {
            if self.promise.missing(silence.from, silence.to) > 0 {
                self.silences.insert(index, silence);
            }
        }
        self.keep_to_most();
    }

    /// Hands over the silences that end at `until` or before; their rows stay counted.
    pub(super) fn take_until(&mut self, until: i64) -> impl Iterator<Item = Silence> {
        let count = self.silences.partition_point(|silence| silence.to <= until);
        for silence in self.silences.range(..count) {
            self.forgotten = Some(silence.to);
            let (expected, missing) = silence.rows(self.promise);
            self.unlisted.add(expected, missing);
        }
        self.silences.drain(..count)
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
            self.forgotten = Some(silence.to);
            let (expected, missing) = silence.rows(self.promise);
            self.unlisted.add(expected, missing);
        }
    }
}
