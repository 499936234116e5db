//! The driver: one diagnosis over async adapters.
//!
//! A [`Driver`] polls a [`Diagnosis`], asks the adapters that the user supplied through [`Probes`], has people
//! asked through the [`Operator`] and things done through the [`Actuator`], and passes every result on the moment it
//! arrives. It decides nothing.
//!
//! - Each question to an adapter has a time limit; an answer that fails for a moment is asked again by the diagnosis.
//! - While the diagnosis explores, its probes run side by side.
//! - Other tasks bring news through a [`Handle`]: a fact, or that the diagnosis is withdrawn.
//! - Two diagnoses that want the same act on the same target share one approval and one execution, where their drivers
//!   share an [`ActRegistry`].
//! - A [`LimitedActuator`] refuses acts beyond a number at a site and hour, and [`DryRun`] all of them.
//! - The future of [`Driver::run`] may be dropped at any point. What was answered is in the diagnosis; what was
//!   not is asked again by the next run, an act under the same idempotency key.
//! - A probe that panics is unknown (`failed`), an act that panics has failed, and an operator that panics has not
//!   answered: the diagnosis goes on. (A program that is built to abort on panics does that.)
//! - It needs no runtime: time comes from a [`Timer`] (`TokioTimer` with feature `tokio`) and a [`Clock`].
//!
//! # Seen from outside
//! With the feature `tracing` a run is in a span `diagnosis` (`id`, `runbook`, `device`, and the `trace_parent` of its
//! [`Trigger`](crate::subject::Trigger) where it has one), each question to an adapter in a span
//! `probe` (`step`, `check`, `of`), and what happens is an event. The message of an event is its name. Its target begins with
//! `iot_runbook::driver`, and all have a field `diagnosis`.
//!
//! | event | level | fields |
//! |---|---|---|
//! | `answer` | debug | `step`, `check`, `value`, `source` |
//! | `unknown` | info | `step`, `check`, `reason`, `source` |
//! | `retry` | info | `step`, `check`, `observation`, `pause`: it is asked again after that |
//! | `news` | info | `step`, `check`, `observation` |
//! | `wait` | info | `step`, `length` |
//! | `question` | info | `step`, `question`, `within` |
//! | `reply` | info | `step`, `by`, and `value` if they know |
//! | `approval asked` | info | `step`, `action`, `within` |
//! | `approval` | info | `step`, `by`, `granted`, and `reason` if it was refused |
//! | `act` | info | `step`, `action`, `visit`, `within` |
//! | `act reported` | info | `step`, `outcome` (`done`, `refused`, `failed`), `by` |
//! | `expired` | warn | `step`: nobody answered in time |
//! | `handover` | info | `step`, `runbook` |
//! | `alert` | warn, or info by its severity | `step`, `severity`, `text` |
//! | `anomaly` | warn | `step`, `anomaly` |
//! | `conclusion` | info | `runbook`, `conclusion` |
//! | `undetermined` | info | `step` |
//! | `withdrawal` | info | `step`, `by`, `why` |
//! | `abort` | error | `step`, `anomaly` |
//! | `an answer was refused`, `news was refused` | warn | `refused` |
//! | `caught a panic` | error | `panicked` (without `diagnosis`) |
//!
//! An event comes when its record is made, and again where a crash lost the record before it was saved. An act and an alert
//! are events after the [`Journal`] has kept them. Layers have events of their own, see
//! [`probe::layer`](crate::probe::layer#seen-from-outside).

#[cfg(feature = "tracing")]
pub(crate) mod events;
mod handle;
mod journal;
mod limit;
mod panic;
mod people;
mod registry;
mod run;
mod second_look;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::check::{BindErrors, BoundChecks, Checks};
use crate::diagnosis::{ApprovalRequest, AskRequest, Diagnosis, Finding, RequestId};
use crate::probe::Probes;
use crate::runbook::RunbookSet;
use crate::time::{Clock, SystemClock};

