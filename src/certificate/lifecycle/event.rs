//! What a lifecycle learns of: its events.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::command_key::CommandKey;
use super::credential::{Csr, Issued, Refusal};
use crate::certificate::message::{Reason, Reported};
use crate::certificate::validity::Fingerprint;

/// Something that happened to a device's certificate. Any of them may come twice, late, in another order, or never.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// The provisioning service issued a certificate for the renewal of that generation.
    Issued {
        /// The generation that it was asked for.
        generation: u64,
        /// What it issued.
        certificate: Issued,
    },
    /// What the device published on `{device}/config/reported`.
    Reported(Reported),
    /// What the test endpoint saw of the device's test.
    Tested {
        /// The certificate that the device tried.
        fingerprint: Fingerprint,
        /// Why the test failed; `None`: it passed.
        failed: Option<Reason>,
    },
    /// A connection of the device was accepted with that certificate.
    Connected {
        /// The certificate that it presented.
        fingerprint: Fingerprint,
        /// When, by the platform's clock.
        at: DateTime<Utc>,
    },
    /// A private key of the device is in other hands.
    KeyCompromised {
        /// The SHA-256 of its public key.
        public_key: Fingerprint,
    },
    /// The device asks for its next certificate to be for the key of this request.
    KeyOffered(Csr),
    /// The issuer of the certificate in use, or of the one that was refused for it, has a successor. Before the certificate is
    /// due, it is remembered. Send it to the lifecycle of each device that has a certificate from it.
    IssuerReplaced,
    /// What is known of when the device can be reached.
    Reachability(Reachability),
    /// Somebody brought a certificate to the device by hand.
    Installed {
        /// What was installed.
        certificate: Issued,
    },
    /// When the provisioning service last accepted the device's manufacturing certificate; `None`: looked, and it
    /// never did lately.
    ProvisioningContact {
        /// When, by the platform's clock.
        last: Option<DateTime<Utc>>,
    },
    /// The device received a fresh certificate by its manufacturing certificate.
    ReProvisioned {
        /// The generation that it was asked for.
        generation: u64,
        /// What it received.
        certificate: Issued,
    },
    /// A technician loaded the emergency certificate.
    EmergencyLoaded {
        /// What was loaded.
        certificate: Issued,
    },
    /// A technician was there, or did not get there, and could not load it.
    VisitFailed {
        /// Why.
        reason: Reason,
    },
    /// That command was carried out: published, alerted, scheduled, retired, opened.
    Done {
        /// Its key.
        key: CommandKey,
    },
    /// That command failed. It comes again.
    Failed {
        /// Its key.
        key: CommandKey,
        /// Why.
        reason: Reason,
    },
    /// A certificate is not issued yet: the request waits for its turn among those of the fleet. It comes again then, or
    /// within a day, or the [`retry_share`](super::Settings::retry_share) of what the certificate in use has left; that is
    /// no failure. Of a request that is [urgent](super::Issue::urgent) it is one: that must not wait.
    Postponed {
        /// The key of the command to issue it.
        key: CommandKey,
        /// When its turn is expected.
        until: DateTime<Utc>,
    },
    /// The device is out of service for good: nothing more is done for it.
    Decommissioned,
}

impl Event {
    /// When it happened, where it has a date of its own. Any other says how things are now.
    #[must_use]
    pub const fn at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Connected { at, .. } => Some(*at),
            Self::ProvisioningContact { last } => *last,
            _ => None,
        }
    }
}

/// What is known of when a device can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reachability {
    /// Not known.
    #[default]
    Unknown,
    /// It is there.
    Online,
    /// It is not.
    Offline {
        /// When it is expected back; `None`: not in time.
        back_at: Option<DateTime<Utc>>,
    },
}

/// Why an event changed nothing. That is no fault: events come twice, late, and in any order.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EventError {
    /// It is known already.
    #[error("nothing new: this is known already")]
    Known,
    /// It is of another generation than the one under way.
    #[error("of generation {told}, and {current} is the latest: it comes late, or is not of this device")]
    OtherGeneration {
        /// The generation that it speaks of.
        told: u64,
        /// The latest generation of the device.
        current: u64,
    },
    /// It speaks of a certificate that this device was never given, or has no more.
    #[error(
        "of a certificate that this device was not given, or that is retired: find out where it comes from"
    )]
    UnknownCertificate,
    /// The provisioning service issued two certificates under one idempotency key. The first one is kept.
    #[error(
        "a second certificate for generation {generation}: the provisioning service must issue one for each key"
    )]
    SecondCertificate {
        /// The generation.
        generation: u64,
    },
    /// Two certificates connected within the [resolution](super::Settings::log_resolution) of the log.
    #[error(
        "two certificates connected at one moment of the log: the next connection shows which one is in use"
    )]
    SameMoment,
    /// It is older than what is known.
    #[error("older than what is known")]
    Stale,
    /// No command of that key is open, or not one that this event answers.
    #[error(
        "no open command is answered by that: it was answered already, is needed no more, or wants another event"
    )]
    UnknownCommand,
    /// The certificate is not one that the device can use.
    #[error("the certificate is refused: {0}")]
    Refused(Refusal),
    /// The device is out of service.
    #[error("the device is out of service")]
    Closed,
}
