//! The platform's side: a subscriber that notes when each device was last seen, and the device registry.

use std::{
    collections::{HashMap, VecDeque},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use rumqttc::{AsyncClient, Event, EventLoop, Packet, QoS};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Deserialize;
use tokio::time::sleep;

use crate::{
    error::{Error, Result},
    gateway::health::Health,
    task::Task,
};

const REDIAL_AFTER: Duration = Duration::from_millis(300);
/// How many receipts of a device are kept.
const RECEIPTS_KEPT: usize = 8192;

/// A backend subscriber: it listens to the whole plant through the door, and goes by its own clock.
#[derive(Debug)]
pub struct Platform {
    seen: Arc<Mutex<Seen>>,
    _listen: Task,
}

#[derive(Debug, Default)]
struct Seen {
    devices: HashMap<String, Receipts>,
    heartbeats: HashMap<String, (DateTime<Utc>, Health)>,
    /// Whether it takes messages and stores nothing.
    stopped: bool,
}

/// What the platform reads of a sample.
#[derive(Deserialize)]
struct Sample {
    at: DateTime<Utc>,
}

/// When messages of one device were received.
#[derive(Clone, Debug, Default)]
pub struct Receipts {
    /// Each receipt that is kept, oldest first.
    pub at: VecDeque<DateTime<Utc>>,
    /// For each of them when the device made it, by its own clock, where the message says so.
    pub made: VecDeque<Option<DateTime<Utc>>>,
    /// From when on they are complete; none while all that ever came are kept.
    pub complete_from: Option<DateTime<Utc>>,
}

impl Receipts {
    fn enter(&mut self, at: DateTime<Utc>, made: Option<DateTime<Utc>>) {
        if self.at.len() == RECEIPTS_KEPT {
            self.at.pop_front();
            self.made.pop_front();
            self.complete_from = self.at.front().copied();
        }
        self.at.push_back(at);
        self.made.push_back(made);
    }
}

impl Platform {
    /// Starts listening.
    pub fn start(client: AsyncClient, events: EventLoop) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let listen = listen(client, events, Arc::clone(&seen));
        Self { seen, _listen: Task::spawn(listen) }
    }

    /// Stops storing what is received, as an ingestion does whose database is gone.
    pub fn stop_storing(&self) {
        lock(&self.seen).stopped = true;
    }

    /// Stores again what is received.
    pub fn store(&self) {
        lock(&self.seen).stopped = false;
    }

    /// When a message of this device was last received; none when there never was one.
    pub fn last_seen(&self, device: &str) -> Option<DateTime<Utc>> {
        lock(&self.seen).devices.get(device)?.at.back().copied()
    }

    /// The same question, for a task that outlives the borrow of the platform.
    pub fn hearing(&self, device: &str) -> impl Fn() -> Option<DateTime<Utc>> + Send + Sync + 'static {
        let (seen, device) = (Arc::clone(&self.seen), device.to_owned());
        move || lock(&seen).devices.get(&device)?.at.back().copied()
    }

    /// When messages of this device were received.
    pub fn receipts(&self, device: &str) -> Receipts {
        lock(&self.seen).devices.get(device).cloned().unwrap_or_default()
    }

    /// The last heartbeat of this gateway, and when it was received.
    pub fn last_heartbeat(&self, gateway: &str) -> Option<(DateTime<Utc>, Health)> {
        lock(&self.seen).heartbeats.get(gateway).cloned()
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn listen(client: AsyncClient, mut events: EventLoop, seen: Arc<Mutex<Seen>>) {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                // The session is clean each time. A full queue means that a subscription waits in it already.
                client.try_subscribe("plant/#", QoS::AtLeastOnce).ok();
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                note(&mut lock(&seen), &String::from_utf8_lossy(&publish.topic), &publish.payload);
            }
            Ok(_) => {}
            Err(_) => sleep(REDIAL_AFTER).await,
        }
    }
}

