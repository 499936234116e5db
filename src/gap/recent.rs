use std::collections::VecDeque;

/// The newest event times, in order: by them a row that is out of order is known from a copy.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Recent {
    times: VecDeque<i64>,
    most: usize,
    /// The latest time that was forgotten.
    forgotten: Option<i64>,
}

/// What is known of a time that is not the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Copy,
    New,
    Forgotten,
}

impl Recent {
    pub(super) fn new(most: usize) -> Self {
        Self { times: VecDeque::with_capacity(most), most, forgotten: None }
    }

    pub(super) fn restore(most: usize, times: &[i64], forgotten: Option<i64>) -> Option<Self> {
        let ordered = times.is_sorted_by(|a, b| a < b);
        let after = times.first().zip(forgotten).is_none_or(|(first, forgotten)| forgotten < *first);
        if !ordered || !after {
            return None;
        }
        let mut recent = Self::new(most);
        recent.forgotten = forgotten;
        recent.append(times);
        Some(recent)
    }

    /// Takes a time later than all.
    #[inline]
    pub(super) fn push(&mut self, time: i64) {
        if self.times.len() >= self.most {
            self.forgotten = self.times.pop_front().or(self.forgotten);
        }
        self.times.push_back(time);
    }

    /// Takes times later than all, in order.
    pub(super) fn append(&mut self, times: &[i64]) {
        let kept = times.len().min(self.most);
        let (over, kept) = times.split_at(times.len() - kept);
        let leave = (self.times.len() + kept.len()).saturating_sub(self.most);
        if let Some(last) = self.times.drain(..leave).next_back() {
            self.forgotten = Some(last);
        }
        self.forgotten = over.last().copied().or(self.forgotten);
        self.times.extend(kept);
    }

    pub(super) fn look(&self, time: i64) -> Seen {
        if self.forgotten.is_some_and(|forgotten| time <= forgotten) {
            return Seen::Forgotten;
        }
        if self.times.binary_search(&time).is_ok() { Seen::Copy } else { Seen::New }
    }

    /// Takes a time that is new, wherever it belongs.
    pub(super) fn insert(&mut self, time: i64) {
        let at = self.times.partition_point(|known| *known < time);
        if self.times.len() < self.most {
            self.times.insert(at, time);
        } else if at == 0 {
            self.forgotten = Some(time);
        } else {
            // The capacity holds: one leaves before one comes.
            self.forgotten = self.times.pop_front().or(self.forgotten);
            self.times.insert(at - 1, time);
        }
    }

    pub(super) fn times(&self) -> impl Iterator<Item = i64> {
        self.times.iter().copied()
    }

    pub(super) const fn forgotten(&self) -> Option<i64> {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(recent: &Recent) -> (Vec<i64>, Option<i64>) {
        (recent.times().collect(), recent.forgotten())
    }

    #[test]
    fn many_at_once_are_as_one_by_one() {
        for most in 1..5 {
            for (before, after) in (0..7).flat_map(|before| (0..7).map(move |after| (before, after))) {
                let times: Vec<i64> = (0..before + after).collect();
                let (first, rest) = times.split_at(before as usize);
                let (mut one, mut many) = (Recent::new(most), Recent::new(most));
                times.iter().for_each(|time| one.push(*time));
                many.append(first);
                many.append(rest);
                assert_eq!(of(&one), of(&many), "{most} {before} {after}");
                assert!(many.times.len() <= most);
            }
        }
    }

    #[test]
    fn early_time_is_sorted_and_oldest_leaves() {
        let mut recent = Recent::new(3);
        recent.append(&[10, 20]);
        recent.insert(15);
        assert_eq!(of(&recent), (vec![10, 15, 20], None));
        recent.insert(17);
        assert_eq!(of(&recent), (vec![15, 17, 20], Some(10)));
        assert_eq!([10, 15, 16].map(|time| recent.look(time)), [Seen::Forgotten, Seen::Copy, Seen::New]);
        recent.insert(12);
        assert_eq!(of(&recent), (vec![15, 17, 20], Some(12)));
    }
}
