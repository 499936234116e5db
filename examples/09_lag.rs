//! A window of offsets of one consumer group, judged: which verdict, by which rule, from what.
//!
//! `cargo run --example 09_lag`, or with a file of your own: `partition,second,log_start,committed,head` a
//! line, the committed offset `-` where there is none.
#[path = "page/page.rs"]
mod page;

use std::collections::BTreeMap;
use std::error::Error;

use chrono::{DateTime, TimeDelta};
use iot_runbook::fact::duration_in_words;
use iot_runbook::lag::{Course, Judge, Sample, Settings, Verdict, Window};
use page::say;

/// Half a minute apart: 0 keeps up, 1 is slow, 2 has just stopped, 3 lost messages, 4 was never read, 5 is silent.
fn inline() -> String {
    let mut lines = String::from("5,,,,\n");
    for i in 0..10_u64 {
        let (second, head) = (30 * i, 10_000 + 300 * i);
        let stopped = 10_000 + 300 * i.min(4);
        lines += &format!("0,{second},0,{},{head}\n", head - 20 - i % 3);
        lines += &format!("1,{second},0,{},{head}\n", 9_000 + 200 * i);
        lines += &format!("2,{second},0,{stopped},{head}\n");
        lines += &format!("3,{second},{},{},{head}\n", 4_000 + 600 * (i / 4), 4_100 + 10 * i);
        lines += &format!("4,{second},0,-,{head}\n");
    }
    lines
}

fn main() -> Result<(), Box<dyn Error>> {
    let text = match std::env::args().nth(1) {
        Some(file) => std::fs::read_to_string(file)?,
        None => inline(),
    };
    let mut windows: BTreeMap<i32, Window> = BTreeMap::new();
    let mut now = DateTime::UNIX_EPOCH;
    for line in text.lines() {
        let fields: Vec<_> = line.split(',').map(str::trim).collect();
        let [partition, second, log_start, committed, head] = fields[..] else {
            return Err(format!("`{line}` is not partition,second,log_start,committed,head").into());
        };
        // A partition that gave no answer is named all the same: it may not be forgotten.
        let window = windows.entry(partition.parse()?).or_default();
        if second.is_empty() {
            continue;
        }
        let at = DateTime::from_timestamp(second.parse()?, 0)
            .ok_or_else(|| format!("`{line}`: no such second"))?;
        let committed = if committed == "-" { None } else { Some(committed.parse()?) };
        window.observe(Sample::new(at, log_start.parse()?, head.parse()?).with_committed(committed));
        now = now.max(at);
    }

    let settings = Settings::default()
        .with_allowed_lag(50)
        .with_max_lag(50_000)
        .with_max_age(TimeDelta::minutes(15))
        .with_retention(TimeDelta::hours(2));
    let judge = Judge::new(settings)?;
    let group = judge.group(now, None, &windows);
    say(format_args!("the group, {} messages behind in all: {group}\n", group.total_lag));
    for (partition, window) in &windows {
        let report = judge.partition(now, None, window);
        say(format_args!("partition {partition}: {report}"));
        if let Some(trend) = report.trend.filter(|_| report.verdict() > Verdict::Ok) {
            let (produced, consumed) = (trend.produced, trend.consumed);
            let mut line = format!("  {produced:.1} come and {consumed:.1} are read a second");
            match trend.course {
                Course::Drains { within } => line += &format!("; drained in {}", duration_in_words(within)),
                Course::Grows => line += "; the lag grows",
                _ => {}
            }
            say(line);
        }
    }
    Ok(())
}
