//! The diagnosis: a runbook being walked, without I/O.
//!
//! A [`Diagnosis`] receives answers and the time, and returns what it wants next. It reads no clock, opens no
//! socket and spawns nothing, so a test drives it by hand and a service drives it with what it has:
//!
//! 1. Call [`Diagnosis::poll`] until it returns [`Output::Pending`] or [`Output::Concluded`]. Each request comes once.
//! 2. Do what was asked, in any order and as concurrently as you like, and pass each result back:
//!    [`Diagnosis::answer`] for a probe, [`Diagnosis::approve`] for an action, [`Diagnosis::report_act`] after it,
//!    [`Diagnosis::reply`] for a question, [`Diagnosis::alert_delivered`] for an alert.
//! 3. After every answer, and at the latest at `Pending`'s instant, poll again.
//!
//! The world may speak first: [`Diagnosis::inform`] pushes a fact in, [`Diagnosis::withdraw`] ends a diagnosis that
//! nobody wants any more.
//!
//! What holds, whatever comes in:
//!
//! - Only `poll`, the answers and news move it, and each takes the time. A clock that steps back or jumps is recorded
//!   as an [`Anomaly`]; a wait keeps its length. Every diagnosis ends, at the latest after the runbook's `longest`.
//! - An answer that is late, repeated or unknown is refused and changes nothing.
//! - A timeout is no answer yet: it is asked again, with growing pauses. A diagnosis that ends undetermined because of
//!   such failures can [go on](Diagnosis::go_on) later.
//! - An unknown value is never taken for healthy. The step says what it means, or the diagnosis explores: it
//!   asks whatever is still possible and ends with [`Hypothesis`] values. It never acts on one. A part that the subject
//!   does not name is not unknown: nobody asks about it, and the [`Finding`] lists it.
//! - Right before it acts, and before it says that something is still wrong, it looks again where the runbook says so.
//! - What happened is the trace, and the trace is the state: [`Diagnosis::bundle`] is what you save and what
//!   you show, and [`Diagnosis::resume`] walks it again, entry by entry.
//! - Requests, alerts and findings are values of their own that serialise. Each request carries its [`Situation`]: what
//!   the step is, and the facts that led there.
//!
//! The driver does all this over async adapters; see `driver`.

mod anomaly;
mod answers;
mod bundle;
mod context;
mod error;
mod explore;
mod facts;
mod finding;
mod highlight;
mod hypothesis;
mod id;
mod increment;
mod log;
mod machine;
mod open;
mod output;
mod outputs;
mod quota;
mod recorded;
pub mod rehearsal;
mod reply;
mod words;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::fact::Observation;
use crate::runbook::step::StepIndex;
use crate::runbook::{Fingerprint, Runbook, RunbookSet};
use crate::subject::{Subject, Trigger};

use context::Context;
use explore::Exploration;
use hypothesis::Explored;
use log::{Log, Place};
use machine::Retry;
use open::{Asking, ExpectedReply, Open, OpenRequests};

pub use anomaly::Anomaly;
pub use answers::Answer;
pub use bundle::{
    Bundle, Record, Recorded, RecordedObservation, RecordedValue, Redaction, ResumeError, Took,
};
pub use error::{AnswerError, BeginError, CannotGoOn, NewsError, NoSuchRunbook};
pub use finding::{
    Called, Contribution, Ending, Fact, Finding, Hypothesis, NextProbe, Refuted, Unanswered, Unasked,
    UnderWay,
};
pub use hypothesis::Unanswerable;
pub use id::{DiagnosisId, DiagnosisIdError, NoRandomness, RequestId};
pub use increment::{Increment, Opening, SavePoint};
pub use output::{ActKey, ActRequest, Alert, ApprovalRequest, AskRequest, Output, ProbeRequest, Situation};
pub use quota::ActQuota;
pub use recorded::RecordedError;
pub use reply::{ActOutcome, ActReport, Approval, Binding, Reply};

