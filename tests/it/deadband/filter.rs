use std::sync::Arc;

use chrono::TimeDelta;
use iot_runbook::deadband::filter::{
    Band, Disorder, Extent, Filter, Hold, Order, Reason, Report, Rule, Settings, SettingsError, State,
    Suppression, Verdict,
};
use iot_runbook::deadband::sample::{Number, Quality, Sample};
use proptest::prelude::*;

use super::model::{Model, width};
use super::streams;

pub(super) fn filter<V: Number>(settings: Settings) -> Filter<V> {
    Filter::new(Arc::new(Rule::new(settings).unwrap()))
}

/// Compares with NaN equal to itself.
pub(super) fn shown(reports: &[Report]) -> String {
    format!("{reports:?}")
}

fn run(settings: Settings, samples: impl IntoIterator<Item = Sample>) -> Vec<(i64, Reason)> {
    let mut filter = filter(settings);
    let mut out = vec![];
    for sample in samples {
        filter.observe(sample, |report| out.push((report.sample.at, report.reason))).unwrap();
    }
    out
}

fn at(values: &[(i64, f64)]) -> Vec<Sample> {
    values.iter().map(|(at, value)| Sample::new(*at, *value)).collect()
}

proptest! {
    #![proptest_config(crate::random::cases(1_500))]

    #[test]
    fn it_does_what_the_model_does(
        settings in streams::settings(),
        samples in streams::unkind(),
        poll_every in 1_usize..6,
    ) {
        prop_assume!(Rule::<f64>::new(settings.clone()).is_ok());
        let mut filter = filter(settings.clone());
        let mut model = Model::new(settings);
        for (position, (sample, received)) in samples.into_iter().enumerate() {
            let mut out = vec![];
            let verdict = match received {
                Some(received) => filter.observe_received(sample, received, |report| out.push(report)),
                None => filter.observe(sample, |report| out.push(report)),
            };
            let expected = model.observe(sample, received);
            prop_assert_eq!(verdict.is_err(), expected.is_none());
            prop_assert_eq!(shown(&out), shown(&expected.unwrap_or_default()));
            if let Ok(Verdict::Reported(reason)) = verdict {
                prop_assert_eq!(out.last().unwrap().reason, reason);
            }
            if position % poll_every == 0 {
                let now = sample.at.saturating_add(3);
                let mut out = vec![];
                filter.poll(now, |report| out.push(report));
                prop_assert_eq!(shown(&out), shown(&model.poll(now)));
                prop_assert!(filter.due().is_none_or(|due| due > now));
            }
        }
        let (mut out, mut expected) = (vec![], vec![]);
        filter.flush(|report| out.push(report));
        model.release(&mut expected);
        prop_assert_eq!(shown(&out), shown(&expected));
    }

    #[test]
    fn nothing_is_made_up_and_nothing_comes_twice(settings in streams::settings(), samples in streams::unkind()) {
        prop_assume!(Rule::<f64>::new(settings.clone()).is_ok());
        let mut filter = filter(settings);
        let mut left: Vec<String> = samples.iter().map(|(sample, _)| format!("{sample:?}")).collect();
        let mut out = vec![];
        for (sample, _) in samples {
            let _ = filter.observe(sample, |report| out.push(report.sample));
        }
        filter.flush(|report| out.push(report.sample));
        prop_assert_eq!(filter.counts().all_reported(), out.len() as u64);
        for sample in out {
            let found = left.iter().position(|input| *input == format!("{sample:?}"));
            prop_assert!(found.is_some(), "{sample:?}");
            left.remove(found.unwrap());
        }
    }

    #[test]
    fn what_is_held_off_is_within_the_band(band in streams::band(), samples in streams::kind()) {
        let mut filter = filter(Settings::new(band));
        let mut last = None;
        for sample in samples {
            filter.observe(sample, |report| last = Some(report.sample.value)).unwrap();
            let last = last.unwrap();
            prop_assert!(!super::exact::exceeds(sample.value, last, width(band, last)));
        }
    }

    #[test]
    fn a_change_of_quality_is_never_lost(settings in streams::settings(), samples in streams::unkind()) {
        prop_assume!(Rule::<f64>::new(settings.clone()).is_ok());
        let mut filter = filter(settings);
        let mut quality = None;
        for (sample, _) in samples {
            let mut out = vec![];
            let verdict = filter.observe(sample, |report| out.push(report));
            if let Ok(Verdict::Reported(Reason::Order) | Verdict::Suppressed(Suppression::Order)) | Err(_) = verdict {
                continue;
            }
            if quality != Some(sample.quality) {
                prop_assert_eq!(shown(&out[out.len() - 1..]), shown(&[Report { sample, ..out[out.len() - 1] }]));
            }
            quality = Some(sample.quality);
        }
    }

    #[test]
    fn heartbeats_neither_starve_nor_double(samples in streams::kind(), max in 5_i64..20) {
        let settings = Settings::new(Extent::Absolute(100.0)).with_max_interval(TimeDelta::nanoseconds(max));
        let reports = run(settings, samples.iter().copied());
        for pair in reports.windows(2) {
            let (earlier, later) = (pair[0].0, pair[1].0);
            prop_assert!(later - earlier >= max);
            let due = samples.iter().find(|sample| sample.at >= earlier + max).unwrap();
            prop_assert_eq!(due.at, later);
        }
        let last = samples.last().map_or(0, |sample| sample.at);
        prop_assert!(reports.last().is_none_or(|(at, _)| last - at < max));
    }
}

