//! What a diagnosis asks of its caller.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::finding::{Fact, Finding};
use super::id::{DiagnosisId, RequestId};
use super::log::Place;
use super::quota::ActQuota;
use super::reply::{Approval, Binding};
use crate::fact::{Domain, Source};
use crate::runbook::step::{Query, Severity};
use crate::subject::{Scope, Subject, Trigger};

/// What a diagnosis wants next.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Output {
    /// Ask a check, then [`Diagnosis::answer`](super::Diagnosis::answer).
    Probe(ProbeRequest),
    /// Ask a person to approve an action, then [`Diagnosis::approve`](super::Diagnosis::approve).
    Approve(ApprovalRequest),
    /// Do it, then [`Diagnosis::report_act`](super::Diagnosis::report_act).
    Act(ActRequest),
    /// Ask a person, then [`Diagnosis::reply`](super::Diagnosis::reply).
    Ask(AskRequest),
    /// Deliver it, then [`Diagnosis::alert_delivered`](super::Diagnosis::alert_delivered). Handed out once and never
    /// waited for.
    Alert(Alert),
    /// Nothing new. Sleep until then (or until an answer comes), or save it and resume later; without an
    /// instant only an answer moves it on. Bound each probe by a timeout of your own: one that hangs is given up after the
    /// runbook's `longest`, and only when it is polled then.
    Pending {
        /// When to poll again at the latest, by the clock that the caller gives.
        until: Option<DateTime<Utc>>,
    },
    /// It has ended; every later poll says the same.
    Concluded(Box<Finding>),
}

/// Where a request comes from, and what led there: for whoever gets it. A value of its own that serialises.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Situation {
    /// The diagnosis.
    pub diagnosis: DiagnosisId,
    /// The name of the runbook whose step asks.
    pub runbook: Box<str>,
    /// The id of the step.
    pub step: Box<str>,
    /// The step in a line; empty where the runbook gives no title.
    pub title: Box<str>,
    /// What the person who reads it should look at or do.
    pub advice: Vec<Box<str>>,
    /// Whom the diagnosis is about.
    pub subject: Subject,
    /// What began it.
    pub trigger: Trigger,
    /// The facts that led there, in the order in which they were found; of a check that was asked again, the latest.
    pub facts: Vec<Fact>,
}

macro_rules! situation {
    ($($request:ident)*) => {$(
        impl $request {
            /// Where it comes from, and the facts that led there.
            #[must_use]
            pub const fn situation(&self) -> &Situation {
                &self.situation
            }

            /// The diagnosis that asks.
            #[must_use]
            pub const fn diagnosis(&self) -> DiagnosisId {
                self.situation.diagnosis
            }

            /// Whom it is about.
            #[must_use]
            pub const fn subject(&self) -> &Subject {
                &self.situation.subject
            }

            /// What began the diagnosis.
            #[must_use]
            pub const fn trigger(&self) -> &Trigger {
                &self.situation.trigger
            }

            /// The name of the runbook whose step asks.
            #[must_use]
            pub fn runbook(&self) -> &str {
                &self.situation.runbook
            }

            /// The id of the step that asks.
            #[must_use]
            pub fn step(&self) -> &str {
                &self.situation.step
            }
        }
    )*};
}

situation!(ApprovalRequest ActRequest AskRequest Alert);

/// A check to be asked.
#[derive(Clone, Debug)]
pub struct ProbeRequest {
    pub(super) context: Arc<Context>,
    pub(super) since: DateTime<Utc>,
    pub(super) shared_since: Option<DateTime<Utc>>,
    /// The number to answer under.
    pub id: RequestId,
    pub(super) place: Place,
    /// Its position in the set; it fits.
    pub(super) query: usize,
}

impl ProbeRequest {
    /// The diagnosis that asks.
    #[must_use]
    pub fn diagnosis(&self) -> DiagnosisId {
        self.context.id
    }

