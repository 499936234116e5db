use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::{
    deadband::{
        audit::{Audit, Limits},
        sample::Sample,
    },
    fact::Source,
    probe::{DeadbandFacts, DeadbandProbe, DeadbandRequest, ProbeError},
    time::Period,
};

use super::whole;
use crate::{
    adapters::covered,
    pipeline::{
        Pipeline,
        edge::{Fate, Raw, Reporting},
    },
};

/// The gateway's configuration, and an audit of the raw samples that it keeps.
#[derive(Debug)]
pub struct Deadbands {
    pipeline: Arc<Pipeline>,
    source: Source,
}

impl Deadbands {
    /// That of this pipeline's gateway.
    pub fn of(pipeline: &Arc<Pipeline>) -> Self {
        Self { pipeline: Arc::clone(pipeline), source: Source::new("edge configuration and raw samples") }
    }
}

#[async_trait]
impl DeadbandProbe for Deadbands {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn deadband(&self, request: &DeadbandRequest) -> Result<DeadbandFacts, ProbeError> {
        whole(&request.device, request.tag.as_ref())?;
        let edge = self.pipeline.edge();
        let raw = edge.raw(request.period);
        let now = Utc::now();
        let covers = covered(request.period, raw.complete_from, edge.read_until().min(now));
        let Reporting::Deadband { band, heartbeat } = edge.reporting() else {
            return Ok(DeadbandFacts::new(now, covers));
        };
        let refused = |error: &dyn std::error::Error| ProbeError::failed(error.to_string());
        // What was observed before the period shows the noise, without which a dead sensor looks like a process at rest.
        let before = Period::ending(request.period.start(), TimeDelta::minutes(1));
        let audit = |entries: Vec<(DateTime<Utc>, Raw)>| {
            let mut audit = Audit::new(band).map_err(|error| refused(&error))?;
            // What the converter dropped never came to the deadband.
            for (at, raw) in entries.into_iter().filter(|(_, raw)| raw.fate != Fate::NotConverted) {
                let sample = Sample::at_time(at, raw.value).map_err(|error| refused(&error))?;
                audit.observe(&sample, raw.fate == Fate::Reported);
            }
            Ok::<_, ProbeError>(audit)
        };
        let (before, during) = (audit(edge.raw(before).entries)?, audit(raw.entries)?);
        let figures = during.figures_after(&before, &Limits::default());
        Ok(DeadbandFacts::from_figures(&figures, now, covers).with_heartbeat(heartbeat))
    }
}
