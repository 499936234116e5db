//! The order of the cells in each layer, with few crossings.

use super::Cell;

/// How often the layers are ordered by their neighbours, down and up in turns.
const SWEEPS: usize = 24;
/// How often neighbours are then exchanged where that saves a crossing.
const EXCHANGES: usize = 8;
/// Beyond so many cells only a few sweeps are made: the picture is too large to be read anyway.
const MANY: usize = 4_000;

/// Sets the slot of each cell, and returns the cells of each layer in that order.
pub(super) fn order(cells: &mut [Cell], start: usize) -> Vec<Vec<usize>> {
    let mut layers = first_order(cells, start);
    let (sweeps, exchanges) = if cells.len() > MANY { (2, 0) } else { (SWEEPS, EXCHANGES) };
    let mut best = (crossings(cells, &layers), layers.clone());
    for sweep in 0..sweeps {
        let downwards = sweep % 2 == 0;
        let last = layers.len().saturating_sub(1);
        for nth in 0..layers.len() {
            let at = if downwards { nth } else { last - nth };
            if let Some(layer) = layers.get_mut(at) {
                by_neighbours(cells, layer, downwards);
            }
        }
        if sweep + 1 == sweeps || sweep % 6 == 5 {
            exchange(cells, &mut layers, exchanges);
        }
        let found = crossings(cells, &layers);
        if found < best.0 {
            best = (found, layers.clone());
        }
    }
    number(cells, &best.1);
    best.1
}

/// As a walk from the first box meets them: what belongs together is together.
fn first_order(cells: &mut [Cell], start: usize) -> Vec<Vec<usize>> {
    let depth = cells.iter().map(|cell| cell.rank + 1).max().unwrap_or_default();
    let mut layers: Vec<Vec<usize>> = vec![Vec::new(); depth];
    let mut seen = vec![false; cells.len()];
    for root in (start..cells.len()).take(1).chain(0..cells.len()) {
        let mut waiting = vec![root];
        while let Some(at) = waiting.pop() {
            let (Some(seen), Some(cell)) = (seen.get_mut(at), cells.get(at)) else { continue };
            if std::mem::replace(seen, true) {
                continue;
            }
            if let Some(layer) = layers.get_mut(cell.rank) {
                layer.push(at);
            }
            waiting.extend(cell.down.iter().rev());
        }
    }
    number(cells, &layers);
    layers
}

fn number(cells: &mut [Cell], layers: &[Vec<usize>]) {
    for layer in layers {
        number_layer(cells, layer);
    }
}

fn number_layer(cells: &mut [Cell], layer: &[usize]) {
    for (slot, at) in layer.iter().enumerate() {
        if let Some(cell) = cells.get_mut(*at) {
            cell.slot = slot;
        }
    }
}

fn slot(cells: &[Cell], at: usize) -> usize {
    cells.get(at).map_or(0, |cell| cell.slot)
}

fn by_neighbours(cells: &mut [Cell], layer: &mut Vec<usize>, downwards: bool) {
    let mean = |at: &usize| {
        let Some(cell) = cells.get(*at) else { return 0.0 };
        let neighbours = if downwards { &cell.up } else { &cell.down };
        if neighbours.is_empty() {
            return cell.slot as f64;
        }
        let sum: usize = neighbours.iter().map(|at| slot(cells, *at)).sum();
        sum as f64 / neighbours.len() as f64
    };
    let mut keyed: Vec<(f64, usize)> = layer.iter().map(|at| (mean(at), *at)).collect();
    // Stable: what ties stays as it was.
    keyed.sort_by(|one, other| one.0.total_cmp(&other.0));
    *layer = keyed.into_iter().map(|(_, at)| at).collect();
    number_layer(cells, layer);
}

/// Exchanges neighbours in a layer while that saves crossings.
fn exchange(cells: &mut [Cell], layers: &mut [Vec<usize>], rounds: usize) {
    for _ in 0..rounds {
        let mut saved = false;
        for layer in layers.iter_mut() {
            for left in 1..layer.len() {
                let pair = layer.get(left - 1..=left).and_then(|pair| <[usize; 2]>::try_from(pair).ok());
                let Some([one, other]) = pair else { continue };
                if between(cells, other, one) < between(cells, one, other) {
                    layer.swap(left - 1, left);
                    saved = true;
                    number_layer(cells, layer);
                }
            }
        }
        if !saved {
            break;
        }
    }
}

/// The crossings of the links of two cells of a layer, where the first is left of the other.
fn between(cells: &[Cell], left: usize, right: usize) -> usize {
    let (Some(left), Some(right)) = (cells.get(left), cells.get(right)) else { return 0 };
    let count = |left: &[usize], right: &[usize]| {
        let pairs = left.iter().flat_map(|one| right.iter().map(|other| (*one, *other)));
        pairs.filter(|(one, other)| slot(cells, *one) > slot(cells, *other)).count()
    };
    count(&left.up, &right.up) + count(&left.down, &right.down)
}

/// All crossings between layers.
fn crossings(cells: &[Cell], layers: &[Vec<usize>]) -> usize {
    let mut crossings = 0;
    for (layer, below) in layers.iter().zip(layers.iter().skip(1)) {
        let mut links: Vec<(usize, usize)> = Vec::new();
        for cell in layer.iter().filter_map(|at| cells.get(*at)) {
            links.extend(cell.down.iter().map(|down| (cell.slot, slot(cells, *down))));
        }
        links.sort_unstable();
        crossings += inversions(links.into_iter().map(|(_, lower)| lower), below.len());
    }
    crossings
}

/// How many pairs are the wrong way round, by a tree of sums (Fenwick): quadratic counting took most of the time.
fn inversions(values: impl Iterator<Item = usize>, below: usize) -> usize {
    let mut sums = vec![0_usize; below + 1];
    let mut inversions = 0;
    for (seen, value) in values.enumerate() {
        let mut not_above = 0;
        let mut at = value + 1;
        while let Some(sum) = sums.get(at).filter(|_| at > 0) {
            not_above += sum;
            at &= at - 1;
        }
        inversions += seen.saturating_sub(not_above);
        at = value + 1;
        while let Some(sum) = sums.get_mut(at) {
            *sum += 1;
            at += at & at.wrapping_neg();
        }
    }
    inversions
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::inversions;

    proptest! {
        /// Counted pair by pair.
        #[test]
        fn inversions_are_counted(values in prop::collection::vec(0_usize..9, 0..40)) {
            let mut expected = 0;
            for (at, value) in values.iter().enumerate() {
                expected += values[..at].iter().filter(|earlier| *earlier > value).count();
            }
            prop_assert_eq!(inversions(values.into_iter(), 9), expected);
        }
    }
}
