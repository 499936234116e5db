//! What the schema validation rejected.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ProbeError;
use super::record::records;
use crate::fact::Source;
use crate::subject::{DeviceId, TagId};
use crate::time::Period;

/// The messages of a device that the schema validation rejected.
#[async_trait]
pub trait SchemaProbe: Send + Sync {
    /// Who answers, such as `schema validation`. Make it once and clone it.
    fn source(&self) -> Source;

    /// The rejections of the device's messages of a period. About a period that is over an answer may be kept.
    ///
    /// # Errors
    /// [`ProbeError`] where the log cannot be read; no rejection is an answer of zero.
    async fn rejections(&self, request: &RejectionsRequest) -> Result<Rejections, ProbeError>;
}

const _: Option<&dyn SchemaProbe> = None;

records! {
    /// Which messages were rejected?
    #[derive(Eq, Hash)]
    RejectionsRequest {
        /// The device.
        device: DeviceId,
        /// The period in question.
        period: Period,
        ..
        /// Count the messages of this tag alone; `None`: of all.
        tag: Option<TagId> = with_tag(tag: TagId) => Some(tag),
    }

    /// The messages that were rejected.
    Rejections {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        /// The period that the count is complete for.
        covers: Period,
        /// How many different messages, less those that were accepted later.
        rejected: u64,
        ..
        /// The firmware version of the device, where it is known.
        firmware: Option<Box<str>> = with_firmware(version: impl Into<Box<str>>) => Some(version.into()),
        /// The schema version that is registered for it, where it is known.
        schema: Option<Box<str>> = with_schema(version: impl Into<Box<str>>) => Some(version.into()),
        /// What one of the rejections said.
        example: Option<Box<str>> = with_example(text: impl Into<Box<str>>) => Some(text.into()),
    }
}
