//! Renewals, rule by rule.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::certificate::lifecycle::{
    AlertKind, Command, Csr, Event, EventError, Issued, Lifecycle, Order, Reachability, Refusal, Status,
    SubjectKey, VisitKind,
};
use iot_runbook::certificate::message::{Outcome, Reason};
use iot_runbook::certificate::validity::{CertId, CertificateError};
use rcgen::{CertificateParams, KeyPair};

use super::super::mint;
use super::{Bench, NOW, certificate, day, names, under_issuer, with_left};

/// The next one for the same key.
fn next() -> Issued {
    certificate(1, 2, NOW - TimeDelta::hours(1), NOW + day(60))
}

/// Due, and published for generation 1.
pub(super) fn published() -> (Bench, Issued) {
    let mut bench = Bench::new(&with_left(19));
    let new = next();
    bench.order();
    bench.issue(1, &new).unwrap();
    assert_eq!(bench.settle(), ["pump-7/1/publish"]);
    (bench, new)
}

fn alerts(orders: &[Order]) -> Vec<&AlertKind> {
    orders
        .iter()
        .filter_map(|order| match &order.command {
            Command::Alert(alert) => Some(&alert.what),
            _ => None,
        })
        .collect()
}

#[test]
fn nothing_is_done_before_a_renewal_is_due() {
    let mut bench = Bench::new(&with_left(20));
    assert!(bench.keys().is_empty());
    assert_eq!(bench.machine.status(), Status::Settled);
    assert_eq!(bench.wake(), TimeDelta::nanoseconds(1), "strictly less than 20 days");
    assert_eq!(bench.keys(), ["pump-7/1/issue"]);
    assert_eq!(bench.machine.status(), Status::Renewing);
}

#[test]
fn unanswered_issue_repeats_under_its_key() {
    let mut bench = Bench::new(&with_left(19));
    let first = bench.order();
    assert!(bench.keys().is_empty(), "it is handed out once");
    bench.restart();
    let again = bench.order();
    assert_eq!((&first.key, &first.command), (&again.key, &again.command));
    bench.pass(TimeDelta::hours(1));
    assert!(bench.keys().is_empty(), "unanswered, it waits for a minute");
    assert_eq!(bench.wake(), TimeDelta::minutes(1));
    let again = bench.order();
    assert_eq!((&first.key, again.failures), (&again.key, 1));
    bench.issue(1, &next()).unwrap();
    assert_eq!(bench.issue(1, &next()), Err(EventError::Known));
    let other = certificate(1, 3, NOW, NOW + day(60));
    assert_eq!(bench.issue(1, &other), Err(EventError::SecondCertificate { generation: 1 }));
    assert_eq!(bench.issue(2, &other), Err(EventError::OtherGeneration { told: 2, current: 1 }));
    bench.restart();
    assert_eq!(bench.keys(), ["pump-7/1/publish"]);
}

#[test]
fn lost_ack_publishes_the_same_again() {
    let mut bench = Bench::new(&with_left(19));
    let new = next();
    bench.order();
    bench.issue(1, &new).unwrap();
    let first = bench.order();
    bench.pass(TimeDelta::hours(1)).keys();
    bench.pass(TimeDelta::minutes(1));
    let again = bench.order();
    assert_eq!((&first.key, &first.command), (&again.key, &again.command));
    assert!(matches!(&again.command, Command::Publish(desired) if desired.certificate == new.pem()));
    // A device that speaks of it has received it.
    bench.report(1, &new, Outcome::Downloaded).unwrap();
    assert_eq!(bench.machine.open_commands().count(), 0);
    // What is retained is not published again.
    bench.now = NOW + day(9) - TimeDelta::seconds(1);
    assert!(bench.keys().is_empty());
}

#[test]
fn retries_double_up_to_a_tenth_of_the_rest() {
    let mut bench = Bench::new(&certificate(1, 1, NOW - TimeDelta::hours(41), NOW + TimeDelta::hours(19)));
    let mut waits = Vec::new();
    for _ in 0..12 {
        let issue =
            bench.orders().into_iter().find(|order| matches!(order.command, Command::Issue(_))).unwrap();
        bench.fail(&issue, "the CA is busy");
        bench.settle();
        let left = bench.machine.in_use().end().unwrap() - bench.now;
        waits.push((bench.wake(), left));
    }
    let minutes: Vec<_> = waits.iter().map(|(wait, _)| wait.num_minutes()).collect();
    assert_eq!(minutes[..6], [1, 2, 4, 8, 16, 32]);
    assert!(waits.iter().all(|(wait, left)| *wait <= *left / 10), "{waits:?}");
}

#[test]
fn so_many_failures_in_a_row_are_told_once() {
    let mut bench = Bench::new(&with_left(19));
    let mut told = Vec::new();
    for _ in 0..6 {
        let orders = bench.orders();
        told.push(alerts(&orders).len());
        let issue = orders.iter().find(|order| matches!(order.command, Command::Issue(_))).unwrap();
        bench.fail(issue, "the CA is busy");
        // Told again before it is tried again, it is no other failure.
        let key = issue.key.clone();
        assert_eq!(bench.tell(Event::Failed { key, reason: Reason::new("again") }), Err(EventError::Known));
        let due = bench.orders();
        told.push(alerts(&due).len());
        for order in due {
            bench.tell(Event::Done { key: order.key }).unwrap();
        }
        bench.wake();
    }
    assert_eq!(told.iter().sum::<usize>(), 1);
    assert_eq!(bench.machine.status(), Status::Failing);
}

