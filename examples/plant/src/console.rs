//! Printing: the one place that writes to the terminal.
#![expect(clippy::print_stderr, reason = "the plant is a program for a terminal")]

use std::{
    env,
    fmt::Display,
    io::{IsTerminal, Write, stdout},
};

use iot_runbook::report::TextStyle;

pub use crate::page::say;
use crate::{
    error::{Error, Result},
    page::{columns, wrapped},
};

/// Goes to the beginning of the line and clears it.
const CLEAR: &str = "\r\x1b[2K";

/// The width where nobody says how wide it is.
const WIDTH: usize = 80;

/// Prints a line in bold, wrapped to the terminal, where the terminal shows colours.
pub fn say_bold(line: impl Display) {
    let text = laid_out(&line.to_string());
    match shows_color() {
        true => writeln!(stdout(), "\x1b[1m{}\x1b[0m", text.replace('\n', "\x1b[0m\n\x1b[1m")).ok(),
        false => writeln!(stdout(), "{text}").ok(),
    };
}

/// The text as wide as the terminal.
fn laid_out(text: &str) -> String {
    match columns() {
        Some(width) => wrapped(text, width),
        None => text.to_owned(),
    }
}

/// The style of reports: as wide as the terminal, in colour where it shows colours.
pub fn text_style() -> TextStyle {
    TextStyle::new(columns().unwrap_or(WIDTH)).with_color(shows_color())
}

/// Whether the terminal shows colours, and its user wants them.
fn shows_color() -> bool {
    // `NO_COLOR` counts where it is not empty, as <https://no-color.org> has it.
    let is_off = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stdout().is_terminal() && !is_off && !is_dumb()
}

/// Whether the terminal obeys no escape sequences.
fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Prints a text that is laid out already.
pub fn show_text(text: &str) {
    write!(stdout(), "{text}").ok();
}

/// Writes a line that a program reads.
///
/// # Errors
/// When it can't be written: whoever reads it must not take a part for the whole.
pub fn write(line: impl Display) -> Result<()> {
    writeln!(stdout(), "{line}").map_err(Error::io("writing a line of JSON"))
}

/// Shows a line that the next one replaces. Where standard output is no terminal, or a dumb one, nothing is
/// shown.
pub fn show(line: impl Display) {
    if stdout().is_terminal() && !is_dumb() {
        let mut stdout = stdout();
        // A line that goes on in the next row of the terminal could not be cleared.
        let line: String =
            line.to_string().chars().take(columns().unwrap_or(WIDTH).saturating_sub(1)).collect();
        write!(stdout, "{CLEAR}{line}").and_then(|()| stdout.flush()).ok();
    }
}

/// Takes away the line that was shown.
pub fn clear() {
    show("");
}

/// Prints an error, and what caused it.
pub fn complain(error: &dyn std::error::Error) {
    eprintln!("plant: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}
