//! The numbers a tag may have, and the one comparison that a deadband rests on.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;

mod sealed {
    pub trait Sealed {}
}

/// A number that a tag may have: `f64`, `f32`, and the signed and unsigned integers of 8 to 64 bits.
///
/// Sealed: the engine's guarantees rest on its comparison.
pub trait Number:
    sealed::Sealed
    + Copy
    + Debug
    + Default
    + Display
    + FromStr
    + PartialEq
    + PartialOrd
    + Send
    + Sync
    + Serialize
    + DeserializeOwned
    + 'static
{
    /// A distance between two of them: the type itself for floats, the unsigned type of the same size for
    /// integers, in which no distance overflows.
    type Width: Copy + Debug + Default + PartialEq + PartialOrd + Send + Sync + 'static;

    /// What it is, if not a finite number. Integers always are.
    fn class(self) -> Class;

    /// The nearest `f64`; exact but for integers beyond 2⁵³.
    fn to_f64(self) -> f64;

    /// A width in this type: the nearest for floats, the next below for integers, which changes no verdict
    /// about them. At least zero and at most the largest of the type, whatever is given; zero for NaN.
    fn width(of: f64) -> Self::Width;

    /// A width as a number, to be shown.
    fn width_to_f64(width: Self::Width) -> f64;

    /// Whether [`is_near`](Self::is_near) and [`is_far`](Self::is_far) of any width say what the same numbers, their
    /// distance and that width would say as `f64`, each rounded to it.
    const COMPARES_AS_F64: bool;

    /// The distance to another, rounded once to the nearest for floats. Not below the true one by more than
    /// that rounding, so that a distance below a width is truly below it.
    fn distance(self, from: Self) -> Self::Width;

    /// Whether it is further than `width` from another, exactly: as if without rounding and without overflow.
    /// Both must be finite; see [`class`](Self::class) for other values.
    ///
    /// ```
    /// use iot_runbook::deadband::sample::Number as _;
    ///
    /// // The subtraction rounds to 1, and the two are further apart.
    /// assert!(1.0 - -1e-30 == 1.0 && 1.0.exceeds(-1e-30, 1.0));
    /// assert!(i64::MAX.exceeds(i64::MIN, u64::MAX - 1));
    /// ```
    fn exceeds(self, from: Self, width: Self::Width) -> bool;

    /// The bound with which [`is_near`](Self::is_near) and [`is_far`](Self::is_far) compare for this width.
    fn bound(width: Self::Width) -> Self::Width;

    /// True if one subtraction proves that it is not further than the bound's width from another. If it is false, ask
    /// [`exceeds`](Self::exceeds). Any number may be given.
    fn is_near(self, from: Self, bound: Self::Width) -> bool;

    /// True if one subtraction proves that both are finite and that it is further than the bound's width from the other.
    fn is_far(self, from: Self, bound: Self::Width) -> bool;

    /// Itself where `keep`, else the other; by bits, so that no compiler makes a branch of it.
    fn or(self, keep: bool, other: Self) -> Self;

    /// The type's name in Rust.
    const NAME: &'static str;

    /// The difference to another, rounded once to the nearest `f64`.
    fn rise(self, from: Self) -> f64;

    /// The difference to another as the sum of two `f64`, without rounding: [`rise`](Self::rise) first, and what it
    /// lost. Both must be finite, and no further apart than `f64` reaches.
    ///
    /// ```
    /// use iot_runbook::deadband::sample::Number as _;
    ///
    /// assert_eq!(i64::MAX.exact_rise(0), [9_223_372_036_854_775_808.0, -1.0]);
    /// assert_eq!(1.0.exact_rise(-1e-30), [1.0, 1e-30]);
    /// ```
    fn exact_rise(self, from: Self) -> [f64; 2];

    /// All its bits in the lowest of a word; signed integers are extended by their sign.
    fn into_bits(self) -> u64;

    /// The number with these bits: the inverse of [`into_bits`](Self::into_bits). `None` for bits that no number of
    /// the type has.
    fn of_bits(bits: u64) -> Option<Self>;
}

/// `a + b` rounded, and what that lost (Knuth's TwoSum).
#[inline]
pub(in crate::deadband) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let of_b = sum - a;
    let of_a = sum - of_b;
    (sum, (a - of_a) + (b - of_b))
}

/// What a number is.
///
/// Exhaustive: IEEE 754 has no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// A finite number.
    Finite,
    /// Not a number, of whatever sign and payload.
    NotANumber,
    /// Infinity.
    Infinite,
    /// Negative infinity.
    NegativeInfinite,
}

