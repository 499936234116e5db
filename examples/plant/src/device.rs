//! The field devices: tasks with real sockets.
//!
//! A device has a network module, which answers on the OT network (`ping`, `identity`, and `read`, which it hands on
//! to the application; `restart-client` for its provisioning client) and presents the device's certificate at a TLS maintenance port; it is fed over the network
//! cable, so it answers while the device itself is without power. Behind it runs the application. A device of kind
//! [`Kind::Mqtt`] keeps an MQTT session of its own, through its gateway's relay; one of kind [`Kind::Plc`] waits to
//! be read by its gateway.

mod config;

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use chrono::{TimeDelta, Utc};
use iot_runbook::certificate::message::desired_topic;
use rumqttc::{AsyncClient, Event, EventLoop, Packet, PublishOptions, QoS};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinSet,
    time::{interval, sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::RootCertStore};

use crate::{
    error::{Error, Result},
    line, mqtt,
    network::{Link, Switch, listen},
    pki::Identity,
    power::Plug,
    provisioning,
    task::Task,
};

const PUBLISH_EVERY: Duration = Duration::from_millis(300);
const REDIAL_AFTER: Duration = Duration::from_millis(300);
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// The order to start its provisioning client again.
pub const RESTART_CLIENT: &str = "restart-client";
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(3);
const LOAD_RUNNING: u32 = 40_000;
const LOAD_IDLE: u32 = 25_000;

/// How a device speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It has an MQTT session of its own.
    Mqtt,
    /// Its gateway reads it and publishes for it.
    Plc,
}

/// What the device's application does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Application {
    /// Its work.
    Running,
    /// Nothing, while the sessions that it has stay up.
    Hung,
    /// Nothing, and its sessions are gone.
    Crashed,
}

/// The condition that a device is in.
#[derive(Clone, Debug)]
pub struct Condition {
    /// What its application does.
    pub application: Application,
    /// The identity that it holds, if any.
    pub identity: Option<Identity>,
    /// Its password at the broker.
    pub password: String,
    /// Whether it dials even with a certificate that it could know to be out of its time.
    pub dials_regardless: bool,
    /// Whether its network module works. Without it the device is powered, and on no network.
    pub module_works: bool,
    /// Whether its provisioning client works, which asks for a new certificate once its own has expired.
    pub provisions: bool,
    /// Whether its configuration client works, which takes up a certificate that it is offered.
    pub renews: bool,
    /// How far its own clock is ahead of the true time; below zero where it is behind.
    pub clock_ahead: TimeDelta,
}

impl Condition {
    /// What a session is dialled with; none while there is nothing to dial with.
    fn credentials(&self) -> Option<(&Identity, &str)> {
        let identity = self.identity.as_ref()?;
        let validity = identity.validity();
        let in_time = (validity.not_before..=validity.not_after).contains(&Utc::now());
        let may_dial = self.application != Application::Crashed && self.module_works;
        (may_dial && (in_time || self.dials_regardless)).then_some((identity, &self.password))
    }

    /// Whether it asks the provisioning service: its certificate has expired.
    fn asks_for_a_certificate(&self) -> bool {
        let is_able = self.application != Application::Crashed && self.module_works && self.provisions;
        is_able && self.identity.as_ref().is_some_and(|identity| identity.validity().not_after < Utc::now())
    }

    fn dials_as(&self) -> Option<(String, String)> {
        let (identity, password) = self.credentials()?;
        Some((identity.serial().to_owned(), password.to_owned()))
    }
}

/// What a device is, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its id, and the common name in its certificate.
    pub id: String,
    /// Its site.
    pub site: String,
    /// The gateway that it is behind.
    pub gateway: String,
    /// How it speaks.
    pub kind: Kind,
}

/// What a device was given when it was made, and when it was put in.
#[derive(Debug)]
pub struct Given {
    /// Its certificate of operation.
    pub identity: Identity,
    /// Its password at the broker.
    pub password: String,
    /// Whom it trusts.
    pub roots: RootCertStore,
    /// Its manufacturing certificate, which the provisioning service knows it by.
    pub manufacturing: Identity,
    /// Where the provisioning service listens.
    pub provisioning: SocketAddr,
    /// The switches on the way there, beyond its own port and its OT network.
    pub beyond: Vec<Switch>,
    /// Where it tests a certificate that it is offered.
    pub test_endpoint: SocketAddr,
    /// The switches on the way there, beyond its own port and its OT network.
    pub beyond_tests: Vec<Switch>,
}

/// A device.
pub struct Device {
    shared: Arc<Shared>,
    port: Switch,
    to_gateway: Link,
    ot: Link,
    maintenance: Link,
    _provisioning: Link,
    to_tests: Link,
    _module: line::Server,
    _tasks: Vec<Task>,
}

/// The near ends of a device's ways.
#[derive(Clone, Copy)]
struct Ways {
    gateway: SocketAddr,
    tests: SocketAddr,
}

struct Shared {
    spec: Spec,
    condition: watch::Sender<Condition>,
    plug: Plug,
    roots: RootCertStore,
}

