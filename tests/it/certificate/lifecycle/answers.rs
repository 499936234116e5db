//! Answers that come twice, late, in another order, or never; and what is dropped with what it was for.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::certificate::lifecycle::{Command, Csr, Event, EventError, Happening, Refusal, Retire};
use iot_runbook::certificate::message::{Outcome, Reason};
use rcgen::{CertificateParams, KeyPair};

use super::renewal::published;
use super::{Bench, NOW, certificate, day, with_left};

#[test]
fn request_out_of_turn_cannot_be_put_off() {
    let mut bench = Bench::new(&with_left(40));
    let public_key = bench.machine.in_use().public_key;
    bench.tell(Event::KeyCompromised { public_key }).unwrap();
    let orders = bench.orders();
    let order = orders.iter().find(|one| matches!(&one.command, Command::Issue(it) if it.urgent)).unwrap();
    bench.tell(Event::Postponed { key: order.key.clone(), until: bench.now + day(3) }).unwrap();
    bench.pass(TimeDelta::minutes(1));
    let again = bench.orders();
    let again = again.iter().find(|one| one.key == order.key).expect("a minute later, as after a failure");
    assert_eq!(again.failures, 1);
}

#[test]
fn early_compromised_key_is_not_taken() {
    let mut bench = Bench::new(&with_left(19));
    bench.pass(day(20)).settle();
    bench.tell(Event::ProvisioningContact { last: Some(bench.now) }).unwrap();
    let order = bench.orders().into_iter().find(|one| matches!(one.command, Command::ReProvision(_)));
    let Command::ReProvision(issue) = order.unwrap().command else { panic!("it is re-provisioned") };
    let brought = certificate(7, 7, bench.now, bench.now + day(60));
    let public_key = brought.credential().public_key;
    assert_eq!(bench.tell(Event::KeyCompromised { public_key }), Ok(()));
    let told = Event::ReProvisioned { generation: issue.generation, certificate: brought.clone() };
    assert_eq!(bench.tell(told), Err(EventError::Refused(Refusal::OtherKey { found: public_key })));
    assert_eq!(bench.connect(&brought), Err(EventError::UnknownCertificate));
    let retired = format!("pump-7/retire/{}", brought.credential().fingerprint);
    assert!(bench.keys().contains(&retired), "it is of no use to others either");
}

#[test]
fn repeated_answer_in_use_is_known() {
    let (mut bench, new) = published();
    bench.connect(&new).unwrap();
    assert_eq!(bench.issue(1, &new), Err(EventError::Known));
    let other = certificate(1, 3, NOW, NOW + day(60));
    assert_eq!(bench.issue(1, &other), Err(EventError::SecondCertificate { generation: 1 }));
}

#[test]
fn pass_after_a_failed_test_counts() {
    let (mut bench, new) = published();
    bench.report(1, &new, Outcome::TestPassed).unwrap();
    bench.report(1, &new, Outcome::TestFailed { reason: Reason::new("no route") }).unwrap();
    bench.wake();
    bench.settle();
    assert_eq!(bench.report(1, &new, Outcome::TestPassed), Ok(()));
    assert_eq!(bench.machine.progress().unwrap().reported_at, Some(bench.now));
}

#[test]
fn called_off_visit_is_not_asked_for() {
    let mut bench = Bench::new(&with_left(9));
    let orders = bench.orders();
    let visit = orders.iter().find(|order| matches!(order.command, Command::Schedule(_))).unwrap();
    bench.fail(visit, "the calendar is away");
    let new = certificate(1, 2, NOW, NOW + day(60));
    bench.issue(1, &new).unwrap();
    bench.connect(&new).unwrap();
    bench.settle();
    assert!(bench.pass(day(1)).orders().iter().all(|order| order.key != visit.key));
}

#[test]
fn each_round_asks_for_one_visit() {
    let mut bench = Bench::new(&with_left(1));
    bench.settle();
    bench.pass(day(2)).settle();
    bench.tell(Event::ProvisioningContact { last: None }).unwrap();
    assert_eq!(bench.settle(), ["pump-7/1/emergency/1"]);
    bench.pass(TimeDelta::hours(1));
    bench.tell(Event::ProvisioningContact { last: Some(bench.now) }).unwrap();
    let order = bench.order();
    bench.fail(&order, "declined");
    assert!(bench.keys().is_empty(), "one is on the way");
    bench.pass(day(7)).settle();
    bench.pass(day(1)).settle();
    bench.tell(Event::ProvisioningContact { last: None }).unwrap();
    assert_eq!(bench.keys(), ["pump-7/1/emergency/2"]);
    // Nobody answered that.
    bench.tell(Event::VisitFailed { reason: Reason::new("the gate was shut") }).unwrap();
    assert!(bench.machine.open_commands().all(|key| !key.as_str().contains("emergency")));
}

