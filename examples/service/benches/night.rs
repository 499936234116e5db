//! A night with many alerts: how fast the service saves them, and what its cases take.
//!
//! `cargo bench -p service`; `cargo bench -p service -- GATEWAYS DEVICES REPLICAS` with others than 100, 20 and 1
#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement is no library"
)]

#[path = "../tests/it/service.rs"]
mod service;
#[path = "../tests/it/world.rs"]
mod world;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use service::Service;
use world::{RAISED, World, webhook};

/// Alerts in one webhook.
const TOGETHER: usize = 200;

fn main() {
    let sizes: Vec<u32> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let [gateways, devices, replicas] =
        [(0, 100), (1, 20), (2, 1)].map(|(at, size)| sizes.get(at).copied().unwrap_or(size));
    let world = World::new(gateways, devices, 0);
    let replicas: Vec<Service> =
        (1..=replicas).map(|nr| Service::start(&world, &format!("replica {nr}"))).collect();
    let names: Vec<String> = (1..=gateways)
        .flat_map(|gateway| (1..=devices).map(move |device| format!("gw-{gateway}-dev-{device}")))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let count = names.len();
    println!("{count} alerts behind {gateways} gateways, replicas: {}", replicas.len());
    let idle = resident(&replicas);

    let began = Instant::now();
    let webhooks: Vec<_> = names.chunks(TOGETHER).map(|names| webhook("firing", RAISED, names)).collect();
    thread::scope(|scope| {
        for (at, replica) in replicas.iter().enumerate() {
            let own = webhooks.iter().skip(at).step_by(replicas.len());
            scope.spawn(move || own.for_each(|webhook| assert_eq!(replica.post("/alerts", webhook).0, 200)));
        }
    });
    rate("saved", count, began);
    wait(&world, "state_kind = 'asking'", count);
    rate("asked about", count, began);

    let (sizes, tables) = ("pg_total_relation_size", ["cases", "records", "messages", "history"]);
    let sum = tables.map(|table| format!("{sizes}('runbook_{table}')")).join(" + ");
    let bytes: usize = world.sql(&format!("SELECT {sum}"))[0].parse().unwrap();
    println!("{} bytes of the database for each case that waits for an approval", bytes / count);
    println!("resident memory of each replica: {idle} KiB at the start, {} KiB now", resident(&replicas));

    let began = Instant::now();
    let (_, shown) = replicas[0].get("/approvals");
    let shown = shown.as_array().unwrap();
    println!("{} approvals, listed in {:.2} s", shown.len(), began.elapsed().as_secs_f64());
    let began = Instant::now();
    for approval in shown {
        let path = format!("/approvals/{}", approval["id"].as_str().unwrap());
        assert_eq!(replicas[0].post(&path, &json!({ "approve": true, "by": "ann" })).0, 202);
    }
    rate("approved", count, began);
    wait(&world, "state_kind = 'ended'", count);
    rate("ended", count, began);
    assert_eq!(world.restarts().len(), gateways as usize);
    println!("{} restarts", world.restarts().len());
}

/// Waits until so many cases are as `condition` says.
fn wait(world: &World, condition: &str, count: usize) {
    let sql = format!("SELECT count(*) FROM runbook_cases WHERE {condition}");
    while world.sql(&sql)[0].parse() != Ok(count) {
        thread::sleep(Duration::from_millis(100));
    }
}

fn rate(what: &str, count: usize, began: Instant) {
    let seconds = began.elapsed().as_secs_f64();
    println!("{what} after {seconds:.2} s: {:.0} cases a second", count as f64 / seconds);
}

/// The largest resident memory of the processes, in KiB.
fn resident(replicas: &[Service]) -> u64 {
    let of = |replica: &Service| {
        let status = fs::read_to_string(format!("/proc/{}/status", replica.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:").map(str::to_owned));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
    };
    replicas.iter().map(of).max().unwrap_or(0)
}
