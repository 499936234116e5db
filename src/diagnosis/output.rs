//! What a diagnosis asks of its caller, and the forms in which the caller answers.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::finding::Finding;
use super::log::{ExitIndex, Place};
use crate::fact::{Detail, Details, Domain, Source, Value};
use crate::runbook::step::{About, AlertText, Exit, Query, Recheck, Severity, Step, StepKind};
use crate::runbook::{CLOCK_TOLERANCE, Runbook, RunbookSet};
use crate::subject::{Scope, Subject, Trigger};

/// What a diagnosis wants next.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Output {
    /// Ask a check, then [`Diagnosis::answer`](super::Diagnosis::answer).
    Probe(ProbeRequest),
    /// Ask a person to approve an action, then [`Diagnosis::approve`](super::Diagnosis::approve).
    Approve(ApprovalRequest),
    /// Do it, then [`Diagnosis::acted`](super::Diagnosis::acted).
    Act(ActRequest),
    /// Ask a person, then [`Diagnosis::reply`](super::Diagnosis::reply).
    Ask(AskRequest),
    /// Tell someone, then [`Diagnosis::told`](super::Diagnosis::told). Handed out once and never waited for.
    Alert(Alert),
    /// Nothing new. Sleep until then (or until an answer comes), or save it and resume later; without an
    /// instant only an answer moves it on.
    Pending {
        /// When to poll again at the latest, by the clock that the caller gives.
        until: Option<DateTime<Utc>>,
    },
    /// It has ended; every later poll says the same.
    Concluded(Box<Finding>),
}

/// The identity of a diagnosis: a ULID. As text its 26 letters and digits, in documents too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiagnosisId(Ulid);

/// A text that is no identity of a diagnosis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a ULID: 26 characters of Crockford's base 32, the first at most 7")]
pub struct DiagnosisIdError {
    text: String,
}

impl DiagnosisId {
    /// The identity that `ulid` is.
    #[must_use]
    pub const fn new(ulid: Ulid) -> Self {
        Self(ulid)
    }

    /// As a ULID.
    #[must_use]
    pub const fn ulid(self) -> Ulid {
        self.0
    }
}

impl From<Ulid> for DiagnosisId {
    fn from(ulid: Ulid) -> Self {
        Self(ulid)
    }
}

impl std::str::FromStr for DiagnosisId {
    type Err = DiagnosisIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The decoder lets a first character above 7 overflow: only what is written the same again is an id.
        Ulid::from_string(text)
            .ok()
            .map(Self)
            .filter(|id| id.to_string() == text)
            .ok_or_else(|| DiagnosisIdError { text: text.chars().take(40).collect() })
    }
}

impl fmt::Display for DiagnosisId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for DiagnosisId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for DiagnosisId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DiagnosisId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The number of a request within its diagnosis, from zero in the order of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub(super) u32);

impl RequestId {
    /// The number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What stays the same through a diagnosis; shared by its requests.
pub(super) struct Context {
    pub(super) id: DiagnosisId,
    pub(super) set: RunbookSet,
    pub(super) entry: u32,
    pub(super) subject: Subject,
    pub(super) trigger: Trigger,
    pub(super) started_at: DateTime<Utc>,
}

impl fmt::Debug for Context {
    /// Without the runbooks: a request is shown in a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runbook = self.set.runbook(self.entry).map(Runbook::name);
        let mut shown = f.debug_struct("Context");
        shown.field("id", &self.id).field("runbook", &runbook).field("device", &self.subject.device);
        shown.finish_non_exhaustive()
    }
}

impl Context {
    /// Whether the subject names what the query of the set asks about.
    pub(super) fn is_askable(&self, query: u32) -> bool {
        self.set.queries().get(query as usize).is_some_and(|query| {
            let period = query.about == About::Now || self.subject.period.is_some();
            period && self.subject.name_of(query.scope).is_some()
        })
    }

