//! ULID health over simulated generators: right ones raise no flag, and each broken one raises its own.

use allocation_counter::measure;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::dedup::ulid_health::{
    UlidFault, UlidHealth, UlidRules, UlidStanding, UlidWatch, UlidWatches,
};
use iot_runbook::dedup::{Device, MessageId};
use proptest::prelude::*;

/// 15 January 2027.
const START: u64 = 1_800_000_000_000;
const HOUR: u64 = 3_600_000;
const RANDOM: u128 = (1 << 80) - 1;

/// Random numbers that are the same each time (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn bits(&mut self) -> u128 {
        ((u128::from(self.next()) << 64) | u128::from(self.next())) & RANDOM
    }
}

fn device(number: u32) -> Device {
    Device::new(number).unwrap()
}

fn at(ms: u64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms.try_into().unwrap()).unwrap()
}

fn id(stamp: u64, random: u128) -> MessageId {
    MessageId::from_u128((u128::from(stamp) << 80) | (random & RANDOM))
}

fn names(health: &UlidHealth) -> Vec<&'static str> {
    health.flags.iter().map(|flag| flag.fault.name()).collect()
}

/// How a right generator goes on within a millisecond.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Within {
    /// Not monotonic: draws again, and follows its clock.
    Draws,
    Increments,
    /// By a random number of so many bits.
    Leaps(u32),
}

/// A right generator.
struct Generator {
    within: Within,
    /// Clears so many of the first random bits, for room to increment.
    cleared: u32,
    stamp: u64,
    random: u128,
}

impl Generator {
    fn new(within: Within, cleared: u32) -> Self {
        Self { within, cleared, stamp: 0, random: 0 }
    }

    fn make(&mut self, clock: u64, dice: &mut Dice) -> MessageId {
        if self.within == Within::Draws || clock > self.stamp {
            self.stamp = clock;
            self.random = dice.bits() >> self.cleared;
        } else {
            let by = if let Within::Leaps(bits) = self.within { 1 + dice.below(1 << bits) } else { 1 };
            let next = self.random + u128::from(by);
            if next > RANDOM {
                // The specification has it fail here; its caller waits for the next millisecond.
                self.stamp += 1;
                self.random = dice.bits() >> self.cleared;
            } else {
                self.random = next;
            }
        }
        id(self.stamp, self.random)
    }
}

/// A fleet of right generators whose clocks are stepped, and a delivery that is late and delivers twice.
#[derive(Clone, Debug)]
struct Fleet {
    seed: u64,
    ids: u32,
    devices: u32,
    within: Within,
    cleared: u32,
    /// The longest step of the clocks, either way, in milliseconds; never ahead of the receiver by more than the
    /// tolerance.
    step: u64,
    /// The longest pause between two ids of the fleet.
    pause: u64,
    /// Delivered up to so much later, out of order.
    delay: u64,
    /// One of so many comes again; never where it is zero.
    again: u64,
}

impl Fleet {
    fn run(&self, rules: UlidRules) -> UlidHealth {
        let mut dice = Dice(self.seed);
        let mut watch = UlidWatch::new(rules);
        let mut fleet: Vec<_> =
            (0..self.devices).map(|_| (Generator::new(self.within, self.cleared), 0_i64)).collect();
        let mut now = START;
        let mut under_way: Vec<(u64, MessageId, Device)> = Vec::new();
        for _ in 0..self.ids {
            if dice.below(3) > 0 {
                now += dice.below(self.pause);
            }
            let number = dice.below(self.devices.into()) as usize;
            let (generator, offset) = &mut fleet[number];
            if dice.below(2000) == 0 {
                *offset = 20_000 - dice.below(self.step + 20_000) as i64;
            }
            let made = generator.make(now.saturating_add_signed(*offset), &mut dice);
            let device = device(number as u32);
            under_way.push((now + dice.below(self.delay), made, device));
            if self.again > 0 && dice.below(self.again) == 0 {
                under_way.push((now + dice.below(self.delay), made, device));
            }
            if self.delay == 0 || under_way.len() > 64 {
                under_way.sort_by_key(|(when, ..)| *when);
                let (due, later): (Vec<_>, Vec<_>) = under_way.drain(..).partition(|(when, ..)| *when <= now);
                under_way = later;
                for (when, made, device) in due {
                    watch.observe(made, device, at(when));
                }
            }
        }
        watch.report()
    }
}

