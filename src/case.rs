//! Durable cases: diagnoses that outlive the process.
//!
//! A [`Case`] is a saved diagnosis with its state, and with when it must go on. A [`CaseStore`] keeps cases; a [`Worker`] takes
//! those that are due, runs each with a [`Driver`](crate::driver::Driver) until it waits or ends, and saves it. Any number of
//! workers in any number of processes share one store. People answer through the store: [`CaseStore::deliver`].
//!
//! What holds, wherever a process stops:
//!
//! - **What is not saved is not acted on.** Before an act or an alert is begun, the state that says so is saved. Where saving
//!   fails, it is not begun.
//! - **A crash repeats a question, never an act.** A check that was asked since the last save is asked again. An act that was
//!   under way is handed out again under the same [idempotency key](crate::diagnosis::ActRequest::idempotency_key), by which
//!   the actuator knows that it was done.
//! - **An alert is delivered before the case ends.** Where the operator does not deliver it in time, or panics, the case stays
//!   open and is taken up again.
//! - **A delivered message is not lost.** It stays with the case until the save that contains its effect, or the reason why
//!   it was refused.
//! - **One worker at a time.** A lease expires, and each new one has a higher token; a save with an older token is refused.
//! - **A case ends on the runbook that it began with**, where the set of the worker has that version. Where it has not, the
//!   case is kept as [`State::Stuck`] with the reason, and tried again later.
//! - **Saving is linear.** Each save appends the new records only; see
//!   [`Diagnosis::increment_since`](crate::diagnosis::Diagnosis::increment_since).
//!
//! # Seen from outside
//! With the feature `tracing` each run of a case is in a span `case` (`case`, `worker`, `token`, and the `trace_parent` of its alert,
//! whoever takes it up and however late), and within it in the span and
//! events of the [driver](crate::driver#seen-from-outside): alerts, approvals, acts, waits, retries, conclusions. The worker adds
//! these, named by their message, with a target that begins with `iot_runbook::case`:
//!
//! | event | level | fields |
//! |---|---|---|
//! | `message` | info | `case`, `number`, and why it was `refused` |
//! | `saved` | info | `case`, `state` at the end of the run |
//! | `not saved` | warn | `case`, `error`: what the run did since its last save is forgotten |
//! | `stuck` | warn | `case`, `why` it can't be resumed |
//! | `clock set back` | warn | `worker`, and how many cases it has `woken` |
//! | `store not available` | warn | `worker`, `error` |
//!
//! # Example
//! ```
//! # #[cfg(feature = "toml")] {
//! use std::sync::Arc;
//!
//! use chrono::DateTime;
//! use iot_runbook::case::{CaseStore, MemoryCases, NewCase, StateKind, Worker};
//! use iot_runbook::diagnosis::DiagnosisId;
//! use iot_runbook::driver::SimulatedTimer;
//! use iot_runbook::probe::Probes;
//! use iot_runbook::time::{Clock, ManualClock};
//! use iot_runbook::{Checks, Diagnosis, Document, Driver, RunbookSet, Subject, Trigger};
//!
//! # let text = r#"
//! # name = "call-back"
//! # version = 1
//! # title = "Call back"
//! # start = "rest"
//! # [steps.rest]
//! # title = "Wait an hour"
//! # wait = { for = "1h" }
//! # to = "call"
//! # [conclusions.call]
//! # title = "Call"
//! # severity = "info"
//! # "#;
//! // A runbook that waits an hour and concludes.
//! let set = RunbookSet::new([Document::from_toml(text)?.validate()?])?;
//! let clock = Arc::new(ManualClock::new(DateTime::UNIX_EPOCH));
//! let timer = Arc::new(SimulatedTimer::new(Arc::clone(&clock)));
//! let driver = Driver::new(&set, &Checks::builtin(), Probes::new(), timer)?.with_clock(Arc::<ManualClock>::clone(&clock));
//!
//! let store = Arc::new(MemoryCases::new());
//! let worker = Worker::new("worker 1", Arc::<MemoryCases>::clone(&store), driver);
//! let trigger = Trigger::new("a call was missed", clock.now());
//! let id = DiagnosisId::random(clock.now())?;
//! let diagnosis = Diagnosis::new(id, &set, "call-back", Subject::device("press-07"), trigger, clock.now())?;
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! store.insert(NewCase::of(&diagnosis), clock.now()).await?;
//! worker.turn().await?;
//! assert_eq!(store.load(id).await?.map(|case| case.state.kind()), Some(StateKind::Waiting));
//!
//! // The process may stop here; an hour later any worker goes on.
//! clock.advance(chrono::TimeDelta::hours(1));
//! worker.turn().await?;
//! assert_eq!(store.load(id).await?.map(|case| case.state.kind()), Some(StateKind::Ended));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod conformance;
mod journal;
mod memory;
mod message;
mod store;
mod worker;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::diagnosis::{
    Bundle, Diagnosis, DiagnosisId, Finding, Increment, Opening, Record, ResumeError, SavePoint,
};
use crate::driver::Asked;

