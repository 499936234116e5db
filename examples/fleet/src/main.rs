//! Runs the job over a fleet, and prints what an operator reads.

use std::io::Write as _;
use std::process::ExitCode;

use fleet::endings::broken;
use fleet::options::{Asked, Options, USAGE};
use fleet::report::report;
use fleet::simulation::Simulation;

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            complain(&*error);
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<ExitCode, Error> {
    let options = match Options::read(std::env::args().skip(1))? {
        Asked::Run(options) => options,
        Asked::Help => {
            say(USAGE)?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let run = Simulation::run(options).await?;
    say(report(&run).trim_end())?;
    match &broken(&run)[..] {
        [] => Ok(ExitCode::SUCCESS),
        broken => Err(format!("what must hold does not: {}", broken.join("; ")).into()),
    }
}

/// A reader that has seen enough, such as `head`, is no fault.
fn say(text: &str) -> Result<(), Error> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

#[expect(clippy::print_stderr, reason = "a program for a terminal")]
fn complain(error: &dyn std::error::Error) {
    eprintln!("fleet: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}