#[test]
fn right_generators_raise_no_flag() {
    // Some two million ids; the property below adds what it finds.
    let mut seed = 0;
    for within in [Within::Draws, Within::Increments, Within::Leaps(8), Within::Leaps(32), Within::Leaps(62)]
    {
        for (devices, step, pause, delay, again) in [
            (1, 0, 3, 0, 0),
            (1, 6 * 24 * HOUR, 40, 0, 7),
            (5, HOUR, 10, 2_000, 20),
            (40, 10_000, 2, 0, 50),
            (200, HOUR, 1_000, 20_000, 9),
        ] {
            for cleared in [0, 1, 4] {
                seed += 1;
                let ids = 25_000;
                let fleet = Fleet { seed, ids, devices, within, cleared, step, pause, delay, again };
                let in_order = delay == 0 && within != Within::Draws;
                let health = fleet.run(UlidRules::default().with_monotonic(in_order));
                assert_eq!(health.flags, [], "{fleet:?}\n{health}");
                assert_eq!(health.standing(), UlidStanding::NothingFound);
                assert!(health.ids > 20_000 && health.judged > 100, "{fleet:?}\n{health}");
                assert_eq!(health.again > 0, again > 0, "{health}");
            }
        }
    }
}

proptest! {
    #![proptest_config(crate::random::cases(100))]

    #[test]
    fn no_right_generator_raises_a_flag(
        seed: u64,
        devices in 1_u32..100,
        kind in 0_u32..62,
        cleared in 0_u32..=4,
        step in 0_u64..6 * 24 * HOUR,
        pause in 0_u64..100_000,
        delay in prop_oneof![Just(0_u64), 0_u64..60_000],
        again in 0_u64..20,
    ) {
        let within = match kind { 0 => Within::Draws, 1 => Within::Increments, bits => Within::Leaps(bits) };
        let fleet = Fleet { seed, ids: 2_000, devices, within, cleared, step, pause, delay, again };
        let rules = UlidRules::default().with_monotonic(delay == 0 && within != Within::Draws);
        let health = fleet.run(rules);
        prop_assert!(health.flags.is_empty(), "{health}");
    }

    #[test]
    fn any_input_is_safe_and_restores_the_same(
        ids in prop::collection::vec((any::<u128>(), 0_u32..3, any::<i64>(), 0_u8..4), 0..400),
        recent: u32,
        devices: u32,
        cut: prop::sample::Index,
    ) {
        let rules = UlidRules::default().with_recent(recent).with_devices(devices).with_monotonic(true);
        let mut watch = UlidWatch::new(rules);
        let mut last = 0;
        let cut = cut.index(ids.len() + 1);
        for (n, (bits, number, when, same)) in ids.iter().enumerate() {
            if n == cut {
                let saved = serde_json::to_string(&watch).unwrap();
                let again: UlidWatch = serde_json::from_str(&saved).unwrap();
                prop_assert_eq!(serde_json::to_string(&again).unwrap(), saved);
                prop_assert_eq!(again.report(), watch.report());
                watch = again;
            }
            // Some with the same timestamp, some with the same randomness.
            let bits = match same {
                0 => *bits,
                1 => (last & !RANDOM) | (bits & RANDOM),
                2 => (bits & !RANDOM) | (last & RANDOM),
                _ => last,
            };
            last = bits;
            let when = DateTime::from_timestamp_micros(*when).unwrap_or(DateTime::<Utc>::MIN_UTC);
            watch.observe(MessageId::from_u128(bits), device(*number), when);
        }
        let health = watch.report();
        prop_assert_eq!(health.ids, ids.len() as u64);
        let text = serde_json::to_string(&health).unwrap();
        prop_assert_eq!(serde_json::from_str::<UlidHealth>(&text).unwrap(), health);
    }
}

