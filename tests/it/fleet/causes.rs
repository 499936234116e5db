//! Which cause an alert belongs to, and which it does not.

use iot_runbook::fleet::{Cause, Change, Maintenance, Taken};
use iot_runbook::time::Period;

use super::*;

/// A fleet in which the gateway of `d-0` was found at fault at `NOW + 31 s`.
fn found(conclusion: &str) -> (Fleet, Job) {
    let mut fleet = fleet();
    fleet.observe_alert(alert(0, NOW), NOW);
    let job = poll(&mut fleet, NOW + secs(30)).jobs.remove(0);
    fleet.observe_finding(job.id, &finding(&job, conclusion, &gateway(0), NOW + secs(31)), NOW + secs(31));
    check(&fleet);
    (fleet, job)
}

/// What made it silent is known, so it is an incident; where nobody knows, there is none.
#[test]
fn recovered_cause_is_an_incident_that_has_ended() {
    for (conclusion, closed) in [("gateway-recovered", 1), ("recovered-meanwhile", 0)] {
        let (mut fleet, _) = found(conclusion);
        let wanted = poll(&mut fleet, NOW + secs(31));
        assert_eq!(wanted.closed.len(), closed, "{conclusion}");
        assert!(wanted.closed.iter().all(|one| one.cause == Cause::Concluded(conclusion.into())));
        assert_eq!((fleet.incidents().count(), fleet.counts().over), (0, 1), "{conclusion}");
    }
}

#[test]
fn cause_explains_no_alert_of_another_runbook() {
    let gap = |nr| {
        let mut gap = alert(nr, NOW);
        gap.runbook = "data-gap".into();
        gap
    };
    let mut fleet = fleet();
    fleet.observe_alert(alert(0, NOW), NOW);
    fleet.observe_alert(gap(6), NOW + secs(20));
    let job = poll(&mut fleet, NOW + secs(30)).jobs.remove(0);
    fleet.observe_finding(job.id, &finding(&job, "gateway-fault", &gateway(0), NOW), NOW + secs(31));
    assert_eq!(fleet.observe_alert(gap(12), NOW + secs(32)), Taken::Waits);
    assert_eq!((fleet.counts().waiting, fleet.counts().members), (2, 1));
    check(&fleet);
}

/// The time of an alert is coarse: a quarter of an hour, and the reporting intervals of both.
#[test]
fn silence_that_nobody_measured_has_a_wide_margin() {
    for (seconds, explained) in [(1_020, true), (1_021, false)] {
        let (mut fleet, _) = found("gateway-fault");
        let at = NOW + secs(seconds);
        let trigger = Trigger::new("no message", at);
        let taken =
            fleet.observe_alert(DeviceAlert::new("device-offline", "d-6", trigger, "alertmanager"), at);
        assert_eq!(matches!(taken, Taken::Member(_)), explained, "{seconds}");
    }
}

#[test]
fn maintenance_is_of_its_part_and_its_time() {
    let window = |from, until| Period::new(NOW + secs(from), NOW + secs(until)).unwrap();
    for (part, windows, until) in [
        (gateway(1), &[(0, 600)][..], None),
        (gateway(0), &[(60, 600)], None),
        (gateway(0), &[(0, 600), (0, 900), (0, 300)], Some(900)),
    ] {
        let mut fleet = fleet();
        for (from, until) in windows {
            fleet.observe_maintenance(Maintenance::new(part.clone(), window(*from, *until), "work"), NOW);
        }
        let expected = until.map_or(Taken::Waits, |until| Taken::InMaintenance { until: NOW + secs(until) });
        assert_eq!(fleet.observe_alert(alert(0, NOW), NOW), expected, "{part} {windows:?}");
    }
}

#[test]
fn latest_change_comes_first() {
    let mut fleet = fleet();
    for (seconds, text) in [(-600, "first"), (-30, "third"), (-60, "second")] {
        fleet.observe_change(Change::new(gateway(0), NOW + secs(seconds), text), NOW);
    }
    fleet.observe_alert(alert(0, NOW), NOW);
    let job = poll(&mut fleet, NOW + secs(30)).jobs.remove(0);
    fleet.observe_finding(job.id, &finding(&job, "gateway-fault", &gateway(0), NOW), NOW + secs(31));
    let incident = fleet.incidents().next().unwrap();
    let changes: Vec<&str> = incident.changes.iter().map(|change| &*change.text).collect();
    assert_eq!(changes, ["third", "second", "first"]);
}

