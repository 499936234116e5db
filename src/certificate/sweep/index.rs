//! The expiry index: every certificate of the fleet, in the order in which it comes due.

mod issuers;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use self::issuers::IssuerRecord;
use super::bounds::DueRule;
use super::entry::{Entry, Renewal};
use super::error::EntryError;
use crate::certificate::Policy;
use crate::certificate::policy::{Life, NEVER, instant};
use crate::certificate::validity::{Certificate, Chain};
use crate::subject::DeviceId;

/// Every certificate of a fleet, in the order in which it comes due.
///
/// What is due at a time is a range of an ordered set: it is read without a look at the rest.
#[derive(Clone, Debug)]
pub struct ExpiryIndex {
    policy: Policy,
    rule: DueRule,
    entries: HashMap<DeviceId, Entry>,
    /// By the second after which they may be due. What never ends, or is bound by its issuer, is not in it.
    due: BTreeSet<(i64, DeviceId)>,
    /// By the second in which they begin.
    begins: BTreeSet<(i64, DeviceId)>,
    revoked: BTreeSet<DeviceId>,
    issuers: BTreeMap<u64, IssuerRecord>,
}

/// What became of many entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extended {
    /// How many took the place of one of the same device.
    pub replaced: usize,
    /// How many were left out, because a later certificate of the same device is in the index.
    pub older: usize,
}

/// A certificate that a run may report: past its first bound, or nearly; revoked; or not valid yet.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) entry: &'a Entry,
    /// Its effective end; its own date where it never ends.
    pub(super) end: DateTime<Utc>,
}

