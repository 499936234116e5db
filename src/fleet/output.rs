//! What a fleet wants done.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::incident::{Incident, IncidentId};
use crate::runbook::step::Severity;
use crate::subject::{Subject, Trigger};

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Output {
    /// Run this diagnosis, and bring its finding to [`Fleet::observe_finding`](super::Fleet::observe_finding).
    Diagnose(Job),
    /// The device of a diagnosis that runs was seen again: [inform](crate::Diagnosis::inform) it.
    Back {
        /// The diagnosis.
        job: JobId,
        /// When the device was seen.
        at: DateTime<Utc>,
    },
    /// Page somebody.
    Page(Page),
    /// An incident has ended.
    Closed(Box<Incident>),
    /// Nothing to do before that time, unless something comes in.
    Pending {
        /// By the clock that the fleet was given; `None`: nothing is due.
        until: Option<DateTime<Utc>>,
    },
}

/// The number of a diagnosis within its fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub u64);

/// A diagnosis to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// The runbook.
    pub runbook: Arc<str>,
    /// Whom it is about.
    pub subject: Subject,
    /// What began it.
    pub trigger: Trigger,
    /// The incident that it measures again, if it does.
    pub incident: Option<IncidentId>,
}

/// A page: one incident, or, at the limit of pages, several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Page {
    /// The incidents, the most urgent first.
    pub incidents: Vec<IncidentId>,
    /// The highest severity of them; `None` where all are undetermined.
    pub severity: Option<Severity>,
    /// A line for each.
    pub lines: Vec<String>,
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}
