use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::journal::CaseJournal;
use super::store::{CaseStore, Filter, Lease, Leased, StoreError};
use super::{Message, State, StateKind};
use crate::diagnosis::{Diagnosis, DiagnosisId};
use crate::driver::{Driver, Handle, Journal, Progress, RunError};
use crate::time::saturating_add;

/// Runs the due cases of a store. Any number of workers, in any number of processes, share a store.
///
/// It resumes each case with its messages, drives it until it waits for a person or for longer than
/// [`longest_wait`](Self::with_longest_wait), or ends, and saves it; see the [module](super) for what holds wherever it stops.
/// The driver's operator delivers alerts only: approvals and answers come through the store. The driver's journal is
/// replaced, and a second look is not taken.
///
/// A wait is due by the clock. A worker that sees its clock set back by more than ten seconds wakes the open cases that are due
/// later ([`Message::Wake`]), which would wait longer by as much: their diagnoses count what is left of each wait from there. It
/// can't see a clock that was set back before it was started; `docs/cases.md` says what to do then.
///
/// A store that fails ends the run of the case, not the worker: what was not saved is forgotten, and the case is taken
/// up again from its last save once the lease has expired.
#[derive(Clone)]
pub struct Worker {
    name: Box<str>,
    store: Arc<dyn CaseStore>,
    driver: Driver,
    at_once: usize,
    lease_for: Duration,
    longest_wait: Duration,
    idle: Duration,
    stuck_for: Duration,
    clock: Arc<Mutex<ClockSeen>>,
}

/// What a worker has seen of its clock.
#[derive(Default)]
struct ClockSeen {
    latest: Option<DateTime<Utc>>,
    /// The clock was set back, and not every case that this concerns was woken yet.
    must_wake: bool,
}

/// How far a clock may be set back before cases are woken: clocks are adjusted by less all the time, and a wait is longer by that.
const CLOCK_SLACK: TimeDelta = TimeDelta::seconds(10);
/// How many cases are looked at together where the clock was set back.
const PAGE: usize = 100;
/// The states in which a case may wait for a time.
const OPEN: [StateKind; 4] = [StateKind::Ready, StateKind::Waiting, StateKind::Asking, StateKind::Stuck];

/// What a worker did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Turn {
    /// The cases that were saved, and where each is now.
    pub saved: Vec<(DiagnosisId, StateKind)>,
    /// The cases whose run ended without a save, and why.
    pub failed: Vec<(DiagnosisId, StoreError)>,
}

/// What one of the worker's futures came to.
enum Step {
    Fetched(Result<Vec<Leased>, StoreError>),
    Ran(DiagnosisId, Result<StateKind, StoreError>),
}

type Steps<'a> = Vec<Pin<Box<dyn Future<Output = Step> + Send + 'a>>>;