#[test]
fn same_cause_of_another_part_confirms_nothing() {
    let (mut fleet, _) = found("gateway-fault");
    let again = poll(&mut fleet, NOW + secs(331)).jobs.remove(0);
    let at = NOW + secs(332);
    fleet.observe_finding(again.id, &finding(&again, "gateway-fault", &gateway(2), at), at);
    check(&fleet);
    let parts: Vec<_> = fleet.incidents().flat_map(|incident| incident.parts.keys().cloned()).collect();
    assert_eq!(parts, [gateway(2)]);
    assert_eq!(poll(&mut fleet, at).closed.len(), 1);
}

#[test]
fn source_that_repeats_itself_is_named_once() {
    let mut fleet = fleet();
    for _ in 0..3 {
        fleet.observe_alert(alert(0, NOW), NOW);
    }
    let job = poll(&mut fleet, NOW + secs(30)).jobs.remove(0);
    fleet.observe_finding(job.id, &finding(&job, "gateway-fault", &gateway(0), NOW), NOW + secs(31));
    let incident = fleet.incidents().next().unwrap();
    assert_eq!(incident.members["d-0"].sources, ["alertmanager".into()]);
}

#[test]
fn every_source_of_an_alert_is_named() {
    let mut fleet = fleet();
    for source in ["alertmanager", "scada", "alertmanager"] {
        let mut alert = alert(0, NOW);
        alert.source = source.into();
        fleet.observe_alert(alert, NOW);
    }
    check(&fleet);
    let job = poll(&mut fleet, NOW + secs(30)).jobs.remove(0);
    fleet.observe_finding(job.id, &finding(&job, "gateway-fault", &gateway(0), NOW), NOW + secs(31));
    let incident = fleet.incidents().next().unwrap();
    assert_eq!(incident.members["d-0"].sources, ["alertmanager".into(), "scada".into()]);
}

/// Work takes longer than was said, so another window follows; who is silent after that is an alert as any other.
#[test]
fn a_window_that_follows_holds_on() {
    let window = |from, until| Period::new(NOW + secs(from), NOW + secs(until)).unwrap();
    let mut fleet = fleet();
    fleet.observe_maintenance(Maintenance::new(gateway(0), window(0, 600), "work"), NOW);
    fleet.observe_alert(alert(0, NOW), NOW);
    fleet.observe_maintenance(Maintenance::new(gateway(0), window(500, 900), "more work"), NOW + secs(500));
    for (seconds, in_maintenance) in [(599, 1), (600, 1), (899, 1), (900, 0)] {
        let wanted = poll(&mut fleet, NOW + secs(seconds));
        assert!(wanted.jobs.is_empty());
        assert_eq!(fleet.counts().in_maintenance, in_maintenance, "after {seconds} s");
        check(&fleet);
    }
    assert_eq!(poll(&mut fleet, NOW + secs(930)).jobs.len(), 1);
}

/// A device that moved, or is gone, is not counted where it was.
#[test]
fn topology_counts_each_device_where_it_is() {
    let count =
        |topology: &Topology, gateway: &str| topology.count(&Part::Gateway(gateway.to_owned().into()));
    let mut topology = Topology::default();
    for device in ["a", "b"] {
        topology.insert(Subject::device(device).with_gateway("g").with_tag("temperature"));
    }
    assert_eq!(topology.subject(&"a".into()).tag, None);
    topology.insert(Subject::device("a").with_gateway("h"));
    assert_eq!((count(&topology, "g"), count(&topology, "h")), (1, 1));
    topology.remove(&"b".into());
    assert_eq!((count(&topology, "g"), count(&topology, "h")), (0, 1));
    assert_eq!(topology.count(&Part::Platform), 1);
    let removed: Topology = serde_json::from_value(serde_json::to_value(&topology).unwrap()).unwrap();
    assert_eq!(removed, topology, "nothing is left of what is gone");
}
