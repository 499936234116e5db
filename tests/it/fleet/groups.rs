//! Which devices are diagnosed, and which are explained by what was found.

use iot_runbook::fleet::{Cause, Change, Maintenance, Proof, Taken};
use iot_runbook::subject::Part;
use iot_runbook::time::Period;

use super::*;

#[test]
fn one_diagnosis_explains_all_behind_a_gateway() {
    let mut fleet = fleet();
    for nr in [0, 6, 12, 18] {
        assert_eq!(fleet.observe_alert(alert(nr, NOW - secs(nr as i64)), NOW), Taken::Waits);
    }
    assert!(poll(&mut fleet, NOW + secs(29)).jobs.is_empty(), "the hold is not over");
    let jobs = poll(&mut fleet, NOW + secs(30)).jobs;
    assert_eq!(jobs.len(), 1, "one goes first");
    fleet.observe_finding(jobs[0].id, &finding(&jobs[0], "gateway-fault", &gateway(0), NOW), NOW + secs(31));
    assert!(poll(&mut fleet, NOW + secs(31)).jobs.is_empty());
    check(&fleet);
    let incident = fleet.incidents().next().unwrap();
    assert_eq!((incident.silent(), &incident.place), (4, &gateway(0)));
    let diagnosed = |proof: &Proof| matches!(proof, Proof::Diagnosed { .. });
    assert_eq!(incident.members.values().filter(|member| diagnosed(&member.proof)).count(), 1);
    for member in incident.members.values().filter(|member| !diagnosed(&member.proof)) {
        let Proof::Shares { apart, is_measured, .. } = &member.proof else { panic!("{member:?}") };
        assert!(apart.abs() <= secs(18) && *is_measured);
    }
}

#[test]
fn who_fell_silent_at_another_time_is_diagnosed() {
    for (last_seen, explained) in [(-240, true), (-241, false), (240, true), (241, false), (-86_400, false)]
        .map(|(at, is)| (NOW + secs(at), is))
    {
        let mut fleet = fleet();
        fleet.observe_alert(alert(0, NOW), NOW);
        let job = poll(&mut fleet, NOW + secs(30)).jobs.remove(0);
        fleet.observe_finding(job.id, &finding(&job, "gateway-fault", &gateway(0), NOW), NOW + secs(31));
        // Two minutes, and the reporting intervals of both.
        let taken = fleet.observe_alert(alert(6, last_seen), NOW + secs(250));
        assert_eq!(matches!(taken, Taken::Member(_)), explained, "{last_seen}");
        let jobs = poll(&mut fleet, NOW + secs(300)).jobs;
        assert_eq!(jobs.is_empty(), explained, "{last_seen}");
        // It finds the same: from then on its time counts too.
        for job in jobs {
            fleet.observe_finding(job.id, &finding(&job, "gateway-fault", &gateway(0), NOW), NOW + secs(301));
            let taken = fleet.observe_alert(alert(12, last_seen - secs(30)), NOW + secs(302));
            assert!(matches!(taken, Taken::Member(_)), "{taken:?}");
        }
        assert_eq!(fleet.incidents().count(), 1);
        check(&fleet);
    }
}

#[test]
fn cause_of_one_device_explains_no_other() {
    let mut fleet = fleet();
    for nr in [0, 6, 12] {
        fleet.observe_alert(alert(nr, NOW), NOW);
    }
    let mut diagnosed = 0;
    for turn in 0..4 {
        for job in poll(&mut fleet, NOW + secs(30 + turn)).jobs {
            diagnosed += 1;
            let part = Part::Device(job.subject.device.clone());
            fleet.observe_finding(job.id, &finding(&job, "power-fault", &part, NOW), NOW + secs(30 + turn));
        }
    }
    assert_eq!(diagnosed, 3);
    check(&fleet);
    // One cause at one place and time is one incident all the same.
    let incident = fleet.incidents().next().unwrap();
    assert_eq!((incident.parts.len(), &incident.place, fleet.incidents().count()), (3, &gateway(0), 1));
}

