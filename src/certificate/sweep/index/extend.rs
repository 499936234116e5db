//! Many entries at once.

use std::hint::black_box;

use super::super::entry::Entry;
use super::super::error::EntryError;
use super::candidates::due_of;
use super::{ExpiryIndex, device_in};

/// How many entries are looked up side by side, so that the memory answers for all of them at once.
const BLOCK: usize = 64;

/// For how many entries room is made before they have come.
const LARGEST_HINT: usize = 1 << 24;

/// What became of many entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extended {
    /// How many took the place of one of the same device.
    pub replaced: usize,
    /// How many were left out, because one of a later generation of the same device is in the index.
    pub older: usize,
}

/// An index that is being filled. When it is dropped, also because the entries panicked, what it took is in the
/// calendars.
struct Filling<'a> {
    index: &'a mut ExpiryIndex,
    /// From this slot on nothing is in a calendar yet.
    first: usize,
    done: Extended,
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        self.index.enter_from(self.first);
    }
}

impl ExpiryIndex {
    /// Enters many, as [`insert`](Self::insert) does one by one, and in a fraction of the time. Of a device that comes more
    /// than once the latest generation stands, and of one generation the last.
    ///
    /// # Errors
    /// As for `insert`, of the first that is not taken; one of an older generation is left out, and no error. Those before
    /// it are in the index, and none after it. Where the entries panic, the last before that, up to 64 of them, are not in
    /// the index either, and all others are.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use iot_runbook::certificate::{Policy, sweep::{Entry, ExpiryIndex}};
    ///
    /// let begin = DateTime::UNIX_EPOCH;
    /// let mut index = ExpiryIndex::new(Policy::default());
    /// let entries = (0..1_000).map(|device| Entry::new(device, begin, begin + TimeDelta::days(365)));
    /// index.extend(entries.clone().map(|entry| entry.with_generation(2)))?;
    /// assert_eq!(index.len(), 1_000);
    /// let late = index.extend(entries.map(|entry| entry.with_generation(1)))?;
    /// assert_eq!((late.replaced, late.older), (0, 1_000));
    /// # Ok::<(), iot_runbook::certificate::sweep::EntryError>(())
    /// ```
    pub fn extend(&mut self, entries: impl IntoIterator<Item = Entry>) -> Result<Extended, EntryError> {
        let mut entries = entries.into_iter();
        // Whoever tells too many is not taken at their word.
        self.reserve(entries.size_hint().0.min(LARGEST_HINT));
        let first = self.records.len();
        let mut filling = Filling { index: self, first, done: Extended::default() };
        let mut block = Vec::with_capacity(BLOCK);
        loop {
            block.clear();
            block.extend(entries.by_ref().take(BLOCK));
            if block.is_empty() {
                return Ok(filling.done);
            }
            filling.push(&block)?;
        }
    }

    /// Enters all slots from one on into the calendars.
    fn enter_from(&mut self, first: usize) {
        let Self { records, issuers, revoked, rule, calendar, begins, .. } = self;
        for record in records.get(first..).unwrap_or_default() {
            if let Some(issuer) = issuers.get_mut(record.issuer() as usize) {
                issuer.issued = issuer.issued.saturating_add(1);
                issuer.leaves = issuer.leaves.saturating_add(u64::from(issuer.binds(record)));
            }
            if record.is_revoked() {
                revoked.insert(record.device);
            }
        }
        let mut places = vec![0; records.len().saturating_sub(first)];
        let mut placed = |slot: u32, place| {
            if let Some(held) = (slot as usize).checked_sub(first).and_then(|at| places.get_mut(at)) {
                *held = place;
            }
        };
        let slots = || {
            let slots = (0_u32..).zip(records.iter()).skip(first);
            slots.map(|(slot, record)| (slot, record, due_of(rule, issuers, record)))
        };
        let due = || slots().filter_map(|(slot, record, due)| Some((due?, slot, record.not_before)));
        calendar.fill(due, &mut placed);
        let rest = || {
            slots()
                .filter(|(.., due)| due.is_none())
                .map(|(slot, record, _)| (record.not_before, slot, record.not_before))
        };
        begins.fill(rest, &mut placed);
        for (record, place) in records.iter_mut().skip(first).zip(places) {
            record.place = place;
        }
    }
}

impl Filling<'_> {
    /// Takes a block of entries.
    fn push(&mut self, block: &[Entry]) -> Result<(), EntryError> {
        let Self { index, first, done } = self;
        let more = index.records.len().saturating_add(block.len());
        if more > index.records.capacity() {
            index.records.reserve_exact((index.records.len() / 8).max(block.len()));
        }
        let records = &index.records;
        index.table.reserve(more, |slot| device_in(records, slot));
        let mut homes = [0; BLOCK];
        for (home, entry) in homes.iter_mut().zip(block) {
            let (start, slot) = index.table.start(entry.device);
            *home = start;
            // What will be compared below is read here, where no read waits for another.
            black_box(slot.and_then(|slot| device_in(records, slot)));
        }
        for (home, entry) in homes.into_iter().zip(block) {
            let record = index.record(entry)?;
            let slot = index.next_slot(entry.device)?;
            let records = &index.records;
            let found = index.table.find_or_insert(home, entry.device, slot, |slot| device_in(records, slot));
            let Some(slot) = found else {
                index.records.push(record);
                continue;
            };
            let Some(held) = index.records.get_mut(slot as usize) else { continue };
            if record.generation < held.generation {
                done.older += 1;
                continue;
            }
            done.replaced += 1;
            if (slot as usize) < *first {
                index.replace(slot, record);
            } else {
                *held = record;
            }
        }
        Ok(())
    }
}
