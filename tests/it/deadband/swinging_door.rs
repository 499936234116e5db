//! The door beside a slow model in whole numbers, and its guarantee on signals of many shapes.

mod model;
mod numbers;
mod optimum;
pub(super) mod signals;

use chrono::TimeDelta;
use iot_runbook::deadband::filter::Order;
use iot_runbook::deadband::sample::{Quality, Sample};
use iot_runbook::deadband::swinging_door::{Mode, Reason, Report, Settings, SwingingDoor, value_at};
use proptest::prelude::*;

use model::Exact;

fn run(settings: &Settings, samples: &[Sample]) -> (Vec<Report>, SwingingDoor) {
    let mut door = SwingingDoor::new(settings).unwrap();
    let mut kept = Vec::new();
    for sample in samples {
        door.observe(*sample, |report| kept.push(report)).unwrap();
    }
    door.flush(|report| kept.push(report));
    (kept, door)
}

fn is_same(one: &Sample, other: &Sample) -> bool {
    one.at == other.at && one.quality == other.quality && one.value.to_bits() == other.value.to_bits()
}

fn are_same(one: &[Report], other: &[Report]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(a, b)| a.reason == b.reason && is_same(&a.sample, &b.sample))
}

/// The guarantee, in whole numbers: what is drawn misses no dropped sample by more than the deviation, and
/// nothing is made up. Samples within the min interval after a kept one are excused.
fn assert_guarantee(settings: &Settings, samples: &[Sample], kept: &[Report], name: &str) {
    let exact = Exact::of(samples, settings.deviation);
    let line: Vec<_> = kept.iter().filter(|report| report.reason != Reason::Order).collect();
    let mut next = kept.iter().peekable();
    let mut newest = i64::MIN;
    let mut at = 0;
    for (order, sample) in samples.iter().enumerate() {
        if order > 0 && sample.at <= newest {
            continue;
        }
        newest = sample.at;
        while at + 1 < line.len() && line[at + 1].sample.at <= sample.at {
            at += 1;
        }
        let before = &line[at].sample;
        if before.at == sample.at {
            assert!(is_same(before, sample), "{name}: {before:?} is made up");
            continue;
        }
        let after = &line.get(at + 1).unwrap_or_else(|| panic!("{name}: no end after {sample:?}")).sample;
        let is_excused = TimeDelta::nanoseconds(sample.at - before.at) < settings.min_interval;
        assert_eq!(before.quality, sample.quality, "{name}");
        if !sample.value.is_finite() {
            assert!(before.value.total_cmp(&sample.value).is_eq() || before.value.is_nan(), "{name}");
            assert!(value_at(before, after, sample.at, settings.mode).total_cmp(&before.value).is_eq());
        } else if !is_excused {
            assert!(
                exact.is_drawn(settings.mode, before, after, sample),
                "{name}: {sample:?} is missed by the line from {before:?} to {after:?}, deviation {}",
                settings.deviation
            );
            let drawn = value_at(before, after, sample.at, settings.mode);
            let ends = [before.value, after.value].into_iter().filter(|end| end.is_finite());
            let largest = ends.map(f64::abs).fold(sample.value.abs(), f64::max);
            let rounding = 4.0 * (largest.next_up() - largest);
            assert!((drawn - sample.value).abs() <= settings.deviation + rounding, "{name}: drawn");
        }
    }
    // Each that is kept came in, once.
    for sample in samples {
        next.next_if(|report| is_same(&report.sample, sample));
    }
    if settings.order == Order::Drop || kept.iter().all(|report| report.reason != Reason::Order) {
        assert!(next.peek().is_none(), "{name}: {:?} is made up, or out of order", next.peek());
    }
}

/// No line from one kept sample to the next is longer than `max` nanoseconds, unless no sample came between the two.
fn assert_max_interval(samples: &[Sample], kept: &[Report], max: i64) {
    let mut in_order: Vec<i64> = Vec::new();
    for sample in samples {
        if in_order.last().is_none_or(|newest| *newest < sample.at) {
            in_order.push(sample.at);
        }
    }
    let kept: Vec<_> =
        kept.iter().filter(|report| report.reason != Reason::Order).map(|report| report.sample.at).collect();
    for ends in kept.windows(2) {
        let is_between = |at: &&i64| ends[0] < **at && **at < ends[1];
        if ends[1] - ends[0] > max {
            assert_eq!(in_order.iter().find(is_between), None, "from {} to {}", ends[0], ends[1]);
        }
    }
}

