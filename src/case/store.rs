use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Case, Message, NewCase, Outcome, State, StateKind};
use crate::diagnosis::{DiagnosisId, Increment};

/// Keeps cases, for any number of workers.
///
/// Each method takes effect whole or not at all; two at once take effect one after the other. What has returned `Ok` survives
/// a crash of the process, as far as the store is durable. An error that is [unavailable](StoreError::Unavailable) leaves open
/// whether the call took effect. A future that is dropped leaves that open too.
///
/// `now` is the clock of whoever calls. Clocks that differ make a lease longer or shorter; the tokens keep two workers from
/// writing over each other all the same.
///
/// [`conformance::check`](super::conformance::check) tests an implementation against what is said here.
#[async_trait]
pub trait CaseStore: Send + Sync {
    /// Inserts a case: [`State::Ready`], version 0, due at `now`.
    ///
    /// # Errors
    /// [`StoreError::AlreadyThere`] where there is one of that id: it is unchanged.
    async fn insert(&self, case: NewCase, now: DateTime<Utc>) -> Result<(), StoreError>;

    /// Returns the case, with all its records and the messages that no save has taken; `None` where there is none.
    async fn load(&self, id: DiagnosisId) -> Result<Option<Case>, StoreError>;

    /// Leases cases that are due at `now` to `worker`: at most `limit`, the one that is due longest first, and of those the
    /// lower id. A case is due where its `due_at` is not after `now`, and no lease on it is valid: none was given, it was
    /// given back, or its `until` is not after `now`. Each lease has a token above all earlier tokens of its case.
    async fn due(
        &self,
        worker: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<Leased>, StoreError>;

    /// Makes a lease longer.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] where the lease was given back, or the case was leased again since.
    async fn renew(&self, lease: &Lease, until: DateTime<Utc>) -> Result<(), StoreError>;

    /// Saves a case: appends the records, replaces state and due time, removes the messages up to [`Save::taken`], adds to
    /// the history, and raises the version by one. Where a message with a number above [`Save::seen`] is there, the case is due
    /// at `now` whatever the save says, unless it has ended. A lease that has expired is still good where the case
    /// was not leased again. Returns the new version.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`], or [`StoreError::Conflict`] where the version or the number of saved records is another;
    /// nothing has changed then.
    async fn save(&self, lease: &Lease, save: Save, now: DateTime<Utc>) -> Result<u64, StoreError>;

    /// Gives a lease back: the case is due as it was. A lease that was lost changes nothing and is no error.
    async fn release(&self, lease: &Lease) -> Result<(), StoreError>;

    /// Keeps a message for the case and makes it due at `now`, if it would be due later. Returns the number of the message;
    /// the numbers of one case rise. Once this has returned, the message is not lost.
    ///
    /// `Ok` means kept, not accepted: the next worker gives it to the diagnosis, which may refuse it. Look for its number in
    /// [`outcome`](Self::outcome) or [`history`](Self::history).
    ///
    /// # Errors
    /// [`StoreError::NoSuchCase`], or [`StoreError::Ended`].
    async fn deliver(&self, id: DiagnosisId, message: Message, now: DateTime<Utc>)
    -> Result<u64, StoreError>;

    /// Lists cases by id, at most `limit`, beginning behind `filter.after`. A case that can't be read is in
    /// [`CaseList::damaged`], and hides no other.
    async fn list(&self, filter: &Filter, limit: usize) -> Result<CaseList, StoreError>;

    /// Returns everything that happened to the case, the oldest first. Nothing is ever removed from it.
    ///
    /// # Errors
    /// [`StoreError::NoSuchCase`].
    async fn history(&self, id: DiagnosisId) -> Result<Vec<HistoryEntry>, StoreError>;

    /// Returns what became of the message with the number that [`deliver`](Self::deliver) returned; `None` where no worker has
    /// dealt with it yet. Without an implementation of its own it is looked up in the [`history`](Self::history).
    ///
    /// # Errors
    /// [`StoreError::NoSuchCase`].
    async fn outcome(&self, id: DiagnosisId, message: u64) -> Result<Option<Outcome>, StoreError> {
        let history = self.history(id).await?;
        Ok(history.into_iter().find_map(|entry| match entry.what {
            Happened::Handled { number, outcome } if number == message => Some(outcome),
            _ => None,
        }))
    }
}

const _: Option<&dyn CaseStore> = None;

/// The right to save a case, for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// The case.
    pub case: DiagnosisId,
    /// The fencing token: each later lease of the case has a higher one.
    pub token: u64,
}

impl Lease {
    /// A lease with that token.
    #[must_use]
    pub const fn new(case: DiagnosisId, token: u64) -> Self {
        Self { case, token }
    }
}

/// A case with the lease on it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Leased {
    /// The lease.
    pub lease: Lease,
    /// The case.
    pub case: Case,
}

impl Leased {
    /// That case under that lease.
    #[must_use]
    pub const fn new(lease: Lease, case: Case) -> Self {
        Self { lease, case }
    }
}

/// What is to be saved of a case.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Save {
    /// The version that it was loaded with.
    pub version: u64,
    /// The new records.
    pub increment: Increment,
    /// Where it is now.
    pub state: State,
    /// When it must be taken up.
    pub due_at: Option<DateTime<Utc>>,
    /// The number of the last message that the worker knows.
    pub seen: u64,
    /// The number of the last message whose effect this save contains.
    pub taken: u64,
    /// What became of each message that is taken.
    pub outcomes: Vec<(u64, Outcome)>,
    /// What becomes of the lease.
    pub then: AfterSave,
}

