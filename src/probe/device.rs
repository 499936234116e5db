//! What the platform's registry and ingestion know of a device.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ProbeError;
use super::record::records;
use crate::fact::Source;
use crate::subject::{DeviceId, GatewayId};
use crate::time::Period;

/// What the platform knows of a device: its service state, and when messages of it were received.
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
    /// [`ProbeError`] if the registry does not answer. A device that it does not have is an answer without a
    /// [`state`](ServiceStateAnswer::state).
    async fn service_state(&self, request: &ServiceStateRequest) -> Result<ServiceStateAnswer, ProbeError>;

    /// When the last live message of the device was received. Ask afresh each time: the answer is the fact that a
    /// recovery shows in.
    ///
    /// # Errors
    /// [`ProbeError`] if the receipts were not read. A device that was never seen is an answer without a
    /// [`last_receipt`](LastSeenAnswer::last_receipt).
    async fn last_seen(&self, request: &LastSeenRequest) -> Result<LastSeenAnswer, ProbeError>;

    /// The messages of the device that were received within a period, each with its kind. Not the newest alone: it would
    /// look as if the device had just come back. About a period that is over an answer may be kept; ask afresh about one
    /// that ends now.
    ///
    /// # Errors
    /// [`ProbeError`] if the receipts were not read. No message in the period is an empty answer.
    async fn receipts(&self, request: &ReceiptsRequest) -> Result<Receipts, ProbeError>;

    /// The states that the registry had for the device over a period. About a period that is over an answer may be kept
    /// for an hour: an entry may be made afterwards.
    ///
    /// # Errors
    /// [`ProbeError`] where the registry keeps no history; the default does not answer.
    async fn service_history(&self, _request: &ServiceHistoryRequest) -> Result<ServiceHistory, ProbeError> {
        Err(ProbeError::unsupported())
    }

    /// The gateways that saw the device lately: by a message of it in their session, by their scan of the network, by the
    /// address table of a switch. An answer may be shared for a minute.
    ///
    /// # Errors
    /// [`ProbeError`] where it is not known; the default does not answer. A device that no gateway saw is an empty answer.
    async fn sightings(&self, _request: &SightingsRequest) -> Result<Sightings, ProbeError> {
        Err(ProbeError::unsupported())
    }
}

const _: Option<&dyn DeviceProbe> = None;

records! {
    /// In which state is the device?
    #[derive(Eq, Hash)]
    ServiceStateRequest {
        /// The device.
        device: DeviceId,
    }

    /// The state in which the registry has a device.
    ServiceStateAnswer {
        /// When the registry said so.
        observed_at: DateTime<Utc>,
        ..
        /// The state; `None`: looked, and the registry has no such device.
        state: Option<ServiceState> = with_state(state: ServiceState) => Some(state),
    }
}

named! {
    /// The states of a device in the registry.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    #[non_exhaustive]
    ServiceState {
        /// It is meant to be online.
        InService = "in-service",
        /// It is being worked on and expected to be offline.
        Maintenance = "maintenance",
        /// It was taken out of service.
        Decommissioned = "decommissioned",
        /// It is registered, and never got its credentials.
        NeverProvisioned = "never-provisioned",
    }
}