pub use memory::MemoryCases;
pub use message::{Message, Outcome};
pub use store::{
    AfterSave, CaseList, CaseStore, DamagedCase, Filter, Happened, HistoryEntry, Lease, Leased, Save,
    StoreError,
};
pub use worker::{Turn, Worker};

/// A diagnosis as a store keeps it. Its identity is that of the diagnosis.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Case {
    /// What it is about: the subject, the incident, the runbook with its fingerprint.
    pub opening: Opening,
    /// How far it is saved.
    pub saved: SavePoint,
    /// The records of its trace.
    pub records: Vec<Record>,
    /// Where it is.
    pub state: State,
    /// When a worker must take it up; `None`: when a message comes.
    pub due_at: Option<DateTime<Utc>>,
    /// How often it was saved.
    pub version: u64,
    /// The messages that no save has taken yet, in the order of their numbers.
    pub inbox: Vec<(u64, Message)>,
}

impl Case {
    /// A case as a store reads it.
    #[must_use]
    pub const fn new(opening: Opening, saved: SavePoint, records: Vec<Record>, state: State) -> Self {
        Self { opening, saved, records, state, due_at: None, version: 0, inbox: Vec::new() }
    }

    setters! {
        /// With when it is due.
        const with_due_at(due_at: Option<DateTime<Utc>>) => due_at = due_at;
        /// With how often it was saved.
        const with_version(version: u64) => version = version;
        /// With the messages that wait.
        with_inbox(inbox: Vec<(u64, Message)>) => inbox = inbox;
    }

    /// Its identity.
    #[must_use]
    pub const fn id(&self) -> DiagnosisId {
        self.opening.diagnosis
    }

    /// Its evidence: what is resumed, shown and replayed.
    ///
    /// # Errors
    /// [`ResumeError::Damaged`] where the records are not those that were saved.
    pub fn bundle(&self) -> Result<Bundle, ResumeError> {
        Bundle::assemble(&self.opening, &self.saved, self.records.clone())
    }
}

/// A case to be inserted.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NewCase {
    /// What it is about.
    pub opening: Opening,
    /// Its trace up to now.
    pub increment: Increment,
}

impl NewCase {
    /// A case of that diagnosis, as it is now. It is due at once.
    #[must_use]
    pub fn of(diagnosis: &Diagnosis) -> Self {
        let opening = diagnosis.opening();
        let increment = diagnosis.increment_since(&opening.save_point());
        Self { opening, increment }
    }

    /// Its identity, which is that of the diagnosis.
    #[must_use]
    pub const fn id(&self) -> DiagnosisId {
        self.opening.diagnosis
    }
}

/// Where a case is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum State {
    /// A worker must take it up.
    Ready,
    /// It waits, by its runbook.
    Waiting,
    /// People are asked: show each with its title, advice and evidence, and [deliver](CaseStore::deliver) their answers.
    Asking(Vec<Asked>),
    /// No worker can go on with it: what it was begun with is missing. It is kept and tried again.
    Stuck {
        /// Why, and what to do.
        why: String,
    },
    /// It has ended.
    Ended(Box<Finding>),
}

named! {
    /// The kind of a [`State`].
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    #[non_exhaustive]
    StateKind {
        /// [`State::Ready`].
        Ready = "ready",
        /// [`State::Waiting`].
        Waiting = "waiting",
        /// [`State::Asking`].
        Asking = "asking",
        /// [`State::Stuck`].
        Stuck = "stuck",
        /// [`State::Ended`].
        Ended = "ended",
    }
}

impl State {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> StateKind {
        match self {
            Self::Ready => StateKind::Ready,
            Self::Waiting => StateKind::Waiting,
            Self::Asking(_) => StateKind::Asking,
            Self::Stuck { .. } => StateKind::Stuck,
            Self::Ended(_) => StateKind::Ended,
        }
    }
}
