//! The result of a diagnosis.

mod display;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Diagnosis;
use super::anomaly::Anomaly;
use super::context::Context;
use super::hypothesis::{Candidate, Explored, Unanswerable};
use super::id::DiagnosisId;
use super::log::{Entry, Event, Place, Statement, StatementId};
use super::reply::Reply;
use crate::fact::{Details, Observation, Source};
use crate::runbook::step::{CheckSource, Severity, Step, StepIndex, StepKind};
use crate::subject::{Part, Scope, Subject};

/// The result of a diagnosis: a conclusion, or hypotheses where something stayed unknown. A value of its own that
/// serialises, to be sent anywhere and read back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    diagnosis: DiagnosisId,
    runbook: Box<str>,
    subject: Subject,
    ending: Ending,
    at: DateTime<Utc>,
    conclusion: Option<Box<str>>,
    title: Option<Box<str>>,
    root_cause: Option<Box<str>>,
    severity: Option<Severity>,
    recovered: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    part: Option<Part>,
    advice: Vec<Box<str>>,
    hypotheses: Vec<Hypothesis>,
    refuted: Vec<Refuted>,
    next_probe: Option<NextProbe>,
    unanswered: Vec<Unanswered>,
    contributing: Vec<Contribution>,
    unasked: Vec<Unasked>,
    called: Vec<Called>,
    anomalies: Vec<(DateTime<Utc>, Anomaly)>,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Ending {
    /// At a conclusion: each step on the way was known, or says itself where an unknown answer leads.
    Concluded,
    /// Something stayed unknown; there are hypotheses.
    Undetermined,
    /// It could not go on.
    Aborted(Anomaly),
    /// Somebody withdrew it.
    Withdrawn {
        /// Who.
        by: Source,
        /// Why.
        why: Box<str>,
        /// The act that was under way, which nobody has stopped.
        under_way: Option<UnderWay>,
    },
}

/// An act whose report was still awaited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UnderWay {
    /// The id of the action.
    pub action: Box<str>,
    /// The name of its target, where the subject names one.
    pub target: Option<Box<str>>,
}

/// A root cause that is still consistent with everything that is known. A single survivor is still a hypothesis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Hypothesis {
    /// The root cause, such as `power-loss`; the id of the conclusion where that names none.
    pub cause: Box<str>,
    /// Its share of the weight of all hypotheses, from 0 to 1. It is a rank as a number, and not a probability: nobody has
    /// counted how often the cause is the true one.
    ///
    /// The first cause of the runbook's `prior` weighs 5, the next ones 4, 3, 2 and 1, later ones 1, and any cause that it does
    /// not name 0.5. Each measured answer whose branch speaks for other causes alone multiplies the weight by 0.05, and each
    /// whose branch speaks against the cause by 0.2. Compare shares within one finding; decide nothing by a threshold on them.
    pub share: f64,
    /// The ids of the conclusions of this cause that are possible without an act.
    pub conclusions: Vec<Box<str>>,
    /// The ids of the conclusions of this cause that may come next, behind an act that nobody has begun.
    pub outcomes: Vec<Box<str>>,
    /// The step at which the walk to it stopped, if every way to it is behind a wait, an act, a question or a handover:
    /// these are never taken on a hypothesis.
    pub blocked_at: Option<Box<str>>,
    /// The facts that speak for it.
    pub supported_by: Vec<Fact>,
    /// The steps on the way to it whose value is unknown.
    pub needs: Vec<Box<str>>,
}

/// An unknown step that is never proposed as the next probe, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Unanswered {
    /// The id of the step.
    pub step: Box<str>,
    /// Why asking again now does not help.
    pub why: Unanswerable,
}

/// A conclusion that the facts rule out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Refuted {
    /// The id of the conclusion.
    pub conclusion: Box<str>,
    /// The facts that rule it out each by itself; none where only several together do, or where it lies behind
    /// steps that were not reached.
    pub by: Vec<Fact>,
}

/// A value that was found, or that nobody could find out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Fact {
    /// The id of the check.
    pub check: Box<str>,
    /// Which part of the subject it is about.
    pub scope: Scope,
    /// The value, as a person reads it: `healthy`, `5m`, `unknown (timeout)`.
    pub value: String,
    /// Who said so; `person NAME` where a person answered in place of the check.
    pub source: Box<str>,
    /// When it held; `None` where it is unknown, or a person said so.
    pub observed_at: Option<DateTime<Utc>>,
    /// What it was judged from.
    pub details: Details,
}

