//! How answers move a diagnosis.

use chrono::TimeDelta;

use super::{DONE, FAILED, NEEDLESS, REFUSED};
use crate::diagnosis::log::{Event, ExitIndex, Observed, Place, Word};
use crate::diagnosis::output::{ActOutcome, ActReport, Reply, RequestId};
use crate::diagnosis::{Diagnosis, Phase};
use crate::fact::{Domain, Evidence, Observation, Source, UnknownReason, Value};
use crate::runbook::step::StepKind;
use crate::time::{format_duration, since};

impl Diagnosis {
    /// Takes the answer to a check, and the way out of the present one that it opens.
    #[inline]
    pub(in crate::diagnosis) fn take_answer(
        &mut self,
        request: RequestId,
        query: u32,
        observed: Observed,
        exit: Option<ExitIndex>,
    ) {
        self.close(request);
        self.remember(query);
        if !matches!(self.phase, Phase::Probing) {
            self.take_further_answer(request, query, observed);
            return;
        }
        self.push(Event::Answered { request, query, observed, exit });
        match exit {
            Some(exit) => self.leave(exit),
            None => self.ask_or_explore(),
        }
    }

    /// Takes an answer that was asked beside the way: while exploring, or before an act.
    #[inline(never)]
    fn take_further_answer(&mut self, request: RequestId, query: u32, observed: Observed) {
        match &mut self.phase {
            Phase::Exploring(exploration) => {
                let step = exploration.answered(query).unwrap_or(self.place.step);
                self.push_at(Place { step, ..self.place }, Event::Explored { request, query, observed });
                self.go_on_exploring();
            }
            // Only that, a recheck, and a step that is probed ask.
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
    pub(in crate::diagnosis) fn take_approval(
        &mut self,
        request: RequestId,
        by: Source,
        declined: Option<Box<str>>,
    ) {
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
    pub(in crate::diagnosis) fn take_report(&mut self, request: RequestId, report: ActReport) {
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
    pub(in crate::diagnosis) fn take_reply(&mut self, request: RequestId, reply: Reply) {
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
    pub(super) fn unanswered_exit(&self) -> Option<ExitIndex> {
        match self.context.step(self.place).map(|step| &step.kind) {
            Some(StepKind::Ask(ask)) => u16::try_from(ask.branches.as_slice().len()).ok(),
            _ => None,
        }
    }

    /// Makes an answer what it counts as: no value of the check's domain, or too old, is unknown.
    #[inline]
    pub(in crate::diagnosis) fn accept(&self, query: u32, observation: &mut Observation) {
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
