//! The data pipeline: its parts when they are well, its adapters, and some of its faults from the gap to the finding.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use iot_runbook::{
    probe::{
        AcquisitionRequest, BridgedRequest, Client, DeadbandRequest, DroppedRequest, ElsewhereRequest,
        LagRequest, MessagesRequest, OffsetsRequest, OutboxRequest, RejectionsRequest, RowsRequest,
        ServiceHistoryRequest, ServiceState, StorageRefusalsRequest, StuckState, TransactionState,
        conformance,
    },
    time::Period,
};
use plant::{
    adapters::pipeline::PipelineAdapters,
    examine::Examined,
    pipeline::{DEVICE, GATEWAY, PIPELINE, Pipeline, Plan, loss::Loss, survey::survey, watch},
    runbooks::Runbooks,
    scenario::Scenario,
    story::Story,
};

use crate::plant_program;

async fn start(plan: Plan) -> Arc<Pipeline> {
    Arc::new(Pipeline::start(&plant_program(), plan).await.unwrap())
}

async fn stop(pipeline: Arc<Pipeline>) {
    Arc::into_inner(pipeline).unwrap().stop().await.unwrap();
}

async fn surveyed(id: &str) -> Examined {
    let scenario = Scenario::find(id).unwrap();
    let loss = scenario.loss().unwrap().unwrap();
    let (runbooks, story) = (Runbooks::catalog().unwrap(), Arc::new(Story::silent()));
    let examined = survey(&plant_program(), scenario, loss, &runbooks, &story).await.unwrap();
    assert_eq!(examined.differs(), None, "{id}");
    examined
}

#[tokio::test]
async fn healthy_pipeline_loses_nothing() {
    let pipeline = start(Plan::QUIET).await;
    let since = Utc::now();
    pipeline.flows().await.unwrap();
    assert_eq!(watch::look(&pipeline).unwrap(), None);

    let adapters = PipelineAdapters::of(&pipeline);
    let period = Period::new(since, since + TimeDelta::milliseconds(600)).unwrap();
    let (device, pipeline_id) = (|| DEVICE.into(), || PIPELINE.into());
    let rows = adapters.telemetry.rows(&RowsRequest::new(device(), period)).await.unwrap();
    assert_eq!((rows.missing(), rows.present), (0, rows.expected));
    let refused = StorageRefusalsRequest::new(pipeline_id(), device(), period);
    assert_eq!(adapters.telemetry.storage_refusals(&refused).await.unwrap().refused, 0);
    let messages = adapters.broker.messages(&MessagesRequest::new(device(), period)).await.unwrap();
    assert!(messages.arrived >= 2, "{messages:?}");
    let bridged =
        adapters.kafka.bridged(&BridgedRequest::new(pipeline_id(), device(), period)).await.unwrap();
    assert_eq!(bridged.in_kafka, messages.arrived);
    let lag = LagRequest::new(pipeline_id(), period).with_device(device());
    let lag = adapters.kafka.lag(&lag).await.unwrap();
    assert_eq!((lag.partitions.len(), lag.members), (1, Some(1)));
    assert!(lag.partitions[0].samples.len() >= 2, "{lag:?}");
    let outbox =
        adapters.edge_buffer.outbox(&OutboxRequest::new(GATEWAY.into(), device(), period)).await.unwrap();
    assert_eq!((outbox.unsent, outbox.device_dropped, outbox.delivered), (Some(0), Some(0), Some(0)));
    let rejections = adapters.schema.rejections(&RejectionsRequest::new(device(), period)).await.unwrap();
    assert_eq!((rejections.rejected, rejections.schema.as_deref()), (0, Some("1")));
    let dropped = adapters.dedup_log.dropped(&DroppedRequest::new(device(), period)).await.unwrap();
    assert_eq!((dropped.dropped, dropped.collided), (0, 0));
    let asked = AcquisitionRequest::new(GATEWAY.into(), device(), period);
    let acquired = adapters.gateway.acquisition(&asked).await.unwrap();
    assert_eq!((acquired.due, acquired.answered), (Some(150), Some(150)), "{acquired:?}");
    assert!(acquired.passed_on >= Some(2), "{acquired:?}");
    let offsets = OffsetsRequest::new(pipeline_id(), device(), period);
    let offsets = adapters.kafka.offsets(&offsets).await.unwrap();
    assert_eq!((offsets.resets.as_deref(), &offsets.stuck), (Some(&[][..]), &StuckState::NotStuck));
    assert_eq!(offsets.transaction, TransactionState::NotOpen);
    let elsewhere = adapters.telemetry.elsewhere(&ElsewhereRequest::new(device(), period)).await.unwrap();
    let off = elsewhere.other_times.unwrap() - elsewhere.backfill;
    assert_eq!((off, elsewhere.other_name, elsewhere.replaced), (0, Some(0), Some(0)));
    assert_eq!(messages.dropped.as_deref(), Some(&[][..]));
    let history = ServiceHistoryRequest::new(device(), period);
    let history = adapters.device.service_history(&history).await.unwrap();
    assert_eq!((history.at_start, history.changes.len()), (Some(ServiceState::InService), 0));
    let deadband = adapters.deadband.deadband(&DeadbandRequest::new(device(), period)).await.unwrap();
    assert_eq!(deadband.width, Some(0.5));
    assert!(deadband.audit.unwrap().samples >= 100);

    // Of what the pipeline does not have nobody guesses.
    for another in ["press-8", ""] {
        let asked = RowsRequest::new(another.into(), period);
        assert!(adapters.telemetry.rows(&asked).await.is_err());
        assert!(adapters.broker.messages(&MessagesRequest::new(another.into(), period)).await.is_err());
        assert!(adapters.kafka.lag(&LagRequest::new(another.into(), period)).await.is_err());
    }
    drop(adapters);
    stop(pipeline).await;
}