macro_rules! floats {
    ($($float:ident: $bits:ident),*) => {$(
        impl sealed::Sealed for $float {}

        impl Number for $float {
            type Width = Self;

            #[inline]
            fn class(self) -> Class {
                if self.is_finite() {
                    Class::Finite
                } else if self.is_nan() {
                    Class::NotANumber
                } else if self > 0.0 {
                    Class::Infinite
                } else {
                    Class::NegativeInfinite
                }
            }

            #[inline]
            #[allow(trivial_numeric_casts, reason = "f64 is cast too")]
            fn to_f64(self) -> f64 {
                self as f64
            }

            #[allow(trivial_numeric_casts, reason = "f64 is cast too")]
            fn width(of: f64) -> Self {
                let of = if of > 0.0 { of } else { 0.0 };
                (of as Self).min(Self::MAX)
            }

            #[allow(trivial_numeric_casts, reason = "f64 is cast too")]
            fn width_to_f64(width: Self) -> f64 {
                width as f64
            }

            // Rounding keeps order, the width's to this type too. And a distance that `f64` has to round is so near to
            // one of the numbers that this type rounds it, and a width as near, to that number: neither is true then.
            const COMPARES_AS_F64: bool = true;

            #[inline]
            fn distance(self, from: Self) -> Self {
                (self - from).abs()
            }

            #[inline]
            fn exceeds(self, from: Self, width: Self) -> bool {
                let rounded = self - from;
                let distance = rounded.abs();
                // Rounding keeps order, and the width needs none: where the two differ, so do the true distance
                // and the width, and in the same way. Where they are equal, what rounding lost decides: it is
                // known exactly by Dekker's Fast2Sum (1971).
                if distance != width {
                    return distance > width;
                }
                let (larger, smaller) =
                    if self.abs() >= from.abs() { (self, -from) } else { (-from, self) };
                let lost = smaller - (rounded - larger);
                if rounded > 0.0 { lost > 0.0 } else { lost < 0.0 }
            }

            fn bound(width: Self) -> Self {
                // So that a value that does not move is near, though the width is zero.
                width.max(Self::from_bits(1))
            }

            #[inline]
            fn is_near(self, from: Self, bound: Self) -> bool {
                self.distance(from) < bound
            }

            #[inline]
            fn is_far(self, from: Self, bound: Self) -> bool {
                let distance = self.distance(from);
                (distance > bound) & (distance <= Self::MAX)
            }

            #[inline]
            fn or(self, keep: bool, other: Self) -> Self {
                let mask = $bits::from(keep).wrapping_neg();
                Self::from_bits((self.to_bits() & mask) | (other.to_bits() & !mask))
            }

            const NAME: &'static str = stringify!($float);

            #[inline]
            fn rise(self, from: Self) -> f64 {
                self.to_f64() - from.to_f64()
            }

            #[inline]
            fn exact_rise(self, from: Self) -> [f64; 2] {
                let (rise, lost) = two_sum(self.to_f64(), -from.to_f64());
                [rise, lost]
            }

            #[inline]
            fn into_bits(self) -> u64 {
                self.to_bits().into()
            }

            fn of_bits(bits: u64) -> Option<Self> {
                $bits::try_from(bits).ok().map(Self::from_bits)
            }
        }
    )*};
}

