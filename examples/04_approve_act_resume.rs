//! A pump has tripped: a person approves the restart, the service restarts in the middle, and the act happens once.
//!
//! `cargo run --example 04_approve_act_resume`
#[path = "page/page.rs"]
mod page;

use std::error::Error;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::diagnosis::{ActReport, Bundle, DiagnosisId, Output};
use iot_runbook::fact::{Observation, Value};
use iot_runbook::{Diagnosis, Document, RunbookSet, Subject, Trigger};
use page::say;

const RUNBOOK: &str = r#"
name = "pump-tripped"
version = 1
title = "A pump has tripped"
start = "running"

[thresholds]
approval_within = "30m"
settle = "2m"

[checks.pump-running]
scope = "device"
domain = "flag"
stale_after = "1m" # without it an answer of any age counts as now

[steps.running]
title = "Does it run?"
check = "pump-running"
unknown = "explore"
branches = [{ is = true, to = "runs" }, { is = false, to = "restart" }]

[steps.restart]
title = "Restart the pump"
advice = ["Nobody may work at the pump."]
act = "restart-pump"
scope = "device"
approval = "required"
answer_within = "$approval_within"
on = { done = "settle", refused = "by-hand", failed = "by-hand", expired = "by-hand" }

[steps.settle]
wait = { for = "$settle" }
to = "again"

[steps.again]
title = "Does it run now?"
check = "pump-running"
unknown = "by-hand"
branches = [{ is = true, to = "restarted" }, { is = false, to = "by-hand" }]

[conclusions.runs]
title = "It runs"
severity = "info"

[conclusions.restarted]
title = "It runs again after a restart"
root_cause = "trip"
severity = "info"

[conclusions.by-hand]
title = "Somebody must look at it"
severity = "critical"
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let runbooks = RunbookSet::new([Document::from_toml(RUNBOOK)?.validate()?])?;
    let mut now: DateTime<Utc> = "2026-03-01T03:00:00Z".parse()?;
    let trigger = Trigger::new("pump 7 tripped", now);
    let (id, pump) = (DiagnosisId::random(now)?, Subject::device("pump-7"));
    let mut diagnosis = Diagnosis::new(id, &runbooks, "pump-tripped", pump, trigger, now)?;
    let mut done_before = Vec::new();
    let mut runs = false;
    loop {
        match diagnosis.poll(now) {
            Output::Probe(request) => {
                let running = Observation::known(Value::Flag(runs), now, "drive of pump 7");
                diagnosis.answer(request.id, running, now)?;
            }
            Output::Approve(request) => {
                let situation = request.situation();
                say(format_args!("approve {} of {}?", situation.title, situation.subject.device));
                situation.facts.iter().for_each(|fact| {
                    say(format_args!("  {} is {}: {}", fact.check, fact.value, fact.source));
                });
                situation.advice.iter().for_each(|advice| say(format_args!("  {advice}")));
                now += TimeDelta::minutes(4);
                diagnosis.approve(request.grant("shift lead"), now)?;
            }
            Output::Act(request) => {
                // The act is done under its key; the service stops before it could report.
                let key = request.idempotency_key();
                if done_before.contains(&key) {
                    say(format_args!("{key} was done before: only reported"));
                    diagnosis.report_act(request.id, ActReport::done("pump controller"), now)?;
                    continue;
                }
                say(format_args!("{} {}", request.action(), request.target().unwrap_or("?")));
                (runs, _) = (true, done_before.push(key));
                let saved = serde_json::to_string(&diagnosis.bundle())?;
                say(format_args!("-- the service restarts: {} bytes were saved --", saved.len()));
                diagnosis = Diagnosis::resume(&serde_json::from_str::<Bundle>(&saved)?, &runbooks)?;
            }
            Output::Pending { until } => now = until.ok_or("nothing is open")?,
            Output::Concluded(finding) => {
                say(format_args!("{}\n\nthe evidence:", finding.title().unwrap_or("undetermined")));
                diagnosis.trace().for_each(|record| say(format_args!("  {record}")));
                return Ok(());
            }
            other => say(format_args!("{other:?}")),
        }
    }
}
