use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use super::sample::{Sample, ago};
use crate::fact::{at_least_in_words, at_most_in_words, duration_in_words};

/// How far behind a group is in time: the age of the oldest message that it has not read, at the last sample.
///
/// `at_least` and `at_most` are sure as far as the samples are right; `estimate` lies between them. For a group that
/// reads committed messages it counts from when the message could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Age {
    /// The best guess, to the millisecond where it is interpolated.
    pub estimate: TimeDelta,
    /// It is not younger.
    pub at_least: TimeDelta,
    /// It is not older; `None` where nothing bounds it.
    pub at_most: Option<TimeDelta>,
    /// How it is known.
    pub basis: Basis,
}

/// How an age is known, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Basis {
    /// The group has read all: the age is zero.
    CaughtUp,
    /// The message's own timestamp, where the heads do not contradict it. As good as the clock that wrote it: the
    /// producer's, or the broker's where the topic has `message.timestamp.type=LogAppendTime`.
    Timestamp,
    /// The head passed the message between two samples; the guess takes it that the head moved evenly.
    Interpolated,
    /// The message is older than every sample: nothing bounds its age above, and the guess is the least.
    BeforeWindow,
}

impl Age {
    /// Of a group that committed an offset; `samples` in the order of time. `seen_by`: when a look, perhaps before the
    /// samples, showed that the offset after it had come.
    pub(super) fn of<'a>(
        mut samples: impl DoubleEndedIterator<Item = &'a Sample> + Clone,
        seen_by: Option<DateTime<Utc>>,
    ) -> Option<Self> {
        let last = *samples.clone().next_back()?;
        let committed = last.committed?;
        if last.lag() == Some(0) {
            return Some(Self::exactly(TimeDelta::zero(), Basis::CaughtUp));
        }
        // A single offset may be a marker, and the message the one after it.
        let message_came = |sample: &&Sample| sample.end() > committed.saturating_add(1);
        let came_by = samples.clone().rev().take_while(message_came).last().map(|sample| sample.at);
        let at_least =
            came_by.into_iter().chain(seen_by).min().map_or_else(TimeDelta::zero, |by| ago(last.at, by));
        let mut after = last;
        let before = loop {
            match samples.next_back() {
                Some(sample) if sample.end() <= committed => break Some(*sample),
                Some(sample) => after = *sample,
                None => break None,
            }
        };
        let at_most = before.map(|before| ago(last.at, before.at).max(at_least));
        if let Some(written) = last.message_at() {
            let age = ago(last.at, written);
            if age >= at_least && at_most.is_none_or(|most| age <= most) {
                return Some(Self::exactly(age, Basis::Timestamp));
            }
        }
        Some(match before.zip(at_most) {
            Some((before, at_most)) => {
                let estimate = Self::between(&before, &after, &last, committed).max(at_least).min(at_most);
                Self { estimate, at_least, at_most: Some(at_most), basis: Basis::Interpolated }
            }
            None => Self { estimate: at_least, at_least, at_most: None, basis: Basis::BeforeWindow },
        })
    }

    const fn exactly(age: TimeDelta, basis: Basis) -> Self {
        Self { estimate: age, at_least: age, at_most: Some(age), basis }
    }

    /// How old the message is if the head moved evenly: it passed the message after `before` and by `after`.
    fn between(before: &Sample, after: &Sample, last: &Sample, committed: u64) -> TimeDelta {
        let moved = u128::from(after.end().saturating_sub(before.end()));
        // Those that came after the message: the head is one beyond the last message that it has.
        let beyond = u128::from(after.end().saturating_sub(committed).saturating_sub(1));
        let apart = ago(after.at, before.at).num_milliseconds().unsigned_abs();
        // At most 2⁶⁴ · 2⁶⁴ / 1, and no more than `apart`.
        let since = u128::from(apart) * beyond / moved.max(1);
        let since = i64::try_from(since).ok().and_then(TimeDelta::try_milliseconds).unwrap_or(TimeDelta::MAX);
        ago(last.at, after.at).checked_add(&since).unwrap_or(TimeDelta::MAX)
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.basis, self.at_most) {
            (Basis::CaughtUp | Basis::Timestamp, _) => f.write_str(&duration_in_words(self.estimate)),
            (_, Some(at_most)) => {
                let (estimate, at_least) =
                    (duration_in_words(self.estimate), at_least_in_words(self.at_least));
                write!(f, "about {estimate}, from {at_least} to {}", at_most_in_words(at_most))
            }
            (_, None) => write!(f, "{} at least", at_least_in_words(self.at_least)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn secs(seconds: i64) -> TimeDelta {
        TimeDelta::seconds(seconds)
    }

    fn age(committed: u64, heads: &[(i64, u64)]) -> Age {
        let samples: Vec<_> = heads
            .iter()
            .map(|(second, head)| Sample::new(at(*second), 0, *head).with_committed(Some(committed)))
            .collect();
        Age::of(samples.iter(), None).unwrap()
    }

    #[test]
    fn head_passed_the_message_between_two_samples() {
        // Offsets 100 to 199 came from second 10 to 20, evenly: offset 109 was the tenth of a hundred.
        let heads = [(0, 100), (10, 100), (20, 200), (60, 300)];
        for (committed, estimate, at_least, at_most) in
            [(109, 49, 40, 50), (199, 40, 0, 50), (149, 45, 40, 50), (200, 39, 0, 40), (299, 0, 0, 40)]
        {
            let age = age(committed, &heads);
            assert_eq!((age.at_least, age.at_most), (secs(at_least), Some(secs(at_most))), "{committed}");
            let off = (age.estimate - secs(estimate)).abs();
            assert!(off < secs(1), "{committed}: {age}");
            assert_eq!(age.basis, Basis::Interpolated);
        }
        assert_eq!(age(109, &heads).estimate, secs(49));
        assert_eq!(age(100, &heads).estimate, TimeDelta::milliseconds(49_900));
    }

    #[test]
    fn age_is_at_least_that_of_the_window() {
        let age = age(98, &[(0, 100), (60, 300)]);
        assert_eq!((age.at_least, age.at_most, age.basis), (secs(60), None, Basis::BeforeWindow));
        assert_eq!(age.to_string(), "1 min at least");
    }

    #[test]
    fn timestamp_is_taken_and_never_from_the_future() {
        let sample = Sample::new(at(60), 0, 10).with_committed(Some(9));
        for (written, expected) in [(20, 40), (60, 0), (70, 0)] {
            let stamped = sample.with_oldest_at(at(written));
            let age = Age::of([&stamped].into_iter(), None).unwrap();
            assert_eq!((age.estimate, age.basis), (secs(expected), Basis::Timestamp));
        }
    }

    #[test]
    fn reader_of_all_waits_for_nothing() {
        for committed in [10, 11] {
            let sample = Sample::new(at(60), 0, 10).with_committed(Some(committed)).with_oldest_at(at(0));
            let age = Age::of([&sample].into_iter(), None).unwrap();
            assert_eq!((age.estimate, age.basis), (secs(0), Basis::CaughtUp));
        }
        assert_eq!(Age::of([&Sample::new(at(60), 0, 10)].into_iter(), None), None);
    }

    #[test]
    fn ends_of_the_calendar_and_of_the_numbers_hold() {
        let (first, last) = (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
        let samples = [
            Sample::new(first, 0, 0).with_committed(Some(0)),
            Sample::new(last, 0, u64::MAX).with_committed(Some(0)),
        ];
        let age = Age::of(samples.iter(), None).unwrap();
        assert!(age.at_least <= age.estimate && Some(age.estimate) <= age.at_most, "{age:?}");
    }
}
