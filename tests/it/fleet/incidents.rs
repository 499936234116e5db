//! What is one incident, when it is measured again, and what is left of it.

use iot_runbook::diagnosis::Ending;
use iot_runbook::fleet::{Cause, Proof, Taken};

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    NOW + secs(seconds)
}

/// A device and its places, each by one letter; a dot is a place that nobody knows.
fn placed(device: &str, gateway: &str, site: &str) -> Subject {
    let mut subject = Subject::device(device.to_owned());
    subject.gateway = (gateway != ".").then(|| gateway.to_owned().into());
    subject.site = (site != ".").then(|| site.to_owned().into());
    subject
}

fn silent(device: &str, last_seen: i64) -> DeviceAlert {
    let trigger = Trigger::new("no message", at(last_seen));
    DeviceAlert::new("device-offline", device.to_owned(), trigger, "alertmanager")
        .with_last_seen(at(last_seen))
}

fn own(job: &Job) -> Part {
    Part::Device(job.subject.device.clone())
}

/// Answers every job for three minutes from that second on; returns the incidents that ended.
fn diagnose(fleet: &mut Fleet, from: i64, found: impl Fn(&Job, DateTime<Utc>) -> Finding) -> Vec<Incident> {
    let mut closed = Vec::new();
    for second in from..from + 180 {
        let wanted = poll(fleet, at(second));
        closed.extend(wanted.closed);
        for job in wanted.jobs {
            fleet.observe_finding(job.id, &found(&job, at(second)), at(second));
            check(fleet);
        }
    }
    closed
}

fn gateway_of(subject: &Subject) -> Part {
    Part::Gateway(subject.gateway.clone().unwrap())
}

/// The same conclusion about two devices or gateways.
#[test]
fn one_cause_at_one_place_and_time_is_one_incident() {
    let gateway = |name: &str| Part::Gateway(name.to_owned().into());
    let site = |name: &str| Part::Site(name.to_owned().into());
    for (one, other, apart, place) in [
        (("g", "s"), ("g", "s"), 0, Some(gateway("g"))),
        (("g", "s"), ("h", "s"), 0, Some(site("s"))),
        (("g", "s"), (".", "s"), 0, Some(site("s"))),
        ((".", "s"), (".", "s"), 0, Some(site("s"))),
        (("g", "."), ("g", "."), 0, Some(gateway("g"))),
        (("g", "s"), ("g", "s"), 120, Some(gateway("g"))),
        (("g", "s"), ("g", "s"), 121, None),
        (("g", "s"), ("h", "t"), 0, None),
        (("g", "."), ("h", "."), 0, None),
        ((".", "."), (".", "."), 0, None),
    ] {
        let devices = [placed("a", one.0, one.1), placed("b", other.0, other.1)];
        let mut fleet = Fleet::new(devices.into_iter().collect(), FleetSettings::default(), NOW);
        fleet.observe_alert(silent("a", 0), NOW);
        fleet.observe_alert(silent("b", -apart), NOW);
        diagnose(&mut fleet, 0, |job, now| finding(job, "power-fault", &own(job), now));
        let places: Vec<&Part> = fleet.incidents().map(|incident| &incident.place).collect();
        match &place {
            Some(place) => assert_eq!(places, [place], "{one:?} {other:?}, {apart} s apart"),
            None => assert_eq!(places.len(), 2, "{one:?} {other:?}, {apart} s apart: {places:?}"),
        }
        assert_eq!(fleet.incidents().map(|incident| incident.began).min(), Some(at(-apart)));
    }
}

/// Three devices behind one gateway, or the last behind another: the middle one has a cause of its own, and the other two are
/// diagnosed side by side.
fn three(apart: i64, last: &str) -> Fleet {
    let devices = [("a", "g"), ("b", "g"), ("c", last)].map(|(device, gateway)| placed(device, gateway, "s"));
    let mut fleet = Fleet::new(devices.into_iter().collect(), FleetSettings::default(), NOW);
    for (device, last_seen) in [("a", 0), ("b", apart / 2), ("c", apart)] {
        fleet.observe_alert(silent(device, last_seen), at(500));
    }
    fleet
}

