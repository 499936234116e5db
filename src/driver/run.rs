//! One run: the loop over a diagnosis and what it has under way.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::handle::{Handle, Pending};
use super::panic::{Panicked, catch_panic};
use super::registry::{Claim, Settled, Stage};
use super::{Asked, Driver, Progress, RunError};
use crate::check::CheckRequest;
use crate::diagnosis::{
    ActKey, ActQuota, ActReport, ActRequest, Alert, Approval, ApprovalRequest, AskRequest, Diagnosis,
    DiagnosisId, Finding, Output, ProbeRequest, Reply, RequestId,
};
use crate::fact::{Detail, Observation, Source, UnknownReason};
use crate::time::{Sleep, within};

/// A diagnosis with what is under way for it.
pub(super) struct Run<'a> {
    driver: &'a Driver,
    diagnosis: &'a mut Diagnosis,
    news: &'a Handle,
    /// How often it went on after an undetermined end.
    second_looks: u32,
    /// How long a wait it sleeps; at a longer one, and at what a person is asked, it stops. `None`: it stops at none.
    longest: Option<Duration>,
    /// What people are asked, where it stops at that.
    asked: Vec<Asked>,
    tasks: Vec<Task<'a>>,
    /// How many records were events.
    #[cfg(feature = "tracing")]
    emitted: usize,
}

/// Something under way, and what for.
struct Task<'a> {
    purpose: Purpose,
    work: Pin<Box<dyn Future<Output = Done> + Send + 'a>>,
}

#[derive(Clone, Copy)]
enum Purpose {
    /// To answer a request, by the check of the query at that position.
    Probe(RequestId, usize),
    Act(RequestId),
    /// A person's word on a request.
    Word(RequestId),
    Alert,
}

/// Something that was under way has come back.
enum Done {
    Observed(RequestId, Observation),
    Approval(Approval),
    Acted(RequestId, ActReport),
    Replied(RequestId, Reply),
    /// The alert of that number.
    Told(u32),
    /// Nobody answers: what was asked stays open until it expires.
    Nothing,
    /// Another task has brought news.
    News(Pending),
    Panicked(Purpose, Panicked),
}

impl<'a> Run<'a> {
    pub(super) fn new(
        driver: &'a Driver,
        diagnosis: &'a mut Diagnosis,
        news: &'a Handle,
        longest: Option<Duration>,
    ) -> Self {
        // An earlier run may have been dropped with requests under way.
        diagnosis.hand_out_again();
        #[cfg(feature = "tracing")]
        let emitted = diagnosis.trace_len();
        Self {
            driver,
            diagnosis,
            news,
            second_looks: 0,
            longest,
            asked: Vec::new(),
            tasks: Vec::new(),
            #[cfg(feature = "tracing")]
            emitted,
        }
    }

    pub(super) async fn drive(mut self) -> Result<Progress, RunError> {
        let driver = self.driver;
        // Read once a turn: the clock and its differences are dear beside the rest.
        let mut now = driver.clock.now();
        let mut deadline = driver.deadline.map(Deadline::new);
        loop {
            let (finding, until) = self.take_up(now);
            self.drop_expired();
            if finding.is_none() && self.stops_at(until, now) {
                self.emit_events();
                self.look_up_quotas().await;
                return Ok(Progress::Waits { until, asked: self.asked });
            }
            if let Some(journal) = &driver.journal {
                let kept = journal.keep(self.diagnosis);
                match &deadline {
                    None => kept.await?,
                    Some(deadline) => {
                        let kept = within(&*driver.timer, deadline.left(), kept).await;
                        kept.ok_or(RunError::Deadline(deadline.length))??;
                    }
                }
            }
            self.emit_events();
            let mut until = until.map(|until| until.signed_duration_since(now).to_std().unwrap_or_default());
            let mut second_look = None;
            if let Some(finding) = finding {
                self.finish_telling().await;
                let Some(pause) = self.pause_before_second_look() else {
                    self.news.refuse_rest(self.diagnosis, driver.clock.now());
                    return Ok(Progress::Ended(Box::new(finding)));
                };
                (until, second_look) = (Some(pause), Some(pause));
            }
            let until = deadline.as_ref().map(Deadline::left).into_iter().chain(until).min();
            let done = self.wait(until).await;
            let before = std::mem::replace(&mut now, driver.clock.now());
            let gained = now.signed_duration_since(before).to_std().unwrap_or_default();
            // What was slept has passed, whatever the clock says of it.
            let passed = if done.is_none() { gained.max(until.unwrap_or_default()) } else { gained };
            match done {
                Some(done) => self.give_back(done, now),
                // A deadline may have cut the pause short.
                None if second_look.is_some() && second_look == until => {
                    self.second_looks += 1;
                    // It could go on before the pause, and nothing has happened since.
                    let _ = self.diagnosis.go_on(now);
                }
                None => {}
            }
            if let Some(deadline) = &mut deadline {
                deadline.pass(passed)?;
            }
        }
    }