/// One walk through a runbook; see the [module](self) for how to drive it.
///
/// ```
/// # #[cfg(feature = "toml")] {
/// use chrono::{TimeDelta, TimeZone, Utc};
/// use iot_runbook::catalog;
/// use iot_runbook::diagnosis::{Diagnosis, DiagnosisId, Output};
/// use iot_runbook::fact::Observation;
/// use iot_runbook::subject::{Subject, Trigger};
///
/// let now = Utc.timestamp_opt(1_800_000_000, 0).unwrap();
/// let set = catalog::set()?;
/// let trigger = Trigger::new("offline alert", now);
/// let id = DiagnosisId::random(now)?;
/// let mut diagnosis =
///     Diagnosis::new(id, &set, "device-offline", Subject::device("press-07"), trigger, now)?;
///
/// let Output::Probe(request) = diagnosis.poll(now) else { unreachable!() };
/// assert_eq!(request.query().check.as_ref(), "service-state");
/// let Some(value) = request.query().domain.find_choice("maintenance") else { unreachable!() };
/// diagnosis.answer(request.id, Observation::known(value, now, "registry"), now)?;
///
/// let Output::Concluded(finding) = diagnosis.poll(now) else { unreachable!() };
/// assert_eq!(finding.conclusion(), Some("expected-offline"));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Diagnosis {
    context: Arc<Context>,
    /// Everything that happened: the trace, and the facts.
    log: Log,
    /// The entry of the latest answer to each query of the set, by the query's position.
    answers: Vec<Option<u32>>,
    /// Requests without an answer.
    open: OpenRequests,
    /// Questions that rest before they are asked again.
    retries: Vec<Retry>,
    place: Place,
    phase: Phase,
    /// The handover steps that wait for the runbooks they called, the innermost last.
    callers: Vec<Place>,
    /// Whether the `unless` of a conclusion is asked that the last exit leads to.
    looks_again: bool,
    /// The results of explorations, in order.
    explored: Vec<(Place, Explored)>,
    /// The numbers of alerts that were delivered before an earlier one.
    told_ahead: Vec<u32>,
    /// What the clock said last.
    now: DateTime<Utc>,
    /// The time that passed on the diagnosis's own account; it never runs back.
    elapsed: TimeDelta,
    /// How much of that were jumps of the clock.
    jumped: TimeDelta,
    /// The elapsed time at the latest entry of the log before time passed last, and how many entries there were then.
    logged_elapsed: TimeDelta,
    logged: u32,
    /// The first entry whose facts count.
    epoch: u32,
    /// When the last wait or act began, or else the diagnosis.
    since: DateTime<Utc>,
    next_request: u32,
    waits: u32,
    steps_back: u32,
    /// How many alerts came due.
    alerts_due: u32,
    /// How many entries were looked through for alerts to hand out, and how many alerts stood there.
    alerts_seen: usize,
    alerts_handed_out: u32,
    /// How many of the first alerts were delivered.
    alerts_told: u32,
}

/// What is awaited at the present step. Instants are on the diagnosis's own account of time.
#[derive(Clone, Debug)]
enum Phase {
    Probing,
    /// A check that is asked later.
    Deferred {
        began: TimeDelta,
        due: TimeDelta,
    },
    Waiting {
        began: TimeDelta,
        due: TimeDelta,
    },
    Person {
        request: RequestId,
        due: TimeDelta,
    },
    Approving {
        request: RequestId,
        due: TimeDelta,
    },
    Rechecking {
        request: RequestId,
        due: TimeDelta,
    },
    Acting {
        request: RequestId,
        due: TimeDelta,
    },
    /// Right before an end: at a conclusion, or where nothing is left to explore.
    LookingAgain(Option<Box<Explored>>),
    Exploring(Box<Exploration>),
    Ended,
}

impl Phase {
    fn due(&self) -> Option<TimeDelta> {
        match self {
            Self::Deferred { due, .. }
            | Self::Waiting { due, .. }
            | Self::Person { due, .. }
            | Self::Approving { due, .. }
            | Self::Rechecking { due, .. }
            | Self::Acting { due, .. } => Some(*due),
            Self::Probing | Self::LookingAgain(_) | Self::Exploring(_) | Self::Ended => None,
        }
    }
}

/// Getters.
impl Diagnosis {
    /// Its identity.
    #[must_use]
    pub fn id(&self) -> DiagnosisId {
        self.context.id
    }

