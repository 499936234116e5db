use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::error::ScheduleError;
use super::jitter::{jitter_nanos, moment, nanos_at, nanos_of};
use crate::subject::DeviceId;

/// A window of time: from its start, up to but not including its end. What a CA suggests for a renewal (RFC 9773
/// section 4.1), or one for maintenance.
///
/// Serde reads and writes it as the `suggestedWindow` of the RFC, and refuses what [`Window::new`] refuses.
///
/// ```
/// use iot_runbook::certificate::schedule::Window;
///
/// let window: Window = serde_json::from_str(r#"{ "start": "2026-01-02T04:00:00Z", "end": "2026-01-03T04:00:00Z" }"#)?;
/// let now = "2026-01-01T00:00:00Z".parse()?;
/// let pump = "pump-7".into();
/// let at = window.renew_at(&pump, 1, now);
/// assert!(window.start() <= at && at < window.end());
/// // A window that has passed means now.
/// let now = "2026-02-01T00:00:00Z".parse()?;
/// assert_eq!(window.renew_at(&pump, 1, now), now);
/// let wrong = r#"{ "start": "2026-01-02T04:00:00Z", "end": "2026-01-02T04:00:00Z" }"#;
/// assert!(serde_json::from_str::<Window>(wrong).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Window {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Written {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl TryFrom<Written> for Window {
    type Error = ScheduleError;

    fn try_from(Written { start, end }: Written) -> Result<Self, ScheduleError> {
        Self::new(start, end)
    }
}

impl Window {
    /// From `start` up to `end`.
    ///
    /// # Errors
    /// [`ScheduleError::EndsBeforeItStarts`], also where the two are equal: by the RFC such a window is to be treated
    /// as if no answer had come.
    pub fn new(start: DateTime<Utc>, end: DateTime<Utc>) -> Result<Self, ScheduleError> {
        if end <= start {
            Err(ScheduleError::EndsBeforeItStarts { start, end })
        } else {
            Ok(Self { start, end })
        }
    }

    /// Its first moment.
    #[must_use]
    pub const fn start(&self) -> DateTime<Utc> {
        self.start
    }

    /// The moment after its last.
    #[must_use]
    pub const fn end(&self) -> DateTime<Utc> {
        self.end
    }

    /// The moment in it at which a device renews: uniform over devices and generations, and always the same for one,
    /// by [`jitter`](super::jitter); so that nobody needs to remember what was drawn.
    #[must_use]
    pub fn selected(&self, device: &DeviceId, generation: u32) -> DateTime<Utc> {
        moment(self.selected_nanos(device, generation))
    }

    /// The same, or `now` where that has passed (RFC 9773 section 4.2).
    #[must_use]
    pub fn renew_at(&self, device: &DeviceId, generation: u32, now: DateTime<Utc>) -> DateTime<Utc> {
        self.selected(device, generation).max(now)
    }

    pub(super) fn selected_nanos(&self, device: &DeviceId, generation: u32) -> i128 {
        nanos_at(self.start) + jitter_nanos(device, generation, self.length_nanos())
    }

    pub(super) fn length_nanos(&self) -> i128 {
        nanos_of(self.end.signed_duration_since(self.start))
    }
}

/// When to ask the CA for its window again, from the `Retry-After` of its answer: no sooner than after a minute, and
/// no later than after a day (RFC 9773 section 4.3).
///
/// ```
/// use chrono::TimeDelta;
/// use iot_runbook::certificate::schedule::retry_after;
///
/// assert_eq!(retry_after(TimeDelta::hours(6)), TimeDelta::hours(6));
/// assert_eq!(retry_after(TimeDelta::seconds(-5)), TimeDelta::minutes(1));
/// assert_eq!(retry_after(TimeDelta::MAX), TimeDelta::days(1));
/// ```
#[must_use]
pub fn retry_after(told: TimeDelta) -> TimeDelta {
    told.clamp(TimeDelta::minutes(1), TimeDelta::days(1))
}
