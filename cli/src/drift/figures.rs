//! Figures in texts: lengths of time, shares, counts; and whether a text means values above or below them.

use std::ops::Bound;

use chrono::TimeDelta;
use iot_runbook::runbook::guard::{Guard, Values};
use iot_runbook::time::format_duration;

/// A value with its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Figure {
    /// In milliseconds.
    Duration(i64),
    /// From 0 to 1.
    Share(f64),
    Count(u64),
}

impl Figure {
    pub(super) fn of_duration(length: TimeDelta) -> Self {
        Self::Duration(length.num_milliseconds())
    }

    /// Whether both mean the same value. A share and a number are written in more than one way.
    pub(super) fn is_same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Share(one), Self::Share(other)) => (one - other).abs() < 1e-9,
            (one, other) => one == other,
        }
    }

    const fn size(self) -> f64 {
        match self {
            Self::Duration(length) => length as f64,
            Self::Share(share) => share,
            Self::Count(count) => count as f64,
        }
    }

    const fn has_unit_of(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::Duration(_), Self::Duration(_))
                | (Self::Share(_), Self::Share(_))
                | (Self::Count(_), Self::Count(_))
        )
    }

    pub(super) fn shown(self) -> String {
        match self {
            Self::Duration(length) => format_duration(TimeDelta::milliseconds(length)),
            Self::Share(share) => format!("{} %", crate::words::number(share * 100.0)),
            Self::Count(count) => count.to_string(),
        }
    }
}

/// The values above one figure, below one, or between two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    above: Option<Figure>,
    below: Option<Figure>,
}

impl Range {
    /// The range of a guard that takes values between bounds; `None` where it takes others.
    pub(super) fn of_guard(guard: &Guard) -> Option<Self> {
        fn bound<T: Copy>(bound: &Bound<T>, figure: impl Fn(T) -> Figure) -> Option<Figure> {
            match bound {
                Bound::Included(value) | Bound::Excluded(value) => Some(figure(*value)),
                Bound::Unbounded => None,
            }
        }
        match &guard.values {
            Values::Durations(above, below) => Some(Self {
                above: bound(above, Figure::of_duration),
                below: bound(below, Figure::of_duration),
            }),
            Values::Numbers(above, below) => {
                Some(Self { above: bound(above, Figure::Share), below: bound(below, Figure::Share) })
            }
            Values::Counts(above, below) => {
                Some(Self { above: bound(above, Figure::Count), below: bound(below, Figure::Count) })
            }
            _ => None,
        }
    }

    pub(super) fn figures(self) -> impl Iterator<Item = Figure> {
        self.above.into_iter().chain(self.below)
    }

    /// Whether a value may be in both. Whether a bound itself is in it does not count: people write "less than" for "up to".
    /// `None` where they are of different units.
    pub(super) fn meets(self, other: Self) -> Option<bool> {
        let units = self.figures().all(|one| other.figures().all(|other| one.has_unit_of(other)));
        let low = |range: Self| range.above.map_or(f64::NEG_INFINITY, Figure::size);
        let high = |range: Self| range.below.map_or(f64::INFINITY, Figure::size);
        units.then(|| low(self).max(low(other)) < high(self).min(high(other)))
    }
}

/// What is written before a figure, or behind it, and the side that it means.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    Above,
    Below,
}

const SIDES: &[(&str, Side)] = &[
    ("less than", Side::Below),
    ("fewer than", Side::Below),
    ("shorter than", Side::Below),
    ("younger than", Side::Below),
    ("under", Side::Below),
    ("below", Side::Below),
    ("up to", Side::Below),
    ("at most", Side::Below),
    ("within", Side::Below),
    ("<=", Side::Below),
    ("<", Side::Below),
    ("≤", Side::Below),
    ("more than", Side::Above),
    ("longer than", Side::Above),
    ("older than", Side::Above),
    ("over", Side::Above),
    ("above", Side::Above),
    ("at least", Side::Above),
    ("from", Side::Above),
    (">=", Side::Above),
    (">", Side::Above),
    ("≥", Side::Above),
];

const UNITS: &[(&[&str], i64)] = &[
    (&["ms", "millisecond", "milliseconds"], 1),
    (&["s", "sec", "secs", "second", "seconds"], 1_000),
    (&["m", "min", "mins", "minute", "minutes"], 60_000),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600_000),
    (&["d", "day", "days"], 86_400_000),
    (&["w", "week", "weeks"], 604_800_000),
];

const NUMBERS: &[(&str, &str)] = &[
    ("one", "1"),
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
    ("ten", "10"),
    ("fifteen", "15"),
    ("twenty", "20"),
    ("thirty", "30"),
    ("sixty", "60"),
    ("ninety", "90"),
];

/// The figures of a text: lengths of time and shares, and numbers that something is compared with.
pub(super) fn figures(text: &str) -> Vec<Figure> {
    found(text).into_iter().map(|(figure, _)| figure).collect()
}

/// The range that a text means: `less than 5 min`, `30 min or more`, `from 5m below 30m`.
pub(super) fn range(text: &str) -> Option<Range> {
    let found = found(text);
    match found.as_slice() {
        [(figure, Some(Side::Above))] => Some(Range { above: Some(*figure), below: None }),
        [(figure, Some(Side::Below))] => Some(Range { above: None, below: Some(*figure) }),
        [(one, Some(Side::Above)), (other, Some(Side::Below))] => {
            Some(Range { above: Some(*one), below: Some(*other) })
        }
        _ => None,
    }
}

