use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::window::Window;
use crate::subject::DeviceId;

/// What a CA answers when it is asked for the renewal information of a certificate (RFC 9773 section 4.2). Serde reads and
/// writes it as the RFC has it; what it does not know is passed over.
///
/// A CA that must revoke moves the window: so ask again, after [`retry_after`](super::retry_after), until the certificate is
/// replaced. Each answer takes the place of the one before.
///
/// ```
/// use chrono::{DateTime, TimeDelta, Utc};
/// use iot_runbook::certificate::schedule::{Pending, RenewalInfo};
///
/// let info: RenewalInfo = serde_json::from_str(r#"{
///     "suggestedWindow": { "start": "2026-01-02T04:00:00Z", "end": "2026-01-03T04:00:00Z" },
///     "explanationURL": "https://ca.example/incidents/7"
/// }"#)?;
/// let now: DateTime<Utc> = "2026-03-01T00:00:00Z".parse()?;
/// // The window was moved into the past: the CA means to revoke.
/// assert!(info.has_passed(now));
/// assert_eq!(info.renew_at(&"pump-7".into(), 1, now), now);
/// let pending = Pending::new("pump-7", 1, now, now + TimeDelta::days(200)).with_window(Some(info.suggested_window));
/// # let _ = pending;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RenewalInfo {
    /// When the CA suggests to renew.
    pub suggested_window: Window,
    /// A page for people, on why the window is what it is. Show it to whoever is alerted.
    #[serde(rename = "explanationURL", default, skip_serializing_if = "Option::is_none")]
    pub explanation_url: Option<String>,
}

impl RenewalInfo {
    /// That window, without an explanation.
    #[must_use]
    pub const fn new(suggested_window: Window) -> Self {
        Self { suggested_window, explanation_url: None }
    }

    /// The same with a page that explains it.
    #[must_use]
    pub fn with_explanation_url(mut self, url: Option<String>) -> Self {
        self.explanation_url = url;
        self
    }

    /// True if the window is over: the certificate is to be replaced at once.
    #[must_use]
    pub fn has_passed(&self, now: DateTime<Utc>) -> bool {
        now >= self.suggested_window.end()
    }

    /// When to renew: the moment that the device has in the window, or `now` where that has passed.
    #[must_use]
    pub fn renew_at(&self, device: &DeviceId, generation: u32, now: DateTime<Utc>) -> DateTime<Utc> {
        self.suggested_window.renew_at(device, generation, now)
    }
}
