//! What the command line says.

use std::path::PathBuf;

use thiserror::Error;

/// What the program answers to `--help`, wrapped to the terminal.
pub const USAGE: &str = "\
The daily certificate job over a simulated fleet, with real certificates that it mints.

  fleet [--devices N] [--days N] [--seed N] [--list | --csv | --json] [--report FILE]

  --devices N     how many devices, 1 to 20000 (1000)
  --days N        how many days pass, 1 to 60 (14)
  --seed N        another number, another run; the same number, the same run (1)
  --list          leave nothing out of a list
  --csv           the certificates that the last digest names, as CSV
  --json          the last digest as JSON, with the days left
  --report FILE   the last digest as a report: HTML, or Markdown where the file is named .md

It ends with 1 where a device was lost, was issued two certificates for one renewal, lost its only working certificate, or came to its end without anybody having been told.";

/// The most devices: a run of more takes minutes.
const MOST_DEVICES: u32 = 20_000;
/// The most days.
const MOST_DAYS: u32 = 60;

/// What to simulate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many devices.
    pub devices: u32,
    /// How many days pass.
    pub days: u32,
    /// Which run of all that are possible.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { devices: 1_000, days: 14, seed: 1 }
    }
}

/// How a run is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// As text; of long lists the beginning.
    #[default]
    Text,
    /// As text, and nothing left out.
    List,
    /// The last digest as CSV.
    Csv,
    /// The last digest as JSON.
    Json,
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A run.
    Run {
        /// What to simulate.
        options: Options,
        /// How to show it.
        form: Form,
        /// The file of the report.
        report: Option<PathBuf>,
    },
    /// How to use the program.
    Help,
}

/// The command line cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OptionsError {
    /// There is no such option.
    #[error("there is no option `{0}`: see `fleet --help`")]
    Unknown(String),
    /// An option has no number behind it.
    #[error("`{0}` wants a number after it")]
    NoNumber(String),
    /// An option has no file behind it.
    #[error("`{0}` wants a file after it")]
    NoFile(String),
    /// Two forms at once.
    #[error("`{0}`: give one of `--list`, `--csv` and `--json`")]
    TwoForms(String),
    /// The number is none, or beyond the bounds.
    #[error("`{option} {given}`: it is to be a whole number from {least} to {most}")]
    Number {
        /// Which option.
        option: String,
        /// What was given.
        given: String,
        /// The least that may be given.
        least: u64,
        /// The most that may be given.
        most: u64,
    },
}

impl Options {
    /// Reads the arguments, without the program's own name. Of an option that is given twice the last counts.
    ///
    /// # Errors
    /// [`OptionsError`], the first that is found.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Asked, OptionsError> {
        let mut options = Self::default();
        let (mut form, mut report) = (Form::Text, None);
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (option, given) = match argument.split_once('=') {
                Some((option, given)) => (option.to_owned(), Some(given.to_owned())),
                None => (argument, None),
            };
            if matches!(&*option, "--help" | "-h") {
                return Ok(Asked::Help);
            }
            let wanted = match &*option {
                "--list" => Some(Form::List),
                "--csv" => Some(Form::Csv),
                "--json" => Some(Form::Json),
                _ => None,
            };
            if let Some(wanted) = wanted.filter(|_| given.is_none()) {
                if form != Form::Text && form != wanted {
                    return Err(OptionsError::TwoForms(option));
                }
                form = wanted;
                continue;
            }
            if option == "--report" {
                let file = given.or_else(|| arguments.next()).filter(|file| !file.is_empty());
                report = Some(file.ok_or(OptionsError::NoFile(option))?.into());
                continue;
            }
            let (least, most) = match &*option {
                "--devices" => (1, u64::from(MOST_DEVICES)),
                "--days" => (1, u64::from(MOST_DAYS)),
                "--seed" => (0, u64::MAX),
                _ => return Err(OptionsError::Unknown(option)),
            };
            let Some(given) = given.or_else(|| arguments.next()) else {
                return Err(OptionsError::NoNumber(option));
            };
            let number = given.parse().ok().filter(|number| (least..=most).contains(number));
            let Some(number) = number else {
                return Err(OptionsError::Number { option, given, least, most });
            };
            match &*option {
                "--devices" => options.devices = u32::try_from(number).unwrap_or(MOST_DEVICES),
                "--days" => options.days = u32::try_from(number).unwrap_or(MOST_DAYS),
                _ => options.seed = number,
            }
        }
        Ok(Asked::Run { options, form, report })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Asked, OptionsError> {
        Options::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn what_is_not_given_is_as_in_the_default() {
        let options = Options::default();
        let run = |options, form| Ok(Asked::Run { options, form, report: None });
        assert_eq!(read(""), run(options, Form::Text));
        assert_eq!(read("--days=3 --days 2 --list"), run(Options { days: 2, ..options }, Form::List));
        let most = Options { devices: 20_000, days: 60, seed: u64::MAX };
        let line = format!("--devices 20000 --csv --days 60 --seed {}", u64::MAX);
        assert_eq!(read(&line), run(most, Form::Csv));
        let report = Some("x.html".into());
        assert_eq!(read("--report x.html --json"), Ok(Asked::Run { options, form: Form::Json, report }));
        assert_eq!(read("--devices 1 -h"), Ok(Asked::Help));
    }

    #[test]
    fn each_fault_is_named() {
        for (line, said) in [
            ("--devices 0", "`--devices 0`: it is to be a whole number from 1 to 20000"),
            ("--devices 20001", "`--devices 20001`: it is to be a whole number from 1 to 20000"),
            ("--days 61", "`--days 61`: it is to be a whole number from 1 to 60"),
            ("--days -1", "`--days -1`: it is to be a whole number from 1 to 60"),
            ("--seed 1e3", "`--seed 1e3`: it is to be a whole number from 0 to 18446744073709551615"),
            ("--report", "`--report` wants a file after it"),
            ("--csv --json", "`--json`: give one of `--list`, `--csv` and `--json`"),
            ("--list=3", "there is no option `--list`: see `fleet --help`"),
            ("--seed", "`--seed` wants a number after it"),
            ("--device 3", "there is no option `--device`: see `fleet --help`"),
            ("12", "there is no option `12`: see `fleet --help`"),
        ] {
            assert_eq!(read(line).map_err(|error| error.to_string()), Err(said.to_owned()), "{line}");
        }
    }
}
