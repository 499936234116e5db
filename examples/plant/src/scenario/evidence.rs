//! What must have been found on the way to an end.

use std::fmt;

use iot_runbook::diagnosis::{Bundle, Recorded, RecordedObservation, RecordedValue};

/// Something that a check must have found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// The check.
    pub check: &'static str,
    /// What it must have found.
    pub is: Seen,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen {
    /// This choice.
    Choice(&'static str),
    /// A share between these, both included.
    Share {
        /// At least.
        from: f64,
        /// At most.
        to: f64,
    },
    /// Whatever the value, this beside it.
    Detail {
        /// The detail's name.
        name: &'static str,
        /// Its text.
        text: &'static str,
    },
}

impl Evidence {
    /// Whether a diagnosis has it.
    pub fn is_in(&self, bundle: &Bundle) -> bool {
        bundle.records.iter().any(|record| match &record.what {
            Recorded::Answered { check, observation, .. } | Recorded::Explored { check, observation, .. } => {
                **check == *self.check && self.is.fits(observation)
            }
            _ => false,
        })
    }
}

impl Seen {
    fn fits(self, observation: &RecordedObservation) -> bool {
        let RecordedObservation::Known { value, details, .. } = observation else { return false };
        match (self, value) {
            (Self::Choice(choice), RecordedValue::Choice(found)) => **found == *choice,
            (Self::Share { from, to }, RecordedValue::Number(text)) => {
                text.parse().is_ok_and(|share: f64| (from..=to).contains(&share))
            }
            (Self::Detail { name, text }, _) => details.find(name) == Some(text),
            _ => false,
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let check = self.check;
        match self.is {
            Seen::Choice(choice) => write!(f, "{check}: {choice}"),
            Seen::Share { from, to } => write!(f, "{check}: from {from} to {to}"),
            Seen::Detail { name, text } => write!(f, "{check}: {name} {text}"),
        }
    }
}
