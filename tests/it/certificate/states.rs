//! Each value of `certificate-stage` and `renewal-state`, brought about by a live lifecycle as time passes, with what an
//! expert concludes from it. The expected answers were written before the code gave any.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use iot_runbook::catalog;
use iot_runbook::certificate::lifecycle::{Event, Lifecycle, Reachability};
use iot_runbook::certificate::message::Reason;
use iot_runbook::check::Checks;
use iot_runbook::fact::Kind;
use iot_runbook::probe::Probes;
use iot_runbook::time::Clock as _;

use super::lifecycle::{NOW, certificate, day, under_issuer, with_left};
use super::site::{Authority, Site};

const NANO: TimeDelta = TimeDelta::nanoseconds(1);

fn hours(hours: i64) -> TimeDelta {
    TimeDelta::hours(hours)
}

fn device(left: i64, authority: Authority) -> Arc<Site> {
    Site::new(&with_left(left)).answered_by(authority)
}

fn is(site: &Site, reachability: Reachability) {
    site.with(|state, now| state.tell(Event::Reachability(reachability), now));
}

fn offline() -> Reachability {
    Reachability::Offline { back_at: None }
}

/// Its renewal was published an hour after it became due, and the device was this by then.
fn published(reachability: Reachability) -> Arc<Site> {
    let site = device(19, Authority::Issues);
    is(&site, reachability);
    site
}

fn by_hand() -> Arc<Site> {
    let machine = Lifecycle::new("pump-7", *with_left(19).credential(), NOW).unwrap();
    Site::of(machine.with_auto_renewal(false))
}

/// The worker stopped a day before the renewal became due.
fn unpolled(for_hours: i64) -> Arc<Site> {
    let site = device(21, Authority::Issues);
    site.with(|state, _| state.worker_is_down = true);
    site.pass(day(1) + hours(for_hours));
    site
}

/// Every attempt is refused until the next one comes after follow-up begins, a day from now.
fn refused_until_follow_up() -> Arc<Site> {
    let site = device(11, Authority::Refuses);
    loop {
        let now = site.clock.now();
        let next = site.with(|state, _| state.machine.progress().unwrap().next_attempt_at.unwrap());
        if next > NOW + day(1) {
            return site;
        }
        site.pass(next - now);
    }
}

/// Confirmed an hour ago, and then seen with the old certificate.
fn rolled_back() -> Arc<Site> {
    let site = device(19, Authority::Issues);
    site.with(|state, now| state.connects_with_the_newest(now));
    site.pass(hours(1));
    site.with(|state, now| {
        let fingerprint = with_left(19).credential().fingerprint;
        state.tell(Event::Connected { fingerprint, at: now }, now);
    });
    site
}

fn confirmed() -> Arc<Site> {
    let site = device(19, Authority::Issues);
    site.with(|state, now| state.connects_with_the_newest(now));
    site
}

/// Its overlap ended that long ago, and the certification authority retires nothing.
fn unretired(past: TimeDelta) -> Arc<Site> {
    let site = confirmed();
    site.with(|state, _| state.retires = false);
    site.pass(day(7) + past);
    site
}

/// A connection confirmed it, and then its test failed: the old certificate is kept.
fn failed_after_confirmation() -> Arc<Site> {
    let site = confirmed();
    site.with(|state, now| {
        let (fingerprint, failed) = (state.machine.in_use().fingerprint, Some(Reason::new("no route")));
        state.tell(Event::Tested { fingerprint, failed }, now);
    });
    site.pass(day(8));
    site
}

fn compromised(left: i64, passed: i64) -> Arc<Site> {
    let site = device(left, Authority::Silent);
    site.with(|state, now| {
        let public_key = state.machine.in_use().public_key;
        state.tell(Event::KeyCompromised { public_key }, now);
    });
    site.pass(day(passed));
    site
}

fn set_back(site: Arc<Site>) -> Arc<Site> {
    site.pass(day(1));
    site.clock.set(NOW);
    site
}

/// What happened, the stage, how far the renewal is, and the conclusion.
type Row = (&'static str, Arc<Site>, &'static str, &'static str, &'static str);