/// A part that nobody asked about, because the subject does not name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Unasked {
    /// The name of the runbook.
    pub runbook: Box<str>,
    /// The id of the step.
    pub step: Box<str>,
    /// What the check of the step asks about.
    pub scope: Scope,
    /// What the subject does not name: the part that `scope` says, or the `period`.
    pub part: Box<str>,
}

/// The step whose answer would lower the entropy of the hypotheses most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NextProbe {
    /// The id of the step.
    pub step: Box<str>,
    /// The id of its check.
    pub check: Box<str>,
    /// By how many bits its answer is expected to lower the entropy of the hypotheses. Zero where one hypothesis is left, and
    /// the answer may rule it out.
    pub bits: f64,
}

/// Something that was found on the way and was not the end of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Contribution {
    /// The name of the runbook.
    pub runbook: Box<str>,
    /// The id of the step.
    pub step: Box<str>,
    /// What the runbook says of it.
    pub note: Box<str>,
    /// The fact, where the step is a check.
    pub fact: Option<Fact>,
}

/// A runbook that was handed over to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Called {
    /// Its name.
    pub runbook: Box<str>,
    /// The id of its conclusion; `None` if it ended undetermined.
    pub conclusion: Option<Box<str>>,
    /// Its hypotheses, if it ended undetermined.
    pub hypotheses: Vec<Hypothesis>,
}

impl Finding {
    /// A finding that says nothing yet.
    fn blank(diagnosis: DiagnosisId, runbook: &str, subject: Subject, at: DateTime<Utc>) -> Self {
        Self {
            diagnosis,
            runbook: runbook.into(),
            subject,
            ending: Ending::Undetermined,
            at,
            conclusion: None,
            title: None,
            root_cause: None,
            severity: None,
            recovered: false,
            part: None,
            advice: Vec::new(),
            hypotheses: Vec::new(),
            refuted: Vec::new(),
            next_probe: None,
            unanswered: Vec::new(),
            contributing: Vec::new(),
            unasked: Vec::new(),
            called: Vec::new(),
            anomalies: Vec::new(),
        }
    }

    /// A finding of a diagnosis that was withdrawn, for tests of what keeps findings.
    #[cfg(feature = "case")]
    pub(crate) fn withdrawn(
        diagnosis: DiagnosisId,
        subject: Subject,
        at: DateTime<Utc>,
        by: &'static str,
        why: &str,
    ) -> Self {
        let ending = Ending::Withdrawn { by: by.into(), why: why.into(), under_way: None };
        Self { ending, ..Self::blank(diagnosis, "", subject, at) }
    }

    /// The diagnosis.
    #[must_use]
    pub const fn diagnosis(&self) -> DiagnosisId {
        self.diagnosis
    }

    /// Whom it is about.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The name of the runbook.
    #[must_use]
    pub fn runbook(&self) -> &str {
        &self.runbook
    }

    /// How it ended.
    #[must_use]
    pub fn ending(&self) -> Ending {
        self.ending.clone()
    }

    /// When it ended, by the clock that it was given.
    #[must_use]
    pub const fn at(&self) -> DateTime<Utc> {
        self.at
    }

    /// The id of the conclusion; `None` where it ended without one.
    #[must_use]
    pub fn conclusion(&self) -> Option<&str> {
        self.conclusion.as_deref()
    }

    /// The conclusion in a line.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// The root cause that the conclusion names.
    #[must_use]
    pub fn root_cause(&self) -> Option<&str> {
        self.root_cause.as_deref()
    }

    /// How urgent the conclusion is.
    #[must_use]
    pub const fn severity(&self) -> Option<Severity> {
        self.severity
    }

    /// Whether the conclusion means that the subject has recovered.
    #[must_use]
    pub const fn is_recovered(&self) -> bool {
        self.recovered
    }

    /// The part at fault: the one that the conclusion blames, or the device where the subject does not name that part.
    /// `None` where it ended without a conclusion.
    #[must_use]
    pub const fn part(&self) -> Option<&Part> {
        self.part.as_ref()
    }

