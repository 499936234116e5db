//! What to export of a certificate: timestamps, from which any alert can subtract the time by itself.

use chrono::{DateTime, TimeDelta, Utc};

use super::bounds::Bounds;
use crate::certificate::policy::instant;
use crate::certificate::{Policy, effective_end};

/// The metrics of one certificate, as plain values for any exporter.
///
/// Timestamps, never days left: a gauge of days is wrong from the moment that its exporter stops, and an alert on it
/// stays silent.
///
/// ```
/// use chrono::{TimeDelta, TimeZone, Utc};
/// use iot_runbook::certificate::{Policy, sweep::Metrics};
///
/// let begin = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap();
/// let end = begin + TimeDelta::days(360);
/// let metrics = Metrics::of(&Policy::default(), TimeDelta::days(7), begin, end, None, begin + TimeDelta::days(308));
/// assert_eq!(metrics.renewal_at, Some(begin + TimeDelta::days(300)));
/// assert!(metrics.overdue);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Its effective end; `None`: never.
    pub not_after: Option<DateTime<Utc>>,
    /// Its renewal is due from after this moment on; `None`: never.
    pub renewal_at: Option<DateTime<Utc>>,
    /// Its renewal was due for longer than the grace.
    pub overdue: bool,
}

impl Metrics {
    /// Of a certificate that is still in use, with the end of its issuer where that is known. `grace` as in
    /// [`Settings`](super::Settings::grace).
    #[must_use]
    pub fn of(
        policy: &Policy,
        grace: TimeDelta,
        not_before: DateTime<Utc>,
        not_after: DateTime<Utc>,
        issuer_not_after: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Self {
        let end = effective_end(not_after, issuer_not_after);
        let bounds = Bounds::of(not_before, not_after, issuer_not_after);
        Self {
            not_after: end,
            renewal_at: end.zip(bounds).map(|(end, bounds)| bounds.renewal_at(end, policy)),
            overdue: bounds.is_some_and(|bounds| bounds.is_overdue(policy, grace, instant(now))),
        }
    }

    /// Names and values as exporters take them: seconds since 1970 (positive infinity: never), and 0 or 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 seconds, beyond the calendar")]
    pub fn samples(&self) -> [(&'static str, f64); 3] {
        let seconds = |at: Option<DateTime<Utc>>| at.map_or(f64::INFINITY, |at| at.timestamp() as f64);
        [
            ("certificate_not_after_timestamp_seconds", seconds(self.not_after)),
            ("certificate_renewal_at_timestamp_seconds", seconds(self.renewal_at)),
            ("certificate_renewal_overdue", f64::from(u8::from(self.overdue))),
        ]
    }
}
