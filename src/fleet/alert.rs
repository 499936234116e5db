//! What comes in: an alert about a device.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::incident::IncidentId;
use crate::fact::Source;
use crate::subject::{DeviceId, Trigger};
use crate::time::Period;

/// An alert about one device. The same alert may come as often as it likes: once it is known, it changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeviceAlert {
    /// The runbook that diagnoses it, such as `device-offline`.
    pub runbook: Arc<str>,
    /// The device.
    pub device: DeviceId,
    /// What it says, and when it was raised.
    pub trigger: Trigger,
    /// Who raised it.
    pub source: Source,
    /// When the device was last seen before it, by the platform's clock. Where it is known, it decides whether a shared
    /// cause explains this silence; else the time of the alert does, which is coarser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<DateTime<Utc>>,
    /// The past period in question, of a gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
}

impl DeviceAlert {
    /// An alert that was raised at `trigger.at`.
    #[must_use]
    pub fn new(
        runbook: impl Into<Arc<str>>,
        device: impl Into<DeviceId>,
        trigger: Trigger,
        source: impl Into<Source>,
    ) -> Self {
        Self {
            runbook: runbook.into(),
            device: device.into(),
            trigger,
            source: source.into(),
            last_seen: None,
            period: None,
        }
    }

    setters! {
        /// The same with the time at which the device was last seen.
        const with_last_seen(at: DateTime<Utc>) => last_seen = Some(at);
        /// The same with the past period that it is about.
        const with_period(period: Period) => period = Some(period);
    }

    /// The silence that it is about: since last seen, else since the beginning of the period, else since the alert itself.
    pub(super) fn silence(&self, interval: TimeDelta) -> Silence {
        let measured = self.last_seen.or_else(|| self.period.map(|period| period.start()));
        Silence { since: measured.unwrap_or(self.trigger.at), is_measured: measured.is_some(), interval }
    }
}

/// A silence of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Silence {
    pub(super) since: DateTime<Utc>,
    /// False: it is only known when the alert was raised.
    pub(super) is_measured: bool,
    /// How often the device means to publish; zero where it is not known.
    pub(super) interval: TimeDelta,
}

/// What became of an alert when it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Taken {
    /// It is new, and waits for its diagnosis.
    Waits,
    /// This alert is known already.
    Known,
    /// An incident that is open explains it.
    Member(IncidentId),
    /// The name of its device is blank: nothing is begun, and it is in no count. Correct the rule that raised it.
    NamesNoDevice,
    /// The device is in maintenance; if it is still silent at the end, it is diagnosed.
    InMaintenance {
        /// When the maintenance ends.
        until: DateTime<Utc>,
    },
}
