//! Requests without an answer.

use super::AnswerError;
use super::log::Place;
use super::output::RequestId;

/// The open requests, in the order of their numbers. Nearly always it is one, which is held without an allocation;
/// only exploring has several.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenRequests {
    first: Option<Open>,
    /// Those after `first`, or after one that stood there.
    others: Vec<Open>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) request: RequestId,
    pub(super) wants: Wants,
    /// The entry of the log that opened it, and its place.
    pub(super) entry: u32,
    pub(super) place: Place,
    pub(super) handed_out: bool,
}

/// What a request is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// The observation of a query.
    Answer {
        query: u32,
    },
    Approval,
    Report,
    Reply,
}

impl OpenRequests {
    #[inline]
    pub(super) fn find(&self, request: RequestId) -> Option<&Open> {
        match &self.first {
            Some(first) if first.request == request => Some(first),
            _ => self.find_other(request),
        }
    }

    #[inline(never)]
    fn find_other(&self, request: RequestId) -> Option<&Open> {
        self.others.iter().find(|open| open.request == request)
    }

    /// The first that was not handed out; it counts as handed out from now on.
    #[inline]
    pub(super) fn hand_out(&mut self) -> Option<&Open> {
        match &mut self.first {
            Some(first) if !first.handed_out => {
                first.handed_out = true;
                Some(first)
            }
            _ => Self::hand_out_other(&mut self.others),
        }
    }

    #[inline(never)]
    fn hand_out_other(others: &mut [Open]) -> Option<&Open> {
        let open = others.iter_mut().find(|open| !open.handed_out)?;
        open.handed_out = true;
        Some(open)
    }

    pub(super) fn hand_out_again(&mut self) {
        for open in self.first.iter_mut().chain(&mut self.others) {
            open.handed_out = false;
        }
    }

    /// Adds one whose number is above all others.
    #[inline]
    pub(super) fn add(&mut self, open: Open) {
        if self.first.is_none() && self.others.is_empty() {
            self.first = Some(open);
        } else {
            self.others.push(open);
        }
    }

    #[inline]
    pub(super) fn remove(&mut self, request: RequestId) {
        if self.first.is_some_and(|open| open.request == request) {
            self.first = None;
        } else {
            self.remove_other(request);
        }
    }

    #[inline(never)]
    fn remove_other(&mut self, request: RequestId) {
        self.others.retain(|open| open.request != request);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Wants {
    #[cold]
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
