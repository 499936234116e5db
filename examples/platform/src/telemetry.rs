//! Samples in PostgreSQL, and what the `data-gap` runbook asks about them.
//!
//! A row that PostgreSQL refuses is noted with its reason: that is what the step `storage-refusals` asks for. The library's
//! `SeriesRows` counts which rows a period should have and has.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::adapter::{SeriesReader, StoredRows};
use iot_runbook::gap::Cadence;
use iot_runbook::probe::{ProbeError, RowsRequest, StorageRefusals, StorageRefusalsRequest};
use iot_runbook::time::{Clock, Period};
use tokio_postgres::Row;

use crate::database::Database;

const TABLES: &str = "
    -- How often each tag of a device is sampled.
    CREATE TABLE IF NOT EXISTS platform_series (
        device text, tag text, every_ms bigint NOT NULL, PRIMARY KEY (device, tag)
    );
    CREATE TABLE IF NOT EXISTS platform_samples (
        device text, tag text, at timestamptz, stored_at timestamptz NOT NULL,
        value double precision NOT NULL CHECK (value > '-Infinity' AND value < 'Infinity'),
        PRIMARY KEY (device, tag, at)
    );
    CREATE TABLE IF NOT EXISTS platform_refusals (
        device text, tag text, at timestamptz, refused_at timestamptz NOT NULL, why text NOT NULL
    );
    CREATE INDEX IF NOT EXISTS platform_refusals_at ON platform_refusals (device, at);
    -- Since when refusals are noted.
    CREATE TABLE IF NOT EXISTS platform_refusals_since (since timestamptz NOT NULL);
";

/// The samples of all devices.
pub struct Samples {
    database: Arc<Database>,
    clock: Arc<dyn Clock>,
}

/// A sample to be stored.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Sample<'a> {
    /// The device.
    pub device: &'a str,
    /// The tag.
    pub tag: &'a str,
    /// When it was taken.
    pub at: DateTime<Utc>,
    /// What was measured.
    pub value: f64,
}

impl<'a> Sample<'a> {
    /// A sample.
    #[must_use]
    pub const fn new(device: &'a str, tag: &'a str, at: DateTime<Utc>, value: f64) -> Self {
        Self { device, tag, at, value }
    }
}

impl Samples {
    /// Makes the tables, where they are not there.
    ///
    /// # Errors
    /// That of PostgreSQL.
    pub async fn begin(
        database: Arc<Database>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, tokio_postgres::Error> {
        database.migrate(TABLES).await?;
        let since = "INSERT INTO platform_refusals_since SELECT $1 \
            WHERE NOT EXISTS (SELECT FROM platform_refusals_since)";
        database.query(since, &[&clock.now()]).await?;
        Ok(Self { database, clock })
    }

    /// Says how often a tag is sampled.
    ///
    /// # Errors
    /// That of PostgreSQL.
    pub async fn declare(
        &self,
        device: &str,
        tag: &str,
        every: TimeDelta,
    ) -> Result<(), tokio_postgres::Error> {
        let sql = "INSERT INTO platform_series VALUES ($1, $2, $3) \
            ON CONFLICT (device, tag) DO UPDATE SET every_ms = excluded.every_ms";
        self.database.query(sql, &[&device, &tag, &every.num_milliseconds()]).await.map(drop)
    }

    /// Stores a sample. False: PostgreSQL refuses it, and the reason is noted. The same sample again changes nothing.
    ///
    /// # Errors
    /// Where PostgreSQL does not answer: store it again later.
    pub async fn store(&self, sample: &Sample<'_>) -> Result<bool, tokio_postgres::Error> {
        let (now, Sample { device, tag, at, value }) = (self.clock.now(), sample);
        let insert = "INSERT INTO platform_samples VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
        match self.database.query(insert, &[device, tag, at, &now, value]).await {
            Ok(_) => Ok(true),
            Err(error) => {
                let Some(why) = error.as_db_error().map(|error| error.message().to_owned()) else {
                    return Err(error);
                };
                let note = "INSERT INTO platform_refusals VALUES ($1, $2, $3, $4, $5)";
                self.database.query(note, &[device, tag, at, &now, &why]).await?;
                Ok(false)
            }
        }
    }
}

#[async_trait]
impl SeriesReader for Samples {
    async fn rows(&self, request: &RowsRequest) -> Result<StoredRows, ProbeError> {
        let (device, tag) = (request.device.as_str(), request.tag.as_ref().map(|tag| tag.as_str()));
        let series =
            "SELECT tag, every_ms FROM platform_series WHERE device = $1 AND ($2::text IS NULL OR tag = $2)";
        let series = self.database.query(series, &[&device, &tag]).await.map_err(not_available)?;
        // Several tags have several cadences: they are asked for one by one.
        let [row] = &series[..] else {
            let text = format!(
                "{device} has {} series of that name: ask for one tag that is declared",
                series.len()
            );
            return Err(ProbeError::failed(text));
        };
        let (tag, every) = (row.get::<_, &str>(0), TimeDelta::milliseconds(row.get(1)));
        let rows = "SELECT at, stored_at FROM platform_samples \
            WHERE device = $1 AND tag = $2 AND at >= $3 AND at < $4 ORDER BY at";
        let (from, to) = (request.period.start(), request.period.end());
        let rows = self.database.query(rows, &[&device, &tag, &from, &to]).await.map_err(not_available)?;
        let time = |row: &Row, at: usize| row.get::<_, DateTime<Utc>>(at);
        let (times, stored) = rows.iter().map(|row| (time(row, 0), time(row, 1))).unzip();
        Ok(StoredRows::new(Cadence::every(every), times).with_stored_at(stored))
    }

    async fn storage_refusals(
        &self,
        request: &StorageRefusalsRequest,
    ) -> Result<StorageRefusals, ProbeError> {
        let (device, tag) = (request.device.as_str(), request.tag.as_ref().map(|tag| tag.as_str()));
        let (from, to) = (request.period.start(), request.period.end());
        // One that was stored later is missing no more.
        let sql = "SELECT count(DISTINCT (tag, at)), max(why), (SELECT min(since) FROM platform_refusals_since) \
            FROM platform_refusals AS refused \
            WHERE device = $1 AND ($2::text IS NULL OR tag = $2) AND at >= $3 AND at < $4 AND NOT EXISTS ( \
                SELECT FROM platform_samples AS stored \
                WHERE stored.device = refused.device AND stored.tag = refused.tag AND stored.at = refused.at)";
        let row = self.database.query_one(sql, &[&device, &tag, &from, &to]).await.map_err(not_available)?;
        let now = self.clock.now();
        let since: Option<DateTime<Utc>> = row.get(2);
        let start = from.max(since.unwrap_or(now)).min(now);
        let covers = Period::new(start, to.min(now).max(start));
        let covers = covers.unwrap_or(Period::ending(start, TimeDelta::zero()));
        let refused = row.get::<_, i64>(0).unsigned_abs();
        let answer = StorageRefusals::new(now, covers, refused);
        Ok(match row.get::<_, Option<&str>>(1) {
            Some(why) => answer.with_example(why),
            None => answer,
        })
    }
}

fn not_available(error: tokio_postgres::Error) -> ProbeError {
    match error.as_db_error() {
        Some(_) => ProbeError::failed("postgresql refuses the question").with_cause(error),
        None => ProbeError::transient("postgresql does not answer").with_cause(error),
    }
}
