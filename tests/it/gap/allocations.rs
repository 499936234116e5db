//! A year costs what a minute costs.

use chrono::TimeDelta;
use iot_runbook::gap::{Cadence, CadenceEstimator, GapDetector, Settings};

use super::streams::{SECOND, at};

const YEAR: i64 = 365 * 86_400;

#[test]
fn year_of_rows_allocates_nothing_more() {
    let settings = Settings::live(Cadence::every(TimeDelta::seconds(1)), at(0));
    let mut detector = GapDetector::new(settings.with_late_after(TimeDelta::minutes(1))).unwrap();
    let mut estimator = CadenceEstimator::new();
    let mut block = vec![0; 3_600];
    let info = allocation_counter::measure(|| {
        for hour in 0..YEAR / 3_600 {
            block.iter_mut().zip(hour * 3_600..).for_each(|(event, second)| *event = second * SECOND);
            detector.observe_slice(&block);
            estimator.observe_slice(&block[..10]);
        }
    });
    assert_eq!(info.count_total, 0, "{info:?}");
    assert_eq!(detector.counts().on_time, YEAR as u64);
    // Every way that a row can go, while no silence opens.
    let info = allocation_counter::measure(|| {
        for second in YEAR..YEAR + 100_000 {
            let event = second * SECOND;
            detector.observe_nanos(event, Some(event));
            detector.observe_nanos(event, Some(event));
            detector.observe_nanos(event - SECOND / 2, Some(event));
            detector.observe_nanos(event + SECOND / 4, Some(event + 3_600 * SECOND));
            detector.observe_nanos(event - 40 * SECOND, None);
            detector.observe_nanos(i64::MAX, Some(event));
        }
    });
    assert!(info.count_total <= 70 && info.count_current <= 2, "rewinds and one run: {info:?}");
    assert!(detector.report(at(0)).gaps.is_empty());
}

#[test]
fn a_detector_keeps_no_more_than_it_says() {
    let settings = Settings::live(Cadence::every(TimeDelta::seconds(1)), at(0)).with_max_gaps(100);
    let mut bytes = 0;
    let mut detector = None;
    let info = allocation_counter::measure(|| {
        let mut made = GapDetector::new(settings.clone()).unwrap();
        // A gap after each second row.
        for pair in 0..200_000 {
            made.observe_slice(&[pair * 10 * SECOND, pair * 10 * SECOND + SECOND]);
        }
        bytes = made.counts().rows;
        detector = Some(made);
    });
    assert_eq!(bytes, 400_000);
    // 1024 times of 8 bytes; 100 gaps of 48, in a queue that doubles.
    assert!(info.bytes_current <= 8_192 + 128 * 48 + 256, "{info:?}");
    assert!(info.count_total < 20, "{info:?}");
    let report = detector.unwrap().report(at(0));
    assert_eq!((report.gaps.len(), report.unlisted.gaps, report.missing()), (100, 199_899, 8 * 199_999));
}
