//! What a lifecycle wants done.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::command_key::CommandKey;
use super::credential::{Issuer, Refusal, SubjectKey};
use super::post_mortem::PostMortem;
use crate::certificate::message::{Desired, Reason};
use crate::certificate::validity::{CertId, Fingerprint};

/// A command that is handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Order {
    /// Its idempotency key.
    pub key: CommandKey,
    /// How often it failed, or was left without an answer, before.
    pub failures: u32,
    /// What is to be done.
    pub command: Command,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Command {
    /// Issue a certificate. Answered by [`Event::Issued`](super::Event::Issued).
    Issue(Issue),
    /// Publish on `{device}/config/desired`, retained. Answered by [`Event::Done`](super::Event::Done) once the broker
    /// has acknowledged it.
    Publish(Desired),
    /// Notify someone.
    Alert(Alert),
    /// Schedule a maintenance window, or a technician.
    Schedule(Visit),
    /// A visit is needed no more: cancel it, if it was scheduled at all.
    StandDown {
        /// The key of the command that asked for it.
        visit: CommandKey,
    },
    /// Retire a certificate that the device no longer uses: revoke it, or let no broker accept it.
    Retire(Retire),
    /// Look up when the provisioning service last accepted the device's manufacturing certificate. Answered by
    /// [`Event::ProvisioningContact`](super::Event::ProvisioningContact).
    LookUpContact,
    /// Give the device a fresh certificate by its manufacturing certificate. Answered by
    /// [`Event::ReProvisioned`](super::Event::ReProvisioned).
    ReProvision(Issue),
    /// Send a technician who loads the emergency certificate by console or USB. [`Event::Done`](super::Event::Done)
    /// says that one is on the way; [`Event::EmergencyLoaded`](super::Event::EmergencyLoaded) or
    /// [`Event::VisitFailed`](super::Event::VisitFailed) says how it went.
    LoadEmergencyCertificate(Visit),
    /// Keep the record of an emergency that is over.
    OpenPostMortem(Box<PostMortem>),
}

/// A request to issue a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Issue {
    /// Which renewal of the device it is for.
    pub generation: u64,
    /// For which key.
    pub key: SubjectKey,
    /// The certificate in use, which it replaces: `replaces` of an ACME order (RFC 9773 section 5). `None`: not known.
    #[serde(default)]
    pub replaces: Option<CertId>,
    /// When the one in use ends: of many requests, the soonest is the first. `None`: never.
    pub needed_by: Option<DateTime<Utc>>,
    /// Whether it must not wait for its turn among those of a fleet: the key is compromised, the device is cut off, or has an
    /// emergency certificate.
    pub urgent: bool,
}

/// What the alert says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Alert {
    /// The renewal that it is about; 0 where none was begun.
    pub generation: u64,
    /// When the certificate in use ends. `None`: never.
    pub ends: Option<DateTime<Utc>>,
    /// How much it matters.
    pub severity: Severity,
    /// What happened.
    pub what: AlertKind,
}

/// How much an alert matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Severity {
    /// Someone should look within days.
    Warning,
    /// Someone must act.
    Critical,
}

/// What an alert says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AlertKind {
    /// A renewal failed so often in a row that it counts as failed. It is tried again.
    RenewalFailed {
        /// The latest failure.
        reason: Reason,
    },
    /// What was issued cannot be used; the renewal counts as failed.
    CertificateRefused {
        /// Why.
        why: Refusal,
    },
    /// The certificate is due because its issuer ends: another from the same issuer would last no longer. One alert for
    /// each issuer: its key is the issuer's.
    IssuerBinds {
        /// The issuer.
        issuer: Issuer,
    },
    /// The device says that it can use the new certificate, and nobody has seen it on a connection, or only on one
    /// whose date is in doubt. Both stay valid.
    NotConfirmed,
    /// The renewal was not confirmed in time, or the device has none: a person must see to it.
    FollowUp,
    /// The device went back to the certificate that it had before.
    RolledBack,
    /// The test of the certificate in use failed after it had been confirmed. The old one is not retired before a later
    /// connection shows that the new one works.
    FailedAfterConfirmation {
        /// Why.
        reason: Reason,
    },
    /// A connection was accepted with a certificate that is retired: the broker does not refuse it, and whoever has its key
    /// gets in.
    RetiredInUse {
        /// The certificate.
        fingerprint: Fingerprint,
    },
    /// A certificate that was replaced is still valid long after its overlap.
    NotRetired {
        /// The certificate.
        fingerprint: Fingerprint,
    },
    /// A key is in other hands. Its certificates are retired at once.
    KeyCompromised,
    /// The certificate has ended: the device stays offline until it is renewed.
    Expired,
    /// The device could not be brought back. It is tried again.
    RecoveryFailed {
        /// Why.
        reason: Reason,
    },
    /// The clock stepped back, or jumped: nothing is renewed or retired until it is right.
    ClockSuspect {
        /// What it shows.
        now: DateTime<Utc>,
        /// The latest time that was known.
        mark: DateTime<Utc>,
    },
    /// A command fails again and again. It is tried again.
    CommandFails {
        /// The command.
        key: CommandKey,
        /// The latest failure.
        reason: Reason,
    },
}

impl AlertKind {
    pub(super) const fn severity(&self) -> Severity {
        match self {
            Self::NotConfirmed
            | Self::CertificateRefused { .. }
            | Self::RenewalFailed { .. }
            | Self::NotRetired { .. } => Severity::Warning,
            _ => Severity::Critical,
        }
    }

    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::RenewalFailed { .. } => "renewal-failed",
            Self::CertificateRefused { .. } => "certificate-refused",
            Self::IssuerBinds { .. } => "issuer-binds",
            Self::NotConfirmed => "not-confirmed",
            Self::FollowUp => "follow-up",
            Self::RolledBack => "rolled-back",
            Self::FailedAfterConfirmation { .. } => "failed-after-confirmation",
            Self::RetiredInUse { .. } => "retired-in-use",
            Self::NotRetired { .. } => "not-retired",
            Self::KeyCompromised => "key-compromised",
            Self::Expired => "expired",
            Self::RecoveryFailed { .. } => "recovery-failed",
            Self::ClockSuspect { .. } => "clock-suspect",
            Self::CommandFails { .. } => "command-fails",
        }
    }
}

/// A visit, by a person or on a day that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Visit {
    /// Whether somebody must go there.
    pub kind: VisitKind,
    /// Until when: the end of the certificate. `None`: at once, the device is cut off.
    pub by: Option<DateTime<Utc>>,
}

/// The kinds of visits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum VisitKind {
    /// The device is there, or will be: renew it in a maintenance window.
    MaintenanceWindow,
    /// It is expected to stay offline past the end of its certificate: send a technician.
    Technician,
}

/// Which certificate is to be retired, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Retire {
    /// The certificate.
    pub fingerprint: Fingerprint,
    /// Whether its key is compromised (RFC 5280's `keyCompromise`); otherwise it is superseded.
    pub compromised: bool,
}
