//! A site of the factory: its uplink, its OT network, its router and power unit, its gateways and devices.

use std::{fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio::{sync::watch, time::sleep};

use super::password;
use crate::{
    broker::Broker,
    device::{Device, Given, Kind, Spec},
    error::{Error, Result},
    gateway::{
        Config, endpoint,
        field::{FieldDevice, Held, Polls, Reach},
        health::{Health, LogEntry},
        outbox,
    },
    line,
    network::{Lead, Link, Switch},
    pki::{Authority, Validity},
    power::{self, Feed, Outlet, Plug, PowerUnit},
    supervisor::{self, Status, Supervisor},
    task::Task,
};

/// A gateway may use this much memory.
const MEMORY_BUDGET: u64 = 96 << 20;
/// How often the platform's monitoring asks a gateway's health endpoint.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a site is made of.
#[derive(Clone, Copy, Debug)]
pub struct SitePlan {
    /// Its id.
    pub id: &'static str,
    /// The ids of its gateways.
    pub gateways: &'static [&'static str],
    /// Its devices: id, gateway and kind.
    pub devices: &'static [(&'static str, &'static str, Kind)],
}

/// What a site is built on.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// The plant's program.
    pub program: &'a Path,
    /// The plant's folder.
    pub folder: &'a Path,
    /// Who issues the certificates.
    pub authority: &'a Authority,
    /// Who made the devices.
    pub maker: &'a Authority,
    /// Where the provisioning service listens.
    pub provisioning: SocketAddr,
    /// Where devices test certificates that they are offered.
    pub tests: SocketAddr,
    /// Where the door listens.
    pub door: SocketAddr,
    /// The broker, for its credentials.
    pub broker: &'a Broker,
}

/// A running site.
#[derive(Debug)]
pub struct Site {
    id: String,
    uplink: Switch,
    broker_rule: Switch,
    provisioning_rule: Switch,
    test_rule: Switch,
    ot_network: Switch,
    router_path: Link,
    power_path: Link,
    power_unit: PowerUnit,
    gateways: Vec<GatewayHost>,
    devices: Vec<Device>,
    _router: line::Server,
}

/// A path to a site that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTried {
    /// What was to answer: `router`, or a gateway's id.
    pub via: String,
    /// Whether it did.
    pub answered: bool,
}

impl Site {
    /// Builds a site and starts its gateways.
    ///
    /// # Errors
    /// When a part can't be started.
    pub async fn start(plan: &SitePlan, ground: &Ground<'_>) -> Result<Self> {
        let uplink = Switch::new();
        let broker_rule = Switch::new();
        let ot_network = Switch::new();
        let router = line::Server::start(|question| async move { Some(question) }).await?;
        let power_unit = PowerUnit::start().await?;
        let mut site = Self {
            id: plan.id.to_owned(),
            router_path: Link::open(Some(router.address()), vec![uplink.clone()]).await?,
            power_path: Link::open(Some(power_unit.address()), vec![uplink.clone()]).await?,
            uplink,
            broker_rule,
            provisioning_rule: Switch::new(),
            test_rule: Switch::new(),
            ot_network,
            power_unit,
            gateways: Vec::new(),
            devices: Vec::new(),
            _router: router,
        };
        for (id, gateway, kind) in plan.devices {
            let spec = Spec {
                id: (*id).to_owned(),
                site: plan.id.to_owned(),
                gateway: (*gateway).to_owned(),
                kind: *kind,
            };
            let device = site.install(spec, ground).await?;
            site.devices.push(device);
        }
        for id in plan.gateways {
            let gateway = GatewayHost::start(id, &site, ground).await?;
            site.gateways.push(gateway);
        }
        Ok(site)
    }

