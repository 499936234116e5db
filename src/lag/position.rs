//! Where a group is in a partition, what holds it there, and where it lost its offset.

use chrono::{DateTime, Utc};

use super::judge::View;
use super::window::Window;
use crate::time::saturating_add;

/// Where a group was at the last sample, and what held it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// The time of the last sample.
    pub at: DateTime<Utc>,
    /// The offset that the group committed; `None` where there is none, or only that of a log that was replaced.
    pub committed: Option<u64>,
    /// The log's start.
    pub log_start: u64,
    /// The head.
    pub high_watermark: u64,
    /// Since when messages have waited under the committed offset, as a look showed it; `None` where none waits.
    pub waits_since: Option<DateTime<Utc>>,
    /// The last stable offset, where the samples give it.
    pub last_stable_offset: Option<u64>,
    /// Since when the last stable offset has not moved, below the head; `None` where no transaction is open.
    pub held_since: Option<DateTime<Utc>>,
}

/// A place where a group lost its offset, and began again at the head or beyond: it expired, or the group was deleted.
///
/// With `auto.offset.reset=latest` the messages between the two were skipped, and maybe some more. With `earliest` they
/// were read again, and none was skipped. The samples do not show which it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reset {
    /// The look that showed an offset again.
    pub at: DateTime<Utc>,
    /// The last offset before, or the log's start where that is later.
    pub from: u64,
    /// The head when the offset was last seen to be gone.
    pub to: u64,
}

impl Window {
    /// Returns where the group was at the last sample. Samples from the future do not count; `None` where no other is
    /// left, or its offsets contradict each other.
    #[must_use]
    pub fn position(&self, now: DateTime<Utc>) -> Option<Position> {
        let view = View::new(self, now);
        let last = view.samples().next_back().filter(|last| !last.contradicts())?;
        let history = view.history(self.past(), last.at);
        let waiting = view.waiting(&history, last, 0);
        Some(Position {
            at: last.at,
            committed: last.committed.filter(|_| !history.is_foreign()),
            log_start: last.log_start,
            high_watermark: last.high_watermark,
            waits_since: waiting.map(|waiting| saturating_add(last.at, -waiting)),
            last_stable_offset: last.last_stable_offset,
            held_since: history.open_since(),
        })
    }

    /// Returns where the group lost its offset and began again at the head or beyond, in the samples of the window.
    #[must_use]
    pub fn resets(&self, now: DateTime<Utc>) -> Vec<Reset> {
        let mut resets = Vec::new();
        let (mut before, mut head_without) = (None, None);
        for sample in View::new(self, now).samples().filter(|sample| !sample.contradicts()) {
            let Some(offset) = sample.committed else {
                head_without = before.map(|_| sample.high_watermark);
                continue;
            };
            if let (Some(before), Some(to)) = (before, head_without) {
                let from = sample.log_start.max(before);
                if from < to && to <= offset {
                    resets.push(Reset { at: sample.at, from, to });
                }
            }
            (before, head_without) = (Some(offset), None);
        }
        resets
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::lag::Sample;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn window(samples: &[Sample]) -> Window {
        let mut window = Window::new(4).unwrap();
        samples.iter().for_each(|sample| window.observe(*sample));
        window
    }

    fn look(second: i64, committed: Option<u64>, head: u64) -> Sample {
        Sample::new(at(second), 0, head).with_committed(committed)
    }

    #[test]
    fn position_is_that_of_the_last_good_look() {
        let mut samples: Vec<_> = (0..8).map(|i| look(10 * i, Some(40), 50)).collect();
        let position = window(&samples).position(at(70)).unwrap();
        assert_eq!((position.at, position.committed, position.high_watermark), (at(70), Some(40), 50));
        // What left the window is remembered.
        assert_eq!((position.waits_since, position.held_since), (Some(at(0)), None));
        samples.push(look(500, Some(50), 50));
        assert_eq!(window(&samples).position(at(80)), Some(position), "the last is from the future");
        assert_eq!(window(&samples).position(at(500)).unwrap().waits_since, None);
        samples.push(look(510, Some(51), 50));
        assert_eq!(window(&samples).position(at(510)), None, "beyond the head");
        assert_eq!(window(&[]).position(at(0)), None);
    }

    #[test]
    fn transaction_held_since_first_seen() {
        let held = |second, stable, head| look(second, Some(5), head).with_last_stable_offset(stable);
        let open: Vec<_> = (0..9).map(|i| held(10 * i, if i < 2 { 7 } else { 8 }, 9 + i as u64)).collect();
        let position = window(&open).position(at(80)).unwrap();
        assert_eq!((position.last_stable_offset, position.held_since), (Some(8), Some(at(20))));
        let closed = window(&[held(0, 8, 9), held(10, 12, 12)]).position(at(10)).unwrap();
        assert_eq!((closed.last_stable_offset, closed.held_since), (Some(12), None));
    }

    #[test]
    fn offset_of_a_replaced_log_is_none_of_this_one() {
        let position = window(&[look(0, Some(40), 50), look(10, Some(40), 45), look(20, Some(40), 6)]);
        assert_eq!(position.position(at(20)), None);
        let grown = window(&[look(0, Some(40), 50), look(10, Some(40), 6), look(20, Some(40), 60)]);
        assert_eq!(grown.position(at(20)).unwrap().committed, None);
    }

    #[test]
    fn offset_back_at_the_head_is_a_reset() {
        let resets = |samples: &[Sample]| {
            let found = window(samples).resets(at(1_000));
            found.into_iter().map(|reset| (reset.at, reset.from, reset.to)).collect::<Vec<_>>()
        };
        let gone = |back: Sample| [look(0, Some(5), 8), look(10, None, 20), look(20, None, 30), back];
        assert_eq!(resets(&gone(look(30, Some(33), 34))), [(at(30), 5, 30)]);
        assert_eq!(resets(&gone(look(30, Some(30), 34))), [(at(30), 5, 30)]);
        // It began where it was, or somebody set it.
        assert_eq!(resets(&gone(look(30, Some(29), 34))), []);
        assert_eq!(resets(&gone(look(30, None, 34))), []);
        // What retention took was not skipped.
        let mut late = look(30, Some(33), 34);
        late.log_start = 28;
        assert_eq!(resets(&gone(late)), [(at(30), 28, 30)]);
        late.log_start = 30;
        assert_eq!(resets(&gone(late)), []);
        // It never had an offset, or never lost it.
        assert_eq!(resets(&[look(0, None, 8), look(10, Some(20), 20)]), []);
        assert_eq!(resets(&[look(0, Some(5), 8), look(10, Some(20), 20)]), []);
        // Another log.
        assert_eq!(resets(&[look(0, Some(5), 8), look(10, None, 20), look(20, Some(9), 9)]), []);
    }
}
