//! News for a run: other tasks push facts in, or withdraw the diagnosis, while the driver runs it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use chrono::{DateTime, Utc};

use crate::diagnosis::{Diagnosis, NewsError};
use crate::fact::{Observation, Source};

/// Brings news to a diagnosis that a driver runs. Cheap to clone: give each task that hears something one.
///
/// ```
/// use chrono::{TimeZone, Utc};
/// use iot_runbook::driver::Handle;
/// use iot_runbook::fact::{Observation, Value};
///
/// let handle = Handle::new();
/// let now = Utc.timestamp_opt(1_800_000_000, 0).unwrap();
/// let receipt = handle.inform("device-back", Observation::known(Value::Flag(true), now, "broker eu-1"));
/// assert_eq!(receipt.outcome(), None, "nobody has taken it yet");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Handle(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    news: VecDeque<(News, Receipt)>,
    waker: Option<Waker>,
}

#[derive(Debug)]
enum News {
    Fact { check: Box<str>, observation: Observation },
    Withdrawal { by: Source, why: Box<str> },
}

/// Whether news was taken.
#[derive(Clone, Debug, Default)]
pub struct Receipt(Arc<Mutex<Option<Result<(), NewsError>>>>);

/// News that waits to be taken.
pub(super) struct Pending(News, Receipt);

impl Handle {
    /// A handle without news. Pass it to [`Driver::run_with`](super::Driver::run_with).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Pushes a fact in; see [`Diagnosis::inform`]. It is taken in the order of the calls, by the run that has this
    /// handle, or by the next one where none has.
    pub fn inform(&self, check: impl Into<Box<str>>, observation: Observation) -> Receipt {
        self.push(News::Fact { check: check.into(), observation })
    }

    /// Withdraws the diagnosis; see [`Diagnosis::withdraw`]. The run ends with that finding.
    pub fn withdraw(&self, by: impl Into<Source>, why: impl Into<Box<str>>) -> Receipt {
        self.push(News::Withdrawal { by: by.into(), why: why.into() })
    }

    fn push(&self, news: News) -> Receipt {
        let receipt = Receipt::default();
        let mut queue = lock(&self.0);
        queue.news.push_back((news, receipt.clone()));
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
        receipt
    }

    /// The next news; without one, whom to wake when there is.
    pub(super) fn next(&self, waker: &Waker) -> Option<Pending> {
        let mut queue = lock(&self.0);
        match queue.news.pop_front() {
            Some((news, receipt)) => Some(Pending(news, receipt)),
            None => {
                queue.waker = Some(waker.clone());
                None
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        lock(&self.0).news.is_empty()
    }

    /// The run has ended: what nobody took is refused.
    pub(super) fn refuse_rest(&self, diagnosis: &mut Diagnosis, now: DateTime<Utc>) {
        let rest: Vec<_> = lock(&self.0).news.drain(..).collect();
        for (news, receipt) in rest {
            Pending(news, receipt).give(diagnosis, now);
        }
    }
}

impl Pending {
    pub(super) fn give(self, diagnosis: &mut Diagnosis, now: DateTime<Utc>) {
        let Self(news, receipt) = self;
        let outcome = match news {
            News::Fact { check, observation } => diagnosis.inform(&check, observation, now),
            News::Withdrawal { by, why } => diagnosis.withdraw(by, why, now),
        };
        #[cfg(feature = "tracing")]
        if let Err(refused) = &outcome {
            tracing::warn!(diagnosis = %diagnosis.id(), %refused, "news was refused");
        }
        *lock(&receipt.0) = Some(outcome);
    }
}

impl Receipt {
    /// Whether the news was taken, or why not; `None` as long as no run has come to it.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<(), NewsError>> {
        lock(&self.0).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
