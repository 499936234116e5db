//! What a diagnosis does not take.

use super::id::RequestId;
use crate::runbook::{Runbook, RunbookSet};
use crate::subject::BlankName;

/// The set has no runbook of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the set has no runbook \"{name}\"; it has: {known}")]
pub struct NoSuchRunbook {
    /// The name that was asked for.
    pub name: String,
    /// The names that there are.
    pub known: String,
}

impl NoSuchRunbook {
    pub(super) fn of(name: &str, runbooks: &RunbookSet) -> Self {
        let mut known: Vec<&str> = runbooks.runbooks().map(Runbook::name).collect();
        known.dedup();
        Self { name: name.to_owned(), known: known.join(", ") }
    }
}

/// A diagnosis that can't begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BeginError {
    /// The set has no such runbook.
    #[error(transparent)]
    NoSuchRunbook(#[from] NoSuchRunbook),
    /// The device of the subject has a blank name: acts on such devices would be shared.
    #[error(transparent)]
    BlankName(#[from] BlankName),
}

/// An answer that was not taken: it has changed nothing. (The time that came with it counts: what was due by then,
/// the request itself perhaps, has expired.)
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// No such request is open: it was never made, is answered already, or has expired.
    #[error("request {0} is not open: it was never made, is answered already, or has expired")]
    NotOpen(RequestId),
    /// The request wants another kind of answer.
    #[error("request {request} wants {wanted}, not {given}")]
    WrongKind {
        /// The request.
        request: RequestId,
        /// What it wants.
        wanted: &'static str,
        /// What was given.
        given: &'static str,
    },
    /// A person's answer that is no value of the question's domain.
    #[error("request {request}: {value} is no answer to the question; one is: {domain}")]
    NotInDomain {
        /// The request.
        request: RequestId,
        /// The answer.
        value: String,
        /// What answers there are.
        domain: String,
    },
    /// An approval without the name of who gives it.
    #[error("the approval names nobody: name the person who gives it")]
    Nameless,
    /// An approval that was given for another state: another step or visit, another runbook, other evidence.
    #[error(
        "the approval was given for another state (its {differs} differs): show the present request again"
    )]
    OtherState {
        /// What differs.
        differs: &'static str,
    },
}

/// News that was not taken: nothing has changed. (The time that came with it counts.)
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NewsError {
    /// The diagnosis has ended.
    #[error("the diagnosis has ended; begin a new one")]
    Ended,
    /// No runbook of the set asks the check.
    #[error("no runbook of the set asks a check `{check}`; name one that a step asks")]
    NoSuchCheck {
        /// Its id.
        check: Box<str>,
    },
    /// The value is not one of the check's.
    #[error("check `{check}`: {value} is no value of its domain; one is: {domain}")]
    NotInDomain {
        /// Its id.
        check: Box<str>,
        /// The value.
        value: String,
        /// The values that it can have.
        domain: String,
    },
    /// An unknown value is no news.
    #[error("check `{check}`: the pushed value is unknown; push a known one, or nothing")]
    Unknown {
        /// Its id.
        check: Box<str>,
    },
}

/// A diagnosis that cannot go on: it has not ended undetermined for want of answers that may come by now, or has taken as
/// long as its runbook allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "nothing can be asked again: the diagnosis did not end undetermined by answers that failed for a moment, or its runbook's `longest` is over; begin a new one"
)]
#[non_exhaustive]
pub struct CannotGoOn;
