//! What a lifecycle answers the runbook's questions with, to the bounds.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::adapter::{certificate_facts, provisioning_facts, renewal_facts};
use iot_runbook::certificate::lifecycle::{Event, Issued, Lifecycle, Reachability, Status};
use iot_runbook::certificate::message::{Outcome, Reason};
use iot_runbook::probe::{Certificate, Revocation, WhichCertificate};
use iot_runbook::time::Period;

use super::lifecycle::{Bench, NOW, certificate, day, under_issuer, with_left};

const NANO: TimeDelta = TimeDelta::nanoseconds(1);

fn text(of: &Issued) -> String {
    of.credential().fingerprint.to_string()
}

fn new() -> Issued {
    certificate(1, 2, NOW, NOW + day(60))
}

/// A device whose renewal was issued and published.
fn published() -> Bench {
    let mut bench = Bench::new(&with_left(19));
    bench.order();
    bench.issue(1, &new()).unwrap();
    bench.settle();
    bench
}

mod of_a_renewal {
    use super::*;

    #[test]
    fn none_was_begun() {
        let bench = Bench::new(&with_left(50));
        let answer = renewal_facts(&bench.machine, NOW);
        assert_eq!((answer.observed_at, answer.supported, answer.latest), (NOW, true, None));
        let by_hand = bench.machine.with_auto_renewal(false);
        assert!(!renewal_facts(&by_hand, NOW).supported);
    }

    /// From the request to the old one's retirement, each fact at its time.
    #[test]
    fn each_step_has_its_time() {
        let mut bench = Bench::new(&with_left(19));
        bench.order();
        let asked = renewal_facts(&bench.machine, NOW).latest.unwrap();
        assert_eq!((asked.generation, asked.started_at, asked.fingerprint), (1, NOW, None));
        bench.pass(TimeDelta::minutes(1)).issue(1, &new()).unwrap();
        let issued = renewal_facts(&bench.machine, bench.now).latest.unwrap();
        assert_eq!(issued.fingerprint.as_deref(), Some(&*text(&new())));
        assert_eq!(issued.started_at, bench.now, "to publish it is the latest attempt");
        bench.settle();
        bench.pass(TimeDelta::minutes(1)).report(1, &new(), Outcome::Downloaded).unwrap();
        assert_eq!(renewal_facts(&bench.machine, bench.now).latest.unwrap().reported_at, None);
        bench.report(1, &new(), Outcome::TestPassed).unwrap();
        let tested = bench.now;
        assert_eq!(renewal_facts(&bench.machine, tested).latest.unwrap().reported_at, Some(tested));
        bench.pass(TimeDelta::minutes(1)).report(1, &new(), Outcome::Switched).unwrap();
        let switched = bench.now;
        assert_eq!(renewal_facts(&bench.machine, switched).latest.unwrap().reported_at, Some(switched));
        bench.pass(TimeDelta::minutes(1)).connect(&new()).unwrap();
        for later in [TimeDelta::zero(), day(7), day(20)] {
            let seen = bench.now;
            bench.pass(later);
            let done = renewal_facts(&bench.machine, bench.now).latest.unwrap();
            assert_eq!((done.confirmed_at, done.reported_at), (Some(seen), Some(switched)));
            assert_eq!((done.failed_at, done.failure), (None, None));
            bench.now = seen;
        }
    }

    /// Each failure has its time, its reason and the next attempt, until that begins.
    #[test]
    fn failure_counts_until_the_next_attempt() {
        let mut bench = Bench::new(&with_left(19));
        for failures in 1..=3 {
            let order = bench.orders().remove(0);
            let running = renewal_facts(&bench.machine, bench.now).latest.unwrap();
            assert!(running.failed_at.is_none_or(|at| at < running.started_at), "{failures}");
            assert_eq!(running.next_try_at, None, "{failures}");
            bench.pass(TimeDelta::seconds(5)).fail(&order, "busy");
            let latest = renewal_facts(&bench.machine, bench.now).latest.unwrap();
            assert_eq!((latest.failed_at, latest.failure.as_deref()), (Some(bench.now), Some("busy")));
            let wait = TimeDelta::minutes(1 << (failures - 1));
            assert_eq!(latest.next_try_at, Some(bench.now + wait), "{failures}");
            bench.settle();
            bench.wake();
        }
        assert_eq!(bench.machine.status(), Status::Failing);
    }

    #[test]
    fn device_that_failed_once_is_tried_again() {
        let mut bench = published();
        let reason = Reason::new("no route");
        bench.pass(TimeDelta::seconds(5)).report(1, &new(), Outcome::TestFailed { reason }).unwrap();
        let latest = renewal_facts(&bench.machine, bench.now).latest.unwrap();
        assert_eq!((latest.failed_at, latest.reported_at), (Some(bench.now), None));
        assert_eq!(latest.next_try_at, Some(bench.now + TimeDelta::minutes(1)));
        bench.pass(TimeDelta::minutes(1)).orders();
        let again = renewal_facts(&bench.machine, bench.now).latest.unwrap();
        assert_eq!((again.started_at, again.next_try_at), (bench.now, None));
    }

