//! Values in words.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use iot_runbook::runbook::step::Param;
use iot_runbook::time::format_duration;
use serde::Serialize;

/// `1 step`, `2 steps`.
pub(crate) fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// A duration as a person reads it, by its two largest units: `2.07s`, `15m50s`, `3d4h`.
pub(crate) fn duration(length: TimeDelta) -> String {
    let (sign, length) = if length < TimeDelta::zero() { ("-", -length) } else { ("", length) };
    let seconds = length.num_seconds();
    let text = if seconds < 10 && length.subsec_nanos() != 0 {
        let milliseconds = length.num_milliseconds();
        if milliseconds < 1_000 {
            if milliseconds == 0 { "under 1ms".to_owned() } else { format!("{milliseconds}ms") }
        } else {
            let text = format!("{:.2}", length.as_seconds_f64());
            format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
        }
    } else {
        let (unit, _) = [(86_400, 3_600), (3_600, 60), (60, 1), (1, 1)]
            .into_iter()
            .find(|(unit, _)| seconds >= *unit)
            .map_or((1, 1), |(unit, next)| (next, unit));
        // Rounded to the second of two units, so that the third is not there.
        let rounded = (seconds + unit / 2) / unit * unit;
        format_duration(TimeDelta::seconds(rounded))
    };
    format!("{sign}{text}")
}

/// A moment: the date and the time in UTC, to the second.
pub(crate) fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A number as a person reads it: to three digits, without zeros that say nothing.
pub(crate) fn number(number: f64) -> String {
    if !number.is_finite() || number == 0.0 {
        return number.to_string();
    }
    let digits = number.abs().log10().floor();
    if !(-4.0..=15.0).contains(&digits) {
        return format!("{number:.2e}");
    }
    let decimals = (2.0 - digits).clamp(0.0, 6.0) as usize;
    let text = format!("{number:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A param as a document writes it.
pub(crate) fn param(param: &Param) -> String {
    match param {
        Param::Duration(length) => format_duration(*length),
        Param::Number(number) => number.to_string(),
        Param::Count(count) => count.to_string(),
        Param::Flag(flag) => flag.to_string(),
        Param::Text(text) => text.to_string(),
        _ => format!("{param:?}"),
    }
}

/// JSON for a machine, that a person can read too.
pub(crate) fn json(value: &impl Serialize) -> String {
    // What is written here has text keys alone, which is all that JSON asks for.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        for (nanoseconds, shown) in [
            (0, "0s"),
            (535, "under 1ms"),
            (74_535_265, "74ms"),
            (2_074_535_265, "2.07s"),
            (59_400_000_000, "59s"),
            (950_000_000_000, "15m50s"),
            (3_661_000_000_000, "1h1m"),
            (7_199_000_000_000, "2h"),
            (277_200_000_000_000, "3d5h"),
            (-90_000_000_000, "-1m30s"),
        ] {
            assert_eq!(duration(TimeDelta::nanoseconds(nanoseconds)), shown);
        }
    }

    #[test]
    fn numbers_have_three_digits() {
        for (value, shown) in [
            (0.0, "0"),
            (0.043_478_260_869_565_216, "0.0435"),
            (1.0, "1"),
            (12.5, "12.5"),
            (1234.56, "1235"),
            (0.95, "0.95"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(number(value), shown);
        }
    }
}
