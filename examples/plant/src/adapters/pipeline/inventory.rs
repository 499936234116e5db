use std::sync::Arc;

use async_trait::async_trait;
use chrono::Utc;
use iot_runbook::{
    fact::Source,
    probe::{
        DeviceProbe, LastSeenAnswer, LastSeenRequest, ProbeError, Receipts, ReceiptsRequest, ServiceHistory,
        ServiceHistoryRequest, ServiceStateAnswer, ServiceStateRequest,
    },
};

use super::known;
use crate::{
    adapters::{covered, devices},
    mqtt,
    pipeline::{DEVICE, Pipeline, SITE},
};

/// The device registry, and the messages that the broker passed on.
#[derive(Debug)]
pub struct Inventory {
    pipeline: Arc<Pipeline>,
    source: Source,
}

impl Inventory {
    /// That of this pipeline.
    pub fn of(pipeline: &Arc<Pipeline>) -> Self {
        Self { pipeline: Arc::clone(pipeline), source: Source::new("device registry") }
    }
}

#[async_trait]
impl DeviceProbe for Inventory {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn service_state(&self, request: &ServiceStateRequest) -> Result<ServiceStateAnswer, ProbeError> {
        devices::state(self.pipeline.registry(), request)
    }

    async fn service_history(&self, request: &ServiceHistoryRequest) -> Result<ServiceHistory, ProbeError> {
        devices::history(self.pipeline.registry(), request)
    }

    async fn last_seen(&self, request: &LastSeenRequest) -> Result<LastSeenAnswer, ProbeError> {
        known("device", request.device.as_str(), DEVICE)?;
        let messages = self.pipeline.broker().messages(&mqtt::telemetry(SITE, DEVICE));
        let answer = LastSeenAnswer::new(Utc::now());
        Ok(match messages.last() {
            Some(message) => answer.with_last_receipt(message.at),
            None => answer,
        })
    }

    async fn receipts(&self, request: &ReceiptsRequest) -> Result<Receipts, ProbeError> {
        known("device", request.device.as_str(), DEVICE)?;
        let now = Utc::now();
        let broker = self.pipeline.broker();
        let covers = covered(request.period, broker.messages_cover_from(), now);
        let messages = broker.messages(&mqtt::telemetry(SITE, DEVICE));
        let within = messages.iter().map(|message| message.at).filter(|at| covers.contains(*at));
        Ok(within.fold(Receipts::new(now, covers), Receipts::with_live))
    }
}