#[test]
fn unfit_certificate_is_a_failed_renewal() {
    let hour = TimeDelta::hours(1);
    let old = with_left(19);
    let for_life = |from, to| certificate(1, 2, NOW + from, NOW + to);
    for (bad, why) in [
        (for_life(-day(50), day(10)), Refusal::Due),
        (for_life(-day(50), -hour), Refusal::Expired),
        (for_life(day(10), day(9)), Refusal::EndsBeforeItBegins),
        (for_life(day(19) + hour, day(99)), Refusal::BeginsTooLate),
        (old.clone(), Refusal::TheSame),
        (
            certificate(2, 2, NOW, NOW + day(60)),
            Refusal::OtherKey { found: certificate(2, 2, NOW, NOW + day(60)).credential().public_key },
        ),
    ] {
        let mut bench = Bench::new(&old);
        bench.order();
        assert_eq!(bench.issue(1, &bad), Err(EventError::Refused(why)));
        assert_eq!(bench.machine.status(), Status::Failing);
        assert!(bench.machine.progress().unwrap().failed_at.is_some());
        assert_eq!(bench.issue(1, &next()), Err(EventError::Known), "its generation is spent");
        let orders = bench.orders();
        assert_eq!(alerts(&orders), [&AlertKind::CertificateRefused { why }]);
        bench.settle();
        bench.wake();
        let orders = bench.orders();
        assert!(orders.iter().any(|order| order.key.as_str() == "pump-7/2/issue"), "{orders:?}");
        bench.issue(2, &next()).unwrap();
    }
    for good in [for_life(day(19), day(99)), for_life(-day(40), day(20))] {
        let mut bench = Bench::new(&old);
        bench.order();
        assert_eq!(bench.issue(1, &good), Ok(()), "at the bound");
    }
}

#[test]
fn failed_test_retries_same_certificate() {
    let (mut bench, new) = published();
    let failed = || Outcome::TestFailed { reason: Reason::new("no route") };
    bench.report(1, &new, failed()).unwrap();
    assert_eq!(bench.report(1, &new, failed()), Err(EventError::Known), "a copy of the report");
    assert!(bench.keys().is_empty());
    assert_eq!(bench.wake(), TimeDelta::minutes(1));
    let again = bench.order();
    assert_eq!(again.key.as_str(), "pump-7/1/publish/2");
    assert!(matches!(&again.command, Command::Publish(desired) if desired.certificate == new.pem()));
    bench.tell(Event::Done { key: again.key }).unwrap();
    let fingerprint = new.credential().fingerprint;
    bench.tell(Event::Tested { fingerprint, failed: Some(Reason::new("still none")) }).unwrap();
    assert_eq!(bench.wake(), TimeDelta::minutes(2));
    bench.settle();
    bench.tell(Event::Tested { fingerprint, failed: None }).unwrap();
    assert_eq!(bench.report(1, &new, Outcome::TestPassed), Err(EventError::Known));
    bench.connect(&new).unwrap();
    assert_eq!(bench.machine.in_use(), new.credential());
}

#[test]
fn reports_of_other_certificates_change_nothing() {
    let (mut bench, new) = published();
    let before = bench.machine.clone();
    let other = certificate(1, 5, NOW, NOW + day(60));
    assert_eq!(bench.report(1, &other, Outcome::Switched), Err(EventError::UnknownCertificate));
    let told = bench.report(2, &new, Outcome::Switched);
    assert_eq!(told, Err(EventError::OtherGeneration { told: 2, current: 1 }));
    assert_eq!(bench.connect(&other), Err(EventError::UnknownCertificate));
    assert_eq!(bench.machine, before);
}

#[test]
fn device_claim_confirms_nothing() {
    let (mut bench, new) = published();
    bench.report(1, &new, Outcome::TestPassed).unwrap();
    bench.report(1, &new, Outcome::Switched).unwrap();
    bench.pass(day(1));
    let orders = bench.orders();
    assert_eq!(alerts(&orders), [&AlertKind::NotConfirmed]);
    // Both stay valid: nothing is ever retired before a connection.
    while bench.machine.status() != Status::Recovering {
        bench.wake();
        let keys = bench.settle();
        assert!(keys.iter().all(|key| !key.contains("retire") && !key.ends_with("/issue")), "{keys:?}");
    }
    assert_eq!(bench.now, with_left(19).credential().end().unwrap() + TimeDelta::nanoseconds(1));
}

#[test]
fn old_is_retired_at_overlap_or_its_end() {
    for (left, overlap) in [(19, day(7)), (3, day(3))] {
        let old = with_left(left);
        let mut bench = Bench::new(&old);
        let new = next();
        bench.settle();
        bench.issue(1, &new).unwrap();
        bench.settle();
        bench.connect(&new).unwrap();
        bench.settle();
        bench.now = NOW + overlap - TimeDelta::nanoseconds(1);
        assert_eq!(bench.keys(), [""; 0]);
        assert_eq!(bench.wake(), TimeDelta::nanoseconds(1));
        let order = bench.order();
        let Command::Retire(retire) = order.command else { panic!("{order:?}") };
        assert_eq!((retire.fingerprint, retire.compromised), (old.credential().fingerprint, false));
        bench.tell(Event::Done { key: order.key.clone() }).unwrap();
        assert_eq!(bench.tell(Event::Done { key: order.key }), Err(EventError::UnknownCommand));
    }
}

