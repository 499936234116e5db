//! Exploring: when a value is unknown, every step that is still possible is walked as a set.

use std::collections::{BTreeMap, HashMap};

use super::Diagnosis;
use super::facts::exit_of;
use super::hypothesis::{Explored, Map, StepState, Unanswerable};
use super::log::{Event, ExitIndex, Place};
use crate::fact::{Observation, UnknownReason, Value};
use crate::runbook::step::{CheckSource, CheckStep, StepIndex, StepKind};
use crate::subject::Scope;

/// The set of steps that are still possible from the one whose value is unknown. Steps, not paths: where paths
/// meet again they are walked once.
#[derive(Clone, Debug)]
pub(super) struct Exploration {
    origin: Place,
    /// The state of each step that was reached.
    states: HashMap<StepIndex, StepState>,
    /// The steps in the order in which they were reached.
    reached: Vec<StepIndex>,
    /// Steps that wait for the answer to a query.
    waiting: HashMap<u32, Vec<StepIndex>>,
    next: Vec<StepIndex>,
}

impl Exploration {
    pub(super) fn new(origin: Place) -> Self {
        Self {
            origin,
            states: HashMap::new(),
            reached: Vec::new(),
            waiting: HashMap::new(),
            next: vec![origin.step],
        }
    }

    /// Walks as far as the known facts lead, and gives the queries that are to be asked now, each once, with the
    /// step that first wants it.
    pub(super) fn walk(&mut self, diagnosis: &Diagnosis) -> Vec<(u32, StepIndex)> {
        let mut ask = Vec::new();
        while let Some(at) = self.next.pop() {
            // Steps and not paths: behind ten diamonds in a row there are a thousand paths, and each
            // leads over the same steps.
            if self.states.contains_key(&at) {
                continue;
            }
            let Some(step) = diagnosis.context.step(self.place(at)) else { continue };
            let state = match &step.kind {
                StepKind::Check(check) => match self.look(at, check, diagnosis) {
                    Look::Stands(state) => state,
                    Look::Ask(query) => {
                        // Several steps may ask the same: asked once, answered for all.
                        let steps = self.waiting.entry(query).or_insert_with(|| {
                            ask.push((query, at));
                            Vec::new()
                        });
                        steps.push(at);
                        continue;
                    }
                },
                StepKind::Conclude(_) => StepState::Conclusion,
                // It must not act, or wait, on what is only possible. What lies behind is named as
                // blocked.
                StepKind::Wait(_) | StepKind::Act(_) | StepKind::Ask(_) | StepKind::Handover(_) => {
                    StepState::Blocked
                }
            };
            self.states.insert(at, state);
            self.reached.push(at);
            // Reversed, so that the first exit is walked first.
            let targets: Vec<StepIndex> = state.targets(&step.kind).collect();
            self.next.extend(targets.into_iter().rev());
        }
        ask
    }

