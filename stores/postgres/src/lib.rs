//! Durable cases on PostgreSQL, version 12 or later.
//!
//! [`PostgresCases`] is a [`CaseStore`]: workers in any number of processes lease cases from it with
//! `FOR UPDATE SKIP LOCKED`, so that none waits for another. Each write is one call of a function in the database, which takes
//! effect whole or not at all. What has returned `Ok` is as durable as the server's `synchronous_commit` says.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use iot_runbook_postgres::PostgresCases;
//!
//! let store = PostgresCases::new(&"host=/run/postgresql dbname=fleet user=fleet".parse()?, 4);
//! store.migrate().await?;
//! # Ok(())
//! # }
//! ```
//!
//! - Times are kept to the microsecond.
//! - A connection that is lost is made again by the next call; the call that lost it reports
//!   [`StoreError::Unavailable`], and whether it took effect is open.
//! - A case whose rows cannot be read is set aside as [`Stuck`](iot_runbook::case::State::Stuck) when it is due, and tried again after
//!   five minutes. [`CaseStore::load`] names it in its error, and [`CaseStore::list`] among the damaged ones beside the others.
//! - Connections are made without TLS: reach the server over a Unix socket, or over a network that encrypts.

mod connection;
mod store;

use std::sync::atomic::{AtomicUsize, Ordering};

use iot_runbook::case::StoreError;
use tokio_postgres::Config;

use connection::{Connected, Connection};

#[cfg(doc)]
use iot_runbook::case::CaseStore;

/// The migrations, in order; each is run once.
const MIGRATIONS: &[&str] = &[include_str!("../migrations/1.sql")];

/// Cases on PostgreSQL. Share it among the workers of a process.
#[derive(Debug)]
pub struct PostgresCases {
    connections: Vec<Connection>,
    next: AtomicUsize,
}

impl PostgresCases {
    /// A store over that database, by so many connections (at least one). It connects when it is first used.
    #[must_use]
    pub fn new(config: &Config, connections: usize) -> Self {
        let connections = (0..connections.max(1)).map(|_| Connection::new(config.clone())).collect();
        Self { connections, next: AtomicUsize::new(0) }
    }

    /// Brings the tables up to date. Any number of processes may do so at once.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where the server does not answer, or refuses.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let connection = self.connection();
        let client = connection.client().await?;
        // One at a time; the lock is given back with the transaction.
        let mut batch = String::from(
            "BEGIN; SELECT pg_advisory_xact_lock(7404110801); \
             CREATE TABLE IF NOT EXISTS runbook_migrations (version integer PRIMARY KEY);",
        );
        for (version, migration) in (1..).zip(MIGRATIONS) {
            // A block, so that the migration runs only where it has not. `$runbook$` quotes the whole of it.
            batch.push_str(&format!(
                "DO $runbook$ BEGIN \
                 IF NOT EXISTS (SELECT FROM runbook_migrations WHERE version = {version}) THEN \
                 EXECUTE $migration${migration}$migration$; \
                 INSERT INTO runbook_migrations VALUES ({version}); \
                 END IF; END $runbook$;"
            ));
        }
        batch.push_str("COMMIT;");
        let migrated = client.batch_execute(&batch).await;
        if migrated.is_err() {
            // The connection is in a transaction that has failed.
            connection.forget().await;
        }
        migrated.map_err(|error| StoreError::unavailable("bring the tables up to date", error))
    }

    fn connection(&self) -> &Connection {
        let at = self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len().max(1);
        &self.connections[at]
    }

    async fn connected(&self) -> Result<Connected, StoreError> {
        self.connection().connected().await
    }
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
