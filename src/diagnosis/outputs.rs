//! What is handed out of a diagnosis: requests and alerts.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::finding;
use super::log::{Event, Place};
use super::open::{ExpectedReply, Open};
use super::output::{
    ActRequest, Alert, ApprovalRequest, AskRequest, Output, ProbeRequest, Situation, idempotency_key,
};
use super::{Diagnosis, Phase};
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

    pub(super) fn next_alert(&mut self) -> Option<Alert> {
        while let Some(entry) = self.log.entries().get(self.alerts_seen) {
            self.alerts_seen += 1;
            let (Event::Alerted { exit }, record) = (entry.event, self.alerts_seen - 1) else { continue };
            // Counted even where it is skipped: an alert's number is its place in the trace, the same
            // after a resume.
            let (place, at, number) = (entry.place, entry.at, self.alerts_handed_out);
            self.alerts_handed_out += 1;
            let Some(alert) = self.context.exit(place, exit).and_then(|exit| exit.alert.as_ref()) else {
                continue;
            };
            if self.is_told(number) {
                continue;
            }
            let severity = alert.severity;
            let text = self.fill_alert(&alert.text, u32::try_from(record).unwrap_or(u32::MAX), exit).into();
            return Some(Alert { situation: self.situation(place), number, severity, text, at });
        }
        None
    }

    /// The request as it is handed out.
    pub(super) fn hand_out(&self, open: Open) -> Option<Output> {
        let entry = self.log.get(open.entry)?;
        let (id, place) = (open.request, open.place);
        if let ExpectedReply::Answer { query } = open.wants {
            let (context, since, query) = (Arc::clone(&self.context), self.since, query as usize);
            let shared_since = self.shared_since(&open);
            return Some(Output::Probe(ProbeRequest { context, since, shared_since, id, place, query }));
        }
        let situation = self.situation(place);
        let expires_at = self.due_at().unwrap_or(DateTime::<Utc>::MAX_UTC);
        let target = |scope| self.context.subject.name_of(scope).map(Into::into);
        // Alone, a diagnosis is its own incident: two of them for one gateway may each restart it.
        let incident = || self.context.incident.clone().unwrap_or_else(|| self.context.id.to_string().into());
        Some(match (&entry.event, &self.context.step(place)?.kind) {
            (Event::ApprovalAsked { .. }, StepKind::Act(act)) => {
                let target: Option<Box<str>> = target(act.scope);
                let visit = self.acts_begun();
                let key = idempotency_key(&act.action, act.scope, target.as_deref(), &incident(), visit);
                Output::Approve(ApprovalRequest {
                    id,
                    situation,
                    action: act.action.clone(),
                    scope: act.scope,
                    target,
                    binding: self.binding(id)?,
                    expires_at,
                    key: Some(key.into()),
                    quota: None,
                })
            }
            (Event::ActBegan { visit, .. }, StepKind::Act(act)) => Output::Act(ActRequest {
                id,
                situation,
                action: act.action.clone(),
                scope: act.scope,
                target: target(act.scope),
                incident: incident(),
                visit: *visit,
                expires_at,
            }),
            (Event::PersonAsked { .. }, _) => {
                let Question { text, domain, .. } = Question::of(self.context.step(place)?)?;
                Output::Ask(AskRequest {
                    id,
                    situation,
                    question: text.into(),
                    domain: domain.clone(),
                    expires_at,
                })
            }
            _ => return None,
        })
    }

    /// From when on an answer that others share serves that request. What is asked right before an act or a conclusion,
    /// or again after no answer, is asked afresh.
    fn shared_since(&self, open: &Open) -> Option<DateTime<Utc>> {
        let is_recheck = matches!(self.phase, Phase::LookingAgain(_) | Phase::Rechecking { .. });
        if is_recheck || open.attempt > 0 {
            return None;
        }
        if self.epoch == 0 {
            return Some(self.context.raised_at());
        }
        self.log.get(self.epoch).map(|first| first.at)
    }

    /// What a request from that step shows.
    fn situation(&self, place: Place) -> Situation {
        let (step, context) = (self.context.step(place), &self.context);
        Situation {
            diagnosis: context.id,
            runbook: context.runbook_name(place).into(),
            step: context.step_id(place).into(),
            title: step.map_or_else(Box::default, |step| step.title.clone()),
            advice: step.map_or_else(Vec::new, |step| self.advice_of(step)),
            subject: context.subject.clone(),
            trigger: context.trigger.clone(),
            facts: finding::facts_so_far(self),
        }
    }

    /// The domain of the question at the present step.
    pub(super) fn asked_domain(&self) -> Option<&Domain> {
        Question::of(self.context.step(self.place)?).map(|question| question.domain)
    }
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
