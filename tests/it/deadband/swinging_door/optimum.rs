//! The fewest samples that any line can do with, by trying every one, and how near the door comes to that.

use std::cmp::Ordering;

use chrono::TimeDelta;
use iot_runbook::deadband::sample::Sample;
use iot_runbook::deadband::swinging_door::{Report, Settings, SwingingDoor};

use super::signals::{Noise, TICK};
use super::{assert_guarantee, run};

/// Values are whole multiples of this, so that whole numbers hold every product.
const UNIT: f64 = 1.0 / 1_048_576.0;

fn whole(value: f64) -> i128 {
    let units = value / UNIT;
    assert!(units.fract() == 0.0, "{value} is no multiple of the unit");
    units as i128
}

/// The fewest samples, the first and the last among them, whose polyline passes each other one within `deviation`, and
/// none of whose lines is longer than `longest` where a sample lies between. Exact, by the shortest path from the
/// first sample: each line that holds is an edge.
pub(super) fn fewest(samples: &[Sample], deviation: f64, longest: i64) -> usize {
    let points = points(samples);
    let mut fewest = vec![usize::MAX; points.len()];
    fewest[0] = 1;
    for from in 0..points.len() {
        for to in ends(&points, from, whole(deviation), longest).0 {
            fewest[to] = fewest[to].min(fewest[from] + 1);
        }
    }
    fewest[points.len() - 1]
}

/// Time and value in whole numbers.
fn points(samples: &[Sample]) -> Vec<(i128, i128)> {
    samples.iter().map(|sample| (i128::from(sample.at), whole(sample.value))).collect()
}

/// Where a line from this point may end, and the first point that no line from it passes.
fn ends(points: &[(i128, i128)], from: usize, dev: i128, longest: i64) -> (Vec<usize>, usize) {
    let origin = points[from];
    // Rise and run of the steepest and of the least steep line that passes all samples so far.
    let mut cone: Option<[(i128, i128); 2]> = None;
    let mut ends = vec![];
    for (to, point) in points.iter().enumerate().skip(from + 1) {
        let (rise, run) = (point.1 - origin.1, point.0 - origin.0);
        if run > i128::from(longest) && to > from + 1 {
            return (ends, to);
        }
        let (low, high) = ((rise - dev, run), (rise + dev, run));
        let Some(edges) = &mut cone else {
            cone = Some([low, high]);
            ends.push(to);
            continue;
        };
        if steeper((rise, run), edges[0]) != Ordering::Less
            && steeper((rise, run), edges[1]) != Ordering::Greater
        {
            ends.push(to);
        }
        if steeper(low, edges[0]) == Ordering::Greater {
            edges[0] = low;
        }
        if steeper(high, edges[1]) == Ordering::Less {
            edges[1] = high;
        }
        if steeper(edges[0], edges[1]) == Ordering::Greater {
            return (ends, to);
        }
    }
    (ends, points.len())
}

/// How many samples a door keeps that ends each line at one of the last `look_ahead` samples, and knows how far the line
/// from each of them will go.
fn with_foresight(samples: &[Sample], deviation: f64, look_ahead: usize) -> usize {
    let (points, dev) = (points(samples), whole(deviation));
    let (mut anchor, mut kept) = (0, 1);
    while anchor < points.len() - 1 {
        let (ends_here, closed) = ends(&points, anchor, dev, i64::MAX);
        let last = *ends_here.last().unwrap();
        let in_time = ends_here.into_iter().filter(|end| end + look_ahead >= closed || *end == last);
        let reach = |end: &usize| ends(&points, *end, dev, i64::MAX).0.last().copied().unwrap_or(*end);
        anchor = in_time.max_by_key(reach).unwrap();
        kept += 1;
    }
    kept
}

fn steeper(one: (i128, i128), other: (i128, i128)) -> Ordering {
    (one.0 * other.1).cmp(&(other.0 * one.1))
}

/// A name, the values, and deviations for them.
type Series = (&'static str, Vec<f64>, &'static [f64]);

