//! The adapters of the data pipeline: what `data-gap` asks, answered by its parts.

mod acquired;
mod deadbands;
mod ingested;
mod inventory;
mod offsets;
mod outboxes;
mod presence;
mod streams;
mod tables;

use std::sync::Arc;

use iot_runbook::{
    probe::{
        BrokerProbe, DeadbandProbe, DedupLogProbe, DeviceProbe, EdgeBufferProbe, GatewayProbe, KafkaProbe,
        ProbeError, Probes, SchemaProbe, TelemetryProbe,
    },
    subject::{DeviceId, TagId},
};

pub use self::{
    acquired::Acquired, deadbands::Deadbands, ingested::Ingested, inventory::Inventory, outboxes::Outboxes,
    presence::Presence, streams::Streams, tables::Tables,
};
use crate::pipeline::{DEVICE, Pipeline};

/// An adapter of each kind that the pipeline has a part for.
#[derive(Clone)]
pub struct PipelineAdapters {
    /// The device registry.
    pub device: Arc<dyn DeviceProbe>,
    /// The gateway's collector.
    pub gateway: Arc<dyn GatewayProbe>,
    /// Who tells of sessions, and of messages at the broker.
    pub broker: Arc<dyn BrokerProbe>,
    /// Who tells of Kafka.
    pub kafka: Arc<dyn KafkaProbe>,
    /// Who tells of rows.
    pub telemetry: Arc<dyn TelemetryProbe>,
    /// Who tells of the gateway's outbox.
    pub edge_buffer: Arc<dyn EdgeBufferProbe>,
    /// Who tells of messages that do not match the schema.
    pub schema: Arc<dyn SchemaProbe>,
    /// Who tells of duplicates.
    pub dedup_log: Arc<dyn DedupLogProbe>,
    /// Who tells of the deadband.
    pub deadband: Arc<dyn DeadbandProbe>,
}

impl PipelineAdapters {
    /// The adapters of this pipeline.
    pub fn of(pipeline: &Arc<Pipeline>) -> Self {
        let ingested = Arc::new(Ingested::of(pipeline));
        Self {
            device: Arc::new(Inventory::of(pipeline)),
            gateway: Arc::new(Acquired::of(pipeline)),
            broker: Arc::new(Presence::of(pipeline)),
            kafka: Arc::new(Streams::of(pipeline)),
            telemetry: Arc::new(Tables::of(pipeline)),
            edge_buffer: Arc::new(Outboxes::of(pipeline)),
            schema: Arc::<Ingested>::clone(&ingested),
            dedup_log: ingested,
            deadband: Arc::new(Deadbands::of(pipeline)),
        }
    }

    /// All of them, as the driver takes them.
    pub fn probes(self) -> Probes {
        Probes::new()
            .with_device(self.device)
            .with_gateway(self.gateway)
            .with_broker(self.broker)
            .with_kafka(self.kafka)
            .with_telemetry(self.telemetry)
            .with_edge_buffer(self.edge_buffer)
            .with_schema(self.schema)
            .with_dedup_log(self.dedup_log)
            .with_deadband(self.deadband)
    }
}

/// Refuses a question about another device, or about one tag: no part of the pipeline knows of tags.
fn whole(device: &DeviceId, tag: Option<&TagId>) -> Result<(), ProbeError> {
    if tag.is_some() {
        return Err(ProbeError::unsupported());
    }
    known("device", device.as_str(), DEVICE)
}

/// Refuses a question about what the pipeline does not have.
fn known(kind: &str, asked: &str, has: &str) -> Result<(), ProbeError> {
    match asked == has {
        true => Ok(()),
        false => Err(ProbeError::failed(format!("the pipeline has no {kind} {asked}"))),
    }
}
