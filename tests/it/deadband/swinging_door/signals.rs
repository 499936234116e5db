//! Signals as sensors give them, and as they break.

use iot_runbook::deadband::sample::Sample;

/// A second would do; an odd length shows what rounding does.
pub(super) const TICK: i64 = 1_000_003;

/// Uniform in -1..1, in multiples of 2⁻²⁰, by xorshift: the same in each run.
pub(in crate::deadband) struct Noise(pub(in crate::deadband) u64);

impl Noise {
    pub(in crate::deadband) fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 43) as f64 / f64::from(1 << 20) - 1.0
    }
}

const LEN: i32 = 1_500;

/// Names and samples. Values are multiples of 2⁻³⁰ below 2⁵⁰, so that the model's whole numbers hold them.
pub(super) fn all() -> Vec<(&'static str, Vec<Sample>)> {
    let noise = |seed: u64| {
        let mut noise = Noise(seed);
        move || noise.uniform()
    };
    let mut sensor = noise(1);
    let mut quiet = noise(2);
    let mut offset = noise(3);
    let mut walk = (noise(4), 0.0);
    let mut spikes = noise(5);
    let mut all = vec![
        ("sensor", series(|i| 20.0 + (f64::from(i) / 90.0).sin() * 5.0 + sensor() * 0.4)),
        ("constant", series(|_| 21.3)),
        ("ramp", series(|i| f64::from(i) * 0.1)),
        ("saw", series(|i| f64::from(i % 100) * 0.1)),
        ("steps", series(|i| f64::from(i / 70 % 5) * 10.0)),
        ("sine", series(|i| (f64::from(i) / 200.0).sin() * 50.0)),
        ("fast sine", series(|i| (f64::from(i) * 1.3).sin() * 5.0)),
        ("quiet noise", series(|_| quiet())),
        ("quantised", series(|i| ((f64::from(i) / 50.0).sin() * 40.0).round() / 4.0)),
        ("ramp on a huge offset", series(|i| 1e14 + f64::from(i) / 64.0)),
        ("noise on a huge offset", series(|_| 1e12 + offset())),
        (
            "walk",
            series(|_| {
                walk.1 += walk.0();
                walk.1
            }),
        ),
        ("spikes", series(|_| if spikes() > 0.98 { 1e6 } else { 1.0 })),
        ("alternating", series(|i| f64::from(i % 2))),
        ("parabola", series(|i| f64::from(i) * f64::from(i) / 1024.0)),
    ];
    let mut gaps = noise(6);
    // Every nanosecond, and holes of up to a second between.
    let mut at = 0;
    let tiny = (0..LEN).map(|i| {
        at += if i % 50 == 0 { 1_000_000_000 } else { 1 };
        Sample::new(at, rounded(gaps() * 4.0))
    });
    all.push(("tiny steps of time", tiny.collect()));
    let mut broken = noise(7);
    let with_nan = series(|i| f64::from(i) * 0.05).into_iter().map(|sample| match broken() {
        much if much > 0.98 => Sample { value: f64::NAN, ..sample },
        much if much > 0.96 => Sample { value: f64::NEG_INFINITY, ..sample },
        much if much > 0.9 => Sample { at: sample.at - TICK, ..sample },
        _ => sample,
    });
    all.push(("not a number, equal and late times", with_nan.collect()));
    all
}

fn series(mut value: impl FnMut(i32) -> f64) -> Vec<Sample> {
    (0..LEN).map(|i| Sample::new(i64::from(i) * TICK, rounded(value(i)))).collect()
}

fn rounded(value: f64) -> f64 {
    let scale = f64::from(1 << 30);
    (value * scale).round() / scale
}
