//! How often verdicts are right, over seeds; the same verdict whatever the length; and what a promise is worth.

use iot_runbook::deadband::audit::{Audit, Limits, Recommendation, Verdict, Why};
use iot_runbook::deadband::sample::{Number, Sample};

use super::series::{Random, SECOND, noises, sine};

/// The assessment of a plain deadband over values that come each second.
fn verdict<V: Number>(band: f64, values: &[V]) -> Verdict {
    observed(band, values).assess(&Limits::default()).verdict
}

fn observed<V: Number>(band: f64, values: &[V]) -> Audit {
    let mut audit = Audit::new(band).unwrap();
    let mut held = f64::NAN;
    for (at, value) in (0..).zip(values) {
        let is_reported = held.is_nan() || (value.to_f64() - held).abs() > band;
        held = if is_reported { value.to_f64() } else { held };
        audit.observe(&Sample::new(at * SECOND, *value), is_reported);
    }
    audit
}

fn plus(process: &[f64], noise: &[f64]) -> Vec<f64> {
    process.iter().zip(noise).map(|(process, noise)| process + noise).collect()
}

#[test]
fn fifty_samples_are_enough_and_seldom_wrong() {
    let limits = Limits::default();
    let (mut rests, mut drifts) = ([0; 2], [0; 2]);
    for seed in 0..1_000 {
        let random = &mut Random::new(seed);
        let drift: Vec<_> = (0..50).map(|i| 20.0 + 0.3 * f64::from(i)).collect();
        for (counts, process, band) in [(&mut rests, vec![20.0; 50], 6.0), (&mut drifts, drift, 30.0)] {
            let values = plus(&process, &random.white(50, 1.0));
            let mut audit = Audit::new(band).unwrap();
            for (at, value) in (0..).zip(&values) {
                audit.observe(&Sample::new(at * 3_600 * SECOND, *value), at == 0);
            }
            match audit.assess(&limits).verdict {
                Verdict::TooWide => counts[0] += 1,
                Verdict::Undetermined { .. } => {}
                _ => counts[1] += 1,
            }
        }
    }
    println!(
        "of 1000 at rest: {} too wide, {} not; of 1000 drifting: {} too wide, {} not",
        rests[0], rests[1], drifts[0], drifts[1]
    );
    assert!(rests[0] <= 2 && rests[1] >= 900, "{rests:?}");
    assert!(drifts[1] <= 2 && drifts[0] >= 900, "{drifts:?}");
}

/// The verdict of each window of a record is that of the record, but for few windows that are unsure.
#[test]
fn verdict_does_not_depend_on_the_length() {
    let n = 64_000;
    for (name, process, band, wished) in [
        ("a hidden wave", sine(n, 60.0, 6.0, 700.0), 20.0, Verdict::TooWide),
        ("a wave that is followed", sine(n, 60.0, 12.0, 700.0), 4.5, Verdict::Fine),
        ("a process at rest", vec![60.0; n], 5.0, Verdict::ProcessStable),
    ] {
        let values = plus(&process, &Random::new(5).white(n, 1.0));
        for length in [500, 1_000, 4_000, 16_000, 64_000] {
            let windows: Vec<_> = values.chunks_exact(length).map(|window| verdict(band, window)).collect();
            let right = windows.iter().filter(|verdict| **verdict == wished).count();
            let unsure =
                windows.iter().filter(|verdict| matches!(verdict, Verdict::Undetermined { .. })).count();
            println!("{name}, {length} samples: {right} of {} right, {unsure} unsure", windows.len());
            assert_eq!(right + unsure, windows.len(), "{name} {length}: {windows:?}");
            assert!(unsure * 6 <= windows.len(), "{name} {length}");
        }
        let twice = [values.clone(), values].concat();
        assert_eq!(verdict(band, &twice), wished, "{name}");
    }
}

/// Windows of a level that wanders about: they may be unsure, and none contradicts the record.
#[test]
fn windows_do_not_contradict_the_record() {
    let n = 64_000;
    let random = &mut Random::new(9);
    let wander = random.damped(n, 6.0, 1.0 - 1.0 / 1_500.0);
    let values = plus(&wander, &random.white(n, 1.0));
    for (band, wished) in [(4.5, Verdict::Fine), (20.0, Verdict::TooWide), (50.0, Verdict::TooWide)] {
        assert_eq!(verdict(band, &values), wished, "{band}");
        for length in [500, 2_000, 8_000] {
            let windows: Vec<_> = values.chunks_exact(length).map(|window| verdict(band, window)).collect();
            let share =
                |verdict| windows.iter().filter(|found| **found == verdict).count() * 100 / windows.len();
            let (wide, fine) = (share(Verdict::TooWide), share(Verdict::Fine));
            println!("band {band}, windows of {length}: {wide} % too wide, {fine} % fine");
            assert!(if wished == Verdict::Fine { wide == 0 } else { fine <= 15 }, "{band} {length}");
        }
    }
}

