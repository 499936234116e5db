//! The expiry index: every certificate of the fleet, kept by when it comes due.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use thiserror::Error;

use super::bounds::Bounds;
use super::calendar::Calendar;
use super::entry::{Entry, Renewal};
use super::table::Table;
use crate::certificate::{Facts, Policy, effective_end};

/// No issuer known; also one more than the most issuers there may be.
const NO_ISSUER: u32 = (1 << 24) - 1;

/// The place of a certificate that is not in the calendar.
const NOWHERE: u32 = u32::MAX;

/// Why a certificate or an issuer was not taken. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EntryError {
    /// It would end before it begins.
    #[error(
        "device {device}: not_after {not_after} is before not_before {not_before}; refuse the certificate, \
         and count its renewal as failed"
    )]
    EndsBeforeItBegins {
        /// The device, or the issuer.
        device: u64,
        /// From when on it would be valid.
        not_before: DateTime<Utc>,
        /// Until when it would be valid.
        not_after: DateTime<Utc>,
    },
    /// Its issuer was not inserted.
    #[error("device {device}: issuer {issuer} is not in the index; insert the issuer first")]
    UnknownIssuer {
        /// The device.
        device: u64,
        /// The issuer that it names.
        issuer: u64,
    },
    /// The issuer is there with other dates.
    #[error(
        "issuer {issuer} is in the index with other dates; a certificate keeps its dates: insert the renewed issuer \
         under a number of its own, and name the old one to `issuer_replaced`"
    )]
    IssuerDiffers {
        /// The issuer.
        issuer: u64,
    },
    /// There is room for 2³² − 1 devices and 2²⁴ − 1 issuers.
    #[error(
        "{number} is one too many: an index holds 2^32 - 1 devices and 2^24 - 1 issuers; use a second one"
    )]
    Full {
        /// The device or issuer.
        number: u64,
    },
}

/// One certificate, in 40 bytes.
#[derive(Clone, Copy, Debug)]
struct Record {
    device: u64,
    not_before: i64,
    not_after: i64,
    generation: u32,
    /// Its place in its hour of the calendar.
    place: u32,
    /// The issuer in the low 24 bits; how far its renewal has come, and whether it is by hand, above them.
    issuer_and_state: u32,
}

#[derive(Clone, Copy, Debug)]
struct IssuerRecord {
    id: u64,
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
    /// How many leaves it binds.
    leaves: u64,
    is_replaced: bool,
}

/// Every certificate of a fleet, kept by the hour in which it comes due.
///
/// Inserting, replacing and removing a certificate take the same time whatever the size of the fleet; what is due at
/// a time is read without a look at the rest. 64 bytes a record at most in fleets of 100 000 and more (while it
/// grows past what it [reserved](Self::reserve), for a moment twice that).
#[derive(Clone, Debug)]
pub struct ExpiryIndex {
    policy: Policy,
    records: Vec<Record>,
    table: Table,
    calendar: Calendar,
    issuers: Vec<IssuerRecord>,
    issuer_numbers: BTreeMap<u64, u32>,
}

/// A certificate that is past its first bound, or will be within the hour.
pub(super) struct Candidate {
    pub(super) entry: Entry,
    pub(super) facts: Facts,
    pub(super) bounds: Bounds,
}

/// An issuer that binds leaves.
pub(super) struct Binding {
    pub(super) issuer: u64,
    pub(super) facts: Facts,
    pub(super) not_after: DateTime<Utc>,
    pub(super) leaves: u64,
}

impl ExpiryIndex {
    /// An empty index. The policy stays as it is: another one needs another index.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            records: Vec::new(),
            table: Table::default(),
            calendar: Calendar::default(),
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

