//! Faults of a scenario file, each with its place.

use std::{fmt, ops::Range};

/// A fault of a scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its line, from 1.
    pub line: usize,
    /// Its column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what to do.
    pub text: String,
}

/// All faults of a scenario file, in the order of their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// The file's name.
    pub file: String,
    /// Its faults.
    pub all: Vec<Fault>,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one_or_more = if self.all.len() == 1 { "fault" } else { "faults" };
        write!(f, "the scenario has {} {one_or_more}", self.all.len())?;
        for fault in &self.all {
            write!(f, "\n  {}:{}:{}: {}", self.file, fault.line, fault.column, fault.text)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Collects faults while a file is read.
#[derive(Debug)]
pub(super) struct Collector<'a> {
    text: &'a str,
    found: Vec<(usize, String)>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, found: Vec::new() }
    }

    pub(super) fn add(&mut self, at: &Range<usize>, text: impl Into<String>) {
        self.found.push((at.start, text.into()));
    }

    pub(super) fn into_faults(mut self) -> Vec<Fault> {
        self.found.sort_by_key(|(at, _)| *at);
        let text = self.text;
        self.found
            .into_iter()
            .map(|(at, said)| {
                let (line, column) = place(text, at);
                Fault { line, column, text: said }
            })
            .collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

/// Line and column of a byte, both from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at.min(text.len())).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.get(line_start..).map_or(0, |line| line.chars().count()) + 1;
    (line, column)
}

/// Of the known names the one that was probably meant.
pub(super) fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // Longer texts are no slips of the keyboard, and the distance costs their product.
    if name.len() > 64 {
        return None;
    }
    known
        .into_iter()
        .map(|known| (distance(name, known), known))
        .filter(|(distance, known)| *distance <= known.chars().count().div_ceil(3))
        .min()
        .map(|(_, known)| known)
}

/// `; did you mean X?`, or what to do where nothing is near.
pub(super) fn meant<'n>(name: &str, known: impl IntoIterator<Item = &'n str>, otherwise: &str) -> String {
    match nearest(name, known) {
        Some(nearest) => format!("did you mean \"{nearest}\"?"),
        None => otherwise.to_owned(),
    }
}

/// How many letters must be put in, taken out or changed (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to = to.chars().collect::<Vec<_>>();
    let mut row = (0..=to.len()).collect::<Vec<_>>();
    for (before, letter) in from.chars().enumerate() {
        let mut diagonal = before;
        let mut left = before + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (other, cell) in to.iter().zip(row.iter_mut().skip(1)) {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = *cell;
            left = changed.min(left + 1).min(*cell + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_counts_characters_and_lines_from_one() {
        for (text, at, expected) in [
            ("", 0, (1, 1)),
            ("ab", 1, (1, 2)),
            ("a\nb", 2, (2, 1)),
            ("ü = 1", 2, (1, 2)),
            ("a\n", 99, (2, 1)),
        ] {
            assert_eq!(place(text, at), expected, "{text:?} {at}");
        }
    }

    #[test]
    fn a_slip_of_the_keyboard_is_recognised() {
        let known = ["cut", "mend", "maintain"];
        for (name, expected) in
            [("cutt", Some("cut")), ("mned", Some("mend")), ("maintian", Some("maintain")), ("zzz", None)]
        {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
        assert_eq!(nearest(&"x".repeat(65), known), None);
    }
}
