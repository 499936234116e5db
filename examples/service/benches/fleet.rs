//! Alerts through a `Fleet` in memory: the processor time of all of them, and the memory that they take.
//!
//! `cargo bench -p service --bench fleet`; `cargo bench -p service --bench fleet -- ALERTS` with another number
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement is no library"
)]

use std::env;
use std::fs;
use std::process::Command;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::diagnosis::Output as Wanted;
use iot_runbook::fact::{Observation, Value};
use iot_runbook::fleet::{DeviceAlert, Fleet, FleetSettings, Job, Output, Topology};
use iot_runbook::{Diagnosis, Document, Finding, RunbookSet, Subject, Trigger};
use ulid::Ulid;

/// Devices behind a gateway, and gateways at a site.
const BEHIND: u32 = 200;
const AT_SITE: u32 = 25;

/// One question, so that the fleet is measured and not the diagnosis.
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
branches = [{ is = true, to = "device-fault" }, { is = false, to = "gateway-fault" }]
[conclusions.gateway-fault]
title = "The gateway is down"
root_cause = "gateway-crash-or-oom"
severity = "critical"
part = "gateway"
[conclusions.device-fault]
title = "The device is down"
root_cause = "device-fault"
severity = "warning"
"#;

fn main() {
    let asked = env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect::<Vec<u32>>();
    if env::var_os("ONE_NIGHT").is_some() {
        return night(asked[0]);
    }
    let sizes = if asked.is_empty() { vec![1_000, 10_000, 100_000] } else { asked };
    for size in sizes {
        // A process for each, so that none has the memory of the one before.
        let mut one = Command::new(env::current_exe().unwrap());
        assert!(one.arg(size.to_string()).env("ONE_NIGHT", "1").status().unwrap().success());
    }
}

fn night(alerts: u32) {
    let set = RunbookSet::new([Document::from_toml(RUNBOOK).unwrap().validate().unwrap()]).unwrap();
    let mut now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let device = |nr: u32| format!("device-{nr}");
    let topology: Topology = (0..alerts)
        .map(|nr| {
            let (gateway, site) = (nr / BEHIND, nr / BEHIND / AT_SITE);
            Subject::device(device(nr))
                .with_gateway(format!("gw-{gateway}"))
                .with_site(format!("site-{site}"))
        })
        .collect();
    let mut fleet = Fleet::new(topology, FleetSettings::default(), now);
    let raised: Vec<_> = (0..alerts)
        .map(|nr| {
            let alert = DeviceAlert::new(
                "device-offline",
                device(nr),
                Trigger::new("no message for 30 min", now),
                "bench",
            );
            alert.with_last_seen(now - TimeDelta::minutes(30))
        })
        .collect();
    let (memory, began) = (resident(), processor_time());
    for alert in raised {
        fleet.observe_alert(alert, now);
    }
    let mut diagnoses = 0_u32;
    loop {
        match fleet.poll(now) {
            Output::Diagnose(job) => {
                diagnoses += 1;
                let finding = diagnose(&set, &job, diagnoses, now);
                fleet.observe_finding(job.id, &finding, now);
            }
            // The members are all known by then; after that come rechecks.
            Output::Pending { until: Some(until) } if fleet.counts().members < u64::from(alerts) => {
                now = until;
            }
            Output::Pending { .. } => break,
            _ => {}
        }
    }
    let milliseconds = (processor_time() - began) / 1_000_000;
    let incidents = fleet.incidents().count();
    let bytes = (resident() - memory) * 1_024 / u64::from(alerts);
    println!(
        "{alerts} alerts, {} gateways: {milliseconds} ms of one processor, {diagnoses} diagnoses, incidents: {incidents}, \
         {bytes} bytes for each alert beside the topology and the alerts",
        alerts.div_ceil(BEHIND)
    );
}

/// Every gateway is down.
fn diagnose(set: &RunbookSet, job: &Job, nr: u32, now: DateTime<Utc>) -> Finding {
    let (subject, trigger) = (job.subject.clone(), job.trigger.clone());
    let mut diagnosis = Diagnosis::new(Ulid(nr.into()), set, &job.runbook, subject, trigger, now).unwrap();
    loop {
        match diagnosis.poll(now) {
            Wanted::Probe(request) => {
                diagnosis
                    .answer(request.id, Observation::known(Value::Flag(false), now, "bench"), now)
                    .unwrap();
            }
            Wanted::Concluded(finding) => return *finding,
            other => panic!("{other:?}"),
        }
    }
}

/// Nanoseconds on a processor, of the main thread.
fn processor_time() -> u64 {
    let text = fs::read_to_string("/proc/self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// Resident memory in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
