//! Scenario files: a fault of one's own in TOML, as timed operations on parts of the factory, or of the pipeline.
//!
//! ```toml
//! device = "press-1"
//!
//! [[operation]]
//! at = "0s"
//! part = "press-1.breaker"
//! do = "trip"
//!
//! [expect]
//! accepted = ["power-fault"]
//! ```

mod fault;
mod load;
mod write;

use std::collections::BTreeSet;

use iot_runbook::runbook::{Runbook, RunbookSet, step::StepKind};

pub use self::{
    fault::{Fault, Faults},
    load::{MOST_BYTES, MOST_OPERATIONS, load, read},
};
use crate::{
    error::Result,
    operation::{Operation, Setting},
    runbooks::Runbooks,
    scenario::People,
};

/// The outcome of a diagnosis that ends without a conclusion, in an expectation.
pub const UNDETERMINED: &str = "undetermined";
/// The outcome of a scenario that raises no alert, in an expectation.
pub const NO_ALERT: &str = "no-alert";

/// A scenario from a file.
#[derive(Clone, Debug, PartialEq)]
pub struct ScenarioFile {
    /// What it is about, for a reader.
    pub title: Option<String>,
    /// The device whose alert is diagnosed.
    pub device: String,
    /// How the platform's people are.
    pub people: People,
    /// What is done, in the order of the file.
    pub operations: Vec<Operation>,
    /// The outcomes that are accepted, and those that are forbidden.
    pub expected: Expectation,
}

/// The outcomes that a scenario may have: conclusions, [`UNDETERMINED`] or [`NO_ALERT`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    /// One of these, where there are any.
    pub accepted: Vec<String>,
    /// None of these.
    pub forbidden: Vec<String>,
}

impl Expectation {
    /// How an outcome differs from what is expected; none where it does not.
    pub fn differs(&self, outcome: &str) -> Option<String> {
        let is_in = |outcomes: &[String]| outcomes.iter().any(|known| known == outcome);
        if is_in(&self.forbidden) {
            return Some(format!("{outcome} is forbidden"));
        }
        let accepts = self.accepted.is_empty() || is_in(&self.accepted);
        (!accepts).then(|| format!("expected {}", self.accepted.join(" or ")))
    }
}

/// What a walk can come to, in each setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endings {
    factory: Ending,
    pipeline: Ending,
}

/// What a walk of one runbook can come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// The runbook's name.
    pub(crate) runbook: String,
    /// The outcomes that an expectation can name.
    pub(crate) outcomes: Vec<String>,
    /// The steps of the runbook, and of those that it can hand over to.
    pub(crate) steps: Vec<String>,
}

impl Endings {
    /// Of these runbooks.
    ///
    /// # Errors
    /// When they are not valid.
    pub fn of_runbooks(runbooks: &Runbooks) -> Result<Self> {
        let (offline, offline_set) = runbooks.set(false)?;
        let (gap, gap_set) = runbooks.gap_set()?;
        Ok(Self { factory: Ending::of(&offline_set, &offline), pipeline: Ending::of(&gap_set, &gap) })
    }

    pub(crate) fn of(&self, setting: Setting) -> &Ending {
        match setting {
            Setting::Factory => &self.factory,
            Setting::Pipeline => &self.pipeline,
        }
    }
}

impl Ending {
    fn of(set: &RunbookSet, name: &str) -> Self {
        let conclusions = set.find(name).into_iter().flat_map(Runbook::conclusions);
        let outcomes = conclusions.map(|(conclusion, _)| conclusion).chain([UNDETERMINED, NO_ALERT]);
        let mut steps = BTreeSet::new();
        let mut runbooks = vec![name];
        while let Some(runbook) = runbooks.pop().and_then(|name| set.find(name)) {
            for step in runbook.steps() {
                steps.insert(step.id.to_string());
                if let StepKind::Handover(handover) = &step.kind {
                    // Runbooks hand over in no circle.
                    runbooks.push(&handover.runbook);
                }
            }
        }
        Self {
            runbook: name.to_owned(),
            outcomes: outcomes.map(str::to_owned).collect(),
            steps: steps.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectation_holds_or_says_how_it_differs() {
        let expected = |accepted: &[&str], forbidden: &[&str]| Expectation {
            accepted: accepted.iter().map(|&outcome| outcome.to_owned()).collect(),
            forbidden: forbidden.iter().map(|&outcome| outcome.to_owned()).collect(),
        };
        for (accepted, forbidden, outcome, holds) in [
            (&[][..], &[][..], "power-fault", true),
            (&["power-fault"], &[], "power-fault", true),
            (&["power-fault", "gateway-fault"], &[], "gateway-fault", true),
            (&["power-fault"], &[], "gateway-fault", false),
            (&[], &["gateway-fault"], "gateway-fault", false),
            (&[], &["gateway-fault"], "power-fault", true),
        ] {
            let differs = expected(accepted, forbidden).differs(outcome);
            assert_eq!(differs.is_none(), holds, "{accepted:?} {forbidden:?} {outcome}: {differs:?}");
        }
    }
}
