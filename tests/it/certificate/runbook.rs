//! The runbook `certificate-expiry` over a live lifecycle: each conclusion that one can bring about.

use std::sync::Arc;

use chrono::TimeDelta;
use iot_runbook::certificate::lifecycle::{Event, Lifecycle, Origin, Reachability, Status};
use iot_runbook::certificate::message::{Desired, Outcome, Reason, Reported};
use iot_runbook::probe::Probes;

use super::lifecycle::{NOW, certificate, day, with_left};
use super::site::{Act, Authority, Meanwhile, Site};

/// A device whose certificate ended a day ago, whose renewal was never answered.
fn ended() -> Arc<Site> {
    let site = Site::new(&with_left(1));
    site.pass(day(2));
    site
}

/// The same, which reached the provisioning service an hour ago.
fn ended_and_there() -> Arc<Site> {
    let site = ended();
    site.with(|state, now| {
        let last = Some(now - TimeDelta::hours(1));
        state.contact = last;
        state.tell(Event::ProvisioningContact { last }, now);
    });
    site
}

fn due(authority: Authority) -> Arc<Site> {
    Site::new(&with_left(19)).answered_by(authority)
}

fn is_off(site: &Site) {
    let offline = Event::Reachability(Reachability::Offline { back_at: None });
    site.with(|state, now| state.tell(offline, now));
}

fn says(site: &Site, said: Outcome) {
    site.with(|state, now| {
        let generation = state.machine.generation();
        let pem =
            certificate(1, 10 + u8::try_from(generation).unwrap(), now - TimeDelta::hours(1), now + day(60));
        let reported = Reported::new(&Desired::new(generation, pem.pem()), said);
        state.tell(Event::Reported(reported), now);
    });
}

#[test]
fn nothing_is_due_before_the_renewal_is() {
    // Awareness at 30 days of 60; renewal from less than 20 on.
    for left in [50, 30, 25, 20] {
        assert_eq!(Site::new(&with_left(left)).concludes().as_deref(), Some("nothing-due"), "{left}");
    }
    let site = Site::new(&with_left(20));
    site.pass(TimeDelta::nanoseconds(1));
    assert_eq!(site.concludes().as_deref(), Some("renewal-in-progress"));
}

#[test]
fn running_renewal_is_left_alone() {
    let site = due(Authority::Issues);
    assert_eq!(site.concludes().as_deref(), Some("renewal-in-progress"));
    says(&site, Outcome::TestPassed);
    says(&site, Outcome::Switched);
    assert_eq!(site.concludes().as_deref(), Some("renewal-in-progress"), "its word alone confirms nothing");
    site.with(|state, now| state.connects_with_the_newest(now));
    assert_eq!(site.concludes().as_deref(), Some("nothing-due"));
    site.with(|state, _| assert!(state.acts.is_empty() && state.alerts.is_empty()));
}

/// The stage was asked, and then the device was seen with its new certificate.
#[test]
fn confirmed_between_questions_is_renewed() {
    let site = due(Authority::Issues);
    site.with(|state, _| {
        state.while_the_renewal_is_asked = Some(Box::new(|state, now| state.connects_with_the_newest(now)));
    });
    let finding = site.walk("certificate-expiry", Probes::new());
    assert_eq!((finding.conclusion(), finding.is_recovered()), (Some("renewed"), true));
}

/// What was renewed and is due again is another renewal, and the one before says nothing of it.
#[test]
fn earlier_renewal_is_not_the_due_one() {
    let site = due(Authority::Issues);
    site.with(|state, now| state.connects_with_the_newest(now));
    site.with(|state, _| state.authority = Authority::Silent);
    site.pass(day(40) + TimeDelta::minutes(30));
    assert_eq!(site.concludes().as_deref(), Some("renewal-in-progress"));
    site.with(|state, _| assert_eq!(state.machine.generation(), 2));
}

/// However often it failed, the next try comes before people must see to it.
#[test]
fn renewal_that_is_tried_again_is_left_alone() {
    let site = due(Authority::Refuses);
    assert_eq!(site.concludes().as_deref(), Some("renewal-in-progress"));
    site.pass(TimeDelta::minutes(4));
    site.with(|state, _| assert_eq!(state.machine.status(), Status::Failing));
    let finding = site.walk("certificate-expiry", Probes::new());
    assert_eq!(finding.conclusion(), Some("renewal-in-progress"));
    assert!(finding.contributing().iter().any(|one| one.note.contains("A try failed")));
    site.with(|state, _| {
        assert!(state.acts.is_empty() && state.alerts.is_empty(), "the lifecycle alerts by itself");
        assert!(state.did("/alert/renewal-failed/"));
    });
    // From follow-up on it is not.
    site.pass(day(10));
    assert_eq!(site.concludes().as_deref(), Some("follow-up-required"));
    site.with(|state, _| assert_eq!(state.acts, ["open-follow-up"]));
}

