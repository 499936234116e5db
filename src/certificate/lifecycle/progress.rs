//! How far a renewal is, as facts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Lifecycle;
use super::command::Command;
use super::state::{Renewal, Step};
use crate::certificate::validity::Fingerprint;

/// The latest change of a device's certificate, as facts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Its generation.
    pub generation: u64,
    /// When it began.
    pub began_at: DateTime<Utc>,
    /// When its latest attempt began.
    pub attempt_at: DateTime<Utc>,
    /// The certificate that it brings; `None`: none was issued yet.
    pub fingerprint: Option<Fingerprint>,
    /// When the device said that it can use it.
    pub reported_at: Option<DateTime<Utc>>,
    /// When it was seen on a connection. `None` again after the device went back to the certificate before it.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// When it was first seen on a connection, even if the device has gone back since.
    pub first_confirmed_at: Option<DateTime<Utc>>,
    /// When it last came a step further: published, downloaded, tested, switched or confirmed. Its start, at the least.
    pub progress_at: DateTime<Utc>,
    /// When an attempt last failed. Before `attempt_at` while the next attempt runs.
    pub failed_at: Option<DateTime<Utc>>,
    /// What it failed with.
    pub failure: Option<String>,
    /// When the next attempt begins, after one that failed. `None`: none is planned, or one runs.
    pub next_attempt_at: Option<DateTime<Utc>>,
}

/// The status of a device's certificate, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Status {
    /// Nothing is under way.
    Settled,
    /// A certificate is on its way.
    Renewing,
    /// The issuer must be replaced first.
    HeldByIssuer,
    /// The renewal counts as failed. It is tried again.
    Failing,
    /// The certificate ended or was retired, and the device is being recovered.
    Recovering,
    /// The device is out of service.
    Closed,
}

impl Lifecycle {
    /// The status of its certificate.
    #[must_use]
    pub fn status(&self) -> Status {
        match &self.renewal {
            _ if self.closed_at.is_some() => Status::Closed,
            _ if self.recovery.is_some() => Status::Recovering,
            Some(renewal) if renewal.told => Status::Failing,
            Some(renewal) if matches!(renewal.step, Step::Held(_)) => Status::HeldByIssuer,
            Some(_) => Status::Renewing,
            None if !self.candidates.is_empty() => Status::Renewing,
            None if self.issuers.is_escalated() && self.issuer_to_replace().is_some() => Status::HeldByIssuer,
            None => Status::Settled,
        }
    }

    /// The latest change of its certificate: the one under way, or else the one that was confirmed last. `None`: there was
    /// none.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        if let Some(renewal) = &self.renewal {
            return Some(self.progress_of(renewal));
        }
        if let Some(brought) = self.candidates.last() {
            let fingerprint = brought.issued.credential().fingerprint;
            return Some(Progress::begun(brought.generation, brought.at, Some(fingerprint)));
        }
        let adopted = self.adopted.as_ref()?;
        Some(Progress {
            reported_at: adopted.reported_at,
            confirmed_at: Some(adopted.confirmed_at),
            first_confirmed_at: Some(adopted.confirmed_at),
            progress_at: adopted.confirmed_at.max(adopted.began_at),
            ..Progress::begun(adopted.generation, adopted.began_at, Some(self.in_use.fingerprint))
        })
    }

    fn progress_of(&self, renewal: &Renewal) -> Progress {
        let successor = renewal.successor();
        let steps =
            successor.map(|one| [one.published_at, one.downloaded_at, one.tested_at, one.switched_at]);
        let fingerprint = successor.map(|one| one.issued.credential().fingerprint);
        let has_failed = renewal.failure.as_ref().filter(|failure| failure.at >= renewal.attempt_at);
        let mut progress = Progress {
            attempt_at: renewal.attempt_at,
            reported_at: successor.and_then(|one| one.switched_at.or(one.tested_at)),
            first_confirmed_at: renewal.first_confirmed_at,
            failed_at: renewal.failure.as_ref().map(|failure| failure.at),
            failure: renewal.failure.as_ref().map(|failure| failure.reason.as_str().to_owned()),
            next_attempt_at: has_failed.and_then(|_| self.next_attempt_at(renewal)),
            ..Progress::begun(renewal.generation, renewal.began_at, fingerprint)
        };
        progress.progress_at = steps.into_iter().flatten().flatten().fold(renewal.began_at, DateTime::max);
        if let Step::Held(issuer) = &renewal.step {
            // It waits for people, and no attempt is planned.
            progress.failed_at = Some(renewal.attempt_at);
            progress.failure =
                Some(format!("its issuer {} ends first: replace the issuer", issuer.fingerprint));
        }
        progress
    }

    fn next_attempt_at(&self, renewal: &Renewal) -> Option<DateTime<Utc>> {
        match &renewal.step {
            Step::Held(_) => None,
            Step::Refused { again_at, .. } => *again_at,
            Step::Issued(successor) => successor.again_at.filter(|_| successor.failed),
            Step::Issuing => {
                let is_of_it = |command: &Command| matches!(command, Command::Issue(one) if one.generation == renewal.generation);
                self.outbox.waiting_until(is_of_it)
            }
        }
    }
}

impl Progress {
    fn begun(generation: u64, began_at: DateTime<Utc>, fingerprint: Option<Fingerprint>) -> Self {
        Self {
            generation,
            began_at,
            attempt_at: began_at,
            fingerprint,
            reported_at: None,
            confirmed_at: None,
            first_confirmed_at: None,
            progress_at: began_at,
            failed_at: None,
            failure: None,
            next_attempt_at: None,
        }
    }
}
