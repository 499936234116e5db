//! The samples at which a line may end, and what each of them would make of the samples after it.

use super::settings::Checked;
use crate::deadband::sample::Number;

/// How many ends of a line are compared. With 4, up to 10 % more samples are kept of noise that nearly fills the band;
/// with 16, none fewer that matter.
pub(super) const MOST: usize = 6;

/// A sample of the line, which may still be kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point<V> {
    pub(super) at: i64,
    pub(super) value: V,
}

/// The latest samples at which the line may end. A sample's number is its place among those of the tag.
#[derive(Clone, Debug)]
pub(super) struct Candidates<V> {
    /// From `start` on, all samples from the first candidate on. What is before is dropped when there is no room left.
    points: Vec<Point<V>>,
    start: usize,
    /// The number of the newest point.
    newest: u64,
    /// The candidates' numbers, rising.
    numbers: [u64; MOST],
    len: usize,
    /// A line from each candidate, once the line to them can go no further; else empty.
    trials: [Trial; MOST],
    has_trials: bool,
}

/// A line that would begin at a candidate. It only makes the choice, so that it need not be exact.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Trial {
    low: f64,
    high: f64,
    /// The last sample at which it may end.
    reach: u64,
    /// Whether it may go on.
    is_open: bool,
}

impl<V: Number> Candidates<V> {
    /// None yet, with room for as many samples as are looked ahead.
    pub(super) fn new(look_ahead: usize) -> Self {
        Self {
            points: Vec::with_capacity(look_ahead.saturating_add(1).saturating_mul(2)),
            start: 0,
            newest: 0,
            numbers: [0; MOST],
            len: 0,
            trials: [Trial::NEW; MOST],
            has_trials: false,
        }
    }

    /// As they were saved: the points, how many the newest makes, and which of them are candidates.
    pub(super) fn restore(points: Vec<Point<V>>, newest: u64, places: &[usize], set: &Checked) -> Self {
        let before = newest - points.len() as u64;
        let mut restored = Self { newest, ..Self::new(set.look_ahead.try_into().unwrap_or(0)) };
        restored.points.extend(points);
        for place in places {
            restored.add(before + 1 + *place as u64);
        }
        restored
    }

