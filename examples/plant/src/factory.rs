//! The factory: two sites, three gateways, seven devices, and the platform that they report to.

pub mod site;

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tempfile::TempDir;

use self::site::{GatewayHost, Site, SitePlan};
use crate::{
    broker::Broker,
    device::{Device, Kind},
    door::{Connections, Door},
    error::{Error, Result},
    mqtt,
    pki::{Authority, Identity, Validity},
    platform::{Platform, Registered, Registry, ServiceState},
    provisioning::Provisioning,
    renewal::{self, Renewals, trial::TrialServer},
    wait,
};

/// The file that marks a folder as a plant's.
pub const MARKER: &str = ".plant";

/// The platform's client id.
const PLATFORM: &str = "platform";

/// What the factory is made of.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Its sites.
    pub sites: &'static [SitePlan],
    /// A device that is in the registry and nowhere else: its site, its gateway and its id.
    pub never_provisioned: Option<(&'static str, &'static str, &'static str)>,
}

impl Plan {
    /// The whole factory.
    pub const WHOLE: Self = Self {
        sites: &[
            SitePlan {
                id: "north",
                gateways: &["gw-north-1", "gw-north-2"],
                devices: &[
                    ("press-1", "gw-north-1", Kind::Mqtt),
                    ("oven-1", "gw-north-1", Kind::Plc),
                    ("mill-1", "gw-north-1", Kind::Plc),
                    ("robot-1", "gw-north-2", Kind::Mqtt),
                    ("pump-1", "gw-north-2", Kind::Plc),
                ],
            },
            SitePlan {
                id: "south",
                gateways: &["gw-south-1"],
                devices: &[("mixer-1", "gw-south-1", Kind::Mqtt), ("tank-1", "gw-south-1", Kind::Plc)],
            },
        ],
        never_provisioned: Some(("south", "gw-south-1", "spare-1")),
    };

    /// One site with one gateway: enough for a test of one part.
    pub const SMALL: Self = Self {
        sites: &[SitePlan {
            id: "north",
            gateways: &["gw-north-1"],
            devices: &[("press-1", "gw-north-1", Kind::Mqtt), ("oven-1", "gw-north-1", Kind::Plc)],
        }],
        never_provisioned: None,
    };
}

/// The running factory.
///
/// When it is dropped, its processes are killed and its folder is removed; [`stop`](Self::stop) does both in good
/// order.
#[derive(Debug)]
pub struct Factory {
    sites: Vec<Site>,
    platform: Platform,
    registry: Registry,
    provisioning: Arc<Provisioning>,
    renewals: Renewals,
    /// The emergency certificates that were prepared, by device.
    prepared: Mutex<HashMap<String, Identity>>,
    door: Arc<Door>,
    broker: Arc<Broker>,
    authority: Arc<Authority>,
    folder: TempDir,
}

impl Factory {
    /// Starts a factory, and waits until it is healthy. `program` is the plant's own, which its gateways run.
    ///
    /// # Errors
    /// When a part can't be started, or the factory does not become healthy in time.
    pub async fn start(program: PathBuf, plan: Plan) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("plant-")
            .tempdir()
            .map_err(Error::io("making the plant's folder"))?;
        fs::write(folder.path().join(MARKER), "").map_err(Error::io("marking the plant's folder"))?;
        let authority = Arc::new(Authority::new("plant authority")?);
        let connections = Connections::default();
        let broker = Arc::new(Broker::start(connections.clone()).await?);
        let door = Door::open(
            authority.issue("door", Validity::current())?,
            Arc::clone(&authority),
            connections,
            broker.address(),
        )
        .await?;
        let door = Arc::new(door);

        let dial = |id: &str| {
            broker.admit(id, &password(id));
            let identity = authority.issue(id, Validity::current())?;
            mqtt::client(&identity, &password(id), authority.roots()?, door.address())
        };
        let (client, events) = dial(PLATFORM)?;
        let platform = Platform::start(client, events);
        let registry = Registry::open(&folder.path().join("registry.db"))?;
        let maker = Authority::new("maker of the devices")?;
        let provisioning = Provisioning::start(
            &authority.issue("provisioning", Validity::current())?,
            &maker,
            Arc::clone(&authority),
        )
        .await?;
        let provisioning = Arc::new(provisioning);
        let own = authority.issue("tests", Validity::current())?;
        let trials = Arc::new(TrialServer::start(&own, &authority).await?);
        let renewals = Renewals::start(renewal::Ground {
            authority: Arc::clone(&authority),
            provisioning: Arc::clone(&provisioning),
            door: Arc::clone(&door),
            broker: Arc::clone(&broker),
            client: dial(renewal::CLIENT)?,
            trials: Arc::clone(&trials),
        })?;

