//! What a diagnosis came to.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::Diagnosis;
use super::anomaly::Anomaly;
use super::bundle;
use super::hypothesis::Explored;
use super::log::{Entry, Event, Place};
use super::output::{Context, DiagnosisId};
use crate::runbook::step::{CheckSource, Conclusion, Severity, Step, StepIndex, StepKind};
use crate::subject::Subject;

/// What a diagnosis came to: a conclusion, or hypotheses where something stayed unknown.
///
/// It serialises for reports; it is not read back (the [`Bundle`](super::Bundle) is).
#[derive(Clone, Debug)]
pub struct Finding {
    context: Arc<Context>,
    place: Place,
    ending: Ending,
    at: DateTime<Utc>,
    /// Most findings have none.
    more: Option<Box<More>>,
}

/// What there is to tell beside a plain conclusion.
#[derive(Clone, Debug, Default)]
struct More {
    hypotheses: Vec<Hypothesis>,
    refuted: Vec<Refuted>,
    next_probe: Option<NextProbe>,
    contributing: Vec<Contribution>,
    called: Vec<Called>,
    anomalies: Vec<(DateTime<Utc>, Anomaly)>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Ending {
    /// At a conclusion: each step on the way was known, or says itself where an unknown answer leads.
    Concluded,
    /// Something stayed unknown; there are hypotheses.
    Undetermined,
    /// It could not go on.
    Aborted(Anomaly),
}

/// A conclusion that is still consistent with everything that is known. One survivor is still a hypothesis.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Hypothesis {
    /// The id of the conclusion.
    pub conclusion: Box<str>,
    /// The root cause it names.
    pub root_cause: Option<Box<str>>,
    /// Its share of the weight of all hypotheses, from 0 to 1, by the runbook's prior alone.
    pub share: f64,
    /// The step at which the walk to it stopped: a wait, an act, a question or a handover, which is never taken
    /// on a hypothesis.
    pub blocked_at: Option<Box<str>>,
    /// What was found on the way to it. Told for the 64 likeliest.
    pub supported_by: Vec<Fact>,
    /// The steps on the way whose value is unknown. Told for the 64 likeliest.
    pub needs: Vec<Box<str>>,
}

/// A conclusion that the facts rule out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Refuted {
    /// The id of the conclusion.
    pub conclusion: Box<str>,
    /// The facts that rule it out each by itself; none where only several together do, or where it lies behind
    /// steps that were not reached.
    pub by: Vec<Fact>,
}

/// A value that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Fact {
    /// The id of the check.
    pub check: Box<str>,
    /// The value, as a person reads it.
    pub value: String,
    /// Who said so.
    pub source: Box<str>,
}

/// The step whose answer would tell most.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NextProbe {
    /// The id of the step.
    pub step: Box<str>,
    /// The id of its check.
    pub check: Box<str>,
    /// By how many bits its answer is expected to lower the entropy of the hypotheses.
    pub bits: f64,
}

/// Something that was found on the way and was not the end of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Called {
    /// Its name.
    pub runbook: Box<str>,
    /// The id of its conclusion; none where it could not tell.
    pub conclusion: Option<Box<str>>,
    /// What it left as hypotheses, where it could not tell.
    pub hypotheses: Vec<Hypothesis>,
}

impl Finding {
    /// The diagnosis.
    #[must_use]
    pub fn diagnosis(&self) -> DiagnosisId {
        self.context.id
    }

