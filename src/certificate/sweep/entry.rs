//! The certificate of one device, as the index holds it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::certificate::lifecycle::{Lifecycle, Status};
use crate::certificate::validity::Certificate;
use crate::subject::DeviceId;

/// How far the renewal of a certificate has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Renewal {
    /// None has begun.
    #[default]
    None,
    /// One is under way.
    Running,
    /// The last one failed, and none is under way.
    Failed,
    /// The successor was seen on an accepted connection.
    Confirmed,
}

/// The certificate that a device has in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// The device, by the id that the platform uses.
    pub device: DeviceId,
    /// From when on the certificate is valid. Fractions of a second are dropped.
    pub not_before: DateTime<Utc>,
    /// Until when it is valid, this second included. Fractions of a second are dropped.
    pub not_after: DateTime<Utc>,
    /// The platform's number of its issuer, where it is known.
    pub issuer: Option<u64>,
    /// Which certificate of the device it is.
    pub generation: u32,
    /// Whether the device can renew by itself.
    pub auto_renewal: bool,
    /// How far its renewal has come.
    pub renewal: Renewal,
    /// Whether it is revoked.
    #[serde(default)]
    pub revoked: bool,
}

impl Entry {
    /// A certificate of generation 0, of no known issuer, of a device that renews by itself, with no renewal begun, not
    /// revoked.
    #[must_use]
    pub fn new(device: impl Into<DeviceId>, not_before: DateTime<Utc>, not_after: DateTime<Utc>) -> Self {
        Self {
            device: device.into(),
            not_before,
            not_after,
            issuer: None,
            generation: 0,
            auto_renewal: true,
            renewal: Renewal::None,
            revoked: false,
        }
    }

    /// The entry of a certificate that was read. Its issuers are **not** considered: where one of them ends earlier, a sweep
    /// does not see it. Enter a whole chain by [`ExpiryIndex::insert_chain`](super::ExpiryIndex::insert_chain), or the issuer
    /// by [`insert_issuer`](super::ExpiryIndex::insert_issuer) and its number by [`with_issuer`](Self::with_issuer).
    #[must_use]
    pub fn of(device: impl Into<DeviceId>, certificate: &Certificate) -> Self {
        Self::new(device, certificate.not_before, certificate.not_after.written())
    }

    setters! {
        /// The same with an issuer.
        const with_issuer(issuer: Option<u64>) => issuer = issuer;
        /// The same of another generation.
        const with_generation(generation: u32) => generation = generation;
        /// The same of a device that renews by itself, or does not.
        const with_auto_renewal(auto_renewal: bool) => auto_renewal = auto_renewal;
        /// The same with its renewal so far.
        const with_renewal(renewal: Renewal) => renewal = renewal;
    }

    /// The same without fractions of a second.
    pub(super) fn in_whole_seconds(&self) -> Self {
        let whole = |at: DateTime<Utc>| DateTime::from_timestamp(at.timestamp(), 0).unwrap_or(at);
        Self { not_before: whole(self.not_before), not_after: whole(self.not_after), ..self.clone() }
    }

    /// The same, revoked or not.
    #[must_use]
    pub const fn with_revoked(mut self, revoked: bool) -> Self {
        self.revoked = revoked;
        self
    }
}

impl From<&Lifecycle> for Entry {
    /// The certificate in use, under the latest generation of the device, and how far its renewal is. The issuer's number is
    /// the platform's: add it by [`with_issuer`](Self::with_issuer).
    fn from(lifecycle: &Lifecycle) -> Self {
        let in_use = lifecycle.in_use();
        let is_under_way = lifecycle.progress().is_some_and(|progress| progress.confirmed_at.is_none());
        let renewal = match lifecycle.status() {
            Status::Failing => Renewal::Failed,
            _ if is_under_way => Renewal::Running,
            _ => Renewal::None,
        };
        Self::new(lifecycle.device().clone(), in_use.not_before, in_use.not_after.written())
            .with_generation(u32::try_from(lifecycle.generation()).unwrap_or(u32::MAX))
            .with_auto_renewal(lifecycle.auto_renewal())
            .with_renewal(renewal)
            .with_revoked(lifecycle.cut_off_at().is_some())
    }
}
