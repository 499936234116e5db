//! Two slopes compared as if without rounding.
//!
//! Sums of floats that do not overlap hold any sum and product of a few floats exactly (Dekker 1971; Shewchuk,
//! "Adaptive precision floating-point arithmetic and fast robust geometric predicates", 1997, theorems 10 and 18).
//! It is asked where the quick comparison is within its own rounding, which is rare.

use std::cmp::Ordering;

use crate::deadband::sample::two_sum;

/// A rise over a run: the sum of `rise` and `offset` over `after`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slope {
    /// The difference of two values, without rounding.
    pub(super) rise: [f64; 2],
    pub(super) offset: f64,
    /// Above zero.
    pub(super) after: u64,
}

/// Compares two slopes. Rises and offsets may be up to 1e271, so that nothing overflows.
#[cold]
pub(super) fn compare(one: Slope, other: Slope) -> Ordering {
    let mut difference = Sum::default();
    for term in one.terms() {
        difference.add_product(term, other.after);
    }
    for term in other.terms() {
        difference.add_product(-term, one.after);
    }
    difference.sign()
}

impl Slope {
    /// The whole rise, as terms that do not overlap.
    fn terms(self) -> [f64; 3] {
        let [rise, lost] = self.rise;
        let (low, lowest) = two_sum(lost, self.offset);
        let (high, middle) = two_sum(rise, low);
        [lowest, middle, high]
    }
}

/// A sum of floats, smallest first, none of them zero, and no two with bits of the same weight.
#[derive(Default)]
struct Sum {
    terms: [f64; Self::MOST],
    len: usize,
}

impl Sum {
    /// Two slopes of three terms, times a run in two halves, each product with its rounding.
    const MOST: usize = 2 * 3 * 2 * 2;

    fn add_product(&mut self, term: f64, factor: u64) {
        const HALF: u32 = 32;
        const MASK: u64 = (1 << HALF) - 1;
        if term == 0.0 {
            return;
        }
        // Each half has 32 bits at most, and is exact as a float.
        for part in [(factor & MASK) as f64, (factor & !MASK) as f64] {
            if part != 0.0 {
                let product = term * part;
                self.add(term.mul_add(part, -product));
                self.add(product);
            }
        }
    }

    fn add(&mut self, term: f64) {
        let mut sum = term;
        let mut len = 0;
        let mut keep = |term: f64, terms: &mut [f64; Self::MOST]| {
            if term != 0.0
                && let Some(slot) = terms.get_mut(len)
            {
                *slot = term;
                len += 1;
            }
        };
        for at in 0..self.len.min(Self::MOST) {
            let (rounded, lost) = two_sum(sum, self.terms[at]);
            keep(lost, &mut self.terms);
            sum = rounded;
        }
        keep(sum, &mut self.terms);
        self.len = len;
    }

    /// The largest outweighs all the others.
    fn sign(&self) -> Ordering {
        let largest = self.len.checked_sub(1).and_then(|at| self.terms.get(at));
        largest.map_or(Ordering::Equal, |largest| largest.total_cmp(&0.0))
    }
}

#[cfg(test)]
mod tests;
