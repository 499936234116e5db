use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// How long a group takes between its commits, from those that were seen from one to the next.
///
/// An interval counts as it may have been at most: looks see both ends late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pace {
    /// Those in which messages waited from the first end on: the group had work, and took so long.
    busy: Longest,
    /// All of them: an idle group commits nothing, so they are too long rather than too short.
    any: Longest,
}

/// An interval between two commits, as it may have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) at_least: TimeDelta,
    pub(super) at_most: TimeDelta,
}

impl Pace {
    /// Takes an interval; messages waited in it from its start, or did not.
    pub(super) fn observe(&mut self, interval: Interval, was_busy: bool) {
        self.any.observe(interval);
        if was_busy {
            self.busy.observe(interval);
        }
    }

    /// Takes how long messages waited for a commit: an interval is that long at least.
    pub(super) fn observe_wait(&mut self, wait: Interval) {
        self.busy.extend(wait);
    }

    /// The longest interval; `None` where too few were seen.
    pub(super) fn longest(&self) -> Option<TimeDelta> {
        if self.busy.is_known() {
            return Some(self.busy.longest());
        }
        self.any.is_known().then(|| self.any.longest().max(self.busy.longest()))
    }

    /// How many intervals were seen, up to as many as it takes.
    pub(super) fn seen(&self) -> usize {
        let seen = self.busy.seen().max(self.any.seen());
        usize::try_from(seen).unwrap_or(usize::MAX)
    }
}

/// The longest of the last 32 to 64 intervals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Longest {
    /// In milliseconds: of those counted now, and of the 32 before them.
    current: i64,
    before: i64,
    count: u32,
    has_before: bool,
    /// One that was over twice the longest: perhaps an outage. A second one is the pace.
    outage: Option<i64>,
}

impl Longest {
    const EACH: u32 = 32;
    /// Two intervals may be two short ones, as around a rebalance.
    const NEEDED: u32 = 3;

    fn observe(&mut self, interval: Interval) {
        if !self.extend(interval) {
            return;
        }
        self.count = self.count.saturating_add(1);
        if self.count >= Self::EACH {
            *self = Self { before: self.current, has_before: true, ..Self::default() };
        }
    }

    /// Whether it counts: an outage does not.
    fn extend(&mut self, interval: Interval) -> bool {
        let mut length = millis(interval.at_most);
        if self.is_known() && interval.at_least > twice(self.longest()) {
            let Some(earlier) = self.outage.replace(length) else { return false };
            length = length.min(earlier);
        }
        self.current = self.current.max(length);
        true
    }

    const fn is_known(&self) -> bool {
        self.has_before || self.count >= Self::NEEDED
    }

    fn seen(&self) -> u32 {
        if self.has_before { Self::NEEDED } else { self.count.min(Self::NEEDED) }
    }

    fn longest(&self) -> TimeDelta {
        TimeDelta::try_milliseconds(self.current.max(self.before)).unwrap_or(TimeDelta::MAX)
    }
}

/// How many intervals it takes to know a pace.
pub(super) const INTERVALS_NEEDED: usize = Longest::NEEDED as usize;

pub(super) fn twice(time: TimeDelta) -> TimeDelta {
    time.checked_mul(2).unwrap_or(TimeDelta::MAX)
}

/// Rounded up.
fn millis(time: TimeDelta) -> i64 {
    let whole = time.num_milliseconds();
    let is_whole = TimeDelta::try_milliseconds(whole) == Some(time);
    whole.saturating_add(i64::from(!is_whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: i64) -> TimeDelta {
        TimeDelta::seconds(seconds)
    }

    fn exactly(seconds: i64) -> Interval {
        Interval { at_least: secs(seconds), at_most: secs(seconds) }
    }

    fn pace(intervals: impl IntoIterator<Item = i64>, was_busy: bool) -> Pace {
        let mut pace = Pace::default();
        intervals.into_iter().for_each(|seconds| pace.observe(exactly(seconds), was_busy));
        pace
    }

    #[test]
    fn three_intervals_make_a_pace() {
        assert_eq!(pace([10, 12], true).longest(), None);
        assert_eq!(pace([10, 12, 11], true).longest(), Some(secs(12)));
        assert_eq!(pace([10, 12, 11], false).longest(), Some(secs(12)));
        assert_eq!((pace([10, 12], true).seen(), pace([1; 40], true).seen()), (2, 3));
    }

    #[test]
    fn busy_intervals_count_before_idle_ones() {
        let mut pace = pace([600, 700, 650], false);
        assert_eq!(pace.longest(), Some(secs(700)));
        (0..3).for_each(|_| pace.observe(exactly(10), true));
        assert_eq!(pace.longest(), Some(secs(10)));
        pace.observe_wait(exactly(15));
        assert_eq!(pace.longest(), Some(secs(15)));
    }

    #[test]
    fn long_interval_is_remembered_for_32_others() {
        let pace = |others| {
            let first = [10, 10, 20];
            pace(first.into_iter().chain(std::iter::repeat_n(10, others)), true).longest()
        };
        assert_eq!(pace(29 + 31), Some(secs(20)));
        assert_eq!(pace(29 + 32), Some(secs(10)));
    }

    #[test]
    fn one_outage_is_no_pace_and_two_are() {
        assert_eq!(pace([10, 10, 10, 3_600], true).longest(), Some(secs(10)));
        assert_eq!(pace([10, 10, 10, 20], true).longest(), Some(secs(20)));
        assert_eq!(pace([10, 10, 10, 3_600, 10, 7_200], true).longest(), Some(secs(3_600)));
        // The second comes in another count: again it is one.
        let far = [10; 3].into_iter().chain([3_600]).chain([10; 29]).chain([3_600]);
        assert_eq!(pace(far, true).longest(), Some(secs(10)));
    }

    #[test]
    fn ends_of_the_numbers_hold() {
        let endless = Interval { at_least: TimeDelta::MAX, at_most: TimeDelta::MAX };
        let mut pace = Pace::default();
        (0..70).for_each(|_| pace.observe(endless, true));
        assert!(pace.longest() > Some(secs(1_000_000)));
        assert_eq!(millis(TimeDelta::nanoseconds(1_000_001)), 2);
    }
}
