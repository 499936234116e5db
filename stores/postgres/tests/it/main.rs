//! The store over a PostgreSQL of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test stops at what it did not expect"
)]

mod server;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use iot_runbook::case::{CaseStore, Filter, Message, NewCase, State, StateKind, Worker, conformance};
use iot_runbook::diagnosis::{ActReport, ActRequest};
use iot_runbook::driver::{Actuator, Asked, TokioTimer};
use iot_runbook::probe::Probes;
use iot_runbook::time::{Clock, SystemClock};
use iot_runbook::{Checks, Diagnosis, Document, Driver, RunbookSet, Subject, Trigger};
use iot_runbook_postgres::PostgresCases;
use ulid::Ulid;

use server::Server;

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
struct Pumps(Mutex<BTreeMap<String, u32>>);

#[async_trait]
impl Actuator for Pumps {
    async fn act(&self, request: &ActRequest) -> ActReport {
        self.0.lock().unwrap().entry(request.idempotency_key()).or_insert(1);
        tokio::time::sleep(Duration::from_millis(2)).await;
        ActReport::done("pumps")
    }
}

fn worker(name: &str, store: &Arc<PostgresCases>, set: &RunbookSet, pumps: &Arc<Pumps>) -> Worker {
    let driver = Driver::new(set, &Checks::builtin(), Probes::new(), Arc::new(TokioTimer)).unwrap();
    let driver = driver.with_actuator(Arc::<Pumps>::clone(pumps));
    Worker::new(name, Arc::<PostgresCases>::clone(store), driver)
        .with_lease(Duration::from_millis(1_500))
        .with_idle(Duration::from_millis(20))
}

fn set() -> RunbookSet {
    RunbookSet::new([Document::from_toml(RESTART).unwrap().validate().unwrap()]).unwrap()
}

async fn insert(store: &PostgresCases, set: &RunbookSet, count: u32, now: DateTime<Utc>) {
    for number in 1..=count {
        let (subject, trigger) =
            (Subject::device(format!("pump-{number}")), Trigger::new("pump tripped", now));
        let case = Diagnosis::new(Ulid(number.into()), set, "restart", subject, trigger, now).unwrap();
        store.insert(NewCase::of(&case), now).await.unwrap();
    }
}

/// Approves what is asked, until every case has ended.
async fn approve_all(store: &PostgresCases, count: usize) {
    let mut approved = BTreeMap::new();
    for _ in 0..3_000 {
        // The server may be away.
        let asking = store.list(&Filter::of(StateKind::Asking), 5_000).await.unwrap_or_default();
        for case in asking {
            let State::Asking(asked) = &case.state else { continue };
            for asked in asked {
                let Asked::Approval(request) = asked else { continue };
                if approved.contains_key(&case.id()) {
                    continue;
                }
                let approval = Message::Approval(request.grant("ann"));
                if store.deliver(case.id(), approval, SystemClock.now()).await.is_ok() {
                    approved.insert(case.id(), ());
                }
            }
        }
        let ended = store.list(&Filter::of(StateKind::Ended), 5_000).await.unwrap_or_default();
        if ended.len() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the cases do not end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_conforms() {
    let server = Server::start();
    let store = PostgresCases::new(&server.config(), 4);
    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let violations = conformance::check(&store, now).await;
    assert!(violations.is_empty(), "{violations:#?}");
}

/// Three workers, one of which is killed, and the server is restarted in the middle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_ends_once_and_acts_once() {
    const CASES: u32 = 200;
    let mut server = Server::start();
    let (set, pumps, now) = (set(), Arc::new(Pumps::default()), SystemClock.now());
    let store = Arc::new(PostgresCases::new(&server.config(), 4));
    store.migrate().await.unwrap();
    insert(&store, &set, CASES, now).await;
    let mut tasks = Vec::new();
    for name in ["one", "two", "three"] {
        let worker = worker(name, &store, &set, &pumps);
        tasks.push(tokio::spawn(async move { worker.run(std::future::pending(), |_| {}).await }));
    }
    let ending = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { approve_all(&store, CASES as usize).await })
    };
    tokio::time::sleep(Duration::from_millis(150)).await;
    // Dropped wherever it is.
    tasks[0].abort();
    tokio::time::sleep(Duration::from_millis(150)).await;
    server.restart();
    ending.await.unwrap();
    tasks.iter().for_each(tokio::task::JoinHandle::abort);

    let ended = store.list(&Filter::of(StateKind::Ended), 5_000).await.unwrap();
    assert_eq!(ended.len(), CASES as usize);
    for case in &ended {
        let State::Ended(finding) = &case.state else { panic!("not ended") };
        assert_eq!(finding.conclusion(), Some("restarted"));
        let resumed = Diagnosis::resume(&case.bundle().unwrap(), &set).unwrap();
        assert_eq!(resumed.finding().as_ref(), Some(&**finding));
    }
    assert_eq!(pumps.0.lock().unwrap().len(), CASES as usize);
}

/// How many turns of a case two workers save in a second: `cargo test --release -p iot-runbook-postgres -- --ignored
/// --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn steps_per_second() {
    const CASES: u32 = 2_000;
    let server = Server::start();
    let (set, pumps, now) = (set(), Arc::new(Pumps::default()), SystemClock.now());
    let store = Arc::new(PostgresCases::new(&server.config(), 4));
    store.migrate().await.unwrap();
    insert(&store, &set, CASES, now).await;
    let began = SystemClock.now();
    let mut tasks = Vec::new();
    for name in ["one", "two"] {
        let worker = worker(name, &store, &set, &pumps).with_at_once(32);
        tasks.push(tokio::spawn(async move {
            let mut saved = 0;
            loop {
                let turn = worker.turn().await.unwrap();
                saved += turn.saved.len();
                if turn.saved.is_empty() {
                    return saved;
                }
            }
        }));
    }
    let mut saved = 0;
    for task in tasks {
        saved += task.await.unwrap();
    }
    let seconds = (SystemClock.now() - began).as_seconds_f64();
    eprintln!("{saved} steps in {seconds:.2} s: {:.0} a second", saved as f64 / seconds);
    assert_eq!(saved, CASES as usize);
}
