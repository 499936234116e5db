//! Runs the job over a fleet, and prints what an operator reads.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use fleet::endings::broken;
use fleet::export::{to_csv, to_json};
use fleet::options::{Asked, Form, Options, USAGE};
use fleet::page::{columns, wrapped};
use fleet::report::{View, report};
use fleet::simulation::{Progress, Run, Simulation};
use iot_runbook::report::Report;

/// The width of the help where nobody says how wide the terminal is.
const WIDTH: usize = 100;

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
    let (options, form, file) = match Options::read(std::env::args().skip(1))? {
        Asked::Run { options, form, report } => (options, form, report),
        Asked::Help => {
            say(&wrapped(USAGE, columns().unwrap_or(WIDTH)))?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let run = simulate(options).await?;
    let digest = run.operations.days.last().map(|day| &day.digest);
    match (form, digest) {
        (Form::Csv, Some(digest)) => say(to_csv(digest).trim_end())?,
        (Form::Json, Some(digest)) => say(&to_json(digest)?)?,
        _ => say(report(&run, view(form)).trim_end())?,
    }
    if let Some((file, digest)) = file.zip(digest) {
        write(&Report::of_digest(digest), &file)?;
        // What programs read on standard output stays as it is.
        hint(&format!("The report is in {}.", file.display()));
    }
    match &broken(&run)[..] {
        [] => Ok(ExitCode::SUCCESS),
        broken => Err(format!("what must hold does not: {}", broken.join("; ")).into()),
    }
}

/// Runs; on a terminal, shows how far it is.
async fn simulate(options: Options) -> Result<Run, Error> {
    let shows = std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    let hours = i64::from(options.days) * 24;
    let run = Simulation::run_with(options, |progress| match progress {
        Progress::Minted(minted) if shows && (minted % 100 == 0 || minted == 1) => {
            hint_in_place(&format!("minting certificates, {minted} of {}", options.devices));
        }
        Progress::Hours(passed) if shows => {
            // A day of many devices takes a while: the hour shows that it goes on.
            let (day, days) = ((passed / 24 + 1).min(hours / 24), hours / 24);
            hint_in_place(&format!("day {day} of {days}, hour {}", passed % 24));
        }
        _ => {}
    });
    let run = run.await;
    if shows {
        hint_in_place("");
    }
    Ok(run?)
}

fn write(report: &Report, file: &Path) -> Result<(), Error> {
    let is_markdown = file.extension().is_some_and(|extension| extension == "md");
    let text = if is_markdown { report.to_markdown() } else { report.to_html() };
    std::fs::write(file, text).map_err(|error| format!("cannot write {}: {error}", file.display()).into())
}

/// As wide as the terminal, in colour where it shows colours.
fn view(form: Form) -> View {
    // `NO_COLOR` counts where it is not empty, as <https://no-color.org> has it.
    let is_off = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let color = std::io::stdout().is_terminal() && !is_off && !is_dumb;
    View { width: columns(), is_whole: form == Form::List, color }
}

/// A line beside what programs read. Nobody may listen there; then nobody needs it.
fn hint(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A line that the next one replaces.
fn hint_in_place(line: &str) {
    let mut out = std::io::stderr();
    let _ = write!(out, "\r\x1b[2K{line}").and_then(|()| out.flush());
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
