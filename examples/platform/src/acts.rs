//! Restarts of pumps, each once: the key of an act is kept in the transaction that does it.
//!
//! Here the pump is a row of the same database, so that both are done or neither is. Where yours is another system, hand it the key,
//! or note the act before and ask the system afterwards, as `examples/service` does.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use iot_runbook::diagnosis::{ActReport, ActRequest};
use iot_runbook::driver::Actuator;
use iot_runbook::fact::Detail;

use crate::database::Database;

/// How long to wait before an act is tried again that the database did not take.
const PAUSE: Duration = Duration::from_millis(100);

/// `platform_calls` has a row for each time that an act is handed out, `platform_acts` one for each that was done, and
/// `platform_pumps` says how often each pump was restarted.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS platform_calls (
        entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        key text NOT NULL, worker text NOT NULL, case_id text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    CREATE TABLE IF NOT EXISTS platform_acts (
        key text PRIMARY KEY, worker text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    CREATE TABLE IF NOT EXISTS platform_pumps (name text PRIMARY KEY, restarts bigint NOT NULL);
    CREATE OR REPLACE FUNCTION platform_restart(the_key text, the_pump text, the_worker text)
    RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
        -- Another transaction that does it is waited for.
        INSERT INTO platform_acts (key, worker) VALUES (the_key, the_worker) ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            RETURN false;
        END IF;
        -- A restart takes its time.
        PERFORM pg_sleep(0.002);
        INSERT INTO platform_pumps VALUES (the_pump, 1)
        ON CONFLICT (name) DO UPDATE SET restarts = platform_pumps.restarts + 1;
        RETURN true;
    END $$;
";

/// Restarts pumps for one worker.
#[derive(Debug)]
pub struct Pumps {
    database: Arc<Database>,
    worker: Box<str>,
}

impl Pumps {
    /// Makes its tables, where they are not there.
    ///
    /// # Errors
    /// That of PostgreSQL.
    pub async fn begin(
        database: Arc<Database>,
        worker: impl Into<Box<str>>,
    ) -> Result<Self, tokio_postgres::Error> {
        database.migrate(TABLES).await?;
        Ok(Self { database, worker: worker.into() })
    }

    async fn restart(&self, request: &ActRequest) -> Result<bool, tokio_postgres::Error> {
        let (key, worker) = (request.idempotency_key(), &*self.worker);
        let (pump, case) = (request.target().unwrap_or_default(), request.diagnosis().to_string());
        let note = "INSERT INTO platform_calls (key, worker, case_id) VALUES ($1, $2, $3)";
        self.database.query(note, &[&key, &worker, &case]).await?;
        let restart = "SELECT platform_restart($1, $2, $3)";
        Ok(self.database.query_one(restart, &[&key, &pump, &worker]).await?.get(0))
    }
}

#[async_trait]
impl Actuator for Pumps {
    async fn act(&self, request: &ActRequest) -> ActReport {
        if request.action() != "restart-pump" {
            return ActReport::refused("pumps", format!("there is no act `{}` here", request.action()));
        }
        // The driver drops this once the act has expired. An answer that was lost is asked for again: the key says whether it was
        // done.
        loop {
            match self.restart(request).await {
                Ok(true) => return ActReport::done("pumps"),
                Ok(false) => {
                    let found = Detail::new("found", "it was done before, under the same key");
                    return ActReport::done("pumps").with_details([found]);
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}
