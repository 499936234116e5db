use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use chrono::Utc;
use iot_runbook::{
    check::partition_lag,
    fact::Source,
    probe::{
        Bridged, BridgedRequest, KafkaProbe, LagFacts, LagRequest, OffsetReset, Offsets, OffsetsRequest,
        OpenTransaction, ProbeError, ResetCause, StuckRecord, StuckState, TransactionState,
    },
};

use super::{known, whole};
use crate::{
    adapters::covered,
    mqtt,
    pipeline::{
        PIPELINE, Pipeline, SITE,
        stream::{PARTITIONS, RECIPES},
    },
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
        let lags = windows.iter().map(|(number, window)| partition_lag(*number, window, request.period));
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

    /// By the ingestion's own log of its positions, the offsets that the monitor saw, and the open transactions.
    async fn offsets(&self, request: &OffsetsRequest) -> Result<Offsets, ProbeError> {
        known("pipeline", request.pipeline.as_str(), PIPELINE)?;
        whole(&request.device, request.tag.as_ref())?;
        self.pipeline.settle(request.period.end()).await;
        let (monitor, ingestion) = (self.pipeline.monitor(), self.pipeline.ingestion());
        let now = Utc::now();
        let device = request.device.as_str();
        let (standing, complete_from) = monitor.messages(device);
        let broker = self.pipeline.broker().messages(&mqtt::telemetry(SITE, device));
        let within = broker.iter().filter(|message| request.period.contains(message.at));
        let within: HashSet<_> = within.map(|message| &message.payload[..]).collect();
        let of_period: Vec<_> =
            standing.iter().filter(|message| within.contains(message.payload.as_slice())).collect();
        let count = |partition: i32, from: u64, to: u64| {
            let among = of_period.iter().filter(|message| message.partition == partition);
            among.filter(|message| (from..to).contains(&message.offset)).count() as u64
        };
        let log = ingestion.log();
        let since = log.skipped.iter().filter(|(at, _)| *at >= request.period.start());
        let resets = since.map(|(at, skipped)| {
            let is_set = |committed: u64| skipped.from < committed && committed <= skipped.to;
            let window = monitor.window(skipped.partition);
            let was_set =
                window.samples().any(|sample| sample.at < *at && sample.committed.is_some_and(is_set));
            // Messages that were read afterwards, from an earlier offset again, are not lost.
            let read_again = log.read_again_from(skipped.partition, *at);
            let lost = count(skipped.partition, skipped.from, skipped.to.min(read_again));
            OffsetReset::new(*at, skipped.from, skipped.to, lost).with_cause(if was_set {
                ResetCause::Position
            } else {
                ResetCause::NotTold
            })
        });
        let partitions: BTreeSet<_> = standing.iter().map(|message| message.partition).collect();
        let stable = self.pipeline.stream().stable();
        let open = partitions.iter().find_map(|partition| stable.open(*partition));
        let transaction = match open {
            None => TransactionState::NotOpen,
            Some(open) => {
                let head =
                    monitor.window(open.partition).samples().last().map_or(0, |last| last.high_watermark);
                let held_back = count(open.partition, open.first, u64::MAX);
                TransactionState::Open(
                    OpenTransaction::new(open.first, head.max(open.first), held_back)
                        .with_unmoved_since(open.since)
                        .with_reads_committed(ingestion.reads_committed())
                        .with_producer(RECIPES),
                )
            }
        };
        let stuck = partitions.iter().find_map(|partition| {
            let committed = monitor.window(*partition).samples().last()?.committed;
            let failed = || log.failed.iter().filter(|(_, failed)| failed.partition == *partition);
            let (_, last) = failed().last()?;
            // It got past a record that it failed at before.
            if committed.is_some_and(|committed| committed > last.offset) {
                return None;
            }
            let at_it = || failed().filter(|(_, failed)| failed.offset == last.offset);
            let record = StuckRecord::new(
                last.offset,
                at_it().count() as u64,
                count(*partition, last.offset, u64::MAX),
            )
            .with_example(last.why.clone());
            Some(match at_it().next() {
                Some((since, _)) => record.with_stuck_since(*since),
                None => record,
            })
        });
        let complete_from = complete_from.max(log.skipped.complete_from());
        Ok(Offsets::new(now, covered(request.period, complete_from, now))
            .with_resets(resets.collect())
            .with_transaction(transaction)
            .with_stuck(stuck.map_or(StuckState::NotStuck, StuckState::Stuck)))
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
