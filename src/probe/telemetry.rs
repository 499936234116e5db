//! What arrived in the time-series database.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::ProbeError;
use super::record::records;
use crate::fact::Source;
use crate::subject::{DeviceId, PipelineId, TagId};
use crate::time::Period;

/// Reports how many rows a period should have and has, which the database refused, and which it stored elsewhere.
#[async_trait]
pub trait TelemetryProbe: Send + Sync {
    /// Who answers, such as `time series`. Make it once and clone it.
    fn source(&self) -> Source;

    /// How many rows the cadence of the device or tag promises for a period, and how many are stored. Periods may be
    /// parts of the period in question. An answer may be shared for a minute, and never with a question of another
    /// [`since`](RowsRequest::since).
    ///
    /// # Errors
    /// [`ProbeError`] if the database does not answer; no row is an answer of zero.
    async fn rows(&self, request: &RowsRequest) -> Result<Rows, ProbeError>;

    /// How many rows of the device, of a period, the database refused or failed to write. About a period that is
    /// over an answer may be kept.
    ///
    /// # Errors
    /// [`ProbeError`] where the log of the writer cannot be read; none is an answer of zero.
    async fn storage_refusals(&self, request: &StorageRefusalsRequest)
    -> Result<StorageRefusals, ProbeError>;

    /// How many rows of the device the database took and does not show under their own name and time: rows written in
    /// the period, or later with a sample time in the period. Ask afresh each time: what is not applied yet may be
    /// applied a moment later.
    ///
    /// # Errors
    /// [`ProbeError`] if nobody looked; the default does not answer. No such row is an answer of zero.
    async fn elsewhere(&self, _request: &ElsewhereRequest) -> Result<Elsewhere, ProbeError> {
        Err(ProbeError::unsupported())
    }
}

const _: Option<&dyn TelemetryProbe> = None;

records! {
    /// Which rows does the period have?
    #[derive(Eq, Hash)]
    RowsRequest {
        /// The device.
        device: DeviceId,
        /// The period in question.
        period: Period,
        ..
        /// The tag; `None`: all of the device.
        tag: Option<TagId> = with_tag(tag: TagId) => Some(tag),
        /// Count the rows that were stored from this time on apart, as [`Rows::late`].
        since: Option<DateTime<Utc>> = with_since(since: DateTime<Utc>) => Some(since),
    }

    /// The rows of a period, by sample time.
    Rows {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        /// How many the cadence promises.
        expected: u64,
        /// How many of the expected ones are stored: rows beyond the cadence are left out.
        present: u64,
        ..
        /// How many of [`present`](Self::present) were stored at [`RowsRequest::since`] or later; `None` where the
        /// database does not keep when it stored a row.
        late: Option<u64> = with_late(count: u64) => Some(count),
        /// When the last row of the period was stored; `None`: no row is stored, or the database does not keep that.
        /// While a buffer replays it moves on.
        last_stored: Option<DateTime<Utc>> = with_last_stored(at: DateTime<Utc>) => Some(at),
        /// How many rows of this device or tag one message makes, on average; `None`: one.
        rows_per_message: Option<f64> = with_rows_per_message(rows: f64) => Some(rows),
    }
}

impl Rows {
    /// How many are missing; never less than zero.
    #[must_use]
    pub const fn missing(&self) -> u64 {
        self.expected.saturating_sub(self.present)
    }
}

records! {
    /// Which rows did the database not take?
    #[derive(Eq, Hash)]
    StorageRefusalsRequest {
        /// The pipeline that writes.
        pipeline: PipelineId,
        /// The device.
        device: DeviceId,
        /// The period in question.
        period: Period,
        ..
        /// Count the rows of this tag alone; `None`: of all.
        tag: Option<TagId> = with_tag(tag: TagId) => Some(tag),
    }

    /// The rows that the database did not take.
    StorageRefusals {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        /// The period that the count is complete for.
        covers: Period,
        /// How many were refused or failed, and were not written later.
        refused: u64,
        ..
        /// What the database said to one of them.
        example: Option<Box<str>> = with_example(text: impl Into<Box<str>>) => Some(text.into()),
    }

    /// Which rows did the database take and does not show where one looks?
    #[derive(Eq, Hash)]
    ElsewhereRequest {
        /// The device.
        device: DeviceId,
        /// The period in question.
        period: Period,
        ..
        /// Count the rows of this tag alone; `None`: of all.
        tag: Option<TagId> = with_tag(tag: TagId) => Some(tag),
    }

    /// Rows that the database took and that are not where one looks, each row counted once. A count that is `None` is
    /// not known.
    Elsewhere {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        /// The period that the counts are complete for.
        covers: Period,
        ..
        /// Rows that were written in the period under a time outside of it.
        other_times: Option<u64> = with_other_times(count: u64) => Some(count),
        /// How many of [`other_times`](Self::other_times) fill an earlier gap: a backfill, and right as it is.
        backfill: u64 = with_backfill(count: u64) => count,
        /// How far the times of the rest are off, where one length fits them: two hours are a time zone.
        off_by: Option<TimeDelta> = with_off_by(length: TimeDelta) => Some(length),
        /// Rows under another name, in another series or in another database.
        other_name: Option<u64> = with_other_name(count: u64) => Some(count),
        /// Rows that a later row of the same key replaced.
        replaced: Option<u64> = with_replaced(count: u64) => Some(count),
        /// Rows that a retention rule thinned out or deleted.
        retention: Option<u64> = with_retention(count: u64) => Some(count),
        /// Rows that the database has accepted and not yet applied.
        not_applied: Option<u64> = with_not_applied(count: u64) => Some(count),
        /// Where one of them is, for the person who reads the trace.
        example: Option<Box<str>> = with_example(text: impl Into<Box<str>>) => Some(text.into()),
    }
}
