//! The renewal job: it has a new certificate issued for each device whose own is due, offers it on the device's topic,
//! and watches until the device is seen with it.
//!
//! What is decided is the library's: a [`Lifecycle`] for each device with a session of its own. The services around it
//! are real: an authority, a topic at the broker ([`channel`]), and a TLS endpoint that a device tests against
//! ([`trial`]). Gateways have no lifecycle here: their certificates are renewed by hand.

pub mod channel;
mod clock;
mod job;
mod services;
pub mod trial;

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use chrono::{DateTime, Utc};
use iot_runbook::{
    adapter::Lifecycles,
    certificate::{
        lifecycle::{Credential, Lifecycle, Rules, Settings},
        service::Worker,
        validity::{Certificate, Chain, Fingerprint},
    },
    time::Clock,
};
use rumqttc::{AsyncClient, EventLoop};
use tokio::sync::Mutex as TurnLock;

pub use self::clock::ServiceClock;
use self::{
    channel::Channel,
    services::{Authorities, Desk},
    trial::TrialServer,
};
use crate::{
    broker::Broker,
    door::Door,
    error::{Error, Result},
    pki::{Authority, Identity},
    provisioning::Provisioning,
    task::Task,
};

/// The client id of the job.
pub const CLIENT: &str = "renewals";

/// What the job works with.
pub struct Ground {
    /// Who issues the certificates.
    pub authority: Arc<Authority>,
    /// Who keeps the newest certificate of each device, and its contacts.
    pub provisioning: Arc<Provisioning>,
    /// Whose log shows which certificate a device connects with.
    pub door: Arc<Door>,
    /// Whose sessions show whether a device is there.
    pub broker: Arc<Broker>,
    /// The job's own MQTT client.
    pub client: (AsyncClient, EventLoop),
    /// What devices test against.
    pub trials: Arc<TrialServer>,
}

/// The renewal job, with a lifecycle for each device.
pub struct Renewals {
    shared: Arc<Shared>,
    authorities: Arc<Authorities>,
    trials: Arc<TrialServer>,
    _job: Task,
}

struct Shared {
    lifecycles: Lifecycles,
    rules: Rules,
    clock: ServiceClock,
    channel: Arc<Channel>,
    door: Arc<Door>,
    broker: Arc<Broker>,
    /// The devices that are enrolled.
    devices: Mutex<BTreeSet<String>>,
    is_halted: AtomicBool,
    /// Held for a turn: what is enrolled meanwhile must not be overwritten by it.
    turn: TurnLock<()>,
}

impl Renewals {
    /// Starts the job. It knows no device until one is [enrolled](Self::enroll).
    ///
    /// # Errors
    /// When the library refuses the rules.
    pub fn start(ground: Ground) -> Result<Self> {
        let Ground { authority, provisioning, door, broker, client, trials } = ground;
        let authorities = Arc::new(Authorities::new(authority, provisioning, Arc::clone(&door)));
        let channel = Arc::new(Channel::open(client));
        let desk = Arc::new(Desk::default());
        let worker = Worker::new(
            Arc::<Authorities>::clone(&authorities),
            Arc::<Channel>::clone(&channel),
            Arc::<Desk>::clone(&desk),
            desk,
        )
        .with_test_endpoint(Arc::<TrialServer>::clone(&trials));
        let shared = Arc::new(Shared {
            lifecycles: Lifecycles::default(),
            rules: rules()?,
            clock: ServiceClock::default(),
            channel,
            door,
            broker,
            devices: Mutex::default(),
            is_halted: AtomicBool::new(false),
            turn: TurnLock::default(),
        });
        let job = Task::spawn(job::work(Arc::clone(&shared), worker));
        Ok(Self { shared, authorities, trials, _job: job })
    }

    /// Begins a lifecycle for a device that has this certificate, in place of the one that it had. What was offered to
    /// the device before is taken back.
    ///
    /// # Errors
    /// When the certificate can't be read, or the broker does not answer.
    pub async fn enroll(&self, device: &str, identity: &Identity) -> Result<()> {
        let _turn = self.shared.turn.lock().await;
        let generation = match self.shared.lifecycles.get(device) {
            Some(before) => {
                self.shared.channel.take_back(device).await?;
                before.generation()
            }
            None => 0,
        };
        self.authorities.know(identity.certificate())?;
        let in_use = credential(identity.certificate())?;
        let lifecycle = Lifecycle::new(device, in_use, self.clock().now())
            .map_err(|error| Error::Refused(error.to_string()))?;
        // A device does not take up a generation that it knows.
        self.shared.lifecycles.insert(lifecycle.with_generation(generation));
        self.shared.devices().insert(device.to_owned());
        Ok(())
    }

    /// The lifecycles of the devices.
    pub fn lifecycles(&self) -> &Lifecycles {
        &self.shared.lifecycles
    }

    /// The clock that the job, and the monitoring of certificates beside it, go by.
    pub fn clock(&self) -> &ServiceClock {
        &self.shared.clock
    }

    /// What devices test against.
    pub fn trials(&self) -> &TrialServer {
        &self.trials
    }

    /// Halts the job, as a scheduler does that lost it.
    pub fn halt(&self) {
        self.shared.is_halted.store(true, Ordering::SeqCst);
    }

    /// Lets the job go on. What happened meanwhile is in the logs.
    pub fn go_on(&self) {
        self.shared.is_halted.store(false, Ordering::SeqCst);
    }
}

impl fmt::Debug for Renewals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewals").finish_non_exhaustive()
    }
}

/// The library's own rules. The door's log is exact, so two connections are never of one moment.
fn rules() -> Result<Rules> {
    let mut settings = Settings::default();
    settings.log_resolution = chrono::TimeDelta::zero();
    Rules::new(settings).map_err(|error| Error::Refused(error.to_string()))
}

/// The name of a certificate wherever the plant reports on one: the SHA-256 of its DER.
pub fn fingerprint(certificate: &[u8]) -> Fingerprint {
    Fingerprint::of(certificate)
}

fn credential(certificate: &[u8]) -> Result<Credential> {
    let unreadable = |error: iot_runbook::certificate::validity::CertificateError| {
        Error::UnreadableCertificate(error.to_string())
    };
    let read = Certificate::from_der(certificate).map_err(unreadable)?;
    Ok(Credential::from(&Chain::new(vec![read]).map_err(unreadable)?))
}

impl Shared {
    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    fn devices(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
