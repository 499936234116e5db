use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Domain, Value};

/// The result of one check: a value with its evidence, or the reason why it is unknown.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "known or unknown: there is no third")]
pub enum Observation {
    /// The value is known.
    Known(Evidence),
    /// The value is unknown; never taken for healthy.
    Unknown(Unknown),
}

/// A value, when it held, who said so, and what it was judged from.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Evidence {
    /// The value that the check came to.
    pub value: Value,
    /// When it held, by the platform's clock.
    pub observed_at: DateTime<Utc>,
    /// Who said so.
    pub source: Source,
    /// What it was judged from, for the person who reads the trace.
    pub details: Details,
    /// The share, from 0 to 1, of what is to be explained that this answer accounts for, such as of missing rows.
    pub accounts_for: Option<f64>,
}

/// Why a value is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unknown {
    /// The kind of reason.
    pub reason: UnknownReason,
    /// Who was asked.
    pub source: Source,
    /// What they said, or what was missing, in words.
    pub details: Details,
    /// How long to leave the asked system alone, where it says so.
    pub retry_after: Option<TimeDelta>,
}

named! {
    /// The kinds of reason why a value is unknown.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    #[non_exhaustive]
    UnknownReason {
        /// Nobody supplied an adapter that could be asked.
        NoAdapter = "no-adapter",
        /// The subject does not name the part that the check asks about (a gateway, a site, a period).
        NoSubject = "no-subject",
        /// The answer did not come in time.
        Timeout = "timeout",
        /// The asked system refused to answer (not authorised, forbidden).
        Refused = "refused",
        /// The asked system failed to answer for the moment; it may well answer when it is asked again.
        Unavailable = "unavailable",
        /// The asked system failed to answer.
        Failed = "failed",
        /// The answer is older than the check allows, or its log does not cover the period in question.
        Stale = "stale",
        /// The facts came, and do not decide the question.
        Undetermined = "undetermined",
        /// The answer, or what it is judged from, is dated in the future by more than clocks may differ.
        Future = "future",
        /// The answer is no value of the check's domain (another kind, a number that is not finite, a choice that is not listed).
        NotInDomain = "not-in-domain",
        /// The person who was asked did not know, or did not answer.
        NoAnswer = "no-answer",
    }
}

impl UnknownReason {
    /// True if asking again may well help: a timeout, or a failure of the moment.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Timeout | Self::Unavailable)
    }
}

/// Who said it: an adapter's name, such as `broker eu-1`. Make it once and clone it: a clone allocates nothing, and of
/// a name that is [static](Source::from_static) it does not even count.
#[derive(Clone)]
pub struct Source(Name);

#[derive(Clone)]
enum Name {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Source {
    /// A source of that name.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(Name::Shared(name.into()))
    }

    /// A source with a static name, without an allocation.
    ///
    /// ```
    /// use iot_runbook::fact::Source;
    ///
    /// const REGISTRY: Source = Source::from_static("registry");
    /// assert_eq!(REGISTRY, Source::new("registry"));
    /// ```
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        Self(Name::Static(name))
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Static(name) => name,
            Name::Shared(name) => name,
        }
    }
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Source {}

impl Hash for Source {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Serialize for Source {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Arc::<str>::deserialize(from).map(Self::new)
    }
}

impl<T: Into<Arc<str>>> From<T> for Source {
    fn from(name: T) -> Self {
        Self::new(name)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Named texts beside an observation: what it was judged from. Empty ones allocate nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details(Option<Arc<[Detail]>>);

/// One named text, such as `refused with: bad-credentials`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Detail {
    /// What it is.
    pub name: Cow<'static, str>,
    /// What it says.
    pub text: String,
}

impl Detail {
    /// A named text.
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

impl Details {
    /// None.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// One text of that name.
    #[must_use]
    pub fn one(name: impl Into<Cow<'static, str>>, text: impl Into<String>) -> Self {
        Self(Some(Arc::new([Detail::new(name, text)])))
    }

    /// The text of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&str> {
        self.iter().find(|detail| detail.name == name).map(|detail| detail.text.as_str())
    }

    /// Each in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Detail> {
        self.0.as_deref().unwrap_or_default().iter()
    }
}