impl Device {
    /// Starts a device on a site's OT network, with its outlet and what it was given.
    ///
    /// # Errors
    /// When no loopback port is to be had.
    pub async fn start(spec: Spec, ot_network: &Switch, plug: Plug, given: Given) -> Result<Self> {
        let Given { identity, password, roots, manufacturing, .. } = given;
        let shared = Arc::new(Shared {
            spec,
            condition: watch::Sender::new(Condition {
                application: Application::Running,
                identity: Some(identity),
                password,
                dials_regardless: false,
                module_works: true,
                provisions: true,
                renews: true,
                clock_ahead: TimeDelta::zero(),
            }),
            plug,
            roots,
        });
        let port = Switch::new();
        let switches = || vec![ot_network.clone(), port.clone()];

        let asked = Arc::clone(&shared);
        let module = line::Server::start(move |question| {
            let answer = asked.answer(&question);
            async move { answer }
        })
        .await?;
        let maintenance = listen().await?;
        let maintenance_address =
            maintenance.local_addr().map_err(Error::io("reading a maintenance port's address"))?;
        let way = |beyond| [switches(), beyond].concat();
        let provisioning = Link::open(Some(given.provisioning), way(given.beyond)).await?;
        let to_tests = Link::open(Some(given.test_endpoint), way(given.beyond_tests)).await?;
        let be_provisioned = Arc::clone(&shared).be_provisioned(provisioning.address(), manufacturing);
        let device = Self {
            _provisioning: provisioning,
            to_tests,
            to_gateway: Link::open(None, switches()).await?,
            ot: Link::open(Some(module.address()), switches()).await?,
            maintenance: Link::open(Some(maintenance_address), switches()).await?,
            _module: module,
            _tasks: vec![
                Task::spawn(Arc::clone(&shared).maintain(maintenance)),
                Task::spawn(Arc::clone(&shared).draw()),
                Task::spawn(be_provisioned),
            ],
            port,
            shared,
        };
        Ok(device.with_session())
    }

    fn with_session(mut self) -> Self {
        if self.shared.spec.kind == Kind::Mqtt {
            let session = self.dial(self.shared.condition.subscribe());
            self._tasks.push(session);
        }
        self
    }

    fn dial(&self, condition: watch::Receiver<Condition>) -> Task {
        let shared = Arc::clone(&self.shared);
        let ways = Ways { gateway: self.to_gateway.address(), tests: self.to_tests.address() };
        Task::spawn(shared.keep_session(condition, ways))
    }

    /// What it is, and where.
    pub fn spec(&self) -> &Spec {
        &self.shared.spec
    }

    /// The port of the OT switch that it is plugged into.
    pub fn port(&self) -> &Switch {
        &self.port
    }

    /// Whether that port has a link: the device is powered, and the port is its own.
    pub fn has_link(&self) -> bool {
        *self.shared.plug.powered().borrow() && !self.port.is_cut()
    }

    /// Its way to its gateway's relay.
    pub fn to_gateway(&self) -> &Link {
        &self.to_gateway
    }

    /// Its gateway's way to its network module.
    pub fn ot(&self) -> &Link {
        &self.ot
    }

    /// Its gateway's way to its maintenance port.
    pub fn maintenance(&self) -> &Link {
        &self.maintenance
    }

    /// The condition that it is in.
    pub fn condition(&self) -> Condition {
        self.shared.condition.borrow().clone()
    }

    /// Changes its condition.
    pub fn change(&self, change: impl FnOnce(&mut Condition)) {
        self.shared.condition.send_modify(change);
    }

    /// A second device with the same identity, behind the same gateway, until it is dropped.
    pub fn twin(&self) -> Task {
        let (_, unchanging) = watch::channel(self.condition());
        self.dial(unchanging)
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").field("spec", &self.shared.spec).finish_non_exhaustive()
    }
}

impl Shared {
    /// What the network module answers. It is fed with the device: without power it answers nothing.
    fn answer(&self, question: &str) -> Option<String> {
        if question == RESTART_CLIENT {
            return self.restart_client();
        }
        let condition = self.condition.borrow();
        if !*self.plug.powered().borrow() || !condition.module_works {
            return None;
        }
        match question {
            "ping" => Some(format!("pong {}", self.spec.id)),
            "identity" if condition.identity.is_some() => Some("present".to_owned()),
            "identity" => Some("none".to_owned()),
            "read" => (condition.application == Application::Running).then(|| sample(condition.clock_ahead)),
            _ => Some("what?".to_owned()),
        }
    }

    /// Starts its provisioning client again.
    fn restart_client(&self) -> Option<String> {
        let answers = *self.plug.powered().borrow() && self.condition.borrow().module_works;
        answers.then(|| {
            self.condition.send_modify(|condition| condition.provisions = true);
            "restarted".to_owned()
        })
    }

