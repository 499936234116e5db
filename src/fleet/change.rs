//! What was changed, and what is being worked on.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::subject::{Part, Subject};
use crate::time::Period;

/// A change that somebody made: a firewall rule, a firmware, a configuration. It never decides; it is evidence beside an
/// incident of a part that it touches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Change {
    /// What was changed.
    pub part: Part,
    /// When, by the platform's clock.
    pub at: DateTime<Utc>,
    /// What was done, such as `firewall rule 114: deny 8883`.
    pub text: Arc<str>,
    /// The root causes that such a change makes likelier, such as `network-change`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub favours: Vec<Box<str>>,
}

impl Change {
    /// A change of a part.
    #[must_use]
    pub fn new(part: Part, at: DateTime<Utc>, text: impl Into<Arc<str>>) -> Self {
        Self { part, at, text: text.into(), favours: Vec::new() }
    }

    /// The same, which makes that root cause likelier.
    #[must_use]
    pub fn favouring(mut self, cause: impl Into<Box<str>>) -> Self {
        self.favours.push(cause.into());
        self
    }
}

/// Somebody works on a part: whoever belongs to it may fall silent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Maintenance {
    /// The part that is worked on.
    pub part: Part,
    /// From when until when.
    pub period: Period,
    /// What for.
    pub text: Arc<str>,
}

impl Maintenance {
    /// Work on a part.
    #[must_use]
    pub fn new(part: Part, period: Period, text: impl Into<Arc<str>>) -> Self {
        Self { part, period, text: text.into() }
    }
}

/// True if `part` is the device of the subject, or something that it depends on.
pub(super) fn concerns(part: &Part, subject: &Subject) -> bool {
    subject.part(part.scope()).as_ref() == Some(part)
}