#[test]
fn max_interval_holds_at_a_change_of_quality() {
    let second = |at: i64| at * 1_000_000_000;
    let samples = [
        Sample::new(second(0), 1.0),
        Sample::new(second(50), 1.0),
        Sample::new(second(3_600), 1.0).with_quality(Quality::BAD),
    ];
    for mode in [Mode::Linear, Mode::Step] {
        let settings = Settings::new(0.5).with_max_interval(TimeDelta::seconds(60)).with_mode(mode);
        let (kept, _) = run(&settings, &samples);
        let kept: Vec<_> = kept.iter().map(|report| report.sample.at / 1_000_000_000).collect();
        assert_eq!(kept, [0, 50, 3_600], "{mode:?}");
    }
}

#[test]
fn signals_are_within_the_deviation() {
    for (name, samples) in signals::all() {
        for deviation in [0.0, 1.0 / 1_073_741_824.0, 0.007_812_5, 0.125, 0.5, 3.0, 1e3] {
            for mode in [Mode::Linear, Mode::Step] {
                let settings = Settings::new(deviation).with_mode(mode);
                let (kept, _) = run(&settings, &samples);
                assert_guarantee(&settings, &samples, &kept, &format!("{name} {deviation} {mode:?}"));
            }
        }
    }
}

#[test]
fn it_keeps_what_the_model_keeps() {
    for (name, samples) in signals::all() {
        for deviation in [0.0, 0.007_812_5, 0.5, 3.0] {
            for mode in [Mode::Linear, Mode::Step] {
                let plain = Settings::new(deviation).with_mode(mode).with_look_ahead(1);
                let settings = plain
                    .clone()
                    .with_max_interval(TimeDelta::nanoseconds(40 * signals::TICK))
                    .with_min_interval(TimeDelta::nanoseconds(3 * signals::TICK));
                for settings in [plain, settings] {
                    let (kept, door) = run(&settings, &samples);
                    let (expected, unbounded) = model::run(&settings, &samples);
                    assert!(are_same(&kept, &expected), "{name} {settings:?}");
                    assert_eq!(door.counts().unbounded, unbounded, "{name} {settings:?}");
                }
            }
        }
    }
}

#[test]
fn it_compresses() {
    // What the guarantee costs is bounded: a ramp is two samples, a quiet signal few.
    for (name, samples) in signals::all() {
        let (kept, _) = run(&Settings::new(3.0), &samples);
        let most = match name {
            "ramp" | "constant" | "ramp on a huge offset" => 2,
            "quiet noise" => 3,
            "sine" => samples.len() / 20,
            _ => samples.len(),
        };
        assert!(kept.len() <= most, "{name}: {} of {}", kept.len(), samples.len());
    }
}

fn values() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => (-40..40_i32).prop_map(|step| f64::from(step) / 8.0),
        4 => (-4.0..4.0_f64).prop_map(|value| (value * 1e9).round() / 1_073_741_824.0),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(-0.0),
    ]
}

prop_compose! {
    fn sample()(step in -1..6_i64, value in values(), quality in 0..12_u32) -> (i64, f64, u32) {
        (step, value, quality)
    }
}

prop_compose! {
    fn samples()(
        steps in proptest::collection::vec(sample(), 0..120),
        begin in prop_oneof![Just(0), Just(-1_000), Just(1_800_000_000_000_000_000)],
    ) -> Vec<Sample> {
        let mut at = begin;
        steps.into_iter().map(|(step, value, quality)| {
            at += step;
            let quality = if quality == 0 { Quality::UNCERTAIN } else { Quality::GOOD };
            Sample::new(at, value).with_quality(quality)
        }).collect()
    }
}

prop_compose! {
    fn settings()(
        deviation in prop_oneof![Just(0.0), Just(0.125), Just(1.0), Just(3.0)],
        max in proptest::option::of(1..30_i64),
        min in 0..8_i64,
        is_step in any::<bool>(),
        look_ahead in prop_oneof![Just(1_u16), 2..9_u16, Just(64)],
        order in prop_oneof![Just(Order::DropDuplicates), Just(Order::Pass), Just(Order::Drop)],
        ahead in proptest::option::of(0..9_i64),
    ) -> Settings {
        let mut settings = Settings::new(deviation).with_order(order);
        settings.ahead = ahead.map(TimeDelta::nanoseconds);
        settings.max_interval = max.map(TimeDelta::nanoseconds);
        settings.min_interval = TimeDelta::nanoseconds(max.map_or(min, |max| min.min(max)));
        settings.look_ahead = look_ahead;
        settings.mode = if is_step { Mode::Step } else { Mode::Linear };
        settings
    }
}

