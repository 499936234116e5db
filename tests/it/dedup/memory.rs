//! What it takes: allocations are exact, so they are asserted.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::dedup::{
    Deduplicator, Device, Fingerprint, Limit, Message, MessageId, Position, Settings, Window,
};

fn message(number: u64) -> Message {
    let id = u128::from(number) << 64 | u128::from(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    Message::new(MessageId::from_u128(id), Device::MAX, Fingerprint::from_u64(number))
        .with_position(Position::new(0, number))
}

fn at(ms: u64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms as i64).unwrap()
}

/// The most bytes held at a time while so many ids are seen, one a millisecond.
fn held(settings: &Settings, ids: u64) -> u64 {
    let info = allocation_counter::measure(|| {
        let mut engine = Deduplicator::with_settings(settings).unwrap();
        for number in 0..ids {
            engine.observe(&message(number), at(number));
        }
    });
    info.bytes_max
}

#[test]
fn many_ids_take_48_bytes_each() {
    let day = Settings::new(TimeDelta::days(1));
    assert!(held(&day, 0) < 4096);
    assert!(held(&day, 1000) < 256 * 1024, "{}", held(&day, 1000));
    let many = 300_000;
    let fixed = 256 * 1024;
    assert!(held(&day, many) < 48 * many + fixed, "{}", held(&day, many));
    let with_positions = day.with_positions(true);
    assert!(held(&with_positions, many) < 64 * many + fixed, "{}", held(&with_positions, many));
}

#[test]
fn a_limit_in_bytes_is_kept() {
    for (window, positions) in [(Window::FixedFromFirst, false), (Window::Sliding, true)] {
        for limit in [512 << 10, 1 << 20, 8 << 20] {
            let settings = Settings::new(TimeDelta::days(1))
                .with_window(window)
                .with_positions(positions)
                .with_limit(Limit::Bytes(limit));
            let most = held(&settings, 250_000);
            assert!(most <= limit, "{most} of {limit}");
            assert!(limit == 512 << 10 || most > limit / 2, "{most} of {limit}: it makes use of it");
        }
    }
}

#[test]
fn full_window_allocates_single_segments() {
    let mut engine =
        Deduplicator::with_settings(&Settings::new(TimeDelta::seconds(20)).with_grace(TimeDelta::zero()))
            .unwrap();
    let mut number = 0;
    let mut run = |engine: &mut Deduplicator, messages: u64| {
        for _ in 0..messages {
            engine.observe(&message(number), at(number));
            engine.observe(&message(number), at(number));
            number += 1;
        }
    };
    // Until what is counted by device and second is all put away, which is bounded too.
    run(&mut engine, 60_000);
    let info = allocation_counter::measure(|| run(&mut engine, 50_000));
    assert!(info.count_total <= 20, "{}", info.count_total);
    assert!(info.bytes_current < 64 * 1024, "it does not grow: {}", info.bytes_current);
    assert!(engine.audit().longest_move <= 16);
}

#[test]
fn memory_is_freed_after_a_window() {
    let settings = Settings::new(TimeDelta::seconds(60)).with_grace(TimeDelta::zero());
    let mut engine = Deduplicator::with_settings(&settings).unwrap();
    let info = allocation_counter::measure(|| {
        for number in 0..100_000 {
            engine.observe(&message(number), at(number / 100));
        }
        engine.tick(at(100_000));
    });
    // The index is left, which shrinks as new ids come, and the last segment.
    assert!(info.bytes_current < 20 * 100_000, "{}", info.bytes_current);
    assert!(engine.len() <= 4096);
    let info = allocation_counter::measure(|| {
        for number in 100_000..130_000 {
            engine.observe(&message(number), at(number * 100));
        }
    });
    assert!(info.bytes_current < -500_000, "{}", info.bytes_current);
}