    /// Makes events of the records that are new: after the journal has kept them, so that none is of an act that never began.
    #[cfg(feature = "tracing")]
    fn emit_events(&mut self) {
        self.emitted = super::events::emit(self.diagnosis, self.emitted);
    }

    #[cfg(not(feature = "tracing"))]
    const fn emit_events(&self) {}

    /// How long to wait before the diagnosis, which has ended, is gone on with; `None` where it is not.
    fn pause_before_second_look(&self) -> Option<Duration> {
        if self.longest.is_some() {
            return None;
        }
        let look = self.driver.second_look.filter(|look| self.second_looks < look.most)?;
        let can = !self.diagnosis.can_go_on().is_empty();
        can.then(|| look.pause(self.diagnosis.id(), self.second_looks))
    }

    /// Whether the run stops here: nothing is under way, and what it waits for takes a person or a long time.
    fn stops_at(&self, until: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
        let Some(longest) = self.longest.filter(|_| self.tasks.is_empty() && self.news.is_empty()) else {
            return false;
        };
        let left = until.map(|until| until.signed_duration_since(now).to_std().unwrap_or_default());
        !self.asked.is_empty() || left.is_none_or(|left| left > longest)
    }

    /// How much of a limit is used belongs to what people are asked.
    async fn look_up_quotas(&mut self) {
        for asked in &mut self.asked {
            if let Asked::Approval(request) = asked {
                let quota = quota(self.driver, request).await;
                request.set_quota(quota);
            }
        }
    }

    /// Takes up everything that the diagnosis wants now. Gives the finding where it has ended, or else until
    /// when there is nothing more to do.
    fn take_up(&mut self, now: DateTime<Utc>) -> (Option<Finding>, Option<DateTime<Utc>>) {
        let driver = self.driver;
        // Probes begin in this turn, unless a journal is waited for first.
        let asked_at = driver.journal.is_none().then_some(now);
        loop {
            let task = match self.diagnosis.poll(now) {
                Output::Probe(request) => {
                    let purpose = Purpose::Probe(request.id, request.query_position());
                    Task::of(purpose, probe(driver, request, asked_at))
                }
                Output::Approve(request) if self.longest.is_some() => {
                    self.asked.push(Asked::Approval(Box::new(request)));
                    continue;
                }
                Output::Ask(request) if self.longest.is_some() => {
                    self.asked.push(Asked::Question(Box::new(request)));
                    continue;
                }
                Output::Approve(request) => Task::of(Purpose::Word(request.id), approve(driver, request)),
                Output::Act(request) => Task::of(Purpose::Act(request.id), act(driver, request)),
                Output::Ask(request) => Task::of(Purpose::Word(request.id), ask(driver, request)),
                Output::Alert(alert) => Task::of(Purpose::Alert, tell(driver, alert)),
                Output::Pending { until } => return (None, until),
                Output::Concluded(finding) => return (Some(*finding), None),
            };
            self.tasks.push(task);
        }
    }

    /// What is no longer waited for is dropped: an approval that comes too late would be refused anyway.
    fn drop_expired(&mut self) {
        let diagnosis = &*self.diagnosis;
        self.asked.retain(|asked| diagnosis.is_open(asked.id()));
        self.tasks.retain(|task| task.purpose.request().is_none_or(|request| diagnosis.is_open(request)));
    }

