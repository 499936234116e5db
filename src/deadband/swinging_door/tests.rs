use chrono::TimeDelta;

use super::*;
use crate::deadband::sample::Quality;

const SECOND: i64 = 1_000_000_000;

fn at(second: i64, value: f64) -> Sample {
    Sample::new(second * SECOND, value)
}

/// Seconds, values and reasons of what is kept, with the flush at the end.
fn kept(settings: &Settings, samples: &[Sample]) -> Vec<(i64, f64, Reason)> {
    let mut door = SwingingDoor::new(settings).unwrap();
    let mut all = Vec::new();
    for sample in samples {
        door.observe(*sample, |report| all.push(report)).unwrap();
    }
    door.flush(|report| all.push(report));
    let counts = door.counts();
    assert_eq!(counts.kept, all.len() as u64);
    let dropped = counts.dropped + counts.unbounded + counts.out_of_order + counts.duplicates;
    assert_eq!((counts.kept + dropped, counts.pending), (samples.len() as u64, 0));
    all.iter().map(|report| (report.sample.at / SECOND, report.sample.value, report.reason)).collect()
}

fn series(values: &[f64]) -> Vec<Sample> {
    (0..).zip(values).map(|(second, value)| at(second, *value)).collect()
}

#[test]
fn line_ends_where_it_would_miss_a_sample() {
    let settings = Settings::new(1.0);
    for (values, expected) in [
        (vec![], vec![]),
        (vec![1.0], vec![(0, 1.0, Reason::First)]),
        (vec![1.0, 5.0], vec![(0, 1.0, Reason::First), (1, 5.0, Reason::Last)]),
        // A step: the last sample before it is kept, and the line goes up from there.
        (
            vec![0.0, 0.0, 0.0, 9.0, 9.0, 9.0],
            vec![
                (0, 0.0, Reason::First),
                (2, 0.0, Reason::Line),
                (3, 9.0, Reason::Line),
                (5, 9.0, Reason::Last),
            ],
        ),
        // At just the deviation the line still passes.
        (vec![0.0, 1.0, 0.0, 1.0, 0.0], vec![(0, 0.0, Reason::First), (4, 0.0, Reason::Last)]),
        (
            vec![0.0, 1.0_f64.next_up(), 0.0],
            vec![(0, 0.0, Reason::First), (1, 1.0_f64.next_up(), Reason::Line), (2, 0.0, Reason::Last)],
        ),
    ] {
        assert_eq!(kept(&settings, &series(&values)), expected, "{values:?}");
    }
}

#[test]
fn a_step_is_kept_when_it_comes() {
    let settings = Settings::new(0.0).with_mode(Mode::Step);
    assert_eq!(
        kept(&settings, &series(&[1.0, 1.0, 2.0, 2.0, 1.0, 1.0])),
        [(0, 1.0, Reason::First), (2, 2.0, Reason::Value), (4, 1.0, Reason::Value), (5, 1.0, Reason::Last)]
    );
    // One apart to the last bit, and above it by less than f64 tells.
    let settings = Settings::new(1.0).with_mode(Mode::Step);
    assert_eq!(kept(&settings, &series(&[-1e-30, 1.0]))[1].2, Reason::Value);
    assert_eq!(kept(&settings, &series(&[0.0, 1.0]))[1].2, Reason::Last);
}

#[test]
fn non_finite_run_keeps_both_ends() {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    for mode in [Mode::Linear, Mode::Step] {
        let settings = Settings::new(1.0).with_mode(mode);
        let values = [0.0, 0.0, nan, -nan, nan, inf, inf, -inf, 0.0, 0.0];
        let shown: Vec<_> = kept(&settings, &series(&values)).iter().map(|kept| (kept.0, kept.2)).collect();
        let mut expected = vec![
            (0, Reason::First),
            (2, Reason::NotFinite),
            (5, Reason::NotFinite),
            (7, Reason::NotFinite),
            (8, Reason::NotFinite),
            (9, Reason::Last),
        ];
        if mode == Mode::Linear {
            // The line that it breaks has an end.
            expected.insert(1, (1, Reason::Last));
        }
        assert_eq!(shown, expected);
    }
}

#[test]
fn another_quality_ends_the_line_and_is_kept() {
    let uncertain = |sample: Sample| sample.with_quality(Quality::UNCERTAIN);
    let samples = [at(0, 1.0), at(1, 1.0), uncertain(at(2, 1.0)), uncertain(at(3, 1.0)), at(4, 1.0)];
    assert_eq!(
        kept(&Settings::new(9.0), &samples),
        [
            (0, 1.0, Reason::First),
            (1, 1.0, Reason::Last),
            (2, 1.0, Reason::Quality),
            (3, 1.0, Reason::Last),
            (4, 1.0, Reason::Quality),
        ]
    );
    let settings = Settings::new(9.0).with_mode(Mode::Step);
    let seconds: Vec<_> = kept(&settings, &samples).iter().map(|kept| kept.0).collect();
    assert_eq!(seconds, [0, 2, 4]);
}

