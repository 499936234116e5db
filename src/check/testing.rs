//! What the tests of the judges share.

use chrono::{DateTime, TimeDelta, Utc};

use super::CheckRequest;
use crate::runbook::step::{About, Params};
use crate::subject::Subject;
use crate::time::Period;

pub(super) const NANO: TimeDelta = TimeDelta::nanoseconds(1);
/// The `now` of [`Asked`], in seconds.
pub(super) const NOW: i64 = 100_000;

/// `seconds` after a fixed day.
pub(super) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

pub(super) const fn secs(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds)
}

pub(super) fn period(from: i64, to: i64) -> Period {
    Period::new(at(from), at(to)).unwrap()
}

/// Owns what a request borrows.
pub(super) struct Asked {
    pub(super) subject: Subject,
    pub(super) params: Params,
    pub(super) since: DateTime<Utc>,
    pub(super) triggered_at: DateTime<Utc>,
    pub(super) now: DateTime<Utc>,
}

impl Asked {
    /// Of a device with everything named, at [`NOW`], ten minutes after the last wait began.
    pub(super) fn new() -> Self {
        Self {
            subject: Subject::device("press-07")
                .with_gateway("gw-2")
                .with_site("plant-north")
                .with_pipeline("ingest")
                .with_period(period(NOW - 7200, NOW - 3600)),
            params: Params::new(),
            since: at(NOW - 600),
            triggered_at: at(NOW - 900),
            now: at(NOW),
        }
    }

    pub(super) fn request(&self) -> CheckRequest<'_> {
        CheckRequest::new(&self.subject, &self.params, About::Now, self.since, self.triggered_at, self.now)
    }
}
