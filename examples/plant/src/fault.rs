//! The faults that can be put into the factory.
//!
//! Each breaks real parts: it kills a process, cuts a network, swaps a certificate. None of them speaks to the
//! diagnosis, which sees the parts and nothing else. A fault's id is the conclusion that it should lead to, with a
//! variant after a slash where there are several ways there.

use std::{fs, path::PathBuf, time::Duration};

use chrono::Utc;
use tokio::time::sleep;

use crate::{
    device::{Application, Condition, Device},
    error::{Error, Result},
    factory::{
        Factory, password,
        site::{GatewayHost, Site},
    },
    gateway::Order,
    network::Switch,
    pki::{Authority, Validity},
    platform::{Registered, ServiceState},
    power::Feed,
    task::Task,
    wait,
};

/// How long a short interruption lasts.
const INTERRUPTION: Duration = Duration::from_millis(800);
/// How long a flapping network holds, and how long it is gone.
const FLAP: Duration = Duration::from_millis(600);
/// How often a device that flaps again and again does so before it is steady.
const FLAPS: usize = 12;
/// Too little memory for any gateway.
const STARVING: u64 = 4 << 20;

/// A fault.
#[derive(Debug)]
pub struct Fault {
    /// Its id.
    pub id: &'static str,
    /// The device whose offline alert it sets off.
    pub device: &'static str,
    /// What is done to the plant, for a reader.
    pub story: &'static str,
    damage: Damage,
}

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    ShortInterruption,
    FlappingPort,
    Twin,
    ManyInterruptions,
    TakenOut(ServiceState),
    Nothing,
    NoIdentity,
    Hung,
    Crashed,
    StalledGateway,
    WrongPassword,
    Forbidden,
    Stranger,
    KilledGateway,
    LeakingGateway,
    WedgedModule,
    BrokenOutbox,
    MemoryLimit,
    Cable,
    OtNetwork,
    Port,
    Uplink,
    OutOfTime { expired: bool, dials: bool },
    Revoked,
    Breaker,
    Feed,
}

