//! The samples at which a line may end, and the choice among them.

use super::settings::Checked;
use super::trials::Trials;
use crate::deadband::sample::Number;

/// How many ends of a line are compared. With 4, up to 10 % more samples are kept of noise that nearly fills the band;
/// with 16, none fewer that matter.
pub(super) const MOST: usize = 6;

/// Places for their numbers.
const PLACES: usize = 16;

/// A sample of the line, which may still be kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point<V> {
    pub(super) at: i64,
    pub(super) value: V,
}

/// The latest samples at which the line may end. A sample's number is its place among those of the tag.
#[derive(Clone, Debug)]
pub(super) struct Candidates<V> {
    /// The samples up to the newest. What is before the first candidate is dropped when there is no room left.
    points: Vec<Point<V>>,
    /// The number of the newest point.
    newest: u64,
    /// The candidates' numbers, rising, are those from one place to another; up to the last place, no candidate moves.
    numbers: [u64; PLACES],
    from: usize,
    to: usize,
    /// A line from each candidate, once the line to them can go no further; else empty.
    trials: Trials<V>,
    has_trials: bool,
}

impl<V: Number> Candidates<V> {
    /// None yet, with room for as many samples as are looked ahead.
    pub(super) fn new(look_ahead: usize) -> Self {
        Self {
            points: Vec::with_capacity(look_ahead.saturating_add(1).saturating_mul(2)),
            newest: 0,
            numbers: [0; PLACES],
            from: 0,
            to: 0,
            trials: Trials::none(),
            has_trials: false,
        }
    }

    /// As they were saved: the points, how many the newest makes, and which of them are candidates.
    pub(super) fn restore(points: Vec<Point<V>>, newest: u64, places: &[usize], set: &Checked) -> Self {
        let before = newest - points.len() as u64;
        let mut restored = Self { newest, ..Self::new(set.look_ahead.try_into().unwrap_or(0)) };
        restored.points.extend(points);
        for place in places {
            restored.add(before + 1 + *place as u64, true);
        }
        restored
    }