#[test]
fn failed_test_retries_until_follow_up() {
    let site = due(Authority::Issues);
    for attempt in 1..=4 {
        let status = site.with(|state, now| {
            let newest = certificate(1, 11, NOW - TimeDelta::hours(1), NOW + day(60));
            assert_eq!(state.machine.newest(), newest.credential());
            let reason = Reason::new("no route to the test endpoint");
            let said = Reported::new(&Desired::new(1, newest.pem()), Outcome::TestFailed { reason });
            state.tell(Event::Reported(said), now);
            state.machine.status()
        });
        assert_eq!(status == Status::Failing, attempt >= 3);
        assert_eq!(site.concludes().as_deref(), Some("renewal-in-progress"), "{attempt}");
        let wait = site.with(|state, now| state.machine.wake_at(&state.rules).unwrap() - now);
        site.pass(wait);
    }
}

#[test]
fn manual_device_has_follow_up() {
    let machine =
        Lifecycle::new("pump-7", *with_left(19).credential(), NOW).unwrap().with_auto_renewal(false);
    let site = Site::of(machine);
    let finding = site.walk("certificate-expiry", Probes::new());
    assert_eq!(finding.conclusion(), Some("follow-up-required"));
    assert!(finding.contributing().iter().any(|one| one.note.contains("no automatic renewal")));
    site.with(|state, _| {
        assert!(state.did("/visit/follow-up/"), "{:?}", state.handed_out);
        assert!(state.alerts.is_empty(), "{:?}", state.alerts);
    });
}

#[test]
fn offline_device_has_follow_up_in_time() {
    let site = Site::new(&with_left(11)).answered_by(Authority::Issues);
    is_off(&site);
    assert_eq!(site.concludes().as_deref(), Some("renewal-in-progress"));
    site.pass(day(2));
    assert_eq!(site.concludes().as_deref(), Some("follow-up-required"));
    site.with(|state, _| {
        assert!(state.did("/alert/follow-up/") && state.did("/visit/follow-up/"), "{:?}", state.handed_out);
    });
    // It is back in time after all, and what was published is retained.
    site.with(|state, now| state.connects_with_the_newest(now));
    assert_eq!(site.concludes().as_deref(), Some("nothing-due"));
    site.with(|state, _| assert!(state.did("/stand-down"), "the visit is called off"));
}

/// Somebody brings a certificate after the state was told, and before anything is done.
#[test]
fn return_by_hand_needs_no_act() {
    let by_hand = || -> Meanwhile {
        Box::new(|state, now| {
            let certificate = certificate(1, 50, now - day(1), now + day(60));
            state.tell(Event::Installed { certificate }, now);
            state.connects_with_the_newest(now);
        })
    };
    let site = due(Authority::IssuesUnderAnEndingIssuer);
    // The stage asks first how the renewal is: the step after it finds it done.
    site.with(|state, _| state.once_the_renewal_was_told = Some(by_hand()));
    assert_eq!(site.concludes().as_deref(), Some("renewed"));
    site.with(|state, _| assert!(state.acts.is_empty(), "nothing is done: {:?}", state.acts));

    let site = ended();
    site.with(|state, _| state.while_an_approval_is_asked = Some(by_hand()));
    assert_eq!(site.concludes().as_deref(), Some("recovered-meanwhile"));
    site.with(|state, _| {
        assert!(state.acts.is_empty(), "nothing is done: {:?}", state.acts);
        assert_eq!(state.machine.origin(), Origin::ByHand);
        assert!(!state.machine.in_recovery() && state.did("/post-mortem"));
    });
}

#[test]
fn ended_but_reachable_is_re_provisioned() {
    let site = ended_and_there();
    let finding = site.walk("certificate-expiry", Probes::new());
    assert_eq!((finding.conclusion(), finding.is_recovered()), (Some("re-provisioned"), true));
    site.with(|state, _| {
        assert_eq!(state.acts, ["re-provision"]);
        assert_eq!(state.machine.origin(), Origin::ReProvisioned);
        assert!(!state.machine.in_recovery() && state.did("/post-mortem"));
    });
    assert_eq!(site.concludes().as_deref(), Some("nothing-due"));
}