#[test]
fn a_state_is_at_most_48_bytes() {
    assert!(size_of::<State<f64>>() <= 48, "{}", size_of::<State<f64>>());
    assert!(size_of::<State<i64>>() <= 48);
    assert!(size_of::<State<u8>>() <= 48);
}

#[test]
fn min_max_and_last_leave_in_time_order() {
    let settings = || Settings::new(Extent::Absolute(0.5)).with_min_interval(TimeDelta::nanoseconds(10));
    let samples = at(&[(0, 0.0), (1, 0.2), (2, 5.0), (3, -5.0), (4, 9.0), (5, 0.1), (11, 0.1)]);
    let first = (0, Reason::First);
    let held = |at| (at, Reason::Held);
    assert_eq!(run(settings(), samples.iter().copied()), [first, held(3), held(4), held(5)]);
    let mut polled = filter(settings());
    for sample in &samples[..6] {
        polled.observe(*sample, |_| {}).unwrap();
    }
    assert_eq!(polled.due(), Some(10));
    let mut out = vec![];
    polled.poll(9, |report| out.push(report.sample.at));
    assert!(out.is_empty());
    polled.poll(10, |report| out.push(report.sample.at));
    polled.poll(10, |report| out.push(report.sample.at));
    assert_eq!(out, [3, 4, 5]);
    assert_eq!((polled.counts().held(), polled.counts().reported(Reason::Held)), (4, 3));
}

#[test]
fn quality_change_flushes_what_is_held() {
    let settings = Settings::new(Extent::Absolute(0.5)).with_min_interval(TimeDelta::nanoseconds(10));
    let mut samples = at(&[(0, 0.0), (2, 5.0), (3, 5.0)]);
    samples[2].quality = Quality::BAD;
    assert_eq!(run(settings, samples), [(0, Reason::First), (2, Reason::Held), (3, Reason::Quality)]);
}

#[test]
fn sub_code_alone_is_a_change_of_quality() {
    let samples = [Quality::BAD, Quality::new(0x8001_0000)].map(|quality| (quality.code().into(), quality));
    let samples = samples.map(|(at, quality)| Sample::new(at, 0.0).with_quality(quality));
    let reports = run(Settings::new(Extent::Absolute(1.0)), samples);
    assert_eq!(reports[1].1, Reason::Quality);
}

#[test]
fn nan_passes_as_it_begins_and_ends() {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let values = [1.0, nan, nan, -nan, 1.0, inf, inf, -inf, -inf, nan, 1.0, 1.0];
    let samples = values.iter().zip(0..).map(|(value, at)| Sample::new(at, *value));
    let reports: Vec<_> =
        run(Settings::new(Extent::Absolute(0.5)), samples).iter().map(|(at, _)| *at).collect();
    assert_eq!(reports, [0, 1, 4, 5, 7, 9, 10]);
}

#[test]
fn a_gap_is_told_from_a_heartbeat() {
    let settings = Settings::new(Extent::Absolute(1.0)).with_max_interval(TimeDelta::nanoseconds(10));
    let samples = at(&[(0, 0.0), (5, 0.0), (9, 0.0), (10, 0.0), (20, 0.0), (31, 0.0), (40, 0.0), (41, 0.0)]);
    let expected = [
        (0, Reason::First),
        (10, Reason::Heartbeat),
        (20, Reason::Heartbeat),
        (31, Reason::Gap),
        (41, Reason::Heartbeat),
    ];
    assert_eq!(run(settings, samples), expected);
}

