//! The data pipeline: from a machine to a row in a table, in real parts, to lose data in.
//!
//! ```text
//!  machine ── OT network ── gateway ── uplink ── door ── broker ── bridge ── Kafka ── ingestion ── table
//!  (signal)                 (deadband, outbox)   (TLS)   (MQTT)              (mock)   (schema,     (SQLite)
//!     └──────────── its own session ────────────────┘                                  dedup)
//! ```
//!
//! Kafka is librdkafka's mock of the protocol, not Apache Kafka. Each part has a fault in it ([`loss`]); the gap is
//! [found](watch) in the table, and the runbook `data-gap` asks the parts through [`adapters`](crate::adapters).

pub mod bridge;
pub mod caretaker;
pub mod dedup;
pub mod edge;
pub mod ingestion;
pub mod kept;
pub mod loss;
pub mod machine;
pub mod message;
pub mod monitor;
pub mod outbox;
mod picture;
pub mod stream;
pub mod survey;
pub mod table;
pub mod watch;

use std::{fs, path::Path, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::gap::Cadence;
use tempfile::TempDir;

use self::{
    bridge::Bridge,
    caretaker::Caretaker,
    dedup::How,
    edge::{Edge, Reporting},
    ingestion::Ingestion,
    machine::{Machine, SAMPLED_EVERY, Signal},
    monitor::Monitor,
    stream::Stream,
    table::Table,
};
use crate::{
    broker::Broker,
    door::{Connections, Door},
    error::{Error, Result},
    factory::{MARKER, password},
    mqtt,
    network::{Link, Switch},
    pki::{Authority, Validity},
    platform::{Registered, Registry, ServiceState},
    wait,
};

/// The device.
pub const DEVICE: &str = "press-9";
/// Its gateway.
pub const GATEWAY: &str = "gw-east-1";
/// Its site.
pub const SITE: &str = "east";
/// The pipeline's id.
pub const PIPELINE: &str = "telemetry";

/// The sign of life that every device of the pipeline is registered with.
pub const HEARTBEAT: TimeDelta = TimeDelta::milliseconds(200);
/// So much longer than promised a silence may be.
const TOLERANCE: TimeDelta = TimeDelta::milliseconds(100);
/// The keep-alive of its MQTT clients, in seconds: the least that MQTT knows.
pub const KEEP_ALIVE: u16 = 1;
/// The deadband that its tags are commissioned with, in their unit.
const BAND: f64 = 0.5;
const BRIDGE: &str = "bridge";
/// How many rows a healthy pipeline has shown.
const ROWS_OF_HEALTH: usize = 4;

/// What the pipeline is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// The process that the machine measures.
    pub signal: Signal,
    /// Whether its tag has a deadband. Without, a sample is reported each [`HEARTBEAT`].
    pub deadband: bool,
    /// The ingestion's deduplication.
    pub dedup: How,
    /// Whether the ingestion reads committed records alone.
    pub reads_committed: bool,
}

impl Plan {
    /// A quiet process with a deadband, and deduplication by the library's engine.
    pub const QUIET: Self =
        Self { signal: Signal::Quiet, deadband: true, dedup: How::Engine, reads_committed: false };

    /// What scenario files play in: a sample is reported each [`HEARTBEAT`], and transactions matter.
    pub const SCENARIO: Self = Self { deadband: false, reads_committed: true, ..Self::QUIET };

    /// What the gateway is commissioned with.
    pub const fn reporting(self) -> Reporting {
        if self.deadband {
            Reporting::Deadband { band: BAND, heartbeat: HEARTBEAT }
        } else {
            Reporting::Every(HEARTBEAT)
        }
    }

    /// How often a row is promised: by the heartbeat and the sample period, or by the reporting period.
    pub const fn cadence(self) -> Cadence {
        let cadence = if self.deadband {
            Cadence::every(SAMPLED_EVERY).with_deadband().with_heartbeat(HEARTBEAT)
        } else {
            Cadence::every(HEARTBEAT)
        };
        cadence.with_tolerance(TOLERANCE)
    }
}

/// The running pipeline. When it is dropped, its folder is removed.
#[derive(Debug)]
pub struct Pipeline {
    plan: Plan,
    uplink: Switch,
    cable: Switch,
    machine: Machine,
    edge: Edge,
    bridge: Bridge,
    ingestion: Ingestion,
    monitor: Monitor,
    table: Arc<Table>,
    stream: Stream,
    registry: Registry,
    door: Door,
    broker: Broker,
    _links: [Link; 2],
    caretaker: Caretaker,
    folder: TempDir,
}

impl Pipeline {
    /// Starts a pipeline, and waits until rows come out at its end. `program` is the plant's own.
    ///
    /// # Errors
    /// When a part can't be started, or no row comes in time.
    pub async fn start(program: &Path, plan: Plan) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("plant-")
            .tempdir()
            .map_err(Error::io("making the pipeline's folder"))?;
        fs::write(folder.path().join(MARKER), "").map_err(Error::io("marking the pipeline's folder"))?;
        let caretaker = Caretaker::start(program, folder.path())?;
        let authority = Arc::new(Authority::new("plant authority")?);
        let connections = Connections::default();
        let broker = Broker::start(connections.clone()).await?;
        let door = Door::open(
            authority.issue("door", Validity::current())?,
            Arc::clone(&authority),
            connections,
            broker.address(),
        )
        .await?;
        let dial = |id: &str, address| {
            broker.admit(id, &password(id));
            let identity = authority.issue(id, Validity::current())?;
            mqtt::client_with(&identity, &password(id), authority.roots()?, address, KEEP_ALIVE)
        };

