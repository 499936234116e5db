//! One certificate of the fleet, in 40 bytes.

use super::entry::{Entry, Renewal};
use crate::certificate::policy::NEVER;

/// No issuer known; also one more than the most issuers there may be.
pub(super) const NO_ISSUER: u32 = (1 << 24) - 1;

/// Dates in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) device: u64,
    pub(super) not_before: i64,
    pub(super) not_after: i64,
    pub(super) generation: u32,
    /// Its place in its hour of the calendar.
    pub(super) place: u32,
    /// The issuer in the low 24 bits; above them how far its renewal has come, whether it is revoked, and whether it
    /// is renewed by hand.
    issuer_and_state: u32,
}

impl Record {
    const RENEWAL: u32 = 24;
    const REVOKED: u32 = 1 << 30;
    const BY_HAND: u32 = 1 << 31;

    /// Its place is to be set.
    pub(super) fn new(entry: &Entry, issuer: u32) -> Self {
        let mut record = Self {
            device: entry.device,
            not_before: entry.not_before.timestamp(),
            not_after: entry.not_after.timestamp(),
            generation: entry.generation,
            place: u32::MAX,
            issuer_and_state: issuer | if entry.auto_renewal { 0 } else { Self::BY_HAND },
        };
        record.set_renewal(entry.renewal);
        record.set_revoked(entry.revoked);
        record
    }

    /// `None`: never.
    pub(super) fn own_end(&self) -> Option<i64> {
        (self.not_after < NEVER).then_some(self.not_after)
    }

    pub(super) const fn issuer(&self) -> u32 {
        self.issuer_and_state & NO_ISSUER
    }

    pub(super) const fn is_by_hand(&self) -> bool {
        self.issuer_and_state & Self::BY_HAND != 0
    }

    pub(super) const fn is_revoked(&self) -> bool {
        self.issuer_and_state & Self::REVOKED != 0
    }

    pub(super) const fn set_revoked(&mut self, revoked: bool) {
        self.issuer_and_state =
            (self.issuer_and_state & !Self::REVOKED) | if revoked { Self::REVOKED } else { 0 };
    }

    pub(super) const fn renewal(&self) -> Renewal {
        match (self.issuer_and_state >> Self::RENEWAL) & 3 {
            0 => Renewal::None,
            1 => Renewal::Running,
            2 => Renewal::Failed,
            _ => Renewal::Confirmed,
        }
    }

    pub(super) const fn set_renewal(&mut self, renewal: Renewal) {
        self.issuer_and_state =
            (self.issuer_and_state & !(3 << Self::RENEWAL)) | ((renewal as u32) << Self::RENEWAL);
    }
}
