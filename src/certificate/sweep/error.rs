//! What an index does not take.

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::subject::{BlankName, DeviceId};

/// Why a certificate or an issuer was not taken. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Its device has a blank name.
    #[error(transparent)]
    BlankName(#[from] BlankName),
    /// It would end before it begins.
    #[error(
        "device {device}: not_after {not_after} is before not_before {not_before}; refuse the certificate, \
         and count its renewal as failed"
    )]
    EndsBeforeItBegins {
        /// The device.
        device: DeviceId,
        /// From when on it would be valid.
        not_before: DateTime<Utc>,
        /// Until when it would be valid.
        not_after: DateTime<Utc>,
    },
    /// An issuer would end before it begins.
    #[error(
        "issuer {issuer}: not_after {not_after} is before not_before {not_before}; check what was read of it"
    )]
    IssuerEndsBeforeItBegins {
        /// The issuer.
        issuer: u64,
        /// From when on it would be valid.
        not_before: DateTime<Utc>,
        /// Until when it would be valid.
        not_after: DateTime<Utc>,
    },
    /// Its issuer was not inserted.
    #[error("device {device}: issuer {issuer} is not in the index; insert the issuer first")]
    UnknownIssuer {
        /// The device.
        device: DeviceId,
        /// The issuer that it names.
        issuer: u64,
    },
    /// The issuer is there with other dates.
    #[error(
        "issuer {issuer} is in the index with other dates; a certificate keeps its dates: insert the renewed issuer \
         under a number of its own, and name the old one to `issuer_replaced`"
    )]
    IssuerDiffers {
        /// The issuer.
        issuer: u64,
    },
    /// A later certificate of the same device is there.
    #[error(
        "device {device}: generation {generation}, valid from {not_before}, is older than generation {held_generation}, \
         valid from {held_not_before}, which is in the index; the record came late and can be dropped, unless the \
         generations of the device began again: remove the device first then"
    )]
    Older {
        /// The device.
        device: DeviceId,
        /// The generation of the record.
        generation: u32,
        /// From when on its certificate is valid.
        not_before: DateTime<Utc>,
        /// The generation that is there.
        held_generation: u32,
        /// From when on that certificate is valid.
        held_not_before: DateTime<Utc>,
    },
}
