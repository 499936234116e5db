//! What a lifecycle remembers, as plain values.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::command::Command;
use super::command_key::CommandKey;
use super::credential::{Credential, Issued, Issuer, Refusal, SubjectKey};
use super::post_mortem::Cause;
use super::rules::{Rules, Settings};
use crate::certificate::Policy;
use crate::certificate::message::{Desired, Reason, Reported, TopicError, desired_topic};
use crate::subject::DeviceId;
use crate::time::saturating_add;

/// The version of the saved form.
const VERSION: u32 = 1;

/// The version of a saved lifecycle. Any other is refused where it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Version;

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(VERSION)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            version if version == u64::from(VERSION) => Ok(Self),
            other => Err(de::Error::custom(format_args!(
                "version {other} of a lifecycle is not understood, {VERSION} is: update this service"
            ))),
        }
    }
}

/// The id of a device, by which its topics can be named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "DeviceId")]
pub(super) struct DeviceName(pub(super) DeviceId);

impl TryFrom<DeviceId> for DeviceName {
    type Error = TopicError;

    fn try_from(device: DeviceId) -> Result<Self, TopicError> {
        // Checked on reading too: a name with `/` or `+` would publish to the topics of other devices.
        desired_topic(device.as_str())?;
        Ok(Self(device))
    }
}

/// How the certificate in use came to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Origin {
    /// It was there when the lifecycle began.
    Enrolled,
    /// By a renewal.
    Renewed,
    /// By its manufacturing certificate.
    ReProvisioned,
    /// A technician loaded it. It is replaced at once.
    Emergency,
    /// Somebody installed it otherwise.
    ByHand,
}

/// One renewal, until its certificate is seen on a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Renewal {
    pub(super) generation: u64,
    pub(super) began_at: DateTime<Utc>,
    /// When its latest attempt began.
    pub(super) attempt_at: DateTime<Utc>,
    pub(super) key: SubjectKey,
    pub(super) urgent: bool,
    /// When its certificate was first seen on a connection, where the device has gone back to the one before it since.
    #[serde(default)]
    pub(super) first_confirmed_at: Option<DateTime<Utc>>,
    pub(super) step: Step,
    /// In a row, over generations too.
    pub(super) failures: u32,
    pub(super) failure: Option<Failure>,
    /// Whether it counts as failed, and someone was alerted.
    pub(super) told: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) at: DateTime<Utc>,
    pub(super) reason: Reason,
}

/// How far a renewal has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Step {
    /// Its issuer ends first, and must be replaced.
    Held(Issuer),
    /// A certificate is asked for.
    Issuing,
    /// What was issued cannot be used. The next generation begins then, or when the issuer is replaced.
    Refused { why: Refusal, again_at: Option<DateTime<Utc>> },
    /// It is issued, and is to come to the device.
    Issued(Box<Successor>),
}

/// The certificate of a renewal, on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Successor {
    pub(super) issued: Issued,
    /// How often it was published, or is being.
    pub(super) publishes: u32,
    pub(super) published_at: Option<DateTime<Utc>>,
    pub(super) downloaded_at: Option<DateTime<Utc>>,
    pub(super) tested_at: Option<DateTime<Utc>>,
    pub(super) switched_at: Option<DateTime<Utc>>,
    /// When it is published again.
    pub(super) again_at: Option<DateTime<Utc>>,
    /// The device failed with it, and it was not published again since.
    pub(super) failed: bool,
    /// When someone is alerted that it is not confirmed.
    pub(super) confirm_by: Option<DateTime<Utc>>,
}

impl Successor {
    pub(super) const fn new(issued: Issued) -> Self {
        Self {
            issued,
            publishes: 0,
            published_at: None,
            downloaded_at: None,
            tested_at: None,
            switched_at: None,
            again_at: None,
            failed: false,
            confirm_by: None,
        }
    }

    pub(super) fn desired(&self, generation: u64) -> Desired {
        Desired::new(generation, self.issued.pem())
    }

    pub(super) fn is_meant_by(&self, generation: u64, reported: &Reported) -> bool {
        reported.is_of(&self.desired(generation))
    }
}

impl Renewal {
    pub(super) fn successor(&self) -> Option<&Successor> {
        match &self.step {
            Step::Issued(successor) => Some(successor),
            _ => None,
        }
    }

    pub(super) fn successor_mut(&mut self) -> Option<&mut Successor> {
        match &mut self.step {
            Step::Issued(successor) => Some(successor),
            _ => None,
        }
    }

    /// When something comes due of it.
    pub(super) fn wake_at(&self, policy: &Policy, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.step {
            Step::Held(_) | Step::Issuing => None,
            Step::Refused { again_at, .. } => *again_at,
            Step::Issued(successor) => {
                let next_change = policy.next_change(&successor.issued.credential().facts(), now);
                [successor.again_at, successor.confirm_by, next_change].into_iter().flatten().min()
            }
        }
    }