/// One piece of a text: a number, a word, or a sign.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut last = None;
    // Digits behind letters belong to a name, such as `press-s5`; in `1h30m` they do not.
    let mut is_unit = false;
    let chars: Vec<char> = text.to_lowercase().chars().collect();
    for (at, c) in chars.iter().copied().enumerate() {
        let next = chars.get(at + 1).copied().unwrap_or(' ');
        let is_point = matches!(c, '.' | ',') && last == Some('0') && next.is_ascii_digit();
        let class = match c {
            c if c.is_ascii_digit() && last == Some('a') && !is_unit => 'a',
            c if c.is_ascii_digit() || is_point => '0',
            c if c.is_alphabetic() => 'a',
            '<' | '>' | '=' => '<',
            c if c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2015}') => ' ',
            _ => '.',
        };
        if class == 'a' && last != Some('a') {
            is_unit = last == Some('0');
        }
        match pieces.last_mut() {
            Some(piece) if last == Some(class) && class != '.' => piece.push(c),
            _ if class != ' ' => pieces.push(c.to_string()),
            _ => {}
        }
        last = Some(class);
    }
    pieces
}

fn found(text: &str) -> Vec<(Figure, Option<Side>)> {
    let pieces = pieces(text);
    let mut found: Vec<(Figure, Option<Side>)> = Vec::new();
    let mut at = 0;
    // Of the last figure that was written without a blank before the next: `1h30m` is one length.
    let mut last_end = None;
    while let Some(piece) = pieces.get(at) {
        let number = number(piece);
        let Some((mut number, written)) = number else {
            at += 1;
            continue;
        };
        let begin = at;
        at += 1;
        // Thousands with a blank between, as in `10 000`.
        while let Some(group) = pieces.get(at).filter(|group| group.len() == 3 && number >= 1.0 && written)
            && let Ok(more) = group.parse::<u32>()
        {
            number = number * 1_000.0 + f64::from(more);
            at += 1;
        }
        let unit = pieces.get(at).map(String::as_str).unwrap_or_default();
        let side = side(&pieces, begin);
        let figure = if let Some((_, length)) = UNITS.iter().find(|(names, _)| names.contains(&unit)) {
            at += 1;
            // No length of time in a document needs more than this.
            let length = (number * *length as f64).min(1e15).round();
            Some(Figure::Duration(length as i64))
        } else if unit == "%" || unit == "percent" {
            at += 1;
            Some(Figure::Share(number / 100.0))
        } else if side.is_some() && number.fract() == 0.0 && number < 1e15 {
            Some(Figure::Count(number as u64))
        } else if side.is_some() && number < 1.0 {
            Some(Figure::Share(number))
        } else {
            None
        };
        let Some(figure) = figure else { continue };
        let behind = match (pieces.get(at).map(String::as_str), pieces.get(at + 1).map(String::as_str)) {
            (Some("or" | "and"), Some("more" | "longer" | "older" | "above" | "over")) => Some(Side::Above),
            (Some("or" | "and"), Some("less" | "fewer" | "shorter" | "below" | "under")) => Some(Side::Below),
            _ => None,
        };
        match (found.last_mut(), figure) {
            (Some((Figure::Duration(whole), _)), Figure::Duration(part))
                if last_end == Some(begin) && *whole > part && side.is_none() =>
            {
                *whole = whole.saturating_add(part);
            }
            _ => found.push((figure, side.or(behind))),
        }
        last_end = Some(at);
    }
    found
}

/// A number, and whether it is written in digits.
fn number(piece: &str) -> Option<(f64, bool)> {
    if let Some((_, digits)) = NUMBERS.iter().find(|(word, _)| *word == piece) {
        return digits.parse().ok().map(|number| (number, false));
    }
    if !piece.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    // A comma before three digits parts thousands; any other is a decimal point of some countries.
    let is_thousands =
        piece.split_once(',').is_some_and(|(_, after)| after.split(',').all(|part| part.len() == 3));
    let text = if is_thousands { piece.replace(',', "") } else { piece.replacen(',', ".", 1) };
    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| (number, true))
}

/// The side that the pieces before a figure mean.
fn side(pieces: &[String], at: usize) -> Option<Side> {
    let before = |count: usize| Some(pieces.get(at.checked_sub(count)?..at)?.join(" "));
    [before(2), before(1)]
        .into_iter()
        .flatten()
        .find_map(|text| SIDES.iter().find(|(words, _)| *words == text).map(|(_, side)| *side))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_in_any_writing() {
        let minutes = |count: i64| Figure::Duration(count * 60_000);
        for (text, expected) in [
            ("Less than 5 min ago", vec![minutes(5)]),
            ("monitor for 10 minutes, then 1h30m", vec![minutes(10), minutes(90)]),
            ("within five minutes of 24-hour days", vec![minutes(5), minutes(1440)]),
            ("95 % or 0.5 h", vec![Figure::Share(0.95), minutes(30)]),
            ("more than 10 000 messages", vec![Figure::Count(10_000)]),
            ("above 0.5", vec![Figure::Share(0.5)]),
            ("renewal runbook §16.3, IEC 62443, step 2", vec![]),
            ("step s5 % of port2 min", vec![]),
            ("from 5m below 30m", vec![minutes(5), minutes(30)]),
        ] {
            assert_eq!(figures(text), expected, "{text}");
        }
    }

    #[test]
    fn ranges_are_those_that_the_words_mean() {
        let meets = |one: &str, other: &str| range(one).unwrap().meets(range(other).unwrap());
        assert_eq!(meets("less than 5 min", "30 min or more"), Some(false));
        assert_eq!(meets("more than 4 min", "under 5 minutes"), Some(true));
        assert_eq!(meets("> 5 min", "above 10"), None, "a count is no length of time");
        assert_eq!(range("watch it for 5 min"), None);
    }
}
