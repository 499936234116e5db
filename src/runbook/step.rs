//! The steps of a validated runbook.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::guard::Branches;
use super::text::{Advice, Text};
use crate::fact::Domain;
use crate::subject::Scope;

/// The position of a step in its runbook; conclusions are steps too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepIndex(pub(crate) u32);

impl StepIndex {
    /// The position as an index into [`Runbook::steps`](super::Runbook::steps).
    #[must_use]
    pub const fn position(self) -> usize {
        self.0 as usize
    }
}

/// The position of a query in its runbook: one check with its params.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryIndex(pub(crate) u32);

impl QueryIndex {
    /// The position as an index into [`Runbook::queries`](super::Runbook::queries).
    #[must_use]
    pub const fn position(self) -> usize {
        self.0 as usize
    }
}

/// One step: its id, what a person reads, and what it does.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// Its id, unique in the runbook, conclusions included.
    pub id: Box<str>,
    /// What it is, in a line; empty where the document gives none.
    pub title: Box<str>,
    /// What the person who reads it should look at or do.
    pub advice: Box<[Advice]>,
    /// The group that charts and reports draw it in, such as `network`. It has no effect on the walk.
    pub group: Option<Box<str>>,
    /// What it does.
    pub kind: StepKind,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StepKind {
    /// Asks a check and branches on its value.
    Check(CheckStep),
    /// Lets time pass.
    Wait(WaitStep),
    /// Has the user's actuator do something.
    Act(ActStep),
    /// Asks a person.
    Ask(AskStep),
    /// Runs another runbook of the same set.
    Handover(HandoverStep),
    /// Ends the runbook.
    Conclude(Conclusion),
}

impl StepKind {
    /// Its name in documents: `check`, `wait`, `act`, `ask`, `handover`, `conclude`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Check(_) => "check",
            Self::Wait(_) => "wait",
            Self::Act(_) => "act",
            Self::Ask(_) => "ask",
            Self::Handover(_) => "handover",
            Self::Conclude(_) => "conclude",
        }
    }

    /// The query that it asks, or whose instant it waits for.
    #[must_use]
    pub fn query(&self) -> Option<QueryIndex> {
        match self {
            Self::Check(check) => match check.source {
                CheckSource::Query(query) => Some(query),
                CheckSource::Elapsed | CheckSource::Accounted => None,
            },
            Self::Wait(wait) => wait.until.map(|until| until.fact),
            Self::Act(act) => act.recheck.as_ref().map(|recheck| recheck.query),
            Self::Conclude(conclusion) => conclusion.unless.as_ref().map(|recheck| recheck.query),
            Self::Ask(_) | Self::Handover(_) => None,
        }
    }
}

/// An exit of a step: where it leads, the note it records and the alert it raises.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Exit {
    /// The step it leads to.
    pub to: StepIndex,
    /// A finding or an anomaly to be kept: a contributing finding of the end.
    pub note: Option<Text>,
    /// An alert to be handed out once when this way is taken.
    pub alert: Option<AlertText>,
    /// The root causes that taking this exit speaks for, where the document declares them. `None`: they are derived
    /// from the graph. Empty: none.
    pub supports: Option<Box<[Box<str>]>>,
    /// The root causes that taking this exit speaks against.
    pub against: Option<Box<[Box<str>]>>,
    /// The answer in words, for whoever reads it: `none lost`. It has no effect on the walk.
    pub says: Option<Text>,
    /// Whether the `unless` of a conclusion that this exit leads to is asked. Not for a fault that is known to be over.
    pub look_again: bool,
}

/// What an alert says, and how urgent it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AlertText {
    /// How urgent it is.
    pub severity: Severity,
    /// What it says.
    pub text: Text,
}

named! {
    /// How urgent an alert or a conclusion is.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    #[non_exhaustive]
    Severity {
        /// To be known; nothing to do now.
        Info = "info",
        /// To be looked at in working hours.
        Warning = "warning",
        /// To be acted on now.
        Critical = "critical",
    }
}

