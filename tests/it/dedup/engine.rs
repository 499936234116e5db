//! The engine gives the very verdicts that the rules give, on streams of every kind.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::dedup::{
    AtLimit, Deduplicator, Device, Devices, Fingerprint, Limit, Message, MessageId, Position, Reservation,
    Secret, Settings, Verdict, Window,
};

use super::model::Model;
use super::random::Random;

/// An engine beside the model, and what is in somebody's hands.
struct Pair {
    engine: Deduplicator,
    model: Model,
    held: Vec<(Message, Reservation, i64)>,
    now: DateTime<Utc>,
    told: std::collections::BTreeMap<&'static str, u64>,
}

impl Pair {
    fn new(settings: Settings) -> Self {
        Self {
            engine: Deduplicator::with_settings(&settings).unwrap(),
            model: Model::new(settings),
            held: Vec::new(),
            now: DateTime::from_timestamp_millis(1_800_000_000_000).unwrap(),
            told: std::collections::BTreeMap::new(),
        }
    }

    fn observe(&mut self, message: &Message) {
        let verdict = self.engine.observe(message, self.now);
        self.compare(message, verdict);
    }

    fn observe_batch(&mut self, messages: &[Message]) {
        let mut verdicts = Vec::new();
        self.engine.observe_batch(messages, self.now, &mut verdicts);
        assert_eq!(verdicts.len(), messages.len());
        for (messages, verdicts) in messages.chunks(64).zip(verdicts.chunks(64)) {
            for (message, verdict) in messages.iter().zip(verdicts) {
                self.compare(message, *verdict);
            }
        }
    }

    fn compare(&mut self, message: &Message, verdict: Verdict) {
        assert_eq!(verdict, self.model.decide(message, self.now, false).0, "{message:?}");
        *self.told.entry(verdict.kind().name()).or_default() += 1;
    }

    fn reserve(&mut self, message: &Message) {
        let (verdict, reservation) = self.engine.reserve(message, self.now);
        let (expected, reserved) = self.model.decide(message, self.now, true);
        assert_eq!((verdict, reservation.is_some()), (expected, reserved.is_some()), "{message:?}");
        *self.told.entry(verdict.kind().name()).or_default() += 1;
        if let (Some(reservation), Some(reserved)) = (reservation, reserved) {
            self.held.push((*message, reservation, reserved));
        }
    }

    fn settle(&mut self, random: &mut Random) {
        if self.held.is_empty() {
            return;
        }
        let (message, reservation, reserved) =
            self.held.swap_remove(random.below(self.held.len() as u64) as usize);
        let commit = random.below(3) > 0;
        let settled = if commit { self.engine.commit(reservation) } else { self.engine.abort(reservation) };
        assert_eq!(settled.is_ok(), self.model.settle(&message, reserved, commit), "{settled:?}");
    }

    fn move_clock(&mut self, random: &mut Random, longest: i64) {
        let by = match random.below(200) {
            0 => random.below(longest as u64) as i64,
            1 => -(random.below(50) as i64),
            2 => longest * 3,
            3 => {
                self.engine.accept_clock(self.now);
                self.model.accept(self.now);
                0
            }
            4 => {
                self.engine.tick(self.now);
                self.model.tell(self.now);
                0
            }
            // A leap is taken back again, mostly.
            5..20 if self.model.holding => -longest * 3,
            _ => random.below(3) as i64,
        };
        self.now += TimeDelta::milliseconds(by);
    }

    /// Saves the engine, and goes on with what is restored.
    fn restart(&mut self, settings: &Settings) {
        let (mut saved, mut devices) = (Vec::new(), Devices::default());
        self.engine.snapshot(&devices, &mut saved).unwrap();
        let (engine, restored) = Deduplicator::restore(settings, &mut devices, &saved[..], self.now).unwrap();
        self.engine = engine;
        self.model.restart();
        let live = self.model.live();
        self.model.tell(self.now);
        assert_eq!((restored.ids, restored.expired, restored.over_limit), (live, 0, 0));
        self.held.clear();
    }
}

fn message(random: &mut Random, ids: u64) -> Message {
    let id = MessageId::from_u128(u128::from(random.below(ids)) << 64 | 5);
    // Mostly of one device and payload, so that copies are copies.
    let odd = random.below(20) == 0;
    let device = Device::new(if odd { random.below(3) as u32 } else { 1 }).unwrap();
    let payload = Fingerprint::from_u64(if odd { random.below(3) } else { 1 });
    let message = Message::new(id, device, payload);
    match random.below(3) {
        0 => message,
        _ => message.with_position(Position::new(1, random.below(2))),
    }
}

