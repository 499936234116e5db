//! A scenario that takes place in the data pipeline.

use std::{path::Path, sync::Arc, time::Duration};

use chrono::{TimeDelta, Utc};

use super::{Outcome, begin, last};
use crate::{
    error::Result,
    operation::{Parts, Performance},
    pipeline::{
        Pipeline, Plan,
        survey::{Asks, subject},
        watch,
    },
    runbooks::Runbooks,
    scenario::Obstacle,
    scenario_file::ScenarioFile,
    story::Story,
};

/// How long the gap is at least before it is looked into: what is on its way then is little beside it.
const LASTS: TimeDelta = TimeDelta::milliseconds(2600);

/// How long after the last operation a gap is waited for.
const GAP_WITHIN: Duration = Duration::from_secs(12);

/// Plays a scenario in a pipeline of its own, and diagnoses the gap that it makes.
///
/// # Errors
/// When the pipeline can't be started, or the diagnosis can't be run.
pub(super) async fn play_alone(
    program: &Path,
    scenario: &ScenarioFile,
    runbooks: &Runbooks,
    story: &Arc<Story>,
) -> Result<Outcome> {
    let pipeline = Arc::new(Pipeline::start(program, Plan::SCENARIO).await?);
    let outcome = play(&pipeline, scenario, runbooks, story).await;
    if let Some(pipeline) = Arc::into_inner(pipeline) {
        pipeline.stop().await?;
    }
    outcome
}

async fn play(
    pipeline: &Arc<Pipeline>,
    scenario: &ScenarioFile,
    runbooks: &Runbooks,
    story: &Arc<Story>,
) -> Result<Outcome> {
    let parts = Parts::Pipeline(Arc::clone(pipeline));
    let performance = Arc::new(Performance::new(parts, scenario.operations.clone()));
    let performing = begin(&performance);
    let found = watch::found_within(pipeline, LASTS, last(scenario) + GAP_WITHIN).await;
    let diagnosed = match found {
        None => {
            story.tell("  No gap showed.");
            None
        }
        Some(gap) => {
            story.tell(format_args!("  {}: {gap}", scenario.device));
            let asks = Asks::new(pipeline, Obstacle::None, Some(Arc::clone(&performance)), runbooks, story)?;
            let trigger = gap.trigger(Utc::now());
            Some(asks.diagnose(gap.subject(&subject()), trigger).await?)
        }
    };
    drop(performing);
    let left_out = performance.left_out().into_iter().cloned().collect();
    Ok(Outcome { done: performance.done(), diagnosed, left_out, broken: None, back: false })
}