    /// Which of the points are candidates.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        let before = self.newest - self.points().len() as u64;
        self.numbers().iter().filter_map(move |number| (number - before - 1).try_into().ok())
    }

    fn numbers(&self) -> &[u64] {
        self.numbers.get(self.from..self.to).unwrap_or_default()
    }

    /// The number of the first candidate; of no meaning where there is none.
    #[inline]
    fn first(&self) -> u64 {
        self.numbers.get(self.from).copied().unwrap_or_default()
    }

    const fn len(&self) -> usize {
        self.to - self.from
    }

    #[inline]
    pub(super) fn last(&self) -> Option<u64> {
        if self.is_empty() { None } else { self.numbers.get(self.to - 1).copied() }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// Whether there is one, and no choice.
    pub(super) const fn is_single(&self) -> bool {
        self.len() == 1
    }

    /// The last candidate.
    #[inline]
    pub(super) fn last_point(&self) -> Option<(u64, Point<V>)> {
        let number = self.last()?;
        Some((number, self.back(self.newest - number + 1)?))
    }

    pub(super) const fn newest(&self) -> u64 {
        self.newest
    }

    pub(super) const fn has_trials(&self) -> bool {
        self.has_trials
    }

    /// All samples from the first candidate on.
    pub(super) fn points(&self) -> &[Point<V>] {
        self.points.get(self.start()..).unwrap_or_default()
    }

    /// Where they begin.
    fn start(&self) -> usize {
        let needed = if self.is_empty() { 0 } else { self.newest - self.first() + 1 };
        self.points.len().saturating_sub(needed as usize)
    }

    /// The samples from this number on.
    #[inline]
    pub(super) fn from(&self, number: u64) -> &[Point<V>] {
        let back = (self.newest - number) as usize + 1;
        self.points.get(self.points.len().saturating_sub(back)..).unwrap_or_default()
    }

    /// The sample so many from the end: the newest is the first.
    #[inline]
    pub(super) fn back(&self, place: u64) -> Option<Point<V>> {
        let place = self.points.len().checked_sub(place as usize)?;
        self.points.get(place).copied()
    }

    /// Forgets all samples.
    pub(super) fn clear(&mut self) {
        self.points.clear();
        self.begin();
    }

    /// Takes in the next sample, as a candidate or not.
    #[inline]
    pub(super) fn push(&mut self, sample: Point<V>, is_candidate: bool, look_ahead: u64) {
        if is_candidate || !self.is_empty() {
            self.push_after(sample, is_candidate);
        } else {
            self.newest += 1;
        }
        // Trials are dropped when the choice is made.
        if !self.has_trials {
            self.drop_older(look_ahead);
        }
    }

    /// Takes in the next sample, which is needed: it is a candidate, or comes after one.
    #[inline]
    pub(super) fn push_after(&mut self, sample: Point<V>, is_candidate: bool) {
        self.newest += 1;
        if self.points.len() == self.points.capacity() {
            self.make_room();
        }
        self.points.push(sample);
        self.add(self.newest, is_candidate);
    }

    #[cold]
    fn make_room(&mut self) {
        // Without the new one, which is counted already.
        let start = (self.start() + 1).min(self.points.len());
        self.points.drain(..start);
    }

    /// Notes that the sample of this number, which is among the points, is a candidate, if it is.
    #[inline]
    pub(super) fn add(&mut self, number: u64, is_candidate: bool) {
        if self.to == PLACES {
            self.move_to_front();
        }
        // Without a branch, for which samples are candidates is at random in noise.
        if let Some(slot) = self.numbers.get_mut(self.to) {
            *slot = number;
            self.to += usize::from(is_candidate);
            self.from = self.from.max(self.to.saturating_sub(MOST));
        }
    }

    #[cold]
    fn move_to_front(&mut self) {
        let len = self.len();
        self.numbers.copy_within(self.from..self.to, 0);
        (self.from, self.to) = (0, len);
    }

    /// Drops candidates that came `look_ahead` samples ago, but for the last one.
    #[inline]
    pub(super) fn drop_older(&mut self, look_ahead: u64) {
        while self.newest - self.first() >= look_ahead && self.len() > 1 {
            self.remove_first();
        }
    }

    /// Drops all but the last candidate.
    pub(super) const fn keep_last(&mut self) {
        if !self.is_empty() {
            self.from = self.to - 1;
        }
    }

    fn remove_first(&mut self) {
        self.from += 1;
        if self.has_trials {
            self.trials.remove_first();
        }
    }

    /// Forgets all candidates: the line begins anew.
    #[inline]
    pub(super) const fn begin(&mut self) {
        (self.from, self.to) = (0, 0);
        self.has_trials = false;
    }

    /// Tries a line from each candidate, up to the newest sample.
    pub(super) fn try_all(&mut self, dev: f64) {
        self.has_trials = true;
        // The choice from one needs no trial.
        if let Some(numbers @ [first, _, ..]) = self.numbers.get(self.from..self.to) {
            let back = (self.newest - first) as usize + 1;
            let points = self.points.get(self.points.len().saturating_sub(back)..).unwrap_or_default();
            self.trials.begin(numbers, points, dev);
        }
    }

    /// The same for the newest sample alone.
    #[inline]
    pub(super) fn try_newest(&mut self, dev: f64) {
        if let Some(to) = self.points.last().copied() {
            self.trials.extend(dev, to, self.newest);
        }
    }

    /// Whether the line may have to end.
    #[inline]
    pub(super) fn may_choose(&self, look_ahead: u64) -> bool {
        self.has_trials || (self.newest - self.first() >= look_ahead && self.is_single())
    }

    /// The candidate to end the line at, where it is plain by now or can wait no longer.
    pub(super) fn choose(&mut self, look_ahead: u64) -> Option<u64> {
        loop {
            let first = self.first();
            let is_due = self.newest - first >= look_ahead;
            if self.is_single() {
                return (self.has_trials || is_due).then_some(first);
            }
            if !self.has_trials {
                return None;
            }
            if self.trials.open() < 2 {
                return self.furthest();
            }
            if !is_due {
                return None;
            }
            if self.widest() == Some(0) {
                return Some(first);
            }
            self.remove_first();
        }
    }

    /// The candidate whose line may go on, or else the one whose line reaches furthest; the latest of several.
    pub(super) fn furthest(&self) -> Option<u64> {
        self.at_place(self.trials.furthest(self.len(), true))
    }

    /// The candidate whose line reaches furthest, whether or not it may go on; the latest of several.
    pub(super) fn nearest_to_newest(&self) -> Option<u64> {
        self.at_place(self.trials.furthest(self.len(), false))
    }

    fn at_place(&self, place: Option<usize>) -> Option<u64> {
        self.numbers().get(place?).copied()
    }

    /// Which candidate's line leaves the most room at the newest sample.
    fn widest(&self) -> Option<usize> {
        self.trials.widest(self.points.last()?.at)
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
