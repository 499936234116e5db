use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::case::{
    AfterSave, Case, CaseList, CaseStore, DamagedCase, Filter, Happened, HistoryEntry, Lease, Leased,
    Message, NewCase, Outcome, Save, State, StoreError,
};
use iot_runbook::diagnosis::{DiagnosisId, DiagnosisIdError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;

use crate::PostgresCases;
use crate::connection::Connected;

/// After how long a case is tried again that can't be read.
const STUCK_FOR: TimeDelta = TimeDelta::minutes(5);
/// With what the entry of a handled message begins in the history, before its number. The entries are text: they are found
/// without being read, so that a damaged one is in nobody's way.
const HANDLED: &str = "{\"handled\":{\"number\":";

#[async_trait]
impl CaseStore for PostgresCases {
    async fn insert(&self, case: NewCase, now: DateTime<Utc>) -> Result<(), StoreError> {
        let id = case.opening.diagnosis;
        let (opening, saved) = (write(id, &case.opening)?, write(id, &case.increment.to)?);
        let records = write_all(id, &case.increment.records)?;
        let (state, happened) = (write(id, &State::Ready)?, write(id, &Happened::Inserted)?);
        let kind = State::Ready.kind().name();
        let connected = self.connected().await?;
        let inserted = connected
            .client
            .query_one(
                &connected.statements.insert,
                &[&id.to_string(), &opening, &saved, &records, &state, &kind, &now, &happened],
            )
            .await
            .map_err(|error| StoreError::unavailable("insert a case", error))?;
        if inserted.get(0) { Ok(()) } else { Err(StoreError::AlreadyThere(id)) }
    }

    async fn load(&self, id: DiagnosisId) -> Result<Option<Case>, StoreError> {
        let connected = self.connected().await?;
        let loaded = connected.client.query_opt(&connected.statements.load, &[&vec![id.to_string()]]).await;
        let row = loaded.map_err(|error| StoreError::unavailable("load a case", error))?;
        row.map(|row| read_case(&row)).transpose()
    }

    async fn due(
        &self,
        worker: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<Leased>, StoreError> {
        let connected = self.connected().await?;
        let (client, statements) = (&connected.client, &connected.statements);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // The name is for people who read the table; PostgreSQL has no NUL in texts.
        let worker = worker.replace('\0', "");
        let leased = client.query(&statements.due, &[&now, &until, &limit, &worker]).await;
        let leased = leased.map_err(|error| StoreError::unavailable("lease due cases", error))?;
        let tokens: HashMap<String, i64> = leased.iter().map(|row| (row.get(0), row.get(1))).collect();
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<&String> = tokens.keys().collect();
        let rows = client.query(&statements.load, &[&ids]).await;
        let rows = rows.map_err(|error| StoreError::unavailable("load leased cases", error))?;
        let mut readable = Vec::new();
        for row in &rows {
            let Some(token) = tokens.get(row.get::<_, &str>("id")) else { continue };
            match read_case(row) {
                Ok(case) => {
                    readable.push(Leased::new(Lease::new(case.id(), token.unsigned_abs()), case));
                }
                // It does not keep the others. Where it can't be set aside now, its lease expires and it is tried again.
                Err(damaged) => drop(set_aside(&connected, row, *token, &damaged, now).await),
            }
        }
        Ok(readable)
    }

    async fn renew(&self, lease: &Lease, until: DateTime<Utc>) -> Result<(), StoreError> {
        let connected = self.connected().await?;
        let renewed = connected
            .client
            .execute(&connected.statements.renew, &[&lease.case.to_string(), &whole(lease.token), &until])
            .await
            .map_err(|error| StoreError::unavailable("renew a lease", error))?;
        if renewed > 0 { Ok(()) } else { Err(StoreError::LeaseLost(lease.case)) }
    }

    async fn save(&self, lease: &Lease, save: Save, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let id = lease.case;
        let version = save.version.saturating_add(1);
        let kind = save.state.kind();
        let mut happened = Vec::new();
        for (number, outcome) in save.outcomes {
            happened.push(write(id, &Happened::Handled { number, outcome })?);
        }
        let records = save.increment.to.records;
        happened.push(write(id, &Happened::Saved { version, state: kind, records })?);
        let (saved, state) = (write(id, &save.increment.to)?, write(id, &save.state)?);
        let records = write_all(id, &save.increment.records)?;
        let hold_until = match save.then {
            AfterSave::HoldUntil(until) => Some(until),
            AfterSave::Release => None,
        };
        let connected = self.connected().await?;
        let row = connected
            .client
            .query_one(
                &connected.statements.save,
                &[
                    &id.to_string(),
                    &whole(lease.token),
                    &whole(save.version),
                    &whole(save.increment.from),
                    &saved,
                    &records,
                    &state,
                    &kind.name(),
                    &save.due_at,
                    &whole(save.seen),
                    &whole(save.taken),
                    &happened,
                    &hold_until,
                    &now,
                ],
            )
            .await
            .map_err(|error| StoreError::unavailable("save a case", error))?;
        let found = row.get::<_, i64>(1).unsigned_abs();
        match row.get(0) {
            "saved" => Ok(version),
            "conflict" => Err(StoreError::Conflict { case: id, expected: save.version, found }),
            _ => Err(StoreError::LeaseLost(id)),
        }
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let connected = self.connected().await?;
        let released = connected
            .client
            .execute(&connected.statements.release, &[&lease.case.to_string(), &whole(lease.token)])
            .await;
        released.map(drop).map_err(|error| StoreError::unavailable("give a lease back", error))
    }

    async fn deliver(
        &self,
        id: DiagnosisId,
        message: Message,
        now: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        let message = write(id, &message)?;
        let connected = self.connected().await?;
        let row = connected
            .client
            .query_one(&connected.statements.deliver, &[&id.to_string(), &message, &now])
            .await
            .map_err(|error| StoreError::unavailable("deliver a message", error))?;
        match row.get::<_, Option<i64>>(0) {
            None => Err(StoreError::NoSuchCase(id)),
            Some(0) => Err(StoreError::Ended(id)),
            Some(number) => Ok(number.unsigned_abs()),
        }
    }

    async fn list(&self, filter: &Filter, limit: usize) -> Result<CaseList, StoreError> {
        let connected = self.connected().await?;
        let (state, after) = (filter.state.map(|state| state.name()), filter.after.map(|id| id.to_string()));
        // One more, to know whether there is a next page.
        let more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let rows = connected.client.query(&connected.statements.list, &[&state, &after, &more]).await;
        let rows = rows.map_err(|error| StoreError::unavailable("list cases", error))?;
        let mut list = CaseList::default();
        for row in rows.iter().take(limit) {
            let id = read_id(row.get("id"))?;
            list.next = Some(id).filter(|_| rows.len() > limit);
            match read_case(row) {
                Ok(case) => list.cases.push(case),
                Err(StoreError::Damaged { why, .. }) => list.damaged.push(DamagedCase::new(id, why)),
                Err(error) => return Err(error),
            }
        }
        Ok(list)
    }

    async fn history(&self, id: DiagnosisId) -> Result<Vec<HistoryEntry>, StoreError> {
        let connected = self.connected().await?;
        let rows = connected.client.query(&connected.statements.history, &[&id.to_string()]).await;
        let rows = rows.map_err(|error| StoreError::unavailable("read the history of a case", error))?;
        // A case has at least the entry of its insertion.
        if rows.is_empty() {
            return Err(StoreError::NoSuchCase(id));
        }
        let entries = rows.iter().map(|row| {
            let id = id.to_string();
            let what = match row.get::<_, Option<&str>>(1) {
                Some(what) => read(&id, what)?,
                None => Happened::Delivered {
                    number: row.get::<_, i64>(2).unsigned_abs(),
                    message: read(&id, row.get(3))?,
                },
            };
            Ok(HistoryEntry::new(row.get(0), what))
        });
        entries.collect()
    }

    async fn outcome(&self, id: DiagnosisId, message: u64) -> Result<Option<Outcome>, StoreError> {
        let connected = self.connected().await?;
        let handled = format!("{HANDLED}{message},%");
        let row =
            connected.client.query_one(&connected.statements.outcome, &[&id.to_string(), &handled]).await;
        let row = row.map_err(|error| StoreError::unavailable("look up the outcome of a message", error))?;
        if !row.get::<_, bool>(0) {
            return Err(StoreError::NoSuchCase(id));
        }
        let Some(what) = row.get::<_, Option<&str>>(1) else { return Ok(None) };
        match read(&id.to_string(), what)? {
            Happened::Handled { outcome, .. } => Ok(Some(outcome)),
            _ => Ok(None),
        }
    }
}

/// Makes a case stuck that can't be read, so that it shows where people look and is not leased for nothing, again and again.
/// Its messages stay.
async fn set_aside(
    connected: &Connected,
    row: &Row,
    token: i64,
    damaged: &StoreError,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let id: &str = row.get("id");
    let case = read_id(id)?;
    let version: i64 = row.get("version");
    let records = row.get::<_, Vec<&str>>("records").len() as u64;
    let state = State::Stuck { why: damaged.to_string() };
    let kind = state.kind();
    let saved = Happened::Saved { version: version.unsigned_abs().saturating_add(1), state: kind, records };
    let (state, happened) = (write(case, &state)?, vec![write(case, &saved)?]);
    let due = now.checked_add_signed(STUCK_FOR);
    let nothing: Vec<String> = Vec::new();
    let set_aside = connected
        .client
        .query_one(
            &connected.statements.save,
            &[
                &id,
                &token,
                &version,
                &whole(records),
                &row.get::<_, &str>("saved"),
                &nothing,
                &state,
                &kind.name(),
                &due,
                &i64::MAX,
                &0_i64,
                &happened,
                &None::<DateTime<Utc>>,
                &now,
            ],
        )
        .await;
    set_aside.map(drop).map_err(|error| StoreError::unavailable("set a damaged case aside", error))
}

fn read_case(row: &Row) -> Result<Case, StoreError> {
    let id: &str = row.get("id");
    let records: Vec<&str> = row.get("records");
    let records = records.into_iter().map(|text| read(id, text)).collect::<Result<_, _>>()?;
    let (numbers, messages): (Vec<i64>, Vec<&str>) = (row.get("numbers"), row.get("messages"));
    let inbox = numbers.into_iter().zip(messages);
    let inbox = inbox.map(|(number, text)| Ok((number.unsigned_abs(), read(id, text)?)));
    let inbox = inbox.collect::<Result<_, StoreError>>()?;
    let (opening, saved) = (read(id, row.get("opening"))?, read(id, row.get("saved"))?);
    let case = Case::new(opening, saved, records, read(id, row.get("state"))?);
    let version = row.get::<_, i64>("version").unsigned_abs();
    Ok(case.with_due_at(row.get("due_at")).with_version(version).with_inbox(inbox))
}

fn read_id(id: &str) -> Result<DiagnosisId, StoreError> {
    id.parse().map_err(|error: DiagnosisIdError| StoreError::Damaged {
        case: id.to_owned(),
        why: error.to_string(),
    })
}

fn write(id: DiagnosisId, value: &impl Serialize) -> Result<String, StoreError> {
    let written = serde_json::to_string(value);
    written.map_err(|error| StoreError::Unwritable { case: id, why: error.to_string() })
}

fn write_all(id: DiagnosisId, values: &[impl Serialize]) -> Result<Vec<String>, StoreError> {
    values.iter().map(|value| write(id, value)).collect()
}

fn read<T: DeserializeOwned>(id: &str, text: &str) -> Result<T, StoreError> {
    let read = serde_json::from_str(text);
    read.map_err(|error| StoreError::Damaged { case: id.to_owned(), why: error.to_string() })
}

/// A number that PostgreSQL has: what is larger is that of no case.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
