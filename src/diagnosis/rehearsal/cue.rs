//! The scripted answers of a step, as a file writes them.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::fact::UnknownReason;

/// The answers of a step: always the same one, in turn, or by the time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Cues {
    /// By the time since the begin: the last whose time has come.
    OverTime(Vec<TimedCue>),
    /// In turn; the last from then on.
    InTurn(Vec<Cue>),
    /// Every time.
    Always(Cue),
}

/// The answer of a step from a time on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TimedCue {
    /// From when on, counted from the begin, such as `10m`.
    pub from: String,
    /// The answer.
    pub value: Cue,
}

impl TimedCue {
    /// That from then on.
    #[must_use]
    pub fn new(from: impl Into<String>, value: Cue) -> Self {
        Self { from: from.into(), value }
    }
}

/// One answer of a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Cue {
    /// Yes or no.
    Flag(bool),
    /// A count, or a number.
    Count(u64),
    /// A number.
    Number(f64),
    /// A choice, a duration, the age of an instant, `absent`, or how an act goes.
    Text(String),
    /// The value is unknown.
    Unknown {
        /// Why.
        unknown: UnknownReason,
    },
    /// A value, and the share of what is to be explained that it accounts for.
    Accounting {
        /// The value.
        value: Box<Self>,
        /// The share, from 0 to 1.
        accounts_for: f64,
    },
}

/// As TOML writes it.
impl fmt::Display for Cue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Count(count) => count.fmt(f),
            Self::Number(number) => fmt::Debug::fmt(number, f),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Unknown { unknown } => write!(f, "{{ unknown = {:?} }}", unknown.name()),
            Self::Accounting { value, accounts_for } => {
                write!(f, "{{ value = {value}, accounts_for = {accounts_for} }}")
            }
        }
    }
}

impl From<&str> for Cues {
    fn from(text: &str) -> Self {
        Self::Always(Cue::Text(text.to_owned()))
    }
}

impl From<bool> for Cues {
    fn from(flag: bool) -> Self {
        Self::Always(Cue::Flag(flag))
    }
}

impl From<u64> for Cues {
    fn from(count: u64) -> Self {
        Self::Always(Cue::Count(count))
    }
}

impl From<f64> for Cues {
    fn from(number: f64) -> Self {
        Self::Always(Cue::Number(number))
    }
}

impl From<UnknownReason> for Cues {
    fn from(unknown: UnknownReason) -> Self {
        Self::Always(Cue::Unknown { unknown })
    }
}

impl From<Vec<TimedCue>> for Cues {
    fn from(cues: Vec<TimedCue>) -> Self {
        Self::OverTime(cues)
    }
}

impl<T: Into<Self>, const N: usize> From<[T; N]> for Cues {
    fn from(turns: [T; N]) -> Self {
        let flat = turns.into_iter().flat_map(|turn| match turn.into() {
            Self::InTurn(cues) => cues,
            Self::OverTime(cues) => cues.into_iter().map(|cue| cue.value).collect(),
            Self::Always(cue) => vec![cue],
        });
        Self::InTurn(flat.collect())
    }
}

/// What a file may write in the place of answers. Read by hand: the error of a derived untagged enum names neither what is
/// wrong nor what may be written.
enum Written {
    Plain(Cue),
    Timed(TimedCue),
    List(Vec<Self>),
}

/// Every key that a table may have; which of them go together is decided by [`Written::of`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    unknown: Option<UnknownReason>,
    value: Option<Cue>,
    accounts_for: Option<f64>,
    from: Option<String>,
}

impl Written {
    fn of<E: Error>(table: Table) -> Result<Self, E> {
        match table {
            Table { unknown: Some(unknown), value: None, accounts_for: None, from: None } => {
                Ok(Self::Plain(Cue::Unknown { unknown }))
            }
            Table { unknown: None, value: Some(value), accounts_for: Some(accounts_for), from: None } => {
                Ok(Self::Plain(Cue::Accounting { value: Box::new(value), accounts_for }))
            }
            Table { unknown: None, value: Some(value), accounts_for: None, from: Some(from) } => {
                Ok(Self::Timed(TimedCue { from, value }))
            }
            _ => Err(E::custom(
                "these keys do not make an answer: write { unknown }, { value, accounts_for }, or in a list { from, value }",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "an answer: a value, { unknown = \"timeout\" }, { value = …, accounts_for = 0.3 }, or a list of \
                     answers or of { from = \"10m\", value = … }",
                )
            }

            fn visit_bool<E: Error>(self, flag: bool) -> Result<Written, E> {
                Ok(Written::Plain(Cue::Flag(flag)))
            }

            fn visit_u64<E: Error>(self, count: u64) -> Result<Written, E> {
                Ok(Written::Plain(Cue::Count(count)))
            }

            fn visit_i64<E: Error>(self, whole: i64) -> Result<Written, E> {
                // TOML has signed integers alone, and no count is below zero.
                Ok(Written::Plain(u64::try_from(whole).map_or(Cue::Number(whole as f64), Cue::Count)))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Written, E> {
                Ok(Written::Plain(Cue::Number(number)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Written, E> {
                Ok(Written::Plain(Cue::Text(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Written, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Written::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Written, A::Error> {
                Written::of(Table::deserialize(MapAccessDeserializer::new(map))?)
            }
        }

        from.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for Cue {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Written::deserialize(from)? {
            Written::Plain(cue) => Ok(cue),
            Written::Timed(_) => Err(D::Error::custom("`from` has no meaning here: give the value alone")),
            Written::List(_) => Err(D::Error::custom("a list has no meaning here: give one value")),
        }
    }
}

impl<'de> Deserialize<'de> for Cues {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let items = match Written::deserialize(from)? {
            Written::Plain(cue) => return Ok(Self::Always(cue)),
            Written::Timed(_) => {
                return Err(D::Error::custom(
                    "`from` belongs into a list: write [{ from = \"0s\", value = … }, …]",
                ));
            }
            Written::List(items) => items,
        };
        let (mut over_time, mut in_turn) = (Vec::new(), Vec::new());
        // Mixed they have no order: an answer in turn has no time.
        for item in items {
            match item {
                Written::Timed(cue) => over_time.push(cue),
                Written::Plain(cue) => in_turn.push(cue),
                Written::List(_) => {
                    return Err(D::Error::custom("a list in a list: write one list of answers"));
                }
            }
        }
        // An empty list has no answer at any time.
        match (over_time.is_empty(), in_turn.is_empty()) {
            (false, false) => Err(D::Error::custom(
                "some items of the list have `from`, others not: give it to all or none",
            )),
            (_, true) => Ok(Self::OverTime(over_time)),
            (true, false) => Ok(Self::InTurn(in_turn)),
        }
    }
}

/// Reads the answers of each step. An error names the step.
pub(super) fn by_step<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Cues>, D::Error> {
    struct Reader;

    impl<'de> Visitor<'de> for Reader {
        type Value = BTreeMap<String, Cues>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table of steps with their answers")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut facts = BTreeMap::new();
            while let Some(step) = map.next_key::<String>()? {
                let cues = map.next_value().map_err(|error| {
                    // Some formats write their errors in several lines; the name of the step begins this one.
                    let error = error.to_string();
                    let words: Vec<&str> = error.split_whitespace().collect();
                    A::Error::custom(format_args!("step \"{step}\": {}", words.join(" ")))
                })?;
                facts.insert(step, cues);
            }
            Ok(facts)
        }
    }

    from.deserialize_map(Reader)
}