proptest! {
    #![proptest_config(crate::random::cases(800))]

    #[test]
    fn on_any_samples_it_keeps_what_the_model_keeps(samples in samples(), settings in settings()) {
        let (kept, door) = run(&settings, &samples);
        if settings.look_ahead == 1 || settings.mode == Mode::Step {
            let (expected, unbounded) = model::run(&settings, &samples);
            prop_assert_eq!(door.counts().unbounded, unbounded);
            prop_assert!(are_same(&kept, &expected), "{kept:#?}\nexpected {expected:#?}");
        }
        if !samples.is_empty() {
            assert_guarantee(&settings, &samples, &kept, "any");
        }
        let counts = door.counts();
        prop_assert_eq!(counts.kept, kept.len() as u64);
        let decided = counts.kept + counts.dropped + counts.unbounded + counts.out_of_order + counts.duplicates;
        prop_assert_eq!(decided, samples.len() as u64);
        if settings.min_interval == TimeDelta::zero() {
            prop_assert_eq!(counts.unbounded, 0);
        }
        if settings.order != Order::Drop {
            prop_assert_eq!(counts.out_of_order, 0);
        }
    }

    /// A line may be longer than the max interval only where no sample came within it.
    #[test]
    fn max_interval_holds_across_breaks(samples in samples(), mut settings in settings(), max in 1..30_i64) {
        settings.max_interval = Some(TimeDelta::nanoseconds(max));
        settings.min_interval = settings.min_interval.min(TimeDelta::nanoseconds(max));
        let (kept, _) = run(&settings, &samples);
        assert_max_interval(&samples, &kept, max);
    }

    #[test]
    fn restore_at_any_sample_goes_on_the_same(
        samples in samples(), settings in settings(), cut in any::<prop::sample::Index>(),
    ) {
        let cut = cut.index(samples.len() + 1);
        let mut door = SwingingDoor::new(&settings).unwrap();
        let mut kept = Vec::new();
        for (at, sample) in samples.iter().enumerate() {
            if at == cut {
                let saved = serde_json::to_string(&door).unwrap();
                let restored: SwingingDoor = serde_json::from_str(&saved).unwrap();
                prop_assert_eq!(&saved, &serde_json::to_string(&restored).unwrap());
                door = restored;
            }
            door.observe(*sample, |report| kept.push(report)).unwrap();
        }
        door.flush(|report| kept.push(report));
        let (whole, through) = run(&settings, &samples);
        prop_assert!(are_same(&kept, &whole));
        prop_assert_eq!(door.counts(), through.counts());
    }

    /// Before the flush too.
    #[test]
    fn at_any_moment_each_sample_is_counted_once(samples in samples(), settings in settings()) {
        let mut door = SwingingDoor::new(&settings).unwrap();
        for (sample, seen) in samples.iter().zip(1..) {
            door.observe(*sample, |_| {}).unwrap();
            let counts = door.counts();
            let decided =
                counts.kept + counts.dropped + counts.unbounded + counts.out_of_order + counts.duplicates;
            prop_assert_eq!(decided + counts.pending, seen);
            prop_assert!(counts.pending <= settings.look_ahead.into());
            let mut flushed = door.clone();
            flushed.flush(|_| {});
            prop_assert_eq!(flushed.counts().pending, 0);
            prop_assert!(flushed.counts().dropped >= counts.dropped && flushed.counts().kept >= counts.kept);
        }
    }

    /// One that is further ahead of its reception than is allowed takes no part; at just the limit it does.
    #[test]
    fn clock_is_ahead_from_beyond_the_limit_on(
        (at, received) in (-20..20_i64, -20..20_i64), limit in 0..9_i64, first in any::<bool>(),
    ) {
        let settings = Settings::new(1.0).with_ahead(TimeDelta::nanoseconds(limit)).with_order(Order::Refuse);
        let mut door = SwingingDoor::new(&settings).unwrap();
        if first {
            door.observe_received(Sample::new(-30, 0.0), -30, |_| {}).unwrap();
        }
        let result = door.observe_received(Sample::new(at, 0.0), received, |_| {});
        prop_assert_eq!(result.is_err(), at - received > limit);
        prop_assert_eq!(door.newest().is_some_and(|newest| newest.at == at), at - received <= limit);
    }

    /// A line is between samples of one quality; of two it is the first value that holds, for each pair of codes.
    #[test]
    fn drawn_value_is_between_of_one_quality(
        (one, other) in (-40..40_i32, -40..40_i32), run in 1..1_000_i64, at in 0..1_000_i64,
        (before, after) in (0..3_u32, 0..3_u32),
    ) {
        let sample = |at, value: i32, code: u32| {
            Sample::new(at, f64::from(value)).with_quality(Quality::new(code << 16))
        };
        let (before, after) = (sample(0, one, before), sample(run, other, after));
        let drawn = value_at(&before, &after, at, Mode::Linear);
        if at >= run {
            prop_assert_eq!(drawn, after.value);
        } else if before.quality != after.quality || at == 0 {
            prop_assert_eq!(drawn, before.value);
        } else {
            let exact = (i64::from(one) * (run - at) + i64::from(other) * at) as f64 / run as f64;
            prop_assert!((drawn - exact).abs() <= 4.0 * f64::EPSILON * 40.0, "{drawn} {exact}");
        }
        prop_assert_eq!(value_at(&before, &after, at, Mode::Step), if at >= run { after.value } else { before.value });
    }

    #[test]
    fn a_changed_state_is_refused_or_harmless(
        samples in samples(), settings in settings(), byte in any::<prop::sample::Index>(), digit in b'0'..=b'9',
    ) {
        let mut door = SwingingDoor::new(&settings).unwrap();
        for sample in &samples {
            door.observe(*sample, |_| {}).unwrap();
        }
        let mut saved = serde_json::to_string(&door).unwrap().into_bytes();
        let digits: Vec<_> = (0..saved.len()).filter(|at| saved[*at].is_ascii_digit()).collect();
        saved[*byte.get(&digits)] = digit;
        if let Ok(mut restored) = serde_json::from_slice::<SwingingDoor>(&saved) {
            for sample in &samples {
                let _ = restored.observe(*sample, |_| {});
            }
            restored.flush(|_| {});
            let _ = restored.counts();
        }
    }
}

