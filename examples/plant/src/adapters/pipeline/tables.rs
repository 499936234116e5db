use std::sync::Arc;

use async_trait::async_trait;
use chrono::Utc;
use iot_runbook::{
    fact::Source,
    probe::{ProbeError, Rows, RowsRequest, StorageRefusals, StorageRefusalsRequest, TelemetryProbe},
};

use super::{known, whole};
use crate::{
    adapters::{covered, unanswered},
    pipeline::{PIPELINE, Pipeline, watch},
};

/// The time-series table, and the log of who writes into it.
#[derive(Debug)]
pub struct Tables {
    pipeline: Arc<Pipeline>,
    source: Source,
}

impl Tables {
    /// Those of this pipeline.
    pub fn of(pipeline: &Arc<Pipeline>) -> Self {
        Self { pipeline: Arc::clone(pipeline), source: Source::new("time-series table") }
    }
}

#[async_trait]
impl TelemetryProbe for Tables {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn rows(&self, request: &RowsRequest) -> Result<Rows, ProbeError> {
        whole(&request.device, request.tag.as_ref())?;
        let report = watch::rows_of(&self.pipeline, request.device.as_str(), request.period);
        let report = report.map_err(|error| unanswered("the table", error))?;
        Ok(Rows::from_report(&report, Utc::now()))
    }

    async fn storage_refusals(
        &self,
        request: &StorageRefusalsRequest,
    ) -> Result<StorageRefusals, ProbeError> {
        known("pipeline", request.pipeline.as_str(), PIPELINE)?;
        whole(&request.device, request.tag.as_ref())?;
        let log = self.pipeline.ingestion().log();
        let now = Utc::now();
        let of_device =
            || log.unwritten.within(request.period).filter(|(_, row)| row.device == request.device.as_str());
        let covers = covered(request.period, log.unwritten.complete_from(), now);
        let told = StorageRefusals::new(now, covers, of_device().count() as u64);
        Ok(match of_device().next() {
            Some((_, refused)) => told.with_example(refused.why.clone()),
            None => told,
        })
    }
}
