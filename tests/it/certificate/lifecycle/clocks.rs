//! Clocks that step back, jump ahead, and are set right.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::TimeDelta;
use iot_runbook::certificate::Stage;
use iot_runbook::certificate::lifecycle::{AlertKind, Command, Event, EventError, Issued, Order, Status};
use proptest::prelude::*;

use super::super::random::cases;

use super::world::{Action, World};
use super::{Bench, NOW, certificate, day, with_left};

#[test]
fn suspect_clock_hands_out_only_alerts() {
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
fn suspect_clock_loses_no_event() {
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
    assert_eq!(bench.machine.status(), Status::Recovering);
    assert!(bench.orders().iter().any(|order| order.command == Command::LookUpContact));
    // That clock was wrong: there was no emergency, and no wait is longer than from now.
    bench.now = NOW;
    bench.orders();
    bench.machine.accept_clock(&bench.rules, NOW);
    assert_eq!(bench.machine.status(), Status::Renewing);
    assert!(bench.machine.wake_at(&bench.rules) <= Some(NOW + day(15)));
    let new = certificate(1, 2, NOW, NOW + day(60));
    // The first was given up for the emergency, and another is never issued for its generation.
    assert!(matches!(bench.issue(1, &new), Err(EventError::OtherGeneration { told: 1, current: 2 })));
    bench.issue(2, &new).unwrap();
    bench.connect(&new).unwrap();
    assert_eq!(bench.machine.status(), Status::Settled);
}

/// A device that was given a certificate by hand, was seen with it, and went back to its first a second later.
fn gone_back() -> (Bench, Issued, Event) {
    let first = with_left(30);
    let by_hand = certificate(2, 2, NOW - day(30), NOW + day(60));
    let mut bench = Bench::new(&first);
    bench.tell(Event::Installed { certificate: by_hand.clone() }).unwrap();
    let connected = Event::Connected { fingerprint: by_hand.credential().fingerprint, at: bench.now };
    bench.tell(connected.clone()).unwrap();
    bench.pass(TimeDelta::seconds(1)).connect(&first).unwrap();
    assert_eq!(bench.machine.in_use(), first.credential());
    (bench, first, connected)
}

fn retires(orders: &[Order], of: &Issued) -> bool {
    let fingerprint = of.credential().fingerprint;
    orders
        .iter()
        .any(|order| matches!(order.command, Command::Retire(retire) if retire.fingerprint == fingerprint))
}

#[test]
fn repeated_connect_stays_stale() {
    let (mut bench, first, connected) = gone_back();
    assert_eq!(bench.tell(connected.clone()), Err(EventError::Stale));
    // Under a suspect clock, and when that is right again, it is known for what it is.
    bench.now = NOW - day(20);
    bench.orders();
    assert_eq!(bench.tell(connected.clone()), Err(EventError::Stale));
    // Once the clock is accepted, it is dated later than all that is known.
    bench.machine.accept_clock(&bench.rules, bench.now);
    for _ in 0..100 {
        assert_eq!(bench.pass(TimeDelta::hours(7)).tell(connected.clone()), Err(EventError::Stale));
        bench.restart();
        assert_eq!(bench.machine.in_use(), first.credential());
        assert!(!retires(&bench.orders(), &first));
    }
}

#[test]
fn future_connect_postpones_retirement() {
    let first = with_left(30);
    let by_hand = certificate(2, 2, NOW - day(30), NOW + day(60));
    let mut bench = Bench::new(&first);
    bench.tell(Event::Installed { certificate: by_hand.clone() }).unwrap();
    bench.connect(&by_hand).unwrap();
    bench.pass(TimeDelta::hours(1)).orders();
    let set_back = bench.now - day(20);
    bench.now = set_back;
    bench.machine.accept_clock(&bench.rules, set_back);
    // It went back to its first, by the wrong clock half an hour after the new one was seen; nobody knows when that was.
    let late =
        Event::Connected { fingerprint: first.credential().fingerprint, at: NOW + TimeDelta::minutes(30) };
    bench.pass(day(1));
    assert_eq!(bench.tell(late), Err(EventError::Stale));
    assert_eq!(bench.machine.in_use(), by_hand.credential());
    for _ in 0..25 {
        assert!(!retires(&bench.pass(day(1)).orders(), &first));
    }
    // A connection that is later for sure shows which of them it has.
    bench.connect(&by_hand).unwrap();
    assert!(retires(&bench.orders(), &first));
}

#[test]
fn latest_live_connection_is_sure() {
    let (mut bench, first, connected) = gone_back();
    let Event::Connected { fingerprint, .. } = connected else { panic!("{connected:?}") };
    bench.pass(TimeDelta::hours(2)).orders();
    bench.now = NOW - day(20);
    bench.machine.accept_clock(&bench.rules, bench.now);
    bench.now = NOW + TimeDelta::hours(1);
    assert_eq!(bench.tell(Event::Connected { fingerprint, at: bench.now }), Ok(()));
    bench.pass(day(7));
    assert!(retires(&bench.orders(), &first));
}

#[test]
fn earlier_connect_postpones_nothing() {
    let first = with_left(30);
    let by_hand = certificate(2, 2, NOW - day(30), NOW + day(60));
    let hour = TimeDelta::hours(1);
    let mut bench = Bench::new(&first);
    bench.tell(Event::Installed { certificate: by_hand.clone() }).unwrap();
    bench.pass(hour).connect(&first).unwrap();
    bench.pass(hour * 2).orders();
    bench.now = NOW;
    bench.machine.accept_clock(&bench.rules, NOW);
    // Later than all that was told, and not later than all that the wrong clock can have dated.
    bench.pass(hour * 2).connect(&by_hand).unwrap();
    let fingerprint = first.credential().fingerprint;
    assert_eq!(bench.tell(Event::Connected { fingerprint, at: NOW + hour / 2 }), Err(EventError::Stale));
    bench.pass(day(7));
    assert!(retires(&bench.orders(), &first));
}

#[test]
fn future_connect_confirms_nothing() {
    let by_hand = certificate(2, 2, NOW - day(30), NOW + day(60));
    let mut bench = Bench::new(&with_left(30));
    bench.tell(Event::Installed { certificate: by_hand.clone() }).unwrap();
    bench.now = NOW - day(20);
    bench.machine.accept_clock(&bench.rules, bench.now);
    bench.pass(day(1));
    let connected = |at| Event::Connected { fingerprint: by_hand.credential().fingerprint, at };
    for at in [NOW, NOW - TimeDelta::hours(5)] {
        assert_eq!(bench.tell(connected(at)), Err(EventError::Stale));
    }
    // Nothing is known of a connection then: this is one.
    assert_eq!(bench.tell(connected(bench.now)), Ok(()));
    assert_eq!(bench.machine.in_use(), by_hand.credential());
    // When all those dates have passed, nothing of it is kept.
    assert!(!serde_json::to_string(&bench.machine).unwrap().contains(r#""clock_doubt":null"#));
    bench.now = NOW;
    assert_eq!(bench.tell(connected(NOW)), Ok(()));
    assert!(serde_json::to_string(&bench.machine).unwrap().contains(r#""clock_doubt":null"#));
}

#[test]
fn connects_after_set_back_are_live() {
    let second = TimeDelta::seconds(1);
    for (late, is_taken) in
        [(second * 30, true), (second * 31, false), (-second * 30, true), (-second * 31, false)]
    {
        let (mut bench, first, connected) = gone_back();
        let Event::Connected { fingerprint, .. } = connected else { panic!("{connected:?}") };
        bench.now = NOW - day(20);
        bench.machine.accept_clock(&bench.rules, bench.now);
        let at = bench.pass(day(1)).now;
        bench.now += late;
        // With the one by hand again: others were told with such dates, so this might be one of them, and retires nothing.
        assert_eq!(bench.tell(Event::Connected { fingerprint, at }).is_ok(), is_taken, "{late}");
        assert_eq!(bench.machine.in_use().fingerprint == fingerprint, is_taken);
        bench.pass(day(8));
        assert!(!retires(&bench.orders(), &first));
        // When those dates have passed, it is sure.
        bench.now = NOW + second * 2;
        assert_eq!(bench.tell(Event::Connected { fingerprint, at: bench.now }), Ok(()));
        bench.pass(day(7));
        assert!(retires(&bench.orders(), &first), "{late}");
    }
}

#[test]
fn issued_after_set_back_confirms_at_once() {
    let first = with_left(15);
    let mut bench = Bench::new(&first);
    bench.connect(&first).unwrap();
    bench.now = NOW - TimeDelta::hours(10);
    bench.machine.accept_clock(&bench.rules, bench.now);
    bench.settle();
    let new = certificate(1, 2, NOW - day(1), NOW + day(60));
    bench.issue(1, &new).unwrap();
    bench.settle();
    bench.pass(TimeDelta::hours(1)).connect(&new).unwrap();
    bench.pass(day(7));
    assert!(retires(&bench.orders(), &first));
}

#[test]
fn repeated_future_connect_is_not_new() {
    let first = with_left(30);
    let by_hand = certificate(2, 2, NOW, NOW + day(60));
    let mut bench = Bench::new(&first);
    bench.tell(Event::Installed { certificate: by_hand.clone() }).unwrap();
    // The broker's clock is an hour ahead.
    let ahead = |one: &Issued, now| Event::Connected {
        fingerprint: one.credential().fingerprint,
        at: now + TimeDelta::hours(1),
    };
    let connected = ahead(&by_hand, bench.now);
    bench.tell(connected.clone()).unwrap();
    bench.pass(TimeDelta::minutes(10));
    bench.tell(ahead(&first, bench.now)).unwrap();
    for _ in 0..10 {
        bench.pass(TimeDelta::minutes(9));
        assert_eq!(bench.tell(connected.clone()), Err(EventError::Stale));
        assert_eq!(bench.machine.in_use(), first.credential());
    }
}

#[test]
fn return_under_suspect_clock_loses_nothing() {
    let first = with_left(30);
    let by_hand = certificate(2, 2, NOW, NOW + day(60));
    let mut bench = Bench::new(&first);
    bench.tell(Event::Installed { certificate: by_hand.clone() }).unwrap();
    bench.pass(day(40)).connect(&by_hand).unwrap();
    // By the mark both are of one moment.
    assert_eq!(bench.pass(TimeDelta::hours(1)).connect(&first), Ok(()));
    assert_eq!(bench.machine.in_use(), first.credential());
    bench.now = NOW + day(1);
    for _ in 0..12 {
        assert!(!retires(&bench.pass(day(1)).orders(), &first));
    }
    bench.connect(&first).unwrap();
    assert_eq!(bench.machine.in_use(), first.credential());
}

#[test]
fn failed_alert_retries_on_suspect_clock() {
    let minute = TimeDelta::minutes(1);
    for shift in [-day(400), day(40)] {
        let mut bench = Bench::new(&with_left(300));
        bench.pass(shift);
        let order = bench.order();
        bench.fail(&order, "no route");
        assert_eq!(bench.orders(), []);
        let wake_at = bench.machine.wake_at(&bench.rules).unwrap();
        assert_eq!(wake_at, bench.now + minute);
        bench.pass(minute - TimeDelta::nanoseconds(1));
        assert_eq!(bench.orders(), []);
        bench.pass(TimeDelta::nanoseconds(1));
        let again = bench.order();
        assert_eq!((again.key.clone(), again.failures), (order.key.clone(), 1));
        // No answer comes: it has failed again, an hour later.
        bench.pass(TimeDelta::hours(1));
        assert_eq!(bench.orders(), []);
        bench.restart();
        bench.pass(minute * 2);
        assert_eq!(bench.order().failures, 2);
        // The clock jumps back once more, far behind: it waits no longer than the longest retry.
        let again = bench.machine.clone();
        bench.fail(&order, "no route");
        bench.now = NOW - day(4_000);
        assert_eq!(bench.orders(), []);
        bench.pass(day(1));
        assert_eq!(bench.order().failures, 3);
        // When it is right, what remains of the wait is waited for; accepted or not.
        for accept in [false, true] {
            bench.machine = again.clone();
            bench.now = NOW + shift + TimeDelta::hours(1) + minute * 3;
            bench.fail(&order, "no route");
            if accept {
                bench.machine.accept_clock(&bench.rules, bench.now);
            } else {
                bench.now = NOW + day(1);
            }
            assert_eq!(bench.keys().iter().filter(|key| *key == order.key.as_str()).count(), 0);
            bench.pass(minute * 4);
            assert_eq!(
                bench.keys().iter().filter(|key| *key == order.key.as_str()).count(),
                1,
                "{shift} {accept}"
            );
        }
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
            let rested = bench.machine.clone();
            bench.orders();
            assert_eq!(bench.machine, rested, "at {at}");
        }
    }
}

proptest! {
    #![proptest_config(cases(200))]

    /// The clock goes anywhere between events. Whatever it did, once it is right, and a person has accepted it, all ends well.
    #[test]
    fn clock_that_goes_anywhere_breaks_no_rule(
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