fn walk(settings: Settings, seed: u64, messages: u64, ids: u64, restarts: bool) -> Pair {
    let mut random = Random::new(seed);
    let mut pair = Pair::new(settings);
    let longest = (settings.ttl + settings.grace).num_milliseconds();
    let mut seen = 0;
    while seen < messages {
        pair.move_clock(&mut random, longest);
        match random.below(10) {
            0..4 => pair.observe(&message(&mut random, ids)),
            4..6 => {
                let batch: Vec<_> = (0..random.below(200)).map(|_| message(&mut random, ids)).collect();
                seen += batch.len() as u64;
                pair.observe_batch(&batch);
            }
            6..8 => pair.reserve(&message(&mut random, ids)),
            _ => pair.settle(&mut random),
        }
        seen += 1;
        if restarts && random.below(300) == 0 {
            pair.restart(&settings);
        }
        if random.below(20) == 0 {
            let id = message(&mut random, ids).id;
            assert_eq!(pair.engine.forget(id), pair.model.forget(id), "{id:?}");
        }
        if seen.is_multiple_of(16) {
            assert_eq!(pair.engine.live(), pair.model.live());
            assert!(pair.engine.live() <= pair.engine.len());
        }
    }
    let audit = pair.engine.audit();
    assert_eq!(audit.index_overflows, 0);
    assert_eq!(audit.clock.holding.is_some(), pair.model.holding);
    assert!(audit.longest_move <= 48, "{audit}");
    if !restarts {
        assert_eq!(audit.evicted_unexpired, pair.model.evicted);
        for kind in iot_runbook::dedup::verdict::Kind::ALL {
            assert_eq!(audit.verdicts.of(*kind), pair.told.get(kind.name()).copied().unwrap_or(0));
        }
    }
    pair
}

fn every_kind_of_settings() -> Vec<Settings> {
    let mut all = Vec::new();
    for window in [Window::FixedFromFirst, Window::Sliding] {
        for at_limit in [AtLimit::PassUntracked, AtLimit::EvictOldest] {
            for (limit, positions, grace) in [(40, true, 30), (300, false, 0), (100_000, true, 200)] {
                all.push(
                    Settings::new(TimeDelta::milliseconds(100))
                        .with_grace(TimeDelta::milliseconds(grace))
                        .with_reserve_timeout(TimeDelta::milliseconds(20))
                        .with_max_forward_jump(TimeDelta::milliseconds(150 + grace))
                        .with_window(window)
                        .with_at_limit(at_limit)
                        .with_limit(Limit::Ids(limit))
                        .with_positions(positions)
                        .with_secret(Secret::from_bytes([3; 16])),
                );
            }
        }
    }
    all
}

#[test]
fn it_equals_the_model_on_random_streams() {
    let mut told = std::collections::BTreeMap::new();
    for (seed, settings) in (0..).zip(every_kind_of_settings()) {
        for ids in [5, 100, 5000] {
            for (kind, count) in walk(settings, seed * 10 + ids, 4000, ids, false).told {
                *told.entry(kind).or_insert(0) += count;
            }
        }
    }
    // Streams of which something never happens prove nothing of it.
    assert_eq!(told.len(), iot_runbook::dedup::verdict::Kind::ALL.len(), "{told:?}");
    assert!(told.values().all(|count| *count > 200), "{told:?}");
}

#[test]
fn equals_model_across_restores() {
    for (seed, settings) in (1000..).zip(every_kind_of_settings()) {
        for ids in [20, 2000] {
            walk(settings, seed, 3000, ids, true);
        }
    }
}

#[test]
fn equals_model_over_segments_and_tables() {
    for window in [Window::FixedFromFirst, Window::Sliding] {
        let settings = Settings::new(TimeDelta::milliseconds(200))
            .with_window(window)
            .with_limit(Limit::Ids(4800))
            .with_max_forward_jump(TimeDelta::milliseconds(300));
        let pair = walk(settings, 77, 30_000, 1 << 40, false);
        assert!(pair.told["untracked"] > 100, "{:?}", pair.told);
    }
}

