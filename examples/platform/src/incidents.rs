//! The incidents of a fleet in PostgreSQL: its pages, what has ended, and the fleet itself, so that another process goes on with it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use iot_runbook::fleet::{Fleet, Incident, Page, Pager};
use iot_runbook::time::Clock;
use serde_json::Value;

use crate::database::Database;

/// How long to wait before a page is tried again that the database did not take.
const PAUSE: Duration = Duration::from_millis(200);

const TABLES: &str = "
    -- A fleet as it was last saved. `version` counts the saves: of two processes that hold it the slower one cannot save.
    CREATE TABLE IF NOT EXISTS platform_fleets (
        name text PRIMARY KEY, version bigint NOT NULL, fleet text NOT NULL
    );
    -- Every incident that was paged or has ended, as it was then.
    CREATE TABLE IF NOT EXISTS platform_incidents (
        fleet text, id bigint, is_closed boolean NOT NULL, incident text NOT NULL, PRIMARY KEY (fleet, id)
    );
    -- A page is sent by whoever reads this table; the same page twice is one row.
    CREATE TABLE IF NOT EXISTS platform_pages (
        fleet text, incidents bigint[], text text NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (fleet, incidents)
    );
";

/// Incidents of the fleet of that name.
pub struct Incidents {
    database: Arc<Database>,
    clock: Arc<dyn Clock>,
    fleet: Box<str>,
}

/// Why a fleet was not saved or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IncidentsError {
    /// PostgreSQL does not answer, or refuses.
    #[error("the incidents are not available")]
    Database(#[from] tokio_postgres::Error),
    /// What is stored cannot be read.
    #[error("the saved fleet is damaged")]
    Damaged(#[from] serde_json::Error),
    /// Another process has saved the fleet since.
    #[error("another process has saved fleet `{0}` since version {1}: stop, and load it again")]
    Overtaken(Box<str>, i64),
}

impl Incidents {
    /// Makes the tables, where they are not there.
    ///
    /// # Errors
    /// That of PostgreSQL.
    pub async fn begin(
        database: Arc<Database>,
        clock: Arc<dyn Clock>,
        fleet: impl Into<Box<str>>,
    ) -> Result<Self, IncidentsError> {
        database.migrate(TABLES).await?;
        Ok(Self { database, clock, fleet: fleet.into() })
    }

    /// Loads the fleet, with the version to save it by. Call [`Fleet::hand_out_again`] on it.
    ///
    /// # Errors
    /// [`IncidentsError`].
    pub async fn load(&self) -> Result<Option<(Fleet, i64)>, IncidentsError> {
        let sql = "SELECT fleet, version FROM platform_fleets WHERE name = $1";
        let rows = self.database.query(sql, &[&&*self.fleet]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some((serde_json::from_str(row.get(0))?, row.get(1))))
    }

    /// Saves the fleet over the version that was loaded or saved last; 0 the first time. Returns the new version.
    ///
    /// # Errors
    /// [`IncidentsError::Overtaken`] where another process has saved it since.
    pub async fn save(&self, fleet: &Fleet, version: i64) -> Result<i64, IncidentsError> {
        let text = serde_json::to_string(fleet)?;
        let sql = "INSERT INTO platform_fleets SELECT $1, 1, $2 WHERE $3 = 0::bigint \
            ON CONFLICT (name) DO NOTHING RETURNING version";
        let mut rows = self.database.query(sql, &[&&*self.fleet, &text, &version]).await?;
        if version > 0 {
            let sql = "UPDATE platform_fleets SET fleet = $2, version = version + 1 \
                WHERE name = $1 AND version = $3 RETURNING version";
            rows = self.database.query(sql, &[&&*self.fleet, &text, &version]).await?;
        }
        let overtaken = || IncidentsError::Overtaken(self.fleet.clone(), version);
        rows.first().map(|row| row.get(0)).ok_or_else(overtaken)
    }

    /// The incidents that were paged or have ended, the oldest first.
    ///
    /// # Errors
    /// [`IncidentsError`].
    pub async fn list(&self) -> Result<Vec<Value>, IncidentsError> {
        let sql = "SELECT incident FROM platform_incidents WHERE fleet = $1 ORDER BY id";
        let rows = self.database.query(sql, &[&&*self.fleet]).await?;
        rows.iter().map(|row| Ok(serde_json::from_str(row.get(0))?)).collect()
    }

    async fn keep(&self, incident: &Incident) -> Result<(), IncidentsError> {
        let text = serde_json::to_string(incident)?;
        let (id, is_closed) = (whole(incident.id.0), incident.closed.is_some());
        // One that has ended stays as it ended, should its page come again.
        let sql = "INSERT INTO platform_incidents VALUES ($1, $2, $3, $4) ON CONFLICT (fleet, id) \
            DO UPDATE SET is_closed = excluded.is_closed, incident = excluded.incident \
            WHERE NOT platform_incidents.is_closed";
        self.database.query(sql, &[&&*self.fleet, &id, &is_closed, &text]).await?;
        Ok(())
    }

    async fn keep_page(&self, page: &Page, incidents: &[Incident]) -> Result<(), IncidentsError> {
        for incident in incidents {
            self.keep(incident).await?;
        }
        let ids: Vec<i64> = page.incidents.iter().map(|id| whole(id.0)).collect();
        let sql = "INSERT INTO platform_pages VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        self.database.query(sql, &[&&*self.fleet, &ids, &page.to_string(), &self.clock.now()]).await?;
        Ok(())
    }
}

#[async_trait]
impl Pager for Incidents {
    async fn page(&self, page: &Page, incidents: &[Incident]) {
        // A page is not dropped because the database is away.
        while self.keep_page(page, incidents).await.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn closed(&self, incident: &Incident) {
        while self.keep(incident).await.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// A number that PostgreSQL has.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
