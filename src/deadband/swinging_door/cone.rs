//! The cone from a kept sample: the lines from it that pass every later sample within the deviation.

use std::cmp::Ordering;
use std::hint::select_unpredictable;

use super::exact::{Slope, compare};
use crate::deadband::sample::Number;

/// What rounding may cost a comparison of two cross products, relative to the sizes that go in: six roundings of
/// 2⁻⁵³ and their second order, with room.
const ROUNDING: f64 = 8.0 * f64::EPSILON / 2.0;

/// Values further apart are not joined by a line, so that no product overflows: this times 2⁶⁴ is finite.
pub(super) const WIDEST: f64 = 1e270;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cone<V> {
    low: Edge<V>,
    high: Edge<V>,
}

/// The line from the origin that passes a sample at just the deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Edge<V> {
    /// The sample's value.
    value: V,
    /// How long after the origin it came, in nanoseconds; zero where there is no edge.
    after: u64,
    // The same again as the quick comparison wants it:
    /// How far the edge rises (to within rounding) until then.
    rise: f64,
    /// How far the sample rises, and the deviation: what rounding is relative to.
    size: f64,
    run: f64,
}

/// Where a sample lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// In the cone: a line may end at it.
    Inside,
    /// Outside, but some line still passes it within the deviation.
    Outside,
    /// No line passes it and all the samples before it within the deviation.
    Closing,
}

impl<V: Number> Cone<V> {
    /// The cone of all lines.
    pub(super) fn open() -> Self {
        Self { low: Edge::none(f64::NEG_INFINITY), high: Edge::none(f64::INFINITY) }
    }

    /// The cone whose edges pass these samples, each a value and how long after the origin it came. `None` where no
    /// cone has such edges.
    pub(super) fn of(origin: V, dev: f64, low: (V, u64), high: (V, u64)) -> Option<Self> {
        let edge = |(value, after): (V, u64), side: f64| {
            let rise = value.rise(origin);
            let size = rise.abs() + dev;
            (after > 0 && size <= WIDEST).then(|| Edge::new(value, after, rise + side, size))
        };
        let cone = Self { low: edge(low, -dev)?, high: edge(high, dev)? };
        (!cone.high.is_below(origin, dev, cone.low, -dev)).then_some(cone)
    }

    /// The lines from `origin` that pass the first sample after it; `None` where that is not finite or too far.
    #[inline]
    pub(super) fn first(origin: V, dev: f64, value: V, after: u64) -> Option<Self> {
        let rise = value.rise(origin);
        let size = rise.abs() + dev;
        (size <= WIDEST).then(|| Self {
            low: Edge::new(value, after, rise - dev, size),
            high: Edge::new(value, after, rise + dev, size),
        })
    }

    /// The samples that its edges pass: of the low one, and of the high one. `None` where it is open.
    pub(super) fn edges(&self) -> Option<[(V, u64); 2]> {
        (self.low.after > 0).then_some([(self.low.value, self.low.after), (self.high.value, self.high.after)])
    }

    /// Narrows the cone to the lines that also pass the sample `value`, `after` nanoseconds after `origin`, and
    /// returns where the sample lay before. Exact, as if without rounding. Values that are further apart than
    /// [`WIDEST`] or not finite, and runs of more than 292 years, close the cone.
    #[inline]
    pub(super) fn narrow(&mut self, origin: V, dev: f64, value: V, after: u64) -> Position {
        // A signed number is a float in one instruction, an unsigned one in many.
        let Ok(signed) = i64::try_from(after) else { return Position::Closing };
        let run = signed as f64;
        let rise = value.rise(origin);
        let size = rise.abs() + dev;
        let (low, high) = (self.low, self.high);
        let doubt_low = ROUNDING * (size * low.run + low.size * run);
        let doubt_high = ROUNDING * (size * high.run + high.size * run);
        // Of the sample, of its low edge and of its high edge: how far above the cone's low edge, below its high edge.
        let (to_low, to_high) = (low.rise * run, high.rise * run);
        let (in_low, in_high) = (rise * low.run - to_low, to_high - rise * high.run);
        let (raised, over) = ((rise - dev) * low.run - to_low, to_high - (rise - dev) * high.run);
        let (lowered, under) = (to_high - (rise + dev) * high.run, (rise + dev) * low.run - to_low);
        // NaN compares as false throughout.
        let is_sure = (size <= WIDEST)
            & (in_low.abs() >= doubt_low)
            & (in_high.abs() >= doubt_high)
            & (raised.abs() >= doubt_low)
            & (over.abs() >= doubt_high)
            & (lowered.abs() >= doubt_high)
            & (under.abs() >= doubt_low);
        if !is_sure {
            return self.narrow_exactly(origin, dev, value, after);
        }
        // Without branches, for which of these holds is at random in noise.
        let own = |rise| Edge { value, after, rise, size, run };
        self.low = own(rise - dev).or(raised > 0.0, low);
        self.high = own(rise + dev).or(lowered > 0.0, high);
        if (over < 0.0) | (under < 0.0) {
            Position::Closing
        } else if (in_low >= 0.0) & (in_high >= 0.0) {
            // At zero nothing was rounded, or there would be doubt.
            Position::Inside
        } else {
            Position::Outside
        }
    }

