use std::sync::Arc;

use async_trait::async_trait;
use chrono::Utc;
use iot_runbook::{
    check::deadband_facts,
    deadband::{audit::Audit, sample::Sample},
    fact::Source,
    probe::{DeadbandFacts, DeadbandProbe, DeadbandRequest, ProbeError},
};

use super::whole;
use crate::{
    adapters::covered,
    pipeline::{Pipeline, edge::Reporting},
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
        let Reporting::Deadband { band, .. } = edge.reporting() else {
            return Ok(DeadbandFacts::new(now, covers));
        };
        let refused = |error: &dyn std::error::Error| ProbeError::failed(error.to_string());
        let mut audit = Audit::new(band).map_err(|error| refused(&error))?;
        for (at, raw) in raw.entries {
            let sample = Sample::at_time(at, raw.value).map_err(|error| refused(&error))?;
            audit.observe(&sample, raw.is_reported);
        }
        Ok(deadband_facts(&audit, now, covers))
    }
}