#[test]
fn lapsed_reservation_counts_once() {
    let second = TimeDelta::seconds(1);
    let settings = Settings::new(TimeDelta::seconds(100)).with_reserve_timeout(second);
    let mut engine = Deduplicator::with_settings(&settings).unwrap();
    let at = |ms: i64| DateTime::from_timestamp_millis(1_800_000_000_000 + ms).unwrap();
    let [id, other] = [1, 2].map(MessageId::from_u128);
    let message = Message::new(id, Device::MAX, Fingerprint::from_u64(1));
    let lapsed = |engine: &Deduplicator| engine.audit().lapsed_reservations;

    assert!(engine.reserve(&message, at(0)).1.is_some());
    assert_eq!(engine.observe(&message, at(999)), Verdict::InFlight);
    let another = Message::new(id, Device::MAX, Fingerprint::from_u64(2));
    assert!(matches!(engine.observe(&another, at(1000)), Verdict::Collision { .. }));
    assert_eq!(lapsed(&engine), 0);
    assert_eq!(engine.observe(&message, at(1000)), Verdict::Fresh);
    assert_eq!(lapsed(&engine), 1);
    assert!(engine.observe(&message, at(3000)).drops(), "it was seen by then");

    // One that was decided in time has not lapsed.
    let decided = Message::new(other, Device::MAX, Fingerprint::from_u64(1));
    let reservation = engine.reserve(&decided, at(3000)).1.unwrap();
    engine.commit(reservation).unwrap();
    assert!(engine.observe(&decided, at(9000)).drops());
    assert_eq!(lapsed(&engine), 1);
}

#[test]
fn expired_ids_leave_as_messages_come() {
    let settings = Settings::new(TimeDelta::milliseconds(10)).with_grace(TimeDelta::zero());
    let mut engine = Deduplicator::with_settings(&settings).unwrap();
    let mut verdicts = Vec::new();
    for number in 0..20_000_u64 {
        let now = DateTime::from_timestamp_millis(number as i64).unwrap();
        let message =
            Message::new(MessageId::from_u128(number.into()), Device::MAX, Fingerprint::from_u64(number));
        if number % 3 == 0 {
            engine.observe_batch(&[message], now, &mut verdicts);
        } else {
            engine.observe(&message, now);
        }
        // The ten that are remembered, and those of the messages that the tail is seen to for together.
        assert!(engine.len() <= 10 + 8, "{number}: {}", engine.len());
    }
    assert!(engine.audit().longest_move <= 16, "{}", engine.audit());
}

/// Copies and ids that begin anew, one message a millisecond, in a window that is always full.
fn full_stream(settings: Settings, seed: u64, messages: u64, ids: u64) -> (u64, u64) {
    let mut random = Random::new(seed);
    let mut pair = Pair::new(settings);
    for number in 0..messages {
        pair.now += TimeDelta::milliseconds(1 + i64::from(random.below(40) == 0) * 3);
        let id = MessageId::from_u128(u128::from(random.below(ids)) << 64 | 5);
        let message = Message::new(id, Device::MAX, Fingerprint::from_u64(1));
        match random.below(8) {
            0 => pair.reserve(&message),
            1 => pair.settle(&mut random),
            2 if number % 3 == 0 => {
                let forgotten = pair.engine.forget(id);
                assert_eq!(forgotten, pair.model.forget(id));
            }
            _ => pair.observe(&message),
        }
    }
    let audit = pair.engine.audit();
    assert_eq!((audit.evicted_unexpired, audit.index_overflows), (pair.model.evicted, 0));
    assert_eq!(pair.engine.live(), pair.model.live());
    (audit.verdicts.all(), pair.model.evicted)
}

#[test]
fn full_window_evicts_the_oldest_exactly() {
    let (mut verdicts, mut evicted) = (0, 0);
    for (seed, window) in (0..).zip([Window::FixedFromFirst, Window::Sliding]) {
        for (limit, ids) in [(1, 3), (2, 6), (10, 14), (50, 90), (300, 500)] {
            for ttl in [20, 200, 2_000] {
                let settings = Settings::new(TimeDelta::milliseconds(ttl))
                    .with_grace(TimeDelta::milliseconds(ttl / 2))
                    .with_reserve_timeout(TimeDelta::milliseconds(9))
                    .with_window(window)
                    .with_at_limit(AtLimit::EvictOldest)
                    .with_limit(Limit::Ids(limit))
                    .with_secret(Secret::from_bytes([3; 16]));
                let (all, gone) = full_stream(settings, seed * 1_000 + limit * 10 + ids, 8_000, ids);
                (verdicts, evicted) = (verdicts + all, evicted + gone);
            }
        }
    }
    assert!(verdicts > 180_000 && evicted > 20_000, "{verdicts} {evicted}");
}

