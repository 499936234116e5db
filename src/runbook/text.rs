//! Texts that name facts, and advice that depends on them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::guard::{Guard, Values};
use crate::fact::Domain;

/// A text for a person, with places for facts.
///
/// `{power}` is what the check `power` found, `{power.breaker}` the detail `breaker` of its answer; `:%` behind either
/// shows a number as a percentage. `{value}` is the value that took the branch, in its `says`, `note` and `alert` only.
/// `{{` and `}}` are braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(Box<Parts>);

/// In a box of its own: a step has several texts for each of its exits, and few of them are there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    written: Box<str>,
    pieces: Box<[Piece]>,
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Piece {
    /// Words as they are.
    Words(Box<str>),
    /// The place of a fact.
    Fact(FactRef),
}

/// Which fact belongs in a place of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FactRef {
    /// The id of the check; `value` for the value that took the branch.
    pub check: Box<str>,
    /// The name of a detail of its answer; `None` for the value.
    pub detail: Option<Box<str>>,
    /// Whether a number is shown as a percentage.
    pub percent: bool,
}

/// A text whose braces do not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// A `{` without its `}`, or a `}` without its `{`.
    #[error("a brace has no partner; write `{{{{` or `}}}}` for a brace, `{{check}}` for a fact")]
    Unmatched,
    /// Nothing, or something else than a check and a detail, between braces.
    #[error("braces hold no fact; write `{{check}}`, `{{check.detail}}` or `{{check:%}}`")]
    NoFact,
}

impl FactRef {
    /// The name in place of a check for the value that took the branch.
    pub const VALUE: &'static str = "value";

    /// What is between the braces: `check`, `check.detail`, either with `:%` behind.
    fn parse(inner: &str) -> Result<Self, TextError> {
        let (name, percent) = match inner.strip_suffix(":%") {
            Some(name) => (name, true),
            None => (inner, false),
        };
        let (check, detail) = match name.split_once('.') {
            Some((check, detail)) => (check, Some(detail)),
            None => (name, None),
        };
        if check.trim().is_empty() || detail.is_some_and(|detail| detail.trim().is_empty()) {
            return Err(TextError::NoFact);
        }
        Ok(Self { check: check.into(), detail: detail.map(Into::into), percent })
    }
}

impl Text {
    /// Reads a text.
    ///
    /// # Errors
    /// [`TextError`] where its braces do not match or hold no fact.
    pub fn parse(written: &str) -> Result<Self, TextError> {
        let mut pieces = Vec::new();
        let mut words = String::new();
        let mut rest = written;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, after) = rest.split_at(at);
            words.push_str(before);
            if let Some(tail) = after.strip_prefix("{{").or_else(|| after.strip_prefix("}}")) {
                words.push_str(&after[..1]);
                rest = tail;
                continue;
            }
            let (inner, tail) = after
                .strip_prefix('{')
                .and_then(|inner| inner.split_once('}'))
                .ok_or(TextError::Unmatched)?;
            if inner.contains('{') {
                return Err(TextError::Unmatched);
            }
            if !words.is_empty() {
                pieces.push(Piece::Words(std::mem::take(&mut words).into()));
            }
            pieces.push(Piece::Fact(FactRef::parse(inner)?));
            rest = tail;
        }
        words.push_str(rest);
        if !words.is_empty() {
            pieces.push(Piece::Words(words.into()));
        }
        Ok(Self(Box::new(Parts { written: written.into(), pieces: pieces.into() })))
    }

    /// The text as the document has it.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0.written
    }

    /// Its pieces, in order.
    #[must_use]
    pub const fn pieces(&self) -> &[Piece] {
        &self.0.pieces
    }

    /// The facts that it names.
    pub fn facts(&self) -> impl Iterator<Item = &FactRef> {
        self.0.pieces.iter().filter_map(|piece| match piece {
            Piece::Fact(fact) => Some(fact),
            Piece::Words(_) => None,
        })
    }

    /// The text with each fact in its place, as `fact` gives it; `not known` where it gives none.
    #[must_use]
    pub fn render(&self, fact: impl Fn(&FactRef) -> Option<String>) -> String {
        let mut text = String::with_capacity(self.0.written.len());
        for piece in &self.0.pieces {
            match piece {
                Piece::Words(words) => text.push_str(words),
                Piece::Fact(named) => text.push_str(fact(named).as_deref().unwrap_or("not known")),
            }
        }
        text
    }
}