#[test]
fn slow_diagnosis_holds_nobody_up() {
    let mut fleet = fleet();
    for nr in 0..12 {
        fleet.observe_alert(alert(nr, NOW), NOW);
    }
    let first = poll(&mut fleet, NOW + secs(30)).jobs;
    assert_eq!(first.len(), 1);
    assert!(poll(&mut fleet, NOW + secs(59)).jobs.is_empty());
    // After the patience the next one is the first of the other site, and then of every gateway.
    let second = poll(&mut fleet, NOW + secs(60)).jobs;
    assert_eq!(second.len(), 1);
    let mut all = poll(&mut fleet, NOW + secs(90)).jobs;
    all.extend(poll(&mut fleet, NOW + secs(120)).jobs);
    all.extend(poll(&mut fleet, NOW + secs(150)).jobs);
    all.extend(poll(&mut fleet, NOW + secs(180)).jobs);
    assert_eq!(all.len(), 4, "one for each gateway that is left");
    check(&fleet);
}

#[test]
fn cause_of_the_site_explains_its_gateways() {
    let mut fleet = fleet();
    for nr in 0..24 {
        fleet.observe_alert(alert(nr, NOW), NOW);
    }
    let job = poll(&mut fleet, NOW + secs(30)).jobs.remove(0);
    let site = Part::Site(job.subject.site.clone().unwrap());
    fleet.observe_finding(job.id, &finding(&job, "site-uplink-fault", &site, NOW), NOW + secs(31));
    let incident = fleet.incidents().next().unwrap();
    assert_eq!((incident.silent(), &incident.place), (12, &site));
    check(&fleet);
    let next = poll(&mut fleet, NOW + secs(31)).jobs.remove(0);
    assert_ne!(next.subject.site, job.subject.site);
}

#[test]
fn platform_cause_is_measured_at_each_site() {
    let mut fleet = fleet();
    for nr in 0..24 {
        fleet.observe_alert(alert(nr, NOW), NOW);
    }
    let first = poll(&mut fleet, NOW + secs(30)).jobs.remove(0);
    fleet.observe_finding(first.id, &finding(&first, "broker-fault", &Part::Platform, NOW), NOW + secs(31));
    // The broker has nodes: the other site may be silent for another reason.
    assert_eq!(fleet.incidents().next().unwrap().silent(), 12);
    let second = poll(&mut fleet, NOW + secs(31)).jobs.remove(0);
    assert_ne!(second.subject.site, first.subject.site);
    fleet.observe_finding(second.id, &finding(&second, "broker-fault", &Part::Platform, NOW), NOW + secs(32));
    assert!(poll(&mut fleet, NOW + secs(32)).jobs.is_empty());
    assert_eq!((fleet.incidents().count(), fleet.incidents().next().unwrap().silent()), (1, 24));
    check(&fleet);
}

#[test]
fn three_sites_are_one_incident() {
    let subject = |nr: usize| Subject::device(format!("d-{nr}")).with_site(format!("site-{nr}"));
    let mut fleet = Fleet::new((0..4).map(subject).collect::<Topology>(), FleetSettings::default(), NOW);
    for nr in 0..4 {
        fleet.observe_alert(alert(nr, NOW), NOW);
    }
    let mut closed = Vec::new();
    for turn in 0..8 {
        let now = NOW + secs(30 + turn);
        let wanted = poll(&mut fleet, now);
        closed.extend(wanted.closed);
        for job in wanted.jobs {
            let part = Part::Device(job.subject.device.clone());
            fleet.observe_finding(job.id, &finding(&job, "trust-chain-fault", &part, NOW), now);
            check(&fleet);
        }
    }
    let incident = fleet.incidents().next().unwrap();
    assert_eq!((incident.parts.len(), &incident.place, fleet.incidents().count()), (4, &Part::Platform, 1));
    assert_eq!(closed.len(), 1);
    assert_eq!(closed[0].closed.as_ref().unwrap().merged_into, Some(incident.id));
}