    /// Whom it is about.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.context.subject
    }

    /// The name of the runbook.
    #[must_use]
    pub fn runbook(&self) -> &str {
        self.context.runbook_name(self.place)
    }

    /// How it ended.
    #[must_use]
    pub const fn ending(&self) -> Ending {
        self.ending
    }

    /// When it ended, by the clock that it was given.
    #[must_use]
    pub const fn at(&self) -> DateTime<Utc> {
        self.at
    }

    /// The id of the conclusion; none where it is undetermined or could not go on.
    #[must_use]
    pub fn conclusion(&self) -> Option<&str> {
        self.concluded().map(|(step, _)| &*step.id)
    }

    /// The conclusion in a line.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.concluded().map(|(step, _)| &*step.title)
    }

    /// The root cause that the conclusion names.
    #[must_use]
    pub fn root_cause(&self) -> Option<&str> {
        self.concluded().and_then(|(_, conclusion)| conclusion.root_cause.as_deref())
    }

    /// How urgent the conclusion is.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        self.concluded().map(|(_, conclusion)| conclusion.severity)
    }

    /// Whether the conclusion means that the subject has recovered.
    #[must_use]
    pub fn is_recovered(&self) -> bool {
        self.concluded().is_some_and(|(_, conclusion)| conclusion.recovered)
    }

    /// What to do about it.
    pub fn advice(&self) -> impl Iterator<Item = &str> {
        self.concluded().into_iter().flat_map(|(step, _)| step.advice.iter().map(AsRef::as_ref))
    }

    /// The conclusions that are still possible, the likeliest first. Empty at a conclusion.
    #[must_use]
    pub fn hypotheses(&self) -> &[Hypothesis] {
        self.more.as_ref().map_or(&[], |more| &more.hypotheses)
    }

    /// The conclusions that the facts rule out. Empty at a conclusion.
    #[must_use]
    pub fn refuted(&self) -> &[Refuted] {
        self.more.as_ref().map_or(&[], |more| &more.refuted)
    }

    /// What to find out next, where something stayed unknown.
    #[must_use]
    pub fn next_probe(&self) -> Option<&NextProbe> {
        self.more.as_ref()?.next_probe.as_ref()
    }

    /// What was found on the way and was not the end of it.
    #[must_use]
    pub fn contributing(&self) -> &[Contribution] {
        self.more.as_ref().map_or(&[], |more| &more.contributing)
    }

    /// The runbooks that were handed over to, in order.
    #[must_use]
    pub fn called(&self) -> &[Called] {
        self.more.as_ref().map_or(&[], |more| &more.called)
    }

    /// What should not have happened, and when.
    #[must_use]
    pub fn anomalies(&self) -> &[(DateTime<Utc>, Anomaly)] {
        self.more.as_ref().map_or(&[], |more| &more.anomalies)
    }

    #[inline(never)]
    pub(super) fn of(diagnosis: &Diagnosis) -> Self {
        let last = diagnosis.log.entries().last();
        let ending = match last.map(|entry| &entry.event) {
            Some(Event::Concluded) => Ending::Concluded,
            Some(Event::Aborted(anomaly)) => Ending::Aborted(*anomaly),
            _ => Ending::Undetermined,
        };
        // The finding is written once, at the end: the caller reads it at once, and what was just laid aside is slow to read.
        let has_more = diagnosis.remarkable || ending == Ending::Undetermined;
        let more = if has_more { More::of(diagnosis, ending) } else { None };
        let (context, place) = (Arc::clone(&diagnosis.context), diagnosis.place);
        Self { context, place, ending, at: last.map_or(diagnosis.now, |entry| entry.at), more }
    }

    fn concluded(&self) -> Option<(&Step, &Conclusion)> {
        if self.ending != Ending::Concluded {
            return None;
        }
        let step = self.context.step(self.place)?;
        match &step.kind {
            StepKind::Conclude(conclusion) => Some((step, conclusion)),
            _ => None,
        }
    }
}

impl More {
    /// What there is to tell beside how it ended, if there is anything.
    #[inline(never)]
    fn of(diagnosis: &Diagnosis, ending: Ending) -> Option<Box<Self>> {
        let mut more: Option<Box<Self>> = None;
        if ending == Ending::Undetermined
            && let Some((place, explored)) = diagnosis.explored().last()
        {
            let more = more.get_or_insert_default();
            more.hypotheses = hypotheses(diagnosis, *place, explored);
            more.refuted = refuted(diagnosis, *place, explored);
            more.next_probe = next_probe(&diagnosis.context, *place, explored);
        }
        if diagnosis.remarkable {
            more.get_or_insert_default().gather(diagnosis);
        }
        more
    }

