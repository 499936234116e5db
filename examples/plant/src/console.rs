//! Printing: the one place that writes to the terminal.
#![expect(clippy::print_stderr, reason = "the plant is a program for a terminal")]

use std::{
    fmt::Display,
    io::{IsTerminal, Write, stdout},
};

use crate::error::{Error, Result};

/// Goes to the beginning of the line and clears it.
const CLEAR: &str = "\r\x1b[2K";

/// Prints a line. Whoever listened may have gone away, as `head` does; that is no fault of the plant's.
pub fn say(line: impl Display) {
    writeln!(stdout(), "{line}").ok();
}

/// Writes a line that a program reads.
///
/// # Errors
/// When it can't be written: whoever reads it must not take a part for the whole.
pub fn write(line: impl Display) -> Result<()> {
    writeln!(stdout(), "{line}").map_err(Error::io("writing a line of JSON"))
}

/// Shows a line that the next one replaces. Where standard output is no terminal, nothing is shown.
pub fn show(line: impl Display) {
    if stdout().is_terminal() {
        let mut stdout = stdout();
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
