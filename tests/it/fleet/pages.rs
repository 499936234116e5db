//! Whom it wakes, and what survives a restart or a clock.

use iot_runbook::subject::Part;

use super::*;

/// Forty incidents, each of one gateway at a site of its own, and all at different times.
fn busy(settings: FleetSettings) -> Fleet {
    let subject = |nr: usize| Subject::device(format!("d-{nr}")).with_site(format!("site-{nr}"));
    Fleet::new((0..40).map(subject).collect::<Topology>(), settings, NOW)
}

#[test]
fn pages_are_few_and_leave_nobody_out() {
    let mut fleet = busy(FleetSettings::default());
    let (mut paged, mut at) = (Vec::new(), Vec::new());
    for second in 0..2_400 {
        let now = NOW + secs(second);
        if second < 40 {
            // Causes that differ are never one incident.
            fleet.observe_alert(alert(second as usize, now - secs(3_600)), now);
        }
        let wanted = poll(&mut fleet, now);
        for job in wanted.jobs.into_iter().filter(|job| job.incident.is_none()) {
            let part = Part::Device(job.subject.device.clone());
            let conclusion = format!("fault-of-{}", job.subject.device);
            fleet.observe_finding(job.id, &finding(&job, &conclusion, &part, now), now);
        }
        for page in poll(&mut fleet, now).pages.into_iter().chain(wanted.pages) {
            assert_eq!(page.lines.len(), page.incidents.len());
            at.push(now);
            paged.extend(page.incidents);
        }
    }
    for first in &at {
        let within = at.iter().filter(|other| *other >= first && **other < *first + secs(600)).count();
        assert!(within <= 10, "{within} pages after {first}");
    }
    paged.sort_unstable();
    let all: Vec<_> = fleet.incidents().map(|incident| incident.id).collect();
    assert_eq!(paged, all, "each once");
    assert_eq!(all.len(), 40);
}

#[test]
fn what_needs_nobody_pages_nobody() {
    for (conclusion, severity) in [("gateway-recovered", "warning"), ("expected-offline", "info")] {
        let mut fleet = fleet();
        fleet.observe_alert(alert(0, NOW), NOW);
        fleet.observe_alert(alert(6, NOW), NOW);
        let job = poll(&mut fleet, NOW + secs(30)).jobs.remove(0);
        let mut value = serde_json::to_value(finding(&job, conclusion, &gateway(0), NOW)).unwrap();
        value["severity"] = json!(severity);
        fleet.observe_finding(job.id, &serde_json::from_value(value).unwrap(), NOW + secs(31));
        assert!(poll(&mut fleet, NOW + secs(120)).pages.is_empty(), "{conclusion}");
        check(&fleet);
    }
}

#[test]
fn ended_incident_pages_nobody() {
    let mut fleet = fleet();
    fleet.observe_alert(alert(0, NOW), NOW);
    let job = poll(&mut fleet, NOW + secs(30)).jobs.remove(0);
    fleet.observe_finding(job.id, &finding(&job, "gateway-fault", &gateway(0), NOW), NOW + secs(31));
    fleet.observe_seen(&job.subject.device, NOW + secs(40), NOW + secs(40));
    let wanted = poll(&mut fleet, NOW + secs(120));
    assert_eq!((wanted.pages.len(), wanted.closed.len()), (0, 1));
}

#[test]
fn clock_set_back_lengthens_no_wait() {
    let mut fleet = fleet();
    fleet.observe_alert(alert(0, NOW), NOW);
    // A day back, after twenty of thirty seconds.
    let wanted = poll(&mut fleet, NOW + secs(20));
    assert_eq!(wanted.until, Some(NOW + secs(30)));
    let back = NOW - secs(86_400);
    assert_eq!(poll(&mut fleet, back).until, Some(back + secs(10)));
    assert!(poll(&mut fleet, back + secs(9)).jobs.is_empty());
    assert_eq!(poll(&mut fleet, back + secs(10)).jobs.len(), 1);
}

