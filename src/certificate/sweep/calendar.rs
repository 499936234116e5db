//! Slots by the hour in which they come due.

use std::collections::BTreeMap;

const HOUR: i64 = 3_600;

/// The slots that come due in each hour. Each knows its place in its hour, so that it is taken out without a search.
#[derive(Clone, Debug, Default)]
pub(super) struct Calendar {
    hours: BTreeMap<i64, Vec<u32>>,
}

impl Calendar {
    /// Enters a slot that is due from `second` on, and tells its place.
    pub(super) fn insert(&mut self, second: i64, slot: u32) -> u32 {
        let hour = self.hours.entry(second.div_euclid(HOUR)).or_default();
        let place = u32::try_from(hour.len()).unwrap_or(u32::MAX);
        hour.push(slot);
        place
    }

    /// Takes out what is at a place, and tells which slot has that place now, if one moved there.
    pub(super) fn remove(&mut self, second: i64, place: u32) -> Option<u32> {
        let key = second.div_euclid(HOUR);
        let hour = self.hours.get_mut(&key)?;
        let place = place as usize;
        if place >= hour.len() {
            return None;
        }
        hour.swap_remove(place);
        let moved = hour.get(place).copied();
        if hour.is_empty() {
            self.hours.remove(&key);
        } else if hour.len() < hour.capacity() / 4 {
            hour.shrink_to(hour.len().saturating_mul(2));
        }
        moved
    }

    /// Puts another slot at a place.
    pub(super) fn set(&mut self, second: i64, place: u32, slot: u32) {
        if let Some(held) =
            self.hours.get_mut(&second.div_euclid(HOUR)).and_then(|hour| hour.get_mut(place as usize))
        {
            *held = slot;
        }
    }

    /// All that are due at `second`, the hour that it is in included.
    pub(super) fn until(&self, second: i64) -> impl Iterator<Item = u32> + '_ {
        self.hours.range(..=second.div_euclid(HOUR)).flat_map(|(_, hour)| hour.iter().copied())
    }
}
