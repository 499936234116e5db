//! A bounded buffer of items in the order of their times; the one that came first leaves first.

use std::collections::VecDeque;

use super::sample::Timed;

/// Sorted by time, so that reading it is a walk; what leaves is what came first and not what is oldest, so that an
/// item from a wrong clock leaves as every other does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ring<T> {
    items: VecDeque<(u64, T)>,
    capacity: usize,
    /// The number of the next to come. Those held have the numbers just below it, without a hole.
    next: u64,
}

impl<T: Timed> Ring<T> {
    pub(super) const fn new(capacity: usize) -> Self {
        Self { items: VecDeque::new(), capacity, next: 0 }
    }

    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// In the order of time.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator + Clone {
        self.items.iter().map(|(_, item)| item)
    }

    /// Those from one place up to another, in the order of time.
    pub(super) fn range(
        &self,
        from: usize,
        to: usize,
    ) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator + Clone {
        let to = to.min(self.items.len());
        self.items.range(from.min(to)..to).map(|(_, item)| item)
    }

    /// In the order in which they came.
    pub(super) fn by_arrival(&self) -> Vec<T> {
        let mut numbered: Vec<_> = self.items.iter().copied().collect();
        numbered.sort_by_key(|(number, _)| *number);
        numbered.into_iter().map(|(_, item)| item).collect()
    }

    /// Puts an item in its place by time. Of two of one time [one is kept](Timed::kept), at the arrival of the first.
    /// Returns the item that left for it.
    pub(super) fn insert(&mut self, item: T) -> Option<T> {
        let at = item.at();
        let mut place = self.items.len();
        // From the back: an item is nearly always the latest.
        while let Some((_, before)) = place.checked_sub(1).and_then(|before| self.items.get(before)) {
            if before.at() <= at {
                break;
            }
            place -= 1;
        }
        if let Some((_, same)) = place.checked_sub(1).and_then(|same| self.items.get_mut(same))
            && same.at() == at
        {
            *same = same.kept(item);
            return None;
        }
        let mut left = None;
        if self.items.len() >= self.capacity {
            let first = self.first_arrived();
            left = self.items.remove(first).map(|(_, item)| item);
            place -= usize::from(first < place);
        }
        self.items.insert(place, (self.next, item));
        self.next += 1;
        left
    }

    /// The place of the one that came first.
    fn first_arrived(&self) -> usize {
        if self.items.front().is_some_and(|(number, _)| self.is_first(*number)) {
            return 0;
        }
        let first = self.items.iter().enumerate().min_by_key(|(_, (number, _))| *number);
        first.map_or(0, |(place, _)| place)
    }

    fn is_first(&self, number: u64) -> bool {
        u64::try_from(self.items.len()).is_ok_and(|held| number.saturating_add(held) == self.next)
    }
}
