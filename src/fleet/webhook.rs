//! Alerts as monitoring systems send them: Alertmanager's webhook, and Grafana's, which has the same form.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::alert::DeviceAlert;
use crate::fact::Source;
#[cfg(doc)]
use crate::subject::TraceParent;
use crate::subject::{DeviceId, Trigger};

/// A webhook of Alertmanager (version 4) or of Grafana's alerting. Fields that are not needed are not read.
///
/// ```
/// use iot_runbook::fleet::{Notice, Webhook};
///
/// let text = r#"{
///     "version": "4", "receiver": "iot", "truncatedAlerts": 0,
///     "alerts": [{
///         "status": "firing", "labels": {"alertname": "DeviceSilent", "device": "press-07"},
///         "startsAt": "2026-03-01T02:14:00Z", "endsAt": "0001-01-01T00:00:00Z", "fingerprint": "9f2c"
///     }]
/// }"#;
/// let webhook: Webhook = serde_json::from_str(text)?;
/// let notices = webhook.notices("device-offline", "device");
/// assert!(matches!(&notices[0], Ok(Notice::Raised(alert)) if alert.device == "press-07"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Webhook {
    /// Who receives it, as it is called there.
    #[serde(default)]
    pub receiver: String,
    /// The alerts.
    pub alerts: Vec<WebhookAlert>,
    /// How many alerts were left out because the message was too long. These come in no other way: above zero, ask the
    /// sender for all that fire.
    #[serde(default)]
    pub truncated_alerts: u64,
}

/// An alert in a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct WebhookAlert {
    /// Whether it fires.
    pub status: WebhookStatus,
    /// Its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Since when.
    pub starts_at: DateTime<Utc>,
    /// Until when; of an alert that fires the year 1.
    #[serde(default)]
    pub ends_at: Option<DateTime<Utc>>,
}

/// Whether an alert fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "the senders know no third state")]
pub enum WebhookStatus {
    /// It fires.
    Firing,
    /// It does not fire any more.
    Resolved,
}

/// What a webhook says of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// An alert: for [`Fleet::observe_alert`](super::Fleet::observe_alert).
    Raised(DeviceAlert),
    /// The end of one: for [`Fleet::observe_resolved`](super::Fleet::observe_resolved).
    Resolved {
        /// The device.
        device: DeviceId,
        /// When.
        at: DateTime<Utc>,
    },
}

/// An alert that names no device, or one of a blank name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "alert {position} of the webhook has no label `{label}`, or a blank one: add that label to its rule, or name the label that holds the device"
)]
pub struct NoDevice {
    /// Its position among the alerts, from zero.
    pub position: usize,
    /// The label that was looked for.
    pub label: Box<str>,
}

impl Webhook {
    /// What it says, alert by alert, in their order. The label `label` of each names its device.
    ///
    /// An annotation `last_seen` in RFC 3339 is taken as the time at which the device was last seen, and an annotation
    /// `traceparent` as the [`TraceParent`] of the alert. One that cannot be read is left out.
    ///
    /// # Errors
    /// [`NoDevice`] for each alert without that label; the others are read all the same.
    #[must_use]
    pub fn notices(&self, runbook: &str, label: &str) -> Vec<Result<Notice, NoDevice>> {
        let source = Source::new(if self.receiver.is_empty() { "webhook" } else { &self.receiver });
        let notice = |(position, alert): (usize, &WebhookAlert)| {
            let device = alert.labels.get(label).and_then(|name| DeviceId::new(name.as_str()).ok());
            let device = device.ok_or_else(|| NoDevice { position, label: label.into() })?;
            Ok(match alert.status {
                WebhookStatus::Resolved => {
                    let at = alert.ends_at.unwrap_or(alert.starts_at).max(alert.starts_at);
                    Notice::Resolved { device, at }
                }
                WebhookStatus::Firing => {
                    let summary = alert.annotations.get("summary").or_else(|| alert.labels.get("alertname"));
                    let mut trigger = Trigger::new(summary.map_or("alert", String::as_str), alert.starts_at);
                    let parent = alert.annotations.get("traceparent");
                    trigger.trace_parent = parent.and_then(|parent| parent.parse().ok());
                    let raised = DeviceAlert::new(runbook, device, trigger, source.clone());
                    let seen = alert.annotations.get("last_seen").and_then(|at| at.parse().ok());
                    Notice::Raised(seen.into_iter().fold(raised, DeviceAlert::with_last_seen))
                }
            })
        };
        self.alerts.iter().enumerate().map(notice).collect()
    }
}
