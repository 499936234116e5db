//! Where the cells of ordered layers are, and the routes through them.

use super::{Cell, Layout, Link, Point, Route, Size, ends};

/// Between two boxes, and between two cells of which one is only passed.
const BETWEEN_BOXES: f64 = 26.0;
const BETWEEN: f64 = 10.0;
/// Between two layers: more where a link goes far to the side.
const LEAST_GAP: f64 = 12.0;
const MOST_GAP: f64 = 46.0;
/// How often cells are moved towards their neighbours.
const ROUNDS: usize = 48;
/// A cell that is passed counts for more, so that long links are straight; one of the lit path for most.
const PASSED: f64 = 4.0;
const LIT: f64 = 64.0;

pub(super) fn place(
    mut cells: Vec<Cell>,
    layers: &[Vec<usize>],
    boxes: usize,
    links: &[Link],
    chains: &[Vec<usize>],
    reversed: &[bool],
) -> Layout {
    columns(&mut cells, layers);
    let (rows, height) = rows(&cells, layers);
    let left = cells.iter().map(|cell| cell.x - cell.size.width / 2.0).fold(f64::INFINITY, f64::min);
    for cell in &mut cells {
        cell.x -= left;
    }
    let right = cells.iter().map(|cell| cell.x + cell.size.width / 2.0).fold(0.0, f64::max);
    let rows = Rows(&rows);
    let mut routes = Vec::with_capacity(links.len());
    for ((link, reversed), chain) in links.iter().zip(reversed).zip(chains) {
        routes.push(route(&cells, &rows, link, *reversed, chain));
    }
    let centre = |cell: &Cell| Point { x: cell.x, y: rows.top(cell.rank) + cell.size.height / 2.0 };
    let boxes = cells.iter().take(boxes).map(centre).collect();
    Layout { size: Size { width: right, height }, boxes, routes }
}

/// The way of one link.
fn route(cells: &[Cell], rows: &Rows<'_>, link: &Link, reversed: bool, chain: &[usize]) -> Route {
    let (upper, lower) = ends(link, reversed);
    let (Some(above), Some(below)) = (cells.get(upper), cells.get(lower)) else { return Route::default() };
    let mut route = Route::default();
    if upper == lower {
        // Out at the right side, and in again below.
        let (x, top) = (above.x + above.size.width / 2.0, rows.top(above.rank));
        let points = [(x, 0.3), (x + 11.0, 0.4), (x + 11.0, 0.65), (x, 0.75)];
        route
            .points
            .extend(points.map(|(x, part): (f64, f64)| Point { x, y: part.mul_add(above.size.height, top) }));
        route.label = Point { x: x + 12.0, y: above.size.height.mul_add(0.5, top) };
        return route;
    }
    let next = |at: Option<&usize>, end: usize| at.copied().unwrap_or(end);
    let x = port(above, &above.down, next(chain.first(), lower), cells);
    let foot = rows.top(above.rank) + above.size.height;
    route.points.push(Point { x, y: foot });
    route.points.push(Point { x, y: rows.foot(above.rank, foot) });
    let labelled = if reversed { chain.last() } else { chain.first() };
    for at in chain {
        let Some(cell) = cells.get(*at) else { continue };
        let top = rows.top(cell.rank);
        let foot = rows.foot(cell.rank, top + cell.size.height);
        route.points.push(Point { x: cell.x, y: top });
        route.points.push(Point { x: cell.x, y: foot });
        if Some(at) == labelled {
            route.label = Point { x: cell.x, y: top + cell.size.height / 2.0 };
        }
    }
    let x = port(below, &below.up, next(chain.last(), upper), cells);
    route.points.push(Point { x, y: rows.top(below.rank) });
    if reversed {
        route.points.reverse();
    }
    route
}

/// The top and the height of each layer.
struct Rows<'a>(&'a [(f64, f64)]);

impl Rows<'_> {
    fn top(&self, rank: usize) -> f64 {
        self.0.get(rank).map_or(0.0, |row| row.0)
    }

    /// Where a layer ends; at least `least`.
    fn foot(&self, rank: usize, least: f64) -> f64 {
        self.0.get(rank).map_or(least, |row| (row.0 + row.1).max(least))
    }
}

/// Where the link with `at` leaves or enters a box: beside the others, in the order of where they go.
fn port(cell: &Cell, linked: &[usize], at: usize, cells: &[Cell]) -> f64 {
    let key = |at: usize| cells.get(at).map_or(0.0, |cell| cell.x);
    let own = key(at);
    let before = linked.iter().filter(|other| (key(**other), **other) < (own, at)).count();
    let step = (cell.size.width * 0.7 / linked.len().max(1) as f64).min(22.0);
    step.mul_add(before as f64 - linked.len().saturating_sub(1) as f64 / 2.0, cell.x)
}

