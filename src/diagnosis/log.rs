//! What happened, in order: the trace, the fact store and the saved state in one.

use chrono::{DateTime, TimeDelta, Utc};

use super::anomaly::Anomaly;
use super::output::{ActReport, Reply, RequestId};
use crate::fact::{Observation, Source};
use crate::runbook::step::StepIndex;

/// A step of one of the set's runbooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) runbook: u32,
    pub(super) step: StepIndex,
}

/// The entries in the order in which they happened. Observations and people's words lie apart: an entry that is
/// small and `Copy` is quick to write and needs no dropping.
#[derive(Clone, Debug)]
pub(super) struct Log {
    entries: Vec<Entry>,
    observations: Vec<Observation>,
    words: Vec<Word>,
}

/// As many entries and observations as a usual walk makes, so that each list is allocated once. Neither takes more
/// than 1 KiB: what is larger is dear to allocate.
const USUAL_ENTRIES: usize = 20;
const USUAL_OBSERVATIONS: usize = 12;

const _: () = assert!(USUAL_ENTRIES * size_of::<Entry>() <= 1024);
const _: () = assert!(USUAL_OBSERVATIONS * size_of::<Observation>() <= 1024);

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
pub(super) enum Word {
    Reply(Reply),
    Approved(Source),
    Refused { by: Source, reason: Box<str> },
    Report(ActReport),
}

/// The position of a word in its log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said(u32);

impl Log {
    #[inline]
    pub(super) fn new() -> Self {
        Self {
            entries: Vec::with_capacity(USUAL_ENTRIES),
            observations: Vec::with_capacity(USUAL_OBSERVATIONS),
            words: Vec::new(),
        }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn get(&self, at: u32) -> Option<&Entry> {
        self.entries.get(at as usize)
    }

    /// The position of the entry that is pushed next; `u32::MAX` is never reached.
    pub(super) fn next(&self) -> u32 {
        u32::try_from(self.entries.len()).unwrap_or(u32::MAX)
    }

    #[inline]
    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Keeps the observation of the entry that is pushed next.
    #[inline]
    pub(super) fn keep(&mut self, observation: Observation) -> Observed {
        let at = u32::try_from(self.observations.len()).unwrap_or(u32::MAX);
        if self.observations.len() < self.observations.capacity() {
            // Straight to its place: with growing possible in between it would be laid aside first.
            self.observations.push(observation);
        } else {
            self.keep_beyond(observation);
        }
        Observed(at)
    }

    #[cold]
    #[inline(never)]
    fn keep_beyond(&mut self, observation: Observation) {
        self.observations.push(observation);
    }

    /// Keeps the word of the entry that is pushed next.
    pub(super) fn keep_word(&mut self, word: Word) -> Said {
        let at = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        self.words.push(word);
        Said(at)
    }

    pub(super) fn word(&self, at: Said) -> Option<&Word> {
        self.words.get(at.0 as usize)
    }

    pub(super) fn observation(&self, at: Observed) -> Option<&Observation> {
        self.observations.get(at.0 as usize)
    }

    /// The answer to a check that the entry holds.
    pub(super) fn observation_of(&self, entry: &Entry) -> Option<&Observation> {
        self.observation(entry.event.observed()?)
    }
}

/// What an exit was left by: its position among the ways out of the step, as `Graph` numbers them.
pub(super) type ExitIndex = u16;

/// What happened. What the step tells is not repeated.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// A check is asked, by the step of the entry; while exploring that is not where the diagnosis stands.
    Asked { request: RequestId, query: u32, exploring: bool },
    /// A check was answered; without an exit the diagnosis explores then, or asks a person.
    Answered { request: RequestId, query: u32, observed: Observed, exit: Option<ExitIndex> },
    /// A check was answered that was asked while exploring.
    Explored { request: RequestId, query: u32, observed: Observed },
    /// A check needs no asking: an earlier entry of this epoch has the answer.
    Reused { query: u32, entry: u32, exit: Option<ExitIndex> },
    /// A check can't be asked: the subject does not name what it asks about.
    NoSubject { query: u32, exit: Option<ExitIndex> },
    /// The time since the trigger.
    Elapsed { elapsed: TimeDelta, exit: Option<ExitIndex> },
    /// A person is asked.
    PersonAsked { request: RequestId },
    /// A person answered, or said that they do not know.
    PersonAnswered { request: RequestId, said: Said, exit: Option<ExitIndex> },
    /// Time is let pass; not positive where the end was over already.
    WaitBegan { length: TimeDelta },
    /// It has passed; `idle` where it was over before it began. A check that was put off is asked then, and has
    /// no exit yet.
    WaitEnded { idle: bool, exit: Option<ExitIndex> },
    /// An approval is asked for.
    ApprovalAsked { request: RequestId },
    /// It was given.
    Approved { request: RequestId, said: Said },
    /// It was refused, by a person or by the runbook's policy.
    Declined { request: Option<RequestId>, said: Said, exit: ExitIndex },
    /// The recheck before an act came back; with an exit there is nothing left to do.
    Rechecked { request: RequestId, query: u32, observed: Observed, exit: Option<ExitIndex> },
    /// The actuator is told to act.
    ActBegan { request: RequestId, visit: u32 },
    /// It reported.
    Acted { request: RequestId, said: Said, exit: ExitIndex },
    /// No answer in time; without an exit the diagnosis explores.
    Expired { request: RequestId, exit: Option<ExitIndex> },
    /// Another runbook is called.
    Called { callee: u32 },
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
    const fn observed(&self) -> Option<Observed> {
        match self {
            Self::Answered { observed, .. }
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