    /// A late or repeated answer is refused by the diagnosis and changes nothing; so is an approval of another
    /// state, and the request then stays open until it expires.
    fn give_back(&mut self, done: Done, now: DateTime<Utc>) {
        let refused = match done {
            Done::Observed(request, observation) => self.diagnosis.answer(request, observation, now).err(),
            Done::Approval(approval) => self.diagnosis.approve(approval, now).err(),
            Done::Acted(request, report) => self.diagnosis.report_act(request, report, now).err(),
            Done::Replied(request, reply) => self.diagnosis.reply(request, reply, now).err(),
            Done::Told(alert) => {
                self.diagnosis.alert_delivered(alert);
                None
            }
            Done::Nothing => None,
            Done::News(news) => {
                news.give(self.diagnosis, now);
                None
            }
            Done::Panicked(purpose, panicked) => return self.give_back_panic(purpose, &panicked, now),
        };
        #[cfg(feature = "tracing")]
        if let Some(refused) = refused {
            tracing::warn!(diagnosis = %self.diagnosis.id(), %refused, "an answer was refused");
        }
        #[cfg(not(feature = "tracing"))]
        drop(refused);
    }

    /// What is not known is unknown, and an act of which nobody knows how far it went has failed. A person's word is
    /// waited for until it expires, and an alert is delivered by the next run.
    #[cold]
    fn give_back_panic(&mut self, purpose: Purpose, panicked: &Panicked, now: DateTime<Utc>) {
        match purpose {
            Purpose::Probe(request, query) => {
                let query = self.diagnosis.runbooks().queries().get(query);
                let check = query.map_or_else(|| "driver".into(), |query| query.check.clone());
                let unknown = Observation::unknown(UnknownReason::Failed, &*check, panicked.to_string());
                self.give_back(Done::Observed(request, unknown), now);
            }
            Purpose::Act(request) => {
                let reason = format!("{panicked}; nobody knows how much of it was done");
                self.give_back(Done::Acted(request, ActReport::failed("driver", reason)), now);
            }
            Purpose::Word(_) | Purpose::Alert => {}
        }
    }

    /// Waits until something comes back, or for so long.
    async fn wait(&mut self, length: Option<Duration>) -> Option<Done> {
        let driver = self.driver;
        let (tasks, news) = (&mut self.tasks, self.news);
        // Made only when nothing is ready at once: most probes of a cache are.
        let mut sleep: Option<Sleep> = None;
        poll_fn(move |context| {
            if let Some(news) = news.next(context.waker()) {
                return Poll::Ready(Some(Done::News(news)));
            }
            if let Some(done) = poll_any(tasks, context) {
                return Poll::Ready(Some(done));
            }
            let Some(length) = length else { return Poll::Pending };
            let sleep = sleep.get_or_insert_with(|| driver.timer.sleep(length));
            sleep.as_mut().poll(context).map(|()| None)
        })
        .await
    }

    /// The diagnosis has ended: alerts that are being delivered get as long as one attempt at a probe.
    async fn finish_telling(&mut self) {
        if self.tasks.is_empty() {
            return;
        }
        let (tasks, diagnosis) = (&mut self.tasks, &mut *self.diagnosis);
        let all = poll_fn(|context| {
            while let Some(done) = poll_any(tasks, context) {
                if let Done::Told(alert) = done {
                    diagnosis.alert_delivered(alert);
                }
            }
            if tasks.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        });
        let _ = within(&*self.driver.timer, self.driver.time_limit, all).await;
    }
}

/// How long a run may take, and has taken. What the clock loses is not given back: a step back does not make it
/// longer.
struct Deadline {
    length: Duration,
    taken: Duration,
}

impl Deadline {
    const fn new(length: Duration) -> Self {
        Self { length, taken: Duration::ZERO }
    }

    const fn left(&self) -> Duration {
        self.length.saturating_sub(self.taken)
    }

    fn pass(&mut self, time: Duration) -> Result<(), RunError> {
        self.taken = self.taken.saturating_add(time);
        if self.left().is_zero() { Err(RunError::Deadline(self.length)) } else { Ok(()) }
    }
}

impl<'a> Task<'a> {
    fn of(purpose: Purpose, work: impl Future<Output = Done> + Send + 'a) -> Self {
        Self { purpose, work: Box::pin(work) }
    }

    /// Polls it. What of the user's panics ends there, and does not take the diagnosis with it.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Done> {
        match catch_panic(self.purpose.whose(), || self.work.as_mut().poll(context)) {
            Ok(poll) => poll,
            Err(panicked) => Poll::Ready(Done::Panicked(self.purpose, panicked)),
        }
    }
}

