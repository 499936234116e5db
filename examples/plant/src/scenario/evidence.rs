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
    /// One of these choices.
    OneOf(&'static [&'static str]),
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
            (Self::OneOf(choices), RecordedValue::Choice(found)) => choices.contains(&&**found),
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
            Seen::OneOf(choices) => write!(f, "{check}: one of {}", choices.join(", ")),
            Seen::Share { from, to } => write!(f, "{check}: from {from} to {to}"),
            Seen::Detail { name, text } => write!(f, "{check}: {name} {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use iot_runbook::fact::{Detail, Source};

    use super::*;

    fn known(value: RecordedValue) -> RecordedObservation {
        RecordedObservation::Known {
            value,
            observed_at: DateTime::UNIX_EPOCH,
            source: Source::new("table"),
            details: [Detail::new("firmware", "2.0.0")].into_iter().collect(),
            accounts_for: None,
        }
    }

    #[test]
    fn what_was_found_fits_or_does_not() {
        let full = known(RecordedValue::Choice("full".into()));
        let half = known(RecordedValue::Number("0.5".to_owned()));
        for (seen, fits_full, fits_half) in [
            (Seen::Choice("full"), true, false),
            (Seen::Choice("empty"), false, false),
            (Seen::OneOf(&["empty", "full"]), true, false),
            (Seen::OneOf(&["empty"]), false, false),
            (Seen::Share { from: 0.5, to: 0.5 }, false, true),
            (Seen::Share { from: 0.51, to: 1.0 }, false, false),
            (Seen::Share { from: 0.0, to: 0.49 }, false, false),
            (Seen::Detail { name: "firmware", text: "2.0.0" }, true, true),
            (Seen::Detail { name: "firmware", text: "2.0" }, false, false),
            (Seen::Detail { name: "schema", text: "2.0.0" }, false, false),
        ] {
            assert_eq!((seen.fits(&full), seen.fits(&half)), (fits_full, fits_half), "{seen:?}");
        }
    }
}
