use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::diagnosis::{Approval, Diagnosis, RecordedObservation, RecordedValue, RequestId};
use crate::fact::{Details, Source};

/// Something from outside for a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Message {
    /// A person's word on an action: [`ApprovalRequest::grant`](crate::diagnosis::ApprovalRequest::grant) or `decline`, of
    /// the request that [`State::Asking`](super::State::Asking) shows.
    Approval(Approval),
    /// A person's answer to a question.
    Reply {
        /// The question.
        request: RequestId,
        /// The answer; `None`: they do not know.
        value: Option<RecordedValue>,
        /// Who.
        by: Source,
        /// What they remark.
        details: Details,
    },
    /// A fact that somebody pushes in.
    News {
        /// The id of the check that would ask for it.
        check: Box<str>,
        /// The fact.
        observation: RecordedObservation,
    },
    /// Nobody wants the case any more.
    Withdrawal {
        /// Who.
        by: Source,
        /// Why.
        why: Box<str>,
    },
    /// Take it up now, such as a stuck case after its runbook came back.
    Wake,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::exhaustive_enums, reason = "a message is taken or refused")]
pub enum Outcome {
    /// The diagnosis took it.
    Taken,
    /// It was refused, and has changed nothing.
    Refused {
        /// Why.
        why: String,
    },
}

impl Message {
    /// A person's answer to a question.
    #[must_use]
    pub fn reply(request: RequestId, value: RecordedValue, by: impl Into<Source>) -> Self {
        Self::Reply { request, value: Some(value), by: by.into(), details: Details::default() }
    }

    /// A fact, such as that the device is back.
    ///
    /// A case takes [`RecordedValue`] where [`Diagnosis::inform`] takes a `Value`: whoever delivers has no runbook at hand, and a
    /// `Value::Choice` is a position in the domain of a check. A recorded choice is its name.
    #[must_use]
    pub fn news(
        check: impl Into<Box<str>>,
        value: RecordedValue,
        observed_at: DateTime<Utc>,
        source: impl Into<Source>,
    ) -> Self {
        let (source, details) = (source.into(), Details::default());
        let observation =
            RecordedObservation::Known { value, observed_at, source, details, accounts_for: None };
        Self::News { check: check.into(), observation }
    }

    /// Withdraws the case.
    #[must_use]
    pub fn withdrawal(by: impl Into<Source>, why: impl Into<Box<str>>) -> Self {
        Self::Withdrawal { by: by.into(), why: why.into() }
    }

    /// The person's word, where it is a decline.
    pub(super) fn decline(&self) -> Option<&Approval> {
        match self {
            Self::Approval(approval) if approval.declined().is_some() => Some(approval),
            _ => None,
        }
    }

    /// Who declined what this message grants.
    pub(super) fn declined_by<'a>(&self, declines: &'a [Approval]) -> Option<&'a Source> {
        match self {
            Self::Approval(grant) if grant.declined().is_none() => {
                declines.iter().find(|decline| decline.is_of_same_request(grant)).map(Approval::by)
            }
            _ => None,
        }
    }

    pub(super) fn give(self, diagnosis: &mut Diagnosis, now: DateTime<Utc>) -> Outcome {
        let refused = match self {
            Self::Approval(approval) => {
                diagnosis.approve(approval, now).err().map(|refused| refused.to_string())
            }
            Self::Reply { request, value, by, details } => {
                let replied = diagnosis.reply_recorded(request, value.as_ref(), by, details, now);
                replied.err().map(|refused| refused.to_string())
            }
            Self::News { check, observation } => {
                let informed = diagnosis.inform_recorded(&check, &observation, now);
                informed.err().map(|refused| refused.to_string())
            }
            Self::Withdrawal { by, why } => {
                diagnosis.withdraw(by, why, now).err().map(|refused| refused.to_string())
            }
            Self::Wake => None,
        };
        refused.map_or(Outcome::Taken, |why| Outcome::Refused { why })
    }
}
