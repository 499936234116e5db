//! What the service keeps beside the cases: the latest case of each device, and the journal of acts.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::case::StoreError;
use iot_runbook::diagnosis::{
    ActKey, ActOutcome, ActQuota, ActReport, ActRequest, ApprovalRequest, DiagnosisId,
};
use tokio::sync::Mutex;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Row};

const TABLES: &str = include_str!("../migrations/service.sql");

/// One connection, which is made again when it was lost.
pub(crate) struct Database {
    config: Config,
    client: Mutex<Option<Arc<Client>>>,
}

/// The case of a device.
pub(crate) struct DeviceCase {
    pub(crate) id: DiagnosisId,
    /// False: whoever claimed it has not inserted it yet, or stopped before.
    pub(crate) is_stored: bool,
}

/// What to do about an act.
pub(crate) enum Begun {
    /// Do it.
    First,
    /// It was begun then, and nobody knows how far it went: find out, and do it if it was not done.
    Again { since: DateTime<Utc> },
    /// Somebody does it now: ask again.
    UnderWay,
    /// It was done before.
    Reported(ActReport),
    /// It was done for that case a moment ago.
    Shared { report: ActReport, of: String },
    /// So many were begun at its site that it is not done; there is room again then. `None`: no act of that kind is done.
    Limited { free_at: Option<DateTime<Utc>> },
}

/// The times and numbers by which an act begins.
pub(crate) struct ActRules {
    /// An act without a report is taken for abandoned after this.
    pub(crate) abandoned_after: Duration,
    /// A report is shared with other cases for so long.
    pub(crate) shared_for: Duration,
    /// How many acts of one kind may begin at one site within `within`.
    pub(crate) most: usize,
    pub(crate) within: Duration,
}

type Param<'a> = (&'a (dyn ToSql + Sync), Type);

