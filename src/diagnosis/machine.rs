//! The transitions: how time and answers move a diagnosis from step to step.

use chrono::{DateTime, TimeDelta, Utc};

use super::anomaly::{Anomaly, CLOCK_JUMP, CLOCK_SLACK, MOST_STEPS_BACK, MOST_WAITS};
use super::explore::Exploration;
use super::log::{Entry, Event, ExitIndex, Observed, Place, Word};
use super::open::{Open, Wants};
use super::output::{ActOutcome, ActReport, Reply, RequestId};
use super::{Diagnosis, Phase};
use crate::fact::{Domain, Evidence, Observation, Source, UnknownReason, Value};
use crate::runbook::RunbookSet;
use crate::runbook::step::{
    About, ApprovalPolicy, CheckSource, CheckStep, OnUnknown, Step, StepIndex, StepKind, Until,
};
use crate::subject::Subject;
use crate::time::{format_duration, since};

/// The positions of an act's ways out, as [`StepKind::exit`] numbers them.
const DONE: ExitIndex = 0;
const REFUSED: ExitIndex = 1;
const FAILED: ExitIndex = 2;
const EXPIRED: ExitIndex = 3;
const NEEDLESS: ExitIndex = 4;

impl Diagnosis {
    /// Enters the first step.
    pub(super) fn begin(&mut self) {
        if let Some(exit) = self.enter() {
            self.leave(exit);
        }
    }

    /// Tells it the time: counts what has passed and takes every way out that time alone opens. Whether it may have
    /// moved: most calls come in one moment, with nothing that could fall due.
    #[inline]
    pub(super) fn advance(&mut self, now: DateTime<Utc>) -> bool {
        let passes = now != self.now || self.phase.falls_due();
        if passes {
            self.pass_time(now);
        }
        passes
    }

    #[cold]
    fn pass_time(&mut self, now: DateTime<Utc>) {
        if matches!(self.phase, Phase::Ended) {
            return;
        }
        self.tick(now);
        while self.phase.due().is_some_and(|due| due <= self.elapsed) {
            self.fall_due();
        }
    }

    /// Time is counted on the diagnosis's own account: what the given clock gained since the last call, and
    /// nothing where it stepped back. So a wait keeps its length whatever the clock does.
    fn tick(&mut self, now: DateTime<Utc>) {
        // Only here does time pass: what was logged since then was logged at the time that still is.
        let logged = self.log.next();
        if logged != self.logged {
            (self.logged, self.logged_elapsed) = (logged, self.elapsed);
        }
        let gained = since(now, self.now);
        if gained < -CLOCK_SLACK {
            // Recorded at the moment before: the event says what the clock said then.
            self.note_anomaly(Anomaly::ClockBack { to: now });
            self.steps_back += 1;
            if self.steps_back > MOST_STEPS_BACK {
                self.abort(Anomaly::ClockUnusable);
            }
            self.now = now;
            return;
        }
        if gained <= TimeDelta::zero() {
            return;
        }
        self.elapsed = self.after(gained);
        self.now = now;
        let awaited = self.phase.due().map_or(self.logged_elapsed, |due| due.max(self.logged_elapsed));
        if self.elapsed.checked_sub(&awaited).is_some_and(|late| late > CLOCK_JUMP) {
            self.note_anomaly(Anomaly::ClockForward);
        }
    }

    /// What was awaited has not come, or the wait is over.
    fn fall_due(&mut self) {
        match self.phase {
            Phase::Waiting { .. } => {
                self.push(Event::WaitEnded { idle: false, exit: Some(0) });
                self.begin_epoch();
                self.leave(0);
            }
            Phase::Deferred { .. } => {
                self.push(Event::WaitEnded { idle: false, exit: None });
                self.begin_epoch();
                let source = self.check().map(|check| check.source);
                if let Some(exit) = source.and_then(|source| self.enter_check(source)) {
                    self.leave(exit);
                }
            }
            Phase::Person { request, .. } => {
                self.close(request);
                let exit = self.unanswered_exit();
                self.push(Event::Expired { request, exit });
                self.begin_epoch();
                self.leave_or_explore(exit);
            }
            Phase::Approving { request, .. }
            | Phase::Rechecking { request, .. }
            | Phase::Acting { request, .. } => {
                self.close(request);
                self.push(Event::Expired { request, exit: Some(EXPIRED) });
                self.begin_epoch();
                self.leave(EXPIRED);
            }
            Phase::Probing | Phase::Exploring(_) | Phase::Ended => {}
        }
    }