impl ExpiryIndex {
    /// An empty index. The policy stays as it is: another one needs another index.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            rule: DueRule::of(&policy),
            entries: HashMap::new(),
            due: BTreeSet::new(),
            begins: BTreeSet::new(),
            revoked: BTreeSet::new(),
            issuers: BTreeMap::new(),
        }
    }

    /// Enters the certificate that a device has in use, and returns the one that it replaces. Records may come in any order
    /// and twice: none takes the place of a later certificate, which is one of a later generation, or of the same
    /// generation and valid from a later second on. A device that went back to an older certificate, or
    /// whose generations begin again, is [removed](Self::remove) first.
    ///
    /// # Errors
    /// Its device has a blank name, it ends before it begins, its issuer is not in the index, or a later certificate of the device is.
    pub fn insert(&mut self, entry: &Entry) -> Result<Option<Entry>, EntryError> {
        entry.device.check()?;
        let entry = entry.in_whole_seconds();
        let Entry { not_before, not_after, .. } = entry;
        if not_after < not_before {
            return Err(EntryError::EndsBeforeItBegins { device: entry.device, not_before, not_after });
        }
        if let Some(issuer) = entry.issuer.filter(|issuer| !self.issuers.contains_key(issuer)) {
            return Err(EntryError::UnknownIssuer { device: entry.device, issuer });
        }
        if let Some(held) = self.entries.get(&entry.device)
            && (entry.generation, not_before) < (held.generation, held.not_before)
        {
            return Err(EntryError::Older {
                generation: entry.generation,
                not_before,
                held_generation: held.generation,
                held_not_before: held.not_before,
                device: entry.device,
            });
        }
        let replaced = self.remove(&entry.device);
        self.enter(&entry);
        self.entries.insert(entry.device.clone(), entry);
        Ok(replaced)
    }

    /// Enters the certificate that a device has in use with those above it, as they were read. Of its issuers the one that
    /// ends first is entered too, under a number that is made of its fingerprint: a certificate ends with the first of its
    /// chain. Its name is its subject with the beginning of its fingerprint, such as `CN=Plant CA (3f8a21c0)`.
    ///
    /// # Errors
    /// As for [`insert`](Self::insert), and for [`insert_issuer`](Self::insert_issuer).
    ///
    /// ```
    /// use iot_runbook::certificate::{Policy, sweep::ExpiryIndex, validity::Chain};
    /// # let pem = include_bytes!("../../../tests/it/certificate/pem/old.pem");
    ///
    /// let mut index = ExpiryIndex::new(Policy::default());
    /// index.insert_chain("pump-7", &Chain::from_pem(pem)?)?;
    /// assert_eq!(index.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn insert_chain(
        &mut self,
        device: impl Into<DeviceId>,
        chain: &Chain,
    ) -> Result<Option<Entry>, EntryError> {
        let first_to_end = chain.issuers().iter().min_by_key(|issuer| issuer.not_after);
        let number = |issuer: &Certificate| {
            let [a, b, c, d, e, f, g, h, ..] = *issuer.fingerprint.as_bytes();
            u64::from_be_bytes([a, b, c, d, e, f, g, h])
        };
        if let Some(issuer) = first_to_end {
            self.insert_issuer(number(issuer), issuer.not_before, issuer.not_after.written())?;
            // A renewed issuer has the subject of the old one: the fingerprint says which of the two it is.
            let fingerprint = issuer.fingerprint.to_string();
            let name = match issuer.subject.trim() {
                "" => format!("without a subject ({fingerprint:.8})"),
                subject => format!("{subject} ({fingerprint:.8})"),
            };
            self.name_issuer(number(issuer), name);
        }
        self.insert(&Entry::of(device, chain.leaf()).with_issuer(first_to_end.map(number)))
    }

    /// Enters many, as [`insert`](Self::insert) does one by one. Of a device that comes more than once the latest
    /// certificate stays.
    ///
    /// # Errors
    /// As for `insert`, of the first that is not taken; one that is older is left out, and no error. Those before it are in
    /// the index, and none after it.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use iot_runbook::certificate::{Policy, sweep::{Entry, ExpiryIndex}};
    ///
    /// let begin = DateTime::UNIX_EPOCH;
    /// let mut index = ExpiryIndex::new(Policy::default());
    /// let entries = (0..1_000).map(|number| Entry::new(format!("pump-{number}"), begin, begin + TimeDelta::days(365)));
    /// index.extend(entries.clone().map(|entry| entry.with_generation(2)))?;
    /// assert_eq!(index.len(), 1_000);
    /// let late = index.extend(entries.map(|entry| entry.with_generation(1)))?;
    /// assert_eq!((late.replaced, late.older), (0, 1_000));
    /// # Ok::<(), iot_runbook::certificate::sweep::EntryError>(())
    /// ```
    pub fn extend(&mut self, entries: impl IntoIterator<Item = Entry>) -> Result<Extended, EntryError> {
        let mut done = Extended::default();
        for entry in entries {
            match self.insert(&entry) {
                Ok(replaced) => done.replaced += usize::from(replaced.is_some()),
                Err(EntryError::Older { .. }) => done.older += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Sets how far the renewal of a device's certificate has come. `false` where the device is not in the index.
    pub fn set_renewal(&mut self, device: &DeviceId, renewal: Renewal) -> bool {
        self.entries.get_mut(device).map(|entry| entry.renewal = renewal).is_some()
    }

    /// Sets whether a device's certificate is revoked. `false` where the device is not in the index.
    pub fn set_revoked(&mut self, device: &DeviceId, revoked: bool) -> bool {
        let Some(entry) = self.entries.get_mut(device) else { return false };
        entry.revoked = revoked;
        if revoked {
            self.revoked.insert(device.clone());
        } else {
            self.revoked.remove(device);
        }
        true
    }

    /// Takes a device out, and returns its certificate.
    pub fn remove(&mut self, device: &DeviceId) -> Option<Entry> {
        let entry = self.entries.remove(device)?;
        self.leave(&entry);
        Some(entry)
    }

    /// The certificate of a device.
    #[must_use]
    pub fn get(&self, device: &DeviceId) -> Option<&Entry> {
        self.entries.get(device)
    }

    /// How many devices it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if it holds no device.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The policy that it was made for.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// All that a run at `now` may report, earliest end first, then by device.
    pub(super) fn candidates(&self, now: DateTime<Utc>) -> Vec<Candidate<'_>> {
        let after = now.timestamp().saturating_add(1);
        let bound = (after, DeviceId::from(""));
        let due = self.due.range(..&bound).map(|(_, device)| device);
        let due = due.filter_map(|device| self.entries.get(device)).filter(|entry| !entry.revoked);
        let unborn = self.begins.range(&bound..).filter_map(|(_, device)| self.entries.get(device));
        // One that is due before it begins is among the others.
        let unborn = unborn
            .filter(|entry| !entry.revoked && self.due_second(entry).is_none_or(|second| second >= after));
        let revoked = self.revoked.iter().filter_map(|device| self.entries.get(device));
        let candidate =
            |entry| Candidate { entry, end: second(self.end_of(entry).unwrap_or(own_end(entry))) };
        let mut all: Vec<_> = due.chain(unborn).chain(revoked).map(candidate).collect();
        all.sort_unstable_by(|one, other| {
            (one.end, &one.entry.device).cmp(&(other.end, &other.entry.device))
        });
        all
    }

    /// Enters a certificate into the orders, and counts it with its issuer.
    fn enter(&mut self, entry: &Entry) {
        if let Some(second) = self.due_second(entry) {
            self.due.insert((second, entry.device.clone()));
        }
        self.begins.insert((entry.not_before.timestamp(), entry.device.clone()));
        if entry.revoked {
            self.revoked.insert(entry.device.clone());
        }
        if let Some(issuer) = entry.issuer.and_then(|issuer| self.issuers.get_mut(&issuer)) {
            issuer.issued += 1;
            issuer.leaves += u64::from(issuer.binds(entry));
        }
    }

    /// The reverse of [`enter`](Self::enter).
    fn leave(&mut self, entry: &Entry) {
        if let Some(second) = self.due_second(entry) {
            self.due.remove(&(second, entry.device.clone()));
        }
        self.begins.remove(&(entry.not_before.timestamp(), entry.device.clone()));
        self.revoked.remove(&entry.device);
        if let Some(issuer) = entry.issuer.and_then(|issuer| self.issuers.get_mut(&issuer)) {
            issuer.issued = issuer.issued.saturating_sub(1);
            issuer.leaves = issuer.leaves.saturating_sub(u64::from(issuer.binds(entry)));
        }
    }

    /// The last second that is surely before it is due by itself; `None`: never, or its issuer binds it.
    fn due_second(&self, entry: &Entry) -> Option<i64> {
        if self.issuer_of(entry).is_some_and(|issuer| issuer.binds(entry)) {
            return None;
        }
        let life =
            Some(own_end(entry)).filter(|end| *end < NEVER).map(|end| end - entry.not_before.timestamp());
        self.end_of(entry).map(|end| self.rule.due_second(end, life))
    }

    /// The earlier of its own end and its issuer's; `None`: never.
    fn end_of(&self, entry: &Entry) -> Option<i64> {
        let issuer = self.issuer_of(entry).and_then(|issuer| issuer.end);
        Some(own_end(entry)).filter(|end| *end < NEVER).into_iter().chain(issuer).min()
    }

    fn issuer_of(&self, entry: &Entry) -> Option<&IssuerRecord> {
        self.issuers.get(&entry.issuer?)
    }
}

impl Candidate<'_> {
    /// The dates that its stage depends on, at `now` in nanoseconds.
    pub(super) fn life(&self, now: i128) -> Life {
        let ends = |end: DateTime<Utc>| Some(end).filter(|end| end.timestamp() < NEVER).map(instant);
        Life {
            begin: instant(self.entry.not_before),
            own_end: ends(self.entry.not_after),
            end: ends(self.end),
            confirmed: self.entry.renewal == Renewal::Confirmed,
            now,
        }
    }
}

const fn own_end(entry: &Entry) -> i64 {
    entry.not_after.timestamp()
}

/// It came from a date, so it is within the calendar.
fn second(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