    /// Whom it is about.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.context.subject
    }

    /// What began it.
    #[must_use]
    pub fn trigger(&self) -> &Trigger {
        &self.context.trigger
    }

    /// The runbooks it walks in.
    #[must_use]
    pub fn runbooks(&self) -> &RunbookSet {
        &self.context.set
    }

    /// The name of the runbook it began with.
    #[must_use]
    pub fn runbook(&self) -> &str {
        self.context.set.runbook(self.context.entry).map_or("", |runbook| runbook.name())
    }

    /// The id of the current step.
    #[must_use]
    pub fn step(&self) -> &str {
        self.context.step_id(self.place)
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// What it came to, once it has ended.
    #[must_use]
    pub fn finding(&self) -> Option<Finding> {
        self.is_ended().then(|| Finding::of(self))
    }

    /// How many entries its trace has.
    #[must_use]
    pub fn trace_len(&self) -> usize {
        self.log.entries().len()
    }

    /// The entry of the trace at that position, from zero, as it is recorded.
    #[must_use]
    pub fn record(&self, position: usize) -> Option<Record> {
        let entry = self.log.entries().get(position)?;
        Some(bundle::record(&self.context, &self.log, entry))
    }

    /// The whole trace, as it is recorded.
    pub fn trace(&self) -> impl ExactSizeIterator<Item = Record> + '_ {
        self.log.entries().iter().map(|entry| bundle::record(&self.context, &self.log, entry))
    }

    /// Whether that request still waits for its answer.
    #[must_use]
    pub fn is_open(&self, request: RequestId) -> bool {
        self.open.find(request).is_some()
    }

    /// When it must be polled again at the latest, by the clock that it is given.
    #[must_use]
    pub fn due_at(&self) -> Option<DateTime<Utc>> {
        // What is left by its own account of time, put on the caller's clock: that may have been set
        // since the wait began.
        let left = self.next_due()?.checked_sub(&self.elapsed).unwrap_or(TimeDelta::MAX);
        Some(crate::time::saturating_add(self.now, left))
    }

    fn fingerprint(&self) -> Fingerprint {
        let set = &self.context.set;
        set.fingerprint_at(self.context.entry).unwrap_or(Fingerprint::from_bytes([0; 32]))
    }
}

/// Driving it.
impl Diagnosis {
    /// Begins to walk the named runbook of the set, the newest version of it.
    ///
    /// The id must be new: the [keys of acts](ActRequest::idempotency_key) are made of it. Two diagnoses with one id share a
    /// key, and an actuator reports the act of the second as done without acting. [`DiagnosisId::random`] makes one.
    ///
    /// Parts of the subject with a [blank name](crate::subject#blank-names) are left out.
    ///
    /// # Errors
    /// [`BeginError`] where the set has no runbook of that name, or the device of the subject has a blank name.
    pub fn new(
        id: impl Into<DiagnosisId>,
        runbooks: &RunbookSet,
        runbook: &str,
        subject: Subject,
        trigger: Trigger,
        now: DateTime<Utc>,
    ) -> Result<Self, BeginError> {
        let entry = runbooks.position(runbook).ok_or_else(|| NoSuchRunbook::of(runbook, runbooks))?;
        subject.device.check()?;
        Ok(Self::begin_at(id.into(), runbooks, entry, subject.without_blank_parts(), trigger, now))
    }

    /// Begins to walk the runbook at that position of the set, which is there.
    fn begin_at(
        id: DiagnosisId,
        runbooks: &RunbookSet,
        entry: u32,
        subject: Subject,
        trigger: Trigger,
        now: DateTime<Utc>,
    ) -> Self {
        let start = runbooks.runbook(entry).map_or(StepIndex(0), Runbook::start);
        let set = runbooks.clone();
        let queries = set.queries().len();
        let mut diagnosis = Self {
            log: Log::new(),
            answers: vec![None; queries],
            context: Arc::new(Context { id, incident: None, set, entry, subject, trigger, started_at: now }),
            open: OpenRequests::default(),
            retries: Vec::new(),
            place: Place { runbook: entry, step: start },
            // Until `begin` has entered the first step. Were that to fail, it would have ended and not
            // wait for ever.
            phase: Phase::Ended,
            callers: Vec::new(),
            looks_again: true,
            explored: Vec::new(),
            told_ahead: Vec::new(),
            now,
            elapsed: TimeDelta::zero(),
            jumped: TimeDelta::zero(),
            logged_elapsed: TimeDelta::zero(),
            logged: 0,
            epoch: 0,
            since: now,
            next_request: 0,
            waits: 0,
            steps_back: 0,
            alerts_due: 0,
            alerts_seen: 0,
            alerts_handed_out: 0,
            alerts_told: 0,
        };
        diagnosis.begin();
        diagnosis
    }

