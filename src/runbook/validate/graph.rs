//! What must hold of the graph as a whole: every step is reached and reaches an end, no cycle is without a
//! wait, and a wait for an instant is reached only with it. Nothing here recurses.

use std::collections::{HashSet, VecDeque};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::super::fault::FaultKind;
use super::super::step::StepIndex;

/// Whether a way out of a step that asks an instant is taken with the instant known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carries {
    Value,
    Nothing,
    Either,
}

/// The steps and the ways between them, as far as they could be read.
#[derive(Debug, Default)]
pub(super) struct Shape {
    nodes: Vec<Node>,
    edges: Vec<(u32, u32, Carries)>,
    untils: Vec<(StepIndex, StepIndex)>,
    /// The number of steps; the nodes beyond them are rechecks.
    steps: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    conclusion: bool,
    /// Some way out could not be read: where it leads is not known.
    lossy: bool,
    /// Time passes in it.
    pauses: bool,
    asks_instant: bool,
}

impl Shape {
    pub(super) fn new(steps: usize, rechecks: usize) -> Self {
        let nodes = vec![Node::default(); steps + rechecks];
        Self { nodes, edges: Vec::with_capacity(2 * steps), untils: Vec::new(), steps }
    }

    pub(super) fn lead(&mut self, from: StepIndex, to: StepIndex, carries: Carries) {
        self.edges.push((from.0, to.0, carries));
    }

    pub(super) fn lose(&mut self, from: StepIndex) {
        self.mark(from, |node| node.lossy = true);
    }

    pub(super) fn conclude(&mut self, at: StepIndex) {
        self.mark(at, |node| node.conclusion = true);
    }

    pub(super) fn pause(&mut self, at: StepIndex) {
        self.mark(at, |node| node.pauses = true);
    }

    pub(super) fn ask_instant(&mut self, at: StepIndex) {
        self.mark(at, |node| node.asks_instant = true);
    }

    /// The step `wait` waits for the instant that the step `fact` asks.
    pub(super) fn wait_until(&mut self, wait: StepIndex, fact: StepIndex) {
        self.untils.push((wait, fact));
    }

    pub(super) fn is_conclusion(&self, at: StepIndex) -> bool {
        self.nodes.get(at.position()).is_some_and(|node| node.conclusion)
    }

    pub(super) fn asks_instant(&self, at: StepIndex) -> bool {
        self.nodes.get(at.position()).is_some_and(|node| node.asks_instant)
    }

    fn mark(&mut self, at: StepIndex, mark: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.get_mut(at.position()) {
            mark(node);
        }
    }

