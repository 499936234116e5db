//! The rules of Burrow alone, unchanged: for those who have alerts, thresholds and habits by them.
//!
//! They are those of [Burrow](https://github.com/linkedin/Burrow), `core/internal/evaluator/caching.go` at `ced55ba`
//! (2025), with each of its sub-rules as a function. [`Judge::burrow`](super::Judge::burrow) applies them to a
//! [`Window`](super::Window). What they cannot see, [the module above](super) says.
//!
//! ```
//! use chrono::{DateTime, TimeDelta};
//! use iot_runbook::lag::burrow::{Commit, Status, evaluate};
//!
//! let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
//! let commits = [0, 1, 2, 3].map(|minute| Commit::new(start + TimeDelta::minutes(minute), 500, 20));
//! let status = |minute| evaluate(&commits, &[520, 530], 30, start + TimeDelta::minutes(minute), 0);
//! assert_eq!(status(6), Status::Stall);
//! assert_eq!(status(7), Status::Stop);
//! ```

use chrono::{DateTime, Utc};

named! {
    /// What Burrow says of a partition; a later one is worse.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    #[non_exhaustive]
    Status {
        /// Nothing is wrong, or there is too little to judge by.
        Ok = "ok",
        /// The offset moves, and the lag never falls.
        Warning = "warning",
        /// The group has stopped to commit.
        Stop = "stop",
        /// The group commits one offset again and again.
        Stall = "stall",
        /// The group went back, and has not been where it was since.
        Rewind = "rewind",
    }
}

/// A commit as Burrow keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commit {
    /// When the group committed.
    pub at: DateTime<Utc>,
    /// The offset that it committed.
    pub offset: u64,
    /// How far the head was ahead of it then; `None` where that is not known.
    pub lag: Option<u64>,
}

impl Commit {
    /// A commit whose lag is known.
    #[must_use]
    pub const fn new(at: DateTime<Utc>, offset: u64, lag: u64) -> Self {
        Self { at, offset, lag: Some(lag) }
    }

    /// The same without a lag.
    #[must_use]
    pub const fn without_lag(mut self) -> Self {
        self.lag = None;
        self
    }
}

/// The status of a partition: its `commits` and the heads that the broker had lately, both in the order of time; the
/// lag now, and what lag is allowed.
#[must_use]
pub fn evaluate(
    commits: &[Commit],
    heads: &[u64],
    current_lag: u64,
    now: DateTime<Utc>,
    allowed_lag: u64,
) -> Status {
    if commits.is_empty() || current_lag <= allowed_lag {
        return Status::Ok;
    }
    if has_stopped(commits, now) && !was_caught_up_lately(commits, heads) {
        return Status::Stop;
    }
    if rewind(commits).is_some_and(|place| !has_recovered(commits, place)) {
        return Status::Rewind;
    }
    if !is_always_behind(commits, allowed_lag) {
        return Status::Ok;
    }
    if is_unmoved(commits) {
        return Status::Stall;
    }
    if never_gains(commits) { Status::Warning } else { Status::Ok }
}

/// True if each lag that is known is above what is allowed.
#[must_use]
pub fn is_always_behind(commits: &[Commit], allowed_lag: u64) -> bool {
    commits.iter().all(|commit| commit.lag.is_none_or(|lag| lag > allowed_lag))
}

/// The place of the first commit whose offset is below that of the one before.
#[must_use]
pub fn rewind(commits: &[Commit]) -> Option<usize> {
    commits
        .windows(2)
        .position(|pair| matches!(pair, [before, after] if after.offset < before.offset))
        .map(|before| before + 1)
}

/// True if some commit from `place` on reached the offset of the one before it.
#[must_use]
pub fn has_recovered(commits: &[Commit], place: usize) -> bool {
    let Some(before) = place.checked_sub(1).and_then(|before| commits.get(before)) else { return false };
    commits.iter().skip(place).any(|commit| commit.offset >= before.offset)
}

