use chrono::TimeDelta;

use super::age::Age;
use super::sample::{Sample, ago};

/// A forecast of the lag, from the rates between the first and the last sample of the window.
///
/// Rates are means over the window, in offsets a second. A forecast from them is as good as the window is long; it
/// says nothing of a group that pauses.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Trend {
    /// The time between the two samples; above zero.
    pub span: TimeDelta,
    /// How fast messages come.
    pub produced: f64,
    /// How fast the group reads them; zero where it went back.
    pub consumed: f64,
    /// Where the lag goes.
    pub course: Course,
    /// When the topic deletes what the group has not read, from the last sample on; `None` where that is not in
    /// sight. The sooner of two: by how the log's start moves, and by the [retention](super::Settings::retention)
    /// (the age of the oldest unread message grows by `1 − consumed/produced` seconds a second). Kafka deletes by
    /// the segment, so it may be later by a segment.
    pub overrun_in: Option<TimeDelta>,
}

/// Where a lag goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Course {
    /// There is no lag.
    CaughtUp,
    /// It is gone after this time from the last sample on.
    Drains {
        /// How long.
        within: TimeDelta,
    },
    /// It stays as it is.
    Holds,
    /// It grows.
    Grows,
}

impl Trend {
    /// Between the first and the last sample; `None` where one has no commit, or no time lies between.
    pub(super) fn of(first: &Sample, last: &Sample, age: &Age, retention: Option<TimeDelta>) -> Option<Self> {
        let (before, after) = (first.committed?, last.committed?);
        let span = ago(last.at, first.at);
        let seconds = span.as_seconds_f64();
        if seconds <= 0.0 {
            return None;
        }
        let rate = |from: u64, to: u64| to.saturating_sub(from) as f64 / seconds;
        let produced = rate(first.end(), last.end());
        let consumed = rate(before, after);
        let trimmed = rate(first.log_start, last.log_start);
        let lag = last.lag()?;
        let course = match () {
            () if lag == 0 => Course::CaughtUp,
            () if consumed > produced => {
                Course::Drains { within: after_seconds(lag as f64 / (consumed - produced)) }
            }
            () if consumed < produced => Course::Grows,
            () => Course::Holds,
        };
        let by_start = (lag > 0 && trimmed > consumed)
            .then(|| after_seconds(after.saturating_sub(last.log_start) as f64 / (trimmed - consumed)));
        let by_retention = retention.filter(|_| lag > 0 && consumed < produced).map(|retention| {
            let left = retention.checked_sub(&age.estimate).unwrap_or_default().max(TimeDelta::zero());
            after_seconds(left.as_seconds_f64() / (1.0 - consumed / produced))
        });
        let overrun_in = by_start.into_iter().chain(by_retention).min();
        Some(Self { span, produced, consumed, course, overrun_in })
    }
}

/// To the second, held at the longest time there is.
fn after_seconds(seconds: f64) -> TimeDelta {
    // A float goes to an integer by its nearest: there is no wrap.
    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    let whole = seconds.round() as i64;
    TimeDelta::try_seconds(whole).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::Basis;
    use super::*;
    use chrono::DateTime;

    fn sample(second: i64, start: u64, committed: u64, head: u64) -> Sample {
        let at = DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap();
        Sample::new(at, start, head).with_committed(Some(committed))
    }

    fn age(seconds: i64) -> Age {
        let age = TimeDelta::seconds(seconds);
        Age { estimate: age, at_least: age, at_most: Some(age), basis: Basis::Timestamp }
    }

    fn trend(first: Sample, last: Sample) -> Trend {
        Trend::of(&first, &last, &age(100), Some(TimeDelta::seconds(300))).unwrap()
    }

    fn secs(seconds: i64) -> TimeDelta {
        TimeDelta::seconds(seconds)
    }

    #[test]
    fn each_course_has_its_rates() {
        // Ten seconds; 100 messages came.
        for (committed, course) in [
            (200, Course::CaughtUp),
            (150, Course::Drains { within: secs(10) }),
            (100, Course::Holds),
            (99, Course::Grows),
        ] {
            assert_eq!(trend(sample(0, 0, 0, 100), sample(10, 0, committed, 200)).course, course);
        }
        let back = trend(sample(0, 0, 50, 100), sample(10, 0, 40, 100));
        assert_eq!((back.consumed, back.course), (0.0, Course::Holds));
    }

    #[test]
    fn nearing_log_start_shows_an_overrun() {
        // The start moves by 10 a second and the group by 5; 50 are between them.
        let near = trend(sample(0, 0, 100, 200), sample(10, 100, 150, 250));
        assert_eq!((near.course, near.overrun_in), (Course::Holds, Some(secs(10))));
        let away = trend(sample(0, 0, 100, 200), sample(10, 50, 150, 250));
        assert_eq!(away.overrun_in, None);
        // Nothing waits: nothing can be lost.
        let read = trend(sample(0, 0, 200, 200), sample(10, 200, 200, 200));
        assert_eq!((read.course, read.overrun_in), (Course::CaughtUp, None));
    }

    #[test]
    fn an_overrun_is_seen_by_the_retention() {
        // The age, now 100 s of 300, grows by half a second a second.
        let slow = trend(sample(0, 0, 100, 200), sample(10, 0, 150, 300));
        assert_eq!(slow.overrun_in, Some(secs(400)));
        let stands = trend(sample(0, 0, 100, 200), sample(10, 0, 100, 300));
        assert_eq!(stands.overrun_in, Some(secs(200)));
        let late = Trend::of(&sample(0, 0, 1, 9), &sample(10, 0, 1, 20), &age(301), Some(secs(300))).unwrap();
        assert_eq!(late.overrun_in, Some(secs(0)));
        // The sooner of two: the start reaches it after 100/9 s.
        let both = trend(sample(0, 0, 200, 300), sample(10, 100, 210, 900));
        assert_eq!(both.overrun_in, Some(secs(12)));
    }

    #[test]
    fn trend_needs_two_times_and_commits() {
        let (one, none) = (sample(0, 0, 1, 9), sample(10, 0, 1, 9).with_committed(None));
        for (first, last) in [(one, one), (one, none), (none, one)] {
            assert_eq!(Trend::of(&first, &last, &age(0), None), None);
        }
    }
}