    /// Which of the points are candidates.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        let before = self.newest - self.points().len() as u64;
        self.numbers().iter().filter_map(move |number| (number - before - 1).try_into().ok())
    }

    fn numbers(&self) -> &[u64] {
        self.numbers.get(..self.len).unwrap_or_default()
    }

    pub(super) fn last(&self) -> Option<u64> {
        self.numbers().last().copied()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) const fn newest(&self) -> u64 {
        self.newest
    }

    pub(super) const fn has_trials(&self) -> bool {
        self.has_trials
    }

    /// All samples from the first candidate on.
    pub(super) fn points(&self) -> &[Point<V>] {
        self.points.get(self.start..).unwrap_or_default()
    }

    /// The samples from this number on.
    #[inline]
    pub(super) fn from(&self, number: u64) -> &[Point<V>] {
        let back = (self.newest - number) as usize + 1;
        self.points.get(self.points.len().saturating_sub(back)..).unwrap_or_default()
    }

    /// Forgets all samples.
    pub(super) fn clear(&mut self) {
        self.points.clear();
        self.start = 0;
        self.len = 0;
        self.has_trials = false;
    }

    /// Takes in the next sample, as a candidate or not.
    #[inline]
    pub(super) fn push(&mut self, at: i64, value: V, is_candidate: bool, look_ahead: u64) {
        self.newest += 1;
        if is_candidate || self.len > 0 {
            if self.points.len() == self.points.capacity() {
                self.points.drain(..self.start);
                self.start = 0;
            }
            self.points.push(Point { at, value });
        }
        if is_candidate {
            self.add(self.newest);
        }
        // Trials are dropped when the choice is made.
        if !self.has_trials {
            self.drop_older(look_ahead);
        }
    }

    /// Notes that the sample of this number, which is among the points, is a candidate.
    #[inline]
    pub(super) fn add(&mut self, number: u64) {
        if self.len == MOST {
            self.numbers.rotate_left(1);
            self.len -= 1;
        }
        if let Some(slot) = self.numbers.get_mut(self.len) {
            *slot = number;
            self.len += 1;
        }
    }

    /// Drops candidates that came `look_ahead` samples ago, but for the last one.
    #[inline]
    fn drop_older(&mut self, look_ahead: u64) {
        while self.len > 1
            && let [first, ..] = self.numbers
            && self.newest - first >= look_ahead
        {
            self.remove_first();
        }
        self.trim();
    }

    /// Drops all but the last candidate.
    #[inline]
    pub(super) fn keep_last(&mut self) {
        if let Some(last) = self.last() {
            (self.numbers[0], self.len) = (last, 1);
            self.trim();
        }
    }

    fn remove_first(&mut self) {
        self.numbers.rotate_left(1);
        self.trials.rotate_left(1);
        self.len -= 1;
    }

    /// Drops the points before the first candidate.
    #[inline]
    pub(super) fn trim(&mut self) {
        let [first, ..] = self.numbers;
        let needed = if self.len == 0 { 0 } else { self.newest - first + 1 };
        self.start = self.points.len().saturating_sub(needed as usize);
    }

    /// Begins the line anew from this candidate: those after it are candidates no longer.
    pub(super) fn begin_at(&mut self, number: u64) {
        self.len = 0;
        self.has_trials = false;
        self.start = self.points.len().saturating_sub((self.newest - number) as usize);
    }

    /// Tries a line from each candidate, up to the newest sample.
    pub(super) fn try_all(&mut self, dev: f64) {
        self.has_trials = true;
        // The choice from one needs no trial.
        for index in 0..if self.len > 1 { self.len } else { 0 } {
            let Some(number) = self.numbers.get(index).copied() else { return };
            let mut trial = Trial { reach: number, ..Trial::NEW };
            if let [from, later @ ..] = self.from(number) {
                for (point, number) in later.iter().zip(number + 1..) {
                    trial.extend(*from, dev, *point, number);
                }
            }
            if let Some(slot) = self.trials.get_mut(index) {
                *slot = trial;
            }
        }
    }

    /// The same for the newest sample alone.
    #[inline]
    pub(super) fn try_newest(&mut self, dev: f64) {
        let (newest, points) = (self.newest, self.points.get(self.start..).unwrap_or_default());
        let ([first, ..], Some(to)) = (self.numbers, points.last().copied()) else { return };
        for (number, trial) in self.numbers.iter().zip(&mut self.trials).take(self.len) {
            if let Some(from) = points.get((number - first) as usize) {
                trial.extend(*from, dev, to, newest);
            }
        }
    }

    /// The candidate to end the line at, where it is plain by now or can wait no longer.
    #[inline]
    pub(super) fn choose(&mut self, look_ahead: u64) -> Option<u64> {
        loop {
            let [first, ..] = self.numbers;
            let is_due = self.newest - first >= look_ahead;
            if !self.has_trials {
                return (self.len == 1 && is_due).then_some(first);
            }
            let open =
                self.trials.iter().take(self.len).map(|trial| usize::from(trial.is_open)).sum::<usize>();
            if open < 2 || self.len == 1 {
                return self.furthest();
            }
            if !is_due {
                return None;
            }
            if self.widest() == Some(0) {
                return Some(first);
            }
            self.remove_first();
            self.trim();
        }
    }

    /// The candidate whose line may go on, or else the one whose line reaches furthest; the latest of several.
    pub(super) fn furthest(&self) -> Option<u64> {
        let trials = self.trials.iter().zip(self.numbers());
        let keys = trials.map(|(trial, number)| (u64::from(trial.is_open) << 63 | trial.reach, *number));
        keys.max().map(|(_, number)| number)
    }

    /// The candidate whose line reaches furthest, whether or not it may go on; the latest of several.
    pub(super) fn nearest_to_newest(&self) -> Option<u64> {
        let trials = self.trials.iter().zip(self.numbers());
        trials.max_by_key(|(trial, _)| trial.reach).map(|(_, number)| *number)
    }

    /// Which candidate's line leaves the most room at the newest sample.
    fn widest(&self) -> Option<usize> {
        let newest = self.points().last()?;
        let room = |index: usize, trial: &Trial| {
            let from = self.from(*self.numbers.get(index)?).first()?;
            Some((trial.high - trial.low) * newest.at.abs_diff(from.at) as f64)
        };
        let open = self.trials.iter().take(self.len).enumerate().filter(|(_, trial)| trial.is_open);
        let rooms = open.filter_map(|(index, trial)| Some((index, room(index, trial)?)));
        rooms.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(index, _)| index)
    }
}

/// Trials follow from the rest.
impl<V: Number> PartialEq for Candidates<V> {
    fn eq(&self, other: &Self) -> bool {
        self.points() == other.points()
            && self.places().eq(other.places())
            && self.has_trials == other.has_trials
    }
}

impl Trial {
    const NEW: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY, reach: 0, is_open: true };

    #[inline]
    fn extend<V: Number>(&mut self, from: Point<V>, dev: f64, to: Point<V>, number: u64) {
        // What rounding may cost: so that a line without any deviation goes on along a ramp.
        const ROUNDING: f64 = 8.0 * f64::EPSILON;
        // As a signed number, which is a float in one instruction. A run of more than 292 years closes the line.
        let per_run = 1.0 / to.at.wrapping_sub(from.at) as f64;
        let rise = to.value.rise(from.value);
        let slack = ROUNDING * (rise.abs() + dev);
        // Without branches: a line that is closed stays so.
        let is_inside = ((rise + slack) * per_run >= self.low) & ((rise - slack) * per_run <= self.high);
        self.reach = number.or(is_inside, self.reach);
        let (low, high) = ((rise - dev - slack) * per_run, (rise + dev + slack) * per_run);
        // `f64::max` would look for NaN too.
        self.low = if low > self.low { low } else { self.low };
        self.high = if high < self.high { high } else { self.high };
        self.is_open = self.low <= self.high;
    }
}