#[test]
fn retired_certificate_in_use_is_an_alert() {
    let old = with_left(19);
    let (mut bench, new) = published();
    bench.connect(&new).unwrap();
    bench.pass(day(7)).settle();
    bench.restart();
    let fingerprint = old.credential().fingerprint;
    let early = Event::Connected { fingerprint, at: NOW - TimeDelta::hours(1) };
    assert_eq!(bench.tell(early), Err(EventError::Stale), "it was accepted rightly");
    for _ in 0..2 {
        assert_eq!(bench.pass(day(1)).connect(&old), Ok(()));
        assert_eq!(bench.connect(&old), Err(EventError::Known));
        assert_eq!(alerts(&bench.orders()), [&AlertKind::RetiredInUse { fingerprint }]);
        bench.settle();
    }
    assert_eq!(bench.machine.in_use(), new.credential());
    // One whose key is in other hands, and that is the one in use as far as is known.
    let (mut bench, _) = published();
    bench.tell(Event::KeyCompromised { public_key: old.credential().public_key }).unwrap();
    bench.settle();
    bench.pass(TimeDelta::minutes(1)).connect(&old).unwrap();
    assert!(alerts(&bench.orders()).contains(&&AlertKind::RetiredInUse { fingerprint }));
}

#[test]
fn unretired_replacement_is_an_alert() {
    let (mut bench, new) = published();
    bench.connect(&new).unwrap();
    bench.pass(day(7));
    let fingerprint = with_left(19).credential().fingerprint;
    let mut seen = Vec::new();
    while bench.now < NOW + day(10) {
        for order in bench.orders() {
            match &order.command {
                Command::Retire(_) => bench.fail(&order, "the CA is away"),
                Command::Alert(alert) if matches!(alert.what, AlertKind::NotRetired { .. }) => {
                    seen.push((bench.now, alert.what.clone()));
                    bench.tell(Event::Done { key: order.key }).unwrap();
                }
                _ => bench.tell(Event::Done { key: order.key }).unwrap(),
            }
        }
        assert_eq!(bench.machine.unretired(bench.now).count(), 1);
        bench.wake();
    }
    assert_eq!(
        seen,
        [(NOW + day(8), AlertKind::NotRetired { fingerprint })],
        "a day after the overlap, once"
    );
    bench.now = with_left(19).credential().end().unwrap() + TimeDelta::seconds(1);
    assert_eq!(bench.machine.unretired(bench.now).count(), 0, "it has ended");
}

#[test]
fn two_connections_in_one_second_retire_nothing() {
    let old = with_left(19);
    let second = TimeDelta::seconds(1);
    for new_first in [true, false] {
        for apart in [TimeDelta::zero(), second - TimeDelta::nanoseconds(1)] {
            let (mut bench, new) = published();
            let (one, other) = if new_first { (&new, &old) } else { (&old, &new) };
            bench.pass(TimeDelta::hours(1)).connect(one).unwrap();
            let taken = bench.pass(apart).connect(other);
            assert_eq!(taken, if new_first { Ok(()) } else { Err(EventError::SameMoment) });
            assert_eq!(bench.machine.in_use(), old.credential());
            assert_eq!(bench.machine.progress().unwrap().confirmed_at, None);
            let mut alerted = false;
            while bench.now < NOW + day(10) {
                let orders = bench.orders();
                alerted |= alerts(&orders).contains(&&AlertKind::NotConfirmed);
                assert!(!orders.iter().any(|one| matches!(one.command, Command::Retire(_))));
                for order in orders {
                    bench.tell(Event::Done { key: order.key }).unwrap();
                }
                bench.wake();
            }
            assert!(alerted, "nobody hears of it: {new_first} {apart}");
            bench.connect(&new).unwrap();
            assert_eq!(bench.machine.in_use(), new.credential());
        }
        // A second apart their order is known.
        let (mut bench, new) = published();
        let (one, other) = if new_first { (&new, &old) } else { (&old, &new) };
        bench.pass(TimeDelta::hours(1)).connect(one).unwrap();
        bench.pass(second).connect(other).unwrap();
        assert_eq!(bench.machine.in_use(), other.credential());
    }
}

#[test]
fn late_failed_test_keeps_the_old_one() {
    let old = with_left(19);
    for by_the_device in [true, false] {
        let (mut bench, new) = published();
        bench.report(1, &new, Outcome::TestPassed).unwrap();
        bench.connect(&new).unwrap();
        bench.pass(day(1)).settle();
        let reason = Reason::new("no route");
        let fingerprint = new.credential().fingerprint;
        let failed = |bench: &mut Bench| match by_the_device {
            true => bench.report(1, &new, Outcome::TestFailed { reason: reason.clone() }),
            false => bench.tell(Event::Tested { fingerprint, failed: Some(reason.clone()) }),
        };
        assert_eq!(failed(&mut bench), Ok(()));
        assert_eq!(failed(&mut bench), Err(EventError::Known));
        let expected = AlertKind::FailedAfterConfirmation { reason: reason.clone() };
        assert_eq!(alerts(&bench.orders()), [&expected]);
        bench.restart();
        while bench.now < NOW + day(9) {
            assert!(bench.settle().iter().all(|key| !key.contains("/retire/")));
            bench.wake();
        }
        // What it connects with shows whether it works.
        let mut back = Bench { machine: bench.machine.clone(), ..Bench::new(&old) };
        back.now = bench.now;
        back.connect(&old).unwrap();
        assert_eq!(back.machine.in_use(), old.credential());
        bench.connect(&new).unwrap();
        assert!(bench.settle().iter().any(|key| key.contains("/retire/")));
    }
}