    /// Published, downloaded, tested and switched; an attempt alone brings it no further.
    #[test]
    fn progress_is_what_the_device_did() {
        let mut bench = Bench::new(&with_left(19));
        let progress = |bench: &Bench| renewal_facts(&bench.machine, bench.now).latest.unwrap().progress_at;
        let order = bench.order();
        bench.pass(TimeDelta::minutes(30)).fail(&order, "busy");
        bench.pass(TimeDelta::minutes(1)).order();
        assert_eq!(progress(&bench), Some(NOW));
        bench.issue(1, &new()).unwrap();
        let publish = bench.order();
        bench.pass(TimeDelta::minutes(1)).tell(Event::Done { key: publish.key }).unwrap();
        assert_eq!(progress(&bench), Some(bench.now));
        for outcome in [Outcome::Downloaded, Outcome::TestPassed, Outcome::Switched] {
            bench.pass(TimeDelta::minutes(1)).report(1, &new(), outcome).unwrap();
            assert_eq!(progress(&bench), Some(bench.now));
        }
        bench.pass(TimeDelta::minutes(1)).connect(&new()).unwrap();
        assert_eq!(progress(&bench), Some(bench.now));
    }

    #[test]
    fn it_is_connected_as_was_last_heard() {
        let mut bench = Bench::new(&with_left(50));
        let back_at = None;
        for (heard, connected) in
            [(Reachability::Online, Some(true)), (Reachability::Offline { back_at }, Some(false))]
        {
            assert_ne!(renewal_facts(&bench.machine, NOW).connected, connected);
            bench.tell(Event::Reachability(heard)).unwrap();
            assert_eq!(renewal_facts(&bench.machine, NOW).connected, connected);
        }
    }

    #[test]
    fn what_was_brought_by_hand_is_the_latest_too() {
        let mut bench = Bench::new(&with_left(50));
        let brought = certificate(3, 3, NOW, NOW + day(90));
        bench.tell(Event::Installed { certificate: brought.clone() }).unwrap();
        let latest = renewal_facts(&bench.machine, NOW).latest.unwrap();
        assert_eq!((latest.generation, latest.confirmed_at), (1, None));
        assert_eq!(latest.fingerprint.as_deref(), Some(&*text(&brought)));
    }
}

mod of_a_certificate {
    use super::*;

    fn facts(machine: &Lifecycle, which: WhichCertificate) -> Certificate {
        let answer = certificate_facts(machine, which, Revocation::NotRevoked, NOW);
        assert_eq!(answer.observed_at, NOW);
        assert_eq!(answer.high_water, Some(machine.high_water()));
        answer.certificate.unwrap()
    }

    /// In use and newest, at each step of a renewal.
    #[test]
    fn newest_is_in_use_once_it_was_seen() {
        let mut bench = Bench::new(&with_left(19));
        let pair = |bench: &Bench| {
            let print = |which| facts(&bench.machine, which).fingerprint.to_string();
            (print(WhichCertificate::InUse), print(WhichCertificate::NewlyIssued))
        };
        let old = text(&with_left(19));
        bench.order();
        assert_eq!(pair(&bench), (old.clone(), old.clone()));
        bench.issue(1, &new()).unwrap();
        assert_eq!(pair(&bench), (old.clone(), text(&new())));
        bench.connect(&with_left(19)).unwrap();
        assert_eq!(pair(&bench), (old, text(&new())));
        bench.pass(TimeDelta::minutes(1)).connect(&new()).unwrap();
        assert_eq!(pair(&bench), (text(&new()), text(&new())));
    }

    /// Only the one in use was seen: when, and with which dates.
    #[test]
    fn only_the_one_in_use_was_last_used() {
        let mut bench = published();
        for which in [WhichCertificate::InUse, WhichCertificate::Presented, WhichCertificate::NewlyIssued] {
            assert_eq!(facts(&bench.machine, which).last_used, None, "{which}");
        }
        bench.connect(&with_left(19)).unwrap();
        let in_use = facts(&bench.machine, WhichCertificate::Presented);
        assert_eq!((in_use.last_used, in_use.not_after), (Some(NOW), NOW + day(19)));
        let newest = facts(&bench.machine, WhichCertificate::NewlyIssued);
        assert_eq!((newest.last_used, newest.not_after), (None, NOW + day(60)));
    }

    #[test]
    fn the_end_of_an_issuer_is_told() {
        let bench = Bench::new(&under_issuer(1, NOW - day(9), NOW + day(90), NOW + day(40)));
        let in_use = facts(&bench.machine, WhichCertificate::InUse);
        assert_eq!((in_use.not_after, in_use.issuer_not_after), (NOW + day(90), Some(NOW + day(40))));
        assert_eq!(facts(&Bench::new(&new()).machine, WhichCertificate::InUse).issuer_not_after, None);
    }

