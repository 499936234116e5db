use chrono::{DateTime, TimeDelta, Utc};

use super::judge::no_subject;
use super::param::FromParam as _;
use super::spec::Stop;
use crate::fact::Source;
use crate::probe::{PlatformRequest, ProbeError};
use crate::runbook::CLOCK_TOLERANCE;
use crate::runbook::step::{About, Param, Params};
use crate::subject::{DeviceId, GatewayId, PipelineId, SiteId, Subject};
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

    /// The param of that name, which must be a duration.
    ///
    /// # Errors
    /// [`ProbeError::failed`] if the step does not give it, or gives something else. The same holds for the other kinds.
    pub fn duration(&self, name: &str) -> Result<TimeDelta, ProbeError> {
        self.param(name, "duration", TimeDelta::read)
    }

    /// The param of that name, which must be a number. A count is a number too.
    ///
    /// # Errors
    /// As [`CheckRequest::duration`].
    pub fn number(&self, name: &str) -> Result<f64, ProbeError> {
        self.param(name, "number", |param| match param {
            Param::Number(number) => Some(*number),
            Param::Count(count) => Some(*count as f64),
            _ => None,
        })
    }

    /// The param of that name, which must be a count.
    ///
    /// # Errors
    /// As [`CheckRequest::duration`].
    pub fn count(&self, name: &str) -> Result<u64, ProbeError> {
        self.param(name, "count", u64::read)
    }

    /// The param of that name, which must be true or false.
    ///
    /// # Errors
    /// As [`CheckRequest::duration`].
    pub fn flag(&self, name: &str) -> Result<bool, ProbeError> {
        self.param(name, "flag", |param| if let Param::Flag(flag) = param { Some(*flag) } else { None })
    }

    /// The param of that name, which must be a text. A text that is a duration, such as `"5m"`, is one.
    ///
    /// # Errors
    /// As [`CheckRequest::duration`].
    pub fn text(&self, name: &str) -> Result<&'a str, ProbeError> {
        self.param(name, "text", |param| if let Param::Text(text) = param { Some(&**text) } else { None })
    }

    fn param<T>(
        &self,
        name: &str,
        kind: &str,
        read: impl FnOnce(&'a Param) -> Option<T>,
    ) -> Result<T, ProbeError> {
        let Some(param) = self.params.get(name) else {
            return Err(ProbeError::failed(format!(
                "the param `{name}` is missing; give it in the step's params"
            )));
        };
        read(param)
            .ok_or_else(|| ProbeError::failed(format!("the param `{name}` must be a {kind}, got {param:?}")))
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

    /// The question about the parts of the platform that serve the device.
    pub(super) fn of_platform(&self) -> PlatformRequest {
        let mut asked = PlatformRequest::new(self.device());
        asked.gateway.clone_from(&self.subject.gateway);
        asked.site.clone_from(&self.subject.site);
        asked
    }

    /// The subject's device.
    pub(super) fn device(&self) -> DeviceId {
        self.subject.device.clone()
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
