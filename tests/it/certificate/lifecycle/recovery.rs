//! The emergency recovery and its record.

use chrono::TimeDelta;
use iot_runbook::certificate::lifecycle::{
    AlertKind, Cause, Command, Event, EventError, Happening, Issued, Order, Origin, Outcome, PostMortem,
    Reachability, Refusal, Status,
};
use iot_runbook::certificate::message::Reason;

use super::{Bench, NOW, certificate, day, names, with_left};

fn fresh(days: i64) -> Issued {
    certificate(2, 2, NOW, NOW + day(days))
}

/// A device that nobody renewed: its certificate ended a moment ago.
fn ended() -> Bench {
    let mut bench = Bench::new(&with_left(1));
    bench.settle();
    bench.pass(day(1) + TimeDelta::nanoseconds(1));
    bench
}

fn post_mortem(bench: &mut Bench) -> PostMortem {
    let record = bench.orders().into_iter().find_map(|order| match order.command {
        Command::OpenPostMortem(record) => Some(*record),
        _ => None,
    });
    record.unwrap()
}

/// The service is down for a month, or its clock is suspect: nothing was tried meanwhile.
#[test]
fn round_counts_once_its_acts_are_out() {
    let mut bench = Bench::new(&with_left(9));
    bench.settle();
    bench.pass(day(10));
    bench.tell(Event::Reachability(Reachability::Online)).unwrap();
    assert!(bench.machine.in_recovery());
    for _ in 0..30 {
        // Events come, and nobody polls.
        bench.pass(day(1));
        let _ = bench.tell(Event::Reachability(Reachability::Offline { back_at: Some(bench.now) }));
        bench.restart();
    }
    let orders = bench.orders();
    assert!(orders.iter().any(|one| one.command == Command::LookUpContact));
    let failed = |order: &Order| order.key.as_str().contains("recovery-failed");
    assert!(!orders.iter().any(failed), "{orders:?}");
    // From now on it takes its time: an hour for an answer, and seven days for a visit.
    let mut visit = None;
    for hours in 0..=170 {
        for order in bench.orders() {
            assert!(!failed(&order) || hours > 168, "after {hours} h");
            visit = visit.or(order.key.as_str().contains("emergency").then_some(hours));
            if !matches!(order.command, Command::LookUpContact) {
                bench.tell(Event::Done { key: order.key }).unwrap();
            }
        }
        bench.pass(TimeDelta::hours(1));
    }
    assert_eq!(visit, Some(1));
}

