//! A night of alerts: thousands of devices fall silent for a handful of causes, and somebody wants to know which.
//!
//! `cargo run --release --example storm --features fleet,tokio -- [SEED [DEVICES]]`
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "an example shows what it does")]
#![allow(missing_docs, unreachable_pub, clippy::needless_pass_by_ref_mut, reason = "an example is no library")]

mod storm;
mod world;

use std::sync::Arc;

use chrono::TimeDelta;
use storm::{Hearing, Random, play};
use world::{BEGIN, Fault, Hidden, Size, World};

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().unwrap());
    let seed = arguments.next().unwrap_or(1);
    let devices = arguments.next().unwrap_or(40_000) as usize;
    let size = Size { sites: 20, gateways: (devices / 200).max(20), devices };
    let world = Arc::new(night(seed, size));
    println!("What is broken (nobody knows it yet):");
    for fault in &world.faults {
        println!("  {:?} from {}", fault.hidden, fault.from.format("%H:%M:%S"));
    }
    let began = std::time::Instant::now();
    let hearing = Hearing { lost: 50, late: 20, doubled: 20, vague: 10 };
    let played = play(&world, seed, hearing, BEGIN + TimeDelta::hours(6));
    println!("\n{} alerts came in.\n\nPages:", played.alerts);
    for (at, page, _) in &played.pages {
        println!("  {}  {}", at.format("%H:%M:%S"), page.to_string().replace('\n', "\n            "));
    }
    println!("\nEnded:");
    for incident in &played.closed {
        println!("  {incident}");
    }
    println!("\nOpen:");
    for incident in played.fleet.incidents() {
        println!("  {incident}");
    }
    let (calls, asked) = (world.calls.lock().unwrap(), world.asked.lock().unwrap().len());
    println!("\n{} diagnoses, {calls} questions, {asked} of them different; {:?}", played.diagnoses, began.elapsed());
    println!("{:?}", played.fleet.counts());
}

/// Two to five causes within a quarter of an hour.
pub fn night(seed: u64, size: Size) -> World {
    let mut random = Random(seed ^ 0xfa17);
    let faults = (0..2 + random.below(4)).map(|_| {
        let site = random.below(size.sites as u64) as usize;
        let gateway = random.below(size.gateways as u64) as usize;
        let hidden = match random.below(10) {
            0 => Hidden::Broker,
            1 => Hidden::Ingestion,
            2 | 3 => Hidden::SiteUplink(site),
            4 => Hidden::SitePower(site),
            5 | 6 => Hidden::Firewall(site),
            7 => Hidden::Certificate(gateway),
            8 => Hidden::Device(random.below(size.devices as u64) as usize),
            _ => Hidden::Gateway(gateway),
        };
        let from = BEGIN + TimeDelta::seconds(random.below(900) as i64);
        let lasts = 2_400 + random.below(7_200) as i64;
        Fault { hidden, from, until: Some(from + TimeDelta::seconds(lasts)) }
    });
    let faults: Vec<Fault> = faults.collect();
    let mut world = World::new(size, faults);
    // The topology is wrong for one in a hundred.
    for _ in 0..size.devices / 100 {
        let device = random.below(size.devices as u64) as usize;
        world.moved.insert(device, random.below(size.gateways as u64) as usize);
    }
    world
}
