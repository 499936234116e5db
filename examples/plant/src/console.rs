//! Printing: the one place that writes to the terminal.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the plant is a program for a terminal")]

use std::fmt::Display;

/// Prints a line.
pub fn say(line: impl Display) {
    println!("{line}");
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
