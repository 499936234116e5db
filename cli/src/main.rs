//! The command `iot-runbook`: for people who write, read and judge runbooks, and compile nothing.
//!
//! `iot-runbook check FILE` proves a runbook and shows each fault in its place; `explain` and `draw` show what a runbook
//! does; `rehearse` runs its tests; `replay` walks saved evidence again; `diff` compares two runbooks by what they mean, and
//! `drift` one with the chart of a document; `gap`, `lag` and `cert` judge a series, a consumer group and certificates from files.
//!
//! Each command ends with 0 where all is well, with 1 where it found something wrong, and with 2 where it could not look:
//! wrong usage, or an input that cannot be read.

mod arguments;
mod cert;
mod check;
mod csv;
mod diff;
mod draw;
mod drift;
mod explain;
mod facets;
mod failure;
mod gap;
mod input;
mod lag;
mod mermaid;
mod names;
mod page;
mod redact;
mod rehearse;
mod replay;
mod report;
mod runbooks;
mod schema;
mod source;
mod table;
mod terminal;
mod words;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use arguments::{Arguments, Command};
use failure::Failure;
use input::Inputs;
use terminal::Terminal;

/// What a command has to show, and whether it found something wrong.
struct Outcome {
    text: String,
    /// What could not be looked at, for standard error.
    failures: Vec<Failure>,
    found: bool,
}

impl Outcome {
    const fn new(text: String, found: bool) -> Self {
        Self { text, failures: Vec::new(), found }
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // Help and the version are not errors: clap knows which stream each belongs to.
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            // Nobody may be listening any more; then nobody needs the text.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let terminal = Terminal::of_stdout(arguments.color);
    match run(arguments.command, &terminal) {
        Ok(outcome) => {
            for failure in &outcome.failures {
                complain(failure);
            }
            match show(&outcome.text) {
                Ok(()) if !outcome.failures.is_empty() => ExitCode::from(2),
                Ok(()) => ExitCode::from(u8::from(outcome.found)),
                Err(error) => {
                    complain(&Failure::Write(error));
                    ExitCode::from(2)
                }
            }
        }
        Err(failure) => {
            complain(&failure);
            ExitCode::from(2)
        }
    }
}

fn run(command: Command, terminal: &Terminal) -> Result<Outcome, Failure> {
    let mut inputs = Inputs::default();
    match command {
        Command::Check(check) => check::run(&check, &mut inputs, terminal),
        Command::Explain(explain) => explain::run(&explain, &mut inputs, terminal),
        Command::Draw(draw) => draw::run(&draw, &mut inputs, terminal),
        Command::Rehearse(rehearse) => rehearse::run(&rehearse, &mut inputs, terminal),
        Command::Replay(replay) => replay::run(&replay, &mut inputs, terminal),
        Command::Report(report) => report::run(&report, &mut inputs, terminal),
        Command::Redact(redact) => redact::run(&redact, &mut inputs),
        Command::Diff(diff) => diff::run(&diff, &mut inputs, terminal),
        Command::Drift(drift) => drift::run(&drift, &mut inputs, terminal),
        Command::Gap(gap) => gap::run(&gap, &mut inputs, terminal),
        Command::Lag(lag) => lag::run(&lag, &mut inputs, terminal),
        Command::Cert(cert) => cert::run(&cert, &mut inputs, terminal),
        Command::Schema { of } => Ok(Outcome::new(schema::text(of).to_owned(), false)),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "iot-runbook", &mut text);
            Ok(Outcome::new(String::from_utf8_lossy(&text).into_owned(), false))
        }
    }
}

/// Writes all at once. A closed pipe is not an error: the reader, such as `head`, has seen enough.
fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn complain(failure: &Failure) {
    // If standard error is closed too, nobody can be reached.
    let _ = writeln!(io::stderr(), "iot-runbook: {}", page::plain(&failure.to_string()));
}
