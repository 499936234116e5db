use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::fact::Source;
use crate::gap::{Cadence, GapDetector, Report, Settings};
use crate::probe::{
    Elsewhere, ElsewhereRequest, ProbeError, Rows, RowsRequest, StorageRefusals, StorageRefusalsRequest,
    TelemetryProbe,
};
use crate::time::{Clock, SystemClock};

/// A [`TelemetryProbe`] over a time-series database: it counts with a [`GapDetector`] which rows a period should have and
/// has. You read the times of the rows.
///
/// ```
/// use std::sync::Arc;
///
/// use async_trait::async_trait;
/// use chrono::{DateTime, TimeDelta, Utc};
/// use iot_runbook::adapter::{SeriesReader, SeriesRows, StoredRows};
/// use iot_runbook::gap::Cadence;
/// use iot_runbook::probe::{ProbeError, Probes, RowsRequest};
///
/// struct Database;
///
/// #[async_trait]
/// impl SeriesReader for Database {
///     async fn rows(&self, request: &RowsRequest) -> Result<StoredRows, ProbeError> {
///         // SELECT time FROM samples WHERE device = … AND time >= … AND time < …
///         let times: Vec<DateTime<Utc>> = vec![request.period.start()];
///         Ok(StoredRows::new(Cadence::every(TimeDelta::seconds(10)), times))
///     }
/// }
///
/// let probes = Probes::new().with_telemetry(Arc::new(SeriesRows::new("time series", Database)));
/// ```
pub struct SeriesRows<R> {
    source: Source,
    reader: R,
    clock: Arc<dyn Clock>,
}

/// Reads the rows of a series, and what the database says of those that it does not have. An adapter of yours.
#[async_trait]
pub trait SeriesReader: Send + Sync {
    /// The cadence of the device or tag, and the rows of the period that are stored now.
    ///
    /// # Errors
    /// [`ProbeError`] where the database cannot be read; no row is an answer.
    async fn rows(&self, request: &RowsRequest) -> Result<StoredRows, ProbeError>;

    /// As [`TelemetryProbe::storage_refusals`]; the default does not answer.
    ///
    /// # Errors
    /// As there.
    async fn storage_refusals(
        &self,
        _request: &StorageRefusalsRequest,
    ) -> Result<StorageRefusals, ProbeError> {
        Err(ProbeError::unsupported())
    }

    /// As [`TelemetryProbe::elsewhere`]; the default does not answer.
    ///
    /// # Errors
    /// As there.
    async fn elsewhere(&self, _request: &ElsewhereRequest) -> Result<Elsewhere, ProbeError> {
        Err(ProbeError::unsupported())
    }
}

const _: Option<&dyn SeriesReader> = None;

/// Rows of a period.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StoredRows {
    /// How often rows come.
    pub cadence: Cadence,
    /// The sample time of each row, in any order; rows outside the period are passed over.
    pub times: Vec<DateTime<Utc>>,
    /// When each row was stored, in the order of `times`; `None` where the database does not keep it.
    pub stored_at: Option<Vec<DateTime<Utc>>>,
    /// How many rows one message makes, on average; `None`: one.
    pub rows_per_message: Option<f64>,
}

impl StoredRows {
    /// Rows with these sample times.
    #[must_use]
    pub const fn new(cadence: Cadence, times: Vec<DateTime<Utc>>) -> Self {
        Self { cadence, times, stored_at: None, rows_per_message: None }
    }

    setters! {
        /// With when each was stored: as many as there are rows.
        with_stored_at(stored_at: Vec<DateTime<Utc>>) => stored_at = Some(stored_at);
        /// With how many rows one message makes.
        const with_rows_per_message(rows: f64) => rows_per_message = Some(rows);
    }
}

impl<R> SeriesRows<R> {
    /// An adapter over a reader.
    #[must_use]
    pub fn new(source: impl Into<Source>, reader: R) -> Self {
        Self { source: source.into(), reader, clock: Arc::new(SystemClock) }
    }

    /// With another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl<R> fmt::Debug for SeriesRows<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeriesRows").field("source", &self.source).finish_non_exhaustive()
    }
}

#[async_trait]
impl<R: SeriesReader> TelemetryProbe for SeriesRows<R> {
    fn source(&self) -> Source {
        self.source.clone()
    }

    /// Rows that were stored late are those without which fewer of the expected rows are there.
    async fn rows(&self, request: &RowsRequest) -> Result<Rows, ProbeError> {
        let now = self.clock.now();
        let stored = self.reader.rows(request).await?;
        let settings = || Settings::over(stored.cadence, request.period);
        let count = |is_counted: &dyn Fn(usize) -> bool| {
            let mut times: Vec<_> = stored
                .times
                .iter()
                .enumerate()
                .filter(|(place, _)| is_counted(*place))
                .map(|(_, time)| *time)
                .collect();
            times.sort_unstable();
            let mut detector =
                GapDetector::new(settings()).map_err(|error| ProbeError::failed(error.to_string()))?;
            times.into_iter().for_each(|time| {
                detector.observe_event(time);
            });
            Ok::<_, ProbeError>(Rows::from_report(&detector.finish(now), now))
        };
        let mut rows = count(&|_| true)?;
        if let Some(stored_at) = &stored.stored_at {
            if stored_at.len() != stored.times.len() {
                let why = format!("{} rows, and {} times of storing", stored.times.len(), stored_at.len());
                return Err(ProbeError::failed(why));
            }
            let in_period = stored.times.iter().zip(stored_at);
            let in_period = in_period.filter(|(time, _)| request.period.contains(**time));
            rows.last_stored = in_period.map(|(_, stored)| *stored).max();
        }
        if let (Some(since), Some(stored_at)) = (request.since, &stored.stored_at) {
            let before = count(&|place| stored_at.get(place).is_some_and(|at| *at < since))?;
            // Rows that come between others move what is expected by a few: missing is what both have in common.
            rows.late = Some(before.missing().saturating_sub(rows.missing()).min(rows.present));
        }
        rows.rows_per_message = stored.rows_per_message;
        Ok(rows)
    }

    async fn storage_refusals(
        &self,
        request: &StorageRefusalsRequest,
    ) -> Result<StorageRefusals, ProbeError> {
        self.reader.storage_refusals(request).await
    }

    async fn elsewhere(&self, request: &ElsewhereRequest) -> Result<Elsewhere, ProbeError> {
        self.reader.elsewhere(request).await
    }
}

impl Rows {
    /// Returns the answer of a [`TelemetryProbe`] from the report of a detector over the period.
    #[must_use]
    pub fn from_report(report: &Report, observed_at: DateTime<Utc>) -> Self {
        Self::new(observed_at, report.expected(), report.present())
    }
}
