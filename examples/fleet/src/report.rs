//! What an operator reads.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::certificate::Stage;
use iot_runbook::certificate::checklist::Verdict;
use iot_runbook::certificate::sweep::{Digest, Due, Reach, Visit};
use iot_runbook::time::format_duration;

use crate::endings::{Ending, broken, endings};
use crate::simulation::Run;
use crate::wording;
use crate::world::{World, lock};

/// No list is longer; the rest is counted.
const LONGEST: usize = 6;

/// All of it, as text.
#[must_use]
pub fn report(run: &Run) -> String {
    let mut text = Text::default();
    let world = lock(&run.world);
    text.line(format_args!(
        "{} devices, {} days from {}, seed {}",
        run.options.devices,
        run.options.days,
        moment(world.start),
        run.options.seed
    ));
    kinds(&mut text, &world);
    days(&mut text, run);
    if let Some(day) = run.operations.days.first() {
        morning(&mut text, "The first morning", &world, &day.digest);
    }
    plan(&mut text, run);
    if let Some(day) = run.operations.days.last().filter(|_| run.operations.days.len() > 1) {
        morning(&mut text, "The last morning", &world, &day.digest);
    }
    renewals(&mut text, run);
    emergencies(&mut text, &world);
    alerts(&mut text, &world, run);
    checklist(&mut text, &world, run);
    metrics(&mut text, &world, run);
    drop(world);
    ends(&mut text, run);
    text.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.0.write_fmt(line);
        self.0.push('\n');
    }

    fn heading(&mut self, heading: &str) {
        self.line(format_args!("\n== {heading}"));
    }

    fn list<T>(&mut self, title: &str, items: &[T], line: impl Fn(&T) -> String) {
        self.line(format_args!(
            "{title}: {}",
            if items.is_empty() { "none".to_owned() } else { items.len().to_string() }
        ));
        for item in items.iter().take(LONGEST) {
            self.line(format_args!("  {}", line(item)));
        }
        if let Some(more) = items.len().checked_sub(LONGEST).filter(|more| *more > 0) {
            self.line(format_args!("  ... and {more} more"));
        }
    }
}

fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}

/// A length of time, to the minute.
fn length(of: TimeDelta) -> String {
    format_duration(TimeDelta::minutes(of.num_minutes()))
}

/// What the names stand for.
fn kinds(text: &mut Text, world: &World) {
    for (model, is) in [
        ("pump", "a certificate lives for a year"),
        ("press", "the same, and its issuer `Press CA` ends first"),
        ("scale", "the same, and people renew it by hand"),
        ("camera", "a certificate lives for six days"),
        ("edge", "a certificate lives for a day"),
    ] {
        let count = world.devices.iter().filter(|device| device.kind.model() == model).count();
        text.line(format_args!("{count:>6}  {model:<7} {is}"));
    }
}

fn days(text: &mut Text, run: &Run) {
    text.heading(
        "Day by day: the digest of the morning, and what was done until the next (the last has only begun)",
    );
    text.line(format_args!(
        "{:<12}{:>10}{:>9}{:>11}{:>9}{:>9}{:>9}{:>8}{:>9}{:>11}",
        "day",
        "awareness",
        "renewal",
        "follow-up",
        "expired",
        "offline",
        "overdue",
        "paged",
        "started",
        "confirmed"
    ));
    for day in &run.operations.days {
        let digest = &day.digest;
        let of = |stage| digest.due().iter().filter(|due| due.stage == stage).count();
        text.line(format_args!(
            "{:<12}{:>10}{:>9}{:>11}{:>9}{:>9}{:>9}{:>8}{:>9}{:>11}",
            digest.at.format("%Y-%m-%d"),
            of(Stage::Awareness),
            of(Stage::Renewal),
            of(Stage::FollowUp),
            of(Stage::Expired),
            digest.offline().count(),
            digest.overdue().count(),
            day.paged,
            day.started,
            day.confirmed
        ));
    }
}

fn morning(text: &mut Text, which: &str, world: &World, digest: &Digest) {
    text.heading(&format!("{which}, {}", moment(digest.at)));
    let due = |due: &Due| {
        let by_hand = if due.auto_renewal { "" } else { ", renewed by hand" };
        format!("{}  ends {}  {}{by_hand}", due.device, moment(due.end), due.stage)
    };
    let all = |list: Vec<&Due>| list.into_iter().cloned().collect::<Vec<_>>();
    text.list("To know (awareness)", &all(digest.awareness().collect()), due);
    text.list("To renew", &all(digest.to_renew().collect()), due);
    text.list("To follow up before they end", &all(digest.follow_up().collect()), due);
    text.list("Offline: plan for them", &all(digest.offline().collect()), offline);
    text.list(
        "Overdue: should have been renewed",
        &all(digest.overdue().filter(|due| due.stage != Stage::Expired).collect()),
        due,
    );
    text.list("Ended", &all(digest.expired().collect()), due);
    text.list("Revoked, and in use", &all(digest.revoked().collect()), due);
    text.list("Not valid yet, and in use", &all(digest.not_yet_valid().collect()), due);
    text.list("Issuers that end before their leaves", digest.issuers(), |issuer| {
        let known = world.mint.issuers().get(&issuer.issuer);
        let name = known.map_or("?", |known| known.name.as_str());
        format!(
            "{name}  ends {}  {}: renew it, and {} certificates with it",
            moment(issuer.end),
            issuer.stage,
            issuer.leaves
        )
    });
    match digest.page() {
        Some(page) => text.line(format_args!(
            "Operations is paged for {} certificates and {} issuers",
            page.due.len(),
            page.issuers.len()
        )),
        None => text.line(format_args!("Operations is not paged")),
    }
}

