//! The adapters that are asked where rows went on their way: from the outbox of the gateway to the table.

use chrono::{DateTime, TimeDelta, Utc};

use super::found::Found;
use super::{Rule, Violation};
use crate::probe::*;
use crate::subject::{DeviceId, GatewayId, PipelineId};
use crate::time::Period;

/// Asks `probe` for the lag of a pipeline and the messages of a device over `period`.
pub async fn kafka(
    probe: &dyn KafkaProbe,
    pipeline: impl Into<PipelineId>,
    device: impl Into<DeviceId>,
    period: Period,
    now: DateTime<Utc>,
) -> Vec<Violation> {
    let (pipeline, device) = (pipeline.into(), device.into());
    let mut found = Found::of(|| probe.source(), now);
    let asked = LagRequest::new(pipeline.clone(), period).with_device(device.clone());
    if let Some(facts) = found.answer("lag", probe.lag(&asked).await) {
        found.covers(facts.covers);
        for sample in facts.partitions.iter().flat_map(|partition| &partition.samples) {
            // One of the very end shows how the period ended.
            found.within("sample", Some(sample.at).filter(|at| *at != period.end()), period);
            let high = sample.high_watermark;
            if sample.low_watermark > high || sample.committed.is_some_and(|committed| committed > high) {
                let text = format!("an offset at {} is beyond the high watermark {high}", sample.at);
                found.add(Rule::Contradiction, text);
            }
            if sample.age.is_some_and(|age| age < TimeDelta::zero()) {
                found.add(Rule::Number, format!("the age at {} is negative", sample.at));
            }
        }
    }
    let asked = BridgedRequest::new(pipeline.clone(), device.clone(), period);
    if let Some(answer) = found.answer("bridged", probe.bridged(&asked).await) {
        found.covers(answer.covers);
    }
    let asked = OffsetsRequest::new(pipeline, device, period);
    if let Some(answer) = found.answer("offsets", probe.offsets(&asked).await) {
        found.covers(answer.covers);
        for reset in answer.resets.iter().flatten() {
            found.at("reset", reset.at);
            if reset.to < reset.from || reset.skipped > reset.to - reset.from {
                let text = format!("{} skipped from offset {} to {}", reset.skipped, reset.from, reset.to);
                found.add(Rule::Contradiction, text);
            }
        }
        if let TransactionState::Open(open) = &answer.transaction {
            found.all_at("unmoved_since", open.unmoved_since);
            if open.last_stable_offset > open.high_watermark {
                let text = "the last stable offset is beyond the high watermark";
                found.add(Rule::Contradiction, text);
            }
        }
        if let StuckState::Stuck(stuck) = &answer.stuck {
            found.all_at("since", stuck.since);
        }
    }
    found.violations
}

/// Asks `probe` how the outbox of a gateway did over `period`.
pub async fn edge_buffer(
    probe: &dyn EdgeBufferProbe,
    gateway: impl Into<GatewayId>,
    device: impl Into<DeviceId>,
    period: Period,
    now: DateTime<Utc>,
) -> Vec<Violation> {
    let mut found = Found::of(|| probe.source(), now);
    let asked = OutboxRequest::new(gateway.into(), device.into(), period);
    if let Some(outbox) = found.answer("outbox", probe.outbox(&asked).await) {
        found.covers(outbox.covers);
        found.within("oldest_unsent", outbox.oldest_unsent, period);
        found.part("dropped of the device", outbox.device_dropped, outbox.dropped_in_all);
        found.part("unsent of the device", outbox.unsent, outbox.unsent_in_all);
        found.share("usual_part", outbox.usual_part);
        if outbox.oldest_unsent.is_some() && outbox.unsent == Some(0) {
            let text = "oldest_unsent is there, and nothing is unsent";
            found.add(Rule::Contradiction, text);
        }
        if let (Some(used), Some(capacity)) = (outbox.peak_used, outbox.capacity)
            && used > capacity
        {
            found.add(Rule::Number, format!("{used} used of a capacity of {capacity}"));
        }
    }
    found.violations
}

