//! Performing operations on the parts of a running factory or pipeline.

mod pipeline;

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::{
    sync::Mutex as TurnLock,
    time::{Instant, sleep, sleep_until},
};

use super::{Effect, Given, Operation, Owner, Place, Troubles};
use crate::{
    device::Device,
    error::{Error, Result},
    factory::{
        Factory, password,
        site::{GatewayHost, Site},
    },
    gateway::Order,
    network::Switch,
    pipeline::Pipeline,
    pki::{Authority, Identity, Validity},
    power::{Feed, PowerUnit},
    task::Task,
};

/// By how much a slow link delays each piece, in each direction: above half of what any question waits.
const SLOW: Duration = Duration::from_millis(1600);
/// How long a flapping network is gone; it holds for twice as long.
const FLAP: Duration = Duration::from_millis(450);
/// Too little memory for any gateway.
const STARVING: u64 = 4 << 20;
/// For how long a device with a wrong clock goes on publishing before its session ends.
const WRONG_CLOCK_SHOWS: Duration = Duration::from_millis(700);

/// An operation that was performed.
#[derive(Clone, Debug)]
pub struct Done {
    /// The operation.
    pub operation: Operation,
    /// When it began.
    pub from: DateTime<Utc>,
    /// When it was through; none while it is under way.
    pub through: Option<DateTime<Utc>>,
    /// Why it could not be done; none where it was.
    pub failed: Option<String>,
}

/// What operations are performed on.
#[derive(Clone, Debug)]
pub enum Parts {
    /// The factory.
    Factory(Arc<Factory>),
    /// The data pipeline.
    Pipeline(Arc<Pipeline>),
}

/// The operations of a scenario, while it is played.
#[derive(Debug)]
pub struct Performance {
    parts: Parts,
    operations: Vec<Operation>,
    troubles: Troubles,
    /// What goes on until it is undone.
    going_on: TurnLock<GoingOn>,
    done: Mutex<Vec<Done>>,
}

/// What goes on until it is undone.
#[derive(Debug, Default)]
struct GoingOn {
    /// By the name of its part.
    tasks: HashMap<String, Task>,
    in_pipeline: pipeline::GoingOn,
}

impl Performance {
    /// Of these operations, on these parts.
    pub fn new(parts: Parts, mut operations: Vec<Operation>) -> Self {
        operations.sort_by_key(|operation| operation.at);
        Self {
            parts,
            operations,
            troubles: Troubles::default(),
            going_on: TurnLock::default(),
            done: Mutex::default(),
        }
    }

    /// The troubles of the platform's adapters.
    pub fn troubles(&self) -> &Troubles {
        &self.troubles
    }

    /// What was done so far.
    pub fn done(&self) -> Vec<Done> {
        self.lock_done().clone()
    }

    /// Performs each operation at its time from now on, but for those that wait for a step. What goes on by itself goes
    /// on until the performance is dropped.
    pub async fn run(&self) {
        let start = Instant::now();
        for operation in self.operations.iter().filter(|operation| operation.step.is_none()) {
            sleep_until(start + operation.at).await;
            self.perform(operation).await;
        }
    }

    /// The walk has come to a step: performs what waits for that. The first time counts.
    pub async fn reached(&self, step: &str) {
        for operation in self.operations.iter().filter(|one| one.step.as_deref() == Some(step)) {
            let is_done = self.lock_done().iter().any(|done| done.operation == *operation);
            if !is_done {
                self.perform(operation).await;
            }
        }
    }

    /// Those that waited for a step that the walk did not come to.
    pub fn left_out(&self) -> Vec<&Operation> {
        let done = self.lock_done();
        let waits = self.operations.iter().filter(|operation| operation.step.is_some());
        waits.filter(|operation| !done.iter().any(|done| done.operation == **operation)).collect()
    }

    async fn perform(&self, operation: &Operation) {
        let mut going_on = self.going_on.lock().await;
        let position = {
            let mut done = self.lock_done();
            let begun = Done { operation: operation.clone(), from: Utc::now(), through: None, failed: None };
            done.push(begun);
            done.len() - 1
        };
        let performed = match (&self.parts, operation.word.effect) {
            (_, Effect::Trouble(trouble)) => {
                self.troubles.set(operation.word.part, trouble);
                Ok(())
            }
            (Parts::Factory(factory), _) => {
                Performer { factory, going_on: &mut going_on.tasks }.perform(operation).await
            }
            (Parts::Pipeline(pipeline), Effect::Pipeline(effect)) => {
                going_on.in_pipeline.perform(pipeline, effect, operation.by).await
            }
            (Parts::Pipeline(_), _) => Err(Error::Refused("the pipeline has no such part".to_owned())),
        };
        let mut done = self.lock_done();
        if let Some(entry) = done.get_mut(position) {
            entry.through = Some(Utc::now());
            entry.failed = performed.err().map(|error| error.to_string());
        }
    }

