//! How the deadband of a tag is set, and what its signal did.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ProbeError;
use super::record::record;
use crate::fact::Source;
use crate::subject::{DeviceId, TagId};
use crate::time::Period;

/// Tells the deadband that is in force for a tag, and how the raw signal moved before it was filtered.
#[async_trait]
pub trait DeadbandProbe: Send + Sync {
    /// Who answers, such as `edge configuration`. Make it once and clone it.
    fn source(&self) -> Source;

    /// The deadband of the tag and the movement of its raw signal over a period. About a period that is over an
    /// answer may be kept.
    ///
    /// # Errors
    /// [`ProbeError`] where nobody can tell. No deadband is an answer without one.
    async fn deadband(&self, request: &DeadbandRequest) -> Result<DeadbandFacts, ProbeError>;
}

const _: Option<&dyn DeadbandProbe> = None;

record! {
    /// How is the deadband set, and how did the signal move?
    DeadbandRequest {
        required {
            /// The device.
            device: DeviceId,
            /// The period in question.
            period: Period,
        }
        optional {
            /// The tag; `None` where the device has one signal, or one setting for all.
            tag: Option<TagId> = with_tag(tag: TagId) => Some(tag),
        }
    }
}

record! {
    /// A tag's deadband and its signal's movement, each in the unit of the tag (turn a deadband in percent
    /// into that unit). Each that is `None` is not told.
    DeadbandFacts {
        required {
            /// When this was looked up.
            observed_at: DateTime<Utc>,
            /// The period that the movement was measured in.
            covers: Period,
        }
        optional {
            /// The width: a change of at most this much is not sent. `None`: looked, and there is no deadband.
            width: Option<f64> = with_width(width: f64) => Some(width),
            /// How far the raw signal moved in the period: its highest less its lowest value.
            movement: Option<f64> = with_movement(movement: f64) => Some(movement),
            /// The smallest change that matters to the process.
            matters: Option<f64> = with_matters(change: f64) => Some(change),
            /// The noise of the signal: a change of this much means nothing.
            noise: Option<f64> = with_noise(noise: f64) => Some(noise),
        }
    }
}
