//! What a check finds: a [`Value`] of a [`Domain`], with its [`Evidence`], or an [`Unknown`] with its reason.

mod domain;
mod observation;
mod words;

use chrono::{DateTime, TimeDelta, Utc};

pub use domain::{Choices, ChoicesError, Domain, Kind};
pub use observation::{Detail, Details, Evidence, Observation, Source, Unknown, UnknownReason};
pub use words::duration_in_words;
#[allow(unused_imports, reason = "for the engines, each of which is a feature")]
pub(crate) use words::{at_least_in_words, at_most_in_words, counted};

/// One value that a check came to. Small and `Copy`: a choice is its position in the domain's list.
///
/// `PartialEq` is that of the parts; a number that is not finite never gets into a known observation (it is unknown).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Looked, and there is none; only in a domain that is declared optional.
    Absent,
    /// A length of time; it may be negative.
    Duration(TimeDelta),
    /// A moment in UTC, guarded by its age.
    Instant(DateTime<Utc>),
    /// A finite number.
    Number(f64),
    /// A whole number from zero.
    Count(u64),
    /// Yes or no.
    Flag(bool),
    /// One of the domain's choices.
    Choice(Choice),
}

/// The position of a choice in its domain's list, from zero.
///
/// It means something only beside that list: take it from [`Choices::find`], or let an enum of your own stand
/// for the list in the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Choice(u16);

impl Choice {
    /// The choice at `position`.
    #[must_use]
    pub const fn new(position: u16) -> Self {
        Self(position)
    }

    /// Its position in the domain's list.
    #[must_use]
    pub const fn position(self) -> u16 {
        self.0
    }
}

impl Value {
    /// Whether the value is of the domain: of its kind, within its list of choices, finite, and absent only
    /// where the domain is optional.
    #[must_use]
    pub fn is_of(self, domain: &Domain) -> bool {
        match (self, domain.kind()) {
            (Self::Absent, _) => domain.is_optional(),
            (Self::Duration(_), Kind::Duration)
            | (Self::Instant(_), Kind::Instant)
            | (Self::Count(_), Kind::Count)
            | (Self::Flag(_), Kind::Flag) => true,
            (Self::Number(number), Kind::Number) => number.is_finite(),
            (Self::Choice(choice), Kind::Choice(choices)) => usize::from(choice.0) < choices.len(),
            _ => false,
        }
    }

    /// The value as a person reads it; a choice by its name in `domain`.
    #[must_use]
    pub fn render(self, domain: &Domain) -> String {
        match self {
            Self::Absent => "absent".to_owned(),
            Self::Duration(duration) => crate::time::format_duration(duration),
            Self::Instant(at) => at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
            Self::Number(number) => number.to_string(),
            Self::Count(count) => count.to_string(),
            Self::Flag(flag) => if flag { "yes" } else { "no" }.to_owned(),
            Self::Choice(choice) => match domain.kind() {
                Kind::Choice(choices) => choices.name(choice).map(str::to_owned),
                _ => None,
            }
            .unwrap_or_else(|| format!("choice {}", choice.0)),
        }
    }

    /// Why it is refused in that domain, of which it is not, and what to give instead.
    pub(crate) fn not_of(self, domain: &Domain) -> String {
        let kind = match self {
            Self::Duration(_) => "duration ",
            Self::Instant(_) => "instant ",
            Self::Number(_) => "number ",
            Self::Count(_) => "count ",
            Self::Flag(_) => "flag ",
            // A choice that the domain has no name for says itself what it is.
            Self::Absent | Self::Choice(_) => "",
        };
        let value = self.render(domain);
        format!(
            "{kind}{value} is not a value of the domain {domain}: give one of these, or say that it is unknown"
        )
    }
}
