//! From the number of a device to its slot: open addressing over slots of 4 bytes, as the numbers themselves stand
//! in the records.

use std::hash::{BuildHasher as _, RandomState};

const EMPTY: u32 = u32::MAX;

/// Slots by the hash of what stands in them.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// A power of two of them, at most three quarters in use.
    cells: Vec<u32>,
    used: usize,
    /// Seeded at random: nobody can choose numbers that collide.
    hasher: RandomState,
}

impl Table {
    /// Makes room for `count` in all. `device_of` tells which device is in a slot.
    pub(super) fn reserve(&mut self, count: usize, device_of: impl Fn(u32) -> Option<u64>) {
        let wanted = count.saturating_add(count.div_ceil(3)).saturating_add(1).next_power_of_two().max(8);
        if wanted <= self.cells.len() {
            return;
        }
        let old = std::mem::replace(&mut self.cells, vec![EMPTY; wanted]);
        for slot in old {
            if let Some(device) = (slot != EMPTY).then(|| device_of(slot)).flatten() {
                let at = self.vacant(device);
                self.put(at, slot);
            }
        }
    }

    /// The slot of a device.
    pub(super) fn find(&self, device: u64, device_of: impl Fn(u32) -> Option<u64>) -> Option<u32> {
        self.cell_of(device, device_of).and_then(|at| self.cells.get(at).copied())
    }

    /// Adds a device that is not there.
    pub(super) fn insert(&mut self, device: u64, slot: u32, device_of: impl Fn(u32) -> Option<u64>) {
        self.reserve(self.used.saturating_add(1), device_of);
        let at = self.vacant(device);
        self.put(at, slot);
        self.used = self.used.saturating_add(1);
    }

    /// Where to look for a device first, and the slot that stands there.
    pub(super) fn start(&self, device: u64) -> (usize, Option<u32>) {
        let home = self.home(device);
        (home, self.cells.get(home).copied().filter(|slot| *slot != EMPTY))
    }

    /// The slot of a device, or else `slot` is entered for it; `home` is where to look first. Room is to be
    /// [made](Self::reserve) before.
    pub(super) fn find_or_insert(
        &mut self,
        home: usize,
        device: u64,
        slot: u32,
        device_of: impl Fn(u32) -> Option<u64>,
    ) -> Option<u32> {
        let mut at = home;
        loop {
            let held = self.cells.get(at).copied().unwrap_or(EMPTY);
            if held == EMPTY {
                self.put(at, slot);
                self.used = self.used.saturating_add(1);
                return None;
            }
            if device_of(held) == Some(device) {
                return Some(held);
            }
            at = self.after(at);
        }
    }

    /// Moves a device that is there to another slot.
    pub(super) fn set(&mut self, device: u64, slot: u32, device_of: impl Fn(u32) -> Option<u64>) {
        if let Some(at) = self.cell_of(device, device_of) {
            self.put(at, slot);
        }
    }

    /// Removes a device. What stands behind it moves up, so that no grave is left.
    pub(super) fn remove(&mut self, device: u64, device_of: impl Fn(u32) -> Option<u64>) {
        let Some(mut hole) = self.cell_of(device, &device_of) else { return };
        self.used = self.used.saturating_sub(1);
        let mut at = hole;
        loop {
            at = self.after(at);
            let slot = self.cells.get(at).copied().unwrap_or(EMPTY);
            let Some(other) = (slot != EMPTY).then(|| device_of(slot)).flatten() else { break };
            // It may move into the hole unless its home lies behind the hole.
            if self.distance(self.home(other), at) >= self.distance(hole, at) {
                self.put(hole, slot);
                hole = at;
            }
        }
        self.put(hole, EMPTY);
    }

    fn cell_of(&self, device: u64, device_of: impl Fn(u32) -> Option<u64>) -> Option<usize> {
        let mut at = self.home(device);
        loop {
            let slot = *self.cells.get(at)?;
            if slot == EMPTY {
                return None;
            }
            if device_of(slot) == Some(device) {
                return Some(at);
            }
            at = self.after(at);
        }
    }

    /// The first free cell for a device. There is always one.
    fn vacant(&self, device: u64) -> usize {
        let mut at = self.home(device);
        while self.cells.get(at).is_some_and(|slot| *slot != EMPTY) {
            at = self.after(at);
        }
        at
    }

    fn put(&mut self, at: usize, slot: u32) {
        if let Some(cell) = self.cells.get_mut(at) {
            *cell = slot;
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low bits are what counts")]
    fn home(&self, device: u64) -> usize {
        self.hasher.hash_one(device) as usize & self.mask()
    }

    fn after(&self, at: usize) -> usize {
        at.wrapping_add(1) & self.mask()
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & self.mask()
    }

    fn mask(&self) -> usize {
        self.cells.len().saturating_sub(1)
    }
}