const CENTURY: u64 = 100 * 365 * 24 * HOUR;

#[test]
fn one_far_future_id_blinds_nothing() {
    let hour_ahead_after_one: &Broken = &|n, now, dice| {
        let ahead = if n == 10 {
            CENTURY
        } else if n < 100 {
            0
        } else {
            HOUR
        };
        (id(now + ahead, dice.bits()), 1)
    };
    let right_after_one: &Broken =
        &|n, now, dice| (id(now + if n == 10 { CENTURY } else { 0 }, dice.bits()), 1);
    let held_after_one: &Broken = &|n, now, dice| {
        if n < 10 { (id(now, dice.bits()), 1) } else { (id(now + CENTURY - n * 217, u128::from(n)), 1) }
    };
    for (generator, flags) in
        [(hour_ahead_after_one, &["clock-ahead"][..]), (right_after_one, &[]), (held_after_one, &[])]
    {
        assert_eq!(names(&watch_broken(1_000, UlidRules::default(), generator)), flags);
    }
}

#[test]
fn one_future_receipt_blinds_nothing() {
    for (ahead, flags) in [(HOUR, &["clock-ahead"][..]), (0, &[])] {
        let mut watch = UlidWatch::new(UlidRules::default());
        let mut dice = Dice(7);
        for n in 0..400 {
            let now = START + n * 217;
            let received = if n == 10 { now + CENTURY } else { now };
            watch.observe(id(now + if n < 200 { 0 } else { ahead }, dice.bits()), device(1), at(received));
            let text = serde_json::to_string(&watch).unwrap();
            watch = serde_json::from_str(&text).unwrap();
        }
        assert_eq!(names(&watch.report()), flags);
    }
    // A receiver whose own clock is set back sees all devices ahead, and says nothing.
    let mut watch = UlidWatch::new(UlidRules::default());
    let mut dice = Dice(8);
    for n in 0..400 {
        let now = START + n * 217;
        let received = if n < 10 { now } else { now - 10 * HOUR };
        watch.observe(id(now, dice.bits()), device(1), at(received));
    }
    assert!(names(&watch.report()).is_empty());
}

/// What a broken generator makes: the id, and the device that it comes from.
type Broken = dyn Fn(u64, u64, &mut Dice) -> (MessageId, u32);

/// So many ids, one each 217 ms; the generator is told its number and the true time.
fn watch_broken(ids: u64, rules: UlidRules, generator: &Broken) -> UlidHealth {
    let mut watch = UlidWatch::new(rules);
    let mut dice = Dice(ids);
    for n in 0..ids {
        let now = START + n * 217;
        let (made, number) = generator(n, now, &mut dice);
        watch.observe(made, device(number), at(now + dice.below(50)));
    }
    watch.report()
}

