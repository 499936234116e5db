//! `iot-runbook gap`: which rows a series lacks.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::gap::{Cadence, CadenceEstimator, GapDetector, Report, Settings};
use iot_runbook::time::Period;
use serde_json::{Value, json};

use crate::Outcome;
use crate::arguments::Gap;
use crate::csv::{Column, Rows};
use crate::failure::Failure;
use crate::input::{Inputs, Text, instant};
use crate::page::{Page, Style};
use crate::table::Table;
use crate::terminal::Terminal;
use crate::words::{self, counted};

const COLUMNS: [Column; 2] = [
    Column { names: &["event", "event_time", "time", "timestamp", "ts", "at", "_time"], is_needed: true },
    Column {
        names: &[
            "arrival",
            "arrival_time",
            "arrived_at",
            "received",
            "received_at",
            "ingested_at",
            "stored_at",
        ],
        is_needed: false,
    },
];

struct Row {
    event: DateTime<Utc>,
    arrival: Option<DateTime<Utc>>,
}

/// A line that could not be read.
struct Refused {
    line: usize,
    why: String,
}

pub(crate) fn run(gap: &Gap, inputs: &mut Inputs, terminal: &Terminal) -> Result<Outcome, Failure> {
    let text = inputs.text(&gap.file, "give a CSV with a column `event`")?;
    let (mut rows, refused) = read(&text, &gap.only)?;
    let wrong = |reason: String| Failure::Format { name: text.name.clone(), reason };
    let mut events: Vec<_> = rows.iter().map(|row| row.event).collect();
    events.sort_unstable();
    let (Some(first), Some(last)) = (events.first().copied(), events.last().copied()) else {
        let why = refused
            .first()
            .map_or_else(String::new, |first| format!(" (line {}: {})", first.line, first.why));
        return Err(wrong(format!("there is no row in it that can be read{why}")));
    };
    let every = match gap.every {
        Some(every) => every,
        None => estimate(&events)
            .map_err(|why| wrong(why.replace("state the cadence", "state it with `--every`")))?,
    };
    let mut cadence = Cadence::every(every);
    cadence.heartbeat = gap.heartbeat;
    cadence.deadband = gap.deadband;
    let (from, to) = (gap.from.unwrap_or(first), gap.to.unwrap_or_else(|| after(last, every)));
    let period = Period::new(from, to).map_err(|error| Failure::Other(error.to_string()))?;
    let mut settings = Settings::over(cadence, period);
    settings.late_after = gap.late_after;
    if let Some(bound) = gap.reorder_within {
        settings.reorder_within = bound;
    }
    let mut detector = GapDetector::new(settings).map_err(|error| Failure::Other(error.to_string()))?;
    // A row comes when it arrives; where nobody says when that was, the order in the file says nothing.
    rows.sort_by_key(|row| row.arrival.unwrap_or(row.event));
    for row in &rows {
        match row.arrival {
            Some(arrival) => detector.observe(row.event, arrival),
            None => detector.observe_event(row.event),
        };
    }
    let report = detector.finish(to);
    let found = report.missing() > 0 || !refused.is_empty();
    let text = if gap.json {
        to_json(&report, every, gap.every.is_none(), &refused)
    } else {
        to_text(&report, every, gap.every.is_none(), &refused, terminal)
    };
    Ok(Outcome::new(text, found))
}

fn after(at: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    at.checked_add_signed(by).unwrap_or(at)
}

fn estimate(events: &[DateTime<Utc>]) -> Result<TimeDelta, String> {
    let mut estimator = CadenceEstimator::new();
    events.iter().for_each(|event| estimator.observe_event(*event));
    estimator.estimate().map(|estimate| estimate.every).map_err(|why| why.to_string())
}

fn read(text: &Text, only: &[(String, String)]) -> Result<(Vec<Row>, Vec<Refused>), Failure> {
    let table = Rows::new(text, &COLUMNS, |field| instant(field).is_ok())?.only(only)?.of_one()?;
    let (mut rows, mut refused) = (Vec::new(), Vec::new());
    for (line, fields) in table.each() {
        match fields.and_then(|fields| row(&fields)) {
            Ok(row) => rows.push(row),
            Err(why) => refused.push(Refused { line, why }),
        }
    }
    Ok((rows, refused))
}

