//! Which node lies on every way to another: Lengauer and Tarjan's dominators with path compression, in
//! O(m log n). The simpler algorithm that petgraph has takes n² where every step leads to one.

use super::graph::Neighbours;

/// For each node the nearest other that lies on every way to it from `root`; `None` for the root, and for
/// nodes that are not reached.
pub(super) fn immediate_dominators(
    forward: &Neighbours,
    backward: &Neighbours,
    root: u32,
) -> Vec<Option<u32>> {
    let walk = Walk::new(forward, root);
    let count = walk.nodes.len();
    // All that follows is in positions of the walk, in which the root is 0.
    let mut semi: Vec<usize> = (0..count).collect();
    let mut forest = Forest { up: vec![None; count], best: (0..count).collect(), path: Vec::new() };
    let mut dominator = vec![0_usize; count];
    // Nodes by their semidominator, as linked lists.
    let mut bucket: Vec<Option<usize>> = vec![None; count];
    let mut next: Vec<Option<usize>> = vec![None; count];
    for at in (1..count).rev() {
        let before = walk.nodes.get(at).map_or(&[][..], |node| backward.of(*node));
        for from in before.iter().filter_map(|from| walk.position(*from)) {
            let best = forest.best(from, &semi);
            let candidate = get(&semi, best);
            if candidate < get(&semi, at) {
                set(&mut semi, at, candidate);
            }
        }
        let semi_at = get(&semi, at);
        set(&mut next, at, get(&bucket, semi_at));
        set(&mut bucket, semi_at, Some(at));
        let parent = get(&walk.parents, at);
        set(&mut forest.up, at, Some(parent));
        let mut waiting = get(&bucket, parent);
        set(&mut bucket, parent, None);
        while let Some(node) = waiting {
            let best = forest.best(node, &semi);
            let closer = get(&semi, best) < get(&semi, node);
            set(&mut dominator, node, if closer { best } else { parent });
            waiting = get(&next, node);
        }
    }
    for at in 1..count {
        let found = get(&dominator, at);
        if found != get(&semi, at) {
            let found = get(&dominator, found);
            set(&mut dominator, at, found);
        }
    }
    let mut dominators = vec![None; walk.positions.len()];
    for (at, node) in walk.nodes.iter().enumerate().skip(1) {
        set(&mut dominators, *node as usize, walk.nodes.get(get(&dominator, at)).copied());
    }
    dominators
}

/// A walk in depth, each node before those that are first reached from it.
struct Walk {
    nodes: Vec<u32>,
    /// Of each node of the walk, the position of the one it was first reached from.
    parents: Vec<usize>,
    positions: Vec<Option<usize>>,
}

impl Walk {
    fn new(forward: &Neighbours, root: u32) -> Self {
        let mut walk = Self { nodes: Vec::new(), parents: Vec::new(), positions: vec![None; forward.len()] };
        let mut stack = vec![(root, 0)];
        while let Some((node, parent)) = stack.pop() {
            let at = walk.nodes.len();
            match walk.positions.get_mut(node as usize) {
                Some(position @ None) => *position = Some(at),
                _ => continue,
            }
            walk.nodes.push(node);
            walk.parents.push(parent);
            stack.extend(forward.of(node).iter().map(|to| (*to, at)));
        }
        walk
    }

    fn position(&self, node: u32) -> Option<usize> {
        self.positions.get(node as usize).copied().flatten()
    }
}

/// The part of the walk's tree that is linked so far, with ways up that get shorter as they are used.
struct Forest {
    up: Vec<Option<usize>>,
    /// Of the way up that was shortened, the node of the least semidominator.
    best: Vec<usize>,
    path: Vec<usize>,
}

impl Forest {
    /// The node of the least semidominator on the way up from `node`, the root of its tree left out.
    fn best(&mut self, node: usize, semi: &[usize]) -> usize {
        self.path.clear();
        let mut at = node;
        while let Some(up) = get(&self.up, at) {
            if get(&self.up, up).is_none() {
                break;
            }
            self.path.push(at);
            at = up;
        }
        // From the top down, each takes over what the one above it knows.
        while let Some(at) = self.path.pop() {
            let Some(up) = get(&self.up, at) else { continue };
            if get(semi, get(&self.best, up)) < get(semi, get(&self.best, at)) {
                let best = get(&self.best, up);
                set(&mut self.best, at, best);
            }
            let top = get(&self.up, up);
            set(&mut self.up, at, top);
        }
        get(&self.best, node)
    }
}

fn get<T: Copy + Default>(list: &[T], at: usize) -> T {
    list.get(at).copied().unwrap_or_default()
}

fn set<T>(list: &mut [T], at: usize, value: T) {
    if let Some(slot) = list.get_mut(at) {
        *slot = value;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// A node dominates another when without it the other is not reached.
        #[test]
        fn they_are_those_without_which_a_node_is_not_reached(
            edges in prop::collection::vec((0_u32..12, 0_u32..12), 0..40),
            root in 0_u32..12,
        ) {
            let neighbours = |edges: &[(u32, u32)]| Neighbours::new(12, edges.iter().copied());
            let back: Vec<(u32, u32)> = edges.iter().map(|(from, to)| (*to, *from)).collect();
            let found = immediate_dominators(&neighbours(&edges), &neighbours(&back), root);
            let reached = neighbours(&edges).reach([root]);
            for node in 0..12 {
                let mut dominators = Vec::new();
                for without in (0..12).filter(|without| *without != node) {
                    let rest: Vec<_> =
                        edges.iter().copied().filter(|(from, to)| *from != without && *to != without).collect();
                    let still = without != root && neighbours(&rest).reach([root])[node as usize];
                    if reached[node as usize] && !still {
                        dominators.push(without);
                    }
                }
                let mut up = Vec::new();
                let mut at = node;
                while let Some(next) = found[at as usize] {
                    up.push(next);
                    prop_assert!(up.len() <= 12, "the tree is none");
                    at = next;
                }
                up.sort_unstable();
                prop_assert_eq!(up, if node == root { Vec::new() } else { dominators }, "of {}", node);
            }
        }
    }
}
