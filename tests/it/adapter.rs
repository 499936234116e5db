//! Our engines answer our probes: a record of raw samples, and the rows of a series. Those of the deduplication and of
//! Kafka are beside their engines.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::adapter::{RawRecord, SeriesReader, SeriesRows, StoredRows};
use iot_runbook::deadband::audit::{Audit, Limits};
use iot_runbook::deadband::sample::Sample;
use iot_runbook::gap::Cadence;
use iot_runbook::probe::{
    DeadbandFacts, DeadbandProbe as _, DeadbandRequest, ElsewhereRequest, ProbeError, ProbeErrorKind,
    RowsRequest, StorageRefusalsRequest, TelemetryProbe as _,
};
use iot_runbook::subject::{DeviceId, TagId};
use iot_runbook::time::{ManualClock, Period};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

fn period(from: i64, to: i64) -> Period {
    Period::new(at(from), at(to)).unwrap()
}

/// A slow wave with some noise, each second.
fn sample(second: i64) -> Sample {
    let noise = (second * 7_919 % 101) as f64 / 101.0;
    Sample::new(second * 1_000_000_000, 20.0 + (second as f64 / 300.0).sin() * 3.0 + noise)
}

fn record(capacity: usize, seconds: i64) -> RawRecord {
    let clock = Arc::new(ManualClock::new(at(9_000)));
    let record = RawRecord::new("gateway 2", capacity).with_clock(clock);
    let (press, pressure) = (DeviceId::from("press-07"), TagId::from("pressure"));
    record.add_tag(press.clone(), Some(pressure.clone()), Some(2.0), Some(TimeDelta::minutes(10))).unwrap();
    record.add_tag(press.clone(), None, None, None).unwrap();
    for second in 0..seconds {
        assert!(record.observe(&press, Some(&pressure), sample(second), second % 60 == 0));
    }
    record
}

fn asked(from: i64, to: i64) -> DeadbandRequest {
    DeadbandRequest::new("press-07".into(), period(from, to)).with_tag("pressure".into())
}

#[tokio::test]
async fn audit_takes_period_and_noise_before() {
    let facts = record(10_000, 4_000).deadband(&asked(3_000, 3_600)).await.unwrap();
    let [mut before, mut during] = [Audit::new(2.0).unwrap(), Audit::new(2.0).unwrap()];
    (0..3_000).for_each(|second| before.observe(&sample(second), second % 60 == 0));
    (3_000..3_600).for_each(|second| during.observe(&sample(second), second % 60 == 0));
    let figures = during.figures_after(&before, &Limits::default());
    let expected = DeadbandFacts::from_figures(&figures, at(9_000), period(3_000, 3_600));
    assert_eq!(facts, expected.with_heartbeat(TimeDelta::minutes(10)));
    assert_eq!((facts.width, facts.withheld), (Some(2.0), Some(590)));
}

#[tokio::test]
async fn record_covers_what_it_has_kept() {
    for (capacity, seconds, covers) in [
        (10_000, 3_601, period(3_000, 3_600)),
        (10_000, 3_400, period(3_000, 3_399)),
        (500, 3_601, period(3_101, 3_600)),
        (1, 3_400, period(3_399, 3_399)),
        (10_000, 0, period(3_000, 3_000)),
        // All is older, or newer.
        (10_000, 100, period(3_000, 3_000)),
        (10, 8_000, period(3_000, 3_000)),
    ] {
        let facts = record(capacity, seconds).deadband(&asked(3_000, 3_600)).await.unwrap();
        assert_eq!(facts.covers, covers, "{capacity} {seconds}");
    }
}

#[tokio::test]
async fn record_knows_only_tags_without_a_band() {
    let record = record(100, 10);
    let mut request = asked(0, 9);
    request.tag = None;
    let facts = record.deadband(&request).await.unwrap();
    assert_eq!((facts.width, facts.audit, facts.covers), (None, None, period(0, 9)));
    let error = record.deadband(&asked(0, 9).with_tag("flow".into())).await.unwrap_err();
    assert_eq!(error.text(), "no raw samples are recorded of device `press-07`, tag `flow`");
    let press = DeviceId::from("press-07");
    assert!(!record.observe(&press, Some(&TagId::from("flow")), sample(11), true));
    assert!(!record.observe(&press, Some(&TagId::from("pressure")), sample(9), true), "not later");
    assert!(record.add_tag(press.clone(), None, Some(f64::NAN), None).is_err());
    // A new band is judged by its own samples.
    record.add_tag(press, Some("pressure".into()), Some(1.0), None).unwrap();
    let facts = record.deadband(&asked(0, 9)).await.unwrap();
    assert_eq!((facts.width, facts.withheld, facts.covers), (Some(1.0), Some(0), period(0, 0)));
}