    /// Takes the way out at `exit` of the present step, and goes on until something must be awaited.
    fn leave(&mut self, exit: ExitIndex) {
        let mut next = Some(exit);
        while let Some(exit) = next {
            let runbook = self.context.runbook(self.place);
            let way = runbook.and_then(|runbook| runbook.step(self.place.step)?.kind.exit(exit));
            let Some(way) = way else {
                self.abort(Anomaly::NoBranch);
                return;
            };
            let (to, alerts) = (way.to, way.alert.is_some());
            let to_check = runbook.and_then(|runbook| plain_check(runbook.step(to)?));
            self.remarkable |= way.note.is_some();
            if alerts {
                self.alert(exit);
            }
            self.place.step = to;
            next = match to_check {
                Some(source) => self.enter_check(source),
                None => self.enter(),
            };
        }
    }

    /// An alert stands on this way out of the present step.
    fn alert(&mut self, exit: ExitIndex) {
        if !self.has_alerted(exit) {
            self.push(Event::Alerted { exit });
            self.alerts_due += 1;
        }
    }

    fn leave_or_explore(&mut self, exit: Option<ExitIndex>) {
        match exit {
            Some(exit) => self.leave(exit),
            None => self.explore(),
        }
    }

    /// Enters the present step. Gives the exit that is known at once, or none where the step must be awaited.
    fn enter(&mut self) -> Option<ExitIndex> {
        // Handovers are followed in a loop: entering is not recursive.
        loop {
            let Some(step) = self.context.step(self.place) else {
                self.abort(Anomaly::NoBranch);
                return None;
            };
            match &step.kind {
                StepKind::Check(CheckStep { after: Some(after), .. }) => {
                    let length = *after;
                    let due = self.after(length);
                    self.push(Event::WaitBegan { length });
                    self.phase = Phase::Deferred { due };
                    return None;
                }
                StepKind::Check(check) => {
                    let source = check.source;
                    return self.enter_check(source);
                }
                StepKind::Wait(wait) => {
                    let (length, until) = (wait.length, wait.until);
                    return self.enter_wait(length, until);
                }
                StepKind::Act(act) => {
                    let (approval, within) = (act.approval, act.answer_within);
                    return self.enter_act(approval, within);
                }
                StepKind::Ask(ask) => {
                    let within = ask.answer_within;
                    self.ask_person(within);
                    return None;
                }
                StepKind::Handover(_) => {
                    let set = &self.context.set;
                    let link = set.link(self.place.runbook, self.place.step);
                    let callee = link.and_then(|link| Some((link.callee, set.runbook(link.callee)?.start())));
                    let Some((callee, start)) = callee else {
                        self.abort(Anomaly::NoBranch);
                        return None;
                    };
                    self.remarkable = true;
                    self.push(Event::Called { callee });
                    self.aside.get_or_insert_default().callers.push(self.place);
                    self.place = Place { runbook: callee, step: start };
                }
                StepKind::Conclude(_) => return self.conclude(Some(self.place.step)),
            }
        }
    }

    /// Asks the check of the present step, or takes what is known of it.
    #[inline]
    fn enter_check(&mut self, source: CheckSource) -> Option<ExitIndex> {
        let CheckSource::Query(query) = source else { return self.take_elapsed() };
        let query = self.context.set.query(self.place.runbook, query)?;
        if let Some((entry, observation)) = self.fact(query) {
            let exit = exit_of(self.check()?, observation, self.now);
            self.push(Event::Reused { query, entry, exit });
            return self.exit_or_unknown(exit);
        }
        if !is_askable(&self.context.set, query, &self.context.subject) {
            let exit = self.check()?.unknown_position();
            self.push(Event::NoSubject { query, exit });
            return self.exit_or_unknown(exit);
        }
        let request = self.open(Wants::Answer { query });
        self.push(Event::Asked { request, query, exploring: false });
        self.phase = Phase::Probing;
        None
    }

