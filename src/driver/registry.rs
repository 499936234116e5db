//! Acts that are shared: what several diagnoses want done to one target is approved once and done once.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use crate::diagnosis::{ActKey, ActReport, DiagnosisId};
use crate::fact::Source;
use crate::time::saturating_add;

/// The part of an act that is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "an act is approved and then done; there is no third part")]
pub enum Stage {
    /// A person is asked to approve it.
    Approval,
    /// The actuator does it.
    Execution,
}

/// Where an act stands for who asks.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "an act is free or it is settled; whoever asks waits in between")]
pub enum Claim {
    /// It is free: who asks does it, and then calls [`ActRegistry::settle`] or [`ActRegistry::release`].
    Mine,
    /// Another diagnosis has settled it.
    Settled {
        /// The result.
        settled: Settled,
        /// The diagnosis for which it was approved or done.
        of: DiagnosisId,
    },
}

/// The result of an approval or an execution.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Settled {
    /// A person approved it.
    Approved {
        /// Who.
        by: Source,
    },
    /// A person refused it.
    Declined {
        /// Who.
        by: Source,
        /// Why.
        reason: Box<str>,
    },
    /// The actuator reported.
    Reported(ActReport),
    /// Nobody answered: the next who wants it asks again.
    Nobody,
}

/// Makes diagnoses share the acts that they want on one target.
///
/// An implementation over a database makes several processes share them; [`LocalActs`] is for one process.
#[async_trait]
pub trait ActRegistry: Send + Sync {
    /// Claims that part of the act for the diagnosis `by`. While another diagnosis holds it, this waits: until it is
    /// settled, or until it is released and free again. A result is handed to each diagnosis once: the same diagnosis that
    /// claims it again, since its runbook came around, gets it as free.
    ///
    /// The future may be dropped at any await; it has claimed nothing then.
    async fn claim(&self, act: &ActKey, stage: Stage, by: DiagnosisId, now: DateTime<Utc>) -> Claim;

    /// Hands the result to all who wait, and to who claims it soon after. Only who holds the claim settles it.
    async fn settle(&self, act: &ActKey, stage: Stage, by: DiagnosisId, settled: Settled, now: DateTime<Utc>);

    /// Gives a claim back without a result. Must not block: it is called where a future is dropped.
    fn release(&self, act: &ActKey, stage: Stage, by: DiagnosisId);
}

const _: Option<&dyn ActRegistry> = None;

/// The acts of one process. Share it among the drivers that serve one fleet.
#[derive(Debug)]
pub struct LocalActs {
    keep_for: TimeDelta,
    acts: Mutex<BTreeMap<(ActKey, Stage), Entry>>,
}

#[derive(Debug, Default)]
struct Entry {
    holder: Option<DiagnosisId>,
    /// The result, whose it is, and since when it is there.
    settled: Option<(Settled, DiagnosisId, DateTime<Utc>)>,
    /// Who has had this result, or holds the claim to it.
    served: Vec<DiagnosisId>,
    waiting: Vec<Waker>,
}

impl LocalActs {
    /// Results are handed to whoever claims the act within `keep_for` after it was settled; then it is free again.
    #[must_use]
    pub const fn new(keep_for: TimeDelta) -> Self {
        Self { keep_for, acts: Mutex::new(BTreeMap::new()) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(ActKey, Stage), Entry>> {
        self.acts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end_claim(
        &self,
        act: &ActKey,
        stage: Stage,
        by: DiagnosisId,
        settled: Option<(Settled, DateTime<Utc>)>,
    ) {
        let mut acts = self.lock();
        let Some(entry) = acts.get_mut(&(act.clone(), stage)).filter(|entry| entry.holder == Some(by)) else {
            return;
        };
        entry.holder = None;
        entry.settled = settled.map(|(settled, at)| (settled, by, at));
        let waiting = std::mem::take(&mut entry.waiting);
        drop(acts);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Default for LocalActs {
    /// Results are kept for five minutes.
    fn default() -> Self {
        Self::new(TimeDelta::minutes(5))
    }
}

#[async_trait]
impl ActRegistry for LocalActs {
    async fn claim(&self, act: &ActKey, stage: Stage, by: DiagnosisId, now: DateTime<Utc>) -> Claim {
        let is_old = |at: DateTime<Utc>| saturating_add(at, self.keep_for) <= now;
        poll_fn(|context| {
            let mut acts = self.lock();
            // What nobody asks for any more is not kept.
            acts.retain(|_, entry| {
                let is_kept = entry.settled.as_ref().is_some_and(|(_, _, at)| !is_old(*at));
                entry.holder.is_some() || is_kept
            });
            let entry = acts.entry((act.clone(), stage)).or_default();
            if entry.holder.is_some_and(|holder| holder != by) {
                entry.waiting.push(context.waker().clone());
                return Poll::Pending;
            }
            if let Some((settled, of, _)) = entry.settled.clone().filter(|_| !entry.served.contains(&by)) {
                entry.served.push(by);
                return Poll::Ready(Claim::Settled { settled, of });
            }
            *entry = Entry { holder: Some(by), served: vec![by], ..Entry::default() };
            Poll::Ready(Claim::Mine)
        })
        .await
    }

    async fn settle(
        &self,
        act: &ActKey,
        stage: Stage,
        by: DiagnosisId,
        settled: Settled,
        now: DateTime<Utc>,
    ) {
        // Where nobody answers there is nothing to share.
        let settled = Some((settled, now)).filter(|(settled, _)| *settled != Settled::Nobody);
        self.end_claim(act, stage, by, settled);
    }

    fn release(&self, act: &ActKey, stage: Stage, by: DiagnosisId) {
        self.end_claim(act, stage, by, None);
    }
}
