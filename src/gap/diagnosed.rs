//! A gap as what a `data-gap` diagnosis begins with.

use chrono::{DateTime, Utc};

use super::report::Gap;
use super::sessions::Sessions;
use crate::subject::{Subject, Trigger};

impl Gap {
    /// Returns whom a `data-gap` diagnosis of this gap is about: the subject, with the gap as its period.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta, Utc};
    /// use iot_runbook::gap::{Cadence, GapDetector, Settings};
    /// use iot_runbook::subject::Subject;
    ///
    /// let at = |second| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(second);
    /// let mut detector = GapDetector::new(Settings::live(Cadence::every(TimeDelta::seconds(10)), at(0)))?;
    /// for second in [0, 10, 20, 80] {
    ///     detector.observe(at(second), at(second));
    /// }
    /// let report = detector.report(at(80));
    /// let subject = report.gaps[0].subject(&Subject::device("press-07").with_tag("pressure"));
    /// assert_eq!(subject.period.map(|period| (period.start(), period.end())), Some((at(20), at(80))));
    /// let trigger = report.gaps[0].trigger(at(80));
    /// assert!(trigger.text.ends_with("5 of 5 rows missing"));
    /// # Ok::<(), iot_runbook::gap::SettingsError>(())
    /// ```
    #[must_use]
    pub fn subject(&self, subject: &Subject) -> Subject {
        subject.clone().with_period(self.period())
    }

    /// Returns the same for each part of the gap with another presence of the device in which rows are missing, as the
    /// conclusion `split-by-presence` asks for. Empty if no row is missing.
    #[must_use]
    pub fn part_subjects(&self, subject: &Subject, sessions: &Sessions) -> Vec<Subject> {
        let parts = self.split(sessions).into_iter().filter(|part| part.missing > 0);
        parts.map(|part| subject.clone().with_period(part.period)).collect()
    }

    /// Returns what began the diagnosis: the gap in words, and when the platform saw it.
    #[must_use]
    pub fn trigger(&self, seen_at: DateTime<Utc>) -> Trigger {
        Trigger::new(self.to_string(), seen_at)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::gap::{Cadence, GapDetector, Report, Settings};
    use crate::time::Period;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn period(from: i64, to: i64) -> Period {
        Period::new(at(from), at(to)).unwrap()
    }

    fn report(late: &[i64]) -> Report {
        let settings = Settings::over(Cadence::every(TimeDelta::seconds(10)), period(0, 200));
        let mut detector = GapDetector::new(settings.with_late_after(TimeDelta::seconds(30))).unwrap();
        for event in [0, 100, 110, 190] {
            detector.observe(at(event), at(event));
        }
        for event in late {
            detector.observe(at(*event), at(300));
        }
        detector.finish(at(300))
    }

    #[test]
    fn each_part_with_missing_rows_is_a_subject() {
        let sessions = Sessions::new(period(-100, 300), [period(-100, 40), period(70, 300)]);
        let device = Subject::device("press-07");
        let parts = |report: &Report| {
            let subjects = report.gaps[0].part_subjects(&device, &sessions);
            subjects.into_iter().map(|subject| subject.period.unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(parts(&report(&[])), [period(0, 40), period(40, 70), period(70, 100)]);
        // What was kept while it was offline came later.
        assert_eq!(parts(&report(&[40, 50, 60, 70])), [period(0, 40), period(70, 100)]);
        assert_eq!(parts(&report(&[10, 20, 30, 40, 50, 60, 70, 80, 90])), []);
    }
}
