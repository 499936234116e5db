//! What a diagnosis does not take.

use super::output::RequestId;

/// The set has no runbook of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the set has no runbook \"{name}\"; it has: {known}")]
pub struct NoSuchRunbook {
    /// The name that was asked for.
    pub name: String,
    /// The names that there are.
    pub known: String,
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
    /// An approval that was given for another state: another step or visit, another runbook, other evidence.
    #[error(
        "the approval was given for another state (its {differs} differs): show the present request again"
    )]
    OtherState {
        /// What differs.
        differs: &'static str,
    },
}