impl Severity {
    /// The severity of that name in documents.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Info, Self::Warning, Self::Critical].into_iter().find(|severity| severity.name() == name)
    }
}

/// One check with its params: what is asked when a step needs its value. Two steps that ask the same thing
/// share one query.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Query {
    /// The id of the check.
    pub check: Box<str>,
    /// Which part of the subject it asks about.
    pub scope: Scope,
    /// The values it can come to.
    pub domain: Domain,
    /// Its params, thresholds resolved.
    pub params: Params,
    /// Whether it asks about now or about the subject's period.
    pub about: About,
    /// An answer whose `observed_at` is this much older than the moment it arrives is unknown (`stale`).
    pub stale_after: Option<TimeDelta>,
    /// What an instant beyond the clock tolerance in the future means.
    pub future: OnFuture,
}

/// What an instant in the future means, beyond the runbook's clock tolerance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OnFuture {
    /// The value is unknown.
    Unknown,
    /// It is a value like any other: a branch takes it.
    Value,
}

/// A question that is asked again right before something costly is done or said: before an act, or before a
/// conclusion. It is always asked afresh.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Recheck {
    /// Its id, unique among the rechecks of the runbook.
    pub id: Box<str>,
    /// What is asked.
    pub query: QueryIndex,
    /// The exits for the values that change the course. They are disjoint and need not cover the domain: any other
    /// value, and unknown, go on as if nobody had asked.
    pub branches: Branches,
}

named! {
    /// Whether a question is about now or about the past period that the subject names.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    #[non_exhaustive]
    About {
        /// About the present.
        Now = "now",
        /// About the subject's period; without one the value is unknown.
        Period = "period",
    }
}

/// The params of a check, by name.
pub type Params = BTreeMap<Box<str>, Param>;

/// One param of a check, its threshold resolved.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Param {
    /// A length of time.
    Duration(TimeDelta),
    /// A number; finite.
    Number(f64),
    /// A whole number from zero.
    Count(u64),
    /// Yes or no.
    Flag(bool),
    /// A word.
    Text(Box<str>),
}

/// A step that asks a check, or takes the time since the trigger, and branches on the value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CheckStep {
    /// Where the value comes from.
    pub source: CheckSource,
    /// Ask only when this much time has passed since the step was entered.
    pub after: Option<After>,
    /// The ways out, by value.
    pub branches: Branches,
    /// What an unknown answer means.
    pub unknown: OnUnknown,
    /// The exit for a subject that does not name the part that the check asks about. Without it `unknown` decides.
    pub not_named: Option<Exit>,
}

/// How long after its step is entered a check is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct After {
    /// The fixed part; positive.
    pub length: TimeDelta,
    /// Whether the reporting interval of the subject is added.
    pub plus_reporting_interval: bool,
}

impl After {
    /// The whole delay for a subject with that reporting interval.
    #[must_use]
    pub fn of(self, reporting_interval: TimeDelta) -> TimeDelta {
        if self.plus_reporting_interval {
            self.length.checked_add(&reporting_interval).unwrap_or(TimeDelta::MAX)
        } else {
            self.length
        }
    }
}

/// Where the value of a check step comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckSource {
    /// A query, answered from outside.
    Query(QueryIndex),
    /// The time since the trigger; it needs no probe and is always known.
    Elapsed,
    /// The share, from 0 to 1, that the answers of this diagnosis account for together.
    Accounted,
}

impl CheckSource {
    /// True if its value needs no answer of anybody.
    #[must_use]
    pub const fn is_always_known(self) -> bool {
        matches!(self, Self::Elapsed | Self::Accounted)
    }
}

