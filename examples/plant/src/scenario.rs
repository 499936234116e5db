//! Scenarios: what is broken, how the platform's people and adapters are that day, and what a diagnosis must come
//! to.
//!
//! What is expected was written by hand from the runbook's contract. The diagnosis sees none of it.

mod catalog;
mod evidence;
mod gaps;
mod obstacle;

use std::fmt;

pub use self::{
    evidence::{Evidence, Seen},
    obstacle::Obstacle,
};

use crate::{
    error::{Error, Result},
    fault::Fault,
    pipeline::loss::Loss,
};

/// The conclusion that tells the caller to diagnose each part of a gap by itself.
pub const SPLIT: &str = "split-by-presence";
/// What is said where there was nothing to diagnose.
pub const NO_GAP: &str = "no gap";

/// A scenario.
#[derive(Debug)]
pub struct Scenario {
    /// Its id. That of a single fault is the fault's.
    pub id: &'static str,
    /// What is broken, and where.
    pub broken: Broken,
    /// What keeps the platform from seeing.
    pub obstacle: Obstacle,
    /// How its people are.
    pub people: People,
    /// What the diagnosis must come to.
    pub expected: Expected,
    /// Steps that it must pass on the way, in this order.
    pub through: &'static [&'static str],
    /// What must have been found on the way.
    pub evidence: &'static [Evidence],
    /// The steps whose findings contribute and are not the end, all of them.
    pub contributing: &'static [&'static str],
    /// What becomes of the rows that are missing, once all is mended; none in the factory.
    pub rows: Option<Rows>,
}

/// What becomes of missing rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// All of them come, late.
    ComeLate,
    /// Some are lost, or never were.
    Lost,
}

/// What is broken, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Faults of the factory by their ids, in the order in which they are put in. The alert is about the first
    /// one's device.
    Factory(&'static [&'static str]),
    /// The fault of the data pipeline of this id. The alert is about the gap in its table.
    Pipeline(&'static str),
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
        /// Root causes that stay possible, in alphabetical order; others may too.
        all: &'static [&'static str],
        /// The likeliest of them.
        first: &'static str,
    },
    /// The device was online for a part of the gap, and each part by itself, in the order of time, comes to these.
    Parts(&'static [&'static str]),
    /// There is no gap to diagnose.
    NoGap,
}

impl Scenario {
    /// All scenarios: those of the factory, and then those of the data pipeline.
    pub fn all() -> impl Iterator<Item = &'static Self> + Clone {
        catalog::ALL.iter().chain(gaps::ALL)
    }

    /// The scenarios of the default story.
    pub const STORY: &'static [&'static str] = &[
        "connectivity-flap",
        "gateway-recovered",
        "certificate-expired/refused",
        "unknown/power-probe-missing",
        "unknown/gateway-probe-hangs",
        "schema-mismatch",
    ];

    /// The scenario of this id.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(id: &str) -> Result<&'static Self> {
        Self::all()
            .find(|scenario| scenario.id == id)
            .ok_or_else(|| Error::Usage(format!("the plant has no fault {id:?}: --list names those it has")))
    }

    /// Its faults in the factory.
    ///
    /// # Errors
    /// When one of them is not known.
    pub fn faults(&self) -> Result<Vec<&'static Fault>> {
        match self.broken {
            Broken::Factory(ids) => ids.iter().map(|id| Fault::find(id)).collect(),
            Broken::Pipeline(_) => Ok(Vec::new()),
        }
    }

    /// Its fault in the data pipeline; none where it plays in the factory.
    ///
    /// # Errors
    /// When it is not known.
    pub fn loss(&self) -> Result<Option<&'static Loss>> {
        match self.broken {
            Broken::Factory(_) => Ok(None),
            Broken::Pipeline(id) => match Loss::find(id) {
                Some(loss) => Ok(Some(loss)),
                None => Err(Error::Unknown { kind: "fault", id: id.to_owned() }),
            },
        }
    }

    /// What is broken, as a user of the plant would say it, and what makes it hard to see.
    ///
    /// # Errors
    /// When one of its faults is not known.
    pub fn story(&self) -> Result<String> {
        let mut told = self.faults()?.iter().map(|fault| fault.story).collect::<Vec<_>>();
        told.extend(self.loss()?.map(|loss| loss.story));
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
            Self::Parts(_) => f.write_str(SPLIT),
            Self::NoGap => f.write_str(NO_GAP),
        }
    }
}

impl People {
    /// How they can be, with the names that scenario files use.
    pub const ALL: [(Self, &str); 4] = [
        (Self::Attentive, "attentive"),
        (Self::Declining, "declining"),
        (Self::HandsOn, "hands-on"),
        (Self::Absent, "absent"),
    ];

    /// The name that scenario files use.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(people, _)| *people == self).map_or("", |(_, name)| name)
    }

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
    fn fault_ids_hold_their_conclusions() {
        for fault in Fault::ALL {
            let scenario = Scenario::find(fault.id).unwrap();
            assert!(matches!(scenario.broken, Broken::Factory([id]) if *id == fault.id));
            assert_eq!(scenario.expected, Expected::Conclusion(fault.conclusion()));
        }
    }

    #[test]
    fn every_fault_of_the_pipeline_is_a_scenario() {
        for loss in Loss::ALL {
            let scenario = Scenario::find(loss.id).unwrap();
            assert_eq!(scenario.broken, Broken::Pipeline(loss.id));
            if let Expected::Conclusion(conclusion) = scenario.expected {
                let (of_id, _) = loss.id.split_once('/').unwrap_or((loss.id, ""));
                assert!(of_id == conclusion || of_id == "combined", "{}", loss.id);
            }
        }
    }

    #[test]
    fn faults_reach_every_gap_conclusion() {
        let runbook = iot_runbook::catalog::data_gap().unwrap().validate().unwrap();
        for (conclusion, _) in runbook.conclusions() {
            let reached = Scenario::all().any(|scenario| {
                scenario.loss().unwrap().is_some()
                    && match scenario.expected {
                        Expected::Conclusion(expected) => expected == conclusion,
                        Expected::Parts(_) => conclusion == SPLIT,
                        _ => false,
                    }
            });
            assert!(reached, "{conclusion}");
        }
    }

    #[test]
    fn faults_reach_every_certificate_conclusion() {
        let runbook = iot_runbook::catalog::certificate_expiry().unwrap().validate().unwrap();
        for (conclusion, _) in runbook.conclusions() {
            let reached = Scenario::all().any(|scenario| {
                matches!(scenario.expected, Expected::Conclusion(expected) if expected == conclusion)
                    || scenario.through.contains(&conclusion)
            });
            assert!(reached, "{conclusion}");
        }
    }

    #[test]
    fn every_certificate_recovery_is_reached() {
        for outcome in [
            "re-provisioned",
            "emergency-certificate-installed",
            "loaded-and-silent",
            "recovered-meanwhile",
            "recovery-failed",
        ] {
            let reached = Scenario::all().any(|scenario| {
                scenario.through.contains(&"renew-certificate") && scenario.through.contains(&outcome)
            });
            assert!(reached, "{outcome}");
        }
    }

    #[test]
    fn scenarios_have_ids_faults_and_stories() {
        let ids = Scenario::all().map(|scenario| scenario.id).collect::<HashSet<_>>();
        assert_eq!(ids.len(), Scenario::all().count());
        for scenario in Scenario::all() {
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
