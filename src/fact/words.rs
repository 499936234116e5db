//! Values as a person reads them in a report: rounded, with units.

use chrono::TimeDelta;

use super::{Domain, Kind, Value};

impl Value {
    /// The value in words, rounded for reading: `2.1 s`, `1 h 12 min`, `0.043`, `none`, `session up`. A choice by its name
    /// in `domain`. [`Value::render`] is exact.
    #[must_use]
    pub fn in_words(self, domain: &Domain) -> String {
        match self {
            Self::Absent => "none".to_owned(),
            Self::Duration(duration) => duration_in_words(duration),
            Self::Instant(at) => at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
            Self::Number(number) => number_in_words(number),
            Self::Choice(choice) => match domain.kind() {
                Kind::Choice(choices) => choices.name(choice).map(|name| name.replace('-', " ")),
                _ => None,
            }
            .unwrap_or_else(|| self.render(domain)),
            Self::Count(_) | Self::Flag(_) => self.render(domain),
        }
    }

    /// A number as a percentage: `4 %`. Never `0 %` of something, nor `100 %` of less than all. `None` for what is no number.
    #[must_use]
    pub fn in_percent(self) -> Option<String> {
        let Self::Number(share) = self else { return None };
        let percent = share * 100.0;
        Some(match percent {
            _ if percent > 0.0 && percent < 1.0 => "under 1 %".to_owned(),
            _ if percent > 99.0 && percent < 100.0 => "over 99 %".to_owned(),
            // Adding zero makes zero of a negative one.
            _ => format!("{} %", percent.round() + 0.0),
        })
    }
}

/// A length of time rounded for reading, in at most two units: `350 ms`, `2.1 s`, `5 min 30 s`, `1 h 12 min`, `3 d 4 h`.
#[must_use]
pub fn duration_in_words(duration: TimeDelta) -> String {
    let sign = if duration < TimeDelta::zero() { "-" } else { "" };
    let whole = i128::from(duration.num_seconds()) * 1_000 + i128::from(duration.subsec_nanos() / 1_000_000);
    let milliseconds = whole.unsigned_abs();
    let rounded = |unit: u128| (milliseconds + unit / 2) / unit;
    let two = |large: u128, of: u128, [large_name, small_name]: [&str; 2]| match large % of {
        0 => format!("{sign}{} {large_name}", large / of),
        rest => format!("{sign}{} {large_name} {rest} {small_name}", large / of),
    };
    if duration.is_zero() {
        return "0 s".to_owned();
    }
    if milliseconds == 0 {
        return format!("{sign}under 1 ms");
    }
    let (tenths, seconds, minutes) = (rounded(100), rounded(1_000), rounded(60_000));
    let (hours, days) = (rounded(3_600_000), rounded(86_400_000));
    match () {
        () if milliseconds < 1_000 => format!("{sign}{milliseconds} ms"),
        () if tenths < 100 && !tenths.is_multiple_of(10) => {
            format!("{sign}{}.{} s", tenths / 10, tenths % 10)
        }
        () if seconds < 60 => format!("{sign}{seconds} s"),
        () if seconds < 600 => two(seconds, 60, ["min", "s"]),
        () if minutes < 60 => format!("{sign}{minutes} min"),
        () if minutes < 1_440 => two(minutes, 60, ["h", "min"]),
        () if hours < 24 * 30 => two(hours, 24, ["d", "h"]),
        () => format!("{sign}{days} d"),
    }
}

/// A length of time in words that is no longer than it is: a bound from below.
#[allow(dead_code, reason = "for the engines, each of which is a feature")]
pub(crate) fn at_least_in_words(duration: TimeDelta) -> String {
    duration_in_words(stepped(duration).unwrap_or(duration))
}

/// A length of time in words that is no shorter than it is: a bound from above.
#[allow(dead_code, reason = "for the engines, each of which is a feature")]
pub(crate) fn at_most_in_words(duration: TimeDelta) -> String {
    let above = stepped(duration).map(|below| match duration - below {
        rest if rest.is_zero() => below,
        _ => below + step(duration),
    });
    duration_in_words(above.unwrap_or(duration))
}

/// The whole steps of a length of time; `None` where rounding does not matter, or it is below zero.
fn stepped(duration: TimeDelta) -> Option<TimeDelta> {
    let (whole, step) = (duration.num_milliseconds(), step(duration).num_milliseconds());
    // A length that is next to the longest has no room above.
    (1..=i64::MAX / 2).contains(&whole).then(|| TimeDelta::milliseconds(whole - whole % step))
}

/// What [`duration_in_words`] rounds a length of time to.
fn step(duration: TimeDelta) -> TimeDelta {
    match duration.num_milliseconds() {
        ..1_000 => TimeDelta::milliseconds(1),
        1_000..10_000 => TimeDelta::milliseconds(100),
        10_000..600_000 => TimeDelta::seconds(1),
        600_000..86_400_000 => TimeDelta::minutes(1),
        86_400_000..2_592_000_000 => TimeDelta::hours(1),
        2_592_000_000.. => TimeDelta::days(1),
    }
}