#[test]
fn incident_ends_by_measurement() {
    let mut fleet = fleet();
    for nr in [0, 6, 12, 18] {
        fleet.observe_alert(alert(nr, NOW), NOW);
    }
    let job = poll(&mut fleet, NOW + secs(30)).jobs.remove(0);
    fleet.observe_finding(job.id, &finding(&job, "gateway-fault", &gateway(0), NOW), NOW + secs(31));
    assert_eq!(poll(&mut fleet, NOW + secs(61)).pages.len(), 1);
    // One is back: the others are given a minute, and then it is measured again by one that is out.
    let back = job.subject.device;
    fleet.observe_seen(&back, NOW + secs(100), NOW + secs(100));
    assert!(poll(&mut fleet, NOW + secs(159)).jobs.is_empty());
    let again = poll(&mut fleet, NOW + secs(160)).jobs.remove(0);
    assert!(again.incident.is_some() && again.subject.device != back);
    let part = Part::Device(again.subject.device.clone());
    fleet.observe_finding(again.id, &finding(&again, "power-fault", &part, NOW), NOW + secs(161));
    check(&fleet);
    let wanted = poll(&mut fleet, NOW + secs(191));
    let closed = &wanted.closed[0];
    assert_eq!(closed.closed.as_ref().unwrap().still_out, 2, "{closed}");
    assert_eq!(wanted.jobs.len(), 1, "those that are out are diagnosed, each for itself");
    assert_eq!(
        fleet.incidents().map(|incident| incident.title.to_string()).collect::<Vec<_>>(),
        ["power-fault"]
    );
}

#[test]
fn what_is_confirmed_or_unknown_stays_open() {
    let mut fleet = fleet();
    fleet.observe_alert(alert(0, NOW), NOW);
    let job = poll(&mut fleet, NOW + secs(30)).jobs.remove(0);
    fleet.observe_finding(job.id, &finding(&job, "gateway-fault", &gateway(0), NOW), NOW + secs(30));
    let mut at = NOW + secs(30);
    // The pause doubles: 5, 10, 20, 40, 60, 60 minutes.
    for (turn, pause) in [300, 600, 1_200, 2_400, 3_600, 3_600].into_iter().enumerate() {
        assert!(poll(&mut fleet, at + secs(pause - 1)).jobs.is_empty());
        at += secs(pause);
        let again = poll(&mut fleet, at).jobs.remove(0);
        let found = if turn % 2 == 0 {
            finding(&again, "gateway-fault", &gateway(0), at)
        } else {
            undetermined(&again, &[("network-change", 1.0)], at)
        };
        fleet.observe_finding(again.id, &found, at);
        check(&fleet);
        let incident = fleet.incidents().next().unwrap();
        assert_eq!(incident.confirmed_at == at, turn % 2 == 0);
    }
}

#[test]
fn joint_return_is_one_short_outage() {
    let mut fleet = fleet();
    for nr in [0, 6, 12, 18] {
        fleet.observe_alert(alert(nr, NOW - secs(60)), NOW);
    }
    for nr in [0, 6, 12, 18] {
        fleet.observe_seen(&subject(nr).device, NOW + secs(10), NOW + secs(10));
    }
    let wanted = poll(&mut fleet, NOW + secs(40));
    assert!(wanted.jobs.is_empty() && wanted.pages.is_empty());
    assert_eq!((&wanted.closed[0].cause, wanted.closed[0].members.len()), (&Cause::ShortOutage, 4));
    assert_eq!(wanted.closed[0].place, gateway(0));
    assert_eq!(fleet.counts().over, 4);
    check(&fleet);
}

#[test]
fn old_and_future_messages_do_not_end_a_silence() {
    let mut fleet = fleet();
    fleet.observe_alert(alert(0, NOW), NOW);
    let device = subject(0).device;
    for at in [-1, 0, 3_600] {
        fleet.observe_seen(&device, NOW + secs(at), NOW + secs(1));
        assert_eq!(fleet.counts().over, 0, "{at}");
    }
    fleet.observe_seen(&device, NOW + secs(1), NOW + secs(1));
    assert_eq!(fleet.counts().over, 1);
}

