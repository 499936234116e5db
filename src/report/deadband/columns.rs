//! Samples by pixel columns: so a picture does not grow with its samples.

use std::fmt;

use super::axis::{Times, Values};
use crate::deadband::sample::Sample;

/// What one pixel column shows. A column of what is not finite has its lowest above its highest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// Its left edge.
    pub(super) x: f64,
    pub(super) first: f64,
    pub(super) lowest: f64,
    pub(super) highest: f64,
    pub(super) last: f64,
    /// Where the only value is, if there is one.
    only: Option<f64>,
}

impl Column {
    const fn hole(x: f64) -> Self {
        Self {
            x,
            first: f64::NAN,
            lowest: f64::INFINITY,
            highest: f64::NEG_INFINITY,
            last: f64::NAN,
            only: None,
        }
    }

    const fn is_hole(&self) -> bool {
        self.lowest > self.highest
    }

    fn add(&mut self, x: f64, value: f64) {
        if self.is_hole() {
            (self.first, self.only) = (value, Some(x));
        } else {
            self.only = None;
        }
        self.lowest = self.lowest.min(value);
        self.highest = self.highest.max(value);
        self.last = value;
    }
}

/// The columns in which samples stand. A value that is not finite makes one of its own, a hole, unless finite ones
/// stand in the same column.
pub(super) fn columns(samples: impl Iterator<Item = Sample>, times: &Times) -> impl Iterator<Item = Column> {
    let mut points = samples.map(|sample| (times.x(sample.at), sample.value)).peekable();
    std::iter::from_fn(move || {
        let (x, _) = *points.peek()?;
        let mut column = Column::hole(x.floor());
        // One that is out of order stays in the column that it is met in.
        while let Some((x, value)) = points.next_if(|(x, _)| x.floor() <= column.x) {
            if value.is_finite() {
                column.add(x, value);
            }
        }
        Some(column)
    })
}

/// The same for every column up to `end`: what is held goes on until the next.
pub(super) fn carried(held: &[Column], end: f64) -> Vec<Column> {
    let mut all = Vec::new();
    for (at, column) in held.iter().enumerate() {
        let next = held.get(at + 1).map_or(end, |next| next.x);
        let mut own = *column;
        if let Some(before) = all.last().filter(|before: &&Column| !before.is_hole() && !own.is_hole()) {
            own.lowest = own.lowest.min(before.last);
            own.highest = own.highest.max(before.last);
        }
        all.push(own);
        // One more holds all of what follows unchanged; its right edge is the next one's left.
        let mut x = own.x + 1.0;
        while x < next {
            let mut goes_on = Column::hole(x);
            if !own.is_hole() {
                goes_on.add(x, own.last);
            }
            all.push(goes_on);
            x += 1.0;
        }
    }
    all
}

/// A line through the columns; where `held_until` is given, steps that hold each value until the next, and the last
/// until then.
pub(super) fn write_line(
    f: &mut fmt::Formatter<'_>,
    class: &str,
    columns: impl Iterator<Item = Column>,
    values: &Values,
    held_until: Option<f64>,
) -> fmt::Result {
    let mut is_open = false;
    let mut is_down = false;
    for column in columns {
        if column.is_hole() {
            if is_down && held_until.is_some() {
                write!(f, "H{:.1}", column.x)?;
            }
            is_down = false;
            continue;
        }
        if !is_open {
            write!(f, "<path class=\"{class}\" d=\"")?;
            is_open = true;
        }
        let x = column.only.unwrap_or(column.x + 0.5);
        let y = values.y(column.first);
        match (is_down, held_until.is_some()) {
            (false, _) => write!(f, "M{x:.1} {y:.1}")?,
            (true, true) => write!(f, "H{x:.1}V{y:.1}")?,
            (true, false) => write!(f, "L{x:.1} {y:.1}")?,
        }
        is_down = true;
        if column.only.is_none() {
            for value in [column.lowest, column.highest, column.last] {
                write!(f, "V{:.1}", values.y(value))?;
            }
        }
    }
    if let Some(until) = held_until.filter(|_| is_down) {
        write!(f, "H{until:.1}")?;
    }
    if is_open { f.write_str("\"/>\n") } else { Ok(()) }
}
