//! Clocks that step back, jump ahead, and are set right.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::TimeDelta;
use iot_runbook::certificate::Stage;
use iot_runbook::certificate::lifecycle::{AlertKind, Command, Event, Ignored, Standing};
use proptest::prelude::*;

use super::world::{Action, World};
use super::{Bench, NOW, certificate, day, with_left};

#[test]
fn behind_the_mark_or_far_ahead_nothing_but_alerts_is_handed_out() {
    let second = TimeDelta::seconds(1);
    for (shift, suspect) in [
        (TimeDelta::seconds(-30), false),
        (TimeDelta::seconds(-30) - TimeDelta::nanoseconds(1), true),
        (day(30), false),
        (day(30) + TimeDelta::nanoseconds(1), true),
    ] {
        let mut bench = Bench::new(&with_left(19));
        bench.pass(shift);
        let orders = bench.orders();
        let is_alert = |command: &Command| matches!(command, Command::Alert(alert) if matches!(alert.what, AlertKind::ClockSuspect { mark, .. } if mark == NOW));
        assert_eq!(orders.len() == 1 && is_alert(&orders[0].command), suspect, "{shift}");
        assert_eq!(bench.machine.clock_suspect(), suspect.then_some(bench.now));
        assert_eq!(
            bench.machine.stage(&bench.rules, bench.now) == Stage::ClockSuspect,
            suspect || shift < -second
        );
        if suspect {
            assert_eq!(bench.machine.high_water(), NOW);
            assert!(bench.machine.wake_at(&bench.rules) > Some(bench.now), "it rests");
            bench.restart();
            assert_eq!(bench.orders().len(), 1, "the alert alone comes again");
            bench.now = NOW + second;
            assert!(bench.orders().iter().any(|order| matches!(order.command, Command::Issue(_))));
            assert_eq!(bench.machine.clock_suspect(), None);
        }
    }
}

#[test]
fn what_happens_under_a_suspect_clock_is_not_lost() {
    let mut bench = Bench::new(&with_left(19));
    let new = certificate(1, 2, NOW, NOW + day(60));
    bench.order();
    bench.now = NOW - day(1);
    bench.issue(1, &new).unwrap();
    assert_eq!(bench.orders().len(), 1);
    bench.connect(&new).unwrap();
    assert_eq!(bench.machine.in_use(), new.credential());
    let keys = bench.keys();
    assert_eq!(keys, [""; 0]);
    bench.now = NOW + day(7);
    let orders = bench.orders();
    assert!(orders.iter().any(|order| matches!(order.command, Command::Retire(_))), "{orders:?}");
}

#[test]
fn a_clock_that_is_accepted_is_gone_by() {
    // A service that was down for 40 days: the certificate has ended.
    let mut bench = Bench::new(&with_left(19));
    bench.pass(day(40));
    assert_eq!(bench.settle().len(), 1);
    bench.machine.accept_clock(&bench.rules, bench.now);
    assert_eq!(bench.machine.standing(), Standing::Recovering);
    assert!(bench.orders().iter().any(|order| order.command == Command::LookUpContact));
    // That clock was wrong: there was no emergency, and no wait is longer than from now.
    bench.now = NOW;
    bench.orders();
    bench.machine.accept_clock(&bench.rules, NOW);
    assert_eq!(bench.machine.standing(), Standing::Renewing);
    assert!(bench.machine.wake_at(&bench.rules) <= Some(NOW + day(15)));
    let new = certificate(1, 2, NOW, NOW + day(60));
    // The first was given up for the emergency, and another is never issued for its generation.
    assert!(matches!(bench.issue(1, &new), Err(Ignored::OtherGeneration { told: 1, current: 2 })));
    bench.issue(2, &new).unwrap();
    bench.connect(&new).unwrap();
    assert_eq!(bench.machine.standing(), Standing::Settled);
}

