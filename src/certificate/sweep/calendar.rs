//! Slots by the hour of a moment: the one from which on they are due, or the one at which they begin.

use std::collections::BTreeMap;

const HOUR: i64 = 3_600;

/// The longest span of hours that is filled at once, row beside row: 120 years.
const SPAN: i64 = 1 << 20;

/// The slots of each hour. Each knows its place in its hour, so that it is taken out without a search.
#[derive(Clone, Debug, Default)]
pub(super) struct Calendar {
    hours: BTreeMap<i64, Hour>,
}

#[derive(Clone, Debug)]
struct Hour {
    slots: Vec<u32>,
    /// No certificate in it begins later than this second. After some are taken out it may be later than need be.
    latest_begin: i64,
}

impl Default for Hour {
    fn default() -> Self {
        Self { slots: Vec::new(), latest_begin: i64::MIN }
    }
}

impl Hour {
    fn push(&mut self, slot: u32, begin: i64) -> u32 {
        let place = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(slot);
        self.latest_begin = self.latest_begin.max(begin);
        place
    }
}

impl Calendar {
    /// Enters a slot under `second`, of a certificate that begins at `begin`, and tells its place.
    pub(super) fn insert(&mut self, second: i64, slot: u32, begin: i64) -> u32 {
        self.hours.entry(second.div_euclid(HOUR)).or_default().push(slot, begin)
    }

    /// Enters many slots at once: each second, slot and beginning that `all` tells, and it tells the same again when
    /// called again. `placed` is told the place of each. Rows are made as long as they need to be.
    pub(super) fn fill<I: Iterator<Item = (i64, u32, i64)>>(
        &mut self,
        all: impl Fn() -> I,
        mut placed: impl FnMut(u32, u32),
    ) {
        let (mut first, mut last, mut count) = (i64::MAX, i64::MIN, 0_i64);
        for (second, ..) in all() {
            let hour = second.div_euclid(HOUR);
            (first, last, count) = (first.min(hour), last.max(hour), count.saturating_add(1));
        }
        if first > last {
            return;
        }
        let span = last.saturating_sub(first);
        // Few in a long span do not pay for its rows.
        if span >= SPAN || span / 16 > count {
            for (second, slot, begin) in all() {
                placed(slot, self.insert(second, slot, begin));
            }
            return;
        }
        let row_of = |second: i64| usize::try_from(second.div_euclid(HOUR) - first).unwrap_or(usize::MAX);
        let rows = usize::try_from(span).unwrap_or_default() + 1;
        let mut counts = vec![0_usize; rows];
        for (second, ..) in all() {
            if let Some(count) = counts.get_mut(row_of(second)) {
                *count += 1;
            }
        }
        let mut hours: Vec<_> = (first..=last)
            .zip(counts)
            .map(|(hour, count)| {
                let mut held =
                    if count > 0 { self.hours.remove(&hour).unwrap_or_default() } else { Hour::default() };
                held.slots.reserve_exact(count);
                held
            })
            .collect();
        for (second, slot, begin) in all() {
            if let Some(hour) = hours.get_mut(row_of(second)) {
                placed(slot, hour.push(slot, begin));
            }
        }
        let filled = (first..=last).zip(hours).filter(|(_, hour)| !hour.slots.is_empty());
        self.hours.extend(filled);
    }

    /// Takes out what is at a place, and tells which slot has that place now, if one moved there. `begin_of` tells
    /// when a slot begins.
    pub(super) fn remove(&mut self, second: i64, place: u32, begin_of: impl Fn(u32) -> i64) -> Option<u32> {
        let key = second.div_euclid(HOUR);
        let hour = self.hours.get_mut(&key)?;
        let place = place as usize;
        if place >= hour.slots.len() {
            return None;
        }
        hour.slots.swap_remove(place);
        let moved = hour.slots.get(place).copied();
        if hour.slots.is_empty() {
            self.hours.remove(&key);
        } else if hour.slots.len() < hour.slots.capacity() / 4 {
            hour.slots.shrink_to(hour.slots.len().saturating_mul(2));
            hour.latest_begin = hour.slots.iter().map(|slot| begin_of(*slot)).max().unwrap_or(i64::MIN);
        }
        moved
    }

    /// Puts another slot at a place.
    pub(super) fn set(&mut self, second: i64, place: u32, slot: u32) {
        if let Some(held) =
            self.hours.get_mut(&second.div_euclid(HOUR)).and_then(|hour| hour.slots.get_mut(place as usize))
        {
            *held = slot;
        }
    }

    /// All up to `second`, the hour that it is in included.
    pub(super) fn until(&self, second: i64) -> impl Iterator<Item = &[u32]> + '_ {
        self.hours.range(..=second.div_euclid(HOUR)).map(|(_, hour)| hour.slots.as_slice())
    }

    /// All in the hours from that of `second` on, where one may begin after `now`.
    pub(super) fn beginning_after(&self, second: i64, now: i64) -> impl Iterator<Item = u32> + '_ {
        self.hours
            .range(second.div_euclid(HOUR)..)
            .filter(move |(_, hour)| hour.latest_begin > now)
            .flat_map(|(_, hour)| hour.slots.iter().copied())
    }

    /// The first second of the hour after that of `second`.
    pub(super) fn next_hour(second: i64) -> i64 {
        second.div_euclid(HOUR).saturating_add(1).saturating_mul(HOUR)
    }
}