    /// Takes the time since the trigger, which is always known.
    fn take_elapsed(&mut self) -> Option<ExitIndex> {
        let elapsed = self.since_trigger();
        let exit = self.check()?.branches.select(Value::Duration(elapsed), self.now);
        self.push(Event::Elapsed { elapsed, exit });
        if exit.is_none() {
            self.abort(Anomaly::NoBranch);
        }
        exit
    }

    /// Where the answer of the present check opens no way out, asks a person or explores, as the step says.
    fn exit_or_unknown(&mut self, exit: Option<ExitIndex>) -> Option<ExitIndex> {
        if exit.is_none() {
            match self.check().map(|check| &check.unknown) {
                Some(OnUnknown::Ask { answer_within, .. }) => {
                    let within = *answer_within;
                    self.ask_person(within);
                }
                _ => self.explore(),
            }
        }
        exit
    }

    fn enter_wait(&mut self, length: Option<TimeDelta>, until: Option<Until>) -> Option<ExitIndex> {
        self.since = self.now;
        self.waits += 1;
        if self.waits > MOST_WAITS {
            self.abort(Anomaly::TooManyWaits);
            return None;
        }
        // Where a fact gives the end it is computed once, on the diagnosis's own time, and kept.
        let mut left = length;
        if let Some(until) = until {
            let fact = self.context.set.query(self.place.runbook, until.fact);
            match fact.and_then(|fact| self.latest_instant(fact)) {
                Some(instant) => {
                    let end =
                        crate::time::saturating_add(instant, until.plus).signed_duration_since(self.now);
                    left = Some(left.map_or(end, |left| left.min(end)));
                }
                None => self.note_anomaly(Anomaly::NoInstant),
            }
        }
        let length = left.unwrap_or(TimeDelta::zero());
        self.push(Event::WaitBegan { length });
        if length > TimeDelta::zero() {
            self.phase = Phase::Waiting { due: self.after(length) };
            return None;
        }
        if self.came_around_idle() {
            self.abort(Anomaly::IdleLoop);
            return None;
        }
        self.push(Event::WaitEnded { idle: true, exit: Some(0) });
        self.begin_epoch();
        Some(0)
    }

    /// Whether this wait was over at once before, with nothing since that is expected to take time: a wait, a
    /// person, an act. Probes are not.
    fn came_around_idle(&self) -> bool {
        for entry in self.log.entries().iter().rev() {
            match entry.event {
                Event::WaitEnded { idle: true, .. } if entry.place == self.place => return true,
                Event::WaitEnded { idle: false, .. }
                | Event::PersonAnswered { .. }
                | Event::Expired { .. }
                | Event::Approved { .. }
                | Event::Declined { request: Some(_), .. }
                | Event::Acted { .. } => return false,
                _ => {}
            }
        }
        false
    }

    fn enter_act(&mut self, approval: ApprovalPolicy, within: TimeDelta) -> Option<ExitIndex> {
        self.since = self.now;
        match approval {
            ApprovalPolicy::Never => {
                let by = Source::from_static("runbook");
                let reason = "the runbook's approval policy is `never`".into();
                let said = self.log.keep_word(Word::Refused { by, reason });
                self.push(Event::Declined { request: None, said, exit: REFUSED });
                self.begin_epoch();
                Some(REFUSED)
            }
            ApprovalPolicy::Required => {
                let due = self.after(within);
                let request = self.open(Wants::Approval);
                self.push(Event::ApprovalAsked { request });
                self.phase = Phase::Approving { request, due };
                None
            }
            ApprovalPolicy::Automatic => {
                self.begin_act();
                None
            }
        }
    }