fn row(fields: &[String]) -> Result<Row, String> {
    let field = |at: usize| fields.get(at).map_or("", String::as_str);
    let arrival = if field(1).is_empty() { None } else { Some(instant(field(1))?) };
    Ok(Row { event: instant(field(0))?, arrival })
}

/// The most refused lines that are listed.
const LISTED: usize = 10;

fn to_text(
    report: &Report,
    every: TimeDelta,
    is_estimated: bool,
    refused: &[Refused],
    terminal: &Terminal,
) -> String {
    let mut page = Page::new(terminal);
    let (present, expected) = (report.present(), report.expected());
    if report.missing() == 0 {
        page.styled(Style::Good, "", "  ", &format!("No row is missing: {present} of {expected} are there"));
    } else {
        let gaps = report.gaps.iter().filter(|gap| gap.missing > 0).count() + report.unlisted.gaps as usize;
        let text = format!(
            "{} of {expected} rows {} missing, in {}; {present} {} there",
            report.missing(),
            are(report.missing()),
            counted(gaps, "gap"),
            are(present)
        );
        page.styled(Style::Bad, "", "  ", &text);
    }
    let how = if is_estimated { ", as the rows themselves say" } else { "" };
    page.line(&format!(
        "From {} to {}, a row every {}{how}.",
        words::moment(report.period.start()),
        words::moment(report.period.end()),
        words::duration(every)
    ));
    if !report.gaps.is_empty() {
        page.gap();
        let mut table = Table::new(&["from", "to", "for", "missing", "came late", "remark"]);
        for gap in &report.gaps {
            table.row([
                words::moment(gap.from),
                words::moment(gap.to),
                words::duration(gap.period().length()),
                gap.missing.to_string(),
                gap.caught_up().to_string(),
                remark(gap),
            ]);
        }
        table.write(&mut page);
    }
    if report.unlisted.gaps > 0 {
        page.line(&format!(
            "And {} more, with {}.",
            counted(report.unlisted.gaps as usize, "gap"),
            counted(report.unlisted.missing as usize, "missing row")
        ));
    }
    counts(report, &mut page);
    if !refused.is_empty() {
        page.gap();
        page.styled(
            Style::Careful,
            "",
            "  ",
            &format!("{} could not be read:", counted(refused.len(), "line")),
        );
        for one in refused.iter().take(LISTED) {
            page.item("  ", &format!("line {}: {}", one.line, one.why));
        }
        if refused.len() > LISTED {
            page.item("  ", &format!("and {} more; `--json` lists all", refused.len() - LISTED));
        }
    }
    page.finish()
}

fn remark(gap: &iot_runbook::gap::Gap) -> String {
    let mut remarks = Vec::new();
    if gap.suspected {
        remarks.push("suspected: the deadband may have meant it".to_owned());
    }
    if let Some(by) = gap.zone {
        remarks.push(format!("a clock set forward by {} looks the same", words::duration(by)));
    }
    if gap.unplaced > 0 {
        remarks.push(format!("up to {} late rows are not placed", gap.unplaced));
    }
    remarks.join("; ")
}

const fn are(count: u64) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// What became of rows that do not simply make the series.
fn counts(report: &Report, page: &mut Page) {
    let counts = &report.counts;
    let all = [
        (counts.duplicates, "came twice"),
        (counts.late, "came late"),
        (counts.reordered, "overtaken by a newer one"),
        (counts.stepped_back, "of a clock that was set back"),
        (counts.before, "before the period"),
        (counts.after, "after the period"),
        (counts.ahead, "dated ahead of their arrival"),
    ];
    let shown: Vec<String> =
        all.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if !shown.is_empty() {
        page.gap();
        page.line(&format!("Of {}: {}.", counted(counts.rows as usize, "row"), shown.join(", ")));
    }
    for rewind in &report.rewinds {
        page.line(&format!(
            "The times went back from {} to {}, and {} ran from there.",
            words::moment(rewind.from),
            words::moment(rewind.to),
            counted(rewind.rows as usize, "row")
        ));
    }
}

fn to_json(report: &Report, every: TimeDelta, is_estimated: bool, refused: &[Refused]) -> String {
    let refused: Vec<Value> = refused.iter().map(|one| json!({ "line": one.line, "why": one.why })).collect();
    words::json(&json!({
        "missing": report.missing(),
        "expected": report.expected(),
        "present": report.present(),
        "every": iot_runbook::time::format_duration(every),
        "estimated": is_estimated,
        "report": report,
        "refused": refused,
    }))
}