    /// All that does not hold, each with the step it is said of; `id` names a step.
    pub(super) fn faults<'i>(
        &self,
        start: StepIndex,
        id: impl Fn(StepIndex) -> &'i str,
    ) -> Vec<(StepIndex, FaultKind)> {
        let mut faults = Vec::new();
        let forward = Neighbours::new(self.nodes.len(), self.edges.iter().map(|(from, to, _)| (*from, *to)));
        let backward = Neighbours::new(self.nodes.len(), self.edges.iter().map(|(from, to, _)| (*to, *from)));
        self.unreached(start, &forward, &backward, &mut faults);
        self.endless(&backward, &mut faults);
        self.cycles(&id, &mut faults);
        self.unknown_instants(start, &id, &mut faults);
        // A recheck that nothing leads to is unused, and one without an end leads to steps without an end.
        faults.retain(|(at, _)| at.position() < self.steps);
        faults
    }

    /// Where some way out is not known, only a step that nothing at all leads to is surely unreached.
    fn unreached(
        &self,
        start: StepIndex,
        forward: &Neighbours,
        backward: &Neighbours,
        faults: &mut Vec<(StepIndex, FaultKind)>,
    ) {
        let reached = forward.reach([start.0]);
        let lossy = self.nodes.iter().zip(&reached).any(|(node, reached)| node.lossy && *reached);
        for (at, reached) in (0_u32..).zip(reached) {
            if !reached && (!lossy || backward.of(at).iter().all(|from| *from == at)) {
                faults.push((StepIndex(at), FaultKind::Unreachable));
            }
        }
    }

    fn endless(&self, backward: &Neighbours, faults: &mut Vec<(StepIndex, FaultKind)>) {
        let ends = (0_u32..).zip(&self.nodes).filter(|(_, node)| node.conclusion || node.lossy);
        let ending = backward.reach(ends.map(|(at, _)| at));
        for (at, ending) in (0_u32..).zip(ending) {
            if !ending {
                faults.push((StepIndex(at), FaultKind::NoConclusion));
            }
        }
    }

    /// Of each knot of cycles without a wait, the shortest cycle through its first step.
    fn cycles<'i>(&self, id: &impl Fn(StepIndex) -> &'i str, faults: &mut Vec<(StepIndex, FaultKind)>) {
        // A conclusion ends; what its `unless` may lead to is proven where rechecks are read.
        let restless =
            |at: u32| self.nodes.get(at as usize).is_some_and(|node| !node.pauses && !node.conclusion);
        let edges = || {
            let edges = self.edges.iter().map(|(from, to, _)| (*from, *to));
            edges.filter(|(from, to)| restless(*from) && restless(*to))
        };
        let graph = graph(self.nodes.len(), edges());
        let mut knots = kosaraju_scc(&graph);
        knots.retain(|knot| match knot.as_slice() {
            [one] => graph.find_edge(*one, *one).is_some(),
            _ => true,
        });
        if knots.is_empty() {
            return;
        }
        let neighbours = Neighbours::new(self.nodes.len(), edges());
        let mut knot_of = vec![usize::MAX; self.nodes.len()];
        for (number, knot) in knots.iter().enumerate() {
            for node in knot {
                if let Some(of) = knot_of.get_mut(node.index()) {
                    *of = number;
                }
            }
        }
        let mut came_from = vec![u32::MAX; self.nodes.len()];
        for (number, knot) in knots.iter().enumerate() {
            let Some(first) = knot.iter().min().and_then(|node| u32::try_from(node.index()).ok()) else {
                continue;
            };
            let inside = |at: u32| knot_of.get(at as usize) == Some(&number);
            let mut queue = VecDeque::from([first]);
            while let Some(at) = queue.pop_front() {
                for next in neighbours.of(at).iter().copied().filter(|next| inside(*next)) {
                    if let Some(from) = came_from.get_mut(next as usize).filter(|from| **from == u32::MAX) {
                        *from = at;
                        queue.push_back(next);
                    }
                }
            }
            let mut steps: Vec<Box<str>> = Vec::new();
            let mut at = first;
            loop {
                if (at as usize) < self.steps {
                    steps.push(id(StepIndex(at)).into());
                }
                at = came_from.get(at as usize).copied().unwrap_or(first);
                if at == first || steps.len() > knot.len() {
                    break;
                }
            }
            // Walked from its end: the first step stays first.
            if let Some((_, rest)) = steps.split_first_mut() {
                rest.reverse();
            }
            faults.push((StepIndex(first), FaultKind::Cycle { steps }));
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
        if self.untils.is_empty() {
            return;
        }
        // For each node the positions of the edges that lead to it.
        let edges = self.edges.iter().zip(0_u32..).map(|((_, to, _), at)| (*to, at));
        let into = Neighbours::new(self.nodes.len(), edges);
        for (wait, fact) in &self.untils {
            let mut seen = HashSet::from([wait.0]);
            let mut stack = vec![wait.0];
            while let Some(at) = stack.pop() {
                for (from, _, carries) in into.of(at).iter().filter_map(|edge| self.edges.get(*edge as usize))
                {
                    let is_known = *from == fact.0 && *carries == Carries::Value;
                    if !is_known && seen.insert(*from) {
                        stack.push(*from);
                    }
                }
            }
            if seen.contains(&start.0) {
                faults.push((*wait, FaultKind::UntilNotKnown { fact: id(*fact).into() }));
            }
        }
    }
}

/// For each node those it leads to, flat.
pub(super) struct Neighbours {
    begins: Vec<usize>,
    ends: Vec<u32>,
}

impl Neighbours {
    pub(super) fn new(count: usize, edges: impl Iterator<Item = (u32, u32)> + Clone) -> Self {
        let mut begins = vec![0_usize; count + 1];
        for (from, _) in edges.clone() {
            if let Some(begin) = begins.get_mut(from as usize + 1) {
                *begin += 1;
            }
        }
        let mut sum = 0;
        for begin in &mut begins {
            sum += *begin;
            *begin = sum;
        }
        let mut ends = vec![0; sum];
        let mut next = begins.clone();
        for (from, to) in edges {
            if let Some(slot) = next.get_mut(from as usize) {
                if let Some(end) = ends.get_mut(*slot) {
                    *end = to;
                }
                *slot += 1;
            }
        }
        Self { begins, ends }
    }

    pub(super) fn of(&self, at: u32) -> &[u32] {
        let at = at as usize;
        match (self.begins.get(at), self.begins.get(at + 1)) {
            (Some(begin), Some(end)) => self.ends.get(*begin..*end).unwrap_or_default(),
            _ => &[],
        }
    }

    /// Which nodes are reached from some.
    pub(super) fn reach(&self, from: impl IntoIterator<Item = u32>) -> Vec<bool> {
        let mut reached = vec![false; self.begins.len() - 1];
        let mut stack: Vec<u32> = from.into_iter().collect();
        for at in &stack {
            if let Some(seen) = reached.get_mut(*at as usize) {
                *seen = true;
            }
        }
        while let Some(at) = stack.pop() {
            for next in self.of(at) {
                if let Some(seen) = reached.get_mut(*next as usize).filter(|seen| !**seen) {
                    *seen = true;
                    stack.push(*next);
                }
            }
        }
        reached
    }
}

fn graph(count: usize, edges: impl IntoIterator<Item = (u32, u32)>) -> DiGraph<(), ()> {
    let mut graph = DiGraph::with_capacity(count, 2 * count);
    for _ in 0..count {
        graph.add_node(());
    }
    for (from, to) in edges {
        graph.add_edge(NodeIndex::new(from as usize), NodeIndex::new(to as usize), ());
    }
    graph
}
