//! Scenarios: what is broken, how the platform's people and adapters are that day, and what a diagnosis must come
//! to.
//!
//! What is expected was written by hand from the runbook's contract. The diagnosis sees none of it.

mod catalog;
mod obstacle;

use std::fmt;

pub use self::obstacle::Obstacle;

use crate::{
    error::{Error, Result},
    fault::Fault,
};

/// A scenario.
#[derive(Debug)]
pub struct Scenario {
    /// Its id. That of a single fault is the fault's.
    pub id: &'static str,
    /// The ids of the faults, in the order in which they are put in. The alert is about the first one's device.
    pub faults: &'static [&'static str],
    /// What keeps the platform from seeing.
    pub obstacle: Obstacle,
    /// How its people are.
    pub people: People,
    /// What the diagnosis must come to.
    pub expected: Expected,
    /// Steps that it must pass on the way, in this order.
    pub through: &'static [&'static str],
}

/// How the platform's people are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum People {
    /// They approve, and whoever is on the site looks before they answer.
    Attentive,
    /// They do not approve, and do nothing.
    Declining,
    /// They do not approve, and do it by hand on the site.
    HandsOn,
    /// Nobody answers.
    Absent,
}

/// What a diagnosis must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// This conclusion.
    Conclusion(&'static str),
    /// Something cannot be known: hypotheses.
    Hypotheses {
        /// The conclusions that stay possible, in alphabetical order.
        all: &'static [&'static str],
        /// The root cause that the likeliest of them names.
        first: &'static str,
    },
}

impl Scenario {
    /// All scenarios.
    pub const ALL: &'static [Self] = catalog::ALL;

    /// The scenarios of the default story.
    pub const STORY: &'static [&'static str] = &[
        "connectivity-flap",
        "gateway-recovered",
        "certificate-expired/refused",
        "unknown/power-probe-missing",
        "unknown/gateway-probe-hangs",
    ];

    /// The scenario of this id.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(id: &str) -> Result<&'static Self> {
        Self::ALL
            .iter()
            .find(|scenario| scenario.id == id)
            .ok_or_else(|| Error::Unknown { kind: "fault", id: id.to_owned() })
    }

    /// Its faults.
    ///
    /// # Errors
    /// When one of them is not known.
    pub fn faults(&self) -> Result<Vec<&'static Fault>> {
        self.faults.iter().map(|id| Fault::find(id)).collect()
    }

    /// What is broken, as a user of the plant would say it, and what makes it hard to see.
    ///
    /// # Errors
    /// When one of its faults is not known.
    pub fn story(&self) -> Result<String> {
        let mut told = self.faults()?.iter().map(|fault| fault.story).collect::<Vec<_>>();
        told.extend(self.obstacle.story());
        told.extend(self.people.story());
        Ok(told.join("; and "))
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conclusion(conclusion) => f.write_str(conclusion),
            Self::Hypotheses { all, first } => write!(f, "one of {}, {first}?", all.len()),
        }
    }
}

impl People {
    const fn story(self) -> Option<&'static str> {
        match self {
            Self::Attentive => None,
            Self::Declining => Some("nobody approves a restart"),
            Self::HandsOn => Some("the site restarts its gateways by hand alone"),
            Self::Absent => Some("nobody answers"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_fault_is_a_scenario_whose_conclusion_is_in_its_id() {
        for fault in Fault::ALL {
            let scenario = Scenario::find(fault.id).unwrap();
            assert_eq!(scenario.faults, [fault.id]);
            assert_eq!(scenario.expected, Expected::Conclusion(fault.conclusion()));
        }
    }

    #[test]
    fn every_scenario_has_an_id_of_its_own_and_known_faults_and_can_be_told() {
        let ids = Scenario::ALL.iter().map(|scenario| scenario.id).collect::<HashSet<_>>();
        assert_eq!(ids.len(), Scenario::ALL.len());
        for scenario in Scenario::ALL {
            assert!(!scenario.story().unwrap().is_empty(), "{}", scenario.id);
            let devices = scenario.faults().unwrap();
            assert!(devices.iter().all(|fault| fault.device == devices[0].device), "{}", scenario.id);
            if let Expected::Hypotheses { all, .. } = scenario.expected {
                assert!(all.is_sorted(), "{}", scenario.id);
            }
        }
        for id in Scenario::STORY {
            assert!(ids.contains(id), "{id}");
        }
    }
}