    /// After the clock was set: no wait is longer than it would be had it begun now.
    pub(super) fn accept_clock(&mut self, settings: &Settings, now: DateTime<Utc>) {
        let within = |at: Option<DateTime<Utc>>, wait| at.map(|at| at.min(saturating_add(now, wait)));
        match &mut self.step {
            Step::Held(_) | Step::Issuing => {}
            Step::Refused { again_at, .. } => *again_at = within(*again_at, settings.longest_retry),
            Step::Issued(successor) => {
                successor.again_at = within(successor.again_at, settings.longest_retry);
                successor.confirm_by = within(successor.confirm_by, settings.confirm_within);
            }
        }
    }
}

/// A certificate that was brought to the device by another way than a renewal, and was not seen yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Candidate {
    pub(super) generation: u64,
    pub(super) at: DateTime<Utc>,
    pub(super) issued: Issued,
    pub(super) origin: Origin,
}

/// The latest change that was seen on a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Adopted {
    pub(super) generation: u64,
    pub(super) began_at: DateTime<Utc>,
    pub(super) reported_at: Option<DateTime<Utc>>,
    pub(super) confirmed_at: DateTime<Utc>,
    pub(super) publishes: u32,
    /// When its test failed after all. Until a later connection shows that it works nothing is retired.
    #[serde(default)]
    pub(super) failed_at: Option<DateTime<Utc>>,
    /// Kept for as long as the device may go back, and need it again.
    pub(super) issued: Option<Issued>,
}

/// The certificate in use was retired: the device can connect no more by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CutOff {
    pub(super) at: DateTime<Utc>,
    pub(super) rescue_at: DateTime<Utc>,
}

/// An emergency, until the device is back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Recovery {
    /// What it is named by: the latest generation when it began.
    pub(super) generation: u64,
    pub(super) round: u32,
    pub(super) opened_at: DateTime<Utc>,
    pub(super) lost: Credential,
    pub(super) lost_at: DateTime<Utc>,
    pub(super) cause: Cause,
    /// The generation of the latest re-provisioning, and when it was asked for.
    pub(super) re_provisioning: Option<(u64, DateTime<Utc>)>,
    /// The latest visit that was asked for, in which round.
    pub(super) visit: Option<(u32, CommandKey)>,
    pub(super) step: RecoveryStep,
}

impl Recovery {
    /// After the clock was set: no step takes longer than it would had it begun now.
    pub(super) fn accept_clock(&mut self, rules: &Rules, now: DateTime<Utc>) {
        let latest = saturating_add(now, self.step.longest(rules));
        let until = self.step.until_mut();
        *until = (*until).min(latest);
    }
}

/// How far a recovery has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RecoveryStep {
    /// Does it reach the provisioning service?
    Contact { until: DateTime<Utc> },
    /// A fresh certificate is asked for.
    ReProvisioning { until: DateTime<Utc> },
    /// A technician is asked for.
    Physical { until: DateTime<Utc> },
    /// It has a new certificate: is it back?
    Verifying { by: Origin, until: DateTime<Utc> },
    /// It could not be brought back; the next round begins then.
    Failed { again_at: DateTime<Utc> },
}

impl RecoveryStep {
    /// How long it may take.
    pub(super) const fn longest(self, rules: &Rules) -> TimeDelta {
        let settings = rules.settings();
        match self {
            Self::Contact { .. } => settings.answer_within,
            Self::ReProvisioning { .. } => settings.approval_within,
            Self::Physical { .. } => settings.visit_within,
            Self::Verifying { .. } => settings.reconnect_within,
            Self::Failed { .. } => settings.longest_retry,
        }
    }

    /// True if it begins when that command is handed out.
    pub(super) const fn is_begun_by(self, command: &Command) -> bool {
        matches!(
            (self, command),
            (Self::Contact { .. }, Command::LookUpContact)
                | (Self::ReProvisioning { .. }, Command::ReProvision(_))
                | (Self::Physical { .. }, Command::LoadEmergencyCertificate(_))
        )
    }

    pub(super) const fn until(self) -> DateTime<Utc> {
        match self {
            Self::Contact { until }
            | Self::ReProvisioning { until }
            | Self::Physical { until }
            | Self::Verifying { until, .. }
            | Self::Failed { again_at: until } => until,
        }
    }

    pub(super) const fn until_mut(&mut self) -> &mut DateTime<Utc> {
        match self {
            Self::Contact { until }
            | Self::ReProvisioning { until }
            | Self::Physical { until }
            | Self::Verifying { until, .. }
            | Self::Failed { again_at: until } => until,
        }
    }
}