fn offline(due: &Due) -> String {
    let why = match due.reach {
        Reach::Offline { since, visit } => {
            let since =
                since.map_or_else(|| "never seen".to_owned(), |at| format!("last seen {}", moment(at)));
            let visit = match visit {
                Visit::MaintenanceWindow => "back in time: maintenance window",
                Visit::Technician => "back too late, or ended: technician",
                _ => "nobody knows when it is back: find out",
            };
            format!("{since}  {visit}")
        }
        _ => "nobody can tell".to_owned(),
    };
    format!("{}  ends {}  {}  {why}", due.device, moment(due.end), due.stage)
}

fn plan(text: &mut Text, run: &Run) {
    let Some(forecast) = run.operations.forecast else { return };
    text.heading("The plan of the first morning");
    let cleared = forecast.cleared_at.map_or_else(|| "never".to_owned(), moment);
    text.line(format_args!(
        "{} renewals; the last one starts {cleared}; {} start too late",
        forecast.count, forecast.late
    ));
    if let Some(needed) = forecast.in_time.filter(|needed| needed.growth > 0) {
        text.line(format_args!(
            "In time it would be at {} a minute, {} more than now",
            needed.per_minute, needed.growth
        ));
    }
}

fn renewals(text: &mut Text, run: &Run) {
    text.heading("What became of each renewal");
    for (became, count) in &run.became {
        text.line(format_args!("{count:>6}  {}", became.text()));
    }
    let all: usize = run.became.values().sum();
    text.line(format_args!("{all:>6}  in all"));
}

fn emergencies(text: &mut Text, world: &World) {
    text.heading("Post-mortems");
    let records: Vec<_> = world.post_mortems.values().collect();
    text.list("Emergencies that are over", &records, |record| {
        let earlier = record.alert_before.map_or_else(
            || "no earlier alert would have helped".to_owned(),
            |by| format!("alert {} before the end", length(by)),
        );
        format!(
            "{}  cut off {}  back after {}: {}; why: {}; {earlier}; {} entries",
            record.device,
            moment(record.lost_at),
            length(record.closed_at - record.lost_at),
            wording::outcome(record.outcome),
            wording::cause(&record.cause),
            record.timeline.len()
        )
    });
    if let Some(record) = records.iter().max_by_key(|record| record.timeline.len()) {
        text.line(format_args!("The longest timeline, of {}:", record.device));
        for entry in &record.timeline {
            text.line(format_args!("  {}  {}", moment(entry.at), wording::happening(&entry.what)));
        }
    }
}

fn alerts(text: &mut Text, world: &World, run: &Run) {
    text.heading("What people were told, and what the network did");
    let mut kinds = std::collections::BTreeMap::new();
    for notice in world.notices.values() {
        *kinds.entry(wording::alert(&notice.alert.what)).or_insert(0_usize) += 1;
    }
    for (kind, count) in kinds {
        text.line(format_args!("{count:>6}  {kind}"));
    }
    let did = world.mishaps;
    text.line(format_args!(
        "{} answers were lost, {} messages; {} came twice, {} hours late; {} events told nothing new",
        did.lost_answers, did.lost_messages, did.twice, did.late, run.ignored
    ));
    text.line(format_args!(
        "{} certificates were issued; {} visits were asked for, {} called off",
        world.ledger.count(),
        world.asked_for.len(),
        world.called_off
    ));
}

fn checklist(text: &mut Text, world: &World, run: &Run) {
    text.heading("Prevention checklist");
    for item in run.operations.checklist(world, run.now).items() {
        let verdict = match item.verdict {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Unknown => "unknown",
        };
        let age =
            item.age.map_or_else(|| "no evidence".to_owned(), |age| format!("evidence {} old", length(age)));
        text.line(format_args!("  {verdict:<8}{}: {}; {age}", item.check, item.because));
    }
}

fn metrics(text: &mut Text, world: &World, run: &Run) {
    text.heading("Metrics, of the first three devices");
    for device in world.devices.iter().take(3) {
        let Some(metrics) = run.operations.metrics(&device.name.as_str().into(), run.now) else { continue };
        for (metric, value) in metrics.samples() {
            text.line(format_args!("{metric}{{device=\"{}\"}} {value}", device.name));
        }
    }
}

fn ends(text: &mut Text, run: &Run) {
    text.heading("How it ends");
    let endings = endings(run);
    let works = endings.iter().filter(|ending| **ending == Ending::Works).count();
    text.line(format_args!("{works} of {} devices have a certificate that works", endings.len()));
    let listed: Vec<_> = run
        .lifecycles
        .iter()
        .zip(&endings)
        .filter_map(|(lifecycle, ending)| match ending {
            Ending::Listed(reason) => Some(format!("{}  {reason}", lifecycle.device())),
            _ => None,
        })
        .collect();
    text.list("They have none, and why", &listed, String::clone);
    let broken = broken(run);
    if broken.is_empty() {
        text.line(format_args!(
            "No device was lost, none was issued two certificates for one renewal, none lost its only working one,\n\
             and none came to its end without being named before."
        ));
    } else {
        text.list("BROKEN", &broken, String::clone);
    }
}
