//! What the checks share: asking an adapter, and what a judge comes to.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::fact::{Detail, Evidence, Observation, Source, Unknown, UnknownReason, Value};
use crate::probe::{ProbeError, ProbeErrorKind};

/// The adapter that a check asks; without one the check is unknown (`no-adapter`).
pub(super) fn adapter<'a, P: ?Sized>(
    probe: Option<&'a Arc<P>>,
    name: &'static str,
) -> Result<&'a P, ProbeError> {
    probe.map(AsRef::as_ref).ok_or_else(|| ProbeError::missing(Source::from_static(name)))
}

/// What an adapter answered.
pub(super) trait Answered<A> {
    /// The same, an error with the name of the adapter.
    fn by(self, source: Source) -> Result<A, ProbeError>;

    /// `None` where the adapter does not answer this question at all.
    fn if_supported(self) -> Result<Option<A>, ProbeError>;
}

impl<A> Answered<A> for Result<A, ProbeError> {
    fn by(self, source: Source) -> Self {
        self.map_err(|error| error.by(source))
    }

    fn if_supported(self) -> Result<Option<A>, ProbeError> {
        match self {
            Err(error) if error.kind() == ProbeErrorKind::Unsupported => Ok(None),
            answered => answered.map(Some),
        }
    }
}

/// What a judge comes to; an observation but for who was asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Verdict {
    /// The value and when it held, or why it is unknown.
    found: Result<(Value, DateTime<Utc>), UnknownReason>,
    /// The share of the missing rows that it accounts for, from 0 to 1.
    accounts_for: Option<f64>,
    details: Vec<Detail>,
}

impl Verdict {
    pub(super) fn known(value: impl Into<Value>, observed_at: DateTime<Utc>) -> Self {
        let value = value.into();
        // A check that came to NaN, or to no bound, came to nothing.
        let found = match value {
            Value::Number(number) if !number.is_finite() => Err(UnknownReason::NotInDomain),
            _ => Ok((value, observed_at)),
        };
        Self { found, accounts_for: None, details: Vec::new() }
    }

    /// The facts came, and do not decide the question.
    pub(super) fn undetermined(why: impl Into<String>) -> Self {
        Self::unknown(UnknownReason::Undetermined, why)
    }

    /// The log does not cover what was asked.
    pub(super) fn stale(why: impl Into<String>) -> Self {
        Self::unknown(UnknownReason::Stale, why)
    }

    /// What decides is dated in the future.
    pub(super) fn future(why: impl Into<String>) -> Self {
        Self::unknown(UnknownReason::Future, why)
    }

    fn unknown(reason: UnknownReason, why: impl Into<String>) -> Self {
        Self { found: Err(reason), accounts_for: None, details: vec![Detail::new("why", why)] }
    }

    /// The verdict where some facts are dated in the future: `believed` was judged without them, `counted` as if they
    /// were of now. Where they agree nothing hangs on these facts, and they are named as an anomaly; where they do not,
    /// the value is unknown.
    pub(super) fn despite_future(
        believed: Self,
        counted: &Self,
        ahead: impl IntoIterator<Item = (&'static str, DateTime<Utc>)>,
    ) -> Self {
        let ahead: Vec<_> = ahead.into_iter().map(|(what, at)| format!("{what} at {}", moment(at))).collect();
        if ahead.is_empty() {
            return believed;
        }
        let verdict = if believed.value() == counted.value() {
            believed
        } else {
            Self::future("what would decide is dated in the future: check the clocks")
        };
        verdict.with([Detail::new("dated in the future", ahead.join(", "))])
    }

    /// The same of a finding that accounts for this share of the missing rows.
    pub(super) fn accounting_for(mut self, share: f64) -> Self {
        self.accounts_for = Some(share.clamp(0.0, 1.0)).filter(|share| !share.is_nan());
        let detail = self.accounts_for.map(|share| Detail::new("accounts for", percent(share)));
        self.with(detail)
    }

    /// The same with more to read.
    pub(super) fn with(mut self, beside: impl IntoIterator<Item = Detail>) -> Self {
        self.details.extend(beside);
        self
    }

    /// What was found stays to be read, and decides nothing.
    pub(super) fn but_undetermined(self, why: impl Into<String>) -> Self {
        Self::undetermined(why).with(self.details)
    }

    /// `None` where it is unknown.
    pub(super) fn value(&self) -> Option<Value> {
        self.found.ok().map(|(value, _)| value)
    }

    pub(super) fn by(self, source: Source) -> Observation {
        let details = self.details.into_iter().collect();
        match self.found {
            Ok((value, observed_at)) => Observation::Known(Evidence {
                value,
                observed_at,
                source,
                details,
                accounts_for: self.accounts_for,
            }),
            Err(reason) => Observation::Unknown(Unknown { reason, source, details, retry_after: None }),
        }
    }
}

#[cfg(test)]
impl Verdict {
    pub(super) fn observed_at(&self) -> Option<DateTime<Utc>> {
        self.found.ok().map(|(_, observed_at)| observed_at)
    }

    pub(super) fn reason(&self) -> Option<UnknownReason> {
        self.found.err()
    }

    pub(super) fn accounts_for(&self) -> Option<f64> {
        self.accounts_for
    }

    pub(super) fn details(&self) -> &[Detail] {
        &self.details
    }

    pub(super) fn detail(&self, name: &str) -> Option<&str> {
        self.details.iter().find(|detail| detail.name == name).map(|detail| detail.text.as_str())
    }
}

/// The subject does not name what would have to be asked about.
pub(super) fn no_subject(what: &'static str, source: Source) -> Observation {
    Observation::unknown(UnknownReason::NoSubject, source, format!("the subject names no {what}"))
}

/// A share from 0 to 1; the detail that refuses any other number.
pub(super) fn share(name: &'static str, share: f64) -> Result<f64, Detail> {
    if (0.0..=1.0).contains(&share) {
        return Ok(share);
    }
    Err(Detail::new(name, format!("a share must be from 0 to 1, got {share}")))
}

/// A share of the missing rows for the person who reads it.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} % of the missing rows", 100.0 * share)
}

/// A moment as people read it.
pub(super) fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A named moment.
pub(super) fn when(name: &'static str, at: DateTime<Utc>) -> Detail {
    Detail::new(name, moment(at))
}

/// A fact that is true or false, in words; `None` where it is not known.
pub(super) fn either(name: &'static str, fact: Option<bool>, [yes, no]: [&'static str; 2]) -> Option<Detail> {
    fact.map(|fact| Detail::new(name, if fact { yes } else { no }))
}

/// An enum for a domain of choices, in the order of the domain.
macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::check) enum $name { $($variant,)* }

        impl $name {
            pub(in crate::check) const NAMES: &[&str] = &[$($text,)*];
            pub(in crate::check) const VALUES: $crate::check::spec::Values =
                $crate::check::spec::Values::OneOf(Self::NAMES);
        }

        impl From<$name> for $crate::fact::Value {
            fn from(choice: $name) -> Self {
                Self::Choice($crate::fact::Choice::new(choice as u16))
            }
        }

        #[cfg(test)]
        impl From<$name> for $crate::check::testing::Outcome {
            fn from(choice: $name) -> Self {
                Self::Value(choice.into())
            }
        }
    };
}

pub(super) use choices;
