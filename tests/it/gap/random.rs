//! The detector says what the model says, of whatever comes.

use chrono::{DateTime, TimeDelta};
use iot_runbook::gap::{Cadence, GapDetector, Report, Saved, Settings};
use proptest::prelude::*;

use super::model::{self, Row};
use super::streams::{self, SECOND, TICK, at};
use crate::random::cases;

fn run(settings: &Settings, rows: &[Row]) -> GapDetector {
    let mut detector = GapDetector::new(settings.clone()).unwrap();
    for (event, arrival) in rows {
        detector.observe_nanos(*event, *arrival);
    }
    detector
}

fn holds(report: &Report, rows: usize) {
    let counts = &report.counts;
    let kinds = [
        counts.on_time,
        counts.duplicates,
        counts.late,
        counts.stepped_back,
        counts.before,
        counts.after,
        counts.ahead,
    ];
    assert_eq!(kinds.iter().sum::<u64>(), counts.rows);
    assert_eq!(counts.rows, rows as u64);
    for gap in &report.gaps {
        assert_eq!(gap.expected, gap.caught_up() + gap.missing);
        assert!(gap.from < gap.to && gap.expected > 0 && gap.missing <= gap.expected, "{gap:?}");
        assert_eq!(gap.missing, gap.holes.iter().map(|hole| hole.missing).sum::<u64>());
    }
    assert!(report.gaps.is_sorted_by(|a, b| a.to <= b.from));
    assert_eq!(report.expected(), report.present() + report.missing());
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn it_is_the_model(settings in streams::settings(), rows in streams::rows(), until in -10_i64..30_000) {
        let until = until * TICK;
        let report = run(&settings, &rows).finish(at(until));
        prop_assume!(report.counts.unplaced == 0);
        prop_assert_eq!(model::plain(&report), model::judge(&settings, &rows, until));
        holds(&report, rows.len());
    }

    #[test]
    fn slow_series_is_the_model((settings, rows) in streams::slow(), until in -10_i64..30_000) {
        let until = until * TICK * 300;
        let report = run(&settings, &rows).finish(at(until));
        prop_assume!(report.counts.unplaced == 0);
        prop_assert_eq!(model::plain(&report), model::judge(&settings, &rows, until));
        holds(&report, rows.len());
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn restart_after_any_row_changes_nothing(settings in streams::settings(), rows in streams::rows()) {
        let mut through = GapDetector::new(settings).unwrap();
        let mut restarted = through.clone();
        for (event, arrival) in rows {
            prop_assert_eq!(restarted.observe_nanos(event, arrival), through.observe_nanos(event, arrival));
            let text = serde_json::to_string(&restarted.save()).unwrap();
            let saved: Saved = serde_json::from_str(&text).unwrap();
            restarted = GapDetector::restore(&saved).unwrap();
            prop_assert_eq!(&restarted, &through);
        }
    }

    #[test]
    fn a_slice_is_as_row_by_row(settings in streams::settings(), rows in streams::rows(), cut in 0_usize..60) {
        let rows: Vec<Row> = rows.into_iter().map(|(event, _)| (event, None)).collect();
        let events: Vec<i64> = rows.iter().map(|row| row.0).collect();
        let mut detector = GapDetector::new(settings.clone()).unwrap();
        let (before, after) = events.split_at(cut.min(events.len()));
        detector.observe_slice(before);
        detector.observe_slice(after);
        prop_assert_eq!(detector, run(&settings, &rows));
    }

    #[test]
    fn a_report_is_written_and_read(settings in streams::settings(), rows in streams::rows()) {
        let report = run(&settings, &rows).report(at(9_000 * TICK));
        let text = serde_json::to_string(&report).unwrap();
        prop_assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
        let text = serde_json::to_string(&settings).unwrap();
        prop_assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
    }

    #[test]
    fn no_row_breaks_it(
        settings in streams::settings(),
        rows in streams::unkind(),
        start in prop::sample::select(&[i64::MIN + 1, 0, i64::MAX][..]),
        until in any::<i64>(),
        nanosecond in any::<bool>(),
    ) {
        let mut settings = settings;
        (settings.start, settings.end) = (at(start), None);
        if nanosecond {
            settings.cadence.every = TimeDelta::nanoseconds(1);
        }
        let detector = run(&settings, &rows);
        prop_assert_eq!(&GapDetector::restore(&detector.save()).unwrap(), &detector);
        for until in [at(until), at(i64::MIN), at(i64::MAX), DateTime::UNIX_EPOCH] {
            holds(&detector.report(until), rows.len());
        }
    }

    #[test]
    fn gaps_that_are_not_listed_are_counted(
        settings in streams::settings(),
        mut rows in streams::rows(),
        most in 1_usize..5,
    ) {
        // In order there are no late rows, which an unlisted gap would not take.
        rows.iter_mut().for_each(|row| row.1 = None);
        rows.sort_unstable();
        let all = run(&settings, &rows).report(at(30_000 * TICK));
        let few = run(&settings.with_max_gaps(most), &rows).report(at(30_000 * TICK));
        prop_assert!(few.gaps.len() <= most + 1);
        prop_assert_eq!((few.expected(), few.missing()), (all.expected(), all.missing()));
        prop_assert_eq!(few.unlisted.gaps as usize + few.gaps.len(), all.gaps.len());
        prop_assert_eq!(&few.gaps[..], &all.gaps[all.gaps.len() - few.gaps.len()..]);
    }

    #[test]
    fn gaps_that_are_taken_are_those_of_the_report(
        settings in streams::settings(),
        rows in streams::rows(),
        until in 0_i64..9_000,
    ) {
        let mut detector = run(&settings, &rows);
        let whole = detector.report(at(0));
        let (rows, all) = ((whole.expected(), whole.missing()), whole.gaps);
        let mut taken = detector.take_gaps(at(until * TICK));
        prop_assert!(taken.iter().all(|gap| gap.to <= at(until * TICK)));
        prop_assert_eq!(&GapDetector::restore(&detector.save()).unwrap(), &detector);
        // What was taken is counted all the same.
        let after = detector.report(at(0));
        prop_assert_eq!((after.expected(), after.missing()), rows);
        prop_assert_eq!(after.unlisted.gaps as usize, taken.len());
        let left = after.gaps;
        prop_assert!(left.iter().all(|gap| gap.to > at(until * TICK)));
        taken.extend(left);
        prop_assert_eq!(taken, all);
    }
}

#[test]
fn streams_reach_what_they_are_to_test() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut gaps, mut caught_up, mut zones, mut others, mut open, mut reordered) = (0, 0, 0, 0, 0, 0);
    for _ in 0..2_000 {
        let settings = streams::settings().new_tree(&mut runner).unwrap().current();
        let rows = streams::rows().new_tree(&mut runner).unwrap().current();
        let report = run(&settings, &rows).finish(at(15_000 * SECOND));
        gaps += report.gaps.len();
        caught_up += report.gaps.iter().filter(|gap| gap.caught_up() > 0 && gap.missing > 0).count();
        open += report.gaps.iter().filter(|gap| gap.is_open()).count();
        zones += report.rewinds.iter().filter(|rewind| rewind.zone.is_some()).count();
        others += report.rewinds.iter().filter(|rewind| rewind.zone.is_none()).count();
        reordered += report.counts.reordered;
    }
    let (mut slow_zones, mut short, mut replays) = (0, 0, 0);
    for _ in 0..2_000 {
        let (settings, rows) = streams::slow().new_tree(&mut runner).unwrap().current();
        let report = run(&settings, &rows).finish(at(15_000 * SECOND * 300));
        let zones = report.rewinds.iter().filter(|rewind| rewind.zone.is_some());
        slow_zones += zones.clone().count();
        short += zones.filter(|rewind| rewind.rows < 3).count();
        replays += report.rewinds.iter().filter(|rewind| rewind.zone.is_none()).count();
    }
    let reached = [gaps, caught_up, zones, others, open, reordered as usize, slow_zones, short, replays];
    assert!(reached.iter().all(|count| *count > 30), "{reached:?}");
}

/// Found by a fresh seed: a row that a replay had brought, and that its report counted, was lost with the gap it fills.
#[test]
fn row_of_a_replay_is_in_the_gap_that_is_taken() {
    let settings = Settings::live(Cadence::every(TimeDelta::seconds(1)), at(0)).with_reorder_rows(1);
    let mut rows: Vec<Row> = (0..7).map(|i| ((1_540 + 4 * i) * SECOND, None)).collect();
    rows.iter_mut().for_each(|row| row.1 = Some(row.0));
    for (event, arrival) in [(-471, 3_129), (-470, 3_130), (-469, 3_131), (0, 3_131)] {
        rows.push((event * SECOND / 2, Some(arrival * SECOND / 2)));
    }
    let mut detector = run(&settings, &rows);
    let before = detector.report(at(0));
    let taken = detector.take_gaps(at(1_540 * SECOND));
    let after = detector.report(at(0));
    assert_eq!((after.expected(), after.missing()), (before.expected(), before.missing()));
    assert_eq!(taken[0], before.gaps[0]);
}
