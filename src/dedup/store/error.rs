//! Why a store could not be asked.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Why a store did not do what it was asked. Its [`kind`](Self::kind) says whether to ask again. Cheap to clone.
///
/// ```
/// use iot_runbook::dedup::store::StoreError;
///
/// let error = StoreError::no_answer("redis did not answer within 200 ms");
/// assert!(error.is_transient());
/// assert_eq!(error.to_string(), "the store did not answer: redis did not answer within 200 ms");
/// ```
#[derive(Clone, Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    text: Cow<'static, str>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// What to do about a store that did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// It could not be asked, and nothing was done: ask again.
    Unavailable,
    /// It was asked, and there was no answer: what was asked may have been done. Ask again; a
    /// [`StoreDeduplicator`](super::StoreDeduplicator) knows what it put itself.
    NoAnswer,
    /// It has no room: the message is untracked. Give it more room, or shorten the TTL.
    Full,
    /// It does not let this adapter ask: asking again does not help.
    Refused,
    /// What is stored, or was answered, cannot be read: asking again does not help.
    Unreadable,
    /// Others changed the record each time before this caller could: ask again.
    Contended,
}

impl StoreError {
    pub(super) fn of(kind: StoreErrorKind, text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, text: text.into(), cause: None }
    }

    /// Whether it is worth asking again.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            StoreErrorKind::Unavailable | StoreErrorKind::NoAnswer | StoreErrorKind::Contended
        )
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            StoreErrorKind::Unavailable => "the store cannot be asked",
            StoreErrorKind::NoAnswer => "the store did not answer",
            StoreErrorKind::Full => "the store is full",
            StoreErrorKind::Refused => "the store refused",
            StoreErrorKind::Unreadable => "the store's answer cannot be read",
            StoreErrorKind::Contended => "the record changed each time",
        };
        write!(f, "{what}: {}", self.text)
    }
}

failure! {
    StoreError: StoreErrorKind {
        /// The store could not be asked, and nothing was done.
        unavailable => StoreErrorKind::Unavailable;
        /// The store was asked and did not answer: what was asked may have been done.
        no_answer => StoreErrorKind::NoAnswer;
        /// The store has no room.
        full => StoreErrorKind::Full;
        /// The store does not let this adapter ask.
        refused => StoreErrorKind::Refused;
        /// What is stored, or was answered, cannot be read.
        unreadable => StoreErrorKind::Unreadable;
    }
}