    /// What the lifecycle retired for its key is revoked, whatever the list says; its successor is not.
    #[test]
    fn what_was_retired_for_its_key_is_revoked() {
        let mut bench = published();
        let public_key = with_left(19).credential().public_key;
        bench.tell(Event::KeyCompromised { public_key }).unwrap();
        let list =
            |which, list| certificate_facts(&bench.machine, which, list, NOW).certificate.unwrap().revocation;
        for told in [Revocation::NotRevoked, Revocation::NotChecked, Revocation::NoRevocation] {
            assert_eq!(list(WhichCertificate::InUse, told), Revocation::Revoked(Some(NOW)));
        }
        let mut bench = Bench::new(&with_left(50));
        bench.connect(&with_left(50)).unwrap();
        let told = Revocation::Revoked(None);
        let answer = certificate_facts(&bench.machine, WhichCertificate::InUse, told, NOW);
        assert_eq!(answer.certificate.unwrap().revocation, told, "the list's word stands");
    }

    /// Back with its emergency certificate, while another is issued, published, and at last seen.
    #[test]
    fn seen_emergency_is_newest_until_the_next() {
        let emergency = certificate(7, 7, NOW - day(1), NOW + day(170));
        let next = certificate(8, 8, NOW, NOW + day(70));
        let mut bench = Bench::new(&with_left(1));
        bench.pass(day(2)).settle();
        bench.tell(Event::ProvisioningContact { last: None }).unwrap();
        bench.settle();
        bench.tell(Event::EmergencyLoaded { certificate: emergency.clone() }).unwrap();
        let newest =
            |bench: &Bench| facts(&bench.machine, WhichCertificate::NewlyIssued).fingerprint.to_string();
        assert_eq!(newest(&bench), text(&emergency), "loaded, and not seen");
        bench.connect(&emergency).unwrap();
        bench.orders();
        assert_eq!(newest(&bench), text(&emergency));
        bench.issue(bench.machine.generation(), &next).unwrap();
        assert_eq!((newest(&bench), *bench.machine.newest()), (text(&emergency), *next.credential()));
        // Where somebody brings another, that is what the device is to be seen with.
        let mut brought = bench.machine.clone();
        let by_hand = certificate(9, 9, NOW, NOW + day(90));
        let installed = Event::Installed { certificate: by_hand.clone() };
        brought.handle(&bench.rules, installed, bench.now).unwrap();
        assert_eq!(*facts(&brought, WhichCertificate::NewlyIssued).fingerprint, *text(&by_hand));
        bench.pass(TimeDelta::minutes(1)).connect(&next).unwrap();
        assert_eq!(newest(&bench), text(&next));
    }

    /// The emergency certificate has ended too: what is issued now is what the device is to come back with.
    #[test]
    fn ended_emergency_is_not_the_newest() {
        let emergency = certificate(7, 7, NOW - day(1), NOW + day(9));
        let next = certificate(8, 8, NOW + day(3), NOW + day(70));
        let mut bench = Bench::new(&with_left(1));
        bench.pass(day(2)).settle();
        bench.tell(Event::EmergencyLoaded { certificate: emergency.clone() }).unwrap();
        bench.connect(&emergency).unwrap();
        bench.orders();
        bench.issue(bench.machine.generation(), &next).unwrap();
        bench.pass(day(8)).settle();
        assert!(bench.machine.in_recovery());
        assert_eq!(*facts(&bench.machine, WhichCertificate::NewlyIssued).fingerprint, *text(&next));
    }
}

mod of_a_contact {
    use super::*;

    fn with_contact(at: DateTime<Utc>) -> Lifecycle {
        let mut bench = Bench::new(&with_left(50));
        bench.now = at.max(NOW);
        bench.tell(Event::ProvisioningContact { last: Some(at) }).unwrap();
        bench.machine
    }

    fn period(from: DateTime<Utc>, to: DateTime<Utc>) -> Period {
        Period::new(from, to).unwrap()
    }

    #[test]
    fn the_period_is_judged_to_the_nanosecond() {
        let (from, now) = (NOW, NOW + day(1));
        for (at, told) in [
            (from - NANO, false),
            (from, true),
            (now - NANO, true),
            // The same moment, and by a clock that is a little ahead.
            (now, true),
            (now + TimeDelta::seconds(5), true),
        ] {
            let answer = provisioning_facts(&with_contact(at), now, period(from, now));
            assert_eq!(answer.last, told.then_some(at), "{at}");
            assert_eq!((answer.observed_at, answer.covers), (now, period(from, now)), "{at}");
        }
        let none = Bench::new(&with_left(50)).machine;
        let answer = provisioning_facts(&none, now, period(from, now));
        assert_eq!((answer.last, answer.covers), (None, period(from, now)));
    }

    /// A later contact hides whether there was one in a period that is over.
    #[test]
    fn later_contact_shows_nothing_of_the_past() {
        let (from, to, now) = (NOW, NOW + day(1), NOW + day(3));
        for (at, last, covers) in [
            (from - NANO, None, period(from, to)),
            (to - NANO, Some(to - NANO), period(from, to)),
            (to, None, period(from, from)),
            (NOW + day(2), None, period(from, from)),
        ] {
            let answer = provisioning_facts(&with_contact(at), now, period(from, to));
            assert_eq!((answer.last, answer.covers), (last, covers), "{at}");
        }
    }
}
