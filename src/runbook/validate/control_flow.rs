//! What must hold of the graph as a whole: every step is reached and reaches an end, no cycle is without a wait, and a
//! wait for an instant is reached only with it. Nothing here recurses: a chart may be 100 000 steps long.

use std::collections::hash_map::{Entry, HashMap};
use std::collections::{HashSet, VecDeque};

use petgraph::Direction::Incoming;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{
    Dfs, EdgeFiltered, EdgeRef as _, IntoNeighbors, NodeFiltered, Reversed, VisitMap as _, Visitable,
};

use super::super::fault::FaultKind;
use super::super::step::StepIndex;

/// Whether an exit of a step that asks an instant is taken with the instant known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EdgeValue {
    Known,
    Unknown,
    Either,
}

/// The steps and the transitions between them, as far as they could be read.
#[derive(Debug, Default)]
pub(super) struct ControlFlow {
    graph: DiGraph<Node, EdgeValue>,
    /// The waits for an instant, each with the step that asks for it.
    waits_until: Vec<(StepIndex, StepIndex)>,
    /// The number of steps; the nodes beyond them are rechecks.
    steps: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    conclusion: bool,
    /// Some exit could not be read: its target is not known.
    lossy: bool,
    /// Time passes in it.
    pauses: bool,
    asks_instant: bool,
}

impl ControlFlow {
    pub(super) fn new(steps: usize, rechecks: usize) -> Self {
        let mut graph = DiGraph::with_capacity(steps + rechecks, 2 * steps);
        for _ in 0..steps + rechecks {
            graph.add_node(Node::default());
        }
        Self { graph, waits_until: Vec::new(), steps }
    }

    pub(super) fn add_edge(&mut self, from: StepIndex, to: StepIndex, value: EdgeValue) {
        // petgraph panics where an end of the edge is missing.
        if from.position().max(to.position()) < self.graph.node_count() {
            self.graph.add_edge(from.into(), to.into(), value);
        }
    }

    pub(super) fn mark_lossy(&mut self, at: StepIndex) {
        self.mark(at, |node| node.lossy = true);
    }

    pub(super) fn mark_conclusion(&mut self, at: StepIndex) {
        self.mark(at, |node| node.conclusion = true);
    }

    pub(super) fn mark_pause(&mut self, at: StepIndex) {
        self.mark(at, |node| node.pauses = true);
    }

    pub(super) fn mark_asks_instant(&mut self, at: StepIndex) {
        self.mark(at, |node| node.asks_instant = true);
    }

    /// The step `wait` waits for the instant that the step `fact` asks.
    pub(super) fn add_wait_until(&mut self, wait: StepIndex, fact: StepIndex) {
        self.waits_until.push((wait, fact));
    }

    pub(super) fn is_conclusion(&self, at: StepIndex) -> bool {
        self.node(at.into()).conclusion
    }

    pub(super) fn asks_instant(&self, at: StepIndex) -> bool {
        self.node(at.into()).asks_instant
    }

    fn node(&self, at: NodeIndex) -> Node {
        self.graph.node_weight(at).copied().unwrap_or_default()
    }

    fn mark(&mut self, at: StepIndex, mark: impl FnOnce(&mut Node)) {
        if let Some(node) = self.graph.node_weight_mut(at.into()) {
            mark(node);
        }
    }