#[test]
fn gateway_and_device_of_one_cause_are_one_incident() {
    for (last, place) in [("g", Part::Gateway("g".into())), ("h", Part::Site("s".into()))] {
        let mut fleet = three(0, last);
        diagnose(&mut fleet, 500, |job, now| match job.subject.device.as_str() {
            "a" => finding(job, "expired", &gateway_of(&job.subject), now),
            "b" => finding(job, "power-fault", &own(job), now),
            _ => finding(job, "expired", &own(job), now),
        });
        let expired = |incident: &&Incident| incident.cause == Cause::Concluded("expired".into());
        let places: Vec<_> = fleet.incidents().filter(expired).map(|incident| &incident.place).collect();
        assert_eq!(places, [&place]);
    }
}

#[test]
fn confirmed_part_has_a_measurement_for_each_time() {
    for (apart, measured) in [(0, 1), (120, 1), (121, 2)] {
        let mut fleet = three(apart, "g");
        diagnose(&mut fleet, 500, |job, now| match job.subject.device.as_str() {
            "b" => finding(job, "power-fault", &own(job), now),
            _ => finding(job, "gateway-fault", &gateway_of(&job.subject), now),
        });
        let found = fleet.incidents().find_map(|incident| incident.parts.get(&Part::Gateway("g".into())));
        assert_eq!(found.unwrap().measured.len(), measured, "{apart} s apart");
    }
}

/// A pipeline lies at no site: what is found at the site of the device that it was measured by has another place.
#[test]
fn a_pipeline_lies_at_no_site() {
    let devices = [placed("a", ".", "s").with_pipeline("p"), placed("b", ".", "s")];
    let mut fleet = Fleet::new(devices.into_iter().collect(), FleetSettings::default(), NOW);
    fleet.observe_alert(silent("a", 0), NOW);
    diagnose(&mut fleet, 0, |job, now| finding(job, "stalled", &Part::Pipeline("p".into()), now));
    fleet.observe_alert(silent("b", 0), at(180));
    let stalled = |job: &Job, now| match job.subject.device.as_str() {
        "a" => finding(job, "stalled", &Part::Pipeline("p".into()), now),
        _ => finding(job, "stalled", &own(job), now),
    };
    diagnose(&mut fleet, 180, stalled);
    let places: Vec<_> = fleet.incidents().map(|incident| incident.place.clone()).collect();
    assert_eq!(places, [Part::Pipeline("p".into()), Part::Device("b".into())]);
}

/// Of three sites: the oldest keeps its number, and all that was known of the others is known of it.
#[test]
fn merged_incident_has_what_its_parts_had() {
    let places = ["a", "b", "c"]
        .into_iter()
        .flat_map(|site| (1..=3).map(move |nr| placed(&format!("{site}{nr}"), &format!("g{site}"), site)));
    let mut fleet = Fleet::new(places.collect(), FleetSettings::default(), NOW);
    let expired = |job: &Job, now| finding(job, "expired", &gateway_of(&job.subject), now);
    fleet.observe_alert(silent("a1", 0), NOW);
    let mut closed = diagnose(&mut fleet, 0, expired);
    fleet.observe_alert(silent("b1", -100), at(180));
    closed.extend(diagnose(&mut fleet, 180, expired));
    assert_eq!(fleet.incidents().count(), 2);
    fleet.observe_alert(silent("c1", 10), at(360));
    closed.extend(diagnose(&mut fleet, 360, expired));
    let incident = fleet.incidents().next().unwrap();
    let id = incident.id;
    assert_eq!((fleet.incidents().count(), id.0, incident.parts.len()), (1, 1, 3));
    assert_eq!((&incident.place, incident.began), (&Part::Platform, at(-100)));
    assert!(incident.paged_at.is_some(), "who was paged is not paged again");
    assert_eq!(closed.len(), 1);
    let merged = closed[0].closed.as_ref().unwrap();
    assert_eq!((closed[0].id.0, merged.merged_into, merged.still_out), (2, Some(id), 0));
    // Each of the parts explains what is behind it.
    for device in ["a2", "b2", "c2"] {
        assert_eq!(fleet.observe_alert(silent(device, 0), at(540)), Taken::Member(id), "{device}");
    }
    check(&fleet);
    assert!(poll(&mut fleet, at(541)).pages.is_empty());
    // A fourth place is another part of it, whatever is known of where it is.
    fleet.topology_mut().insert(placed("d1", "gd", "d"));
    fleet.observe_alert(silent("d1", 0), at(541));
    diagnose(&mut fleet, 541, expired);
    assert_eq!(fleet.incidents().map(|incident| incident.parts.len()).collect::<Vec<_>>(), [4]);
}