impl Fault {
    /// All faults.
    pub const ALL: &'static [Self] = &[
        Self {
            id: "connectivity-flap",
            device: "robot-1",
            story: "robot-1's network port drops out for a moment",
            damage: Damage::ShortInterruption,
        },
        Self {
            id: "persistent-flapping",
            device: "mixer-1",
            story: "mixer-1's network port comes and goes, and does not stop",
            damage: Damage::FlappingPort,
        },
        Self {
            id: "persistent-flapping/duplicate-client-id",
            device: "mixer-1",
            story: "a second device with mixer-1's identity is plugged in",
            damage: Damage::Twin,
        },
        Self {
            id: "persistent-flapping/history",
            device: "mixer-1",
            story: "mixer-1's session has dropped twelve times today, each time shortly",
            damage: Damage::ManyInterruptions,
        },
        Self {
            id: "expected-offline",
            device: "robot-1",
            story: "robot-1 is in maintenance, and switched off",
            damage: Damage::TakenOut(ServiceState::InMaintenance),
        },
        Self {
            id: "expected-offline/decommissioned",
            device: "robot-1",
            story: "robot-1 is decommissioned, and switched off",
            damage: Damage::TakenOut(ServiceState::Decommissioned),
        },
        Self {
            id: "never-provisioned",
            device: "spare-1",
            story: "spare-1 is in the registry, and was never given an identity",
            damage: Damage::Nothing,
        },
        Self {
            id: "never-provisioned/no-certificate",
            device: "press-1",
            story: "press-1 was reset, and holds no certificate any more",
            damage: Damage::NoIdentity,
        },
        Self {
            id: "field-protocol-fault",
            device: "oven-1",
            story: "oven-1's PLC program hangs: its network module answers, its protocol does not",
            damage: Damage::Hung,
        },
        Self {
            id: "field-protocol-fault/session-up",
            device: "press-1",
            story: "press-1's application hangs while its MQTT session stays up",
            damage: Damage::Hung,
        },
        Self {
            id: "gateway-client-fault",
            device: "oven-1",
            story: "gw-north-1's MQTT client hangs: its session stays up, and it publishes nothing",
            damage: Damage::StalledGateway,
        },
        Self {
            id: "connection-refused",
            device: "press-1",
            story: "press-1 has a wrong password for the broker",
            damage: Damage::WrongPassword,
        },
        Self {
            id: "connection-refused/not-authorized",
            device: "press-1",
            story: "press-1 is taken off the broker's access list",
            damage: Damage::Forbidden,
        },
        Self {
            id: "connection-refused/unknown-authority",
            device: "press-1",
            story: "press-1 is given a certificate of an authority that nobody here knows",
            damage: Damage::Stranger,
        },
        Self {
            id: "gateway-recovered",
            device: "press-1",
            story: "gw-north-1's process is killed",
            damage: Damage::KilledGateway,
        },
        Self {
            id: "gateway-recovered/out-of-memory",
            device: "press-1",
            story: "gw-north-1 leaks memory until it is killed for it",
            damage: Damage::LeakingGateway,
        },
        Self {
            id: "gateway-recovered/network-module",
            device: "press-1",
            story: "gw-north-1's network module hangs until its power is switched off and on",
            damage: Damage::WedgedModule,
        },
        Self {
            id: "recovered-meanwhile",
            device: "press-1",
            story: "gw-north-1's process is killed, and someone on the site starts it again",
            damage: Damage::KilledGateway,
        },
        Self {
            id: "gateway-fault",
            device: "press-1",
            story: "gw-north-1 dies, and can't start again: its outbox is broken",
            damage: Damage::BrokenOutbox,
        },
        Self {
            id: "gateway-fault/memory-limit",
            device: "press-1",
            story: "gw-north-1 is given too little memory, and is killed after each start",
            damage: Damage::MemoryLimit,
        },
        Self {
            id: "gateway-fault/cable",
            device: "press-1",
            story: "gw-north-1's network cable is cut",
            damage: Damage::Cable,
        },
        Self {
            id: "ot-network-fault",
            device: "press-1",
            story: "a firewall rule cuts the OT network of site north",
            damage: Damage::OtNetwork,
        },
        Self {
            id: "ot-network-fault/port",
            device: "press-1",
            story: "press-1's port is moved to another VLAN",
            damage: Damage::Port,
        },
        Self {
            id: "ot-network-fault/site-uplink",
            device: "press-1",
            story: "the uplink of site north is cut",
            damage: Damage::Uplink,
        },
        Self {
            id: "certificate-expired",
            device: "press-1",
            story: "press-1's certificate has expired; it knows, and does not dial",
            damage: Damage::OutOfTime { expired: true, dials: false },
        },
        Self {
            id: "certificate-expired/refused",
            device: "press-1",
            story: "press-1's certificate has expired; it dials, and is refused",
            damage: Damage::OutOfTime { expired: true, dials: true },
        },
        Self {
            id: "certificate-revoked",
            device: "press-1",
            story: "press-1's certificate is revoked",
            damage: Damage::Revoked,
        },
        Self {
            id: "certificate-not-yet-valid",
            device: "press-1",
            story: "press-1's certificate is valid from tomorrow; it knows, and does not dial",
            damage: Damage::OutOfTime { expired: false, dials: false },
        },
        Self {
            id: "certificate-not-yet-valid/refused",
            device: "press-1",
            story: "press-1's certificate is valid from tomorrow; it dials, and is refused",
            damage: Damage::OutOfTime { expired: false, dials: true },
        },
        Self {
            id: "dispatch-technician",
            device: "press-1",
            story: "press-1's application crashes for good, under power",
            damage: Damage::Crashed,
        },
        Self {
            id: "power-fault",
            device: "press-1",
            story: "press-1's breaker trips",
            damage: Damage::Breaker,
        },
        Self {
            id: "power-fault/feed",
            device: "press-1",
            story: "site north loses its mains, and its UPS is empty",
            damage: Damage::Feed,
        },
    ];

    /// The fault of this id.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(id: &str) -> Result<&'static Self> {
        Self::ALL
            .iter()
            .find(|fault| fault.id == id)
            .ok_or_else(|| Error::Unknown { kind: "fault", id: id.to_owned() })
    }

    /// The conclusion that it should lead to.
    pub fn conclusion(&self) -> &'static str {
        self.id.split_once('/').map_or(self.id, |(conclusion, _)| conclusion)
    }

    /// Breaks the parts.
    ///
    /// # Errors
    /// When a part does not break, or the factory lacks it.
    pub async fn inject(&'static self, factory: &Factory) -> Result<Injected> {
        let scene = Scene::of(self, factory)?;
        let before = scene.device.map(Device::condition);
        let goes_on = scene.damage(self.damage).await?;
        Ok(Injected { fault: self, before, _goes_on: goes_on })
    }
}

/// A fault that is in the factory, until it is mended.
#[derive(Debug)]
pub struct Injected {
    fault: &'static Fault,
    before: Option<Condition>,
    _goes_on: Option<Task>,
}