/// The top and the height of each layer, and where the last one ends.
fn rows(cells: &[Cell], layers: &[Vec<usize>]) -> (Vec<(f64, f64)>, f64) {
    let mut y = 0.0;
    let mut rows = Vec::with_capacity(layers.len());
    let mut end = 0.0;
    for layer in layers {
        let of = || layer.iter().filter_map(|at| cells.get(*at));
        let height = of().map(|cell| cell.size.height).fold(0.0, f64::max);
        let far = of().flat_map(|cell| {
            cell.down.iter().filter_map(|at| cells.get(*at)).map(|below| (below.x - cell.x).abs())
        });
        let far = far.fold(0.0, f64::max);
        rows.push((y, height));
        end = y + height;
        y = end + (far / 8.0).clamp(LEAST_GAP, MOST_GAP);
    }
    (rows, end)
}

/// Moves the cells of each layer towards their neighbours, as near as their distances allow.
fn columns(cells: &mut [Cell], layers: &[Vec<usize>]) {
    for layer in layers {
        let wanted = vec![(0.0, 1.0); layer.len()];
        settle(cells, layer, &wanted);
    }
    for round in 0..ROUNDS {
        let last = layers.len().saturating_sub(1);
        let is_last = round + 4 >= ROUNDS;
        for nth in 0..layers.len() {
            let at = if round % 2 == 0 { nth } else { last - nth };
            let Some(layer) = layers.get(at) else { continue };
            let wanted: Vec<(f64, f64)> =
                layer.iter().map(|at| wanted(cells, *at, round % 2 == 0, is_last)).collect();
            settle(cells, layer, &wanted);
        }
    }
}

/// Where a cell wants to be, and how much that counts.
fn wanted(cells: &[Cell], at: usize, downwards: bool, both: bool) -> (f64, f64) {
    let Some(cell) = cells.get(at) else { return (0.0, 1.0) };
    let (near, far) = if downwards { (&cell.up, &cell.down) } else { (&cell.down, &cell.up) };
    let also = far.iter().filter(|_| both || near.is_empty());
    let (mut sum, mut weight) = (0.0, 0.0);
    for other in near.iter().chain(also).filter_map(|at| cells.get(*at)) {
        let counts = match (cell.is_lit || other.is_lit, cell.is_box || other.is_box) {
            (true, _) => LIT,
            (false, true) => 1.0,
            (false, false) => PASSED,
        };
        sum += counts * other.x;
        weight += counts;
    }
    if weight > 0.0 { (sum / weight, weight) } else { (cell.x, 0.1) }
}

/// A run of cells that touch each other.
struct Block {
    sum: f64,
    weight: f64,
    cells: usize,
}

/// Puts the cells of a layer where they want to be, with the least sum of squares that keeps their order and distances:
/// cells that would overlap become a block, which stays at its mean (isotonic regression).
fn settle(cells: &mut [Cell], layer: &[usize], wanted: &[(f64, f64)]) {
    let mut offsets = Vec::with_capacity(layer.len());
    let mut offset = 0.0;
    let mut before: Option<(f64, bool)> = None;
    for cell in layer.iter().filter_map(|at| cells.get(*at)) {
        if let Some((width, is_box)) = before {
            let gap = if is_box && cell.is_box { BETWEEN_BOXES } else { BETWEEN };
            offset += f64::midpoint(width, cell.size.width) + gap;
        }
        before = Some((cell.size.width, cell.is_box));
        offsets.push(offset);
    }
    let mut blocks: Vec<Block> = Vec::new();
    for ((want, weight), offset) in wanted.iter().zip(&offsets) {
        let mut block = Block { sum: weight * (want - offset), weight: *weight, cells: 1 };
        while let Some(last) = blocks.pop_if(|last| last.sum / last.weight > block.sum / block.weight) {
            block.sum += last.sum;
            block.weight += last.weight;
            block.cells += last.cells;
        }
        blocks.push(block);
    }
    let starts = blocks.iter().flat_map(|block| std::iter::repeat_n(block.sum / block.weight, block.cells));
    for ((at, start), offset) in layer.iter().zip(starts).zip(&offsets) {
        if let Some(cell) = cells.get_mut(*at) {
            cell.x = start + offset;
        }
    }
}
