//! A gateway: a process of its own, with its own certificate and MQTT session.
//!
//! It polls the field devices that can't speak MQTT and forwards their samples through an outbox on disk; it relays
//! the sessions of those that can; it beats on `plant/SITE/GATEWAY/status`, and answers questions at a health
//! endpoint. It takes orders from its supervisor on standard input, and ends when that pipe does: a gateway never
//! outlives the plant.

pub mod endpoint;
pub mod field;
pub mod health;
pub mod outbox;

use std::{
    collections::HashMap,
    fs,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use rumqttc::{AsyncClient, Event, EventLoop, Packet, PublishOptions};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, BufReader, copy_bidirectional, stdin},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{interval, sleep, timeout},
};

use self::{
    field::{FieldDevice, Polls},
    health::{Meter, MqttLog},
    outbox::Outbox,
};
use crate::{
    error::{Error, Result},
    line, mqtt,
    network::listen,
    pki::{self, Identity},
    task::Task,
};

/// The exit code of a gateway that went over its memory budget, as a container runtime reports an OOM kill.
pub const EXIT_OUT_OF_MEMORY: u8 = 137;

const HEARTBEAT_EVERY: Duration = Duration::from_millis(400);
const POLL_EVERY: Duration = Duration::from_millis(300);
const SEND_EVERY: Duration = Duration::from_millis(50);
const SEND_AT_MOST: u32 = 32;
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(2);
const REDIAL_AFTER: Duration = Duration::from_millis(300);
const WATCH_MEMORY_EVERY: Duration = Duration::from_millis(50);
const LEAK_EVERY: Duration = Duration::from_millis(10);
const LEAK_BYTES: usize = 8 << 20;

/// What a gateway is started with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// Its id, and the common name in its certificate.
    pub id: String,
    /// Its site.
    pub site: String,
    /// The plant's folder, which an orphaned gateway clears away.
    pub plant: PathBuf,
    /// The outbox's file.
    pub outbox: PathBuf,
    /// Its certificate, in DER.
    pub certificate: PathBuf,
    /// Its private key, PKCS#8 in DER.
    pub key: PathBuf,
    /// The certificate of the authority that it trusts, in DER.
    pub authority: PathBuf,
    /// Its password at the broker.
    pub password: String,
    /// Its way to the door.
    pub door: SocketAddr,
    /// How much memory it may use, in bytes.
    pub memory_budget: u64,
    /// The devices behind it.
    pub devices: Vec<FieldDevice>,
}

/// What a gateway says on standard output once it serves.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Ready {
    /// Where its health endpoint listens.
    pub health: SocketAddr,
    /// Where it relays the sessions of its devices.
    pub relay: SocketAddr,
}

/// An order on a gateway's standard input, one a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// End in good order.
    Stop,
    /// Stop publishing, while the session stays up: what a hung MQTT client does.
    Stall,
    /// Publish again.
    Resume,
    /// Allocate without end.
    Leak,
}

impl Order {
    const ALL: [(Self, &str); 4] =
        [(Self::Stop, "stop"), (Self::Stall, "stall"), (Self::Resume, "resume"), (Self::Leak, "leak")];

    /// The line that gives this order.
    pub fn text(self) -> &'static str {
        Self::ALL.iter().find(|(order, _)| *order == self).map_or("", |(_, text)| text)
    }

    fn parse(line: &str) -> Option<Self> {
        let (order, _) = Self::ALL.iter().find(|(_, text)| *text == line)?;
        Some(*order)
    }
}

/// How a gateway's run ended, other than by an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Told to, or orphaned.
    Stopped,
    /// Over its memory budget.
    OutOfMemory,
}

