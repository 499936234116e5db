//! `iot-runbook lag`: whether a Kafka consumer group keeps up, from samples of its offsets.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use iot_runbook::lag::{Basis, GroupState, Judge, Report, Rule, Sample, Settings, Verdict, Window};
use iot_runbook::time::format_duration;
use serde_json::{Value, json};

use crate::Outcome;
use crate::arguments::Lag;
use crate::csv::{Column, Rows};
use crate::failure::Failure;
use crate::input::{Inputs, Text, instant};
use crate::page::{Page, Style};
use crate::table::Table;
use crate::terminal::Terminal;
use crate::words::{self, counted};

const COLUMNS: [Column; 9] = [
    Column { names: &["partition"], is_needed: true },
    Column { names: &["at", "second", "time", "timestamp", "ts"], is_needed: true },
    Column { names: &["log_start", "log_start_offset", "low_watermark"], is_needed: true },
    Column { names: &["committed", "committed_offset", "current_offset", "offset"], is_needed: true },
    Column { names: &["head", "high_watermark", "log_end_offset", "end_offset"], is_needed: true },
    Column { names: &["topic"], is_needed: false },
    Column { names: &["committed_at"], is_needed: false },
    Column { names: &["oldest_at"], is_needed: false },
    Column { names: &["last_stable_offset"], is_needed: false },
];

/// A partition, in the order of topics and numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Partition {
    topic: String,
    number: u32,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.topic.is_empty() {
            write!(f, "{}", self.number)
        } else {
            write!(f, "{}/{}", self.topic, self.number)
        }
    }
}

type Windows = BTreeMap<Partition, Window>;

pub(crate) fn run(lag: &Lag, inputs: &mut Inputs, terminal: &Terminal) -> Result<Outcome, Failure> {
    let text =
        inputs.text(&lag.file, "give a CSV with the columns partition, at, log_start, committed, head")?;
    let (windows, last) = read(&text, &lag.only)?;
    let judge = Judge::new(settings(lag)).map_err(|error| Failure::Other(error.to_string()))?;
    let Some(now) = lag.now.or(last) else {
        let reason = "there is no sample in it".to_owned();
        return Err(Failure::Format { name: text.name, reason });
    };
    let state = lag.state.unwrap_or(GroupState::NotAsked);
    let reports: Vec<(&Partition, Report)> =
        windows.iter().map(|(partition, window)| (partition, judge.partition(now, state, window))).collect();
    let found = reports.iter().any(|(_, report)| is_bad(report));
    let text = if lag.json { to_json(&reports, now) } else { to_text(&reports, now, terminal) };
    Ok(Outcome::new(text, found))
}

/// Unknown is never healthy.
fn is_bad(report: &Report) -> bool {
    report.verdict() > Verdict::Ok
}

fn settings(lag: &Lag) -> Settings {
    let mut settings = Settings::default();
    settings.max_lag = lag.max_lag;
    settings.max_age = lag.max_age;
    settings.retention = lag.retention;
    settings.allowed_lag = lag.allowed_lag.unwrap_or(settings.allowed_lag);
    settings.stop_after = lag.stop_after.unwrap_or(settings.stop_after);
    settings.slowest_commit = lag.slowest_commit.unwrap_or(settings.slowest_commit);
    settings
}

/// The window of each partition, and the time of the last sample.
fn read(text: &Text, only: &[(String, String)]) -> Result<(Windows, Option<DateTime<Utc>>), Failure> {
    let table = Rows::new(text, &COLUMNS, |field| field.parse::<i64>().is_ok())?.only(only)?.of_one()?;
    let mut windows = Windows::new();
    let mut last = None;
    for (line, fields) in table.each() {
        // Half a sample could turn the verdict, so a line that cannot be read ends it.
        let wrong =
            |why: String| Failure::Format { name: text.name.clone(), reason: format!("line {line}: {why}") };
        let (partition, sample) = fields.and_then(|fields| row(&fields)).map_err(wrong)?;
        let window = windows.entry(partition).or_default();
        // A partition that gave no answer is named all the same: it may not be forgotten.
        if let Some(sample) = sample {
            last = last.max(Some(sample.at));
            window.observe(sample);
        }
    }
    Ok((windows, last))
}