records! {
    /// In which states was the device over the period?
    #[derive(Eq, Hash)]
    ServiceHistoryRequest {
        /// The device.
        device: DeviceId,
        /// The period in question.
        period: Period,
    }

    /// The states that the registry had for a device over a period.
    ServiceHistory {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        /// The period that [`changes`](Self::changes) is complete for.
        covers: Period,
        /// The state when [`covers`](Self::covers) began; `None`: looked, and the registry had no such device.
        at_start: Option<ServiceState>,
        ..
        /// Each change of the state within [`covers`](Self::covers), in any order.
        changes: Vec<ServiceChange> = with_changes(changes: Vec<ServiceChange>) => changes,
    }

    /// A change of a device's state in the registry.
    ServiceChange {
        /// When the state began to hold.
        at: DateTime<Utc>,
        /// The state from then on; `None`: the device was removed from the registry.
        state: Option<ServiceState>,
    }

    /// When was the device last seen?
    #[derive(Eq, Hash)]
    LastSeenRequest {
        /// The device.
        device: DeviceId,
    }

    /// When the platform last received a message of a device.
    LastSeenAnswer {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        ..
        /// The receipt time of the last [live](MessageKind::Live) message; `None`: looked, and none was ever
        /// received.
        last_receipt: Option<DateTime<Utc>> = with_last_receipt(at: DateTime<Utc>) => Some(at),
        /// The last message of each other kind, where the platform keeps them apart: shown to the reader, and never
        /// counted.
        others: Vec<Receipt> = with_others(others: Vec<Receipt>) => others,
    }

    /// Which gateways saw the device in the period?
    #[derive(Eq, Hash)]
    SightingsRequest {
        /// The device.
        device: DeviceId,
        /// The period in question, by the platform's clock.
        period: Period,
    }

    /// The gateways that saw a device within a period.
    Sightings {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        ..
        /// Each, in any order; of a gateway that saw it several times the last is enough.
        sightings: Vec<Sighting> = with_sightings(sightings: Vec<Sighting>) => sightings,
    }

    /// A gateway saw a device.
    Sighting {
        /// Which gateway.
        gateway: GatewayId,
        /// When, by the platform's clock.
        at: DateTime<Utc>,
        ..
        /// How, for the person who reads the trace, such as `address table of switch 4, port 12`.
        by: Option<Box<str>> = with_by(by: impl Into<Box<str>>) => Some(by.into()),
    }

    /// Which messages of the device were received in the period?
    #[derive(Eq, Hash)]
    ReceiptsRequest {
        /// The device.
        device: DeviceId,
        /// The period in question, by receipt time.
        period: Period,
    }

    /// The messages of a device that were received within a period.
    Receipts {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        /// The period that the answer is complete for: the one asked for, or what of it is still kept.
        covers: Period,
        ..
        /// The messages in the period, in any order; one that is delivered twice may be listed twice. An adapter
        /// of a fast device may thin them out: of the live messages the first and the last of each minute are
        /// enough.
        messages: Vec<Receipt> = with_messages(messages: Vec<Receipt>) => messages,
    }
}

impl Receipts {
    /// The same with one more live message, received at `at`.
    #[must_use]
    pub fn with_live(mut self, at: DateTime<Utc>) -> Self {
        self.messages.push(Receipt::new(at, MessageKind::Live));
        self
    }
}

records! {
    /// One message that the platform received, under the name of a device.
    Receipt {
        /// When it was received, by the platform's clock.
        at: DateTime<Utc>,
        /// What kind of message it is.
        kind: MessageKind,
        ..
        /// The time of its newest sample, by the device's clock, where it carries one. It never makes a message live;
        /// it may show that a message which looks live was kept in a buffer.
        made_at: Option<DateTime<Utc>> = with_made_at(at: DateTime<Utc>) => Some(at),
    }
}

named! {
    /// What a message shows of the device. Only a live one shows that the device is there.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    #[non_exhaustive]
    MessageKind {
        /// The device made it now: none of the kinds below. A Sparkplug B birth (NBIRTH, DBIRTH) is live.
        Live = "live",
        /// A buffer kept it and sent it later: it carries a historical flag.
        Replayed = "replayed",
        /// The broker kept it and delivered it again (MQTT retain flag on delivery).
        Retained = "retained",
        /// The broker sent it in the client's place: its will.
        Will = "will",
        /// A gateway or a broker says that the device is gone: Sparkplug B NDEATH or DDEATH.
        Death = "death",
        /// The gateway made it about itself: a heartbeat, its own status.
        GatewayHeartbeat = "gateway-heartbeat",
        /// It repeats a value with bad or stale quality: the gateway made it because the device did not answer.
        BadQuality = "bad-quality",
    }
}