/// Runs the gateway that the file at `config` describes, until it is told to stop.
///
/// # Errors
/// When its files can't be used, or a port is not to be had.
pub async fn run(config: &Path) -> Result<Ended> {
    let config = fs::read(config).map_err(Error::io("reading the gateway's configuration"))?;
    let config: Config = serde_json::from_slice(&config)?;
    let identity = Identity::from_der(
        fs::read(&config.certificate).map_err(Error::io("reading the gateway's certificate"))?,
        fs::read(&config.key).map_err(Error::io("reading the gateway's key"))?,
    )?;
    let authority = fs::read(&config.authority).map_err(Error::io("reading the authority's certificate"))?;
    let roots = pki::roots_of(authority.into())?;
    let (client, events) = mqtt::client(&identity, &config.password, roots, config.door)?;
    let gateway = Arc::new(Gateway {
        outbox: Outbox::open(&config.outbox)?,
        meter: Meter::new(&config.plant),
        mqtt_log: MqttLog::default(),
        stalled: AtomicBool::new(false),
        polls: Mutex::default(),
        started: Utc::now(),
        client,
        config,
    });
    gateway.serve(events).await
}

/// A running gateway, seen from inside its process.
struct Gateway {
    config: Config,
    client: AsyncClient,
    outbox: Outbox,
    meter: Meter,
    mqtt_log: MqttLog,
    stalled: AtomicBool,
    polls: Mutex<HashMap<String, Polls>>,
    /// Its counters begin then.
    started: DateTime<Utc>,
}

impl Gateway {
    async fn serve(self: Arc<Self>, events: EventLoop) -> Result<Ended> {
        let asked = Arc::clone(&self);
        let health = line::Server::start(move |question| {
            let gateway = Arc::clone(&asked);
            async move { Some(endpoint::answer(&gateway, &question).await) }
        })
        .await?;
        let relay = listen().await?;
        let ready = Ready {
            health: health.address(),
            relay: relay.local_addr().map_err(Error::io("reading the relay's address"))?,
        };
        let mut tasks = vec![
            Task::spawn(Arc::clone(&self).converse(events)),
            Task::spawn(Arc::clone(&self).beat()),
            Task::spawn(Arc::clone(&self).forward()),
            Task::spawn(Arc::clone(&self).relay(relay)),
        ];
        for device in self.config.devices.iter().filter(|device| device.polled) {
            let poll = Arc::clone(&self).poll(device.clone());
            tasks.push(Task::spawn(poll));
        }
        announce(&ready)?;
        tokio::select! {
            () = self.obey(&mut tasks) => Ok(Ended::Stopped),
            () = self.watch_memory() => Ok(Ended::OutOfMemory),
        }
    }

    /// Takes orders until told to stop, or until nobody is left to give any.
    async fn obey(&self, tasks: &mut Vec<Task>) {
        let mut orders = BufReader::new(stdin()).lines();
        while let Ok(Some(line)) = orders.next_line().await {
            match Order::parse(&line) {
                Some(Order::Stop) => {
                    if self.client.try_disconnect().is_ok() {
                        sleep(SEND_EVERY).await;
                    }
                    return;
                }
                Some(Order::Stall) => self.stalled.store(true, Ordering::SeqCst),
                Some(Order::Resume) => self.stalled.store(false, Ordering::SeqCst),
                Some(Order::Leak) => tasks.push(Task::spawn(leak())),
                None => {}
            }
        }
        // The pipe ended without an order: the plant was killed, and there is nobody else to clear up.
        if self.config.plant.join(crate::factory::MARKER).exists() {
            fs::remove_dir_all(&self.config.plant).ok();
        }
    }

    /// Returns once the process is over its memory budget.
    async fn watch_memory(&self) {
        let mut look = interval(WATCH_MEMORY_EVERY);
        loop {
            look.tick().await;
            if self.meter.memory_bytes() > self.config.memory_budget {
                return;
            }
        }
    }

