//! The step graph of a runbook, for petgraph's algorithms and for charts.

use std::collections::BTreeSet;

use petgraph::graph::{DiGraph, NodeIndex};

use super::Runbook;
use super::step::{Exit, Step, StepIndex};

/// An edge of [`Runbook::graph`]: a transition from one step to another.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Transition<'r> {
    /// The step that it leaves.
    pub from: &'r Step,
    /// Its position among the exits of that step, as [`StepKind::exit`](super::step::StepKind::exit) counts them.
    pub position: u16,
    /// Where it leads, and what it notes and alerts.
    pub exit: &'r Exit,
}

impl Transition<'_> {
    /// The guard of the transition in words: `from 5m below 30m`, `done`, `unknown`.
    #[must_use]
    pub fn label(&self) -> String {
        self.from.kind.exit_name(self.position)
    }
}

impl From<StepIndex> for NodeIndex {
    fn from(at: StepIndex) -> Self {
        Self::new(at.position())
    }
}

impl Runbook {
    /// The step graph, for any algorithm of [petgraph]: a node for each step, an edge for each transition.
    ///
    /// The index of a node is the position of its step in [`Runbook::steps`], so a [`StepIndex`] converts into it. Two
    /// transitions between the same steps are two edges. Every step is reachable from [`Runbook::start`], or from an
    /// exit of [`Runbook::unless`], which belongs to no step and has no edge. The graph may be long: petgraph's
    /// `tarjan_scc` and `is_cyclic_directed` recurse, its `kosaraju_scc` and `toposort` do not.
    ///
    /// ```
    /// # #[cfg(feature = "toml")] {
    /// use iot_runbook::catalog;
    /// use petgraph::algo::has_path_connecting;
    ///
    /// let runbook = catalog::device_offline()?.validate()?;
    /// let graph = runbook.graph();
    /// let (start, end) = (runbook.start(), runbook.find("power-fault").ok_or("no such conclusion")?);
    /// assert!(has_path_connecting(&graph, start.into(), end.into(), None));
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// [petgraph]: https://docs.rs/petgraph
    #[must_use]
    pub fn graph(&self) -> DiGraph<&Step, Transition<'_>> {
        let mut graph = DiGraph::with_capacity(self.steps().len(), 2 * self.steps().len());
        for step in self.steps() {
            graph.add_node(step);
        }
        for (from, step) in self.steps().iter().enumerate() {
            for (position, exit) in step.kind.exits() {
                graph.add_edge(
                    NodeIndex::new(from),
                    exit.to.into(),
                    Transition { from: step, position, exit },
                );
            }
        }
        graph
    }
}

/// Steps and transitions of one runbook that a chart emphasises, such as those that a diagnosis took.
///
/// [`Diagnosis::highlight`](https://docs.rs/iot-runbook/latest/iot_runbook/diagnosis/struct.Diagnosis.html) makes one
/// of a trace. What the runbook does not have is ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Highlight {
    steps: BTreeSet<StepIndex>,
    transitions: BTreeSet<(StepIndex, u16)>,
    unless: BTreeSet<u16>,
}

impl Highlight {
    /// Adds a step.
    pub fn add_step(&mut self, step: StepIndex) {
        self.steps.insert(step);
    }

    /// Adds the transition at that position among the exits of a step.
    pub fn add_transition(&mut self, from: StepIndex, position: u16) {
        self.transitions.insert((from, position));
    }

    /// Adds the branch at that position of the runbook's own `unless`.
    pub fn add_unless(&mut self, position: u16) {
        self.unless.insert(position);
    }

    /// True if the step is highlighted.
    #[must_use]
    pub fn has_step(&self, step: StepIndex) -> bool {
        self.steps.contains(&step)
    }

    /// True if the transition at that position of the step is highlighted.
    #[must_use]
    pub fn has_transition(&self, from: StepIndex, position: u16) -> bool {
        self.transitions.contains(&(from, position))
    }

    /// True if the branch at that position of the runbook's own `unless` is highlighted.
    #[must_use]
    pub fn has_unless(&self, position: u16) -> bool {
        self.unless.contains(&position)
    }
}