impl Save {
    /// New records and a state, due at no time, with no message seen, and the lease given back.
    #[must_use]
    pub const fn new(version: u64, increment: Increment, state: State) -> Self {
        let outcomes = Vec::new();
        let then = AfterSave::Release;
        Self { version, increment, state, due_at: None, seen: 0, taken: 0, outcomes, then }
    }

    /// With when it must be taken up.
    #[must_use]
    pub const fn with_due_at(mut self, due_at: Option<DateTime<Utc>>) -> Self {
        self.due_at = due_at;
        self
    }

    /// With the messages that are seen, and that are taken.
    #[must_use]
    pub fn with_messages(mut self, seen: u64, taken: u64, outcomes: Vec<(u64, Outcome)>) -> Self {
        (self.seen, self.taken, self.outcomes) = (seen, taken, outcomes);
        self
    }

    /// With what becomes of the lease.
    #[must_use]
    pub const fn then(mut self, then: AfterSave) -> Self {
        self.then = then;
        self
    }
}

/// What becomes of the lease after a save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a lease is held or given back")]
pub enum AfterSave {
    /// It is held until then.
    HoldUntil(DateTime<Utc>),
    /// It is given back.
    Release,
}

/// Which cases to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filter {
    /// Those in such a state; `None`: all.
    pub state: Option<StateKind>,
    /// Those behind that id: for the next page.
    pub after: Option<DiagnosisId>,
}

impl Filter {
    /// All cases.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Those in such a state.
    #[must_use]
    pub const fn of(state: StateKind) -> Self {
        Self { state: Some(state), after: None }
    }

    /// Those behind that id.
    #[must_use]
    pub const fn after(mut self, id: DiagnosisId) -> Self {
        self.after = Some(id);
        self
    }
}

/// A page of cases.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct CaseList {
    /// The cases, by id.
    pub cases: Vec<Case>,
    /// Those that can't be read, by id: show them too, somebody must repair them.
    pub damaged: Vec<DamagedCase>,
    /// Where the next page begins, for [`Filter::after`]; `None` where this is the last one.
    pub next: Option<DiagnosisId>,
}

impl CaseList {
    /// A page with these cases, and no page after it.
    #[must_use]
    pub const fn new(cases: Vec<Case>) -> Self {
        Self { cases, damaged: Vec::new(), next: None }
    }

    setters! {
        /// With cases that can't be read.
        with_damaged(damaged: Vec<DamagedCase>) => damaged = damaged;
        /// With where the next page begins.
        const with_next(next: Option<DiagnosisId>) => next = next;
    }
}

/// A case that is in the store and can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DamagedCase {
    /// The case.
    pub id: DiagnosisId,
    /// What is wrong with it.
    pub why: String,
}

impl DamagedCase {
    /// That case can't be read, for this reason.
    #[must_use]
    pub fn new(id: DiagnosisId, why: impl Into<String>) -> Self {
        Self { id, why: why.into() }
    }
}

/// One thing that happened to a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// When, by the clock of whoever did it.
    pub at: DateTime<Utc>,
    /// What.
    pub what: Happened,
}

impl HistoryEntry {
    /// That happened then.
    #[must_use]
    pub const fn new(at: DateTime<Utc>, what: Happened) -> Self {
        Self { at, what }
    }
}

/// What happened to a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::exhaustive_enums, reason = "a store writes these and no others")]
pub enum Happened {
    /// It was inserted.
    Inserted,
    /// A message came.
    Delivered {
        /// Its number.
        number: u64,
        /// The message.
        message: Message,
    },
    /// A message was dealt with, by the save that follows.
    Handled {
        /// Its number.
        number: u64,
        /// What became of it.
        outcome: Outcome,
    },
    /// It was saved.
    Saved {
        /// The version since then.
        version: u64,
        /// Where it was.
        state: StateKind,
        /// How many records it had.
        records: u64,
    },
}

/// A call that a store did not do.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Misuse: there is a case of that id.
    #[error("case {0} is there already: load it, or take another id")]
    AlreadyThere(DiagnosisId),
    /// Misuse: there is no case of that id.
    #[error("there is no case {0}: insert it first")]
    NoSuchCase(DiagnosisId),
    /// Misuse: the case has ended.
    #[error("case {0} has ended: it takes no more messages; insert a new one")]
    Ended(DiagnosisId),
    /// Misuse: what is to be saved can't be written.
    #[error("case {case} can't be written: {why}")]
    Unwritable {
        /// The case.
        case: DiagnosisId,
        /// What is wrong with it.
        why: String,
    },
    /// Conflict: another worker has the case.
    #[error(
        "the lease on case {0} was lost: another worker has it, or it was given back; drop what was done since"
    )]
    LeaseLost(DiagnosisId),
    /// Conflict: the case was saved since it was loaded.
    #[error("case {case} has version {found}, not {expected}, or other records: load it again")]
    Conflict {
        /// The case.
        case: DiagnosisId,
        /// The version that was given.
        expected: u64,
        /// The version that it has.
        found: u64,
    },
    /// The store does not answer; try again later. Whether the call took effect is open.
    #[error("the store is not available: {what}")]
    Unavailable {
        /// What was tried.
        what: String,
        /// Why.
        #[source]
        source: Option<Arc<dyn Error + Send + Sync>>,
    },
    /// What the store has of a case can't be read.
    #[error("what the store has of case {case} can't be read: {why}; take a backup of it")]
    Damaged {
        /// The case.
        case: String,
        /// What is wrong with it.
        why: String,
    },
}

impl StoreError {
    /// The store does not answer.
    #[must_use]
    pub fn unavailable(what: impl Into<String>, source: impl Error + Send + Sync + 'static) -> Self {
        Self::Unavailable { what: what.into(), source: Some(Arc::new(source)) }
    }

    /// True if the same call may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}