#[test]
fn no_line_is_longer_than_the_max_interval() {
    for mode in [Mode::Linear, Mode::Step] {
        let settings = Settings::new(1.0).with_max_interval(TimeDelta::seconds(3)).with_mode(mode);
        let samples = [0, 1, 2, 3, 4, 5, 6, 7, 20, 21, 22].map(|second| at(second, 5.0));
        let seconds: Vec<_> = kept(&settings, &samples).iter().map(|kept| kept.0).collect();
        // Across the hole no sample came that could be kept.
        assert_eq!(seconds, [0, 3, 6, 7, 20, 22], "{mode:?}");
    }
}

#[test]
fn min_interval_keeps_none_for_value() {
    let settings = Settings::new(0.5).with_min_interval(TimeDelta::seconds(3));
    let kept_seconds: Vec<_> = kept(&settings, &series(&[0.0, 9.0, 0.0, 9.0, 9.0, 9.0, 0.0, 0.0]))
        .iter()
        .map(|kept| (kept.0, kept.2))
        .collect();
    assert_eq!(kept_seconds, [(0, Reason::First), (3, Reason::Line), (6, Reason::Line), (7, Reason::Last)]);
    let step = settings.with_mode(Mode::Step);
    let kept_seconds: Vec<_> = kept(&step, &series(&[0.0, 9.0, 9.0, 0.0, 9.0, 9.0, 0.0, 0.0]))
        .iter()
        .map(|kept| (kept.0, kept.2))
        .collect();
    assert_eq!(kept_seconds, [(0, Reason::First), (4, Reason::Value), (7, Reason::Value)]);
}

#[test]
fn late_samples_are_treated_as_was_chosen() {
    let samples = [at(5, 1.0), at(5, 9.0), at(3, 9.0), at(6, 1.0)];
    let settings = Settings::new(1.0);
    assert_eq!(
        kept(&settings, &samples),
        [(5, 1.0, Reason::First), (5, 9.0, Reason::Order), (3, 9.0, Reason::Order), (6, 1.0, Reason::Last)]
    );
    let dropping = settings.clone().with_order(Order::Drop);
    assert_eq!(kept(&dropping, &samples), [(5, 1.0, Reason::First), (6, 1.0, Reason::Last)]);
    let mut door = SwingingDoor::new(&settings.with_order(Order::Refuse)).unwrap();
    door.observe(samples[0], |_| {}).unwrap();
    let before = door.clone();
    let error = door.observe(samples[1], |_| {}).unwrap_err();
    assert_eq!(error, OrderError { at: 5 * SECOND, against: 5 * SECOND, disorder: Disorder::Duplicate });
    assert_eq!(door.observe(samples[2], |_| {}).unwrap_err().disorder, Disorder::Late);
    assert_eq!(door, before);
}

#[test]
fn equal_sample_of_the_same_time_is_a_duplicate() {
    let bad = |sample: Sample| sample.with_quality(Quality::BAD);
    for mode in [Mode::Linear, Mode::Step] {
        let mut door = SwingingDoor::new(&Settings::new(1.0).with_mode(mode)).unwrap();
        for (sample, kept, duplicates) in [
            (at(5, 1.0), 1, 0),
            (at(5, 1.0), 1, 1),
            (at(6, 1.5), 1, 1),
            (at(6, 1.5), 1, 2),
            // The last that was kept.
            (at(5, 1.0), 1, 3),
            (at(6, 1.25), 2, 3),
            (bad(at(6, 1.5)), 3, 3),
            (at(4, 1.0), 4, 3),
            (at(6, f64::NAN), 5, 3),
        ] {
            door.observe(sample, |_| {}).unwrap();
            assert_eq!((door.counts().kept, door.counts().duplicates), (kept, duplicates), "{sample:?}");
        }
        let mut nan = SwingingDoor::new(&Settings::new(1.0).with_mode(mode)).unwrap();
        for _ in 0..2 {
            nan.observe(at(5, f64::NAN), |_| {}).unwrap();
        }
        assert_eq!(nan.counts().duplicates, 1);
    }
}

