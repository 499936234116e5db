use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::pace::twice;
use super::sample::{Sample, ago};

/// Whether a group gets further and further behind, over all the time since it last kept up.
///
/// The lag rises between commits and falls at each, so it is taken right after commits; and bursts come and go, so
/// the least lags of longer and longer blocks are compared: 16 blocks cover the whole time, whatever its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Backlog {
    /// When the group reaches this offset it has read what there was at that time.
    target: Option<(DateTime<Utc>, u64)>,
    /// The first sample after it last kept up.
    origin: Option<Sample>,
    blocks: [u64; Self::BLOCKS],
    len: usize,
    /// How many commits a whole block has, and the block that is begun.
    each: u64,
    begun: u64,
    least: u64,
}

impl Backlog {
    const BLOCKS: usize = 16;

    /// Takes a sample of a group that committed; `usual` is its longest interval between commits.
    pub(super) fn observe(&mut self, sample: &Sample, lag: u64, has_moved: bool, usual: Option<TimeDelta>) {
        let end = sample.end();
        match self.target {
            Some((_, target)) if sample.committed.is_none_or(|committed| committed < target) => {}
            target => {
                // It keeps up where it reads within two intervals what there was.
                let keeps_up = match (target, usual) {
                    (Some((since, _)), Some(usual)) => lag == 0 || ago(sample.at, since) <= twice(usual),
                    _ => true,
                };
                if keeps_up {
                    *self = Self::default();
                }
                self.target = Some((sample.at, end));
            }
        }
        if has_moved {
            self.take(sample, lag);
        }
    }

    fn take(&mut self, sample: &Sample, lag: u64) {
        if self.origin.is_none() {
            (self.origin, self.each) = (Some(*sample), 1);
        }
        self.least = if self.begun == 0 { lag } else { self.least.min(lag) };
        self.begun = self.begun.saturating_add(1);
        if self.begun < self.each {
            return;
        }
        self.begun = 0;
        if self.len >= Self::BLOCKS {
            for place in 0..Self::BLOCKS / 2 {
                let pair = self.blocks.get(2 * place..2 * place + 2).unwrap_or_default();
                let least = pair.iter().min().copied().unwrap_or_default();
                if let Some(block) = self.blocks.get_mut(place) {
                    *block = least;
                }
            }
            self.len = Self::BLOCKS / 2;
            // The block that is whole now is the first half of a longer one.
            self.each = self.each.saturating_mul(2);
            self.begun = self.each / 2;
            return;
        }
        if let Some(block) = self.blocks.get_mut(self.len) {
            *block = self.least;
        }
        self.len += 1;
    }

    /// When a look showed a head beyond this offset, if it is one the group has yet to reach.
    pub(super) fn came_by(&self, offset: u64) -> Option<DateTime<Utc>> {
        self.target.filter(|(_, target)| offset < *target).map(|(at, _)| at)
    }

    /// The sample at which it began, where the lag grows: in the later half of the time it was never as small as it
    /// was at some time of each block of the first half.
    pub(super) fn grows_since(&self) -> Option<&Sample> {
        let blocks = self.blocks.get(..self.len)?;
        if blocks.len() < Self::BLOCKS / 2 {
            return None;
        }
        let (earlier, later) = blocks.split_at(blocks.len() / 2);
        let grows = later.iter().min() > earlier.iter().max();
        self.origin.as_ref().filter(|_| grows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    /// A commit each ten seconds, with these lags after it; the group reads a thousand messages each time.
    fn backlog(lags: impl IntoIterator<Item = u64>) -> Backlog {
        let mut backlog = Backlog::default();
        for (lag, turn) in lags.into_iter().zip(1..) {
            let committed = 1_000 * turn;
            let second = 10 * i64::try_from(turn).unwrap();
            let sample = Sample::new(at(second), 0, committed + lag).with_committed(Some(committed));
            backlog.observe(&sample, lag, true, Some(TimeDelta::seconds(10)));
        }
        backlog
    }

    #[test]
    fn a_lag_that_grows_without_end_is_found() {
        for turns in [20_u64, 100, 1_000] {
            let grows = backlog((1..=turns).map(|turn| 1_000 * turn));
            assert!(grows.grows_since().is_some(), "{turns}");
        }
    }

    #[test]
    fn lag_that_grows_through_bursts_is_found() {
        // Up by 20 000 in ten commits, down by 10 000 in the next ten.
        let lag = |turn: u64| {
            let (burst, place) = (turn / 20, turn % 20);
            5_000 + 10_000 * burst + if place < 10 { 2_000 * place } else { 20_000 - 1_000 * (place - 10) }
        };
        let long = |turns| backlog((0..turns).map(lag)).grows_since().is_some();
        assert!((600..700).all(long));
    }

    #[test]
    fn lag_that_comes_and_goes_does_not_grow() {
        let lag = |turn: u64| 20_000 + 1_000 * (turn % 40).min(40 - turn % 40);
        assert!((400..800).all(|turns| backlog((0..turns).map(lag)).grows_since().is_none()));
        assert!(backlog([50_000; 100]).grows_since().is_none());
    }

    #[test]
    fn who_keeps_up_begins_anew() {
        let mut caught_up = backlog((1..=40).map(|turn| 1_000 * turn));
        let sample = Sample::new(at(410), 0, 90_000).with_committed(Some(90_000));
        caught_up.observe(&sample, 0, true, Some(TimeDelta::seconds(10)));
        assert!(caught_up.grows_since().is_none());
        // What came is read by the next commit: no backlog, however much it is.
        assert!(backlog((1..=40).map(|turn| 10 * turn)).grows_since().is_none());
    }
}
