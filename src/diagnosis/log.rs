//! What happened, in order: the trace, the fact store and the saved state in one.

use chrono::{DateTime, TimeDelta, Utc};

use super::anomaly::Anomaly;
use super::id::RequestId;
use super::reply::{ActReport, Reply};
use crate::fact::{Observation, Source};
use crate::runbook::step::StepIndex;

/// A step of one of the set's runbooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) runbook: u32,
    pub(super) step: StepIndex,
}

/// The entries in the order in which they happened. Observations and people's statements lie apart: an entry that is
/// small and `Copy` is quick to write and needs no dropping.
#[derive(Clone, Debug)]
pub(super) struct Log {
    entries: Vec<Entry>,
    observations: Vec<Observation>,
    statements: Vec<Statement>,
}

/// One thing that happened, where, and the time that the call which brought it was given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) at: DateTime<Utc>,
    pub(super) place: Place,
    pub(super) event: Event,
}

/// The position of an observation in its log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observed(u32);

/// What a person or an actuator said.
#[derive(Clone, Debug)]
pub(super) enum Statement {
    Reply(Reply),
    Approved(Source),
    Refused { by: Source, reason: Box<str> },
    Withdrawn { by: Source, why: Box<str> },
    Report(ActReport),
}

/// The position of a statement in its log.
#[derive(Clone, Copy, Debug)]
pub(super) struct StatementId(u32);

impl Log {
    pub(super) const fn new() -> Self {
        Self { entries: Vec::new(), observations: Vec::new(), statements: Vec::new() }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn get(&self, at: u32) -> Option<&Entry> {
        self.entries.get(at as usize)
    }

    /// The position of the entry that is pushed next; `u32::MAX` is never reached.
    pub(super) fn next(&self) -> u32 {
        // Memory ends long before a trace has so many entries.
        u32::try_from(self.entries.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Keeps the observation of the entry that is pushed next.
    pub(super) fn keep(&mut self, observation: Observation) -> Observed {
        let at = u32::try_from(self.observations.len()).unwrap_or(u32::MAX);
        self.observations.push(observation);
        Observed(at)
    }

    /// Keeps the statement of the entry that is pushed next.
    pub(super) fn keep_statement(&mut self, statement: Statement) -> StatementId {
        let at = u32::try_from(self.statements.len()).unwrap_or(u32::MAX);
        self.statements.push(statement);
        StatementId(at)
    }

    pub(super) fn statement(&self, at: StatementId) -> Option<&Statement> {
        self.statements.get(at.0 as usize)
    }

    pub(super) fn observation(&self, at: Observed) -> Option<&Observation> {
        self.observations.get(at.0 as usize)
    }

    /// The answer to a check that the entry holds.
    pub(super) fn observation_of(&self, entry: &Entry) -> Option<&Observation> {
        self.observation(entry.event.observed()?)
    }
}

/// The exit that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ExitIndex {
    /// Of the step, at the position that [`StepKind::exit`](crate::runbook::step::StepKind::exit) numbers.
    Step(u16),
    /// Of the runbook's own `unless`, by the position of its branch.
    Unless(u16),
}

/// What happened. What the step itself says is not repeated.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// A check is asked, by the step of the entry; while exploring that is not the current step.
    Asked { request: RequestId, query: u32, exploring: bool },
    /// A check was answered; without an exit the diagnosis explores then, or asks a person.
    Answered { request: RequestId, query: u32, observed: Observed, exit: Option<ExitIndex> },
    /// A check did not answer, in a way that may pass: it is asked again after the pause.
    Blipped { request: RequestId, query: u32, observed: Observed, pause: TimeDelta },
    /// Somebody pushed a fact in.
    News { query: u32, observed: Observed },
    /// A check was answered that was asked while exploring.
    Explored { request: RequestId, query: u32, observed: Observed },
    /// A check needs no asking: an earlier entry of this epoch has the answer.
    Reused { query: u32, entry: u32, exit: Option<ExitIndex> },
    /// A check is not asked: the subject does not name the part that it asks about.
    NotNamed { query: u32, exit: Option<ExitIndex> },
    /// The time since the trigger.
    Elapsed { elapsed: TimeDelta, exit: Option<ExitIndex> },
    /// The share that the answers account for together.
    Accounted { share: f64, exit: Option<ExitIndex> },
    /// A person is asked.
    PersonAsked { request: RequestId },
    /// A person answered, or said that they do not know.
    PersonAnswered { request: RequestId, said: StatementId, exit: Option<ExitIndex> },
    /// Time is let pass; not positive where the end was over already.
    WaitBegan { length: TimeDelta },
    /// It has passed; `idle` where it was over before it began. A check that was put off is asked then, and has
    /// no exit yet.
    WaitEnded { idle: bool, exit: Option<ExitIndex> },
    /// An approval is asked for.
    ApprovalAsked { request: RequestId },
    /// It was given.
    Approved { request: RequestId, said: StatementId },
    /// It was refused, by a person or by the runbook's policy.
    Declined { request: Option<RequestId>, said: StatementId, exit: ExitIndex },
    /// What was asked again before an act or an end is answered; without an exit the walk goes on as it was.
    Rechecked { request: RequestId, query: u32, observed: Observed, exit: Option<ExitIndex> },
    /// The actuator is asked to act.
    ActBegan { request: RequestId, visit: u32 },
    /// It reported.
    Acted { request: RequestId, said: StatementId, exit: ExitIndex },
    /// No answer in time; without an exit the diagnosis explores.
    Expired { request: RequestId, exit: Option<ExitIndex> },
    /// Another runbook is called.
    Called { callee: u32 },
    /// It ended, with a conclusion or undetermined.
    Returned { conclusion: Option<StepIndex>, exit: ExitIndex },
    /// The called runbook was left, since a pushed fact led to an end of the caller.
    Left,
    /// An alert is due: the one of the entry's exit before this one.
    Alerted { exit: ExitIndex },
    /// Something was not as it should be.
    Anomaly(Anomaly),
    /// A conclusion was reached.
    Concluded,
    /// Exploring ended with hypotheses.
    Undetermined,
    /// A diagnosis that ended undetermined goes on.
    WentOn,
    /// It is no longer wanted; whether the act of the step was under way.
    Withdrawn { said: StatementId, acting: bool },
    /// The diagnosis can't go on.
    Aborted(Anomaly),
}

impl Event {
    /// The answer to a check that it holds.
    const fn observed(&self) -> Option<Observed> {
        match self {
            Self::Answered { observed, .. }
            | Self::Blipped { observed, .. }
            | Self::News { observed, .. }
            | Self::Explored { observed, .. }
            | Self::Rechecked { observed, .. } => Some(*observed),
            _ => None,
        }
    }

    /// The way out that was taken with it.
    pub(super) const fn exit(&self) -> Option<ExitIndex> {
        match self {
            Self::Answered { exit, .. }
            | Self::Reused { exit, .. }
            | Self::NotNamed { exit, .. }
            | Self::Elapsed { exit, .. }
            | Self::Accounted { exit, .. }
            | Self::PersonAnswered { exit, .. }
            | Self::Rechecked { exit, .. }
            | Self::WaitEnded { exit, .. }
            | Self::Expired { exit, .. } => *exit,
            Self::Declined { exit, .. } | Self::Acted { exit, .. } | Self::Returned { exit, .. } => {
                Some(*exit)
            }
            _ => None,
        }
    }
}