    fn lock_done(&self) -> MutexGuard<'_, Vec<Done>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Performer<'a> {
    factory: &'a Factory,
    /// What goes on until it is undone, by the name of its part.
    going_on: &'a mut HashMap<String, Task>,
}

impl Performer<'_> {
    async fn perform(&mut self, operation: &Operation) -> Result<()> {
        let owner = operation.owner.as_str();
        match operation.word.effect {
            Effect::Cut(place) => self.switch(place, owner)?.cut(),
            Effect::Slow(place) => self.switch(place, owner)?.slow(SLOW),
            Effect::Flap(place) => {
                let flapping = Task::spawn(flap(self.switch(place, owner)?.clone()));
                self.going_on.insert(operation.part(), flapping);
            }
            Effect::Mend(place) => {
                self.going_on.remove(&operation.part());
                self.switch(place, owner)?.mend();
            }
            Effect::Breaker { closed } => self.power_unit(owner)?.set_breaker(owner, closed)?,
            Effect::Feed { mains, ups_charged } => {
                self.factory.site(owner)?.power_unit().set_feed(Feed { mains, ups_charged });
            }
            Effect::Register(state) => self.factory.registry().set_state(owner, state)?,
            Effect::StopIngestion => self.factory.platform().stop_storing(),
            Effect::StartIngestion => self.factory.platform().store(),
            Effect::Forbid => {
                self.factory.broker().forbid(owner);
                self.session_switch(owner)?.interrupt();
            }
            Effect::Allow => self.factory.broker().allow(owner),
            _ if operation.word.owner == Owner::Gateway => {
                self.on_gateway(self.factory.gateway(owner)?, operation.word.effect).await?;
            }
            _ => self.on_device(self.factory.device(owner)?, operation).await?,
        }
        Ok(())
    }

    async fn on_gateway(&self, gateway: &GatewayHost, effect: Effect) -> Result<()> {
        let supervisor = gateway.supervisor();
        match effect {
            Effect::KillProcess => supervisor.kill().await,
            Effect::StartProcess => supervisor.start().await,
            Effect::StopProcess => supervisor.freeze().await,
            Effect::ContinueProcess => supervisor.thaw().await,
            Effect::LeakMemory => supervisor.tell(Order::Leak).await,
            Effect::LimitMemory => {
                supervisor.set_memory_budget(STARVING);
                // Whether it dies before or after it is ready is up to the machine.
                supervisor.restart().await.ok();
                Ok(())
            }
            Effect::RestoreMemory => {
                supervisor.set_memory_budget(supervisor.config().memory_budget);
                // It may be up for the moment that it takes to run out of memory.
                supervisor.restart().await
            }
            Effect::BreakOutbox => break_outbox(gateway).await,
            Effect::MendOutbox => {
                mend_outbox(gateway)?;
                supervisor.start().await
            }
            Effect::StallClient => supervisor.tell(Order::Stall).await,
            Effect::ResumeClient => supervisor.tell(Order::Resume).await,
            Effect::Certificate(Given::Revoked) => {
                let config = supervisor.config();
                let read = |file| fs::read(file).map_err(Error::io("reading a gateway's certificate"));
                let held = Identity::from_der(read(&config.certificate)?, read(&config.key)?)?;
                self.revoke(&held)?;
                gateway.cable().interrupt();
                Ok(())
            }
            Effect::Certificate(given) => match self.issue(gateway.id(), given)? {
                Some(identity) => give_certificate(gateway, &identity).await,
                None => Ok(()),
            },
            other => Err(Error::Refused(format!("a gateway takes no {other:?}"))),
        }
    }

    async fn on_device(&mut self, device: &Device, operation: &Operation) -> Result<()> {
        let id = device.spec().id.as_str();
        match operation.word.effect {
            Effect::Run(application) => device.change(|now| now.application = application),
            Effect::BreakModule => device.change(|now| now.module_works = false),
            Effect::MendModule => device.change(|now| now.module_works = true),
            Effect::Certificate(Given::Revoked) => {
                if let Some(identity) = device.condition().identity {
                    self.revoke(&identity)?;
                }
                // A session that is up survives a revocation; it ends like any other, and is not let in again.
                device.port().interrupt();
            }
            Effect::Certificate(given) => {
                let identity = self.issue(id, given)?;
                device.change(|now| {
                    now.identity = identity;
                    now.dials_regardless = dials_regardless(given);
                });
            }
            Effect::SpoilPassword => device.change(|now| now.password = "a wrong password".to_owned()),
            Effect::RestorePassword => device.change(|now| now.password = password(id)),
            Effect::AddTwin => {
                self.going_on.insert(operation.part(), device.twin());
            }
            Effect::RemoveTwin => {
                self.going_on.remove(&operation.part());
            }
            Effect::SetClock => {
                let ahead = operation.by.unwrap_or_else(TimeDelta::zero);
                device.change(|now| now.clock_ahead = ahead);
                sleep(WRONG_CLOCK_SHOWS).await;
                device.port().interrupt();
            }
            Effect::CorrectClock => device.change(|now| now.clock_ahead = TimeDelta::zero()),
            other => return Err(Error::Refused(format!("a device takes no {other:?}"))),
        }
        Ok(())
    }

