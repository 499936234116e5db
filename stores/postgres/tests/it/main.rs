//! The store over a PostgreSQL of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

mod pumps;
mod writes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use iot_runbook::Diagnosis;
use iot_runbook::case::{CaseStore, Filter, Message, State, StateKind, conformance};
use iot_runbook::diagnosis::DiagnosisId;
use iot_runbook::driver::Asked;
use iot_runbook::time::{Clock, SystemClock};
use iot_runbook_postgres::PostgresCases;

use private::Postgres;
use pumps::{Pumps, insert, set, tripped, worker};

/// Approves what is asked, until every case has ended.
async fn approve_all(store: &PostgresCases, count: usize) {
    let mut approved = BTreeMap::new();
    for _ in 0..3_000 {
        // The server may be away.
        let asking = store.list(&Filter::of(StateKind::Asking), 5_000).await.unwrap_or_default().cases;
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
        let ended = store.list(&Filter::of(StateKind::Ended), 5_000).await.unwrap_or_default().cases;
        if ended.len() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the cases do not end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_conforms() {
    let server = Postgres::start().unwrap();
    let store = PostgresCases::new(&server.url().parse().unwrap(), 4);
    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let violations = conformance::check(&store, now).await;
    assert!(violations.is_empty(), "{violations:#?}");
}

/// Each part of a case, damaged by hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_row_hides_no_other() {
    let server = Postgres::start().unwrap();
    let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    for (at, sql) in [
        "UPDATE runbook_cases SET opening = '(' || opening WHERE id = $1",
        "UPDATE runbook_cases SET saved = 'null' WHERE id = $1",
        "UPDATE runbook_cases SET state = '\"resting\"' WHERE id = $1",
        "UPDATE runbook_records SET record = '' WHERE case_id = $1",
    ]
    .iter()
    .enumerate()
    {
        client.batch_execute(&format!("CREATE DATABASE damage_{at}")).await.unwrap();
        let url = server.url().replace("dbname=postgres", &format!("dbname=damage_{at}"));
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let store = PostgresCases::new(&url.parse().unwrap(), 2);
        store.migrate().await.unwrap();
        let damage = async |id: DiagnosisId| {
            assert_eq!(client.execute(*sql, &[&id.to_string()]).await.unwrap(), 1);
        };
        let violations = conformance::check_damage(&store, now, damage).await;
        assert!(violations.is_empty(), "{sql}: {violations:#?}");
    }
}

/// Three workers, one of which is killed, and the server is restarted in the middle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_ends_once_and_acts_once() {
    const CASES: u32 = 200;
    let mut server = Postgres::start().unwrap();
    let (set, pumps, now) = (set(), Arc::new(Pumps::default()), SystemClock.now());
    let store = Arc::new(PostgresCases::new(&server.url().parse().unwrap(), 4));
    store.migrate().await.unwrap();
    insert(&store, &set, CASES, now).await;
    let mut tasks = Vec::new();
    for name in ["one", "two", "three"] {
        let worker = worker(name, store.clone(), &set, &pumps);
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
    server.restart().unwrap();
    ending.await.unwrap();
    tasks.iter().for_each(tokio::task::JoinHandle::abort);

    let ended = store.list(&Filter::of(StateKind::Ended), 5_000).await.unwrap().cases;
    assert_eq!(ended.len(), CASES as usize);
    for case in &ended {
        let State::Ended(finding) = &case.state else { panic!("not ended") };
        assert_eq!(finding.conclusion(), Some("restarted"));
        let resumed = Diagnosis::resume(&case.bundle().unwrap(), &set).unwrap();
        assert_eq!(resumed.finding().as_ref(), Some(&**finding));
    }
    assert_eq!(pumps.0.lock().unwrap().len(), CASES as usize);
}

/// Somebody has changed a row by hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_case_is_set_aside_and_keeps_no_other() {
    let server = Postgres::start().unwrap();
    let (set, pumps, now) = (set(), Arc::new(Pumps::default()), SystemClock.now());
    let store = Arc::new(PostgresCases::new(&server.url().parse().unwrap(), 1));
    store.migrate().await.unwrap();
    insert(&store, &set, 3, now).await;
    let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let damaged = DiagnosisId::new(ulid::Ulid(2));
    let store_opening = "UPDATE runbook_cases SET opening = replace(opening, $1, $2) WHERE id = $3";
    let id = damaged.to_string();
    let changed =
        async |from: &str, to: &str| client.execute(store_opening, &[&from, &to, &id]).await.unwrap();
    assert_eq!(changed("{\"format\"", "(\"format\"").await, 1);
    let word = Message::Wake;
    store.deliver(damaged, word, now).await.unwrap();

    let worker = worker("one", store.clone(), &set, &pumps);
    let turn = worker.turn().await.unwrap();
    assert_eq!(turn.saved.len(), 2);
    assert!(worker.turn().await.unwrap().saved.is_empty());
    let kind = async || {
        let sql =
            "SELECT state_kind, due_at > now() + interval '4 min', state FROM runbook_cases WHERE id = $1";
        let row = client.query_one(sql, &[&id]).await.unwrap();
        (row.get::<_, String>(0), row.get::<_, Option<bool>>(1), row.get::<_, String>(2))
    };
    let (state, is_later, why) = kind().await;
    assert_eq!((&*state, is_later), ("stuck", Some(true)));
    assert!(why.contains(&format!("what the store has of case {id} can't be read")), "{why}");
    // Whoever lists the stuck ones is pointed to it, and whoever lists all has the others too.
    let stuck = store.list(&Filter::of(StateKind::Stuck), 10).await.unwrap();
    assert_eq!((stuck.cases.len(), stuck.damaged[0].id), (0, damaged), "{stuck:?}");
    let all = store.list(&Filter::all(), 10).await.unwrap();
    assert_eq!((all.cases.len(), all.damaged.len()), (2, 1), "{all:?}");

    // Repaired it goes on, with its message.
    changed("(\"format\"", "{\"format\"").await;
    let case = store.load(damaged).await.unwrap().unwrap();
    assert_eq!((case.state.kind(), case.version, case.inbox.len()), (StateKind::Stuck, 1, 1));
    client.execute("UPDATE runbook_cases SET due_at = now() WHERE id = $1", &[&id]).await.unwrap();
    assert_eq!(worker.turn().await.unwrap().saved, [(damaged, StateKind::Asking)]);
}
