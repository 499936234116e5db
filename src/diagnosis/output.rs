//! What a diagnosis asks of its caller, and the forms in which the caller answers.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::finding::{Fact, Finding};
use super::log::{ExitIndex, Place};
use crate::fact::{Detail, Details, Domain, Source, Value};
use crate::runbook::step::{About, Exit, Query, Recheck, Severity, Step, StepKind};
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
    /// Do it, then [`Diagnosis::report_act`](super::Diagnosis::report_act).
    Act(ActRequest),
    /// Ask a person, then [`Diagnosis::reply`](super::Diagnosis::reply).
    Ask(AskRequest),
    /// Deliver it, then [`Diagnosis::alert_delivered`](super::Diagnosis::alert_delivered). Handed out once and never
    /// waited for.
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

/// The operating system gave no random bits for an identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bits for an identity ({why}); make one with `DiagnosisId::new`")]
pub struct NoRandomness {
    why: String,
}

impl DiagnosisId {
    /// The identity that `ulid` is.
    #[must_use]
    pub const fn new(ulid: Ulid) -> Self {
        Self(ulid)
    }

    /// A new identity: the time, and 80 random bits of the operating system.
    ///
    /// # Errors
    /// [`NoRandomness`] where the operating system gives none.
    ///
    /// ```
    /// use chrono::{TimeZone, Utc};
    /// use iot_runbook::diagnosis::DiagnosisId;
    ///
    /// let now = Utc.timestamp_opt(1_800_000_000, 0).unwrap();
    /// let (one, other) = (DiagnosisId::random(now)?, DiagnosisId::random(now)?);
    /// assert_ne!(one, other);
    /// assert_eq!(one.to_string()[..10], other.to_string()[..10], "both begin with the time");
    /// # Ok::<(), iot_runbook::diagnosis::NoRandomness>(())
    /// ```
    pub fn random(now: DateTime<Utc>) -> Result<Self, NoRandomness> {
        let mut random = [0; 16];
        // Of the 128 bits of a ULID the first 48 are the time.
        let (_, bytes) = random.split_at_mut(6);
        getrandom::fill(bytes).map_err(|error| NoRandomness { why: error.to_string() })?;
        // Before 1970 there is no ULID; the random bits alone keep it unique.
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        Ok(Self(Ulid::from_parts(millis, u128::from_be_bytes(random))))
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

/// What stays the same through a diagnosis; shared by its probe requests.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) id: DiagnosisId,
    /// The incident that it belongs to; `None`: the diagnosis itself.
    pub(super) incident: Option<Box<str>>,
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
            // A question about a period needs that period as it needs a name: without it an adapter could
            // only guess.
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

impl Approval {
    /// Who gave it.
    #[must_use]
    pub const fn by(&self) -> &Source {
        &self.by
    }

    /// Why it was refused; `None` where it was approved.
    #[must_use]
    pub fn declined(&self) -> Option<&str> {
        self.declined.as_deref()
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
        self.target.as_deref()
    }

    /// The act as other diagnoses may want it too; `None` where the target has no name.
    #[must_use]
    pub fn act_key(&self) -> Option<ActKey> {
        ActKey::of(&self.action, self.scope, self.target())
    }

    /// The incident that it belongs to; see [`Diagnosis::with_incident`](super::Diagnosis::with_incident).
    #[must_use]
    pub fn incident(&self) -> &str {
        &self.incident
    }

    /// After this a report comes too late.
    #[must_use]
    pub const fn expires_at(&self) -> DateTime<Utc> {
        self.expires_at
    }

    /// Names the act: action, target, incident, and how often the diagnosis has begun it before. It is the same for every
    /// hand-out of this act, also after a restart of the service, and for the same act of another diagnosis of the same
    /// incident. An actuator that has seen it does not act again.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        // `/` parts the names, so it is written otherwise within one.
        let part = |text: &str| text.replace('%', "%25").replace('/', "%2F");
        let (action, target) = (part(&self.action), part(self.target().unwrap_or_default()));
        format!("{action}/{}:{target}/{}/{}", self.scope, part(&self.incident), self.visit)
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
