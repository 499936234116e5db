//! What a diagnosis knows at its present step.

use chrono::{DateTime, Utc};

use super::Diagnosis;
use super::log::{Event, ExitIndex};
use crate::fact::{Observation, Value};
use crate::runbook::step::{CheckStep, StepKind};

impl Diagnosis {
    pub(super) fn check(&self) -> Option<&CheckStep> {
        match self.context.step(self.place).map(|step| &step.kind) {
            Some(StepKind::Check(check)) => Some(check),
            _ => None,
        }
    }

    /// What this epoch knows of a query: the entry and the observation.
    pub(super) fn fact(&self, query: u32) -> Option<(u32, &Observation)> {
        let entry = (*self.answers.get(query as usize)?)?;
        // An answer from before a wait or an act tells how it was. What was done since may have changed
        // it.
        if entry < self.epoch {
            return None;
        }
        Some((entry, self.log.observation_of(self.log.get(entry)?)?))
    }

    pub(super) fn latest_instant(&self, query: u32) -> Option<DateTime<Utc>> {
        let entry = (*self.answers.get(query as usize)?)?;
        // Of an earlier epoch too: a wait is often until some time after what was measured before it.
        match self.log.observation_of(self.log.get(entry)?)?.value() {
            Some(Value::Instant(at)) => Some(at),
            _ => None,
        }
    }

    /// The share of what is to be explained that the answers which still count account for: one for each query, at most
    /// the whole.
    pub(super) fn accounted(&self) -> f64 {
        let queries = u32::try_from(self.context.set.queries().len()).unwrap_or(u32::MAX);
        let shares = (0..queries).filter_map(|query| self.fact(query)?.1.accounts_for());
        // Two causes may each explain the same rows, so the sum may be above the whole.
        shares.sum::<f64>().min(1.0)
    }

    pub(super) fn last_event(&self) -> Option<&Event> {
        self.log.entries().last().map(|entry| &entry.event)
    }

    /// The entry that made the present step unknown.
    pub(super) fn last_entry(&self) -> Option<u32> {
        self.log.next().checked_sub(1)
    }
}

/// The exit that an answer takes: its branch, or the step's own exit for unknown. None where the step explores or asks a
/// person then.
pub(super) fn exit_of(check: &CheckStep, observation: &Observation, now: DateTime<Utc>) -> Option<ExitIndex> {
    match observation {
        Observation::Known(evidence) => check.branches.select(evidence.value, now),
        Observation::Unknown(_) => check.unknown_position(),
    }
    .map(ExitIndex::Step)
}