    /// Keeps the MQTT session up.
    async fn converse(self: Arc<Self>, mut events: EventLoop) {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => self.mqtt_log.connected(),
                Ok(_) => {}
                Err(error) => {
                    self.mqtt_log.disconnected(&error.to_string());
                    sleep(REDIAL_AFTER).await;
                }
            }
        }
    }

    async fn beat(self: Arc<Self>) {
        let topic = mqtt::status(&self.config.site, &self.config.id);
        let mut beat = interval(HEARTBEAT_EVERY);
        loop {
            beat.tick().await;
            if !self.may_publish() {
                continue;
            }
            let Ok(payload) = self.health().and_then(|health| Ok(serde_json::to_vec(&health)?)) else {
                continue;
            };
            // A beat that finds the queue full is late already; the next one says more.
            let queued = self.client.try_publish(topic.clone(), payload, PublishOptions::at_most_once());
            if queued.is_ok() {
                self.mqtt_log.published(&topic);
            }
        }
    }

    /// Sends what is in the outbox, oldest first; a row goes only when the broker has acknowledged it.
    async fn forward(self: Arc<Self>) {
        loop {
            sleep(SEND_EVERY).await;
            if self.may_publish() {
                // What was not sent stays in the outbox and is tried again.
                self.send_some().await.ok();
            }
        }
    }

    async fn send_some(&self) -> Result<()> {
        let mut notices = Vec::new();
        for message in self.outbox.oldest(SEND_AT_MOST)? {
            let notice = self
                .client
                .publish_tracked(message.topic.clone(), message.payload, PublishOptions::at_least_once())
                .await
                .map_err(|error| Error::Mqtt(error.to_string()))?;
            notices.push((message.row, message.topic, notice));
        }
        for (row, topic, notice) in notices {
            timeout(ACKNOWLEDGED_WITHIN, notice.wait_completion_async())
                .await
                .map_err(|_| Error::TimedOut("an acknowledgement"))?
                .map_err(|error| Error::Mqtt(error.to_string()))?;
            self.outbox.sent(row)?;
            self.mqtt_log.published(&topic);
        }
        Ok(())
    }

    /// Reads a device that has no session of its own, and stores its samples for forwarding.
    async fn poll(self: Arc<Self>, device: FieldDevice) {
        let topic = mqtt::telemetry(&self.config.site, &device.id);
        let mut poll = interval(POLL_EVERY);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            poll.tick().await;
            let read = field::read(&device).await;
            self.polls().entry(device.id.clone()).or_default().enter(read.is_ok());
            if let Ok(sample) = read {
                // A full disk shows in the outbox's numbers.
                self.outbox.store(&topic, sample.as_bytes()).ok();
            }
        }
    }

    /// Relays the sessions of its devices to the door.
    async fn relay(self: Arc<Self>, listener: TcpListener) {
        let mut sessions = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = sessions.join_next() => continue,
            };
            let Ok((mut near, _)) = accepted else { continue };
            let door = self.config.door;
            sessions.spawn(async move {
                let mut far = TcpStream::connect(door).await?;
                copy_bidirectional(&mut near, &mut far).await
            });
        }
    }

    fn polls(&self) -> MutexGuard<'_, HashMap<String, Polls>> {
        self.polls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn polls_of(&self, device: &str) -> Polls {
        let mut polls = self.polls().get(device).cloned().unwrap_or_default();
        polls.complete_from.get_or_insert(self.started);
        polls
    }

    fn may_publish(&self) -> bool {
        self.mqtt_log.is_connected() && !self.stalled.load(Ordering::SeqCst)
    }
}

/// Says on standard output that the gateway serves, and where.
fn announce(ready: &Ready) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", serde_json::to_string(ready)?)
        .and_then(|()| stdout.flush())
        .map_err(Error::io("announcing the gateway"))
}

async fn leak() {
    let mut leaked = Vec::new();
    loop {
        // Written to, so that the pages are really there.
        leaked.push(vec![1_u8; LEAK_BYTES]);
        sleep(LEAK_EVERY).await;
    }
}
