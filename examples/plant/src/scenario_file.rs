//! Scenario files: a fault of one's own in TOML, as timed operations on parts of the factory.
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

use iot_runbook::runbook::Runbook;

pub use self::{
    fault::{Fault, Faults},
    load::{MOST_BYTES, MOST_OPERATIONS, load, read},
};
use crate::{operation::Operation, scenario::People};

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

/// The outcomes that an expectation can name with this runbook.
pub fn outcomes(runbook: &Runbook) -> Vec<&str> {
    runbook.conclusions().map(|(conclusion, _)| conclusion).chain([UNDETERMINED, NO_ALERT]).collect()
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
