//! Issuers that end first.

use iot_runbook::certificate::lifecycle::{Event, EventError, Issued, Refusal, Status};

use super::{Bench, NOW, certificate, day, names, under_issuer, with_left};

#[test]
fn replaced_issuer_holds_none_up() {
    let issuer_end = NOW + day(40);
    let bound = under_issuer(1, NOW - day(10), NOW + day(50), issuer_end);
    let mut bench = Bench::new(&bound);
    assert_eq!(bench.tell(Event::IssuerReplaced), Ok(()));
    assert_eq!(bench.tell(Event::IssuerReplaced), Err(EventError::Known));
    assert!(bench.keys().is_empty(), "it is not due");
    bench.restart();
    bench.pass(day(21));
    assert_eq!(bench.keys(), ["pump-7/1/issue"]);
    let next = under_issuer(1, NOW, NOW + day(80), NOW + day(99));
    bench.issue(1, &next).unwrap();
    bench.settle();
    bench.connect(&next).unwrap();
    // It is no other issuer that was replaced.
    let last = under_issuer(1, bench.now, bench.now + day(90), bench.now + day(40));
    bench.tell(Event::Installed { certificate: last.clone() }).unwrap();
    bench.pass(day(1)).connect(&last).unwrap();
    bench.settle();
    bench.pass(day(10)).settle();
    assert_eq!(bench.machine.status(), Status::HeldByIssuer);
}

#[test]
fn capped_issue_is_not_retried_in_a_loop() {
    let mut bench = Bench::new(&with_left(19));
    bench.order();
    let capped = under_issuer(1, NOW - day(1), NOW + day(10), NOW + day(10));
    assert!(matches!(bench.issue(1, &capped), Err(EventError::Refused(Refusal::IssuerDue { .. }))));
    let told = names(&bench.settle());
    assert!(told.iter().any(|name| name.ends_with("/binds")), "{told:?}");
    bench.pass(day(5));
    assert!(!bench.keys().iter().any(|key| key.ends_with("/issue")), "another would end with it too");
    bench.tell(Event::IssuerReplaced).unwrap();
    assert!(bench.keys().contains(&"pump-7/2/issue".to_owned()));
}

#[test]
fn binding_issuer_comes_before_a_visit() {
    let bound = under_issuer(1, NOW - day(10), NOW + day(50), NOW + day(15));
    let mut bench = Bench::new(&bound);
    bench.machine = bench.machine.with_auto_renewal(false);
    let told = bench.settle();
    assert!(matches!(&*told, [one] if one.ends_with("/binds")), "{told:?}");
    assert_eq!(bench.machine.status(), Status::HeldByIssuer);
    bench.pass(day(13));
    assert!(bench.keys().is_empty());
    bench.tell(Event::IssuerReplaced).unwrap();
    assert_eq!(names(&bench.settle()), ["alert/follow-up", "visit/follow-up"]);
}

#[test]
fn urgent_issue_is_taken_though_capped() {
    let capped = |key, serial| {
        let own = certificate(key, serial, NOW - day(1), NOW + day(20));
        let issuer = certificate(99, 99, NOW - day(1), NOW + day(20));
        Issued::from_pem(format!("{}{}", own.pem(), issuer.pem())).unwrap()
    };
    let mut bench = Bench::new(&capped(1, 1));
    let public_key = bench.machine.in_use().public_key;
    bench.tell(Event::KeyCompromised { public_key }).unwrap();
    assert_eq!(bench.issue(1, &capped(2, 2)), Ok(()));
}
