//! Why a service did not do what it was asked.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

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

/// What to make of a service that did not do what it was asked. Either way the command comes again, later each time, and
/// someone is told after a few times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServiceErrorKind {
    /// It is away, busy, or did not answer: it may have been done.
    Transient,
    /// It refuses: somebody must change something first.
    Refused,
}

impl ServiceError {
    /// It is away, busy, or did not answer.
    #[must_use]
    pub fn transient(text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: ServiceErrorKind::Transient, text: text.into(), cause: None }
    }

    /// It refuses.
    #[must_use]
    pub fn refused(text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: ServiceErrorKind::Refused, text: text.into(), cause: None }
    }

    /// The same with its cause.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    /// What to make of it.
    #[must_use]
    pub const fn kind(&self) -> ServiceErrorKind {
        self.kind
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ServiceErrorKind::Transient => "it may work later",
            ServiceErrorKind::Refused => "it is refused",
        };
        write!(f, "{what}: {}", self.text)
    }
}

impl Error for ServiceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Some(cause) => Some(cause.as_ref()),
            None => None,
        }
    }
}
