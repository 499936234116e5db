//! What the output is read on: how wide it is, and whether it shows colours.

use std::env;
use std::io::{self, IsTerminal as _};

use clap::ValueEnum;

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
        let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let color = match when {
            When::Always => true,
            When::Never => false,
            When::Auto => {
                out.is_terminal() && !set("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        };
        Self { width: width.clamp(NARROWEST, WIDEST), color }
    }
}
