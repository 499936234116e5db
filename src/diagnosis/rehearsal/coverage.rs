//! Which ways out of the steps of a runbook were rehearsed.

use std::collections::BTreeSet;
use std::fmt;

use super::Rehearsed;
use crate::diagnosis::Diagnosis;
use crate::diagnosis::log::{Event, ExitIndex, Place};
use crate::fact::Value;
use crate::runbook::step::{OnUnknown, StepIndex, StepKind};
use crate::runbook::{Runbook, RunbookSet};

/// A way out of a step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Way {
    /// The name of the runbook.
    pub runbook: Box<str>,
    /// The id of the step; `unless` for what the runbook asks again before an undetermined end.
    pub step: Box<str>,
    /// Its position among the ways out of the step, as [`StepKind::exit`] counts them; `None` for an unknown
    /// answer that is explored, or that a person is asked about.
    pub exit: Option<u16>,
    /// It in words.
    pub name: Box<str>,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} [{}]", self.runbook, self.step, self.name)
    }
}

/// The ways out that a diagnosis has taken.
pub(super) fn ways_taken(diagnosis: &Diagnosis) -> BTreeSet<Way> {
    let set = &diagnosis.context.set;
    let way = |place: Place, exit| Some(Way::new(set.runbook(place.runbook)?, place.step, exit));
    let is_check = |place| {
        let step = diagnosis.context.step(place);
        step.is_some_and(|step| matches!(step.kind, StepKind::Check(_)))
    };
    let mut taken = BTreeSet::new();
    for entry in diagnosis.log.entries() {
        let exit = match &entry.event {
            // Without an exit these explore, or ask a person.
            Event::Answered { exit, .. } | Event::Reused { exit, .. } => *exit,
            Event::NotNamed { exit, .. } if is_check(entry.place) => *exit,
            other => match other.exit() {
                None => continue,
                exit => exit,
            },
        };
        taken.extend(way(entry.place, exit));
    }
    taken
}

impl Way {
    fn new(runbook: &Runbook, step: StepIndex, exit: Option<ExitIndex>) -> Self {
        let found = runbook.step(step);
        let name = match (found, exit) {
            (Some(step), Some(ExitIndex::Step(exit))) => step.kind.exit_name(exit),
            (_, Some(ExitIndex::Unless(exit))) => {
                runbook.unless().map_or_else(String::new, |recheck| recheck.exit_name(exit))
            }
            _ => "unknown".to_owned(),
        };
        let (step, exit) = match exit {
            Some(ExitIndex::Unless(exit)) => ("unless", Some(exit)),
            Some(ExitIndex::Step(exit)) => (found.map_or("?", |step| &step.id), Some(exit)),
            None => (found.map_or("?", |step| &step.id), None),
        };
        Self { runbook: runbook.name().into(), step: step.into(), exit, name: name.into() }
    }

    /// Every way out of every step of a runbook, unknown answers included.
    #[must_use]
    pub fn all_of(runbook: &Runbook) -> BTreeSet<Self> {
        let mut ways = BTreeSet::new();
        for (at, step) in (0_u32..).map(StepIndex).zip(runbook.steps()) {
            let exits = step.kind.exits().map(|(exit, _)| Some(ExitIndex::Step(exit)));
            ways.extend(exits.map(|exit| Self::new(runbook, at, exit)));
            if let StepKind::Check(check) = &step.kind
                && matches!(check.unknown, OnUnknown::Explore | OnUnknown::Ask { .. })
                && !check.source.is_always_known()
            {
                ways.insert(Self::new(runbook, at, None));
            }
        }
        let unless = runbook.unless().map_or(0, |recheck| recheck.branches.as_slice().len());
        let unless = (0..u16::MAX).take(unless).map(|exit| Some(ExitIndex::Unless(exit)));
        ways.extend(unless.map(|exit| Self::new(runbook, runbook.start(), exit)));
        ways
    }
}

/// How much of the runbooks of a set was rehearsed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Coverage {
    /// The ways that were taken.
    pub taken: BTreeSet<Way>,
    /// The ways that no rehearsal took.
    pub untaken: BTreeSet<Way>,
}

impl Coverage {
    /// What these rehearsals took of all the ways in the set.
    #[must_use]
    pub fn of<'a>(runbooks: &RunbookSet, rehearsed: impl IntoIterator<Item = &'a Rehearsed>) -> Self {
        let taken: BTreeSet<Way> = rehearsed.into_iter().flat_map(|one| one.taken.iter().cloned()).collect();
        let untaken = runbooks.runbooks().flat_map(Way::all_of).filter(|way| !taken.contains(way)).collect();
        Self { taken, untaken }
    }

    /// The share of the ways that was taken, from 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        let all = self.taken.len() + self.untaken.len();
        if all == 0 { 1.0 } else { self.taken.len() as f64 / all as f64 }
    }
}

/// One line: how many of the ways were taken, and the first of those that were not.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 5;
        let (taken, untaken) = (self.taken.len(), self.untaken.len());
        let share = Value::Number(self.share()).in_percent().unwrap_or_default();
        write!(f, "{taken} of {} ways out of steps were taken ({share})", taken + untaken)?;
        for (position, way) in self.untaken.iter().take(MOST).enumerate() {
            write!(f, "{}{way}", if position == 0 { "; not taken: " } else { ", " })?;
        }
        if untaken > MOST { write!(f, " and {} more", untaken - MOST) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_names_the_first_that_was_not_taken() {
        let ways = |names: &[&str]| {
            let way = |name: &&str| Way {
                runbook: "own".into(),
                step: "power".into(),
                exit: None,
                name: (*name).into(),
            };
            names.iter().map(way).collect()
        };
        for (untaken, line) in [
            (&[][..], "1 of 1 ways out of steps were taken (100 %)"),
            (&["a"], "1 of 2 ways out of steps were taken (50 %); not taken: own/power [a]"),
            (
                &["a", "b", "c", "d", "e"],
                "1 of 6 ways out of steps were taken (17 %); not taken: own/power [a], own/power [b], own/power [c], \
                 own/power [d], own/power [e]",
            ),
            (
                &["a", "b", "c", "d", "e", "f"],
                "1 of 7 ways out of steps were taken (14 %); not taken: own/power [a], own/power [b], own/power [c], \
                 own/power [d], own/power [e] and 1 more",
            ),
        ] {
            let coverage = Coverage { taken: ways(&["lost"]), untaken: ways(untaken) };
            assert_eq!(coverage.to_string(), line);
        }
    }
}
