//! What a gateway keeps until it can send it.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ProbeError;
use super::record::record;
use crate::fact::Source;
use crate::subject::{DeviceId, GatewayId};
use crate::time::Period;

/// Tells how the store-and-forward buffer (outbox) of a gateway did over a period.
#[async_trait]
pub trait EdgeBufferProbe: Send + Sync {
    /// Who answers, such as `outbox of gw-2`. Make it once and clone it.
    fn source(&self) -> Source;

    /// How the outbox did over a period, and what became of the messages made in that period. Ask afresh each
    /// time: what is unsent now may be sent a moment later.
    ///
    /// # Errors
    /// [`ProbeError`] where the gateway does not tell; an empty outbox is an answer.
    async fn outbox(&self, request: &OutboxRequest) -> Result<Outbox, ProbeError>;
}

const _: Option<&dyn EdgeBufferProbe> = None;

record! {
    /// How did the outbox do over the period?
    OutboxRequest {
        required {
            /// The gateway.
            gateway: GatewayId,
            /// The device whose messages matter.
            device: DeviceId,
            /// The period in question: when the messages were made.
            period: Period,
        }
        optional {}
    }
}

record! {
    /// How an outbox did over a period. Counts are of messages; one that is `None` is not told, and is never taken
    /// for none.
    Outbox {
        required {
            /// When this was looked up.
            observed_at: DateTime<Utc>,
            /// The period that the counts are complete for.
            covers: Period,
        }
        optional {
            /// How much it can hold, in the unit of [`peak_used`](Self::peak_used); `None` where it has no bound or
            /// none is told.
            capacity: Option<u64> = with_capacity(capacity: u64) => Some(capacity),
            /// The most it held in the period, in the unit of [`capacity`](Self::capacity) (messages or bytes);
            /// `None` where it is not told.
            peak_used: Option<u64> = with_peak_used(used: u64) => Some(used),
            /// How many messages it dropped in the period, of any device.
            dropped: Option<u64> = with_dropped(count: u64) => Some(count),
            /// How many of the device's messages made in the period it still holds.
            unsent: Option<u64> = with_unsent(count: u64) => Some(count),
            /// When the oldest of those was made.
            oldest_unsent: Option<DateTime<Utc>> = with_oldest_unsent(at: DateTime<Utc>) => Some(at),
            /// How many of the device's messages made in the period it delivered later.
            delivered: Option<u64> = with_delivered(count: u64) => Some(count),
        }
    }
}