pub use handle::{Handle, Receipt};
pub use journal::{Journal, NotKept};
pub use limit::{ActLimit, GrantedAct, LimitedActuator};
pub use people::{Actuator, DryRun, NoActuator, NoOperator, Operator};
pub use registry::{ActRegistry, Claim, LocalActs, Settled, Stage};
pub use second_look::SecondLook;

#[cfg(feature = "tokio")]
pub use crate::time::TokioTimer;
pub use crate::time::{SimulatedTimer, Sleep, Timer};

/// Runs diagnoses over one set of runbooks and one set of adapters. Share it: `run` takes `&self`.
#[derive(Clone)]
pub struct Driver {
    runbooks: RunbookSet,
    checks: Arc<BoundChecks>,
    probes: Probes,
    timer: Arc<dyn Timer>,
    clock: Arc<dyn Clock>,
    operator: Arc<dyn Operator>,
    actuator: Arc<dyn Actuator>,
    journal: Option<Arc<dyn Journal>>,
    acts: Arc<dyn ActRegistry>,
    time_limit: Duration,
    second_look: Option<SecondLook>,
    deadline: Option<Duration>,
}

/// A run that ended before its diagnosis did. The diagnosis is whole: save it, or run it again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The deadline passed.
    #[error("the deadline of {0:?} passed before the diagnosis ended: run it again to go on, or save it")]
    Deadline(Duration),
    /// The diagnosis walks other runbooks than the driver's checks are bound to.
    #[error("the diagnosis walks other runbooks than this driver was made for: make a driver of its set")]
    OtherRunbooks,
    /// The journal could not save it: what it asked for last was not begun.
    #[error(transparent)]
    NotKept(#[from] NotKept),
}

/// How far [`Driver::run_until_wait`] came.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a diagnosis waits, or it has ended")]
pub enum Progress {
    /// The diagnosis has ended.
    Ended(Box<Finding>),
    /// It waits, and nothing is under way.
    Waits {
        /// When it must go on at the latest.
        until: Option<DateTime<Utc>>,
        /// What people are asked; none in a plain wait.
        asked: Vec<Asked>,
    },
}

/// What a person is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::exhaustive_enums, reason = "a runbook asks people these two things")]
pub enum Asked {
    /// To approve an action.
    Approval(Box<ApprovalRequest>),
    /// To answer a question.
    Question(Box<AskRequest>),
}

impl Asked {
    /// The number to answer under.
    #[must_use]
    pub const fn id(&self) -> RequestId {
        match self {
            Self::Approval(request) => request.id,
            Self::Question(request) => request.id,
        }
    }
}

impl Driver {
    /// A driver for diagnoses over `runbooks`, with nobody to ask and nothing to act with until
    /// [`Driver::with_operator`] and [`Driver::with_actuator`] say otherwise, on the system's clock.
    ///
    /// # Errors
    /// [`BindErrors`] where a check of the runbooks is not registered, or is declared otherwise.
    pub fn new(
        runbooks: &RunbookSet,
        checks: &Checks,
        probes: Probes,
        timer: Arc<dyn Timer>,
    ) -> Result<Self, BindErrors> {
        Ok(Self {
            runbooks: runbooks.clone(),
            checks: Arc::new(checks.bind(runbooks)?),
            probes,
            timer,
            clock: Arc::new(SystemClock),
            operator: Arc::new(NoOperator),
            actuator: Arc::new(NoActuator),
            journal: None,
            acts: Arc::new(LocalActs::default()),
            time_limit: Duration::from_secs(10),
            second_look: None,
            deadline: None,
        })
    }

    /// The runbooks that it was made for.
    #[must_use]
    pub const fn runbooks(&self) -> &RunbookSet {
        &self.runbooks
    }

