//! Breaking the parts that a fault is about, and mending them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::sleep;

use super::{Fault, renewal::Renewal};
use crate::{
    device::{Application, Condition, Device},
    error::{Error, Result},
    factory::{
        Factory, password,
        site::{GatewayHost, Site},
    },
    gateway::Order,
    network::Switch,
    operation::{break_outbox, give_certificate, mend_outbox},
    pki::{Authority, Validity},
    platform::{Registered, ServiceState},
    power::Feed,
    task::Task,
    wait,
};

/// How long a short interruption lasts.
const INTERRUPTION: Duration = Duration::from_millis(1500);
/// How long a flapping network is gone, and for how long it holds once the device is back.
const FLAP: Duration = Duration::from_millis(450);
/// The device is waited for so long, however busy the machine: a network that holds too shortly is just cut.
const BACK_WITHIN: Duration = Duration::from_secs(5);
/// How often a device that flaps again and again does so before it is steady.
const FLAPS: usize = 12;
/// Too little memory for any gateway.
const STARVING: u64 = 4 << 20;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
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
    OutOfTime {
        expired: bool,
        dials: bool,
    },
    /// Expired, with what is left to bring the device back.
    Lapsed(Help),
    Revoked,
    Breaker,
    Feed,
    DeadModule,
    FrozenGateway,
    BrokerRule,
    BrokerHost,
    Storage,
    GatewayCertificate,
    /// What the daily monitoring finds of the device's certificate.
    Certificate(Found),
    /// The same of its renewal.
    Renewal(Renewal),
}

/// What the daily monitoring of certificates finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It ends in so many days.
    EndsIn(i64),
    NotYetValid,
    Revoked,
}

/// What is left to bring back a device whose certificate has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Help {
    /// It asks the provisioning service for a new one.
    Asks,
    /// Its provisioning client hangs, until somebody restarts it.
    Restart,
    /// The site's firewall closes the way to the provisioning service; an emergency certificate was prepared.
    Emergency,
    /// The same, and the emergency certificate is of an authority that the broker no longer trusts.
    Untrusted,
    /// Its provisioning client hangs, and somebody on the site loads a certificate while an approval is waited for.
    ByHand,
}

/// The parts that a fault is about.
pub(super) struct Scene<'a> {
    pub(super) damage: Damage,
    pub(super) factory: &'a Factory,
    registered: Registered,
    pub(super) site: &'a Site,
    gateway: &'a GatewayHost,
    pub(super) device: Option<&'a Device>,
}

