//! The promises of the engine, held against groups whose truth is known: two thousand and some random settings.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use iot_runbook::lag::{Judge, Rule, Settings, Verdict, Window};

use super::random::Random;
use super::streams::at;
use super::world::{Committer, Event, Setting, Truth, World};

const STOP_AFTER: i64 = 60;
const SLOWEST: i64 = 1_200;
const MAX_AGE: i64 = 900;
const TRANSACTION_AFTER: i64 = 300;

/// What was seen in all runs, by name: looks, and the first setting in which it was seen.
#[derive(Default)]
struct Tally {
    seen: BTreeMap<&'static str, (usize, usize, String)>,
}

impl Tally {
    fn add(&mut self, what: &'static str, setting: &Setting, run: usize, text: impl Fn() -> String) {
        let entry = self.seen.entry(what).or_insert_with(|| (0, 0, String::new()));
        entry.0 += 1;
        if entry.2.is_empty() {
            entry.2 = format!("{}\n    {setting:?}", text());
        }
        if entry.1 != run + 1 {
            entry.1 = run + 1;
        }
    }

    fn count(&self, what: &str) -> usize {
        self.seen.get(what).map_or(0, |(count, ..)| *count)
    }
}

/// When a lag that grows must have been found, whatever bursts there are.
fn slow_after(pace: i64, period: i64) -> i64 {
    50 * pace + 12 * period
}

/// A setting by chance. Intervals of commits from one second to ten minutes, looks from five seconds to two minutes.
fn setting(seed: u64) -> Setting {
    let mut random = Random::new(seed);
    let commit = random.by_scale(1.0, 600.0) as i64;
    let look = [5, 10, 15, 30, 60, 120][random.below(6) as usize].max(commit / 20);
    let pace = commit.max(look);
    let is_slow = random.one_in(8);
    // A slow group reads something in each of its intervals.
    let rate = random.by_scale(if is_slow { 20.0 / pace as f64 } else { 0.005 }, 50.0);
    let committer = match random.below(4) {
        0 => Committer::OnProgress,
        1 if !is_slow => Committer::Batch,
        _ => Committer::Timer,
    };
    let bursts = random.one_in(3).then(|| {
        let on = random.between(pace, 6 * pace);
        (on, random.between(pace, 10 * pace))
    });
    let transaction = random.one_in(4).then(|| random.between(1, 20));
    // A rebalance is shorter than `stop_after`, or than the interval between commits allows.
    let longest_pause = (STOP_AFTER - commit * 5 / 4).max(commit * 3 / 10);
    let rebalance = (committer != Committer::Batch && random.one_in(3))
        .then(|| (random.between(10 * pace, 30 * pace), random.between(1, longest_pause.max(1))));
    let speed = if is_slow { 0.5 } else { 2.0 + 8.0 * random.share() };
    let mean = bursts.map_or(rate, |(on, off)| rate * on as f64 / (on + off) as f64);
    // Long enough to see that a slow group gets further behind from burst to burst.
    let period = bursts.map_or(0, |(on, off)| on + off);
    let until = if is_slow { slow_after(pace, period) + 20 * pace } else { 35 * pace };
    let mut events = vec![];
    if !is_slow {
        let first = random.between(12 * pace, 20 * pace);
        match random.below(9) {
            0..=2 => events.push((first, Event::Stop)),
            3 => {
                events.push((first, Event::Stop));
                let back = first + random.between(1, 4 * pace);
                events.push((back, Event::Restart));
                events.push((back + 5 * pace, Event::Stop));
            }
            4 => events.push((first, Event::Reset)),
            5 => events.push((first, Event::Remake)),
            6 => events.push((first, Event::Hang)),
            _ => {}
        }
    }
    Setting {
        seed,
        commit,
        committer,
        is_jittery: random.one_in(2),
        has_times: random.one_in(3),
        look,
        looks_vary: random.one_in(2),
        capacity: random.between(4, 12) as usize,
        rate,
        bursts,
        // A group that keeps up reads more than comes in a burst; a slow one half of what comes over all.
        speed: if is_slow { (mean * speed).max(0.000_1) } else { rate.max(0.1) * speed },
        rebalance,
        transaction,
        is_slow,
        stops_at_marker: transaction.is_some() && random.one_in(2),
        read_committed: random.one_in(3),
        events,
        until,
    }
}

