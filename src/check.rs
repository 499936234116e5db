//! Checks: what a runbook may ask, of which scope, with which params, and how the answers of the adapters are
//! judged.
//!
//! [`Checks::builtin`] has every check of the built-in runbooks; [`Checks::register`] adds a user's own:
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use iot_runbook::check::{CheckRequest, Checks, CustomCheck};
//! use iot_runbook::fact::{Domain, Kind, Observation, Value};
//! use iot_runbook::probe::ProbeError;
//! use iot_runbook::subject::Scope;
//!
//! struct DoorOpen;
//!
//! #[async_trait]
//! impl CustomCheck for DoorOpen {
//!     async fn observe(&self, request: &CheckRequest<'_>) -> Result<Observation, ProbeError> {
//!         Ok(Observation::known(Value::Flag(false), request.now(), "door contact"))
//!     }
//! }
//!
//! let mut checks = Checks::builtin();
//! checks.register("cabinet-open", Domain::new(Kind::Flag), Scope::Device, Arc::new(DoorOpen))?;
//! # Ok::<(), iot_runbook::check::RegisterError>(())
//! ```
//!
//! A check of a choice keeps the domain that it is registered with, and finds its values in it. The params of its step,
//! thresholds resolved, are in the request. A runbook may name the details of the answer:
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use iot_runbook::check::{CheckRequest, Checks, CustomCheck};
//! use iot_runbook::fact::{Choices, Domain, Observation, UnknownReason};
//! use iot_runbook::probe::ProbeError;
//! use iot_runbook::subject::Scope;
//!
//! /// In the runbook: `params = { low_bar = "$low_bar" }`, and in its advice `{air-pressure.bar}`.
//! struct AirPressure {
//!     domain: Domain,
//! }
//!
//! #[async_trait]
//! impl CustomCheck for AirPressure {
//!     async fn observe(&self, request: &CheckRequest<'_>) -> Result<Observation, ProbeError> {
//!         let low = request.number("low_bar")?;
//!         let bar = 4.1; // In place of a call to the controller.
//!         let name = if bar < low { "low" } else { "normal" };
//!         Ok(match self.domain.find_choice(name) {
//!             Some(value) => Observation::known(value, request.now(), "air inlet").with_detail("bar", bar.to_string()),
//!             None => Observation::unknown(UnknownReason::NotInDomain, "air inlet", name),
//!         })
//!     }
//! }
//!
//! let domain = Domain::choice(Choices::new(["low", "normal"])?);
//! let check = Arc::new(AirPressure { domain: domain.clone() });
//! Checks::none().register("air-pressure", domain, Scope::Device, check)?;
//! # #[cfg(feature = "toml")] {
//! # use chrono::DateTime;
//! # use iot_runbook::driver::TokioTimer;
//! # use iot_runbook::diagnosis::DiagnosisId;
//! # use iot_runbook::{Diagnosis, Document, Driver, Probes, RunbookSet, Subject, Trigger};
//! # const TEXT: &str = r#"
//! # name = "press-slow"
//! # version = 1
//! # title = "A press is slow"
//! # start = "air"
//! # thresholds.low_bar = 5.5
//! # checks.air-pressure = { scope = "device", domain = ["low", "normal"] }
//! # [steps.air]
//! # check = "air-pressure"
//! # params = { low_bar = "$low_bar" }
//! # unknown = "explore"
//! # branches = [{ is = "low", to = "no-air" }, { is = "normal", to = "valve" }]
//! # [conclusions]
//! # no-air = { title = "Too little air", severity = "warning", advice = ["It has {air-pressure.bar} bar."] }
//! # valve = { title = "A worn valve", severity = "warning" }
//! # "#;
//! # let runbooks = RunbookSet::new([Document::from_toml(TEXT)?.validate()?])?;
//! # let domain = Domain::choice(Choices::new(["low", "normal"])?);
//! # let mut checks = Checks::none();
//! # checks.register("air-pressure", domain.clone(), Scope::Device, Arc::new(AirPressure { domain }))?;
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! # let driver = Driver::new(&runbooks, &checks, Probes::new(), Arc::new(TokioTimer))?;
//! # let (now, id) = (DateTime::UNIX_EPOCH, DiagnosisId::random(DateTime::UNIX_EPOCH)?);
//! # let trigger = Trigger::new("slow", now);
//! # let mut diagnosis = Diagnosis::new(id, &runbooks, "press-slow", Subject::device("press-7"), trigger, now)?;
//! # let finding = driver.run(&mut diagnosis).await?;
//! # assert_eq!(finding.conclusion(), Some("no-air"));
//! # assert_eq!(finding.advice().next(), Some("It has 4.1 bar."));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Checks::bind`] matches the queries of a set of runbooks with them once; [`BoundChecks::observe`] then asks.
//! An adapter's error is handed on as it is: whether to ask again is for the driver to decide. A judge is a pure
//! function of the answers, the params and the request; it reads no clock.
//!
//! # The built-in checks
#![doc = include_str!("check/builtin.md")]

mod bind;
mod builtin;
mod judge;
mod param;
mod prelude;
mod request;
mod spec;

// The built-in checks by room, and what some of them share.
mod broker;
#[cfg(feature = "certificate")]
mod credential;
mod device;
mod gateway;
mod pipeline;
mod platform;

mod window;

#[cfg(test)]
mod testing;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

pub use bind::{AskedBy, BindError, BindErrors, BindFault, BoundChecks};
pub use param::{ParamKind, ParamSpec};
pub use request::CheckRequest;

