//! A gateway's health, as it measures it itself.

use std::{
    collections::VecDeque,
    fmt,
    path::{Path, PathBuf},
    process,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sysinfo::{Disks, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::outbox;

/// How many entries of its MQTT log a gateway keeps.
pub const LOG_LENGTH: usize = 64;
const LOOK_AT_DISK_EVERY: Duration = Duration::from_secs(5);

/// What a gateway says of itself, in its heartbeats and at its health endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// Its id.
    pub gateway: String,
    /// The resident memory of its process, in bytes.
    pub memory_bytes: u64,
    /// How much it may use, in bytes; above that it dies.
    pub memory_budget: u64,
    /// The share of one processor that its process used lately, in percent; more than 100 with several threads.
    pub cpu_percent: f32,
    /// The free share of the disk that its outbox is on; none where the system does not tell.
    pub disk_free_share: Option<f64>,
    /// For how long it has been running.
    pub uptime_seconds: f64,
    /// Whether its MQTT session is up, as it sees it.
    pub mqtt_connected: bool,
    /// When it last published something; for a sample, when the broker had acknowledged it.
    pub last_publish: Option<DateTime<Utc>>,
    /// The numbers of its outbox.
    pub outbox: outbox::Numbers,
}

/// One entry of a gateway's MQTT log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// When, by the gateway's clock.
    pub at: DateTime<Utc>,
    /// What happened.
    pub what: LogKind,
}

/// What happened to a gateway's MQTT session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogKind {
    /// It came up.
    Connected,
    /// It ended, or did not come up, with this error.
    Disconnected(String),
    /// A message was published on this topic.
    Published(String),
}

/// A gateway's MQTT log, the last entries of it.
#[derive(Debug, Default)]
pub(super) struct MqttLog(Mutex<Session>);

#[derive(Debug, Default)]
struct Session {
    connected: bool,
    last_publish: Option<DateTime<Utc>>,
    entries: VecDeque<LogEntry>,
}

impl MqttLog {
    pub(super) fn connected(&self) {
        let mut session = self.session();
        session.connected = true;
        session.enter(LogKind::Connected);
    }

    pub(super) fn disconnected(&self, why: &str) {
        let mut session = self.session();
        session.connected = false;
        session.enter(LogKind::Disconnected(why.to_owned()));
    }

    pub(super) fn published(&self, topic: &str) {
        let mut session = self.session();
        session.last_publish = Some(session.enter(LogKind::Published(topic.to_owned())));
    }

    pub(super) fn is_connected(&self) -> bool {
        self.session().connected
    }

    pub(super) fn last_publish(&self) -> Option<DateTime<Utc>> {
        self.session().last_publish
    }

    pub(super) fn entries(&self) -> Vec<LogEntry> {
        self.session().entries.iter().cloned().collect()
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn enter(&mut self, what: LogKind) -> DateTime<Utc> {
        if self.entries.len() == LOG_LENGTH {
            self.entries.pop_front();
        }
        let at = Utc::now();
        self.entries.push_back(LogEntry { at, what });
        at
    }
}

/// Reads what the system says of this process.
pub(super) struct Meter {
    pid: Pid,
    started: Instant,
    folder: PathBuf,
    system: Mutex<System>,
    disk: Mutex<Option<(Instant, Option<f64>)>>,
}

impl Meter {
    /// A meter for this process, and for the disk that `folder` is on.
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            pid: Pid::from_u32(process::id()),
            started: Instant::now(),
            folder: folder.to_owned(),
            system: Mutex::new(System::new()),
            disk: Mutex::default(),
        }
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        self.measure(ProcessRefreshKind::nothing().with_memory(), |process| process.memory()).unwrap_or(0)
    }

    pub(super) fn cpu_percent(&self) -> f32 {
        self.measure(ProcessRefreshKind::nothing().with_cpu(), |process| process.cpu_usage()).unwrap_or(0.0)
    }

    pub(super) fn disk_free_share(&self) -> Option<f64> {
        let mut disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        match *disk {
            Some((at, share)) if at.elapsed() < LOOK_AT_DISK_EVERY => share,
            _ => {
                let share = free_share(&self.folder);
                *disk = Some((Instant::now(), share));
                share
            }
        }
    }

    pub(super) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    fn measure<T>(&self, kind: ProcessRefreshKind, read: impl Fn(&sysinfo::Process) -> T) -> Option<T> {
        let mut system = self.system.lock().unwrap_or_else(PoisonError::into_inner);
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[self.pid]), false, kind);
        system.process(self.pid).map(read)
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("pid", &self.pid).finish_non_exhaustive()
    }
}

/// The free share of the disk whose mount point is the longest that leads to `folder`.
fn free_share(folder: &Path) -> Option<f64> {
    let disks = Disks::new_with_refreshed_list();
    let disk = disks
        .iter()
        .filter(|disk| folder.starts_with(disk.mount_point()))
        .max_by_key(|disk| disk.mount_point().components().count())?;
    let total = disk.total_space();
    (total > 0).then(|| disk.available_space() as f64 / total as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_sees_its_own_memory_grow() {
        let meter = Meter::new(Path::new("/"));
        let before = meter.memory_bytes();
        assert!(before > 0);
        let ballast = vec![1_u8; 64 << 20];
        let after = meter.memory_bytes();
        assert!(after > before + (32 << 20), "{before} to {after} with {}", ballast.len());
    }

    #[test]
    fn mqtt_log_is_bounded_with_last_publish() {
        let log = MqttLog::default();
        assert_eq!(log.last_publish(), None);
        log.connected();
        for _ in 0..2 * LOG_LENGTH {
            log.published("plant/north/gw/status");
        }
        assert_eq!(log.entries().len(), LOG_LENGTH);
        assert_eq!(log.last_publish(), log.entries().last().map(|entry| entry.at));
        log.disconnected("gone");
        assert!(!log.is_connected());
    }
}
