//! The expiry index: every certificate of the fleet, kept by when it comes due.

mod candidates;
mod extend;
mod issuers;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use self::candidates::due_of;
use self::issuers::IssuerRecord;
use super::bounds::DueRule;
use super::calendar::Calendar;
use super::entry::{Entry, Renewal};
use super::error::EntryError;
use super::record::{NO_ISSUER, Record};
use super::table::Table;
use crate::certificate::Policy;

pub(super) use self::candidates::Candidate;
pub use self::extend::Extended;

/// Every certificate of a fleet, kept by the hour in which it comes due.
///
/// Inserting, replacing and removing a certificate take the same time whatever the size of the fleet; what is due at
/// a time is read without a look at the rest. 64 bytes a record at most in fleets of 100 000 and more (while it
/// grows past what it [reserved](Self::reserve), for a moment twice that). One that is revoked takes some 16 more.
///
/// Fill it by [`extend`](Self::extend): many at once take a fraction of the time.
#[derive(Clone, Debug)]
pub struct ExpiryIndex {
    policy: Policy,
    records: Vec<Record>,
    table: Table,
    rule: DueRule,
    /// By when they come due.
    calendar: Calendar,
    /// Those that do not come due by themselves, by when they begin.
    begins: Calendar,
    /// Devices whose certificate is revoked.
    revoked: BTreeSet<u64>,
    issuers: Vec<IssuerRecord>,
    issuer_numbers: BTreeMap<u64, u32>,
}

