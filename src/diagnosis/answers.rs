//! What was asked on the way and what was found, in words.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Diagnosis;
use super::log::{Entry, Event, Statement};
use crate::fact::{Details, Domain, Kind, Observation, Value};

/// A question of a diagnosis and its answer, in words: the material of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Answer {
    /// The position of its record in the trace and in the bundle, from zero.
    pub record: u32,
    /// When it was given.
    pub at: DateTime<Utc>,
    /// The name of the runbook.
    pub runbook: Box<str>,
    /// The id of the step.
    pub step: Box<str>,
    /// The title of the step; the check, as words, for what was asked again, or was reported by somebody.
    pub question: Box<str>,
    /// The group of the step.
    pub group: Option<Box<str>>,
    /// The id of the check; `None` for the time since the trigger and the share accounted for.
    pub check: Option<Box<str>>,
    /// The answer: what the branch says, or the value in words; `unknown: …` where it is not known.
    pub answer: Box<str>,
    /// Whether it is known.
    pub is_known: bool,
    /// Who gave it.
    pub source: Option<Box<str>>,
    /// When it held; `None` where it is unknown, or a person said so.
    pub observed_at: Option<DateTime<Utc>>,
    /// What it was judged from.
    pub details: Details,
    /// What the runbook notes about it.
    pub note: Option<Box<str>>,
    /// The step that it led to; `None` where it was asked while exploring.
    pub leads_to: Option<Box<str>>,
    /// The conclusion or step that it led to, in a line.
    pub leads_to_title: Option<Box<str>>,
}

/// What an entry holds that somebody found out.
struct Given<'a> {
    check: Option<&'a str>,
    value: Result<(Value, &'a Domain), String>,
    source: Option<String>,
    observed_at: Option<DateTime<Utc>>,
    details: Details,
}

impl Diagnosis {
    /// Each question and its answer so far, in the order in which they came.
    #[must_use]
    pub fn answers(&self) -> Vec<Answer> {
        (0..self.log.next()).filter_map(|record| self.answer_at(record)).collect()
    }

    /// The answer that the record at a position of the trace has; `None` where it has none.
    #[must_use]
    pub fn answer_at(&self, record: u32) -> Option<Answer> {
        let entry = self.log.get(record)?;
        let given = self.given(entry)?;
        let (context, place) = (&self.context, entry.place);
        let step = context.step(place)?;
        let exit = entry.event.exit();
        let taken = exit.and_then(|exit| context.exit(place, exit));
        let says = taken.and_then(|exit| exit.says.as_ref());
        let answer = match (&given.value, says) {
            (Ok(_), Some(says)) => self.fill_exit(says, record),
            (Ok((value, domain)), None) => value.in_words(domain),
            (Err(why), _) => why.clone(),
        };
        let question = match (&entry.event, given.check) {
            (Event::Rechecked { .. }, Some(check)) => format!("Asked again, {}", as_words(check)).into(),
            (Event::News { .. }, Some(check)) => format!("Reported meanwhile, {}", as_words(check)).into(),
            (_, Some(check)) if step.title.is_empty() => as_words(check).into(),
            _ => step.title.clone(),
        };
        // While it explores, no branch is taken, and the answer leads nowhere yet.
        let leads_to = taken.and_then(|exit| context.runbook(place)?.step(exit.to));
        Some(Answer {
            record,
            at: entry.at,
            runbook: context.runbook_name(place).into(),
            step: step.id.clone(),
            question,
            group: step.group.clone(),
            check: given.check.map(Into::into),
            answer: answer.into(),
            is_known: given.value.is_ok(),
            source: given.source.map(Into::into),
            observed_at: given.observed_at,
            details: given.details,
            note: taken.and_then(|exit| exit.note.as_ref()).map(|note| self.fill_exit(note, record).into()),
            leads_to: leads_to.map(|step| step.id.clone()),
            leads_to_title: leads_to.map(|step| step.title.clone()),
        })
    }

    /// The value that the entry holds, where it is known.
    pub(super) fn value_in(&self, entry: &Entry) -> Option<(Value, &Domain)> {
        self.given(entry)?.value.ok()
    }

    fn given(&self, entry: &Entry) -> Option<Given<'_>> {
        let always = |value, domain| Given {
            check: None,
            value: Ok((value, domain)),
            source: None,
            observed_at: None,
            details: Details::none(),
        };
        match &entry.event {
            Event::Answered { query, observed, .. }
            | Event::Explored { query, observed, .. }
            | Event::News { query, observed }
            | Event::Rechecked { query, observed, .. } => {
                self.observed(*query, self.log.observation(*observed)?)
            }
            Event::Reused { query, entry, .. } => {
                self.observed(*query, self.log.observation_of(self.log.get(*entry)?)?)
            }
            Event::NotNamed { query, .. } => {
                let query = self.context.set.queries().get(*query as usize)?;
                Some(Given {
                    check: Some(&query.check),
                    value: Err(format!("not asked: no {} is named", self.context.unnamed_part(query))),
                    source: None,
                    observed_at: None,
                    details: Details::none(),
                })
            }
            Event::Elapsed { elapsed, .. } => Some(always(Value::Duration(*elapsed), &DURATION)),
            Event::Accounted { share, .. } => Some(always(Value::Number(*share), &NUMBER)),
            Event::PersonAnswered { said, .. } => {
                let Statement::Reply(reply) = self.log.statement(*said)? else { return None };
                let domain = super::outputs::Question::of(self.context.step(entry.place)?)?.domain;
                let value = reply.value.map(|value| (value, domain));
                Some(Given {
                    check: self.check_at(entry),
                    value: value.ok_or_else(|| "unknown: the person asked does not know".to_owned()),
                    source: Some(reply.by.to_string()),
                    observed_at: None,
                    details: reply.details.clone(),
                })
            }
            _ => None,
        }
    }

    fn observed<'a>(&'a self, query: u32, observation: &Observation) -> Option<Given<'a>> {
        let query = self.context.set.queries().get(query as usize)?;
        let value = match observation {
            Observation::Known(evidence) => Ok((evidence.value, &query.domain)),
            Observation::Unknown(unknown) => {
                Err(format!("unknown: {}", unknown.reason.name().replace('-', " ")))
            }
        };
        let observed_at = match observation {
            Observation::Known(evidence) => Some(evidence.observed_at),
            Observation::Unknown(_) => None,
        };
        Some(Given {
            check: Some(&query.check),
            value,
            source: Some(observation.source().to_string()),
            observed_at,
            details: observation.details().clone(),
        })
    }

    /// The check that the step of the entry asks.
    fn check_at(&self, entry: &Entry) -> Option<&str> {
        let query = self.context.step(entry.place)?.kind.query()?;
        let query = self.context.runbook(entry.place)?.queries().get(query.position())?;
        Some(&query.check)
    }
}

/// An id as words.
fn as_words(id: &str) -> String {
    id.replace('-', " ")
}

static DURATION: Domain = Domain::new(Kind::Duration);
static NUMBER: Domain = Domain::new(Kind::Number);
