//! One scenario file, from its first operation to its finding.

mod cues;
mod pipeline;

use std::{path::Path, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::diagnosis::{Bundle, Finding};
use serde::Serialize;

pub use self::cues::Cues;
use crate::{
    alarm,
    chaos::{Broken, Ended, Judgement, broken_by, judge},
    console,
    error::Result,
    examine::{Case, Diagnosed},
    factory::{Factory, Plan},
    operation::{Done, Operation, Parts, Performance, Setting},
    runbooks::Runbooks,
    scenario::Obstacle,
    scenario_file::{NO_ALERT, ScenarioFile, UNDETERMINED},
    story::Story,
    task::Task,
};

/// How long after the last operation an alert is waited for.
const ALERT_WITHIN: Duration = Duration::from_secs(6);
/// A device that was heard within this is back: above the runbook's `flap_window` and a reporting interval.
const BACK_WITHIN: TimeDelta = TimeDelta::milliseconds(2500);
/// And it made a message within this: above what two slow links delay it by.
const MADE_WITHIN: TimeDelta = TimeDelta::milliseconds(4500);
/// The step that concludes on what is over.
const LOOKS_BACK: &str = "flap-history";

/// The outcome of a scenario.
#[derive(Debug)]
pub struct Outcome {
    /// What was done, and when.
    pub done: Vec<Done>,
    /// What was diagnosed; none where no alert was raised.
    pub diagnosed: Option<Diagnosed>,
    /// The operations that waited for a step, to which the walk did not come.
    pub left_out: Vec<Operation>,
    /// What was broken; none where nobody wrote down what an expert would accept for it.
    broken: Option<Vec<Broken>>,
    back: bool,
}

/// Plays a scenario in this factory, and diagnoses the alert that it raises.
///
/// # Errors
/// When the diagnosis can't be run.
pub async fn play(
    factory: &Arc<Factory>,
    scenario: &ScenarioFile,
    runbooks: &Runbooks,
    story: &Arc<Story>,
) -> Result<Outcome> {
    let since = Utc::now();
    let performance =
        Arc::new(Performance::new(Parts::Factory(Arc::clone(factory)), scenario.operations.clone()));
    let performing = begin(&performance);
    let raised = alarm::raised_within(factory, &scenario.device, since, last(scenario) + ALERT_WITHIN).await;
    let diagnosed = match raised {
        None => {
            story.tell("  No alert was raised.");
            None
        }
        Some(trigger) => {
            let case = Case {
                factory,
                device: &scenario.device,
                people: scenario.people,
                obstacle: Obstacle::None,
                injected: Arc::default(),
                by_monitoring: false,
                performance: Some(Arc::clone(&performance)),
                runbooks,
                story,
            };
            Some(case.diagnose(trigger).await?)
        }
    };
    let now = Utc::now();
    let back = is_back(factory, &scenario.device, now);
    drop(performing);
    let done = performance.done();
    let left_out = performance.left_out().into_iter().cloned().collect();
    let broken = Some(broken_by(&done, &scenario.device));
    Ok(Outcome { done, diagnosed, left_out, broken, back })
}

/// Begins with the operations that have a time.
fn begin(performance: &Arc<Performance>) -> Task {
    let performance = Arc::clone(performance);
    Task::spawn(async move { performance.run().await })
}

/// When the last operation that has a time is done, after the start.
fn last(scenario: &ScenarioFile) -> Duration {
    scenario.operations.iter().map(|operation| operation.at).max().unwrap_or_default()
}

/// Whether a message came lately that the device made lately: one that an outbox kept shows nothing.
fn is_back(factory: &Factory, device: &str, now: DateTime<Utc>) -> bool {
    let ahead =
        factory.device(device).map_or_else(|_| TimeDelta::zero(), |part| part.condition().clock_ahead);
    let receipts = factory.platform().receipts(device);
    receipts.at.iter().zip(&receipts.made).any(|(at, made)| {
        let made = made.and_then(|made| made.checked_sub_signed(ahead)).unwrap_or(*at);
        now - *at <= BACK_WITHIN && now - made <= MADE_WITHIN
    })
}

impl Outcome {
    /// Its name in an expectation: the conclusion, `undetermined` or `no-alert`.
    pub fn name(&self) -> String {
        match &self.diagnosed {
            None => NO_ALERT.to_owned(),
            Some(diagnosed) => diagnosed.finding.conclusion().unwrap_or(UNDETERMINED).to_owned(),
        }
    }

    /// An operation that could not be done, or was not, and why; none where all were.
    pub fn not_done(&self) -> Option<String> {
        let failed = self.done.iter().find_map(|done| Some((&done.operation, done.failed.as_ref()?)));
        let failed = failed.map(|(operation, why)| format!("{operation}: {why}"));
        failed.or_else(|| {
            let left_out = self.left_out.first()?;
            let step = left_out.step.as_deref().unwrap_or_default();
            Some(format!("{left_out}: the walk did not come to the step {step}"))
        })
    }

    /// The finding, where there is one.
    pub fn finding(&self) -> Option<&Finding> {
        Some(&self.diagnosed.as_ref()?.finding)
    }

    /// A line about it: the conclusion with the steps on the way, or the hypotheses.
    pub fn described(&self) -> String {
        let Some(diagnosed) = &self.diagnosed else { return self.name() };
        let hypotheses = diagnosed.finding.hypotheses().iter();
        let hypotheses = hypotheses.map(|one| format!("{} {:.0} %", one.cause, 100.0 * one.share));
        let possible = hypotheses.collect::<Vec<_>>().join(", ");
        let back = if self.back { "; the device is back" } else { "" };
        let possible = if possible.is_empty() { possible } else { format!(" ({possible})") };
        format!("{}{possible}{back}, by {}", self.name(), diagnosed.passed().join(" > "))
    }

    /// Whether what was broken is found in it; none where nothing was diagnosed, and in the pipeline.
    pub fn judgement(&self) -> Option<Judgement> {
        let diagnosed = self.diagnosed.as_ref()?;
        let broken = self.broken.as_ref()?;
        let finding = &diagnosed.finding;
        let hypotheses = finding.hypotheses().iter();
        let of_one =
            hypotheses.map(|one| one.conclusions.iter().chain(&one.outcomes).map(|id| &**id).collect());
        let ended = Ended {
            at: finding.at(),
            conclusion: finding.conclusion(),
            hypotheses: of_one.collect(),
            back: self.back,
            over: diagnosed.passed().iter().rev().take(2).any(|step| *step == LOOKS_BACK),
        };
        Some(judge(broken, &ended))
    }
}

/// Plays a scenario in a factory or a pipeline of its own, and prints the outcome. Gives whether its expectation holds.
///
/// # Errors
/// When these can't be started, or the diagnosis can't be run.
pub async fn play_alone(
    program: &Path,
    scenario: &ScenarioFile,
    runbooks: &Runbooks,
    story: Story,
    json: bool,
) -> Result<bool> {
    let story = Arc::new(story);
    if let Some(title) = &scenario.title {
        story.tell(format_args!("{title}."));
    }
    for operation in &scenario.operations {
        let by = operation.by.map_or_else(String::new, |by| format!(" by {} s", by.num_seconds()));
        story.tell(match &operation.step {
            Some(step) => format!("  at the step {step}: {operation}{by}"),
            None => format!("  after {:.1} s: {operation}{by}", operation.at.as_secs_f64()),
        });
    }
    let outcome = match Setting::of(&scenario.device) {
        Some(Setting::Pipeline) => pipeline::play_alone(program, scenario, runbooks, &story).await?,
        _ => in_factory(program, scenario, runbooks, &story).await?,
    };
    let differs = scenario.expected.differs(&outcome.name());
    let not_done = outcome.not_done();
    if let Some(not_done) = &not_done {
        story.tell(format_args!("    NOT DONE: {not_done}"));
    }
    if let Some(judgement) = outcome.judgement() {
        story.tell(format_args!("    By what was broken, this is {}.", judgement.name()));
    }
    if let Some(differs) = &differs {
        story.tell(format_args!("    DIFFERS: {differs}"));
    }
    if json {
        console::write(serde_json::to_string(&Line {
            outcome: outcome.name(),
            as_expected: differs.is_none(),
            differs: differs.as_deref(),
            judged: outcome.judgement().map(Judgement::name),
            not_done: not_done.clone(),
            finding: outcome.finding(),
            bundle: outcome.diagnosed.as_ref().map(|diagnosed| &diagnosed.bundle),
        })?)?;
    }
    let as_expected = differs.is_none() && not_done.is_none();
    Ok(as_expected)
}

async fn in_factory(
    program: &Path,
    scenario: &ScenarioFile,
    runbooks: &Runbooks,
    story: &Arc<Story>,
) -> Result<Outcome> {
    let factory = Arc::new(Factory::start(program.to_owned(), Plan::WHOLE).await?);
    let outcome = play(&factory, scenario, runbooks, story).await;
    if let Some(factory) = Arc::into_inner(factory) {
        factory.stop().await?;
    }
    outcome
}

#[derive(Serialize)]
struct Line<'a> {
    outcome: String,
    as_expected: bool,
    differs: Option<&'a str>,
    judged: Option<&'static str>,
    not_done: Option<String>,
    finding: Option<&'a Finding>,
    bundle: Option<&'a Bundle>,
}