#[test]
fn previous_goes_first_unless_reported() {
    let settings = Settings::new(Extent::Absolute(1.0)).with_previous();
    let samples = at(&[(0, 0.0), (1, 0.5), (2, 0.6), (3, 5.0), (4, 9.0)]);
    let expected = [(0, Reason::First), (2, Reason::Previous), (3, Reason::Value), (4, Reason::Value)];
    assert_eq!(run(settings, samples), expected);
}

#[test]
fn what_is_out_of_order_moves_nothing() {
    let samples = [(10, 0.0), (5, 9.0), (10, 9.0), (11, 0.5), (12, 9.0)];
    let settings = Settings::new(Extent::Absolute(1.0));
    let (first, value) = ((10, Reason::First), (12, Reason::Value));
    let pass = run(settings.clone().with_order(Order::Pass), at(&samples));
    assert_eq!(pass, [first, (5, Reason::Order), (10, Reason::Order), value]);
    assert_eq!(run(settings.clone().with_order(Order::Drop), at(&samples)), [first, value]);
    let mut refusing = filter(settings.with_order(Order::Refuse).with_ahead(TimeDelta::nanoseconds(100)));
    let mut errors = vec![];
    for sample in at(&samples) {
        errors.extend(refusing.observe(sample, |_| {}).err());
    }
    assert_eq!(
        errors.iter().map(|error| error.disorder).collect::<Vec<_>>(),
        [Disorder::Late, Disorder::Duplicate]
    );
    assert_eq!(
        errors[0].to_string(),
        "a sample at 5 ns is older than the newest, at 10 ns: drop it, or set `order` to pass or drop"
    );
    assert!(refusing.observe_received(Sample::new(200, 0.0), 100, |_| {}).is_ok());
    let error = refusing.observe_received(Sample::new(301, 0.0), 200, |_| {}).unwrap_err();
    assert_eq!((error.disorder, error.against), (Disorder::Ahead, 200));
}

/// A sample of a time that was there already passes only if it adds something.
#[test]
fn equal_sample_of_the_same_time_is_a_duplicate() {
    let settings = || Settings::new(Extent::Absolute(1.0));
    let bad = |sample: Sample| sample.with_quality(Quality::BAD);
    let duplicate = Verdict::Suppressed(Suppression::Duplicate);
    let out_of_order = Verdict::Reported(Reason::Order);
    for (before, sample, verdict) in [
        // Of the last report, and of a suppressed sample after it.
        (at(&[(5, 0.0)]), Sample::new(5, 0.0), duplicate),
        (at(&[(5, 0.0), (6, 0.5)]), Sample::new(6, 0.5), duplicate),
        (at(&[(5, 0.0), (6, 0.5)]), Sample::new(5, 0.0), duplicate),
        (at(&[(5, f64::NAN)]), Sample::new(5, f64::NAN), duplicate),
        (at(&[(5, -0.0)]), Sample::new(5, 0.0), duplicate),
        // Within the band it would not be reported at any time.
        (at(&[(5, 0.0)]), Sample::new(5, 1.0), duplicate),
        // Another value, another quality, and a time of which nothing is known any longer.
        (at(&[(5, 0.0)]), Sample::new(5, 1.5), out_of_order),
        (at(&[(5, 0.0)]), Sample::new(5, f64::NAN), out_of_order),
        (at(&[(5, 0.0)]), bad(Sample::new(5, 0.0)), out_of_order),
        (at(&[(4, 0.0), (5, 9.0), (6, 9.0)]), Sample::new(4, 0.0), out_of_order),
        (at(&[(5, 0.0)]), Sample::new(4, 0.0), out_of_order),
    ] {
        let mut filter = filter::<f64>(settings());
        for sample in before {
            filter.observe(sample, |_| {}).unwrap();
        }
        let state = format!("{:?}", filter.state());
        let mut reported = vec![];
        assert_eq!(filter.observe(sample, |report| reported.push(report)).unwrap(), verdict, "{sample:?}");
        assert_eq!(reported.len(), usize::from(verdict == out_of_order));
        assert_eq!(format!("{:?}", filter.state()), state);
        let counts = filter.counts();
        assert_eq!(counts.suppressed(Suppression::Duplicate), u64::from(verdict == duplicate));
        assert_eq!(counts.out_of_order(), u64::from(verdict == out_of_order));
    }
    // Held, and so outside the band.
    let mut holding = filter::<f64>(settings().with_min_interval(TimeDelta::nanoseconds(50)));
    for (at, value, verdict) in [
        (0, 0.0, Verdict::Reported(Reason::First)),
        (1, 5.0, Verdict::Held),
        (1, 5.0, duplicate),
        (1, 6.0, out_of_order),
        (2, 7.0, Verdict::Held),
        (1, 5.0, out_of_order),
    ] {
        assert_eq!(holding.observe(Sample::new(at, value), |_| {}).unwrap(), verdict, "{at} {value}");
    }
}

