use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use chrono::Utc;
use iot_runbook::{
    fact::Source,
    probe::{
        Bridged, BridgedRequest, KafkaProbe, LagFacts, LagRequest, Offsets, OffsetsRequest, PartitionLag,
        ProbeError,
    },
};

use super::{known, offsets, whole};
use crate::{
    adapters::covered,
    mqtt,
    pipeline::{PIPELINE, Pipeline, SITE, stream::PARTITIONS},
};

/// Kafka, as its monitor sees it.
#[derive(Debug)]
pub struct Streams {
    pipeline: Arc<Pipeline>,
    source: Source,
}

impl Streams {
    /// That of this pipeline.
    pub fn of(pipeline: &Arc<Pipeline>) -> Self {
        Self { pipeline: Arc::clone(pipeline), source: Source::new("kafka and its lag monitor") }
    }
}

#[async_trait]
impl KafkaProbe for Streams {
    fn source(&self) -> Source {
        self.source.clone()
    }

    /// The samples of the partition that the device's messages stand in; of all, where there are none.
    async fn lag(&self, request: &LagRequest) -> Result<LagFacts, ProbeError> {
        known("pipeline", request.pipeline.as_str(), PIPELINE)?;
        self.pipeline.settle(request.period.end()).await;
        let monitor = self.pipeline.monitor();
        let standing = request.device.as_ref().map(|device| monitor.messages(device.as_str()).0);
        let standing = standing.unwrap_or_default();
        let own = standing.iter().map(|message| message.partition).collect::<HashSet<_>>();
        let partitions = (0..PARTITIONS).filter(|number| own.is_empty() || own.contains(number));
        let windows = partitions.map(|number| (number, monitor.window(number))).collect::<Vec<_>>();
        let forgot = windows.iter().filter(|(_, window)| window.len() == window.capacity());
        let complete_from = forgot.filter_map(|(_, window)| Some(window.samples().next()?.at)).max();
        let now = Utc::now();
        let until = monitor.sampled_until().unwrap_or(request.period.start());
        let lags =
            windows.iter().map(|(number, window)| PartitionLag::from_window(*number, window, request.period));
        let facts = LagFacts::new(now, covered(request.period, complete_from, until.min(now)))
            .with_partitions(lags.collect())
            .with_members(self.pipeline.ingestion().consumers());
        let Some(device) = &request.device else { return Ok(facts) };
        // Those of the period, by what the broker had in it.
        let broker = self.pipeline.broker().messages(&mqtt::telemetry(SITE, device.as_str()));
        let within = broker.iter().filter(|message| request.period.contains(message.at));
        let within: HashSet<_> = within.map(|message| &message.payload[..]).collect();
        let (mut gone, mut unread) = (0, 0);
        for message in standing.iter().filter(|message| within.contains(message.payload.as_slice())) {
            let window = windows.iter().find(|(number, _)| *number == message.partition);
            let Some((_, window)) = window else { continue };
            // Deleted at a time when it was not read.
            let is_gone = window.samples().any(|sample| {
                sample.committed.is_none_or(|next| next <= message.offset)
                    && message.offset < sample.log_start
            });
            let last = window.samples().last();
            if is_gone {
                gone += 1;
            } else if last.is_some_and(|last| last.committed.is_none_or(|next| next <= message.offset)) {
                unread += 1;
            }
        }
        Ok(facts.with_messages_unread(unread).with_messages_gone(gone))
    }

    async fn offsets(&self, request: &OffsetsRequest) -> Result<Offsets, ProbeError> {
        known("pipeline", request.pipeline.as_str(), PIPELINE)?;
        whole(&request.device, request.tag.as_ref())?;
        self.pipeline.settle(request.period.end()).await;
        Ok(offsets::offsets(&self.pipeline, request.device.as_str(), request.period))
    }

    /// Of the messages that the broker had in the period, those that stand in the topic.
    async fn bridged(&self, request: &BridgedRequest) -> Result<Bridged, ProbeError> {
        known("pipeline", request.pipeline.as_str(), PIPELINE)?;
        whole(&request.device, request.tag.as_ref())?;
        self.pipeline.settle(request.period.end()).await;
        let device = request.device.as_str();
        let (standing, complete_from) = self.pipeline.monitor().messages(device);
        let standing = standing.iter().map(|message| message.payload.as_slice()).collect::<HashSet<_>>();
        let broker = self.pipeline.broker();
        let messages = broker.messages(&mqtt::telemetry(SITE, device));
        let within = messages.iter().filter(|message| request.period.contains(message.at));
        let bridged = within.map(|message| &message.payload[..]).filter(|payload| standing.contains(payload));
        let in_kafka = bridged.collect::<HashSet<_>>().len() as u64;
        let complete_from = complete_from.max(broker.messages_cover_from());
        let now = Utc::now();
        Ok(Bridged::new(now, covered(request.period, complete_from, now), in_kafka))
    }
}
