//! Numbers as a person reads them, in any unit.

use std::fmt;

/// From this power of ten on, and from below that one, a number is written with its power.
const LONG: f64 = 9.0;
const SHORT: f64 = -5.0;

/// A measured number, rounded to five digits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rounded(pub(crate) f64);

/// A configured number, to its last digit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exact(pub(crate) f64);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match power(self.0) {
            None => write!(f, "{}", self.0),
            Some(power) if is_short(power) => {
                let decimals = (4.0 - power).max(0.0) as usize;
                write!(f, "{:.decimals$}", self.0)
            }
            Some(_) => write!(f, "{:.4e}", self.0),
        }
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if power(self.0).is_none_or(is_short) { write!(f, "{}", self.0) } else { write!(f, "{:e}", self.0) }
    }
}

/// None for what has none.
fn power(number: f64) -> Option<f64> {
    (number != 0.0 && number.is_finite()).then(|| number.abs().log10().floor())
}

fn is_short(power: f64) -> bool {
    (SHORT..LONG).contains(&power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_have_five_digits_in_any_unit() {
        for (number, text) in [
            (0.0, "0"),
            (2.236_067, "2.2361"),
            (-0.028_867_5, "-0.028868"),
            (57.731_4, "57.731"),
            (31_571.66, "31572"),
            (1.234_56e-5, "0.000012346"),
            (1.234_56e-6, "1.2346e-6"),
            (2_101_509_433.9, "2.1015e9"),
            (5e-324, "4.9407e-324"),
            (f64::MAX, "1.7977e308"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(Rounded(number).to_string(), text);
        }
    }

    #[test]
    fn configured_numbers_keep_every_digit() {
        for (number, text) in
            [(0.0, "0"), (4.0, "4"), (0.123_456_789, "0.123456789"), (8e-6, "8e-6"), (1e139, "1e139")]
        {
            assert_eq!(Exact(number).to_string(), text);
        }
    }
}
