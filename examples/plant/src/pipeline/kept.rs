//! A log of bounded length.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use iot_runbook::time::Period;

/// The last entries of a log, oldest first, and from when on they are complete.
#[derive(Clone, Debug)]
pub struct Kept<T> {
    entries: VecDeque<(DateTime<Utc>, T)>,
    most: usize,
    complete_from: Option<DateTime<Utc>>,
}

/// A part of a log.
#[derive(Clone, Debug)]
pub struct Extract<T> {
    /// Its entries, oldest first.
    pub entries: Vec<(DateTime<Utc>, T)>,
    /// From when on the log is complete; none while nothing was forgotten.
    pub complete_from: Option<DateTime<Utc>>,
}

impl<T> Kept<T> {
    /// A log of at most so many entries.
    pub fn new(most: usize) -> Self {
        Self { entries: VecDeque::new(), most, complete_from: None }
    }

    /// Enters what happened then; where the log is full, the oldest entry goes.
    pub fn enter(&mut self, at: DateTime<Utc>, entry: T) {
        if self.entries.len() == self.most {
            self.entries.pop_front();
            self.complete_from = self.entries.front().map(|(at, _)| *at);
        }
        self.entries.push_back((at, entry));
    }

    /// From when on it is complete; none while nothing was forgotten.
    pub fn complete_from(&self) -> Option<DateTime<Utc>> {
        self.complete_from
    }

    /// What was entered in a period.
    pub fn within(&self, period: Period) -> impl Iterator<Item = &(DateTime<Utc>, T)> {
        self.entries.iter().filter(move |(at, _)| period.contains(*at))
    }

    /// The same by itself.
    pub fn extract(&self, period: Period) -> Extract<T>
    where
        T: Clone,
    {
        Extract { entries: self.within(period).cloned().collect(), complete_from: self.complete_from }
    }

    /// Everything that is kept.
    pub fn iter(&self) -> impl Iterator<Item = &(DateTime<Utc>, T)> {
        self.entries.iter()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_goes_first_and_is_counted() {
        let at = |second| DateTime::<Utc>::UNIX_EPOCH + chrono::TimeDelta::seconds(second);
        let mut log = Kept::new(2);
        log.enter(at(1), 'a');
        log.enter(at(2), 'b');
        assert_eq!((log.len(), log.complete_from()), (2, None));
        log.enter(at(3), 'c');
        assert_eq!((log.len(), log.complete_from()), (2, Some(at(2))));
        let period = Period::new(at(0), at(3)).unwrap();
        assert_eq!(log.within(period).map(|(_, entry)| *entry).collect::<String>(), "b");
    }
}