/// One gateway works again and the other does not.
#[test]
fn one_part_ends_and_the_other_stays_open() {
    let places = [("a", "g"), ("b", "g"), ("c", "g"), ("d", "h"), ("e", "h"), ("f", "h")];
    let places = places.map(|(device, gateway)| placed(device, gateway, "s"));
    let mut fleet = Fleet::new(places.into_iter().collect(), FleetSettings::default(), NOW);
    for device in ["a", "b", "d", "e"] {
        fleet.observe_alert(silent(device, 0), NOW);
    }
    diagnose(&mut fleet, 0, |job, now| finding(job, "expired", &gateway_of(&job.subject), now));
    let id = fleet.incidents().next().unwrap().id;
    assert_eq!(fleet.incidents().map(Incident::silent).collect::<Vec<_>>(), [4]);
    // Measured again: whoever was diagnosed is asked again.
    let jobs = poll(&mut fleet, at(330)).jobs;
    assert_eq!(jobs.iter().map(|job| job.incident).collect::<Vec<_>>(), [Some(id), Some(id)]);
    let diagnosed = |job: &&Job| {
        let member = &fleet.incident(id).unwrap().members[&job.subject.device];
        matches!(member.proof, Proof::Diagnosed { .. })
    };
    assert_eq!(jobs.iter().filter(diagnosed).count(), 2);
    for job in &jobs {
        let is_over = gateway_of(&job.subject) == Part::Gateway("g".into());
        let found = if is_over { ("power-fault", own(job)) } else { ("expired", gateway_of(&job.subject)) };
        fleet.observe_finding(job.id, &finding(job, found.0, &found.1, at(331)), at(331));
        check(&fleet);
    }
    let incident = fleet.incident(id).unwrap();
    assert_eq!((incident.silent(), incident.confirmed_at), (2, at(331)));
    assert_eq!(fleet.observe_alert(silent("c", 0), at(332)), Taken::Waits);
    assert_eq!(fleet.observe_alert(silent("f", 0), at(332)), Taken::Member(id));
    // Those behind the gateway that works are diagnosed, each for itself.
    diagnose(&mut fleet, 332, |job, now| finding(job, "power-fault", &own(job), now));
    assert_eq!(fleet.incidents().map(Incident::silent).collect::<Vec<_>>(), [3, 3]);
    for device in ["d", "e", "f"] {
        fleet.observe_seen(&device.into(), at(600), at(600));
    }
    let closed = poll(&mut fleet, at(600)).closed;
    assert_eq!(closed.iter().map(|incident| incident.id).collect::<Vec<_>>(), [id]);
}