impl Injected {
    /// The fault.
    pub fn fault(&self) -> &'static Fault {
        self.fault
    }

    /// What somebody on the site does by themselves while the platform waits for leave to act: mostly nothing.
    ///
    /// # Errors
    /// When it can't be done.
    pub async fn meanwhile(&self, factory: &Factory) -> Result<()> {
        if self.fault.conclusion() == "recovered-meanwhile" {
            let scene = Scene::of(self.fault, factory)?;
            scene.mend_gateway().await?;
        }
        Ok(())
    }

    /// Puts the parts in order again, and waits until the factory is healthy.
    ///
    /// # Errors
    /// When a part can't be mended, or the factory does not become healthy in time.
    pub async fn mend(self, factory: &Factory) -> Result<()> {
        let Self { fault, before, _goes_on: goes_on } = self;
        drop(goes_on);
        let scene = Scene::of(fault, factory)?;
        scene.mend_site()?;
        scene.mend_gateway().await?;
        if let (Some(device), Some(before)) = (scene.device, before) {
            scene.mend_device(device, before)?;
        }
        factory.healthy().await
    }
}

/// The parts that a fault is about.
struct Scene<'a> {
    factory: &'a Factory,
    registered: Registered,
    site: &'a Site,
    gateway: &'a GatewayHost,
    device: Option<&'a Device>,
}

impl<'a> Scene<'a> {
    fn of(fault: &Fault, factory: &'a Factory) -> Result<Self> {
        let registered = factory
            .registry()
            .device(fault.device)?
            .ok_or_else(|| Error::Unknown { kind: "device", id: fault.device.to_owned() })?;
        Ok(Self {
            factory,
            site: factory.site(&registered.site)?,
            gateway: factory.gateway(&registered.gateway)?,
            device: factory.device(&registered.device).ok(),
            registered,
        })
    }

    fn id(&self) -> &str {
        &self.registered.device
    }