/// What an unknown answer means.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum OnUnknown {
    /// Keep every branch as a hypothesis.
    Explore,
    /// Go on at a step.
    Go(Exit),
    /// Ask a person for a value of the same domain.
    Ask {
        /// What the person is asked.
        question: Box<str>,
        /// How long they have; positive.
        answer_within: TimeDelta,
        /// The exit where no person answers in time, or they do not know. Without it the diagnosis explores.
        expired: Option<Exit>,
    },
}

/// A step that lets time pass. It has a length, an end, or both: then it ends at the earlier of the two.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WaitStep {
    /// How long at the most (`for`, or `every` beside an `until`); positive.
    pub length: Option<TimeDelta>,
    /// The instant at which it ends.
    pub until: Option<Until>,
    /// The way out.
    pub exit: Exit,
}

/// An instant that a fact gives: the latest answer to a query, and some time more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Until {
    /// The query whose latest instant counts.
    pub fact: QueryIndex,
    /// How much later.
    pub plus: TimeDelta,
}

named! {
    /// Who must approve an action.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    #[non_exhaustive]
    ApprovalPolicy {
        /// Nobody.
        Automatic = "automatic",
        /// A person, each time.
        Required = "required",
        /// It is never done; the step leaves by `refused`.
        Never = "never",
    }
}

impl ApprovalPolicy {
    /// The policy of that name in documents.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Automatic, Self::Required, Self::Never].into_iter().find(|policy| policy.name() == name)
    }
}

/// A step that has the user's actuator do something.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ActStep {
    /// The id of the action, for the actuator.
    pub action: Box<str>,
    /// Which part of the subject it acts on.
    pub scope: Scope,
    /// Who must approve it.
    pub approval: ApprovalPolicy,
    /// How long the approval may take, and how long the act may take once it is approved; positive.
    pub answer_within: TimeDelta,
    /// What is asked again once the approval is in.
    pub recheck: Option<Arc<Recheck>>,
    /// It was done.
    pub done: Exit,
    /// The person, the policy or the actuator (not safe) refused.
    pub refused: Exit,
    /// It was tried and failed.
    pub failed: Exit,
    /// No approval, or no report of the act, in time.
    pub expired: Exit,
}

/// A step that asks a person.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AskStep {
    /// What the person is asked.
    pub question: Box<str>,
    /// How long they have; positive.
    pub answer_within: TimeDelta,
    /// The ways out, by answer.
    pub branches: Branches,
    /// No answer in time, or the person does not know.
    pub expired: Exit,
}

/// A step that runs another runbook of the same set, as a call, and branches on its conclusion.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HandoverStep {
    /// The name of the other runbook.
    pub runbook: Box<str>,
    /// The ways out by the ids of its conclusions; none twice.
    pub branches: Box<[HandoverBranch]>,
    /// The way out for every conclusion that no branch names.
    pub otherwise: Option<Exit>,
    /// It ended without a conclusion.
    pub unknown: Exit,
}

/// A way out of a handover for some conclusions of the other runbook.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HandoverBranch {
    /// The ids of the conclusions, in order.
    pub conclusions: Box<[Box<str>]>,
    /// Where it leads.
    pub exit: Exit,
}

/// The root cause of a conclusion that leaves the cause open. Such a conclusion is never a hypothesis.
pub const UNKNOWN_CAUSE: &str = "unknown";

/// An end of a runbook. Its id is that of its step.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Conclusion {
    /// The root cause it names, such as `power-loss`; [`UNKNOWN_CAUSE`] where it stays open.
    pub root_cause: Option<Box<str>>,
    /// How urgent it is.
    pub severity: Severity,
    /// Whether it means that the subject has recovered.
    pub recovered: bool,
    /// The part of the subject that is at fault: what is repaired, and what other devices may share. The device
    /// unless the document says otherwise.
    pub part: Scope,
    /// What is asked again right before it is concluded.
    pub unless: Option<Arc<Recheck>>,
}

/// The exits of an act before those of its recheck: `done`, `refused`, `failed`, `expired`.
pub(crate) const ACT_EXITS: u16 = 4;

