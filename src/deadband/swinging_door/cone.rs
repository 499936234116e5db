//! The cone from a kept sample: the lines from it that pass every later sample within the deviation.

use std::cmp::Ordering;
use std::hint::select_unpredictable;
use std::marker::PhantomData;

use super::exact::{Slope, compare};
use crate::deadband::sample::Number;

/// What rounding may cost a comparison of two slopes, relative to the sizes that go in: up to five roundings of 2⁻⁵³ in
/// each (rise, run, its inverse, the product, the sum with the deviation) and their second order, with room.
const ROUNDING: f64 = 8.0 * f64::EPSILON / 2.0;

/// Values further apart are not joined by a line, so that no product overflows: this times 2⁶⁴ is finite.
pub(super) const WIDEST: f64 = 1e270;

/// Slopes of smaller sizes may lose bits below the smallest float, which [`ROUNDING`] does not cover.
const LEAST: f64 = 1e-250;

/// The lines from a kept sample, the origin, between two edges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cone<V> {
    low: Edge<V>,
    high: Edge<V>,
    /// At least the size of both samples: what the rounding of the slopes is relative to.
    size: f64,
}

/// The line from the origin that passes a sample at just the deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Edge<V> {
    /// The slope, to within rounding.
    slope: f64,
    sample: SampleId<V>,
}

/// A sample, in words that the processor selects without a branch: it has no such instruction for floats.
#[derive(Clone, Copy, Debug, PartialEq)]
struct SampleId<V> {
    bits: u64,
    /// How long after the origin it came, in nanoseconds; zero where there is no edge.
    after: u64,
    number: PhantomData<V>,
}

/// A sample as the origin sees it, to within rounding: everything is divided by how long after the origin it came, so
/// that one division is all that a comparison with both edges takes.
#[derive(Clone, Copy)]
struct Sight {
    /// The slope of the line to it, and how far from there its edges are.
    slope: f64,
    dev: f64,
    /// How large the numbers are that `slope` and `dev` come from: what rounding is relative to.
    size: f64,
}

/// Where a sample lies. Two flags, and no three cases: which of them holds is at random in noise, and a case would be a
/// branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// In the cone: a line may end at it.
    pub(super) is_inside: bool,
    /// No line passes it and all the samples before it within the deviation.
    pub(super) is_closing: bool,
}

impl Position {
    pub(super) const INSIDE: Self = Self { is_inside: true, is_closing: false };
    pub(super) const OUTSIDE: Self = Self { is_inside: false, is_closing: false };
    pub(super) const CLOSING: Self = Self { is_inside: false, is_closing: true };
}

impl<V: Number> Cone<V> {
    /// The cone of all lines.
    pub(super) fn open() -> Self {
        let none = SampleId::new(V::default(), 0);
        let edge = |slope| Edge { slope, sample: none };
        Self { low: edge(f64::NEG_INFINITY), high: edge(f64::INFINITY), size: 0.0 }
    }

    /// The cone whose edges pass these samples, each a value and how long after the origin it came. `None` where no
    /// cone has such edges.
    pub(super) fn of(origin: V, dev: f64, low: (V, u64), high: (V, u64)) -> Option<Self> {
        let alone = |(value, after)| if after > 0 { Self::first(origin, dev, value, after) } else { None };
        let (low, high) = (alone(low)?, alone(high)?);
        let cone = Self { low: low.low, high: high.high, size: low.size.max(high.size) };
        (!cone.high.is_below(origin, dev, cone.low, -dev)).then_some(cone)
    }

