//! What the service does to the fleet: each act once, whatever stops in the middle.
//!
//! An act is noted in the database before it begins, under its idempotency key, and its report when it ends. So:
//!
//! - A replica that takes a case over returns the report of what was done before.
//! - Where the note has no report, somebody does it now: it waits. After twice [`Actions::limit`] whoever did it has stopped. Then
//!   the target is asked whether it was done, and it is done only if it was not.
//! - Beyond so many acts of one kind at one site and hour, an act is refused, and the runbook asks a person.
//! - Two devices behind one gateway want the same restart: it is done for one, and the other gets the report.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, Utc};
use iot_runbook::diagnosis::{ActOutcome, ActQuota, ActReport, ActRequest, ApprovalRequest};
use iot_runbook::driver::Actuator;
use iot_runbook::fact::Detail;

use crate::database::{ActRules, Begun, Database};
use crate::plant::Plant;

/// For how long an act that was done for one case is done for the others too.
const SHARED_FOR: Duration = Duration::from_secs(300);
/// The period of the limit of acts.
const HOUR: Duration = Duration::from_secs(3_600);
/// How long to wait before an act that is under way is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// The actuator. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Actions {
    pub(crate) database: Arc<Database>,
    pub(crate) plant: Plant,
    pub(crate) replica: Arc<str>,
    /// How long an act may take.
    pub(crate) limit: Duration,
    /// How many acts of one kind may begin at one site in an hour, by all replicas together.
    pub(crate) per_hour: usize,
}

#[async_trait]
impl Actuator for Actions {
    async fn act(&self, request: &ActRequest) -> ActReport {
        // The driver drops this once the act has expired.
        let rules = self.rules();
        loop {
            let begun = self.database.begin_act(request, &self.replica, &rules).await;
            match begun {
                Ok(Begun::First) => return self.do_in_task(request, None).await,
                Ok(Begun::Again { since }) => return self.do_in_task(request, Some(since)).await,
                Ok(Begun::Reported(report)) => return report,
                Ok(Begun::Shared { report, of }) => {
                    return report.with_details([Detail::new("done for case", of)]);
                }
                // The runbook asks a person then.
                Ok(Begun::Limited { free_at }) => return self.refuse(request, free_at),
                Ok(Begun::UnderWay) => {}
                // What could not be noted is not done.
                Err(error) => tracing::warn!(%error, "an act can't be noted, and waits"),
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn quota(&self, request: &ApprovalRequest) -> Option<ActQuota> {
        let quota = self.database.quota(request, &self.rules()).await;
        // It is refused where there is a limit, whatever was shown.
        quota.inspect_err(|error| tracing::warn!(%error, "the limit of an act can't be looked up")).ok()?
    }
}

impl Actions {
    const fn rules(&self) -> ActRules {
        ActRules {
            abandoned_after: self.limit.saturating_mul(2),
            shared_for: SHARED_FOR,
            most: self.per_hour,
            within: HOUR,
        }
    }

    fn refuse(&self, request: &ActRequest, free_at: Option<DateTime<Utc>>) -> ActReport {
        metrics::counter!("service_acts_total", "outcome" => "limited").increment(1);
        let (most, action) = (self.per_hour, request.action());
        let why = format!(
            "the limit is reached: at most {most} `{action}` at one site within an hour; find out why so many are wanted, \
             and do it by hand if it is right"
        );
        let free = free_at.map(|at| Detail::new("free at", at.to_rfc3339_opts(SecondsFormat::Secs, true)));
        ActReport::refused("act limit", why).with_details(free)
    }

    /// Does it in a task of its own: where the run of the case is dropped, the act still ends and its report is kept.
    async fn do_in_task(&self, request: &ActRequest, begun_before: Option<DateTime<Utc>>) -> ActReport {
        let (actions, request) = (self.clone(), request.clone());
        let task = tokio::spawn(async move {
            let doing = tokio::time::timeout(actions.limit, actions.perform(&request, begun_before));
            let report = doing.await.unwrap_or_else(|_| {
                let why =
                    format!("it took longer than {:?}; nobody knows whether it was done", actions.limit);
                ActReport::failed("service", why)
            });
            let outcome = match report.outcome {
                ActOutcome::Done => "done",
                ActOutcome::Refused => "refused",
                _ => "failed",
            };
            metrics::counter!("service_acts_total", "outcome" => outcome).increment(1);
            if let Err(error) = actions.database.report_act(&request, &report).await {
                // The case has the report too. If this replica stops before that is saved, the target is asked again.
                tracing::warn!(%error, "the report of an act can't be kept");
            }
            report
        });
        task.await.unwrap_or_else(|error| ActReport::failed("service", error.to_string()))
    }

    async fn perform(&self, request: &ActRequest, begun_before: Option<DateTime<Utc>>) -> ActReport {
        let (action, target) = (request.action(), request.target().unwrap_or_default());
        if action != "restart-gateway" {
            return ActReport::refused("service", format!("it can't do `{action}`: do it by hand"));
        }
        let plant = match self.plant.read() {
            Ok(plant) => plant,
            Err(error) => return ActReport::refused("service", error.to_string()),
        };
        let restarted_at = plant.restarted_at(target);
        if begun_before.is_some_and(|began| restarted_at.is_some_and(|at| at >= began)) {
            return ActReport::done("gateway supervisor")
                .with_details([Detail::new("found", "it was done before this replica took over")]);
        }
        let live = plant.live_behind(target);
        if live > 0 {
            return ActReport::refused("service", format!("{live} devices are live behind `{target}`"));
        }
        match self.plant.restart(target, &request.idempotency_key()).await {
            Ok(()) => ActReport::done("gateway supervisor"),
            Err(error) => ActReport::failed("gateway supervisor", error.to_string()),
        }
    }
}
