//! The issuers of a fleet. One that binds leaves is one entry of the digest.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::super::entry::Entry;
use super::super::error::EntryError;
use super::{ExpiryIndex, second};
use crate::certificate::Facts;
use crate::certificate::policy::NEVER;

#[derive(Clone, Debug)]
pub(super) struct IssuerRecord {
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
    /// In seconds; `None`: never.
    pub(super) end: Option<i64>,
    /// How many certificates name it.
    pub(super) issued: u64,
    /// How many of them it binds.
    pub(super) leaves: u64,
    is_replaced: bool,
    name: Option<Arc<str>>,
}

/// An issuer to be reported, if it is due or not valid yet.
pub(in super::super) struct Binding {
    pub(in super::super) issuer: u64,
    pub(in super::super) name: Option<Arc<str>>,
    pub(in super::super) facts: Facts,
    pub(in super::super) not_after: DateTime<Utc>,
    pub(in super::super) leaves: u64,
}

impl ExpiryIndex {
    /// Enters an issuer: an intermediate or root certificate, with the earliest end from it upwards.
    ///
    /// # Errors
    /// It ends before it begins, or is there already with other dates.
    pub fn insert_issuer(
        &mut self,
        issuer: u64,
        not_before: DateTime<Utc>,
        not_after: DateTime<Utc>,
    ) -> Result<(), EntryError> {
        if not_after < not_before {
            return Err(EntryError::IssuerEndsBeforeItBegins { issuer, not_before, not_after });
        }
        let (not_before, not_after) = (second(not_before.timestamp()), second(not_after.timestamp()));
        if let Some(held) = self.issuers.get(&issuer) {
            let is_same = held.not_before == not_before && held.not_after == not_after;
            return if is_same { Ok(()) } else { Err(EntryError::IssuerDiffers { issuer }) };
        }
        let end = Some(not_after.timestamp()).filter(|end| *end < NEVER);
        let record =
            IssuerRecord { not_before, not_after, end, issued: 0, leaves: 0, is_replaced: false, name: None };
        self.issuers.insert(issuer, record);
        Ok(())
    }

    /// Sets the name under which a digest reports the issuer; the later one counts. `false` where it is not in the index.
    pub fn name_issuer(&mut self, issuer: u64, name: impl Into<Arc<str>>) -> bool {
        self.issuers.get_mut(&issuer).map(|held| held.name = Some(name.into())).is_some()
    }

    /// A successor of this issuer is in use: from now on its leaves are due one by one, each at the end of the issuer
    /// where that comes first. Walks the whole fleet. `false` where it is not in the index.
    pub fn issuer_replaced(&mut self, issuer: u64) -> bool {
        let Some(held) = self.issuers.get(&issuer) else { return false };
        if held.is_replaced {
            return true;
        }
        let bound = self.entries.values().filter(|entry| entry.issuer == Some(issuer) && held.binds(entry));
        let bound: Vec<_> = bound.cloned().collect();
        bound.iter().for_each(|entry| self.leave(entry));
        if let Some(held) = self.issuers.get_mut(&issuer) {
            held.is_replaced = true;
        }
        bound.iter().for_each(|entry| self.enter(entry));
        true
    }

    /// The end of an entry's issuer, where that is known.
    #[must_use]
    pub fn issuer_not_after(&self, entry: &Entry) -> Option<DateTime<Utc>> {
        self.issuer_of(entry).map(|issuer| issuer.not_after)
    }

    /// The issuers that bind leaves, due or not, and those that are not valid yet.
    pub(in super::super) fn binding(&self, now: DateTime<Utc>) -> impl Iterator<Item = Binding> + '_ {
        self.issuers.iter().filter_map(move |(id, issuer)| {
            let leaves = if now < issuer.not_before { issuer.issued } else { issuer.leaves };
            (leaves > 0).then(|| Binding {
                issuer: *id,
                name: issuer.name.clone(),
                facts: Facts::new(issuer.not_before, issuer.not_after),
                not_after: issuer.not_after,
                leaves,
            })
        })
    }
}

impl IssuerRecord {
    /// Whether renewing the leaf alone would not help: the issuer ends no later than it, and has no successor.
    pub(super) fn binds(&self, entry: &Entry) -> bool {
        !self.is_replaced && self.end.is_some_and(|end| end <= entry.not_after.timestamp())
    }
}
