//! Where the boxes of a chart are: layers from top to bottom, arrows through the gaps between boxes.
//!
//! The way of Sugiyama: break cycles, rank by the longest path, give each long arrow a cell in every layer it passes, order
//! the cells of a layer by the mean of their neighbours, then move them under each other as far as their distances allow.

mod order;
mod place;

use std::collections::VecDeque;

/// Width and height, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Size {
    pub(super) width: f64,
    pub(super) height: f64,
}

/// An arrow between two boxes, by their positions, and the room that its label takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) label: Size,
    /// Kept straight before others.
    pub(super) is_lit: bool,
}

/// A layout: the centre of each box, in the order of the boxes, and the route of each link, in the order of the links.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) size: Size,
    pub(super) boxes: Vec<Point>,
    pub(super) routes: Vec<Route>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// A link's way: through each layer straight down or up, between layers in a curve.
#[derive(Clone, Debug, Default)]
pub(super) struct Route {
    /// In the direction of the arrow: where it enters and leaves each layer.
    pub(super) points: Vec<Point>,
    /// The centre of its label.
    pub(super) label: Point,
}

/// A place in a layer: a box, or where a link passes.
#[derive(Clone, Debug, Default)]
struct Cell {
    rank: usize,
    size: Size,
    is_box: bool,
    is_lit: bool,
    /// Its position in its layer.
    slot: usize,
    x: f64,
    /// The cells above and below that it is linked with.
    up: Vec<usize>,
    down: Vec<usize>,
}

/// Beyond so many cells a long link passes behind the boxes: cells grow with the square of a runbook's length.
const MOST_CELLS: usize = 20_000;

/// Lays out boxes from `start` downwards.
pub(super) fn lay_out(boxes: &[Size], links: &[Link], start: usize) -> Layout {
    let reversed = back_links(boxes.len(), links, start);
    let ranks = ranks(boxes.len(), links, &reversed, start);
    let mut cells: Vec<Cell> = boxes
        .iter()
        .zip(&ranks)
        .map(|(size, rank)| Cell { rank: *rank, size: *size, is_box: true, ..Cell::default() })
        .collect();
    let chains = chains(&mut cells, links, &reversed, &ranks);
    let layers = order::order(&mut cells, start);
    place::place(cells, &layers, boxes.len(), links, &chains, &reversed)
}

/// Which links lead back to a box that the way to them came through: they are drawn upwards.
fn back_links(count: usize, links: &[Link], start: usize) -> Vec<bool> {
    let mut reversed = vec![false; links.len()];
    let mut out: Vec<Vec<(usize, usize)>> = vec![Vec::new(); count];
    for (at, link) in links.iter().enumerate() {
        if let Some(out) = out.get_mut(link.from) {
            out.push((at, link.to));
        }
    }
    let (mut seen, mut open) = (vec![false; count], vec![false; count]);
    let set = |flags: &mut Vec<bool>, at: usize, to: bool| {
        if let Some(flag) = flags.get_mut(at) {
            *flag = to;
        }
    };
    let is = |flags: &[bool], at: usize| flags.get(at).copied().unwrap_or_default();
    for root in (start..count).take(1).chain(0..count) {
        if is(&seen, root) {
            continue;
        }
        // Without recursion: a runbook may be long.
        let mut path = vec![(root, 0)];
        set(&mut seen, root, true);
        set(&mut open, root, true);
        while let Some((at, next)) = path.last_mut() {
            let found = out.get(*at).and_then(|out| out.get(*next)).copied();
            *next += 1;
            match found {
                Some((link, to)) if is(&open, to) => set(&mut reversed, link, true),
                Some((_, to)) if !is(&seen, to) => {
                    set(&mut seen, to, true);
                    set(&mut open, to, true);
                    path.push((to, 0));
                }
                Some(_) => {}
                None => {
                    set(&mut open, *at, false);
                    path.pop();
                }
            }
        }
    }
    reversed
}

/// The upper and the lower box of a link.
const fn ends(link: &Link, reversed: bool) -> (usize, usize) {
    if reversed { (link.to, link.from) } else { (link.from, link.to) }
}

/// The layer of each box: even, so that a label has the odd layer below. A link to itself counts for nothing.
fn ranks(count: usize, links: &[Link], reversed: &[bool], start: usize) -> Vec<usize> {
    let oriented = || links.iter().zip(reversed).filter(|(link, _)| link.from != link.to);
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut waiting = vec![0_usize; count];
    for (link, reversed) in oriented() {
        let (upper, lower) = ends(link, *reversed);
        if let (Some(below), Some(waiting)) = (below.get_mut(upper), waiting.get_mut(lower)) {
            below.push(lower);
            *waiting += 1;
        }
    }
    let mut ranks = vec![0_usize; count];
    let mut ready: VecDeque<usize> = (0..count).filter(|at| waiting.get(*at) == Some(&0)).collect();
    let roots = ready.clone();
    while let Some(at) = ready.pop_front() {
        let rank = ranks.get(at).copied().unwrap_or_default() + 2;
        for lower in below.get(at).into_iter().flatten() {
            if let (Some(own), Some(waiting)) = (ranks.get_mut(*lower), waiting.get_mut(*lower)) {
                *own = rank.max(*own);
                *waiting -= 1;
                if *waiting == 0 {
                    ready.push_back(*lower);
                }
            }
        }
    }
    // What nothing leads to, but the start, is drawn near to what it leads to.
    for root in roots.into_iter().filter(|root| *root != start) {
        let nearest = below.get(root).into_iter().flatten().filter_map(|lower| ranks.get(*lower)).min();
        let nearest = nearest.copied().unwrap_or_default();
        if let Some(own) = ranks.get_mut(root) {
            *own = nearest.saturating_sub(2);
        }
    }
    ranks
}

/// Gives each link its cells, from the upper to the lower box; the label has the one next to where the arrow begins.
fn chains(cells: &mut Vec<Cell>, links: &[Link], reversed: &[bool], ranks: &[usize]) -> Vec<Vec<usize>> {
    let rank = |at: usize| ranks.get(at).copied().unwrap_or_default();
    let spans = links.iter().map(|link| rank(link.from).abs_diff(rank(link.to)));
    let is_long = spans.sum::<usize>() > MOST_CELLS;
    let mut chains = Vec::with_capacity(links.len());
    for (link, reversed) in links.iter().zip(reversed) {
        let (upper, lower) = ends(link, *reversed);
        let mut chain = Vec::new();
        if link.from != link.to {
            let passed = rank(upper) + 1..rank(lower);
            let labelled = if *reversed { passed.end.saturating_sub(1) } else { passed.start };
            let passed = if is_long { labelled..labelled + 1 } else { passed };
            for rank in passed {
                let size = if rank == labelled { link.label } else { Size { width: 6.0, height: 0.0 } };
                chain.push(cells.len());
                cells.push(Cell { rank, size, is_lit: link.is_lit, ..Cell::default() });
            }
            let path: Vec<usize> = [upper].into_iter().chain(chain.iter().copied()).chain([lower]).collect();
            for (above, below) in path.iter().zip(path.iter().skip(1)) {
                if let Some(cell) = cells.get_mut(*above) {
                    cell.down.push(*below);
                }
                if let Some(cell) = cells.get_mut(*below) {
                    cell.up.push(*above);
                }
            }
        }
        chains.push(chain);
    }
    chains
}

#[cfg(test)]
mod tests;
