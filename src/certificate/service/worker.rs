//! Carries commands out, and hands the answers back.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use thiserror::Error;

use super::{
    ConfigChannel, ContactRequest, IssueRequest, Notice, OpsNotifier, PostMortemRequest, ProvisioningService,
    PublishRequest, ReportedRequest, RetireRequest, Scheduler, ServiceError, ServiceErrorKind,
    StandDownRequest, TestEndpoint, TestRequest, VisitRequest,
};
use crate::certificate::lifecycle::{Command, Event, EventError, Lifecycle, Order, PostMortem, Rules};
use crate::certificate::message::{Reason, desired_topic, reported_topic};
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
/// #     field: Arc<dyn Scheduler>, mut lifecycle: Lifecycle, save: impl Fn(&Lifecycle) + Sync,
/// # ) {
/// let worker = Worker::new(ca, broker, pager, field);
/// // At each `wake_at`, and when something happened:
/// let turn = worker.turn(&mut lifecycle, &Rules::default(), &SystemClock, |lifecycle| save(lifecycle)).await;
/// println!("{} commands, next at {:?}", turn.carried_out, turn.wake_at);
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
    /// `save` is called before each command is carried out, and at the end. Where it keeps what it is shown, the future
    /// may be dropped at any await, and nothing is lost: the command that was under way comes again under its key.
    pub async fn turn(
        &self,
        lifecycle: &mut Lifecycle,
        rules: &Rules,
        clock: &dyn Clock,
        save: impl Fn(&Lifecycle) + Send + Sync,
    ) -> Turn {
        let mut turn = Turn { carried_out: 0, failed: 0, ignored: Vec::new(), wake_at: None, clock: None };
        for event in self.news(lifecycle).await {
            // Old news are no fault: the same report is read each time.
            let _ = lifecycle.handle(rules, event, clock.now());
        }
        while let Some(order) = lifecycle.poll(rules, clock.now()) {
            save(lifecycle);
            let event = self.carry_out(lifecycle.device(), &order).await;
            turn.carried_out += 1;
            turn.failed += usize::from(matches!(event, Event::Failed { .. }));
            if let Err(ignored) = lifecycle.handle(rules, event, clock.now()) {
                turn.ignored.push(ignored);
            }
        }
        save(lifecycle);
        turn.wake_at = lifecycle.wake_at(rules);
        turn.clock = lifecycle.clock_suspect().map(|now| StillSuspect { now, mark: lifecycle.high_water() });
        turn
    }

    /// What the device, and the test endpoint, say of the certificate on its way. What cannot be read now is read the next
    /// time.
    pub async fn news(&self, lifecycle: &Lifecycle) -> Vec<Event> {
        let device = lifecycle.device();
        let mut news = Vec::new();
        let Some(fingerprint) = lifecycle.expected() else { return news };
        if let Ok(topic) = reported_topic(device) {
            let reported = self.channel.reported(&ReportedRequest::new(device, topic)).await;
            news.extend(reported.ok().flatten().map(Event::Reported));
        }
        if let Some(tests) = &self.tests {
            let outcome = tests.outcome(&TestRequest::new(device, fingerprint)).await;
            let tested = |failed| Event::Tested { fingerprint, failed };
            news.extend(outcome.ok().flatten().map(|outcome| tested(outcome.failed)));
        }
        news
    }

    /// Carries one command out. Gives the answer as an event; an error is [`Event::Failed`], or [`Event::Postponed`] where
    /// a request to issue waits for its turn.
    pub async fn carry_out(&self, device: &str, order: &Order) -> Event {
        let key = order.key.clone();
        let answer = match &order.command {
            Command::Issue(issue) => {
                let request = IssueRequest::new(device, key.clone(), issue.clone());
                let generation = issue.generation;
                let issued = self.provisioning.issue(&request).await;
                issued.map(|certificate| Event::Issued { generation, certificate })
            }
            Command::ReProvision(issue) => {
                let request = IssueRequest::new(device, key.clone(), issue.clone());
                let generation = issue.generation;
                let issued = self.provisioning.re_provision(&request).await;
                issued.map(|certificate| Event::ReProvisioned { generation, certificate })
            }
            Command::LookUpContact => {
                let request = ContactRequest::new(device, key.clone());
                let last = self.provisioning.last_contact(&request).await;
                last.map(|last| Event::ProvisioningContact { last })
            }
            other => self.tell(device, order, other).await.map(|()| Event::Done { key: key.clone() }),
        };
        answer.unwrap_or_else(|error| match (error.kind(), &order.command) {
            (ServiceErrorKind::Postponed { until }, Command::Issue(_)) => Event::Postponed { key, until },
            _ => Event::Failed { key, reason: Reason::new(error.to_string()) },
        })
    }

    /// Those whose answer is that they were done.
    async fn tell(&self, device: &str, order: &Order, command: &Command) -> Result<(), ServiceError> {
        let key = order.key.clone();
        match command {
            Command::Publish(desired) => {
                let topic = desired_topic(device)
                    .map_err(|error| ServiceError::refused("the device names no topic").with_cause(error))?;
                self.channel.publish(&PublishRequest::new(device, key, topic, desired.clone())).await
            }
            Command::Alert(alert) => self.notifier.notify(&Notice::new(device, key, alert.clone())).await,
            Command::Schedule(visit) => {
                self.scheduler.schedule(&VisitRequest::new(device, key, *visit, false)).await
            }
            Command::LoadEmergencyCertificate(visit) => {
                self.scheduler.schedule(&VisitRequest::new(device, key, *visit, true)).await
            }
            Command::StandDown { visit } => {
                self.scheduler.stand_down(&StandDownRequest::new(device, key, visit.clone())).await
            }
            Command::Retire(retire) => {
                self.provisioning.retire(&RetireRequest::new(device, key, *retire)).await
            }
            Command::OpenPostMortem(record) => {
                let request = PostMortemRequest::new(device, key, PostMortem::clone(record));
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
