use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::table::{Method, Sharing, UnknownMethod};
use super::{Answer, Inner, Key, Layer, Part, Question};
use crate::fact::Source;
use crate::probe::{PlatformRequest, ProbeError};
use crate::time::Clock;

type Group = Arc<dyn Fn(&Question) -> Option<Arc<str>> + Send + Sync>;

/// Shares answers: equal questions at the same time are one call, and its answer serves later ones for as long as the
/// documentation of the method allows ([`Method::sharing`]).
///
/// - An answer that was asked before [`Question::since`] is never given out, nor any over an act of the driver. Where a
///   gateway is restarted by others, call [`Shared::forget`].
/// - An error is given to those who waited for that call, and is not kept.
/// - A caller that is dropped or panics while others wait hands the call on: the next of them asks.
/// - At most [`Shared::with_most`] answers are kept. It works on the clock that the driver works on.
///
/// ```
/// use std::sync::Arc;
/// use chrono::TimeDelta;
/// use iot_runbook::{probe::layer::{Shared, Sharing, UnknownMethod}, time::Clock};
///
/// # fn shared(clock: Arc<dyn Clock>) -> Result<Shared, UnknownMethod> {
/// Shared::new(clock)
///     // Our gateways beat every ten seconds.
///     .with_sharing("gateway.health", Sharing::For(TimeDelta::seconds(10)))?
///     // One broker node serves everybody.
///     .with_group("platform.broker_health", |_| Some("eu-1".into()))
/// # }
/// ```
pub struct Shared {
    clock: Arc<dyn Clock>,
    most: usize,
    rules: HashMap<&'static str, Sharing>,
    groups: HashMap<&'static str, Group>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    flights: HashMap<Same, Arc<Flight>>,
    /// The answers, in two generations: a full one takes the place of the old one, which is dropped whole.
    young: HashMap<Same, Kept>,
    old: HashMap<Same, Kept>,
    latest: Option<DateTime<Utc>>,
}

/// What makes two questions the same.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Same {
    Request(Key),
    Group(&'static str, Source, Arc<str>),
}

struct Kept {
    answer: Answer,
    part: Part,
    asked_at: DateTime<Utc>,
}

/// A call that is under way.
struct Flight {
    part: Part,
    asked_at: DateTime<Utc>,
    progress: Mutex<Progress>,
}

enum Progress {
    Waited(Vec<Waker>),
    Answered(Result<Answer, ProbeError>),
    /// Who asked was dropped or panicked.
    Abandoned,
}

/// What a question finds.
enum Found {
    Kept(Answer),
    Waits(Arc<Flight>),
    Asks(Arc<Flight>),
}

