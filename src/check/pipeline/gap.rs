use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use crate::gap::{Gap, Report, Sessions};
use crate::probe::Rows;
use crate::subject::{Subject, Trigger};

/// Whom a `data-gap` diagnosis of a gap is about: the subject, with the gap as its period.
///
/// ```
/// use chrono::{DateTime, TimeDelta, Utc};
/// use iot_runbook::check::{gap_subject, gap_trigger};
/// use iot_runbook::gap::{Cadence, GapDetector, Settings};
/// use iot_runbook::subject::Subject;
///
/// let at = |second| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(second);
/// let mut detector = GapDetector::new(Settings::live(Cadence::every(TimeDelta::seconds(10)), at(0)))?;
/// for second in [0, 10, 20, 80] {
///     detector.observe(at(second), at(second));
/// }
/// let report = detector.report(at(80));
/// let subject = gap_subject(&report.gaps[0], &Subject::device("press-07").with_tag("pressure"));
/// assert_eq!(subject.period.map(|period| (period.start(), period.end())), Some((at(20), at(80))));
/// let trigger = gap_trigger(&report.gaps[0], at(80));
/// assert!(trigger.text.ends_with("5 of 5 rows missing"));
/// # Ok::<(), iot_runbook::gap::SettingsError>(())
/// ```
#[must_use]
pub fn gap_subject(gap: &Gap, subject: &Subject) -> Subject {
    subject.clone().with_period(gap.period())
}

/// The same for each part of the gap with another presence of the device, where rows are missing in it: what the
/// conclusion `split-by-presence` asks for. None where no row is missing.
#[must_use]
pub fn gap_part_subjects(gap: &Gap, subject: &Subject, sessions: &Sessions) -> Vec<Subject> {
    let parts = gap.split(sessions).into_iter().filter(|part| part.missing > 0);
    parts.map(|part| subject.clone().with_period(part.period)).collect()
}

/// What began a `data-gap` diagnosis: the gap in words, and when the platform saw it.
#[must_use]
pub fn gap_trigger(gap: &Gap, seen_at: DateTime<Utc>) -> Trigger {
    let mut text = String::with_capacity(128);
    // Writing to a String cannot fail.
    let _ = write!(text, "{gap}");
    Trigger::new(text, seen_at)
}

/// The rows of a detector's period, as the answer of a [`TelemetryProbe`](crate::probe::TelemetryProbe).
#[must_use]
pub fn gap_rows(report: &Report, observed_at: DateTime<Utc>) -> Rows {
    Rows::new(observed_at, report.expected(), report.present())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{at, period, secs};
    use crate::gap::{Cadence, GapDetector, Settings};

    fn report(late: &[i64]) -> Report {
        let settings = Settings::over(Cadence::every(secs(10)), period(0, 200));
        let mut detector = GapDetector::new(settings.with_late_after(secs(30))).unwrap();
        [0, 100, 110, 190].iter().for_each(|event| assert_eq!(push(&mut detector, *event, *event), ()));
        late.iter().for_each(|event| push(&mut detector, *event, 300));
        detector.finish(at(300))
    }

    fn push(detector: &mut GapDetector, event: i64, arrival: i64) {
        detector.observe(at(event), at(arrival));
    }

    #[test]
    fn each_part_in_which_rows_are_missing_is_a_subject() {
        let sessions = Sessions::new(period(-100, 300), [period(-100, 40), period(70, 300)]);
        let device = Subject::device("press-07");
        let parts = |report: &Report| {
            let subjects = gap_part_subjects(&report.gaps[0], &device, &sessions);
            subjects.into_iter().map(|subject| subject.period.unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(parts(&report(&[])), [period(0, 40), period(40, 70), period(70, 100)]);
        // What was kept while it was offline came later.
        assert_eq!(parts(&report(&[40, 50, 60, 70])), [period(0, 40), period(70, 100)]);
        assert_eq!(parts(&report(&[10, 20, 30, 40, 50, 60, 70, 80, 90])), []);
    }

    #[test]
    fn the_rows_of_the_period_are_told() {
        let rows = gap_rows(&report(&[10, 20]), at(301));
        assert_eq!((rows.expected, rows.present, rows.missing()), (20, 6, 14));
    }
}