    setters! {
        /// Who approves actions, answers questions and hears alerts.
        with_operator(operator: Arc<dyn Operator>) => operator = operator;
        /// Who acts.
        with_actuator(actuator: Arc<dyn Actuator>) => actuator = actuator;
        /// Who keeps what each diagnosis has come to, while it runs.
        with_journal(journal: Arc<dyn Journal>) => journal = Some(journal);
        /// The clock whose time the diagnosis receives.
        with_clock(clock: Arc<dyn Clock>) => clock = clock;
        /// How long one question to an adapter may take; after that it is unknown (`timeout`), and the diagnosis asks
        /// again. Default 10 s. An alert that is being delivered when the diagnosis ends has as long.
        const with_time_limit(limit: Duration) => time_limit = limit;
        /// Where acts are shared. Drivers of one process that share a [`LocalActs`] act once for all their diagnoses
        /// that want the same act on the same target; without this each driver has its own.
        with_acts(acts: Arc<dyn ActRegistry>) => acts = acts;
        /// Goes on with a diagnosis that ended undetermined since answers failed for a moment, see
        /// [`Diagnosis::go_on`]; without this such a run ends.
        const with_second_look(look: SecondLook) => second_look = Some(look);
        /// How long one run may take; without it, as long as the diagnosis does (its waits and approvals are
        /// bounded by its runbook).
        const with_deadline(deadline: Duration) => deadline = Some(deadline);
    }

    /// Drives a diagnosis to its end. That takes as long as its runbook waits: `device-offline` waits for ten minutes and
    /// more, and for people. To see where it is, read the trace in a [`Journal`], or the events of the feature `tracing`. To
    /// stop sooner, use [`Driver::with_deadline`] or [`Driver::run_until_wait`]; in a test, [`SimulatedTimer`].
    ///
    /// Dropping the future loses nothing: run the diagnosis again.
    ///
    /// # Errors
    /// [`RunError::Deadline`] when the deadline passes, [`RunError::OtherRunbooks`] before anything is asked.
    pub async fn run(&self, diagnosis: &mut Diagnosis) -> Result<Finding, RunError> {
        self.run_with(diagnosis, &Handle::new()).await
    }

    /// The same, with news from other tasks. News that is still there when the run ends is refused.
    ///
    /// # Errors
    /// As [`Driver::run`].
    pub async fn run_with(&self, diagnosis: &mut Diagnosis, news: &Handle) -> Result<Finding, RunError> {
        match self.drive(diagnosis, news, None).await? {
            Progress::Ended(finding) => Ok(*finding),
            // A run that does not stop at waits sleeps them.
            Progress::Waits { .. } => Err(RunError::Deadline(Duration::ZERO)),
        }
    }

    /// Drives a diagnosis until it ends, or until nothing is under way and it waits: for a person, or for longer than
    /// `longest`. The operator is not asked then: whoever calls this brings the answers, to the diagnosis. Its journal is not
    /// called for the last time: save what this returns with. A [second look](Self::with_second_look) is not taken.
    ///
    /// # Errors
    /// As [`Driver::run`].
    pub async fn run_until_wait(
        &self,
        diagnosis: &mut Diagnosis,
        news: &Handle,
        longest: Duration,
    ) -> Result<Progress, RunError> {
        self.drive(diagnosis, news, Some(longest)).await
    }

    async fn drive(
        &self,
        diagnosis: &mut Diagnosis,
        news: &Handle,
        longest: Option<Duration>,
    ) -> Result<Progress, RunError> {
        if !diagnosis.runbooks().asks_the_same(&self.runbooks) {
            return Err(RunError::OtherRunbooks);
        }
        #[cfg(feature = "tracing")]
        {
            use tracing::Instrument as _;

            let span = tracing::info_span!(
                "diagnosis",
                id = %diagnosis.id(),
                runbook = diagnosis.runbook(),
                device = %diagnosis.subject().device,
                trace_parent = diagnosis.trigger().trace_parent.map(tracing::field::display),
            );
            run::Run::new(self, diagnosis, news, longest).drive().instrument(span).await
        }
        #[cfg(not(feature = "tracing"))]
        run::Run::new(self, diagnosis, news, longest).drive().await
    }
}

/// What those that run many diagnoses take of it.
#[cfg(any(feature = "case", feature = "fleet"))]
impl Driver {
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    pub(crate) fn sleep(&self, length: Duration) -> Sleep {
        self.timer.sleep(length)
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("time_limit", &self.time_limit)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