/// The recommended band, in force, lets this share of the noise through.
#[test]
fn recommended_band_holds_by_kind_of_noise() {
    let n = 10_000;
    for (name, most, noise) in noises(n) {
        let mut worst = 0.0_f64;
        for noise in noise {
            let audit = observed(1e9, &noise);
            // The narrowest band, whatever the verdict.
            let width = audit.figures(&Limits::default()).noise_band;
            let again = observed(width, &noise);
            worst = worst.max(again.reported() as f64 / n as f64);
        }
        println!("{name}: {:.2} %", 100.0 * worst);
        assert!(worst <= most, "{name}: {worst}");
    }
}

#[test]
fn a_damped_transmitter_raises_no_alarm() {
    let (mut wide, mut undetermined) = (0, 0);
    for share in [0.3, 0.6, 0.8, 0.9, 0.95, 0.97] {
        for seed in 0..40 {
            let noise = Random::new(seed).damped(2_000, 1.0, share);
            match verdict(4.0, &noise) {
                Verdict::TooWide => wide += 1,
                Verdict::Undetermined { why: Why::Coloured | Why::Unsure } => undetermined += 1,
                Verdict::Fine if share < 0.97 => panic!("{share} {seed}"),
                _ => {}
            }
        }
    }
    println!("of 240 damped: {wide} too wide, {undetermined} undetermined");
    assert_eq!(wide, 0);
}

/// On for some samples and off for as many.
#[test]
fn alternating_samples_are_not_judged() {
    for period in [1, 2] {
        for scale in [0.0, 0.3] {
            let noise = Random::new(period).white(1_000, scale);
            let values: Vec<_> =
                (0..).zip(&noise).map(|(i, noise)| 60.0 + 3.0 * (i / period % 2) as f64 + noise).collect();
            let found = verdict(15.0, &values);
            assert!(
                matches!(found, Verdict::Undetermined { why: Why::Alternating }),
                "{period} {scale} {found:?}"
            );
        }
    }
}

#[test]
fn unit_and_offset_change_no_verdict() {
    let noise = Random::new(3).white(2_000, 1.0);
    let values = plus(&sine(2_000, 0.0, 5.0, 700.0), &noise);
    for scale in [1e-6, 1.0, 1e6] {
        for offset in [0.0, 1e3 * scale] {
            let values: Vec<_> = values.iter().map(|value| offset + scale * value).collect();
            assert_eq!(verdict(12.0 * scale, &values), Verdict::TooWide, "{scale} {offset}");
            assert_eq!(verdict(4.5 * scale, &values), Verdict::Fine, "{scale} {offset}");
        }
    }
}

#[test]
fn integers_and_f32_are_judged_like_f64() {
    let values = plus(&sine(3_000, 2_000.0, 60.0, 700.0), &Random::new(4).white(3_000, 10.0));
    let whole: Vec<_> = values.iter().map(|value| value.round()).collect();
    for band in [5.0, 45.0, 130.0] {
        let wished = verdict(band, &whole);
        assert_eq!(verdict(band, &whole.iter().map(|value| *value as i32).collect::<Vec<_>>()), wished);
        assert_eq!(verdict(band, &whole.iter().map(|value| *value as u64).collect::<Vec<_>>()), wished);
        assert_eq!(verdict(band, &whole.iter().map(|value| *value as f32).collect::<Vec<_>>()), wished);
    }
}

#[test]
fn a_wide_recommendation_is_flagged() {
    let values = plus(&sine(4_000, 60.0, 5.0, 3_000.0), &Random::new(6).white(4_000, 1.0));
    let recommendation = observed(4.5, &values).assess(&Limits::default()).recommendation;
    let Some(Recommendation::Band { width, of_range: Some(share) }) = recommendation else {
        panic!("{recommendation:?}")
    };
    assert!((3.4..4.2).contains(&width) && share < 0.25, "{width} {share}");
}

#[test]
fn known_damping_settles_what_is_quick() {
    // Both are as quick: a transmitter that is damped by 20 s, and a process that swings within minutes.
    let values = plus(&sine(4_000, 60.0, 5.0, 150.0), &Random::new(7).white(4_000, 0.5));
    let audit = observed(12.0, &values);
    let coloured = Verdict::Undetermined { why: Why::Coloured };
    assert_eq!(audit.assess(&Limits::default()).verdict, coloured);
    let limits = Limits::default().with_damping(chrono::TimeDelta::seconds(1));
    assert_eq!(audit.assess(&limits).verdict, Verdict::TooWide);
}
