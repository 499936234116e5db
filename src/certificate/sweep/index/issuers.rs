//! The issuers of a fleet: those that bind leaves are told as one.

use chrono::{DateTime, Utc};

use super::super::entry::Entry;
use super::super::error::EntryError;
use super::super::record::{NO_ISSUER, Record};
use super::{ExpiryIndex, second};
use crate::certificate::Facts;
use crate::certificate::policy::NEVER;

#[derive(Clone, Copy, Debug)]
pub(super) struct IssuerRecord {
    pub(super) id: u64,
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
    /// In seconds; `None`: never.
    pub(super) end: Option<i64>,
    /// How many certificates name it.
    pub(super) issued: u64,
    /// How many of them it binds.
    pub(super) leaves: u64,
    is_replaced: bool,
}

/// An issuer to be told of, if it is due or not valid yet.
pub(in super::super) struct Binding {
    pub(in super::super) issuer: u64,
    pub(in super::super) facts: Facts,
    pub(in super::super) not_after: DateTime<Utc>,
    pub(in super::super) leaves: u64,
}

impl ExpiryIndex {
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

    /// The end of an entry's issuer, where that is known.
    #[must_use]
    pub fn issuer_not_after(&self, entry: &Entry) -> Option<DateTime<Utc>> {
        let number = self.issuer_numbers.get(&entry.issuer?)?;
        self.issuers.get(*number as usize).map(|issuer| issuer.not_after)
    }

    /// The issuers that bind leaves, due or not, and those that are not valid yet.
    pub(in super::super) fn binding(&self, now: DateTime<Utc>) -> impl Iterator<Item = Binding> + '_ {
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

    fn is_bound(&self, record: &Record) -> bool {
        self.issuers.get(record.issuer() as usize).is_some_and(|issuer| issuer.binds(record))
    }
}

impl IssuerRecord {
    /// Whether renewing the leaf alone would not help: the issuer ends no later than it, and has no successor.
    pub(super) fn binds(&self, record: &Record) -> bool {
        !self.is_replaced && self.end.is_some_and(|end| end <= record.not_after)
    }
}