fn series(len: u32, seed: u64) -> Vec<Series> {
    let mut noise = Noise(seed);
    let mut uniform = move || noise.uniform();
    // Of variance one, nearly normal.
    let mut normal = {
        let mut noise = Noise(seed ^ 0x5555);
        move || (0..12).map(|_| noise.uniform() / 2.0).sum::<f64>()
    };
    let all = |value: &mut dyn FnMut(f64) -> f64| -> Vec<f64> {
        (0..len).map(|i| (value(f64::from(i)) / UNIT).round() * UNIT).collect()
    };
    let day = |i: f64| 20.0 + 5.0 * (i * std::f64::consts::TAU / 288.0).sin();
    let (mut walk, mut slow, mut level, mut speed, mut tank) = (0.0, 0.0, 0.0, 0.0, 0.0);
    vec![
        (
            "normal walk",
            all(&mut |_| {
                walk += normal();
                walk
            }),
            &[0.25, 0.5, 1.0, 2.0, 4.0],
        ),
        (
            "uniform walk",
            all(&mut |_| {
                slow += uniform();
                slow
            }),
            &[0.25, 1.0, 2.0],
        ),
        (
            "coin walk",
            {
                let mut walk = 0.0;
                all(&mut |_| {
                    walk += f64::signum(uniform());
                    walk
                })
            },
            &[0.5, 1.0, 1.5, 2.0, 5.0],
        ),
        (
            "uniform noise",
            all(&mut |_| uniform()),
            &[0.5, 0.75, 0.8125, 0.84375, 0.875, 1.125, 1.25, 1.5, 2.0],
        ),
        ("normal noise", all(&mut |_| normal()), &[0.5, 1.0, 2.0, 2.5, 4.0, 5.0]),
        ("sine with noise", all(&mut |i| (i / 400.0).sin() + uniform() * 0.1), &[0.0625, 0.125, 0.25]),
        ("sine", all(&mut |i| (i / 200.0).sin() * 50.0), &[0.015_625, 0.125, 1.0, 5.0]),
        (
            "temperature of days, quantised",
            all(&mut |i| ((day(i) + 0.1 * normal()) * 16.0).round() / 16.0),
            &[0.0625, 0.125, 0.1875, 0.25, 0.5],
        ),
        (
            "correlated, quantised",
            {
                let mut value = 0.0;
                all(&mut |_| {
                    value = 0.99 * value + 0.3 * normal();
                    (value * 4.0_f64).round() / 4.0
                })
            },
            &[0.125, 0.25, 0.5, 1.0],
        ),
        (
            "spikes",
            all(&mut |_| if uniform() > 0.96 { uniform() * 100.0 } else { 1.0 + 0.1 * normal() }),
            &[0.125, 0.25, 0.5, 2.0],
        ),
        (
            "set points with noise",
            all(&mut |_| {
                if uniform() > 0.98 {
                    level = uniform() * 50.0;
                }
                level + 0.2 * normal()
            }),
            &[0.25, 0.5, 0.75, 1.0, 2.0],
        ),
        ("saw with noise", all(&mut |i| i % 100.0 * 0.1 + 0.05 * normal()), &[0.0625, 0.125, 0.25, 0.5]),
        (
            "tank level",
            all(&mut |_| {
                speed = 0.95 * speed + 0.05 * normal();
                tank += speed;
                tank + 0.02 * normal()
            }),
            &[0.03125, 0.0625, 0.125, 0.5],
        ),
        ("alternating", all(&mut |i| i % 2.0), &[0.5, 0.875, 1.0]),
    ]
}

fn samples(values: &[f64]) -> Vec<Sample> {
    (0..).zip(values).map(|(i, value)| Sample::new(i * TICK, *value)).collect()
}

/// The most that may be kept: 1.3 times the fewest. Of so few that a fraction decides, one more.
fn most(fewest: usize) -> usize {
    (fewest * 13 / 10).max(fewest + 1)
}

#[test]
fn keeps_at_most_1_3_times_the_fewest_samples() {
    let mut worst_plain = 0.0_f64;
    for (name, values, deviations) in series(3_000, 0x2545_f491_4f6c_dd1d) {
        let samples = samples(&values);
        for deviation in deviations {
            for longest in [i64::MAX, 40 * TICK] {
                let mut settings = Settings::new(*deviation);
                settings.max_interval = (longest < i64::MAX).then(|| TimeDelta::nanoseconds(longest));
                let (kept, _) = run(&settings, &samples);
                let case = format!("{name} {deviation} {longest}");
                assert_guarantee(&settings, &samples, &kept, &case);
                let fewest = fewest(&samples, *deviation, longest);
                let kept = kept.len();
                assert!((fewest..=most(fewest)).contains(&kept), "{case}: {kept} where {fewest} do");
                let (plain, _) = run(&settings.with_look_ahead(1), &samples);
                worst_plain = worst_plain.max(plain.len() as f64 / fewest as f64);
            }
        }
    }
    // What the look-ahead is for: noise well within the band.
    assert!(worst_plain > 200.0, "{worst_plain}");
}

