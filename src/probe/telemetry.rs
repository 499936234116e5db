//! What arrived in the time-series database.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ProbeError;
use super::record::record;
use crate::fact::Source;
use crate::subject::{DeviceId, PipelineId, TagId};
use crate::time::Period;

/// Tells how many rows a period should have and has, and which the database refused.
#[async_trait]
pub trait TelemetryProbe: Send + Sync {
    /// Who answers, such as `time series`. Make it once and clone it.
    fn source(&self) -> Source;

    /// How many rows the cadence of the device or tag promises for a period, and how many stand there. An answer
    /// may be shared within one diagnosis.
    ///
    /// # Errors
    /// [`ProbeError`] where the database does not tell; no row is an answer of zero.
    async fn rows(&self, request: &RowsRequest) -> Result<Rows, ProbeError>;

    /// How many rows of the device, of a period, the database refused or failed to write. About a period that is
    /// over an answer may be kept.
    ///
    /// # Errors
    /// [`ProbeError`] where the log of the writer cannot be read; none is an answer of zero.
    async fn storage_refusals(&self, request: &StorageRefusalsRequest)
    -> Result<StorageRefusals, ProbeError>;
}

const _: Option<&dyn TelemetryProbe> = None;

record! {
    /// Which rows does the period have?
    RowsRequest {
        required {
            /// The device.
            device: DeviceId,
            /// The period in question.
            period: Period,
        }
        optional {
            /// The tag; `None`: all of the device.
            tag: Option<TagId> = with_tag(tag: TagId) => Some(tag),
        }
    }
}

record! {
    /// The rows of a period. One message makes one row.
    Rows {
        required {
            /// When this was looked up.
            observed_at: DateTime<Utc>,
            /// How many the cadence promises.
            expected: u64,
            /// How many are there.
            present: u64,
        }
        optional {}
    }
}

impl Rows {
    /// How many are missing; never less than zero.
    #[must_use]
    pub const fn missing(&self) -> u64 {
        self.expected.saturating_sub(self.present)
    }
}

record! {
    /// Which rows did the database not take?
    StorageRefusalsRequest {
        required {
            /// The pipeline that writes.
            pipeline: PipelineId,
            /// The device.
            device: DeviceId,
            /// The period in question.
            period: Period,
        }
        optional {
            /// Count the rows of this tag alone; `None`: of all.
            tag: Option<TagId> = with_tag(tag: TagId) => Some(tag),
        }
    }
}

record! {
    /// The rows that the database did not take.
    StorageRefusals {
        required {
            /// When this was looked up.
            observed_at: DateTime<Utc>,
            /// The period that the count is complete for.
            covers: Period,
            /// How many were refused or failed, and were not written later.
            refused: u64,
        }
        optional {
            /// What the database said to one of them.
            example: Option<Box<str>> = with_example(text: impl Into<Box<str>>) => Some(text.into()),
        }
    }
}
