//! Cases as a person would write them down: seconds in, gaps out.

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::time::Period;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(second * 1_000_000_000)
}

fn secs(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds)
}

fn ten() -> Cadence {
    Cadence::every(secs(10))
}

/// Of a period of 100 s.
fn over(cadence: Cadence) -> Settings {
    Settings::over(cadence, Period::new(at(0), at(100)).unwrap())
}

fn detect(settings: &Settings, events: &[i64], until: i64) -> Report {
    let mut detector = GapDetector::new(settings.clone()).unwrap();
    for event in events {
        detector.observe_event(at(*event));
    }
    detector.finish(at(until))
}

/// From, to, expected, missing.
fn gaps(report: &Report) -> Vec<(i64, i64, u64, u64)> {
    report
        .gaps
        .iter()
        .map(|gap| (gap.from.timestamp(), gap.to.timestamp(), gap.expected, gap.missing))
        .collect()
}

#[test]
fn gaps_are_where_the_promise_is_broken() {
    let heartbeat = ten().with_heartbeat(secs(20));
    let exact = ten().with_tolerance(secs(0));
    type Gaps<'a> = &'a [(i64, i64, u64, u64)];
    let table: &[(&str, Cadence, &[i64], Gaps<'_>)] = &[
        ("all there", ten(), &[0, 10, 20, 30, 40, 50, 60, 70, 80, 90], &[]),
        ("all there, in another phase", ten(), &[9, 19, 29, 39, 49, 59, 69, 79, 89, 99], &[]),
        ("none there", ten(), &[], &[(0, 100, 10, 10)]),
        ("a leading gap", ten(), &[50, 60, 70, 80, 90], &[(0, 50, 5, 5)]),
        ("a trailing gap", ten(), &[0, 10, 20, 30, 40], &[(40, 100, 5, 5)]),
        ("one in the middle", ten(), &[0, 10, 20, 70, 80, 90], &[(20, 70, 4, 4)]),
        ("a single row missing", ten(), &[0, 10, 30, 40, 50, 60, 70, 80, 90], &[(10, 30, 1, 1)]),
        ("half a period late is tolerated", ten(), &[0, 15, 30, 45, 60, 75, 90], &[]),
        ("a second more is not", ten(), &[0, 16, 30, 45, 60, 75, 90], &[(0, 16, 1, 1)]),
        ("no tolerance", exact, &[0, 10, 21, 31, 41, 51, 61, 71, 81, 91], &[(10, 21, 1, 1)]),
        ("a heartbeat and a period", heartbeat, &[0, 30, 65, 95], &[]),
        ("a silence longer than both", heartbeat, &[0, 30, 66, 96], &[(30, 66, 1, 1)]),
        ("one row alone", ten(), &[40], &[(0, 40, 4, 4), (40, 100, 5, 5)]),
        ("swapped rows", ten(), &[0, 20, 10, 30, 40, 50, 70, 60, 80, 90], &[]),
        ("rows out of the period", ten(), &[-10, 0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 200], &[]),
    ];
    for (name, cadence, events, expected) in table {
        assert_eq!(gaps(&detect(&over(*cadence), events, 100)), *expected, "{name}");
    }
}

#[test]
fn day_without_a_row_misses_all_of_its_rows() {
    let day = Period::new(at(0), at(86_400)).unwrap();
    let report = detect(&Settings::over(Cadence::every(secs(60)), day), &[], 86_400);
    assert_eq!((report.expected(), report.missing()), (1_440, 1_440));
    assert_eq!((report.gaps[0].begins, report.gaps[0].ends), (Begin::Period, End::Period));
}

#[test]
fn last_gap_is_open_until_a_row_comes() {
    let live = Settings::live(ten(), at(0));
    assert!(detect(&live, &[0, 10, 20], 35).gaps.is_empty());
    let open = detect(&live, &[0, 10, 20], 36).gaps.remove(0);
    assert!(open.is_open() && open.begins == Begin::Row);
    assert_eq!(
        open.to_string(),
        "gap of 16 s from 1970-01-01 00:00:20 UTC to 1970-01-01 00:00:36 UTC, still open: 1 of 1 rows missing"
    );
    let closed = detect(&live, &[0, 10, 20, 60], 61).gaps.remove(0);
    assert!(!closed.is_open() && closed.ends == End::Row);
    // Before the end of a period it is open too.
    assert!(detect(&over(ten()), &[0], 60).gaps[0].is_open());
    assert!(!detect(&over(ten()), &[0], 100).gaps[0].is_open());
}

#[test]
fn gap_that_was_taken_is_missed_all_the_same() {
    let mut detector = GapDetector::new(Settings::live(ten(), at(0))).unwrap();
    for event in [0, 10, 60, 70, 120] {
        detector.observe_event(at(event));
    }
    assert_eq!(detector.take_gaps(at(60)).len(), 1);
    let report = detector.report(at(120));
    assert_eq!((report.expected(), report.present(), report.missing()), (13, 5, 8));
    assert_eq!((report.unlisted.gaps, report.unlisted.missing), (1, 4));
}

#[test]
fn deadband_without_heartbeat_is_suspected() {
    for (cadence, suspected) in [
        (ten(), false),
        (ten().with_deadband(), true),
        (ten().with_deadband().with_heartbeat(secs(5)), false),
        (ten().with_heartbeat(secs(5)), false),
    ] {
        assert_eq!(detect(&over(cadence), &[0], 100).gaps[0].suspected, suspected, "{cadence:?}");
    }
}

#[test]
fn catch_up_is_not_missing_in_any_order() {
    let settings = over(ten()).with_late_after(secs(60));
    let mut rows =
        vec![(0, 0), (10, 10), (70, 70), (80, 80), (90, 90), (20, 95), (30, 95), (50, 95), (50, 96)];
    let expected = [(10, 70, 5, 2)];
    let holes = [(30, 50, 1), (50, 70, 1)];
    for sorted in [false, true] {
        if sorted {
            rows.sort_unstable();
        }
        let mut detector = GapDetector::new(settings.clone()).unwrap();
        for (event, arrival) in &rows {
            detector.observe(at(*event), at(*arrival));
        }
        let report = detector.finish(at(100));
        // In order of events, what is not 60 s late is on time.
        let expected: &[_] = if sorted { &[(10, 50, 3, 1), (50, 70, 1, 1)] } else { &expected };
        assert_eq!(gaps(&report), expected);
        if !sorted {
            let told: Vec<_> =
                report.gaps[0].holes.iter().map(|hole| (hole.from, hole.to, hole.missing)).collect();
            assert_eq!(told, holes.map(|(from, to, missing)| (at(from), at(to), missing)));
            assert_eq!((report.counts.late, report.gaps[0].caught_up()), (4, 3));
        }
    }
}

#[test]
fn every_row_has_a_verdict() {
    let settings = over(ten()).with_late_after(secs(30)).with_ahead(secs(50)).with_reorder_rows(2);
    let mut detector = GapDetector::new(settings).unwrap();
    let table = [
        (-1, -1, Verdict::Before),
        (0, 0, Verdict::OnTime),
        (0, 0, Verdict::Duplicate),
        (8, 8, Verdict::OnTime),
        (4, 8, Verdict::Reordered),
        (0, 8, Verdict::Late),
        (12, 43, Verdict::Late),
        (12, 42, Verdict::OnTime),
        (2, 12, Verdict::Late),
        (99, 49, Verdict::OnTime),
        (99, 48, Verdict::Ahead),
        (100, 99, Verdict::After),
        (i64::MAX / 1_000_000_000, 99, Verdict::Ahead),
        (88, 99, Verdict::Late),
        (89, 99, Verdict::Reordered),
        (89, 99, Verdict::Duplicate),
        (-20, 99, Verdict::Before),
    ];
    for (event, arrival, verdict) in table {
        assert_eq!(detector.observe(at(event), at(arrival)), verdict, "{event} {arrival}");
    }
    let report = detector.finish(at(100));
    assert!(report.counts.are_whole());
    assert_eq!(report.furthest_ahead, Some(at(i64::MAX / 1_000_000_000)));
    assert_eq!((report.first, report.last), (Some(at(0)), Some(at(99))));
}

const HOUR: i64 = 3_600;

/// In autumn a device that sends local time for UTC goes through an hour twice.
#[test]
fn hour_that_comes_twice_is_a_rewind_and_no_gap() {
    let settings = Settings::live(ten(), at(0));
    let events: Vec<_> = (0..HOUR).chain(0..2 * HOUR).step_by(10).collect();
    let report = detect(&settings, &events, 2 * HOUR);
    assert_eq!(gaps(&report), []);
    let [rewind] = &report.rewinds[..] else { panic!("{:?}", report.rewinds) };
    assert_eq!((rewind.from, rewind.to, rewind.last), (at(HOUR - 10), at(0), at(HOUR - 10)));
    assert_eq!((rewind.rows, rewind.zone), (360, Some(secs(HOUR))));
    assert_eq!(rewind.by(), secs(HOUR - 10));
    let counts = report.counts;
    assert_eq!((counts.on_time, counts.stepped_back, counts.duplicates, counts.late), (720, 360, 0, 0));
}

#[test]
fn clock_that_is_set_right_again_leaves_no_gap() {
    let settings = Settings::live(ten(), at(0));
    // Set back by an hour, and right again after twenty minutes.
    let events: Vec<_> =
        (0..2 * HOUR).chain(HOUR..HOUR + 1_200).chain(2 * HOUR + 1_200..3 * HOUR).step_by(10).collect();
    let report = detect(&settings, &events, 3 * HOUR);
    assert_eq!((gaps(&report), report.rewinds.len()), (vec![], 1));
    // The stream ends while it is wrong.
    let report = detect(&settings, &events[..720 + 60], 2 * HOUR + 600);
    assert_eq!((gaps(&report), report.rewinds.len()), (vec![], 1));
    let report = detect(&settings, &events[..720 + 60], 2 * HOUR + 660);
    assert_eq!(gaps(&report), [(2 * HOUR + 590, 2 * HOUR + 660, 6, 6)]);
}

#[test]
fn clock_set_back_fills_no_gap() {
    let settings = Settings::live(ten(), at(0));
    let events: Vec<_> = (0..1_000).chain(2_000..HOUR).chain(0..2 * HOUR).step_by(10).collect();
    assert_eq!(gaps(&detect(&settings, &events, 2 * HOUR)), [(990, 2_000, 100, 100)]);
    // A replay does: what it begins with had arrived.
    let events: Vec<_> = (0..1_000).chain(2_000..HOUR).chain(900..2_000).step_by(10).collect();
    let report = detect(&settings, &events, HOUR);
    assert_eq!(gaps(&report), [(990, 2_000, 100, 0)]);
    assert_eq!((report.rewinds[0].rows, report.rewinds[0].zone), (10, None));
}

#[test]
fn a_stray_copy_is_late_and_no_rewind() {
    let settings = Settings::live(ten(), at(0));
    let report = detect(&settings, &[0, 10, 20, 30, 40, 50, 0, 10, 60, 20], 60);
    assert_eq!((report.counts.late, report.counts.stepped_back, report.rewinds), (3, 0, vec![]));
    let report = detect(&settings, &[0, 10, 20, 30, 40, 50, 0, 10, 20, 60], 60);
    assert_eq!((report.counts.late, report.counts.stepped_back, report.rewinds.len()), (0, 3, 1));
}

#[test]
fn reset_clock_before_period_is_reported() {
    let settings = Settings::live(ten(), at(1_000_000));
    let report = detect(&settings, &[1_000_000, 1_000_010, 0, 10, 20, 30, 1_000_060], 1_000_060);
    assert_eq!((report.counts.before, report.counts.stepped_back), (0, 4));
    assert_eq!((report.rewinds[0].to, report.rewinds[0].zone), (at(0), None));
    assert_eq!(gaps(&report), [(1_000_010, 1_000_060, 4, 4)]);
}

#[test]
fn bad_settings_are_refused_with_remedy() {
    let table = [
        (over(Cadence::every(secs(0))), "`cadence.every` is 0s: give more than zero"),
        (over(Cadence::every(TimeDelta::MAX)), "`cadence.every` is"),
        (over(ten().with_heartbeat(secs(-1))), "`cadence.heartbeat` is -1s: give more than zero"),
        (over(ten().with_tolerance(secs(-1))), "`cadence.tolerance` is -1s: give zero or more"),
        (over(ten()).with_late_after(secs(-1)), "`late_after` is -1s"),
        (over(ten()).with_ahead(secs(-1)), "`ahead` is -1s"),
        (over(ten()).with_reorder_within(secs(900)), "`reorder_within` is 15m: give less than 15 minutes"),
        (over(ten()).with_reorder_rows(0), "`reorder_rows` is 0: give 1 to 1048576"),
        (over(ten()).with_max_gaps(1_048_577), "`max_gaps` is 1048577: give 1 to 1048576"),
        (Settings::live(ten(), DateTime::<Utc>::MIN_UTC), "`start` is"),
        (Settings { end: Some(at(-1)), ..over(ten()) }, "the period ends at 1969-12-31 23:59:59 UTC, before"),
    ];
    for (settings, expected) in table {
        let error = GapDetector::new(settings).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    assert!(GapDetector::new(over(ten()).with_reorder_within(secs(899))).is_ok());
}

#[test]
fn state_that_no_detector_leaves_is_refused() {
    let mut detector = GapDetector::new(over(ten())).unwrap();
    for event in [0, 10, 50, 90, 20, 25, 0, 1, 2] {
        detector.observe_event(at(event));
    }
    let whole = serde_json::to_value(detector.save()).unwrap();
    let restore = |value: serde_json::Value| {
        GapDetector::restore(&serde_json::from_value(value).unwrap()).map_err(|error| error.to_string())
    };
    assert_eq!(restore(whole.clone()), Ok(detector));
    let second = 1_000_000_000_i64;
    let table = [
        ("/version", serde_json::json!(1), "saved state has version 1, but this library reads version 2"),
        ("/settings/max_gaps", serde_json::json!(0), "saved state has invalid settings"),
        ("/newest", serde_json::json!(null), "`newest`"),
        ("/newest", serde_json::json!(100 * second), "`newest`"),
        ("/first", serde_json::json!(null), "`newest`"),
        ("/first", serde_json::json!(91 * second), "`first`"),
        ("/recent", serde_json::json!([]), "`recent`"),
        ("/recent", serde_json::json!([50 * second, 10 * second, 90 * second]), "`recent`"),
        ("/recent_forgotten", serde_json::json!(0), "`recent`"),
        ("/silences/0/from", serde_json::json!(-2), "`silences`"),
        ("/silences/0/to", serde_json::json!(10 * second + 1), "`silences`"),
        ("/silences/0/to", serde_json::json!(51 * second), "`silences`"),
        ("/silences/0/runs/0/to", serde_json::json!(51 * second), "`silences`"),
        ("/silences/1/to", serde_json::json!(91 * second), "`silences`"),
        ("/silences_forgotten", serde_json::json!(11 * second), "`silences`"),
        ("/tail", serde_json::json!([{ "from": 0, "to": 1 }]), "`tail`"),
        ("/running/from", serde_json::json!(50 * second), "`running`"),
        ("/running/last", serde_json::json!(-second), "`running`"),
        ("/counts/late", serde_json::json!(7), "`counts`"),
        ("/counts/rows", serde_json::json!(u64::MAX), "`counts`"),
    ];
    for (field, value, expected) in table {
        let mut broken = whole.clone();
        *broken.pointer_mut(field).unwrap_or_else(|| panic!("{field} in {whole}")) = value;
        let error = restore(broken).unwrap_err();
        let expected = expected
            .strip_prefix('`')
            .map_or(expected.to_owned(), |rest| format!("saved state is corrupt: invalid `{rest}"));
        assert!(error.starts_with(&expected), "{field}: {error}");
    }
}

#[test]
fn early_report_goes_up_to_newest_row() {
    let mut detector = GapDetector::new(Settings::live(ten(), at(0))).unwrap();
    for second in [0, 10, 60] {
        detector.observe(at(second), at(second));
    }
    let report = detector.report(at(5));
    assert_eq!(report.period.end(), at(60));
    assert_eq!(gaps(&report), [(10, 60, 4, 4)]);
    assert_eq!((report.expected(), report.present(), report.missing()), (7, 3, 4));
}

#[test]
fn late_rows_far_apart_are_placed() {
    let mut detector = GapDetector::new(Settings::live(ten(), at(0))).unwrap();
    detector.observe(at(0), at(0));
    detector.observe(at(100_000_000), at(100_000_000));
    // Each is alone, far from the next; in an order that is neither forward nor backward.
    for run in 1..=4_100 {
        detector.observe(at(run * 1_237 % 4_127 * 1_000 + 1_000), at(100_000_001));
    }
    let report = detector.report(at(100_000_000));
    assert_eq!((report.counts.late, report.counts.unplaced), (4_100, 4));
    let gap = &report.gaps[0];
    assert_eq!((gap.expected, gap.caught_up(), gap.unplaced), (9_999_999, 4_096, 4));
    assert!(gap.to_string().ends_with("4096 came late, up to 4 more came late and are not placed"), "{gap}");
    assert_eq!(GapDetector::restore(&detector.save()).unwrap(), detector);
}

#[test]
fn runs_of_late_rows_are_shared_by_all_gaps() {
    let mut detector = GapDetector::new(Settings::live(ten(), at(0)).with_max_gaps(100)).unwrap();
    (0..=2).for_each(|day| drop_verdict(detector.observe(at(day * 10_000_000), at(day * 10_000_000))));
    for row in 1..=5_000 {
        detector.observe(at(row * 1_000), at(20_000_001));
        detector.observe(at(10_000_000 + row * 1_000), at(20_000_001));
    }
    let unplaced = |detector: &GapDetector| -> Vec<_> {
        detector.report(at(20_000_000)).gaps.iter().map(|gap| gap.unplaced).collect()
    };
    // 6 400 runs in all, of 10 000 rows.
    assert_eq!(unplaced(&detector), [1_800, 1_800]);
    // What is handed over makes room.
    assert_eq!(detector.take_gaps(at(10_000_000)).len(), 1);
    (0..896).for_each(|row| drop_verdict(detector.observe(at(16_000_000 + row * 1_000), at(20_000_001))));
    assert_eq!(unplaced(&detector), [1_800]);
    assert_eq!(detector.counts().unplaced, 3_600);
}

fn drop_verdict(_: Verdict) {}

/// Rows each 1.059 s, their times in whole seconds.
fn rounded(rows: i64) -> Vec<i64> {
    (0..rows).map(|row| row * 1_059 / 1_000).collect()
}

#[test]
fn stamps_coarser_than_the_cadence_make_no_gap() {
    let rows = rounded(10_000);
    let last = *rows.last().unwrap();
    let cadence = Cadence::every(TimeDelta::milliseconds(1_059));
    let mut estimator = CadenceEstimator::new();
    rows.iter().for_each(|row| estimator.observe_event(at(*row)));
    let banded = Cadence::every(TimeDelta::milliseconds(100)).with_heartbeat(TimeDelta::milliseconds(959));
    for cadence in [
        cadence,
        estimator.estimate().unwrap().cadence(),
        cadence.with_tolerance(secs(0)),
        cadence.with_tolerance(TimeDelta::milliseconds(600)),
        banded,
    ] {
        let settings = Settings::over(cadence, Period::new(at(0), at(last + 2)).unwrap());
        assert_eq!(gaps(&detect(&settings, &rows, last + 2)), [], "{cadence:?}");
        // Three seconds are a gap, two may be none.
        let mut fewer = rows.clone();
        fewer.drain(5_000..5_002);
        assert_eq!(detect(&settings, &fewer, last + 2).gaps.len(), 1, "{cadence:?}");
    }
    // Between rows with finer stamps two seconds are too long.
    let settings = Settings::live(cadence, at(0));
    let mut detector = GapDetector::new(settings).unwrap();
    [1_500, 3_500].iter().for_each(|ms| drop_verdict(detector.observe_nanos(ms * 1_000_000, None)));
    assert_eq!(detector.report(at(4)).gaps.len(), 1);
}

#[test]
fn one_missing_whole_second_is_found() {
    let settings = Settings::live(Cadence::every(secs(1)), at(0));
    let rows: Vec<_> = (0..100).filter(|second| second % 10 != 7).collect();
    assert_eq!(detect(&settings, &rows, 99).missing(), 10);
}

/// How the local times of a device go that sends them for UTC.
fn local(every: i64, rows: i64, step_at: i64, by: i64) -> Vec<(i64, i64)> {
    let time = |row: i64| (row * every + if row * every >= step_at { by } else { 0 }, row * every);
    (0..rows).map(time).collect()
}

#[test]
fn summer_time_is_named_in_spring_and_autumn() {
    for every in [1, 10, 60, 199, 200, 201, 300, 600, 900, 1_200, 1_800, 2_700, HOUR] {
        for (by, with_arrivals) in [(HOUR, false), (-HOUR, false), (HOUR, true), (-HOUR, true)] {
            let name = format!("every {every} by {by} {with_arrivals}");
            let rows = local(every, 30 * HOUR / every, 10 * HOUR, by);
            let mut detector = GapDetector::new(Settings::live(Cadence::every(secs(every)), at(0))).unwrap();
            for (event, arrival) in &rows {
                // Seen from UTC the device is an hour ahead at most.
                let arrival = with_arrivals.then_some(*arrival * 1_000_000_000);
                detector.observe_nanos(*event * 1_000_000_000, arrival);
            }
            let report = detector.report(at(rows.last().unwrap().0));
            let steps: Vec<_> = report.zone_steps().iter().map(|step| step.by).collect();
            assert_eq!(steps, [secs(by)], "{name}: {report:?}");
            assert_eq!((report.counts.duplicates, report.counts.late), (0, 0), "{name}");
            if by < 0 {
                assert_eq!(report.gaps, [], "{name}");
                assert!(
                    report.rewinds[0]
                        .to_string()
                        .ends_with("clock set back by 1 h, as at a change of time zone")
                );
            } else {
                assert_eq!(report.gaps.len(), 1, "{name}");
                assert!(report.gaps[0].to_string().ends_with("; a clock set forward by 1 h looks the same"));
            }
        }
    }
}

#[test]
fn outage_after_a_repeated_hour_is_a_gap() {
    let hourly = Settings::live(Cadence::every(secs(HOUR)), at(0));
    let report = detect(&hourly, &[0, HOUR, 2 * HOUR, 2 * HOUR, 4 * HOUR], 4 * HOUR);
    assert_eq!((gaps(&report), report.rewinds.len()), (vec![(2 * HOUR, 4 * HOUR, 1, 1)], 1));
    let settings = Settings::live(ten(), at(0));
    let events: Vec<_> = (0..HOUR).chain(0..HOUR).chain(3 * HOUR..4 * HOUR).step_by(10).collect();
    assert_eq!(gaps(&detect(&settings, &events, 4 * HOUR)), [(HOUR - 10, 3 * HOUR, 720, 720)]);
}

#[test]
fn arrivals_refute_a_zone_step() {
    // An outage of an hour: the next row arrives an hour later.
    let mut detector = GapDetector::new(Settings::live(ten(), at(0))).unwrap();
    for second in (0..1_000).chain(1_000 + HOUR..1_000 + 2 * HOUR).step_by(10) {
        detector.observe(at(second), at(second + 1));
    }
    let report = detector.report(at(1_000 + 2 * HOUR));
    assert_eq!((report.missing(), report.zone_steps()), (360, vec![]));
    // An hourly row that is delivered twice.
    let hourly = Settings::live(Cadence::every(secs(HOUR)), at(0));
    for (again, verdict, steps) in [(60, Verdict::Duplicate, 0), (HOUR, Verdict::SteppedBack, 1)] {
        let mut detector = GapDetector::new(hourly.clone()).unwrap();
        (0..3).for_each(|hour| drop_verdict(detector.observe(at(hour * HOUR), at(hour * HOUR))));
        assert_eq!(detector.observe(at(2 * HOUR), at(2 * HOUR + again)), verdict);
        assert_eq!(detector.observe(at(2 * HOUR), at(2 * HOUR + again)), Verdict::Duplicate);
        assert_eq!(detector.observe(at(3 * HOUR), at(3 * HOUR + again)), Verdict::OnTime);
        assert_eq!(detector.report(at(3 * HOUR)).zone_steps().len(), steps);
    }
}

#[test]
fn replay_from_an_hour_back_is_no_zone_step() {
    // Rows of two hours with a gap of 100 rows; then what came from the first second on is sent again, with the rows of
    // the gap, up to some row; then live rows go on, after nothing or after an outage.
    let live = (0..1_000).chain(2_000..HOUR).step_by(10).collect::<Vec<_>>();
    for (replayed, outage) in [(500, 0), (2_500, 0), (500, HOUR), (2_500, 1_000), (3_000, 500)] {
        for with_arrivals in [false, true] {
            let name = format!("{replayed} {outage} {with_arrivals}");
            let mut detector = GapDetector::new(Settings::live(ten(), at(0))).unwrap();
            let arrival = |second: i64| with_arrivals.then_some(second * 1_000_000_000);
            let mut observe = |event: i64, arrived| {
                drop_verdict(detector.observe_nanos(event * 1_000_000_000, arrival(arrived)));
            };
            live.iter().for_each(|second| observe(*second, *second));
            (0..replayed).step_by(10).for_each(|second| observe(second, HOUR));
            (HOUR + outage..HOUR + outage + 100).step_by(10).for_each(|second| observe(second, second));
            let report = detector.report(at(HOUR + outage + 100));
            if !with_arrivals && outage >= replayed {
                // Rows alone look like a clock that was set back and right again: each row covers its own time.
                let covered = u64::try_from(replayed / 10).unwrap();
                assert!(report.missing() >= u64::try_from(outage / 10).unwrap() + 100 - covered, "{name}");
                continue;
            }
            assert_eq!(report.zone_steps(), [], "{name}: {report:?}");
            let filled = if replayed > 1_000 { 0 } else { 100 };
            assert_eq!(report.missing(), filled + u64::try_from(outage / 10).unwrap(), "{name}: {report:?}");
        }
    }
}