    /// The same, where rounding may decide one of the comparisons.
    #[cold]
    fn narrow_exactly(&mut self, origin: V, dev: f64, value: V, after: u64) -> Position {
        let run = after as f64;
        let rise = value.rise(origin);
        let size = rise.abs() + dev;
        let (low, high) = (self.low, self.high);
        let doubt_low = ROUNDING * (size * low.run + low.size * run);
        let doubt_high = ROUNDING * (size * high.run + high.size * run);
        let in_low = rise * low.run - low.rise * run;
        let in_high = high.rise * run - rise * high.run;
        // NaN compares as false throughout.
        if !(in_low >= doubt_low && in_high >= doubt_high && size <= WIDEST) {
            if size.is_nan() || size > WIDEST {
                return Position::Closing;
            }
            let new = Edge { value, after, rise, size, run };
            if in_low < -doubt_low || (in_low < doubt_low && new.is_below(origin, 0.0, low, -dev)) {
                // Only its high edge can narrow the cone.
                let above_low = (rise + dev) * low.run - low.rise * run;
                if above_low < -doubt_low || (above_low < doubt_low && new.is_below(origin, dev, low, -dev)) {
                    return Position::Closing;
                }
                self.lower_high(origin, dev, new, doubt_high);
                return Position::Outside;
            }
            if in_high < -doubt_high || (in_high < doubt_high && high.is_below(origin, dev, new, 0.0)) {
                let below_high = high.rise * run - (rise - dev) * high.run;
                if below_high < -doubt_high
                    || (below_high < doubt_high && high.is_below(origin, dev, new, -dev))
                {
                    return Position::Closing;
                }
                self.raise_low(origin, dev, new, doubt_low);
                return Position::Outside;
            }
        }
        let new = Edge { value, after, rise, size, run };
        self.raise_low(origin, dev, new, doubt_low);
        self.lower_high(origin, dev, new, doubt_high);
        Position::Inside
    }

    // An open cone is infinitely wide, so that the quick comparison decides: the exact one is never asked of one.

    /// The low edge is the sample's own where that is the higher.
    #[inline]
    fn raise_low(&mut self, origin: V, dev: f64, new: Edge<V>, doubt: f64) {
        let above = (new.rise - dev) * self.low.run - self.low.rise * new.run;
        if above >= doubt || (above > -doubt && self.low.is_below(origin, -dev, new, -dev)) {
            self.low = Edge { rise: new.rise - dev, ..new };
        }
    }

    /// The high edge is the sample's own where that is the lower.
    #[inline]
    fn lower_high(&mut self, origin: V, dev: f64, new: Edge<V>, doubt: f64) {
        let below = self.high.rise * new.run - (new.rise + dev) * self.high.run;
        if below >= doubt || (below > -doubt && new.is_below(origin, dev, self.high, dev)) {
            self.high = Edge { rise: new.rise + dev, ..new };
        }
    }
}

impl<V: Number> Edge<V> {
    fn none(rise: f64) -> Self {
        Self { value: V::default(), after: 0, rise, size: 0.0, run: 1.0 }
    }

    #[inline]
    const fn new(value: V, after: u64, rise: f64, size: f64) -> Self {
        Self { value, after, rise, size, run: after as f64 }
    }

    /// Itself where `keep`, else the other.
    #[inline]
    fn or(self, keep: bool, other: Self) -> Self {
        Self {
            value: select_unpredictable(keep, self.value, other.value),
            after: select_unpredictable(keep, self.after, other.after),
            rise: select_unpredictable(keep, self.rise, other.rise),
            size: select_unpredictable(keep, self.size, other.size),
            run: select_unpredictable(keep, self.run, other.run),
        }
    }

    /// Whether the line to its sample, moved by `side`, lies below the line to the other's, moved by `other_side`:
    /// exactly.
    #[cold]
    fn is_below(self, origin: V, side: f64, other: Self, other_side: f64) -> bool {
        let slope =
            |edge: Self, offset| Slope { rise: edge.value.exact_rise(origin), offset, after: edge.after };
        compare(slope(self, side), slope(other, other_side)) == Ordering::Less
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Cone<f64> {
        fn take(&mut self, origin: f64, dev: f64, value: f64, after: u64) -> bool {
            self.narrow(origin, dev, value, after) == Position::Inside
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
                let edge = slope(origin, first.value, side * dev, first.after);
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
}
