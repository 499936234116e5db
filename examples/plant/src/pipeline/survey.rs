//! One scenario of the pipeline, from its fault to its finding: the gap is found in the table, diagnosed, split where
//! the device was online for a part of it, and mended.

use std::{convert::Infallible, future::pending, path::Path, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::{
    check::Checks,
    diagnosis::Diagnosis,
    driver::{Driver, TokioTimer},
    report::Report,
    runbook::RunbookSet,
    subject::{Subject, Trigger},
};
use tokio::sync::Notify;

use super::{DEVICE, GATEWAY, PIPELINE, Pipeline, SITE, loss::Loss, picture, watch};
use crate::{
    adapters::pipeline::PipelineAdapters,
    error::{Error, Result},
    examine::{Diagnosed, Examined, new_id, played},
    operation::Performance,
    runbooks::Runbooks,
    scenario::{Expected, Obstacle, SPLIT, Scenario},
    story::Story,
    wait,
};

const ATTEMPT: Duration = Duration::from_secs(3);
/// For how long rows are looked at where none should be missing.
const LOOKED_AT: TimeDelta = TimeDelta::seconds(3);

/// Starts a pipeline, puts the scenario's fault into it, waits for the gap, diagnoses it, and mends the pipeline.
/// `program` is the plant's own.
///
/// # Errors
/// When a part can't be started, broken or mended, no gap shows, or the diagnosis can't be run.
pub async fn survey(
    program: &Path,
    scenario: &'static Scenario,
    loss: &'static Loss,
    runbooks: &Runbooks,
    story: &Arc<Story>,
) -> Result<Examined> {
    let pipeline = Arc::new(Pipeline::start(program, loss.plan).await?);
    let surveyed = in_pipeline(&pipeline, scenario, loss, runbooks, story).await;
    if let Some(pipeline) = Arc::into_inner(pipeline) {
        pipeline.stop().await?;
    }
    surveyed
}

async fn in_pipeline(
    pipeline: &Arc<Pipeline>,
    scenario: &'static Scenario,
    loss: &'static Loss,
    runbooks: &Runbooks,
    story: &Arc<Story>,
) -> Result<Examined> {
    let since = Utc::now();
    let in_force = loss.inject(pipeline).await?;
    let gap = if scenario.expected == Expected::NoGap {
        rows_since(pipeline, since + LOOKED_AT).await?;
        watch::look(pipeline)?
    } else {
        Some(watch::found(pipeline, loss.lasts).await?)
    };
    let alerted = Utc::now();
    let mut diagnosed = Vec::new();
    match &gap {
        Some(gap) => {
            story.tell(format_args!("  {DEVICE}: {gap}"));
            in_force.meanwhile(pipeline).await?;
            let asks = Asks::new(pipeline, scenario.obstacle, None, runbooks, story)?;
            let trigger = gap.trigger(alerted);
            let device = subject();
            let during = async {
                in_force.during(pipeline, &asks.asked).await;
                pending::<Infallible>().await
            };
            let walk = asks.diagnose(gap.subject(&device), trigger.clone());
            diagnosed.push(tokio::select! {
                found = walk => found?,
                never = during => match never {},
            });
            if diagnosed.iter().any(|one| one.finding.conclusion() == Some(SPLIT)) {
                let sessions = watch::sessions(pipeline, gap.period());
                for part in gap.part_subjects(&device, &sessions) {
                    let length = part.period.map_or(0.0, |period| period.length().as_seconds_f64());
                    story.tell(format_args!("  A part of it, {length:.1} s long:"));
                    diagnosed.push(asks.diagnose(part, trigger.clone()).await?);
                }
            }
        }
        None => story.tell(format_args!("  {DEVICE}: no gap in its rows.")),
    }
    let ended = diagnosed.last().map_or(alerted, |last| last.finding.at());
    in_force.mend(pipeline).await?;
    let afterwards = match &gap {
        Some(gap) => watch::again(pipeline, gap)?,
        None => None,
    };
    if let Some(gap) = &afterwards {
        story.tell(format_args!("  Afterwards: {gap}"));
    }
    Ok(Examined { scenario, gap, afterwards, diagnosed, took: ended - alerted, injected: Vec::new() })
}

/// Who a gap is about.
pub(crate) fn subject() -> Subject {
    Subject::device(DEVICE).with_gateway(GATEWAY).with_site(SITE).with_pipeline(PIPELINE)
}

/// Waits until the table has rows that were taken after then.
async fn rows_since(pipeline: &Pipeline, then: DateTime<Utc>) -> Result<()> {
    wait::until("rows", || async {
        pipeline.table().newest(DEVICE).is_ok_and(|newest| newest.is_some_and(|at| at > then))
    })
    .await
}

/// What a diagnosis is run with.
pub(crate) struct Asks {
    name: String,
    set: RunbookSet,
    driver: Driver,
    /// Notified when Kafka is asked about lag.
    asked: Arc<Notify>,
    story: Arc<Story>,
    pipeline: Arc<Pipeline>,
}

impl Asks {
    pub(crate) fn new(
        pipeline: &Arc<Pipeline>,
        obstacle: Obstacle,
        performance: Option<Arc<Performance>>,
        runbooks: &Runbooks,
        story: &Arc<Story>,
    ) -> Result<Self> {
        let (name, set) = runbooks.gap_set()?;
        let asked = Arc::<Notify>::default();
        let probes = obstacle.before_pipeline(PipelineAdapters::of(pipeline), &asked);
        let (probes, journal) = played(probes, performance, story);
        let driver = Driver::new(&set, &Checks::builtin(), probes, Arc::new(TokioTimer))
            .map_err(Error::runbook)?
            .with_journal(journal)
            .with_time_limit(obstacle.time_limit(ATTEMPT));
        let (story, pipeline) = (Arc::clone(story), Arc::clone(pipeline));
        Ok(Self { name, set, driver, asked, story, pipeline })
    }

    pub(crate) async fn diagnose(&self, subject: Subject, trigger: Trigger) -> Result<Diagnosed> {
        let mut diagnosis = Diagnosis::new(new_id(), &self.set, &self.name, subject, trigger, Utc::now())
            .map_err(Error::runbook)?;
        let finding = self.driver.run(&mut diagnosis).await.map_err(Error::runbook)?;
        let report = picture::with_deadband(Report::of(&diagnosis), &diagnosis, &self.pipeline);
        self.story.tell_end(&diagnosis, &report)?;
        Ok(Diagnosed { finding, bundle: diagnosis.bundle() })
    }
}
