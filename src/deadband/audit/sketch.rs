//! Magnitudes in buckets of constant relative width, for their quantiles.

use serde::{Deserialize, Serialize};

/// How many buckets there are: 24 powers of two of eight each.
const BUCKETS: usize = 192;

/// What lies below: eight buckets to each power of two, so that a bucket is at most 1/8 wide and its middle at most
/// 6.3 % off.
const SHIFT: u32 = 52 - 3;

/// A histogram of magnitudes in 768 bytes. What lies more than 24 powers of two below the largest falls into the
/// lowest bucket. Its state depends on the magnitudes alone, never on their order or on where they were joined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub(super) struct Sketch {
    zeros: u64,
    /// The index of the highest bucket; none while there are only zeros.
    top: Option<u16>,
    /// The counts of the buckets below `top`, that of `top` first. They hold at `u32::MAX`.
    counts: Box<[u32; BUCKETS]>,
}

impl Sketch {
    /// The middle of a bucket beside its lower bound, about.
    const MIDDLE: f64 = 1.0 + 1.0 / 24.0;

    pub(super) fn new() -> Self {
        Self { zeros: 0, top: None, counts: Box::new([0; BUCKETS]) }
    }

    /// Adds a finite magnitude.
    #[inline]
    pub(super) fn add(&mut self, magnitude: f64) {
        self.add_many(magnitude, 1);
    }

    /// Adds a finite magnitude so many times.
    pub(super) fn add_many(&mut self, magnitude: f64, count: u64) {
        if magnitude > 0.0 {
            self.add_to(index(magnitude), u32::try_from(count).unwrap_or(u32::MAX));
        } else {
            self.zeros = self.zeros.saturating_add(count);
        }
    }

    fn add_to(&mut self, index: u16, count: u32) {
        let top = match self.top {
            Some(top) if top >= index => top,
            Some(top) => {
                self.lower(usize::from(index - top));
                index
            }
            None => index,
        };
        self.top = Some(top);
        let below = usize::from(top - index).min(BUCKETS - 1);
        if let Some(bucket) = self.counts.get_mut(below) {
            *bucket = bucket.saturating_add(count);
        }
    }

    /// Makes room for a higher top: what falls off the end falls into the last bucket.
    fn lower(&mut self, by: usize) {
        let by = by.min(BUCKETS - 1);
        let (stay, fall) = self.counts.split_at(BUCKETS - by);
        let last = fall.iter().chain(stay.last()).fold(0_u32, |sum, count| sum.saturating_add(*count));
        self.counts.copy_within(..BUCKETS - by, by);
        self.counts[..by].fill(0);
        self.counts[BUCKETS - 1] = last;
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.zeros = self.zeros.saturating_add(other.zeros);
        for (index, count) in other.buckets() {
            self.add_to(index, count);
        }
    }

    /// The buckets that count something, highest first.
    fn buckets(&self) -> impl DoubleEndedIterator<Item = (u16, u32)> {
        let top = self.top.unwrap_or_default();
        let filled = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        filled.map(move |(below, count)| (top.saturating_sub(below as u16), *count))
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().fold(self.zeros, |sum, count| sum.saturating_add(u64::from(*count)))
    }

    /// How many are greater than this, as if each bucket were filled evenly.
    pub(super) fn above(&self, size: f64) -> f64 {
        let share = |index: u16| {
            let (from, to) = (bound(index), bound(index.saturating_add(1)));
            ((to - size.max(0.0)) / (to - from)).clamp(0.0, 1.0)
        };
        self.buckets().map(|(index, count)| share(index) * f64::from(count)).sum()
    }