    async fn install(&self, spec: Spec, ground: &Ground<'_>) -> Result<Device> {
        let password = password(&spec.id);
        ground.broker.admit(&spec.id, &password);
        let plug = self.power_unit.wire(&spec.id);
        let given = Given {
            identity: ground.authority.issue(&spec.id, Validity::current())?,
            password,
            roots: ground.authority.roots()?,
            manufacturing: ground.maker.issue(&spec.id, Validity::current())?,
            provisioning: ground.provisioning,
            beyond: vec![self.uplink.clone(), self.provisioning_rule.clone()],
            test_endpoint: ground.tests,
            beyond_tests: vec![self.uplink.clone(), self.test_rule.clone()],
        };
        Device::start(spec, &self.ot_network, plug, given).await
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The switch on its way to the platform: cut, nothing crosses either way.
    pub fn uplink(&self) -> &Switch {
        &self.uplink
    }

    /// The firewall's rule for the broker's port: cut, nothing of this site reaches the broker, and all else passes.
    pub fn broker_rule(&self) -> &Switch {
        &self.broker_rule
    }

    /// The firewall's rule for the provisioning service: cut, no device of this site reaches it.
    pub fn provisioning_rule(&self) -> &Switch {
        &self.provisioning_rule
    }

    /// The firewall's rule for the test endpoint: cut, no device of this site can test a certificate.
    pub fn test_rule(&self) -> &Switch {
        &self.test_rule
    }

    /// The switch between its gateways and its devices.
    pub fn ot_network(&self) -> &Switch {
        &self.ot_network
    }

    /// Its power unit.
    pub fn power_unit(&self) -> &PowerUnit {
        &self.power_unit
    }

    /// Its gateways.
    pub fn gateways(&self) -> &[GatewayHost] {
        &self.gateways
    }

    /// Its devices.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// Tries every path to the site but the gateway `but`: its router, and its other gateways.
    pub async fn try_paths(&self, but: &str) -> Vec<PathTried> {
        let router = line::ask(self.router_path.address(), "hello").await;
        let mut tried = vec![PathTried { via: "router".to_owned(), answered: router.is_ok() }];
        for gateway in self.gateways.iter().filter(|gateway| gateway.id() != but) {
            tried.push(PathTried { via: gateway.id().to_owned(), answered: gateway.health().await.is_ok() });
        }
        tried
    }

    /// Asks its power unit about its feed.
    ///
    /// # Errors
    /// When the unit does not answer.
    pub async fn feed(&self) -> Result<Feed> {
        power::feed(self.power_path.address()).await
    }

    /// Asks its power unit about one consumer's outlet.
    ///
    /// # Errors
    /// When the unit does not answer, or has no such outlet.
    pub async fn outlet(&self, consumer: &str) -> Result<Outlet> {
        power::outlet(self.power_path.address(), consumer).await
    }

    /// Tells its power unit to switch one consumer off and on again.
    ///
    /// # Errors
    /// When the unit does not answer, or refuses.
    pub async fn power_cycle(&self, consumer: &str) -> Result<()> {
        power::cycle(self.power_path.address(), consumer).await
    }
}

/// A gateway's host: the machine that its process and its supervisor run on, as the platform reaches it.
#[derive(Debug)]
pub struct GatewayHost {
    id: String,
    cable: Switch,
    module: Switch,
    supervisor: Arc<Supervisor>,
    health_path: Link,
    agent_path: Link,
    power_path: SocketAddr,
    answered: watch::Sender<DateTime<Utc>>,
    to_door: Link,
    _agent: line::Server,
    _tasks: [Task; 3],
}

impl GatewayHost {
    async fn start(id: &str, site: &Site, ground: &Ground<'_>) -> Result<Self> {
        let (cable, module) = (Switch::new(), Switch::new());
        let switches = || vec![site.uplink.clone(), cable.clone(), module.clone()];
        let to_door =
            Link::open(Some(ground.door), [switches(), vec![site.broker_rule.clone()]].concat()).await?;
        let behind = || site.devices.iter().filter(|device| device.spec().gateway == id);
        let config = provision(id, site, ground, to_door.address(), behind())?;
        let folder = ground.folder.join(id);
        let supervisor = Arc::new(Supervisor::new(ground.program.to_owned(), folder, config));
        let agent = supervisor::agent(&supervisor).await?;
        let health_path = Link::open(None, switches()).await?;
        let answered = watch::Sender::new(Utc::now());
        let look = look_at_endpoint(health_path.address(), answered.clone());
        let relays = behind().map(|device| device.to_gateway().lead()).collect();
        let follow = follow(Arc::clone(&supervisor), health_path.lead(), relays);
        let plug = site.power_unit.wire_in_cabinet(id);
        let obey = obey_power(Arc::clone(&supervisor), plug, module.clone());
        let host = Self {
            id: id.to_owned(),
            health_path,
            agent_path: Link::open(Some(agent.address()), switches()).await?,
            power_path: site.power_path.address(),
            cable,
            module,
            supervisor,
            answered,
            to_door,
            _agent: agent,
            _tasks: [Task::spawn(follow), Task::spawn(obey), Task::spawn(look)],
        };
        host.supervisor.start().await?;
        Ok(host)
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its network cable.
    pub fn cable(&self) -> &Switch {
        &self.cable
    }

    /// Its network module, which comes back when the host's power is switched off and on.
    pub fn module(&self) -> &Switch {
        &self.module
    }

    /// Its supervisor, on the spot. The platform reaches it by [`process`](Self::process), [`outbox`](Self::outbox)
    /// and [`restart`](Self::restart).
    pub fn supervisor(&self) -> &Arc<Supervisor> {
        &self.supervisor
    }

    /// Asks the gateway for its health, over the network.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn health(&self) -> Result<Health> {
        endpoint::health(self.health_path.address()).await
    }

    /// Asks the gateway for the end of its MQTT log, over the network, oldest first.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn mqtt_log(&self) -> Result<Vec<LogEntry>> {
        endpoint::mqtt_log(self.health_path.address()).await
    }