fn note(seen: &mut Seen, topic: &str, payload: &[u8]) {
    if seen.stopped {
        return;
    }
    let now = Utc::now();
    let mut levels = topic.split('/').skip(2);
    match (levels.next(), levels.next()) {
        (Some(device), Some("telemetry")) => {
            let made = serde_json::from_slice::<Sample>(payload).ok().map(|sample| sample.at);
            seen.devices.entry(device.to_owned()).or_default().enter(now, made);
        }
        (Some(gateway), Some("status")) => {
            if let Ok(health) = serde_json::from_slice(payload) {
                seen.heartbeats.insert(gateway.to_owned(), (now, health));
            }
        }
        _ => {}
    }
}

/// Whether a device is meant to be online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceState {
    /// It is.
    InService,
    /// Someone works on it.
    InMaintenance,
    /// It was taken out for good.
    Decommissioned,
    /// It was entered, and never got an identity.
    NeverProvisioned,
}

impl ServiceState {
    const ALL: [(Self, &str); 4] = [
        (Self::InService, "in service"),
        (Self::InMaintenance, "in maintenance"),
        (Self::Decommissioned, "decommissioned"),
        (Self::NeverProvisioned, "never provisioned"),
    ];

    fn text(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("", |(_, text)| text)
    }

    fn of(text: String) -> Result<Self> {
        let found = Self::ALL.iter().find(|(_, of)| *of == text);
        found.map(|(state, _)| *state).ok_or(Error::Unknown { kind: "service state", id: text })
    }
}

/// What the registry knows of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The device's id.
    pub device: String,
    /// Its site.
    pub site: String,
    /// The gateway that it is behind.
    pub gateway: String,
    /// Whether it has an MQTT session of its own; otherwise its gateway publishes for it.
    pub own_session: bool,
    /// Whether it is meant to be online.
    pub state: ServiceState,
}

/// The device registry, an SQLite database.
#[derive(Debug)]
pub struct Registry {
    database: Mutex<Connection>,
}

