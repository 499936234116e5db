//! Streams of samples and settings, as unkind as they come.

use chrono::TimeDelta;
use iot_runbook::deadband::filter::{Band, Extent, Order, Settings};
use iot_runbook::deadband::sample::{Quality, Sample};
use proptest::prelude::*;

/// Values on a grid of tenths, where differences lie on the edge of a band, with what is no number among them.
pub(super) fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        12 => (-20_i32..20).prop_map(|tenths| f64::from(tenths) / 10.0),
        3 => -3.0..3.0,
        1 => proptest::sample::select(vec![
            f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MAX, f64::MIN, 5e-324, 1e-17,
        ]),
    ]
}

pub(super) fn quality() -> impl Strategy<Value = Quality> {
    prop_oneof![
        20 => Just(Quality::GOOD),
        1 => Just(Quality::BAD),
        1 => Just(Quality::new(0x8001_0000)),
    ]
}

/// Finite samples in time order, of one quality.
pub(super) fn kind() -> impl Strategy<Value = Vec<Sample>> {
    prop::collection::vec((1_i64..6, (-20_i32..20)), 0..80).prop_map(|steps| {
        let mut at = 0;
        let samples = steps.into_iter().map(|(step, tenths)| {
            at += step;
            Sample::new(at, f64::from(tenths) / 10.0)
        });
        samples.collect()
    })
}

/// Anything: late, of one moment, far ahead, no numbers, changes of quality; each with when it was received.
pub(super) fn unkind() -> impl Strategy<Value = Vec<(Sample, Option<i64>)>> {
    let step = prop_oneof![
        20 => 1_i64..6,
        2 => -4_i64..1,
        2 => Just(0_i64),
        1 => 20_i64..60,
        1 => proptest::sample::select(vec![i64::MAX, i64::MIN, 1 << 40]),
    ];
    prop::collection::vec((step, value(), quality(), any::<bool>()), 0..80).prop_map(|steps| {
        let mut clock = 0_i64;
        let samples = steps.into_iter().map(|(step, value, quality, known)| {
            let at = clock.saturating_add(step);
            if (-100..100).contains(&step) {
                clock = clock.max(at);
            }
            (Sample::new(at, value).with_quality(quality), known.then_some(clock))
        });
        samples.collect()
    })
}

fn extent() -> impl Strategy<Value = Extent> {
    prop_oneof![
        proptest::sample::select(vec![0.0, 0.1, 0.3, 0.5, 1.0]).prop_map(Extent::Absolute),
        proptest::sample::select(vec![0.0, 5.0, 7.0]).prop_map(|percent| Extent::PercentOfSpan {
            percent,
            low: -2.0,
            high: 8.0
        }),
        (proptest::sample::select(vec![0.0, 10.0, 33.0]), proptest::sample::select(vec![0.0, 0.1]))
            .prop_map(|(percent, floor)| Extent::PercentOfLast { percent, floor }),
    ]
}

pub(super) fn band() -> impl Strategy<Value = Band> {
    prop_oneof![
        1 => Just(Band::None),
        4 => extent().prop_map(Band::Of),
        1 => (extent(), extent()).prop_map(|(a, b)| Band::Larger(a, b)),
        1 => (extent(), extent()).prop_map(|(a, b)| Band::Smaller(a, b)),
    ]
}

/// Settings of the profile that is ours.
pub(super) fn settings() -> impl Strategy<Value = Settings> {
    let order =
        proptest::sample::select(vec![Order::DropDuplicates, Order::Pass, Order::Drop, Order::Refuse]);
    let max = proptest::option::of(10_i64..30);
    let min = proptest::option::of(1_i64..10);
    (band(), max, min, any::<bool>(), order, proptest::option::of(5_i64..50)).prop_map(
        |(band, max, min, previous, order, ahead)| {
            let mut settings = Settings::new(band).with_order(order);
            settings.max_interval = max.map(TimeDelta::nanoseconds);
            settings.min_interval = min.map(TimeDelta::nanoseconds);
            settings.ahead = ahead.map(TimeDelta::nanoseconds);
            settings.previous = previous;
            settings
        },
    )
}