#[test]
fn seen_during_diagnosis_is_news() {
    let mut fleet = fleet();
    fleet.observe_alert(alert(0, NOW), NOW);
    let job = poll(&mut fleet, NOW + secs(30)).jobs.remove(0);
    for at in [31, 32] {
        fleet.observe_seen(&job.subject.device, NOW + secs(at), NOW + secs(at));
    }
    assert_eq!(poll(&mut fleet, NOW + secs(33)).back, 1);
    // What its diagnosis found ends with it.
    fleet.observe_finding(job.id, &finding(&job, "gateway-fault", &gateway(0), NOW), NOW + secs(34));
    assert_eq!(poll(&mut fleet, NOW + secs(34)).closed[0].closed.as_ref().unwrap().still_out, 0);
    assert_eq!((fleet.incidents().count(), fleet.counts().over), (0, 1));
}

#[test]
fn maintenance_silences_only_the_alert() {
    let mut fleet = fleet();
    let window = Period::new(NOW, NOW + secs(3_600)).unwrap();
    fleet.observe_maintenance(Maintenance::new(gateway(0), window, "new firmware"), NOW);
    let until = NOW + secs(3_600);
    assert_eq!(fleet.observe_alert(alert(0, NOW), NOW), Taken::InMaintenance { until });
    assert_eq!(fleet.observe_alert(alert(6, NOW), NOW), Taken::InMaintenance { until });
    assert_eq!(fleet.observe_alert(alert(1, NOW), NOW), Taken::Waits);
    fleet.observe_resolved("device-offline", &subject(6).device, NOW, NOW);
    assert_eq!(fleet.counts().over, 1);
    poll(&mut fleet, until);
    let late = poll(&mut fleet, until + secs(30)).jobs;
    assert!(late.iter().any(|job| job.subject.device == "d-0"), "{late:?}");
    check(&fleet);
}

#[test]
fn changes_are_evidence_and_weigh() {
    let mut fleet = fleet();
    let changed = |part: Part, at, text| Change::new(part, NOW + secs(at), text).favouring("network-change");
    fleet.observe_change(changed(Part::Site("site-0".into()), -600, "firewall rule 114"), NOW);
    fleet.observe_change(changed(Part::Site("site-1".into()), -600, "another site"), NOW);
    fleet.observe_change(changed(gateway(0), -90_000, "the day before yesterday"), NOW);
    fleet.observe_alert(alert(0, NOW), NOW);
    let job = poll(&mut fleet, NOW + secs(30)).jobs.remove(0);
    let causes = [("power-loss", 0.6), ("network-change", 0.4)];
    fleet.observe_finding(job.id, &undetermined(&job, &causes, NOW), NOW + secs(31));
    let incident = fleet.incidents().next().unwrap();
    assert_eq!(
        incident.changes.iter().map(|change| &*change.text).collect::<Vec<_>>(),
        ["firewall rule 114"]
    );
    let shares: Vec<_> = incident.hypotheses.iter().map(|one| (&*one.cause, one.share)).collect();
    assert_eq!(shares[0].0, "network-change");
    assert!((shares[0].1 - 1.2 / 1.8).abs() < 1e-12, "{shares:?}");
    // One that is heard of later counts too.
    fleet.observe_change(changed(gateway(0), -30, "VLAN 20"), NOW + secs(60));
    assert_eq!(fleet.incidents().next().unwrap().changes.len(), 2);
}

#[test]
fn three_vain_members_stop_the_asking() {
    let mut fleet = fleet();
    for nr in 0..10 {
        fleet.observe_alert(alert(nr * 6, NOW), NOW);
    }
    let mut diagnosed = 0;
    for turn in 0..6 {
        let now = NOW + secs(30 + turn);
        for job in poll(&mut fleet, now).jobs {
            diagnosed += 1;
            fleet.observe_finding(job.id, &undetermined(&job, &[("network-change", 1.0)], NOW), now);
            check(&fleet);
        }
    }
    assert_eq!(diagnosed, 3);
    let incident = fleet.incidents().next().unwrap();
    assert_eq!((incident.silent(), fleet.incidents().count()), (10, 1));
    let unasked = incident.members.values().filter(|member| matches!(member.proof, Proof::LikeOthers { .. }));
    assert_eq!(unasked.count(), 7);
}