    fn switch(&self, place: Place, owner: &str) -> Result<&Switch> {
        Ok(match place {
            Place::Uplink => self.factory.site(owner)?.uplink(),
            Place::BrokerRule => self.factory.site(owner)?.broker_rule(),
            Place::OtNetwork => self.factory.site(owner)?.ot_network(),
            Place::Cable => self.factory.gateway(owner)?.cable(),
            Place::GatewayModule => self.factory.gateway(owner)?.module(),
            Place::Port => self.factory.device(owner)?.port(),
            Place::BrokerHost => self.factory.door().broker_host(),
        })
    }

    /// What ends the session of a gateway or device when it is interrupted.
    fn session_switch(&self, owner: &str) -> Result<&Switch> {
        match self.factory.gateway(owner) {
            Ok(gateway) => Ok(gateway.cable()),
            Err(_) => Ok(self.factory.device(owner)?.port()),
        }
    }

    fn power_unit(&self, consumer: &str) -> Result<&PowerUnit> {
        let feeds = |site: &&Site| {
            site.gateways().iter().any(|gateway| gateway.id() == consumer)
                || site.devices().iter().any(|device| device.spec().id == consumer)
        };
        let site = self.factory.sites().iter().find(feeds);
        let site = site.ok_or_else(|| Error::Unknown { kind: "outlet", id: consumer.to_owned() })?;
        Ok(site.power_unit())
    }

    fn issue(&self, name: &str, given: Given) -> Result<Option<Identity>> {
        let authority = self.factory.authority();
        Ok(Some(match given {
            Given::Nothing => return Ok(None),
            Given::Expired { .. } => authority.issue(name, Validity::expired())?,
            Given::NotYetValid { .. } => authority.issue(name, Validity::not_yet())?,
            Given::Foreign => Authority::new("another authority")?.issue(name, Validity::current())?,
            Given::Current | Given::Revoked => authority.issue(name, Validity::current())?,
        }))
    }

    fn revoke(&self, identity: &Identity) -> Result<()> {
        self.factory.authority().revoke(identity.serial());
        self.factory.door().reload_revocations()
    }
}

/// Whether a device dials with what it was given, even where it could know better.
fn dials_regardless(given: Given) -> bool {
    matches!(given, Given::Expired { dials: true } | Given::NotYetValid { dials: true })
}

/// Gives the gateway this certificate, which it presents from its next start on; restarts it where it runs.
pub(crate) async fn give_certificate(gateway: &GatewayHost, identity: &Identity) -> Result<()> {
    let supervisor = gateway.supervisor();
    let config = supervisor.config();
    for (file, bytes) in
        [(&config.certificate, &identity.certificate()[..]), (&config.key, identity.key_der())]
    {
        fs::write(file, bytes).map_err(Error::io("writing a gateway's files"))?;
    }
    match supervisor.status().is_running() {
        true => supervisor.restart().await,
        false => Ok(()),
    }
}

/// Kills the gateway, and replaces its outbox by a file that no database can open.
pub(crate) async fn break_outbox(gateway: &GatewayHost) -> Result<()> {
    gateway.supervisor().kill().await?;
    for (file, aside) in outbox_files(gateway) {
        if file.exists() {
            fs::rename(file, aside).map_err(Error::io("putting an outbox aside"))?;
        }
    }
    fs::write(&gateway.supervisor().config().outbox, [0x5a; 8192]).map_err(Error::io("breaking an outbox"))
}

/// Puts the outbox back that was put aside.
pub(crate) fn mend_outbox(gateway: &GatewayHost) -> Result<()> {
    for (file, aside) in outbox_files(gateway) {
        if aside.exists() {
            fs::rename(aside, file).map_err(Error::io("putting an outbox back"))?;
        }
    }
    Ok(())
}

/// The outbox's files, and where each is put aside.
fn outbox_files(gateway: &GatewayHost) -> impl Iterator<Item = (PathBuf, PathBuf)> {
    let outbox = gateway.supervisor().config().outbox.clone();
    ["", "-wal", "-shm"].into_iter().map(move |suffix| {
        let mut file = outbox.clone().into_os_string();
        file.push(suffix);
        let mut aside = file.clone();
        aside.push(".aside");
        (file.into(), aside.into())
    })
}

async fn flap(switch: Switch) {
    loop {
        switch.cut();
        sleep(FLAP).await;
        switch.mend();
        sleep(2 * FLAP).await;
    }
}
