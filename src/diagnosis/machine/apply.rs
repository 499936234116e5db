//! How answers move a diagnosis.

use chrono::TimeDelta;

use super::{DONE, FAILED, REFUSED};
use crate::diagnosis::anomaly::Anomaly;
use crate::diagnosis::facts::exit_of;
use crate::diagnosis::id::RequestId;
use crate::diagnosis::log::{Event, ExitIndex, Place, Statement};
use crate::diagnosis::reply::{ActOutcome, ActReport, Reply};
use crate::diagnosis::{Diagnosis, Phase};
use crate::fact::{Domain, Evidence, Observation, Source, UnknownReason, Value};
use crate::runbook::step::{OnFuture, StepKind};
use crate::time::{format_duration, since};

impl Diagnosis {
    /// Takes the answer to a check. `is_future`: it, or the instant in it, is dated in the future.
    pub(in crate::diagnosis) fn apply_answer(
        &mut self,
        request: RequestId,
        query: u32,
        observation: Observation,
        is_future: bool,
    ) {
        self.close(request);
        // The fact is the entry that is pushed next, so it must be noted before.
        self.remember(query);
        let exit = match &self.phase {
            Phase::Probing => self.check().and_then(|check| exit_of(check, &observation, self.now)),
            Phase::Exploring(_) => None,
            // Only rechecks ask beside these.
            _ => observation.value().and_then(|value| self.recheck_exit(value)),
        };
        let observed = self.log.keep(observation);
        match &mut self.phase {
            Phase::Probing => {
                self.push(Event::Answered { request, query, observed, exit });
                self.note_future(is_future);
                match exit {
                    Some(exit) => self.leave(exit),
                    None => self.ask_or_explore(),
                }
            }
            Phase::Exploring(exploration) => {
                let step = exploration.answered(query).unwrap_or(self.place.step);
                self.push_at(Place { step, ..self.place }, Event::Explored { request, query, observed });
                self.note_future(is_future);
                self.go_on_exploring();
            }
            _ => {
                self.push(Event::Rechecked { request, query, observed, exit });
                self.note_future(is_future);
                self.go_on_after_recheck(exit);
            }
        }
    }

    pub(super) fn note_future(&mut self, is_future: bool) {
        if is_future {
            self.note_anomaly(Anomaly::Future);
        }
    }

    /// Not knowing whether anything has changed is no reason to leave the course.
    fn go_on_after_recheck(&mut self, exit: Option<ExitIndex>) {
        match (exit, std::mem::replace(&mut self.phase, Phase::Ended)) {
            (Some(exit), phase) => {
                if let Phase::Rechecking { .. } = phase {
                    self.begin_epoch();
                }
                self.leave(exit);
            }
            (None, Phase::LookingAgain(None)) => self.end(Some(self.place.step)),
            (None, Phase::LookingAgain(Some(explored))) => self.end_undetermined(*explored),
            // Unknown does not call an act off: it was approved, and the recheck could only have made it
            // needless.
            (None, _) => self.act(),
        }
    }

    /// Takes a person's word on an action.
    pub(in crate::diagnosis) fn apply_approval(
        &mut self,
        request: RequestId,
        by: Source,
        declined: Option<Box<str>>,
    ) {
        self.close(request);
        match declined {
            None => {
                let said = self.log.keep_statement(Statement::Approved(by));
                self.push(Event::Approved { request, said });
                self.begin_act();
            }
            Some(reason) => {
                let said = self.log.keep_statement(Statement::Refused { by, reason });
                self.push(Event::Declined { request: Some(request), said, exit: REFUSED });
                self.begin_epoch();
                self.leave(REFUSED);
            }
        }
    }

    /// Takes the actuator's report.
    pub(in crate::diagnosis) fn apply_report(&mut self, request: RequestId, report: ActReport) {
        self.close(request);
        let exit = match report.outcome {
            ActOutcome::Done => DONE,
            ActOutcome::Refused => REFUSED,
            ActOutcome::Failed => FAILED,
        };
        let said = self.log.keep_statement(Statement::Report(report));
        self.push(Event::Acted { request, said, exit });
        self.begin_epoch();
        self.leave(exit);
    }

