//! An incident as an operator reads it.

use iot_runbook::catalog;
use iot_runbook::fleet::Change;
use iot_runbook::report::{Report, Tone};

use super::*;
use crate::report::page;

#[test]
fn report_names_every_device_and_why() {
    let mut fleet = fleet();
    fleet.observe_change(Change::new(gateway(0), NOW - secs(300), "firmware 7 <beta>"), NOW);
    for nr in [0, 6, 12, 18] {
        fleet.observe_alert(alert(nr, NOW - secs(nr as i64)), NOW);
    }
    let job = poll(&mut fleet, NOW + secs(30)).jobs.remove(0);
    fleet.observe_finding(job.id, &finding(&job, "gateway-fault", &gateway(0), NOW), NOW + secs(31));
    poll(&mut fleet, NOW + secs(31));
    fleet.observe_resolved("device-offline", &"d-18".into(), NOW + secs(40), NOW + secs(40));
    let incident = fleet.incidents().next().unwrap();
    let set = catalog::set().unwrap();
    let report = Report::of_incident(incident, &set);
    assert_eq!(report.headline, incident.to_string());
    assert_eq!(report.tone.word(), "critical");
    let groups: Vec<_> = report.affected.iter().map(|one| (&*one.why, one.devices.join(" "))).collect();
    let diagnosed = job.subject.device.to_string();
    let mut others: Vec<_> = ["d-0", "d-12", "d-6"].into_iter().filter(|one| *one != diagnosed).collect();
    others.sort_unstable();
    assert_eq!(groups.len(), 3, "{groups:?}");
    assert_eq!(groups[0], ("Silent, gateway gw-0: found by its own diagnosis", diagnosed));
    assert!(groups[1].0.starts_with("Silent, gateway gw-0: not diagnosed; they depend on it"), "{groups:?}");
    assert_eq!(groups[1].1, others.join(" "));
    assert!(groups[2].0.starts_with("Back, gateway gw-0: "), "{groups:?}");
    assert_eq!(groups[2].1, "d-18");
    // Changed before the first fell silent.
    assert!(report.timeline[0].what.contains("firmware 7"), "{:?}", report.timeline);
    let (html, markdown, text) = (report.to_html(), report.to_markdown(), report.to_text(80));
    assert!(text.contains("\n1 device\n") && text.contains("\n2 devices\n"), "{text}");
    page::is_well_formed(&html).unwrap();
    page::has_whole_tables(&markdown).unwrap();
    for (page, words) in [
        (&html, "firmware 7 &lt;beta&gt;"),
        (&html, "<summary>Names</summary>"),
        (&markdown, "firmware 7 \\<beta\\>"),
        (&text, "3 of 4 silent"),
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
}

#[test]
fn incident_whose_devices_are_back_is_recovered() {
    let mut fleet = fleet();
    fleet.observe_alert(alert(0, NOW), NOW);
    let job = poll(&mut fleet, NOW + secs(30)).jobs.remove(0);
    fleet.observe_finding(job.id, &finding(&job, "gateway-fault", &gateway(0), NOW), NOW + secs(31));
    fleet.observe_resolved("device-offline", &"d-0".into(), NOW + secs(60), NOW + secs(60));
    let closed = poll(&mut fleet, NOW + secs(3_600)).closed.remove(0);
    let report = Report::of_incident(&closed, &catalog::set().unwrap());
    assert_eq!(report.tone, Tone::Recovered);
    assert_eq!(report.timeline.last().unwrap().what, "Closed: all devices are back");
}