#[test]
fn window_with_many_renewed_ids_stays_small() {
    // Every id is seen again while it is remembered, so that none leaves at the tail.
    for at_limit in [AtLimit::EvictOldest, AtLimit::PassUntracked] {
        let settings = Settings::new(TimeDelta::seconds(20))
            .with_grace(TimeDelta::zero())
            .with_window(Window::Sliding)
            .with_at_limit(at_limit)
            .with_limit(Limit::Ids(9_000));
        let mut engine = Deduplicator::with_settings(&settings).unwrap();
        let at = |ms: u64| DateTime::from_timestamp_millis(ms as i64).unwrap();
        let message = |number: u64| {
            Message::new(
                MessageId::from_u128(u128::from(number) << 40),
                Device::MAX,
                Fingerprint::from_u64(1),
            )
        };
        let mut highest = 0;
        let info = allocation_counter::measure(|| {
            for number in 0..120_000_u64 {
                engine.observe(&message(number), at(number));
                // One in eight is kept alive, for good.
                engine.observe(&message(number / 64 * 8 % 8_000), at(number));
                highest = highest.max(engine.len());
            }
        });
        assert!(highest <= 9_000, "{at_limit:?} {highest}");
        // 9 000 ids and one in eight more, 4 096 more, two segments, and the index.
        assert!(info.bytes_max < 2_000_000, "{at_limit:?} {info:?}");
        assert!(engine.audit().longest_move <= 130, "{}", engine.audit());
    }
}

#[test]
fn no_id_is_untracked_while_room_is_left() {
    let settings = Settings::new(TimeDelta::milliseconds(100))
        .with_grace(TimeDelta::zero())
        .with_window(Window::Sliding)
        .with_limit(Limit::Ids(1_000));
    let at = |ms: i64| DateTime::from_timestamp_millis(ms).unwrap();
    let message = |number: u64| {
        Message::new(MessageId::from_u128(number.into()), Device::MAX, Fingerprint::from_u64(1))
    };
    let mut engine = Deduplicator::with_settings(&settings).unwrap();
    (0..1_000).for_each(|number| assert!(engine.observe(&message(number), at(0)).passes()));
    assert_eq!(engine.observe(&message(5_000), at(1)), Verdict::Untracked);
    // The first 900 are seen again; the last 100 are over.
    (0..900).for_each(|number| assert!(engine.observe(&message(number), at(50)).drops()));
    for number in 2_000..2_100 {
        assert_eq!(engine.observe(&message(number), at(100)), Verdict::Fresh, "{number}");
    }
    assert_eq!(engine.observe(&message(5_001), at(100)), Verdict::Untracked);
    // What is given up or forgotten makes room at once.
    assert!(engine.forget(message(450).id) && !engine.forget(message(450).id));
    let (verdict, reservation) = engine.reserve(&message(5_002), at(100));
    assert_eq!((verdict, engine.observe(&message(5_003), at(100))), (Verdict::Fresh, Verdict::Untracked));
    assert!(!engine.forget(message(5_002).id), "its holder decides");
    engine.abort(reservation.unwrap()).unwrap();
    assert_eq!((engine.live(), engine.observe(&message(5_003), at(100))), (999, Verdict::Fresh));
}

#[test]
fn id_given_up_again_and_again_takes_no_room() {
    let mut engine = Deduplicator::new(TimeDelta::hours(1)).unwrap();
    let at = |ms: i64| DateTime::from_timestamp_millis(ms).unwrap();
    let message = |number: u64| {
        Message::new(MessageId::from_u128(u128::from(number) << 64), Device::MAX, Fingerprint::from_u64(1))
    };
    assert_eq!(engine.observe(&message(1), at(0)), Verdict::Fresh);
    let info = allocation_counter::measure(|| {
        for turn in 0..50_000 {
            let (_, reservation) = engine.reserve(&message(2), at(turn / 100));
            engine.abort(reservation.unwrap()).unwrap();
        }
    });
    assert_eq!((engine.audit().index_overflows, engine.len(), engine.live()), (0, 1, 1));
    assert!(info.bytes_max < 1_000_000, "{info:?}");
    assert!(engine.observe(&message(1), at(1_000)).drops());
}