    /// Takes a person's answer.
    pub(in crate::diagnosis) fn apply_reply(&mut self, request: RequestId, reply: Reply) {
        self.close(request);
        let exit = match (reply.value, self.context.step(self.place).map(|step| &step.kind)) {
            (Some(value), Some(StepKind::Check(check))) => check.branches.select(value, self.now),
            (Some(value), Some(StepKind::Ask(ask))) => ask.branches.select(value, self.now),
            _ => self.unanswered_exit(),
        }
        .map(ExitIndex::Step);
        let said = self.log.keep_statement(Statement::Reply(reply));
        self.push(Event::PersonAnswered { request, said, exit });
        self.begin_epoch();
        self.leave_or_explore(exit);
    }

    /// The way out of a question that nobody answers; none where the check explores then.
    pub(super) fn unanswered_exit(&self) -> Option<u16> {
        match self.context.step(self.place).map(|step| &step.kind) {
            Some(StepKind::Check(check)) => check.expired_position(),
            Some(StepKind::Ask(ask)) => u16::try_from(ask.branches.as_slice().len()).ok(),
            _ => None,
        }
    }

    /// Makes an answer what it counts as: one that is no value of the check's domain, too old, or dated in the future is
    /// unknown. True if it, or the instant in it, is dated in the future.
    pub(in crate::diagnosis) fn accept(&self, query: u32, observation: &mut Observation) -> bool {
        let evidence = match &*observation {
            Observation::Known(evidence) => evidence,
            Observation::Unknown(unknown) => return unknown.reason == UnknownReason::Future,
        };
        let Some(query) = self.context.set.queries().get(query as usize) else { return false };
        // First: to compare the dates of a value that is none would hide the adapter's real fault.
        if !evidence.value.is_of(&query.domain) {
            *observation = not_in_domain(evidence, &query.domain);
            return false;
        }
        let tolerance = self.context.clock_tolerance(self.place);
        let ahead = |at| since(at, self.now);
        if ahead(evidence.observed_at) > tolerance {
            *observation = future(evidence, "observed", ahead(evidence.observed_at), tolerance);
            return true;
        }
        if let Value::Instant(at) = evidence.value
            && ahead(at) > tolerance
        {
            // Some dates may lie ahead, like the end of a certificate. Everything else of the future is a
            // wrong clock.
            if query.future == OnFuture::Unknown {
                *observation = future(evidence, "dated", ahead(at), tolerance);
            }
            return true;
        }
        let age = since(self.now, evidence.observed_at);
        if let Some(bound) = query.stale_after.filter(|bound| age > *bound) {
            *observation = stale(evidence, age, bound);
        }
        false
    }
}

fn not_in_domain(evidence: &Evidence, domain: &Domain) -> Observation {
    unknown(evidence, UnknownReason::NotInDomain, evidence.value.not_of(domain))
}

fn stale(evidence: &Evidence, age: TimeDelta, bound: TimeDelta) -> Observation {
    let (age, bound) = (format_duration(age), format_duration(bound));
    let text = format!("observed {age} before the answer came; the check allows {bound}");
    unknown(evidence, UnknownReason::Stale, text)
}

fn future(evidence: &Evidence, what: &str, ahead: TimeDelta, tolerance: TimeDelta) -> Observation {
    let (ahead, tolerance) = (format_duration(ahead), format_duration(tolerance));
    let text = format!("{what} {ahead} in the future; the clock tolerance is {tolerance}");
    unknown(evidence, UnknownReason::Future, text)
}

fn unknown(evidence: &Evidence, reason: UnknownReason, text: String) -> Observation {
    let beside = evidence.details.iter().cloned();
    Observation::unknown(reason, evidence.source.clone(), text).with_details(beside)
}
