//! A night of alerts: thousands of devices fall silent for a handful of causes, and somebody wants to know which.
//!
//! `cargo run --release --example storm --features fleet,tokio -- [SEED [DEVICES]]`
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "an example shows what it does")]
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::needless_pass_by_ref_mut,
    reason = "an example is no library"
)]

mod storm;
mod world;

use std::sync::Arc;

use chrono::TimeDelta;
use storm::{Hearing, judge, night, play};
use world::{BEGIN, Size};

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
    println!("\n{} diagnoses, {calls} questions, {asked} of them different", played.diagnoses);
    println!("{:?}", played.fleet.counts());
    println!("{:?}", judge(&world, &played));
}