impl Worker {
    /// A worker of that name over that store, with that driver: its runbooks, adapters, actuator, clock and timer.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>, store: Arc<dyn CaseStore>, driver: Driver) -> Self {
        Self {
            name: name.into(),
            store,
            driver,
            at_once: 16,
            lease_for: Duration::from_secs(60),
            longest_wait: Duration::from_secs(5),
            idle: Duration::from_secs(1),
            stuck_for: Duration::from_secs(300),
            clock: Arc::default(),
        }
    }

    setters! {
        /// How many cases it runs side by side. Default 16; at least one.
        const with_at_once(cases: usize) => at_once = if cases == 0 { 1 } else { cases };
        /// How long a lease is valid: so long after a crash another worker takes the case up. It is renewed at a
        /// third of it. Default 60 s.
        const with_lease(length: Duration) => lease_for = length;
        /// How long a wait it sleeps with the lease held; at a longer one it saves the case and gives it back.
        /// Default 5 s.
        const with_longest_wait(length: Duration) => longest_wait = length;
        /// How long it rests where no case is due, or the store does not answer. Default 1 s.
        const with_idle(length: Duration) => idle = length;
        /// After how long a case is tried again that could not be resumed, or that ended with an alert that the operator did
        /// not deliver. Default 5 min.
        const with_stuck_for(length: Duration) => stuck_for = length;
    }

    /// Runs the cases that are due now, side by side, each once. Dropping the future loses nothing that was saved.
    ///
    /// # Errors
    /// [`StoreError`] where the store does not give the due cases. What fails for one case is in [`Turn::failed`].
    pub async fn turn(&self) -> Result<Turn, StoreError> {
        let leased = self.fetch(self.at_once).await?;
        let mut steps: Steps<'_> = leased.into_iter().map(|leased| self.step(leased)).collect();
        let mut turn = Turn::default();
        while !steps.is_empty() {
            if let Step::Ran(id, ended) = poll_fn(|context| poll_any(&mut steps, context)).await {
                turn.add(id, ended);
            }
        }
        Ok(turn)
    }

    /// Runs due cases until `stop` is ready, then finishes those that it has begun. `report` is called for each case that
    /// was run, and for each time that the store failed.
    pub async fn run(
        &self,
        stop: impl Future<Output = ()> + Send,
        mut report: impl FnMut(Result<(DiagnosisId, StateKind), StoreError>) + Send,
    ) {
        let mut stop = pin!(stop);
        let mut has_stopped = false;
        let mut steps: Steps<'_> = Vec::new();
        let mut running = 0;
        let mut is_fetching = false;
        let mut rest = None;
        loop {
            if !has_stopped && !is_fetching && rest.is_none() && running < self.at_once {
                let free = self.at_once - running;
                steps.push(Box::pin(async move { Step::Fetched(self.fetch(free).await) }));
                is_fetching = true;
            }
            if has_stopped && steps.is_empty() {
                return;
            }
            let step = poll_fn(|context| {
                if !has_stopped && stop.as_mut().poll(context).is_ready() {
                    has_stopped = true;
                    return Poll::Ready(None);
                }
                if let Poll::Ready(step) = poll_any(&mut steps, context) {
                    return Poll::Ready(Some(step));
                }
                if let Some(sleep) = &mut rest {
                    let sleep: &mut crate::driver::Sleep = sleep;
                    if sleep.as_mut().poll(context).is_ready() {
                        rest = None;
                        return Poll::Ready(None);
                    }
                }
                Poll::Pending
            })
            .await;
            match step {
                Some(Step::Fetched(fetched)) => {
                    is_fetching = false;
                    match fetched {
                        Ok(leased) => {
                            running += leased.len();
                            if leased.is_empty() {
                                rest = Some(self.driver.sleep(self.idle));
                            }
                            steps.extend(leased.into_iter().map(|leased| self.step(leased)));
                        }
                        Err(error) => {
                            rest = Some(self.driver.sleep(self.idle));
                            report(Err(error));
                        }
                    }
                }
                Some(Step::Ran(id, ended)) => {
                    running -= 1;
                    report(ended.map(|state| (id, state)));
                }
                None => {}
            }
        }
    }

    async fn fetch(&self, limit: usize) -> Result<Vec<Leased>, StoreError> {
        let now = self.driver.clock().now();
        self.wake_after_step_back(now).await?;
        let due = self.store.due(&self.name, now, self.lease_end(now), limit).await;
        #[cfg(feature = "tracing")]
        if let Err(error) = &due {
            tracing::warn!(worker = &*self.name, %error, "store not available");
        }
        due
    }

    /// Makes the cases due that are due later than a clock says that was set back. A case that is woken twice is run once more.
    async fn wake_after_step_back(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        if !self.sees_step_back(now) {
            return Ok(());
        }
        let mut woken = 0_u64;
        for state in OPEN {
            let mut filter = Filter::of(state);
            loop {
                let page = self.store.list(&filter, PAGE).await?;
                for case in page.cases.iter().filter(|case| case.due_at.is_some_and(|due| due > now)) {
                    match self.store.deliver(case.id(), Message::Wake, now).await {
                        Ok(_) => woken += 1,
                        // It has ended, or was removed, since it was listed.
                        Err(StoreError::Ended(_) | StoreError::NoSuchCase(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
                let Some(next) = page.next else { break };
                filter = filter.after(next);
            }
        }
        #[cfg(feature = "tracing")]
        tracing::warn!(worker = &*self.name, woken, "clock set back");
        #[cfg(not(feature = "tracing"))]
        let _ = woken;
        self.clock_seen().must_wake = false;
        Ok(())
    }

    /// Whether the clock was set back since it was read last, or cases are still to be woken for that.
    fn sees_step_back(&self, now: DateTime<Utc>) -> bool {
        let mut seen = self.clock_seen();
        let latest = seen.latest.replace(now);
        seen.must_wake |= latest.is_some_and(|latest| saturating_add(now, CLOCK_SLACK) < latest);
        seen.must_wake
    }

    fn clock_seen(&self) -> MutexGuard<'_, ClockSeen> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self, leased: Leased) -> Pin<Box<dyn Future<Output = Step> + Send + '_>> {
        let id = leased.case.id();
        Box::pin(async move { Step::Ran(id, self.run_case(leased).await) })
    }

    #[cfg(feature = "tracing")]
    async fn run_case(&self, leased: Leased) -> Result<StateKind, StoreError> {
        use tracing::Instrument as _;

        let case = leased.lease.case;
        let trace_parent = leased.case.opening.trigger.trace_parent.map(tracing::field::display);
        let token = leased.lease.token;
        let span = tracing::info_span!("case", %case, worker = &*self.name, token, trace_parent);
        async {
            let ran = self.run_leased(leased).await;
            match &ran {
                Ok(state) => tracing::info!(%case, state = state.name(), "saved"),
                Err(error) => tracing::warn!(%case, %error, "not saved"),
            }
            ran
        }
        .instrument(span)
        .await
    }

    #[cfg(not(feature = "tracing"))]
    async fn run_case(&self, leased: Leased) -> Result<StateKind, StoreError> {
        self.run_leased(leased).await
    }

    async fn run_leased(&self, leased: Leased) -> Result<StateKind, StoreError> {
        let Leased { lease, mut case } = leased;
        let clock = self.driver.clock();
        let journal = CaseJournal::new(
            Arc::clone(&self.store),
            Arc::clone(&clock),
            lease.clone(),
            self.lease_for,
            &case,
        );
        let bundle = case.bundle();
        let resumed = bundle.and_then(|bundle| Diagnosis::resume(&bundle, self.driver.runbooks()));
        let mut diagnosis = match resumed {
            Ok(diagnosis) => diagnosis,
            Err(error) => {
                let again = saturating_add(clock.now(), delta(self.stuck_for));
                #[cfg(feature = "tracing")]
                tracing::warn!(case = %lease.case, why = %error, "stuck");
                journal.keep_stuck(error.to_string(), again).await?;
                return Ok(StateKind::Stuck);
            }
        };
        journal.give(std::mem::take(&mut case.inbox), &mut diagnosis);
        // What was recorded when it was inserted, or by the messages, was in no run.
        #[cfg(feature = "tracing")]
        crate::driver::events::emit(&diagnosis, if case.version == 0 { 0 } else { case.records.len() });
        let journal = Arc::new(journal);
        let kept: Arc<dyn Journal> = Arc::<CaseJournal>::clone(&journal);
        let driver = self.driver.clone().with_journal(kept);
        let news = Handle::new();
        let run = driver.run_until_wait(&mut diagnosis, &news, self.longest_wait);
        let (state, due_at) = match self.while_leased(&lease, run).await? {
            // Nobody takes up a case that has ended, so it stays open until whoever is on call was reached.
            Ok(Progress::Ended(_)) if diagnosis.owes_alerts() => {
                (State::Ready, Some(saturating_add(clock.now(), delta(self.stuck_for))))
            }
            Ok(Progress::Ended(finding)) => (State::Ended(finding), None),
            Ok(Progress::Waits { until, asked }) if asked.is_empty() => (State::Waiting, until),
            Ok(Progress::Waits { until, asked }) => (State::Asking(asked), until),
            Err(RunError::NotKept(_)) => {
                return Err(journal.failure().unwrap_or(StoreError::LeaseLost(lease.case)));
            }
            Err(RunError::Deadline(_)) => (State::Ready, Some(clock.now())),
            Err(error @ RunError::OtherRunbooks) => {
                let again = saturating_add(clock.now(), delta(self.stuck_for));
                (State::Stuck { why: error.to_string() }, Some(again))
            }
        };
        let kind = state.kind();
        journal.finish(&diagnosis, state, due_at).await?;
        Ok(kind)
    }

    /// Renews the lease while `run` is under way; where it is lost, `run` is dropped.
    async fn while_leased<T>(&self, lease: &Lease, run: impl Future<Output = T>) -> Result<T, StoreError> {
        let mut run = pin!(run);
        let mut lost = pin!(self.renew_until_lost(lease));
        poll_fn(|context| match run.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => lost.as_mut().poll(context).map(Err),
        })
        .await
    }

    async fn renew_until_lost(&self, lease: &Lease) -> StoreError {
        loop {
            self.driver.sleep(self.lease_for / 3).await;
            let until = self.lease_end(self.driver.clock().now());
            match self.store.renew(lease, until).await {
                Err(error) if !error.is_transient() => return error,
                Ok(()) | Err(_) => {}
            }
        }
    }

    fn lease_end(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        saturating_add(now, delta(self.lease_for))
    }
}

impl Turn {
    fn add(&mut self, id: DiagnosisId, ended: Result<StateKind, StoreError>) {
        match ended {
            Ok(state) => self.saved.push((id, state)),
            Err(error) => self.failed.push((id, error)),
        }
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("name", &self.name)
            .field("at_once", &self.at_once)
            .finish_non_exhaustive()
    }
}

fn delta(length: Duration) -> TimeDelta {
    TimeDelta::from_std(length).unwrap_or(TimeDelta::MAX)
}

/// Polls each; the first that is ready leaves the list.
fn poll_any(steps: &mut Steps<'_>, context: &mut Context<'_>) -> Poll<Step> {
    for at in 0..steps.len() {
        if let Some(step) = steps.get_mut(at)
            && let Poll::Ready(done) = step.as_mut().poll(context)
        {
            drop(steps.swap_remove(at));
            return Poll::Ready(done);
        }
    }
    Poll::Pending
}
