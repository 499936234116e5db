//! What an index does not take.

use chrono::{DateTime, Utc};
use thiserror::Error;

/// Why a certificate or an issuer was not taken. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EntryError {
    /// It would end before it begins.
    #[error(
        "device {device}: not_after {not_after} is before not_before {not_before}; refuse the certificate, \
         and count its renewal as failed"
    )]
    EndsBeforeItBegins {
        /// The device, or the issuer.
        device: u64,
        /// From when on it would be valid.
        not_before: DateTime<Utc>,
        /// Until when it would be valid.
        not_after: DateTime<Utc>,
    },
    /// Its issuer was not inserted.
    #[error("device {device}: issuer {issuer} is not in the index; insert the issuer first")]
    UnknownIssuer {
        /// The device.
        device: u64,
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
    /// One of a later generation of the same device is there.
    #[error(
        "device {device}: generation {given} is older than generation {held}, which is in the index; the record comes \
         late and can be dropped, unless the generations of the device began again: remove the device first then"
    )]
    OlderGeneration {
        /// The device.
        device: u64,
        /// The generation that was told.
        given: u32,
        /// The generation that is there.
        held: u32,
    },
    /// There is room for 2³² − 1 devices and 2²⁴ − 1 issuers.
    #[error(
        "{number} is one too many: an index holds 2^32 - 1 devices and 2^24 - 1 issuers; use a second one"
    )]
    Full {
        /// The device or issuer.
        number: u64,
    },
}
