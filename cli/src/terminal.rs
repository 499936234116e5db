//! What the output is read on: how wide it is, and whether it shows colours.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _};

use clap::ValueEnum;
use iot_runbook::report::TextStyle;

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless `NO_COLOR` is set or the terminal is dumb.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    /// In columns.
    pub(crate) width: usize,
    pub(crate) color: bool,
}

/// Where nobody says how wide it is.
const WIDTH: usize = 80;
/// Narrower than this nothing can be laid out; wider than this no sentence is easy to read.
const NARROWEST: usize = 20;
const WIDEST: usize = 120;

impl Terminal {
    pub(crate) fn of_stdout(when: When) -> Self {
        let out = io::stdout();
        let columns = env::var("COLUMNS").ok().and_then(|columns| columns.parse::<usize>().ok());
        let measured = || terminal_size::terminal_size_of(&out).map(|(width, _)| usize::from(width.0));
        let width = columns.filter(|width| *width > 0).or_else(measured).unwrap_or(WIDTH);
        let color = colors(when, out.is_terminal(), env::var_os("NO_COLOR"), env::var_os("TERM"));
        Self { width: width.clamp(NARROWEST, WIDEST), color }
    }

    /// The style of a report.
    pub(crate) const fn text_style(&self) -> TextStyle {
        TextStyle::new(self.width).with_color(self.color)
    }
}

/// Whether to colour. `NO_COLOR` counts where it is not empty, as <https://no-color.org> has it.
fn colors(when: When, is_terminal: bool, no_color: Option<OsString>, term: Option<OsString>) -> bool {
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto => {
            let is_off = no_color.is_some_and(|value| !value.is_empty());
            is_terminal && !is_off && term.is_none_or(|term| term != "dumb")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_willing_terminal_is_coloured() {
        let auto = |is_terminal, no_color: &str, term: &str| {
            let set = |value: &str| (value != "unset").then(|| OsString::from(value));
            colors(When::Auto, is_terminal, set(no_color), set(term))
        };
        assert!(auto(true, "unset", "xterm-256color"));
        assert!(auto(true, "", "unset"));
        assert!(!auto(false, "unset", "xterm-256color"));
        assert!(!auto(true, "1", "xterm-256color"));
        assert!(!auto(true, "unset", "dumb"));
        assert!(colors(When::Always, false, Some("1".into()), None));
        assert!(!colors(When::Never, true, None, None));
    }
}
