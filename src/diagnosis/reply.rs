//! What the caller answers: an approval, the report of an act, the reply of a person.

use serde::{Deserialize, Serialize};

use super::id::{DiagnosisId, RequestId};
use crate::fact::{Detail, Details, Source, Value};

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

    /// True if both answer the same request, as the same person could have seen it.
    #[cfg(feature = "case")]
    pub(crate) fn is_of_same_request(&self, other: &Self) -> bool {
        self.binding == other.binding
    }

    /// Why it was refused; `None` where it was approved.
    #[must_use]
    pub fn declined(&self) -> Option<&str> {
        self.declined.as_deref()
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
