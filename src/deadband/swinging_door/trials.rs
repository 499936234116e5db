//! What a line from each candidate makes of the samples after it.

use super::candidates::{MOST, Point};
use crate::deadband::sample::Number;

/// A line from each candidate, in the order of the candidates. They only make the choice, so that they need not be exact.
///
/// Each field is an array, so that the processor extends several lines at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trials<V> {
    at: [i64; MOST],
    value: [V; MOST],
    /// As of [`Line`], for each candidate.
    low: [f64; MOST],
    high: [f64; MOST],
    reach: [u64; MOST],
}

/// The lines from a candidate that pass all samples so far.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// The least slope and the greatest. A line whose least is above its greatest is closed, and stays so.
    low: f64,
    high: f64,
    /// The number of the last sample at which it may end.
    reach: u64,
}

impl<V: Number> Trials<V> {
    /// Lines that are closed from the first on.
    pub(super) fn none() -> Self {
        Self {
            at: [0; MOST],
            value: [V::default(); MOST],
            low: [f64::INFINITY; MOST],
            high: [f64::NEG_INFINITY; MOST],
            reach: [0; MOST],
        }
    }

    /// Begins a line from each of the points with these rising numbers, and goes on through those after it. The first of
    /// the points has the first number.
    pub(super) fn begin(&mut self, numbers: &[u64], points: &[Point<V>], dev: f64) {
        *self = Self::none();
        let Some(first) = numbers.first().copied() else { return };
        for (lane, number) in numbers.iter().copied().enumerate().take(MOST) {
            let [from, later @ ..] = points.get((number - first) as usize..).unwrap_or_default() else {
                return;
            };
            let mut line = Line { low: f64::NEG_INFINITY, high: f64::INFINITY, reach: number };
            for (to, number) in later.iter().zip(number + 1..) {
                line = line.extended(*from, dev, *to, number);
            }
            (self.at[lane], self.value[lane]) = (from.at, from.value);
            self.put(lane, line);
        }
    }

    /// Goes on through the next sample.
    #[inline]
    pub(super) fn extend(&mut self, dev: f64, to: Point<V>, number: u64) {
        for lane in 0..MOST {
            let from = Point { at: self.at[lane], value: self.value[lane] };
            self.put(lane, self.line(lane).extended(from, dev, to, number));
        }
    }

    #[inline]
    fn line(&self, lane: usize) -> Line {
        Line { low: self.low[lane], high: self.high[lane], reach: self.reach[lane] }
    }

    #[inline]
    fn put(&mut self, lane: usize, line: Line) {
        (self.low[lane], self.high[lane], self.reach[lane]) = (line.low, line.high, line.reach);
    }

    /// How many lines may go on.
    #[inline]
    pub(super) fn open(&self) -> usize {
        (0..MOST).map(|lane| usize::from(self.line(lane).is_open())).sum()
    }

    /// The place of the line that reaches furthest, the latest of several; one that may go on before any other, where
    /// `open_first`.
    #[inline]
    pub(super) fn furthest(&self, len: usize, open_first: bool) -> Option<usize> {
        let key = |lane: usize| {
            let line = self.line(lane);
            u64::from(open_first & line.is_open()) << 63 | line.reach
        };
        (0..len.min(MOST)).max_by_key(|lane| key(*lane))
    }

    /// The place of the open line that leaves the most room at this moment.
    pub(super) fn widest(&self, at: i64) -> Option<usize> {
        let room = |lane: usize| {
            let line = self.line(lane);
            (line.high - line.low) * at.abs_diff(self.at[lane]) as f64
        };
        let open = (0..MOST).filter(|lane| self.line(*lane).is_open());
        open.map(|lane| (lane, room(lane)))
            .max_by(|(_, one), (_, other)| one.total_cmp(other))
            .map(|(lane, _)| lane)
    }

    /// Forgets the first line.
    pub(super) fn remove_first(&mut self) {
        self.at.rotate_left(1);
        self.value.rotate_left(1);
        self.low.rotate_left(1);
        self.high.rotate_left(1);
        self.reach.rotate_left(1);
        self.put(MOST - 1, Line::CLOSED);
    }
}

impl Line {
    const CLOSED: Self = Self { low: f64::INFINITY, high: f64::NEG_INFINITY, reach: 0 };

    fn is_open(&self) -> bool {
        self.low <= self.high
    }

    #[inline]
    fn extended<V: Number>(self, from: Point<V>, dev: f64, to: Point<V>, number: u64) -> Self {
        // What rounding may cost: so that a line without any deviation goes on along a ramp.
        const ROUNDING: f64 = 8.0 * f64::EPSILON;
        // As a signed number, which is a float in one instruction. A run of more than 292 years closes the line.
        let per_run = 1.0 / to.at.wrapping_sub(from.at) as f64;
        let rise = to.value.rise(from.value);
        let slack = ROUNDING * (rise.abs() + dev);
        // Without branches: a line that is closed stays so.
        let is_inside = ((rise + slack) * per_run >= self.low) & ((rise - slack) * per_run <= self.high);
        let (low, high) = ((rise - dev - slack) * per_run, (rise + dev + slack) * per_run);
        Self {
            // `f64::max` would look for NaN too.
            low: if low > self.low { low } else { self.low },
            high: if high < self.high { high } else { self.high },
            reach: number.or(is_inside, self.reach),
        }
    }
}
