//! What the checks share: asking an adapter, and what a judge comes to.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::fact::{Detail, Details, Evidence, Observation, Source, Unknown, UnknownReason, Value};
use crate::probe::{ProbeError, ProbeErrorKind};

/// The adapter that a check asks; without one the check is unknown (`no-adapter`).
pub(super) fn adapter<'a, P: ?Sized>(
    probe: Option<&'a Arc<P>>,
    name: &'static str,
) -> Result<&'a P, ProbeError> {
    probe.map(AsRef::as_ref).ok_or_else(|| ProbeError::missing(Source::from_static(name)))
}

/// An adapter's answer; `None` where it does not answer this question at all.
pub(super) fn if_supported<A>(
    answer: Result<A, ProbeError>,
    source: impl FnOnce() -> Source,
) -> Result<Option<A>, ProbeError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == ProbeErrorKind::Unsupported => Ok(None),
        Err(error) => Err(error.by(source())),
    }
}

/// What a judge comes to; an observation but for who was asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    Known { value: Value, observed_at: DateTime<Utc>, details: Details },
    Unknown { reason: UnknownReason, details: Details },
}

impl Verdict {
    pub(super) fn known(value: Value, observed_at: DateTime<Utc>, details: Details) -> Self {
        // A check that came to NaN, or to no bound, came to nothing.
        if matches!(value, Value::Number(number) if !number.is_finite()) {
            return Self::Unknown { reason: UnknownReason::NotInDomain, details };
        }
        Self::Known { value, observed_at, details }
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
        let anomaly = Detail::new("dated in the future", ahead.join(", "));
        match (&believed, counted) {
            (Self::Known { value: one, .. }, Self::Known { value: other, .. }) if one == other => {
                believed.with([anomaly])
            }
            (Self::Unknown { .. }, Self::Unknown { .. }) => believed.with([anomaly]),
            _ => Self::future("what would decide is dated in the future: check the clocks").with([anomaly]),
        }
    }

    fn unknown(reason: UnknownReason, why: impl Into<String>) -> Self {
        Self::Unknown { reason, details: Details::one("why", why) }
    }

    /// The same with more to read.
    pub(super) fn with(self, beside: impl IntoIterator<Item = Detail>) -> Self {
        let extend = |details: Details| details.iter().cloned().chain(beside).collect();
        match self {
            Self::Known { value, observed_at, details } => {
                Self::Known { value, observed_at, details: extend(details) }
            }
            Self::Unknown { reason, details } => Self::Unknown { reason, details: extend(details) },
        }
    }

    pub(super) const fn is_known(&self) -> bool {
        matches!(self, Self::Known { .. })
    }

    pub(super) fn by(self, source: Source) -> Observation {
        match self {
            Self::Known { value, observed_at, details } => {
                Observation::Known(Evidence { value, observed_at, source, details, accounts_for: None })
            }
            Self::Unknown { reason, details } => {
                Observation::Unknown(Unknown { reason, source, details, retry_after: None })
            }
        }
    }

    #[cfg(test)]
    pub(super) fn value(&self) -> Option<Value> {
        match self {
            Self::Known { value, .. } => Some(*value),
            Self::Unknown { .. } => None,
        }
    }

    #[cfg(test)]
    pub(super) fn observed_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Known { observed_at, .. } => Some(*observed_at),
            Self::Unknown { .. } => None,
        }
    }

    #[cfg(test)]
    pub(super) fn reason(&self) -> Option<UnknownReason> {
        match self {
            Self::Known { .. } => None,
            Self::Unknown { reason, .. } => Some(*reason),
        }
    }

    #[cfg(test)]
    pub(super) fn details(&self) -> &Details {
        match self {
            Self::Known { details, .. } | Self::Unknown { details, .. } => details,
        }
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

/// A moment as people read it.
pub(super) fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A named moment.
pub(super) fn when(name: &'static str, at: DateTime<Utc>) -> Detail {
    Detail::new(name, moment(at))
}

/// An enum for a domain of choices, in the order of the domain.
macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::check) enum $name { $($variant,)* }

        impl $name {
            pub(in crate::check) const NAMES: &[&str] = &[$($text,)*];

            pub(in crate::check) const fn value(self) -> $crate::fact::Value {
                $crate::fact::Value::Choice($crate::fact::Choice::new(self as u16))
            }

            pub(in crate::check) const VALUES: $crate::check::spec::Values =
                $crate::check::spec::Values::OneOf(Self::NAMES);
        }
    };
}

pub(super) use choices;
