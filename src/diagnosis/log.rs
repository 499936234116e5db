//! What happened, in order: the trace, the fact store and the saved state in one.

use chrono::{DateTime, TimeDelta, Utc};

use super::anomaly::Anomaly;
use super::output::RequestId;
use crate::fact::{Details, Observation, Source, Value};
use crate::runbook::step::StepIndex;

/// A step of one of the set's runbooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) runbook: u16,
    pub(super) step: StepIndex,
}

/// One thing that happened, where, and the time that the call which brought it was given.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) at: DateTime<Utc>,
    pub(super) place: Place,
    pub(super) event: Event,
}

/// What an exit was left by: its position among the ways out of the step, as `Graph` numbers them.
pub(super) type ExitIndex = u16;

#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A check is asked, by the step of the entry; while exploring that is not where the diagnosis stands.
    Asked { request: RequestId, query: u32, exploring: bool },
    /// A check was answered; without an exit the diagnosis explores then, or asks a person.
    Answered { request: RequestId, query: u32, observation: Observation, exit: Option<ExitIndex> },
    /// A check was answered that was asked while exploring.
    Explored { request: RequestId, query: u32, observation: Observation },
    /// A check needs no asking: an earlier entry of this epoch has the answer.
    Reused { query: u32, entry: u32, exit: Option<ExitIndex> },
    /// A check can't be asked: the subject does not name what it asks about.
    NoSubject { query: u32, exit: Option<ExitIndex> },
    /// The time since the trigger.
    Elapsed { elapsed: TimeDelta, exit: Option<ExitIndex> },
    /// A person is asked.
    PersonAsked { request: RequestId, within: TimeDelta },
    /// A person answered, or said that they do not know.
    PersonAnswered {
        request: RequestId,
        value: Option<Value>,
        by: Source,
        details: Details,
        exit: Option<ExitIndex>,
    },
    /// Time is let pass; not positive where the end was over already.
    WaitBegan { length: TimeDelta },
    /// It has passed; `idle` where it was over before it began. A check that was put off is asked then, and has
    /// no exit yet.
    WaitEnded { idle: bool, exit: Option<ExitIndex> },
    /// An approval is asked for.
    ApprovalAsked { request: RequestId, within: TimeDelta },
    /// It was given.
    Approved { request: RequestId, by: Source },
    /// It was refused, by a person or by the runbook's policy.
    Declined { request: Option<RequestId>, by: Source, reason: Box<str>, exit: ExitIndex },
    /// The recheck before an act came back; with an exit there is nothing left to do.
    Rechecked { request: RequestId, query: u32, observation: Observation, exit: Option<ExitIndex> },
    /// The actuator is told to act.
    ActBegan { request: RequestId, visit: u32, within: TimeDelta },
    /// It reported.
    Acted {
        request: RequestId,
        outcome: super::output::ActOutcome,
        by: Source,
        details: Details,
        exit: ExitIndex,
    },
    /// No answer in time; without an exit the diagnosis explores.
    Expired { request: RequestId, exit: Option<ExitIndex> },
    /// Another runbook is called.
    Called { callee: u16 },
    /// It ended; without a conclusion it could not tell.
    Returned { conclusion: Option<StepIndex>, exit: ExitIndex },
    /// An alert is due: the one of the entry's exit before this one.
    Alerted { exit: ExitIndex },
    /// Something was not as it should be.
    Anomaly(Anomaly),
    /// A conclusion was reached.
    Concluded,
    /// Exploring ended; the hypotheses are what can be told.
    Undetermined,
    /// The diagnosis can't go on.
    Aborted(Anomaly),
}

impl Event {
    /// The answer to a check that it holds.
    pub(super) const fn observation(&self) -> Option<&Observation> {
        match self {
            Self::Answered { observation, .. }
            | Self::Explored { observation, .. }
            | Self::Rechecked { observation, .. } => Some(observation),
            _ => None,
        }
    }

    /// The way out that was taken with it.
    pub(super) const fn exit(&self) -> Option<ExitIndex> {
        match self {
            Self::Answered { exit, .. }
            | Self::Reused { exit, .. }
            | Self::NoSubject { exit, .. }
            | Self::Elapsed { exit, .. }
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
