//! Shares of a lifetime, exact.

use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;
use thiserror::Error;

use super::nanoseconds;

/// A share of a lifetime as an exact fraction, such as 2/3. Serde reads and writes it as text: `"2/3"`, or `"0"` for
/// [`Share::NONE`].
///
/// ```
/// use iot_runbook::certificate::Share;
///
/// let share: Share = "2/3".parse()?;
/// assert_eq!(share, Share::new(4, 6)?);
/// assert!(Share::new(1, 3)? < share);
/// assert!("3/2".parse::<Share>().is_err());
/// # Ok::<(), iot_runbook::certificate::ShareError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Share {
    numerator: u32,
    denominator: u32,
}

impl Share {
    /// No share: the fixed time counts alone.
    pub const NONE: Self = Self { numerator: 0, denominator: 1 };
    pub(super) const HALF: Self = Self { numerator: 1, denominator: 2 };
    pub(super) const THIRD: Self = Self { numerator: 1, denominator: 3 };
    pub(super) const SIXTH: Self = Self { numerator: 1, denominator: 6 };

    /// So many of so many equal parts. No parts are [`Share::NONE`].
    ///
    /// # Errors
    /// [`ShareError`] where it is more than the whole, or the whole has no parts.
    pub const fn new(numerator: u32, denominator: u32) -> Result<Self, ShareError> {
        if denominator == 0 || numerator > denominator {
            return Err(ShareError);
        }
        let (mut divisor, mut rest) = (denominator, numerator);
        while rest != 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        Ok(Self { numerator: numerator / divisor, denominator: denominator / divisor })
    }

    /// True for [`Share::NONE`].
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.numerator == 0
    }

    pub(in crate::certificate) fn numerator(self) -> i128 {
        i128::from(self.numerator)
    }

    pub(in crate::certificate) fn denominator(self) -> i128 {
        i128::from(self.denominator)
    }

    /// Its part of a whole, rounded up.
    pub(in crate::certificate) fn of_rounded_up(self, whole: i128) -> i128 {
        -(-whole * self.numerator()).div_euclid(self.denominator())
    }

    /// Its part of a length of time, rounded down to the nanosecond; `None` for [`Share::NONE`].
    pub(in crate::certificate) fn of_length(self, whole: TimeDelta) -> Option<TimeDelta> {
        const SECOND: i128 = 1_000_000_000;
        let part = (nanoseconds(whole) * self.numerator()).div_euclid(self.denominator());
        let seconds = i64::try_from(part.div_euclid(SECOND)).ok()?;
        let nanos = u32::try_from(part.rem_euclid(SECOND)).ok()?;
        TimeDelta::new(seconds, nanos).filter(|_| !self.is_none())
    }
}

impl PartialOrd for Share {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Share {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.numerator() * other.denominator()).cmp(&(other.numerator() * self.denominator()))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.denominator {
            1 => write!(f, "{}", self.numerator),
            denominator => write!(f, "{}/{denominator}", self.numerator),
        }
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
        let number = |text: &str| text.trim().parse().map_err(|_| ShareError);
        Self::new(number(numerator)?, number(denominator)?)
    }
}

as_text!(Share);

/// What is no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a share of a lifetime is a fraction from 0 to 1: write it as `1/3`, or `0` for none")]
#[non_exhaustive]
pub struct ShareError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_exact_and_in_lowest_terms() {
        for (text, written) in
            [("2/3", "2/3"), ("4/6", "2/3"), ("0/9", "0"), ("0", "0"), ("7/7", "1"), (" 1 / 2 ", "1/2")]
        {
            let share: Share = text.parse().unwrap();
            assert_eq!(share.to_string(), written);
            assert_eq!(
                serde_json::from_str::<Share>(&serde_json::to_string(&share).unwrap()).unwrap(),
                share
            );
        }
        for bad in ["", "/", "1/0", "3/2", "2", "-1/2", "0.5", "1/2/3", "4294967296/4294967297"] {
            assert_eq!(bad.parse::<Share>(), Err(ShareError), "{bad}");
        }
        assert!(serde_json::from_str::<Share>("3").is_err());
        let third = Share::new(2, 3).unwrap();
        for (whole, up) in [(3, 2), (4, 3), (5, 4), (-4, -2), (0, 0)] {
            assert_eq!(third.of_rounded_up(whole), up, "{whole}");
        }
        assert_eq!(third.of_length(TimeDelta::nanoseconds(4)), Some(TimeDelta::nanoseconds(2)));
        assert_eq!(Share::NONE.of_length(TimeDelta::days(1)), None);
    }

    #[test]
    fn shares_are_ordered_by_value() {
        let share = |n, d| Share::new(n, d).unwrap();
        let ordered = [
            Share::NONE,
            share(1, u32::MAX),
            Share::SIXTH,
            Share::THIRD,
            share(2, 5),
            Share::HALF,
            share(2, 3),
            share(1, 1),
        ];
        assert!(ordered.is_sorted_by(|one, next| one < next), "{ordered:?}");
    }
}