    /// Whom it is about.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.context.subject
    }

    /// What began the diagnosis.
    #[must_use]
    pub fn trigger(&self) -> &Trigger {
        &self.context.trigger
    }

    /// When the alert was raised, for whoever asks the check: the time of the trigger, or when
    /// the diagnosis began where the trigger is dated in the future.
    #[must_use]
    pub fn raised_at(&self) -> DateTime<Utc> {
        self.context.raised_at()
    }

    /// The name of the runbook whose step asks.
    #[must_use]
    pub fn runbook(&self) -> &str {
        self.context.runbook_name(self.place)
    }

    /// The id of the step that asks.
    #[must_use]
    pub fn step(&self) -> &str {
        self.context.step_id(self.place)
    }

    /// What is asked: the check, its scope, its params, about now or the period.
    #[must_use]
    pub fn query(&self) -> &Query {
        // A request is made from a query of its own set, so the position is always there.
        &self.context.set.queries()[self.query_position()]
    }

    /// The position of [`ProbeRequest::query`] in [`RunbookSet::queries`](crate::runbook::RunbookSet::queries).
    #[must_use]
    pub const fn query_position(&self) -> usize {
        self.query
    }

    /// When the last wait or act began, or else the diagnosis: what "since" means in a check.
    #[must_use]
    pub const fn since(&self) -> DateTime<Utc> {
        self.since
    }

    /// From when on an answer that was asked for another diagnosis may serve this one: from the trigger, and after a
    /// wait, an act or a person's answer from the end of that. `None`: ask afresh, as right before an act or a
    /// conclusion. It is what [`Probes::shared_since`](crate::probe::Probes::shared_since) is meant for.
    #[must_use]
    pub const fn shared_since(&self) -> Option<DateTime<Utc>> {
        self.shared_since
    }

    /// How far the clocks of the platform may differ: what is dated further ahead is in the future.
    #[must_use]
    pub fn clock_tolerance(&self) -> TimeDelta {
        self.context.clock_tolerance(self.place)
    }
}

/// An action to be approved by a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRequest {
    /// The number to answer under.
    pub id: RequestId,
    pub(super) situation: Situation,
    pub(super) action: Box<str>,
    pub(super) scope: Scope,
    pub(super) target: Option<Box<str>>,
    pub(super) binding: Binding,
    pub(super) expires_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) quota: Option<ActQuota>,
}

/// An act as diagnoses share it: the action and its target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ActKey {
    /// The id of the action.
    pub action: Box<str>,
    /// What the target is, such as a gateway.
    pub scope: Scope,
    /// The name of the target.
    pub target: Box<str>,
}

impl ActKey {
    /// That action on that target.
    #[must_use]
    pub fn new(action: impl Into<Box<str>>, scope: Scope, target: impl Into<Box<str>>) -> Self {
        Self { action: action.into(), scope, target: target.into() }
    }

    fn of(action: &str, scope: Scope, target: Option<&str>) -> Option<Self> {
        target.map(|target| Self::new(action, scope, target))
    }
}

/// What every request of an act says of it.
macro_rules! of_an_act {
    ($request:ident) => {
        impl $request {
            /// The id of the action.
            #[must_use]
            pub fn action(&self) -> &str {
                &self.action
            }

            /// The name of what it acts on, such as the gateway's; `None` where the subject does not name it.
            #[must_use]
            pub fn target(&self) -> Option<&str> {
                self.target.as_deref()
            }

            /// The act as other diagnoses may want it too; `None` where the target has no name.
            #[must_use]
            pub fn act_key(&self) -> Option<ActKey> {
                ActKey::of(&self.action, self.scope, self.target())
            }

            /// Which part of the subject it acts on.
            #[must_use]
            pub const fn scope(&self) -> Scope {
                self.scope
            }

            /// After this an answer or a report comes too late.
            #[must_use]
            pub const fn expires_at(&self) -> DateTime<Utc> {
                self.expires_at
            }
        }
    };
}