    /// A query is answered: what waited for it can be walked. Gives the step that first wanted it.
    pub(super) fn answered(&mut self, query: u32) -> Option<StepIndex> {
        let steps = self.waiting.remove(&query)?;
        self.next.extend(&steps);
        steps.first().copied()
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The steps that nobody asks because the subject does not name their part, in the order in which they were reached.
    pub(super) fn not_named(&self) -> Vec<StepIndex> {
        let is = |at: &&StepIndex| matches!(self.states.get(at), Some(StepState::NotNamed { .. }));
        self.reached.iter().filter(is).copied().collect()
    }

    /// All that could be asked was asked: what is left.
    pub(super) fn conclude(self, diagnosis: &Diagnosis) -> Explored {
        let Some(runbook) = diagnosis.context.runbook(self.origin) else { return Explored::default() };
        let unanswerable = self.unanswerable(diagnosis);
        let path = self.path(diagnosis);
        Map::new(runbook, self.origin.step, &self.reached, self.states, path, unanswerable).explored()
    }

    /// The answers on the path to the origin: for each step the latest entry, and the exit that its value took. They
    /// remain evidence of the cause when a wait or an act has begun a new epoch.
    fn path(&self, diagnosis: &Diagnosis) -> BTreeMap<StepIndex, (u32, u16)> {
        let mut path = BTreeMap::new();
        for (at, entry) in (0_u32..).zip(diagnosis.log.entries()) {
            if entry.place.runbook == self.origin.runbook
                // What was measured on the way counts as evidence, unless the exploration came to that
                // step as well: then it has the newer state.
                && !self.states.contains_key(&entry.place.step)
                && let Event::Answered { exit: Some(ExitIndex::Step(exit)), .. } = entry.event
                && diagnosis
                    .log
                    .observation_of(entry)
                    .is_some_and(|observation| observation.value().is_some())
            {
                path.insert(entry.place.step, (at, exit));
            }
        }
        path
    }

    /// The unknown steps that asking again would not answer: nobody answers for them, or they go through a gateway or
    /// a site that another question failed to reach.
    fn unanswerable(&self, diagnosis: &Diagnosis) -> Vec<(StepIndex, Unanswerable)> {
        let unknown: Vec<(StepIndex, Scope, UnknownReason)> =
            self.reached.iter().filter_map(|at| self.unknown(*at, diagnosis)).collect();
        // A gateway that timed out on one question will on the next, so to name it as the next probe
        // would send people in a circle. A device is asked over several ways.
        let is_a_way = |scope| matches!(scope, Scope::Gateway | Scope::Site);
        let has_failed = |reason| matches!(reason, UnknownReason::Timeout | UnknownReason::Failed);
        let mut unanswerable = Vec::new();
        for (at, scope, reason) in &unknown {
            let part_failed = unknown.iter().any(|(other, other_scope, reason)| {
                other != at && other_scope == scope && has_failed(*reason)
            });
            if *reason == UnknownReason::NoAdapter {
                unanswerable.push((*at, Unanswerable::NoAdapter));
            } else if is_a_way(*scope) && part_failed {
                unanswerable.push((*at, Unanswerable::PartFailed));
            }
        }
        unanswerable
    }

    /// The scope of an unknown step, and why it is unknown.
    fn unknown(&self, at: StepIndex, diagnosis: &Diagnosis) -> Option<(StepIndex, Scope, UnknownReason)> {
        let Some(StepState::Unknown { .. }) = self.states.get(&at) else { return None };
        let query = diagnosis.context.step(self.place(at))?.kind.query()?;
        let query = diagnosis.context.set.query(self.origin.runbook, query)?;
        let (_, observation) = diagnosis.fact(query)?;
        let Observation::Unknown(unknown) = observation else { return None };
        let scope = diagnosis.context.set.queries().get(query as usize)?.scope;
        Some((at, scope, unknown.reason))
    }

    fn look(&self, at: StepIndex, check: &CheckStep, diagnosis: &Diagnosis) -> Look {
        if at == self.origin.step {
            return Look::Stands(match diagnosis.last_event() {
                Some(Event::NotNamed { .. }) => StepState::NotNamed { exit: None },
                _ => StepState::Unknown { entry: diagnosis.last_entry() },
            });
        }
        if check.after.is_some() {
            return Look::Stands(StepState::Blocked);
        }
        let query = match check.source {
            CheckSource::Elapsed => {
                return taken(check, Value::Duration(diagnosis.since_trigger()), diagnosis);
            }
            CheckSource::Accounted => return taken(check, Value::Number(diagnosis.accounted()), diagnosis),
            CheckSource::Query(query) => query,
        };
        let Some(query) = diagnosis.context.set.query(self.origin.runbook, query) else {
            return Look::Stands(StepState::Unknown { entry: None });
        };
        if let Some((entry, observation)) = diagnosis.fact(query) {
            return Look::Stands(match exit_of(check, observation, diagnosis.now) {
                Some(ExitIndex::Step(exit)) if observation.value().is_some() => {
                    StepState::Known { entry: Some(entry), exit }
                }
                _ => StepState::Unknown { entry: Some(entry) },
            });
        }
        if diagnosis.context.is_askable(query) {
            Look::Ask(query)
        } else {
            Look::Stands(StepState::NotNamed { exit: check.not_named_position() })
        }
    }

    const fn place(&self, step: StepIndex) -> Place {
        Place { runbook: self.origin.runbook, step }
    }
}

/// A value that is always known.
fn taken(check: &CheckStep, value: Value, diagnosis: &Diagnosis) -> Look {
    Look::Stands(match check.branches.select(value, diagnosis.now) {
        Some(exit) => StepState::Known { entry: None, exit },
        None => StepState::Unknown { entry: None },
    })
}

enum Look {
    Stands(StepState),
    Ask(u32),
}
