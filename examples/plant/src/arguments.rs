//! The command line.

use std::path::PathBuf;

use crate::error::{Error, Result};

/// What `--help` says.
pub const USAGE: &str = "\
A small factory and a data pipeline of real parts, whose faults the library's runbooks diagnose.

usage: plant [OPTIONS]

Without options: starts, breaks something, diagnoses it, mends it; and again for a handful of faults.

  --list           the faults, and combinations of them
  --fault ID       this one alone
  --all            each of them in a factory or a pipeline of its own: a table of what was expected and what was
                   diagnosed
  --json           evidence bundles and findings as lines of JSON on standard output, and nothing else
  --runbook FILE   diagnose by this runbook (TOML); those it hands over to are taken from the catalog
  --own-thresholds leave that runbook's thresholds as they are; without it those that it has in common with
                   device-offline and data-gap are set to the seconds that the plant lives in
  --help           this

It ends with 1 where a diagnosis came to something else than expected.";

/// What is asked of the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// What to do.
    pub what: What,
    /// Lines of JSON instead of a story.
    pub json: bool,
    /// A runbook of the user's own.
    pub runbook: Option<PathBuf>,
    /// Its thresholds stay as they are.
    pub own_thresholds: bool,
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum What {
    /// Tell the story.
    #[default]
    Story,
    /// Name the faults.
    List,
    /// One fault.
    Fault(String),
    /// Every fault.
    All,
    /// Say how the program is used.
    Help,
}

impl Arguments {
    /// Reads the arguments that follow the program's name.
    ///
    /// # Errors
    /// When one is not known, lacks its value, or contradicts another.
    pub fn read(given: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut arguments = Self::default();
        let mut given = given.into_iter();
        while let Some(argument) = given.next() {
            let mut value =
                |what: &str| given.next().ok_or_else(|| Error::Usage(format!("{argument} needs {what}")));
            match argument.as_str() {
                "--help" | "-h" => return Ok(Self { what: What::Help, ..Self::default() }),
                "--json" => arguments.json = true,
                "--own-thresholds" => arguments.own_thresholds = true,
                "--runbook" => arguments.runbook = Some(value("a file")?.into()),
                "--list" => arguments.choose(What::List)?,
                "--all" => arguments.choose(What::All)?,
                "--fault" => {
                    let id = value("the id of a fault, as --list names them")?;
                    arguments.choose(What::Fault(id))?;
                }
                _ => return Err(Error::Usage(format!("no such option: {argument}"))),
            }
        }
        if arguments.own_thresholds && arguments.runbook.is_none() {
            return Err(Error::Usage("--own-thresholds goes with --runbook".to_owned()));
        }
        Ok(arguments)
    }

    fn choose(&mut self, what: What) -> Result<()> {
        if self.what != What::Story {
            return Err(Error::Usage("--list, --fault and --all exclude each other".to_owned()));
        }
        self.what = what;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Arguments> {
        Arguments::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn each_option_is_read() {
        assert_eq!(read("").unwrap(), Arguments::default());
        assert_eq!(read("--list").unwrap().what, What::List);
        assert_eq!(
            read("--json --all").unwrap(),
            Arguments { what: What::All, json: true, ..Arguments::default() }
        );
        let one = read("--fault power-fault --runbook own.toml --own-thresholds").unwrap();
        assert_eq!(one.what, What::Fault("power-fault".to_owned()));
        assert_eq!(one.runbook, Some("own.toml".into()));
        assert!(one.own_thresholds);
        assert_eq!(read("--all --help").unwrap().what, What::Help);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        for (line, named) in [
            ("--colour", "--colour"),
            ("power-fault", "power-fault"),
            ("--fault", "--fault"),
            ("--runbook", "--runbook"),
            ("--all --list", "--list"),
            ("--fault a --fault b", "--fault"),
            ("--own-thresholds", "--runbook"),
        ] {
            let refused = read(line).unwrap_err().to_string();
            assert!(refused.contains(named), "{line}: {refused}");
        }
    }
}
