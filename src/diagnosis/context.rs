//! What stays the same through a diagnosis.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use super::id::DiagnosisId;
use super::log::{ExitIndex, Place};
use crate::runbook::step::{About, Exit, Query, Recheck, Step, StepIndex, StepKind};
use crate::runbook::{CLOCK_TOLERANCE, Runbook, RunbookSet};
use crate::subject::{Subject, Trigger};

/// What stays the same through a diagnosis; shared by its probe requests.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) id: DiagnosisId,
    /// The incident that it belongs to; `None`: the diagnosis itself.
    pub(super) incident: Option<Box<str>>,
    pub(super) set: RunbookSet,
    pub(super) entry: u32,
    pub(super) subject: Subject,
    pub(super) trigger: Trigger,
    pub(super) started_at: DateTime<Utc>,
}

impl fmt::Debug for Context {
    /// Without the runbooks: a request is shown in a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runbook = self.set.runbook(self.entry).map(Runbook::name);
        let mut shown = f.debug_struct("Context");
        shown.field("id", &self.id).field("runbook", &runbook).field("device", &self.subject.device);
        shown.finish_non_exhaustive()
    }
}

impl Context {
    /// True if the alert is dated after the diagnosis began, by more than clocks may differ.
    pub(super) fn is_trigger_ahead(&self) -> bool {
        let place = Place { runbook: self.entry, step: StepIndex(0) };
        self.trigger.at.signed_duration_since(self.started_at) > self.clock_tolerance(place)
    }

    /// When the alert was raised: when the diagnosis began, at the latest.
    pub(super) fn raised_at(&self) -> DateTime<Utc> {
        if self.is_trigger_ahead() { self.started_at } else { self.trigger.at }
    }

    /// Whether the subject names what the query of the set asks about.
    pub(super) fn is_askable(&self, query: u32) -> bool {
        self.set.queries().get(query as usize).is_some_and(|query| {
            let period = query.about == About::Now || self.subject.period.is_some();
            // A question about a period needs that period as it needs a name: without it an adapter could
            // only guess.
            period && self.subject.name_of(query.scope).is_some()
        })
    }

    /// What the subject does not name of that which the query asks about: the part, or the period.
    pub(super) fn unnamed_part(&self, query: &Query) -> &'static str {
        if self.subject.name_of(query.scope).is_none() { query.scope.name() } else { "period" }
    }

    /// The exit of a step, or of the `unless` of its runbook.
    pub(super) fn exit(&self, place: Place, exit: ExitIndex) -> Option<&Exit> {
        match exit {
            ExitIndex::Step(position) => self.step(place)?.kind.exit(position),
            ExitIndex::Unless(position) => self.runbook(place)?.unless()?.branches.exit(position.into()),
        }
    }

    /// The exit in words.
    pub(super) fn exit_name(&self, place: Place, exit: ExitIndex) -> String {
        let name = match exit {
            ExitIndex::Step(position) => self.step(place).map(|step| step.kind.exit_name(position)),
            ExitIndex::Unless(position) => {
                self.runbook(place).and_then(Runbook::unless).map(|recheck| recheck.exit_name(position))
            }
        };
        name.unwrap_or_default()
    }

    /// How far clocks may differ, by the runbook of that step.
    pub(super) fn clock_tolerance(&self, place: Place) -> TimeDelta {
        self.runbook(place).map_or(CLOCK_TOLERANCE, Runbook::clock_tolerance)
    }

    /// What is asked again at a step: before its act, before its conclusion, or before the runbook ends undetermined.
    pub(super) fn recheck(&self, place: Place) -> Option<&Recheck> {
        match &self.step(place)?.kind {
            StepKind::Act(act) => act.recheck.as_deref(),
            StepKind::Conclude(conclusion) => conclusion.unless.as_deref(),
            _ => self.runbook(place)?.unless(),
        }
    }

    pub(super) fn runbook(&self, place: Place) -> Option<&Runbook> {
        self.set.runbook(place.runbook)
    }

    pub(super) fn step(&self, place: Place) -> Option<&Step> {
        self.runbook(place)?.step(place.step)
    }

    pub(super) fn step_id(&self, place: Place) -> &str {
        self.step(place).map_or("?", |step| &step.id)
    }

    pub(super) fn runbook_name(&self, place: Place) -> &str {
        self.runbook(place).map_or("?", Runbook::name)
    }
}