/// True if the last commit is longer ago than all commits took. Burrow reads its clock to the second, and the times
/// of commits to the millisecond. False without a commit.
#[must_use]
pub fn has_stopped(commits: &[Commit], now: DateTime<Utc>) -> bool {
    let (Some(first), Some(last)) = (commits.first(), commits.last()) else { return false };
    let (first, last) = (first.at.timestamp_millis(), last.at.timestamp_millis());
    let now = now.timestamp().saturating_mul(1_000);
    now.saturating_sub(last) > last.saturating_sub(first)
}

/// True if all commits are of one offset.
#[must_use]
pub fn is_unmoved(commits: &[Commit]) -> bool {
    commits.iter().all(|commit| Some(commit.offset) == commits.first().map(|first| first.offset))
}

/// True if from no commit with a known lag to the next did the lag fall.
#[must_use]
pub fn never_gains(commits: &[Commit]) -> bool {
    let mut before = None;
    commits
        .iter()
        .filter_map(|commit| commit.lag)
        .all(|lag| before.replace(lag).is_none_or(|before| lag >= before))
}

/// True if one of the heads was no further than the last commit. False without a commit.
#[must_use]
pub fn was_caught_up_lately(commits: &[Commit], heads: &[u64]) -> bool {
    commits.last().is_some_and(|last| heads.iter().any(|head| *head <= last.offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    /// `(offset, lag)` each minute.
    fn commits(seen: &[(u64, u64)]) -> Vec<Commit> {
        seen.iter()
            .zip(0..)
            .map(|((offset, lag), minute)| Commit::new(at(60 * minute), *offset, *lag))
            .collect()
    }

    #[test]
    fn each_status_has_its_case() {
        for (seen, heads, now, status) in [
            (vec![(10, 5), (10, 6), (10, 7)], vec![17], 200, Status::Stall),
            (vec![(10, 5), (11, 5), (12, 6)], vec![18], 200, Status::Warning),
            (vec![(10, 5), (12, 4), (13, 9)], vec![22], 200, Status::Ok),
            (vec![(10, 5), (12, 0), (12, 4)], vec![16], 200, Status::Ok),
            (vec![(10, 5), (12, 4), (13, 9)], vec![22], 241, Status::Stop),
            (vec![(10, 5), (12, 4), (13, 9)], vec![22], 240, Status::Ok),
            (vec![(10, 5), (12, 4), (13, 9)], vec![13, 22], 241, Status::Ok),
            (vec![(10, 5), (8, 9), (9, 9)], vec![22], 200, Status::Rewind),
            (vec![(10, 5), (8, 9), (10, 9)], vec![22], 200, Status::Warning),
            // It looks at the first step back alone.
            (vec![(10, 5), (8, 9), (10, 9), (3, 20)], vec![22], 200, Status::Warning),
        ] {
            let commits = commits(&seen);
            assert_eq!(evaluate(&commits, &heads, 9, at(now), 0), status, "{seen:?} at {now}");
            assert_eq!(evaluate(&commits, &heads, 9, at(now), 9), Status::Ok);
        }
    }

    #[test]
    fn a_lag_that_is_not_known_is_passed_over() {
        let mut seen = commits(&[(1, 9), (2, 0), (3, 9)]);
        assert!(!is_always_behind(&seen, 0));
        seen[1] = seen[1].without_lag();
        assert!(is_always_behind(&seen, 0) && never_gains(&seen));
        seen[2].lag = Some(8);
        assert!(!never_gains(&seen));
    }

    #[test]
    fn the_clock_counts_whole_seconds() {
        let commits = commits(&[(1, 9), (2, 9)]);
        let almost = at(121) - chrono::TimeDelta::nanoseconds(1);
        assert!(!has_stopped(&commits, almost) && has_stopped(&commits, at(121)));
    }

    #[test]
    fn without_a_commit_nothing_is_wrong() {
        assert_eq!(evaluate(&[], &[], 9, DateTime::<Utc>::MAX_UTC, 0), Status::Ok);
        let ends =
            [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC].map(|at| Commit::new(at, u64::MAX, 1));
        assert_eq!(evaluate(&ends, &[], 1, DateTime::<Utc>::MAX_UTC, 0), Status::Stall);
        assert!(!has_recovered(&ends, 0) && !has_recovered(&ends, 9));
    }
}