of_an_act! { ApprovalRequest }
of_an_act! { ActRequest }

impl ApprovalRequest {
    /// What the approval is bound to.
    #[must_use]
    pub const fn binding(&self) -> &Binding {
        &self.binding
    }

    /// The [idempotency key](ActRequest::idempotency_key) of the act, if it is approved; `None` in a request that was saved
    /// by a version that did not write it.
    #[must_use]
    pub fn idempotency_key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// How much of the limit of such acts was used when it was asked; see
    /// [`Actuator::quota`](crate::driver::Actuator::quota). `None`: the actuator named no limit. Show it before anybody
    /// approves: an act beyond the limit is refused all the same.
    #[must_use]
    pub const fn quota(&self) -> Option<&ActQuota> {
        self.quota.as_ref()
    }

    pub(crate) fn set_quota(&mut self, quota: Option<ActQuota>) {
        self.quota = quota;
    }

    /// Approved, by this person.
    #[must_use]
    pub fn grant(&self, by: impl Into<Source>) -> Approval {
        Approval { binding: self.binding.clone(), by: by.into(), declined: None }
    }

    /// Refused, by this person, for this reason.
    #[must_use]
    pub fn decline(&self, by: impl Into<Source>, reason: impl Into<Box<str>>) -> Approval {
        Approval { binding: self.binding.clone(), by: by.into(), declined: Some(reason.into()) }
    }
}

/// An action to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActRequest {
    /// The number to report under.
    pub id: RequestId,
    pub(super) situation: Situation,
    pub(super) action: Box<str>,
    pub(super) scope: Scope,
    pub(super) target: Option<Box<str>>,
    pub(super) incident: Box<str>,
    pub(super) visit: u32,
    pub(super) expires_at: DateTime<Utc>,
}

impl ActRequest {
    /// The incident that it belongs to; see [`Diagnosis::with_incident`](super::Diagnosis::with_incident).
    #[must_use]
    pub fn incident(&self) -> &str {
        &self.incident
    }

    /// Names the act: action, target, incident, and how often the diagnosis has begun it before. It is the same for every
    /// hand-out of this act, also after a restart of the service, and for the same act of another diagnosis of the same
    /// incident. An actuator that has seen it does not act again.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        idempotency_key(&self.action, self.scope, self.target(), &self.incident, self.visit)
    }
}

pub(super) fn idempotency_key(
    action: &str,
    scope: Scope,
    target: Option<&str>,
    incident: &str,
    visit: u32,
) -> String {
    // `/` parts the names, so it is written otherwise within one.
    let part = |text: &str| text.replace('%', "%25").replace('/', "%2F");
    let (action, target) = (part(action), part(target.unwrap_or_default()));
    format!("{action}/{scope}:{target}/{}/{visit}", part(incident))
}

/// A question to a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AskRequest {
    /// The number to answer under.
    pub id: RequestId,
    pub(super) situation: Situation,
    pub(super) question: Box<str>,
    pub(super) domain: Domain,
    pub(super) expires_at: DateTime<Utc>,
}

impl AskRequest {
    /// The question.
    #[must_use]
    pub fn question(&self) -> &str {
        &self.question
    }

    /// The values that an answer may have.
    #[must_use]
    pub const fn domain(&self) -> &Domain {
        &self.domain
    }

    /// After this an answer comes too late.
    #[must_use]
    pub const fn expires_at(&self) -> DateTime<Utc> {
        self.expires_at
    }
}

/// Something that people should know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    pub(super) situation: Situation,
    pub(super) number: u32,
    pub(super) severity: Severity,
    pub(super) text: Box<str>,
    pub(super) at: DateTime<Utc>,
}

impl Alert {
    /// Its number within the diagnosis, from zero.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// How urgent it is.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.severity
    }

    /// What it says.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// When it came up.
    #[must_use]
    pub const fn at(&self) -> DateTime<Utc> {
        self.at
    }
}
