//! What an operator reads.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::certificate::Stage;
use iot_runbook::certificate::checklist::Verdict;
use iot_runbook::certificate::sweep::{Digest, Due, Reach, Visit};
use iot_runbook::fact::duration_in_words;

use crate::endings::{Ending, broken, endings};
use crate::page::wrapped;
use crate::simulation::Run;
use crate::wording;
use crate::world::{World, lock};

/// The codes of styles: a heading, a good end, a bad one.
const BOLD: &str = "1";
const GOOD: &str = "1;32";
const BAD: &str = "1;31";

/// No list is longer; the rest is counted.
const LONGEST: usize = 6;

/// How a report is laid out.
#[derive(Clone, Copy, Debug, Default)]
pub struct View {
    /// How many columns it is wrapped to; `None`: not at all.
    pub width: Option<usize>,
    /// Whether each list has all its items.
    pub is_whole: bool,
    /// Whether it is in colour, by the escape sequences of terminals. Colour never carries a meaning alone.
    pub color: bool,
}

/// The columns of the table of days, and the width that it needs.
const COLUMNS: [&str; 9] = ["aware", "renew", "follow", "late", "ended", "away", "paged", "begun", "seen"];
const TABLE: usize = 74;

/// All of it, as text.
#[must_use]
pub fn report(run: &Run, view: View) -> String {
    let mut text = Text { text: String::new(), view };
    let begins = moment(lock(&run.world).start);
    text.styled(
        BOLD,
        format_args!(
            "{} devices, {} days from {begins}, seed {}",
            run.options.devices, run.options.days, run.options.seed
        ),
    );
    // It looks at the world too, so before it is locked for the rest.
    verdict(&mut text, run);
    let world = lock(&run.world);
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
    text.text
}

struct Text {
    text: String,
    view: View,
}

impl Text {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let line = line.to_string();
        self.text.push_str(&self.view.width.map_or_else(|| line.clone(), |width| wrapped(&line, width)));
        self.text.push('\n');
    }

    fn heading(&mut self, heading: &str) {
        self.text.push('\n');
        self.styled(BOLD, format_args!("== {heading}"));
    }

    /// A line in the style of that code.
    fn styled(&mut self, code: &str, line: std::fmt::Arguments<'_>) {
        let start = self.text.len();
        self.line(line);
        if self.view.color {
            for line in self.text.split_off(start).lines() {
                self.text.push_str(&format!("\u{1b}[{code}m{line}\u{1b}[0m\n"));
            }
        }
    }

    fn list<T>(&mut self, title: &str, items: &[T], line: impl Fn(&T) -> String) {
        self.line(format_args!(
            "{title}: {}",
            if items.is_empty() { "none".to_owned() } else { items.len().to_string() }
        ));
        let shown = if self.view.is_whole { items.len() } else { LONGEST };
        for item in items.iter().take(shown) {
            self.line(format_args!("  {}", line(item)));
        }
        if let Some(more) = items.len().checked_sub(shown).filter(|more| *more > 0) {
            self.line(format_args!("  ... and {more} more: --list names them"));
        }
    }
}

fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
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
    let is_wide = text.view.width.is_none_or(|width| width >= TABLE);
    if is_wide {
        let names: String = COLUMNS.iter().map(|name| format!("{name:>7}")).collect();
        text.line(format_args!("{:<10}{names}", "day"));
    }
    for day in &run.operations.days {
        let digest = &day.digest;
        // The lists of that morning, so that the table and they agree.
        let counts = [
            digest.awareness().count(),
            digest.to_renew().count(),
            digest.follow_up().count(),
            overdue(digest).len(),
            digest.expired().count(),
            digest.offline().count(),
            day.paged,
            day.started,
            day.confirmed,
        ];
        let at = digest.at.format("%Y-%m-%d");
        if is_wide {
            let counts: String = counts.iter().map(|count| format!("{count:>7}")).collect();
            text.line(format_args!("{at}{counts}"));
        } else {
            let counts = COLUMNS.iter().zip(counts).filter(|(_, count)| *count > 0);
            let counts: Vec<_> = counts.map(|(name, count)| format!("{name} {count}")).collect();
            text.line(format_args!("{at}  {}", counts.join(", ")));
        }
    }
    text.line(format_args!(
        "aware, renew, follow, late, ended and away count the lists of that morning, and a certificate may be on \
         several; paged, begun and seen count certificates paged for, renewals begun and new certificates seen until the \
         next morning."
    ));
}

/// What should have been renewed and has not ended: what has ended is on a list of its own.
fn overdue(digest: &Digest) -> Vec<&Due> {
    digest.overdue().filter(|due| due.stage != Stage::Expired).collect()
}

