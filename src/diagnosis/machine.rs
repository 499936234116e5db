//! The transitions: how a diagnosis goes from step to step.

mod apply;
mod news;
mod retry;
mod time;

use chrono::TimeDelta;

use super::anomaly::{Anomaly, MOST_WAITS};
use super::explore::Exploration;
use super::facts::exit_of;
use super::hypothesis::Explored;
use super::id::RequestId;
use super::log::{Entry, Event, ExitIndex, Place, Statement};
use super::open::{ExpectedReply, Open};
use super::{Diagnosis, Phase};
use crate::fact::{Source, Value};
use crate::runbook::step::{
    ACT_EXITS, ApprovalPolicy, CheckSource, CheckStep, OnUnknown, QueryIndex, StepIndex, StepKind, Until,
};

/// The exits of an act, as [`StepKind::exit`] numbers them.
const DONE: ExitIndex = ExitIndex::Step(0);
const REFUSED: ExitIndex = ExitIndex::Step(1);
const FAILED: ExitIndex = ExitIndex::Step(2);
const EXPIRED: ExitIndex = ExitIndex::Step(3);
/// The exit of a wait.
const OVER: ExitIndex = ExitIndex::Step(0);

pub(super) use retry::Retry;

impl Diagnosis {
    /// Enters the first step.
    pub(super) fn begin(&mut self) {
        if self.context.is_trigger_ahead() {
            self.note_anomaly(Anomaly::FutureTrigger);
        }
        if let Some(exit) = self.enter() {
            self.leave(exit);
        }
    }

    /// Takes the exit of the present step, and goes on until something must be awaited.
    fn leave(&mut self, exit: ExitIndex) {
        self.ask_no_more();
        // In a loop: a hundred thousand steps in a row are a valid runbook, and recursion would overflow
        // the stack.
        let mut next = Some(exit);
        while let Some(index) = next {
            // A valid runbook has no such hole. A diagnosis that ends and says so is better than a panic
            // in a service.
            let Some(exit) = self.context.exit(self.place, index) else {
                self.abort(Anomaly::NoBranch);
                return;
            };
            let to = exit.to;
            self.looks_again = exit.look_again;
            if exit.alert.is_some() {
                self.alert(index);
            }
            self.place.step = to;
            next = self.enter();
        }
    }