    /// All that does not hold, each with its step; `id` names a step.
    pub(super) fn faults<'i>(
        &self,
        start: StepIndex,
        id: impl Fn(StepIndex) -> &'i str,
    ) -> Vec<(StepIndex, FaultKind)> {
        let mut faults = Vec::new();
        self.unreached(start, &mut faults);
        self.endless(&mut faults);
        self.cycles(&id, &mut faults);
        self.unknown_instants(start, &id, &mut faults);
        // A recheck that nothing leads to is unused, and one without an end leads to steps without an end.
        faults.retain(|(at, _)| at.position() < self.steps);
        faults
    }

    /// Where some exit is not known, only a step that nothing at all leads to is surely unreached.
    fn unreached(&self, start: StepIndex, faults: &mut Vec<(StepIndex, FaultKind)>) {
        let reached = reach(&self.graph, vec![start.into()]);
        let lossy = self.graph.node_indices().any(|at| self.node(at).lossy && reached.is_visited(&at));
        for at in self.graph.node_indices().filter(|at| !reached.is_visited(at)) {
            if !lossy || self.graph.neighbors_directed(at, Incoming).all(|from| from == at) {
                faults.push((step_index(at), FaultKind::Unreachable));
            }
        }
    }

    fn endless(&self, faults: &mut Vec<(StepIndex, FaultKind)>) {
        let is_end = |at: &NodeIndex| self.node(*at).conclusion || self.node(*at).lossy;
        let ending = reach(Reversed(&self.graph), self.graph.node_indices().filter(is_end).collect());
        let endless = self.graph.node_indices().filter(|at| !ending.is_visited(at));
        faults.extend(endless.map(|at| (step_index(at), FaultKind::NoConclusion)));
    }

    /// Of each strongly connected component without a wait, the shortest cycle through its first step.
    fn cycles<'i>(&self, id: &impl Fn(StepIndex) -> &'i str, faults: &mut Vec<(StepIndex, FaultKind)>) {
        // A conclusion ends; what its `unless` may lead to is proven where rechecks are read.
        let restless = |at: NodeIndex| !self.node(at).pauses && !self.node(at).conclusion;
        for component in kosaraju_scc(&NodeFiltered::from_fn(&self.graph, restless)) {
            let Some(first) = component.iter().min().copied() else { continue };
            // Nearly every component is one step, and no cycle.
            if component.len() == 1 && !self.graph.contains_edge(first, first) {
                continue;
            }
            let within: HashSet<NodeIndex> = component.into_iter().collect();
            let component = NodeFiltered::from_fn(&self.graph, |at| within.contains(&at));
            let mut came_from = HashMap::new();
            let mut queue = VecDeque::from([first]);
            while let Some(at) = queue.pop_front() {
                for next in (&component).neighbors(at) {
                    if let Entry::Vacant(entry) = came_from.entry(next) {
                        entry.insert(at);
                        queue.push_back(next);
                    }
                }
            }
            // Back from the first step to itself.
            let Some(mut at) = came_from.get(&first).copied() else { continue };
            let mut steps = VecDeque::from([at]);
            while at != first
                && let Some(before) = came_from.get(&at).copied()
            {
                at = before;
                steps.push_front(at);
            }
            let steps = steps.into_iter().map(step_index).filter(|at| at.position() < self.steps);
            faults.push((
                step_index(first),
                FaultKind::Cycle { steps: steps.map(|at| id(at).into()).collect() },
            ));
        }
    }

    /// A wait for an instant is reached only with that instant known. So no path may lead from the start to the wait
    /// without an exit of the asking step that carries a value. Searched backwards: most waits follow their fact at once.
    fn unknown_instants<'i>(
        &self,
        start: StepIndex,
        id: &impl Fn(StepIndex) -> &'i str,
        faults: &mut Vec<(StepIndex, FaultKind)>,
    ) {
        for (wait, fact) in &self.waits_until {
            let asks = NodeIndex::from(*fact);
            let unknown = EdgeFiltered::from_fn(&self.graph, |edge| {
                edge.source() != asks || *edge.weight() != EdgeValue::Known
            });
            let mut search: Dfs<NodeIndex, HashSet<NodeIndex>> =
                Dfs::from_parts(vec![(*wait).into()], HashSet::new());
            let mut before = std::iter::from_fn(|| search.next(Reversed(&unknown)));
            if before.any(|at| at == start.into()) {
                faults.push((*wait, FaultKind::UntilNotKnown { fact: id(*fact).into() }));
            }
        }
    }
}

/// The nodes that are reached from some.
fn reach<G: IntoNeighbors + Visitable>(graph: G, from: Vec<G::NodeId>) -> G::Map {
    let mut search = Dfs::from_parts(from, graph.visit_map());
    while search.next(graph).is_some() {}
    search.discovered
}

fn step_index(at: NodeIndex) -> StepIndex {
    // petgraph counts nodes in u32.
    StepIndex(u32::try_from(at.index()).unwrap_or(u32::MAX))
}