#[cfg(feature = "certificate")]
use crate::certificate::{Policy, PolicyError};
use crate::fact::{Domain, Observation};
use crate::probe::ProbeError;
use crate::runbook::step::About;
use crate::subject::Scope;
#[cfg(feature = "certificate")]
use crate::time::TimeMark;

/// A check of a user's own.
///
/// It is asked like a built-in one; its params are free-form and arrive in the request.
#[async_trait]
pub trait CustomCheck: Send + Sync {
    /// Looks, and says what it found: a value of the domain that it was registered with, or why it is unknown.
    /// Its future may be dropped at any await.
    ///
    /// # Errors
    /// [`ProbeError`], whose kind says whether to ask again.
    async fn observe(&self, request: &CheckRequest<'_>) -> Result<Observation, ProbeError>;
}

const _: Option<&dyn CustomCheck> = None;

/// The checks that runbooks may ask, by id.
#[derive(Clone)]
pub struct Checks {
    by_id: BTreeMap<Box<str>, Entry>,
    /// By which certificates are judged; `None`: the default.
    #[cfg(feature = "certificate")]
    policy: Option<Policy>,
    /// The latest time that the service knows.
    #[cfg(feature = "certificate")]
    mark: Option<TimeMark>,
}

/// What is known of a check before it is asked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CheckSpec {
    /// Its id.
    pub id: Box<str>,
    /// Which part of the subject it asks about.
    pub scope: Scope,
    /// Whether it asks about now or about the subject's period; `None`: a user's own check that copes with either.
    pub about: Option<About>,
    /// The values it can come to.
    pub domain: Domain,
    /// The params it takes; `None`: any, as a user's own check does.
    pub params: Option<&'static [ParamSpec]>,
}

/// A check that cannot be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// A check of that id is there already.
    #[error("a check `{0}` is registered already: choose another id")]
    Twice(Box<str>),
    /// The id is empty.
    #[error("a check needs an id")]
    NoId,
    /// The id is not one that a runbook could name.
    #[error("check id `{id}` is malformed: write {rule}")]
    Malformed {
        /// The id, shortened.
        id: Box<str>,
        /// How an id is written.
        rule: &'static str,
    },
}

#[derive(Clone)]
struct Entry {
    spec: CheckSpec,
    how: How,
}

#[derive(Clone)]
enum How {
    Builtin(builtin::Binder),
    Custom(Arc<dyn CustomCheck>),
}

impl Checks {
    /// No check at all.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            by_id: BTreeMap::new(),
            #[cfg(feature = "certificate")]
            policy: None,
            #[cfg(feature = "certificate")]
            mark: None,
        }
    }

    /// Every check of the built-in runbooks, without those whose engine is not built in: binding a runbook that asks one
    /// of them names it as unknown.
    #[must_use]
    pub fn builtin() -> Self {
        let mut checks = Self::none();
        checks.by_id = builtin::all()
            .map(|(spec, binder)| (spec.id.clone(), Entry { spec, how: How::Builtin(binder) }))
            .collect();
        checks
    }

    /// With certificates judged by that policy, in place of the [default](Policy::default): give it what your sweep and
    /// your lifecycles go by, or the runbook and they contradict each other.
    ///
    /// ```
    /// use chrono::TimeDelta;
    /// use iot_runbook::certificate::Policy;
    /// use iot_runbook::check::Checks;
    ///
    /// let mut policy = Policy::default();
    /// policy.renewal = TimeDelta::days(45);
    /// assert!(Checks::builtin().with_policy(policy).is_ok());
    /// policy.renewal = TimeDelta::days(120);
    /// assert!(Checks::builtin().with_policy(policy).is_err(), "renewal would be due before awareness");
    /// ```
    ///
    /// # Errors
    /// [`PolicyError`] where the policy does not hold.
    #[cfg(feature = "certificate")]
    pub fn with_policy(mut self, policy: Policy) -> Result<Self, PolicyError> {
        policy.validate()?;
        self.policy = Some(policy);
        Ok(self)
    }

    /// With the latest time that the service knows, kept over restarts: where the clock is set back, certificates are
    /// judged by it, so that one that has expired is not called valid. The mark of a certificate service's answer counts
    /// beside it.
    #[cfg(feature = "certificate")]
    #[must_use]
    pub fn with_time_mark(mut self, mark: TimeMark) -> Self {
        self.mark = Some(mark);
        self
    }

    /// Adds a check of a user's own.
    ///
    /// # Errors
    /// [`RegisterError`] where the id is taken, empty, or not written as an id of a runbook is.
    pub fn register(
        &mut self,
        id: impl Into<Box<str>>,
        domain: Domain,
        scope: Scope,
        check: Arc<dyn CustomCheck>,
    ) -> Result<(), RegisterError> {
        let id = id.into();
        if id.is_empty() {
            return Err(RegisterError::NoId);
        }
        if let Some(rule) = crate::runbook::malformed_id(&id) {
            return Err(RegisterError::Malformed { id: id.chars().take(64).collect(), rule });
        }
        if self.by_id.contains_key(&id) {
            return Err(RegisterError::Twice(id));
        }
        let spec = CheckSpec { id: id.clone(), scope, about: None, domain, params: None };
        self.by_id.insert(id, Entry { spec, how: How::Custom(check) });
        Ok(())
    }

    /// What is known of the check of that id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&CheckSpec> {
        self.by_id.get(id).map(|entry| &entry.spec)
    }

    /// What is known of each, in the order of the ids.
    pub fn specs(&self) -> impl Iterator<Item = &CheckSpec> {
        self.by_id.values().map(|entry| &entry.spec)
    }
}

impl Default for Checks {
    fn default() -> Self {
        Self::builtin()
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_id.keys()).finish()
    }
}