    /// The approval is in, or none is needed: the recheck, and then the act.
    fn begin_act(&mut self) {
        self.begin_epoch();
        let (recheck, within) = match self.context.step(self.place).map(|step| &step.kind) {
            Some(StepKind::Act(act)) => (act.recheck, act.answer_within),
            _ => (None, TimeDelta::zero()),
        };
        let recheck = recheck.and_then(|query| self.context.set.query(self.place.runbook, query));
        match recheck.filter(|query| is_askable(&self.context.set, *query, &self.context.subject)) {
            Some(query) => {
                let request = self.open(Wants::Answer { query });
                self.push(Event::Asked { request, query, exploring: false });
                // An approval does not live for ever: nothing is done on one whose recheck never came back.
                self.phase = Phase::Rechecking { request, due: self.after(within) };
            }
            None => self.act(),
        }
    }

    fn act(&mut self) {
        let within = match self.context.step(self.place).map(|step| &step.kind) {
            Some(StepKind::Act(act)) => act.answer_within,
            _ => TimeDelta::zero(),
        };
        self.since = self.now;
        let due = self.after(within);
        let earlier = self
            .log
            .entries()
            .iter()
            .filter(|entry| entry.place == self.place && matches!(entry.event, Event::ActBegan { .. }));
        let visit = u32::try_from(earlier.count()).unwrap_or(u32::MAX);
        let request = self.open(Wants::Report);
        self.push(Event::ActBegan { request, visit });
        self.phase = Phase::Acting { request, due };
    }

    fn ask_person(&mut self, within: TimeDelta) {
        let due = self.after(within);
        let request = self.open(Wants::Reply);
        self.push(Event::PersonAsked { request });
        self.phase = Phase::Person { request, due };
    }

    /// Takes the answer to a check, and the way out of the present one that it opens.
    pub(super) fn take_answer(
        &mut self,
        request: RequestId,
        query: u32,
        observed: Observed,
        exit: Option<ExitIndex>,
    ) {
        self.close(request);
        self.remember(query);
        match &mut self.phase {
            Phase::Probing => {
                self.push(Event::Answered { request, query, observed, exit });
                if let Some(exit) = self.exit_or_unknown(exit) {
                    self.leave(exit);
                }
            }
            Phase::Exploring(exploration) => {
                let step = exploration.answered(query).unwrap_or(self.place.step);
                self.push_at(Place { step, ..self.place }, Event::Explored { request, query, observed });
                self.go_on_exploring();
            }
            // Only those two and a recheck ask.
            _ => self.take_recheck(request, query, observed),
        }
    }

    fn take_recheck(&mut self, request: RequestId, query: u32, observed: Observed) {
        // Not knowing whether there is anything left to do is no reason not to do what was approved.
        let value = self.log.observation(observed).and_then(Observation::value);
        let exit = (value == Some(Value::Flag(true))).then_some(NEEDLESS);
        self.push(Event::Rechecked { request, query, observed, exit });
        match exit {
            Some(exit) => {
                self.begin_epoch();
                self.leave(exit);
            }
            None => self.act(),
        }
    }

    /// Takes a person's word on an action.
    pub(super) fn take_approval(&mut self, request: RequestId, by: Source, declined: Option<Box<str>>) {
        self.close(request);
        match declined {
            None => {
                let said = self.log.keep_word(Word::Approved(by));
                self.push(Event::Approved { request, said });
                self.begin_act();
            }
            Some(reason) => {
                let said = self.log.keep_word(Word::Refused { by, reason });
                self.push(Event::Declined { request: Some(request), said, exit: REFUSED });
                self.begin_epoch();
                self.leave(REFUSED);
            }
        }
    }

    /// Takes the actuator's report.
    pub(super) fn take_report(&mut self, request: RequestId, report: ActReport) {
        self.close(request);
        let exit = match report.outcome {
            ActOutcome::Done => DONE,
            ActOutcome::Refused => REFUSED,
            ActOutcome::Failed => FAILED,
        };
        let said = self.log.keep_word(Word::Report(report));
        self.push(Event::Acted { request, said, exit });
        self.begin_epoch();
        self.leave(exit);
    }

