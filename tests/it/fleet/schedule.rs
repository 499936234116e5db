//! How many diagnoses run, and which go first.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;

fn fleet_of(subjects: impl Iterator<Item = Subject>, most_running: usize) -> Fleet {
    let mut settings = FleetSettings::default();
    settings.most_running = most_running;
    Fleet::new(subjects.collect::<Topology>(), settings, NOW)
}

/// Each device has a cause of its own, which explains no other.
fn found(fleet: &mut Fleet, job: &Job, now: DateTime<Utc>) {
    let part = Part::Device(job.subject.device.clone());
    fleet.observe_finding(job.id, &finding(job, "power-fault", &part, now), now);
}

fn gateways(jobs: &[Job]) -> Vec<&str> {
    let names: BTreeSet<&str> =
        jobs.iter().map(|job| job.subject.gateway.as_ref().unwrap().as_str()).collect();
    assert_eq!(names.len(), jobs.len(), "one for each gateway");
    names.into_iter().collect()
}

/// One, two, four and so on, up to sixty-four behind one gateway, and up to the limit of the fleet.
#[test]
fn each_finding_that_explains_no_other_doubles_the_diagnoses() {
    for most in [1_000, 5] {
        let subject = |nr: usize| Subject::device(format!("d-{nr}")).with_gateway("gw").with_site("site");
        let mut fleet = fleet_of((0..300).map(subject), most);
        for nr in 0..300 {
            fleet.observe_alert(alert(nr, NOW), NOW);
        }
        let now = NOW + secs(30);
        let mut running = poll(&mut fleet, now).jobs;
        for findings in 0..20 {
            assert_eq!(running.len(), (1 << findings.min(6)).min(most), "after {findings} findings");
            found(&mut fleet, &running.remove(0), now);
            running.extend(poll(&mut fleet, now).jobs);
        }
        check(&fleet);
    }
}

/// When all are back, the place is as quiet as at first: the next alert is held, and one diagnosis goes first.
#[test]
fn quiet_gateway_begins_anew() {
    let mut fleet = fleet();
    let mut now = NOW;
    for _ in 0..2 {
        for nr in [0, 6, 12, 18] {
            fleet.observe_alert(alert(nr, now), now);
        }
        assert!(poll(&mut fleet, now + secs(29)).jobs.is_empty(), "the hold is not over");
        now += secs(30);
        for most in [1, 2, 1] {
            let jobs = poll(&mut fleet, now).jobs;
            assert_eq!(jobs.len(), most);
            jobs.iter().for_each(|job| found(&mut fleet, job, now));
        }
        now += secs(1_000);
        for nr in [0, 6, 12, 18] {
            fleet.observe_seen(&subject(nr).device, now, now);
        }
        poll(&mut fleet, now);
        assert_eq!((fleet.incidents().count(), fleet.counts().waiting), (0, 0));
    }
}

/// The first finding of the platform lets one go first at each other site, and that of a site all its gateways.
#[test]
fn a_finding_frees_the_places_that_waited_for_it() {
    let mut fleet = fleet();
    for nr in 0..6 {
        fleet.observe_alert(alert(nr, NOW), NOW);
    }
    let now = NOW + secs(30);
    let first = poll(&mut fleet, now).jobs;
    assert_eq!(gateways(&first), ["gw-0"]);
    found(&mut fleet, &first[0], now);
    let second = poll(&mut fleet, now).jobs;
    assert_eq!(gateways(&second), ["gw-1", "gw-2", "gw-4"]);
    // What is found at the other site frees nothing here.
    let of =
        |gateway: &str| second.iter().find(|job| gateways(std::slice::from_ref(job)) == [gateway]).unwrap();
    found(&mut fleet, of("gw-2"), now);
    assert!(poll(&mut fleet, now).jobs.is_empty());
    found(&mut fleet, of("gw-1"), now);
    assert_eq!(gateways(&poll(&mut fleet, now).jobs), ["gw-3", "gw-5"]);
}

/// What was found of a site is remembered for ten minutes: until then nobody goes first there.
#[test]
fn first_finding_is_forgotten_in_time() {
    for (after, first) in [(600, 6), (601, 1)] {
        let mut fleet = fleet();
        for nr in [0, 1] {
            fleet.observe_alert(alert(nr, NOW), NOW);
        }
        let now = NOW + secs(30);
        for _ in 0..2 {
            for job in poll(&mut fleet, now).jobs {
                found(&mut fleet, &job, now);
            }
        }
        for nr in 0..6 {
            fleet.observe_seen(&subject(nr).device, now, now);
        }
        let later = now + secs(after - 30);
        for nr in 0..6 {
            fleet.observe_alert(alert(nr, later), later);
        }
        assert_eq!(poll(&mut fleet, later + secs(30)).jobs.len(), first, "after {after} s");
    }
}

/// A short hold and no patience leave the order as it is: what is due at once falls due at once.
#[test]
fn no_hold_and_no_patience_are_settings_too() {
    let mut settings = FleetSettings::default();
    (settings.hold, settings.patience) = (Duration::ZERO, Duration::ZERO);
    let mut fleet = Fleet::new((0..6).map(subject).collect::<Topology>(), settings, NOW);
    for nr in 0..6 {
        fleet.observe_alert(alert(nr, NOW), NOW);
    }
    assert_eq!(gateways(&poll(&mut fleet, NOW).jobs), ["gw-0", "gw-1", "gw-2", "gw-3", "gw-4", "gw-5"]);
}
