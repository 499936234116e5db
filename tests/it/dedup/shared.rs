//! The engine for many threads, beside the one for one.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::dedup::{
    Deduplicator, Device, Devices, Fingerprint, Limit, Message, MessageId, Position, Secret, Settings,
    SettingsError, SharedDeduplicator, Verdict, Window,
};
use iot_runbook::time::Period;

use super::random::Random;

fn at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_800_000_000_000 + ms).unwrap()
}

fn settings() -> Settings {
    Settings::new(TimeDelta::milliseconds(400))
        .with_reserve_timeout(TimeDelta::milliseconds(50))
        .with_positions(true)
        .with_secret(Secret::from_bytes([9; 16]))
}

fn message(random: &mut Random) -> Message {
    let id = MessageId::from_u128(random.below(3000).into());
    let device = Device::new(u32::from(random.below(30) == 0)).unwrap();
    Message::new(id, device, Fingerprint::from_u64(1)).with_position(Position::new(0, random.below(2)))
}

#[test]
fn verdicts_equal_the_plain_engine() {
    for (window, shards) in [(Window::FixedFromFirst, 1), (Window::FixedFromFirst, 7), (Window::Sliding, 64)]
    {
        let settings = settings().with_window(window);
        let mut random = Random::new(shards as u64);
        let mut one = Deduplicator::with_settings(&settings).unwrap();
        let mut shared = SharedDeduplicator::new(&settings, shards).unwrap();
        let mut now = 0;
        let mut held = Vec::new();
        for turn in 0..4000 {
            now += random.below(3) as i64 - i64::from(random.below(50) == 0) * 5;
            match random.below(4) {
                0 => {
                    let message = message(&mut random);
                    assert_eq!(shared.observe(&message, at(now)), one.observe(&message, at(now)));
                }
                1 => {
                    let batch: Vec<_> = (0..random.below(150)).map(|_| message(&mut random)).collect();
                    let (mut theirs, mut ours) = (vec![Verdict::Replay], vec![Verdict::Replay]);
                    one.observe_batch(&batch, at(now), &mut theirs);
                    shared.observe_batch(&batch, at(now), &mut ours);
                    assert_eq!(ours, theirs);
                }
                2 => {
                    let message = message(&mut random);
                    let (theirs, ours) = (one.reserve(&message, at(now)), shared.reserve(&message, at(now)));
                    assert_eq!(ours, theirs);
                    held.extend(ours.1.zip(theirs.1));
                }
                _ if !held.is_empty() => {
                    let (ours, theirs) = held.swap_remove(random.below(held.len() as u64) as usize);
                    if turn % 2 == 0 {
                        assert_eq!(shared.commit(ours), one.commit(theirs));
                    } else {
                        assert_eq!(shared.abort(ours), one.abort(theirs));
                    }
                }
                _ => {
                    shared.tick(at(now));
                    one.tick(at(now));
                }
            }
            if turn % 1000 == 999 {
                // Each goes on from what the other wrote.
                let (mut by_one, mut by_shared) = (Vec::new(), Vec::new());
                assert_eq!(
                    one.snapshot(&Devices::default(), &mut by_one).unwrap(),
                    shared.snapshot(&Devices::default(), &mut by_shared).unwrap()
                );
                assert_eq!(shared.audit().verdicts, one.audit().verdicts);
                assert_eq!(shared.audit().clock, one.audit().clock);
                let period = Period::new(at(-10_000), at(now)).unwrap();
                for device in [0, 1].map(|device| Device::new(device).unwrap()) {
                    assert_eq!(shared.dropped(device, period), one.dropped(device, period));
                }
                let (again, told) = SharedDeduplicator::restore(
                    &settings,
                    shards + 1,
                    &mut Devices::default(),
                    &by_one[..],
                    at(now),
                )
                .unwrap();
                shared = again;
                let (again, same) =
                    Deduplicator::restore(&settings, &mut Devices::default(), &by_shared[..], at(now))
                        .unwrap();
                one = again;
                assert_eq!(told, same);
                assert_eq!(shared.len(), one.len());
                held.clear();
            }
        }
    }
}

