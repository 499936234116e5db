//! Two slopes compared as if without rounding.
//!
//! Sums of floats that do not overlap hold any sum and product of a few floats exactly (Dekker 1971; Shewchuk,
//! "Adaptive precision floating-point arithmetic and fast robust geometric predicates", 1997, theorems 10 and 18).
//! It is asked where the quick comparison is within its own rounding, which is rare.

use std::cmp::Ordering;

/// A rise over a run from the same origin: `value − origin + offset` over `after`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slope {
    pub(super) value: f64,
    pub(super) offset: f64,
    /// Above zero.
    pub(super) after: u64,
}

/// Compares the slopes of `one` and `other` from `origin`. The values may be at most 1e271 apart, so that nothing
/// overflows.
#[cold]
pub(super) fn compare(origin: f64, one: Slope, other: Slope) -> Ordering {
    let mut difference = Sum::default();
    for term in one.rise(origin) {
        difference.add_product(term, other.after);
    }
    for term in other.rise(origin) {
        difference.add_product(-term, one.after);
    }
    difference.sign()
}

impl Slope {
    fn rise(self, origin: f64) -> [f64; 3] {
        let (rise, lost) = two_sum(self.value, -origin);
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

/// `a + b` rounded, and what that lost (Knuth).
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let of_b = sum - a;
    let of_a = sum - of_b;
    (sum, (a - of_a) + (b - of_b))
}

#[cfg(test)]
mod tests;