impl Registry {
    /// Opens the registry, and makes it if it is not there.
    ///
    /// # Errors
    /// When the file is no such database.
    pub fn open(path: &Path) -> Result<Self> {
        let database = Connection::open(path)?;
        database.execute_batch(
            "CREATE TABLE IF NOT EXISTS device (
                 id TEXT PRIMARY KEY,
                 site TEXT NOT NULL,
                 gateway TEXT NOT NULL,
                 own_session INTEGER NOT NULL,
                 state TEXT NOT NULL
             );
             CREATE TABLE IF NOT EXISTS state_change (
                 device TEXT NOT NULL,
                 at_us INTEGER NOT NULL,
                 state TEXT NOT NULL
             );
             CREATE TABLE IF NOT EXISTS follow_up (
                 device TEXT PRIMARY KEY,
                 at_us INTEGER NOT NULL
             )",
        )?;
        Ok(Self { database: Mutex::new(database) })
    }

    /// Enters a device, or changes what is known of it.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn enter(&self, device: &Registered) -> Result<()> {
        self.database().execute(
            "INSERT OR REPLACE INTO device VALUES (?1, ?2, ?3, ?4, ?5)",
            params![device.device, device.site, device.gateway, device.own_session, device.state.text()],
        )?;
        self.note_change(&device.device, device.state)
    }

    /// Sets whether a device is meant to be online.
    ///
    /// # Errors
    /// When the registry has no such device, or the database refuses.
    pub fn set_state(&self, device: &str, state: ServiceState) -> Result<()> {
        let changed = self
            .database()
            .execute("UPDATE device SET state = ?2 WHERE id = ?1", params![device, state.text()])?;
        if changed == 0 {
            return Err(Error::Unknown { kind: "device", id: device.to_owned() });
        }
        self.note_change(device, state)
    }

    /// Enters a device into the list of certificates to renew by hand. One that is in it already stays as it is.
    ///
    /// # Errors
    /// When the registry has no such device, or the database refuses.
    pub fn open_follow_up(&self, device: &str) -> Result<()> {
        if self.device(device)?.is_none() {
            return Err(Error::Unknown { kind: "device", id: device.to_owned() });
        }
        self.database().execute(
            "INSERT OR IGNORE INTO follow_up VALUES (?1, ?2)",
            params![device, Utc::now().timestamp_micros()],
        )?;
        Ok(())
    }

    /// The devices whose certificates are to be renewed by hand, the oldest entry first: each, and since when.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn follow_ups(&self) -> Result<Vec<(String, DateTime<Utc>)>> {
        let database = self.database();
        let mut query =
            database.prepare_cached("SELECT device, at_us FROM follow_up ORDER BY at_us, rowid")?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let entry = |row: rusqlite::Result<(String, i64)>| {
            let (device, at) = row?;
            Ok((device, DateTime::from_timestamp_micros(at).unwrap_or_default()))
        };
        rows.map(entry).collect()
    }

    fn note_change(&self, device: &str, state: ServiceState) -> Result<()> {
        self.database().execute(
            "INSERT INTO state_change VALUES (?1, ?2, ?3)",
            params![device, Utc::now().timestamp_micros(), state.text()],
        )?;
        Ok(())
    }

    /// Each entry of a device's state since the registry was made, oldest first: from when on, and which.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn history(&self, device: &str) -> Result<Vec<(DateTime<Utc>, ServiceState)>> {
        let database = self.database();
        let mut query = database.prepare_cached(
            "SELECT at_us, state FROM state_change WHERE device = ?1 ORDER BY at_us, rowid",
        )?;
        let rows = query.query_map([device], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (at, state) = row?;
            Ok((DateTime::from_timestamp_micros(at).unwrap_or_default(), ServiceState::of(state)?))
        })
        .collect()
    }

    /// What the registry knows of a device; none when it has no such device.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn device(&self, device: &str) -> Result<Option<Registered>> {
        let found = self
            .database()
            .query_row(
                "SELECT id, site, gateway, own_session, state FROM device WHERE id = ?1",
                [device],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get::<_, String>(4)?)),
            )
            .optional()?;
        let Some((device, site, gateway, own_session, state)) = found else {
            return Ok(None);
        };
        Ok(Some(Registered { device, site, gateway, own_session, state: ServiceState::of(state)? }))
    }

    /// The ids of the devices behind a gateway.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn behind(&self, gateway: &str) -> Result<Vec<String>> {
        let database = self.database();
        let mut query = database.prepare_cached("SELECT id FROM device WHERE gateway = ?1 ORDER BY id")?;
        let rows = query.query_map([gateway], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn database(&self) -> MutexGuard<'_, Connection> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn each_follow_up_is_entered_once() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(&folder.path().join("registry.db")).unwrap();
        let enter = |device: &str| {
            let (device, site, gateway) = (device.to_owned(), "north".to_owned(), "gw-north-1".to_owned());
            let state = ServiceState::InService;
            registry.enter(&Registered { device, site, gateway, own_session: true, state }).unwrap();
        };
        enter("press-1");
        enter("mill-1");
        let before = Utc::now() - TimeDelta::milliseconds(1);
        registry.open_follow_up("press-1").unwrap();
        let first = registry.follow_ups().unwrap();
        registry.open_follow_up("mill-1").unwrap();
        registry.open_follow_up("press-1").unwrap();
        let all = registry.follow_ups().unwrap();
        assert_eq!(all.iter().map(|(device, _)| &**device).collect::<Vec<_>>(), ["press-1", "mill-1"]);
        assert_eq!(all[0], first[0], "the first entry stays");
        assert!(all.iter().all(|(_, at)| before <= *at && *at <= Utc::now()));
        assert!(registry.open_follow_up("nobody").is_err());
        assert_eq!(registry.follow_ups().unwrap(), all);
    }

    #[test]
    fn the_registry_keeps_each_service_state() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(&folder.path().join("registry.db")).unwrap();
        for (state, _) in ServiceState::ALL {
            let entered = Registered {
                device: "press-1".to_owned(),
                site: "north".to_owned(),
                gateway: "gw-north-1".to_owned(),
                own_session: true,
                state,
            };
            registry.enter(&entered).unwrap();
            assert_eq!(registry.device("press-1").unwrap(), Some(entered));
        }
        let history = registry.history("press-1").unwrap();
        assert!(history.iter().map(|(_, state)| *state).eq(ServiceState::ALL.map(|(state, _)| state)));
        assert!(history.is_sorted_by_key(|(at, _)| *at));
        assert_eq!(registry.history("nobody").unwrap(), []);
        assert_eq!(registry.device("nobody").unwrap(), None);
        let unknown = registry.set_state("nobody", ServiceState::InService);
        assert!(matches!(unknown, Err(Error::Unknown { .. })));
    }
}