#[test]
fn each_broken_generator_raises_its_flag() {
    let rules = UlidRules::default();
    let cases: &[(&str, &[&str], &Broken)] = &[
        ("a clock stuck at zero", &["clock-stands-still", "clock-unset"], &|_, _, dice| {
            (id(0, dice.bits()), 1)
        }),
        ("a clock that counts from boot", &["clock-unset"], &|_, now, dice| {
            (id(now - START, dice.bits()), 1)
        }),
        ("a clock that stands", &["clock-stands-still"], &|_, _, dice| (id(START - 5_000, dice.bits()), 1)),
        ("a clock of seconds", &["clock-coarse"], &|_, now, dice| (id(now / 1000 * 1000, dice.bits()), 1)),
        ("an hour ahead", &["clock-ahead"], &|_, now, dice| (id(now + HOUR, dice.bits()), 1)),
        ("16 random bits", &["random-repeats", "random-too-few"], &|_, now, dice| {
            (id(now, dice.bits() & 0xFFFF), 1)
        }),
        ("16 random bits, hashed", &["random-repeats"], &|_, now, dice| {
            (id(now, Dice(dice.below(1 << 16)).bits()), 1)
        }),
        ("32 random bits by shifts and XOR", &["random-too-few"], &|_, now, dice| {
            let mut bits = dice.below(1 << 32) as u32;
            let mut words = std::iter::from_fn(|| {
                bits ^= bits << 13;
                bits ^= bits >> 17;
                bits ^= bits << 5;
                Some(u128::from(bits))
            });
            let random = words.by_ref().take(3).fold(0, |random, word| (random << 32) | word);
            (id(now, random), 1)
        }),
        ("a constant for randomness", &["random-repeats"], &|_, now, _| (id(now, 7 << 60), 1)),
        ("a UUID of version 7", &["random-too-few"], &|_, now, dice| {
            (id(now, (dice.bits() & !(0xF << 76) & !(3 << 62)) | (7 << 76) | (2 << 62)), 1)
        }),
        ("the same seed at each boot", &["random-repeats"], &|n, now, _| {
            (id(now, Dice(n % 3_000).bits()), 1)
        }),
        ("timestamps the other way round", &["byte-order"], &|_, now, dice| {
            (id(now.swap_bytes() >> 16, dice.bits()), 1)
        }),
        ("ids the other way round", &["byte-order", "random-too-few"], &|_, now, dice| {
            (MessageId::from_u128(id(now, dice.bits()).to_u128().swap_bytes()), 1)
        }),
        ("two devices seeded by one serial number", &["shared-id"], &|n, now, _| {
            (id(now - n % 2 * 217, Dice(n / 2).bits()), (n % 2) as u32)
        }),
        ("and with clocks that differ", &["random-repeats"], &|n, now, _| {
            (id(now, Dice(n / 2).bits()), (n % 2) as u32)
        }),
    ];
    for (name, expected, generator) in cases {
        let health = watch_broken(20_000, rules, generator);
        let mut found = names(&health);
        found.sort_unstable();
        assert_eq!(found, *expected, "{name}: {health}");
        assert_eq!(health.standing(), UlidStanding::Faulty);
        for flag in &health.flags {
            assert!(flag.ids > 50 && !flag.first.is_empty() && flag.last != flag.first, "{name}: {health}");
        }
        // The fault is found though most ids are those of right generators.
        let mixed = watch_broken(60_000, rules, &|n, now, dice| match (n % 2_000, name.starts_with("two")) {
            (400.., false) => (id(now, dice.bits()), 2),
            _ => generator(n, now, dice),
        });
        assert!(!mixed.flags.is_empty(), "{name}: {mixed}");
    }
}

#[test]
fn going_back_matters_if_monotonic_claimed() {
    let rules = UlidRules::default();
    let claimed = rules.with_monotonic(true);
    // Two ids in each millisecond, drawn anew.
    let drawn: &Broken = &|n, now, dice| (id(now - n % 2 * 217, dice.bits()), 1);
    // Two units of one name, whose clocks differ by two seconds.
    let two: &Broken = &|n, now, dice| (id(now - n % 2 * 2_000, dice.bits()), 1);
    for (generator, within, back) in [(drawn, 4_000..6_000, 0..1), (two, 0..1, 9_999..10_001)] {
        assert_eq!(watch_broken(20_000, rules, generator).flags, []);
        let health = watch_broken(20_000, claimed, generator);
        assert_eq!(names(&health), ["not-monotonic"]);
        let UlidFault::NotMonotonic { in_millisecond, clock_back } = health.flags[0].fault else { panic!() };
        assert!(within.contains(&in_millisecond) && back.contains(&clock_back), "{health}");
        assert_eq!(health.flags[0].ids, in_millisecond + clock_back);
    }
}

#[test]
fn over_long_held_timestamp_is_found() {
    let mut watch = UlidWatch::new(UlidRules::default());
    let mut found = None;
    for n in 0..10 * 24 * 6 {
        watch.observe(id(START, 1000 + u128::from(n)), device(1), at(START + n * HOUR / 6));
        found = found.or(watch.report().flags.first().map(|flag| (n, flag.ids)));
    }
    // A week, and the longest gap.
    assert_eq!(found, Some((7 * 24 * 6 + 1, 7 * 24 * 6 + 2)));
    let flag = &watch.report().flags[0];
    let UlidFault::ClockStandsStill { climbing, real_time, .. } = flag.fault else { panic!("{flag}") };
    assert!(climbing);
    assert_eq!((flag.ids, real_time), (1440, TimeDelta::minutes(10 * 1438)));
}

