//! What must hold of the graph as a whole: every step is reached and reaches an end, no cycle is without a
//! wait, and a wait for an instant is reached only with it. Nothing here recurses.

use std::collections::VecDeque;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::super::fault::FaultKind;
use super::super::step::StepIndex;
use super::dominators::immediate_dominators;

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
    pub(super) fn new(count: usize) -> Self {
        Self { nodes: vec![Node::default(); count], edges: Vec::with_capacity(2 * count), untils: Vec::new() }
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
        self.unknown_instants(start, &backward, &id, &mut faults);
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
        let restless = |at: u32| self.nodes.get(at as usize).is_some_and(|node| !node.pauses);
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
                steps.push(id(StepIndex(at)).into());
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

    /// Each step that asks an instant is split in two, asking and knowing: a wait for its instant must be
    /// dominated by the knowing half.
    fn unknown_instants<'i>(
        &self,
        start: StepIndex,
        backward: &Neighbours,
        id: &impl Fn(StepIndex) -> &'i str,
        faults: &mut Vec<(StepIndex, FaultKind)>,
    ) {
        if self.untils.is_empty() {
            return;
        }
        // Only what leads to such a wait matters; most runbooks have few.
        let matters = backward.reach(self.untils.iter().map(|(wait, _)| wait.0));
        let matters = |at: u32| matters.get(at as usize) == Some(&true);
        let Ok(count) = u32::try_from(self.nodes.len()) else { return };
        let knowing = |at: u32| at.saturating_add(count);
        let asks = |at: u32| self.nodes.get(at as usize).is_some_and(|node| node.asks_instant);
        let mut edges: Vec<(u32, u32)> = Vec::with_capacity(self.edges.len());
        for (from, to, carries) in &self.edges {
            if !matters(*to) {
                continue;
            }
            match (asks(*from), carries) {
                (true, Carries::Value) => edges.push((knowing(*from), *to)),
                (true, Carries::Either) => edges.extend([(knowing(*from), *to), (*from, *to)]),
                _ => edges.push((*from, *to)),
            }
        }
        edges.extend((0..count).filter(|at| asks(*at)).map(|at| (at, knowing(at))));
        let count = 2 * self.nodes.len();
        let forward = Neighbours::new(count, edges.iter().copied());
        let backward = Neighbours::new(count, edges.iter().map(|(from, to)| (*to, *from)));
        let order = Order::new(&immediate_dominators(&forward, &backward, start.0), start.0);
        for (wait, fact) in &self.untils {
            if !order.is_under(wait.0, knowing(fact.0)) && order.is_there(wait.0) {
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

    pub(super) fn len(&self) -> usize {
        self.begins.len() - 1
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

/// When a walk over a tree enters and leaves each node: who stands under whom, without walking up.
struct Order {
    /// Entered, left; both zero for a node that is not in the tree.
    times: Vec<(usize, usize)>,
}

impl Order {
    /// Of a tree that is given by the parent of each node.
    fn new(parents: &[Option<u32>], root: u32) -> Self {
        let children: Vec<(u32, u32)> =
            (0_u32..).zip(parents).filter_map(|(at, parent)| parent.map(|parent| (parent, at))).collect();
        let children = Neighbours::new(parents.len(), children.iter().copied());
        let mut times = vec![(0, 0); parents.len()];
        let mut time = 0;
        let mut stack = vec![(root, false)];
        while let Some((at, leaving)) = stack.pop() {
            time += 1;
            let Some(times) = times.get_mut(at as usize) else { continue };
            if leaving {
                times.1 = time;
            } else {
                times.0 = time;
                stack.push((at, true));
                stack.extend(children.of(at).iter().map(|child| (*child, false)));
            }
        }
        Self { times }
    }

    fn is_there(&self, at: u32) -> bool {
        self.times.get(at as usize).is_some_and(|(entered, _)| *entered > 0)
    }

    fn is_under(&self, low: u32, high: u32) -> bool {
        match (self.times.get(low as usize), self.times.get(high as usize)) {
            (Some(low), Some(high)) => high.0 > 0 && high.0 <= low.0 && low.1 <= high.1,
            _ => false,
        }
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
