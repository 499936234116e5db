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

#[path = "../page/page.rs"]
mod page;
mod storm;
mod world;

use std::sync::Arc;

use chrono::TimeDelta;
use page::say;
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
    say("What is broken (nobody knows it yet):");
    for fault in &world.faults {
        say(format_args!("  {}  {}", fault.from.format("%H:%M:%S"), fault.hidden));
    }
    let played = play(&world, seed, HEARING, BEGIN + TimeDelta::hours(6));
    say(format_args!("\n{} alerts came in.", played.alerts));
    let pages = played.pages.iter();
    list(
        "Pages",
        pages.map(|(at, page, _)| {
            format!("{}  {}", at.format("%H:%M:%S"), page.to_string().replace('\n', "\n            "))
        }),
    );
    list("Ended", played.closed.iter().map(ToString::to_string));
    list("Open", played.fleet.incidents().map(ToString::to_string));
    let (questions, calls) = (world.questions.lock().unwrap(), world.calls.lock().unwrap());
    let different = world.asked.lock().unwrap().len();
    say(format_args!(
        "\n{} diagnoses had {questions} questions, {different} different ones; the adapters were asked {calls} times.",
        played.diagnoses
    ));
    let counts = played.fleet.counts();
    say(format_args!(
        "Of {} alerts {} were repeated; {} devices are back, {} silent in an open incident, {} wait for a diagnosis.",
        counts.alerts,
        counts.repeated,
        counts.over,
        counts.members,
        counts.waiting + counts.diagnosed_now
    ));
    let judged = judge(&world, &played);
    say(format_args!(
        "Beside what was broken: pages: {}, within ten minutes {} at most, wrong: {}; of {} causes that no other hid, \
         {} were named by their first page.",
        judged.pages,
        judged.most_pages,
        judged.wrong.len(),
        judged.faults,
        judged.named
    ));
    list("Wrong pages", judged.wrong.iter().cloned());
    list("Not named", judged.missed.iter().cloned());
}

/// The items under a heading, where there are any.
fn list(heading: &str, items: impl IntoIterator<Item = String>) {
    let mut items = items.into_iter().peekable();
    if items.peek().is_some() {
        say(format_args!("\n{heading}:"));
        items.for_each(|item| say(format_args!("  {item}")));
    }
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
    list("Not named", missed.iter().map(|(what, times)| format!("{times:>4}  {what}")));
    list("Wrong pages", rows[0].1.wrong.iter().cloned());
}