    /// What to do about it.
    pub fn advice(&self) -> impl Iterator<Item = &str> {
        self.advice.iter().map(AsRef::as_ref)
    }

    /// The root causes that are still possible, the likeliest first. Empty at a conclusion. An end that means recovery is no
    /// cause and never among them: one hypothesis with the share 1 does not mean that the subject is ill.
    #[must_use]
    pub fn hypotheses(&self) -> &[Hypothesis] {
        &self.hypotheses
    }

    /// The conclusions that the facts rule out. Empty at a conclusion.
    #[must_use]
    pub fn refuted(&self) -> &[Refuted] {
        &self.refuted
    }

    /// What to find out next, where something stayed unknown. `None` too where none of it can be asked, as without an adapter:
    /// see [`Finding::unanswered`].
    #[must_use]
    pub const fn next_probe(&self) -> Option<&NextProbe> {
        self.next_probe.as_ref()
    }

    /// The unknown steps that are never proposed as the next probe, with the reason.
    #[must_use]
    pub fn unanswered(&self) -> &[Unanswered] {
        &self.unanswered
    }

    /// What was found on the way and did not decide the end.
    #[must_use]
    pub fn contributing(&self) -> &[Contribution] {
        &self.contributing
    }

    /// The parts that nobody asked about, because the subject does not name them: the result does not rest on them.
    #[must_use]
    pub fn unasked(&self) -> &[Unasked] {
        &self.unasked
    }

    /// The runbooks that were handed over to, in order.
    #[must_use]
    pub fn called(&self) -> &[Called] {
        &self.called
    }

    /// What should not have happened, and when.
    #[must_use]
    pub fn anomalies(&self) -> &[(DateTime<Utc>, Anomaly)] {
        &self.anomalies
    }

    pub(super) fn of(diagnosis: &Diagnosis) -> Self {
        let context = &diagnosis.context;
        let last = diagnosis.log.entries().last();
        // When it ended, not when it is read: the same finding later is the same value.
        let at = last.map_or(diagnosis.now, |entry| entry.at);
        let mut finding = Self::blank(context.id, diagnosis.runbook(), context.subject.clone(), at);
        finding.gather(diagnosis);
        match last.map(|entry| &entry.event) {
            Some(Event::Concluded) => finding.conclude(diagnosis),
            Some(Event::Aborted(anomaly)) => finding.ending = Ending::Aborted(*anomaly),
            Some(Event::Withdrawn { said, acting }) => {
                if let Some(Statement::Withdrawn { by, why }) = diagnosis.log.statement(*said) {
                    let under_way = if *acting { under_way(context, diagnosis.place) } else { None };
                    finding.ending = Ending::Withdrawn { by: by.clone(), why: why.clone(), under_way };
                }
            }
            _ => finding.explored(diagnosis),
        }
        finding
    }

    fn conclude(&mut self, diagnosis: &Diagnosis) {
        self.ending = Ending::Concluded;
        let Some(step) = diagnosis.context.step(diagnosis.place) else { return };
        let Step { id, title, kind: StepKind::Conclude(conclusion), .. } = step else { return };
        self.conclusion = Some(id.clone());
        self.title = Some(title.clone());
        self.advice = diagnosis.advice_of(step);
        self.root_cause.clone_from(&conclusion.root_cause);
        self.severity = Some(conclusion.severity);
        self.recovered = conclusion.recovered;
        self.part = self.subject.part(conclusion.part).or_else(|| self.subject.part(Scope::Device));
    }

    fn explored(&mut self, diagnosis: &Diagnosis) {
        let Some((place, explored)) = diagnosis.explored.last() else { return };
        self.hypotheses = hypotheses(diagnosis, *place, explored);
        self.refuted = refuted(diagnosis, *place, explored);
        self.next_probe = next_probe(&diagnosis.context, *place, explored);
        let step = |step| Box::from(diagnosis.context.step_id(Place { step, ..*place }));
        let unanswered = explored.unanswerable.iter();
        self.unanswered = unanswered.map(|(at, why)| Unanswered { step: step(*at), why: *why }).collect();
        let steps = explored.not_named.iter();
        let places = steps.map(|step| Place { step: *step, ..*place });
        places.for_each(|place| self.leave_out(&diagnosis.context, place));
    }

