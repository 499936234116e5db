//! What is handed out of a diagnosis, beside probes.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::Diagnosis;
use super::log::{Event, ExitIndex, Place};
use super::open::Open;
use super::output::{ActRequest, ApprovalRequest, AskRequest, Output};
use crate::fact::Domain;
use crate::runbook::step::{OnUnknown, Step, StepKind};

impl Diagnosis {
    pub(super) fn is_told(&self, alert: u32) -> bool {
        alert < self.alerts_told || self.told_ahead.contains(&alert)
    }

    pub(super) fn rewind_alerts(&mut self) {
        self.alerts_seen = 0;
        self.alerts_handed_out = 0;
    }

    pub(super) fn next_alert(&mut self) -> Option<DueAlert> {
        while let Some(entry) = self.log.entries().get(self.alerts_seen) {
            self.alerts_seen += 1;
            if let Event::Alerted { exit } = entry.event {
                let number = self.alerts_handed_out;
                self.alerts_handed_out += 1;
                if self.is_told(number) {
                    continue;
                }
                return Some(DueAlert { place: entry.place, exit, at: entry.at, number });
            }
        }
        None
    }

    /// The request, where it is no probe.
    pub(super) fn hand_out(&self, open: Open) -> Option<Output> {
        let entry = self.log.get(open.entry)?;
        let place = entry.place;
        let id = open.request;
        let context = || Arc::clone(&self.context);
        let expires_at = || self.due_at().unwrap_or(DateTime::<Utc>::MAX_UTC);
        let kind = &self.context.step(place)?.kind;
        Some(match (&entry.event, kind) {
            (Event::ApprovalAsked { .. }, StepKind::Act(act)) => Output::Approve(ApprovalRequest {
                id,
                context: context(),
                place,
                action: act.action.clone(),
                scope: act.scope,
                binding: self.binding(id)?,
                expires_at: expires_at(),
            }),
            (Event::ActBegan { visit, .. }, StepKind::Act(act)) => Output::Act(ActRequest {
                id,
                context: context(),
                place,
                action: act.action.clone(),
                scope: act.scope,
                visit: *visit,
                expires_at: expires_at(),
            }),
            (Event::PersonAsked { .. }, _) => {
                let Question { text, domain, .. } = Question::of(self.context.step(place)?)?;
                Output::Ask(AskRequest {
                    id,
                    context: context(),
                    place,
                    question: text.into(),
                    domain: domain.clone(),
                    expires_at: expires_at(),
                })
            }
            _ => return None,
        })
    }

    /// The domain of the question at the present step.
    pub(super) fn asked_domain(&self) -> Option<&Domain> {
        Question::of(self.context.step(self.place)?).map(|question| question.domain)
    }
}

/// An alert that is to be handed out.
pub(super) struct DueAlert {
    pub(super) place: Place,
    pub(super) exit: ExitIndex,
    pub(super) at: DateTime<Utc>,
    pub(super) number: u32,
}

/// What a step asks a person.
pub(super) struct Question<'a> {
    pub(super) text: &'a str,
    /// The values that an answer may have.
    pub(super) domain: &'a Domain,
    pub(super) within: TimeDelta,
}

impl<'a> Question<'a> {
    pub(super) fn of(step: &'a Step) -> Option<Self> {
        let (text, branches, within) = match &step.kind {
            StepKind::Ask(ask) => (&ask.question, &ask.branches, ask.answer_within),
            StepKind::Check(check) => match &check.unknown {
                OnUnknown::Ask { question, answer_within, .. } => (question, &check.branches, *answer_within),
                _ => return None,
            },
            _ => return None,
        };
        Some(Self { text, domain: branches.domain(), within })
    }
}