/// It came back while it was measured again, and fell silent once more: that alert is not what was measured.
#[test]
fn measurement_ends_no_newer_alert() {
    let devices = ["a", "b"].map(|device| placed(device, "g", "s"));
    let mut fleet = Fleet::new(devices.into_iter().collect(), FleetSettings::default(), NOW);
    for device in ["a", "b"] {
        fleet.observe_alert(silent(device, 0), NOW);
    }
    diagnose(&mut fleet, 0, |job, now| finding(job, "gateway-fault", &gateway_of(&job.subject), now));
    let again = poll(&mut fleet, at(330)).jobs.remove(0);
    let device = again.subject.device.clone();
    fleet.observe_seen(&device, at(340), at(340));
    let newer = silent(device.as_str(), 600);
    assert_eq!(fleet.observe_alert(newer, at(600)), Taken::Waits);
    fleet.observe_finding(again.id, &finding(&again, "recovered-meanwhile", &own(&again), at(601)), at(601));
    check(&fleet);
    assert_eq!((fleet.incidents().count(), fleet.counts().waiting), (0, 2));
}

/// Devices come back one after the other: the first of them decides when it is measured again, and each plan is used once.
#[test]
fn returns_do_not_put_a_measurement_off() {
    let devices = (0..9).map(|nr| placed(&format!("d{nr}"), "g", "s"));
    let mut fleet = Fleet::new(devices.collect(), FleetSettings::default(), NOW);
    for nr in 0..9 {
        fleet.observe_alert(silent(&format!("d{nr}"), 0), NOW);
    }
    let job = poll(&mut fleet, at(30)).jobs.remove(0);
    let fault = |job: &Job, now| finding(job, "gateway-fault", &gateway_of(&job.subject), now);
    fleet.observe_finding(job.id, &fault(&job, at(30)), at(30));
    let mut measured = Vec::new();
    for second in 30..2_000 {
        if let (100..=140, 0) = (second, second % 20) {
            fleet.observe_seen(&format!("d{}", second / 20 - 5).into(), at(second), at(second));
        }
        for job in poll(&mut fleet, at(second)).jobs {
            measured.push(second);
            fleet.observe_finding(job.id, &fault(&job, at(second)), at(second));
        }
    }
    // A minute after the first return, and then after twice and four times the five minutes.
    assert_eq!(measured, [160, 760, 1_960]);
}

/// Nobody knew the cause, and a measurement finds it unknown again for the same reason.
#[test]
fn unknown_cause_is_confirmed_by_a_diagnosis_alone() {
    for (found, confirms) in [("network-change", true), ("power-loss", false), ("withdrawn", false)] {
        let mut fleet = Fleet::new(Topology::default(), FleetSettings::default(), NOW);
        fleet.observe_alert(silent("a", 0), NOW);
        diagnose(&mut fleet, 0, |job, now| undetermined(job, &[("network-change", 1.0)], now));
        let again = poll(&mut fleet, at(330)).jobs.remove(0);
        let cause = if found == "withdrawn" { "network-change" } else { found };
        let mut finding = serde_json::to_value(undetermined(&again, &[(cause, 1.0)], at(331))).unwrap();
        if found == "withdrawn" {
            let ending = Ending::Withdrawn { by: "ann".into(), why: "known".into(), under_way: None };
            finding["ending"] = serde_json::to_value(ending).unwrap();
        }
        fleet.observe_finding(again.id, &serde_json::from_value(finding).unwrap(), at(331));
        let incident = fleet.incidents().next().unwrap();
        assert_eq!((incident.confirmed_at == at(331), incident.silent()), (confirms, 1), "{found}");
    }
}

/// An alert that joins moves the beginning back, and never forward.
#[test]
fn incident_began_with_its_first_silence() {
    for (last_seen, began) in [(-100, -100), (100, 0)] {
        let devices = ["a", "b"].map(|device| placed(device, "g", "s"));
        let mut fleet = Fleet::new(devices.into_iter().collect(), FleetSettings::default(), NOW);
        fleet.observe_alert(silent("a", 0), NOW);
        diagnose(&mut fleet, 0, |job, now| finding(job, "gateway-fault", &gateway_of(&job.subject), now));
        assert!(matches!(fleet.observe_alert(silent("b", last_seen), at(200)), Taken::Member(_)));
        assert_eq!(fleet.incidents().next().unwrap().began, at(began));
    }
}