/// A new certificate confirmed on the first day, an old one with 47 days left, a service that is down from day 4 to day 9,
/// and a device that went back on day 5.
#[test]
fn missed_events_come_first() {
    let old = certificate(1, 1, NOW - day(13), NOW + day(47));
    let new = certificate(1, 2, NOW - TimeDelta::hours(1), NOW + day(60));
    let start = || {
        let mut bench = Bench::new(&old);
        bench.tell(Event::Installed { certificate: new.clone() }).unwrap();
        bench.pass(TimeDelta::hours(1)).connect(&new).unwrap();
        bench.pass(day(4)).settle();
        bench.restart();
        bench.pass(day(5));
        bench
    };
    let connected = |one: &Issued, days| Event::Connected {
        fingerprint: one.credential().fingerprint,
        at: NOW + day(days),
    };
    let keeps_the_old_one = |mut bench: Bench| {
        for _ in 0..60 {
            let keys = bench.settle();
            assert!(
                !keys.iter().any(|key| key.contains("/retire/") || key.contains("emergency")),
                "{keys:?}"
            );
            assert!(!bench.machine.in_recovery() && bench.machine.cut_off_at().is_none());
            bench.pass(TimeDelta::hours(12));
        }
    };
    let mut bench = start();
    bench.tell(connected(&old, 5)).unwrap();
    keeps_the_old_one(bench);
    // Several, in any order, with what has no date.
    for events in [
        vec![connected(&new, 4), connected(&old, 8), Event::Reachability(Reachability::Online)],
        vec![connected(&old, 8), Event::Reachability(Reachability::Online), connected(&new, 4)],
        vec![connected(&new, 6), connected(&old, 5), connected(&old, 8)],
    ] {
        let mut bench = start();
        let now = bench.now;
        let ignored = bench.machine.catch_up(&bench.rules, events, now);
        assert_eq!(ignored, []);
        assert_eq!(bench.machine.in_use(), old.credential());
        keeps_the_old_one(bench);
    }
    // Told after time has passed, and before the command to retire it was handed out.
    let mut bench = start();
    bench.tell(Event::Reachability(Reachability::Online)).unwrap();
    assert!(bench.machine.open_commands().any(|key| key.as_str().contains("/retire/")));
    bench.tell(connected(&old, 5)).unwrap();
    keeps_the_old_one(bench);
    // Nothing happened: it is retired.
    let mut bench = start();
    let now = bench.now;
    assert_eq!(bench.machine.catch_up(&bench.rules, [], now), []);
    assert!(bench.settle().iter().any(|key| key.contains("/retire/")));
}

#[test]
fn retained_message_is_published_once() {
    let old = certificate(1, 1, NOW - day(241), NOW + day(59));
    let new = certificate(1, 2, NOW, NOW + day(400));
    let mut bench = Bench::new(&old);
    bench.settle();
    bench.issue(1, &new).unwrap();
    let mut publishes = 0;
    while bench.now < NOW + day(155) {
        publishes += bench.settle().iter().filter(|key| key.contains("/publish")).count();
        bench.wake();
    }
    assert_eq!(publishes, 1);
}

/// One that was replaced on its way is what the device takes up after all: its generation is older than what is retained.
#[test]
fn desired_topic_never_goes_back_a_generation() {
    let mut bench = Bench::new(&certificate(1, 1, NOW - day(30), NOW + day(29)));
    bench.machine = bench.machine.clone().with_auto_renewal(true);
    bench.pass(day(10)).settle();
    let first = certificate(1, 2, bench.now, bench.now + day(18));
    bench.issue(1, &first).unwrap();
    let mut published = Vec::new();
    let mut publishes = |bench: &mut Bench| {
        for order in bench.orders() {
            match order.command {
                Command::Publish(desired) => {
                    published.push((desired.generation, desired.certificate));
                    bench.tell(Event::Done { key: order.key }).unwrap();
                }
                Command::Issue(_) => {}
                _ => bench.tell(Event::Done { key: order.key }).unwrap(),
            }
        }
    };
    publishes(&mut bench);
    bench.pass(day(13));
    publishes(&mut bench);
    let second = certificate(1, 3, bench.now, bench.now + day(60));
    bench.issue(2, &second).unwrap();
    publishes(&mut bench);
    bench.connect(&first).unwrap();
    publishes(&mut bench);
    let expected =
        [(1, &first), (2, &second), (3, &first)].map(|(number, one)| (number, one.pem().to_owned()));
    assert_eq!(published, expected);
}