        let mut sites = Vec::new();
        for site in plan.sites {
            let ground = site::Ground {
                program: &program,
                folder: folder.path(),
                authority: &authority,
                maker: &maker,
                provisioning: provisioning.address(),
                tests: trials.address(),
                door: door.address(),
                broker: &broker,
            };
            sites.push(Site::start(site, &ground).await?);
        }
        let prepared = Mutex::default();
        let factory = Self {
            sites,
            platform,
            registry,
            provisioning,
            renewals,
            prepared,
            door,
            broker,
            authority,
            folder,
        };
        factory.enter_devices(plan)?;
        factory.enroll_devices().await?;
        for device in factory.devices() {
            factory.prepare_emergency(&device.spec().id)?;
        }
        factory.healthy().await?;
        Ok(factory)
    }

    fn enter_devices(&self, plan: Plan) -> Result<()> {
        for device in self.devices() {
            let spec = device.spec();
            self.registry.enter(&Registered {
                device: spec.id.clone(),
                site: spec.site.clone(),
                gateway: spec.gateway.clone(),
                own_session: spec.kind == Kind::Mqtt,
                state: ServiceState::InService,
            })?;
        }
        if let Some((site, gateway, device)) = plan.never_provisioned {
            self.registry.enter(&Registered {
                device: device.to_owned(),
                site: site.to_owned(),
                gateway: gateway.to_owned(),
                own_session: true,
                state: ServiceState::NeverProvisioned,
            })?;
        }
        Ok(())
    }

    /// Has the renewal job watch over each device with a session, and so a certificate, of its own.
    async fn enroll_devices(&self) -> Result<()> {
        for device in self.devices().filter(|device| device.spec().kind == Kind::Mqtt) {
            if let Some(identity) = device.condition().identity {
                self.renewals.enroll(&device.spec().id, &identity).await?;
            }
        }
        Ok(())
    }

    /// Waits until every gateway beats and every device is seen, from now on.
    ///
    /// # Errors
    /// When they do not within [`wait::DEADLINE`].
    pub async fn healthy(&self) -> Result<()> {
        let since = chrono::Utc::now();
        wait::until("a healthy plant", || async {
            let devices = self.devices().all(|device| {
                let seen = self.platform.last_seen(&device.spec().id);
                seen.is_some_and(|at| at > since)
            });
            let gateways = self.gateways().all(|gateway| {
                let beat = self.platform.last_heartbeat(gateway.id());
                beat.is_some_and(|(at, _)| at > since)
            });
            devices && gateways
        })
        .await
    }

    /// Stops everything in good order, and removes the plant's folder.
    ///
    /// # Errors
    /// When a process does not end, or the folder can't be removed.
    pub async fn stop(self) -> Result<()> {
        for gateway in self.gateways() {
            gateway.supervisor().stop().await?;
        }
        self.broker.stop();
        let Self { sites, folder, .. } = self;
        drop(sites);
        folder.close().map_err(Error::io("removing the plant's folder"))
    }

    /// The certificate authority.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The provisioning service.
    pub fn provisioning(&self) -> &Provisioning {
        &self.provisioning
    }

    /// The job that renews the devices' certificates.
    pub fn renewals(&self) -> &Renewals {
        &self.renewals
    }

    /// Prepares an emergency certificate for a device, for the technicians to load.
    ///
    /// # Errors
    /// When none can be issued.
    pub fn prepare_emergency(&self, device: &str) -> Result<()> {
        self.keep_emergency(device, self.authority.issue(device, Validity::current())?);
        Ok(())
    }

    /// Keeps this emergency certificate for a device, in place of the one that was prepared.
    pub fn keep_emergency(&self, device: &str, identity: Identity) {
        self.prepared().insert(device.to_owned(), identity);
    }

    /// Takes the emergency certificate of a device out of the safe; none where none was prepared.
    pub fn take_emergency(&self, device: &str) -> Option<Identity> {
        self.prepared().remove(device)
    }

    fn prepared(&self) -> MutexGuard<'_, HashMap<String, Identity>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The front door.
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// The broker behind it.
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// The platform's subscriber.
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// The device registry.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The plant's folder.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// All sites.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// All gateways.
    pub fn gateways(&self) -> impl Iterator<Item = &GatewayHost> {
        self.sites.iter().flat_map(Site::gateways)
    }

    /// All devices that are really there.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.sites.iter().flat_map(Site::devices)
    }

    /// One site.
    ///
    /// # Errors
    /// When there is none of this id.
    pub fn site(&self, id: &str) -> Result<&Site> {
        find("site", id, self.sites.iter(), Site::id)
    }

    /// One gateway.
    ///
    /// # Errors
    /// When there is none of this id.
    pub fn gateway(&self, id: &str) -> Result<&GatewayHost> {
        find("gateway", id, self.gateways(), GatewayHost::id)
    }

    /// One device.
    ///
    /// # Errors
    /// When there is none of this id.
    pub fn device(&self, id: &str) -> Result<&Device> {
        find("device", id, self.devices(), |device| &device.spec().id)
    }

    /// What each client's session at the broker is, by client id: since when it is up.
    pub fn sessions(&self) -> HashMap<String, chrono::DateTime<chrono::Utc>> {
        let devices = self.devices().map(|device| device.spec().id.as_str());
        let gateways = self.gateways().map(GatewayHost::id);
        devices
            .chain(gateways)
            .filter_map(|id| Some((id.to_owned(), self.broker.session_since(id)?)))
            .collect()
    }
}

/// The password that a client is provisioned with. The plant is a demonstration: it has no secrets.
pub fn password(client: &str) -> String {
    format!("password of {client}")
}

fn find<'a, T>(
    kind: &'static str,
    id: &str,
    mut among: impl Iterator<Item = &'a T>,
    id_of: impl Fn(&T) -> &str,
) -> Result<&'a T> {
    among.find(|part| id_of(part) == id).ok_or_else(|| Error::Unknown { kind, id: id.to_owned() })
}