impl Database {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, client: Mutex::new(None) }
    }

    /// Makes the tables and functions. Any number of replicas may do so at once.
    pub(crate) async fn migrate(&self) -> Result<(), StoreError> {
        let batch = format!("BEGIN; SELECT pg_advisory_xact_lock(7404110803); {TABLES} COMMIT;");
        let client = self.client().await?;
        let migrated = client.batch_execute(&batch).await;
        if migrated.is_err() {
            // The connection is in a transaction that has failed.
            *self.client.lock().await = None;
        }
        migrated.map_err(|error| StoreError::unavailable("make the tables of the service", error))
    }

    /// Returns when the database answers.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        self.query("ask whether it is there", "SELECT 1", &[]).await.map(drop)
    }

    /// Returns how many cases are in each state.
    pub(crate) async fn count_cases(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let sql = "SELECT state_kind, count(*) FROM runbook_cases GROUP BY state_kind";
        let rows = self.query("count the cases", sql, &[]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// Returns the case for an alert that was raised at `alert_at`: `new`, or the one that the device has.
    pub(crate) async fn claim_device(
        &self,
        runbook: &str,
        device: &str,
        new: DiagnosisId,
        alert_at: DateTime<Utc>,
    ) -> Result<DeviceCase, StoreError> {
        let params: [Param<'_>; 4] = [
            (&runbook, Type::TEXT),
            (&device, Type::TEXT),
            (&new.to_string(), Type::TEXT),
            (&alert_at, Type::TIMESTAMPTZ),
        ];
        let sql = "SELECT id, is_stored FROM service_claim_device($1, $2, $3, $4)";
        let row = self.query_one("find the case of a device", sql, &params).await?;
        Ok(DeviceCase { id: read_id(row.get(0))?, is_stored: row.get(1) })
    }

    /// Returns the latest case of a device.
    pub(crate) async fn case_of(
        &self,
        runbook: &str,
        device: &str,
    ) -> Result<Option<DiagnosisId>, StoreError> {
        let sql = "SELECT case_id FROM service_devices WHERE runbook = $1 AND device = $2";
        let params: [Param<'_>; 2] = [(&runbook, Type::TEXT), (&device, Type::TEXT)];
        let rows = self.query("find the case of a device", sql, &params).await?;
        rows.first().map(|row| read_id(row.get(0))).transpose()
    }

    /// Returns the cases that ask an approval for that act now.
    pub(crate) async fn cases_asking(&self, act: &ActKey) -> Result<Vec<DiagnosisId>, StoreError> {
        let act = format!("{}/{}/{}", act.action, act.scope, act.target);
        let sql = "SELECT id FROM runbook_cases WHERE state_kind = 'asking' AND service_act_asked(state) = $1 ORDER BY id";
        let rows = self.query("find the cases that ask for an act", sql, &[(&act, Type::TEXT)]).await?;
        rows.iter().map(|row| read_id(row.get(0))).collect()
    }

    /// Says what to do about an act, and notes that `replica` does it where it is to do it.
    pub(crate) async fn begin_act(
        &self,
        act: &ActRequest,
        replica: &str,
        rules: &ActRules,
    ) -> Result<Begun, StoreError> {
        let lengths = [rules.abandoned_after, rules.shared_for, rules.within];
        let [abandoned_after, shared_for, within] = lengths.map(|length| length.as_secs_f64());
        let most = i64::try_from(rules.most).unwrap_or(i64::MAX);
        let site = act.subject().site.as_ref().map(|site| site.as_str());
        let params: [Param<'_>; 10] = [
            (&act.idempotency_key(), Type::TEXT),
            (&act.action(), Type::TEXT),
            (&act.target().unwrap_or_default(), Type::TEXT),
            (&site, Type::TEXT),
            (&act.incident(), Type::TEXT),
            (&replica, Type::TEXT),
            (&abandoned_after, Type::FLOAT8),
            (&shared_for, Type::FLOAT8),
            (&most, Type::INT8),
            (&within, Type::FLOAT8),
        ];
        let sql = "SELECT what, since, known, whose FROM service_begin_act($1, $2, $3, $4, $5, $6, \
            make_interval(secs => $7), make_interval(secs => $8), $9, make_interval(secs => $10))";
        let row = self.query_one("begin an act", sql, &params).await?;
        Ok(match row.get(0) {
            "begin" => Begun::First,
            "again" => Begun::Again { since: row.get(1) },
            "reported" => Begun::Reported(read_report(act, row.get(2))?),
            "shared" => Begun::Shared { report: read_report(act, row.get(2))?, of: row.get(3) },
            "limited" => Begun::Limited { free_at: row.get(1) },
            _ => Begun::UnderWay,
        })
    }

    /// Returns how much of the limit is used that an act would count for, by all replicas together; `None` where it would
    /// not count.
    pub(crate) async fn quota(
        &self,
        act: &ApprovalRequest,
        rules: &ActRules,
    ) -> Result<Option<ActQuota>, StoreError> {
        let lengths = [rules.abandoned_after, rules.shared_for, rules.within];
        let [abandoned_after, shared_for, within] = lengths.map(|length| length.as_secs_f64());
        let site = act.subject().site.as_ref();
        let params: [Param<'_>; 7] = [
            (&act.idempotency_key(), Type::TEXT),
            (&act.action(), Type::TEXT),
            (&act.target().unwrap_or_default(), Type::TEXT),
            (&site.map(|site| site.as_str()), Type::TEXT),
            (&abandoned_after, Type::FLOAT8),
            (&shared_for, Type::FLOAT8),
            (&within, Type::FLOAT8),
        ];
        let sql = "SELECT used, at FROM service_acts_used($1, $2, $3, $4, make_interval(secs => $5), \
            make_interval(secs => $6), make_interval(secs => $7))";
        let rows = self.query("look up the limit of an act", sql, &params).await?;
        Ok(rows.first().map(|row| {
            let within = TimeDelta::from_std(rules.within).unwrap_or(TimeDelta::MAX);
            ActQuota::new(act.action(), site.cloned(), rules.most, within, row.get(1)).with_used(row.get(0))
        }))
    }

    /// Keeps the report of an act: it is not done again.
    pub(crate) async fn report_act(&self, act: &ActRequest, report: &ActReport) -> Result<(), StoreError> {
        let text = serde_json::to_string(report);
        let text =
            text.map_err(|error| StoreError::Unwritable { case: act.diagnosis(), why: error.to_string() })?;
        let params: [Param<'_>; 4] = [
            (&act.idempotency_key(), Type::TEXT),
            (&text, Type::TEXT),
            (&(report.outcome == ActOutcome::Done), Type::BOOL),
            (&(report.outcome != ActOutcome::Refused), Type::BOOL),
        ];
        let sql = "UPDATE service_acts SET report = $2, is_done = $3, counts = counts AND $4, \
            reported_at = clock_timestamp() WHERE key = $1 AND report IS NULL";
        self.query("keep the report of an act", sql, &params).await.map(drop)
    }

    async fn query_one(&self, what: &str, sql: &str, params: &[Param<'_>]) -> Result<Row, StoreError> {
        let row = self.query(what, sql, params).await?.into_iter().next();
        row.ok_or_else(|| StoreError::Unavailable { what: format!("{what}: no row"), source: None })
    }

    async fn query(&self, what: &str, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, StoreError> {
        let client = self.client().await?;
        client.query_typed(sql, params).await.map_err(|error| StoreError::unavailable(what, error))
    }

    async fn client(&self) -> Result<Arc<Client>, StoreError> {
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
}

fn read_id(text: &str) -> Result<DiagnosisId, StoreError> {
    text.parse().map_err(|error| damaged(text, &error))
}

fn read_report(act: &ActRequest, text: &str) -> Result<ActReport, StoreError> {
    serde_json::from_str(text).map_err(|error| damaged(&act.diagnosis().to_string(), &error))
}

fn damaged(case: &str, error: &dyn std::error::Error) -> StoreError {
    StoreError::Damaged { case: case.to_owned(), why: error.to_string() }
}
