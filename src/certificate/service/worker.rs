//! Carries commands out, and hands the answers back.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use thiserror::Error;

use super::{
    ConfigChannel, ContactRequest, IssueRequest, LifecycleJournal, Notice, OpsNotifier, PostMortemRequest,
    ProvisioningService, PublishRequest, ReportedRequest, RetireRequest, Scheduler, ServiceError,
    ServiceErrorKind, StandDownRequest, TestEndpoint, TestRequest, VisitRequest,
};
use crate::certificate::lifecycle::{Command, Event, EventError, Lifecycle, Order, PostMortem, Rules};
use crate::certificate::message::{Reason, desired_topic, reported_topic};
use crate::subject::DeviceId;
use crate::time::Clock;

/// Carries the commands of lifecycles out over a user's services. It decides nothing; share it.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use iot_runbook::certificate::lifecycle::{Lifecycle, Rules};
/// # use iot_runbook::certificate::service::*;
/// # use iot_runbook::time::SystemClock;
/// # async fn example(
/// #     ca: Arc<dyn ProvisioningService>, broker: Arc<dyn ConfigChannel>, pager: Arc<dyn OpsNotifier>,
/// #     field: Arc<dyn Scheduler>, mut lifecycle: Lifecycle, journal: &dyn LifecycleJournal,
/// # ) -> Result<(), NotSaved> {
/// let worker = Worker::new(ca, broker, pager, field);
/// // At each `wake_at`, and when something happened:
/// let turn = worker.turn(&mut lifecycle, &Rules::default(), &SystemClock, journal).await?;
/// println!("{} commands, next at {:?}", turn.carried_out, turn.wake_at);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Worker {
    provisioning: Arc<dyn ProvisioningService>,
    channel: Arc<dyn ConfigChannel>,
    notifier: Arc<dyn OpsNotifier>,
    scheduler: Arc<dyn Scheduler>,
    tests: Option<Arc<dyn TestEndpoint>>,
}

/// What a [turn](Worker::turn) came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Turn {
    /// How many commands were carried out, or tried.
    pub carried_out: usize,
    /// How many of them failed; each comes again.
    pub failed: usize,
    /// What was answered, and changed nothing: a certificate that was refused, above all.
    pub ignored: Vec<EventError>,
    /// When to take the next turn, if nothing happens before.
    pub wake_at: Option<DateTime<Utc>>,
    /// Whether the clock cannot be trusted.
    pub clock: Option<StillSuspect>,
}

/// The journal did not keep the lifecycle, so nothing more was begun.
#[derive(Clone, Debug, Error)]
#[error("lifecycle is not saved, so nothing more was begun: mend the journal, then take the turn again")]
#[non_exhaustive]
pub struct NotSaved {
    /// How many commands were carried out, or tried, before.
    pub carried_out: usize,
    /// Why it was not saved.
    pub source: ServiceError,
}

/// The clock is suspect: alerts alone are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "clock-suspect: it is {now}, and the latest known time is {mark}; set the clock right, or accept it with \
     `Lifecycle::accept_clock`"
)]
#[non_exhaustive]
pub struct StillSuspect {
    /// What the clock shows.
    pub now: DateTime<Utc>,
    /// The high-water mark.
    pub mark: DateTime<Utc>,
}

impl Worker {
    /// A worker over these services, without a test endpoint that could be asked.
    #[must_use]
    pub fn new(
        provisioning: Arc<dyn ProvisioningService>,
        channel: Arc<dyn ConfigChannel>,
        notifier: Arc<dyn OpsNotifier>,
        scheduler: Arc<dyn Scheduler>,
    ) -> Self {
        Self { provisioning, channel, notifier, scheduler, tests: None }
    }

    /// The same, which asks the test endpoint too.
    #[must_use]
    pub fn with_test_endpoint(mut self, tests: Arc<dyn TestEndpoint>) -> Self {
        self.tests = Some(tests);
        self
    }

    /// Reads what the device reported, and carries out whatever is due, until nothing is.
    /// After a restart, hand what happened meanwhile to [`Lifecycle::catch_up`] before the first turn.
    ///
    /// The journal keeps the lifecycle before each command is carried out, and at the end. The future may be dropped at any
    /// await, and nothing is lost: the command that was under way comes again under its key.
    ///
    /// # Errors
    /// [`NotSaved`] where the journal failed. The command that comes next is not carried out, and the lifecycle still holds
    /// it: take the turn again.
    pub async fn turn(
        &self,
        lifecycle: &mut Lifecycle,
        rules: &Rules,
        clock: &dyn Clock,
        journal: &dyn LifecycleJournal,
    ) -> Result<Turn, NotSaved> {
        let mut turn = Turn { carried_out: 0, failed: 0, ignored: Vec::new(), wake_at: None, clock: None };
        for event in self.news(lifecycle).await {
            // Old news are no fault: the same report is read each time.
            let _ = lifecycle.handle(rules, event, clock.now());
        }
        loop {
            let before = lifecycle.clone();
            let Some(order) = lifecycle.poll(rules, clock.now()) else { break };
            if let Err(error) = journal.keep(lifecycle).await {
                // Handed out and not carried out, it would be waited for until its answer is overdue.
                *lifecycle = before;
                return Err(NotSaved { carried_out: turn.carried_out, source: error });
            }
            let event = self.carry_out(lifecycle.device(), &order).await;
            turn.carried_out += 1;
            turn.failed += usize::from(matches!(event, Event::Failed { .. }));
            if let Err(ignored) = lifecycle.handle(rules, event, clock.now()) {
                turn.ignored.push(ignored);
            }
        }
        let kept = journal.keep(lifecycle).await;
        kept.map_err(|source| NotSaved { carried_out: turn.carried_out, source })?;
        turn.wake_at = lifecycle.wake_at(rules);
        turn.clock = lifecycle.clock_suspect().map(|now| StillSuspect { now, mark: lifecycle.high_water() });
        Ok(turn)
    }

