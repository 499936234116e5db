//! Cases of pumps that are restarted after an approval.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use iot_runbook::case::{CaseStore, NewCase, Worker};
use iot_runbook::diagnosis::{ActReport, ActRequest};
use iot_runbook::driver::{Actuator, TokioTimer};
use iot_runbook::probe::Probes;
use iot_runbook::{Checks, Diagnosis, Document, Driver, RunbookSet, Subject, Trigger};
use iot_runbook_postgres::PostgresCases;
use ulid::Ulid;

/// A runbook that asks for an approval, acts, and concludes.
const RESTART: &str = r#"
name = "restart"
version = 1
title = "Restart the pump"
start = "restart"
[steps.restart]
title = "Restart the pump"
act = "restart-pump"
scope = "device"
approval = "required"
answer_within = "1h"
on = { done = "restarted", refused = "by-hand", failed = "by-hand", expired = "by-hand" }
[conclusions.restarted]
title = "It was restarted"
severity = "info"
[conclusions.by-hand]
title = "Somebody must look at it"
severity = "critical"
"#;

/// Remembers its keys, and how often each act was really done.
#[derive(Default)]
pub(crate) struct Pumps(pub(crate) Mutex<BTreeMap<String, u32>>);

#[async_trait]
impl Actuator for Pumps {
    async fn act(&self, request: &ActRequest) -> ActReport {
        self.0.lock().unwrap().entry(request.idempotency_key()).or_insert(1);
        tokio::time::sleep(Duration::from_millis(2)).await;
        ActReport::done("pumps")
    }
}

pub(crate) fn worker(name: &str, store: Arc<dyn CaseStore>, set: &RunbookSet, pumps: &Arc<Pumps>) -> Worker {
    let driver = Driver::new(set, &Checks::builtin(), Probes::new(), Arc::new(TokioTimer)).unwrap();
    let driver = driver.with_actuator(Arc::<Pumps>::clone(pumps));
    Worker::new(name, store, driver)
        .with_lease(Duration::from_millis(1_500))
        .with_idle(Duration::from_millis(20))
}

pub(crate) fn set() -> RunbookSet {
    RunbookSet::new([Document::from_toml(RESTART).unwrap().validate().unwrap()]).unwrap()
}

pub(crate) async fn insert(store: &PostgresCases, set: &RunbookSet, count: u32, now: DateTime<Utc>) {
    for number in 1..=count {
        store.insert(NewCase::of(&tripped(set, number, now)), now).await.unwrap();
    }
}

/// The diagnosis of a pump of that number that has tripped.
pub(crate) fn tripped(set: &RunbookSet, number: u32, now: DateTime<Utc>) -> Diagnosis {
    let (subject, trigger) = (Subject::device(format!("pump-{number}")), Trigger::new("pump tripped", now));
    Diagnosis::new(Ulid(number.into()), set, "restart", subject, trigger, now).unwrap()
}
