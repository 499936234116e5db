//! The journal of one case while a worker runs it: what is not saved is not begun.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::store::{AfterSave, CaseStore, Lease, Save, StoreError};
use super::{Case, Message, Outcome, State};
use crate::diagnosis::{Approval, Diagnosis, Increment, Recorded, SavePoint};
use crate::driver::{Journal, NotKept};
use crate::time::{Clock, saturating_add};

pub(super) struct CaseJournal {
    store: Arc<dyn CaseStore>,
    clock: Arc<dyn Clock>,
    lease: Lease,
    lease_for: Duration,
    progress: Mutex<Progress>,
}

struct Progress {
    version: u64,
    saved: SavePoint,
    /// How many records were looked through for what must be saved before it is begun.
    scanned: usize,
    /// The number of the last message that was loaded.
    seen: u64,
    /// What became of the messages that no save contains yet.
    outcomes: Vec<(u64, Outcome)>,
    /// Why the last save failed.
    failed: Option<StoreError>,
}

impl CaseJournal {
    pub(super) fn new(
        store: Arc<dyn CaseStore>,
        clock: Arc<dyn Clock>,
        lease: Lease,
        lease_for: Duration,
        case: &Case,
    ) -> Self {
        let progress = Progress {
            version: case.version,
            saved: case.saved.clone(),
            scanned: case.records.len(),
            seen: case.inbox.last().map_or(0, |(number, _)| *number),
            outcomes: Vec::new(),
            failed: None,
        };
        Self { store, clock, lease, lease_for, progress: Mutex::new(progress) }
    }

    /// Gives the messages to the diagnosis, in order. A grant is refused where a decline of the same request is among them.
    pub(super) fn give(&self, inbox: Vec<(u64, Message)>, diagnosis: &mut Diagnosis) {
        let now = self.clock.now();
        let declines: Vec<Approval> =
            inbox.iter().filter_map(|(_, message)| message.decline()).cloned().collect();
        let outcomes = inbox.into_iter().map(|(number, message)| {
            // Nothing has begun yet, and an act cannot be undone: of two people who disagree, the careful one counts.
            let outcome = match message.declined_by(&declines) {
                Some(by) => {
                    Outcome::Refused { why: format!("{by} has declined the same request: ask again") }
                }
                None => message.give(diagnosis, now),
            };
            #[cfg(feature = "tracing")]
            {
                let refused = match &outcome {
                    Outcome::Taken => None,
                    Outcome::Refused { why } => Some(why.as_str()),
                };
                tracing::info!(case = %diagnosis.id(), number, refused, "message");
            }
            (number, outcome)
        });
        self.lock().outcomes.extend(outcomes);
    }

    /// Saves everything, gives the lease back, and with it the case to the next.
    pub(super) async fn finish(
        &self,
        diagnosis: &Diagnosis,
        state: State,
        due_at: Option<DateTime<Utc>>,
    ) -> Result<(), StoreError> {
        self.save(diagnosis, state, due_at, AfterSave::Release).await
    }

    /// Keeps a case that can't be resumed: no message is taken.
    pub(super) async fn keep_stuck(&self, why: String, due_at: DateTime<Utc>) -> Result<(), StoreError> {
        let save = {
            let progress = self.lock();
            let increment = Increment::none(progress.saved.clone());
            Save::new(progress.version, increment, State::Stuck { why })
                .with_due_at(Some(due_at))
                .with_messages(progress.seen, 0, Vec::new())
        };
        self.store.save(&self.lease, save, self.clock.now()).await.map(drop)
    }

    /// Why the last save failed.
    pub(super) fn failure(&self) -> Option<StoreError> {
        self.lock().failed.take()
    }

    async fn save(
        &self,
        diagnosis: &Diagnosis,
        state: State,
        due_at: Option<DateTime<Utc>>,
        then: AfterSave,
    ) -> Result<(), StoreError> {
        let save = {
            let progress = self.lock();
            let increment = diagnosis.increment_since(&progress.saved);
            // Every message that was loaded was given to the diagnosis before it ran.
            Save::new(progress.version, increment, state)
                .with_due_at(due_at)
                .with_messages(progress.seen, progress.seen, progress.outcomes.clone())
                .then(then)
        };
        let to = save.increment.to.clone();
        let version = self.store.save(&self.lease, save, self.clock.now()).await?;
        let mut progress = self.lock();
        (progress.version, progress.saved) = (version, to);
        progress.outcomes.clear();
        Ok(())
    }

    /// Whether something is about to begin that must be saved first: an act or an alert.
    fn must_save(&self, diagnosis: &Diagnosis) -> bool {
        let mut progress = self.lock();
        let begins = (progress.scanned..diagnosis.trace_len())
            .filter_map(|at| diagnosis.record(at))
            .any(|record| matches!(record.what, Recorded::ActBegan { .. } | Recorded::Alerted { .. }));
        progress.scanned = diagnosis.trace_len();
        begins
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Journal for CaseJournal {
    async fn keep(&self, diagnosis: &Diagnosis) -> Result<(), NotKept> {
        if !self.must_save(diagnosis) {
            return Ok(());
        }
        let now = self.clock.now();
        let lease_for = TimeDelta::from_std(self.lease_for).unwrap_or(TimeDelta::MAX);
        let then = AfterSave::HoldUntil(saturating_add(now, lease_for));
        // Due now: where this worker is lost, the next one takes it up as soon as the lease expires.
        self.save(diagnosis, State::Ready, Some(now), then).await.map_err(|error| {
            let not_kept = NotKept::new(error.to_string());
            self.lock().failed = Some(error);
            not_kept
        })
    }
}