/// Rows with when each was stored, if that is kept.
struct Table(Vec<(i64, Option<i64>)>);

#[async_trait]
impl SeriesReader for Table {
    async fn rows(&self, _: &RowsRequest) -> Result<StoredRows, ProbeError> {
        let times = self.0.iter().map(|(time, _)| at(*time)).collect();
        let rows = StoredRows::new(Cadence::every(TimeDelta::seconds(10)), times).with_rows_per_message(2.0);
        let stored: Vec<_> = self.0.iter().filter_map(|(_, stored)| stored.map(at)).collect();
        Ok(if stored.is_empty() { rows } else { rows.with_stored_at(stored) })
    }
}

async fn counted(rows: Vec<(i64, Option<i64>)>, now: i64) -> Result<(u64, u64, Option<u64>), ProbeError> {
    let within = rows.iter().filter(|(time, _)| (0..600).contains(time));
    let last_stored = within.filter_map(|(_, stored)| stored.map(at)).max();
    let table = SeriesRows::new("time series", Table(rows)).with_clock(Arc::new(ManualClock::new(at(now))));
    let request = RowsRequest::new("press-07".into(), period(0, 600)).with_since(at(700));
    let rows = table.rows(&request).await?;
    assert_eq!((rows.observed_at, rows.rows_per_message), (at(now), Some(2.0)));
    assert_eq!(rows.last_stored, last_stored, "a replay is seen to move");
    Ok((rows.expected, rows.present, rows.late))
}

#[tokio::test]
async fn rows_are_counted_as_the_detector_counts_them() {
    let all = || (0..60).map(|row| (row * 10, Some(row * 10 + 1)));
    assert_eq!(counted(all().collect(), 9_000).await.unwrap(), (60, 60, Some(0)));
    assert_eq!(counted(all().rev().collect(), 9_000).await.unwrap(), (60, 60, Some(0)), "in any order");
    let without = |from: i64, to: i64| all().filter(move |(time, _)| !(from..to).contains(time));
    assert_eq!(counted(without(100, 300).collect(), 9_000).await.unwrap(), (60, 40, Some(0)));
    // They came after the diagnosis was triggered.
    let late = (10..15).map(|row| (row * 10, Some(800)));
    assert_eq!(counted(without(100, 300).chain(late).collect(), 9_000).await.unwrap(), (60, 45, Some(5)));
    // Copies, and rows of other times.
    let more = all().chain(all()).chain([(-10, Some(0)), (600, Some(700))]);
    assert_eq!(counted(more.collect(), 9_000).await.unwrap(), (60, 60, Some(0)));
    assert_eq!(counted(vec![], 9_000).await.unwrap(), (60, 0, None));
    // What is not due yet is not missing.
    assert_eq!(counted(all().take(30).collect(), 300).await.unwrap(), (30, 30, Some(0)));
    let unknown = all().map(|(time, _)| (time, None));
    assert_eq!(counted(unknown.collect(), 9_000).await.unwrap(), (60, 60, None));
    let torn = all().chain([(600, None)]);
    assert_eq!(counted(torn.collect(), 9_000).await.unwrap_err().text(), "61 rows, and 60 times of storing");
}

#[tokio::test]
async fn rows_alone_leave_the_rest_unknown() {
    let table = SeriesRows::new("time series", Table(vec![]));
    let refusals = StorageRefusalsRequest::new("ingest".into(), "press-07".into(), period(0, 600));
    let error = table.storage_refusals(&refusals).await.unwrap_err();
    assert_eq!(error.kind(), ProbeErrorKind::Unsupported);
    let elsewhere = ElsewhereRequest::new("press-07".into(), period(0, 600));
    assert_eq!(table.elsewhere(&elsewhere).await.unwrap_err().kind(), ProbeErrorKind::Unsupported);
}