    /// Takes a person's answer.
    pub(super) fn take_reply(&mut self, request: RequestId, reply: Reply) {
        self.close(request);
        let exit = match (reply.value, self.context.step(self.place).map(|step| &step.kind)) {
            (Some(value), Some(StepKind::Check(check))) => check.branches.select(value, self.now),
            (Some(value), Some(StepKind::Ask(ask))) => ask.branches.select(value, self.now),
            _ => self.unanswered_exit(),
        };
        let said = self.log.keep_word(Word::Reply(reply));
        self.push(Event::PersonAnswered { request, said, exit });
        self.begin_epoch();
        self.leave_or_explore(exit);
    }

    /// The way out of a question that nobody answers; none where the check explores then.
    fn unanswered_exit(&self) -> Option<ExitIndex> {
        match self.context.step(self.place).map(|step| &step.kind) {
            Some(StepKind::Ask(ask)) => u16::try_from(ask.branches.as_slice().len()).ok(),
            _ => None,
        }
    }

    /// Makes an answer what it counts as: no value of the check's domain, or too old, is unknown.
    #[inline]
    pub(super) fn accept(&self, query: u32, observation: &mut Observation) {
        let Observation::Known(evidence) = &*observation else { return };
        let Some(query) = self.context.set.queries().get(query as usize) else { return };
        if !evidence.value.is_of(&query.domain) {
            *observation = not_in_domain(evidence, &query.domain);
        } else if let Some(bound) = query.stale_after
            && evidence.observed_at != self.now
            && let age = since(self.now, evidence.observed_at)
            && age.abs() > bound
        {
            *observation = stale(evidence, age, bound);
        }
    }

    /// Ends the present runbook at a conclusion, or without one. Gives the caller's exit where it was called.
    fn conclude(&mut self, conclusion: Option<StepIndex>) -> Option<ExitIndex> {
        self.push(if conclusion.is_some() { Event::Concluded } else { Event::Undetermined });
        let Some(caller) = self.aside.as_mut().and_then(|aside| aside.callers.pop()) else {
            self.phase = Phase::Ended;
            return None;
        };
        let exit = match conclusion {
            Some(conclusion) => {
                self.context.set.link(caller.runbook, caller.step).and_then(|link| link.exit(conclusion))
            }
            None => self.context.step(caller).and_then(|step| match &step.kind {
                StepKind::Handover(handover) => handover.unknown_position(),
                _ => None,
            }),
        };
        self.place = caller;
        match exit {
            Some(exit) => self.push(Event::Returned { conclusion, exit }),
            None => self.abort(Anomaly::NoBranch),
        }
        exit
    }

    /// Nobody could tell: from here on every branch is kept as a hypothesis.
    fn explore(&mut self) {
        self.phase = Phase::Exploring(Box::new(Exploration::new(self.place)));
        self.go_on_exploring();
    }

    fn go_on_exploring(&mut self) {
        let Phase::Exploring(mut exploration) = std::mem::replace(&mut self.phase, Phase::Ended) else {
            return;
        };
        for (query, step) in exploration.walk(self) {
            let request = self.open(Wants::Answer { query });
            self.push_at(Place { step, ..self.place }, Event::Asked { request, query, exploring: true });
        }
        if exploration.is_waiting() {
            self.phase = Phase::Exploring(exploration);
            return;
        }
        let explored = exploration.conclude(self);
        self.aside.get_or_insert_default().explored.push((self.place, explored));
        if let Some(exit) = self.conclude(None) {
            self.leave(exit);
        }
    }

    fn abort(&mut self, anomaly: Anomaly) {
        self.remarkable = true;
        self.push(Event::Aborted(anomaly));
        self.open.clear();
        self.phase = Phase::Ended;
    }

    pub(super) fn check(&self) -> Option<&CheckStep> {
        match self.context.step(self.place).map(|step| &step.kind) {
            Some(StepKind::Check(check)) => Some(check),
            _ => None,
        }
    }

    /// Facts that were asked before no longer count: a recheck asks afresh.
    fn begin_epoch(&mut self) {
        self.epoch = self.log.next();
    }

