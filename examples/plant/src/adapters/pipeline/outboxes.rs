use std::sync::Arc;

use async_trait::async_trait;
use chrono::Utc;
use iot_runbook::{
    fact::Source,
    probe::{EdgeBufferProbe, Outbox, OutboxRequest, ProbeError},
};

use super::known;
use crate::{
    adapters::{covered, unanswered},
    pipeline::{DEVICE, GATEWAY, Pipeline},
};

/// The gateway's outbox.
#[derive(Debug)]
pub struct Outboxes {
    pipeline: Arc<Pipeline>,
    source: Source,
}

impl Outboxes {
    /// That of this pipeline.
    pub fn of(pipeline: &Arc<Pipeline>) -> Self {
        Self { pipeline: Arc::clone(pipeline), source: Source::new(format!("outbox of {GATEWAY}")) }
    }
}

#[async_trait]
impl EdgeBufferProbe for Outboxes {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn outbox(&self, request: &OutboxRequest) -> Result<Outbox, ProbeError> {
        known("gateway", request.gateway.as_str(), GATEWAY)?;
        known("device", request.device.as_str(), DEVICE)?;
        let account = self.pipeline.edge().outbox().account(request.period);
        let account = account.map_err(|error| unanswered("the outbox", error))?;
        let now = Utc::now();
        let told = Outbox::new(now, covered(request.period, account.complete_from, now))
            .with_capacity(account.capacity)
            .with_peak_used(account.peak_used)
            .with_device_dropped(account.dropped)
            .with_unsent(account.unsent)
            .with_delivered(account.delivered);
        Ok(match account.oldest_unsent {
            Some(oldest) => told.with_oldest_unsent(oldest),
            None => told,
        })
    }
}
