//! The normal distribution's tail.

/// The complementary error function, `2/√π ∫ₓ^∞ exp(−t²) dt`, to a relative 1e-12 up to where it underflows (27).
///
/// Below 2.5 by the series of `erf` whose terms are all positive (Abramowitz and Stegun 7.1.6), above by the
/// continued fraction (7.1.14), from its end.
///
/// ```
/// use iot_runbook::deadband::audit::erfc;
///
/// assert!((erfc(1.0) - 0.157_299_207_050_285_13).abs() < 1e-15);
/// ```
#[must_use]
pub fn erfc(x: f64) -> f64 {
    const TERMS: u32 = 100;
    if x.is_nan() {
        return f64::NAN;
    }
    if x < 0.0 {
        return 2.0 - erfc(-x);
    }
    if x < 2.5 {
        let mut term = x;
        let mut sum = x;
        for n in 1..TERMS {
            term *= 2.0 * x * x / f64::from(2 * n + 1);
            sum += term;
        }
        return 1.0 - 2.0 * FRAC_1_SQRT_PI * (-x * x).exp() * sum;
    }
    let mut fraction = x;
    for n in (1..TERMS).rev() {
        fraction = x + f64::from(n) / 2.0 / fraction;
    }
    (-x * x).exp() * FRAC_1_SQRT_PI / fraction
}

/// Where [`erfc`] is `share`: zero from a share of one on, and 27, where it underflows, for zero. NaN gives NaN.
///
/// ```
/// use iot_runbook::deadband::audit::{erfc, erfc_inverse};
///
/// assert!((erfc(erfc_inverse(0.01)) - 0.01).abs() < 1e-15);
/// ```
#[must_use]
pub fn erfc_inverse(share: f64) -> f64 {
    if share.is_nan() {
        return f64::NAN;
    }
    let (mut low, mut high) = (0.0, 27.0);
    // It falls throughout; 64 halvings leave nothing between.
    for _ in 0..64 {
        let middle = f64::midpoint(low, high);
        if erfc(middle) > share {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

const FRAC_1_SQRT_PI: f64 = std::f64::consts::FRAC_2_SQRT_PI / 2.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// From tables of 20 digits (DLMF 7, and mpmath at 30 digits).
    const KNOWN: [(f64, f64); 8] = [
        (0.0, 1.0),
        (0.1, 0.887_537_083_981_715),
        (0.5, 0.479_500_122_186_953_5),
        (1.0, 0.157_299_207_050_285_13),
        (2.0, 0.004_677_734_981_047_266),
        (3.0, 2.209_049_699_858_544e-5),
        (5.0, 1.537_459_794_428_034_8e-12),
        (10.0, 2.088_487_583_762_545e-45),
    ];

    #[test]
    fn it_is_that_of_the_tables() {
        for (x, known) in KNOWN {
            assert!((erfc(x) - known).abs() <= 1e-12 * known, "{x}: {} {known}", erfc(x));
            assert!((erfc(-x) - (2.0 - known)).abs() <= 1e-15, "{x}");
        }
        assert!((erfc(2.5_f64.next_down()) - erfc(2.5)).abs() <= 1e-12 * erfc(2.5));
        assert_eq!((erfc(40.0), erfc(f64::INFINITY), erfc(f64::NEG_INFINITY)), (0.0, 0.0, 2.0));
        assert!(erfc(f64::NAN).is_nan());
    }

    #[test]
    fn the_inverse_leads_back() {
        for share in [0.9, 0.5, 0.1, 0.01, 1e-6, 1e-12, 1e-100] {
            let x = erfc_inverse(share);
            assert!((erfc(x) - share).abs() <= 1e-10 * share, "{share}");
        }
        assert!(erfc_inverse(1.0) < 1e-15 && erfc_inverse(2.0) < 1e-15);
        assert!(erfc_inverse(0.0) > 26.0 && erfc_inverse(-1.0) <= 27.0);
        assert!(erfc_inverse(f64::NAN).is_nan());
    }
}