#[test]
fn silent_devices_beside_one_are_counted() {
    let mut fleet = fleet();
    for nr in [0, 6, 12, 2] {
        fleet.observe_alert(alert(nr, NOW), NOW);
    }
    let peers = fleet.silent_beside(&subject(0));
    let share = |share: Option<iot_runbook::probe::SilentShare>| share.map(|share| (share.silent, share.of));
    assert_eq!((share(peers.gateway), share(peers.site)), (Some((3, 10)), Some((4, 30))));
    assert_eq!(fleet.silent_beside(&Subject::device("stranger")).gateway, None);
}

/// It came back in one incident and is silent in the other; a third site makes one of both.
#[test]
fn merged_member_stays_silent_for_its_part() {
    let subject = |device: &str, place: &str| {
        Subject::device(device.to_owned())
            .with_gateway(format!("gw-{place}"))
            .with_site(format!("site-{place}"))
            .with_reporting_interval(secs(60))
    };
    let places = [("d-0", "a"), ("d-1", "a"), ("d-2", "a"), ("d-3", "b")];
    let places = places.map(|(device, place)| subject(device, place));
    let mut fleet = Fleet::new(places.into_iter().collect(), FleetSettings::default(), NOW);
    let mut now = NOW;
    let mut silent = |fleet: &mut Fleet, nr: usize, last_seen: i64, part: Part| {
        fleet.observe_alert(alert(nr, NOW + secs(last_seen)), now);
        now += secs(60);
        for job in poll(fleet, now).jobs {
            fleet.observe_finding(job.id, &finding(&job, "trust-chain-fault", &part, now), now);
        }
        check(fleet);
        now
    };
    let device = |nr: usize| Part::Device(format!("d-{nr}").into());
    let behind = Part::Gateway("gw-a".into());
    silent(&mut fleet, 0, 0, behind.clone());
    silent(&mut fleet, 1, -400, device(1));
    let seen = silent(&mut fleet, 2, -400, device(2));
    assert_eq!(fleet.incidents().count(), 2, "they fell silent at another time");
    fleet.observe_seen(&"d-1".into(), seen, seen);
    silent(&mut fleet, 1, 60, behind.clone());
    assert_eq!(fleet.incidents().map(Incident::silent).collect::<Vec<_>>(), [2, 1]);

    let mut later = silent(&mut fleet, 3, -200, device(3));
    let incident = fleet.incidents().next().unwrap();
    assert_eq!((fleet.incidents().count(), incident.silent()), (1, 4));
    let member = &incident.members["d-1"];
    assert_eq!((&member.part, member.back_at), (&behind, None));
    for nr in 0..4 {
        later += secs(1);
        fleet.observe_seen(&format!("d-{nr}").into(), later, later);
        check(&fleet);
    }
    assert_eq!(fleet.incidents().count(), 0, "all are back");
}

/// A clock that is ahead raised the alert: the device is back as soon as it is seen after that.
#[test]
fn alert_of_the_future_ends_by_a_sighting() {
    for (ahead, is_over) in [(3_600, true), (31, true), (30, false)] {
        let mut fleet = fleet();
        let trigger = Trigger::new("no message for 30 min", NOW + secs(ahead));
        fleet.observe_alert(DeviceAlert::new("device-offline", "d-0", trigger, "alertmanager"), NOW);
        let device = subject(0).device;
        fleet.observe_seen(&device, NOW, NOW + secs(1));
        assert_eq!(fleet.counts().over, 0, "seen before it");
        fleet.observe_seen(&device, NOW + secs(20), NOW + secs(20));
        assert_eq!(fleet.counts().over == 1, is_over, "{ahead}");
        check(&fleet);
    }
}
