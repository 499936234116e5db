use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::covered;
use crate::deadband::audit::{Audit, AuditError, Figures, Limits};
use crate::deadband::sample::Sample;
use crate::fact::Source;
use crate::probe::{DeadbandAudit, DeadbandFacts, DeadbandProbe, DeadbandRequest, ProbeError};
use crate::subject::{DeviceId, TagId};
use crate::time::{Clock, Period, SystemClock};

/// A [`DeadbandProbe`] over the last raw samples of tags: it audits the period that is asked for, beside the noise of all
/// that is kept from before it.
///
/// ```
/// use std::sync::Arc;
///
/// use chrono::TimeDelta;
/// use iot_runbook::adapter::RawRecord;
/// use iot_runbook::deadband::filter::{Filter, Verdict};
/// use iot_runbook::deadband::sample::Sample;
/// use iot_runbook::probe::Probes;
/// use iot_runbook::subject::{DeviceId, TagId};
///
/// // A day of samples of each second.
/// let record = Arc::new(RawRecord::new("gateway 2", 86_400));
/// let (press, pressure) = (DeviceId::from("press-07"), TagId::from("pressure"));
/// let mut filter = Filter::absolute(0.5)?;
/// record.add_tag(press.clone(), Some(pressure.clone()), Some(0.5), Some(TimeDelta::minutes(10)))?;
/// for second in 0..10 {
///     let sample = Sample::new(second * 1_000_000_000, 20.0 + second as f64 * 0.1);
///     let verdict = filter.observe(sample, |report| println!("send {}", report.sample.value))?;
///     record.observe(&press, Some(&pressure), sample, matches!(verdict, Verdict::Reported(_)));
/// }
/// let probes = Probes::new().with_deadband(record);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A sample takes 32 bytes. An answer takes time in proportion to the samples that are kept.
pub struct RawRecord {
    source: Source,
    capacity: usize,
    clock: Arc<dyn Clock>,
    tags: Mutex<BTreeMap<(DeviceId, Option<TagId>), Tag>>,
}

#[derive(Clone)]
struct Tag {
    band: Option<f64>,
    heartbeat: Option<TimeDelta>,
    /// In the order of their times, with whether each was reported.
    samples: VecDeque<(Sample, bool)>,
}

impl RawRecord {
    /// A record that keeps at most `capacity` samples of each tag: the longest period that is asked about, and some time
    /// before it.
    #[must_use]
    pub fn new(source: impl Into<Source>, capacity: usize) -> Self {
        Self {
            source: source.into(),
            capacity: capacity.max(1),
            clock: Arc::new(SystemClock),
            tags: Mutex::default(),
        }
    }

    /// With another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Adds a tag with its deadband, in the unit of the tag (`None`: it has none), and its longest interval between
    /// reports. The tag is `None` where the device has one signal. A tag that is there begins anew: a band is audited
    /// with the samples that it decided.
    ///
    /// # Errors
    /// [`AuditError::Band`] if the band is negative or not finite.
    pub fn add_tag(
        &self,
        device: DeviceId,
        tag: Option<TagId>,
        band: Option<f64>,
        heartbeat: Option<TimeDelta>,
    ) -> Result<(), AuditError> {
        if let Some(band) = band {
            Audit::new(band)?;
        }
        let added = Tag { band, heartbeat, samples: VecDeque::new() };
        self.tags.lock().unwrap_or_else(PoisonError::into_inner).insert((device, tag), added);
        Ok(())
    }

    /// Takes a raw sample, once it is known whether it was reported. A tag that was not added, and a sample that is not
    /// later than the one before, are passed over; returns whether it was taken.
    pub fn observe(&self, device: &DeviceId, tag: Option<&TagId>, sample: Sample, is_reported: bool) -> bool {
        let mut tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Tag { samples, .. }) = tags.get_mut(&(device.clone(), tag.cloned())) else { return false };
        if samples.back().is_some_and(|(last, _)| sample.at <= last.at) {
            return false;
        }
        if samples.len() == self.capacity {
            samples.pop_front();
        }
        samples.push_back((sample, is_reported));
        true
    }

    fn facts(&self, request: &DeadbandRequest) -> Result<DeadbandFacts, ProbeError> {
        let key = (request.device.clone(), request.tag.clone());
        // A copy, so that an audit of many samples does not hold up those that come.
        let found = self.tags.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let Some(tag) = found else {
            let of_tag = request.tag.as_ref().map(|tag| format!(", tag `{tag}`")).unwrap_or_default();
            let why = format!("no raw samples are recorded of device `{}`{of_tag}", request.device);
            return Err(ProbeError::failed(why));
        };
        let (now, asked) = (self.clock.now(), request.period);
        let Some(band) = tag.band else { return Ok(DeadbandFacts::new(now, asked)) };
        let invalid = |error: AuditError| ProbeError::failed(error.to_string());
        let (mut before, mut during) =
            (Audit::new(band).map_err(invalid)?, Audit::new(band).map_err(invalid)?);
        for (sample, is_reported) in &tag.samples {
            let at = DateTime::from_timestamp_nanos(sample.at);
            if at < asked.start() {
                before.observe(sample, *is_reported);
            } else if asked.contains(at) {
                during.observe(sample, *is_reported);
            }
        }
        let time = |sample: Option<&(Sample, bool)>| {
            sample.map_or(asked.start(), |(sample, _)| DateTime::from_timestamp_nanos(sample.at))
        };
        let covers = covered(asked, time(tag.samples.front()), time(tag.samples.back()));
        let facts =
            DeadbandFacts::from_figures(&during.figures_after(&before, &Limits::default()), now, covers);
        Ok(match tag.heartbeat {
            Some(heartbeat) => facts.with_heartbeat(heartbeat),
            None => facts,
        })
    }
}

impl fmt::Debug for RawRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawRecord").field("source", &self.source).finish_non_exhaustive()
    }
}

#[async_trait]
impl DeadbandProbe for RawRecord {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn deadband(&self, request: &DeadbandRequest) -> Result<DeadbandFacts, ProbeError> {
        self.facts(request)
    }
}

impl DeadbandFacts {
    /// Returns the answer of a [`DeadbandProbe`] from the figures of an audit: its band, how the signal moved, and what
    /// the check `deadband` judges.
    ///
    /// The audit observes the period in question only, such as the silence, and `covers` says from when to when. What was
    /// observed before it shows the noise: take [`Audit::figures_after`]. Without it, a sensor that is dead for the whole
    /// period is unknown, and not stuck.
    #[must_use]
    pub fn from_figures(figures: &Figures, observed_at: DateTime<Utc>, covers: Period) -> Self {
        let answer = DeadbandAudit::new(figures.band, figures.samples, figures.reported)
            .with_constant(figures.constant)
            .with_ties(figures.ties)
            .with_noise_samples(figures.noise_samples)
            .with_noise(figures.noise)
            .with_damped_noise(figures.damped_noise)
            .with_quantum(figures.quantum)
            .with_noise_band(figures.noise_band)
            .with_noise_band_least(figures.noise_band_least)
            .with_alternates(figures.alternates)
            .with_range(figures.range)
            .with_movement(figures.movement)
            .with_off(figures.off)
            .with_hidden(figures.hidden)
            .with_hidden_time(figures.hidden_time)
            .with_hidden_time_most(figures.hidden_time_most);
        Self::new(observed_at, covers)
            .with_width(figures.band)
            .with_movement(figures.range)
            .with_noise(figures.noise)
            .with_withheld(figures.samples.saturating_sub(figures.reported))
            .with_audit(answer)
    }
}
