//! Printing: the one place that writes to the terminal.
#![expect(clippy::print_stderr, reason = "the plant is a program for a terminal")]

use std::{
    env,
    fmt::Display,
    io::{IsTerminal, Write, stdout},
};

use iot_runbook::report::TextStyle;

use crate::error::{Error, Result};

/// Goes to the beginning of the line and clears it.
const CLEAR: &str = "\r\x1b[2K";

/// The width where nobody says how wide it is, and the narrowest that is wrapped to.
const WIDTH: usize = 80;
const NARROWEST: usize = 20;

/// Prints a line, wrapped to the terminal. Whoever listened may have gone away, as `head` does; that is no fault of the
/// plant's.
pub fn say(line: impl Display) {
    writeln!(stdout(), "{}", laid_out(&line.to_string())).ok();
}

/// The same in bold, where the terminal shows colours.
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
        Some(width) => text.split('\n').map(|line| wrapped(line, width)).collect::<Vec<_>>().join("\n"),
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

/// How wide the terminal is; `None` where there is none, and nobody says it.
fn columns() -> Option<usize> {
    let given = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let measured = || terminal_size::terminal_size_of(stdout()).map(|(width, _)| usize::from(width.0));
    given.filter(|width| *width > 0).or_else(measured).map(|width| width.max(NARROWEST))
}

/// A line in lines of at most `width` characters, the further ones indented a little more than the first.
fn wrapped(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let indent = line.chars().take_while(|c| *c == ' ').count().min(width / 2);
    let mut text = " ".repeat(indent);
    let mut used = indent;
    for word in line.split_whitespace() {
        let length = word.chars().count();
        if used > indent && used + 1 + length > width {
            text.push('\n');
            text.push_str(&" ".repeat(indent + 2));
            used = indent + 2;
        } else if used > indent {
            text.push(' ');
            used += 1;
        }
        text.push_str(word);
        used += length;
    }
    text
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

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn long_lines_break_at_blanks() {
        assert_eq!(wrapped("    short", 9), "    short");
        assert_eq!(wrapped("  > one two three four", 13), "  > one two\n    three\n    four");
        assert_eq!(wrapped("a-word-that-is-long", 5), "a-word-that-is-long");
    }
}
