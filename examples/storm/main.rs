//! A night of alerts: thousands of devices fall silent for a handful of causes, and somebody wants to know which.
//!
//! `cargo run --release --example storm --features fleet -- [SEED [DEVICES]]` plays one night, and
//! `… -- table SEEDS DEVICES` many, beside grouping by label.
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
use storm::{Hearing, Judged, by_gateway, judge, night, play};
use world::{BEGIN, Size};

/// How the platform hears: one alert in fifty is lost.
const HEARING: Hearing = Hearing { lost: 50, late: 20, doubled: 20, vague: 10 };

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_table = arguments.first().is_some_and(|first| first == "table");
    arguments.drain(..usize::from(is_table));
    let mut arguments = arguments.iter().map(|argument| argument.parse::<u64>().unwrap());
    if is_table {
        return table(arguments.next().unwrap_or(20), arguments.next().unwrap_or(4_000) as usize);
    }
    let seed = arguments.next().unwrap_or(1);
    let devices = arguments.next().unwrap_or(40_000) as usize;
    let size = Size { sites: 20, gateways: (devices / 200).max(20), devices };
    let world = Arc::new(night(seed, size));
    println!("What is broken (nobody knows it yet):");
    for fault in &world.faults {
        println!("  {:?} from {}", fault.hidden, fault.from.format("%H:%M:%S"));
    }
    let played = play(&world, seed, HEARING, BEGIN + TimeDelta::hours(6));
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
    let (questions, calls) = (world.questions.lock().unwrap(), world.calls.lock().unwrap());
    let different = world.asked.lock().unwrap().len();
    println!(
        "\n{} diagnoses had {questions} questions; the adapters were asked {calls} times, by {different} different ones",
        played.diagnoses
    );
    println!("{:?}", played.fleet.counts());
    println!("{:?}", judge(&world, &played));
}

/// Many nights: how many pages, how many of them wrong, and how many causes are named by the first page about them.
fn table(seeds: u64, devices: usize) {
    let size = Size { sites: 20, gateways: (devices / 200).max(20), devices };
    let mut rows = [("incidents", Judged::default()), ("a page for each gateway", Judged::default())];
    let (mut alerts, mut missed) = (0, std::collections::BTreeMap::<String, usize>::new());
    let (mut questions, mut calls) = (0, 0);
    for seed in 0..seeds {
        let world = Arc::new(night(seed, size));
        let played = play(&world, seed, HEARING, BEGIN + TimeDelta::hours(6));
        alerts += played.alerts;
        questions += *world.questions.lock().unwrap();
        calls += *world.calls.lock().unwrap();
        let judged = [judge(&world, &played), by_gateway(&world, seed, HEARING)];
        for miss in &judged[0].missed {
            *missed.entry(miss.clone()).or_default() += 1;
        }
        for ((_, sum), one) in rows.iter_mut().zip(judged) {
            sum.pages += one.pages;
            sum.most_pages = sum.most_pages.max(one.most_pages);
            sum.wrong.extend(one.wrong);
            sum.faults += one.faults;
            sum.named += one.named;
        }
    }
    println!("{seeds} nights, {alerts} alerts, {questions} questions, {calls} of them asked of an adapter");
    println!(
        "{:<26}{:>8}{:>18}{:>14}{:>22}",
        "", "pages", "most in 10 min", "wrong pages", "causes named first"
    );
    for (name, sum) in &rows {
        let named = format!("{} of {}", sum.named, sum.faults);
        println!("{name:<26}{:>8}{:>18}{:>14}{named:>22}", sum.pages, sum.most_pages, sum.wrong.len());
    }
    println!("left open: {missed:?}\nwrong: {:?}", rows[0].1.wrong);
}
