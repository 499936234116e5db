//! The comparison beside integers wide enough for every `f64`.

use super::*;
use crate::deadband::sample::Number as _;

/// From an origin to a value, and the offset and the run of it.
#[derive(Clone, Copy, Debug)]
struct Line {
    value: f64,
    offset: f64,
    after: u64,
}

fn compare(origin: f64, one: Line, other: Line) -> Ordering {
    let slope =
        |line: Line| Slope { rise: line.value.exact_rise(origin), offset: line.offset, after: line.after };
    super::compare(slope(one), slope(other))
}

/// A whole number of 2⁻¹⁰⁷⁴, in two's complement, the lowest word first: wide enough for any sum of a few floats,
/// times any run.
#[derive(Clone, Copy)]
struct Whole([u64; 36]);

impl Whole {
    fn zero() -> Self {
        Self([0; 36])
    }

    fn plus(mut self, value: f64) -> Self {
        let exponent = (value.to_bits() >> 52) & 0x7ff;
        let fraction = value.to_bits() & ((1 << 52) - 1);
        let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
        let shift = exponent.saturating_sub(1);
        let wide = u128::from(mantissa) << (shift % 64);
        let mut term = [0; 36];
        term[shift as usize / 64] = wide as u64;
        term[shift as usize / 64 + 1] = (wide >> 64) as u64;
        let flip = if value < 0.0 { u64::MAX } else { 0 };
        let mut carry = u128::from(flip & 1);
        for (word, add) in self.0.iter_mut().zip(term) {
            carry += u128::from(*word) + u128::from(add ^ flip);
            *word = carry as u64;
            carry >>= 64;
        }
        self
    }

    fn times(mut self, factor: u64) -> Self {
        let mut carry = 0;
        for word in &mut self.0 {
            carry += u128::from(*word) * u128::from(factor);
            *word = carry as u64;
            carry >>= 64;
        }
        self
    }

    /// Signed, the highest word first.
    fn key(self) -> (i64, [u64; 36]) {
        let mut words = self.0;
        words.reverse();
        (words[0].cast_signed(), words)
    }
}

/// By integers alone.
fn model(origin: f64, one: Line, other: Line) -> Ordering {
    let rise = |slope: Line| Whole::zero().plus(slope.value).plus(-origin).plus(slope.offset);
    rise(one).times(other.after).key().cmp(&rise(other).times(one.after).key())
}

fn slope(value: f64, offset: f64, after: u64) -> Line {
    Line { value, offset, after }
}

#[test]
fn tells_apart_what_rounding_does_not() {
    // 0.3 - 0.1 is 0.19999999999999998 in f64, and twice (0.2 - 0.1) is 0.2: as they are stored, the first is
    // the smaller by less than either rounds by.
    assert_eq!(compare(0.1, slope(0.3, 0.0, 2), slope(0.2, 0.0, 1)), Ordering::Less);
    assert_eq!(compare(0.0, slope(3.0, 0.0, 3), slope(1.0, 0.0, 1)), Ordering::Equal);
    assert_eq!(compare(1e200, slope(1e200, 1e-200, 1), slope(1e200, 0.0, u64::MAX)), Ordering::Greater);
    let (odd, even) = (u64::MAX, u64::MAX - 1);
    assert_eq!(compare(0.0, slope(1.0, 0.0, odd), slope(1.0, 0.0, even)), Ordering::Less);
    assert_eq!(compare(0.0, slope(-1.0, 0.0, odd), slope(-1.0, 0.0, even)), Ordering::Greater);
    assert_eq!(compare(-0.0, slope(0.0, 0.0, odd), slope(-0.0, 0.0, even)), Ordering::Equal);
    let tiny = f64::from_bits(1);
    assert_eq!(compare(tiny, slope(3.0 * tiny, 0.0, 2), slope(2.0 * tiny, 0.0, 1)), Ordering::Equal);
    assert_eq!(compare(0.0, slope(tiny, 0.0, odd), slope(tiny, 0.0, even)), Ordering::Less);
}

struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Of any of these sizes, with some of its bits.
    fn float(&mut self, powers: std::ops::Range<i32>) -> f64 {
        let power = powers.start + (self.bits() >> 40) as i32 % (powers.end - powers.start);
        let mantissa = (self.bits() >> 11) >> ((self.bits() >> 40) % 52);
        let signed = if self.bits() >> 63 == 0 { 1.0 } else { -1.0 };
        signed * mantissa as f64 * 2.0_f64.powi(power - 52)
    }

    fn run(&mut self) -> u64 {
        let shift = (self.bits() >> 40) % 64;
        (self.bits() >> shift).max(1)
    }
}

/// Slopes that are near one another or the same, of values and offsets of all sizes.
#[test]
fn it_compares_as_integers_do() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut seen = [0_u32; 3];
    for round in 0..12_000_u32 {
        let powers = [-3..3, -60..60, -400..400, -1070..-1000][round as usize % 4].clone();
        let (origin, value) = (random.float(powers.clone()), random.float(powers.clone()));
        let offset = if random.bits() >> 62 == 0 { 0.0 } else { random.float(powers.clone()) };
        let one = slope(value, offset, random.run());
        let after = if random.bits() >> 62 == 0 { one.after } else { random.run() };
        let other_offset = if random.bits() >> 63 == 0 { offset } else { -offset };
        let on_line = origin + (value - origin + offset) * (after as f64 / one.after as f64) - other_offset;
        for near in [on_line.next_down(), on_line, on_line.next_up(), value, random.float(powers)] {
            if near.abs() > 1e250 {
                continue;
            }
            let other = slope(near, other_offset, after);
            let expected = model(origin, one, other);
            assert_eq!(compare(origin, one, other), expected, "{origin:e} {one:?} {other:?}");
            assert_eq!(compare(origin, other, one), expected.reverse(), "{origin:e} {one:?} {other:?}");
            seen[(expected as i8 + 1) as usize] += 1;
        }
    }
    assert!(seen.iter().all(|count| *count > 600), "{seen:?}");
}
