use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Choice;

/// Which values a check can come to: a kind, and whether "looked, and there is none" is one of them.
///
/// ```
/// use iot_runbook::fact::{Choices, Domain, Value};
///
/// let power = Domain::choice(Choices::new(["confirmed", "uncertain"])?);
/// let Some(confirmed) = power.find_choice("confirmed") else { unreachable!() };
/// assert!(confirmed.is_of(&power));
/// assert!(!Value::Absent.is_of(&power));
/// # Ok::<(), iot_runbook::fact::ChoicesError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct Domain {
    kind: Kind,
    optional: bool,
}

/// A domain as it is written: `{ "kind": "flag" }`, `{ "kind": { "choice": ["up", "down"] }, "optional": true }`.
#[derive(Serialize, Deserialize)]
struct Form {
    kind: KindForm,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    optional: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KindForm {
    Duration,
    Instant,
    Number,
    Count,
    Flag,
    Choice(Vec<Box<str>>),
}

impl From<Domain> for Form {
    fn from(Domain { kind, optional }: Domain) -> Self {
        let kind = match kind {
            Kind::Duration => KindForm::Duration,
            Kind::Instant => KindForm::Instant,
            Kind::Number => KindForm::Number,
            Kind::Count => KindForm::Count,
            Kind::Flag => KindForm::Flag,
            Kind::Choice(choices) => KindForm::Choice(choices.0.to_vec()),
        };
        Self { kind, optional }
    }
}

impl TryFrom<Form> for Domain {
    type Error = ChoicesError;

    fn try_from(Form { kind, optional }: Form) -> Result<Self, ChoicesError> {
        let kind = match kind {
            KindForm::Duration => Kind::Duration,
            KindForm::Instant => Kind::Instant,
            KindForm::Number => Kind::Number,
            KindForm::Count => Kind::Count,
            KindForm::Flag => Kind::Flag,
            KindForm::Choice(names) => Kind::Choice(Choices::new(names)?),
        };
        Ok(Self { kind, optional })
    }
}

/// The kind of a domain's values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Signed lengths of time.
    Duration,
    /// Moments, guarded by their age: the time of the answer minus the moment, negative in the future.
    Instant,
    /// Finite numbers. NaN and the infinities are unknown: no meter measures them.
    Number,
    /// Whole numbers from zero to 2^64 - 1.
    Count,
    /// Yes and no.
    Flag,
    /// One of a list of names.
    Choice(Choices),
}

/// The names that a choice may take, in the order in which they were declared; at least one, none twice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Choices(Arc<[Box<str>]>);

/// A list of choices that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChoicesError {
    /// No name at all.
    #[error("a choice needs at least one name")]
    Empty,
    /// A duplicate name.
    #[error("the choice `{0}` is named twice: name each once")]
    Twice(String),
    /// More names than are counted.
    #[error("{0} choices are more than the 4096 that a domain may have")]
    TooMany(usize),
}

impl Choices {
    /// The most names that one domain may have.
    pub const MOST: usize = 4096;

    /// A list of names.
    ///
    /// # Errors
    /// [`ChoicesError`] where it is empty, longer than [`Choices::MOST`], or has a name twice.
    pub fn new<I, S>(names: I) -> Result<Self, ChoicesError>
    where
        I: IntoIterator<Item = S>,
        S: Into<Box<str>>,
    {
        let names: Arc<[Box<str>]> = names.into_iter().map(Into::into).collect();
        if names.is_empty() {
            return Err(ChoicesError::Empty);
        }
        if names.len() > Self::MOST {
            return Err(ChoicesError::TooMany(names.len()));
        }
        let mut seen = std::collections::HashSet::with_capacity(names.len());
        for name in names.iter() {
            if !seen.insert(name) {
                return Err(ChoicesError::Twice(name.to_string()));
            }
        }
        Ok(Self(names))
    }

    /// How many there are; never zero.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a list of choices is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The names in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// The choice of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Choice> {
        let position = self.0.iter().position(|known| &**known == name)?;
        u16::try_from(position).ok().map(Choice::new)
    }

    /// The name of a choice, or `None` where it is not of this list.
    #[must_use]
    pub fn name(&self, choice: Choice) -> Option<&str> {
        self.0.get(usize::from(choice.position())).map(AsRef::as_ref)
    }
}

impl Domain {
    /// A domain of `kind` in which a value is always there.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self { kind, optional: false }
    }

    /// A domain of one choice among `choices`.
    #[must_use]
    pub const fn choice(choices: Choices) -> Self {
        Self::new(Kind::Choice(choices))
    }

    /// The same domain with "looked, and there is none" among its values.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Whether "looked, and there is none" is one of its values.
    #[must_use]
    pub const fn is_optional(&self) -> bool {
        self.optional
    }

    /// The value of that name, where this is a domain of choices that has it.
    #[must_use]
    pub fn find_choice(&self, name: &str) -> Option<super::Value> {
        match &self.kind {
            Kind::Choice(choices) => choices.find(name).map(super::Value::Choice),
            _ => None,
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Duration => f.write_str("duration")?,
            Kind::Instant => f.write_str("instant")?,
            Kind::Number => f.write_str("number")?,
            Kind::Count => f.write_str("count")?,
            Kind::Flag => f.write_str("flag")?,
            Kind::Choice(choices) => {
                f.write_str("choice of ")?;
                for (position, name) in choices.names().enumerate() {
                    if position > 0 {
                        f.write_str(" | ")?;
                    }
                    f.write_str(name)?;
                }
            }
        }
        f.write_str(if self.optional { " or absent" } else { "" })
    }
}
