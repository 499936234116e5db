//! Samples, and what PostgreSQL refuses of them.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::adapter::SeriesRows;
use iot_runbook::probe::{ProbeErrorKind, RowsRequest, StorageRefusalsRequest, TelemetryProbe, conformance};
use iot_runbook::time::{ManualClock, Period};
use platform::database::Database;
use platform::telemetry::{Sample, Samples};
use private::Postgres;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

#[tokio::test]
async fn missing_late_and_refused_rows_are_counted() {
    let mut server = Postgres::start().unwrap();
    let clock = Arc::new(ManualClock::new(at(0)));
    let database = Arc::new(Database::new(server.url().parse().unwrap()));
    let samples = Samples::begin(Arc::clone(&database), clock.clone()).await.unwrap();
    samples.declare("press-07", "temperature", TimeDelta::seconds(10)).await.unwrap();
    let store = async |samples: &Samples, second: i64, value: f64| {
        samples.store(&Sample::new("press-07", "temperature", at(second), value)).await.unwrap()
    };
    // Of ten rows two are refused, two never come, and one of these is stored an hour later.
    for number in [0, 1, 2, 5, 6, 9] {
        clock.set(at(number * 10 + 1));
        assert!(store(&samples, number * 10, 21.5).await);
        assert!(store(&samples, number * 10, 21.5).await, "the same again");
    }
    for number in [3, 4] {
        assert!(!store(&samples, number * 10, f64::INFINITY).await);
    }
    clock.set(at(3_600));
    assert!(store(&samples, 70, 21.6).await);

    let probe = SeriesRows::new("postgresql", samples).with_clock(clock.clone());
    let period = Period::new(at(0), at(100)).unwrap();
    let asked = RowsRequest::new("press-07".into(), period).with_since(at(3_000));
    let rows = probe.rows(&asked).await.unwrap();
    assert_eq!((rows.expected, rows.present, rows.late), (10, 7, Some(1)));
    assert_eq!(rows.last_stored, Some(at(3_600)));
    let asked = StorageRefusalsRequest::new("ingest".into(), "press-07".into(), period);
    let refused = probe.storage_refusals(&asked).await.unwrap();
    assert_eq!((refused.refused, refused.covers), (2, period));
    assert!(
        refused.example.as_deref().unwrap_or_default().contains("violates check constraint"),
        "{refused:?}"
    );
    // Before the log of refusals began nothing is known of them.
    let before = StorageRefusalsRequest::new(
        "ingest".into(),
        "press-07".into(),
        Period::new(at(-100), at(0)).unwrap(),
    );
    assert_eq!(probe.storage_refusals(&before).await.unwrap().covers.length(), TimeDelta::zero());
    assert_eq!(conformance::telemetry(&probe, "ingest", "press-07", period, at(3_600)).await, []);

    // What nobody declared is not known, and no zero.
    let other = RowsRequest::new("press-08".into(), period);
    assert_eq!(probe.rows(&other).await.unwrap_err().kind(), ProbeErrorKind::Failed);
    server.restart().unwrap();
    // The connection that was lost reports that once.
    let lost = probe.rows(&RowsRequest::new("press-07".into(), period)).await;
    let again = probe.rows(&RowsRequest::new("press-07".into(), period)).await;
    assert!(lost.is_err_and(|error| error.is_transient()) || again.is_ok());
    assert_eq!(again.unwrap().present, 7);
}