fn rows() -> Vec<Row> {
    use Authority::{Issues, IssuesUnderAnEndingIssuer, IssuesWhatIsDue, Refuses, Silent};
    use Reachability::{Online, Unknown};
    let later = |site: Arc<Site>, by: TimeDelta| {
        site.pass(by);
        site
    };
    let day_and_more = day(1) + NANO;
    let bound = under_issuer(1, NOW - day(10), NOW + day(50), NOW + day(15));
    let early = certificate(1, 1, NOW + TimeDelta::seconds(1), NOW + day(60));
    vec![
        ("fresh", device(50, Issues), "ok", "unknown", "nothing-due"),
        ("in the digest", device(25, Issues), "awareness", "unknown", "nothing-due"),
        // The renewal, from its request to the device's word.
        ("asked for", device(19, Silent), "renewal", "running", "renewal-in-progress"),
        ("published", published(Online), "renewal", "running", "renewal-in-progress"),
        ("a day ago", later(published(Online), day(1)), "renewal", "running", "renewal-in-progress"),
        ("longer", later(published(Online), day_and_more), "renewal", "stalled", "renewal-stalled"),
        ("offline", later(published(offline()), day(5)), "renewal", "running", "renewal-in-progress"),
        ("connected?", later(published(Unknown), day_and_more), "renewal", "unknown", "undetermined"),
        ("not begun", unpolled(24), "renewal", "due", "renewal-in-progress"),
        ("for a day", later(unpolled(24), NANO), "renewal", "stalled", "renewal-stalled"),
        // What fails is tried again, until people must see to it.
        ("refused once", device(19, Refuses), "renewal", "retrying", "renewal-in-progress"),
        ("for days", later(device(19, Refuses), day(5)), "renewal", "retrying", "renewal-in-progress"),
        ("no try in time", refused_until_follow_up(), "renewal", "failed", "follow-up-required"),
        ("issued due", device(19, IssuesWhatIsDue), "renewal", "retrying", "renewal-in-progress"),
        ("its issuer", device(19, IssuesUnderAnEndingIssuer), "renewal", "failed", "follow-up-required"),
        ("by hand", by_hand(), "renewal", "unsupported", "follow-up-required"),
        // The end of a renewal.
        ("seen", confirmed(), "ok", "confirmed", "nothing-due"),
        ("went back", rolled_back(), "renewal", "rolled-back", "follow-up-required"),
        ("overlap over", unretired(TimeDelta::zero()), "ok", "confirmed", "nothing-due"),
        ("not retired", unretired(NANO), "overlap-overdue", "confirmed", "follow-up-required"),
        ("kept", failed_after_confirmation(), "overlap-overdue", "confirmed", "follow-up-required"),
        // What no renewal mends in time.
        ("nearly over", device(9, Silent), "follow-up", "running", "follow-up-required"),
        ("bound", Site::new(&bound), "issuer-due", "failed", "follow-up-required"),
        ("ended", later(device(1, Silent), day(2)), "expired", "stalled", "emergency-certificate-installed"),
        ("early", Site::new(&early), "not-yet-valid", "unknown", "not-yet-valid"),
        ("stolen", compromised(50, 0), "revoked", "running", "revoked"),
        ("stolen, ended", compromised(1, 2), "revoked", "stalled", "revoked"),
        ("set back", set_back(device(50, Issues)), "clock-suspect", "unknown", "clock-suspect"),
        ("both", set_back(compromised(50, 0)), "clock-suspect", "unknown", "clock-suspect"),
    ]
}