    /// Names the incident that it belongs to, where several diagnoses belong to one: acts carry it, so that the same act
    /// of two of them has one [idempotency key](ActRequest::idempotency_key). Without it each is its own incident.
    #[must_use]
    pub fn with_incident(mut self, incident: impl Into<Box<str>>) -> Self {
        Arc::make_mut(&mut self.context).incident = Some(incident.into());
        self
    }

    /// What it wants next. Call it until it says [`Output::Pending`] or [`Output::Concluded`].
    pub fn poll(&mut self, now: DateTime<Utc>) -> Output {
        self.advance(now);
        // Alerts before requests: a driver that takes one output at a time must not hold an alert back
        // behind a probe that hangs.
        if let Some(alert) = self.next_alert() {
            return Output::Alert(alert);
        }
        if let Some(output) = self.open.hand_out().and_then(|open| self.hand_out(open)) {
            return output;
        }
        match self.phase {
            Phase::Ended => Output::Concluded(Box::new(Finding::of(self))),
            _ => Output::Pending { until: self.due_at() },
        }
    }

    /// Every request without an answer will be handed out again, under the same number, and every alert that was
    /// not [delivered](Self::alert_delivered): for a driver that was dropped on the way.
    pub fn hand_out_again(&mut self) {
        self.open.hand_out_again();
        self.rewind_alerts();
    }

    /// Records that the alert of that number was delivered. Until then it is handed out again after a resume, so
    /// that a crash on the way loses none; nothing else waits for it.
    pub fn alert_delivered(&mut self, alert: u32) {
        // Delivered already, or never handed out: a caller that counts wrongly must not silence an alert
        // to come.
        if alert < self.alerts_told || alert >= self.alerts_handed_out {
            return;
        }
        let ahead = &mut self.told_ahead;
        if !ahead.contains(&alert) {
            ahead.push(alert);
        }
        // Only a gapless count is saved, one number. An alert behind an undelivered one may come twice
        // after a crash, and none is lost.
        while let Some(at) = ahead.iter().position(|told| *told == self.alerts_told) {
            ahead.swap_remove(at);
            self.alerts_told += 1;
        }
    }

    /// True if an alert came due that was not delivered.
    #[cfg(feature = "case")]
    pub(crate) const fn owes_alerts(&self) -> bool {
        self.alerts_told < self.alerts_due
    }

    /// Answers a probe. A value that is not of the check's domain, older than the check allows, or dated in the future
    /// counts as unknown. One that is unknown for a reason that may pass (a timeout) is asked again under a new number,
    /// with growing pauses, until 30 s have passed since it was first asked (or the check's `stale_after`, where that is
    /// shorter); only then it is unknown. The question that could still call off a conclusion is asked again for 5 s.
    ///
    /// # Errors
    /// [`AnswerError::NotOpen`], [`AnswerError::WrongKind`]; the answer has changed nothing then.
    pub fn answer(
        &mut self,
        request: RequestId,
        mut observation: Observation,
        now: DateTime<Utc>,
    ) -> Result<(), AnswerError> {
        let wants = self.opened(request)?;
        let ExpectedReply::Answer { query } = wants else {
            return Err(wants.refuse(request, "the answer to a probe"));
        };
        self.advance(now);
        // Asked anew, since time may have led away from the step that wanted the answer.
        let Open { place, attempt, first, .. } =
            *self.open.find(request).ok_or(AnswerError::NotOpen(request))?;
        let is_future = self.accept(query, &mut observation);
        let exploring = matches!(self.phase, Phase::Exploring(_));
        let asking = Asking { request, query, place, exploring, attempt, first };
        match self.pause_before_retry(&asking, &observation) {
            Some(pause) => self.ask_again_after(asking, observation, pause),
            None => self.apply_answer(request, query, observation, is_future),
        }
        Ok(())
    }