    /// A step whose part the subject does not name; each once.
    fn leave_out(&mut self, context: &Context, place: Place) {
        let Some(runbook) = context.runbook(place) else { return };
        let query = context.step(place).and_then(|step| runbook.queries().get(step.kind.query()?.position()));
        let Some(query) = query.or_else(|| runbook.queries().get(runbook.unless()?.query.position())) else {
            return;
        };
        let unasked = Unasked {
            runbook: context.runbook_name(place).into(),
            step: context.step_id(place).into(),
            scope: query.scope,
            part: context.unnamed_part(query).into(),
        };
        if !self.unasked.contains(&unasked) {
            self.unasked.push(unasked);
        }
    }

    fn gather(&mut self, diagnosis: &Diagnosis) {
        let context = &diagnosis.context;
        // Each exploration came to its end at an entry of its own.
        let mut explorations = diagnosis.explored.iter();
        let mut explored = None;
        let mut callees = Vec::new();
        for (position, entry) in (0_u32..).zip(diagnosis.log.entries()) {
            match &entry.event {
                Event::Anomaly(anomaly) | Event::Aborted(anomaly) => {
                    self.anomalies.push((entry.at, *anomaly));
                }
                Event::NotNamed { .. } => self.leave_out(context, entry.place),
                Event::Undetermined => explored = explorations.next(),
                Event::Called { callee } => callees.push(*callee),
                Event::Left => {
                    callees.pop();
                }
                Event::Returned { conclusion, .. } => {
                    let Some(runbook) = callees.pop() else { continue };
                    let named = |step| Box::from(context.step_id(Place { runbook, step }));
                    // Taken, so that hypotheses of one called runbook are never shown for the next.
                    let left = explored.take().filter(|_| conclusion.is_none());
                    self.called.push(Called {
                        runbook: context.set.runbook(runbook).map_or("", |runbook| runbook.name()).into(),
                        conclusion: conclusion.map(named),
                        hypotheses: left
                            .map_or_else(Vec::new, |(place, left)| hypotheses(diagnosis, *place, left)),
                    });
                }
                _ => {}
            }
            if let Some(note) = note(diagnosis, entry, position) {
                self.contributing.push(Contribution {
                    runbook: context.runbook_name(entry.place).into(),
                    step: context.step_id(entry.place).into(),
                    note,
                    fact: fact_of(diagnosis, entry),
                });
            }
        }
    }
}

fn under_way(context: &Context, place: Place) -> Option<UnderWay> {
    let StepKind::Act(act) = &context.step(place)?.kind else { return None };
    let target = context.subject.name_of(act.scope).map(Into::into);
    Some(UnderWay { action: act.action.clone(), target })
}

/// What is kept of an entry: the note of the exit that was taken, or that something could not be asked again.
fn note(diagnosis: &Diagnosis, entry: &Entry, position: u32) -> Option<Box<str>> {
    let context = &diagnosis.context;
    if entry.event.exit().is_some() {
        return diagnosis.noted_at(position).map(Into::into);
    }
    // A conclusion that could not be looked at again still holds, but its reader must know.
    let Event::Rechecked { observed, .. } = &entry.event else { return None };
    let Observation::Unknown(unknown) = diagnosis.log.observation(*observed)? else { return None };
    let recheck = &context.recheck(entry.place)?.id;
    Some(format!("{recheck} could not be asked again: {}", unknown.reason).into())
}

fn hypotheses(diagnosis: &Diagnosis, place: Place, explored: &Explored) -> Vec<Hypothesis> {
    let total: f64 = explored.candidates.iter().map(|candidate| candidate.weight).sum();
    let id = |step: StepIndex| Box::from(diagnosis.context.step_id(Place { step, ..place }));
    let ids = |steps: &[StepIndex]| steps.iter().copied().map(id).collect();
    let hypothesis = |candidate: &Candidate| Hypothesis {
        cause: candidate.cause.clone(),
        share: candidate.weight / total,
        conclusions: ids(&candidate.conclusions),
        outcomes: ids(&candidate.outcomes),
        blocked_at: candidate.blocked_at.map(id),
        supported_by: facts(diagnosis, &candidate.supports),
        needs: ids(&candidate.needs),
    };
    explored.candidates.iter().map(hypothesis).collect()
}