    /// What the subject does not name of that which the query asks about: the part, or the period.
    pub(super) fn unnamed_part(&self, query: &Query) -> &'static str {
        if self.subject.name_of(query.scope).is_none() { query.scope.name() } else { "period" }
    }

    /// The exit of a step, or of the `unless` of its runbook.
    pub(super) fn exit(&self, place: Place, exit: ExitIndex) -> Option<&Exit> {
        match exit {
            ExitIndex::Step(position) => self.step(place)?.kind.exit(position),
            ExitIndex::Unless(position) => self.runbook(place)?.unless()?.branches.exit(position.into()),
        }
    }

    /// The exit in words.
    pub(super) fn exit_name(&self, place: Place, exit: ExitIndex) -> String {
        let name = match exit {
            ExitIndex::Step(position) => self.step(place).map(|step| step.kind.exit_name(position)),
            ExitIndex::Unless(position) => {
                self.runbook(place).and_then(Runbook::unless).map(|recheck| recheck.exit_name(position))
            }
        };
        name.unwrap_or_default()
    }

    /// How far clocks may differ, by the runbook of that step.
    pub(super) fn clock_tolerance(&self, place: Place) -> TimeDelta {
        self.runbook(place).map_or(CLOCK_TOLERANCE, Runbook::clock_tolerance)
    }

    /// What is asked again at a step: before its act, before its conclusion, or before the runbook ends undetermined.
    pub(super) fn recheck(&self, place: Place) -> Option<&Recheck> {
        match &self.step(place)?.kind {
            StepKind::Act(act) => act.recheck.as_deref(),
            StepKind::Conclude(conclusion) => conclusion.unless.as_deref(),
            _ => self.runbook(place)?.unless(),
        }
    }

    pub(super) fn runbook(&self, place: Place) -> Option<&Runbook> {
        self.set.runbook(place.runbook)
    }

    pub(super) fn step(&self, place: Place) -> Option<&Step> {
        self.runbook(place)?.step(place.step)
    }

    pub(super) fn step_id(&self, place: Place) -> &str {
        self.step(place).map_or("?", |step| &step.id)
    }

    pub(super) fn runbook_name(&self, place: Place) -> &str {
        self.runbook(place).map_or("?", Runbook::name)
    }
}

macro_rules! context {
    ($($request:ident)*) => {$(
        impl $request {
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
        }
    )*};
}

context!(ProbeRequest ApprovalRequest ActRequest AskRequest Alert);

/// A check to be asked.
#[derive(Clone, Debug)]
pub struct ProbeRequest {
    pub(super) context: Arc<Context>,
    pub(super) since: DateTime<Utc>,
    /// The number to answer under.
    pub id: RequestId,
    pub(super) place: Place,
    /// Its position in the set; it fits.
    pub(super) query: usize,
}

impl ProbeRequest {
    /// What is asked: the check, its scope, its params, about now or the period.
    #[must_use]
    pub fn query(&self) -> &Query {
        // A request is made from a query of its own set, so the position is always there.
        &self.context.set.queries()[self.query_position()]
    }

    /// The position of [`ProbeRequest::query`] in [`RunbookSet::queries`].
    #[must_use]
    pub const fn query_position(&self) -> usize {
        self.query
    }

    /// When the last wait or act began, or else the diagnosis: what "since" means in a check.
    #[must_use]
    pub const fn since(&self) -> DateTime<Utc> {
        self.since
    }

    /// How far the clocks of the platform may differ: what is dated further ahead is in the future.
    #[must_use]
    pub fn clock_tolerance(&self) -> TimeDelta {
        self.context.clock_tolerance(self.place)
    }
}

/// An action to be approved by a person.
#[derive(Clone, Debug)]
pub struct ApprovalRequest {
    /// The number to answer under.
    pub id: RequestId,
    pub(super) context: Arc<Context>,
    pub(super) place: Place,
    pub(super) action: Box<str>,
    pub(super) scope: Scope,
    pub(super) binding: Binding,
    pub(super) expires_at: DateTime<Utc>,
}

/// What an approval is bound to: this step on this visit, this meaning of the runbook, this evidence. An
/// approval that was given for another state is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    pub(super) diagnosis: DiagnosisId,
    pub(super) request: RequestId,
    pub(super) step: Box<str>,
    pub(super) fingerprint: crate::runbook::Fingerprint,
    /// SHA-256 over the trace up to the request, as hexadecimal text.
    pub(super) evidence: Box<str>,
}

impl ApprovalRequest {
    /// The id of the action.
    #[must_use]
    pub fn action(&self) -> &str {
        &self.action
    }

    /// The name of what it acts on, such as the gateway's.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.context.subject.name_of(self.scope)
    }

    /// Which part of the subject it acts on.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// After this an answer comes too late.
    #[must_use]
    pub const fn expires_at(&self) -> DateTime<Utc> {
        self.expires_at
    }

    /// What the approval is bound to.
    #[must_use]
    pub const fn binding(&self) -> &Binding {
        &self.binding
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

/// A person's word on an action. It holds what it is bound to, so that it may travel and come back later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    pub(super) binding: Binding,
    pub(super) by: Source,
    /// Why it was refused; approved without.
    pub(super) declined: Option<Box<str>>,
}

