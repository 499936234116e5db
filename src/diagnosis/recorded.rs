//! Answers and news in their recorded form, as they come from a store.

use chrono::{DateTime, Utc};

use super::bundle::{RecordedObservation, RecordedValue};
use super::id::RequestId;
use super::reply::Reply;
use super::{AnswerError, Diagnosis, NewsError};
use crate::fact::{Details, Source};

/// What was recorded and is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordedError {
    /// The answer is refused.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The news is refused.
    #[error(transparent)]
    News(#[from] NewsError),
    /// The value is not one of the domain.
    #[error("the recorded value can't be read: {0}; give one of the domain that is asked for")]
    Value(String),
}

impl Diagnosis {
    /// Gives a person's answer to a question, see [`Diagnosis::reply`]; without a value they do not know.
    ///
    /// # Errors
    /// [`RecordedError`]; nothing has changed then, and the question stays open.
    pub fn reply_recorded(
        &mut self,
        request: RequestId,
        value: Option<&RecordedValue>,
        by: Source,
        details: Details,
        now: DateTime<Utc>,
    ) -> Result<(), RecordedError> {
        let value = match (value, self.asked_domain()) {
            (Some(value), Some(domain)) => Some(value.read(domain).map_err(RecordedError::Value)?),
            (Some(_), None) => return Err(AnswerError::NotOpen(request).into()),
            (None, _) => None,
        };
        Ok(self.reply(request, Reply { value, by, details }, now)?)
    }

    /// Pushes a fact in, see [`Diagnosis::inform`].
    ///
    /// # Errors
    /// [`RecordedError`]; nothing has changed then.
    pub fn inform_recorded(
        &mut self,
        check: &str,
        observation: &RecordedObservation,
        now: DateTime<Utc>,
    ) -> Result<(), RecordedError> {
        let query = self.query_of(check).and_then(|query| self.context.set.queries().get(query as usize));
        let Some(domain) = query.map(|query| query.domain.clone()) else {
            return Err(NewsError::NoSuchCheck { check: check.into() }.into());
        };
        let observation = observation.read(&domain).map_err(RecordedError::Value)?;
        Ok(self.inform(check, observation, now)?)
    }
}