#[test]
fn lifecycle_reaches_every_conclusion() {
    let mut wrong = Vec::new();
    for (what, site, stage, renewal, conclusion) in rows() {
        for restarted in [false, true] {
            if restarted {
                site.with(|state, _| {
                    let saved = serde_json::to_string(&state.machine).unwrap();
                    state.machine = serde_json::from_str(&saved).unwrap();
                });
            }
            let found = (site.value("certificate-stage"), site.value("renewal-state"));
            if found != (stage.to_owned(), renewal.to_owned()) {
                wrong.push(format!("{what} ({restarted}): {found:?} for ({stage}, {renewal})"));
            }
        }
        let concluded = site.concludes().unwrap_or_else(|| "undetermined".to_owned());
        if concluded != conclusion {
            wrong.push(format!("{what}: {concluded} for {conclusion}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_value_is_left_out_of_the_table() {
    let reached = |of: fn(&Row) -> &'static str| rows().iter().map(of).collect::<BTreeSet<_>>();
    for (check, reached) in
        [("certificate-stage", reached(|row| row.2)), ("renewal-state", reached(|row| row.3))]
    {
        let checks = Checks::builtin();
        let spec = checks.specs().find(|spec| &*spec.id == check).unwrap();
        let Kind::Choice(choices) = spec.domain.kind() else { panic!("{check}") };
        for name in choices.names() {
            assert!(reached.contains(name), "no row reaches `{name}` of `{check}`");
        }
    }
    let reached = reached(|row| row.4);
    let set = catalog::set().unwrap();
    let all = set.find("certificate-expiry").unwrap().conclusions().map(|(id, _)| id).collect::<Vec<_>>();
    // The others are what an act, or a device that is back meanwhile, comes to: see `runbook`.
    let by_acts =
        ["renewed", "recovered-meanwhile", "re-provisioned", "recovery-failed", "loaded-and-silent"];
    for id in all {
        assert!(reached.contains(id) || by_acts.contains(&id), "no row concludes `{id}`");
    }
}

#[test]
fn a_follow_up_notes_its_reason() {
    let bound = under_issuer(1, NOW - day(10), NOW + day(50), NOW + day(15));
    for (site, said) in [
        (rolled_back(), "it was rolled back"),
        (unretired(NANO), "must be retired"),
        (Site::new(&bound), "the issuer must be replaced first"),
        (refused_until_follow_up(), "no further try is due"),
        (by_hand(), "no automatic renewal"),
    ] {
        let finding = site.walk("certificate-expiry", Probes::new());
        let noted = finding.contributing().iter().any(|one| one.note.contains(said));
        assert!(noted, "{said}: {:?}", finding.contributing());
    }
}

/// What ends a state ends what is said of it.
#[test]
fn what_is_mended_is_no_longer_reported() {
    let site = rolled_back();
    site.pass(hours(1));
    site.with(|state, now| state.connects_with_the_newest(now));
    assert_eq!((&*site.value("certificate-stage"), &*site.value("renewal-state")), ("ok", "confirmed"));

    let site = unretired(hours(1));
    site.with(|state, _| state.retires = true);
    site.pass(day(1));
    assert_eq!(site.value("certificate-stage"), "ok");
    assert_eq!(site.concludes().as_deref(), Some("nothing-due"));

    let site = published(Reachability::Online);
    site.pass(day(2));
    assert_eq!(site.value("renewal-state"), "stalled");
    site.with(|state, now| state.connects_with_the_newest(now));
    assert_eq!(site.value("renewal-state"), "confirmed");
}

/// Two connections within one moment of the log: nobody knows which came last, so nothing was rolled back.
#[test]
fn rollback_in_one_moment_is_none() {
    let site = device(19, Authority::Issues);
    site.pass(hours(1));
    site.with(|state, now| {
        state.connects_with_the_newest(now);
        let fingerprint = with_left(19).credential().fingerprint;
        state.tell(Event::Connected { fingerprint, at: now }, now);
    });
    assert_eq!((&*site.value("certificate-stage"), &*site.value("renewal-state")), ("renewal", "running"));
}

#[test]
fn theft_shows_under_a_suspect_clock() {
    let site = set_back(compromised(50, 0));
    let answer = site.answer("certificate-stage");
    assert!(answer.details().find("revoked").is_some(), "{answer:?}");
}

/// Somebody brought a certificate to a device that cannot renew by itself, and it goes on with the old one.
#[test]
fn unused_hand_delivery_needs_a_person() {
    let site = by_hand();
    is(&site, Reachability::Online);
    site.with(|state, now| {
        let certificate = certificate(3, 3, now, now + day(90));
        state.tell(Event::Installed { certificate }, now);
    });
    assert_eq!(site.value("renewal-state"), "running");
    site.pass(day(1) + NANO);
    assert_eq!(site.value("renewal-state"), "unsupported");
}
