//! What a gateway keeps until it can send it.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ProbeError;
use super::record::records;
use crate::fact::Source;
use crate::subject::{DeviceId, GatewayId, TagId};
use crate::time::Period;

/// The state of the store-and-forward buffer (outbox) of a gateway over a period.
#[async_trait]
pub trait EdgeBufferProbe: Send + Sync {
    /// Who answers, such as `outbox of gw-2`. Make it once and clone it.
    fn source(&self) -> Source;

    /// How the outbox did over a period, and what became of the messages made in that period. Ask afresh each
    /// time: what is unsent now may be sent a moment later.
    ///
    /// # Errors
    /// [`ProbeError`] if the gateway does not answer; an empty outbox is an answer.
    async fn outbox(&self, request: &OutboxRequest) -> Result<Outbox, ProbeError>;
}

const _: Option<&dyn EdgeBufferProbe> = None;

records! {
    /// How did the outbox do over the period?
    #[derive(Eq, Hash)]
    OutboxRequest {
        /// The gateway.
        gateway: GatewayId,
        /// The device whose messages matter.
        device: DeviceId,
        /// The period in question: when the messages were made.
        period: Period,
        ..
        /// Count the messages that carry this tag; `None`: all of the device.
        tag: Option<TagId> = with_tag(tag: TagId) => Some(tag),
    }

    /// How an outbox did over a period. Counts are of messages made in that period; one that is `None` is not known, and
    /// is never taken for zero.
    ///
    /// An outbox that does not distinguish devices leaves the counts of the device at `None`, and gives those of all devices
    /// with the part that this device usually has of them.
    Outbox {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        /// The period that the counts are complete for.
        covers: Period,
        ..
        /// How much it can hold, in the unit of [`peak_used`](Self::peak_used); `None` where it has no bound or
        /// none is known.
        capacity: Option<u64> = with_capacity(capacity: u64) => Some(capacity),
        /// The most it held since the period began, in the unit of [`capacity`](Self::capacity) (messages or bytes).
        peak_used: Option<u64> = with_peak_used(used: u64) => Some(used),
        /// When the oldest message of any device that it holds now was made; `None` where it is empty or not known.
        oldest_held: Option<DateTime<Utc>> = with_oldest_held(at: DateTime<Utc>) => Some(at),
        /// How many of the device's messages it dropped.
        device_dropped: Option<u64> = with_device_dropped(count: u64) => Some(count),
        /// How many of the device's messages it still holds.
        unsent: Option<u64> = with_unsent(count: u64) => Some(count),
        /// When the oldest of those was made.
        oldest_unsent: Option<DateTime<Utc>> = with_oldest_unsent(at: DateTime<Utc>) => Some(at),
        /// How many of the device's messages it delivered after the period.
        delivered: Option<u64> = with_delivered(count: u64) => Some(count),
        /// How many messages of any device it dropped.
        dropped_in_all: Option<u64> = with_dropped_in_all(count: u64) => Some(count),
        /// How many messages of any device it still holds.
        unsent_in_all: Option<u64> = with_unsent_in_all(count: u64) => Some(count),
        /// The part of all its messages that are usually of this device, or carry this tag: from 0 to 1.
        usual_part: Option<f64> = with_usual_part(part: f64) => Some(part),
    }
}
