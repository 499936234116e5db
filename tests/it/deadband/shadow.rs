//! A candidate band beside a live filter of the same rule, and its error beside that of all samples at once.

use std::sync::Arc;

use chrono::TimeDelta;
use iot_runbook::deadband::filter::{Extent, Filter, Order, RestoreError, Rule, Settings, Verdict};
use iot_runbook::deadband::sample::Sample;
use iot_runbook::deadband::shadow::{Candidate, Row, Shadow, WhatIf};
use proptest::prelude::*;

use crate::deadband::streams;

proptest! {
    #![proptest_config(crate::random::cases(300))]

    #[test]
    fn candidate_reports_what_a_live_filter_would(
        settings in streams::settings(), samples in streams::unkind(),
        (poll_every, restore_every) in (1_usize..6, 1_usize..12),
    ) {
        let Ok(rule) = Rule::<f64>::new(settings) else { return Ok(()) };
        let rule = Arc::new(rule);
        let mut alone = Filter::new(Arc::clone(&rule));
        let other = Arc::new(Rule::new(Settings::new(Extent::Absolute(0.1)).with_order(Order::Drop)).unwrap());
        let mut shadow = Shadow::new(Filter::new(Arc::clone(&other)), Arc::clone(&rule));
        let mut live = Filter::new(Arc::clone(&other));
        let (mut shown, mut errors) = (None, vec![]);
        let (mut sent, mut expected) = (vec![], vec![]);
        for (turn, (sample, _)) in samples.iter().enumerate() {
            let verdict = alone.observe(*sample, |report| shown = Some(report.sample.value));
            let error = shown.map(|shown: f64| (sample.value - shown).abs()).filter(|error| error.is_finite());
            if !matches!(verdict, Ok(Verdict::Reported(_)) | Err(_)) {
                errors.extend(error);
            }
            let found = shadow.observe(*sample, |report| sent.push(report));
            prop_assert_eq!(found, live.observe(*sample, |report| expected.push(report)));
            if turn % poll_every == 0 {
                alone.poll(sample.at, |report| shown = Some(report.sample.value));
                shadow.poll(sample.at, |_| {});
            }
            if turn % restore_every == 0 {
                let text = serde_json::to_string(&shadow.save()).unwrap();
                let saved = serde_json::from_str(&text).unwrap();
                shadow = Shadow::restore(Arc::clone(&other), Arc::clone(&rule), &saved).unwrap();
            }
        }
        prop_assert_eq!(format!("{sent:?}"), format!("{expected:?}"));
        let row = shadow.candidate().row();
        let squares: f64 = errors.iter().map(|error| error * error).sum();
        prop_assert_eq!(row.reports, alone.counts().all_reported());
        prop_assert_eq!(row.worst, errors.iter().copied().fold(0.0, f64::max));
        let typical = (squares / errors.len().max(1) as f64).sqrt().min(row.worst);
        prop_assert!((row.typical - typical).abs() <= 1e-9 * row.worst.max(1.0));
        prop_assert_eq!(*shadow.into_live().counts(), *live.counts());
    }
}

fn rule(width: f64) -> Arc<Rule<f64>> {
    Arc::new(Rule::new(Settings::new(Extent::Absolute(width))).unwrap())
}

#[test]
fn row_counts_reports_a_day() {
    let mut candidate = Candidate::new(rule(0.5));
    assert_eq!((candidate.row().reports, candidate.row().reports_a_day), (0, 0.0));
    candidate.observe(Sample::new(0, 0.0));
    assert_eq!(candidate.row().reports_a_day, 0.0);
    for hour in 1..=12 {
        candidate.observe(Sample::new(hour * 3_600_000_000_000, hour as f64));
    }
    // Thirteen in half a day.
    let row = candidate.row();
    assert_eq!((row.band, row.reports, row.reports_a_day, row.typical, row.worst), (0.5, 13, 26.0, 0.0, 0.0));
    let saved = serde_json::to_string(&row).unwrap();
    assert_eq!(serde_json::from_str::<Row>(&saved).unwrap(), row);
}

