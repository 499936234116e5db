use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use chrono::TimeDelta;

use crate::fact::{Observation, Source, UnknownReason};

/// Why an adapter could not answer. Its [`kind`](Self::kind) decides what the driver does.
///
/// "Looked, and there is none" is not an error: it is an answer. Cheap to clone.
///
/// ```
/// use chrono::TimeDelta;
/// use iot_runbook::fact::UnknownReason;
/// use iot_runbook::probe::ProbeError;
///
/// let busy = ProbeError::transient("the broker answers 503").with_retry_after(TimeDelta::seconds(2));
/// assert!(busy.is_transient());
/// assert_eq!(busy.unknown_reason(), UnknownReason::Unavailable);
/// ```
#[derive(Clone, Debug)]
pub struct ProbeError {
    kind: ProbeErrorKind,
    text: Cow<'static, str>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
    /// Whose error it is; the checks say so.
    source: Option<Source>,
}

/// What the driver should do about an adapter that could not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProbeErrorKind {
    /// It may well answer when it is asked again: the diagnosis does so, not before `retry_after` where that is given.
    /// Where it stays so the value is unknown (`unavailable`).
    Transient {
        /// How long to leave it alone; never negative.
        retry_after: Option<TimeDelta>,
    },
    /// The asked system did not answer within the adapter's own time limit (`timeout`): the diagnosis asks again later.
    Timeout,
    /// The asked system does not let this adapter ask (not authorised, forbidden): give up (`refused`).
    Refused,
    /// The asked system failed, or answered what nobody can read: give up (`failed`).
    Failed,
    /// This adapter does not answer this question at all: as if there were no adapter (`no-adapter`).
    Unsupported,
}

impl ProbeError {
    /// This adapter does not answer this question at all.
    #[must_use]
    pub const fn unsupported() -> Self {
        Self {
            kind: ProbeErrorKind::Unsupported,
            text: Cow::Borrowed("the adapter does not answer this question"),
            cause: None,
            source: None,
        }
    }

    /// No adapter is supplied that could be asked.
    pub(crate) const fn missing(source: Source) -> Self {
        Self {
            kind: ProbeErrorKind::Unsupported,
            text: Cow::Borrowed("no adapter is supplied"),
            cause: None,
            source: Some(source),
        }
    }

    fn of(kind: ProbeErrorKind, text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, text: text.into(), cause: None, source: None }
    }

    /// The same, with how long to leave the asked system alone. It means something on a transient error only
    /// and changes no other; a negative time is taken as zero.
    #[must_use]
    pub fn with_retry_after(mut self, after: TimeDelta) -> Self {
        if let ProbeErrorKind::Transient { retry_after } = &mut self.kind {
            *retry_after = Some(after.max(TimeDelta::zero()));
        }
        self
    }

    /// Whether it is worth asking again.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self.kind, ProbeErrorKind::Transient { .. })
    }

    /// Why a value is unknown when this error is the last word on it.
    #[must_use]
    pub const fn unknown_reason(&self) -> UnknownReason {
        match self.kind {
            ProbeErrorKind::Transient { .. } => UnknownReason::Unavailable,
            ProbeErrorKind::Failed => UnknownReason::Failed,
            ProbeErrorKind::Timeout => UnknownReason::Timeout,
            ProbeErrorKind::Refused => UnknownReason::Refused,
            ProbeErrorKind::Unsupported => UnknownReason::NoAdapter,
        }
    }

    /// The unknown value that this error, as the last word of its adapter, comes to; of `source` where nobody
    /// has said which adapter it was.
    #[must_use]
    pub fn into_observation(self, source: impl Into<Source>) -> Observation {
        let reason = self.unknown_reason();
        let after = match self.kind {
            ProbeErrorKind::Transient { retry_after } => retry_after,
            _ => None,
        };
        Observation::unknown(reason, self.source.unwrap_or_else(|| source.into()), self.text.into_owned())
            .with_retry_after(after)
    }

    /// The same error of that adapter.
    pub(crate) fn by(mut self, source: Source) -> Self {
        self.source = Some(source);
        self
    }
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ProbeErrorKind::Transient { .. } => "no answer yet",
            ProbeErrorKind::Timeout => "no answer in time",
            ProbeErrorKind::Refused => "the answer was refused",
            ProbeErrorKind::Failed => "the answer failed",
            ProbeErrorKind::Unsupported => "not supported",
        };
        write!(f, "{what}: {}", self.text)
    }
}

failure! {
    ProbeError: ProbeErrorKind {
        /// It may well answer when it is asked again. `text` says what happened, for the person who reads the trace.
        transient => ProbeErrorKind::Transient { retry_after: None };
        /// The asked system did not answer within the adapter's own time limit.
        timeout => ProbeErrorKind::Timeout;
        /// The asked system does not let this adapter ask.
        refused => ProbeErrorKind::Refused;
        /// The asked system failed, or answered what nobody can read.
        failed => ProbeErrorKind::Failed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_reason() {
        for (error, reason) in [
            (ProbeError::transient("x"), UnknownReason::Unavailable),
            (ProbeError::timeout("x"), UnknownReason::Timeout),
            (ProbeError::refused("x"), UnknownReason::Refused),
            (ProbeError::failed("x"), UnknownReason::Failed),
            (ProbeError::unsupported(), UnknownReason::NoAdapter),
        ] {
            let text = error.text().to_owned();
            let observation = error.into_observation("registry");
            let Observation::Unknown(unknown) = &observation else { panic!("{observation:?}") };
            assert_eq!(unknown.reason, reason);
            assert_eq!(unknown.details.find("why"), Some(text.as_str()));
            assert_eq!(unknown.source.as_str(), "registry");
        }
    }

    #[test]
    fn only_transient_errors_keep_retry_after() {
        let kind = ProbeError::transient("busy").with_retry_after(TimeDelta::seconds(-1)).kind();
        assert_eq!(kind, ProbeErrorKind::Transient { retry_after: Some(TimeDelta::zero()) });
        let kind = ProbeError::refused("no").with_retry_after(TimeDelta::seconds(1)).kind();
        assert_eq!(kind, ProbeErrorKind::Refused);
    }

    #[test]
    fn cause_is_in_source_and_not_in_display() {
        let error = ProbeError::failed("cannot read the answer").with_cause("broken pipe");
        assert_eq!(error.to_string(), "the answer failed: cannot read the answer");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("broken pipe"));
    }
}
