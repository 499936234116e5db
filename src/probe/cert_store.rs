//! What the certificate inventory and the provisioning service know of a session holder: a device, or a gateway.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::record::records;
use super::{Client, ProbeError};
use crate::fact::Source;
use crate::time::Period;

/// The certificates of a device, the state of its renewal, and whether it reached the provisioning
/// service. Private keys are never asked for.
#[async_trait]
pub trait CertStoreProbe: Send + Sync {
    /// Who answers, such as `certificate inventory`. Make it once and clone it.
    fn source(&self) -> Source;

    /// A certificate of the session holder, with its revocation status. An answer may be shared for as long as the
    /// revocation list in use is fresh, and never over a renewal.
    ///
    /// # Errors
    /// [`ProbeError`] if the inventory does not answer. No such certificate is an answer without one.
    async fn certificate(&self, request: &CertificateRequest) -> Result<CertificateAnswer, ProbeError>;

    /// The state of the renewal of the device's certificate. Ask afresh each time.
    ///
    /// # Errors
    /// [`ProbeError`] if the renewal service does not answer. No renewal begun is an answer without one.
    async fn renewal(&self, request: &RenewalRequest) -> Result<RenewalAnswer, ProbeError>;

    /// When the device last reached the provisioning service with its manufacturing certificate, in a period.
    /// Ask afresh about a period that ends now.
    ///
    /// # Errors
    /// [`ProbeError`] if the provisioning service does not answer. No contact is an answer without one.
    async fn provisioning_contact(
        &self,
        request: &ProvisioningContactRequest,
    ) -> Result<ProvisioningContact, ProbeError>;
}

const _: Option<&dyn CertStoreProbe> = None;

records! {
    /// Which certificate does the device have?
    #[derive(Eq, Hash)]
    CertificateRequest {
        /// The session holder: the device, or the gateway that carries its messages.
        holder: Client,
        /// Which of its certificates.
        which: WhichCertificate,
    }
}

named! {
    /// Which of a device's certificates.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    #[non_exhaustive]
    WhichCertificate {
        /// The one that it is known to use: of its last accepted connection, else what the inventory has as active.
        InUse = "in-use",
        /// The one that it presented at its last attempt to connect, refused or not.
        Presented = "presented",
        /// The one that was last issued or loaded for it, whether it already uses it or not.
        NewlyIssued = "newly-issued",
    }
}

records! {
    /// A certificate of a device.
    CertificateAnswer {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        ..
        /// The certificate; `None`: looked, and there is none.
        certificate: Option<Certificate> = with_certificate(certificate: Certificate) => Some(certificate),
        /// How it authenticates to the broker.
        authentication: Authentication = with_authentication(by: Authentication) => by,
        /// Whether it has ever connected to the broker.
        has_connected: Option<bool> = with_has_connected(has: bool) => Some(has),
        /// The latest time that the certificate service ever knew, kept over restarts: what a wrong clock is
        /// found by. `None` where it keeps none.
        high_water: Option<DateTime<Utc>> = with_high_water(mark: DateTime<Utc>) => Some(mark),
    }
}

/// How a session holder authenticates to the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Authentication {
    /// With an X.509 certificate: where there is none, it should have one.
    Certificate,
    /// Without one: with a password, a token or a shared key, or not at all.
    WithoutCertificate,
    /// Not known.
    #[default]
    NotKnown,
}

records! {
    /// What is known of one certificate.
    Certificate {
        /// Its fingerprint, as the inventory writes it: the same text for the same certificate.
        fingerprint: Arc<str>,
        /// From when on it is valid, this instant included.
        not_before: DateTime<Utc>,
        /// Until when it is valid, this instant included; 9999-12-31 in a certificate that never expires.
        not_after: DateTime<Utc>,
        /// Whether it is revoked.
        revocation: Revocation,
        ..
        /// The earliest end among its issuers; `None` if not known.
        issuer_not_after: Option<DateTime<Utc>> = with_issuer_not_after(at: DateTime<Utc>) => Some(at),
        /// Its subject, for the person who reads the trace.
        subject: Option<Box<str>> = with_subject(subject: impl Into<Box<str>>) => Some(subject.into()),
        /// Its serial number, for the person who reads the trace.
        serial: Option<Box<str>> = with_serial(serial: impl Into<Box<str>>) => Some(serial.into()),
        /// When it was last seen on an accepted connection; `None`: looked, and it never was.
        last_used: Option<DateTime<Utc>> = with_last_used(at: DateTime<Utc>) => Some(at),
    }
}