fn refuted(diagnosis: &Diagnosis, place: Place, explored: &Explored) -> Vec<Refuted> {
    let named = |(step, by): &(StepIndex, Vec<u32>)| Refuted {
        conclusion: diagnosis.context.step_id(Place { step: *step, ..place }).into(),
        by: facts(diagnosis, by),
    };
    explored.refuted.iter().map(named).collect()
}

fn next_probe(context: &Context, place: Place, explored: &Explored) -> Option<NextProbe> {
    let (step, bits) = explored.next?;
    let place = Place { step, ..place };
    let StepKind::Check(check) = &context.step(place)?.kind else { return None };
    let CheckSource::Query(query) = check.source else { return None };
    let check = context.runbook(place)?.queries().get(query.position())?.check.clone();
    Some(NextProbe { step: context.step_id(place).into(), check, bits })
}

fn facts(diagnosis: &Diagnosis, entries: &[u32]) -> Vec<Fact> {
    let entries = entries.iter().filter_map(|entry| diagnosis.log.get(*entry));
    entries.filter_map(|entry| fact_of(diagnosis, entry)).collect()
}

/// The facts that were found, in order; of a query that was asked again, the latest.
pub(super) fn facts_so_far(diagnosis: &Diagnosis) -> Vec<Fact> {
    let mut facts: Vec<(u32, Fact)> = Vec::new();
    for entry in diagnosis.log.entries() {
        let query = match &entry.event {
            Event::Answered { query, .. }
            | Event::Explored { query, .. }
            | Event::News { query, .. }
            | Event::Rechecked { query, .. } => Some(*query),
            Event::PersonAnswered { .. } => {
                let query = diagnosis.context.step(entry.place).and_then(|step| step.kind.query());
                query.and_then(|query| diagnosis.context.set.query(entry.place.runbook, query))
            }
            _ => None,
        };
        if let Some(query) = query
            && let Some(fact) = fact_of(diagnosis, entry)
        {
            // The newest answer only, at the place of the newest: a person reads how it is, and in which
            // order it was found.
            facts.retain(|(before, _)| *before != query);
            facts.push((query, fact));
        }
    }
    facts.into_iter().map(|(_, fact)| fact).collect()
}

fn fact_of(diagnosis: &Diagnosis, entry: &Entry) -> Option<Fact> {
    let (query, observed) = match &entry.event {
        Event::Answered { query, observed, .. }
        | Event::Explored { query, observed, .. }
        | Event::News { query, observed }
        | Event::Rechecked { query, observed, .. } => (*query, *observed),
        Event::Reused { entry, .. } => return fact_of(diagnosis, diagnosis.log.get(*entry)?),
        Event::PersonAnswered { said, .. } => return person_fact(diagnosis, entry.place, *said),
        _ => return None,
    };
    let observation = diagnosis.log.observation(observed)?;
    let query = diagnosis.context.set.queries().get(query as usize)?;
    let observed_at = match observation {
        Observation::Known(evidence) => Some(evidence.observed_at),
        Observation::Unknown(_) => None,
    };
    Some(Fact {
        check: query.check.clone(),
        scope: query.scope,
        value: observation.render(&query.domain),
        source: observation.source().as_str().into(),
        observed_at,
        details: observation.details().clone(),
    })
}

/// What a person said in place of a check.
fn person_fact(diagnosis: &Diagnosis, place: Place, said: StatementId) -> Option<Fact> {
    let context = &diagnosis.context;
    let StepKind::Check(check) = &context.step(place)?.kind else { return None };
    let CheckSource::Query(query) = check.source else { return None };
    let query = context.runbook(place)?.queries().get(query.position())?;
    let Statement::Reply(Reply { value, by, details }) = diagnosis.log.statement(said)? else { return None };
    Some(Fact {
        check: query.check.clone(),
        scope: query.scope,
        value: value.map_or_else(|| "unknown (no-answer)".to_owned(), |value| value.render(&query.domain)),
        source: format!("person {by}").into(),
        observed_at: None,
        details: details.clone(),
    })
}
