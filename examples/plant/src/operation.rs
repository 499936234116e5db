//! Operations on parts of the factory or of the pipeline, and on the platform's adapters: the words of scenario files and
//! of chaos, in tables.
//!
//! A part is named by its owner and its kind, such as `press-1.breaker` or `north.uplink`. The loader of scenario
//! files, `--vocabulary` and the performer all read [`all_words`], so they cannot disagree. Chaos draws from
//! [`VOCABULARY`]: the parts of the factory alone.

mod perform;
mod troubles;
mod vocabulary;

use std::{fmt, time::Duration};

use chrono::TimeDelta;

pub(crate) use self::perform::{break_outbox, give_certificate, mend_outbox};
pub use self::{
    perform::{Done, Parts, Performance},
    troubles::{Trouble, Troubles},
    vocabulary::{ADAPTERS, PIPELINE, VOCABULARY, all_words, words},
};
use crate::{
    device::{Application, Kind},
    factory::Plan,
    pipeline::{self, message::Firmware},
    platform::ServiceState,
};

/// The owner of the parts that belong to no site.
pub const PLATFORM: &str = "platform";

/// The owner of the platform's adapters.
pub const ADAPTER_OWNER: &str = "adapters";

/// Where a scenario takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// In the factory: a device falls silent.
    Factory,
    /// In the data pipeline: rows are missing.
    Pipeline,
}

impl Setting {
    /// The setting of scenarios about this device; none where neither has such a device.
    pub fn of(device: &str) -> Option<Self> {
        if device == pipeline::DEVICE {
            return Some(Self::Pipeline);
        }
        Location::of(device).map(|_| Self::Factory)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Factory => "factory",
            Self::Pipeline => "pipeline",
        }
    }
}

/// The kinds of owners of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A site, such as `north`.
    Site,
    /// A gateway, such as `gw-north-1`.
    Gateway,
    /// A device, such as `press-1`.
    Device,
    /// The platform.
    Platform,
    /// The machine at the beginning of the pipeline.
    Machine,
    /// The gateway of the pipeline, with its site's network.
    Edge,
    /// The rest of the pipeline, from the broker to the table.
    Pipeline,
    /// The platform's adapters, which a diagnosis asks.
    Adapters,
}

/// One row of the vocabulary: something that can be done to a kind of part.
#[derive(Debug)]
pub struct Word {
    /// Who owns the part.
    pub owner: Owner,
    /// The kind of part, such as `uplink`.
    pub part: &'static str,
    /// What is done, such as `cut`.
    pub verb: &'static str,
    /// The verb that undoes it on the same part; none where this one mends.
    pub undone_by: Option<&'static str>,
    /// Whether only devices with an MQTT session of their own have the part.
    pub needs_session: bool,
    /// The setting that has the part; none where both have it.
    pub only_in: Option<Setting>,
    /// What it does, for a reader.
    pub does: &'static str,
    /// The effect on the part.
    pub(crate) effect: Effect,
}

/// The effect of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Cut(Place),
    Slow(Place),
    Flap(Place),
    Mend(Place),
    KillProcess,
    StartProcess,
    StopProcess,
    ContinueProcess,
    LeakMemory,
    LimitMemory,
    RestoreMemory,
    BreakOutbox,
    MendOutbox,
    StallClient,
    ResumeClient,
    Breaker { closed: bool },
    Feed { mains: bool, ups_charged: bool },
    Run(Application),
    BreakModule,
    MendModule,
    Certificate(Given),
    Forbid,
    Allow,
    SpoilPassword,
    RestorePassword,
    AddTwin,
    RemoveTwin,
    Register(ServiceState),
    SetClock,
    CorrectClock,
    StopIngestion,
    StartIngestion,
    Pipeline(PipelineEffect),
    Trouble(Option<Trouble>),
}

/// The effect of an operation on the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PipelineEffect {
    Cut(Line),
    Mend(Line),
    Hang(bool),
    Flash(Firmware),
    SetClock,
    CorrectClock,
    FillOutbox(bool),
    ForbidSession(bool),
    ForbidPublishing(bool),
    Misspell(bool),
    KillBridge,
    RestartBridge,
    RefuseProduce(bool),
    Pause(bool),
    SlowDown(bool),
    StopConsumer,
    StartConsumer,
    GoByIdAlone(bool),
    OpenTransaction,
    AbortTransaction,
    Poison,
    SkipPoison,
    LockTable(bool),
    FillTable(bool),
    PassOver(bool),
    Rename(bool),
}