impl<'a> IntoIterator for &'a Details {
    type Item = &'a Detail;
    type IntoIter = std::slice::Iter<'a, Detail>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<Detail> for Details {
    fn from_iter<I: IntoIterator<Item = Detail>>(details: I) -> Self {
        let details: Arc<[Detail]> = details.into_iter().collect();
        Self((!details.is_empty()).then_some(details))
    }
}

impl Serialize for Details {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self)
    }
}

impl<'de> Deserialize<'de> for Details {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Vec::<Detail>::deserialize(from)?.into_iter().collect())
    }
}

impl Observation {
    /// The observation as a person reads it: the value, or why it is unknown.
    pub(crate) fn render(&self, domain: &Domain) -> String {
        match self {
            Self::Known(evidence) => evidence.value.render(domain),
            Self::Unknown(unknown) => format!("unknown ({})", unknown.reason),
        }
    }

    /// A known value without further details.
    #[must_use]
    pub fn known(value: Value, observed_at: DateTime<Utc>, source: impl Into<Source>) -> Self {
        Self::Known(Evidence {
            value,
            observed_at,
            source: source.into(),
            details: Details::none(),
            accounts_for: None,
        })
    }

    /// An unknown value; `text` says what was missing or what went wrong (an empty one says nothing).
    #[must_use]
    pub fn unknown(reason: UnknownReason, source: impl Into<Source>, text: impl Into<String>) -> Self {
        let text = text.into();
        let details = if text.is_empty() { Details::none() } else { Details::one("why", text) };
        Self::Unknown(Unknown { reason, source: source.into(), details, retry_after: None })
    }

    /// The same unknown value, with how long to leave the asked system alone. A known value stays as it is.
    #[must_use]
    pub fn with_retry_after(mut self, after: Option<TimeDelta>) -> Self {
        if let Self::Unknown(unknown) = &mut self {
            unknown.retry_after = after;
        }
        self
    }

    /// The same observation with this text of that name beside it, which a runbook may name as `{check.name}`.
    #[must_use]
    pub fn with_detail(self, name: impl Into<Cow<'static, str>>, text: impl Into<String>) -> Self {
        self.with_details([Detail::new(name, text)])
    }

    /// The same observation with these details beside it.
    #[must_use]
    pub fn with_details(mut self, beside: impl IntoIterator<Item = Detail>) -> Self {
        let details = match &mut self {
            Self::Known(evidence) => &mut evidence.details,
            Self::Unknown(unknown) => &mut unknown.details,
        };
        *details = details.iter().cloned().chain(beside).collect();
        self
    }

    /// The same observation, which accounts for that share of what is to be explained. A share that is not from 0 to 1
    /// makes it unknown: an adapter or a check that computes such a share cannot be trusted with its value either.
    #[must_use]
    pub fn with_accounts_for(self, share: f64) -> Self {
        match self {
            Self::Known(evidence) if (0.0..=1.0).contains(&share) => {
                Self::Known(Evidence { accounts_for: Some(share), ..evidence })
            }
            Self::Known(evidence) => {
                let why = format!("a share must be from 0 to 1, got {share}");
                Self::unknown(UnknownReason::NotInDomain, evidence.source, why)
            }
            unknown @ Self::Unknown(_) => unknown,
        }
    }

    /// The share of what is to be explained that it accounts for, where it gives one.
    #[must_use]
    pub const fn accounts_for(&self) -> Option<f64> {
        match self {
            Self::Known(evidence) => evidence.accounts_for,
            Self::Unknown(_) => None,
        }
    }

    /// The value, where it is known.
    #[must_use]
    pub const fn value(&self) -> Option<Value> {
        match self {
            Self::Known(evidence) => Some(evidence.value),
            Self::Unknown(_) => None,
        }
    }

    /// Who was asked.
    #[must_use]
    pub const fn source(&self) -> &Source {
        match self {
            Self::Known(evidence) => &evidence.source,
            Self::Unknown(unknown) => &unknown.source,
        }
    }

    /// What it was judged from.
    #[must_use]
    pub const fn details(&self) -> &Details {
        match self {
            Self::Known(evidence) => &evidence.details,
            Self::Unknown(unknown) => &unknown.details,
        }
    }
}