#[test]
fn older_publish_that_failed_is_not_retried() {
    let mut bench = Bench::new(&with_left(19));
    bench.order();
    bench.issue(1, &certificate(1, 2, NOW, NOW + day(60))).unwrap();
    bench.settle();
    // The device was given another one by hand, which is soon due itself: its topic is to show that one.
    let by_hand = certificate(2, 3, NOW - day(50), NOW + day(10));
    bench.tell(Event::Installed { certificate: by_hand.clone() }).unwrap();
    bench.pass(TimeDelta::hours(1)).connect(&by_hand).unwrap();
    for order in bench.orders() {
        match order.command {
            Command::Publish(_) => bench.fail(&order, "no route"),
            Command::Issue(issue) => {
                assert_eq!(issue.generation, 3);
                bench.issue(3, &certificate(2, 4, NOW, NOW + day(60))).unwrap();
            }
            _ => bench.tell(Event::Done { key: order.key }).unwrap(),
        }
    }
    let mut published = Vec::new();
    for _ in 0..3 {
        for order in bench.orders() {
            published.extend(match order.command {
                Command::Publish(desired) => Some(desired.generation),
                _ => None,
            });
            bench.tell(Event::Done { key: order.key }).unwrap();
        }
        bench.pass(TimeDelta::hours(1));
    }
    assert_eq!(published, [3], "the topic shows the newest, and it stays there");
}

#[test]
fn return_to_the_old_publishes_again() {
    let old = with_left(19);
    let (mut bench, new) = published();
    bench.connect(&new).unwrap();
    // A connection from before comes late.
    let fingerprint = old.credential().fingerprint;
    let late = Event::Connected { fingerprint, at: bench.now - TimeDelta::seconds(1) };
    assert_eq!(bench.tell(late), Err(EventError::Stale));
    bench.pass(day(6)).connect(&old).unwrap();
    assert_eq!(bench.machine.in_use(), old.credential());
    let orders = bench.orders();
    assert_eq!(alerts(&orders), [&AlertKind::RolledBack]);
    assert!(
        orders
            .iter()
            .any(|order| matches!(&order.command, Command::Publish(it) if it.certificate == new.pem()))
    );
    assert!(orders.iter().all(|order| !matches!(order.command, Command::Retire(_) | Command::Issue(_))));
    bench.restart();
    bench.pass(day(2));
    assert!(!names(&bench.keys()).iter().any(|name| name.starts_with("retire")));
    bench.connect(&new).unwrap();
    assert_eq!(bench.machine.in_use(), new.credential());
}

#[test]
fn compromise_skips_overlap_and_spreading() {
    let (mut bench, new) = published();
    let key = new.credential().public_key;
    let other = certificate(9, 1, NOW, NOW).credential().public_key;
    assert_eq!(bench.tell(Event::KeyCompromised { public_key: other }), Err(EventError::UnknownCertificate));
    bench.tell(Event::KeyCompromised { public_key: key }).unwrap();
    assert_eq!(bench.tell(Event::KeyCompromised { public_key: key }), Err(EventError::Known));
    let orders = bench.orders();
    let retired: Vec<_> = orders
        .iter()
        .filter_map(|order| match &order.command {
            Command::Retire(retire) => Some((retire.fingerprint, retire.compromised)),
            _ => None,
        })
        .collect();
    let both = [new.credential().fingerprint, with_left(19).credential().fingerprint];
    assert_eq!(retired, both.map(|one| (one, true)));
    let issue = orders.iter().find_map(|order| match &order.command {
        Command::Issue(issue) => Some(issue.clone()),
        _ => None,
    });
    let issue = issue.unwrap();
    assert!(issue.urgent && issue.generation == 2);
    assert_eq!(issue.key, SubjectKey::Fresh { except: vec![other, key] });
    assert_eq!(alerts(&orders), [&AlertKind::KeyCompromised]);
    assert_eq!(bench.issue(2, &next()), Err(EventError::Refused(Refusal::OtherKey { found: key })));
    bench.settle();
    bench.wake();
    bench.settle();
    let fresh = certificate(2, 2, NOW, NOW + day(60));
    bench.issue(3, &fresh).unwrap();
    bench.connect(&fresh).unwrap();
    assert_eq!((bench.machine.cut_off_at(), bench.machine.status()), (None, Status::Settled));
}

#[test]
fn possibly_compromised_key_is_not_taken() {
    let (mut bench, new) = published();
    bench.tell(Event::KeyCompromised { public_key: new.credential().public_key }).unwrap();
    bench.settle();
    // Any other key is asked for: it may be this one, which was issued already.
    let other = certificate(9, 9, NOW, NOW + day(60));
    let key = other.credential().public_key;
    bench.tell(Event::KeyCompromised { public_key: key }).unwrap();
    let Some(order) = bench.orders().into_iter().find(|order| matches!(order.command, Command::Issue(_)))
    else {
        panic!("the next generation")
    };
    assert_eq!(order.key.as_str(), "pump-7/3/issue");
    assert_eq!(bench.issue(3, &other), Err(EventError::Refused(Refusal::OtherKey { found: key })));
}

#[test]
fn compromised_in_use_is_not_published() {
    let (mut bench, _) = published();
    let by_hand = certificate(4, 4, NOW, NOW + day(60));
    bench.tell(Event::Installed { certificate: by_hand.clone() }).unwrap();
    bench.connect(&by_hand).unwrap();
    assert!(bench.keys().contains(&"pump-7/2/publish".to_owned()), "in place of the one that was renewed");
    bench.tell(Event::KeyCompromised { public_key: by_hand.credential().public_key }).unwrap();
    bench.pass(TimeDelta::minutes(50)).keys();
    bench.pass(TimeDelta::minutes(20)).keys();
    let keys = bench.pass(TimeDelta::minutes(20)).keys();
    assert!(!keys.iter().any(|key| key.ends_with("publish")), "{keys:?}");
}

