use async_trait::async_trait;

use crate::diagnosis::{
    ActQuota, ActReport, ActRequest, Alert, Approval, ApprovalRequest, AskRequest, Reply,
};

/// The people behind a diagnosis: they approve actions, answer questions and hear alerts.
///
/// A method may take as long as people do; the runbook bounds how long it is waited for, and the driver then
/// drops the future. `None` says that nobody answers: the runbook's own expiry decides.
#[async_trait]
pub trait Operator: Send + Sync {
    /// Shows a person what is to be done and why, and brings back their word: [`ApprovalRequest::grant`] or
    /// [`ApprovalRequest::decline`].
    ///
    /// An approval may be brought back from an earlier request (a ticket, a chat message); one that was given
    /// for another state is refused by the diagnosis and the request stays open until it expires.
    async fn approve(&self, request: &ApprovalRequest) -> Option<Approval>;

    /// Asks a person, and brings back the answer. A value that is not of [`AskRequest::domain`] is refused and
    /// counts as no answer.
    async fn answer(&self, request: &AskRequest) -> Option<Reply>;

    /// Delivers an alert. Called at least once for each; again if a run was dropped before this returned.
    async fn tell(&self, alert: &Alert);
}

const _: Option<&dyn Operator> = None;

/// Does things to the fleet.
#[async_trait]
pub trait Actuator: Send + Sync {
    /// Does it, or says why not.
    ///
    /// - Check first that it is safe (other live devices behind the gateway, unsent messages in its outbox),
    ///   and report [`ActReport::refused`] where it is not.
    /// - Remember [`ActRequest::idempotency_key`]: after a restart of the service the same act can come again,
    ///   and must then report how it went instead of acting twice.
    /// - Report [`ActReport::done`] only when it was really done.
    /// - An action that is not known is refused.
    /// - The future is dropped when [`ActRequest::expires_at`] has passed, or when the run is: what must not stop
    ///   half way belongs in a task of its own.
    async fn act(&self, request: &ActRequest) -> ActReport;

    /// Returns how much of a limit of acts is used that this act would count for, or `None` where it has no limit, as by
    /// default. The driver asks it before it asks a person, who sees it in [`ApprovalRequest::quota`]; show it anew by
    /// this where an approval is open for long. It changes nothing: an act is counted when it begins.
    async fn quota(&self, _request: &ApprovalRequest) -> Option<ActQuota> {
        None
    }
}

const _: Option<&dyn Actuator> = None;

/// Nobody is there: approvals and questions expire, alerts are heard by no one.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOperator;

#[async_trait]
impl Operator for NoOperator {
    async fn approve(&self, _: &ApprovalRequest) -> Option<Approval> {
        None
    }

    async fn answer(&self, _: &AskRequest) -> Option<Reply> {
        None
    }

    async fn tell(&self, _: &Alert) {}
}

/// Does nothing: every act is refused and named. For a new runbook or a first week beside people who act by hand: what it would
/// have done is in the traces, with the evidence that led there.
#[derive(Clone, Copy, Debug, Default)]
pub struct DryRun;

#[async_trait]
impl Actuator for DryRun {
    async fn act(&self, request: &ActRequest) -> ActReport {
        let (action, scope) = (request.action(), request.scope());
        let target = request.target().unwrap_or("without a name");
        ActReport::refused(
            "dry run",
            format!("`{action}` on {scope} {target} was not done: this is a dry run"),
        )
    }
}

/// Nothing to act with: every action is refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoActuator;

#[async_trait]
impl Actuator for NoActuator {
    async fn act(&self, request: &ActRequest) -> ActReport {
        ActReport::refused("driver", format!("no actuator was supplied for {}", request.action()))
    }
}