/// A network of the pipeline that can be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Port,
    Cable,
    Uplink,
}

/// Where a network can be cut or slowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Uplink,
    BrokerRule,
    OtNetwork,
    Cable,
    GatewayModule,
    Port,
    BrokerHost,
}

/// What becomes of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    Current,
    Expired { dials: bool },
    NotYetValid { dials: bool },
    Revoked,
    Foreign,
    Nothing,
}

/// An operation of a scenario.
#[derive(Clone, Debug)]
pub struct Operation {
    /// When, after the start of the scenario.
    pub at: Duration,
    /// The step of the walk at whose beginning it is done, where it waits for one; `at` is zero then.
    pub step: Option<String>,
    /// The id of the part's owner.
    pub owner: String,
    /// What is done to which kind of part.
    pub word: &'static Word,
    /// By how much, where the word takes an amount.
    pub by: Option<TimeDelta>,
}

impl Operation {
    /// The name of its part.
    pub fn part(&self) -> String {
        format!("{}.{}", self.owner, self.word.part)
    }
}

impl PartialEq for Operation {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
            && self.step == other.step
            && self.owner == other.owner
            && self.word.name() == other.word.name()
            && self.by == other.by
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.word.verb, self.part())
    }
}

impl Word {
    /// What names it: no other word has the same.
    fn name(&self) -> (Owner, &str, &str) {
        (self.owner, self.part, self.verb)
    }

    /// Whether it takes an amount of time, such as how far a clock is set.
    pub fn takes_amount(&self) -> bool {
        matches!(self.effect, Effect::SetClock | Effect::Pipeline(PipelineEffect::SetClock))
    }

    /// Whether a scenario of this setting has the part.
    pub fn is_in(&self, setting: Setting) -> bool {
        self.only_in.is_none_or(|only| only == setting)
    }
}

impl Owner {
    pub(crate) const ALL: [Self; 8] = [
        Self::Site,
        Self::Gateway,
        Self::Device,
        Self::Platform,
        Self::Machine,
        Self::Edge,
        Self::Pipeline,
        Self::Adapters,
    ];

    /// Its name in headings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Gateway => "gateway",
            Self::Device => "device",
            Self::Platform => PLATFORM,
            Self::Machine => "machine",
            Self::Edge => "edge",
            Self::Pipeline => "pipeline",
            Self::Adapters => "adapters of the platform",
        }
    }
}

/// The ids of all owners of this kind in the whole factory, and in the pipeline.
pub fn owners(kind: Owner) -> Vec<&'static str> {
    let sites = Plan::WHOLE.sites.iter();
    match kind {
        Owner::Site => sites.map(|site| site.id).collect(),
        Owner::Gateway => sites.flat_map(|site| site.gateways).copied().collect(),
        Owner::Device => sites.flat_map(|site| site.devices).map(|(id, ..)| *id).collect(),
        Owner::Platform => vec![PLATFORM],
        Owner::Machine => vec![pipeline::DEVICE],
        Owner::Edge => vec![pipeline::GATEWAY],
        Owner::Pipeline => vec![pipeline::PIPELINE],
        Owner::Adapters => vec![ADAPTER_OWNER],
    }
}

/// The kind of owner that has this id.
pub fn owner_of(id: &str) -> Option<Owner> {
    Owner::ALL.into_iter().find(|kind| owners(*kind).contains(&id))
}

/// Where a device of the whole factory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// Its site.
    pub site: &'static str,
    /// The gateway that it is behind.
    pub gateway: &'static str,
    /// How it speaks.
    pub kind: Kind,
}

impl Location {
    /// Where this device is; none where the factory has no such device.
    pub fn of(device: &str) -> Option<Self> {
        let installed = Plan::WHOLE.sites.iter().find_map(|site| {
            let (_, gateway, kind) = site.devices.iter().find(|(id, ..)| *id == device)?;
            Some(Self { site: site.id, gateway, kind: *kind })
        });
        let registered = Plan::WHOLE.never_provisioned.filter(|(.., id)| *id == device);
        installed.or(registered.map(|(site, gateway, _)| Self { site, gateway, kind: Kind::Mqtt }))
    }

    /// Whether the way of the device's messages depends on parts of this owner.
    pub fn depends_on(&self, device: &str, owner: &str) -> bool {
        [device, self.gateway, self.site, PLATFORM].contains(&owner)
    }
}
