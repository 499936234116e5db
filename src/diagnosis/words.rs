//! Texts with the facts of a diagnosis in their places.

use chrono::{DateTime, Utc};

use super::Diagnosis;
use super::log::{Entry, Event, Statement};
use crate::fact::{Details, Domain, Value};
use crate::runbook::step::Step;
use crate::runbook::text::{Condition, FactRef, Text};

/// What a check found last, where it is known.
struct Found<'a> {
    value: Value,
    domain: &'a Domain,
    details: &'a Details,
    at: DateTime<Utc>,
}

impl<'a> Found<'a> {
    fn detail(&self, name: &str) -> Option<&'a str> {
        self.details.iter().find(|detail| detail.name == *name).map(|detail| &*detail.text)
    }
}

impl Diagnosis {
    /// The advice of a step that fits what was found, its facts in place.
    pub(super) fn advice_of(&self, step: &Step) -> Vec<Box<str>> {
        let fitting = step
            .advice
            .iter()
            .filter(|advice| advice.condition.as_ref().is_none_or(|condition| self.is_met(condition)));
        fitting.map(|advice| self.fill(&advice.text, None).into()).collect()
    }

    fn is_met(&self, condition: &Condition) -> bool {
        let takes = |found: Found<'_>| {
            let detail = condition.detail.as_deref();
            condition.guard.takes(found.value, found.at)
                && detail.is_none_or(|name| found.detail(name).is_some())
        };
        self.found(&condition.check).is_some_and(takes) == condition.holds
    }

    /// The text with its facts in place; `value` is that of the branch, in words and as a percentage.
    pub(super) fn fill(&self, text: &Text, value: Option<(Value, &Domain)>) -> String {
        text.render(|fact| self.in_place(fact, value))
    }

    fn in_place(&self, fact: &FactRef, value: Option<(Value, &Domain)>) -> Option<String> {
        // A check may be called `value` too; in `says` the branch's own comes first.
        if let (FactRef::VALUE, Some((value, domain))) = (&*fact.check, value) {
            return Some(shown(value, domain, fact.percent));
        }
        let found = self.found(&fact.check)?;
        match &fact.detail {
            None => Some(shown(found.value, found.domain, fact.percent)),
            Some(name) => found.detail(name).map(str::to_owned),
        }
    }

    /// The newest answer to a check, whoever gave it; `None` where that is unknown, or nobody asked.
    fn found(&self, check: &str) -> Option<Found<'_>> {
        // The newest counts, even if it is unknown: an older value may not hold any more.
        self.log.entries().iter().rev().find_map(|entry| self.answer_in(entry, check)).flatten()
    }

    /// The answer to the check that the entry holds, if it holds one; the inner `None` is an unknown.
    fn answer_in(&self, entry: &Entry, check: &str) -> Option<Option<Found<'_>>> {
        let (query, known) = match &entry.event {
            Event::Answered { query, observed, .. }
            | Event::Explored { query, observed, .. }
            | Event::News { query, observed }
            | Event::Rechecked { query, observed, .. } => {
                let observation = self.log.observation(*observed)?;
                (*query, observation.value().map(|value| (value, observation.details())))
            }
            Event::PersonAnswered { said, .. } => {
                let query = self.context.step(entry.place)?.kind.query()?;
                let Statement::Reply(reply) = self.log.statement(*said)? else { return None };
                let query = self.context.set.query(entry.place.runbook, query)?;
                (query, reply.value.map(|value| (value, &reply.details)))
            }
            _ => return None,
        };
        let query = self.context.set.queries().get(query as usize)?;
        let found = |(value, details)| Found { value, domain: &query.domain, details, at: entry.at };
        (*query.check == *check).then(|| known.map(found))
    }
}

fn shown(value: Value, domain: &Domain, percent: bool) -> String {
    let percentage = if percent { value.in_percent() } else { None };
    percentage.unwrap_or_else(|| value.in_words(domain))
}