    /// Gives a person's word on an action.
    ///
    /// # Errors
    /// [`AnswerError::OtherState`] for an approval of another state, [`AnswerError::NotOpen`],
    /// [`AnswerError::WrongKind`]; nothing has changed then.
    pub fn approve(&mut self, approval: Approval, now: DateTime<Utc>) -> Result<(), AnswerError> {
        let request = approval.binding.request;
        // Before the request is looked up: numbers of requests are small, so another diagnosis has the
        // same ones.
        if approval.binding.diagnosis != self.context.id {
            return Err(AnswerError::OtherState { differs: "diagnosis" });
        }
        if approval.by.as_str().trim().is_empty() {
            return Err(AnswerError::Nameless);
        }
        self.expect(request, ExpectedReply::Approval)?;
        // Before time moves it on, so that the caller learns what differs and not merely that it is too
        // late.
        self.check_binding(&approval.binding)?;
        self.advance(now);
        self.opened(request)?;
        self.apply_approval(request, approval.by, approval.declined);
        Ok(())
    }

    /// Reports how an act went.
    ///
    /// # Errors
    /// [`AnswerError::NotOpen`], [`AnswerError::WrongKind`]; nothing has changed then.
    pub fn report_act(
        &mut self,
        request: RequestId,
        report: ActReport,
        now: DateTime<Utc>,
    ) -> Result<(), AnswerError> {
        self.expect(request, ExpectedReply::Report)?;
        self.advance(now);
        self.opened(request)?;
        self.apply_report(request, report);
        Ok(())
    }

    /// Gives a person's answer to a question.
    ///
    /// # Errors
    /// [`AnswerError::NotInDomain`] for a value that is no answer to it, [`AnswerError::NotOpen`],
    /// [`AnswerError::WrongKind`]; nothing has changed then, and the question stays open.
    pub fn reply(&mut self, request: RequestId, reply: Reply, now: DateTime<Utc>) -> Result<(), AnswerError> {
        self.expect(request, ExpectedReply::Reply)?;
        if let (Some(value), Some(domain)) = (reply.value, self.asked_domain())
            // A person can be asked again, so a wrong value is an error. A probe cannot: there it would
            // be unknown.
            && !value.is_of(domain)
        {
            let domain = domain.clone();
            let value = value.render(&domain);
            return Err(AnswerError::NotInDomain { request, value, domain: domain.to_string() });
        }
        self.advance(now);
        self.opened(request)?;
        self.apply_reply(request, reply);
        Ok(())
    }
}

impl Diagnosis {
    /// What the request is answered with, if it is still open.
    fn opened(&self, request: RequestId) -> Result<ExpectedReply, AnswerError> {
        self.open.find(request).map(|open| open.wants).ok_or(AnswerError::NotOpen(request))
    }

    /// Refuses an answer of the wrong kind, before time moves.
    fn expect(&self, request: RequestId, given: ExpectedReply) -> Result<(), AnswerError> {
        let wants = self.opened(request)?;
        if wants == given { Ok(()) } else { Err(wants.refuse(request, given.text())) }
    }

    fn check_binding(&self, given: &Binding) -> Result<(), AnswerError> {
        let Some(present) = self.binding(given.request) else {
            return Err(AnswerError::NotOpen(given.request));
        };
        // An approval holds for what the person saw. If any of that has changed since, it is for another
        // act.
        let differs = if given.step != present.step {
            "step"
        } else if given.fingerprint != present.fingerprint {
            "runbook"
        } else if given.evidence != present.evidence {
            "evidence"
        } else {
            return Ok(());
        };
        Err(AnswerError::OtherState { differs })
    }

    fn binding(&self, request: RequestId) -> Option<Binding> {
        let entry = self.open.find(request)?.entry as usize;
        // Up to the request and no further: what came in while the person read the request must not void
        // the answer.
        let entries = self.log.entries().get(..=entry)?.iter();
        let records = entries.map(|entry| bundle::record(&self.context, &self.log, entry));
        let evidence = bundle::digest(self.context.id, records);
        Some(Binding {
            diagnosis: self.context.id,
            request,
            step: self.step().into(),
            fingerprint: self.fingerprint(),
            evidence: evidence.into(),
        })
    }
}
