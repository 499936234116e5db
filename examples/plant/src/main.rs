//! The plant's program.

use std::{path::Path, process::ExitCode, time::Duration};

use chrono::Utc;
use plant::{
    console::{complain, say},
    error::{Error, Result},
    factory::{Factory, Plan},
    fault::Fault,
    gateway::{self, EXIT_OUT_OF_MEMORY, Ended},
    reading::Readings,
    supervisor::SUBCOMMAND,
};
use tokio::{runtime::Runtime, signal::ctrl_c, time::sleep};

const USAGE: &str = "usage: plant [--list | --fault ID]";
/// The exit code of a program that the terminal interrupted.
const INTERRUPTED: u8 = 130;
/// From this age of its last message on a device counts as offline.
const OFFLINE_AFTER: Duration = Duration::from_secs(6);

fn main() -> ExitCode {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let arguments = arguments.iter().map(String::as_str).collect::<Vec<_>>();
    let ended = match arguments[..] {
        [SUBCOMMAND, config] => run_gateway(Path::new(config)),
        [] => run(show(None)),
        ["--list"] => list(),
        ["--fault", id] => Fault::find(id).and_then(|fault| run(show(Some(fault)))),
        _ => Err(Error::Refused(USAGE.to_owned())),
    };
    ended.unwrap_or_else(|error| {
        complain(&error);
        ExitCode::FAILURE
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
    for fault in Fault::ALL {
        say(format_args!("{:<42}  {}", fault.id, fault.story));
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(fault: Option<&'static Fault>) -> Result<ExitCode> {
    let program = std::env::current_exe().map_err(Error::io("finding the plant's program"))?;
    let started = Utc::now();
    let factory = Factory::start(program, Plan::WHOLE).await?;
    let took = (Utc::now() - started).as_seconds_f64();
    say(format_args!("The plant is healthy after {took:.1} s."));
    if let Some(fault) = fault {
        say(format_args!("{}: {}.", fault.id, fault.story));
        let injected_at = Utc::now();
        let injected = fault.inject(&factory).await?;
        sleep(OFFLINE_AFTER).await;
        say(Readings::take(&factory, fault.device, injected_at).await?);
        injected.mend(&factory).await?;
        say("Mended.");
    } else {
        for device in factory.devices() {
            let id = &device.spec().id;
            say(format_args!("{id}:"));
            say(Readings::take(&factory, id, started).await?);
        }
    }
    factory.stop().await?;
    Ok(ExitCode::SUCCESS)
}