#[test]
fn fewest_of_five_thousand_are_found() {
    let (_, values, _) = series(5_000, 7).swap_remove(0);
    let samples = samples(&values);
    let (kept, _) = run(&Settings::new(2.0), &samples);
    let fewest = fewest(&samples, 2.0, i64::MAX);
    assert!((fewest..=most(fewest)).contains(&kept.len()), "{} where {fewest} do", kept.len());
}

/// Noise that fills the band: whoever must choose among the last 64 samples keeps too many, even with foresight. With a
/// tenth more deviation the door is as good as elsewhere.
#[test]
fn foresight_of_64_is_short_in_full_noise() {
    let (mut worst, mut worst_with_foresight) = (0.0_f64, 0.0_f64);
    for seed in [7, 11, 99, 1_234_567] {
        let (_, values, _) = series(3_000, seed).swap_remove(3);
        let samples = samples(&values);
        let fewest_of = |deviation| fewest(&samples, deviation, i64::MAX);
        let kept_by = |deviation| run(&Settings::new(deviation), &samples).0.len();
        let fewest_of_full = fewest_of(1.0);
        let ratio = |kept: usize| kept as f64 / fewest_of_full as f64;
        worst = worst.max(ratio(kept_by(1.0)));
        worst_with_foresight = worst_with_foresight.max(ratio(with_foresight(&samples, 1.0, 64)));
        assert!(with_foresight(&samples, 1.0, usize::MAX / 2) >= fewest_of_full);
        assert!(kept_by(1.125) <= most(fewest_of(1.125)), "{seed}");
    }
    assert!(worst_with_foresight > 1.5, "{worst_with_foresight}");
    // As the documentation says.
    assert!((1.3..=14.0).contains(&worst), "{worst}");
}

/// All ways to choose among a few samples, beside the shortest path.
#[test]
fn shortest_path_is_the_best_of_all_ways() {
    let mut noise = Noise(11);
    for _ in 0..200 {
        let values: Vec<_> = (0..9).map(|_| (noise.uniform() * 8.0).round() / 2.0).collect();
        let samples = samples(&values);
        let passes = |kept: &[usize]| {
            kept.windows(2).all(|ends| {
                let (from, to) = (&samples[ends[0]], &samples[ends[1]]);
                samples[ends[0]..ends[1]].iter().all(|sample| {
                    let part = (sample.at - from.at) as f64 / (to.at - from.at) as f64;
                    (from.value + (to.value - from.value) * part - sample.value).abs() <= 1.0 + 1e-9
                })
            })
        };
        let ways = (0..1_u32 << 7).map(|way| {
            (0..9).filter(|at| *at == 0 || *at == 8 || way >> (at - 1) & 1 == 1).collect::<Vec<_>>()
        });
        let best = ways.filter(|kept| passes(kept)).map(|kept| kept.len()).min().unwrap();
        assert_eq!(fewest(&samples, 1.0, i64::MAX), best, "{values:?}");
    }
}

/// Samples after a kept one, until it is handed out.
#[test]
fn no_sample_waits_longer_than_the_look_ahead() {
    for look_ahead in [1, 2, 5, 64] {
        let mut longest_wait = 0;
        for (name, values, deviations) in series(2_000, 3) {
            for (deviation, max) in deviations.iter().zip([None, Some(20 * TICK)].into_iter().cycle()) {
                let mut settings = Settings::new(*deviation).with_look_ahead(look_ahead);
                settings.max_interval = max.map(TimeDelta::nanoseconds);
                let mut door = SwingingDoor::new(&settings).unwrap();
                let mut anchor = 0;
                for sample in samples(&values) {
                    let mut wait = |report: Report| {
                        let wait = (sample.at - report.sample.at) / TICK;
                        assert!(wait <= look_ahead.into(), "{name} {deviation}: {wait}");
                        longest_wait = longest_wait.max(wait);
                        if let Some(max) = max {
                            // The first sample that is too late for the line brings its end.
                            assert!(sample.at - TICK - anchor <= max, "{name} {deviation}");
                        }
                        anchor = report.sample.at;
                    };
                    door.observe(sample, &mut wait).unwrap();
                }
            }
        }
        assert_eq!(longest_wait, i64::from(look_ahead));
    }
}
