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

/// What an act is for the one who claims it: free, or settled.
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

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::Context;

    use ulid::Ulid;

    use super::*;
    use crate::subject::Scope;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    /// What a claim comes to at once; `None` where it waits.
    fn claim(acts: &LocalActs, key: &ActKey, by: u128, seconds: i64) -> Option<Claim> {
        let claim = acts.claim(key, Stage::Approval, DiagnosisId::new(Ulid(by)), at(seconds));
        match pin!(claim).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(claim) => Some(claim),
            Poll::Pending => None,
        }
    }

    fn settle(acts: &LocalActs, key: &ActKey, by: u128, settled: Settled, seconds: i64) {
        let settle = acts.settle(key, Stage::Approval, DiagnosisId::new(Ulid(by)), settled, at(seconds));
        assert!(pin!(settle).poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }

    fn approved() -> Settled {
        Settled::Approved { by: "ann".into() }
    }

    #[test]
    fn results_are_shared_once_each_and_for_a_while() {
        let acts = LocalActs::new(TimeDelta::seconds(60));
        let key = ActKey::new("restart", Scope::Gateway, "gw-2");
        let shared = Some(Claim::Settled { settled: approved(), of: DiagnosisId::new(Ulid(1)) });
        assert_eq!(claim(&acts, &key, 1, 0), Some(Claim::Mine));
        assert_eq!(claim(&acts, &key, 2, 0), None);
        // Another target, and the same name of another kind, are other acts.
        assert_eq!(claim(&acts, &ActKey::new("restart", Scope::Gateway, "gw-3"), 2, 0), Some(Claim::Mine));
        assert_eq!(claim(&acts, &ActKey::new("restart", Scope::Device, "gw-2"), 2, 0), Some(Claim::Mine));
        // Who does not hold it settles nothing.
        settle(&acts, &key, 2, approved(), 1);
        assert_eq!(claim(&acts, &key, 2, 1), None);
        settle(&acts, &key, 1, approved(), 2);
        assert_eq!(claim(&acts, &key, 2, 3), shared);
        assert_eq!(claim(&acts, &key, 3, 61), shared);
        // The second again, since its runbook came around: it asks for itself, and others wait for it.
        assert_eq!(claim(&acts, &key, 2, 61), Some(Claim::Mine));
        assert_eq!(claim(&acts, &key, 4, 61), None);
        settle(&acts, &key, 2, approved(), 61);
        assert_eq!(claim(&acts, &key, 4, 121), Some(Claim::Mine));
    }

    #[test]
    fn a_claim_without_a_result_is_free_again() {
        let acts = LocalActs::default();
        let key = ActKey::new("restart", Scope::Gateway, "gw-2");
        assert_eq!(claim(&acts, &key, 1, 0), Some(Claim::Mine));
        settle(&acts, &key, 1, Settled::Nobody, 0);
        assert_eq!(claim(&acts, &key, 2, 0), Some(Claim::Mine));
        acts.release(&key, Stage::Approval, DiagnosisId::new(Ulid(1)));
        assert_eq!(claim(&acts, &key, 3, 0), None, "another's claim is not released");
        acts.release(&key, Stage::Approval, DiagnosisId::new(Ulid(2)));
        assert_eq!(claim(&acts, &key, 3, 0), Some(Claim::Mine));
    }
}
