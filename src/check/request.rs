use chrono::{DateTime, TimeDelta, Utc};

use super::judge::no_subject;
use super::spec::Stop;
use crate::fact::Source;
use crate::runbook::CLOCK_TOLERANCE;
use crate::runbook::step::{About, Params};
use crate::subject::{GatewayId, PipelineId, SiteId, Subject};
use crate::time::{Period, saturating_add};

/// What a check is asked: of whom, with which params, and at what time. Small and `Copy`.
#[derive(Clone, Copy, Debug)]
pub struct CheckRequest<'a> {
    subject: &'a Subject,
    params: &'a Params,
    about: About,
    since: DateTime<Utc>,
    triggered_at: DateTime<Utc>,
    now: DateTime<Utc>,
    clock_tolerance: TimeDelta,
}

impl<'a> CheckRequest<'a> {
    /// A request of `subject`. `since` is when the last wait or act began, else when the diagnosis began;
    /// `triggered_at` is when the alert or detection behind the diagnosis was raised.
    #[must_use]
    pub const fn new(
        subject: &'a Subject,
        params: &'a Params,
        about: About,
        since: DateTime<Utc>,
        triggered_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Self {
        Self { subject, params, about, since, triggered_at, now, clock_tolerance: CLOCK_TOLERANCE }
    }

    /// The same, with the clock tolerance of the runbook that asks. A negative one is taken as zero.
    #[must_use]
    pub const fn with_clock_tolerance(mut self, tolerance: TimeDelta) -> Self {
        self.clock_tolerance = if tolerance.num_milliseconds() < 0 { TimeDelta::zero() } else { tolerance };
        self
    }

    /// Of whom.
    #[must_use]
    pub const fn subject(&self) -> &'a Subject {
        self.subject
    }

    /// The params of the query.
    #[must_use]
    pub const fn params(&self) -> &'a Params {
        self.params
    }

    /// Whether it is asked about now or about the subject's period.
    #[must_use]
    pub const fn about(&self) -> About {
        self.about
    }

    /// When the last wait or act began, else when the diagnosis began.
    #[must_use]
    pub const fn since(&self) -> DateTime<Utc> {
        self.since
    }

    /// When the alert or detection behind the diagnosis was raised.
    #[must_use]
    pub const fn triggered_at(&self) -> DateTime<Utc> {
        self.triggered_at
    }

    /// The time of asking, by the platform's clock.
    #[must_use]
    pub const fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// How far the clocks of the platform may differ: what is dated further ahead of [`CheckRequest::now`] is in the
    /// future. 30 s unless the runbook says otherwise.
    #[must_use]
    pub const fn clock_tolerance(&self) -> TimeDelta {
        self.clock_tolerance
    }

    /// True if a fact of that time is not of the future.
    pub(super) fn has_happened(&self, at: DateTime<Utc>) -> bool {
        at <= saturating_add(self.now, self.clock_tolerance)
    }

    /// The subject's gateway; the unknown observation `by` that source where it names none.
    pub(super) fn gateway(&self, by: Source) -> Result<&'a GatewayId, Stop> {
        self.subject.gateway.as_ref().ok_or_else(|| no_subject("gateway", by).into())
    }

    /// The subject's site, likewise.
    pub(super) fn site(&self, by: Source) -> Result<&'a SiteId, Stop> {
        self.subject.site.as_ref().ok_or_else(|| no_subject("site", by).into())
    }

    /// The subject's pipeline, likewise.
    pub(super) fn pipeline(&self, by: Source) -> Result<&'a PipelineId, Stop> {
        self.subject.pipeline.as_ref().ok_or_else(|| no_subject("pipeline", by).into())
    }

    /// The subject's period, likewise.
    pub(super) fn period(&self, by: Source) -> Result<Period, Stop> {
        self.subject.period.ok_or_else(|| no_subject("period", by).into())
    }

    /// The last `length` before now.
    pub(super) fn last(&self, length: TimeDelta) -> Period {
        Period::ending(self.now, length)
    }

    /// From `from` to now; empty where the clock stepped back behind it.
    pub(super) fn period_from(&self, from: DateTime<Utc>) -> Period {
        Period::ending(self.now, self.now.signed_duration_since(from))
    }
}