impl ExpiryIndex {
    /// An empty index. The policy stays as it is: another one needs another index.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            rule: DueRule::of(&policy),
            records: Vec::new(),
            table: Table::default(),
            calendar: Calendar::default(),
            begins: Calendar::default(),
            revoked: BTreeSet::new(),
            issuers: Vec::new(),
            issuer_numbers: BTreeMap::new(),
        }
    }

    /// Makes room for that many more devices, and no more than that.
    pub fn reserve(&mut self, more: usize) {
        self.records.reserve_exact(more);
        let all = self.records.len().saturating_add(more);
        let records = &self.records;
        self.table.reserve(all, |slot| device_in(records, slot));
    }

    /// Enters the certificate that a device has in use, and gives the one that it replaces. Records may come in any order
    /// and twice: none takes the place of one of a later generation. A device whose generations begin again is
    /// [removed](Self::remove) first.
    ///
    /// # Errors
    /// It ends before it begins, its issuer is not in the index, one of a later generation is, or it is one too many.
    pub fn insert(&mut self, entry: &Entry) -> Result<Option<Entry>, EntryError> {
        let record = self.record(entry)?;
        let replaced = self.slot_of(entry.device);
        if let Some(slot) = replaced {
            let held = self.records.get(slot as usize).map_or(0, |held| held.generation);
            if record.generation < held {
                let (device, given) = (entry.device, entry.generation);
                return Err(EntryError::OlderGeneration { device, given, held });
            }
            return Ok(self.replace(slot, record));
        }
        let slot = self.next_slot(entry.device)?;
        if self.records.len() == self.records.capacity() {
            // By an eighth, where a vector would double.
            self.records.reserve_exact((self.records.len() / 8).max(8));
        }
        self.records.push(record);
        let records = &self.records;
        self.table.insert(entry.device, slot, |slot| device_in(records, slot));
        self.enter(slot);
        Ok(None)
    }

    /// Says how far the renewal of a device's certificate has come. `false` where the device is not in the index.
    pub fn set_renewal(&mut self, device: u64, renewal: Renewal) -> bool {
        let slot = self.slot_of(device);
        let Some(record) = slot.and_then(|slot| self.records.get_mut(slot as usize)) else { return false };
        record.set_renewal(renewal);
        true
    }

    /// Says whether a device's certificate is revoked. `false` where the device is not in the index.
    pub fn set_revoked(&mut self, device: u64, revoked: bool) -> bool {
        let slot = self.slot_of(device);
        let Some(record) = slot.and_then(|slot| self.records.get_mut(slot as usize)) else { return false };
        record.set_revoked(revoked);
        if revoked {
            self.revoked.insert(device);
        } else {
            self.revoked.remove(&device);
        }
        true
    }

    /// Takes a device out, and gives what was held of it.
    pub fn remove(&mut self, device: u64) -> Option<Entry> {
        let slot = self.slot_of(device)?;
        let old = self.records.get(slot as usize).copied().map(|record| self.entry(&record));
        self.leave(slot);
        let records = &self.records;
        self.table.remove(device, |slot| device_in(records, slot));
        let last = u32::try_from(self.records.len().saturating_sub(1)).ok()?;
        if last != slot
            && let Some(moved) = self.records.get(last as usize).copied()
        {
            self.table.set(moved.device, slot, |slot| device_in(records, slot));
            match due_of(&self.rule, &self.issuers, &moved) {
                Some(second) => self.calendar.set(second, moved.place, slot),
                None => self.begins.set(moved.not_before, moved.place, slot),
            }
        }
        self.records.swap_remove(slot as usize);
        old
    }

    /// What is held of a device.
    #[must_use]
    pub fn get(&self, device: u64) -> Option<Entry> {
        self.records.get(self.slot_of(device)? as usize).map(|record| self.entry(record))
    }

    /// Takes a device off the revoked ones.
    fn forget(&mut self, slot: u32) {
        if let Some(record) = self.records.get(slot as usize)
            && record.is_revoked()
        {
            self.revoked.remove(&record.device);
        }
    }

    /// How many devices it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it holds no device.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The policy that it was made for.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    fn slot_of(&self, device: u64) -> Option<u32> {
        self.table.find(device, |slot| device_in(&self.records, slot))
    }

    /// The next slot, for a device that is not there.
    fn next_slot(&self, device: u64) -> Result<u32, EntryError> {
        u32::try_from(self.records.len())
            .ok()
            .filter(|slot| *slot < u32::MAX)
            .ok_or(EntryError::Full { number: device })
    }

    fn record(&self, entry: &Entry) -> Result<Record, EntryError> {
        let Entry { device, not_before, not_after, .. } = *entry;
        if not_after < not_before {
            return Err(EntryError::EndsBeforeItBegins { device, not_before, not_after });
        }
        let issuer = match entry.issuer {
            None => NO_ISSUER,
            Some(issuer) => {
                *self.issuer_numbers.get(&issuer).ok_or(EntryError::UnknownIssuer { device, issuer })?
            }
        };
        Ok(Record::new(entry, issuer))
    }

    /// Puts another certificate of the same device into a slot, and gives the one that was there.
    fn replace(&mut self, slot: u32, record: Record) -> Option<Entry> {
        let old = self.records.get(slot as usize).map(|record| self.entry(record));
        self.leave(slot);
        if let Some(held) = self.records.get_mut(slot as usize) {
            *held = record;
        }
        self.enter(slot);
        old
    }

    /// Puts a record into its calendar, and counts it with its issuer.
    fn enter(&mut self, slot: u32) {
        let Some(record) = self.records.get(slot as usize).copied() else { return };
        if let Some(issuer) = self.issuers.get_mut(record.issuer() as usize) {
            issuer.issued = issuer.issued.saturating_add(1);
            issuer.leaves = issuer.leaves.saturating_add(u64::from(issuer.binds(&record)));
        }
        if record.is_revoked() {
            self.revoked.insert(record.device);
        }
        let place = match due_of(&self.rule, &self.issuers, &record) {
            Some(second) => self.calendar.insert(second, slot, record.not_before),
            None => self.begins.insert(record.not_before, slot, record.not_before),
        };
        if let Some(held) = self.records.get_mut(slot as usize) {
            held.place = place;
        }
    }

    /// The reverse of [`enter`](Self::enter).
    fn leave(&mut self, slot: u32) {
        let Some(record) = self.records.get(slot as usize).copied() else { return };
        self.forget(slot);
        if let Some(issuer) = self.issuers.get_mut(record.issuer() as usize) {
            issuer.issued = issuer.issued.saturating_sub(1);
            issuer.leaves = issuer.leaves.saturating_sub(u64::from(issuer.binds(&record)));
        }
        let records = &self.records;
        let begin = |slot: u32| records.get(slot as usize).map_or(i64::MIN, |record| record.not_before);
        let moved = match due_of(&self.rule, &self.issuers, &record) {
            Some(second) => self.calendar.remove(second, record.place, begin),
            None => self.begins.remove(record.not_before, record.place, begin),
        };
        if let Some(held) = moved.and_then(|moved| self.records.get_mut(moved as usize)) {
            held.place = record.place;
        }
    }

    fn entry(&self, record: &Record) -> Entry {
        Entry {
            device: record.device,
            not_before: second(record.not_before),
            not_after: second(record.not_after),
            issuer: self.issuers.get(record.issuer() as usize).map(|issuer| issuer.id),
            generation: record.generation,
            auto_renewal: !record.is_by_hand(),
            renewal: record.renewal(),
            revoked: record.is_revoked(),
        }
    }
}

fn device_in(records: &[Record], slot: u32) -> Option<u64> {
    records.get(slot as usize).map(|record| record.device)
}

/// It came from a date, so it is within the calendar.
fn second(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
