//! The comparison that all rests on, beside integers wide enough for every `f64`.

use iot_runbook::deadband::sample::Number as _;
use proptest::prelude::*;

/// A whole number of 2⁻¹⁰⁷⁴, in two's complement: every finite `f64` is one.
#[derive(Clone, Copy)]
struct Whole([u64; 36]);

impl Whole {
    fn zero() -> Self {
        Self([0; 36])
    }

    fn plus(mut self, value: f64) -> Self {
        let bits = value.to_bits();
        let exponent = (bits >> 52) & 0x7ff;
        let fraction = bits & ((1 << 52) - 1);
        let (mantissa, shift) =
            if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) };
        let wide = u128::from(mantissa) << (shift % 64);
        let mut term = [0; 36];
        term[(shift / 64) as usize] = wide as u64;
        term[(shift / 64) as usize + 1] = (wide >> 64) as u64;
        let mut carry = u128::from(value.is_sign_negative());
        for (word, mut add) in self.0.iter_mut().zip(term) {
            if value.is_sign_negative() {
                add = !add;
            }
            let sum = u128::from(*word) + u128::from(add) + carry;
            *word = sum as u64;
            carry = sum >> 64;
        }
        self
    }

    fn is_positive(self) -> bool {
        self.0[35] >> 63 == 0 && self.0.iter().any(|word| *word != 0)
    }
}

/// `|a − b| > width`, by integers alone.
pub(super) fn exceeds(a: f64, b: f64, width: f64) -> bool {
    let (larger, smaller) = if a >= b { (a, b) } else { (b, a) };
    Whole::zero().plus(larger).plus(-smaller).plus(-width).is_positive()
}

fn finite() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("finite", |value| value.is_finite()),
        (-40_i32..40).prop_map(|tenths| f64::from(tenths) / 10.0),
        (-40_i32..40, -3_i64..4).prop_map(|(tenths, steps)| {
            let value = f64::from(tenths) / 10.0 + 0.05;
            f64::from_bits((value.to_bits() as i64 + steps) as u64)
        }),
        proptest::sample::select(vec![
            0.0,
            -0.0,
            5e-324,
            -5e-324,
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            1e-30
        ]),
    ]
}

proptest! {
    #![proptest_config(crate::random::cases(4_096))]

    #[test]
    fn distance_is_compared_as_integers_compare_it(a in finite(), b in finite(), width in finite()) {
        let width = width.abs();
        prop_assert_eq!(a.exceeds(b, width), exceeds(a, b, width));
    }

    /// Widths that are what the subtraction gives, or next to it: there rounding would decide.
    #[test]
    fn so_it_is_where_rounding_would_decide(a in finite(), b in finite(), steps in -1_i64..2) {
        let apart = (a - b).abs();
        prop_assume!(apart.is_finite() && apart > 0.0);
        let width = f64::from_bits((apart.to_bits() as i64 + steps) as u64);
        prop_assume!(width.is_finite());
        prop_assert_eq!(a.exceeds(b, width), exceeds(a, b, width));
        let (a, b, width) = (a as f32, b as f32, width as f32);
        if a.is_finite() && b.is_finite() && width.is_finite() {
            prop_assert_eq!(a.exceeds(b, width), exceeds(a.into(), b.into(), width.into()));
        }
    }

    #[test]
    fn integers_are_compared_as_wider_ones_are(a: i64, b: i64, width: u64, near in -2_i128..3) {
        let apart = (i128::from(a) - i128::from(b)).abs();
        for width in [width, (apart + near).clamp(0, i128::from(u64::MAX)) as u64] {
            prop_assert_eq!(a.exceeds(b, width), apart > i128::from(width));
        }
    }
}