    fn device(&self) -> Result<&'a Device> {
        self.factory.device(self.id())
    }

    /// Does the damage. What goes on by itself goes on until the task is dropped.
    async fn damage(&self, damage: Damage) -> Result<Option<Task>> {
        match damage {
            Damage::Nothing => {}
            Damage::ShortInterruption => {
                let port = self.device()?.port();
                port.cut();
                sleep(INTERRUPTION).await;
                port.mend();
            }
            Damage::FlappingPort => {
                return Ok(Some(Task::spawn(flap(self.device()?.port().clone()))));
            }
            Damage::Twin => return Ok(Some(self.device()?.twin())),
            Damage::ManyInterruptions => self.interrupt_often().await?,
            Damage::TakenOut(state) => {
                self.factory.registry().set_state(self.id(), state)?;
                self.site.power_unit().set_breaker(self.id(), false)?;
            }
            Damage::NoIdentity => self.device()?.change(|device| device.identity = None),
            Damage::Hung => self.device()?.change(|device| device.application = Application::Hung),
            Damage::Crashed => self.device()?.change(|device| device.application = Application::Crashed),
            Damage::StalledGateway => self.gateway.supervisor().tell(Order::Stall).await?,
            Damage::WrongPassword => {
                self.device()?.change(|device| device.password = "a wrong password".to_owned());
            }
            Damage::Forbidden => {
                self.factory.broker().forbid(self.id());
                self.device()?.port().interrupt();
            }
            Damage::Stranger => {
                let stranger = Authority::new("another authority")?;
                let identity = stranger.issue(self.id(), Validity::current())?;
                self.device()?.change(|device| device.identity = Some(identity));
            }
            Damage::KilledGateway => self.gateway.supervisor().kill().await?,
            Damage::LeakingGateway => {
                self.gateway.supervisor().tell(Order::Leak).await?;
                self.gateway_dies().await?;
            }
            Damage::WedgedModule => self.gateway.module().cut(),
            Damage::BrokenOutbox => self.break_outbox().await?,
            Damage::MemoryLimit => {
                let supervisor = self.gateway.supervisor();
                supervisor.set_memory_budget(STARVING);
                // Whether it dies before or after it is ready is up to the machine.
                supervisor.restart().await.ok();
                self.gateway_dies().await?;
            }
            Damage::Cable => self.gateway.cable().cut(),
            Damage::OtNetwork => self.site.ot_network().cut(),
            Damage::Port => self.device()?.port().cut(),
            Damage::Uplink => self.site.uplink().cut(),
            Damage::OutOfTime { expired, dials } => {
                let validity = if expired { Validity::expired() } else { Validity::not_yet() };
                let identity = self.factory.authority().issue(self.id(), validity)?;
                self.device()?.change(|device| {
                    device.identity = Some(identity);
                    device.dials_regardless = dials;
                });
            }
            Damage::Revoked => self.revoke()?,
            Damage::Breaker => self.site.power_unit().set_breaker(self.id(), false)?,
            Damage::Feed => self.site.power_unit().set_feed(Feed { mains: false, ups_charged: false }),
        }
        Ok(None)
    }

    async fn interrupt_often(&self) -> Result<()> {
        let device = self.device()?;
        for _ in 0..FLAPS {
            let since = Utc::now();
            device.port().interrupt();
            wait::until("a session to come back", || async {
                let session = self.factory.broker().session_since(self.id());
                session.is_some_and(|at| at > since)
            })
            .await?;
        }
        Ok(())
    }

    fn revoke(&self) -> Result<()> {
        let device = self.device()?;
        if let Some(identity) = device.condition().identity {
            self.factory.authority().revoke(identity.serial());
            self.factory.door().reload_revocations()?;
        }
        // A session that is up survives a revocation; it ends like any other, and is not let in again.
        device.port().interrupt();
        Ok(())
    }

    async fn gateway_dies(&self) -> Result<()> {
        wait::until("the end of a gateway", || async { !self.gateway.supervisor().status().is_running() })
            .await
    }

    async fn break_outbox(&self) -> Result<()> {
        self.gateway.supervisor().kill().await?;
        for (file, aside) in self.outbox_files() {
            if file.exists() {
                fs::rename(file, aside).map_err(Error::io("putting an outbox aside"))?;
            }
        }
        fs::write(&self.gateway.supervisor().config().outbox, [0x5a; 8192])
            .map_err(Error::io("breaking an outbox"))
    }

    fn mend_outbox(&self) -> Result<()> {
        for (file, aside) in self.outbox_files() {
            if aside.exists() {
                fs::rename(aside, file).map_err(Error::io("putting an outbox back"))?;
            }
        }
        Ok(())
    }

    /// The outbox's files, and where each is put aside.
    fn outbox_files(&self) -> impl Iterator<Item = (PathBuf, PathBuf)> {
        let outbox = self.gateway.supervisor().config().outbox.clone();
        ["", "-wal", "-shm"].into_iter().map(move |suffix| {
            let mut file = outbox.clone().into_os_string();
            file.push(suffix);
            let mut aside = file.clone();
            aside.push(".aside");
            (file.into(), aside.into())
        })
    }

    fn mend_site(&self) -> Result<()> {
        self.site.uplink().mend();
        self.site.ot_network().mend();
        self.site.power_unit().set_feed(Feed { mains: true, ups_charged: true });
        if self.device.is_some() {
            self.site.power_unit().set_breaker(self.id(), true)?;
            self.factory.registry().set_state(self.id(), ServiceState::InService)?;
        }
        Ok(())
    }

    async fn mend_gateway(&self) -> Result<()> {
        let supervisor = self.gateway.supervisor();
        self.gateway.cable().mend();
        self.gateway.module().mend();
        supervisor.set_memory_budget(supervisor.config().memory_budget);
        if supervisor.status().is_running() {
            supervisor.tell(Order::Resume).await
        } else {
            self.mend_outbox()?;
            supervisor.start().await
        }
    }

    fn mend_device(&self, device: &Device, before: Condition) -> Result<()> {
        device.port().mend();
        self.factory.broker().allow(self.id());
        let authority = self.factory.authority();
        let identity = match before.identity {
            Some(identity) if authority.has_revoked(identity.serial()) => {
                Some(authority.issue(self.id(), Validity::current())?)
            }
            kept => kept,
        };
        device.change(|device| {
            *device = Condition { identity, password: password(self.id()), ..before };
        });
        Ok(())
    }
}

async fn flap(port: Switch) {
    loop {
        port.cut();
        sleep(FLAP).await;
        port.mend();
        sleep(2 * FLAP).await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_fault_has_an_id_of_its_own_and_is_found_by_it() {
        let ids = Fault::ALL.iter().map(|fault| fault.id).collect::<HashSet<_>>();
        assert_eq!(ids.len(), Fault::ALL.len());
        for id in ids {
            assert_eq!(Fault::find(id).unwrap().id, id);
        }
        assert!(Fault::find("no-such-fault").is_err());
    }

    #[test]
    fn every_conclusion_of_device_offline_has_a_fault() {
        let reached = Fault::ALL.iter().map(Fault::conclusion).collect::<HashSet<_>>();
        for conclusion in [
            "certificate-expired",
            "certificate-not-yet-valid",
            "certificate-revoked",
            "connection-refused",
            "connectivity-flap",
            "dispatch-technician",
            "expected-offline",
            "field-protocol-fault",
            "gateway-client-fault",
            "gateway-fault",
            "gateway-recovered",
            "never-provisioned",
            "ot-network-fault",
            "persistent-flapping",
            "power-fault",
            "recovered-meanwhile",
        ] {
            assert!(reached.contains(conclusion), "{conclusion}");
        }
    }
}
