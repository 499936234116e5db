//! A noisy signal that drifts, filtered by a deadband and by a swinging door; what the audit says about the band, what
//! other bands would save and cost, and a picture of it all.
//!
//! `cargo run --example 08_deadband --features report [FILE.svg]`; without a path, the picture is in `target/`.
#[path = "page/page.rs"]
mod page;

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta};
use iot_runbook::deadband::audit::{Audit, Limits};
use iot_runbook::deadband::filter::{Extent, Filter, Report, Settings};
use iot_runbook::deadband::sample::{Quality, Sample};
use iot_runbook::deadband::shadow::WhatIf;
use iot_runbook::deadband::swinging_door::{self, SwingingDoor};
use iot_runbook::report::DeadbandChart;
use page::say;

/// Somebody set it generously, years ago.
const BAND: f64 = 4.0;

/// What the process engineer can live with.
const BUDGET: f64 = 1.5;

const SECONDS: i64 = 3 * 3600;

fn main() -> Result<(), Box<dyn Error>> {
    let raw = boiler();

    let settings = Settings::new(Extent::Absolute(BAND)).with_max_interval(TimeDelta::minutes(30));
    let mut what_if = WhatIf::new(&settings, &[0.5, 1.1, 2.0, BAND, 8.0])?;
    let mut filter = Filter::with_settings(settings)?;
    let mut audit = Audit::new(BAND)?;
    let mut reported: Vec<Report> = Vec::new();
    for sample in &raw {
        let mut is_reported = false;
        filter.observe(*sample, |report| {
            is_reported |= report.sample.at == sample.at;
            reported.push(report);
        })?;
        audit.observe(sample, is_reported);
        what_if.observe(*sample);
    }

    let door = swinging_door::Settings::new(BUDGET).with_max_interval(TimeDelta::minutes(30));
    let mut door = SwingingDoor::new(&door)?;
    let mut kept = Vec::new();
    for sample in &raw {
        door.observe(*sample, |report| kept.push(report.sample))?;
    }
    door.flush(|report| kept.push(report.sample));

    let assessment = audit.assess(&Limits::default().with_error_budget(BUDGET));
    say(format_args!("{assessment}\n"));
    let suppressed = filter.counts().suppressed_in_band();
    say(format_args!(
        "The band reported {} of {} samples and suppressed {suppressed}.",
        reported.len(),
        raw.len()
    ));
    say(format_args!("The audit passed over {}, while the wire was broken.", audit.unusable()));
    say(format_args!("\nWhat other bands would save and cost:\n{what_if}"));
    say(format_args!(
        "A swinging door with a deviation of {BUDGET} kept {}, and misses none by more.",
        kept.len()
    ));

    let chart = DeadbandChart::new("Boiler 3, flow temperature", &raw, &reported)
        .with_unit("°C")
        .with_band(BAND)
        .with_line(&kept)
        .with_words(assessment);
    let path = std::env::args().nth(1).map_or_else(|| PathBuf::from("target/deadband.svg"), PathBuf::from);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&path, chart.to_string())?;
    say(format_args!("The picture is in {}.", path.display()));
    Ok(())
}

/// A temperature that swings by 2.5 °C and creeps up, a sensor's noise of 0.3 °C, and a broken wire for two minutes.
fn boiler() -> Vec<Sample> {
    let begin = DateTime::UNIX_EPOCH + TimeDelta::days(20_800);
    let mut state = 88_172_645_463_325_252_u64;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let samples = (0..SECONDS).filter_map(|second| {
        let time = second as f64;
        // Twelve of them are nearly normal, with a standard deviation of one.
        let noise = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
        let value = 62.0 + 2.5 * (time / 900.0).sin() + time / 9000.0 + 0.3 * noise;
        let sample = Sample::at_time(begin + TimeDelta::seconds(second), value).ok()?;
        Some(if (5000..5120).contains(&second) {
            Sample { value: f64::NAN, ..sample }.with_quality(Quality::BAD)
        } else {
            sample
        })
    });
    samples.collect()
}
