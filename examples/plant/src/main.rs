//! The plant's program.

use std::{path::Path, process::ExitCode, sync::Arc};

use chrono::Utc;
use plant::{
    arguments::{Arguments, USAGE, What},
    console::{complain, say},
    error::{Error, Result},
    examine::examine,
    factory::{Factory, Plan},
    gateway::{self, EXIT_OUT_OF_MEMORY, Ended},
    pipeline::{caretaker, survey::survey},
    runbooks::Runbooks,
    scenario::Scenario,
    story::Story,
    supervisor::SUBCOMMAND,
    sweep::sweep,
};
use tokio::{runtime::Runtime, signal::ctrl_c};

/// The exit code of a program that the terminal interrupted.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let ended = match &arguments[..] {
        [subcommand, config] if subcommand == SUBCOMMAND => run_gateway(Path::new(config)),
        [subcommand, folder] if subcommand == caretaker::SUBCOMMAND => {
            caretaker::run(Path::new(folder)).map(|()| ExitCode::SUCCESS)
        }
        _ => Arguments::read(arguments).and_then(|arguments| follow(&arguments)),
    };
    ended.unwrap_or_else(|error| {
        complain(&error);
        ExitCode::FAILURE
    })
}

fn follow(arguments: &Arguments) -> Result<ExitCode> {
    let scenarios = match &arguments.what {
        What::Help => {
            say(USAGE);
            return Ok(ExitCode::SUCCESS);
        }
        What::List => return list(),
        What::All => None,
        What::Fault(id) => Some(vec![Scenario::find(id)?]),
        What::Story => Some(Scenario::STORY.iter().map(|id| Scenario::find(id)).collect::<Result<_>>()?),
    };
    let runbooks = match &arguments.runbook {
        Some(file) => Runbooks::read(file, arguments.own_thresholds)?,
        None => Runbooks::catalog()?,
    };
    let program = std::env::current_exe().map_err(Error::io("finding the plant's program"))?;
    run(async {
        let as_expected = match scenarios {
            Some(scenarios) => tell(&program, &scenarios, &runbooks, arguments.json).await?,
            None => sweep(&program, &runbooks, arguments.json).await?,
        };
        Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

fn run_gateway(config: &Path) -> Result<ExitCode> {
    let runtime = Runtime::new().map_err(Error::io("starting a runtime"))?;
    let ended = runtime.block_on(gateway::run(config));
    // Not waiting for the thread that reads standard input: it ends with the process alone.
    runtime.shutdown_background();
    Ok(match ended? {
        Ended::Stopped => ExitCode::SUCCESS,
        Ended::OutOfMemory => ExitCode::from(EXIT_OUT_OF_MEMORY),
    })
}

/// Runs until the end, or until the terminal interrupts it: what it holds is dropped then, and so the plant.
fn run(run: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    let runtime = Runtime::new().map_err(Error::io("starting a runtime"))?;
    runtime.block_on(async {
        tokio::select! {
            ended = run => ended,
            interrupted = ctrl_c() => {
                interrupted.map_err(Error::io("listening for an interrupt"))?;
                Ok(ExitCode::from(INTERRUPTED))
            }
        }
    })
}

fn list() -> Result<ExitCode> {
    for scenario in Scenario::all() {
        say(format_args!("{:<42}  {}", scenario.id, scenario.story()?));
    }
    Ok(ExitCode::SUCCESS)
}

/// Breaks, diagnoses and mends one thing after another. Gives whether each diagnosis came to what
/// was expected.
async fn tell(
    program: &Path,
    scenarios: &[&'static Scenario],
    runbooks: &Runbooks,
    json: bool,
) -> Result<bool> {
    let story = Arc::new(if json { Story::silent() } else { Story::aloud() });
    let mut factory = None;
    let mut as_expected = true;
    for scenario in scenarios {
        // A pipeline is one for each scenario; the factory is one for all, once there is need of it.
        let in_pipeline = scenario.loss()?;
        if factory.is_none() && in_pipeline.is_none() {
            factory = Some(start(program, &story).await?);
        }
        story.tell(format_args!("\n{}: {}.", scenario.id, scenario.story()?));
        let examined = match (in_pipeline, &factory) {
            (Some(loss), _) => survey(program, scenario, loss, runbooks, &story).await?,
            (None, Some(factory)) => examine(factory, scenario, runbooks, &story).await?,
            (None, None) => continue,
        };
        let differs = examined.differs();
        if json {
            say(examined.json()?);
        }
        if let Some(differs) = &differs {
            story.tell(format_args!("    DIFFERS: {differs}"));
        }
        as_expected &= differs.is_none();
        match (in_pipeline, &factory) {
            (None, Some(factory)) => {
                examined.mend(factory).await?;
                story.tell("  Mended; the plant is healthy again.");
            }
            _ => story.tell("  Mended; rows come out of the pipeline again."),
        }
    }
    if let Some(factory) = factory.and_then(Arc::into_inner) {
        factory.stop().await?;
    }
    Ok(as_expected)
}

async fn start(program: &Path, story: &Story) -> Result<Arc<Factory>> {
    let started = Utc::now();
    let factory = Arc::new(Factory::start(program.to_owned(), Plan::WHOLE).await?);
    let took = (Utc::now() - started).as_seconds_f64();
    story.tell(format_args!("The plant is healthy, {took:.1} s after its start:"));
    story.tell_overview(&factory, None);
    Ok(factory)
}
