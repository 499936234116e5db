//! Every scenario, each in a factory or a pipeline of its own, and the table of what came of it.

use std::{path::Path, sync::Arc};

use chrono::Utc;
use serde::Serialize;
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    console::{clear, say, show, write},
    error::{Error, Result},
    examine::{Examined, examine},
    factory::{Factory, Plan},
    page::columns,
    pipeline::survey::survey,
    runbooks::Runbooks,
    scenario::Scenario,
    story::Story,
};

/// How wide the longest conclusion is, and the longest cause of hypotheses.
const WIDE: usize = 31;
/// How many of them run at a time. They wait most of their lives.
const AT_A_TIME: usize = 4;

/// Examines every scenario. `json`: lines of JSON as they come, instead of the table. Gives whether each came to
/// what was expected.
///
/// # Errors
/// When a line of JSON can't be written. A scenario that can't be run ends no other.
pub async fn sweep(program: &Path, runbooks: &Runbooks, json: bool) -> Result<bool> {
    let started = Utc::now();
    if !json && !is_narrow() {
        say(row("fault", "expected", "diagnosed", "steps", "seconds"));
    }
    // Dropping the set ends what is under way, and with it its factories.
    let mut under_way = JoinSet::new();
    let slots = Arc::new(Semaphore::new(AT_A_TIME));
    for (position, scenario) in Scenario::all().enumerate() {
        let (slots, program, runbooks) = (Arc::clone(&slots), program.to_owned(), runbooks.clone());
        under_way.spawn(async move {
            let _slot = slots.acquire().await;
            (position, alone(&program, scenario, &runbooks).await)
        });
    }
    let mut ended = Vec::new();
    ended.resize_with(Scenario::all().count(), || None);
    let (mut told, mut good) = (0, 0);
    while let Some(joined) = under_way.join_next().await {
        let (position, result) = joined.map_err(|error| match error.try_into_panic() {
            // A scenario that panicked is a fault of the plant's, and ends it.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Error::Refused(error.to_string()),
        })?;
        if let Some(place) = ended.get_mut(position) {
            *place = Some(result);
        }
        // In the order of the catalog, whichever ended first.
        while let Some((scenario, result)) = next(&mut ended, told) {
            told += 1;
            clear();
            good += usize::from(tell(scenario, result, json)?);
        }
        if !json {
            show(format_args!("{told} of {} ...", Scenario::all().count()));
        }
    }
    if !json {
        clear();
        let seconds = (Utc::now() - started).as_seconds_f64();
        say(format_args!("{good} of {told} as expected, in {seconds:.0} s."));
    }
    Ok(good == told)
}

fn next(
    ended: &mut [Option<Result<Examined>>],
    position: usize,
) -> Option<(&'static Scenario, Result<Examined>)> {
    Some((Scenario::all().nth(position)?, ended.get_mut(position)?.take()?))
}

/// In a factory or a pipeline of its own: what one scenario leaves in the logs is no evidence in another.
async fn alone(program: &Path, scenario: &'static Scenario, runbooks: &Runbooks) -> Result<Examined> {
    if let Some(loss) = scenario.loss()? {
        return survey(program, scenario, loss, runbooks, &Arc::new(Story::silent())).await;
    }
    let factory = Arc::new(Factory::start(program.to_owned(), Plan::WHOLE).await?);
    let examined = examine(&factory, scenario, runbooks, &Arc::new(Story::silent())).await;
    if let Some(factory) = Arc::into_inner(factory) {
        factory.stop().await?;
    }
    examined
}

fn tell(scenario: &Scenario, result: Result<Examined>, json: bool) -> Result<bool> {
    let examined = match result {
        Ok(examined) => examined,
        Err(error) if json => {
            let failed = Failed { fault: scenario.id, as_expected: false, error: error.to_string() };
            write(serde_json::to_string(&failed)?)?;
            return Ok(false);
        }
        Err(error) => {
            say(format_args!("{}: error: {error}", scenario.id));
            return Ok(false);
        }
    };
    if json {
        write(examined.json()?)?;
        return Ok(examined.differs().is_none());
    }
    let steps = examined.steps().to_string();
    let seconds = format!("{:.1}", examined.took.as_seconds_f64());
    let diagnosed = examined.diagnosed();
    match is_narrow() {
        true => say(format_args!("{}\n    {diagnosed}, {steps} steps, {seconds} s", scenario.id)),
        false => say(row(scenario.id, &scenario.expected.to_string(), &diagnosed, &steps, &seconds)),
    }
    let differs = examined.differs();
    if let Some(differs) = &differs {
        say(format_args!("  DIFFERS: {differs}"));
    }
    Ok(differs.is_none())
}

/// A scenario that could not be run.
#[derive(Serialize)]
struct Failed<'a> {
    fault: &'a str,
    as_expected: bool,
    error: String,
}

/// Whether the table is wider than the terminal.
fn is_narrow() -> bool {
    let table = row("", "", "", "", "").len();
    columns().is_some_and(|width| width < table)
}

fn row(fault: &str, expected: &str, diagnosed: &str, steps: &str, seconds: &str) -> String {
    format!("{fault:<41}  {expected:<WIDE$}  {diagnosed:<WIDE$}  {steps:>5}  {seconds:>7}")
}
