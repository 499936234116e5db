//! Values in words.

use chrono::{DateTime, SecondsFormat, Utc};
pub(crate) use iot_runbook::fact::duration_in_words as duration;
use iot_runbook::runbook::step::Param;
use iot_runbook::time::format_duration;
use serde::Serialize;

/// `1 step`, `2 steps`.
pub(crate) fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
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