#[test]
fn first_holder_cannot_decide_for_the_second() {
    for limit in 1..4_u64 {
        let settings = Settings::new(TimeDelta::seconds(1))
            .with_at_limit(AtLimit::EvictOldest)
            .with_limit(Limit::Ids(limit));
        let mut engine = Deduplicator::with_settings(&settings).unwrap();
        let at = |ms: i64| DateTime::from_timestamp_millis(ms).unwrap();
        let message = |number: u64| {
            Message::new(MessageId::from_u128(number.into()), Device::MAX, Fingerprint::from_u64(1))
        };
        let (_, first) = engine.reserve(&message(0), at(0));
        // In the same millisecond more ids come than there is room for.
        for number in 1..=limit {
            let verdict = engine.observe(&message(number), at(0));
            assert_eq!(verdict, if number < limit { Verdict::Fresh } else { Verdict::Untracked });
        }
        assert_eq!(engine.reserve(&message(0), at(0)), (Verdict::InFlight, None));
        // A millisecond later it may leave, and another reservation of it is another.
        for number in 1..=limit {
            engine.observe(&message(10 + number), at(1));
        }
        let (verdict, second) = engine.reserve(&message(0), at(1));
        assert_eq!(verdict, Verdict::Fresh);
        assert!(engine.abort(first.unwrap()).is_err());
        assert!(engine.commit(second.unwrap()).is_ok());
        assert!(engine.observe(&message(0), at(1)).drops());
    }
}

/// Friday to Monday is a leap of the clock like any other: nothing tells a quiet plant from a wrong clock.
#[test]
fn quiet_weekend_drops_no_measurement() {
    let friday: DateTime<Utc> = "2026-03-06T18:00:00Z".parse().unwrap();
    let mut engine = Deduplicator::new(TimeDelta::minutes(10)).unwrap();
    // Counters that begin anew, and a process at rest.
    let reading =
        |id| Message::new(MessageId::from_u128(id), Device::new(1).unwrap(), Fingerprint::from_u64(7));
    assert_eq!(engine.observe(&reading(1), friday), Verdict::Fresh);
    let monday = friday + TimeDelta::hours(60);
    let past_ttl_by = TimeDelta::hours(60) - TimeDelta::minutes(10);
    assert_eq!(engine.observe(&reading(1), monday), Verdict::Late { last_seen: friday, past_ttl_by });
    assert_eq!(engine.audit().suggest_ttl(0.99), None, "a clock in doubt says nothing of the TTL");
    // From then on it deduplicates as always, accepted or not.
    assert!(engine.observe(&reading(1), monday + TimeDelta::minutes(1)).drops());
    assert_eq!(engine.observe(&reading(2), monday), Verdict::Fresh);
    assert!(engine.observe(&reading(2), monday).drops());
    assert!(engine.audit().to_string().contains("THE CLOCK LEAPT to 2026-03-09 06:00:00 UTC"));
}

/// A clock that leaps for a moment loses nothing, and forgets no id.
#[test]
fn leap_that_is_taken_back_keeps_the_window() {
    let now: DateTime<Utc> = "2026-03-06T18:00:00Z".parse().unwrap();
    let reading =
        |id| Message::new(MessageId::from_u128(id), Device::new(1).unwrap(), Fingerprint::from_u64(7));
    // Below the TTL: what the clock still makes younger than the TTL is a copy by either clock.
    let settings = Settings::new(TimeDelta::hours(6)).with_max_forward_jump(TimeDelta::hours(1));
    let mut engine = Deduplicator::with_settings(&settings).unwrap();
    assert!(engine.observe(&reading(1), now).passes());
    assert!(engine.observe(&reading(2), now).passes());
    assert!(engine.observe(&reading(1), now + TimeDelta::hours(5)).drops(), "five hours old at the most");
    assert!(engine.observe(&reading(1), now + TimeDelta::days(4000)).passes(), "nobody knows how old");
    assert!(engine.observe(&reading(2), now + TimeDelta::seconds(1)).drops(), "the clock is back");
    assert_eq!(engine.audit().clock.holding, None);
    // Two clocks in turn push engine time at most a millisecond ahead.
    for _ in 0..1000 {
        engine.tick(now + TimeDelta::days(4000));
        engine.tick(now + TimeDelta::seconds(1));
    }
    assert_eq!(engine.audit().clock.behind_by_at_most, TimeDelta::milliseconds(1));
}

#[test]
fn messages_of_one_engine_are_copies_of_each_other() {
    let now = DateTime::from_timestamp_millis(1_800_000_000_000).unwrap();
    let mut engine = Deduplicator::new(TimeDelta::hours(1)).unwrap();
    let (id, device) = (MessageId::from_u128(7), Device::new(4).unwrap());
    let message = engine.message(id, device, b"23.5");
    assert_eq!(message, Message::new(id, device, engine.settings().secret.fingerprint(b"23.5")));
    assert_eq!(engine.observe(&message, now), Verdict::Fresh);
    let copy = engine.message(id, device, b"23.5");
    assert!(engine.observe(&copy, now).drops());
    // Under another secret the same payload is another one.
    let other = Deduplicator::new(TimeDelta::hours(1)).unwrap().message(id, device, b"23.5");
    assert!(matches!(engine.observe(&other, now), Verdict::Collision { .. }));
}