#[test]
fn the_ends_of_the_calendar_are_times_too() {
    let mut fleet = Fleet::new(Topology::default(), FleetSettings::default(), DateTime::<Utc>::MIN_UTC);
    fleet.observe_alert(alert(0, DateTime::<Utc>::MIN_UTC), DateTime::<Utc>::MAX_UTC);
    fleet.observe_seen(&"d-0".into(), DateTime::<Utc>::MAX_UTC, DateTime::<Utc>::MIN_UTC);
    let job = poll(&mut fleet, DateTime::<Utc>::MAX_UTC).jobs;
    assert_eq!(job.len(), 1);
    check(&fleet);
}

#[test]
fn a_saved_fleet_goes_on_where_it_was() {
    let mut fleet = fleet();
    for nr in 0..30 {
        fleet.observe_alert(alert(nr, NOW), NOW);
    }
    let job = poll(&mut fleet, NOW + secs(30)).jobs.remove(0);
    let text = serde_json::to_string(&fleet).unwrap();
    let mut restored: Fleet = serde_json::from_str(&text).unwrap();
    assert_eq!(restored, fleet);
    restored.hand_out_again();
    assert_eq!(poll(&mut restored, NOW + secs(31)).jobs, std::slice::from_ref(&job));
    for fleet in [&mut fleet, &mut restored] {
        fleet.observe_finding(job.id, &finding(&job, "gateway-fault", &gateway(0), NOW), NOW + secs(31));
        // A finding that comes twice, and one that nobody asked for, change nothing.
        fleet.observe_finding(job.id, &finding(&job, "power-fault", &gateway(0), NOW), NOW + secs(31));
    }
    assert_eq!(poll(&mut fleet, NOW + secs(70)), poll(&mut restored, NOW + secs(70)));
    assert_eq!(restored, fleet);
}

/// Six incidents, of which the limit lets two out: the others are one page later, the worst first.
#[test]
fn what_waits_for_the_limit_is_one_page_the_worst_first() {
    // None: the cause stayed unknown.
    let severities = [Some("warning"), None, Some("warning"), None, Some("critical"), Some("warning")];
    for (most, expected) in
        [(2, [vec![1], vec![2], vec![5, 3, 6, 4]]), (0, [vec![1], vec![5, 3, 6, 2, 4], vec![]])]
    {
        let mut settings = FleetSettings::default();
        settings.most_pages = most;
        settings.pages_within = std::time::Duration::from_secs(3_600);
        let mut fleet = busy(settings);
        let mut pages = Vec::new();
        for second in 0..4_000 {
            let now = NOW + secs(second);
            if second % 100 == 0 && second < 600 {
                fleet.observe_alert(alert(second as usize / 100, now), now);
            }
            let wanted = poll(&mut fleet, now);
            pages.extend(wanted.pages.into_iter().map(|page| (second, page)));
            for job in wanted.jobs.into_iter().filter(|job| job.incident.is_none()) {
                let device = job.subject.device.clone();
                let found = match severities[device.as_str()[2..].parse::<usize>().unwrap()] {
                    Some(severity) => {
                        let part = Part::Device(device.clone());
                        let mut value =
                            serde_json::to_value(finding(&job, device.as_str(), &part, now)).unwrap();
                        value["severity"] = json!(severity);
                        serde_json::from_value(value).unwrap()
                    }
                    None => undetermined(&job, &[(device.as_str(), 1.0)], now),
                };
                fleet.observe_finding(job.id, &found, now);
            }
            let paged: usize = pages.iter().map(|(_, page)| page.incidents.len()).sum();
            assert_eq!(fleet.incidents().filter(|incident| incident.paged_at.is_some()).count(), paged);
        }
        let paged: Vec<Vec<u64>> =
            pages.iter().map(|(_, page)| page.incidents.iter().map(|id| id.0).collect()).collect();
        let expected: Vec<Vec<u64>> = expected.into_iter().filter(|page| !page.is_empty()).collect();
        assert_eq!(paged, expected, "at most {most}");
        let (last, worst) = pages.last().unwrap();
        assert_eq!(
            (*last, worst.severity.unwrap().name()),
            (60 + 3_600, "critical"),
            "as soon as the limit allows"
        );
    }
}