    /// The exit of the present step carries an alert.
    fn alert(&mut self, exit: ExitIndex) {
        // A loop passes the same branch in each round, and the person on call must be woken once.
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
                    let length = after.of(self.context.subject.reporting_interval());
                    if !self.count_wait() {
                        return None;
                    }
                    self.push(Event::WaitBegan { length });
                    self.phase = Phase::Deferred { began: self.elapsed, due: self.after(length) };
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
                    self.push(Event::Called { callee });
                    // Never deeper than the set has runbooks: they do not call each other in cycles,
                    // which loading proves.
                    self.callers.push(self.place);
                    self.place = Place { runbook: callee, step: start };
                }
                StepKind::Conclude(conclusion) => {
                    let unless = conclusion.unless.as_ref().filter(|_| self.looks_again);
                    let unless = unless.map(|recheck| recheck.query);
                    if unless.and_then(|query| self.look_again(query)).is_some() {
                        self.phase = Phase::LookingAgain(None);
                        return None;
                    }
                    return self.conclude(Some(self.place.step));
                }
            }
        }
    }

    /// Asks the check of the present step, or takes what is known of it.
    fn enter_check(&mut self, source: CheckSource) -> Option<ExitIndex> {
        let query = match source {
            CheckSource::Query(query) => query,
            CheckSource::Elapsed => return self.take_elapsed(),
            CheckSource::Accounted => return self.take_accounted(),
        };
        let query = self.context.set.query(self.place.runbook, query)?;
        // Within an epoch nothing was done and no time was waited, so the same question has the same
        // answer.
        if let Some((entry, observation)) = self.fact(query) {
            let exit = exit_of(self.check()?, observation, self.now);
            self.push(Event::Reused { query, entry, exit });
            return self.exit_or_unknown(exit);
        }
        if self.context.is_askable(query) {
            self.ask(self.place, query, false);
            self.phase = Phase::Probing;
            return None;
        }
        let check = self.check()?;
        // A part that is not named is no failure: asking would only time out, and "unknown" would look
        // like a fault of the adapter.
        let exit = check.not_named_position().or_else(|| check.unknown_position()).map(ExitIndex::Step);
        self.push(Event::NotNamed { query, exit });
        self.exit_or_unknown(exit)
    }

    /// Asks a query of the present runbook again, afresh. `None` if the subject does not name the part.
    fn look_again(&mut self, query: QueryIndex) -> Option<RequestId> {
        let query = self.context.set.query(self.place.runbook, query)?;
        if !self.context.is_askable(query) {
            self.push(Event::NotNamed { query, exit: None });
            return None;
        }
        Some(self.ask(self.place, query, false))
    }

    /// The exit that the value takes in the recheck of the present step: of an act, of a conclusion, or else, where
    /// nothing is left to explore, of the runbook.
    fn recheck_exit(&self, value: Value) -> Option<ExitIndex> {
        match &self.context.step(self.place)?.kind {
            StepKind::Act(act) => {
                let taken = act.recheck.as_ref()?.branches.select(value, self.now)?;
                taken.checked_add(ACT_EXITS).map(ExitIndex::Step)
            }
            StepKind::Conclude(conclusion) => {
                conclusion.unless.as_ref()?.branches.select(value, self.now).map(ExitIndex::Step)
            }
            _ => self
                .context
                .runbook(self.place)?
                .unless()?
                .branches
                .select(value, self.now)
                .map(ExitIndex::Unless),
        }
    }

    /// Takes the time since the trigger, which is always known.
    fn take_elapsed(&mut self) -> Option<ExitIndex> {
        let elapsed = self.since_trigger();
        let exit = self.check()?.branches.select(Value::Duration(elapsed), self.now).map(ExitIndex::Step);
        self.push(Event::Elapsed { elapsed, exit });
        if exit.is_none() {
            self.abort(Anomaly::NoBranch);
        }
        exit
    }

    /// Takes the share that the answers account for, which is always known.
    fn take_accounted(&mut self) -> Option<ExitIndex> {
        let share = self.accounted();
        let exit = self.check()?.branches.select(Value::Number(share), self.now).map(ExitIndex::Step);
        self.push(Event::Accounted { share, exit });
        if exit.is_none() {
            self.abort(Anomaly::NoBranch);
        }
        exit
    }

    /// Where the answer of the present check opens no way out, asks a person or explores, as the step says.
    fn exit_or_unknown(&mut self, exit: Option<ExitIndex>) -> Option<ExitIndex> {
        if exit.is_none() {
            self.ask_or_explore();
        }
        exit
    }

    fn ask_or_explore(&mut self) {
        match self.check().map(|check| &check.unknown) {
            Some(OnUnknown::Ask { answer_within, .. }) => {
                let within = *answer_within;
                self.ask_person(within);
            }
            _ => self.explore(),
        }
    }

    /// Counts a wait, or a question that is put off. False if there were too many.
    fn count_wait(&mut self) -> bool {
        self.waits += 1;
        if self.waits > MOST_WAITS {
            self.abort(Anomaly::TooManyWaits);
        }
        self.waits <= MOST_WAITS
    }

    fn enter_wait(&mut self, length: Option<TimeDelta>, until: Option<Until>) -> Option<ExitIndex> {
        // Also for a wait that is over at once: what was measured before it is from before the wait.
        self.since = self.now;
        if !self.count_wait() {
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
                    // Both bounds hold: an instant far in the future must not make the wait longer than
                    // the runbook allows.
                    left = Some(left.map_or(end, |left| left.min(end)));
                }
                None => self.note_anomaly(Anomaly::NoInstant),
            }
        }
        let length = left.unwrap_or(TimeDelta::zero());
        self.push(Event::WaitBegan { length });
        if length > TimeDelta::zero() {
            self.phase = Phase::Waiting { began: self.elapsed, due: self.after(length) };
            return None;
        }
        // Once is fine: the moment waited for has passed. A second time around the same facts lead to the
        // same wait, for ever.
        if self.came_around_idle() {
            self.abort(Anomaly::IdleLoop);
            return None;
        }
        self.push(Event::WaitEnded { idle: true, exit: Some(OVER) });
        self.begin_epoch();
        Some(OVER)
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
                // Recorded like a person's refusal: the trace shows who said no, and the walk goes on by
                // the same exit.
                let reason = "the runbook's approval policy is `never`".into();
                let said = self.log.keep_statement(Statement::Refused { by, reason });
                self.push(Event::Declined { request: None, said, exit: REFUSED });
                self.begin_epoch();
                Some(REFUSED)
            }
            ApprovalPolicy::Required => {
                let due = self.after(within);
                let request = self.open(ExpectedReply::Approval);
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
        let (recheck, within) = match self.context.step(self.place).map(|step| &step.kind) {
            Some(StepKind::Act(act)) => {
                (act.recheck.as_ref().map(|recheck| recheck.query), act.answer_within)
            }
            _ => (None, TimeDelta::zero()),
        };
        match recheck.and_then(|query| self.look_again(query)) {
            // An approval does not live for ever: nothing is done on one whose recheck is never answered.
            Some(request) => self.phase = Phase::Rechecking { request, due: self.after(within) },
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
        let visit = self.acts_begun();
        let request = self.open(ExpectedReply::Report);
        self.push(Event::ActBegan { request, visit });
        self.phase = Phase::Acting { request, due };
    }

    /// How often the act of the present step was begun: another step may do the same to the same target, and that counts too.
    pub(super) fn acts_begun(&self) -> u32 {
        let act = |place| match &self.context.step(place)?.kind {
            StepKind::Act(act) => Some((&act.action, act.scope)),
            _ => None,
        };
        let same = act(self.place);
        let began = self.log.entries().iter().filter(|entry| matches!(entry.event, Event::ActBegan { .. }));
        let earlier = began.filter(|entry| act(entry.place) == same);
        u32::try_from(earlier.count()).unwrap_or(u32::MAX)
    }

    fn ask_person(&mut self, within: TimeDelta) {
        let due = self.after(within);
        let request = self.open(ExpectedReply::Reply);
        self.push(Event::PersonAsked { request });
        self.phase = Phase::Person { request, due };
    }

    /// Ends the present runbook at a conclusion, or without one. Gives the caller's exit where it was called.
    fn conclude(&mut self, conclusion: Option<StepIndex>) -> Option<ExitIndex> {
        self.push(if conclusion.is_some() { Event::Concluded } else { Event::Undetermined });
        let Some(caller) = self.callers.pop() else {
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
        }
        .map(ExitIndex::Step);
        self.place = caller;
        match exit {
            Some(exit) => self.push(Event::Returned { conclusion, exit }),
            None => self.abort(Anomaly::NoBranch),
        }
        exit
    }

    /// The value is unknown: from here on every branch is kept as a hypothesis.
    fn explore(&mut self) {
        self.phase = Phase::Exploring(Box::new(Exploration::new(self.place)));
        self.go_on_exploring();
    }

    fn go_on_exploring(&mut self) {
        // Taken out, since it reads the diagnosis while it walks; put back if it still waits for answers.
        let Phase::Exploring(mut exploration) = std::mem::replace(&mut self.phase, Phase::Ended) else {
            return;
        };
        for (query, step) in exploration.walk(self) {
            self.ask(Place { step, ..self.place }, query, true);
        }
        if exploration.is_waiting() {
            self.phase = Phase::Exploring(exploration);
            return;
        }
        let not_named = exploration.not_named();
        let mut explored = exploration.conclude(self);
        explored.not_named = not_named;
        // A called runbook that cannot tell is no end: its caller goes on.
        let unless = if self.callers.is_empty() { self.context.runbook(self.place) } else { None };
        let unless = unless.and_then(|runbook| runbook.unless()).map(|recheck| recheck.query);
        if unless.and_then(|query| self.look_again(query)).is_some() {
            self.phase = Phase::LookingAgain(Some(Box::new(explored)));
        } else {
            self.end_undetermined(explored);
        }
    }

    fn end_undetermined(&mut self, explored: Explored) {
        self.explored.push((self.place, explored));
        self.end(None);
    }

    /// Ends the present runbook, and goes on in its caller where it has one.
    fn end(&mut self, conclusion: Option<StepIndex>) {
        if let Some(exit) = self.conclude(conclusion) {
            self.leave(exit);
        }
    }

    fn abort(&mut self, anomaly: Anomaly) {
        self.push(Event::Aborted(anomaly));
        self.ask_no_more();
        self.phase = Phase::Ended;
    }

    /// Facts that were asked before no longer count: a recheck asks afresh.
    fn begin_epoch(&mut self) {
        self.epoch = self.log.next();
    }

    /// Asks a query for the step at `place`.
    fn ask(&mut self, place: Place, query: u32, exploring: bool) -> RequestId {
        let request = self.open_at(place, ExpectedReply::Answer { query });
        self.push_at(place, Event::Asked { request, query, exploring });
        request
    }

    /// Opens a request of the present step; the entry that says so is the next one.
    fn open(&mut self, wants: ExpectedReply) -> RequestId {
        self.open_at(self.place, wants)
    }

    fn open_at(&mut self, place: Place, wants: ExpectedReply) -> RequestId {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        let entry = self.log.next();
        // A retry overwrites this with when it was first asked: the half minute counts from there.
        let first = self.elapsed;
        self.open.add(Open { request, wants, entry, place, handed_out: false, attempt: 0, first });
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
        self.push(Event::Anomaly(anomaly));
    }

    /// The next entry of the log answers `query`.
    fn remember(&mut self, query: u32) {
        let next = self.log.next();
        if let Some(answer) = self.answers.get_mut(query as usize) {
            *answer = Some(next);
        }
    }

    /// True if this alert of the current step was due before: each is raised once.
    fn has_alerted(&self, exit: ExitIndex) -> bool {
        self.log.entries().iter().any(|entry| {
            entry.place == self.place && matches!(entry.event, Event::Alerted { exit: told } if told == exit)
        })
    }
}