#[test]
fn binding_issuer_is_alerted_once() {
    let issuer_end = NOW + day(15);
    let bound = under_issuer(1, NOW - day(10), NOW + day(50), issuer_end);
    let mut bench = Bench::new(&bound);
    let order = bench.order();
    assert!(
        matches!(&order.command, Command::Alert(alert) if matches!(alert.what, AlertKind::IssuerBinds { .. }))
    );
    let mut other = Bench::new(&bound);
    other.machine = Lifecycle::new("pump-8", *bound.credential(), NOW).unwrap();
    assert_eq!(other.order().key, order.key, "one alert for all that it binds");
    bench.settle();
    bench.tell(Event::Done { key: order.key }).unwrap();
    assert_eq!(bench.machine.status(), Status::HeldByIssuer);
    bench.pass(day(4));
    assert_eq!(bench.keys(), [""; 0]);
    bench.tell(Event::IssuerReplaced).unwrap();
    assert_eq!(bench.tell(Event::IssuerReplaced), Err(EventError::Known));
    assert_eq!(bench.keys(), ["pump-7/1/issue"]);
    // The next is of an issuer that ends as soon: no loop.
    let again = under_issuer(1, NOW, NOW + day(60), issuer_end + day(1));
    assert!(matches!(bench.issue(1, &again), Err(EventError::Refused(Refusal::IssuerDue { .. }))));
    assert_eq!(
        names(&bench.settle()),
        [
            "alert/certificate-refused",
            &*names(&[format!("issuer/{}/binds", again.credential().issuer.unwrap().fingerprint)])[0]
        ]
    );
    bench.pass(TimeDelta::hours(5));
    assert_eq!(bench.keys(), [""; 0]);
    bench.tell(Event::IssuerReplaced).unwrap();
    assert_eq!(bench.keys(), ["pump-7/2/issue"]);
}

#[test]
fn binding_issuer_sends_nobody() {
    let bound = under_issuer(1, NOW - day(10), NOW + day(50), NOW + day(15));
    let mut bench = Bench::new(&bound);
    bench.settle();
    bench.pass(day(13));
    assert_eq!(bench.keys(), [""; 0], "two days before the issuer ends");
    bench.tell(Event::IssuerReplaced).unwrap();
    let names = names(&bench.settle());
    assert!(names.iter().any(|name| name.contains("follow-up")), "{names:?}");
    assert!(names.iter().any(|name| name == "issue"), "{names:?}");

    // Nor is it forgotten when the issuer has ended.
    let mut bench = Bench::new(&bound);
    bench.settle();
    bench.pass(day(16)).orders();
    assert!(bench.machine.in_recovery());
}

#[test]
fn people_are_asked_in_time() {
    let end = NOW + day(9);
    for (outlook, kind) in [
        (Reachability::Unknown, VisitKind::MaintenanceWindow),
        (Reachability::Online, VisitKind::MaintenanceWindow),
        (Reachability::Offline { back_at: Some(end) }, VisitKind::MaintenanceWindow),
        (Reachability::Offline { back_at: Some(end + TimeDelta::nanoseconds(1)) }, VisitKind::Technician),
        (Reachability::Offline { back_at: None }, VisitKind::Technician),
    ] {
        let mut bench = Bench::new(&with_left(9));
        bench.machine = Lifecycle::new("pump-7", *with_left(9).credential(), NOW - day(1)).unwrap();
        bench.now = NOW;
        let _ = bench.tell(Event::Reachability(outlook));
        let orders = bench.orders();
        let visits: Vec<_> = orders
            .iter()
            .filter_map(|order| match &order.command {
                Command::Schedule(visit) => Some((visit.kind, visit.by)),
                _ => None,
            })
            .collect();
        let first_then = visits.last().copied();
        assert_eq!(first_then, Some((kind, Some(end))), "{outlook:?}");
        // The device is renewed: nobody needs to come.
        bench.issue(1, &next()).unwrap();
        bench.connect(&next()).unwrap();
        assert!(names(&bench.keys()).iter().any(|name| name.ends_with("stand-down")));
    }
}

#[test]
fn manual_device_has_follow_up_from_renewal() {
    let mut bench = Bench::new(&with_left(19));
    bench.machine = bench.machine.with_auto_renewal(false);
    assert_eq!(names(&bench.settle()), ["alert/follow-up", "visit/follow-up"]);
    assert!(bench.machine.progress().is_none());
    bench.tell(Event::Installed { certificate: next() }).unwrap();
    assert_eq!(bench.tell(Event::Installed { certificate: next() }), Err(EventError::Known));
    bench.connect(&next()).unwrap();
    assert_eq!(bench.machine.status(), Status::Settled);
    assert_eq!(bench.machine.generation(), 1);
}

