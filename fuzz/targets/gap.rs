//! Any rows under any settings: each is counted once, each gap adds up, a slice and a restart change nothing, and rows
//! in order are judged as by a walk over each pair.
#![no_main]

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::gap::{Cadence, CadenceEstimator, GapDetector, Report, Sessions, Settings};
use iot_runbook::time::Period;
use iot_runbook_fuzz::choices::Choices;
use libfuzzer_sys::fuzz_target;

const SECOND: i64 = 1_000_000_000;

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data);
    let settings = settings(&mut choices);
    let Ok(mut detector) = GapDetector::new(settings.clone()) else { return };
    let mut by_slice = detector.clone();
    let mut estimator = CadenceEstimator::new();
    let (mut rows, mut events, mut now) = (0_u64, Vec::new(), 0_i64);
    while !choices.is_empty() && rows < 4_096 {
        now = next(&mut choices, now);
        let arrival = choices.one_in(2).then(|| next(&mut choices, now));
        detector.observe_nanos(now, arrival);
        estimator.observe_nanos(now);
        events.push(now);
        rows += 1;
        if choices.one_in(64) {
            detector = GapDetector::restore(&detector.save()).expect("it was saved");
        }
    }
    let until = DateTime::from_timestamp_nanos(next(&mut choices, now));
    holds(&detector.report(until), rows);
    let _ = estimator.estimate().map(|estimate| assert!(estimate.share_at_least <= estimate.share));

    // The same rows without their arrivals.
    let mut one_by_one = by_slice.clone();
    events.iter().for_each(|event| drop_verdict(one_by_one.observe_nanos(*event, None)));
    by_slice.observe_slice(&events);
    assert_eq!(by_slice, one_by_one);
    holds(&by_slice.finish(until), rows);

    // In order nothing is late, and the rows next to each other are the gaps.
    events.sort_unstable();
    let mut ordered = GapDetector::new(settings.clone()).expect("the settings hold");
    ordered.observe_slice(&events);
    let report = ordered.finish(until);
    assert_eq!((report.counts.late, report.counts.reordered, report.counts.stepped_back), (0, 0, 0));
    assert_eq!(report.unlisted.gaps + report.gaps.len() as u64, pairs(&settings, events, until));
});

fn drop_verdict(_: iot_runbook::gap::Verdict) {}

fn holds(report: &Report, rows: u64) {
    let counts = &report.counts;
    let kinds = counts.on_time + counts.duplicates + counts.late + counts.stepped_back;
    assert_eq!(kinds + counts.before + counts.after + counts.ahead, rows);
    assert!(report.gaps.is_sorted_by(|a, b| a.to <= b.from));
    let sessions =
        Sessions::new(report.period, report.gaps.iter().step_by(2).map(|gap| half(gap.from, gap.to)));
    for gap in &report.gaps {
        assert!(gap.expected > 0 && gap.missing <= gap.expected);
        let parts = gap.split(&sessions);
        assert_eq!(parts.iter().map(|part| part.missing).sum::<u64>(), gap.missing);
        assert_eq!(parts.iter().map(|part| part.expected).sum::<u64>(), gap.expected);
    }
}

fn half(from: DateTime<Utc>, to: DateTime<Utc>) -> Period {
    Period::ending(to, to.signed_duration_since(from) / 2)
}

/// How many pairs of rows next to each other are too far apart, the ends of the period taken for rows.
fn pairs(settings: &Settings, events: Vec<i64>, until: DateTime<Utc>) -> u64 {
    let nanos = |at: DateTime<Utc>| i128::from(at.timestamp_nanos_opt().unwrap_or(i64::MAX));
    let start = nanos(settings.start);
    let end = settings.end.map_or(i128::MAX, nanos);
    let every = settings.cadence.every;
    let silence = settings.cadence.longest_silence().expect("it holds");
    let span = |span: TimeDelta| i128::from(span.num_nanoseconds().unwrap_or(i64::MAX));
    let (silence, tolerance) = (span(silence), span(settings.cadence.tolerance.unwrap_or(every / 2)));
    let mut stands: Vec<i128> = vec![start - 1];
    stands.extend(events.into_iter().map(i128::from).filter(|event| start <= *event && *event < end));
    let newest = stands.last().copied().unwrap_or(start);
    let rows = stands.len();
    stands.push(nanos(until).max(start).min(end).max(newest));
    // Stamps that are whole steps may be rounded to them, unless the silence is whole steps itself.
    let is_gap = |(at, pair): &(usize, &[i128])| {
        let is_on = |step: i128| pair[0] % step == 0 && (pair[1] % step == 0 || *at + 1 >= rows);
        let steps = [60 * SECOND, SECOND, SECOND / 10, SECOND / 100, SECOND / 1_000, SECOND / 1_000_000];
        let rounded = steps
            .map(i128::from)
            .into_iter()
            .filter(|step| *at > 0 && *step <= silence && silence % step != 0 && is_on(*step));
        let tolerance = rounded.map(|step| step - 1).chain([tolerance]).max().unwrap_or(tolerance);
        pair[1] - pair[0] > silence + tolerance
    };
    stands.windows(2).enumerate().filter(is_gap).count() as u64
}

fn settings(choices: &mut Choices<'_>) -> Settings {
    let mut cadence = Cadence::every(TimeDelta::nanoseconds(choices.pick(&[SECOND, 1, 60 * SECOND, 3])));
    cadence.heartbeat = choices.one_in(4).then(|| TimeDelta::seconds(10));
    cadence.tolerance = choices.one_in(3).then(|| TimeDelta::nanoseconds(i64::from(choices.byte())));
    let start = DateTime::from_timestamp_nanos(choices.pick(&[0, -SECOND, i64::MIN + 1]));
    let mut settings = Settings::live(cadence, start)
        .with_reorder_within(TimeDelta::seconds(i64::from(choices.byte())))
        .with_reorder_rows(choices.pick(&[1, 2, 7, 1024]))
        .with_ahead(TimeDelta::seconds(choices.pick(&[0, 60, 86_400])))
        .with_max_gaps(choices.pick(&[1, 4, 4096]));
    settings.end = choices.one_in(2).then(|| start + TimeDelta::seconds(choices.pick(&[0, 60, 86_400])));
    settings.late_after = choices.one_in(2).then(|| TimeDelta::seconds(i64::from(choices.byte())));
    settings
}

/// Mostly a step on; sometimes back, by an hour, or anywhere.
fn next(choices: &mut Choices<'_>, now: i64) -> i64 {
    let by = i64::from(choices.byte());
    match choices.below(16) {
        0..8 => now.saturating_add(SECOND),
        8 => now.saturating_add(by),
        9 => now.saturating_add(by * SECOND),
        10 => now.saturating_sub(by * SECOND),
        11 => now.saturating_sub(3_599 * SECOND),
        12 => now.saturating_add(3_601 * SECOND),
        13 => now,
        14 => by * SECOND,
        _ => choices.long().cast_signed(),
    }
}
