//! No sample allocates, whatever is set.

use chrono::TimeDelta;
use iot_runbook::deadband::batch::FilterBank;
use iot_runbook::deadband::filter::{Band, Extent, Settings};
use iot_runbook::deadband::sample::{Quality, Sample};

use super::filter::filter;

#[test]
fn no_sample_of_a_filter_allocates() {
    let settings = Settings::new(Extent::PercentOfLast { percent: 5.0, floor: 0.1 })
        .with_max_interval(TimeDelta::nanoseconds(50))
        .with_min_interval(TimeDelta::nanoseconds(5))
        .with_previous();
    let mut filter = filter::<f64>(settings);
    let mut reported = 0;
    let info = allocation_counter::measure(|| {
        for at in 0..10_000_i64 {
            let value = if at % 97 == 0 { f64::NAN } else { (at as f64 / 10.0).sin() };
            let quality = if at % 89 == 0 { Quality::BAD } else { Quality::GOOD };
            filter.observe(Sample::new(at, value).with_quality(quality), |_| reported += 1).unwrap();
            filter.poll(at, |_| reported += 1);
        }
    });
    assert!(reported > 1_000);
    assert_eq!(info.count_total, 0, "{info:?}");
}

#[test]
fn no_scan_of_a_bank_allocates() {
    let settings = Settings::new(Band::None).with_max_interval(TimeDelta::nanoseconds(50));
    let mut bank = FilterBank::<f64>::new(settings).unwrap();
    for tag in 0..1_000 {
        let percent = if tag % 10 == 0 { 5.0 } else { 0.0 };
        bank.add_tag(Extent::PercentOfLast { percent, floor: 0.1 }).unwrap();
    }
    let mut values = vec![0.0; 1_000];
    let mut qualities = vec![Quality::GOOD; 1_000];
    bank.scan_with_quality(0, &values, &qualities).unwrap();
    let mut reported = 0;
    let info = allocation_counter::measure(|| {
        for at in 1..200_i64 {
            for (tag, value) in values.iter_mut().enumerate() {
                *value =
                    if (tag as i64 + at) % 97 == 0 { f64::NAN } else { (at as f64 * tag as f64 / 1e4).sin() };
            }
            qualities[at as usize] = Quality::BAD;
            reported += bank.scan_with_quality(at, &values, &qualities).unwrap().iter().count();
            reported += bank.scan_some(at, &[7, 999, 3], &values[..3]).unwrap().len();
        }
    });
    assert!(reported > 1_000);
    assert_eq!(info.count_total, 0, "{info:?}");
}