#[test]
fn no_private_key_gets_in() {
    let key = KeyPair::generate().unwrap();
    let pem =
        format!("{}{}", mint::pem(&key.serialize_der()).replace("CERTIFICATE", "PRIVATE KEY"), next().pem());
    assert!(matches!(Issued::from_pem(pem), Err(CertificateError::WrongLabel { .. })));
    assert!(Csr::from_der(key.serialize_der()).is_err());
    let request = CertificateParams::new(Vec::<String>::new()).unwrap().serialize_request(&key).unwrap();
    let csr = Csr::from_der(request.der().to_vec()).unwrap();
    let mut longer = request.der().to_vec();
    longer.push(0);
    assert!(Csr::from_der(longer).is_err());
    let mut bench = Bench::new(&with_left(20));
    bench.tell(Event::KeyOffered(csr.clone())).unwrap();
    assert_eq!(bench.tell(Event::KeyOffered(csr.clone())), Err(EventError::Known));
    bench.pass(day(1));
    let Command::Issue(issue) = bench.order().command else { panic!("it is due") };
    assert_eq!(issue.key, SubjectKey::Csr(csr.clone()));
    assert!(issue.key.admits(csr.public_key()) && !issue.key.admits(next().credential().public_key));
    let text = serde_json::to_string(&SubjectKey::Csr(csr.clone())).unwrap();
    assert_eq!(serde_json::from_str::<SubjectKey>(&text).unwrap(), SubjectKey::Csr(csr));
}

#[test]
fn a_report_that_comes_twice_is_known() {
    let (mut bench, new) = published();
    for outcome in [Outcome::Downloaded, Outcome::TestPassed, Outcome::Switched] {
        assert_eq!(bench.report(1, &new, outcome.clone()), Ok(()));
        assert_eq!(bench.pass(TimeDelta::minutes(1)).report(1, &new, outcome), Err(EventError::Known));
    }
}

#[test]
fn what_never_ends_is_left_alone() {
    let never = "9999-12-31T23:59:59Z".parse().unwrap();
    let mut bench = Bench::new(&certificate(1, 1, NOW, never));
    for _ in 0..100 {
        assert!(bench.pass(day(30)).keys().is_empty());
    }
    assert_eq!(bench.machine.status(), Status::Settled);
}

#[test]
fn equal_end_does_not_bind() {
    let end = NOW + day(15);
    let issuer_of =
        |issuer| under_issuer(1, NOW - day(10), end, issuer).credential().binding_issuer().is_some();
    let second = TimeDelta::seconds(1);
    assert_eq!([end - second, end, end + second].map(issuer_of), [true, false, false]);
}

#[test]
fn due_on_its_way_is_not_published() {
    let mut bench = Bench::new(&with_left(19));
    bench.order();
    bench.issue(1, &next()).unwrap();
    assert_eq!(bench.keys(), ["pump-7/1/publish"]);
    let mut keys = Vec::new();
    bench.now = NOW + day(40) + TimeDelta::hours(1);
    bench.machine.accept_clock(&bench.rules, bench.now);
    for _ in 0..20 {
        keys.extend(bench.keys());
        bench.wake();
    }
    assert!(keys.iter().all(|key| !key.starts_with("pump-7/1/publish")), "{keys:?}");
}

#[test]
fn compromise_asks_again_out_of_turn() {
    let mut bench = Bench::new(&with_left(21));
    let key = KeyPair::generate().unwrap();
    let csr = CertificateParams::new(Vec::<String>::new()).unwrap().serialize_request(&key).unwrap();
    bench.tell(Event::KeyOffered(Csr::from_der(csr.der().to_vec()).unwrap())).unwrap();
    bench.pass(day(2));
    let Command::Issue(issue) = bench.orders().remove(0).command else { panic!("it is due") };
    assert!(matches!(issue.key, SubjectKey::Csr(_)) && !issue.urgent);
    let public_key = bench.machine.in_use().public_key;
    bench.tell(Event::KeyCompromised { public_key }).unwrap();
    let orders = bench.orders();
    let issues = |order: &&Order| matches!(&order.command, Command::Issue(issue) if issue.urgent);
    assert_eq!(orders.iter().find(issues).map(|order| order.key.as_str()), Some("pump-7/2/issue"));
    // Before anything is asked for.
    let mut bench = Bench::new(&with_left(21));
    bench.tell(Event::KeyCompromised { public_key }).unwrap();
    assert_eq!(bench.machine.status(), Status::Renewing);
}

#[test]
fn issuer_not_due_refuses_no_leaf() {
    let mut bench = Bench::new(&with_left(19));
    bench.order();
    let new = under_issuer(1, NOW - TimeDelta::hours(1), NOW + day(60), NOW + day(50));
    assert_eq!(bench.issue(1, &new), Ok(()));
    assert_eq!(bench.machine.expected(), Some(new.credential().fingerprint));
}

#[test]
fn compromised_certificate_is_unknown() {
    let mut bench = Bench::new(&with_left(30));
    let by_hand = certificate(2, 2, NOW, NOW + day(60));
    bench.tell(Event::Installed { certificate: by_hand.clone() }).unwrap();
    bench.tell(Event::KeyCompromised { public_key: by_hand.credential().public_key }).unwrap();
    assert_eq!(bench.connect(&by_hand), Err(EventError::UnknownCertificate));
    // One that was replaced.
    let mut bench = Bench::new(&with_left(30));
    bench.tell(Event::Installed { certificate: by_hand.clone() }).unwrap();
    bench.connect(&by_hand).unwrap();
    bench.tell(Event::KeyCompromised { public_key: with_left(30).credential().public_key }).unwrap();
    assert_eq!(bench.pass(TimeDelta::hours(1)).connect(&with_left(30)), Err(EventError::UnknownCertificate));
}

