use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use chrono::Utc;
use iot_runbook::{
    fact::Source,
    probe::{DedupLogProbe, Dropped, DroppedRequest, ProbeError, Rejections, RejectionsRequest, SchemaProbe},
};

use super::whole;
use crate::{
    adapters::{covered, unanswered},
    pipeline::{DEVICE, Pipeline, message::REGISTERED_SCHEMA},
};

/// The ingestion's log: what its schema validation rejected, and what its deduplication dropped.
#[derive(Debug)]
pub struct Ingested {
    pipeline: Arc<Pipeline>,
    source: Source,
}

impl Ingested {
    /// That of this pipeline.
    pub fn of(pipeline: &Arc<Pipeline>) -> Self {
        Self { pipeline: Arc::clone(pipeline), source: Source::new("log of the ingestion") }
    }
}

#[async_trait]
impl SchemaProbe for Ingested {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn rejections(&self, request: &RejectionsRequest) -> Result<Rejections, ProbeError> {
        whole(&request.device, request.tag.as_ref())?;
        let log = self.pipeline.ingestion().log();
        let now = Utc::now();
        let of_device =
            || log.rejected.within(request.period).filter(|(_, row)| row.device == request.device.as_str());
        let covers = covered(request.period, log.rejected.complete_from(), now);
        let mut told =
            Rejections::new(now, covers, of_device().count() as u64).with_schema(REGISTERED_SCHEMA);
        if let Some((_, last)) = of_device().last() {
            told = told.with_example(last.why.clone());
            told.firmware = last.firmware.clone().map(Into::into);
        }
        Ok(told)
    }
}

#[async_trait]
impl DedupLogProbe for Ingested {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn dropped(&self, request: &DroppedRequest) -> Result<Dropped, ProbeError> {
        whole(&request.device, request.tag.as_ref())?;
        let rows = self.pipeline.table().rows(DEVICE).map_err(|error| unanswered("the table", error))?;
        let stored = rows.into_iter().map(|row| row.at).collect::<HashSet<_>>();
        let is_stored = |made| stored.contains(&made);
        Ok(self.pipeline.ingestion().log().dedup.dropped(request.period, Utc::now(), is_stored))
    }
}