/// Whether a certificate is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Revocation {
    /// It was looked up, and it is not.
    NotRevoked,
    /// It was revoked, at this time if that is known.
    Revoked(Option<DateTime<Utc>>),
    /// It was not looked up, or the list is too old: nobody knows.
    NotChecked,
    /// This PKI revokes no certificates at all.
    NoRevocation,
}

records! {
    /// How does the renewal of the device's certificate stand?
    #[derive(Eq, Hash)]
    RenewalRequest {
        /// The session holder: the device, or the gateway that carries its messages.
        holder: Client,
    }

    /// The state of a renewal.
    RenewalAnswer {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        /// Whether devices of this type renew their certificates by themselves.
        supported: bool,
        ..
        /// The latest renewal; `None`: looked, and none was begun.
        latest: Option<Renewal> = with_latest(renewal: Renewal) => Some(renewal),
        /// When the renewal service means to begin the next renewal; renewals of a fleet are spread. `None`: as soon as
        /// the policy says that it is due.
        begins_at: Option<DateTime<Utc>> = with_begins_at(at: DateTime<Utc>) => Some(at),
        /// Whether the session holder is connected now: a renewal makes no progress while it is not.
        connected: Option<bool> = with_connected(connected: bool) => Some(connected),
        /// Since when a certificate that was replaced should have been retired and is still accepted: the end of its
        /// overlap, the earliest of several. `None`: looked, and there is no such certificate.
        unretired_since: Option<DateTime<Utc>> = with_unretired_since(at: DateTime<Utc>) => Some(at),
    }

    /// The facts of one renewal.
    Renewal {
        /// Which renewal of the device, counted from one.
        generation: u64,
        /// When its latest attempt began.
        started_at: DateTime<Utc>,
        ..
        /// The fingerprint of the certificate that it issued, as the inventory writes it: by it a renewal that is
        /// over can be distinguished from one of the certificate in use. `None` where none is issued yet.
        fingerprint: Option<Arc<str>> = with_fingerprint(print: impl Into<Arc<str>>) => Some(print.into()),
        /// When the device said that it switched; its word alone confirms nothing.
        reported_at: Option<DateTime<Utc>> = with_reported_at(at: DateTime<Utc>) => Some(at),
        /// When the new certificate was first seen on an accepted connection, even if the holder has gone back since.
        confirmed_at: Option<DateTime<Utc>> = with_confirmed_at(at: DateTime<Utc>) => Some(at),
        /// When an attempt last failed; before `started_at` where it is tried again.
        failed_at: Option<DateTime<Utc>> = with_failed_at(at: DateTime<Utc>) => Some(at),
        /// When it last came a step further: issued, published, reported. Its start, at the least.
        progress_at: Option<DateTime<Utc>> = with_progress_at(at: DateTime<Utc>) => Some(at),
        /// When the next try begins, after one that failed; `None`: no further try is due.
        next_try_at: Option<DateTime<Utc>> = with_next_try_at(at: DateTime<Utc>) => Some(at),
        /// What it failed with.
        failure: Option<Box<str>> = with_failure(failure: impl Into<Box<str>>) => Some(failure.into()),
    }

    /// Did the device reach the provisioning service with its manufacturing certificate in the period?
    #[derive(Eq, Hash)]
    ProvisioningContactRequest {
        /// The session holder: the device, or the gateway that carries its messages.
        holder: Client,
        /// The period in question.
        period: Period,
    }

    /// The last contact of a device with the provisioning service.
    ProvisioningContact {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        /// The period that the answer is complete for.
        covers: Period,
        ..
        /// The last time in the period that the service accepted its manufacturing certificate; `None`:
        /// looked, and there was no contact.
        last: Option<DateTime<Utc>> = with_last(at: DateTime<Utc>) => Some(at),
    }
}
