//! How many turns of a case two workers save in a second, on a PostgreSQL of its own that does not wait for its disk.
//!
//! `cargo bench -p iot-runbook-postgres`
#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement is no library"
)]

#[path = "../tests/it/pumps.rs"]
mod pumps;

use std::sync::Arc;

use iot_runbook::time::{Clock, SystemClock};
use iot_runbook_postgres::PostgresCases;

use private::Postgres;
use pumps::{Pumps, insert, set, worker};

const CASES: u32 = 2_000;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let server = Postgres::start().unwrap();
    let (set, pumps) = (set(), Arc::new(Pumps::default()));
    let store = Arc::new(PostgresCases::new(&server.url().parse().unwrap(), 4));
    store.migrate().await.unwrap();
    insert(&store, &set, CASES, SystemClock.now()).await;
    let began = SystemClock.now();
    let mut tasks = Vec::new();
    for name in ["one", "two"] {
        let worker = worker(name, store.clone(), &set, &pumps).with_at_once(32);
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
    println!("{saved} of {CASES} steps in {seconds:.2} s: {:.0} a second", saved as f64 / seconds);
}
