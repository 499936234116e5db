//! Why a service did not do what it was asked.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};

/// Why a service did not do what it was asked. Cheap to clone.
///
/// ```
/// use iot_runbook::certificate::service::{ServiceError, ServiceErrorKind};
///
/// let error = ServiceError::transient("the CA is busy");
/// assert_eq!(error.kind(), ServiceErrorKind::Transient);
/// assert_eq!(error.to_string(), "it may work later: the CA is busy");
/// ```
#[derive(Clone, Debug)]
pub struct ServiceError {
    kind: ServiceErrorKind,
    text: Cow<'static, str>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// What to make of a service that did not do what it was asked. The command comes again; where it waits for its turn, then,
/// and else later each time, and someone is alerted after a few times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServiceErrorKind {
    /// It is away, busy, or did not answer: it may have been done.
    Transient,
    /// It refuses: somebody must change something first.
    Refused,
    /// The request waits for its turn until then. Only for [issuing](super::ProvisioningService::issue); of anything else it
    /// counts as [`Transient`](Self::Transient).
    Postponed {
        /// When its turn is expected.
        until: DateTime<Utc>,
    },
}

impl ServiceError {
    /// The request waits for its turn until then.
    ///
    /// ```
    /// use chrono::{TimeZone, Utc};
    /// use iot_runbook::certificate::service::ServiceError;
    ///
    /// let until = Utc.timestamp_opt(1_800_000_000, 0).unwrap();
    /// let error = ServiceError::postponed(until, "412 renewals end sooner");
    /// assert_eq!(error.to_string(), "it waits for its turn until 2027-01-15 08:00:00 UTC: 412 renewals end sooner");
    /// ```
    #[must_use]
    pub fn postponed(until: DateTime<Utc>, text: impl Into<Cow<'static, str>>) -> Self {
        Self::of(ServiceErrorKind::Postponed { until }, text)
    }

    fn of(kind: ServiceErrorKind, text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, text: text.into(), cause: None }
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ServiceErrorKind::Transient => write!(f, "it may work later: {}", self.text),
            ServiceErrorKind::Refused => write!(f, "it is refused: {}", self.text),
            ServiceErrorKind::Postponed { until } => {
                write!(f, "it waits for its turn until {until}: {}", self.text)
            }
        }
    }
}

failure! {
    ServiceError: ServiceErrorKind {
        /// It is away, busy, or did not answer.
        transient => ServiceErrorKind::Transient;
        /// It refuses.
        refused => ServiceErrorKind::Refused;
    }
}
