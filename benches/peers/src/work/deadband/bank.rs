//! A scan of a million tags beside a plain loop over the same arrays.

use std::hint::black_box;

use chrono::TimeDelta;
use iot_runbook::deadband::batch::FilterBank;
use iot_runbook::deadband::filter::{Band, Extent, Settings};
use iot_runbook::deadband::sample::Quality;

use super::stream::Random;
use super::{NAME, WIDTH};
use crate::error::Error;
use crate::measure::Side;
use crate::report::{Report, shown};
use crate::work::compare;

const TAGS: usize = 1_000_000;

/// How many times a plain loop a scan may take.
const TARGET: f64 = 1.5;

/// A bank at three pass rates, beside two plain loops; with its values alone, and with all that a bank has.
pub(super) fn run(report: &mut Report) -> Result<(), Error> {
    for percent in [0, 3, 33] {
        let scans = scans(percent);
        let case = format!("scan 1M {percent} %");
        let reading = compare(report, NAME, &case, ours(&scans)?, ("read-loop", read(&scans)))?;
        let writing = compare(report, NAME, &case, ours(&scans)?, ("read-write-loop", write(&scans)))?;
        // Where nothing passes nothing is written.
        let medians = if percent == 0 { reading } else { writing };
        let what = format!("{case}, 1.5 plain loops");
        report.target(&what, medians, medians.peer_ns * TARGET);
        report.remark(format!("{case}: {} a tag in the fastest round", shown(medians.ours_fastest_ns / 1e6)));

        let case = format!("scan 1M, all on, {percent} %");
        let reading = compare(report, NAME, &case, ours_all_on(&scans)?, ("read-loop", read_all(&scans)))?;
        let writing =
            compare(report, NAME, &case, ours_all_on(&scans)?, ("read-write-loop", write_all(&scans)))?;
        let medians = if percent == 0 { reading } else { writing };
        report.target(&format!("{case}, 1.5 plain loops"), medians, medians.peer_ns * TARGET);
    }
    Ok(())
}

/// Two scans by turns: each time, `percent` of the tags leave their bands.
fn scans(percent: u64) -> [Vec<f64>; 2] {
    let mut random = Random::new();
    let one: Vec<_> = (0..TAGS).map(|_| random.noise()).collect();
    let other = one
        .iter()
        .map(|value| if random.below(100) < percent { value + 10.0 } else { random.noise() })
        .collect();
    [one, other]
}

fn ours(scans: &[Vec<f64>; 2]) -> Result<Side<'_>, Error> {
    let mut bank =
        FilterBank::new(Settings::new(Band::None)).map_err(|error| Error::failed("a bank", error))?;
    for _ in 0..TAGS {
        bank.add_tag(Extent::Absolute(WIDTH)).map_err(|error| Error::failed("a tag", error))?;
    }
    let mut at = 0;
    Ok(Box::new(move |runs| {
        for _ in 0..runs {
            let scan = by_turns(scans, &mut at);
            if let Ok(passed) = bank.scan(at, black_box(scan)) {
                black_box(passed.words());
            }
        }
    }))
}

/// The same with a longest interval, in which none is due, and a quality for each value, of which none changes.
fn ours_all_on(scans: &[Vec<f64>; 2]) -> Result<Side<'_>, Error> {
    let settings = Settings::new(Band::None).with_max_interval(TimeDelta::hours(1));
    let mut bank = FilterBank::new(settings).map_err(|error| Error::failed("a bank", error))?;
    for _ in 0..TAGS {
        bank.add_tag(Extent::Absolute(WIDTH)).map_err(|error| Error::failed("a tag", error))?;
    }
    let qualities = qualities();
    let mut at = 0;
    Ok(Box::new(move |runs| {
        for _ in 0..runs {
            let scan = by_turns(scans, &mut at);
            if let Ok(passed) = bank.scan_with_quality(at, black_box(scan), black_box(&qualities)) {
                black_box(passed.words());
            }
        }
    }))
}

fn qualities() -> Vec<Quality> {
    vec![Quality::UNCERTAIN; TAGS]
}

/// The same three arrays, read: what memory alone allows.
fn read(scans: &[Vec<f64>; 2]) -> Side<'_> {
    let (last, bounds) = (vec![0.5_f64; TAGS], vec![WIDTH; TAGS]);
    let mut at = 0;
    Box::new(move |runs| {
        for _ in 0..runs {
            let scan = by_turns(scans, &mut at);
            let mut sum = 0;
            for ((value, last), bound) in black_box(scan).iter().zip(&last).zip(&bounds) {
                sum ^= value.to_bits() ^ last.to_bits() ^ bound.to_bits();
            }
            black_box(sum);
        }
    })
}

/// The same three arrays, read, and the last values written.
fn write(scans: &[Vec<f64>; 2]) -> Side<'_> {
    let (mut last, bounds) = (vec![0.5_f64; TAGS], vec![WIDTH; TAGS]);
    let mut at = 0;
    Box::new(move |runs| {
        for _ in 0..runs {
            let scan = by_turns(scans, &mut at);
            let mut sum = 0;
            for ((value, last), bound) in black_box(scan).iter().zip(&mut last).zip(&bounds) {
                sum ^= last.to_bits() ^ bound.to_bits();
                *last = *value;
            }
            black_box(sum);
        }
    })
}

/// The same six arrays, read: the qualities that come and those before, and the times of the last reports.
fn read_all(scans: &[Vec<f64>; 2]) -> Side<'_> {
    let (last, bounds) = (vec![0.5_f64; TAGS], vec![WIDTH; TAGS]);
    let (now, before, times) = (qualities(), qualities(), vec![1_i64; TAGS]);
    let mut at = 0;
    Box::new(move |runs| {
        for _ in 0..runs {
            let scan = by_turns(scans, &mut at);
            let mut sum = 0;
            let qualities = now.iter().zip(&before).zip(&times);
            for (((value, last), bound), ((now, before), time)) in
                black_box(scan).iter().zip(&last).zip(&bounds).zip(qualities)
            {
                sum ^= value.to_bits() ^ last.to_bits() ^ bound.to_bits();
                sum ^= u64::from(now.code() ^ before.code()) ^ time.cast_unsigned();
            }
            black_box(sum);
        }
    })
}

/// The same six arrays, read, and the last values and their times written.
fn write_all(scans: &[Vec<f64>; 2]) -> Side<'_> {
    let (mut last, bounds) = (vec![0.5_f64; TAGS], vec![WIDTH; TAGS]);
    let (now, before, mut times) = (qualities(), qualities(), vec![1_i64; TAGS]);
    let mut at = 0;
    Box::new(move |runs| {
        for _ in 0..runs {
            let scan = by_turns(scans, &mut at);
            let mut sum = 0;
            let qualities = now.iter().zip(&before).zip(&mut times);
            for (((value, last), bound), ((now, before), time)) in
                black_box(scan).iter().zip(&mut last).zip(&bounds).zip(qualities)
            {
                sum ^= last.to_bits() ^ bound.to_bits();
                sum ^= u64::from(now.code() ^ before.code()) ^ time.cast_unsigned();
                *last = *value;
                *time = at;
            }
            black_box(sum);
        }
    })
}

/// The next of the two.
fn by_turns<'a>(scans: &'a [Vec<f64>; 2], at: &mut i64) -> &'a [f64] {
    *at += 1;
    let [one, other] = scans;
    if *at % 2 == 0 { other } else { one }
}