impl Purpose {
    const fn request(self) -> Option<RequestId> {
        match self {
            Self::Probe(request, _) | Self::Act(request) | Self::Word(request) => Some(request),
            Self::Alert => None,
        }
    }

    /// Whose code does it.
    const fn whose(self) -> &'static str {
        match self {
            Self::Probe(..) => "the adapter",
            Self::Act(_) => "the actuator",
            Self::Word(_) | Self::Alert => "the operator",
        }
    }
}

/// Polls each; the first that is ready leaves the list.
fn poll_any(tasks: &mut Vec<Task<'_>>, context: &mut Context<'_>) -> Option<Done> {
    for at in 0..tasks.len() {
        if let Some(task) = tasks.get_mut(at)
            && let Poll::Ready(done) = task.poll(context)
        {
            drop(tasks.swap_remove(at));
            return Some(done);
        }
    }
    None
}

/// What the actuator says of a limit. Who panics or does not answer keeps nobody from being asked: the act is refused where
/// there is a limit.
async fn quota(driver: &Driver, request: &ApprovalRequest) -> Option<ActQuota> {
    let mut asking = driver.actuator.quota(request);
    let asking = poll_fn(|context| {
        let polled = catch_panic("the actuator", || asking.as_mut().poll(context));
        polled.unwrap_or(Poll::Ready(None))
    });
    within(&*driver.timer, driver.time_limit, asking).await.flatten()
}

/// The word of a person, or that which another diagnosis got for the same act.
async fn approve(driver: &Driver, mut request: ApprovalRequest) -> Done {
    // What has no name is no target that two diagnoses could share.
    let Some(key) = request.act_key() else {
        request.set_quota(quota(driver, &request).await);
        return driver.operator.approve(&request).await.map_or(Done::Nothing, Done::Approval);
    };
    match driver.acts.claim(&key, Stage::Approval, request.diagnosis(), driver.clock.now()).await {
        Claim::Settled { settled, .. } => match settled {
            Settled::Approved { by } => Done::Approval(request.grant(by)),
            Settled::Declined { by, reason } => Done::Approval(request.decline(by, reason)),
            Settled::Reported(_) | Settled::Nobody => Done::Nothing,
        },
        Claim::Mine => {
            let claimed = Claimed::new(driver, &key, Stage::Approval, request.diagnosis());
            request.set_quota(quota(driver, &request).await);
            let approval = driver.operator.approve(&request).await;
            let settled = approval.as_ref().map_or(Settled::Nobody, |approval| match approval.declined() {
                None => Settled::Approved { by: approval.by().clone() },
                Some(reason) => Settled::Declined { by: approval.by().clone(), reason: reason.into() },
            });
            claimed.settle(settled).await;
            approval.map_or(Done::Nothing, Done::Approval)
        }
    }
}

/// The report of the actuator, or that of the same act for another diagnosis.
async fn act(driver: &Driver, request: ActRequest) -> Done {
    let Some(key) = request.act_key() else {
        return Done::Acted(request.id, execute(driver, &request).await);
    };
    match driver.acts.claim(&key, Stage::Execution, request.diagnosis(), driver.clock.now()).await {
        Claim::Settled { settled: Settled::Reported(report), of } => {
            let shared = Detail::new("done for diagnosis", of.to_string());
            Done::Acted(request.id, report.with_details([shared]))
        }
        Claim::Settled { .. } => Done::Nothing,
        Claim::Mine => {
            let claimed = Claimed::new(driver, &key, Stage::Execution, request.diagnosis());
            let report = execute(driver, &request).await;
            claimed.settle(Settled::Reported(report.clone())).await;
            Done::Acted(request.id, report)
        }
    }
}

/// Has it done. No answer from before or from while it was under way is shared any more, however it ends.
async fn execute(driver: &Driver, request: &ActRequest) -> ActReport {
    struct Changing<'a>(&'a Driver);

    impl Drop for Changing<'_> {
        fn drop(&mut self) {
            self.0.probes.forget_all();
        }
    }

    driver.probes.forget_all();
    let _changing = Changing(driver);
    driver.actuator.act(request).await
}