impl StepKind {
    /// The exit at `position`:
    ///
    /// - a check's branches, then that of an unknown value (or of a person who does not answer) where it has one, then
    ///   `not_named` where it has one
    /// - a wait's one
    /// - an act's `done`, `refused`, `failed`, `expired`, then the branches of its recheck
    /// - a question's branches, then `expired`
    /// - a handover's branches, `otherwise` where it has one, `unknown`
    /// - the branches of a conclusion's `unless`
    #[must_use]
    pub fn exit(&self, position: u16) -> Option<&Exit> {
        let at = usize::from(position);
        match self {
            Self::Check(check) => check.exit(at),
            Self::Wait(wait) => Some(&wait.exit).filter(|_| at == 0),
            Self::Act(act) => match at {
                0 => Some(&act.done),
                1 => Some(&act.refused),
                2 => Some(&act.failed),
                3 => Some(&act.expired),
                _ => act.recheck.as_ref()?.branches.exit(at - usize::from(ACT_EXITS)),
            },
            Self::Ask(ask) => ask
                .branches
                .exit(at)
                .or_else(|| Some(&ask.expired).filter(|_| at == ask.branches.as_slice().len())),
            Self::Handover(handover) => handover.exit(at),
            Self::Conclude(conclusion) => conclusion.unless.as_ref()?.branches.exit(at),
        }
    }

    /// Its exits, in the order of [`StepKind::exit`].
    pub fn exits(&self) -> impl Iterator<Item = (u16, &Exit)> {
        (0..u16::MAX).map_while(|position| self.exit(position).map(|exit| (position, exit)))
    }
}

impl OnUnknown {
    /// The exit that it has beside the branches: of an unknown value, or of a person who does not answer.
    #[must_use]
    pub const fn exit(&self) -> Option<&Exit> {
        match self {
            Self::Go(exit) => Some(exit),
            Self::Ask { expired, .. } => expired.as_ref(),
            Self::Explore => None,
        }
    }
}

impl CheckStep {
    fn exit(&self, at: usize) -> Option<&Exit> {
        let Some(beyond) = at.checked_sub(self.branches.as_slice().len()) else {
            return self.branches.exit(at);
        };
        self.unknown.exit().into_iter().chain(&self.not_named).nth(beyond)
    }

    fn position(&self, beyond: usize) -> Option<u16> {
        u16::try_from(self.branches.as_slice().len() + beyond).ok()
    }

    /// The position of the exit for an unknown value, where it has one of its own.
    pub(crate) fn unknown_position(&self) -> Option<u16> {
        matches!(self.unknown, OnUnknown::Go(_)).then(|| self.position(0)).flatten()
    }

    /// The position of the exit for a person who does not answer in time, where it has one.
    pub(crate) fn expired_position(&self) -> Option<u16> {
        matches!(self.unknown, OnUnknown::Ask { expired: Some(_), .. }).then(|| self.position(0)).flatten()
    }

    /// The position of the exit for a subject that does not name the part, where it has one.
    pub(crate) fn not_named_position(&self) -> Option<u16> {
        self.not_named.as_ref().and_then(|_| self.position(usize::from(self.unknown.exit().is_some())))
    }
}

impl HandoverStep {
    /// Every exit in order: the branches, then `otherwise`, then `unknown`.
    pub fn exits(&self) -> impl Iterator<Item = &Exit> {
        self.branches.iter().map(|branch| &branch.exit).chain(&self.otherwise).chain([&self.unknown])
    }

    fn exit(&self, at: usize) -> Option<&Exit> {
        match self.branches.get(at) {
            Some(branch) => Some(&branch.exit),
            None => self.otherwise.iter().chain([&self.unknown]).nth(at - self.branches.len()),
        }
    }

    /// The position of `unknown` among its exits.
    pub(crate) fn unknown_position(&self) -> Option<u16> {
        u16::try_from(self.branches.len() + usize::from(self.otherwise.is_some())).ok()
    }
}