#[test]
fn retiring_turns_compromised() {
    let (mut bench, new) = published();
    bench.connect(&new).unwrap();
    bench.pass(day(7));
    let retire = bench.order();
    assert!(matches!(retire.command, Command::Retire(Retire { compromised: false, .. })));
    let public_key = with_left(19).credential().public_key;
    bench.tell(Event::KeyCompromised { public_key }).unwrap();
    let again = bench.orders().into_iter().find(|order| order.key == retire.key).unwrap();
    assert!(matches!(again.command, Command::Retire(Retire { compromised: true, .. })));
}

#[test]
fn return_to_a_retiring_one_is_cut_off() {
    let (mut bench, new) = published();
    bench.connect(&new).unwrap();
    bench.pass(day(7)).order();
    bench.connect(&with_left(19)).unwrap();
    assert_eq!(bench.machine.cut_off_at(), Some(bench.now));
}

#[test]
fn request_for_a_compromised_key_is_refused() {
    let mut bench = Bench::new(&with_left(30));
    let key = KeyPair::generate().unwrap();
    let csr = CertificateParams::new(Vec::<String>::new()).unwrap().serialize_request(&key).unwrap();
    let csr = Csr::from_der(csr.der().to_vec()).unwrap();
    let public_key = csr.public_key();
    bench.tell(Event::KeyOffered(csr.clone())).unwrap();
    bench.tell(Event::KeyCompromised { public_key }).unwrap();
    let refused = Err(EventError::Refused(Refusal::OtherKey { found: public_key }));
    assert_eq!(bench.tell(Event::KeyOffered(csr)), refused);
}

#[test]
fn timeline_begins_with_the_compromise() {
    let (mut bench, new) = published();
    bench.connect(&new).unwrap();
    bench.pass(day(1)).settle();
    let public_key = new.credential().public_key;
    bench.tell(Event::KeyCompromised { public_key }).unwrap();
    assert_eq!(bench.machine.timeline()[0].what, Happening::KeyCompromised(public_key));
    assert!(bench.machine.timeline().iter().any(|one| matches!(one.what, Happening::RenewalBegan { .. })));

    let mut bench = Bench::new(&with_left(19));
    let mut until = bench.now;
    for _ in 0..3 {
        let order = bench.order();
        until = bench.now + TimeDelta::hours(1);
        bench.tell(Event::Postponed { key: order.key, until }).unwrap();
        bench.wake();
    }
    let waits: Vec<_> = bench.machine.timeline().iter().skip(1).map(|entry| &entry.what).collect();
    assert_eq!(waits, [&Happening::Postponed { until }]);
}

#[test]
fn wrongly_dated_connection_never_counts() {
    let first = with_left(30);
    let by_hand = certificate(2, 2, NOW - day(30), NOW + day(60));
    let mut bench = Bench::new(&first);
    bench.tell(Event::Installed { certificate: by_hand.clone() }).unwrap();
    bench.pass(day(1)).connect(&first).unwrap();
    let ahead = Event::Connected { fingerprint: by_hand.credential().fingerprint, at: bench.now };
    bench.pass(TimeDelta::seconds(1)).connect(&first).unwrap();
    let Event::Connected { at, .. } = ahead else { panic!("{ahead:?}") };
    bench.now = NOW;
    bench.machine.accept_clock(&bench.rules, NOW);
    bench.now = at + TimeDelta::seconds(1);
    let told = Event::Connected { fingerprint: by_hand.credential().fingerprint, at: bench.now };
    assert_eq!(bench.tell(told), Err(EventError::Stale), "the latest date that was told");
    assert_eq!(bench.machine.in_use(), first.credential());
}

#[test]
fn retry_at_end_of_calendar_is_not_at_once() {
    let mut bench = Bench::new(&with_left(19));
    bench.now = DateTime::<Utc>::MAX_UTC;
    bench.machine.accept_clock(&bench.rules, bench.now);
    for order in bench.orders() {
        bench.fail(&order, "away");
    }
    assert!(bench.orders().iter().all(|order| order.failures == 0), "nothing comes again at one moment");
}