    fn after(&self, length: TimeDelta) -> TimeDelta {
        self.elapsed.checked_add(&length).unwrap_or(TimeDelta::MAX)
    }

    pub(super) fn since_trigger(&self) -> TimeDelta {
        let before = self.context.started_at.signed_duration_since(self.context.trigger.at);
        before.checked_add(&self.elapsed).unwrap_or(TimeDelta::MAX)
    }

    /// Opens a request; the entry that says so is the next one.
    fn open(&mut self, wants: Wants) -> RequestId {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        let entry = self.log.next();
        self.open.add(Open { request, wants, entry, handed_out: false });
        request
    }

    fn close(&mut self, request: RequestId) {
        self.open.remove(request);
    }

    fn push(&mut self, event: Event) {
        self.push_at(self.place, event);
    }

    fn push_at(&mut self, place: Place, event: Event) {
        self.log.push(Entry { at: self.now, place, event });
    }

    fn note_anomaly(&mut self, anomaly: Anomaly) {
        self.remarkable = true;
        self.push(Event::Anomaly(anomaly));
    }

    /// The next entry of the log answers `query`.
    fn remember(&mut self, query: u32) {
        let next = self.log.next();
        self.answers.set(query, next);
    }

    /// Whether this alert of the present step was due before: each is told once.
    fn has_alerted(&self, exit: ExitIndex) -> bool {
        self.log.entries().iter().any(|entry| {
            entry.place == self.place && matches!(entry.event, Event::Alerted { exit: told } if told == exit)
        })
    }

    /// What this epoch knows of a query: the entry and the observation.
    pub(super) fn fact(&self, query: u32) -> Option<(u32, &Observation)> {
        let entry = self.answers.get(query)?;
        if entry < self.epoch {
            return None;
        }
        Some((entry, self.log.observation_of(self.log.get(entry)?)?))
    }

    fn latest_instant(&self, query: u32) -> Option<DateTime<Utc>> {
        let entry = self.answers.get(query)?;
        match self.log.observation_of(self.log.get(entry)?)?.value() {
            Some(Value::Instant(at)) => Some(at),
            _ => None,
        }
    }

    /// The entry that made the present step unknown.
    pub(super) fn last_entry(&self) -> Option<u32> {
        self.log.next().checked_sub(1)
    }
}

#[cold]
fn not_in_domain(evidence: &Evidence, domain: &Domain) -> Observation {
    let text = format!("{:?} is no value of the domain {domain}", evidence.value);
    unknown(evidence, UnknownReason::NotInDomain, text)
}

#[cold]
fn stale(evidence: &Evidence, age: TimeDelta, bound: TimeDelta) -> Observation {
    let (age, bound) = (format_duration(age), format_duration(bound));
    let text = format!("observed {age} before the answer came; the check allows {bound} either way");
    unknown(evidence, UnknownReason::Stale, text)
}

fn unknown(evidence: &Evidence, reason: UnknownReason, text: String) -> Observation {
    let beside = evidence.details.iter().cloned();
    Observation::unknown(reason, evidence.source.clone(), text).with_details(beside)
}

/// Where the value comes from of a step that is a check and asks at once, as most steps are.
fn plain_check(step: &Step) -> Option<CheckSource> {
    match &step.kind {
        StepKind::Check(check) if check.after.is_none() => Some(check.source),
        _ => None,
    }
}

/// The way out that an answer takes: its branch, or the step's own way out for unknown. None where the step
/// explores or asks a person then.
#[inline]
pub(super) fn exit_of(check: &CheckStep, observation: &Observation, now: DateTime<Utc>) -> Option<ExitIndex> {
    match observation {
        Observation::Known(evidence) => check.branches.select(evidence.value, now),
        Observation::Unknown(_) => check.unknown_position(),
    }
}

/// Whether the subject names what the query asks about.
pub(super) fn is_askable(set: &RunbookSet, query: u32, subject: &Subject) -> bool {
    set.queries().get(query as usize).is_some_and(|query| {
        subject.name_of(query.scope).is_some() && (query.about == About::Now || subject.period.is_some())
    })
}
