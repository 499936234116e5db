//! The samples at which a line may end, and what each of them would make of the samples after it.

use std::collections::VecDeque;

use super::settings::Checked;
use crate::deadband::sample::Number;

/// How many ends of a line are compared. Twice as many keep no fewer samples, and cost twice as much.
pub(super) const MOST: usize = 4;

/// A sample of the line, which may still be kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point<V> {
    pub(super) at: i64,
    pub(super) value: V,
}

/// The latest samples at which the line may end. A sample's number is its place among those of the tag.
#[derive(Clone, Debug)]
pub(super) struct Candidates<V> {
    /// All samples from the first candidate on.
    points: VecDeque<Point<V>>,
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
            points: VecDeque::with_capacity(look_ahead.saturating_add(2)),
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
        let before = self.newest - self.points.len() as u64;
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

    pub(super) fn points(&self) -> impl Iterator<Item = Point<V>> {
        self.points.iter().copied()
    }

    pub(super) fn get(&self, number: u64) -> Option<Point<V>> {
        let age = usize::try_from(self.newest.checked_sub(number)?).ok()?;
        self.points.get(self.points.len().checked_sub(age + 1)?).copied()
    }

    /// Forgets all samples.
    pub(super) fn clear(&mut self) {
        self.points.clear();
        self.len = 0;
        self.has_trials = false;
    }

    /// Takes in the next sample, as a candidate or not.
    #[inline]
    pub(super) fn push(&mut self, at: i64, value: V, is_candidate: bool, look_ahead: u64) {
        self.newest += 1;
        if is_candidate || self.len > 0 {
            self.points.push_back(Point { at, value });
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
        while self.points.len() as u64 > needed {
            self.points.pop_front();
        }
    }

    /// Begins the line anew from this candidate: those after it are candidates no longer.
    pub(super) fn begin_at(&mut self, number: u64) {
        self.len = 0;
        self.has_trials = false;
        let needed = self.newest.saturating_sub(number);
        while self.points.len() as u64 > needed {
            self.points.pop_front();
        }
    }

    /// Tries a line from each candidate, up to the newest sample.
    pub(super) fn try_all(&mut self, dev: f64) {
        self.has_trials = true;
        for index in 0..self.len {
            let Some((from, number)) = self.numbers.get(index).and_then(|n| Some((self.get(*n)?, *n))) else {
                continue;
            };
            let mut trial = Trial { reach: number, ..Trial::NEW };
            for later in number + 1..=self.newest {
                let Some(point) = self.get(later).filter(|_| trial.is_open) else { break };
                trial.extend(from, dev, point, later);
            }
            if let Some(slot) = self.trials.get_mut(index) {
                *slot = trial;
            }
        }
    }

    /// The same for a sample that just came.
    pub(super) fn try_newest(&mut self, dev: f64) {
        let newest = self.newest;
        let Some(point) = self.get(newest) else { return };
        for index in 0..self.len {
            let from = self.numbers.get(index).and_then(|number| self.get(*number));
            if let Some((trial, from)) = self.trials.get_mut(index).zip(from)
                && trial.is_open
            {
                trial.extend(from, dev, point, newest);
            }
        }
    }

    /// The candidate to end the line at, where it is plain by now or can wait no longer.
    pub(super) fn choose(&mut self, look_ahead: u64) -> Option<u64> {
        loop {
            let ([first, ..], trials) = (self.numbers, self.trials.get(..self.len)?);
            let is_due = self.newest - first >= look_ahead;
            if !self.has_trials {
                return (self.len == 1 && is_due).then_some(first);
            }
            let open = trials.iter().filter(|trial| trial.is_open).count();
            if open < 2 || self.len == 1 {
                return self.furthest();
            }
            if !is_due {
                return None;
            }
            if trials.first().is_some_and(|trial| trial.is_open) && self.widest() == Some(0) {
                return Some(first);
            }
            self.remove_first();
            self.trim();
        }
    }

    /// The candidate whose line may go on, or else the one whose line reaches furthest; the latest of several.
    pub(super) fn furthest(&self) -> Option<u64> {
        let trials = self.trials.iter().zip(self.numbers());
        trials.max_by_key(|(trial, _)| (trial.is_open, trial.reach)).map(|(_, number)| *number)
    }

    /// The candidate whose line reaches furthest, whether or not it may go on; the latest of several.
    pub(super) fn nearest_to_newest(&self) -> Option<u64> {
        let trials = self.trials.iter().zip(self.numbers());
        trials.max_by_key(|(trial, _)| trial.reach).map(|(_, number)| *number)
    }

    /// Which candidate's line leaves the most room at the newest sample.
    fn widest(&self) -> Option<usize> {
        let newest = self.get(self.newest)?;
        let room = |index: usize, trial: &Trial| {
            let from = self.get(*self.numbers.get(index)?)?;
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
        self.points == other.points
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
        let per_run = 1.0 / to.at.abs_diff(from.at) as f64;
        let rise = to.value.rise(from.value);
        let slack = ROUNDING * (rise.abs() + dev);
        if (rise + slack) * per_run >= self.low && (rise - slack) * per_run <= self.high {
            self.reach = number;
        }
        self.low = self.low.max((rise - dev - slack) * per_run);
        self.high = self.high.min((rise + dev + slack) * per_run);
        self.is_open = self.low <= self.high;
    }
}