#[test]
fn clock_set_back_loses_nothing() {
    let settings = Settings::new(Extent::Absolute(1.0))
        .with_max_interval(TimeDelta::nanoseconds(50))
        .with_min_interval(TimeDelta::nanoseconds(5))
        .with_previous();
    let mut filter = filter::<f64>(settings);
    let mut out = vec![];
    for (at, value) in [(0, 0.0), (900, 0.0), (902, 9.0), (10, 0.0), (11, 0.5), (12, 9.0)] {
        filter.observe(Sample::new(at, value), |report| out.push((report.sample.at, report.reason))).unwrap();
    }
    assert_eq!(
        out,
        [
            (0, Reason::First),
            (900, Reason::Gap),
            (10, Reason::Order),
            (11, Reason::Order),
            (12, Reason::Order)
        ]
    );
    assert_eq!(filter.counts().out_of_order(), 3);
    out.clear();
    filter.accept_clock(902, |_| panic!("902 is the newest"));
    filter.accept_clock(12, |report| out.push((report.sample.at, report.reason)));
    assert_eq!((filter.state().newest(), filter.due()), (Some(12), None));
    for (at, value) in [(12, 9.0), (13, 9.0), (14, 9.5), (18, 20.0), (68, 20.0)] {
        filter.observe(Sample::new(at, value), |report| out.push((report.sample.at, report.reason))).unwrap();
    }
    assert_eq!(
        out,
        [(902, Reason::Held), (14, Reason::Previous), (18, Reason::Value), (68, Reason::Heartbeat)]
    );
    let saved = serde_json::to_string(&filter.save()).unwrap();
    assert!(Filter::restore(Arc::clone(filter.rule()), &serde_json::from_str(&saved).unwrap()).is_ok());
}

#[test]
fn integers_are_exact_at_the_ends() {
    let mut filter = filter::<i64>(Settings::new(Extent::Absolute(1.9)));
    let verdicts = [i64::MIN, i64::MIN + 1, i64::MIN + 2, i64::MAX, i64::MAX - 1, i64::MAX - 2]
        .into_iter()
        .zip(0..)
        .map(|(value, at)| {
            matches!(filter.observe(Sample::new(at, value), |_| {}).unwrap(), Verdict::Reported(_))
        });
    assert_eq!(verdicts.collect::<Vec<_>>(), [true, false, true, true, false, true]);
}

#[test]
fn seven_percent_of_a_hundred_is_seven() {
    for band in [
        Extent::PercentOfSpan { percent: 7.0, low: 0.0, high: 100.0 },
        Extent::PercentOfLast { percent: 7.0, floor: 0.0 },
    ] {
        assert_eq!(Rule::<f64>::new(Settings::new(band)).unwrap().width_at(-100.0), 7.0);
        assert_eq!(Rule::<u16>::new(Settings::new(band)).unwrap().width_at(100), 7.0);
    }
    let huge = Rule::<f64>::new(Settings::new(Extent::PercentOfLast { percent: 50.0, floor: 0.0 })).unwrap();
    assert_eq!(huge.width_at(f64::MAX), f64::MAX / 2.0);
    assert_eq!(huge.width_at(f64::NAN), 0.0);
}

#[test]
fn one_line_makes_a_filter_of_each_band() {
    let width = |filter: Result<Filter, SettingsError>, last| filter.unwrap().rule().width_at(last);
    assert_eq!(width(Filter::absolute(0.5), 9.0), 0.5);
    assert_eq!(width(Filter::percent_of_span(1.0, 0.0, 200.0), 9.0), 2.0);
    assert_eq!(width(Filter::percent_of_last(10.0, 0.5), 90.0), 9.0);
    assert_eq!(width(Filter::percent_of_last(10.0, 0.5), 0.0), 0.5);
    let errors = [
        Filter::<f64>::absolute(-1.0),
        Filter::percent_of_span(1.0, 2.0, 2.0),
        Filter::percent_of_last(f64::NAN, 0.0),
    ];
    assert!(errors.iter().all(Result::is_err));
}

