//! A plant in a JSON file: what the simulated adapters read, and where restarts are done.
//!
//! It takes the place of your registry, broker and gateways, so that the service runs alone. Edit the file while the service
//! runs: a change holds from the next question on.

mod probes;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::Subject;
use iot_runbook::probe::ServiceState;
use iot_runbook::time::{Clock as _, SystemClock};
use serde::{Deserialize, Serialize};

/// The plant. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Plant {
    file: PathBuf,
    /// As it was read last, and from which state of both files.
    latest: Arc<Mutex<Option<Read>>>,
}

type Read = (Version, Arc<Document>);

/// The length and the time of the last change of both files.
type Version = [Option<(u64, SystemTime)>; 2];

/// The file: names, and what is wrong with each. What is not written works.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Document {
    sites: BTreeMap<String, Site>,
    gateways: BTreeMap<String, Gateway>,
    devices: BTreeMap<String, Device>,
    /// How long a restart takes, in milliseconds.
    restart_takes_ms: u64,
    /// The restarts that were done. They are in a file of their own beside the plant's.
    #[serde(skip)]
    restarts: Vec<Restart>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Site {
    /// No way into the site answers.
    is_cut_off: bool,
    /// Whether its feed is live; `null`: nobody measures it, and a person is asked.
    power: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gateway {
    site: String,
    /// Its process does not run since then, until it is restarted.
    down_since: Option<DateTime<Utc>>,
    /// A restart does not help.
    #[serde(default)]
    is_broken: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Device {
    gateway: String,
    #[serde(default = "in_service")]
    service: ServiceState,
    /// It sends nothing since then, whatever its gateway does.
    silent_since: Option<DateTime<Utc>>,
    /// Whether its feed is live; `null`: nobody measures it, and a person is asked.
    power: Option<bool>,
    /// How often it means to publish; not known without.
    #[serde(default)]
    reports_every_seconds: u32,
}

/// A restart, as it is written: one line each.
#[derive(Debug, Deserialize, Serialize)]
struct Restart {
    key: String,
    gateway: String,
    at: DateTime<Utc>,
}

const fn in_service() -> ServiceState {
    ServiceState::InService
}

/// The plant's file, or what is written beside it, can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlantError {
    #[error("{file}: {source}; check the path and the permissions")]
    File { file: PathBuf, source: io::Error },
    #[error("{file}: {source}; see plant.json for the form")]
    Form { file: PathBuf, source: serde_json::Error },
    #[error("there is no gateway `{0}` in the plant")]
    NoSuchGateway(String),
}

impl Plant {
    /// The plant of that file.
    pub(crate) fn new(file: PathBuf) -> Self {
        Self { file, latest: Arc::default() }
    }

    /// Returns the plant as it is now. A file that has not changed is not read again.
    pub(crate) fn read(&self) -> Result<Arc<Document>, PlantError> {
        let restarts = self.restarts_file();
        let version = [&self.file, &restarts].map(|file| {
            let metadata = fs::metadata(file).ok()?;
            Some((metadata.len(), metadata.modified().ok()?))
        });
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, plant)) = latest.as_ref().filter(|(of, _)| *of == version) {
            return Ok(Arc::clone(plant));
        }
        let mut plant: Document = parse(&self.file, &read(&self.file)?)?;
        if restarts.exists() {
            let lines = read(&restarts)?;
            plant.restarts = lines.lines().map(|line| parse(&restarts, line)).collect::<Result<_, _>>()?;
        }
        let plant = Arc::new(plant);
        *latest = Some((version, Arc::clone(&plant)));
        Ok(plant)
    }

    /// Restarts a gateway. Yours calls the gateway's management here.
    pub(crate) async fn restart(&self, gateway: &str, key: &str) -> Result<(), PlantError> {
        let plant = self.read()?;
        if !plant.gateways.contains_key(gateway) {
            return Err(PlantError::NoSuchGateway(gateway.to_owned()));
        }
        // A restart takes its time before and after the point from which it can't be taken back.
        let half = Duration::from_millis(plant.restart_takes_ms / 2);
        tokio::time::sleep(half).await;
        let restart = Restart { key: key.to_owned(), gateway: gateway.to_owned(), at: SystemClock.now() };
        let file = self.restarts_file();
        let error = |source: io::Error| PlantError::File { file: file.clone(), source };
        let line = serde_json::to_string(&restart).map_err(|error_of| error(error_of.into()))?;
        let mut opened = OpenOptions::new().append(true).create(true).open(&file).map_err(error)?;
        // One write for the whole line: replicas append to the same file.
        opened.write_all(format!("{line}\n").as_bytes()).map_err(error)?;
        tokio::time::sleep(half).await;
        Ok(())
    }

    fn restarts_file(&self) -> PathBuf {
        let mut name = self.file.clone().into_os_string();
        name.push(".restarts");
        name.into()
    }
}

impl Document {
    /// Returns what is known of a device: its gateway and site. Yours asks the registry.
    pub(crate) fn subject(&self, device: &str) -> Subject {
        let subject = Subject::device(device);
        let Some(known) = self.devices.get(device) else { return subject };
        let every = TimeDelta::seconds(known.reports_every_seconds.into());
        let subject = subject.with_gateway(known.gateway.as_str()).with_gateway_session();
        let site = self.gateways.get(&known.gateway).map(|gateway| gateway.site.as_str());
        site.into_iter().fold(subject.with_reporting_interval(every), Subject::with_site)
    }

    /// Returns when a gateway was last restarted.
    pub(crate) fn restarted_at(&self, gateway: &str) -> Option<DateTime<Utc>> {
        let of = self.restarts.iter().filter(|restart| restart.gateway == gateway);
        of.map(|restart| restart.at).max()
    }

    /// Returns how many devices publish through a gateway now.
    pub(crate) fn live_behind(&self, gateway: &str) -> usize {
        let behind = self.devices.iter().filter(|(_, device)| device.gateway == gateway);
        behind.filter(|(name, _)| self.silent_since(name).is_none()).count()
    }

    /// Returns since when a gateway is down.
    fn down_since(&self, gateway: &str) -> Option<DateTime<Utc>> {
        let known = self.gateways.get(gateway)?;
        let down = known.down_since?;
        let is_up_again = !known.is_broken && self.restarted_at(gateway).is_some_and(|at| at >= down);
        (!is_up_again).then_some(down)
    }

    /// Returns since when nothing of a device arrives.
    fn silent_since(&self, device: &str) -> Option<DateTime<Utc>> {
        let known = self.devices.get(device)?;
        let down = self.down_since(&known.gateway);
        [known.silent_since, down].into_iter().flatten().min()
    }
}

fn read(file: &Path) -> Result<String, PlantError> {
    fs::read_to_string(file).map_err(|source| PlantError::File { file: file.to_owned(), source })
}

fn parse<T: for<'de> Deserialize<'de>>(file: &Path, text: &str) -> Result<T, PlantError> {
    serde_json::from_str(text).map_err(|source| PlantError::Form { file: file.to_owned(), source })
}
