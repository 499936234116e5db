//! One connection, which is made again when it was lost.

use std::sync::Arc;

use iot_runbook::case::StoreError;
use tokio::sync::Mutex;
use tokio_postgres::{Client, Config, NoTls, Statement};

/// A connection with its prepared statements.
#[derive(Clone)]
pub(crate) struct Connected {
    pub(crate) client: Arc<Client>,
    pub(crate) statements: Arc<Statements>,
}

pub(crate) struct Statements {
    pub(crate) insert: Statement,
    pub(crate) load: Statement,
    pub(crate) due: Statement,
    pub(crate) renew: Statement,
    pub(crate) save: Statement,
    pub(crate) release: Statement,
    pub(crate) deliver: Statement,
    pub(crate) list: Statement,
    pub(crate) history: Statement,
    pub(crate) outcome: Statement,
}

const COLUMNS: &str = "id, opening, saved, state, due_at, version, \
    ARRAY(SELECT record FROM runbook_records WHERE case_id = id ORDER BY position) AS records, \
    ARRAY(SELECT number FROM runbook_messages WHERE case_id = id ORDER BY number) AS numbers, \
    ARRAY(SELECT message FROM runbook_messages WHERE case_id = id ORDER BY number) AS messages";

/// The rows are locked first and read by a later statement: a row that was saved since the statement began would come with
/// the records of before.
///
/// Materialized, so that the planner can't run the part with the limit twice.
const DUE: &str = "WITH free AS MATERIALIZED (SELECT id FROM runbook_cases \
        WHERE due_at <= $1 AND (leased_until IS NULL OR leased_until <= $1) \
        ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED) \
    UPDATE runbook_cases SET lease_token = lease_token + 1, leased_until = $2, leased_by = $4 \
    FROM free WHERE runbook_cases.id = free.id RETURNING runbook_cases.id, lease_token";

pub(crate) struct Connection {
    config: Config,
    client: Mutex<Option<Arc<Client>>>,
    connected: Mutex<Option<Connected>>,
}

impl Connection {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, client: Mutex::new(None), connected: Mutex::new(None) }
    }

    /// The client, connected.
    pub(crate) async fn client(&self) -> Result<Arc<Client>, StoreError> {
        let mut kept = self.client.lock().await;
        if let Some(client) = kept.as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        let connecting = self.config.connect(NoTls).await;
        let (client, connection) = connecting.map_err(|error| StoreError::unavailable("connect", error))?;
        // It ends when the client is dropped, or with an error that the client's calls report too.
        tokio::spawn(async move { drop(connection.await) });
        let client = Arc::new(client);
        *kept = Some(Arc::clone(&client));
        Ok(client)
    }

    /// The client with the statements, which need the tables.
    pub(crate) async fn connected(&self) -> Result<Connected, StoreError> {
        let mut kept = self.connected.lock().await;
        if let Some(connected) = kept.as_ref().filter(|connected| !connected.client.is_closed()) {
            return Ok(connected.clone());
        }
        let client = self.client().await?;
        let prepared = Statements::prepare(&client).await;
        let statements =
            prepared.map_err(|error| StoreError::unavailable("prepare its statements", error))?;
        let connected = Connected { client, statements: Arc::new(statements) };
        *kept = Some(connected.clone());
        Ok(connected)
    }

    pub(crate) async fn forget(&self) {
        *self.client.lock().await = None;
        *self.connected.lock().await = None;
    }
}

impl Statements {
    async fn prepare(client: &Client) -> Result<Self, tokio_postgres::Error> {
        let load = format!("SELECT {COLUMNS} FROM runbook_cases WHERE id = ANY($1) ORDER BY due_at, id");
        let list = format!(
            "SELECT {COLUMNS} FROM runbook_cases \
             WHERE ($1::text IS NULL OR state_kind = $1) AND ($2::text IS NULL OR id > $2) ORDER BY id LIMIT $3"
        );
        let save = "SELECT came, found FROM runbook_save($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
        let renew = "UPDATE runbook_cases SET leased_until = $3 \
            WHERE id = $1 AND lease_token = $2 AND leased_until IS NOT NULL";
        let release = "UPDATE runbook_cases SET leased_until = NULL WHERE id = $1 AND lease_token = $2";
        let history =
            "SELECT at, what, number, message FROM runbook_history WHERE case_id = $1 ORDER BY entry";
        let outcome = "SELECT EXISTS (SELECT FROM runbook_cases WHERE id = $1), \
            (SELECT what FROM runbook_history WHERE case_id = $1 AND what LIKE $2 ORDER BY entry LIMIT 1)";
        Ok(Self {
            insert: client.prepare("SELECT runbook_insert($1, $2, $3, $4, $5, $6, $7, $8)").await?,
            load: client.prepare(&load).await?,
            due: client.prepare(DUE).await?,
            renew: client.prepare(renew).await?,
            save: client.prepare(save).await?,
            release: client.prepare(release).await?,
            deliver: client.prepare("SELECT runbook_deliver($1, $2, $3)").await?,
            list: client.prepare(&list).await?,
            history: client.prepare(history).await?,
            outcome: client.prepare(outcome).await?,
        })
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}
