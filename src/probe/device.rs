//! What the platform's registry and ingestion know of a device.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ProbeError;
use super::record::record;
use crate::fact::Source;
use crate::subject::DeviceId;
use crate::time::Period;

/// Tells what the platform knows of a device: its service state, and when messages of it were received.
///
/// "Received" is by the platform's own receipt time, never by the device's clock. A message that a gateway
/// kept and delivered later was received when it was delivered.
#[async_trait]
pub trait DeviceProbe: Send + Sync {
    /// Who answers, such as `registry`. Make it once and clone it.
    fn source(&self) -> Source;

    /// The state in which the registry has the device. It changes rarely: an answer may be shared for a minute.
    ///
    /// # Errors
    /// [`ProbeError`] where the registry does not tell. A device that it does not have is an answer without a
    /// [`state`](ServiceStateAnswer::state).
    async fn service_state(&self, request: &ServiceStateRequest) -> Result<ServiceStateAnswer, ProbeError>;

    /// When the last message of the device was received. Ask afresh each time: the answer is the fact that a
    /// recovery shows in.
    ///
    /// # Errors
    /// [`ProbeError`] where nobody can tell. A device that was never seen is an answer without a
    /// [`last_receipt`](LastSeenAnswer::last_receipt).
    async fn last_seen(&self, request: &LastSeenRequest) -> Result<LastSeenAnswer, ProbeError>;

    /// The messages of the device that were received within a period: the first and the last. About a period
    /// that is over an answer may be kept; ask afresh about one that ends now.
    ///
    /// # Errors
    /// [`ProbeError`] where nobody can tell. No message in the period is an answer without a first and a last.
    async fn receipts(&self, request: &ReceiptsRequest) -> Result<Receipts, ProbeError>;

    /// The states that the registry had for the device over a period. About a period that is over an answer may be kept
    /// for an hour: an entry may be made afterwards.
    ///
    /// # Errors
    /// [`ProbeError`] where the registry keeps no history; the default does not answer.
    async fn service_history(&self, _request: &ServiceHistoryRequest) -> Result<ServiceHistory, ProbeError> {
        Err(ProbeError::unsupported())
    }
}

const _: Option<&dyn DeviceProbe> = None;

record! {
    /// In which state is the device?
    ServiceStateRequest {
        required {
            /// The device.
            device: DeviceId,
        }
        optional {}
    }
}

record! {
    /// The state in which the registry has a device.
    ServiceStateAnswer {
        required {
            /// When the registry said so.
            observed_at: DateTime<Utc>,
        }
        optional {
            /// The state; `None`: looked, and the registry has no such device.
            state: Option<ServiceState> = with_state(state: ServiceState) => Some(state),
        }
    }
}

/// The states of a device in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ServiceState {
    /// It is meant to be online.
    InService,
    /// It is being worked on and expected to be offline.
    Maintenance,
    /// It was taken out of service.
    Decommissioned,
    /// It is registered, and never got its credentials.
    NeverProvisioned,
}

impl ServiceState {
    /// Its name in documents, such as `in-service`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InService => "in-service",
            Self::Maintenance => "maintenance",
            Self::Decommissioned => "decommissioned",
            Self::NeverProvisioned => "never-provisioned",
        }
    }
}

impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

record! {
    /// In which states was the device over the period?
    ServiceHistoryRequest {
        required {
            /// The device.
            device: DeviceId,
            /// The period in question.
            period: Period,
        }
        optional {}
    }
}

record! {
    /// The states that the registry had for a device over a period.
    ServiceHistory {
        required {
            /// When this was looked up.
            observed_at: DateTime<Utc>,
            /// The period that [`changes`](Self::changes) is complete for.
            covers: Period,
            /// The state when [`covers`](Self::covers) began; `None`: looked, and the registry had no such device.
            at_start: Option<ServiceState>,
        }
        optional {
            /// Each change of the state within [`covers`](Self::covers), in any order.
            changes: Vec<ServiceChange> = with_changes(changes: Vec<ServiceChange>) => changes,
        }
    }
}

record! {
    /// A change of a device's state in the registry.
    ServiceChange {
        required {
            /// When the state began to hold.
            at: DateTime<Utc>,
            /// The state from then on; `None`: the device was removed from the registry.
            state: Option<ServiceState>,
        }
        optional {}
    }
}

record! {
    /// When was the device last seen?
    LastSeenRequest {
        required {
            /// The device.
            device: DeviceId,
        }
        optional {}
    }
}

record! {
    /// When the platform last received a message of a device.
    LastSeenAnswer {
        required {
            /// When this was looked up.
            observed_at: DateTime<Utc>,
        }
        optional {
            /// The receipt time of the last message; `None`: looked, and none was ever received.
            last_receipt: Option<DateTime<Utc>> = with_last_receipt(at: DateTime<Utc>) => Some(at),
        }
    }
}

record! {
    /// Which messages of the device were received in the period?
    ReceiptsRequest {
        required {
            /// The device.
            device: DeviceId,
            /// The period in question, by receipt time.
            period: Period,
        }
        optional {}
    }
}

record! {
    /// The first and the last message that were received within a period.
    Receipts {
        required {
            /// When this was looked up.
            observed_at: DateTime<Utc>,
            /// The period that the answer is complete for: the one asked for, or what of it is still kept.
            covers: Period,
        }
        optional {
            /// The receipt time of the first; `None`: looked, and there is none.
            first: Option<DateTime<Utc>> = with_first(at: DateTime<Utc>) => Some(at),
            /// The receipt time of the last; `None`: looked, and there is none.
            last: Option<DateTime<Utc>> = with_last(at: DateTime<Utc>) => Some(at),
        }
    }
}