#[tokio::test]
async fn adapters_keep_contract_under_faults() {
    for id in ["gateway-uplink-fault", "ingestion-overloaded/stopped", "poison-record", "broker-dropped"] {
        let loss = Loss::find(id).unwrap();
        let pipeline = start(loss.plan).await;
        let in_force = loss.inject(&pipeline).await.unwrap();
        let gap = watch::found(&pipeline, TimeDelta::seconds(1)).await.unwrap();
        let now = Utc::now();
        let day = TimeDelta::days(1);
        for period in [gap.period(), Period::ending(now, day), Period::ending(now + day, day * 2)] {
            let of = PipelineAdapters::of(&pipeline);
            let mut violations = conformance::telemetry(&*of.telemetry, PIPELINE, DEVICE, period, now).await;
            violations.extend(conformance::device(&*of.device, DEVICE, period, Utc::now()).await);
            violations.extend(conformance::gateway(&*of.gateway, GATEWAY, DEVICE, period, Utc::now()).await);
            violations.extend(conformance::kafka(&*of.kafka, PIPELINE, DEVICE, period, Utc::now()).await);
            for client in [Client::Device(DEVICE.into()), Client::Gateway(GATEWAY.into())] {
                violations.extend(conformance::broker(&*of.broker, client, period, Utc::now()).await);
            }
            violations.extend(
                conformance::edge_buffer(&*of.edge_buffer, GATEWAY, DEVICE, period, Utc::now()).await,
            );
            violations.extend(conformance::schema(&*of.schema, DEVICE, period, Utc::now()).await);
            violations.extend(conformance::dedup_log(&*of.dedup_log, DEVICE, period, Utc::now()).await);
            violations.extend(conformance::deadband(&*of.deadband, DEVICE, period, Utc::now()).await);
            assert_eq!(violations, [], "{id}");
        }
        in_force.mend(&pipeline).await.unwrap();
        stop(pipeline).await;
    }
}

#[tokio::test]
async fn reused_ids_lose_no_rows_with_engine() {
    let by_id = surveyed("dedup-false-positive").await;
    assert!(by_id.gap.unwrap().missing >= 10);
    let engine = surveyed("no-gap/dedup-engine").await;
    assert_eq!(engine.diagnosed(), "no gap");
}

#[tokio::test]
async fn each_part_of_a_gap_is_diagnosed_by_itself() {
    let split = surveyed("split-by-presence").await;
    let ended = split.diagnosed.iter().map(|one| one.ended()).collect::<Vec<_>>();
    assert_eq!(ended, ["split-by-presence", "disconnected-data-lost", "schema-mismatch"]);
    // The parts are the gap.
    let period = |at: usize| split.diagnosed[at].finding.subject().period.unwrap();
    assert_eq!((period(1).start(), period(2).end()), (period(0).start(), period(0).end()));
    assert_eq!(period(1).end(), period(2).start());
}

#[tokio::test]
async fn unknown_lag_leaves_ranked_hypotheses() {
    let examined = surveyed("unknown/lag-probe-hangs").await;
    let next = examined.diagnosed[0].finding.next_probe().unwrap();
    assert_eq!(&*next.check, "consumer-lag");
}

#[tokio::test]
async fn kept_rows_are_late_and_not_lost() {
    let late = surveyed("disconnected-catching-up").await;
    let (gap, afterwards) = (late.gap.unwrap(), late.afterwards.unwrap());
    assert!(gap.is_open() && !afterwards.is_open());
    assert_eq!((afterwards.missing, gap.missing), (0, gap.expected));
    assert_eq!(afterwards.caught_up(), afterwards.expected);
}