    /// The lines from `origin` that pass the first sample after it; `None` where that is not finite or too far.
    #[inline]
    pub(super) fn first(origin: V, dev: f64, value: V, after: u64) -> Option<Self> {
        let rise = value.rise(origin);
        let size = rise.abs() + dev;
        // A signed number is a float in one instruction, an unsigned one in many.
        let run = i64::try_from(after).map_or_else(|_| unsigned(after), |after| after as f64);
        let (sight, sample) = (Sight::new(rise, dev, size, run), SampleId::new(value, after));
        let edge = |slope| Edge { slope, sample };
        let (low, high) = (edge(sight.slope - sight.dev), edge(sight.slope + sight.dev));
        // Where rise and deviation are zero, nothing was rounded.
        let rounded = if size >= LEAST || size == 0.0 { sight.size } else { f64::INFINITY };
        (size <= WIDEST).then_some(Self { low, high, size: rounded })
    }

    /// The samples that its edges pass: of the low one, and of the high one. `None` where it is open.
    pub(super) fn edges(&self) -> Option<[(V, u64); 2]> {
        let sample = |edge: Edge<V>| (edge.sample.value(), edge.sample.after);
        (self.low.sample.after > 0).then(|| [sample(self.low), sample(self.high)])
    }

    /// Narrows the cone to the lines that also pass the sample `value`, `after` nanoseconds after `origin`, and
    /// returns where the sample lay before. Exact, as if without rounding. Values that are further apart than
    /// [`WIDEST`] or not finite, and runs of more than 292 years, close the cone.
    #[inline]
    pub(super) fn narrow(&mut self, origin: V, dev: f64, value: V, after: u64) -> Position {
        let Ok(signed) = i64::try_from(after) else { return Position::CLOSING };
        let rise = value.rise(origin);
        let size = rise.abs() + dev;
        // NaN compares as false throughout.
        if !(LEAST..=WIDEST).contains(&size) {
            return self.narrow_exactly(origin, dev, value, after);
        }
        let sight = Sight::new(rise, dev, size, signed as f64);
        let (low, high) = (self.low.slope, self.high.slope);
        let doubt = ROUNDING * (sight.size + self.size);
        // Of the sample, of its low edge and of its high edge: how far above the cone's low edge, below its high edge.
        let (bottom, top) = (sight.slope - sight.dev, sight.slope + sight.dev);
        let (in_low, in_high) = (sight.slope - low, high - sight.slope);
        let (raised, over) = (bottom - low, high - bottom);
        let (under, lowered) = (top - low, high - top);
        // Without branches, for which of these holds is at random in noise: a processor that guesses wrong loses as much
        // time as all of this takes.
        let [of_line, of_low, of_high] = [(in_low, in_high), (raised, over), (lowered, under)]
            .map(|(one, other)| less(one.abs(), other.abs()));
        let is_sure = less(of_line, less(of_low, of_high)) >= doubt;
        if !is_sure {
            return self.narrow_exactly(origin, dev, value, after);
        }
        let sample = SampleId::new(value, after);
        self.low = Edge { slope: greater(bottom, low), sample: sample.or(raised > 0.0, self.low.sample) };
        self.high = Edge { slope: less(top, high), sample: sample.or(lowered > 0.0, self.high.sample) };
        self.size = greater(sight.size, self.size);
        // A closing sample is outside, and at zero nothing was rounded.
        Position { is_inside: less(in_low, in_high) >= 0.0, is_closing: less(over, under) < 0.0 }
    }

    /// The same, where rounding may decide one of the comparisons.
    #[cold]
    fn narrow_exactly(&mut self, origin: V, dev: f64, value: V, after: u64) -> Position {
        let Some(own) = Self::first(origin, dev, value, after) else { return Position::CLOSING };
        let line = Edge { slope: value.rise(origin) * (1.0 / after as f64), ..own.low };
        let doubt = ROUNDING * (own.size + self.size);
        // Only where the slopes are surely apart are they compared as they are.
        let is_below = |(edge, side): (Edge<V>, f64), (other, other_side): (Edge<V>, f64)| {
            let apart = other.slope - edge.slope;
            if apart.abs() >= doubt { apart > 0.0 } else { edge.is_below(origin, side, other, other_side) }
        };
        let (low, high) = ((self.low, -dev), (self.high, dev));
        let (line, bottom, top) = ((line, 0.0), (own.low, -dev), (own.high, dev));
        let (is_under, is_over) = (is_below(line, low), is_below(high, line));
        if is_under && is_below(top, low) || is_over && is_below(high, bottom) {
            return Position::CLOSING;
        }
        if is_below(low, bottom) {
            self.low = own.low;
        }
        if is_below(top, high) {
            self.high = own.high;
        }
        // Anew, for a sample that is no edge any longer may have been a moment after the origin, and steep.
        let size = |sample: SampleId<V>| match sample.after {
            0 => Some(0.0),
            after => Self::first(origin, dev, sample.value(), after).map(|cone| cone.size),
        };
        let sizes = size(self.low.sample).zip(size(self.high.sample));
        self.size = sizes.map_or(f64::INFINITY, |(low, high)| greater(low, high));
        if is_under || is_over { Position::OUTSIDE } else { Position::INSIDE }
    }
}