fn judge() -> Judge {
    let settings = Settings::default()
        .with_stop_after(TimeDelta::seconds(STOP_AFTER))
        .with_slowest_commit(TimeDelta::seconds(SLOWEST))
        .with_transaction_after(TimeDelta::seconds(TRANSACTION_AFTER))
        .with_max_age(TimeDelta::seconds(MAX_AGE));
    Judge::new(settings).unwrap()
}

/// The time within which a stop must be reported, from when messages wait under the last commit: three of the
/// group's own intervals, or `stop_after`, and the looks that it takes to see both ends.
fn deadline(setting: &Setting, truth: &Truth) -> i64 {
    let is_busy = truth.busy >= 8;
    let own = if is_busy { truth.longest_wait } else { truth.longest }.max(setting.commit);
    let look = setting.look + if setting.looks_vary { setting.look / 4 } else { 0 };
    // One look may have been left out.
    let look = if setting.looks_vary { 2 * look } else { look };
    STOP_AFTER.max(2 * own + 4 * look) + 2 * look
}

fn run(number: usize, setting: &Setting, judge: &Judge, tally: &mut Tally) {
    let mut window = Window::new(setting.capacity).unwrap();
    let mut world = World::new(setting.clone());
    let is_slow = setting.is_slow;
    let pace = setting.commit.max(setting.look);
    let slow_after = slow_after(pace, setting.bursts.map_or(0, |(on, off)| on + off));
    let mut is_told = false;
    while let Some((sample, truth)) = world.next_look() {
        window.observe(sample);
        let report = judge.partition(at(truth.second), None, &window);
        let verdict = report.verdict();
        let text = || format!("at {}: {report}; {truth:?}", truth.second);
        let mut add = |what: &'static str| tally.add(what, setting, number, text);
        let is_healthy = truth.is_alive && truth.has_moved_since_event;
        add("looks");
        if is_healthy && verdict == Verdict::Stop {
            add("false stop");
        }
        if is_healthy && verdict == Verdict::Stall {
            add("false stall");
        }
        if truth.oldest.is_none_or(|oldest| oldest <= MAX_AGE) && matches!(report.rule, Rule::OverAge { .. })
        {
            add("false over-age");
        }
        if truth.is_alive && !truth.is_back && verdict == Verdict::Rewind {
            add("false rewind");
        }
        if truth.is_alive
            && truth.is_back
            && truth.has_moved_since_event
            && verdict == Verdict::Ok
            && report.lag > Some(0)
        {
            add("rewind faded");
        }
        if truth.has_moved_since_event {
            is_told &= !truth.is_alive;
        }
        if !truth.is_alive {
            is_told |= matches!(verdict, Verdict::Stop | Verdict::Stall);
            if is_told && verdict == Verdict::Ok {
                add("ok after a stop");
            }
            if truth.moves >= 8
                && truth
                    .waits_since
                    .is_some_and(|since| truth.second - since.max(truth.moved_at) > deadline(setting, &truth))
            {
                add("looks after the deadline");
                if !matches!(verdict, Verdict::Stop | Verdict::Stall) {
                    add("late stop");
                }
            }
        }
        let hangs_for = truth.hangs_since.map_or(0, |since| truth.second - since);
        if verdict == Verdict::TransactionOpen
            && hangs_for + setting.transaction.unwrap_or(0) <= TRANSACTION_AFTER
        {
            add("false open transaction");
        }
        if setting.read_committed && hangs_for > TRANSACTION_AFTER + 20 * pace {
            add("looks at an open transaction");
            if verdict != Verdict::TransactionOpen && sample.last_stable_offset < Some(sample.high_watermark)
            {
                add("open transaction not reported");
            }
        }
        if !is_slow && verdict == Verdict::Growing {
            add("growing though it keeps up");
        }
        if is_slow && truth.second > slow_after {
            add("slow looks");
            if verdict == Verdict::Ok {
                add("ok though the lag grows");
            }
        }
    }
}

#[test]
fn promises_hold_in_every_simulated_group() {
    let judge = judge();
    let mut tally = Tally::default();
    for number in 0..2_200 {
        run(number, &setting(0x1A6 + number as u64), &judge, &mut tally);
    }
    for (what, (count, _, example)) in &tally.seen {
        println!("{what}: {count}");
        println!("  first: {example}");
    }
    assert!(tally.count("looks") > 100_000);
    for never in [
        "false stop",
        "false stall",
        "false over-age",
        "false rewind",
        "rewind faded",
        "ok after a stop",
        "late stop",
        "ok though the lag grows",
        "growing though it keeps up",
        "false open transaction",
        "open transaction not reported",
    ] {
        assert_eq!(tally.count(never), 0, "{never}");
    }
}