/// An act that this run has claimed. Dropped before it is settled, it is free for another.
struct Claimed<'a> {
    driver: &'a Driver,
    key: &'a ActKey,
    stage: Stage,
    diagnosis: DiagnosisId,
    is_settled: bool,
}

impl<'a> Claimed<'a> {
    const fn new(driver: &'a Driver, key: &'a ActKey, stage: Stage, diagnosis: DiagnosisId) -> Self {
        Self { driver, key, stage, diagnosis, is_settled: false }
    }

    async fn settle(mut self, settled: Settled) {
        let now = self.driver.clock.now();
        self.driver.acts.settle(self.key, self.stage, self.diagnosis, settled, now).await;
        self.is_settled = true;
    }
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        if !self.is_settled {
            self.driver.acts.release(self.key, self.stage, self.diagnosis);
        }
    }
}

async fn ask(driver: &Driver, request: AskRequest) -> Done {
    let reply = driver.operator.answer(&request).await;
    reply.map_or(Done::Nothing, |reply| Done::Replied(request.id, reply))
}

async fn tell(driver: &Driver, alert: Alert) -> Done {
    driver.operator.tell(&alert).await;
    Done::Told(alert.number())
}

#[cfg(feature = "tracing")]
async fn probe(driver: &Driver, request: ProbeRequest, asked_at: Option<DateTime<Utc>>) -> Done {
    use tracing::Instrument as _;

    let query = request.query();
    let span = tracing::debug_span!(
        "probe",
        diagnosis = %request.diagnosis(),
        step = request.step(),
        check = &*query.check,
        of = request.subject().name_of(query.scope),
    );
    let id = request.id;
    let observation = observe(driver, &request, asked_at).instrument(span).await;
    Done::Observed(id, observation)
}

#[cfg(not(feature = "tracing"))]
async fn probe(driver: &Driver, request: ProbeRequest, asked_at: Option<DateTime<Utc>>) -> Done {
    Done::Observed(request.id, observe(driver, &request, asked_at).await)
}

/// Asks once, at `asked_at` where that is known.
async fn observe(driver: &Driver, request: &ProbeRequest, asked_at: Option<DateTime<Utc>>) -> Observation {
    let query = request.query();
    let (since, triggered_at) = (request.since(), request.raised_at());
    let now = asked_at.unwrap_or_else(|| driver.clock.now());
    let ask = CheckRequest::new(request.subject(), &query.params, query.about, since, triggered_at, now)
        .with_clock_tolerance(request.clock_tolerance());
    // A set of its own for each question: it notes whom the check asks.
    let probes = driver.probes.shared_since(request.shared_since()).into_owned();
    let asked = driver.checks.observe(request.query_position(), &ask, &probes);
    match within(&*driver.timer, driver.time_limit, asked).await {
        Some(Ok(observation)) => observation,
        Some(Err(error)) => error.into_observation(&*query.check),
        None => no_answer(&query.check, &probes.taken(), driver.time_limit),
    }
}

/// The unknown value of a check that has not answered in time, by the adapter that it asked. Where it asked several, any of
/// them may be the one that hangs: they are named in the text, and none is blamed.
fn no_answer(check: &str, asked: &[Source], limit: Duration) -> Observation {
    let text = format!("no answer within {limit:?}");
    match asked {
        [source] => Observation::unknown(UnknownReason::Timeout, source.clone(), text),
        [] => Observation::unknown(UnknownReason::Timeout, check, text),
        several => {
            let names: Vec<&str> = several.iter().map(Source::as_str).collect();
            let text = format!("{text} of one of these: {}", names.join(", "));
            Observation::unknown(UnknownReason::Timeout, check, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_adapters_none_is_blamed() {
        let limit = Duration::from_secs(30);
        for (asked, source, why) in [
            (&[][..], "presence", "no answer within 30s"),
            (&["registry"], "registry", "no answer within 30s"),
            (&["registry", "broker"], "presence", "no answer within 30s of one of these: registry, broker"),
        ] {
            let asked: Vec<Source> = asked.iter().map(|name| Source::new(*name)).collect();
            let Observation::Unknown(unknown) = no_answer("presence", &asked, limit) else {
                panic!("it is known")
            };
            assert_eq!((unknown.source.as_str(), unknown.details.find("why")), (source, Some(why)));
            assert_eq!(unknown.reason, UnknownReason::Timeout);
        }
    }
}