    /// Enters an issuer: an intermediate or root certificate, with the earliest end from it upwards.
    ///
    /// # Errors
    /// It ends before it begins, is there already with other dates, or is one too many.
    pub fn insert_issuer(
        &mut self,
        issuer: u64,
        not_before: DateTime<Utc>,
        not_after: DateTime<Utc>,
    ) -> Result<(), EntryError> {
        if not_after < not_before {
            return Err(EntryError::EndsBeforeItBegins { device: issuer, not_before, not_after });
        }
        let (not_before, not_after) = (second(not_before.timestamp()), second(not_after.timestamp()));
        if let Some(held) = self.issuer_numbers.get(&issuer).and_then(|at| self.issuers.get(*at as usize)) {
            let is_same = held.not_before == not_before && held.not_after == not_after;
            return if is_same { Ok(()) } else { Err(EntryError::IssuerDiffers { issuer }) };
        }
        let at = u32::try_from(self.issuers.len()).ok().filter(|at| *at < NO_ISSUER);
        let at = at.ok_or(EntryError::Full { number: issuer })?;
        self.issuers.push(IssuerRecord { id: issuer, not_before, not_after, leaves: 0, is_replaced: false });
        self.issuer_numbers.insert(issuer, at);
        Ok(())
    }

    /// A successor of this issuer is in use: from now on its leaves are due one by one, each at the end of the issuer
    /// where that comes first. Walks the whole fleet. `false` where it is not in the index.
    pub fn issuer_replaced(&mut self, issuer: u64) -> bool {
        let Some(number) = self.issuer_numbers.get(&issuer).copied() else { return false };
        let Some(held) = self.issuers.get_mut(number as usize) else { return false };
        if held.is_replaced {
            return true;
        }
        held.is_replaced = true;
        held.leaves = 0;
        for slot in 0..u32::try_from(self.records.len()).unwrap_or(u32::MAX) {
            if let Some(record) = self.records.get(slot as usize).copied()
                && record.issuer() == number
                && record.place == NOWHERE
            {
                self.enter(slot);
            }
        }
        true
    }

    /// Enters the certificate that a device has in use, and gives the one that it replaces.
    ///
    /// # Errors
    /// It ends before it begins, its issuer is not in the index, or it is one too many.
    pub fn insert(&mut self, entry: &Entry) -> Result<Option<Entry>, EntryError> {
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
        let record = Record::new(entry, issuer);
        let replaced = self.slot_of(device);
        let slot = if let Some(slot) = replaced { slot } else { self.slot_for(device)? };
        let old = self.records.get(slot as usize).copied().map(|record| self.entry(&record));
        if replaced.is_some() {
            self.leave(slot);
        }
        if let Some(held) = self.records.get_mut(slot as usize) {
            *held = record;
        } else {
            if self.records.len() == self.records.capacity() {
                // By an eighth, where a vector would double.
                self.records.reserve_exact((self.records.len() / 8).max(8));
            }
            self.records.push(record);
            let records = &self.records;
            self.table.insert(device, slot, |slot| device_in(records, slot));
        }
        self.enter(slot);
        Ok(old)
    }

    /// Says how far the renewal of a device's certificate has come. `false` where the device is not in the index.
    pub fn set_renewal(&mut self, device: u64, renewal: Renewal) -> bool {
        let slot = self.slot_of(device);
        let Some(record) = slot.and_then(|slot| self.records.get_mut(slot as usize)) else { return false };
        record.set_renewal(renewal);
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
            if moved.place != NOWHERE
                && let Some(second) = self.due_second(&moved)
            {
                self.calendar.set(second, moved.place, slot);
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

    /// The end of an entry's issuer, where that is known.
    #[must_use]
    pub fn issuer_not_after(&self, entry: &Entry) -> Option<DateTime<Utc>> {
        let number = self.issuer_numbers.get(&entry.issuer?)?;
        self.issuers.get(*number as usize).map(|issuer| issuer.not_after)
    }

    /// All that are due at `now`, and those that come due within the same hour.
    pub(super) fn until(&self, now: DateTime<Utc>) -> impl Iterator<Item = Candidate> + '_ {
        self.calendar.until(now.timestamp()).filter_map(|slot| {
            let record = self.records.get(slot as usize)?;
            let issuer = self.issuers.get(record.issuer() as usize).map(|issuer| issuer.not_after);
            let entry = self.entry(record);
            let facts = Facts::new(entry.not_before, entry.not_after)
                .with_issuer_not_after(issuer)
                .with_confirmed(entry.renewal == Renewal::Confirmed);
            let bounds = Bounds::of(entry.not_before, entry.not_after, issuer)?;
            Some(Candidate { entry, facts, bounds })
        })
    }

    /// The issuers that bind leaves, due or not.
    pub(super) fn binding(&self) -> impl Iterator<Item = Binding> + '_ {
        self.issuers.iter().filter(|issuer| issuer.leaves > 0).map(|issuer| Binding {
            issuer: issuer.id,
            facts: Facts::new(issuer.not_before, issuer.not_after),
            not_after: issuer.not_after,
            leaves: issuer.leaves,
        })
    }