#[cold]
#[inline(never)]
const fn unsigned(after: u64) -> f64 {
    after as f64
}

/// The greater of two numbers, in one instruction. `f64::max` would look for NaN too.
#[inline]
fn greater(one: f64, other: f64) -> f64 {
    if one > other { one } else { other }
}

#[inline]
fn less(one: f64, other: f64) -> f64 {
    if one < other { one } else { other }
}

impl Sight {
    #[inline]
    fn new(rise: f64, dev: f64, size: f64, run: f64) -> Self {
        let per_run = 1.0 / run;
        Self { slope: rise * per_run, dev: dev * per_run, size: size * per_run }
    }
}

impl<V: Number> SampleId<V> {
    #[inline]
    fn new(value: V, after: u64) -> Self {
        Self { bits: value.into_bits(), after, number: PhantomData }
    }

    fn value(self) -> V {
        V::of_bits(self.bits).unwrap_or_default()
    }

    /// Itself where `keep`, else the other.
    #[inline]
    fn or(self, keep: bool, other: Self) -> Self {
        Self {
            bits: select_unpredictable(keep, self.bits, other.bits),
            after: select_unpredictable(keep, self.after, other.after),
            number: PhantomData,
        }
    }
}

impl<V: Number> Edge<V> {
    /// Whether the line to its sample, moved by `side`, lies below the line to the other's, moved by `other_side`:
    /// exactly.
    #[cold]
    fn is_below(self, origin: V, side: f64, other: Self, other_side: f64) -> bool {
        let slope = |sample: SampleId<V>, offset| Slope {
            rise: sample.value().exact_rise(origin),
            offset,
            after: sample.after,
        };
        compare(slope(self.sample, side), slope(other.sample, other_side)) == Ordering::Less
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Cone<f64> {
        fn take(&mut self, origin: f64, dev: f64, value: f64, after: u64) -> bool {
            self.narrow(origin, dev, value, after).is_inside
        }
    }

    /// The slope to a value from an origin, with an offset.
    fn slope(origin: f64, value: f64, offset: f64, after: u64) -> Slope {
        Slope { rise: value.exact_rise(origin), offset, after }
    }

    #[test]
    fn sample_narrows_the_cone_from_both_sides() {
        let mut cone = Cone::open();
        assert!(cone.take(0.0, 1.0, 0.0, 10));
        // At twice the distance the cone is twice as wide, its edges within.
        assert!(!cone.clone().take(0.0, 1.0, 2.000_000_001, 20));
        assert!(!cone.clone().take(0.0, 1.0, -2.000_000_001, 20));
        assert!(cone.take(0.0, 1.0, 2.0, 20));
        assert_eq!(cone.edges(), Some([(2.0, 20), (0.0, 10)]));
        assert!(!cone.take(0.0, 1.0, 1.0, 30));
        assert!(cone.take(0.0, 1.0, 1.5, 30));
    }

    #[test]
    fn zero_deviation_takes_only_the_line() {
        let mut cone = Cone::open();
        for step in 1..1_000_u32 {
            assert!(cone.take(7.0, 0.0, 7.0 + f64::from(step), u64::from(step) * 1_000_000_007));
        }
        assert!(!cone.take(7.0, 0.0, 1007.0_f64.next_up(), 1_000 * 1_000_000_007));
        assert!(cone.take(7.0, 0.0, 1007.0, 1_000 * 1_000_000_007));
    }

    /// Floats around a value, a few units in the last place to each side.
    fn around(value: f64) -> [f64; 5] {
        let (below, above) = (value.next_down(), value.next_up());
        [below.next_down(), below, value, above, above.next_up()]
    }

    /// What lies on an edge, or so near it that rounding decides, is decided without rounding.
    #[test]
    fn at_the_edges_rounding_decides_nothing() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut in_and_out = [0_u32; 2];
        for _ in 0..2_000 {
            let mut uniform = || (random() >> 11) as f64 / (1_u64 << 53) as f64;
            let (origin, dev, value) = (uniform() * 100.0, uniform(), uniform() * 100.0);
            let (one, other) = ((random() >> 20) + 1, (random() >> 20) + 1);
            let mut cone = Cone::open();
            assert!(cone.take(origin, dev, value, one));
            let scale = other as f64 / one as f64;
            for (side, first) in [(-1.0, cone.low), (1.0, cone.high)] {
                let edge = slope(origin, first.sample.value(), side * dev, first.sample.after);
                let on_edge = origin + (value + side * dev - origin) * scale;
                for near in around(on_edge) {
                    let order = compare(slope(origin, near, 0.0, other), edge);
                    let is_in = if side < 0.0 { order != Ordering::Less } else { order != Ordering::Greater };
                    assert_eq!(cone.clone().take(origin, dev, near, other), is_in, "{origin} {dev} {value}");
                    in_and_out[usize::from(is_in)] += 1;
                }
                // Whose own edge is there decides which sample the cone keeps.
                for near in around(on_edge - side * dev) {
                    let mut narrowed = cone;
                    if !narrowed.take(origin, dev, near, other) {
                        continue;
                    }
                    let order = compare(slope(origin, near, side * dev, other), edge);
                    let [low, high] = narrowed.edges().unwrap();
                    let (kept, tighter) =
                        if side < 0.0 { (low, Ordering::Greater) } else { (high, Ordering::Less) };
                    // Where both are the same, either may be kept.
                    if order != Ordering::Equal {
                        let expected = if order == tighter { (near, other) } else { (value, one) };
                        assert_eq!(kept, expected, "{origin} {dev} {value}");
                    }
                }
            }
        }
        assert!(in_and_out.iter().all(|count| *count > 5_000), "{in_and_out:?}");
    }