#[test]
fn one_copy_passes_from_many_threads() {
    let engine = SharedDeduplicator::new(&settings().with_positions(false), 16).unwrap();
    let (passed, committed) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (engine, passed, committed) = (&engine, &passed, &committed);
            scope.spawn(move || {
                let mut verdicts = Vec::new();
                for number in 0..5000_u64 {
                    let device = Device::new(1).unwrap();
                    let of = |id: u64| {
                        Message::new(MessageId::from_u128(id.into()), device, Fingerprint::from_u64(id))
                    };
                    // The clocks of threads differ by a little.
                    let now = at((number / 100 + thread) as i64);
                    verdicts.clear();
                    match number % 3 {
                        0 => verdicts.push(engine.observe(&of(number), now)),
                        1 => engine.observe_batch(&[of(number), of(number)], now, &mut verdicts),
                        _ => {
                            let (verdict, reservation) = engine.reserve(&of(number), now);
                            if let Some(reservation) = reservation {
                                engine.commit(reservation).unwrap();
                                committed.fetch_add(1, Ordering::Relaxed);
                                verdicts.push(verdict);
                            }
                        }
                    }
                    let fresh = verdicts.iter().filter(|verdict| verdict.passes()).count();
                    passed.fetch_add(fresh as u64, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(passed.into_inner(), 5000);
    assert_eq!(committed.into_inner(), 1666);
    assert_eq!((engine.len(), engine.audit().verdicts.fresh), (5000, 5000));
}

#[test]
fn all_shards_share_one_clock() {
    let engine =
        SharedDeduplicator::new(&settings().with_max_forward_jump(TimeDelta::milliseconds(500)), 4).unwrap();
    let of = |id: u128| Message::new(MessageId::from_u128(id), Device::MAX, Fingerprint::from_u64(0));
    let see = |id, ms| engine.observe(&of(id), at(ms));
    assert_eq!(see(1, 0), Verdict::Fresh);
    let late = see(1, 90_000);
    assert!(
        matches!(late, Verdict::Late { last_seen, .. } if last_seen == at(0)),
        "in doubt it passes: {late:?}"
    );
    assert!(see(1, 90_000).drops(), "its window began anew");
    assert_eq!(engine.audit().clock.holding.map(|holding| holding.told), Some(at(90_000)));
    engine.accept_clock(at(90_000));
    assert_eq!(engine.audit().clock.holding, None);
    assert_eq!(see(1, 90_001), Verdict::Fresh);
    assert_eq!(see(2, 89_000), Verdict::Fresh);
    assert_eq!(engine.audit().clock.behind_by_at_most, TimeDelta::milliseconds(1001));
    engine.tick(at(90_300));
    assert!(!engine.is_empty());
}

#[test]
fn each_shard_has_its_part_of_the_limit() {
    let limited = |ids, shards| SharedDeduplicator::new(&settings().with_limit(Limit::Ids(ids)), shards);
    for shards in [0, 1025, usize::MAX] {
        assert_eq!(limited(1 << 20, shards).unwrap_err(), SettingsError::Shards { given: shards });
    }
    assert_eq!(limited(3, 4).unwrap_err(), SettingsError::Shards { given: 4 });
    assert!(limited(1024, 1024).is_ok());
    let engine = limited(100, 4).unwrap();
    for id in 0..1000 {
        engine.observe(&Message::new(MessageId::from_u128(id), Device::MAX, Fingerprint::from_u64(0)), at(0));
    }
    assert_eq!((engine.len(), engine.audit().verdicts.untracked), (100, 900));
}

#[test]
fn its_snapshot_is_in_the_order_of_age() {
    let settings = Settings::new(TimeDelta::seconds(100)).with_secret(Secret::from_bytes([2; 16]));
    let of = |id: u64| Message::new(MessageId::from_u128(id.into()), Device::MAX, Fingerprint::from_u64(0));
    let shared = SharedDeduplicator::new(&settings, 16).unwrap();
    for id in 0..20_000 {
        shared.observe(&of(id), at(id as i64));
    }
    let mut saved = Vec::new();
    assert_eq!(shared.snapshot(&Devices::default(), &mut saved).unwrap().ids, 20_000);
    // The oldest are left out, to within a slice.
    let few = settings.with_limit(Limit::Ids(15_000));
    let (mut one, told) =
        Deduplicator::restore(&few, &mut Devices::default(), &saved[..], at(20_000)).unwrap();
    assert_eq!((told.ids, told.over_limit, told.repeated, told.refused), (15_000, 5000, 0, 0));
    assert!((5700..20_000).all(|id| one.observe(&of(id), at(20_000)).drops()));
    // And they leave in that order: there is room for as many as come.
    let window =
        Settings::new(TimeDelta::seconds(20)).with_grace(TimeDelta::zero()).with_limit(Limit::Ids(21_000));
    let (mut one, _) =
        Deduplicator::restore(&window, &mut Devices::default(), &saved[..], at(20_000)).unwrap();
    for id in 20_000..60_000 {
        assert_eq!(one.observe(&of(id), at(id as i64)), Verdict::Fresh, "{id}");
    }
}

#[test]
fn snapshot_before_the_first_message_is_empty() {
    let shared = SharedDeduplicator::new(&settings(), 3).unwrap();
    let mut saved = Vec::new();
    assert_eq!(shared.snapshot(&Devices::default(), &mut saved).unwrap().ids, 0);
    assert!(
        SharedDeduplicator::restore(&settings(), 2, &mut Devices::default(), &saved[..], at(0))
            .unwrap()
            .0
            .is_empty()
    );
}

#[test]
fn drops_are_known_from_first_clock() {
    let message = message(&mut Random::new(1));
    let period = Period::new(at(0), at(1000)).unwrap();
    let mut one = Deduplicator::with_settings(&settings()).unwrap();
    let shared = SharedDeduplicator::new(&settings(), 3).unwrap();
    one.accept_clock(at(0));
    shared.accept_clock(at(0));
    for ms in [0, 1, 2000] {
        assert_eq!(shared.observe(&message, at(ms)), one.observe(&message, at(ms)));
    }
    for drops in [one.dropped(message.device, period), shared.dropped(message.device, period)] {
        assert_eq!((drops.dropped, drops.covers), (1, Some(period)));
    }
}
