//! Blank names in alerts, topologies and news.

use iot_runbook::fleet::{Change, DeviceAlert, Fleet, FleetSettings, Incoming, Taken, Topology};
use iot_runbook::subject::{Part, Scope, Subject, Trigger};
use serde_json::{Value, json};

use super::{NOW, alert, check, finding, poll, secs};

/// A fleet read from the text of a topology: a device at each of two sites, whose registry leaves the gateway empty.
fn two_sites(gateway: &str) -> Topology {
    let device =
        |nr: usize| json!({"device": format!("d-{nr}"), "gateway": gateway, "site": format!("site-{nr}")});
    serde_json::from_value(json!([device(0), device(1)])).unwrap()
}

#[test]
fn sites_without_gateway_names_share_no_incident() {
    for blank in ["", " ", "\t"] {
        let mut fleet = Fleet::new(two_sites(blank), FleetSettings::default(), NOW);
        for nr in 0..2 {
            fleet.observe_alert(alert(nr, NOW - secs(nr as i64)), NOW);
        }
        let jobs = poll(&mut fleet, NOW + secs(600)).jobs;
        assert!(!jobs.is_empty());
        for job in &jobs {
            assert_eq!(job.subject.part(Scope::Gateway), None);
            // A runbook that blames the gateway blames the device where there is none; here a careless one.
            let blamed =
                job.subject.part(Scope::Gateway).or_else(|| job.subject.part(Scope::Device)).unwrap();
            fleet.observe_finding(
                job.id,
                &finding(job, "gateway-down", &blamed, NOW + secs(601)),
                NOW + secs(601),
            );
        }
        for incident in fleet.incidents() {
            assert_eq!(incident.members.len(), 1, "{incident}");
            assert!(incident.parts.keys().all(|part| !part.is_blank()), "{incident}");
        }
        check(&fleet);
    }
}

#[test]
fn alerts_of_blank_devices_are_not_taken() {
    let mut fleet = super::fleet();
    let before = fleet.clone();
    for blank in ["", "  "] {
        let trigger = Trigger::new("no message for 30 min", NOW);
        let odd = DeviceAlert::new("device-offline", blank, trigger, "alertmanager");
        assert_eq!(fleet.observe_alert(odd, NOW), Taken::NamesNoDevice);
    }
    assert_eq!(fleet, before);
}

#[test]
fn topology_refuses_devices_of_blank_names() {
    let text = r#"[{"device": "d-0"}, {"device": " "}]"#;
    let error = serde_json::from_str::<Topology>(text).unwrap_err().to_string();
    assert!(
        error.contains("device 1 of the topology: the name of a device is blank: give the name"),
        "{error}"
    );
}

#[test]
fn saved_fleet_with_blank_names_is_still_read() {
    let mut topology: Topology = (0..6).map(super::subject).collect();
    topology.insert(Subject::device(""));
    let mut fleet = Fleet::new(topology, FleetSettings::default(), NOW);
    // By an earlier release also a change of a gateway without a name: it concerns nobody.
    fleet.observe_change(Change::new(Part::Gateway("".into()), NOW, "firmware 2.1"), NOW);
    fleet.observe_alert(alert(0, NOW), NOW);
    let saved: Value = serde_json::to_value(&fleet).unwrap();
    assert_eq!(serde_json::from_value::<Fleet>(saved).unwrap(), fleet);
}

/// Everything that may be offered, about something of a blank name.
pub(super) fn blank_news() -> [Incoming; 4] {
    let device = || " ".into();
    let trigger = Trigger::new("no message for 30 min", NOW);
    [
        Incoming::Alert(DeviceAlert::new("device-offline", device(), trigger, "alertmanager")),
        Incoming::Seen { device: device(), at: NOW },
        Incoming::Resolved { runbook: "device-offline".into(), device: device(), at: NOW },
        Incoming::Change(Change::new(Part::Site(" ".into()), NOW, "firewall rule 114")),
    ]
}