#[test]
fn state_that_contradicts_itself_is_refused() {
    let mut door = SwingingDoor::new(&Settings::new(1.0)).unwrap();
    for at in 0..4 {
        door.observe(Sample::new(at, 1.0), |_| {}).unwrap();
    }
    let saved = serde_json::to_value(&door).unwrap();
    serde_json::from_value::<SwingingDoor>(saved.clone()).unwrap();
    let one = 1.0_f64.to_bits();
    for (pointer, value, told) in [
        ("/version", serde_json::json!(1), "version 1"),
        ("/deviation", serde_json::json!(f64::NAN.to_bits()), "settings"),
        ("/max_interval", serde_json::json!(0), "settings"),
        ("/line/newest/at", serde_json::json!(-1), "`newest`"),
        ("/line/newest/value", serde_json::json!(f64::NAN.to_bits()), "`newest`"),
        ("/line/held", serde_json::json!(0), "`newest`"),
        ("/line/held", serde_json::json!(4), "`held`"),
        ("/line/unbounded", serde_json::json!(3), "`unbounded`"),
        ("/line/cone", serde_json::Value::Null, "`cone`"),
        ("/line/cone", serde_json::json!([[one, 4], [one, 3]]), "`cone`"),
        ("/line/cone", serde_json::json!([[one, 3], [one, 4]]), "`cone`"),
        ("/line/cone", serde_json::json!([[one, 3], [one, 0]]), "`cone`"),
        ("/line/cone", serde_json::json!([[one, 3], [1e271_f64.to_bits(), 3]]), "`cone`"),
        ("/line/newest/quality", serde_json::json!(0x8000_0000_u32), "`newest`"),
        ("/line/cone", serde_json::json!([[9.0_f64.to_bits(), 3], [one, 3]]), "`cone`"),
        ("/line/cone", serde_json::json!([[f64::NAN.to_bits(), 3], [one, 3]]), "`cone`"),
    ] {
        let mut changed = saved.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        let error = serde_json::from_value::<SwingingDoor>(changed).unwrap_err().to_string();
        assert!(error.contains(told), "{pointer}: {error}");
    }
}

#[test]
fn a_step_allocates_nothing() {
    let samples = &signals::all()[0].1;
    let mut door = SwingingDoor::new(&Settings::new(0.5)).unwrap();
    let mut kept = 0;
    let info = allocation_counter::measure(|| {
        for sample in samples {
            door.observe(*sample, |_| kept += 1).unwrap();
        }
    });
    assert!(kept > 2);
    assert_eq!(info.count_total, 0, "{info:?}");
}
