//! A connection to PostgreSQL that is opened when it is needed, and again after it was lost.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row};

/// A connection that many share: what they ask goes over it side by side.
#[derive(Debug)]
pub struct Database {
    config: Config,
    client: Mutex<Option<Arc<Client>>>,
}

/// A value of a statement.
pub type Param<'a> = &'a (dyn ToSql + Sync);

impl Database {
    /// A connection that is not open yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, client: Mutex::new(None) }
    }

    /// Runs statements that make tables. Any number of processes may do so at once.
    ///
    /// # Errors
    /// That of PostgreSQL.
    pub async fn migrate(&self, tables: &str) -> Result<(), tokio_postgres::Error> {
        let batch = format!("BEGIN; SELECT pg_advisory_xact_lock(7404110804); {tables} COMMIT;");
        let migrated = self.client().await?.batch_execute(&batch).await;
        if migrated.is_err() {
            // The connection is in a transaction that has failed.
            *self.client.lock().await = None;
        }
        migrated
    }

    /// Asks for rows.
    ///
    /// # Errors
    /// That of PostgreSQL; whether a statement took effect whose connection was lost is open.
    pub async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, tokio_postgres::Error> {
        self.client().await?.query(sql, params).await
    }

    /// Asks for the one row that there is.
    ///
    /// # Errors
    /// That of PostgreSQL.
    pub async fn query_one(&self, sql: &str, params: &[Param<'_>]) -> Result<Row, tokio_postgres::Error> {
        self.client().await?.query_one(sql, params).await
    }

    async fn client(&self) -> Result<Arc<Client>, tokio_postgres::Error> {
        let mut kept = self.client.lock().await;
        if let Some(client) = kept.as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        let (client, connection) = self.config.connect(NoTls).await?;
        // It ends when the client is dropped, or with an error that the client's calls report too.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Arc::clone(kept.insert(Arc::new(client))))
    }
}