/// A count and what is counted, a noun that takes an `s`: `1 device`, `2 devices`.
#[allow(dead_code, reason = "for the engines, each of which is a feature")]
pub(crate) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Three significant digits; exact from a thousand on, but for what is behind the point.
fn number_in_words(number: f64) -> String {
    let size = number.abs();
    if !number.is_finite() {
        return if number > 0.0 { "infinite" } else { "minus infinite" }.to_owned();
    }
    if size > 0.0 && size < 0.001 {
        return format!("{number:.1e}");
    }
    let decimals = match size {
        _ if size >= 100.0 => 0,
        _ if size >= 10.0 => 1,
        _ if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{:.decimals$}", number + 0.0);
    if decimals == 0 {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Choices;

    #[test]
    fn lengths_have_at_most_two_units() {
        for (milliseconds, words) in [
            (0, "0 s"),
            (350, "350 ms"),
            (999, "999 ms"),
            (1_000, "1 s"),
            (2_074, "2.1 s"),
            (9_949, "9.9 s"),
            (9_950, "10 s"),
            (42_400, "42 s"),
            (59_499, "59 s"),
            (59_500, "1 min"),
            (330_000, "5 min 30 s"),
            (599_499, "9 min 59 s"),
            (599_500, "10 min"),
            (4_320_000, "1 h 12 min"),
            (86_369_000, "23 h 59 min"),
            (86_370_000, "1 d"),
            (273_600_000, "3 d 4 h"),
            (2_590_000_000, "29 d 23 h"),
            (2_592_000_000, "30 d"),
            (-2_074, "-2.1 s"),
        ] {
            assert_eq!(duration_in_words(TimeDelta::milliseconds(milliseconds)), words);
        }
        assert_eq!(duration_in_words(TimeDelta::nanoseconds(300)), "under 1 ms");
        assert_eq!(duration_in_words(TimeDelta::nanoseconds(-300)), "-under 1 ms");
        assert_eq!(duration_in_words(TimeDelta::MAX), "106751991167 d");
        assert_eq!(duration_in_words(TimeDelta::MIN), "-106751991167 d");
    }

    #[test]
    fn bounds_are_rounded_to_their_side() {
        for (milliseconds, below, above) in [
            (0, "0 s", "0 s"),
            (1_000, "1 s", "1 s"),
            (2_074, "2 s", "2.1 s"),
            (9_950, "9.9 s", "10 s"),
            (59_501, "59 s", "1 min"),
            (599_001, "9 min 59 s", "10 min"),
            (630_000, "10 min", "11 min"),
            (3_600_000, "1 h", "1 h"),
            (86_399_000, "23 h 59 min", "1 d"),
            (89_999_000, "1 d", "1 d 1 h"),
            (2_591_999_000, "29 d 23 h", "30 d"),
            (2_678_399_000, "30 d", "31 d"),
            (-2_074, "-2.1 s", "-2.1 s"),
        ] {
            let length = TimeDelta::milliseconds(milliseconds);
            assert_eq!(at_least_in_words(length), below, "{milliseconds}");
            assert_eq!(at_most_in_words(length), above, "{milliseconds}");
        }
        assert_eq!(at_least_in_words(TimeDelta::MAX), "106751991167 d");
        assert_eq!(at_most_in_words(TimeDelta::MAX), "106751991167 d");
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!([0, 1, 2].map(|count| counted(count, "row")), ["0 rows", "1 row", "2 rows"]);
    }

    #[test]
    fn numbers_have_three_digits() {
        let domain = Domain::new(Kind::Number);
        for (number, words) in [
            (0.043_478_260_869_565_216, "0.043"),
            (0.0, "0"),
            (-0.0, "0"),
            (0.5, "0.5"),
            (1.0, "1"),
            (12.34, "12.3"),
            (100.0, "100"),
            (123_456.7, "123457"),
            (-2.5, "-2.5"),
            (0.000_01, "1.0e-5"),
            (f64::INFINITY, "infinite"),
            (f64::NEG_INFINITY, "minus infinite"),
        ] {
            assert_eq!(Value::Number(number).in_words(&domain), words);
        }
    }

    #[test]
    fn shares_are_never_rounded_to_none_or_all() {
        for (share, words) in [
            (0.0, "0 %"),
            (-0.0, "0 %"),
            (0.001, "under 1 %"),
            (0.009_99, "under 1 %"),
            (0.01, "1 %"),
            (0.043_478, "4 %"),
            (0.99, "99 %"),
            (0.999, "over 99 %"),
            (1.0, "100 %"),
        ] {
            assert_eq!(Value::Number(share).in_percent().as_deref(), Some(words));
        }
        assert_eq!(Value::Count(1).in_percent(), None);
    }

    #[test]
    fn other_values_read_as_words() {
        let choice = Domain::choice(Choices::new(["session-up", "none"]).unwrap());
        let at = chrono::DateTime::from_timestamp(1_800_000_000, 123_000_000).unwrap();
        for (value, words) in [
            (choice.find_choice("session-up").unwrap(), "session up"),
            (Value::Choice(crate::fact::Choice::new(9)), "choice 9"),
            (Value::Absent, "none"),
            (Value::Flag(true), "yes"),
            (Value::Count(1_234), "1234"),
            (Value::Instant(at), "2027-01-15 08:00:00 UTC"),
            (Value::Duration(TimeDelta::minutes(5)), "5 min"),
        ] {
            assert_eq!(value.in_words(&choice), words);
        }
    }
}
