#![doc = include_str!("document/format.md")]

mod tree;

use chrono::TimeDelta;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Runbook;
use super::fault::{Fault, FaultKind, Faults};
use super::step::ApprovalPolicy;
use crate::time::{format_duration, parse_duration};

pub(crate) use tree::{At, Entry, NOWHERE, Node, Table, Tree};

/// A runbook as it is written, before anything of it is believed: read by [`Document::from_toml`] or by serde
/// from any format that describes itself, and made a [`Runbook`] by [`Document::validate`].
///
/// Reading it fails only on what is not of the format at all; all else is found by `validate`, at once.
/// Overrides are held to the same proofs as the text.
///
/// ```
/// # #[cfg(feature = "toml")] {
/// use chrono::TimeDelta;
/// use iot_runbook::runbook::document::Document;
///
/// let document = Document::from_toml(r#"
///     name = "flap"
///     version = 1
///     title = "Watches a device for a while"
///     start = "watch"
///
///     [thresholds]
///     watch_for = "10m"
///
///     [steps.watch]
///     wait = { for = "$watch_for" }
///     to = "watched"
///
///     [conclusions.watched]
///     title = "The device was watched"
///     severity = "info"
/// "#)?;
/// let runbook = document.threshold("watch_for", TimeDelta::seconds(5)).validate()?;
/// assert_eq!(runbook.steps().len(), 2);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Document {
    table: Table,
    /// Where each line of the text begins, in bytes; empty for a format without positions.
    lines: Box<[At]>,
    /// What is wrong with the overrides.
    faults: Vec<Fault>,
}

/// A text that is not of its format, so that nothing can be said of the runbook in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It breaks the rules of the format.
    #[error("line {line}, column {column}: {reason}")]
    Syntax {
        /// The line, from one.
        line: u32,
        /// The column in characters, from one.
        column: u32,
        /// What is wrong.
        reason: Box<str>,
    },
    /// Values lie deeper in each other than any runbook needs.
    #[error("line {line}: values lie more than {depth} deep in each other; no runbook needs that")]
    TooDeep {
        /// The line, from one.
        line: u32,
        /// The most that is read.
        depth: usize,
    },
    /// The text is longer than is read.
    #[error("{length} bytes are more than the {most} that a runbook may have")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The most that is read.
        most: usize,
    },
}

/// A value that overrides that of a threshold.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ThresholdValue {
    /// As the document would write it, or as a command line gives it: `5s`, `0.5`, `10000`.
    Text(Box<str>),
    /// A duration, to the nanosecond.
    Duration(TimeDelta),
    /// A number; finite.
    Number(f64),
    /// A whole number from zero.
    Count(u64),
}

impl Document {
    /// The longest text that [`Document::from_toml`] reads, in bytes (64 MiB).
    pub const LONGEST: usize = 64 << 20;