        let registry = Registry::open(&folder.path().join("registry.db"))?;
        registry.enter(&Registered {
            device: DEVICE.to_owned(),
            site: SITE.to_owned(),
            gateway: GATEWAY.to_owned(),
            own_session: true,
            state: ServiceState::InService,
        })?;
        let stream = Stream::start()?;
        let monitor = Monitor::start(&stream, plan.reads_committed)?;
        let table = Arc::new(Table::open(&folder.path().join("table.db"))?);
        let ingestion = Ingestion::start(&stream, Arc::clone(&table), plan.dedup, plan.reads_committed)?;

        broker.admit(BRIDGE, &password(BRIDGE));
        let (identity, roots) = (authority.issue(BRIDGE, Validity::current())?, authority.roots()?);
        let at_door = door.address();
        let dial_bridge =
            move || mqtt::client_with(&identity, &password(BRIDGE), roots.clone(), at_door, KEEP_ALIVE);
        let bridge = Bridge::start(Box::new(dial_bridge), stream.client())?;
        wait::until("the bridge's subscription", || async { bridge.counts().subscribed > 0 }).await?;

        let (uplink, cable, port) = (Switch::new(), Switch::new(), Switch::new());
        let device_link = Link::open(Some(at_door), vec![port.clone(), uplink.clone()]).await?;
        let gateway_link = Link::open(Some(at_door), vec![cable.clone(), uplink.clone()]).await?;
        let machine = Machine::start(plan.signal, port, dial(DEVICE, device_link.address())?).await?;
        let edge = Edge::start(
            DEVICE,
            mqtt::telemetry(SITE, DEVICE),
            machine.ot().address(),
            dial(GATEWAY, gateway_link.address())?,
            &folder.path().join("outbox.db"),
            plan.reporting(),
        )?;
        let pipeline = Self {
            plan,
            uplink,
            cable,
            machine,
            edge,
            bridge,
            ingestion,
            monitor,
            table,
            stream,
            registry,
            _links: [device_link, gateway_link],
            door,
            broker,
            caretaker,
            folder,
        };
        pipeline.flows().await?;
        Ok(pipeline)
    }

    /// Waits until the machine's session is up and rows come out at the end that were taken from now on.
    ///
    /// # Errors
    /// When that does not come in time.
    pub async fn flows(&self) -> Result<()> {
        let since = Utc::now();
        wait::until("rows of a healthy pipeline", || async {
            let rows = self.table.rows(DEVICE).unwrap_or_default();
            let fresh = rows.iter().filter(|row| row.at > since).count();
            // Logs begin with the first message: whatever is missing from now on must be after that.
            let first = rows.iter().map(|row| row.arrived).min();
            let is_logged = rows.last().is_some_and(|last| Some(last.at) > first);
            fresh >= ROWS_OF_HEALTH && is_logged && self.broker.session_since(DEVICE).is_some()
        })
        .await
    }

    /// Waits until the monitor of Kafka has sampled all up to `moment`, for two seconds at most.
    pub async fn settle(&self, moment: DateTime<Utc>) {
        let settled = || async { self.monitor.sampled_until().is_some_and(|at| at >= moment) };
        // What is not there by then is not covered, and says so.
        wait::until_within("the monitor", std::time::Duration::from_secs(2), settled).await.ok();
    }

    /// Stops everything, and removes the pipeline's folder.
    ///
    /// # Errors
    /// When a consumer does not end, or the folder can't be removed.
    pub async fn stop(self) -> Result<()> {
        self.ingestion.stop();
        wait::until("the end of the ingestion", || async { self.ingestion.consumers() == 0 }).await?;
        self.broker.stop();
        let Self { caretaker, folder, .. } = self;
        caretaker.stop().await?;
        folder.close().map_err(Error::io("removing the pipeline's folder"))
    }

    /// What it is made of.
    pub fn plan(&self) -> Plan {
        self.plan
    }

    /// The site's way to the platform.
    pub fn uplink(&self) -> &Switch {
        &self.uplink
    }

    /// The gateway's network cable.
    pub fn cable(&self) -> &Switch {
        &self.cable
    }

    /// The machine.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The gateway.
    pub fn edge(&self) -> &Edge {
        &self.edge
    }

    /// The door in front of the broker.
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// The MQTT broker.
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// The bridge.
    pub fn bridge(&self) -> &Bridge {
        &self.bridge
    }

    /// The Kafka protocol broker.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The device registry.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Who watches the topic.
    pub fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// The ingestion.
    pub fn ingestion(&self) -> &Ingestion {
        &self.ingestion
    }

    /// The time-series table.
    pub fn table(&self) -> &Table {
        &self.table
    }
}
