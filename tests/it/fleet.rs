//! Many alerts, few causes.

#[path = "../../examples/storm/storm.rs"]
mod storm;
#[path = "../../examples/storm/world.rs"]
mod world;

mod causes;
mod events;
mod groups;
mod incidents;
mod names;
mod pages;
mod report;
mod runner;
mod schedule;
mod storms;
mod webhook;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::diagnosis::Finding;
use iot_runbook::fleet::{DeviceAlert, Fleet, FleetSettings, Incident, Job, Output, Page, Topology};
use iot_runbook::subject::{Part, Subject, Trigger};
use serde_json::json;

const NOW: DateTime<Utc> = DateTime::from_timestamp(1_800_000_000, 0).unwrap();

fn secs(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds)
}

/// Six gateways at two sites: `gw-0`, `gw-2` and `gw-4` at `site-0`; device `d-N` is behind `gw-(N mod 6)`.
fn subject(nr: usize) -> Subject {
    let gateway = nr % 6;
    Subject::device(format!("d-{nr}"))
        .with_gateway(format!("gw-{gateway}"))
        .with_site(format!("site-{}", gateway % 2))
        .with_gateway_session()
        .with_reporting_interval(secs(60))
}

fn gateway(nr: usize) -> Part {
    Part::Gateway(format!("gw-{}", nr % 6).into())
}

/// A fleet of sixty devices.
fn fleet() -> Fleet {
    Fleet::new((0..60).map(subject).collect::<Topology>(), FleetSettings::default(), NOW)
}

/// An alert about a device that was last seen at that time.
fn alert(nr: usize, last_seen: DateTime<Utc>) -> DeviceAlert {
    let trigger = Trigger::new("no message for 30 min", last_seen + secs(1_800));
    DeviceAlert::new("device-offline", format!("d-{nr}"), trigger, "alertmanager").with_last_seen(last_seen)
}

/// The finding of a job: a conclusion about a part.
fn finding(job: &Job, conclusion: &str, part: &Part, at: DateTime<Utc>) -> Finding {
    let recovered = conclusion.contains("recovered");
    let root_cause = (conclusion != "recovered-meanwhile").then(|| format!("cause of {conclusion}"));
    serde_json::from_value(json!({
        "diagnosis": format!("{:026}", job.id.0), "runbook": job.runbook, "subject": job.subject,
        "ending": "concluded", "at": at, "conclusion": conclusion, "title": conclusion,
        "root_cause": root_cause, "severity": "critical", "recovered": recovered, "part": part,
        "advice": [], "hypotheses": [], "refuted": [], "next_probe": null, "unanswered": [],
        "contributing": [], "unasked": [], "called": [], "anomalies": [],
    }))
    .unwrap()
}

/// The finding of a job that came to nothing, with its hypotheses.
fn undetermined(job: &Job, causes: &[(&str, f64)], at: DateTime<Utc>) -> Finding {
    let hypotheses = causes.iter().map(|(cause, share)| {
        json!({"cause": cause, "share": share, "conclusions": [], "outcomes": [], "blocked_at": null,
               "supported_by": [], "needs": []})
    });
    let mut value = serde_json::to_value(finding(job, "none", &Part::Platform, at)).unwrap();
    value["ending"] = json!("undetermined");
    for none in ["conclusion", "title", "root_cause", "severity", "part"] {
        value[none] = json!(null);
    }
    value["hypotheses"] = hypotheses.collect();
    serde_json::from_value(value).unwrap()
}

/// All that a fleet wants done at one moment.
#[derive(Debug, Default, PartialEq)]
struct Wanted {
    jobs: Vec<Job>,
    back: usize,
    pages: Vec<Page>,
    closed: Vec<Incident>,
    until: Option<DateTime<Utc>>,
}

fn poll(fleet: &mut Fleet, now: DateTime<Utc>) -> Wanted {
    let mut wanted = Wanted::default();
    loop {
        match fleet.poll(now) {
            Output::Diagnose(job) => wanted.jobs.push(job),
            Output::Back { .. } => wanted.back += 1,
            Output::Page(page) => wanted.pages.push(page),
            Output::Closed(incident) => wanted.closed.push(*incident),
            Output::Pending { until } => {
                wanted.until = until;
                return wanted;
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Every alert is accounted for, and each incident knows its devices.
fn check(fleet: &Fleet) {
    let counts = fleet.counts();
    let accounted =
        counts.waiting + counts.diagnosed_now + counts.members + counts.in_maintenance + counts.over;
    assert_eq!(counts.alerts, counts.repeated + accounted, "{counts:?}");
    let silent: usize = fleet.incidents().map(Incident::silent).sum();
    assert_eq!(counts.members, silent as u64, "{counts:?}");
    for incident in fleet.incidents() {
        assert!(incident.silent() <= incident.members.len(), "{incident}");
        let by_part: usize = incident.parts.values().map(|blamed| blamed.silent).sum();
        assert_eq!(by_part, incident.silent(), "{incident}");
        assert!(incident.parts.values().any(|blamed| blamed.ended_at.is_none()), "{incident}");
        for member in incident.members.values() {
            assert!(incident.parts.contains_key(&member.part), "{incident}");
        }
    }
}