    /// Asks the gateway to reach a device over the OT network.
    ///
    /// # Errors
    /// When the gateway does not answer, or has no such device.
    pub async fn reach(&self, device: &str) -> Result<Reach> {
        endpoint::reach(self.health_path.address(), device).await
    }

    /// When its health endpoint last answered the platform's monitoring.
    pub fn last_answer(&self) -> DateTime<Utc> {
        *self.answered.borrow()
    }

    /// Its way to the door, which its messages take.
    pub fn to_door(&self) -> &Link {
        &self.to_door
    }

    /// Asks the gateway what its polls of a device returned, over the network.
    ///
    /// # Errors
    /// When the gateway does not answer, or has no such device.
    pub async fn polls(&self, device: &str) -> Result<Polls> {
        endpoint::polls(self.health_path.address(), device).await
    }

    /// Asks the gateway to read the certificate that a device presents.
    ///
    /// # Errors
    /// When the gateway does not answer, or has no such device.
    pub async fn certificate(&self, device: &str) -> Result<Held> {
        endpoint::certificate(self.health_path.address(), device).await
    }

    /// Asks the gateway to restart the provisioning client of a device behind it, over the OT network.
    ///
    /// # Errors
    /// When the gateway does not answer, or does not reach the device.
    pub async fn restart_client(&self, device: &str) -> Result<()> {
        endpoint::restart_client(self.health_path.address(), device).await.map(drop)
    }

    /// Asks the supervisor about the process, over the network.
    ///
    /// # Errors
    /// When the host does not answer.
    pub async fn process(&self) -> Result<Status> {
        supervisor::status(self.agent_path.address()).await
    }

    /// Asks the supervisor for the numbers of the outbox, over the network, whether the process runs or not.
    ///
    /// # Errors
    /// When the host does not answer, or the outbox can't be read.
    pub async fn outbox(&self) -> Result<outbox::Numbers> {
        supervisor::outbox(self.agent_path.address()).await
    }

    /// Has the gateway restarted: by its supervisor, or, where that does not answer, by the site's power unit.
    ///
    /// # Errors
    /// When neither answers, or the gateway does not come up.
    pub async fn restart(&self) -> Result<()> {
        match supervisor::restart(self.agent_path.address()).await {
            Err(Error::NoAnswer { .. } | Error::Io { .. }) => power::cycle(self.power_path, &self.id).await,
            answered => answered,
        }
    }
}

/// Provisions a gateway: its files, its credentials, what it is to know.
fn provision<'a>(
    id: &str,
    site: &Site,
    ground: &Ground<'_>,
    door: SocketAddr,
    behind: impl Iterator<Item = &'a Device>,
) -> Result<Config> {
    let folder = ground.folder.join(id);
    fs::create_dir(&folder).map_err(Error::io("making a gateway's folder"))?;
    let identity = ground.authority.issue(id, Validity::current())?;
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).map_err(Error::io("writing a gateway's files"))?;
        Ok::<_, Error>(path)
    };
    ground.broker.admit(id, &password(id));
    Ok(Config {
        id: id.to_owned(),
        site: site.id.clone(),
        plant: ground.folder.to_owned(),
        outbox: folder.join("outbox.db"),
        certificate: write("certificate.der", identity.certificate())?,
        key: write("key.der", identity.key_der())?,
        authority: write("authority.der", ground.authority.certificate())?,
        password: password(id),
        door,
        memory_budget: MEMORY_BUDGET,
        devices: behind
            .map(|device| FieldDevice {
                id: device.spec().id.clone(),
                polled: device.spec().kind == Kind::Plc,
                ot: device.ot().address(),
                maintenance: device.maintenance().address(),
            })
            .collect(),
    })
}

/// Asks a gateway's health endpoint again and again, as a monitoring does, and notes when it last answered.
async fn look_at_endpoint(address: SocketAddr, answered: watch::Sender<DateTime<Utc>>) {
    loop {
        if endpoint::health(address).await.is_ok() {
            answered.send_replace(Utc::now());
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Leads the ways to a gateway to where its process serves, after each start.
async fn follow(supervisor: Arc<Supervisor>, health: Lead, relays: Vec<Lead>) {
    let mut ready = supervisor.ready();
    loop {
        if let Some(ready) = *ready.borrow_and_update() {
            health.to(ready.health);
            for relay in &relays {
                relay.to(ready.relay);
            }
        }
        if ready.changed().await.is_err() {
            return;
        }
    }
}

/// Without power a gateway's process is gone and its host answers nothing; with power again it starts, its network
/// module fresh.
async fn obey_power(supervisor: Arc<Supervisor>, plug: Plug, module: Switch) {
    let mut powered = plug.powered();
    while powered.changed().await.is_ok() {
        let on = *powered.borrow_and_update();
        // A gateway that does not come up shows in its supervisor's status.
        if on {
            module.mend();
            supervisor.restart().await.ok();
        } else {
            module.cut();
            supervisor.kill().await.ok();
        }
    }
}