    fn slot_of(&self, device: u64) -> Option<u32> {
        self.table.find(device, |slot| device_in(&self.records, slot))
    }

    /// The next slot, for a device that is not there.
    fn slot_for(&self, device: u64) -> Result<u32, EntryError> {
        u32::try_from(self.records.len())
            .ok()
            .filter(|slot| *slot < NOWHERE)
            .ok_or(EntryError::Full { number: device })
    }

    /// Puts a record into the calendar, or counts it with the issuer that binds it.
    fn enter(&mut self, slot: u32) {
        let Some(record) = self.records.get(slot as usize).copied() else { return };
        let place = if let Some(issuer) = self.binding_issuer(&record) {
            issuer.leaves = issuer.leaves.saturating_add(1);
            NOWHERE
        } else if let Some(second) = self.due_second(&record) {
            self.calendar.insert(second, slot)
        } else {
            NOWHERE
        };
        if let Some(held) = self.records.get_mut(slot as usize) {
            held.place = place;
        }
    }

    /// The reverse of [`enter`](Self::enter).
    fn leave(&mut self, slot: u32) {
        let Some(record) = self.records.get(slot as usize).copied() else { return };
        if let Some(issuer) = self.binding_issuer(&record) {
            issuer.leaves = issuer.leaves.saturating_sub(1);
        } else if let Some(second) = self.due_second(&record)
            && let Some(moved) = self.calendar.remove(second, record.place)
            && let Some(held) = self.records.get_mut(moved as usize)
        {
            held.place = record.place;
        }
    }

    /// The issuer, where renewing the leaf alone would not help: it ends no later than the leaf, and has no successor.
    fn binding_issuer(&mut self, record: &Record) -> Option<&mut IssuerRecord> {
        let issuer = self.issuers.get_mut(record.issuer() as usize)?;
        let end = effective_end(issuer.not_after, None)?;
        (!issuer.is_replaced && end.timestamp() <= record.not_after).then_some(issuer)
    }

    /// `None`: never.
    fn due_second(&self, record: &Record) -> Option<i64> {
        let issuer = self.issuers.get(record.issuer() as usize).map(|issuer| issuer.not_after);
        Bounds::of(second(record.not_before), second(record.not_after), issuer)
            .map(|bounds| bounds.due_second(&self.policy))
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
        }
    }
}

impl Record {
    const RENEWAL: u32 = 24;
    const BY_HAND: u32 = 1 << 31;

    fn new(entry: &Entry, issuer: u32) -> Self {
        let mut record = Self {
            device: entry.device,
            not_before: entry.not_before.timestamp(),
            not_after: entry.not_after.timestamp(),
            generation: entry.generation,
            place: NOWHERE,
            issuer_and_state: issuer | if entry.auto_renewal { 0 } else { Self::BY_HAND },
        };
        record.set_renewal(entry.renewal);
        record
    }

    const fn issuer(&self) -> u32 {
        self.issuer_and_state & NO_ISSUER
    }

    const fn is_by_hand(&self) -> bool {
        self.issuer_and_state & Self::BY_HAND != 0
    }

    const fn renewal(&self) -> Renewal {
        match (self.issuer_and_state >> Self::RENEWAL) & 3 {
            0 => Renewal::None,
            1 => Renewal::Running,
            2 => Renewal::Failed,
            _ => Renewal::Confirmed,
        }
    }

    const fn set_renewal(&mut self, renewal: Renewal) {
        self.issuer_and_state =
            (self.issuer_and_state & !(3 << Self::RENEWAL)) | ((renewal as u32) << Self::RENEWAL);
    }
}

fn device_in(records: &[Record], slot: u32) -> Option<u64> {
    records.get(slot as usize).map(|record| record.device)
}

/// It came from a date, so it is within the calendar.
fn second(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
