//! The command line.

use std::path::PathBuf;

use crate::error::{Error, Result};

/// What `--help` says, wrapped to the terminal.
pub const USAGE: &str = "\
A small factory and a data pipeline of real parts, whose faults the library's runbooks diagnose.

usage: plant [OPTIONS]

Without options: starts, breaks something, diagnoses it, mends it; and again for a handful of faults.

  --list            the faults, and combinations of them
  --fault ID        this one alone
  --all             each of them in a factory or a pipeline of its own: a table of what was expected and what was diagnosed
  --scenario FILE   a fault of your own (TOML): timed operations on named parts, and what is expected
  --vocabulary      the parts and operations that such a file can name
  --chaos SEED      random scenarios, each diagnosed and judged by what was broken; the same seed draws the same
  --runs N          so many of them (20 where it is not given)
  --json            evidence bundles and findings as lines of JSON on standard output, and nothing else
  --report FILE     with --fault or --scenario: the report as HTML, or as Markdown where the file is named .md; the evidence is written beside it, as .json
  --runbook FILE    diagnose by this runbook (TOML); those it hands over to are taken from the catalog
  --own-thresholds  leave that runbook's thresholds as they are; without it those that it has in common with device-offline and data-gap are set to the seconds that the plant lives in
  --help            this

It ends with 1 where a diagnosis came to something else than expected, or, with --chaos, was wrongly certain.";

/// How many random scenarios there are where no number is given.
const RUNS: u64 = 20;

/// What is asked of the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// What to do.
    pub what: What,
    /// Lines of JSON instead of a story.
    pub json: bool,
    /// The file of the report.
    pub report: Option<PathBuf>,
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
    /// The scenario in a file.
    Scenario(PathBuf),
    /// Name the parts and operations of scenario files.
    Vocabulary,
    /// So many random scenarios.
    Chaos {
        /// The seed that they are drawn with.
        seed: u64,
        /// How many.
        runs: u64,
    },
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
        let mut runs_given = None;
        while let Some(argument) = given.next() {
            let mut value =
                |what: &str| given.next().ok_or_else(|| Error::Usage(format!("{argument} needs {what}")));
            match argument.as_str() {
                "--help" | "-h" => return Ok(Self { what: What::Help, ..Self::default() }),
                "--json" => arguments.json = true,
                "--own-thresholds" => arguments.own_thresholds = true,
                "--runbook" => arguments.runbook = Some(value("a file")?.into()),
                "--report" => arguments.report = Some(value("a file")?.into()),
                "--list" => arguments.choose(What::List)?,
                "--all" => arguments.choose(What::All)?,
                "--fault" => {
                    let id = value("the id of a fault, as --list names them")?;
                    arguments.choose(What::Fault(id))?;
                }
                "--scenario" => {
                    let file = value("a file")?;
                    arguments.choose(What::Scenario(file.into()))?;
                }
                "--vocabulary" => arguments.choose(What::Vocabulary)?,
                "--chaos" => {
                    let seed = number(&argument, &value("a seed")?, 0)?;
                    arguments.choose(What::Chaos { seed, runs: RUNS })?;
                }
                "--runs" => runs_given = Some(number(&argument, &value("a number of runs")?, 1)?),
                _ => return Err(Error::Usage(format!("no such option: {argument}"))),
            }
        }
        match (&mut arguments.what, runs_given) {
            (What::Chaos { runs, .. }, Some(given)) => *runs = given,
            (_, Some(_)) => return Err(Error::Usage("--runs goes with --chaos".to_owned())),
            _ => {}
        }
        let is_one = matches!(arguments.what, What::Fault(_) | What::Scenario(_));
        if arguments.report.is_some() && !is_one {
            return Err(Error::Usage("--report goes with --fault or --scenario".to_owned()));
        }
        if arguments.own_thresholds && arguments.runbook.is_none() {
            return Err(Error::Usage("--own-thresholds goes with --runbook".to_owned()));
        }
        Ok(arguments)
    }

    fn choose(&mut self, what: What) -> Result<()> {
        if self.what != What::Story {
            let all = "--list, --fault, --all, --scenario, --vocabulary and --chaos exclude each other";
            return Err(Error::Usage(all.to_owned()));
        }
        self.what = what;
        Ok(())
    }
}

/// The number that an option was given, of at least `least`.
fn number(option: &str, given: &str, least: u64) -> Result<u64> {
    match given.parse() {
        Ok(number) if number >= least => Ok(number),
        _ => Err(Error::Usage(format!("{option} takes a whole number from {least} on, not {given:?}"))),
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
        let report = read("--report a.html --fault power-fault").unwrap().report;
        assert_eq!(report, Some("a.html".into()));
        assert_eq!(read("--all --help").unwrap().what, What::Help);
        assert_eq!(read("--scenario own.toml").unwrap().what, What::Scenario("own.toml".into()));
        assert_eq!(read("--vocabulary").unwrap().what, What::Vocabulary);
        assert_eq!(read("--chaos 7").unwrap().what, What::Chaos { seed: 7, runs: RUNS });
        assert_eq!(read("--runs 9 --chaos 7").unwrap().what, What::Chaos { seed: 7, runs: 9 });
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
            ("--scenario", "--scenario"),
            ("--chaos", "--chaos"),
            ("--chaos x", "\"x\""),
            ("--chaos -1", "\"-1\""),
            ("--chaos 1 --runs 0", "\"0\""),
            ("--report", "--report"),
            ("--report a.html", "--fault"),
            ("--report a.html --all", "--fault"),
            ("--runs 3", "--chaos"),
            ("--chaos 1 --all", "--scenario"),
        ] {
            let refused = read(line).unwrap_err().to_string();
            assert!(refused.contains(named), "{line}: {refused}");
        }
    }
}
