//! Where the ingestion group stopped or skipped: by the ingestion's own log of its positions, the offsets that the
//! monitor saw, and the transactions that are open.

use std::collections::{BTreeSet, HashSet};

use chrono::Utc;
use iot_runbook::{
    probe::{OffsetReset, Offsets, OpenTransaction, ResetCause, StuckRecord, StuckState, TransactionState},
    time::Period,
};

use crate::{
    adapters::covered,
    mqtt,
    pipeline::{
        Pipeline, SITE,
        ingestion::Log,
        monitor::{Monitor, Standing},
        stream::RECIPES,
    },
};

/// The device's messages of a period in the topic.
struct OfPeriod(Vec<Standing>);

impl OfPeriod {
    /// How many of them have an offset in this range of a partition.
    fn count(&self, partition: i32, from: u64, to: u64) -> u64 {
        let among = self.0.iter().filter(|message| message.partition == partition);
        among.filter(|message| (from..to).contains(&message.offset)).count() as u64
    }
}

pub(super) fn offsets(pipeline: &Pipeline, device: &str, period: Period) -> Offsets {
    let (monitor, ingestion, now) = (pipeline.monitor(), pipeline.ingestion(), Utc::now());
    let (standing, complete_from) = monitor.messages(device);
    let partitions: BTreeSet<_> = standing.iter().map(|message| message.partition).collect();
    let broker = pipeline.broker().messages(&mqtt::telemetry(SITE, device));
    let within = broker.iter().filter(|message| period.contains(message.at));
    let within: HashSet<_> = within.map(|message| &message.payload[..]).collect();
    let is_within = |message: &Standing| within.contains(message.payload.as_slice());
    let messages = OfPeriod(standing.into_iter().filter(is_within).collect());

    let transaction = partitions.iter().find_map(|partition| {
        let open = pipeline.stream().stable().open(*partition)?;
        let head = monitor.window(*partition).samples().last().map_or(0, |last| last.high_watermark);
        let held_back = messages.count(*partition, open.first, u64::MAX);
        let told = OpenTransaction::new(open.first, head.max(open.first), held_back)
            .with_unmoved_since(open.since)
            .with_reads_committed(ingestion.reads_committed())
            .with_producer(RECIPES);
        Some(TransactionState::Open(told))
    });
    let log = ingestion.log();
    let stuck = partitions.iter().find_map(|partition| stuck_at(*partition, &log, monitor, &messages));
    let complete_from = complete_from.max(log.skipped.complete_from());
    Offsets::new(now, covered(period, complete_from, now))
        .with_resets(resets(&log, monitor, period, &messages))
        .with_transaction(transaction.unwrap_or(TransactionState::NotOpen))
        .with_stuck(stuck.map_or(StuckState::NotStuck, StuckState::Stuck))
}

/// What the ingestion went past in the period or later. Messages that it read afterwards, from an earlier offset again,
/// are not lost.
fn resets(log: &Log, monitor: &Monitor, period: Period, messages: &OfPeriod) -> Vec<OffsetReset> {
    let since = log.skipped.iter().filter(|(at, _)| *at >= period.start());
    let reset = since.map(|(at, skipped)| {
        let read_again = log.read_again_from(skipped.partition, *at);
        let lost = messages.count(skipped.partition, skipped.from, skipped.to.min(read_again));
        // The group's offset was there before the ingestion was.
        let is_set = |committed: u64| skipped.from < committed && committed <= skipped.to;
        let window = monitor.window(skipped.partition);
        let was_set = window.samples().any(|sample| sample.at < *at && sample.committed.is_some_and(is_set));
        let cause = if was_set { ResetCause::Position } else { ResetCause::NotKnown };
        OffsetReset::new(*at, skipped.from, skipped.to, lost).with_cause(cause)
    });
    reset.collect()
}

/// The record of a partition that the consumer failed at last, unless the group got past it since.
fn stuck_at(partition: i32, log: &Log, monitor: &Monitor, messages: &OfPeriod) -> Option<StuckRecord> {
    let committed = monitor.window(partition).samples().last()?.committed;
    let failed = || log.failed.iter().filter(|(_, failed)| failed.partition == partition);
    let (_, last) = failed().last()?;
    if committed.is_some_and(|committed| committed > last.offset) {
        return None;
    }
    let at_it = || failed().filter(|(_, failed)| failed.offset == last.offset);
    let behind = messages.count(partition, last.offset, u64::MAX);
    let record = StuckRecord::new(last.offset, at_it().count() as u64, behind).with_example(last.why.clone());
    Some(match at_it().next() {
        Some((since, _)) => record.with_stuck_since(*since),
        None => record,
    })
}