#[test]
fn republish_after_return_is_a_new_command() {
    let (mut bench, new) = published();
    bench.connect(&new).unwrap();
    bench.pass(TimeDelta::seconds(1)).connect(&with_left(19)).unwrap();
    let keys = bench.keys();
    assert!(keys.contains(&"pump-7/1/publish/2".to_owned()), "{keys:?}");
}

#[test]
fn repeated_failure_alerts_once() {
    let mut bench = Bench::new(&with_left(19));
    bench.order();
    bench.issue(1, &next()).unwrap();
    for round in 1..=5 {
        let orders = bench.orders();
        for order in &orders {
            let before = bench.machine.timeline().len();
            bench.fail(order, "the broker is down");
            let is_noted = bench.machine.timeline().len() > before;
            assert_eq!(is_noted, matches!(order.command, Command::Publish(_)));
        }
        let open = bench.machine.open_commands().filter(|key| key.as_str().contains("command-fails")).count();
        assert_eq!(open, usize::from(round >= 3));
        bench.pass(TimeDelta::hours(1));
    }
}

#[test]
fn manual_device_is_left_alone_until_then() {
    let mut bench = Bench::new(&with_left(21));
    bench.machine = bench.machine.clone().with_auto_renewal(false);
    assert!(bench.keys().is_empty());
}

#[test]
fn the_last_second_is_within_the_life() {
    let mut bench = Bench::new(&with_left(1));
    bench.pass(day(1)).orders();
    assert!(!bench.machine.in_recovery());
    bench.pass(TimeDelta::nanoseconds(1)).orders();
    assert!(bench.machine.in_recovery());
}

#[test]
fn waiting_for_a_turn_is_no_failure() {
    let mut bench = Bench::new(&with_left(19));
    let hour = TimeDelta::hours(1);
    for _ in 0..20 {
        let order = bench.order();
        assert!(matches!(order.command, Command::Issue(_)));
        assert_eq!(order.failures, 0);
        let postponed = Event::Postponed { key: order.key.clone(), until: bench.now + hour };
        bench.tell(postponed.clone()).unwrap();
        assert_eq!(bench.tell(postponed), Err(EventError::Known), "it is not under way");
        assert!(bench.orders().is_empty(), "nobody is told, and it is not asked for at once");
        assert_eq!(bench.wake(), hour);
    }
    // A restart forgets what was handed out, and not what it is for.
    let order = bench.order();
    bench.restart();
    bench.tell(Event::Postponed { key: order.key, until: bench.now + hour }).unwrap();
    assert!(bench.orders().is_empty());
    assert_eq!(bench.wake(), hour);
    let order = bench.order();
    bench.tell(Event::Postponed { key: order.key, until: DateTime::<Utc>::MAX_UTC }).unwrap();
    assert_eq!(bench.wake(), day(1), "a day at most");
    let order = bench.order();
    bench.tell(Event::Postponed { key: order.key, until: bench.now - day(3) }).unwrap();
    assert_eq!(bench.wake(), TimeDelta::seconds(1), "a turn that is over");
    bench.now += day(10);
    let order = bench.orders().into_iter().find(|order| matches!(order.command, Command::Issue(_))).unwrap();
    let left = bench.machine.in_use().end().unwrap() - bench.now;
    bench.tell(Event::Postponed { key: order.key.clone(), until: bench.now + day(1) }).unwrap();
    let (before, mut orders) = (bench.now, bench.orders());
    while !orders.iter().any(|order| matches!(order.command, Command::Issue(_))) {
        for order in orders {
            bench.tell(Event::Done { key: order.key }).unwrap();
        }
        bench.wake();
        orders = bench.orders();
    }
    assert!(bench.now - before <= left / 10, "{} of {left}", bench.now - before);
    bench.settle();
    bench.issue(1, &next()).unwrap();
    let publish = bench.order();
    let late = Event::Postponed { key: order.key, until: bench.now + hour };
    assert_eq!(bench.tell(late), Err(EventError::UnknownCommand), "it was issued since");
    let other = Event::Postponed { key: publish.key, until: bench.now + hour };
    assert_eq!(bench.tell(other), Err(EventError::UnknownCommand), "a publication takes no turns");
}

/// RFC 9773 section 5: the order for a new certificate names the one that it replaces.
#[test]
fn request_names_what_it_replaces() {
    let issue = |bench: &mut Bench| {
        let orders = bench.orders();
        orders.into_iter().find_map(|order| match order.command {
            Command::Issue(issue) => Some(issue),
            _ => None,
        })
    };
    let id = CertId::new(b"issuer", b"serial").unwrap();
    let first = with_left(21);
    let mut bench = Bench::new(&first);
    bench.machine = bench.machine.with_cert_id(Some(id.clone()));
    bench.restart();
    let by_hand = certificate(2, 2, NOW - day(45), NOW + day(15));
    bench.tell(Event::Installed { certificate: by_hand.clone() }).unwrap();
    bench.connect(&by_hand).unwrap();
    // Of that one no name is known.
    assert_eq!(issue(&mut bench).unwrap().replaces, None);
    bench.pass(day(2)).connect(&first).unwrap();
    bench.tell(Event::KeyCompromised { public_key: first.credential().public_key }).unwrap();
    assert_eq!(issue(&mut bench).unwrap().replaces, Some(id));
}
