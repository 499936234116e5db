use std::sync::Arc;

use async_trait::async_trait;
use chrono::Utc;
use iot_runbook::{
    fact::Source,
    probe::{ProbeError, Rows, RowsRequest, StorageRefusals, StorageRefusalsRequest, TelemetryProbe},
};

use crate::{
    adapters::{covered, unanswered},
    pipeline::{Pipeline, watch::promised},
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

    /// A gap begins with the row before it, which is none of it.
    async fn rows(&self, request: &RowsRequest) -> Result<Rows, ProbeError> {
        if request.tag.is_some() {
            return Err(ProbeError::unsupported());
        }
        let present = self.pipeline.table().count(request.device.as_str(), request.period);
        let present = present.map_err(|error| unanswered("the table", error))?;
        let expected = promised(request.period.length(), self.pipeline.plan().cadence());
        Ok(Rows::new(Utc::now(), expected, present))
    }

    async fn storage_refusals(
        &self,
        request: &StorageRefusalsRequest,
    ) -> Result<StorageRefusals, ProbeError> {
        if request.tag.is_some() {
            return Err(ProbeError::unsupported());
        }
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
