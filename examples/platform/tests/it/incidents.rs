//! The incident of a gateway in PostgreSQL, through a restart of its process and of the server.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::diagnosis::Output as Wanted;
use iot_runbook::fact::{Observation, Value};
use iot_runbook::fleet::{DeviceAlert, Fleet, FleetSettings, Incident, Job, Output, Pager as _, Topology};
use iot_runbook::time::ManualClock;
use iot_runbook::{Diagnosis, Document, Finding, RunbookSet, Subject, Trigger};
use platform::database::Database;
use platform::incidents::{Incidents, IncidentsError};
use private::Postgres;
use ulid::Ulid;

/// One question, which decides.
const RUNBOOK: &str = r#"
name = "device-offline"
version = 1
title = "Why is it offline?"
start = "gateway"
[checks.gateway]
scope = "gateway"
domain = "flag"
[steps.gateway]
title = "Is its gateway up?"
check = "gateway"
unknown = "device-fault"
not_named = "device-fault"
branches = [{ is = true, to = "gateway-works" }, { is = false, to = "gateway-fault" }]
[conclusions.gateway-fault]
title = "The gateway is down"
root_cause = "gateway-crash-or-oom"
severity = "critical"
part = "gateway"
[conclusions.gateway-works]
title = "The gateway works"
severity = "info"
[conclusions.device-fault]
title = "The device is down"
severity = "warning"
"#;

fn diagnose(set: &RunbookSet, job: &Job, is_up: bool, now: DateTime<Utc>) -> Finding {
    let (subject, trigger) = (job.subject.clone(), job.trigger.clone());
    let mut diagnosis =
        Diagnosis::new(Ulid(job.id.0.into()), set, &job.runbook, subject, trigger, now).unwrap();
    loop {
        match diagnosis.poll(now) {
            Wanted::Probe(request) => {
                let observation = Observation::known(Value::Flag(is_up), now, "test");
                diagnosis.answer(request.id, observation, now).unwrap();
            }
            Wanted::Concluded(finding) => return *finding,
            other => panic!("{other:?}"),
        }
    }
}

/// Drives the fleet until it has nothing to do by `until`, and keeps its pages and ends.
async fn drive(
    fleet: &mut Fleet,
    incidents: &Incidents,
    set: &RunbookSet,
    is_up: bool,
    until: DateTime<Utc>,
) {
    let mut now = until - TimeDelta::hours(2);
    loop {
        match fleet.poll(now) {
            Output::Diagnose(job) => {
                let finding = diagnose(set, &job, is_up, now);
                fleet.observe_finding(job.id, &finding, now);
            }
            Output::Page(page) => {
                let paged: Vec<Incident> =
                    page.incidents.iter().filter_map(|id| fleet.incident(*id).cloned()).collect();
                incidents.page(&page, &paged).await;
                // A run that was dropped before it returned delivers it again.
                incidents.page(&page, &paged).await;
            }
            Output::Closed(incident) => incidents.closed(&incident).await,
            Output::Pending { until: Some(next) } if next <= until => now = next,
            Output::Pending { .. } => return,
            _ => {}
        }
    }
}

#[tokio::test]
async fn an_incident_outlives_its_process_and_the_server() {
    let mut server = Postgres::start().unwrap();
    let set = RunbookSet::new([Document::from_toml(RUNBOOK).unwrap().validate().unwrap()]).unwrap();
    let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let clock = Arc::new(ManualClock::new(start));
    let url = server.url();
    let begin = async || {
        let database = Arc::new(Database::new(url.parse().unwrap()));
        Incidents::begin(database, clock.clone(), "north").await.unwrap()
    };
    let incidents = begin().await;
    let devices: Vec<String> = (1..=40).map(|number| format!("press-{number}")).collect();
    let subjects = devices.iter().map(|device| Subject::device(device.as_str()).with_gateway("gw-2"));
    let mut fleet = Fleet::new(subjects.collect::<Topology>(), FleetSettings::default(), start);
    for device in &devices {
        let trigger = Trigger::new("no message for 30 min", start);
        let alert = DeviceAlert::new("device-offline", device.as_str(), trigger, "test");
        fleet.observe_alert(alert.with_last_seen(start - TimeDelta::minutes(30)), start);
    }
    drive(&mut fleet, &incidents, &set, false, start + TimeDelta::hours(2)).await;
    assert_eq!(fleet.incidents().count(), 1);
    let version = incidents.save(&fleet, 0).await.unwrap();

    // Another process goes on, on a server that was restarted meanwhile.
    server.restart().unwrap();
    let next = begin().await;
    let (mut loaded, found) = next.load().await.unwrap().unwrap();
    assert_eq!((&loaded, found), (&fleet, version));
    let saved = next.save(&loaded, found).await.unwrap();
    // The first one has not heard of that, and must not save over it.
    let mut refused = incidents.save(&fleet, version).await;
    if matches!(refused, Err(IncidentsError::Database(_))) {
        refused = incidents.save(&fleet, version).await;
    }
    assert!(matches!(refused, Err(IncidentsError::Overtaken(..))), "{refused:?}");
    assert!(matches!(incidents.save(&fleet, 0).await, Err(IncidentsError::Overtaken(..))));

    loaded.hand_out_again();
    let later = start + TimeDelta::hours(3);
    for device in &devices {
        loaded.observe_seen(&device.as_str().into(), later, later);
    }
    drive(&mut loaded, &next, &set, true, later + TimeDelta::hours(2)).await;
    assert_eq!(loaded.incidents().count(), 0);
    next.save(&loaded, saved).await.unwrap();
    let kept = next.list().await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0]["title"], "The gateway is down");
    assert_eq!(kept[0]["members"].as_object().unwrap().len(), 40);
    assert_eq!(kept[0]["closed"]["still_out"], 0);
    // The page went out once.
    let database = Database::new(url.parse().unwrap());
    let pages: i64 = database.query_one("SELECT count(*) FROM platform_pages", &[]).await.unwrap().get(0);
    assert_eq!(pages, 1);
}
