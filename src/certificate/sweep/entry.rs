//! What the index is told of one device.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// The platform's number of the device: a database key, or a handle.
    pub device: u64,
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
    pub const fn new(device: u64, not_before: DateTime<Utc>, not_after: DateTime<Utc>) -> Self {
        Self {
            device,
            not_before,
            not_after,
            issuer: None,
            generation: 0,
            auto_renewal: true,
            renewal: Renewal::None,
            revoked: false,
        }
    }

    /// The same with an issuer.
    #[must_use]
    pub const fn with_issuer(mut self, issuer: Option<u64>) -> Self {
        self.issuer = issuer;
        self
    }

    /// The same of another generation.
    #[must_use]
    pub const fn with_generation(mut self, generation: u32) -> Self {
        self.generation = generation;
        self
    }

    /// The same of a device that renews by itself, or does not.
    #[must_use]
    pub const fn with_auto_renewal(mut self, auto_renewal: bool) -> Self {
        self.auto_renewal = auto_renewal;
        self
    }

    /// The same with its renewal so far.
    #[must_use]
    pub const fn with_renewal(mut self, renewal: Renewal) -> Self {
        self.renewal = renewal;
        self
    }

    /// The same, revoked or not.
    #[must_use]
    pub const fn with_revoked(mut self, revoked: bool) -> Self {
        self.revoked = revoked;
        self
    }
}
