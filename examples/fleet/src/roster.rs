//! Who is in the fleet: of each hundred devices so many of each kind, spread over the numbers.

use chrono::{DateTime, TimeDelta, Utc};

use crate::mint::Dates;
use crate::random::Random;

/// The issuer of most devices, for ten years.
pub const PLANT_CA: u64 = 1;
/// An issuer that ends before the certificates that it issued.
pub const OLD_CA: u64 = 2;
/// The issuer of the batch that lives for hours and days.
pub const EDGE_CA: u64 = 3;
/// What replaces the issuer that ends.
pub const NEW_CA: u64 = 4;

/// How long a certificate of the plant lives.
pub const YEAR: TimeDelta = TimeDelta::days(365);

/// What is the matter with a device, if anything is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Nothing is due for long.
    Steady,
    /// To be named in the digest.
    Aware,
    /// Due for renewal.
    Due,
    /// Due for so long that a person is to see to it.
    Late,
    /// It has ended, and the device reaches the provisioning service.
    Ended,
    /// It has ended, and the provisioning service does not know the manufacturing certificate.
    EndedUnknown,
    /// It has ended, and the device is gone.
    Lost,
    /// Its certificates live for six days.
    SixDays,
    /// Its certificates live for a day.
    OneDay,
    /// Its issuer ends first.
    UnderOldIssuer,
    /// Offline, and back in time.
    BackInTime,
    /// Offline, and back when the certificate has ended.
    BackTooLate,
    /// Offline, and a technician must go there.
    OfflineForGood,
    /// Of a type that cannot renew by itself.
    ByHand,
    /// Its test fails twice.
    FailsTwice,
    /// Its test fails each time, until somebody opens the firewall.
    FailsAlways,
    /// It loses the new certificate, and goes back to the old one.
    RollsBack,
    /// The issuer gives it a certificate that is due already.
    IssuedDue,
    /// Its key is found in other hands.
    Compromised,
    /// Its certificate begins in three days.
    NotYetValid,
    /// Its certificate is revoked, to shut it out.
    Revoked,
}

/// How many of each hundred.
const SHARES: [(Kind, u64); 21] = [
    (Kind::Steady, 36),
    (Kind::Aware, 10),
    (Kind::Due, 12),
    (Kind::Late, 4),
    (Kind::Ended, 2),
    (Kind::EndedUnknown, 1),
    (Kind::Lost, 1),
    (Kind::SixDays, 8),
    (Kind::OneDay, 2),
    (Kind::UnderOldIssuer, 8),
    (Kind::BackInTime, 2),
    (Kind::BackTooLate, 2),
    (Kind::OfflineForGood, 1),
    (Kind::ByHand, 2),
    (Kind::FailsTwice, 2),
    (Kind::FailsAlways, 1),
    (Kind::RollsBack, 2),
    (Kind::IssuedDue, 1),
    (Kind::Compromised, 1),
    (Kind::NotYetValid, 1),
    (Kind::Revoked, 1),
];

impl Kind {
    /// Of the device of that number.
    #[must_use]
    pub fn of(number: u32) -> Self {
        // 37 and 100 have no common factor: each hundred numbers in a row has each place once.
        let mut place = u64::from(number).wrapping_mul(37) % 100;
        for (kind, share) in SHARES {
            if place < share {
                return kind;
            }
            place -= share;
        }
        Self::Steady
    }

    /// Whether devices of its type renew by themselves.
    #[must_use]
    pub fn renews_by_itself(self) -> bool {
        self != Self::ByHand
    }

    /// What a device of it is called, before its number.
    #[must_use]
    pub const fn model(self) -> &'static str {
        match self {
            Self::ByHand => "scale",
            Self::SixDays => "camera",
            Self::OneDay => "edge",
            Self::UnderOldIssuer => "press",
            _ => "pump",
        }
    }

    /// Who issued the certificate that it begins with.
    #[must_use]
    pub const fn issuer(self) -> u64 {
        match self {
            Self::SixDays | Self::OneDay => EDGE_CA,
            Self::UnderOldIssuer => OLD_CA,
            _ => PLANT_CA,
        }
    }

    /// How long its certificates live.
    #[must_use]
    pub const fn life(self) -> TimeDelta {
        match self {
            Self::SixDays => TimeDelta::days(6),
            Self::OneDay => TimeDelta::days(1),
            _ => YEAR,
        }
    }

    /// How often it connects.
    #[must_use]
    pub const fn heartbeat(self) -> TimeDelta {
        match self {
            Self::OneDay => TimeDelta::hours(1),
            _ => TimeDelta::hours(6),
        }
    }

    /// From when until when its first certificate is valid, in a fleet that is looked at from `start` on.
    #[must_use]
    pub fn dates(self, start: DateTime<Utc>, random: &mut Random) -> Dates {
        let until = start
            + match self {
                Self::Steady | Self::UnderOldIssuer | Self::Revoked | Self::Compromised => {
                    random.days(91, 300)
                }
                Self::Aware => random.days(61, 89),
                Self::Due | Self::BackInTime | Self::IssuedDue | Self::FailsTwice | Self::RollsBack => {
                    random.days(31, 59)
                }
                Self::Late => random.days(12, 29),
                Self::FailsAlways => random.days(20, 29),
                Self::OfflineForGood => random.days(2, 6),
                Self::BackTooLate => random.days(1, 3),
                Self::ByHand => random.days(10, 50),
                Self::Ended | Self::EndedUnknown | Self::Lost => -random.days(1, 5),
                Self::SixDays => random.days(1, 5),
                Self::OneDay => random.minutes(5 * 60, 23 * 60),
                Self::NotYetValid => YEAR + TimeDelta::days(3),
            };
        (until - self.life(), until)
    }

    /// When it is back, where it is offline at first.
    #[must_use]
    pub fn back_at(self, start: DateTime<Utc>, random: &mut Random) -> Option<DateTime<Utc>> {
        match self {
            Self::BackInTime => Some(start + random.days(2, 9)),
            Self::BackTooLate => Some(start + random.days(4, 6)),
            Self::OfflineForGood | Self::Lost => Some(DateTime::<Utc>::MAX_UTC),
            _ => None,
        }
    }

    /// How often its test fails before one passes.
    #[must_use]
    pub const fn failing_tests(self) -> u32 {
        match self {
            Self::FailsTwice => 2,
            Self::FailsAlways => u32::MAX,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn each_hundred_has_its_share_of_kinds() {
        for first in [0, 1, 77, 900] {
            let mut counts = BTreeMap::new();
            for number in first..first + 100 {
                *counts.entry(Kind::of(number)).or_insert(0) += 1;
            }
            assert_eq!(counts, SHARES.into_iter().collect());
        }
        assert_eq!(Kind::of(u32::MAX), Kind::of(u32::MAX));
    }
}