    /// What the device, and the test endpoint, say of the certificate on its way. What cannot be read now is read the next
    /// time.
    pub async fn news(&self, lifecycle: &Lifecycle) -> Vec<Event> {
        let device = lifecycle.device();
        let mut news = Vec::new();
        let Some(fingerprint) = lifecycle.expected() else { return news };
        if let Ok(topic) = reported_topic(device.as_str()) {
            let reported = self.channel.reported(&ReportedRequest::new(device.clone(), topic)).await;
            news.extend(reported.ok().flatten().map(Event::Reported));
        }
        if let Some(tests) = &self.tests {
            let outcome = tests.outcome(&TestRequest::new(device.clone(), fingerprint)).await;
            let tested = |failed| Event::Tested { fingerprint, failed };
            news.extend(outcome.ok().flatten().map(|outcome| tested(outcome.failed)));
        }
        news
    }

    /// Carries one command out. Gives the answer as an event; an error is [`Event::Failed`], or [`Event::Postponed`] where
    /// a request to issue waits for its turn.
    pub async fn carry_out(&self, device: &DeviceId, order: &Order) -> Event {
        let key = order.key.clone();
        let answer = match &order.command {
            Command::Issue(issue) => {
                let request = IssueRequest::new(device.clone(), key.clone(), issue.clone());
                let generation = issue.generation;
                let issued = self.provisioning.issue(&request).await;
                issued.map(|certificate| Event::Issued { generation, certificate })
            }
            Command::ReProvision(issue) => {
                let request = IssueRequest::new(device.clone(), key.clone(), issue.clone());
                let generation = issue.generation;
                let issued = self.provisioning.re_provision(&request).await;
                issued.map(|certificate| Event::ReProvisioned { generation, certificate })
            }
            Command::LookUpContact => {
                let request = ContactRequest::new(device.clone(), key.clone());
                let last = self.provisioning.last_contact(&request).await;
                last.map(|last| Event::ProvisioningContact { last })
            }
            other => {
                self.carry_out_plain(device, order, other).await.map(|()| Event::Done { key: key.clone() })
            }
        };
        answer.unwrap_or_else(|error| match (error.kind(), &order.command) {
            (ServiceErrorKind::Postponed { until }, Command::Issue(_)) => Event::Postponed { key, until },
            _ => Event::Failed { key, reason: Reason::new(error.to_string()) },
        })
    }

    /// Those whose answer is that they were done.
    async fn carry_out_plain(
        &self,
        device: &DeviceId,
        order: &Order,
        command: &Command,
    ) -> Result<(), ServiceError> {
        let key = order.key.clone();
        match command {
            Command::Publish(desired) => {
                let topic = desired_topic(device.as_str())
                    .map_err(|error| ServiceError::refused("the device names no topic").with_cause(error))?;
                self.channel.publish(&PublishRequest::new(device.clone(), key, topic, desired.clone())).await
            }
            Command::Alert(alert) => {
                self.notifier.notify(&Notice::new(device.clone(), key, alert.clone())).await
            }
            Command::Schedule(visit) => {
                self.scheduler.schedule(&VisitRequest::new(device.clone(), key, *visit, false)).await
            }
            Command::LoadEmergencyCertificate(visit) => {
                self.scheduler.schedule(&VisitRequest::new(device.clone(), key, *visit, true)).await
            }
            Command::StandDown { visit } => {
                self.scheduler.stand_down(&StandDownRequest::new(device.clone(), key, visit.clone())).await
            }
            Command::Retire(retire) => {
                self.provisioning.retire(&RetireRequest::new(device.clone(), key, *retire)).await
            }
            Command::OpenPostMortem(record) => {
                let request = PostMortemRequest::new(device.clone(), key, PostMortem::clone(record));
                self.notifier.open_post_mortem(&request).await
            }
            Command::Issue(_) | Command::ReProvision(_) | Command::LookUpContact => {
                Err(ServiceError::refused("it wants another answer"))
            }
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}
