//! How a lifecycle stands, for those who ask.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Lifecycle;
use super::state::Step;
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
    /// When it was seen on a connection.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// When an attempt last failed, from when on it counts as failed.
    pub failed_at: Option<DateTime<Utc>>,
    /// What it failed with.
    pub failure: Option<String>,
}

/// How a device's certificate stands, in one word.
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
    /// How it stands.
    #[must_use]
    pub fn status(&self) -> Status {
        match &self.renewal {
            _ if self.closed_at.is_some() => Status::Closed,
            _ if self.recovery.is_some() => Status::Recovering,
            Some(renewal) if renewal.told => Status::Failing,
            Some(renewal) if matches!(renewal.step, Step::Held(_)) => Status::HeldByIssuer,
            Some(_) => Status::Renewing,
            None if !self.candidates.is_empty() => Status::Renewing,
            None if self.escalated.is_some() && self.issuer_to_replace().is_some() => Status::HeldByIssuer,
            None => Status::Settled,
        }
    }

    /// The latest change of its certificate: the one under way, or else the one that was confirmed last. `None`: there was
    /// none.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        if let Some(renewal) = &self.renewal {
            let successor = renewal.successor();
            let failure = renewal.failure.as_ref().filter(|_| renewal.told);
            return Some(Progress {
                generation: renewal.generation,
                began_at: renewal.began_at,
                attempt_at: renewal.attempt_at,
                fingerprint: successor.map(|one| one.issued.credential().fingerprint),
                reported_at: successor.and_then(|one| one.switched_at.or(one.tested_at)),
                confirmed_at: None,
                failed_at: failure.map(|failure| failure.at),
                failure: failure.map(|failure| failure.reason.as_str().to_owned()),
            });
        }
        let brought = self.candidates.last().map(|one| Progress {
            generation: one.generation,
            began_at: one.at,
            attempt_at: one.at,
            fingerprint: Some(one.issued.credential().fingerprint),
            reported_at: None,
            confirmed_at: None,
            failed_at: None,
            failure: None,
        });
        brought.or_else(|| {
            self.adopted.as_ref().map(|adopted| Progress {
                generation: adopted.generation,
                began_at: adopted.began_at,
                attempt_at: adopted.began_at,
                fingerprint: Some(self.in_use.fingerprint),
                reported_at: adopted.reported_at,
                confirmed_at: Some(adopted.confirmed_at),
                failed_at: None,
                failure: None,
            })
        })
    }
}
