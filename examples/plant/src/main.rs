//! The plant's program.

use std::{fs::File, io, path::Path, process::ExitCode, sync::Arc};

use chrono::Utc;
use plant::{
    arguments::{Arguments, USAGE, What},
    chaos,
    console::{complain, say, show_text, write},
    error::{Error, Result},
    examine::examine,
    factory::{Factory, Plan},
    gateway::{self, EXIT_OUT_OF_MEMORY, Ended},
    operation::words,
    page::{columns, wrapped},
    pipeline::{caretaker, survey::survey},
    play::play_alone,
    runbooks::Runbooks,
    scenario::Scenario,
    scenario_file::{self, Endings, ScenarioFile},
    story::Story,
    supervisor::SUBCOMMAND,
    sweep::sweep,
};
use tokio::runtime::Runtime;

/// The exit codes of a program that a signal ended: 128 and the signal's number.
const INTERRUPTED: u8 = 130;
const TERMINATED: u8 = 143;
const HUNG_UP: u8 = 129;
/// The width of the help where nobody says how wide the terminal is.
const WIDTH: usize = 100;
/// How many files and sockets one factory or pipeline has open, and four of them at a time, each twice over.
const FILES_OF_ONE: usize = 400;
const FILES_OF_MANY: usize = 1000;

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
    match &arguments.what {
        What::Help => {
            help();
            return Ok(ExitCode::SUCCESS);
        }
        What::List => return list(),
        What::Vocabulary => {
            say(words());
            return Ok(ExitCode::SUCCESS);
        }
        _ => {}
    }
    let runbooks = match &arguments.runbook {
        Some(file) => Runbooks::read(file, arguments.own_thresholds)?,
        None => Runbooks::catalog()?,
    };
    let job = Job::of(&arguments.what, &runbooks)?;
    let program = std::env::current_exe().map_err(Error::io("finding the plant's program"))?;
    enough_open_files(&job, &program)?;
    run(async {
        let json = arguments.json;
        let story = if json { Story::silent() } else { Story::aloud() };
        let story = story.with_report(arguments.report.clone());
        let as_expected = match job {
            Job::Tell(scenarios) => tell(&program, &scenarios, &runbooks, story, json).await?,
            Job::Sweep => sweep(&program, &runbooks, json).await?,
            Job::Play(scenario) => play_alone(&program, &scenario, &runbooks, story, json).await?,
            Job::Chaos { seed, runs } => chaos::run(&program, &runbooks, seed, runs, json).await?,
        };
        Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// What runs in a plant, with all that it needs read and checked.
enum Job {
    Tell(Vec<&'static Scenario>),
    Sweep,
    Play(ScenarioFile),
    Chaos { seed: u64, runs: u64 },
}

impl Job {
    fn of(what: &What, runbooks: &Runbooks) -> Result<Self> {
        Ok(match what {
            What::All => Self::Sweep,
            What::Fault(id) => Self::Tell(vec![Scenario::find(id)?]),
            What::Scenario(file) => Self::Play(scenario_file::load(file, &Endings::of_runbooks(runbooks)?)?),
            What::Chaos { seed, runs } => Self::Chaos { seed: *seed, runs: *runs },
            What::Story | What::List | What::Vocabulary | What::Help => {
                let story = Scenario::STORY.iter().map(|id| Scenario::find(id));
                Self::Tell(story.collect::<Result<_>>()?)
            }
        })
    }
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

/// Runs until the end, or until a signal ends it: what it holds is dropped then, and so the plant.
fn run(run: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    let runtime = Runtime::new().map_err(Error::io("starting a runtime"))?;
    runtime.block_on(async {
        tokio::select! {
            // First, so that no process is started before signals are listened for.
            biased;
            signalled = signalled() => Ok(ExitCode::from(signalled?)),
            ended = run => ended,
        }
    })
}

/// Waits for a signal that ends the program, and gives its exit code.
#[cfg(unix)]
async fn signalled() -> Result<u8> {
    use tokio::signal::unix::{SignalKind, signal};

    let listen = |kind| signal(kind).map_err(Error::io("listening for signals"));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => INTERRUPTED,
        _ = terminate.recv() => TERMINATED,
        _ = hang_up.recv() => HUNG_UP,
    })
}

/// Waits for a signal that ends the program, and gives its exit code.
#[cfg(not(unix))]
async fn signalled() -> Result<u8> {
    tokio::signal::ctrl_c().await.map_err(Error::io("listening for signals"))?;
    Ok(INTERRUPTED)
}

/// Makes sure that this job may open the files and sockets that it needs: in the middle of it a part that can't is
/// taken for one that is broken.
fn enough_open_files(job: &Job, program: &Path) -> Result<()> {
    let needed = match job {
        Job::Tell(_) | Job::Play(_) => FILES_OF_ONE,
        Job::Sweep | Job::Chaos { .. } => FILES_OF_MANY,
    };
    let opened = (0..needed).map(|_| File::open(program)).collect::<io::Result<Vec<_>>>();
    opened.map(drop).map_err(|source| Error::OpenFiles { needed, source })
}

fn help() {
    show_text(&format!("{}\n", wrapped(USAGE, columns().unwrap_or(WIDTH))));
}

fn list() -> Result<ExitCode> {
    // Where the second column would be narrow, it is below the first.
    let is_narrow = columns().is_some_and(|width| width < 100);
    for scenario in Scenario::all() {
        let story = scenario.story()?;
        match is_narrow {
            true => say(format_args!("{}\n    {story}", scenario.id)),
            false => say(format_args!("{:<42}  {story}", scenario.id)),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Breaks, diagnoses and mends one thing after another. Gives whether each diagnosis came to what
/// was expected.
async fn tell(
    program: &Path,
    scenarios: &[&'static Scenario],
    runbooks: &Runbooks,
    story: Story,
    json: bool,
) -> Result<bool> {
    let story = Arc::new(story);
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
            write(examined.json()?)?;
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