#[test]
fn stopped_clock_is_found_at_the_set_time() {
    let mut watch = UlidWatch::new(UlidRules::default().with_still_for(TimeDelta::seconds(20)));
    let mut dice = Dice(1);
    for n in 0..=21 {
        watch.observe(id(START, dice.bits()), device(1), at(START + n * 1000));
        // 20 s, and one second of the longest gap.
        assert_eq!(watch.report().flags.len(), usize::from(n >= 21), "{n}");
    }
    // A step of the receiver's clock between the ids of one millisecond is not taken for it.
    let mut watch = UlidWatch::new(UlidRules::default());
    for n in 0..200 {
        watch.observe(id(START, dice.bits()), device(1), at(START + n + if n > 100 { 24 * HOUR } else { 0 }));
    }
    assert_eq!(watch.report().flags, []);
}

#[test]
fn bounds_of_the_clock_are_those_of_the_rules() {
    let rules = UlidRules::default().with_ahead_tolerance(TimeDelta::seconds(5));
    for (ahead, flagged) in [(5_000, false), (5_001, true)] {
        let mut watch = UlidWatch::new(rules);
        let mut dice = Dice(ahead);
        for n in 0..3 {
            let now = START + n * 1000;
            watch.observe(id(now + ahead, dice.bits()), device(1), at(now));
            // The first may be held since before; the second may have overtaken the first.
            assert_eq!(watch.report().flags.len(), usize::from(flagged && n == 2), "{ahead} {n}");
        }
    }
    let earliest = at(START);
    for (stamp, flagged) in [(START - 1, true), (START, false)] {
        let mut watch = UlidWatch::new(UlidRules::default().with_earliest(earliest));
        watch.observe(id(stamp, 5), device(1), at(START));
        assert_eq!(watch.report().flags.len(), usize::from(flagged));
    }
    // The receiver's own clock is not set: nothing can be said.
    let mut watch = UlidWatch::new(UlidRules::default());
    watch.observe(id(100, 5), device(1), at(200));
    assert_eq!(watch.report().standing(), UlidStanding::Unknown);
}

#[test]
fn timestamp_before_step_back_is_not_ahead() {
    // The clock was an hour ahead, and was set right before the watch began.
    let mut watch = UlidWatch::new(UlidRules::default().with_monotonic(true));
    for n in 0..3_500 {
        watch.observe(id(START + HOUR, 1000 + u128::from(n)), device(1), at(START + n * 1000));
    }
    assert_eq!(watch.report().flags, []);
}

#[test]
fn full_second_samples_are_not_coarse() {
    let mut watch = UlidWatch::new(UlidRules::default());
    let mut dice = Dice(6);
    for n in 0..500 {
        let now = START + n * 1000;
        watch.observe(id(now, dice.bits()), device(1), at(now + 20 + dice.below(100)));
    }
    assert_eq!(watch.report().standing(), UlidStanding::NothingFound);
}

#[test]
fn four_in_a_row_show_swapped_bytes() {
    for in_a_row in [3, 4] {
        let mut watch = UlidWatch::new(UlidRules::default());
        let mut dice = Dice(8);
        for n in 0..100 {
            let now = START + n * 1000;
            // A month old, whichever way it is read, after each row.
            let stamp =
                if n % (in_a_row + 1) < in_a_row { now.swap_bytes() >> 16 } else { now - 30 * 24 * HOUR };
            watch.observe(id(stamp, dice.bits()), device(1), at(now));
        }
        let expected: &[&str] = if in_a_row == 4 { &["byte-order"] } else { &[] };
        assert_eq!(names(&watch.report()), expected);
    }
}

#[test]
fn receiver_clock_back_blames_no_device() {
    let mut watch = UlidWatch::new(UlidRules::default());
    let mut dice = Dice(3);
    for n in 0..5_000_u64 {
        let now = START + n * 100;
        let received = if n < 2_500 { now } else { now - HOUR };
        watch.observe(id(now, dice.bits()), device(1), at(received));
    }
    assert_eq!(watch.report().flags, []);
}