#[test]
fn a_connection_told_again_is_stale_until_a_clock_set_back_is_accepted_and_the_next_one_sets_it_right() {
    let first = with_left(30);
    let by_hand = certificate(2, 2, NOW, NOW + day(60));
    let mut bench = Bench::new(&first);
    bench.tell(Event::Installed { certificate: by_hand.clone() }).unwrap();
    let connected = Event::Connected { fingerprint: by_hand.credential().fingerprint, at: bench.now };
    bench.tell(connected.clone()).unwrap();
    bench.pass(TimeDelta::seconds(1)).connect(&first).unwrap();
    assert_eq!(bench.machine.in_use(), first.credential());
    assert_eq!(bench.tell(connected.clone()), Err(Ignored::Stale));
    // Under a suspect clock, and when that is right again, it is known for what it is.
    bench.now = NOW - day(20);
    bench.orders();
    assert_eq!(bench.tell(connected.clone()), Err(Ignored::Stale));
    // Once the clock is accepted, it is dated later than all that is known.
    bench.machine.accept_clock(&bench.rules, bench.now);
    bench.pass(day(1)).tell(connected).unwrap();
    assert_eq!(bench.machine.in_use(), by_hand.credential());
    // The device connects with what it has: that one is not retired.
    bench.pass(day(6)).connect(&first).unwrap();
    assert_eq!(bench.machine.in_use(), first.credential());
    let of_first = |command: &Command| matches!(command, Command::Retire(retire) if retire.fingerprint == first.credential().fingerprint);
    for _ in 0..10 {
        let orders = bench.pass(day(1)).orders();
        assert!(!orders.iter().any(|order| of_first(&order.command)), "{orders:?}");
    }
}

#[test]
fn the_ends_of_the_calendar_do_no_harm() {
    use chrono::{DateTime, Utc};

    for start in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
        let mut bench = Bench::new(&with_left(19));
        bench.machine.accept_clock(&bench.rules, start);
        bench.now = start;
        bench.orders();
        let fingerprint = with_left(19).credential().fingerprint;
        bench.tell(Event::Connected { fingerprint, at: DateTime::<Utc>::MAX_UTC }).unwrap();
        for at in [DateTime::<Utc>::MIN_UTC, NOW, DateTime::<Utc>::MAX_UTC] {
            bench.now = at;
            bench.orders();
            bench.machine.accept_clock(&bench.rules, at);
            bench.orders();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// The clock goes anywhere between events. Whatever it did, once it is right, and a person has accepted it, all ends well.
    #[test]
    fn a_clock_that_goes_anywhere_breaks_no_rule(
        picks in prop::collection::vec((any::<prop::sample::Index>(), 0u8..10, -200i64..200), 1..40),
    ) {
        let mut world = World::new(19, true);
        let mut path = Vec::new();
        let mut latest = world.now;
        for (pick, move_clock, hours) in picks {
            let now = world.now;
            if move_clock == 0 {
                world.now += TimeDelta::hours(hours * 10);
                latest = latest.max(world.now);
                let accepted = hours % 2 == 0;
                path.push(format!("{} h, accepted: {accepted}", hours * 10));
                let kept = catch_unwind(AssertUnwindSafe(|| {
                    world.drain_suspect();
                    if accepted {
                        world.accept();
                    } else {
                        world.now = now;
                        world.drain_suspect();
                    }
                }));
                prop_assert!(kept.is_ok(), "a rule is broken after {path:#?}");
            }
            let actions: Vec<_> =
                world.actions().into_iter().filter(|action| *action != Action::Decommission).collect();
            let action = pick.get(&actions);
            path.push(format!("{action:?}"));
            let kept = catch_unwind(AssertUnwindSafe(|| world.act(action)));
            latest = latest.max(world.now);
            prop_assert!(kept.is_ok(), "a rule is broken after {path:#?}");
        }
        // Right is no time before that of anything that was issued.
        let now = latest.max(world.now);
        world.now = now;
        let good = catch_unwind(AssertUnwindSafe(|| {
            world.accept();
            world.ends_well(true)
        }));
        prop_assert!(matches!(good, Ok(true)), "from {now} it does not end well after {path:#?}: {}", world.state());
    }
}