#[test]
fn clock_ahead_makes_nothing_late() {
    let settings = Settings::new(1.0).with_ahead(TimeDelta::seconds(10));
    for (order, kept, dropped) in [(Order::Pass, 2, 0), (Order::Drop, 1, 1)] {
        let mut door = SwingingDoor::new(&settings.clone().with_order(order)).unwrap();
        let mut count = 0;
        for (second, received) in [(0, 0), (900, 1), (2, 2), (3, 3)] {
            door.observe_received(at(second, 1.0), received * SECOND, |_| count += 1).unwrap();
        }
        assert_eq!((count, door.counts().out_of_order), (kept, dropped), "{order:?}");
        assert_eq!(door.newest(), Some(at(3, 1.0)));
        // Ten ahead is allowed.
        door.observe_received(at(14, 1.0), 4 * SECOND, |_| panic!("it is held")).unwrap();
        assert_eq!(door.newest(), Some(at(14, 1.0)));
    }
    let mut door = SwingingDoor::new(&settings.clone().with_order(Order::Refuse)).unwrap();
    let error = door.observe_received(at(900, 1.0), 0, |_| {}).unwrap_err();
    assert_eq!((error.against, error.disorder), (0, Disorder::Ahead));
    // Nobody tells when it was received.
    door.observe(at(900, 1.0), |_| {}).unwrap();
    assert_eq!(door.counts().kept, 1);
    for ahead in [TimeDelta::seconds(-1), TimeDelta::MAX] {
        let error = SwingingDoor::<f64>::new(&settings.clone().with_ahead(ahead)).unwrap_err();
        assert!(error.to_string().contains("`ahead`"), "{error}");
    }
}

#[test]
fn ends_of_time_and_floats_are_safe() {
    let samples = [
        Sample::new(i64::MIN, f64::MAX),
        Sample::new(i64::MIN + 1, -f64::MAX),
        Sample::new(0, 0.0),
        Sample::new(i64::MAX - 1, 1.0),
        Sample::new(i64::MAX, f64::MAX),
    ];
    for deviation in [0.0, 1.0, 1e270] {
        let settings = Settings::new(deviation);
        assert_eq!(kept(&settings, &samples).len(), samples.len(), "{deviation}");
    }
}

#[test]
fn settings_that_cannot_be_are_named() {
    let settings = Settings::new(1.0);
    for deviation in [-1.0, f64::NAN, f64::INFINITY, 1.1e270] {
        let error = SwingingDoor::<f64>::new(&Settings::new(deviation)).unwrap_err();
        assert!(error.to_string().contains("`deviation`"), "{error}");
    }
    for longest in [TimeDelta::zero(), TimeDelta::seconds(-1), TimeDelta::MAX] {
        let error = SwingingDoor::<f64>::new(&settings.clone().with_max_interval(longest)).unwrap_err();
        assert!(error.to_string().contains("`max_interval`"), "{error}");
    }
    for look_ahead in [0, Settings::MOST_AHEAD + 1] {
        let error = SwingingDoor::<f64>::new(&settings.clone().with_look_ahead(look_ahead)).unwrap_err();
        assert_eq!(error.to_string(), format!("`look_ahead` is {look_ahead}: give 1 to 4096 samples"));
    }
    for look_ahead in [1, Settings::MOST_AHEAD] {
        assert!(SwingingDoor::<f64>::new(&settings.clone().with_look_ahead(look_ahead)).is_ok());
    }
    let limited = settings.clone().with_max_interval(TimeDelta::seconds(5));
    assert!(SwingingDoor::<f64>::new(&limited.clone().with_min_interval(TimeDelta::seconds(5))).is_ok());
    for (settings, shortest) in [
        (&limited, TimeDelta::nanoseconds(5_000_000_001)),
        (&settings, TimeDelta::nanoseconds(-1)),
        (&settings, TimeDelta::MAX),
    ] {
        let error = SwingingDoor::<f64>::new(&settings.clone().with_min_interval(shortest)).unwrap_err();
        assert!(error.to_string().contains("`min_interval`"), "{error}");
    }
}

#[test]
fn what_is_drawn_between_two_samples() {
    let (before, after) = (at(0, 2.0), at(4, 4.0));
    for (second, linear, step) in [(-1, 2.0, 2.0), (0, 2.0, 2.0), (1, 2.5, 2.0), (4, 4.0, 4.0), (9, 4.0, 4.0)]
    {
        assert_eq!(value_at(&before, &after, second * SECOND, Mode::Linear), linear);
        assert_eq!(value_at(&before, &after, second * SECOND, Mode::Step), step);
    }
    for after in [at(4, f64::INFINITY), after.with_quality(Quality::BAD)] {
        assert_eq!(value_at(&before, &after, SECOND, Mode::Linear), 2.0);
    }
    let (lowest, highest) = (at(0, -f64::MAX), at(2, f64::MAX));
    assert_eq!(value_at(&lowest, &highest, SECOND, Mode::Linear), 0.0);
}
