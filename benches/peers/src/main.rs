//! The hot paths of `iot-runbook`, each beside a peer in the same run.
//!
//! `cargo run --release -p peers -- WORK [--json]`; the works stand in [`work::all`], one file each. What a peer
//! is, and how fair it is to hold the two side by side, stands in the README beside this package.
//!
//! The method is that of [`measure`]: both sides are warmed up, then take turns for many short rounds, and the
//! median round of each counts.

mod args;
mod error;
mod measure;
mod report;
mod work;

use std::io::Write as _;
use std::process::ExitCode;

use args::Command;
use error::Error;
use report::Report;

fn main() -> ExitCode {
    let (outcome, code) = match run() {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Error::Usage(text)) => (text, 2),
        Err(error) => (error.to_string(), 1),
    };
    // Where even this cannot be written, the code alone tells.
    let _ = writeln!(std::io::stderr(), "peers: {outcome}");
    ExitCode::from(code)
}

fn run() -> Result<(), Error> {
    match args::read(std::env::args().skip(1))? {
        Command::Help => {
            std::io::stdout().write_all(args::help().as_bytes())?;
            Ok(())
        }
        Command::Run { work, json } => {
            let mut report = Report::new(json);
            work.run(&mut report)?;
            report.finish()
        }
    }
}
