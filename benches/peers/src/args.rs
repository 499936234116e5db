//! The command line.

use std::fmt::Write as _;

use crate::error::Error;
use crate::work::{self, Work};

/// What is to be done.
pub(crate) enum Command {
    /// Say how it is called.
    Help,
    /// Measure a work.
    Run {
        /// The work.
        work: &'static dyn Work,
        /// One object a row instead of a table.
        json: bool,
    },
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Help => f.write_str("Help"),
            Self::Run { work, json } => f.debug_tuple("Run").field(&work.name()).field(json).finish(),
        }
    }
}

/// Reads the arguments after the program's name.
pub(crate) fn read(args: impl IntoIterator<Item = String>) -> Result<Command, Error> {
    let mut work = None;
    let mut json = false;
    for arg in args {
        match arg.as_str() {
            "-h" | "--help" => return Ok(Command::Help),
            "--json" => json = true,
            option if option.starts_with('-') => {
                return Err(Error::Usage(format!("no option {option}; there is --json, and --help")));
            }
            name => {
                let Some(found) = work::all().iter().find(|known| known.name() == name) else {
                    return Err(Error::Usage(format!("no work \"{name}\"; there is: {}", names())));
                };
                if work.replace(*found).is_some() {
                    return Err(Error::Usage("one work at a time, please".to_owned()));
                }
            }
        }
    }
    match work {
        Some(work) => Ok(Command::Run { work, json }),
        None => Err(Error::Usage(format!("name the work to measure: {} (--help says more)", names()))),
    }
}

fn names() -> String {
    work::all().iter().map(|work| work.name()).collect::<Vec<_>>().join(", ")
}

/// How it is called.
pub(crate) fn help() -> String {
    let mut text = String::from(
        "Measures a hot path of iot-runbook beside its peers.\n\n\
         Usage: peers WORK [--json]\n\nWorks:\n",
    );
    for work in work::all() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {:<14} {}", work.name(), work.about());
    }
    text.push_str(
        "\nOptions:\n  --json       one JSON object a row: work, case, peer, ours_ns, peer_ns, ratio (peer/ours)\n  \
         -h, --help   this text\n\n\
         Peers that take long to build stand behind a feature of their name: cargo run --release -p peers \
         --features zen\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(args: &[&str]) -> String {
        match read(args.iter().map(|arg| (*arg).to_owned())) {
            Err(Error::Usage(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_not_known_is_refused_with_what_is() {
        assert_eq!(
            refused(&["dream"]),
            "no work \"dream\"; there is: certificates, deadband, dedup, dedup-stream, diagnosis, gap, \
             lag, load, swinging-door"
        );
        assert_eq!(refused(&["load", "--jsn"]), "no option --jsn; there is --json, and --help");
        assert_eq!(refused(&["load", "load"]), "one work at a time, please");
        assert!(refused(&[]).starts_with("name the work to measure: certificates, deadband, dedup, "));
    }

    #[test]
    fn work_and_its_option_may_stand_in_any_order() {
        for args in [["--json", "load"], ["load", "--json"]] {
            let read = read(args.map(str::to_owned)).unwrap();
            assert!(matches!(read, Command::Run { work, json: true } if work.name() == "load"));
        }
    }

    #[test]
    fn help_names_every_work() {
        assert!(matches!(read(["--help".to_owned()]), Ok(Command::Help)));
        for work in work::all() {
            assert!(help().contains(work.name()) && help().contains(work.about()));
        }
    }
}