#[test]
fn reachable_device_is_re_provisioned() {
    let mut bench = ended();
    assert_eq!(names(&bench.settle()), ["alert/expired", "contact"]);
    assert_eq!(bench.machine.status(), Status::Recovering);
    bench.tell(Event::ProvisioningContact { last: Some(bench.now - TimeDelta::hours(24)) }).unwrap();
    let order = bench.order();
    assert_eq!(order.key.as_str(), "pump-7/2/re-provision");
    let Command::ReProvision(asked) = order.command else { panic!() };
    assert!(asked.urgent);
    let one = fresh(60);
    let told = |generation| Event::ReProvisioned { generation, certificate: one.clone() };
    assert!(matches!(bench.tell(told(1)), Err(EventError::OtherGeneration { told: 1, .. })));
    bench.tell(told(2)).unwrap();
    assert_eq!(bench.tell(told(2)), Err(EventError::Known));
    bench.pass(TimeDelta::minutes(4)).connect(&one).unwrap();
    assert_eq!((bench.machine.origin(), bench.machine.status()), (Origin::ReProvisioned, Status::Settled));
    let record = post_mortem(&mut bench);
    // It was asked for a day before its end.
    let cause = Cause::NotIssued { reason: Some(Reason::new("no answer in time")) };
    assert_eq!((record.outcome, &record.cause), (Outcome::ReProvisioned, &cause));
    let end = with_left(1).credential().end().unwrap();
    assert_eq!((record.lost_at, record.closed_at), (end, bench.now));
    // A life of 60 days is followed up 10 days before its end; it was cut off for 4 minutes.
    assert_eq!(record.alert_before, Some(day(10) + (bench.now - end)));
    let happened: Vec<_> = record.timeline.iter().map(|entry| &entry.what).collect();
    for what in [&Happening::Expired, &Happening::ReachedProvisioning, &Happening::ReProvisioning] {
        assert!(happened.contains(&what), "{happened:?}");
    }
    let text = serde_json::to_string(&record).unwrap();
    assert!(text.contains(r#""alert_before":"10d4m1ns""#), "{text}");
    assert_eq!(serde_json::from_str::<PostMortem>(&text).unwrap(), record);
}

#[test]
fn no_contact_means_physical_access() {
    let mut bench = ended();
    bench.settle();
    let old = bench.now - TimeDelta::hours(24) - TimeDelta::nanoseconds(1);
    bench.tell(Event::ProvisioningContact { last: Some(old) }).unwrap();
    let order = bench.order();
    assert_eq!(order.key.as_str(), "pump-7/1/emergency/1");
    bench.tell(Event::Done { key: order.key }).unwrap();
    bench.pass(day(2));
    let emergency = certificate(3, 3, NOW - day(300), NOW + day(300));
    bench.tell(Event::EmergencyLoaded { certificate: emergency.clone() }).unwrap();
    bench.connect(&emergency).unwrap();
    assert_eq!(bench.machine.origin(), Origin::Emergency);
    let orders = bench.orders();
    let issue = orders.iter().find_map(|order| match &order.command {
        Command::Issue(issue) => Some(issue),
        _ => None,
    });
    assert!(issue.unwrap().key.admits(fresh(60).credential().public_key));
    assert!(issue.unwrap().urgent, "it is replaced at once");
    let record = orders.iter().find_map(|order| match &order.command {
        Command::OpenPostMortem(record) => Some(record),
        _ => None,
    });
    assert_eq!(record.unwrap().outcome, Outcome::EmergencyCertificate);
    // The technician was there; the maintenance window that was planned before is needed no more.
    let called_off = orders.iter().filter_map(|order| match &order.command {
        Command::StandDown { visit } => Some(visit.as_str()),
        _ => None,
    });
    assert_eq!(called_off.collect::<Vec<_>>(), ["pump-7/1/visit/follow-up/2"]);
}

#[test]
fn failed_round_leads_to_another() {
    type Way = (&'static str, fn(&mut Bench));
    // Each way to physical access.
    let minute = TimeDelta::minutes(1);
    let ways: [Way; 5] = [
        ("contact unanswered", |bench| {
            bench.pass(TimeDelta::hours(1));
        }),
        ("re-provisioning failed", |bench| {
            bench.tell(Event::ProvisioningContact { last: Some(bench.now) }).unwrap();
            let order = bench.order();
            bench.fail(&order, "declined");
        }),
        ("re-provisioning unanswered", |bench| {
            bench.tell(Event::ProvisioningContact { last: Some(bench.now) }).unwrap();
            bench.order();
            bench.pass(TimeDelta::hours(4));
        }),
        ("a certificate refused", |bench| {
            bench.tell(Event::ProvisioningContact { last: Some(bench.now) }).unwrap();
            bench.order();
            let certificate = certificate(2, 2, NOW - day(60), NOW + day(2));
            let told = bench.tell(Event::ReProvisioned { generation: 2, certificate });
            assert!(matches!(told, Err(EventError::Refused(_))));
        }),
        ("not back", |bench| {
            bench.tell(Event::ProvisioningContact { last: Some(bench.now) }).unwrap();
            bench.order();
            bench.tell(Event::ReProvisioned { generation: 2, certificate: fresh(60) }).unwrap();
            bench.pass(TimeDelta::minutes(5));
        }),
    ];
    for (name, lead) in ways {
        let mut bench = ended();
        bench.settle();
        lead(&mut bench);
        let keys = names(&bench.settle());
        assert!(keys.contains(&"emergency".to_owned()), "{name}: {keys:?}");
        bench.pass(minute);
        bench.tell(Event::VisitFailed { reason: Reason::new("the gate was shut") }).unwrap();
        let keys = names(&bench.settle());
        assert_eq!(keys.iter().filter(|key| *key == "alert/recovery-failed").count(), 1, "{name}: {keys:?}");
        assert_eq!(bench.machine.status(), Status::Recovering);
        bench.pass(day(1));
        let keys = bench.settle();
        assert!(
            keys.iter().any(|key| key.ends_with("/contact/2") || key.ends_with("re-provision")),
            "{name}: {keys:?}"
        );
    }
}

#[test]
fn early_return_calls_off_the_technician() {
    let mut bench = ended();
    bench.settle();
    bench.tell(Event::ProvisioningContact { last: None }).unwrap();
    assert_eq!(bench.settle(), ["pump-7/1/emergency/1"]);
    // It reaches the provisioning service after all.
    bench.pass(TimeDelta::hours(1));
    bench.tell(Event::ProvisioningContact { last: Some(bench.now) }).unwrap();
    assert_eq!(bench.keys(), ["pump-7/2/re-provision"]);
    bench.tell(Event::ReProvisioned { generation: 2, certificate: fresh(60) }).unwrap();
    bench.connect(&fresh(60)).unwrap();
    let visits: Vec<_> = bench
        .orders()
        .into_iter()
        .filter_map(|order| match order.command {
            Command::StandDown { visit } => Some(visit.to_string()),
            _ => None,
        })
        .collect();
    assert!(visits.contains(&"pump-7/1/emergency/1".to_owned()), "{visits:?}");
}

#[test]
fn late_re_provisioning_still_counts() {
    let mut bench = ended();
    bench.settle();
    bench.tell(Event::ProvisioningContact { last: Some(bench.now) }).unwrap();
    assert_eq!(bench.keys(), ["pump-7/2/re-provision"]);
    let by_hand = certificate(4, 4, NOW, NOW + day(60));
    bench.tell(Event::Installed { certificate: by_hand.clone() }).unwrap();
    bench.connect(&by_hand).unwrap();
    assert!(!bench.machine.in_recovery());
    // It was under way, and the device has it.
    let told =
        |certificate: &Issued| Event::ReProvisioned { generation: 2, certificate: certificate.clone() };
    bench.restart();
    bench.tell(told(&fresh(60))).unwrap();
    assert!(bench.tell(told(&fresh(60))).is_err(), "once");
    bench.pass(TimeDelta::minutes(1)).connect(&fresh(60)).unwrap();
    assert_eq!(bench.machine.origin(), Origin::ReProvisioned);
    assert!(bench.tell(told(&certificate(5, 5, NOW, NOW + day(60)))).is_err(), "no second one");
}

#[test]
fn renewal_on_its_way_may_still_bring_it_back() {
    let mut bench = Bench::new(&with_left(5));
    bench.settle();
    let new = certificate(1, 2, NOW, NOW + day(60));
    bench.issue(1, &new).unwrap();
    bench.settle();
    bench.pass(day(6));
    bench.settle();
    assert!(bench.machine.in_recovery());
    bench.connect(&new).unwrap();
    let record = post_mortem(&mut bench);
    assert_eq!((record.outcome, record.cause), (Outcome::Renewed, Cause::DeviceSilent));
    assert_eq!(record.alert_before, Some(day(11)));
}

#[test]
fn unanswered_compromise_ends_in_recovery() {
    let mut bench = Bench::new(&with_left(50));
    bench.tell(Event::KeyCompromised { public_key: with_left(50).credential().public_key }).unwrap();
    bench.settle();
    bench.pass(TimeDelta::hours(1));
    bench.tell(Event::ProvisioningContact { last: Some(bench.now) }).unwrap();
    bench.tell(Event::ReProvisioned { generation: 2, certificate: fresh(60) }).unwrap();
    bench.connect(&fresh(60)).unwrap();
    let record = post_mortem(&mut bench);
    assert_eq!((record.cause, record.alert_before), (Cause::Retired, None));
    assert_eq!(record.lost_at, NOW);
}

#[test]
fn device_out_of_service_wants_nothing_more() {
    let mut bench = ended();
    bench.settle();
    bench.tell(Event::ProvisioningContact { last: None }).unwrap();
    bench.settle();
    bench.tell(Event::Decommissioned).unwrap();
    assert_eq!(bench.tell(Event::Decommissioned), Err(EventError::Closed));
    let orders = bench.orders();
    assert!(
        orders
            .iter()
            .all(|order| { matches!(order.command, Command::OpenPostMortem(_) | Command::StandDown { .. }) })
    );
    assert!(!orders.is_empty());
    for order in orders {
        bench.tell(Event::Done { key: order.key }).unwrap();
    }
    assert_eq!((bench.machine.wake_at(&bench.rules), bench.machine.status()), (None, Status::Closed));
}

#[test]
fn alerts_of_an_emergency_are_critical() {
    let mut bench = ended();
    let orders = bench.orders();
    let alert = orders.iter().find_map(|order| match &order.command {
        Command::Alert(alert) if alert.what == AlertKind::Expired => Some(alert),
        _ => None,
    });
    assert_eq!(alert.unwrap().severity, iot_runbook::certificate::lifecycle::Severity::Critical);
}

#[test]
fn unusable_hand_delivery_is_alerted() {
    let mut bench = Bench::new(&with_left(30));
    let ended = certificate(2, 2, NOW - day(9), NOW - day(1));
    let refused = bench.tell(Event::Installed { certificate: ended });
    assert_eq!(refused, Err(EventError::Refused(Refusal::Expired)));
    assert_eq!(names(&bench.keys()), ["alert/certificate-refused"]);
}

#[test]
fn wrong_clock_makes_no_contact_later() {
    let mut bench = Bench::new(&with_left(1));
    bench.tell(Event::ProvisioningContact { last: Some(NOW) }).unwrap();
    let set_back = NOW - day(5);
    bench.now = set_back;
    bench.machine.accept_clock(&bench.rules, set_back);
    assert_eq!(bench.machine.provisioning_contact(), Some(set_back));
    // Its end comes: the contact is six days old.
    bench.now = NOW + day(1) + TimeDelta::nanoseconds(1);
    assert!(bench.orders().iter().any(|order| order.command == Command::LookUpContact));
}

#[test]
fn contact_is_asked_for_and_counts_once() {
    let mut bench = ended();
    assert!(bench.orders().iter().any(|order| order.command == Command::LookUpContact));
    bench.tell(Event::ProvisioningContact { last: None }).unwrap();
    assert!(!bench.machine.open_commands().any(|key| key.as_str().contains("/contact/")));
    let contact = Event::ProvisioningContact { last: Some(bench.now) };
    assert_eq!(bench.tell(contact.clone()), Ok(()));
    assert_eq!(bench.tell(contact), Err(EventError::Known));
    assert!(bench.orders().iter().any(|order| matches!(order.command, Command::ReProvision(_))));
}

#[test]
fn no_word_is_silence_after_any_failure() {
    let mut bench = Bench::new(&with_left(19));
    let order = bench.order();
    bench.fail(&order, "the authority is down");
    bench.issue(1, &certificate(1, 2, NOW, NOW + day(60))).unwrap();
    bench.settle();
    bench.pass(day(19) + TimeDelta::seconds(1)).settle();
    let back = fresh(90);
    bench.tell(Event::Installed { certificate: back.clone() }).unwrap();
    bench.pass(TimeDelta::minutes(1)).connect(&back).unwrap();
    assert_eq!(post_mortem(&mut bench).cause, Cause::DeviceSilent);
}