macro_rules! integers {
    ($($integer:ident: $unsigned:ident, $wide:ident);*) => {$(
        impl sealed::Sealed for $integer {}

        impl Number for $integer {
            type Width = $unsigned;

            #[inline]
            fn class(self) -> Class {
                Class::Finite
            }

            #[inline]
            fn to_f64(self) -> f64 {
                self as f64
            }

            fn width(of: f64) -> $unsigned {
                // The cast goes towards zero, and holds at the ends.
                of as $unsigned
            }

            fn width_to_f64(width: $unsigned) -> f64 {
                width as f64
            }

            // At the width itself it is near, and large ones are no `f64`.
            const COMPARES_AS_F64: bool = false;

            #[inline]
            fn distance(self, from: Self) -> $unsigned {
                self.abs_diff(from)
            }

            #[inline]
            fn exceeds(self, from: Self, width: $unsigned) -> bool {
                self.abs_diff(from) > width
            }

            fn bound(width: $unsigned) -> $unsigned {
                width
            }

            #[inline]
            fn is_near(self, from: Self, bound: $unsigned) -> bool {
                self.abs_diff(from) <= bound
            }

            #[inline]
            fn is_far(self, from: Self, bound: $unsigned) -> bool {
                self.abs_diff(from) > bound
            }

            #[inline]
            fn or(self, keep: bool, other: Self) -> Self {
                let mask = Self::from(keep).wrapping_neg();
                (self & mask) | (other & !mask)
            }

            const NAME: &'static str = stringify!($integer);

            #[inline]
            fn rise(self, from: Self) -> f64 {
                ($wide::from(self) - $wide::from(from)) as f64
            }

            #[inline]
            fn exact_rise(self, from: Self) -> [f64; 2] {
                let exact = $wide::from(self) - $wide::from(from);
                let rounded = exact as f64;
                [rounded, (exact - rounded as $wide) as f64]
            }

            #[allow(trivial_numeric_casts, reason = "u64 is cast too")]
            #[inline]
            fn into_bits(self) -> u64 {
                self as u64
            }

            #[allow(trivial_numeric_casts, reason = "u64 is cast too")]
            fn of_bits(bits: u64) -> Option<Self> {
                let number = bits as Self;
                (number.into_bits() == bits).then_some(number)
            }
        }
    )*};
}

floats!(f64: u64, f32: u32);
// The last is a type in which no difference of two overflows.
integers!(
    i8: u8, i64; i16: u16, i64; i32: u32, i64; i64: u64, i128;
    u8: u8, i64; u16: u16, i64; u32: u32, i64; u64: u64, i128
);

#[cfg(test)]
mod tests {
    use super::{Class, Number};

    #[test]
    fn the_classes_of_floats() {
        for (value, class) in [
            (0.0, Class::Finite),
            (-0.0, Class::Finite),
            (f64::MAX, Class::Finite),
            (5e-324, Class::Finite),
            (f64::NAN, Class::NotANumber),
            (-f64::NAN, Class::NotANumber),
            (f64::INFINITY, Class::Infinite),
            (f64::NEG_INFINITY, Class::NegativeInfinite),
        ] {
            assert_eq!(value.class(), class, "{value}");
        }
        assert_eq!(f32::NAN.class(), Class::NotANumber);
        assert_eq!(7_u8.class(), Class::Finite);
    }

    #[test]
    fn distance_is_compared_as_if_without_rounding() {
        let next = |value: f64| value.next_up();
        for (value, from, width, exceeds) in [
            (1.0, 0.0, 1.0, false),
            (next(1.0), 0.0, 1.0, true),
            (-next(1.0), 0.0, 1.0, true),
            (1.0, -1e-30, 1.0, true),
            (1.0, 1e-30, 1.0, false),
            (-1e-30, 1.0, 1.0, true),
            (1e-30, 1.0, 1.0, false),
            (1.0, -5e-324, 1.0, true),
            (0.0, 0.0, 0.0, false),
            (5e-324, 0.0, 0.0, true),
            (0.0, -0.0, 0.0, false),
            (f64::MAX, -f64::MAX, f64::MAX, true),
            (f64::MAX, 0.0, f64::MAX, false),
            (f64::MAX, -1.0, f64::MAX, true),
            (f64::MAX, 1.0, f64::MAX, false),
        ] {
            assert_eq!(value.exceeds(from, width), exceeds, "{value:e} from {from:e}, {width:e}");
            assert_eq!(from.exceeds(value, width), exceeds, "{from:e} from {value:e}, {width:e}");
        }
    }

    #[test]
    fn integers_do_not_overflow() {
        assert!(i64::MAX.exceeds(i64::MIN, u64::MAX - 1));
        assert!(!i64::MAX.exceeds(i64::MIN, u64::MAX));
        assert!(i8::MIN.exceeds(i8::MAX, 254));
        assert!(!(u64::MAX - 1).exceeds(u64::MAX, 1));
        assert!((1_u64 << 53).exceeds((1 << 53) + 1, 0), "f64 takes the two for one");
    }

    #[test]
    fn a_width_of_integers_is_the_next_below() {
        assert_eq!(i32::width(2.9), 2);
        assert_eq!(i8::width(1e9), 255);
        assert_eq!(u64::width(f64::INFINITY), u64::MAX);
        assert_eq!(u64::width(f64::NAN), 0);
        assert_eq!(f64::width(f64::NAN), 0.0);
        assert_eq!(f64::width(f64::INFINITY), f64::MAX);
        assert_eq!(f64::width(-1.0), 0.0);
        assert_eq!(f32::width(1e300), f32::MAX);
    }
}
