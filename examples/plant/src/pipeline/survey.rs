//! One scenario of the pipeline, from its fault to its finding: the gap is found in the table, diagnosed, split where
//! the device was online for a part of it, and mended.

use std::{sync::Arc, time::Duration};

use chrono::{TimeDelta, Utc};
use iot_runbook::{
    check::Checks,
    diagnosis::Diagnosis,
    driver::{Driver, RetryPolicy, TokioTimer},
    runbook::RunbookSet,
    subject::{Subject, Trigger},
    time::Period,
};

use super::{
    DEVICE, GATEWAY, KEEP_ALIVE, PIPELINE, Pipeline, SITE,
    loss::Loss,
    watch::{self, Gap},
};
use crate::{
    adapters::pipeline::PipelineAdapters,
    broker::EventKind,
    error::{Error, Result},
    examine::{Diagnosed, Examined, new_id},
    runbooks::Runbooks,
    scenario::{Expected, Obstacle, SPLIT, Scenario},
    story::Story,
    wait,
};

const ATTEMPT: Duration = Duration::from_secs(3);
const ATTEMPTS: u32 = 2;
/// For how long rows are looked at where none should be missing.
const LOOKED_AT: TimeDelta = TimeDelta::seconds(3);

/// Starts a pipeline, puts the scenario's fault into it, waits for the gap, diagnoses it, and mends the pipeline.
///
/// # Errors
/// When a part can't be started, broken or mended, no gap shows, or the diagnosis can't be run.
pub async fn survey(
    scenario: &'static Scenario,
    loss: &'static Loss,
    runbooks: &Runbooks,
    story: &Arc<Story>,
) -> Result<Examined> {
    let pipeline = Arc::new(Pipeline::start(loss.plan).await?);
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
        watch::longest(pipeline, Utc::now() - watch::LATENESS)
    } else {
        Some(watch::found(pipeline, loss.lasts).await?)
    };
    let alerted = Utc::now();
    let mut diagnosed = Vec::new();
    match gap {
        Some(gap) => {
            story.tell(format_args!("  {DEVICE}: {}", describe(&gap)));
            in_force.meanwhile(pipeline).await?;
            let asks = Asks::new(pipeline, scenario.obstacle, runbooks, story)?;
            diagnosed.push(asks.diagnose(&gap, gap.period()).await?);
            let is_split = diagnosed.iter().any(|one| one.finding.conclusion() == Some(SPLIT));
            if is_split {
                for part in parts(pipeline, gap.period()) {
                    story.tell(format_args!("  A part of it, {:.1} s long:", part.length().as_seconds_f64()));
                    diagnosed.push(asks.diagnose(&gap, part).await?);
                }
            }
        }
        None => story.tell(format_args!("  {DEVICE}: no gap in its rows.")),
    }
    let ended = diagnosed.last().map_or(alerted, |last| last.finding.at());
    in_force.mend(pipeline).await?;
    Ok(Examined { scenario, gap, diagnosed, took: ended - alerted, injected: Vec::new() })
}

/// Waits until the table has rows that were taken after then.
async fn rows_since(pipeline: &Pipeline, then: chrono::DateTime<Utc>) -> Result<()> {
    wait::until("rows", || async {
        pipeline.table().newest(DEVICE).is_ok_and(|newest| newest.is_some_and(|at| at > then))
    })
    .await
}

fn describe(gap: &Gap) -> String {
    let length = (gap.to - gap.from).as_seconds_f64();
    let open = if gap.is_open { ", and still none comes" } else { "" };
    format!("a gap of {length:.1} s in its rows, {} are missing{open}", gap.expected)
}

/// The parts of a period in which the device's session was up, or was not. Those shorter than one and a half
/// keep-alives are none, and go with the part before them.
fn parts(pipeline: &Pipeline, period: Period) -> Vec<Period> {
    let shortest = TimeDelta::milliseconds(i64::from(KEEP_ALIVE) * 1500);
    let mut ends = vec![period.start()];
    for event in pipeline.broker().events(DEVICE, period.start()) {
        let is_change = !matches!(event.kind, EventKind::Refused(_));
        if is_change
            && event.at < period.end()
            && ends.last().is_some_and(|last| event.at - *last >= shortest)
        {
            ends.push(event.at);
        }
    }
    ends.push(period.end());
    ends.windows(2).filter_map(|pair| Period::new(pair[0], pair[1]).ok()).collect()
}

/// What a diagnosis is run with.
struct Asks {
    name: String,
    set: RunbookSet,
    driver: Driver,
    story: Arc<Story>,
}

impl Asks {
    fn new(
        pipeline: &Arc<Pipeline>,
        obstacle: Obstacle,
        runbooks: &Runbooks,
        story: &Arc<Story>,
    ) -> Result<Self> {
        let (name, set) = runbooks.gap_set()?;
        let probes = obstacle.before_pipeline(PipelineAdapters::of(pipeline));
        let retry = RetryPolicy::default().with_attempt(ATTEMPT).with_attempts(ATTEMPTS);
        let driver = Driver::new(&set, &Checks::builtin(), probes, Arc::new(TokioTimer))
            .map_err(Error::runbook)?
            .with_journal(Arc::<Story>::clone(story))
            .with_retry(retry);
        Ok(Self { name, set, driver, story: Arc::clone(story) })
    }

    async fn diagnose(&self, gap: &Gap, period: Period) -> Result<Diagnosed> {
        let subject = Subject::device(DEVICE)
            .with_gateway(GATEWAY)
            .with_site(SITE)
            .with_pipeline(PIPELINE)
            .with_period(period);
        let trigger = Trigger::new(describe(gap), Utc::now());
        let mut diagnosis = Diagnosis::new(new_id(), &self.set, &self.name, subject, trigger, Utc::now())
            .map_err(Error::runbook)?;
        let finding = self.driver.run(&mut diagnosis).await.map_err(Error::runbook)?;
        let bundle = diagnosis.bundle();
        self.story.tell_end(&finding, &bundle);
        Ok(Diagnosed { finding, bundle })
    }
}