/// An action to be done.
#[derive(Clone, Debug)]
pub struct ActRequest {
    /// The number to report under.
    pub id: RequestId,
    pub(super) context: Arc<Context>,
    pub(super) place: Place,
    pub(super) action: Box<str>,
    pub(super) scope: Scope,
    pub(super) visit: u32,
    pub(super) expires_at: DateTime<Utc>,
}

impl ActRequest {
    /// The id of the action.
    #[must_use]
    pub fn action(&self) -> &str {
        &self.action
    }

    /// Which part of the subject it acts on.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// The name of what it acts on, such as the gateway's; `None` where the subject does not name it.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.context.subject.name_of(self.scope)
    }

    /// After this a report comes too late.
    #[must_use]
    pub const fn expires_at(&self) -> DateTime<Utc> {
        self.expires_at
    }

    /// The same for every hand-out of this act, and for no other: diagnosis, runbook, step, visit. An actuator
    /// that has seen it does not act again.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        format!("{}/{}/{}/{}", self.context.id, self.runbook(), self.step(), self.visit)
    }
}

/// How an act went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ActOutcome {
    /// It was done.
    Done,
    /// It was not tried: not safe, or not allowed.
    Refused,
    /// It was tried and failed.
    Failed,
}

/// The actuator's report.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ActReport {
    /// How it went.
    pub outcome: ActOutcome,
    /// Who reports.
    pub by: Source,
    /// What there is to say, such as why it was not safe.
    pub details: Details,
}

impl ActReport {
    /// It was done.
    #[must_use]
    pub fn done(by: impl Into<Source>) -> Self {
        Self { outcome: ActOutcome::Done, by: by.into(), details: Details::none() }
    }

    /// It was not tried, for this reason.
    #[must_use]
    pub fn refused(by: impl Into<Source>, why: impl Into<String>) -> Self {
        Self { outcome: ActOutcome::Refused, by: by.into(), details: Details::one("why", why) }
    }

    /// It was tried and failed, for this reason.
    #[must_use]
    pub fn failed(by: impl Into<Source>, why: impl Into<String>) -> Self {
        Self { outcome: ActOutcome::Failed, by: by.into(), details: Details::one("why", why) }
    }

    /// The same report with these details beside it.
    #[must_use]
    pub fn with_details(mut self, beside: impl IntoIterator<Item = Detail>) -> Self {
        self.details = self.details.iter().cloned().chain(beside).collect();
        self
    }
}

/// A question to a person.
#[derive(Clone, Debug)]
pub struct AskRequest {
    /// The number to answer under.
    pub id: RequestId,
    pub(super) context: Arc<Context>,
    pub(super) place: Place,
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

/// A person's answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reply {
    /// The value; `None` where the person does not know.
    pub value: Option<Value>,
    /// Who answers.
    pub by: Source,
    /// What else they said.
    pub details: Details,
}

impl Reply {
    /// This value.
    #[must_use]
    pub fn new(value: Value, by: impl Into<Source>) -> Self {
        Self { value: Some(value), by: by.into(), details: Details::none() }
    }

    /// The person does not know.
    #[must_use]
    pub fn does_not_know(by: impl Into<Source>) -> Self {
        Self { value: None, by: by.into(), details: Details::none() }
    }

    /// The same answer with a remark.
    #[must_use]
    pub fn with_remark(mut self, remark: impl Into<String>) -> Self {
        self.details = Details::one("remark", remark);
        self
    }
}

/// Something to be told.
#[derive(Clone, Debug)]
pub struct Alert {
    pub(super) context: Arc<Context>,
    pub(super) place: Place,
    /// The exit of the step that it stands on.
    pub(super) exit: ExitIndex,
    pub(super) at: DateTime<Utc>,
    pub(super) number: u32,
}

impl Alert {
    /// Its number within the diagnosis, from zero.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// How urgent it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.alert().map_or(Severity::Critical, |alert| alert.severity)
    }

    /// What it says.
    #[must_use]
    pub fn text(&self) -> &str {
        self.alert().map_or("", |alert| &alert.text)
    }

    /// When it came up.
    #[must_use]
    pub const fn at(&self) -> DateTime<Utc> {
        self.at
    }

    fn alert(&self) -> Option<&AlertText> {
        self.context.exit(self.place, self.exit)?.alert.as_ref()
    }
}