impl fmt::Display for Text {
    /// As the document has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.written)
    }
}

/// As the document has it.
impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.written)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = String::deserialize(deserializer)?;
        Self::parse(&written).map_err(de::Error::custom)
    }
}

/// Something to look at or to do, and on what fact it depends.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Advice {
    /// What it says.
    pub text: Text,
    /// When it is given; `None`: always.
    pub condition: Option<Condition>,
}

/// A condition on what one check found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Condition {
    /// The id of the check.
    pub check: Box<str>,
    /// The values of the check.
    pub domain: Domain,
    /// The values that count; every one where only a detail is asked for.
    pub guard: Guard,
    /// The detail that the answer must have as well. A person who answers in place of an adapter may give none.
    pub detail: Option<Box<str>>,
    /// True for `when`: the value is known and counts. False for `unless`: it is anything else, unknown included.
    pub holds: bool,
}

impl fmt::Display for Condition {
    /// In words: `when power is lost and its breaker is known`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (when, check) = (if self.holds { "when" } else { "unless" }, &self.check);
        let guard = self.guard.describe(&self.domain);
        match &self.detail {
            None => write!(f, "{when} {check} is {guard}"),
            Some(detail) if matches!(self.guard.values, Values::All) => {
                write!(f, "{when} the `{detail}` of {check} is known")
            }
            Some(detail) => write!(f, "{when} {check} is {guard} and its `{detail}` is known"),
        }
    }
}

impl fmt::Display for Advice {
    /// The text as the document has it, and its condition: `Close it. (when power is lost)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text)?;
        match &self.condition {
            Some(condition) => write!(f, " ({condition})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn shown(written: &str) -> Result<String, TextError> {
        let fact = |fact: &FactRef| {
            let detail = fact.detail.as_deref().unwrap_or("-");
            (&*fact.check != "nobody").then(|| format!("<{} {detail} {}>", fact.check, fact.percent))
        };
        Text::parse(written).map(|text| text.render(fact))
    }

    #[test]
    fn facts_are_put_in_their_places() {
        for (written, expected) in [
            ("Free it.", "Free it."),
            ("", ""),
            ("{power}", "<power - false>"),
            ("It reads {power.the breaker}!", "It reads <power the breaker false>!"),
            ("{lost:%} and {power.share:%}", "<lost - true> and <power share true>"),
            ("{nobody} knows", "not known knows"),
            ("{{power}} is {power}", "{power} is <power - false>"),
            ("ümlaut {a}{b} ü", "ümlaut <a - false><b - false> ü"),
        ] {
            assert_eq!(shown(written).as_deref(), Ok(expected), "{written}");
        }
    }

    #[test]
    fn braces_that_do_not_match_are_refused() {
        for written in ["{", "}", "a {b", "a} b", "{a {b}", "{{{", "}}}", "{a}}"] {
            assert_eq!(shown(written), Err(TextError::Unmatched), "{written}");
        }
        for written in ["{}", "{ }", "{.a}", "{a.}", "{:%}"] {
            assert_eq!(shown(written), Err(TextError::NoFact), "{written}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(17), ..ProptestConfig::default() })]

        /// Any words come through, escaped; and no text panics.
        #[test]
        fn escaped_words_come_back(words in "[{}a-z%:. ü]{0,12}") {
            let escaped = words.replace('{', "{{").replace('}', "}}");
            prop_assert_eq!(shown(&escaped), Ok(words.clone()));
            let _ = shown(&words);
        }
    }
}