#[test]
fn saving_counts_since_the_candidate_began() {
    let mut live = Filter::new(rule(0.5));
    for at in 0..10 {
        live.observe(Sample::new(at, at as f64), |_| {}).unwrap();
    }
    let mut shadow = Shadow::new(live, rule(1.5));
    assert_eq!(shadow.saving(), 0.0);
    for at in 10..20 {
        shadow.observe(Sample::new(at, at as f64), |_| {}).unwrap();
    }
    // Ten by the live filter, and each second one by the candidate.
    assert_eq!((shadow.saving(), shadow.candidate().row().reports), (0.5, 5));
    assert_eq!(shadow.live().counts().all_reported(), 20);
}

#[test]
fn saved_candidate_that_cannot_be_is_refused() {
    let mut candidate = Candidate::new(rule(2.0));
    for (at, value) in [(0, 20.0), (1, 21.5), (2, 19.0), (3, f64::NAN)] {
        candidate.observe(Sample::new(at, value));
    }
    let saved = serde_json::to_value(candidate.save()).unwrap();
    let restored =
        |saved: serde_json::Value| Candidate::restore(rule(2.0), &serde_json::from_value(saved).unwrap());
    assert_eq!(restored(saved.clone()).unwrap().row(), candidate.row());
    for (field, number) in [
        ("squares", f64::NAN.to_bits()),
        ("squares", (-1.0_f64).to_bits()),
        ("worst", f64::INFINITY.to_bits()),
        ("worst", (-1.0_f64).to_bits()),
        ("worst", f64::NAN.to_bits()),
    ] {
        let mut broken = saved.clone();
        broken[field] = number.into();
        assert_eq!(restored(broken).unwrap_err(), RestoreError::Field { field });
    }
    let mut none = saved;
    none["errors"] = 0.into();
    assert_eq!(restored(none).unwrap_err(), RestoreError::Field { field: "squares" });
    let shadow = Shadow::new(Filter::new(rule(0.5)), rule(2.0));
    let mut saved = serde_json::to_value(shadow.save()).unwrap();
    saved["before"] = 1.into();
    let error =
        Shadow::<f64>::restore(rule(0.5), rule(2.0), &serde_json::from_value(saved).unwrap()).unwrap_err();
    assert_eq!(error, RestoreError::Field { field: "before" });
}

#[test]
fn narrower_candidate_saves_less_than_nothing() {
    let mut shadow = Shadow::new(Filter::new(rule(1.5)), rule(0.5));
    for at in 0..10 {
        shadow.observe(Sample::new(at, at as f64), |_| {}).unwrap();
    }
    assert_eq!(shadow.saving(), -1.0);
}

#[test]
fn what_if_prints_a_row_for_each_width() {
    let settings = Settings::new(Extent::Absolute(1.0)).with_max_interval(TimeDelta::hours(1));
    assert!(WhatIf::<f64>::new(&settings, &[1.0, f64::NAN]).is_err());
    let mut what_if = WhatIf::<i32>::new(&settings, &[1.0, 4.0]).unwrap();
    for minute in 0..1_441_i32 {
        what_if.observe(Sample::new(i64::from(minute) * 60_000_000_000, minute % 10));
    }
    let text = what_if.to_string();
    let lines: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.len(), 3, "{text}");
    let rows = what_if.rows();
    assert_eq!((rows[0].band, rows[1].band, rows[1].worst), (1.0, 4.0, 4.0));
    assert_eq!(lines[2][0], "4.0000", "{text}");
    assert!(rows[0].reports_a_day > rows[1].reports_a_day && rows[1].reports_a_day > 24.0, "{text}");
}

#[test]
fn a_shadowed_sample_allocates_nothing() {
    let mut shadow = Shadow::new(Filter::new(rule(0.5)), rule(1.5));
    let info = allocation_counter::measure(|| {
        for at in 0..1_000 {
            shadow.observe(Sample::new(at, (at % 7) as f64), |_| {}).unwrap();
        }
    });
    assert_eq!(info.count_total, 0, "{info:?}");
}
