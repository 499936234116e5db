use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::store::{
    AfterSave, CaseList, CaseStore, Filter, Happened, HistoryEntry, Lease, Leased, Save, StoreError,
};
use super::{Case, Message, NewCase, State, StateKind};
use crate::diagnosis::DiagnosisId;

/// Cases in memory: the reference for every other store, for tests, and for services that may lose them.
#[derive(Debug, Default)]
pub struct MemoryCases(Mutex<BTreeMap<DiagnosisId, Kept>>);

#[derive(Debug)]
struct Kept {
    case: Case,
    /// The token of the latest lease, and until when it is valid; `None`: it was given back.
    token: u64,
    leased_until: Option<DateTime<Utc>>,
    /// The number of the latest message.
    messages: u64,
    history: Vec<HistoryEntry>,
}

impl MemoryCases {
    /// No cases.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<DiagnosisId, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.case.due_at.is_some_and(|due| due <= now) && self.leased_until.is_none_or(|until| until <= now)
    }

    /// Whether the lease is the one that holds, expired or not.
    fn holds(&self, lease: &Lease) -> bool {
        self.token == lease.token && self.leased_until.is_some()
    }

    fn note(&mut self, at: DateTime<Utc>, what: Happened) {
        self.history.push(HistoryEntry::new(at, what));
    }
}

#[async_trait]
impl CaseStore for MemoryCases {
    async fn insert(&self, case: NewCase, now: DateTime<Utc>) -> Result<(), StoreError> {
        let NewCase { opening, increment } = case;
        let id = opening.diagnosis;
        let mut cases = self.lock();
        if cases.contains_key(&id) {
            return Err(StoreError::AlreadyThere(id));
        }
        let case = Case::new(opening, increment.to, increment.records, State::Ready).with_due_at(Some(now));
        let history = vec![HistoryEntry::new(now, Happened::Inserted)];
        cases.insert(id, Kept { case, token: 0, leased_until: None, messages: 0, history });
        Ok(())
    }

    async fn load(&self, id: DiagnosisId) -> Result<Option<Case>, StoreError> {
        Ok(self.lock().get(&id).map(|kept| kept.case.clone()))
    }

    async fn due(
        &self,
        _worker: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<Leased>, StoreError> {
        let mut cases = self.lock();
        let mut due: Vec<_> = cases.values_mut().filter(|kept| kept.is_due(now)).collect();
        // Stable, so that of two that are due at once the lower id is first.
        due.sort_by_key(|kept| kept.case.due_at);
        let leased = due.into_iter().take(limit).map(|kept| {
            kept.token += 1;
            kept.leased_until = Some(until);
            Leased::new(Lease::new(kept.case.id(), kept.token), kept.case.clone())
        });
        Ok(leased.collect())
    }

    async fn renew(&self, lease: &Lease, until: DateTime<Utc>) -> Result<(), StoreError> {
        let mut cases = self.lock();
        let kept = cases.get_mut(&lease.case).filter(|kept| kept.holds(lease));
        kept.ok_or(StoreError::LeaseLost(lease.case))?.leased_until = Some(until);
        Ok(())
    }

    async fn save(&self, lease: &Lease, save: Save, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut cases = self.lock();
        let kept = cases.get_mut(&lease.case).filter(|kept| kept.holds(lease));
        let kept = kept.ok_or(StoreError::LeaseLost(lease.case))?;
        let found = kept.case.version;
        if found != save.version || kept.case.saved.records != save.increment.from {
            return Err(StoreError::Conflict { case: lease.case, expected: save.version, found });
        }
        for (number, outcome) in save.outcomes {
            kept.note(now, Happened::Handled { number, outcome });
        }
        let case = &mut kept.case;
        case.version += 1;
        case.saved = save.increment.to;
        case.records.extend(save.increment.records);
        case.state = save.state;
        case.inbox.retain(|(number, _)| *number > save.taken);
        let has_news = case.inbox.iter().any(|(number, _)| *number > save.seen);
        let has_ended = case.state.kind() == StateKind::Ended;
        case.due_at = if has_news && !has_ended {
            Some(save.due_at.map_or(now, |due| due.min(now)))
        } else {
            save.due_at
        };
        let (version, state, records) = (case.version, case.state.kind(), case.saved.records);
        kept.note(now, Happened::Saved { version, state, records });
        kept.leased_until = match save.then {
            AfterSave::HoldUntil(until) => Some(until),
            AfterSave::Release => None,
        };
        Ok(version)
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        if let Some(kept) = self.lock().get_mut(&lease.case).filter(|kept| kept.holds(lease)) {
            kept.leased_until = None;
        }
        Ok(())
    }

    async fn deliver(
        &self,
        id: DiagnosisId,
        message: Message,
        now: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        let mut cases = self.lock();
        let kept = cases.get_mut(&id).ok_or(StoreError::NoSuchCase(id))?;
        if kept.case.state.kind() == StateKind::Ended {
            return Err(StoreError::Ended(id));
        }
        kept.messages += 1;
        let number = kept.messages;
        kept.case.inbox.push((number, message.clone()));
        kept.case.due_at = Some(kept.case.due_at.map_or(now, |due| due.min(now)));
        kept.note(now, Happened::Delivered { number, message });
        Ok(number)
    }

    async fn list(&self, filter: &Filter, limit: usize) -> Result<CaseList, StoreError> {
        let cases = self.lock();
        let from = filter.after.map_or(Bound::Unbounded, Bound::Excluded);
        let cases = cases.range((from, Bound::Unbounded)).map(|(_, kept)| &kept.case);
        let mut cases = cases.filter(|case| filter.state.is_none_or(|state| case.state.kind() == state));
        let page: Vec<Case> = cases.by_ref().take(limit).cloned().collect();
        let next = page.last().map(Case::id).filter(|_| cases.next().is_some());
        Ok(CaseList::new(page).with_next(next))
    }

    async fn history(&self, id: DiagnosisId) -> Result<Vec<HistoryEntry>, StoreError> {
        self.lock().get(&id).map(|kept| kept.history.clone()).ok_or(StoreError::NoSuchCase(id))
    }
}