/// Exactly 24 hours ago is lately; the least more is not.
#[test]
fn contact_counts_for_exactly_24_hours() {
    for (ago, acts) in [
        (TimeDelta::hours(24), "re-provision"),
        (TimeDelta::hours(24) + TimeDelta::nanoseconds(1), "load-emergency-certificate"),
        (TimeDelta::zero(), "re-provision"),
    ] {
        let site = ended();
        site.with(|state, now| {
            state.contact = Some(now - ago);
            state.tell(Event::ProvisioningContact { last: Some(now - ago) }, now);
        });
        site.concludes();
        site.with(|state, _| assert_eq!(state.acts, [acts], "{ago}"));
    }
}

#[test]
fn still_away_gets_emergency_certificate() {
    for act in [Act::NotBack, Act::Fails, Act::Declined] {
        let site = ended_and_there();
        site.with(|state, _| state.re_provisioning = act);
        if act != Act::NotBack {
            // The service found that out by itself too.
            site.pass(TimeDelta::hours(5));
        }
        let finding = site.walk("certificate-expiry", Probes::new());
        let conclusion = finding.conclusion();
        assert_eq!(conclusion, Some("emergency-certificate-installed"), "{act:?}");
        site.with(|state, _| {
            assert_eq!(state.acts.last().map(String::as_str), Some("load-emergency-certificate"));
        });
    }
}

/// The certification authority gives it another certificate the moment it is back. That is no reason to go there again.
#[test]
fn emergency_certificate_in_use_is_back() {
    let site = ended();
    site.with(|state, _| state.authority = Authority::Issues);
    let finding = site.walk("certificate-expiry", Probes::new());
    assert_eq!(finding.conclusion(), Some("emergency-certificate-installed"));
    site.with(|state, now| {
        assert_eq!(state.machine.origin(), Origin::Emergency);
        assert!(state.machine.expected().is_some(), "another one is issued");
        state.connects_with_the_newest(now);
        assert_eq!(state.machine.origin(), Origin::Renewed);
    });
    assert_eq!(site.concludes().as_deref(), Some("nothing-due"));
}

#[test]
fn vain_visit_does_not_end_recovery() {
    for (act, concluded) in [
        (Act::NotBack, "loaded-and-silent"),
        (Act::Fails, "recovery-failed"),
        (Act::Declined, "recovery-failed"),
        (Act::NobodyThere, "recovery-failed"),
    ] {
        let site = ended();
        site.with(|state, _| state.visit = act);
        let finding = site.walk("certificate-expiry", Probes::new());
        assert_eq!((finding.conclusion(), finding.is_recovered()), (Some(concluded), false), "{act:?}");
        site.with(|state, _| {
            assert!(state.machine.in_recovery());
            assert!(state.machine.wake_at(&state.rules).is_some(), "the next round comes");
        });
    }
}

/// The renewal was on its way all the time, and the device is back by it while somebody thinks about the act.
#[test]
fn return_by_renewal_needs_no_act() {
    let site = Site::new(&with_left(1)).answered_by(Authority::Issues);
    site.pass(day(2));
    site.with(|state, _| {
        assert!(state.machine.in_recovery());
        state.while_an_approval_is_asked = Some(Box::new(|state, now| state.connects_with_the_newest(now)));
    });
    let finding = site.walk("certificate-expiry", Probes::new());
    assert_eq!((finding.conclusion(), finding.is_recovered()), (Some("recovered-meanwhile"), true));
    site.with(|state, _| {
        assert!(state.acts.is_empty());
        assert_eq!(state.machine.origin(), Origin::Renewed);
    });
}

#[test]
fn unmendable_has_its_own_conclusions() {
    let early = Site::new(&certificate(1, 1, NOW + TimeDelta::seconds(1), NOW + day(60)));
    assert_eq!(early.concludes().as_deref(), Some("not-yet-valid"));
    early.pass(TimeDelta::seconds(1));
    assert_eq!(early.concludes().as_deref(), Some("nothing-due"));

    let compromised = Site::new(&with_left(50));
    compromised.with(|state, now| {
        let public_key = state.machine.in_use().public_key;
        state.tell(Event::KeyCompromised { public_key }, now);
    });
    assert_eq!(compromised.concludes().as_deref(), Some("revoked"));

    let jumped = Site::new(&with_left(50));
    jumped.pass(day(10));
    jumped.clock.set(NOW);
    assert_eq!(jumped.concludes().as_deref(), Some("clock-suspect"));
    jumped.with(|state, now| state.machine.accept_clock(&state.rules, now));
    assert_eq!(jumped.concludes().as_deref(), Some("nothing-due"));
}
