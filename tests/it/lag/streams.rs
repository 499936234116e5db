//! Windows to judge: small numbers, so that every rule is met, and wild ones.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::lag::{Judge, Sample, Settings, Window};
use proptest::prelude::*;

pub(super) fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

/// A sample with offsets that may contradict each other, near second zero.
fn anything() -> impl Strategy<Value = Sample> {
    let offsets = (0..12_u64, 0..12_u64, proptest::option::of(0..12_u64));
    let times = (0..60_i64, proptest::option::of(-40..70_i64), proptest::option::of(-40..70_i64));
    (offsets, times).prop_map(|((start, head, committed), (second, committed_at, oldest))| {
        let mut sample = Sample::new(at(second), start, head).with_committed(committed);
        sample.committed_at = committed_at.map(at);
        sample.oldest_at = oldest.map(at);
        sample
    })
}

/// Numbers and times from end to end.
fn wild() -> impl Strategy<Value = Sample> {
    let offset =
        || prop_oneof![Just(0), Just(1), Just(u64::MAX), Just(i64::MAX.unsigned_abs()), any::<u64>()];
    let time = || {
        prop_oneof![
            Just(DateTime::<Utc>::MIN_UTC),
            Just(DateTime::<Utc>::MAX_UTC),
            (-100..100_i64).prop_map(at),
            any::<i32>().prop_map(|second| at(i64::from(second))),
        ]
    };
    (offset(), offset(), proptest::option::of(offset()), time(), proptest::option::of(time())).prop_map(
        |(start, head, committed, at, told)| {
            let mut sample = Sample::new(at, start, head).with_committed(committed);
            (sample.committed_at, sample.oldest_at) = (told, told);
            sample
        },
    )
}

/// A life as it may be: the head grows, the group follows, pauses, goes back; retention follows; sometimes the topic
/// is made anew. The commits' times are told in some lives.
fn life() -> impl Strategy<Value = Vec<Sample>> {
    let step = (1..20_i64, 0..4_u64, 0..8_u8, 0..4_u64, 0..40_u8);
    (any::<bool>(), 0..6_u64, proptest::collection::vec(step, 0..16)).prop_map(|(is_told, lag, steps)| {
        let (mut second, mut head, mut start, mut committed, mut committed_at) =
            (0, 20_u64, 0_u64, 20 - lag, 0);
        let mut samples = vec![];
        for (passed, came, does, by, rare) in steps {
            second += passed;
            head += came;
            match does {
                0..=3 => (committed, committed_at) = ((committed + by).min(head), second),
                4 => (committed, committed_at) = (committed.saturating_sub(by), second),
                5 => committed_at = second,
                _ => {}
            }
            match rare {
                0 => start = head.min(start + 15),
                1 => (head, start, committed) = (3, 0, committed.min(3)),
                _ => {}
            }
            let sample = Sample::new(at(second), start, head).with_committed(Some(committed));
            samples.push(if is_told { sample.with_committed_at(at(committed_at)) } else { sample });
        }
        samples
    })
}

/// A life with one sample at least, in order.
pub(super) fn lives() -> impl Strategy<Value = Vec<Sample>> {
    life().prop_filter("one sample at least", |samples| !samples.is_empty())
}

pub(super) fn streams() -> impl Strategy<Value = Vec<Sample>> {
    prop_oneof![
        4 => life(),
        2 => life().prop_shuffle(),
        2 => proptest::collection::vec(anything(), 0..14),
        1 => proptest::collection::vec(wild(), 0..14),
    ]
}

pub(super) fn settings() -> impl Strategy<Value = Settings> {
    let bounds =
        (proptest::option::of(0..8_u64), proptest::option::of(1..60_i64), proptest::option::of(1..200_i64));
    (0..3_u64, 2..8_usize, 1..40_i64, 1..200_i64, bounds).prop_map(
        |(allowed, samples, stop, stale, (lag, age, retention))| {
            let secs = TimeDelta::seconds;
            let mut settings = Settings::default()
                .with_allowed_lag(allowed)
                .with_min_samples(samples)
                .with_stop_after(secs(stop))
                .with_slowest_commit(secs(2 * stop))
                .with_stale_after(secs(stale));
            settings.max_lag = lag;
            settings.max_age = age.map(secs);
            settings.retention = retention.map(secs);
            settings
        },
    )
}

pub(super) fn judge(settings: Settings) -> Judge {
    Judge::new(settings).unwrap()
}

pub(super) fn window(capacity: usize, samples: &[Sample]) -> Window {
    let mut window = Window::new(capacity).unwrap();
    samples.iter().for_each(|sample| window.observe(*sample));
    window
}