impl<'a> Scene<'a> {
    pub(super) fn of(fault: &Fault, factory: &'a Factory) -> Result<Self> {
        let registered = factory
            .registry()
            .device(fault.device)?
            .ok_or_else(|| Error::Unknown { kind: "device", id: fault.device.to_owned() })?;
        Ok(Self {
            damage: fault.damage,
            factory,
            site: factory.site(&registered.site)?,
            gateway: factory.gateway(&registered.gateway)?,
            device: factory.device(&registered.device).ok(),
            registered,
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.registered.device
    }

    pub(super) fn device(&self) -> Result<&'a Device> {
        self.factory.device(self.id())
    }

    /// Does the damage. What goes on by itself goes on until the task is dropped.
    pub(super) async fn damage(&self) -> Result<Option<Task>> {
        match self.damage {
            Damage::Nothing => {}
            Damage::ShortInterruption => {
                let port = self.device()?.port();
                port.cut();
                sleep(INTERRUPTION).await;
                port.mend();
            }
            Damage::FlappingPort => {
                let heard = self.factory.platform().hearing(self.id());
                return Ok(Some(Task::spawn(flap(self.device()?.port().clone(), heard))));
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
            Damage::BrokenOutbox => break_outbox(self.gateway).await?,
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
            Damage::Lapsed(help) => {
                let identity = self.factory.authority().issue(self.id(), Validity::expired())?;
                if matches!(help, Help::Emergency | Help::Untrusted) {
                    self.site.provisioning_rule().cut();
                }
                if help == Help::Untrusted {
                    let stranger = Authority::new("an authority of before")?;
                    self.factory.keep_emergency(self.id(), stranger.issue(self.id(), Validity::current())?);
                }
                self.device()?.change(|device| {
                    device.identity = Some(identity);
                    device.provisions = matches!(help, Help::Asks | Help::Emergency | Help::Untrusted);
                });
            }
            Damage::OutOfTime { expired, dials } => {
                if expired {
                    // Nothing is left to bring it back.
                    self.site.provisioning_rule().cut();
                    self.factory.take_emergency(self.id());
                }
                let validity = if expired { Validity::expired() } else { Validity::not_yet() };
                let identity = self.factory.authority().issue(self.id(), validity)?;
                self.device()?.change(|device| {
                    device.identity = Some(identity);
                    device.dials_regardless = dials;
                });
            }
            Damage::Revoked | Damage::Certificate(Found::Revoked) => self.revoke()?,
            Damage::Certificate(Found::NotYetValid) => self.certify(Validity::not_yet())?,
            Damage::Certificate(Found::EndsIn(days)) => self.certify(Validity::ending_in(days))?,
            Damage::Renewal(how) => self.renew(how).await?,
            Damage::DeadModule => self.device()?.change(|device| device.module_works = false),
            Damage::FrozenGateway => self.gateway.supervisor().freeze().await?,
            Damage::BrokerRule => {
                self.site.broker_rule().cut();
            }
            Damage::BrokerHost => self.factory.door().broker_host().cut(),
            Damage::Storage => self.factory.platform().stop_storing(),
            Damage::GatewayCertificate => self.gateway_certificate(Validity::expired()).await?,
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

    /// Gives the device a certificate of that validity.
    fn certify(&self, validity: Validity) -> Result<()> {
        let identity = self.factory.authority().issue(self.id(), validity)?;
        self.device()?.change(|device| device.identity = Some(identity));
        Ok(())
    }

    /// Gives the gateway a certificate of that validity, which it presents from its next start on.
    async fn gateway_certificate(&self, validity: Validity) -> Result<()> {
        let identity = self.factory.authority().issue(self.gateway.id(), validity)?;
        give_certificate(self.gateway, &identity).await
    }

    /// Somebody on the site loads a valid certificate, where that is part of the fault. Gives whether it was done.
    pub(super) fn certify_by_hand(&self) -> Result<bool> {
        let does = self.damage == Damage::Lapsed(Help::ByHand);
        if does {
            let identity = self.factory.authority().issue(self.id(), Validity::current())?;
            self.device()?.change(|device| device.identity = Some(identity));
        }
        Ok(does)
    }

    async fn gateway_dies(&self) -> Result<()> {
        wait::until("the end of a gateway", || async { !self.gateway.supervisor().status().is_running() })
            .await
    }

    pub(super) fn mend_site(&self) -> Result<()> {
        self.site.uplink().mend();
        self.site.broker_rule().mend();
        self.site.provisioning_rule().mend();
        self.site.test_rule().mend();
        self.factory.door().broker_host().mend();
        self.factory.platform().store();
        self.site.ot_network().mend();
        self.site.power_unit().set_feed(Feed { mains: true, ups_charged: true });
        if self.device.is_some() {
            self.site.power_unit().set_breaker(self.id(), true)?;
            self.factory.registry().set_state(self.id(), ServiceState::InService)?;
        }
        Ok(())
    }

    pub(super) async fn mend_gateway(&self) -> Result<()> {
        let supervisor = self.gateway.supervisor();
        self.gateway.cable().mend();
        self.gateway.module().mend();
        supervisor.set_memory_budget(supervisor.config().memory_budget);
        mend_outbox(self.gateway)?;
        supervisor.thaw().await?;
        if self.damage == Damage::GatewayCertificate {
            self.gateway_certificate(Validity::current()).await?;
        }
        if self.damage == Damage::MemoryLimit {
            // It may be up for the moment that it takes to run out of memory.
            supervisor.kill().await?;
        }
        supervisor.start().await?;
        supervisor.tell(Order::Resume).await
    }

    pub(super) fn mend_device(&self, device: &Device, before: Condition) -> Result<()> {
        device.port().mend();
        self.factory.broker().allow(self.id());
        self.factory.provisioning().withdraw(self.id());
        self.factory.prepare_emergency(self.id())?;
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

async fn flap(port: Switch, heard: impl Fn() -> Option<DateTime<Utc>>) {
    loop {
        port.cut();
        sleep(FLAP).await;
        port.mend();
        let since = Utc::now();
        let is_back = || async { heard().is_some_and(|at| at > since) };
        wait::until_within("a device that came back", BACK_WITHIN, is_back).await.ok();
        sleep(FLAP).await;
    }
}
