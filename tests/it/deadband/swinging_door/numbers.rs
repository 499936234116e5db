//! Doors over integers and `f32`.

use iot_runbook::deadband::sample::{Number, Sample};
use iot_runbook::deadband::swinging_door::{Mode, Reason, Report, Settings, SwingingDoor, value_at};
use proptest::prelude::*;

fn run<V: Number>(settings: &Settings, values: &[V]) -> Vec<Report<V>> {
    let mut door = SwingingDoor::new(settings).unwrap();
    let mut kept = Vec::new();
    for (at, value) in (0..).zip(values) {
        door.observe(Sample::new(at * 7, *value), |report| kept.push(report)).unwrap();
    }
    door.flush(|report| kept.push(report));
    kept
}

fn shown<V: Number>(kept: &[Report<V>]) -> Vec<(i64, f64, Reason)> {
    kept.iter().map(|report| (report.sample.at, report.sample.value.to_f64(), report.reason)).collect()
}

/// Steps of a walk, some of them long.
fn steps() -> impl Strategy<Value = Vec<i64>> {
    let step = prop_oneof![8 => -3..4_i64, 1 => -1_000..1_000_i64, 1 => Just(i64::MAX), 1 => Just(i64::MIN)];
    prop::collection::vec(step, 2..200)
}

proptest! {
    #![proptest_config(crate::random::cases(300))]

    /// In whole eighths, near the ends of the type, where no `f64` tells two neighbours apart.
    #[test]
    fn integers_are_within_the_deviation(
        steps in steps(), first in any::<i64>(), eighths in 0..40_i32, step_mode in any::<bool>(),
    ) {
        let mut value = first;
        let values: Vec<_> = steps.iter().map(|step| { value = value.saturating_add(*step); value }).collect();
        let mode = if step_mode { Mode::Step } else { Mode::Linear };
        let settings = Settings::new(f64::from(eighths) / 8.0).with_mode(mode);
        let kept = run(&settings, &values);
        for ends in kept.windows(2) {
            let (from, to) = (ends[0].sample, ends[1].sample);
            let run = i128::from(to.at - from.at);
            let rise = if step_mode { 0 } else { i128::from(to.value) - i128::from(from.value) };
            for at in (from.at / 7 + 1)..to.at / 7 {
                let own = (i128::from(values[at as usize]) - i128::from(from.value)) * run;
                let missed = own - rise * i128::from(at * 7 - from.at);
                prop_assert!(missed.abs() * 8 <= i128::from(eighths) * run, "{from:?} {at} {to:?}");
            }
        }
    }

    #[test]
    fn small_numbers_of_every_type_are_kept_alike(
        values in prop::collection::vec(0..100_u8, 1..150), eighths in 0..80_i32, look_ahead in 1..70_u16,
    ) {
        fn kept<V: Number + From<u8>>(settings: &Settings, values: &[u8]) -> Vec<(i64, f64, Reason)> {
            shown(&run(settings, &values.iter().map(|value| V::from(*value)).collect::<Vec<_>>()))
        }
        let settings = Settings::new(f64::from(eighths) / 8.0).with_look_ahead(look_ahead);
        let expected = kept::<f64>(&settings, &values);
        prop_assert_eq!(&kept::<u8>(&settings, &values), &expected);
        prop_assert_eq!(&kept::<i32>(&settings, &values), &expected);
        prop_assert_eq!(&kept::<u64>(&settings, &values), &expected);
        prop_assert_eq!(&kept::<i64>(&settings, &values), &expected);
        prop_assert_eq!(&kept::<f32>(&settings, &values), &expected);
    }
}

/// 2⁶⁰ is a `f64`; its neighbours are not.
#[test]
fn a_ramp_of_large_integers_is_one_line() {
    let mut values: Vec<i64> = (0..1_000).map(|i| (1 << 60) + i).collect();
    let ends = |kept: &[Report<i64>]| kept.iter().map(|report| report.sample.at / 7).collect::<Vec<_>>();
    assert_eq!(ends(&run(&Settings::new(0.0), &values)), [0, 999]);
    values[500] += 1;
    assert_eq!(ends(&run(&Settings::new(0.0), &values)), [0, 499, 500, 501, 999]);
}

#[test]
fn door_is_restored_for_its_own_type_only() {
    let mut door = SwingingDoor::<i64>::new(&Settings::new(1.0)).unwrap();
    for at in 0..9 {
        door.observe(Sample::new(at, i64::MIN + at), |_| {}).unwrap();
    }
    let saved = serde_json::to_string(&door).unwrap();
    let mut restored: SwingingDoor<i64> = serde_json::from_str(&saved).unwrap();
    assert_eq!(restored, door);
    let mut kept = Vec::new();
    restored.flush(|report| kept.push(report.sample));
    assert_eq!(kept, [Sample::new(8, i64::MIN + 8)]);
    let error = serde_json::from_str::<SwingingDoor<f64>>(&saved).unwrap_err().to_string();
    assert!(error.contains("values of type i64, not f64"), "{error}");
    let too_large = saved.replace("i64", "u8");
    let error = serde_json::from_str::<SwingingDoor<u8>>(&too_large).unwrap_err().to_string();
    assert!(error.contains("`value`"), "{error}");
}

#[test]
fn line_between_integers_is_drawn_between_them() {
    let (before, after) = (Sample::new(0, 1_u8), Sample::new(4, 2_u8));
    assert_eq!(value_at(&before, &after, 1, Mode::Linear), 1.25);
    assert_eq!(value_at(&before, &after, 1, Mode::Step), 1.0);
}
