//! Chaos: random scenarios, each diagnosed and judged by what was broken.
//!
//! The diagnosis sees the parts alone. The judge knows the operations, and what an expert would accept for each.

mod drawing;
mod judge;
mod random;
mod truth;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use iot_runbook::diagnosis::Finding;
use serde::Serialize;
use tokio::task::JoinSet;

pub use self::{
    drawing::draw,
    judge::{Broken, Ended, Judgement, judge},
    random::Random,
    truth::{accepted, broken_by},
};
use crate::{
    console::{clear, say, show},
    error::{Error, Result},
    factory::{Factory, Plan},
    play::{Outcome, play},
    runbooks::Runbooks,
    scenario_file::{Expectation, ScenarioFile, UNDETERMINED},
    story::Story,
};

/// How many runs there are at a time. They wait most of their lives.
const AT_A_TIME: usize = 4;

/// One run.
struct Run {
    number: u64,
    scenario: ScenarioFile,
    ended: Result<Outcome>,
}

/// The outcomes of the runs, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    right: usize,
    honest: usize,
    unhelpful: usize,
    wrong: usize,
    no_alert: usize,
    failed: usize,
}

/// Runs so many random scenarios, each in a factory of its own, and prints their outcomes. `json`: a line for
/// each run instead. Gives whether none was wrongly certain and none failed.
///
/// # Errors
/// When the output can't be written.
pub async fn run(program: &Path, runbooks: &Runbooks, seed: u64, runs: u64, json: bool) -> Result<bool> {
    let mut numbers = 1..=runs;
    let mut under_way = JoinSet::new();
    let begin = |under_way: &mut JoinSet<Run>, number: Option<u64>| {
        let Some(number) = number else { return };
        let (program, runbooks) = (program.to_owned(), runbooks.clone());
        under_way.spawn(async move {
            let scenario = draw(&mut Random::for_run(seed, number));
            let ended = alone(&program, &scenario, &runbooks).await;
            Run { number, scenario, ended }
        });
    };
    for _ in 0..AT_A_TIME {
        begin(&mut under_way, numbers.next());
    }
    let (mut waiting, mut next, mut counts) = (BTreeMap::new(), 1, Counts::default());
    let mut output = Ok(());
    while let Some(joined) = under_way.join_next().await {
        begin(&mut under_way, numbers.next());
        let run = joined.map_err(|error| match error.try_into_panic() {
            // A run that panicked is a fault of the plant's, and ends it.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Error::Refused(error.to_string()),
        })?;
        waiting.insert(run.number, run);
        // In the order of their numbers, whichever ended first.
        while let Some(run) = waiting.remove(&next) {
            next += 1;
            clear();
            counts.enter(&run);
            output = output.and(tell(&run, seed, json));
        }
        if !json {
            show(format_args!("{} of {runs} ...", next - 1));
        }
    }
    clear();
    output?;
    if !json {
        counts.tell();
    }
    Ok(counts.wrong == 0 && counts.failed == 0)
}

async fn alone(program: &Path, scenario: &ScenarioFile, runbooks: &Runbooks) -> Result<Outcome> {
    let factory = Arc::new(Factory::start(program.to_owned(), Plan::WHOLE).await?);
    let outcome = play(&factory, scenario, runbooks, &Arc::new(Story::silent())).await;
    if let Some(factory) = Arc::into_inner(factory) {
        factory.stop().await?;
    }
    outcome
}

impl Counts {
    fn enter(&mut self, run: &Run) {
        let count = match &run.ended {
            Err(_) => &mut self.failed,
            Ok(outcome) => match outcome.judgement() {
                None => &mut self.no_alert,
                Some(Judgement::Right) => &mut self.right,
                Some(Judgement::Honest) => &mut self.honest,
                Some(Judgement::Unhelpful) => &mut self.unhelpful,
                Some(Judgement::WronglyCertain) => &mut self.wrong,
            },
        };
        *count += 1;
    }

    fn tell(self) {
        let judged = self.right + self.honest + self.unhelpful + self.wrong;
        let percent = |count: usize| 100.0 * count as f64 / judged.max(1) as f64;
        say(format_args!("{judged} diagnosed:"));
        for (name, count) in [
            ("right", self.right),
            ("honest", self.honest),
            ("not helpful", self.unhelpful),
            ("wrongly certain", self.wrong),
        ] {
            say(format_args!("  {name:<15} {count:>4}  {:>5.1} %", percent(count)));
        }
        say(format_args!("{} raised no alert, {} could not be run.", self.no_alert, self.failed));
    }
}

fn tell(run: &Run, seed: u64, json: bool) -> Result<()> {
    if json {
        let line = Line {
            run: run.number,
            scenario: run.scenario.to_string(),
            outcome: run.ended.as_ref().map_or_else(|error| format!("error: {error}"), Outcome::name),
            judged: judged(run),
            finding: run.ended.as_ref().ok().and_then(Outcome::finding),
        };
        return crate::console::write(serde_json::to_string(&line)?);
    }
    let broken = run.scenario.operations.iter().map(ToString::to_string).collect::<Vec<_>>();
    let outcome = match &run.ended {
        Ok(outcome) => outcome.described(),
        Err(error) => format!("error: {error}"),
    };
    let (number, device) = (run.number, &run.scenario.device);
    say(format_args!("{number:>4}  {:<15}  {device}: {}", judged(run), broken.join(", ")));
    say(format_args!("      {outcome}"));
    if let Ok(outcome) = &run.ended
        && outcome.judgement() == Some(Judgement::WronglyCertain)
    {
        for line in as_file(run, outcome, seed).to_string().lines() {
            say(format_args!("      | {line}"));
        }
    }
    Ok(())
}

fn judged(run: &Run) -> &'static str {
    match &run.ended {
        Err(_) => "failed",
        Ok(outcome) => outcome.judgement().map_or("no alert", Judgement::name),
    }
}

/// The scenario with what was expected of it.
fn as_file(run: &Run, outcome: &Outcome, seed: u64) -> ScenarioFile {
    let mut scenario = run.scenario.clone();
    scenario.title = Some(format!("chaos {seed}, run {}: {}", run.number, outcome.name()));
    let wrong = outcome.name();
    let mut accepts = accepted(&scenario).into_iter().map(str::to_owned).collect::<Vec<_>>();
    accepts.push(UNDETERMINED.to_owned());
    accepts.retain(|outcome| *outcome != wrong);
    scenario.expected = Expectation { accepted: accepts, forbidden: vec![wrong] };
    scenario
}

#[derive(Serialize)]
struct Line<'a> {
    run: u64,
    scenario: String,
    outcome: String,
    judged: &'static str,
    finding: Option<&'a Finding>,
}
