use std::fmt::Write as _;

use chrono::TimeDelta;

/// A text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// The text holds no number, or a number without its unit, or a sign alone.
    #[error("`{text}` is not a duration: write numbers with units, as in `90s`, `5m`, `1h30m` or `-30s`")]
    Malformed {
        /// What was given.
        text: String,
    },
    /// A unit that is not one of `d`, `h`, `m`, `s`, `ms`, `us`, `ns`.
    #[error("`{unit}` in `{text}` is not a unit of time: use d, h, m, s, ms, us or ns")]
    Unit {
        /// What was given.
        text: String,
        /// The unit that is not known.
        unit: String,
    },
    /// Units out of order, or one twice; `1h30m` is right, `30m1h` is not.
    #[error("the units of `{text}` must fall, each at most once, as in `1h30m`")]
    Order {
        /// What was given.
        text: String,
    },
    /// More than [`TimeDelta::MAX`].
    #[error("`{text}` is longer than a duration may be (about 292 million years)")]
    TooLong {
        /// What was given.
        text: String,
    },
}

/// Largest first: parsing wants them falling, printing takes them in turn.
const UNITS: [(&str, i128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Reads a duration such as `5m`, `1h30m`, `250ms` or `-30s`; `0s` is zero.
///
/// Whole numbers only, ASCII digits, no blanks; units `d` (24 h), `h`, `m`, `s`, `ms`, `us`, `ns` in falling
/// order, each at most once; one leading `-` negates the whole.
///
/// # Errors
/// [`DurationError`], which repeats the text (shortened where it is very long) and says how to write it.
///
/// ```
/// use chrono::TimeDelta;
/// use iot_runbook::time::{format_duration, parse_duration};
///
/// assert_eq!(parse_duration("1h30m"), Ok(TimeDelta::minutes(90)));
/// assert_eq!(format_duration(TimeDelta::minutes(90)), "1h30m");
/// assert!(parse_duration("5").is_err());
/// ```
pub fn parse_duration(text: &str) -> Result<TimeDelta, DurationError> {
    let shown = || text.chars().take(40).collect::<String>();
    let malformed = || DurationError::Malformed { text: shown() };
    let too_long = || DurationError::TooLong { text: shown() };
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if rest.is_empty() {
        return Err(malformed());
    }
    let mut nanoseconds: i128 = 0;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(|byte| !byte.is_ascii_digit()).count();
        let (unit, tail) = tail.split_at(letters);
        if number.is_empty() || unit.is_empty() {
            return Err(malformed());
        }
        if !UNITS.iter().any(|(name, _)| *name == unit) {
            return Err(DurationError::Unit { text: shown(), unit: unit.chars().take(20).collect() });
        }
        let Some((_, scale)) = units.find(|(name, _)| *name == unit) else {
            return Err(DurationError::Order { text: shown() });
        };
        let part = number.parse::<i128>().ok().and_then(|n| n.checked_mul(*scale)).ok_or_else(too_long)?;
        nanoseconds = nanoseconds.checked_add(part).ok_or_else(too_long)?;
        rest = tail;
    }
    let nanoseconds = if negative { -nanoseconds } else { nanoseconds };
    from_nanoseconds(nanoseconds).ok_or_else(too_long)
}

fn from_nanoseconds(nanoseconds: i128) -> Option<TimeDelta> {
    let seconds = i64::try_from(nanoseconds.div_euclid(1_000_000_000)).ok()?;
    TimeDelta::new(seconds, u32::try_from(nanoseconds.rem_euclid(1_000_000_000)).ok()?)
}

fn nanoseconds(duration: TimeDelta) -> i128 {
    i128::from(duration.num_seconds()) * 1_000_000_000 + i128::from(duration.subsec_nanos())
}

/// Writes a duration so that [`parse_duration`] reads the same value back.
#[must_use]
pub fn format_duration(duration: TimeDelta) -> String {
    let nanoseconds = nanoseconds(duration);
    if nanoseconds == 0 {
        return "0s".to_owned();
    }
    let mut text = String::from(if nanoseconds < 0 { "-" } else { "" });
    let mut rest = nanoseconds.abs();
    for (name, scale) in UNITS {
        if rest >= scale {
            // Writing to a String cannot fail.
            let _ = write!(text, "{}{name}", rest / scale);
            rest %= scale;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    #[test]
    fn every_unit_is_read() {
        for (text, nanoseconds) in [
            ("1ns", 1),
            ("2us", 2_000),
            ("3ms", 3_000_000),
            ("4s", 4_000_000_000),
            ("5m", 300_000_000_000),
            ("6h", 21_600_000_000_000),
            ("7d", 604_800_000_000_000),
            ("-1h30m", -5_400_000_000_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(TimeDelta::nanoseconds(nanoseconds)), "{text}");
        }
    }

    #[test]
    fn the_longest_durations_read_back() {
        for duration in [TimeDelta::MAX, TimeDelta::MIN] {
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }

    #[test]
    fn bad_duration_is_refused_with_reason() {
        for text in ["", "-", "5", "m", "m5", "5 m", "--5m", "1.5h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert!(matches!(parse_duration("5w"), Err(DurationError::Unit { .. })));
        assert!(matches!(parse_duration("5\u{b5}s"), Err(DurationError::Unit { .. })));
        assert!(matches!(parse_duration("30m1h"), Err(DurationError::Order { .. })));
        assert!(matches!(parse_duration("1m1m"), Err(DurationError::Order { .. })));
        assert!(matches!(parse_duration("106751991168d"), Err(DurationError::TooLong { .. })));
        assert!(matches!(parse_duration("99999999999999999999s"), Err(DurationError::TooLong { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(14), ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_reads_back(milliseconds in -i64::MAX..=i64::MAX, nanoseconds: u32) {
            let duration = TimeDelta::milliseconds(milliseconds / 2) + TimeDelta::nanoseconds(nanoseconds.into());
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,24}") {
            let _ = parse_duration(&text);
        }
    }
}