fn row(fields: &[String]) -> Result<(Partition, Option<Sample>), String> {
    let field = |at: usize| fields.get(at).map_or("", String::as_str);
    let number = field(0).parse().map_err(|_| format!("`{}` is not the number of a partition", field(0)))?;
    let partition = Partition { topic: field(5).to_owned(), number };
    if field(1).is_empty() {
        return Ok((partition, None));
    }
    let offset = |at: usize, name: &str| {
        field(at)
            .parse::<u64>()
            .map_err(|_| format!("`{}` is not an offset: write a whole number for `{name}`", field(at)))
    };
    let mut sample = Sample::new(instant(field(1))?, offset(2, "log_start")?, offset(4, "head")?);
    // Clients write a negative number for "none".
    let is_none = matches!(field(3), "" | "-") || field(3).parse::<i64>().is_ok_and(|offset| offset < 0);
    sample.committed = if is_none { None } else { Some(offset(3, "committed")?) };
    let moment = |at: usize| if field(at).is_empty() { Ok(None) } else { instant(field(at)).map(Some) };
    sample.committed_at = moment(6)?;
    sample.oldest_at = moment(7)?;
    sample.last_stable_offset =
        if field(8).is_empty() { None } else { Some(offset(8, "last_stable_offset")?) };
    Ok((partition, Some(sample)))
}

fn to_text(reports: &[(&Partition, Report)], now: DateTime<Utc>, terminal: &Terminal) -> String {
    let mut page = Page::new(terminal);
    let bad = reports.iter().filter(|(_, report)| is_bad(report)).count();
    let total = reports.iter().filter_map(|(_, report)| report.lag).fold(0_u64, u64::saturating_add);
    let count = counted(reports.len(), "partition");
    if bad == 0 {
        page.styled(Style::Good, "", "  ", &format!("The group keeps up: {count}, {total} behind in all"));
    } else {
        let does = if bad == 1 { "does" } else { "do" };
        page.styled(
            Style::Bad,
            "",
            "  ",
            &format!("{bad} of {count} {does} not keep up; {total} behind in all"),
        );
    }
    page.line(&format!("Judged at {}.", words::moment(now)));
    page.gap();
    let mut worst_first: Vec<_> = reports.iter().collect();
    worst_first.sort_by_key(|(_, report)| std::cmp::Reverse((report.verdict(), report.lag)));
    let mut table = Table::new(&["partition", "verdict", "behind", "age", "why"]);
    for (partition, report) in worst_first {
        let lag = report.lag.map_or_else(|| "unknown".to_owned(), |lag| lag.to_string());
        let age = report.age.map_or_else(String::new, |age| {
            // A message that is older than every sample has no age that could be guessed.
            let at_least = if age.basis == Basis::BeforeWindow { " at least" } else { "" };
            format!("{}{at_least}", words::duration(age.estimate))
        });
        table.row([partition.to_string(), report.verdict().name().to_owned(), lag, age, why(report)]);
    }
    table.write(&mut page);
    page.finish()
}

fn why(report: &Report) -> String {
    // The rule of a lag that grows says it already.
    let is_said = matches!(report.rule, Rule::Growing { lost_in: Some(_), .. });
    let overrun = report.trend.and_then(|trend| trend.overrun_in).filter(|_| is_bad(report) && !is_said);
    let overrun = overrun.map(|left| match left {
        left if left.is_zero() => "; unread messages are deleted now".to_owned(),
        left => format!("; unread messages are deleted in {}", words::duration(left)),
    });
    format!("{}{}", report.rule, overrun.unwrap_or_default())
}

fn to_json(reports: &[(&Partition, Report)], now: DateTime<Utc>) -> String {
    let partitions: Vec<Value> = reports
        .iter()
        .map(|(partition, report)| {
            json!({
                "topic": Some(&partition.topic).filter(|topic| !topic.is_empty()),
                "partition": partition.number,
                "verdict": report.verdict().name(),
                "why": report.rule.to_string(),
                "lag": report.lag,
                "held_back": report.held_back,
                "age": report.age.map(|age| format_duration(age.estimate)),
                "deleted_in": report.trend.and_then(|trend| trend.overrun_in).map(format_duration),
                "at": report.at,
                "samples": report.samples,
            })
        })
        .collect();
    let worst = reports.iter().map(|(_, report)| report.verdict()).max();
    words::json(&json!({
        "verdict": worst.map(Verdict::name),
        "now": now,
        "partitions": partitions,
    }))
}