/// The end, and the days left until then.
fn end(due: &Due, digest: &Digest) -> String {
    let left = match due.days_left(digest.at) {
        0 => "less than a day left".to_owned(),
        1 => "1 day left".to_owned(),
        left @ 2.. => format!("{left} days left"),
        _ => return format!("ended {}", moment(due.end)),
    };
    format!("ends {}, {left}", moment(due.end))
}

fn morning(text: &mut Text, which: &str, world: &World, digest: &Digest) {
    text.heading(&format!("{which}, {}", moment(digest.at)));
    let due = |due: &Due| {
        let by_hand = if due.auto_renewal { "" } else { ", renewed by hand" };
        format!("{}: {}, {}{by_hand}", due.device, end(due, digest), due.stage)
    };
    let all = |list: Vec<&Due>| list.into_iter().cloned().collect::<Vec<_>>();
    text.list("To know (awareness)", &all(digest.awareness().collect()), due);
    text.list("To renew", &all(digest.to_renew().collect()), due);
    text.list("To follow up before they end", &all(digest.follow_up().collect()), due);
    text.list("Offline: plan for them", &all(digest.offline().collect()), |due| offline(due, digest));
    text.list("Late: should have been renewed", &all(overdue(digest)), due);
    text.list("Ended", &all(digest.expired().collect()), due);
    text.list("Revoked, and in use", &all(digest.revoked().collect()), due);
    text.list("Not valid yet, and in use", &all(digest.not_yet_valid().collect()), due);
    text.list("Issuers that end before their leaves", digest.issuers(), |issuer| {
        let known = world.mint.issuers().get(&issuer.issuer);
        let name = known.map_or("?", |known| known.name.as_str());
        format!(
            "{name}: ends {}, {}: renew it, and {} with it",
            moment(issuer.end),
            issuer.stage,
            counted(issuer.leaves, "certificate")
        )
    });
    match digest.page() {
        Some(page) => text.line(format_args!(
            "Operations is paged for {}",
            paged(page.due.len() as u64, page.issuers.len() as u64)
        )),
        None => text.line(format_args!("Operations is not paged")),
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// What a page is for; what there is none of is not named.
fn paged(due: u64, issuers: u64) -> String {
    match (due, issuers) {
        (due, 0) => counted(due, "certificate"),
        (0, issuers) => counted(issuers, "issuer"),
        (due, issuers) => format!("{} and {}", counted(due, "certificate"), counted(issuers, "issuer")),
    }
}

fn offline(due: &Due, digest: &Digest) -> String {
    let why = match due.reach {
        Reach::Offline { since, visit } => {
            let since =
                since.map_or_else(|| "never seen".to_owned(), |at| format!("last seen {}", moment(at)));
            let visit = match visit {
                Visit::MaintenanceWindow => "back in time: plan a maintenance window",
                Visit::Technician => "back too late, or ended: send a technician",
                _ => "nobody knows when it is back: find out",
            };
            format!("{since}; {visit}")
        }
        _ => "nobody can tell".to_owned(),
    };
    format!("{}: {}, {}; {why}", due.device, end(due, digest), due.stage)
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
            |by| format!("alert {} before the end", duration_in_words(by)),
        );
        format!(
            "{}: cut off {}, back after {}: {}; why: {}; {earlier}; {} entries",
            record.device,
            moment(record.lost_at),
            duration_in_words(record.closed_at - record.lost_at),
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
        "{} answers were lost, {} messages; {} came twice, {} came hours late; {} events brought nothing new",
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
        let age = match item.age {
            None => "no evidence".to_owned(),
            Some(age) if age < TimeDelta::minutes(1) => "evidence of this minute".to_owned(),
            Some(age) => format!("evidence {} old", duration_in_words(age)),
        };
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

/// How it ends, in a line or two: whoever reads no further knows it.
fn verdict(text: &mut Text, run: &Run) {
    let endings = endings(run);
    let works = endings.iter().filter(|ending| **ending == Ending::Works).count();
    text.line(format_args!("{works} of {} devices have a certificate that works", endings.len()));
    match broken(run).len() {
        0 => text.styled(GOOD, format_args!("All that must hold does")),
        broken => text.styled(BAD, format_args!("BROKEN: {broken} of what must hold does not, see the end")),
    }
    text.line(format_args!(""));
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
            Ending::Listed(reason) => Some(format!("{}: {reason}", lifecycle.device())),
            _ => None,
        })
        .collect();
    text.list("They have none, and why", &listed, String::clone);
    let broken = broken(run);
    if broken.is_empty() {
        text.styled(GOOD, format_args!(
            "No device was lost, none was issued two certificates for one renewal, none lost its only working one, \
             and none came to its end without being named before."
        ));
    } else {
        text.styled(BAD, format_args!("BROKEN"));
        text.list("What must hold and does not", &broken, String::clone);
    }
}
