//! The ways out of steps in a table: where each leads and what is asked there. A walk reads it at every step; the steps
//! themselves hold all that a person reads as well, and lie far apart.

use super::Runbook;
use super::step::{CheckSource, Exit, Step, StepIndex, StepKind};

/// A way out of a step, as a walk takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    /// The step it leads to.
    pub(crate) to: StepIndex,
    /// The set-wide query, or `NONE`.
    asks: u32,
    /// Whether a note is kept on the way.
    pub(crate) has_note: bool,
    /// Whether an alert is told on the way.
    pub(crate) has_alert: bool,
}

/// No query.
const NONE: u32 = u32::MAX;

impl Way {
    /// The set-wide query of the step it leads to, where that is a check which asks at once, as most steps are.
    pub(crate) fn asks(self) -> Option<u32> {
        (self.asks != NONE).then_some(self.asks)
    }
}

/// The ways out of every step of a runbook.
#[derive(Debug)]
pub(super) struct Ways {
    /// Those of the first step, those of the second, and so on.
    ways: Box<[Way]>,
    /// Where those of each step begin, and how many they are.
    by_step: Box<[(usize, u16)]>,
}

impl Ways {
    /// The ways of `runbook`, whose queries are at these positions in its set.
    pub(super) fn new(runbook: &Runbook, queries: &[u32]) -> Self {
        let mut ways = Vec::new();
        let mut by_step = Vec::with_capacity(runbook.steps().len());
        for step in runbook.steps() {
            let way = |exit: &Exit| Way {
                to: exit.to,
                asks: runbook.step(exit.to).and_then(|to| asked(to, queries)).unwrap_or(NONE),
                has_note: exit.note.is_some(),
                has_alert: exit.alert.is_some(),
            };
            let begin = ways.len();
            match &step.kind {
                StepKind::Handover(handover) => ways.extend(handover.exits().map(way)),
                kind => ways.extend(kind.exits().map(|(_, exit)| way(exit))),
            }
            // Exits are numbered in 16 bits: one beyond could not be taken.
            by_step.push((begin, u16::try_from(ways.len() - begin).unwrap_or(u16::MAX)));
        }
        Self { ways: ways.into(), by_step: by_step.into() }
    }

    /// The way out of `step` at the position that [`StepKind::exit`] numbers.
    #[inline]
    pub(super) fn get(&self, step: StepIndex, exit: u16) -> Option<Way> {
        let (begin, count) = *self.by_step.get(step.position())?;
        if exit < count { self.ways.get(begin + usize::from(exit)).copied() } else { None }
    }
}

/// The set-wide query that a step asks as soon as it is entered.
fn asked(step: &Step, queries: &[u32]) -> Option<u32> {
    match &step.kind {
        StepKind::Check(check) if check.after.is_none() => match check.source {
            CheckSource::Query(query) => queries.get(query.position()).copied(),
            CheckSource::Elapsed => None,
        },
        _ => None,
    }
}

#[cfg(all(test, feature = "toml"))]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_the_steps_say() {
        let set = crate::catalog::set().unwrap();
        let mut asking = 0;
        for (member, runbook) in (0_u32..).zip(set.runbooks()) {
            for (at, step) in (0_u32..).map(StepIndex).zip(runbook.steps()) {
                // One more than there are: a position beyond a step's own ways is not the next step's.
                for exit in 0..=u16::try_from(step.kind.exit_count()).unwrap() {
                    let Some(expected) = step.kind.exit(exit) else {
                        assert_eq!(set.way(member, at, exit), None, "{} {exit}", step.id);
                        continue;
                    };
                    let way = set.way(member, at, exit).unwrap();
                    assert_eq!(way.to, expected.to);
                    assert_eq!(way.has_note, expected.note.is_some());
                    assert_eq!(way.has_alert, expected.alert.is_some());
                    let query = match &runbook.step(way.to).unwrap().kind {
                        StepKind::Check(check) if check.after.is_none() => match check.source {
                            CheckSource::Query(query) => runbook.queries().get(query.position()),
                            CheckSource::Elapsed => None,
                        },
                        _ => None,
                    };
                    assert_eq!(way.asks().map(|query| &set.queries()[query as usize]), query);
                    asking += usize::from(query.is_some());
                }
            }
            let beyond = StepIndex(u32::try_from(runbook.steps().len()).unwrap());
            assert_eq!(set.way(member, beyond, 0), None);
        }
        assert!(asking > 20, "only {asking} ways lead to checks");
    }
}
