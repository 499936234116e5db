//! Deadbands: one tag a sample at a time, and a bank of a million tags.

mod bank;
mod node;
mod stream;

use std::hint::black_box;
use std::sync::Arc;

use chrono::TimeDelta;
use iot_runbook::deadband::filter::{Extent, Filter, Rule, Settings, Verdict};
use iot_runbook::deadband::profile::{Mode, NodeRed, Profile};
use iot_runbook::deadband::sample::Sample;

use super::{Work, compare};
use crate::error::Error;
use crate::measure::Side;
use crate::report::Report;

/// The work.
pub(crate) struct Deadband;

const NAME: &str = "deadband";

/// The width of every band.
const WIDTH: f64 = 1.0;

/// How many samples a stream has, before it starts again. A processor that foresees branches may learn it by heart.
const SAMPLES: usize = 1 << 14;

/// How many are too many for that.
const TOO_MANY: usize = 1 << 20;

/// The target of a step, in nanoseconds.
const STEP_TARGET: f64 = 6.0;

impl Work for Deadband {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "deadbands: a filter at four pass rates, and a bank of a million tags at three"
    }

    fn run(&self, report: &mut Report) -> Result<(), Error> {
        for percent in [0, 3, 33, 100] {
            let values = stream::values(percent, SAMPLES);
            let plain = filter(Settings::new(Extent::Absolute(WIDTH)))?;
            proven(&plain, &values)?;
            let case = format!("step {percent} %");
            let medians =
                compare(report, NAME, &case, ours(plain, &values), ("branchy-loop", branchy(&values)))?;
            report.target(&case, medians, STEP_TARGET);
            let full = filter(
                Settings::new(Extent::Absolute(WIDTH))
                    .with_max_interval(TimeDelta::hours(1))
                    .with_min_interval(TimeDelta::nanoseconds(1))
                    .with_previous(),
            )?;
            let case = format!("step, all on, {percent} %");
            let all_on =
                compare(report, NAME, &case, ours(full, &values), ("branchy-loop", branchy(&values)))?;
            report.target(&case, all_on, STEP_TARGET);
            let mimic = filter(
                Settings::new(Extent::Absolute(WIDTH))
                    .with_profile(Profile::NodeRed(NodeRed::new(Mode::Deadband))),
            )?;
            proven(&mimic, &values)?;
            let case = format!("step as Node-RED, {percent} %");
            let as_node =
                compare(report, NAME, &case, ours(mimic, &values), ("branchy-loop", branchy(&values)))?;
            report.target(&case, as_node, STEP_TARGET);
            node::beside(report, percent, &values, [medians, as_node])?;
        }
        unlearnt(report)?;
        bank::run(report)
    }
}

/// A stream that no processor learns by heart: each side misses the turn of a third of its samples.
fn unlearnt(report: &mut Report) -> Result<(), Error> {
    let values = stream::values(33, TOO_MANY);
    let plain = filter(Settings::new(Extent::Absolute(WIDTH)))?;
    compare(report, NAME, "step 33 %, unlearnt", ours(plain, &values), ("branchy-loop", branchy(&values)))?;
    Ok(())
}

fn filter(settings: Settings) -> Result<Filter, Error> {
    let rule = Rule::new(settings).map_err(|error| Error::failed("a rule", error))?;
    Ok(Filter::new(Arc::new(rule)))
}

/// A stream that starts again at its end, a microsecond from sample to sample.
#[derive(Clone, Copy)]
struct Replay<'a> {
    values: &'a [f64],
    position: usize,
    at: i64,
}

impl<'a> Replay<'a> {
    const fn new(values: &'a [f64]) -> Self {
        Self { values, position: 0, at: 0 }
    }

    fn next(&mut self) -> Sample {
        let value = self.values.get(self.position).copied().unwrap_or_default();
        self.position = if self.position + 1 < self.values.len() { self.position + 1 } else { 0 };
        self.at += 1_000;
        Sample::new(self.at, value)
    }
}

fn ours(mut filter: Filter, values: &[f64]) -> Side<'_> {
    let mut replay = Replay::new(values);
    let mut reported = 0_u64;
    Box::new(move |runs| {
        // Where the stream is stays in registers, as in the loop beside it.
        let mut stream = replay;
        for _ in 0..runs {
            let verdict = filter.observe(stream.next(), |_| reported += 1);
            black_box(matches!(verdict, Ok(Verdict::Reported(_))));
        }
        replay = stream;
        black_box(reported);
    })
}

/// The floor: two variables and an `if`; no time, no quality, no reason, no count, and mute after NaN.
fn branchy(values: &[f64]) -> Side<'_> {
    let mut last = f64::MAX;
    let mut replay = Replay::new(values);
    let mut reported = 0_u64;
    Box::new(move |runs| {
        let mut stream = replay;
        for _ in 0..runs {
            let value = stream.next().value;
            let passes = (value - last).abs() > WIDTH;
            if passes {
                last = value;
                reported += 1;
            }
            black_box(passes);
        }
        replay = stream;
        black_box(reported);
    })
}

/// Which of the values the loop reports.
fn passes(values: &[f64]) -> Vec<bool> {
    let mut last = f64::MAX;
    let mut passes = |value: f64| {
        let passes = (value - last).abs() > WIDTH;
        if passes {
            last = value;
        }
        passes
    };
    values.iter().map(|value| passes(*value)).collect()
}

/// Both report the same of the stream.
fn proven(filter: &Filter, values: &[f64]) -> Result<(), Error> {
    let mut filter = filter.clone();
    for ((value, at), passes) in values.iter().zip(1..).zip(passes(values)) {
        let mut reported = false;
        let _ = filter.observe(Sample::new(at, *value), |_| reported = true);
        if reported != passes {
            return Err(Error::Differs(format!("sample {at}, {value}: ours {reported}, the loop {passes}")));
        }
    }
    Ok(())
}