#[test]
fn an_error_names_the_field() {
    let of = |band: Extent| Settings::new(band);
    let span = |low, high| of(Extent::PercentOfSpan { percent: 1.0, low, high });
    let second = TimeDelta::seconds(1);
    for (settings, says) in [
        (of(Extent::Absolute(-1.0)), "`band.absolute` is -1"),
        (of(Extent::Absolute(f64::NAN)), "`band.absolute` is NaN"),
        (of(Extent::Absolute(f64::INFINITY)), "`band.absolute` is inf"),
        (of(Extent::PercentOfLast { percent: -1.0, floor: 0.0 }), "`band.percent` is -1"),
        (of(Extent::PercentOfLast { percent: 1.0, floor: f64::NAN }), "`band.floor` is NaN"),
        (of(Extent::PercentOfSpan { percent: f64::NAN, low: 0.0, high: 1.0 }), "`band.percent` is NaN"),
        (span(0.0, 0.0), "`band.low` 0 and `band.high` 0"),
        (span(1.0, 0.0), "`band.low` 1"),
        (span(f64::NAN, 1.0), "`band.low` NaN"),
        (span(f64::MIN, f64::MAX), "no range"),
        (span(0.0, f64::INFINITY), "`band.high` inf"),
        (Settings::new(Band::Larger(Extent::Absolute(1.0), Extent::Absolute(-2.0))), "`band.absolute` is -2"),
        (of(Extent::Absolute(1.0)).with_max_interval(TimeDelta::zero()), "`max_interval` is no interval"),
        (of(Extent::Absolute(1.0)).with_min_interval(-second), "`min_interval` is no interval"),
        (of(Extent::Absolute(1.0)).with_ahead(TimeDelta::MAX), "`ahead` is no interval"),
        (
            of(Extent::Absolute(1.0)).with_max_interval(TimeDelta::nanoseconds(i64::MAX)),
            "`max_interval` is no interval",
        ),
        (of(Extent::PercentOfSpan { percent: 1e300, low: 0.0, high: 1e300 }), "`band.percent` is inf"),
        (
            of(Extent::Absolute(1.0)).with_min_interval(second).with_max_interval(second),
            "`min_interval` is not shorter than `max_interval`",
        ),
    ] {
        let error: SettingsError = Rule::<f64>::new(settings).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn at_the_ends_of_time_nothing_wraps() {
    let nanos = TimeDelta::nanoseconds;
    let settings = Settings::new(Extent::Absolute(1.0)).with_min_interval(nanos(10)).with_ahead(nanos(10));
    let mut late = filter::<f64>(settings.clone());
    for (at, value) in [(i64::MAX - 2, 0.0), (i64::MAX - 1, 9.0)] {
        late.observe(Sample::new(at, value), |_| {}).unwrap();
    }
    assert_eq!(late.due(), Some(i64::MAX));
    let mut early = filter::<f64>(settings.clone().with_order(Order::Refuse));
    let mut out = vec![];
    for (at, value) in [(i64::MIN, 0.0), (i64::MIN + 1, 9.0), (i64::MAX, 9.0)] {
        early.observe(Sample::new(at, value), |report| out.push(report.sample.at)).unwrap();
    }
    assert_eq!(out, [i64::MIN, i64::MIN + 1]);
    let mut fresh = filter::<f64>(settings.with_order(Order::Refuse));
    let error = fresh.observe_received(Sample::new(i64::MAX, 0.0), -10, |_| {}).unwrap_err();
    assert_eq!(error.disorder, Disorder::Ahead);
}

#[test]
fn each_report_is_counted_for_its_reason() {
    let mut filter = filter::<f64>(
        Settings::new(Extent::Absolute(1.0)).with_previous().with_max_interval(TimeDelta::nanoseconds(10)),
    );
    for (at, value) in [(0, 0.0), (1, 0.5), (2, 5.0), (3, 5.5), (4, 5.5), (12, 5.5), (40, 5.5), (3, 0.0)] {
        filter.observe(Sample::new(at, value), |_| {}).unwrap();
    }
    let counts = filter.counts();
    for (reason, count) in [
        (Reason::First, 1),
        (Reason::Value, 1),
        (Reason::Previous, 2),
        (Reason::Heartbeat, 1),
        (Reason::Gap, 1),
        (Reason::Order, 1),
        (Reason::Held, 0),
    ] {
        assert_eq!(counts.reported(reason), count, "{reason:?}");
    }
    assert_eq!((counts.suppressed_in_band(), counts.out_of_order()), (3, 1));
}

#[test]
fn states_may_lie_elsewhere() {
    let rule = Rule::<u8>::new(Settings::new(Extent::Absolute(1.0))).unwrap();
    let (mut state, mut hold) = (State::default(), Hold::default());
    let verdict = rule.observe(&mut state, &mut hold, Sample::new(1, 7), None, &mut |_| {}).unwrap();
    assert_eq!(verdict, Verdict::Reported(Reason::First));
    assert_eq!((state.last_report(), state.newest()), (Some(Sample::new(1, 7)), Some(1)));
}