    fn gather(&mut self, diagnosis: &Diagnosis) {
        let context = &diagnosis.context;
        // Explorations that a runbook ended with, each before the entry that returns from it.
        let mut explored = diagnosis.explored().iter();
        let mut callees = Vec::new();
        for entry in diagnosis.log.entries() {
            match &entry.event {
                Event::Anomaly(anomaly) | Event::Aborted(anomaly) => {
                    self.anomalies.push((entry.at, *anomaly));
                }
                Event::Called { callee } => callees.push(*callee),
                Event::Returned { conclusion, .. } => {
                    let Some(runbook) = callees.pop() else { continue };
                    let named = |step| Box::from(context.step_id(Place { runbook, step }));
                    let left = if conclusion.is_some() { None } else { explored.next() };
                    self.called.push(Called {
                        runbook: context.set.runbook(runbook).map_or("", |runbook| runbook.name()).into(),
                        conclusion: conclusion.map(named),
                        hypotheses: left
                            .map_or_else(Vec::new, |(place, left)| hypotheses(diagnosis, *place, left)),
                    });
                }
                _ => {}
            }
            let exit = entry.event.exit().and_then(|exit| context.step(entry.place)?.kind.exit(exit));
            if let Some(note) = exit.and_then(|exit| exit.note.as_ref()) {
                self.contributing.push(Contribution {
                    runbook: context.runbook_name(entry.place).into(),
                    step: context.step_id(entry.place).into(),
                    note: note.clone(),
                    fact: fact_of(diagnosis, entry),
                });
            }
        }
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut fields = to.serialize_struct("Finding", 17)?;
        fields.serialize_field("diagnosis", &self.diagnosis())?;
        fields.serialize_field("runbook", self.runbook())?;
        fields.serialize_field("subject", self.subject())?;
        fields.serialize_field("ending", &self.ending)?;
        fields.serialize_field("at", &self.at)?;
        fields.serialize_field("conclusion", &self.conclusion())?;
        fields.serialize_field("title", &self.title())?;
        fields.serialize_field("root_cause", &self.root_cause())?;
        fields.serialize_field("severity", &self.severity())?;
        fields.serialize_field("recovered", &self.is_recovered())?;
        fields.serialize_field("advice", &self.advice().collect::<Vec<_>>())?;
        fields.serialize_field("hypotheses", self.hypotheses())?;
        fields.serialize_field("refuted", self.refuted())?;
        fields.serialize_field("next_probe", &self.next_probe())?;
        fields.serialize_field("contributing", self.contributing())?;
        fields.serialize_field("called", self.called())?;
        fields.serialize_field("anomalies", self.anomalies())?;
        fields.end()
    }
}

fn hypotheses(diagnosis: &Diagnosis, place: Place, explored: &Explored) -> Vec<Hypothesis> {
    let context = &diagnosis.context;
    let total: f64 = explored.hypotheses.iter().map(|hypothesis| hypothesis.weight).sum();
    let id = |step: StepIndex| Box::from(context.step_id(Place { step, ..place }));
    explored
        .hypotheses
        .iter()
        .map(|hypothesis| Hypothesis {
            conclusion: id(hypothesis.conclusion),
            root_cause: context.step(Place { step: hypothesis.conclusion, ..place }).and_then(|step| {
                match &step.kind {
                    StepKind::Conclude(conclusion) => conclusion.root_cause.clone(),
                    _ => None,
                }
            }),
            share: hypothesis.weight / total,
            blocked_at: hypothesis.blocked_at.map(id),
            supported_by: facts(diagnosis, &hypothesis.supports),
            needs: hypothesis.needs.iter().copied().map(id).collect(),
        })
        .collect()
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

fn fact_of(diagnosis: &Diagnosis, entry: &Entry) -> Option<Fact> {
    let (query, observed) = match &entry.event {
        Event::Answered { query, observed, .. }
        | Event::Explored { query, observed, .. }
        | Event::Rechecked { query, observed, .. } => (*query, *observed),
        Event::Reused { entry, .. } => return fact_of(diagnosis, diagnosis.log.get(*entry)?),
        _ => return None,
    };
    let observation = diagnosis.log.observation(observed)?;
    let query = diagnosis.context.set.queries().get(query as usize)?;
    Some(Fact {
        check: query.check.clone(),
        value: bundle::render(observation, &query.domain),
        source: observation.source().as_str().into(),
    })
}