#[test]
fn shared_id_names_both_devices() {
    let mut watch = UlidWatch::new(UlidRules::default());
    let mut dice = Dice(9);
    let shared = id(START, dice.bits());
    watch.observe(shared, device(1), at(START));
    for n in 1..=255 {
        watch.observe(id(START + n, dice.bits()), device(2), at(START + n));
    }
    watch.observe(shared, device(1), at(START + 256));
    assert_eq!(watch.report().flags, []);
    assert_eq!(watch.report().again, 1);
    watch.observe(shared, device(7), at(START + 257));
    let health = watch.report();
    let shown: Vec<_> = health.flags[0].first.iter().map(|one| (one.id, one.device.number())).collect();
    assert_eq!(shown, [(shared, 1), (shared, 7)]);
    assert_eq!(health.compared, 256);
    assert_eq!(health.compared_from, Some(at(START)));
}

#[test]
fn a_report_is_read_by_people() {
    let mut watch = UlidWatch::new(UlidRules::default());
    assert_eq!(
        watch.report().to_string(),
        "0 ids of 0 devices\n  too few to judge their randomness; no fault so far\n  \
         randomness judged by 0 ids; the last 0 compared"
    );
    for n in 0..3 {
        watch.observe(id(n * 1000, 1 << 70), device(4), at(START + n * 1000));
    }
    assert_eq!(
        watch.report().to_string(),
        "3 ids of 1 device, 2027-01-15 08:00:00 UTC to 2027-01-15 08:00:02 UTC
  clock-unset: the clock was not set (1 timestamp is zero); 3 ids
    first 00000000000100000000000000 of device 4, received 2027-01-15 08:00:00 UTC
    last  00000001YG0100000000000000 of device 4, received 2027-01-15 08:00:02 UTC
  random-repeats: the randomness of one id came again in another millisecond; 2 ids
    first 00000000000100000000000000 of device 4, received 2027-01-15 08:00:00 UTC
    and   00000000Z80100000000000000 of device 4, received 2027-01-15 08:00:01 UTC
    last  00000000000100000000000000 of device 4, received 2027-01-15 08:00:00 UTC
    and   00000001YG0100000000000000 of device 4, received 2027-01-15 08:00:02 UTC
  randomness judged by 0 ids; the last 1 compared, from 2027-01-15 08:00:00 UTC on"
    );
}

#[test]
fn memory_is_bounded_whatever_comes() {
    let mut dice = Dice(4);
    let mut watch = None;
    let used = measure(|| {
        let mut one = UlidWatch::new(UlidRules::default());
        for n in 0..20_000 {
            let broken = if n % 5 == 0 { 0 } else { START + n };
            one.observe(id(broken, dice.bits()), device((n % 300) as u32), at(START + n * 1000));
        }
        watch = Some(one);
    });
    assert!(used.bytes_max < 128 * 1024, "{used:?}");
    assert!(watch.unwrap().report().not_followed > 0);
}

#[test]
fn sources_are_bounded_saved_and_forgotten() {
    let mut watches: UlidWatches<String> = UlidWatches::new(UlidRules::default(), 3);
    let mut dice = Dice(5);
    for n in 0..1_000_u64 {
        let version = format!("1.{}", n % 5);
        watches.observe(version.as_str(), id(START + n, dice.bits()), device(1), at(START + n));
    }
    assert_eq!(watches.not_watched(), 400);
    let mut again: UlidWatches<String> =
        serde_json::from_str(&serde_json::to_string(&watches).unwrap()).unwrap();
    assert_eq!(again.reports().count(), 3);
    assert_eq!(again.report("1.1"), watches.report("1.1"));
    assert_eq!(again.forget("1.1").map(|health| health.ids), Some(200));
    again.observe("1.4", id(START, 0), device(1), at(START));
    assert_eq!(again.report("1.4").map(|health| health.ids), Some(1));
    assert_eq!(again.report("1.3"), None);
}