impl Shared {
    /// Shares by the documentation of each method, and keeps at most 10 000 answers.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        // Devices of one gateway have the same peers.
        let peers: Group = Arc::new(|question| {
            let ask = question.request::<PlatformRequest>()?;
            let (gateway, site) = (ask.gateway.as_ref()?, ask.site.as_ref().map_or("", AsRef::as_ref));
            Some(format!("{gateway}\u{0}{site}").into())
        });
        Self {
            clock,
            most: 10_000,
            rules: HashMap::new(),
            groups: HashMap::from([("platform.silent_peers", peers)]),
            state: Mutex::default(),
        }
    }

    /// Keeps at most so many answers.
    #[must_use]
    pub const fn with_most(mut self, answers: usize) -> Self {
        self.most = answers;
        self
    }

    /// Shares the answers of a method by another rule.
    ///
    /// # Errors
    /// [`UnknownMethod`] where no method has that name.
    pub fn with_sharing(mut self, method: &str, sharing: Sharing) -> Result<Self, UnknownMethod> {
        self.rules.insert(Method::named(method)?.name, sharing);
        Ok(self)
    }

    /// Shares the answers of a method among all questions of one group, whatever else they ask: devices of one broker
    /// node, say. A question that is in no group shares with equal ones.
    ///
    /// # Errors
    /// [`UnknownMethod`] where no method has that name.
    pub fn with_group(
        mut self,
        method: &str,
        group: impl Fn(&Question) -> Option<Arc<str>> + Send + Sync + 'static,
    ) -> Result<Self, UnknownMethod> {
        self.groups.insert(Method::named(method)?.name, Arc::new(group));
        Ok(self)
    }

    /// Gives out no answer about `part` that was asked before now: call it where others restart or change it.
    pub fn forget(&self, part: &Part) {
        let mut state = self.lock();
        state.young.retain(|_, kept| kept.part != *part);
        state.old.retain(|_, kept| kept.part != *part);
        state.flights.retain(|_, flight| flight.part != *part);
    }

    /// Gives out no answer that was asked before now.
    pub fn forget_all(&self) {
        self.lock().clear();
    }

    /// How many answers are kept now.
    #[must_use]
    pub fn kept(&self) -> usize {
        let state = self.lock();
        state.young.len() + state.old.len()
    }

    fn rule(&self, question: &Question) -> Sharing {
        self.rules.get(question.method().name).copied().unwrap_or(question.method().sharing)
    }

    fn same(&self, question: &Question) -> Same {
        let method = question.method().name;
        let group = self.groups.get(method).and_then(|group| group(question));
        match group {
            Some(group) => Same::Group(method, question.source().clone(), group),
            None => Same::Request(question.key().clone()),
        }
    }

    /// `None` where the answer may not be shared.
    fn find(&self, question: &Question, same: &Same, now: DateTime<Utc>) -> Option<Found> {
        let rule = self.rule(question);
        let mut state = self.lock();
        if state.latest.is_some_and(|latest| now < latest) {
            // The clock was set back: nobody knows any more what was asked before what.
            state.clear();
        }
        state.latest = Some(now);
        let serves = |asked_at: DateTime<Utc>| {
            let length = rule.length(asked_at, question.over_at());
            question.since().is_some_and(|since| since <= asked_at)
                && length.is_some_and(|length| now.signed_duration_since(asked_at) < length)
        };
        if let Some(flight) = state.flights.get(same).filter(|flight| serves(flight.asked_at)) {
            return Some(Found::Waits(Arc::clone(flight)));
        }
        let kept = state.young.get(same).or_else(|| state.old.get(same));
        if let Some(kept) = kept.filter(|kept| serves(kept.asked_at)) {
            return Some(Found::Kept(kept.answer.clone()));
        }
        // Also one that is asked afresh serves others.
        rule.length(now, question.over_at()).filter(|length| *length > TimeDelta::zero())?;
        let progress = Mutex::new(Progress::Waited(Vec::new()));
        let flight = Arc::new(Flight { part: question.part().clone(), asked_at: now, progress });
        state.flights.insert(same.clone(), Arc::clone(&flight));
        Some(Found::Asks(flight))
    }

    /// Ends a call that this flight stands for, and keeps its answer unless it was forgotten or asked anew meanwhile.
    fn end(&self, same: &Same, flight: &Arc<Flight>, outcome: Option<Result<Answer, ProbeError>>) {
        let mut state = self.lock();
        if state.flights.get(same).is_some_and(|current| Arc::ptr_eq(current, flight)) {
            state.flights.remove(same);
            if let Some(Ok(answer)) = &outcome {
                let (answer, part, asked_at) = (answer.clone(), flight.part.clone(), flight.asked_at);
                state.keep(same.clone(), Kept { answer, part, asked_at }, self.most);
            }
        }
        drop(state);
        let ended = outcome.map_or(Progress::Abandoned, Progress::Answered);
        if let Progress::Waited(wakers) = std::mem::replace(&mut *flight.lock(), ended) {
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
        self.flights.clear();
    }

    fn keep(&mut self, same: Same, kept: Kept, most: usize) {
        let half = most / 2;
        if half == 0 {
            return;
        }
        self.old.remove(&same);
        if self.young.len() >= half && !self.young.contains_key(&same) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(same, kept);
    }
}

impl Flight {
    /// The answer of the call, or `None` where nobody asks any more.
    async fn outcome(&self) -> Option<Result<Answer, ProbeError>> {
        poll_fn(|context| match &mut *self.lock() {
            Progress::Waited(wakers) => {
                if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
                    wakers.push(context.waker().clone());
                }
                Poll::Pending
            }
            Progress::Answered(outcome) => Poll::Ready(Some(outcome.clone())),
            Progress::Abandoned => Poll::Ready(None),
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The caller that asks for all who wait. Dropped before it has an answer, it lets another ask.
struct Leader<'a> {
    shared: &'a Shared,
    same: &'a Same,
    flight: Arc<Flight>,
    outcome: Option<Result<Answer, ProbeError>>,
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        self.shared.end(self.same, &self.flight, self.outcome.take());
    }
}

#[async_trait]
impl Layer for Shared {
    async fn around(&self, question: &Question, inner: Inner<'_>) -> Result<Answer, ProbeError> {
        if self.rule(question) == Sharing::Never {
            return inner.ask().await;
        }
        let same = self.same(question);
        loop {
            match self.find(question, &same, self.clock.now()) {
                None => return inner.ask().await,
                Some(Found::Kept(answer)) => return Ok(answer),
                Some(Found::Waits(flight)) => {
                    if let Some(outcome) = flight.outcome().await {
                        return outcome;
                    }
                }
                Some(Found::Asks(flight)) => {
                    let mut leader = Leader { shared: self, same: &same, flight, outcome: None };
                    let outcome = inner.ask().await;
                    leader.outcome = Some(outcome.clone());
                    return outcome;
                }
            }
        }
    }

    fn forget_all(&self) {
        Self::forget_all(self);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("most", &self.most).field("kept", &self.kept()).finish_non_exhaustive()
    }
}