/// Asks `probe` for the rejections of a device over `period`.
pub async fn schema(
    probe: &dyn SchemaProbe,
    device: impl Into<DeviceId>,
    period: Period,
    now: DateTime<Utc>,
) -> Vec<Violation> {
    let mut found = Found::of(|| probe.source(), now);
    let asked = RejectionsRequest::new(device.into(), period);
    if let Some(answer) = found.answer("rejections", probe.rejections(&asked).await) {
        found.covers(answer.covers);
    }
    found.violations
}

/// Asks `probe` what of a device was dropped over `period`.
pub async fn dedup_log(
    probe: &dyn DedupLogProbe,
    device: impl Into<DeviceId>,
    period: Period,
    now: DateTime<Utc>,
) -> Vec<Violation> {
    let mut found = Found::of(|| probe.source(), now);
    let asked = DroppedRequest::new(device.into(), period);
    if let Some(answer) = found.answer("dropped", probe.dropped(&asked).await) {
        found.covers(answer.covers);
        for (name, part, whole) in [
            ("collided", answer.collided, answer.dropped),
            ("unstored", answer.unstored.unwrap_or_default(), answer.dropped),
            ("identical", answer.identical.unwrap_or_default(), answer.dropped),
            ("first_refused", answer.first_refused, answer.unstored.unwrap_or(answer.dropped)),
        ] {
            found.part(name, part, whole);
        }
    }
    found.violations
}

/// Asks `probe` for the deadband of a device over `period`, with the figures of its audit if they are reported.
pub async fn deadband(
    probe: &dyn DeadbandProbe,
    device: impl Into<DeviceId>,
    period: Period,
    now: DateTime<Utc>,
) -> Vec<Violation> {
    let mut found = Found::of(|| probe.source(), now);
    let asked = DeadbandRequest::new(device.into(), period);
    if let Some(facts) = found.answer("deadband", probe.deadband(&asked).await) {
        found.covers(facts.covers);
        let told = [
            ("width", facts.width),
            ("movement", facts.movement),
            ("matters", facts.matters),
            ("noise", facts.noise),
            ("least_noise_before", facts.least_noise_before),
            ("resolution", facts.resolution),
        ];
        for (name, number) in told {
            if let Some(number) = number.filter(|number| !(number.is_finite() && *number >= 0.0)) {
                found.add(Rule::Number, format!("{name} of {number} is no width from 0"));
            }
        }
        found.deadband_audit(&facts);
    }
    found.violations
}

/// Asks `probe` for the rows of a device, here and elsewhere, and the refusals of a pipeline over `period`.
pub async fn telemetry(
    probe: &dyn TelemetryProbe,
    pipeline: impl Into<PipelineId>,
    device: impl Into<DeviceId>,
    period: Period,
    now: DateTime<Utc>,
) -> Vec<Violation> {
    let device = device.into();
    let mut found = Found::of(|| probe.source(), now);
    let asked = RowsRequest::new(device.clone(), period);
    if let Some(rows) = found.answer("rows", probe.rows(&asked).await) {
        found.part("rows present", rows.present, rows.expected);
        found.part("rows late", rows.late, rows.present);
        if let Some(rows) = rows.rows_per_message.filter(|rows| !(*rows > 0.0 && rows.is_finite())) {
            found.add(Rule::Number, format!("rows_per_message must be above 0, got {rows}"));
        }
    }
    let asked = ElsewhereRequest::new(device.clone(), period);
    if let Some(answer) = found.answer("elsewhere", probe.elsewhere(&asked).await) {
        found.covers(answer.covers);
        found.part("backfill", answer.backfill, answer.other_times.unwrap_or_default());
    }
    let asked = StorageRefusalsRequest::new(pipeline.into(), device, period);
    if let Some(answer) = found.answer("storage_refusals", probe.storage_refusals(&asked).await) {
        found.covers(answer.covers);
    }
    found.violations
}