    /// The magnitude that this share of all lies below, to within a bucket; zero where there is none.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let wished = share * self.count() as f64;
        let mut below = self.zeros as f64;
        if below >= wished {
            return 0.0;
        }
        for (index, count) in self.buckets().rev() {
            let within = f64::from(count);
            if below + within >= wished {
                let (from, to) = (bound(index), bound(index.saturating_add(1)));
                return (to - from).mul_add((wished - below) / within, from);
            }
            below += within;
        }
        0.0
    }

    /// The median; zero where there is none. Magnitudes that are multiples of `quantum`, as those of a quantised
    /// signal, are taken as spread over half a quantum to each side: else the median would jump with them.
    pub(super) fn median(&self, quantum: f64) -> f64 {
        let half = self.count() as f64 / 2.0;
        let mut below = self.zeros as f64;
        if below >= half {
            return if below > 0.0 { quantum / 2.0 * half / below } else { 0.0 };
        }
        let mut buckets = self.buckets().rev().peekable();
        while let Some((index, count)) = buckets.next() {
            let mut within = f64::from(count);
            let (mut from, mut to) = (bound(index), bound(index.saturating_add(1)));
            // Beyond eight quanta a bucket is no narrower than one.
            if to < 8.0 * quantum {
                let quanta = |index: u16| (bound(index) / quantum * Self::MIDDLE).round();
                let own = quanta(index);
                while let Some((_, count)) = buckets.next_if(|(next, _)| quanta(*next) == own) {
                    within += f64::from(count);
                }
                from = (own - 0.5).max(0.0) * quantum;
                to = (own + 0.5) * quantum;
            }
            if below + within >= half {
                return (to - from).mul_add((half - below) / within, from);
            }
            below += within;
        }
        0.0
    }
}

fn index(magnitude: f64) -> u16 {
    (magnitude.to_bits() >> SHIFT) as u16
}

/// The lower bound of a bucket.
fn bound(index: u16) -> f64 {
    f64::from_bits(u64::from(index) << SHIFT)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    zeros: u64,
    /// Index and count, lowest first.
    buckets: Vec<(u16, u32)>,
}

impl From<Sketch> for Saved {
    fn from(sketch: Sketch) -> Self {
        Self { zeros: sketch.zeros, buckets: sketch.buckets().rev().collect() }
    }
}

impl TryFrom<Saved> for Sketch {
    type Error = String;

    fn try_from(saved: Saved) -> Result<Self, String> {
        let mut sketch = Self::new();
        sketch.zeros = saved.zeros;
        let highest = index(f64::MAX);
        for (index, count) in saved.buckets {
            if index > highest {
                return Err(format!(
                    "a bucket of index {index} holds no finite magnitude, at most {highest} does"
                ));
            }
            sketch.add_to(index, count);
        }
        Ok(sketch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_within_a_bucket_of_the_true_one() {
        for scale in [1e-300, 1e-3, 1.0, 7.0, 1e200] {
            let mut sketch = Sketch::new();
            for i in (1..=1001_u32).rev() {
                sketch.add(f64::from(i) * scale);
            }
            let median = sketch.median(0.0);
            assert!((median / (501.0 * scale) - 1.0).abs() < 0.01, "{scale}: {median}");
            // At worst, all in one bucket at its end.
            let mut one = Sketch::new();
            one.add(scale);
            assert!((one.median(0.0) / scale - 1.0).abs() <= 1.0 / 8.0, "{scale}");
        }
        assert_eq!(Sketch::new().median(1.0), 0.0);
    }

    #[test]
    fn the_order_of_magnitudes_is_nothing() {
        let magnitudes: Vec<_> = (0..3000_i32).map(|i| (f64::from(i % 127) - 60.0).exp2()).collect();
        let of = |magnitudes: &mut dyn Iterator<Item = &f64>| {
            let mut sketch = Sketch::new();
            magnitudes.for_each(|magnitude| sketch.add(*magnitude));
            sketch
        };
        let whole = of(&mut magnitudes.iter());
        assert_eq!(whole, of(&mut magnitudes.iter().rev()));
        assert_eq!(whole.count(), 3000);
        for cut in [0, 1, 60, 61, 127, 1500, 3000] {
            let (first, second) = magnitudes.split_at(cut);
            let mut joined = of(&mut first.iter());
            joined.join(&of(&mut second.iter()));
            assert_eq!(joined, whole, "{cut}");
        }
    }

    #[test]
    fn what_is_quantised_is_spread_over_the_quantum() {
        let mut sketch = Sketch::new();
        for (magnitude, count) in [(0.0, 40), (0.1, 40), (0.2, 20)] {
            (0..count).for_each(|_| sketch.add(magnitude));
        }
        // Ten of the forty at 0.1, which are spread over 0.05 to 0.15.
        assert!((sketch.median(0.1) - 0.075).abs() < 1e-12, "{}", sketch.median(0.1));
    }
}
