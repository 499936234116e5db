//! Any samples under any band: each is counted once, no figure is out of its range, a restart changes nothing, two pieces
//! join to the whole, and a saved audit that was changed is refused or works.
#![no_main]

use chrono::TimeDelta;
use iot_runbook::deadband::audit::{Audit, Figures, Limits};
use iot_runbook::deadband::sample::{Quality, Sample};
use iot_runbook_fuzz::choices::Choices;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data);
    let band = if choices.one_in(8) { f64::from_bits(choices.long()) } else { choices.pick(&BANDS) };
    let Ok(audit) = Audit::new(band) else {
        assert!(!(0.0..=1e140).contains(&band), "{band} is a band");
        return;
    };
    let gap = TimeDelta::nanoseconds(1 + choices.below(40) as i64);
    let mut whole = if choices.one_in(2) { audit.with_longest_gap(gap).expect("above zero") } else { audit };
    // The second piece begins at some sample.
    let mut pieces = [whole.clone(), whole.clone()];
    let seam = choices.below(256);
    let (mut at, mut value, mut observed) = (0_i64, 0.0, 0_u64);
    while !choices.is_empty() && observed < 4_096 {
        at = next_time(&mut choices, at);
        value = next_value(&mut choices, value);
        let quality = if choices.one_in(16) { Quality::BAD } else { Quality::GOOD };
        let (sample, is_reported) = (Sample::new(at, value).with_quality(quality), choices.one_in(3));
        whole.observe(&sample, is_reported);
        pieces[usize::from(observed >= seam as u64)].observe(&sample, is_reported);
        observed += 1;
        if choices.one_in(64) {
            let restored = restored(&whole);
            assert_eq!(restored, whole);
            whole = restored;
        }
    }
    assert_eq!(whole.samples() + whole.unusable() + whole.late(), observed);
    let limits = limits(&mut choices);
    holds(&whole.figures(&limits));
    holds(&pieces[1].figures_after(&pieces[0], &limits));
    assert!(!whole.assess(&limits).to_string().is_empty());
    assert!(!pieces[1].assess_after(&pieces[0], &limits).to_string().is_empty());

    let [mut first, second] = pieces;
    let counted = |audit: &Audit| [audit.samples(), audit.reported(), audit.unusable(), audit.late()];
    let before = (counted(&first), counted(&second));
    if first.join(&second).is_ok() {
        let sum: Vec<_> = before.0.iter().zip(before.1).map(|(one, other)| one + other).collect();
        assert_eq!(counted(&first)[..], sum);
        holds(&first.figures(&limits));
    } else {
        assert_eq!(counted(&first), before.0, "a refused join changes nothing");
    }

    let mut saved = serde_json::to_value(&whole).expect("an audit is written");
    for _ in 0..1 + choices.below(3) {
        change(&mut choices, &mut saved);
    }
    let Ok(mut changed) = serde_json::from_value::<Audit>(saved) else { return };
    changed.observe(&Sample::new(i64::MAX, 1.0), true);
    let _ = changed.assess(&limits).to_string();
    let _ = changed.join(&whole);
});

const BANDS: [f64; 6] = [0.0, 0.25, 1.0, 2.0, 1e-300, 1e140];

fn next_time(choices: &mut Choices<'_>, at: i64) -> i64 {
    match choices.below(16) {
        0 => i64::from_le_bytes(choices.long().to_le_bytes()),
        1 => at,
        2 => at.saturating_sub(choices.byte().into()),
        3 => at.saturating_add(1 << choices.below(62)),
        _ => at.saturating_add(1),
    }
}

fn next_value(choices: &mut Choices<'_>, value: f64) -> f64 {
    let step = f64::from(choices.byte()) / 64.0 - 2.0;
    match choices.below(16) {
        0 => f64::from_bits(choices.long()),
        1 => choices.pick(&[f64::NAN, f64::INFINITY, -1e140, 1e140, 1.1e140, 5e-324, 0.0]),
        2..=5 => value,
        6..=9 => step,
        10 | 11 => value.round(),
        _ => value + step,
    }
}

fn limits(choices: &mut Choices<'_>) -> Limits {
    let mut limits = Limits::default();
    if choices.one_in(2) {
        limits = limits.with_matters(f64::from(choices.byte()) / 8.0);
    }
    if choices.one_in(4) {
        limits = limits.with_error_budget(f64::from(choices.byte()) / 8.0);
    }
    if choices.one_in(4) {
        limits = limits.with_noise_reports((f64::from(choices.byte()) + 0.5) / 256.0);
    }
    if choices.one_in(4) {
        limits =
            limits.with_damping(TimeDelta::nanoseconds(choices.long().cast_signed() >> choices.below(64)));
    }
    limits
}

fn restored(audit: &Audit) -> Audit {
    let text = serde_json::to_string(audit).expect("an audit is written");
    serde_json::from_str(&text).expect("it was saved")
}

fn holds(figures: &Figures) {
    assert!(figures.reported <= figures.samples, "{figures:?}");
    for share in [figures.ties, figures.hidden_time, figures.hidden_time_most, figures.suppressed()] {
        assert!((0.0..=1.0).contains(&share), "{figures:?}");
    }
    for length in [
        figures.noise,
        figures.damped_noise,
        figures.quantum,
        figures.noise_band,
        figures.noise_band_least,
        figures.range,
        figures.movement,
        figures.error,
        figures.error_max,
        figures.off,
        figures.hidden,
    ] {
        assert!(length >= 0.0 && length.is_finite(), "{figures:?}");
    }
}

/// Changes one leaf of a saved form.
fn change(choices: &mut Choices<'_>, saved: &mut Value) {
    match saved {
        Value::Object(fields) if !fields.is_empty() => {
            let field = choices.below(fields.len());
            change(choices, fields.values_mut().nth(field).expect("there are so many"));
        }
        Value::Array(items) if !items.is_empty() => {
            let item = choices.below(items.len());
            change(choices, &mut items[item]);
        }
        leaf => {
            *leaf = match choices.below(5) {
                0 => Value::Null,
                1 => choices.long().into(),
                2 => choices.byte().into(),
                3 => choices.long().cast_signed().into(),
                _ => f64::from_bits(choices.long()).to_bits().to_string().into(),
            };
        }
    }
}
