//! Texts with the facts of a diagnosis in their places.

use chrono::{DateTime, Utc};

use super::Diagnosis;
use super::log::{Entry, Event, ExitIndex, Statement};
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
        fitting.map(|advice| self.fill(&advice.text, None, self.log.entries()).into()).collect()
    }

    fn is_met(&self, condition: &Condition) -> bool {
        let takes = |found: Found<'_>| {
            let detail = condition.detail.as_deref();
            condition.guard.takes(found.value, found.at)
                && detail.is_none_or(|name| found.detail(name).is_some())
        };
        self.found(&condition.check, self.log.entries()).is_some_and(takes) == condition.holds
    }

    /// The note or the text of the alert that the record at a position of the trace has, with the facts that were known
    /// then. The record itself has it as the runbook has written it.
    #[must_use]
    pub fn noted_at(&self, record: u32) -> Option<String> {
        let entry = self.log.get(record)?;
        match (&entry.event, entry.event.exit()) {
            (Event::Alerted { exit }, _) => {
                let alert = self.context.exit(entry.place, *exit)?.alert.as_ref()?;
                Some(self.fill_alert(&alert.text, record, *exit))
            }
            (_, Some(exit)) => {
                let note = self.context.exit(entry.place, exit)?.note.as_ref()?;
                Some(self.fill_exit(note, record))
            }
            _ => None,
        }
    }

    /// The text of an exit that the entry at `position` took, with the facts that were known then: what was found out
    /// later is not what was noted or alerted.
    pub(super) fn fill_exit(&self, text: &Text, position: u32) -> String {
        let value = self.log.get(position).and_then(|entry| self.value_in(entry));
        let known = self.log.entries().get(..=position as usize).unwrap_or_default();
        self.fill(text, value, known)
    }

    /// The text of an alert, whose entry is at `position`, with the facts that were known then.
    pub(super) fn fill_alert(&self, text: &Text, position: u32, exit: ExitIndex) -> String {
        let before = self.log.entries().get(..position as usize).unwrap_or_default();
        let alerted = self.log.get(position);
        // The entry that took the exit comes right before.
        let took = before.last().filter(|entry| {
            alerted.is_some_and(|alerted| alerted.place == entry.place) && entry.event.exit() == Some(exit)
        });
        self.fill(text, took.and_then(|entry| self.value_in(entry)), before)
    }

    /// The text with its facts in place, from the entries in `known`; `value` is that of the branch.
    fn fill(&self, text: &Text, value: Option<(Value, &Domain)>, known: &[Entry]) -> String {
        text.render(|fact| self.in_place(fact, value, known))
    }

    fn in_place(&self, fact: &FactRef, value: Option<(Value, &Domain)>, known: &[Entry]) -> Option<String> {
        // A check may be called `value` too; at an exit the branch's own comes first.
        if let (FactRef::VALUE, Some((value, domain))) = (&*fact.check, value) {
            return Some(shown(value, domain, fact.percent));
        }
        let found = self.found(&fact.check, known)?;
        match &fact.detail {
            None => Some(shown(found.value, found.domain, fact.percent)),
            Some(name) => found.detail(name).map(str::to_owned),
        }
    }

    /// The newest answer to a check, whoever gave it; `None` where that is unknown, or nobody asked.
    fn found(&self, check: &str, known: &[Entry]) -> Option<Found<'_>> {
        // The newest counts, even if it is unknown: an older value may not hold any more.
        known.iter().rev().find_map(|entry| self.answer_in(entry, check)).flatten()
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
