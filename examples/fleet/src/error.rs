//! Why a run cannot go on. None of it is the operator's fault: each would be a fault of this program.

use iot_runbook::certificate::lifecycle::SettingsError;
use iot_runbook::certificate::message::TopicError;
use iot_runbook::certificate::schedule::ScheduleError;
use iot_runbook::certificate::service::NotSaved;
use iot_runbook::certificate::sweep::{ClockSuspect, EntryError};
use iot_runbook::certificate::validity::CertificateError;
use thiserror::Error;

/// Why a run cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FleetError {
    /// A key or a certificate was not made.
    #[error("a certificate cannot be minted")]
    Mint(#[from] rcgen::Error),
    /// A certificate that was minted cannot be read.
    #[error("a certificate that was minted cannot be read")]
    Certificate(#[from] CertificateError),
    /// No such issuer was made.
    #[error("there is no issuer of the number {0}")]
    Issuer(u64),
    /// The name of a device makes no topic.
    #[error("the name of a device makes no topic")]
    Topic(#[from] TopicError),
    /// The rules do not hold.
    #[error("the rules do not hold")]
    Rules(#[from] SettingsError),
    /// The schedule cannot be made.
    #[error("the schedule cannot be made")]
    Schedule(#[from] ScheduleError),
    /// The index does not take a certificate.
    #[error("the index does not take a certificate")]
    Index(#[from] EntryError),
    /// The simulated clock went back.
    #[error("the simulated clock went wrong")]
    Clock(#[from] ClockSuspect),
    /// A turn ended before all was done.
    #[error("a lifecycle is not saved")]
    NotSaved(#[from] NotSaved),
    /// A lifecycle cannot be saved, or restored.
    #[error("a lifecycle cannot be saved, or restored")]
    Saved(#[from] serde_json::Error),
}
