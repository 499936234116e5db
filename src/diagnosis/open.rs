//! Requests without an answer.

use chrono::TimeDelta;

use super::AnswerError;
use super::id::RequestId;
use super::log::Place;

/// The open requests, in the order of their numbers. Only exploring has more than one.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenRequests(Vec<Open>);

#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) request: RequestId,
    pub(super) wants: ExpectedReply,
    /// The entry of the log that opened it, and its place.
    pub(super) entry: u32,
    pub(super) place: Place,
    pub(super) handed_out: bool,
    /// How often it was asked before, and when first, on the diagnosis's own account of time.
    pub(super) attempt: u32,
    pub(super) first: TimeDelta,
}

/// A question to a check, as it was asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking {
    pub(super) request: RequestId,
    pub(super) query: u32,
    pub(super) place: Place,
    /// Whether it was asked while exploring.
    pub(super) exploring: bool,
    pub(super) attempt: u32,
    pub(super) first: TimeDelta,
}

/// What a request is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExpectedReply {
    /// The observation of a query.
    Answer {
        query: u32,
    },
    Approval,
    Report,
    Reply,
}

impl OpenRequests {
    pub(super) fn find(&self, request: RequestId) -> Option<&Open> {
        self.0.iter().find(|open| open.request == request)
    }

    /// The first that was not handed out; it counts as handed out from now on.
    pub(super) fn hand_out(&mut self) -> Option<Open> {
        // In the order of asking. A resumed diagnosis then asks in the order of its trace too.
        let open = self.0.iter_mut().find(|open| !open.handed_out)?;
        open.handed_out = true;
        Some(*open)
    }

    pub(super) fn hand_out_again(&mut self) {
        self.0.iter_mut().for_each(|open| open.handed_out = false);
    }

    /// Adds one whose number is above all others.
    pub(super) fn add(&mut self, open: Open) {
        self.0.push(open);
    }

    pub(super) fn remove(&mut self, request: RequestId) {
        self.0.retain(|open| open.request != request);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Open> {
        self.0.iter()
    }

    /// Notes how often and since when the question is asked.
    pub(super) fn count(&mut self, request: RequestId, attempt: u32, first: TimeDelta) {
        for open in self.0.iter_mut().filter(|open| open.request == request) {
            (open.attempt, open.first) = (attempt, first);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl ExpectedReply {
    pub(super) fn refuse(self, request: RequestId, given: &'static str) -> AnswerError {
        AnswerError::WrongKind { request, wanted: self.text(), given }
    }

    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Answer { .. } => "the answer to a probe",
            Self::Approval => "an approval",
            Self::Report => "the report of an act",
            Self::Reply => "a person's answer",
        }
    }
}
