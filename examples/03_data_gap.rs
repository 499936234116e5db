//! Finds the gaps in a CSV of `event,arrival`, and hands the worst one to the runbook `data-gap`.
//!
//! `cargo run --example 03_data_gap [FILE]`
#[path = "page/page.rs"]
mod page;
use std::error::Error;
use std::sync::Arc;
use std::{env, fs};

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::diagnosis::DiagnosisId;
use iot_runbook::driver::SimulatedTimer;
use iot_runbook::gap::{CadenceEstimator, Gap, GapDetector, Presence, Sessions, Settings};
use iot_runbook::time::{ManualClock, Period};
use iot_runbook::{Checks, Diagnosis, Driver, Probes, Subject, catalog, fact::duration_in_words};
use page::say;

const OWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/03_data_gap.csv");

/// When the device took a sample, and when the platform received it.
struct Row {
    event: DateTime<Utc>,
    arrival: DateTime<Utc>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = env::args().nth(1);
    let text = fs::read_to_string(file.as_deref().unwrap_or(OWN))?;
    let (rows, bad) = read(&text);
    for (line, why) in &bad {
        say(format_args!("line {line}: {why}"));
    }
    say(format_args!("{} rows read, {} lines refused", rows.len(), bad.len()));

    // How often do rows come? The estimate looks at events in order, and refuses where it is not sure.
    let mut events: Vec<_> = rows.iter().map(|row| row.event).collect();
    events.sort_unstable();
    let mut estimator = CadenceEstimator::new();
    events.iter().for_each(|event| estimator.observe_event(*event));
    let estimate = estimator.estimate()?;
    let seconds = estimate.every.num_milliseconds() as f64 / 1e3;
    say(format_args!("a row every {seconds:.1} s, as {:.0} % of the intervals say", estimate.share * 100.0));

    // The hours about the rows are what we ask about. Rows may overtake each other by two minutes; one that takes
    // longer than five was caught up.
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(()) };
    let asked = Period::new(hour(*first), hour(*last) + TimeDelta::hours(1))?;
    let settings = Settings::over(estimate.cadence(), asked)
        .with_reorder_within(TimeDelta::minutes(2))
        .with_late_after(TimeDelta::minutes(5));
    let mut detector = GapDetector::new(settings)?;
    for row in &rows {
        detector.observe(row.event, row.arrival);
    }
    let report = detector.finish(asked.end());

    // The broker's log says when the device was online: here, all the time but for a quarter of an hour.
    let (down, up) = (asked.start() + TimeDelta::minutes(20), asked.start() + TimeDelta::minutes(35));
    let sessions = Sessions::new(asked, [Period::new(asked.start(), down)?, Period::new(up, asked.end())?]);
    say(format_args!("{} of {} rows are there", report.present(), report.expected()));
    for gap in &report.gaps {
        say(format_args!("{gap}"));
        for part in gap.split(&sessions) {
            let place = if part.presence == Presence::Online { "online" } else { "offline" };
            let length = duration_in_words(part.period.length());
            say(format_args!("    {place} for {length}: {} of {} rows missing", part.missing, part.expected));
        }
    }
    for rewind in &report.rewinds {
        say(format_args!("times went back from {} to {}, for {} rows", rewind.from, rewind.to, rewind.rows));
    }
    let Some(worst) = report.gaps.iter().max_by_key(|gap| gap.missing) else { return Ok(()) };
    why(worst, asked.end()).await
}

/// Why are the rows missing? Without adapters everything is unknown: the finding ranks what remains possible, and names
/// the question that would narrow it down most. Add adapters to `Probes`, and it concludes.
async fn why(gap: &Gap, now: DateTime<Utc>) -> Result<(), Box<dyn Error>> {
    let runbooks = catalog::set()?;
    let clock = Arc::new(ManualClock::new(now));
    let timer = Arc::new(SimulatedTimer::new(clock.clone()));
    let driver = Driver::new(&runbooks, &Checks::builtin(), Probes::new(), timer)?.with_clock(clock);
    let (subject, trigger) = (gap.subject(&Subject::device("press-07")), gap.trigger(now));
    let mut diagnosis =
        Diagnosis::new(DiagnosisId::random(now)?, &runbooks, "data-gap", subject, trigger, now)?;
    let finding = driver.run(&mut diagnosis).await?;
    say(format_args!("\nwhy? {}", finding.title().unwrap_or("not certain; the likeliest causes are")));
    for hypothesis in finding.hypotheses().iter().take(3) {
        say(format_args!("  {:>3.0} %  {}", hypothesis.share * 100.0, hypothesis.cause.replace('-', " ")));
    }
    say(format_args!("{} questions have no adapter yet", finding.unanswered().len()));
    Ok(())
}

/// The rows, and each line that could not be read: its number, and why.
fn read(text: &str) -> (Vec<Row>, Vec<(usize, String)>) {
    let (mut rows, mut bad) = (Vec::new(), Vec::new());
    // The first line names the columns.
    for (number, line) in (1..).zip(text.lines()).skip(1) {
        match row(line) {
            Ok(row) => rows.push(row),
            Err(why) => bad.push((number, why)),
        }
    }
    (rows, bad)
}

fn row(line: &str) -> Result<Row, String> {
    let (event, arrival) = line.split_once(',').ok_or_else(|| format!("`{line}` has no comma"))?;
    let instant =
        |text: &str| text.trim().parse().map_err(|error| format!("`{text}` is not an instant: {error}"));
    Ok(Row { event: instant(event)?, arrival: instant(arrival)? })
}

/// When its hour began.
fn hour(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp(at.timestamp().div_euclid(3_600) * 3_600, 0).unwrap_or(at)
}
