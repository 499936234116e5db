//! How often it is right, over seeds; the example `05_deadband_audit_power` measures more of them.

use iot_runbook::deadband::audit::{Audit, Limits, Verdict, Why};
use iot_runbook::deadband::sample::Sample;

use crate::deadband::swinging_door::signals::Noise;

const SEEDS: u64 = 60;
const SAMPLES: u32 = 1_000;

/// Of 60 verdicts, how many are as wished.
fn right(
    band: f64,
    signal: impl Fn(&mut dyn FnMut() -> f64, f64) -> f64,
    wished: fn(&Verdict) -> bool,
) -> usize {
    (1..=SEEDS)
        .filter(|seed| {
            let mut noise = Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            // Nearly normal, with a standard deviation of one.
            let mut white = || (0..12).map(|_| noise.uniform()).sum::<f64>() / 2.0;
            let mut audit = Audit::new(band).unwrap();
            let mut held = f64::NAN;
            for i in 0..SAMPLES {
                let value = signal(&mut white, f64::from(i) / f64::from(SAMPLES));
                let is_reported = held.is_nan() || (value - held).abs() > band;
                if is_reported {
                    held = value;
                }
                audit.observe(&Sample::new(i64::from(i), value), is_reported);
            }
            wished(&audit.assess(&Limits::default()).verdict)
        })
        .count()
}

fn damped(share: f64, scale: f64) -> impl Fn(&mut dyn FnMut() -> f64, f64) -> f64 {
    let held = std::cell::Cell::new(0.0);
    move |white, _| {
        held.set(share * held.get() + scale * (1.0 - share * share).sqrt() * white());
        held.get()
    }
}

const TURN: f64 = std::f64::consts::TAU;

fn is_coloured(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Undetermined { why: Why::Coloured })
}

#[test]
fn noise_is_no_process() {
    assert_eq!(right(4.0, |white, _| white(), |verdict| *verdict == Verdict::ProcessStable), 60);
    assert_eq!(right(4.0, |white, _| white().round(), |verdict| *verdict == Verdict::ProcessStable), 60);
    assert_eq!(right(4.0, damped(0.3, 1.0), |verdict| *verdict == Verdict::ProcessStable), 60);
}

#[test]
fn a_damped_transmitter_raises_no_alarm() {
    for share in [0.6, 0.8, 0.9, 0.95] {
        assert!(right(4.0, damped(share, 1.0), is_coloured) >= 58, "{share}");
        assert_eq!(right(4.0, damped(share, 1.0), |verdict| *verdict == Verdict::TooWide), 0, "{share}");
    }
}

#[test]
fn what_the_band_hides_is_found() {
    let is_too_wide = |verdict: &Verdict| *verdict == Verdict::TooWide;
    assert!(right(10.0, |white, time| white() + 6.0 * time, is_too_wide) >= 59);
    assert!(right(8.0, |white, time| white() + 2.0 * (time * 3.0 * TURN).sin(), is_too_wide) >= 58);
    assert!(right(9.0, |white, time| white() + if time > 0.6 { 4.0 } else { 0.0 }, is_too_wide) >= 58);
    assert_eq!(right(15.0, |_, time| 5.0 * (time * TURN).sin(), is_too_wide), 60);
}

#[test]
fn what_is_followed_is_fine_and_reported_noise_is_not() {
    let wave = |white: &mut dyn FnMut() -> f64, time: f64| white() + 20.0 * (time * 3.0 * TURN).sin();
    assert!(right(4.0, wave, |verdict| *verdict == Verdict::Fine) >= 59);
    assert!(right(1.0, wave, |verdict| *verdict == Verdict::TooNarrow) >= 59);
    assert_eq!(right(1.0, |white, _| white(), |verdict| *verdict == Verdict::TooNarrow), 60);
}

#[test]
fn what_alternates_is_not_judged() {
    let sign = std::cell::Cell::new(1.0);
    let alternating = |white: &mut dyn FnMut() -> f64, _: f64| {
        sign.set(-sign.get());
        3.0 * sign.get() + white()
    };
    let is_alternating =
        |verdict: &Verdict| matches!(verdict, Verdict::Undetermined { why: Why::Alternating });
    assert_eq!(right(15.0, alternating, is_alternating), 60);
}

#[test]
fn what_alternates_by_twos_is_not_called_stable() {
    let is_alternating =
        |verdict: &Verdict| matches!(verdict, Verdict::Undetermined { why: Why::Alternating });
    // On for two samples and off for two: to the von Neumann ratio it is white.
    let by_twos = || {
        let turn = std::cell::Cell::new(0_u32);
        move || {
            turn.set(turn.get() + 1);
            f64::from(turn.get() / 2 % 2)
        }
    };
    let (pure, noisy) = (by_twos(), by_twos());
    assert_eq!(right(15.0, move |_, _| pure(), is_alternating), 60);
    assert_eq!(right(15.0, move |white, _| 5.0 * noisy() + white(), is_alternating), 60);
}

#[test]
fn neither_the_unit_nor_the_zero_of_a_signal_matters() {
    for scale in [1e-6, 1.0, 1e6] {
        for offset in [0.0, 1e3 * scale] {
            let count = right(
                8.0 * scale,
                move |white, time| offset + scale * (white() + 3.0 * (time * 3.0 * TURN).sin()),
                |verdict| *verdict == Verdict::TooWide,
            );
            assert_eq!(count, 60, "{scale} {offset}");
        }
    }
}