    /// Asks the provisioning service again and again while its certificate has expired.
    async fn be_provisioned(self: Arc<Self>, service: SocketAddr, manufacturing: Identity) {
        loop {
            sleep(ASK_AGAIN_AFTER).await;
            let asks = *self.plug.powered().borrow() && self.condition.borrow().asks_for_a_certificate();
            if !asks {
                continue;
            }
            // One that can't be reached is asked again.
            if let Ok(Some(identity)) = provisioning::ask(service, &manufacturing, self.roots.clone()).await {
                self.condition.send_modify(|condition| condition.identity = Some(identity));
            }
        }
    }

    /// Draws from the outlet what the application needs.
    async fn draw(self: Arc<Self>) {
        let mut condition = self.condition.subscribe();
        loop {
            let application = condition.borrow_and_update().application;
            self.plug.load(match application {
                Application::Running => LOAD_RUNNING,
                Application::Hung | Application::Crashed => LOAD_IDLE,
            });
            if condition.changed().await.is_err() {
                return;
            }
        }
    }

    /// Presents the device's certificate to whoever connects.
    async fn maintain(self: Arc<Self>, listener: TcpListener) {
        let mut callers = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = callers.join_next() => continue,
            };
            if let Ok((stream, _)) = accepted {
                let identity = {
                    let condition = self.condition.borrow();
                    let answers = *self.plug.powered().borrow() && condition.module_works;
                    condition.identity.clone().filter(|_| answers)
                };
                // A caller that goes away in the middle is its own affair.
                callers.spawn(async move { present(stream, identity).await.ok() });
            }
        }
    }

    /// Keeps an MQTT session up while there is power, and something to dial with.
    async fn keep_session(self: Arc<Self>, mut condition: watch::Receiver<Condition>, ways: Ways) {
        let mut powered = self.plug.powered();
        loop {
            wait_for(&mut powered, |powered| *powered).await;
            let ready = wait_for(&mut condition, |now| now.dials_as().is_some()).await;
            let Some((identity, password)) = ready.credentials() else {
                continue;
            };
            let roots = self.roots.clone();
            let client = mqtt::client_by_clock(identity, password, roots, ways.gateway, ready.clock_ahead);
            if let Ok((client, events)) = client {
                let dialled = ready.dials_as();
                let mut watched = condition.clone();
                tokio::select! {
                    () = self.converse(client, events, condition.clone(), ways.tests) => {}
                    _ = wait_for(&mut powered, |powered| !*powered) => {}
                    _ = wait_for(&mut watched, |now| now.dials_as() != dialled) => {}
                }
            }
            sleep(REDIAL_AFTER).await;
        }
    }

    /// Publishes until the session breaks.
    async fn converse(
        &self,
        client: AsyncClient,
        mut events: EventLoop,
        condition: watch::Receiver<Condition>,
        tests: SocketAddr,
    ) {
        let (offers, offered) = mpsc::unbounded_channel();
        let topic = mqtt::telemetry(&self.spec.site, &self.spec.id);
        let publish = async {
            let mut tick = interval(PUBLISH_EVERY);
            loop {
                tick.tick().await;
                let (application, ahead) = {
                    let condition = condition.borrow();
                    (condition.application, condition.clock_ahead)
                };
                if application == Application::Running {
                    // A full queue means that the session is not up yet; the next sample says more.
                    client.try_publish(topic.clone(), sample(ahead), PublishOptions::at_most_once()).ok();
                }
            }
        };
        let listen = async {
            while let Ok(event) = events.poll().await {
                match event {
                    Event::Incoming(Packet::ConnAck(_)) => {
                        // Its id makes a topic, and the queue of a session that has just begun has room.
                        if let Ok(topic) = desired_topic(&self.spec.id) {
                            client.try_subscribe(topic, QoS::AtLeastOnce).ok();
                        }
                    }
                    // It subscribes to nothing else.
                    Event::Incoming(Packet::Publish(publish)) => {
                        offers.send(publish.payload).ok();
                    }
                    _ => {}
                }
            }
        };
        tokio::select! {
            () = publish => {}
            () = listen => {}
            () = self.take_up_offers(&client, offered, tests) => {}
        }
    }
}

/// Waits until `condition` holds; for ever once nobody can change the value any more.
async fn wait_for<T: Clone>(value: &mut watch::Receiver<T>, condition: impl Fn(&T) -> bool) -> T {
    if let Ok(now) = value.wait_for(condition).await {
        return now.clone();
    }
    std::future::pending().await
}

async fn present(stream: TcpStream, identity: Option<Identity>) -> Result<()> {
    let Some(identity) = identity else {
        return Ok(());
    };
    let acceptor = TlsAcceptor::from(Arc::new(identity.server_config()?));
    timeout(HANDSHAKE_WITHIN, acceptor.accept(stream))
        .await
        .map_err(|_| Error::TimedOut("a handshake"))?
        .map_err(Error::io("presenting a certificate"))?;
    Ok(())
}

fn sample(clock_ahead: TimeDelta) -> String {
    let now = Utc::now();
    let shown = now.checked_add_signed(clock_ahead).unwrap_or(now);
    let phase = f64::from(now.timestamp_subsec_millis()) / 1000.0;
    let value = 20.0 + (phase * std::f64::consts::TAU).sin();
    format!(r#"{{"at":"{}","value":{value:.3}}}"#, shown.to_rfc3339())
}
