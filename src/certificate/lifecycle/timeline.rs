//! What happened to a device's certificate, and when.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::command_key::CommandKey;
use super::credential::Refusal;
use crate::certificate::message::Reason;
use crate::certificate::validity::Fingerprint;

/// How many entries are kept. Where more come, the oldest but the first few leave.
const LONGEST: usize = 64;
/// How many of the first are kept.
const FIRST: usize = 16;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// When the lifecycle learned of it.
    pub at: DateTime<Utc>,
    /// What.
    pub what: Happening,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Happening {
    /// A renewal began.
    RenewalBegan {
        /// Its generation.
        generation: u64,
    },
    /// The issuer ends first: the renewal waits for another.
    HeldByIssuer,
    /// A certificate was issued.
    Issued(Fingerprint),
    /// What was issued was refused.
    Refused(Refusal),
    /// A command failed, or was left without an answer.
    CommandFailed {
        /// The command.
        key: CommandKey,
        /// Why.
        reason: Reason,
    },
    /// It is not issued yet: the request waits for its turn. Of several in a row the latest is kept.
    Postponed {
        /// When its turn is expected.
        until: DateTime<Utc>,
    },
    /// The certificate was published.
    Published,
    /// The device has it.
    Downloaded,
    /// The device's test passed.
    TestPassed,
    /// The device could not take it, or its test failed.
    DeviceFailed(Reason),
    /// The device says that it switched.
    SaidSwitched,
    /// A person was asked to see to it.
    FollowedUp,
    /// The new certificate was seen on a connection.
    Confirmed(Fingerprint),
    /// The device went back to an older one.
    RolledBack(Fingerprint),
    /// A certificate was due to be retired.
    Retired(Fingerprint),
    /// A connection was accepted with a certificate that is retired.
    RetiredInUse(Fingerprint),
    /// Its key was found in other hands.
    KeyCompromised(Fingerprint),
    /// The certificate in use ended.
    Expired,
    /// The device reached the provisioning service with its manufacturing certificate.
    ReachedProvisioning,
    /// It is not known to reach it.
    NoContact,
    /// Re-provisioning was asked for.
    ReProvisioning,
    /// A technician was asked to load the emergency certificate.
    PhysicalAccess,
    /// A certificate was brought to the device by another way than a renewal.
    Installed(Fingerprint),
    /// The device was not back in time.
    NotBack,
    /// It could not be brought back, in this round.
    RecoveryFailed(Reason),
    /// The clock could not be trusted.
    ClockSuspect,
    /// The clock was accepted as right.
    ClockAccepted,
}

/// What happened since the latest renewal or emergency began, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Timeline(Vec<Entry>);

impl Timeline {
    pub(super) fn note(&mut self, at: DateTime<Utc>, what: Happening) {
        if self.0.len() >= LONGEST {
            // The first entries say how it began and the last how it ended; what repeats is in the
            // middle.
            self.0.remove(FIRST);
        }
        self.0.push(Entry { at, what });
    }

    /// The same, in the place of what was noted last where that is of its kind.
    pub(super) fn note_latest(&mut self, at: DateTime<Utc>, what: Happening) {
        self.0.pop_if(|last| std::mem::discriminant(&last.what) == std::mem::discriminant(&what));
        self.note(at, what);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn it_keeps_how_it_began_and_what_came_last() {
        let mut timeline = Timeline::default();
        let at = |second| DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
        for second in 0..100 {
            timeline.note(at(second), Happening::Published);
        }
        let kept: Vec<_> = timeline.entries().iter().map(|entry| entry.at).collect();
        let expected: Vec<_> = (0..16).chain(52..100).map(at).collect();
        assert_eq!(kept, expected);
    }
}