    /// Reads a document written in TOML, and keeps the position of each value, for the lines of faults.
    ///
    /// # Errors
    /// [`LoadError`] where the text is not TOML, longer than [`Document::LONGEST`], or too deep.
    #[cfg(feature = "toml")]
    pub fn from_toml(text: &str) -> Result<Self, LoadError> {
        if text.len() > Self::LONGEST {
            return Err(LoadError::TooLong { length: text.len(), most: Self::LONGEST });
        }
        let lines: Box<[At]> = std::iter::once(0)
            .chain(text.bytes().zip(1_u32..).filter(|(byte, _)| *byte == b'\n').map(|(_, next)| next))
            .collect();
        let parsed = toml::de::DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(text.len(), |span| span.start);
            let line = line_of(&lines, u32::try_from(at).unwrap_or(NOWHERE)).unwrap_or(1);
            let begin = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
            let column = text.get(begin..at).map_or(0, |before| before.chars().count());
            LoadError::Syntax {
                line,
                column: u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1),
                reason: error.message().into(),
            }
        })?;
        let table = Table::of_toml(parsed.get_ref()).map_err(|tree::TooDeep(at)| LoadError::TooDeep {
            line: line_of(&lines, at).unwrap_or(1),
            depth: tree::DEPTH,
        })?;
        Ok(Self { table, lines, faults: Vec::new() })
    }

    /// Lets `value` stand for that of the threshold `name`.
    ///
    /// It must be of the threshold's unit, and a text is read as such: `"5s"`, `"0.5"`, `"10000"`. An unknown
    /// name, or another unit, is a fault that [`Document::validate`] reports.
    #[must_use]
    pub fn threshold(mut self, name: &str, value: impl Into<ThresholdValue>) -> Self {
        let value = value.into();
        let fault = match self.table.table_mut("thresholds").and_then(|table| table.get_mut(name)) {
            None => FaultKind::OverrideOfNoThreshold { name: name.into() },
            Some(node) => match value.stand_for(&node.tree) {
                Ok(tree) => {
                    node.tree = tree;
                    return self;
                }
                Err(expected) => {
                    FaultKind::OverrideUnit { name: name.into(), expected, given: value.shown().into() }
                }
            },
        };
        let path = format!("thresholds.{}", shortened(name)).into();
        self.faults.push(Fault { step: None, path, line: None, kind: fault });
        self
    }

    /// Lets `policy` stand for the approval of the act `step`. A step that is no act is a fault that
    /// [`Document::validate`] reports.
    #[must_use]
    pub fn approval(mut self, step: &str, policy: ApprovalPolicy) -> Self {
        match self.table.table_mut("steps").and_then(|steps| steps.table_mut(step)) {
            Some(act) if act.get("act").is_some() => {
                act.set("approval", Tree::Text(policy.name().into()));
            }
            _ => {
                let step = shortened(step);
                let path = format!("steps.{step}.approval").into();
                let kind = FaultKind::OverrideOfNoAct { name: step.into() };
                self.faults.push(Fault { step: None, path, line: None, kind });
            }
        }
        self
    }

    /// Proves that the document is a runbook that runs, and makes it one.
    ///
    /// Linear in the length of the document, but for sorting.
    ///
    /// # Errors
    /// [`Faults`]: all that is wrong with it, overrides included.
    pub fn validate(&self) -> Result<Runbook, Faults> {
        super::validate::validate(self)
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    pub(crate) fn override_faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The line, from one, of a place in the text.
    pub(crate) fn line(&self, at: At) -> Option<u32> {
        line_of(&self.lines, at)
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { table: tree::read_table(deserializer)?, lines: Box::default(), faults: Vec::new() })
    }
}

/// Overrides are written as the values they are; comments and the order of keys are lost.
impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.table.serialize(serializer)
    }
}

impl ThresholdValue {
    /// The value in the unit of `declared`, or what would have to be given.
    fn stand_for(&self, declared: &Tree) -> Result<Tree, &'static str> {
        match declared {
            Tree::Number(_) => match self {
                Self::Number(number) => Ok(*number),
                // Below 2^53 every whole number is a number.
                Self::Count(count) => u32::try_from(*count).map(f64::from).map_err(|_| ()),
                Self::Text(text) => text.parse().map_err(|_| ()),
                Self::Duration(_) => Err(()),
            }
            .map(Tree::Number)
            .map_err(|()| "a number"),
            Tree::Whole(_) | Tree::Large(_) => match self {
                Self::Count(count) => Ok(*count),
                Self::Text(text) => text.parse::<u64>().map_err(|_| ()),
                Self::Number(_) | Self::Duration(_) => Err(()),
            }
            .map(|count| i64::try_from(count).map_or(Tree::Large(count), Tree::Whole))
            .map_err(|()| "a count"),
            // Whatever else is declared is a duration, or a fault of its own.
            _ => match self {
                Self::Text(text) if parse_duration(text).is_ok() => Ok(text.clone()),
                Self::Duration(duration) => Ok(format_duration(*duration).into()),
                Self::Text(_) | Self::Number(_) | Self::Count(_) => Err("a duration, such as `90s`"),
            }
            .map(Tree::Text),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Text(text) => shortened(text),
            Self::Duration(duration) => format_duration(*duration),
            Self::Number(number) => number.to_string(),
            Self::Count(count) => count.to_string(),
        }
    }
}

impl From<&str> for ThresholdValue {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for ThresholdValue {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<TimeDelta> for ThresholdValue {
    fn from(duration: TimeDelta) -> Self {
        Self::Duration(duration)
    }
}

impl From<f64> for ThresholdValue {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<u64> for ThresholdValue {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

/// As much of a text as an error repeats.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN: usize = 80;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

fn line_of(lines: &[At], at: At) -> Option<u32> {
    if at == NOWHERE || lines.is_empty() {
        return None;
    }
    u32::try_from(lines.partition_point(|begin| *begin <= at)).ok()
}