/// A conclusion without a root cause.
#[test]
fn what_names_no_cause_is_an_incident_unless_it_is_over() {
    for recovered in [false, true] {
        let mut fleet = Fleet::new(Topology::default(), FleetSettings::default(), NOW);
        fleet.observe_alert(silent("a", 0), NOW);
        diagnose(&mut fleet, 0, |job, now| {
            let mut found = serde_json::to_value(finding(job, "odd", &own(job), now)).unwrap();
            found["root_cause"] = json!(null);
            found["recovered"] = json!(recovered);
            serde_json::from_value(found).unwrap()
        });
        assert_eq!(fleet.incidents().count() == 1, !recovered, "recovered: {recovered}");
        assert_eq!(fleet.counts().over == 1, recovered, "recovered: {recovered}");
    }
}

/// Three that were back by the time of their diagnoses are one short outage, whoever said so.
#[test]
fn diagnosed_too_late_is_a_short_outage_too() {
    for withdrawn in [false, true] {
        let devices = (0..3).map(|nr| placed(&format!("d{nr}"), "g", "s"));
        let mut fleet = Fleet::new(devices.collect(), FleetSettings::default(), NOW);
        for nr in 0..3 {
            fleet.observe_alert(silent(&format!("d{nr}"), 0), NOW);
        }
        let job = poll(&mut fleet, at(30)).jobs.remove(0);
        for nr in 0..3 {
            fleet.observe_seen(&format!("d{nr}").into(), at(40), at(40));
        }
        let mut found =
            serde_json::to_value(finding(&job, "recovered-meanwhile", &own(&job), at(41))).unwrap();
        if withdrawn {
            let ending = Ending::Withdrawn { by: "ann".into(), why: "known".into(), under_way: None };
            found["ending"] = serde_json::to_value(ending).unwrap();
            found["recovered"] = json!(false);
        }
        fleet.observe_finding(job.id, &serde_json::from_value(found).unwrap(), at(41));
        check(&fleet);
        let closed = poll(&mut fleet, at(200)).closed;
        assert_eq!(
            closed.iter().map(|one| (&one.cause, one.members.len())).collect::<Vec<_>>(),
            [(&Cause::ShortOutage, 3)]
        );
        assert_eq!((fleet.counts().over, fleet.incidents().count()), (3, 0));
    }
}

/// Diagnoses that came to nothing for reasons that differ, or of devices that share no place, say nothing of the next.
#[test]
fn only_one_reason_at_one_place_stops_the_asking() {
    for (place, reasons, asked) in [
        (("g", "s"), &["x"][..], 3),
        ((".", "s"), &["x"], 3),
        (("g", "s"), &["x", "y"], 9),
        (("g", "s"), &["x", "x", "y"], 9),
        ((".", "."), &["x"], 9),
    ] {
        let devices = (0..9).map(|nr| placed(&format!("d{nr}"), place.0, place.1));
        let mut settings = FleetSettings::default();
        settings.most_running = 1;
        let mut fleet = Fleet::new(devices.collect(), settings, NOW);
        for nr in 0..9 {
            fleet.observe_alert(silent(&format!("d{nr}"), 0), NOW);
        }
        let count = std::cell::Cell::new(0);
        diagnose(&mut fleet, 0, |job, now| {
            let nth = count.replace(count.get() + 1);
            undetermined(job, &[(reasons[nth % reasons.len()], 1.0)], now)
        });
        assert_eq!((count.get(), fleet.counts().members), (asked, 9), "{place:?} {reasons:?}");
    }
}
