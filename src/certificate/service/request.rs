//! What the services are asked, and what a test endpoint answers.

use chrono::{DateTime, Utc};

use crate::certificate::lifecycle::{Alert, CommandKey, Issue, PostMortem, Retire, Visit};
use crate::certificate::message::{Desired, Reason};
use crate::certificate::validity::Fingerprint;
use crate::subject::DeviceId;

/// A request to issue a certificate, by a renewal or by the manufacturing certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IssueRequest {
    /// The device.
    pub device: DeviceId,
    /// The idempotency key.
    pub key: CommandKey,
    /// What is asked for.
    pub issue: Issue,
}

impl IssueRequest {
    /// With all that it needs.
    #[must_use]
    pub fn new(device: impl Into<DeviceId>, key: CommandKey, issue: Issue) -> Self {
        Self { device: device.into(), key, issue }
    }
}

/// A request to retire a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetireRequest {
    /// The device.
    pub device: DeviceId,
    /// The idempotency key.
    pub key: CommandKey,
    /// Which, and why.
    pub retire: Retire,
}

impl RetireRequest {
    /// With all that it needs.
    #[must_use]
    pub fn new(device: impl Into<DeviceId>, key: CommandKey, retire: Retire) -> Self {
        Self { device: device.into(), key, retire }
    }
}

/// When was the device's manufacturing certificate last accepted?
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContactRequest {
    /// The device.
    pub device: DeviceId,
    /// The idempotency key.
    pub key: CommandKey,
}

impl ContactRequest {
    /// With all that it needs.
    #[must_use]
    pub fn new(device: impl Into<DeviceId>, key: CommandKey) -> Self {
        Self { device: device.into(), key }
    }
}

/// What to publish, retained.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishRequest {
    /// The device.
    pub device: DeviceId,
    /// The idempotency key.
    pub key: CommandKey,
    /// The topic: `{device}/config/desired`.
    pub topic: String,
    /// The message; serde writes it.
    pub desired: Desired,
}

impl PublishRequest {
    /// With all that it needs.
    #[must_use]
    pub fn new(device: impl Into<DeviceId>, key: CommandKey, topic: String, desired: Desired) -> Self {
        Self { device: device.into(), key, topic, desired }
    }
}

/// What did the device report last?
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReportedRequest {
    /// The device.
    pub device: DeviceId,
    /// The topic: `{device}/config/reported`.
    pub topic: String,
}

impl ReportedRequest {
    /// With all that it needs.
    #[must_use]
    pub fn new(device: impl Into<DeviceId>, topic: String) -> Self {
        Self { device: device.into(), topic }
    }
}

/// How did the device's test of a certificate go?
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestRequest {
    /// The device.
    pub device: DeviceId,
    /// The certificate.
    pub fingerprint: Fingerprint,
}

impl TestRequest {
    /// With all that it needs.
    #[must_use]
    pub fn new(device: impl Into<DeviceId>, fingerprint: Fingerprint) -> Self {
        Self { device: device.into(), fingerprint }
    }
}

/// What the alert says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// The device.
    pub device: DeviceId,
    /// The idempotency key.
    pub key: CommandKey,
    /// The alert.
    pub alert: Alert,
}

impl Notice {
    /// With all that it needs.
    #[must_use]
    pub fn new(device: impl Into<DeviceId>, key: CommandKey, alert: Alert) -> Self {
        Self { device: device.into(), key, alert }
    }
}

/// The record of an emergency.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PostMortemRequest {
    /// The device.
    pub device: DeviceId,
    /// The idempotency key.
    pub key: CommandKey,
    /// The record.
    pub record: PostMortem,
}

impl PostMortemRequest {
    /// With all that it needs.
    #[must_use]
    pub fn new(device: impl Into<DeviceId>, key: CommandKey, record: PostMortem) -> Self {
        Self { device: device.into(), key, record }
    }
}

/// A visit to plan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VisitRequest {
    /// The device.
    pub device: DeviceId,
    /// The idempotency key.
    pub key: CommandKey,
    /// Of which kind, and until when.
    pub visit: Visit,
    /// Whether the emergency certificate is to be loaded, by console or USB; otherwise the certificate is renewed by hand.
    pub load_emergency_certificate: bool,
}

impl VisitRequest {
    /// With all that it needs.
    #[must_use]
    pub fn new(
        device: impl Into<DeviceId>,
        key: CommandKey,
        visit: Visit,
        load_emergency_certificate: bool,
    ) -> Self {
        Self { device: device.into(), key, visit, load_emergency_certificate }
    }
}

/// A visit to call off.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StandDownRequest {
    /// The device.
    pub device: DeviceId,
    /// The idempotency key.
    pub key: CommandKey,
    /// The key of the request for it.
    pub visit: CommandKey,
}

impl StandDownRequest {
    /// With all that it needs.
    #[must_use]
    pub fn new(device: impl Into<DeviceId>, key: CommandKey, visit: CommandKey) -> Self {
        Self { device: device.into(), key, visit }
    }
}

/// How a device's test went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestOutcome {
    /// When it was.
    pub at: DateTime<Utc>,
    /// Why it failed; `None`: it passed.
    pub failed: Option<Reason>,
}

impl TestOutcome {
    /// It passed.
    #[must_use]
    pub const fn passed(at: DateTime<Utc>) -> Self {
        Self { at, failed: None }
    }

    /// It failed.
    #[must_use]
    pub const fn failed(at: DateTime<Utc>, reason: Reason) -> Self {
        Self { at, failed: Some(reason) }
    }
}