    #[test]
    fn what_is_no_number_or_too_far_is_out() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -2e270] {
            assert!(!Cone::<f64>::open().take(0.0, 1.0, value, 1), "{value}");
            assert!(!Cone::<f64>::open().take(value, 1.0, 0.0, 1), "{value}");
        }
        assert!(Cone::<f64>::open().take(0.0, 0.0, 9e269, i64::MAX.cast_unsigned()));
        assert!(!Cone::<f64>::open().take(0.0, 0.0, 9e269, 1 << 63));
        assert!(Cone::first(0.0, 0.0, 9e269, u64::MAX).is_some());
    }

    #[test]
    fn the_widest_is_still_a_line() {
        let mut cone = Cone::open();
        assert!(cone.take(0.0, 0.0, WIDEST, 1));
        assert_eq!(Cone::first(0.0, 0.0, WIDEST, 1), Some(cone));
        assert_eq!(Cone::of(0.0, 0.0, (WIDEST, 1), (WIDEST, 1)), Some(cone));
        let too_wide = WIDEST.next_up();
        assert!(!Cone::<f64>::open().take(0.0, 0.0, too_wide, 1));
        assert!(Cone::first(0.0, 0.0, too_wide, 1).is_none());
        assert!(Cone::of(0.0, 0.0, (too_wide, 1), (too_wide, 1)).is_none());
        assert!(Cone::of(0.0, 1.0, (0.0, 0), (0.0, 1)).is_none());
    }

    /// A sample that is off by just the deviation leaves an edge that hardly rises, by a difference that rounded.
    /// Long after it that is most of the doubt.
    #[test]
    fn edge_rounding_decides_nothing_later() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut uniform = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let mut in_and_out = [0_u32; 2];
        for round in 0..2_000 {
            // Beside a small origin the difference rounds.
            let (origin, dev) = (uniform() * [100.0, 1e-3][round % 2], uniform());
            let after = 1 + (uniform() * 1e3) as u64;
            for side in [-1.0, 1.0] {
                let value = origin - side * dev;
                let edge = slope(origin, value, side * dev, after);
                for cone in [Cone::first(origin, dev, value, after).unwrap(), {
                    let mut cone = Cone::open();
                    assert!(cone.take(origin, dev, value, after));
                    cone
                }] {
                    for times in [2, 1_000, 1_000_000] {
                        let later = after * times;
                        let on_edge = origin + ((value - origin) + side * dev) * times as f64;
                        for near in around(on_edge) {
                            let order = compare(slope(origin, near, 0.0, later), edge);
                            let is_in =
                                if side < 0.0 { order != Ordering::Less } else { order != Ordering::Greater };
                            assert_eq!(
                                cone.clone().take(origin, dev, near, later),
                                is_in,
                                "{origin} {dev} {times}"
                            );
                            in_and_out[usize::from(is_in)] += 1;
                        }
                    }
                }
            }
        }
        assert!(in_and_out.iter().all(|count| *count > 5_000), "{in_and_out:?}");
    }

    /// Every sample before is compared again, without rounding: from subnormal values to the widest, and with many that lie
    /// on an edge or one unit in the last place from it.
    #[test]
    fn cone_is_that_of_all_samples_at_every_scale() {
        let mut state = 0x1234_5678_9abc_def1_u64;
        let mut random = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) % below
        };
        let mut seen = [0_u32; 3];
        for round in 0..4_000 {
            let scale = [1.0, 1e-310, 1e-251, 1e-249, 1e-30, 1e200, 1e268][round % 7];
            let (dev, tick) = (random(4) as f64 * scale, random(5_000_000_000) + 1);
            let origin = (random(8) as f64 - 4.0) * scale;
            let mut cone = Cone::open();
            let mut before: Vec<Slope> = vec![];
            for step in 1..40 {
                let value = (random(9) as f64 - 4.0) * scale;
                let value = [value, value.next_up(), value.next_down(), value * 0.3][random(4) as usize];
                let after = step * tick + random(2) * random(tick);
                let own = |offset| slope(origin, value, offset, after);
                let extreme = |side: f64, order: Ordering| {
                    let edges = before.iter().map(|known| Slope { offset: side * dev, ..*known });
                    edges.reduce(|one, other| if compare(one, other) == order { one } else { other })
                };
                let (low, high) = (extreme(-1.0, Ordering::Greater), extreme(1.0, Ordering::Less));
                let is_under = |offset| low.is_some_and(|low| compare(own(offset), low) == Ordering::Less);
                let is_over =
                    |offset| high.is_some_and(|high| compare(own(offset), high) == Ordering::Greater);
                let expected = if is_under(dev) || is_over(-dev) {
                    Position::CLOSING
                } else if is_under(0.0) || is_over(0.0) {
                    Position::OUTSIDE
                } else {
                    Position::INSIDE
                };
                let found = cone.narrow(origin, dev, value, after);
                assert_eq!(found, expected, "round {round}, step {step}: {origin} {dev} {value} {after}");
                seen[usize::from(!found.is_inside) + usize::from(found.is_closing)] += 1;
                if found.is_closing {
                    break;
                }
                before.push(own(0.0));
            }
        }
        assert!(seen.iter().all(|count| *count > 1_000), "{seen:?}");
    }
}
