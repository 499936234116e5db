//! Which of a silence late rows made good.

use serde::{Deserialize, Serialize};

use super::cadence::{Promise, distance};

/// How many runs of late rows one silence remembers. A catch-up that replays in order, forward or backward, makes one
/// run for each silence that is left in it. A run is put in order by moving those after it: 64 KiB at most.
pub(super) const MOST_RUNS: usize = 4096;

/// Late rows next to each other, none further from the next than the promise allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) from: i64,
    pub(super) to: i64,
}

impl Run {
    pub(super) const fn of(row: i64) -> Self {
        Self { from: row, to: row }
    }

    /// The part of it between two instants.
    pub(super) fn within(self, from: i64, to: i64) -> Option<Self> {
        let part = Self { from: self.from.max(from), to: self.to.min(to) };
        (part.from <= part.to).then_some(part)
    }
}

/// The runs within one silence, in order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Runs(Vec<Run>);

impl Runs {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Run> {
        self.0.iter().copied()
    }

    /// Takes late rows. `false`: they would begin a run for which there is no room, and are not remembered.
    pub(super) fn add(&mut self, rows: Run, promise: &Promise, has_room: bool) -> bool {
        let near = |a: i64, b: i64| distance(a, b) <= promise.limit();
        let first = self.0.partition_point(|run| run.to < rows.from && !near(run.to, rows.from));
        let after = self.0.partition_point(|run| run.from <= rows.to || near(rows.to, run.from));
        let joined = self.0.get(first..after).unwrap_or_default();
        if let (Some(one), Some(last)) = (joined.first(), joined.last()) {
            let joined = Run { from: one.from.min(rows.from), to: last.to.max(rows.to) };
            self.0.splice(first..after, [joined]);
        } else if has_room && self.0.len() < MOST_RUNS {
            self.0.insert(first, rows);
        } else {
            return false;
        }
        true
    }

    /// Takes away what lies before `at`, where a row is now.
    pub(super) fn split_off_before(&mut self, at: i64) -> Self {
        let before =
            self.0.iter().filter(|run| run.from < at).map(|run| Run { to: run.to.min(at), ..*run }).collect();
        self.forget_before(at);
        Self(before)
    }

    /// Forgets what lies before `at`, where a row is now.
    pub(super) fn forget_before(&mut self, at: i64) {
        self.0.retain_mut(|run| {
            run.from = run.from.max(at);
            run.to > at
        });
    }

    /// What they leave of the silence between `from` and `to`: each part that is too long, with how many rows it
    /// misses.
    pub(super) fn holes(
        &self,
        from: i64,
        to: i64,
        promise: Promise,
    ) -> impl Iterator<Item = (i64, i64, u64)> {
        let ends = self.0.iter().map(|run| run.to);
        let begins = std::iter::once(from).chain(ends);
        let until = self.0.iter().map(|run| run.from).chain([to]);
        begins
            .zip(until)
            .map(move |(from, to)| (from, to, promise.missing(from, to)))
            .filter(|(_, _, missing)| *missing > 0)
    }

    /// Whether they could be what is left of late rows between `from` and `to`.
    pub(super) fn are_within(&self, from: i64, to: i64, promise: &Promise) -> bool {
        let apart = |a: &Run, b: &Run| distance(a.to, b.from) > promise.limit();
        self.0.len() <= MOST_RUNS
            && self.0.iter().all(|run| from <= run.from && run.from <= run.to && run.to <= to)
            && self.0.is_sorted_by(apart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(times: &[i64]) -> Vec<(i64, i64)> {
        let mut runs = Runs::default();
        for at in times {
            assert!(runs.add(Run::of(*at), &Promise::new(10, 0, -1), true));
        }
        runs.0.iter().map(|run| (run.from, run.to)).collect()
    }

    #[test]
    fn late_rows_join_in_any_order() {
        type Case<'a> = (&'a [i64], &'a [(i64, i64)]);
        let table: &[Case<'_>] = &[
            (&[0, 10], &[(0, 10)]),
            (&[0, 11], &[(0, 0), (11, 11)]),
            (&[11, 0], &[(0, 0), (11, 11)]),
            (&[20, 10, 0], &[(0, 20)]),
            (&[0, 20, 10], &[(0, 20)]),
            (&[0, 10, 5], &[(0, 10)]),
            (&[0, 0], &[(0, 0)]),
            (&[0, 10, 30, 41], &[(0, 10), (30, 30), (41, 41)]),
            (&[i64::MAX, i64::MIN], &[(i64::MIN, i64::MIN), (i64::MAX, i64::MAX)]),
        ];
        for (times, expected) in table {
            assert_eq!(runs(times), *expected, "{times:?}");
        }
    }

    #[test]
    fn run_too_many_is_not_remembered() {
        let promise = Promise::new(10, 0, -1);
        let mut runs = Runs::default();
        let most = MOST_RUNS as i64;
        let mut add = |at| runs.add(Run::of(at), &promise, true);
        assert!((0..most).all(|at| add(at * 20 + 100)));
        assert!(!add(0));
        assert!(add(110), "it closes a hole, and needs no run of its own");
        assert!(add(0));
        let mut runs = Runs::default();
        assert!(runs.add(Run::of(5), &promise, true));
        assert!(!runs.add(Run::of(50), &promise, false) && runs.add(Run::of(15), &promise, false));
    }

    #[test]
    fn added_run_joins_all_that_it_reaches() {
        let promise = Promise::new(10, 0, -1);
        for (from, to) in (0..60).flat_map(|from| (from..60).map(move |to| (from, to))) {
            let mut runs = Runs::default();
            [5, 25, 45].iter().for_each(|at| assert!(runs.add(Run::of(*at), &promise, true)));
            let mut one_by_one = runs.clone();
            assert!(runs.add(Run { from, to }, &promise, true));
            (from..=to).for_each(|at| assert!(one_by_one.add(Run::of(at), &promise, true)));
            assert_eq!(runs, one_by_one, "{from} {to}");
        }
    }

    #[test]
    fn the_holes_are_what_is_left() {
        let promise = Promise::new(10, 0, -1);
        let mut runs = Runs::default();
        [50, 55, 80].iter().for_each(|at| assert!(runs.add(Run::of(*at), &promise, true)));
        let holes = |runs: &Runs| runs.holes(0, 100, promise).collect::<Vec<_>>();
        assert_eq!(holes(&runs), [(0, 50, 4), (55, 80, 2), (80, 100, 1)]);
        let before = runs.split_off_before(52);
        assert_eq!(before.0, [Run { from: 50, to: 52 }]);
        assert_eq!(runs.0, [Run { from: 52, to: 55 }, Run { from: 80, to: 80 }]);
    }
}
