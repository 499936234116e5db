//! The expiry index: every certificate of the fleet, kept by when it comes due.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use chrono::{DateTime, Utc};

use super::bounds::{Bounds, DueRule};
use super::calendar::Calendar;
use super::entry::{Entry, Renewal};
use super::error::EntryError;
use super::record::{NO_ISSUER, Record};
use super::table::Table;
use crate::certificate::policy::{Life, NEVER};
use crate::certificate::{Facts, Policy};

const SECOND: i128 = 1_000_000_000;

/// How many entries are looked up side by side, so that the memory answers for all of them at once.
const BLOCK: usize = 64;

/// For how many entries room is made before they have come.
const LARGEST_HINT: usize = 1 << 24;

#[derive(Clone, Copy, Debug)]
struct IssuerRecord {
    id: u64,
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
    /// In seconds; `None`: never.
    end: Option<i64>,
    /// How many certificates name it.
    issued: u64,
    /// How many of them it binds.
    leaves: u64,
    is_replaced: bool,
}

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

/// A certificate that may be told: past its first bound, or will be within the hour; revoked; or not valid yet.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    pub(super) record: Record,
    /// Its effective end in seconds; its own date where it never ends.
    end: i64,
}

/// An issuer to be told of, if it is due or not valid yet.
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
        self.issuers.push(IssuerRecord {
            id: issuer,
            not_before,
            not_after,
            end: Some(not_after.timestamp()).filter(|end| *end < NEVER),
            issued: 0,
            leaves: 0,
            is_replaced: false,
        });
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
        let slots = 0..u32::try_from(self.records.len()).unwrap_or(u32::MAX);
        let bound: Vec<_> = slots
            .filter(|slot| {
                let record = self.records.get(*slot as usize);
                record.is_some_and(|record| record.issuer() == number && self.is_bound(record))
            })
            .collect();
        for slot in &bound {
            self.leave(*slot);
        }
        if let Some(held) = self.issuers.get_mut(number as usize) {
            held.is_replaced = true;
        }
        for slot in bound {
            self.enter(slot);
        }
        true
    }

    /// Enters the certificate that a device has in use, and gives the one that it replaces.
    ///
    /// # Errors
    /// It ends before it begins, its issuer is not in the index, or it is one too many.
    pub fn insert(&mut self, entry: &Entry) -> Result<Option<Entry>, EntryError> {
        let record = self.record(entry)?;
        let replaced = self.slot_of(entry.device);
        if let Some(slot) = replaced {
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

    /// Enters many, as [`insert`](Self::insert) does one by one, and in a fraction of the time. Tells how many of them
    /// replaced one.
    ///
    /// # Errors
    /// As for `insert`, of the first that is not taken. Those before it are in the index, and none after it.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use iot_runbook::certificate::{Policy, sweep::{Entry, ExpiryIndex}};
    ///
    /// let begin = DateTime::UNIX_EPOCH;
    /// let mut index = ExpiryIndex::new(Policy::default());
    /// index.extend((0..1_000).map(|device| Entry::new(device, begin, begin + TimeDelta::days(365))))?;
    /// assert_eq!(index.len(), 1_000);
    /// # Ok::<(), iot_runbook::certificate::sweep::EntryError>(())
    /// ```
    pub fn extend(&mut self, entries: impl IntoIterator<Item = Entry>) -> Result<usize, EntryError> {
        let mut entries = entries.into_iter();
        // Whoever tells too many is not taken at their word.
        self.reserve(entries.size_hint().0.min(LARGEST_HINT));
        let first = self.records.len();
        let mut replaced = 0;
        let mut block = Vec::with_capacity(BLOCK);
        let mut result = Ok(());
        while result.is_ok() {
            block.clear();
            block.extend(entries.by_ref().take(BLOCK));
            if block.is_empty() {
                break;
            }
            result = self.push(&block, first, &mut replaced);
        }
        self.enter_from(first);
        result.map(|()| replaced)
    }

    /// Takes a block of entries; those after `first` are not in a calendar yet.
    fn push(&mut self, block: &[Entry], first: usize, replaced: &mut usize) -> Result<(), EntryError> {
        let more = self.records.len().saturating_add(block.len());
        if more > self.records.capacity() {
            self.records.reserve_exact((self.records.len() / 8).max(block.len()));
        }
        let records = &self.records;
        self.table.reserve(more, |slot| device_in(records, slot));
        let mut homes = [0; BLOCK];
        for (home, entry) in homes.iter_mut().zip(block) {
            let (start, slot) = self.table.start(entry.device);
            *home = start;
            // What will be compared below is read here, where no read waits for another.
            black_box(slot.and_then(|slot| device_in(records, slot)));
        }
        for (home, entry) in homes.into_iter().zip(block) {
            let record = self.record(entry)?;
            let slot = self.next_slot(entry.device)?;
            let records = &self.records;
            match self.table.find_or_insert(home, entry.device, slot, |slot| device_in(records, slot)) {
                None => self.records.push(record),
                Some(held) => {
                    *replaced += 1;
                    if (held as usize) < first {
                        self.replace(held, record);
                    } else if let Some(held) = self.records.get_mut(held as usize) {
                        *held = record;
                    }
                }
            }
        }
        Ok(())
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

    /// The end of an entry's issuer, where that is known.
    #[must_use]
    pub fn issuer_not_after(&self, entry: &Entry) -> Option<DateTime<Utc>> {
        let number = self.issuer_numbers.get(&entry.issuer?)?;
        self.issuers.get(*number as usize).map(|issuer| issuer.not_after)
    }

    /// All that may be told at `now`, earliest end first, then by device.
    pub(super) fn candidates(&self, now: DateTime<Utc>) -> Vec<Candidate> {
        let second = now.timestamp();
        let due = self.calendar.until(second);
        let mut all = Vec::with_capacity(due.map(<[u32]>::len).sum());
        let records = |slot: u32| self.records.get(slot as usize);
        let due = self.calendar.until(second).flatten().filter_map(|slot| records(*slot));
        all.extend(due.filter(|record| !record.is_revoked()).map(|record| self.candidate(record)));
        let later = self.calendar.beginning_after(Calendar::next_hour(second), second);
        let asleep = self.begins.beginning_after(second, second);
        let unborn = later.chain(asleep).filter_map(records);
        let unborn = unborn.filter(|record| record.not_before > second && !record.is_revoked());
        all.extend(unborn.map(|record| self.candidate(record)));
        let revoked = self.revoked.iter().filter_map(|device| records(self.slot_of(*device)?));
        all.extend(revoked.map(|record| self.candidate(record)));
        all.sort_unstable_by_key(|candidate| (candidate.end, candidate.record.device));
        all
    }

    fn candidate(&self, record: &Record) -> Candidate {
        Candidate { record: *record, end: end_of(&self.issuers, record).unwrap_or(record.not_after) }
    }

    /// The issuers that bind leaves, due or not, and those that are not valid yet.
    pub(super) fn binding(&self, now: DateTime<Utc>) -> impl Iterator<Item = Binding> + '_ {
        self.issuers.iter().filter_map(move |issuer| {
            let leaves = if now < issuer.not_before { issuer.issued } else { issuer.leaves };
            (leaves > 0).then(|| Binding {
                issuer: issuer.id,
                facts: Facts::new(issuer.not_before, issuer.not_after),
                not_after: issuer.not_after,
                leaves,
            })
        })
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

    fn is_bound(&self, record: &Record) -> bool {
        self.issuers.get(record.issuer() as usize).is_some_and(|issuer| issuer.binds(record))
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

impl IssuerRecord {
    /// Whether renewing the leaf alone would not help: the issuer ends no later than it, and has no successor.
    fn binds(&self, record: &Record) -> bool {
        !self.is_replaced && self.end.is_some_and(|end| end <= record.not_after)
    }
}

impl Candidate {
    /// Its effective end; its own date where it never ends.
    pub(super) fn end(&self) -> DateTime<Utc> {
        second(self.end)
    }

    /// What its stage is told from, at `now` in nanoseconds.
    pub(super) fn life(&self, now: i128) -> Life {
        Life {
            begin: nanos(self.record.not_before),
            own_end: self.record.own_end().map(nanos),
            end: Some(self.end).filter(|end| *end < NEVER).map(nanos),
            confirmed: self.record.renewal() == Renewal::Confirmed,
            now,
        }
    }
}

impl From<&Life> for Option<Bounds> {
    fn from(life: &Life) -> Self {
        life.end.map(|end| Bounds { end, life: life.own_end.map(|own| own - life.begin) })
    }
}

/// The earlier of its own end and its issuer's; `None`: never.
fn end_of(issuers: &[IssuerRecord], record: &Record) -> Option<i64> {
    let issuer = issuers.get(record.issuer() as usize).and_then(|issuer| issuer.end);
    match (record.own_end(), issuer) {
        (Some(own), Some(issuer)) => Some(own.min(issuer)),
        (own, issuer) => own.or(issuer),
    }
}

/// When it comes due by itself; `None`: never, or its issuer binds it.
fn due_of(rule: &DueRule, issuers: &[IssuerRecord], record: &Record) -> Option<i64> {
    if issuers.get(record.issuer() as usize).is_some_and(|issuer| issuer.binds(record)) {
        return None;
    }
    let life = record.own_end().map(|end| end - record.not_before);
    end_of(issuers, record).map(|end| rule.due_second(end, life))
}

fn nanos(second: i64) -> i128 {
    i128::from(second) * SECOND
}

fn device_in(records: &[Record], slot: u32) -> Option<u64> {
    records.get(slot as usize).map(|record| record.device)
}

/// It came from a date, so it is within the calendar.
fn second(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
