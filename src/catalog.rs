//! The built-in runbooks, as documents: [`device_offline`], [`data_gap`] and [`certificate_expiry`].
//!
//! They are the graphs in data that anyone could write, read by the loader that reads yours: take one,
//! override its thresholds and approvals, and validate it. Each function's page lists the thresholds, actions and
//! conclusions, and ends with the chart in Mermaid. `device-offline` hands over to
//! `certificate-expiry`, so a set of runbooks that has the one needs the other.
//!
//! ```
//! # #[cfg(feature = "toml")] {
//! use iot_runbook::catalog;
//! use iot_runbook::runbook::step::ApprovalPolicy;
//!
//! let runbook = catalog::device_offline()?
//!     .threshold("monitor_for", "15m")
//!     .approval("restart-gateway", ApprovalPolicy::Automatic)
//!     .validate()?;
//! assert_eq!(runbook.name(), "device-offline");
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::runbook::document::{Document, LoadError};
use crate::runbook::fault::Faults;
use crate::runbook::{RunbookSet, SetErrors};

/// The names of the built-in runbooks.
const NAMES: [&str; 3] = ["device-offline", "data-gap", "certificate-expiry"];

/// The names of the built-in runbooks, in the order of [`documents`].
#[must_use]
pub const fn names() -> &'static [&'static str] {
    &NAMES
}

/// Why a device has gone offline. Its subject is a device, with its gateway and site; its trigger an offline
/// alert.
///
/// # Errors
/// None that a user could cause: the text is part of the library.
///
#[doc = include_str!("catalog/device-offline.md")]
pub fn device_offline() -> Result<Document, LoadError> {
    Document::from_toml(include_str!("catalog/device-offline.toml"))
}

/// Why a period has no telemetry. Its subject is a device, or a tag of one, and a period.
///
/// # Errors
/// None that a user could cause: the text is part of the library.
///
#[doc = include_str!("catalog/data-gap.md")]
pub fn data_gap() -> Result<Document, LoadError> {
    Document::from_toml(include_str!("catalog/data-gap.toml"))
}

/// What a certificate that nears its expiry, or has passed it, needs. Its subject is the device that uses it.
///
/// # Errors
/// None that a user could cause: the text is part of the library.
///
#[doc = include_str!("catalog/certificate-expiry.md")]
pub fn certificate_expiry() -> Result<Document, LoadError> {
    Document::from_toml(include_str!("catalog/certificate-expiry.toml"))
}

/// The built-in runbooks as they are, linked.
///
/// # Errors
/// None that a user could cause: the texts are part of the library.
pub fn set() -> Result<RunbookSet, CatalogError> {
    let mut runbooks = Vec::with_capacity(NAMES.len());
    for document in documents()? {
        runbooks.push(document.validate()?);
    }
    Ok(RunbookSet::new(runbooks)?)
}

/// The built-in runbooks could not be taken; for one that was overridden, its faults say why.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// A document could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A document is not valid.
    #[error(transparent)]
    Faults(#[from] Faults),
    /// The runbooks are not a set.
    #[error(transparent)]
    Set(#[from] SetErrors),
}

/// All of them, in the order of [`names`].
///
/// # Errors
/// None that a user could cause: the texts are part of the library.
pub fn documents() -> Result<Vec<Document>, LoadError> {
    Ok(vec![device_offline()?, data_gap()?, certificate_expiry()?])
}
