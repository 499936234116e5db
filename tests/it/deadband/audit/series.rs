//! Series whose truth is known, since they are made here: a process, a sensor, and how the sensor fails.

const TURN: f64 = std::f64::consts::TAU;
pub(super) const SECOND: i64 = 1_000_000_000;

/// A process, what a sensor makes of it, and what a deadband must be to keep the sensor's noise back.
pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) process: Vec<f64>,
    pub(super) raw: Vec<f64>,
    pub(super) interval: i64,
    /// The narrowest band under which the noise alone reports at most one sample in a hundred; never less than the
    /// resolution.
    pub(super) noise_band: f64,
    pub(super) is_stuck: bool,
    rule: Rule,
}

/// How samples are chosen.
#[derive(Clone, Copy, PartialEq)]
enum Rule {
    /// A change beyond the band from the last report.
    Band,
    /// The same, and a heartbeat each so many samples.
    Heartbeat(usize),
    /// The same, and nothing sooner than so many samples after a report.
    Soonest(usize),
    /// A change beyond the band from the sample before: a slow drift never passes.
    FromPrevious,
}

impl Series {
    fn new(name: &'static str, process: Vec<f64>, noise: &[f64]) -> Self {
        let raw = process.iter().zip(noise).map(|(process, noise)| process + noise).collect();
        Self {
            name,
            process,
            raw,
            interval: SECOND,
            noise_band: noise_band(noise),
            is_stuck: false,
            rule: Rule::Band,
        }
    }

    fn each(self, interval: i64) -> Self {
        Self { interval, ..self }
    }

    fn by(self, rule: Rule) -> Self {
        Self { rule, ..self }
    }

    /// With each value rounded to a multiple of this.
    fn quantised(self, quantum: f64) -> Self {
        let raw = self.raw.iter().map(|value| (value / quantum).round() * quantum).collect();
        Self { raw, noise_band: self.noise_band.max(quantum), ..self }
    }

    /// Eight widths: about the noise band, or as shares of the range where there is no noise.
    pub(super) fn bands(&self) -> [f64; 8] {
        let low = self.raw.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.raw.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if self.noise_band < 0.01 * (high - low) {
            [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.2].map(|share| share * (high - low))
        } else {
            [0.3, 0.6, 1.2, 2.0, 3.5, 6.0, 12.0, 30.0].map(|times| times * self.noise_band)
        }
    }

    /// Which samples are reported.
    pub(super) fn filter(&self, band: f64) -> Vec<bool> {
        filter(&self.raw, band, self.rule)
    }
}

fn filter(raw: &[f64], band: f64, rule: Rule) -> Vec<bool> {
    let (mut held, mut before, mut since) = (f64::NAN, f64::NAN, 0);
    let mut reported = Vec::with_capacity(raw.len());
    for value in raw {
        since += 1;
        let left = held.is_nan() || (value - held).abs() > band;
        let is_reported = match rule {
            Rule::Band => left,
            Rule::Heartbeat(samples) => left || since >= samples,
            Rule::Soonest(samples) => held.is_nan() || (left && since >= samples),
            Rule::FromPrevious => held.is_nan() || (value - before).abs() > band,
        };
        if is_reported {
            (held, since) = (*value, 0);
        }
        before = *value;
        reported.push(is_reported);
    }
    reported
}

/// By halving: the band under which this noise alone reports one sample in a hundred.
fn noise_band(noise: &[f64]) -> f64 {
    let (mut low, mut high) = (0.0, 4.0 * noise.iter().fold(0.0_f64, |most, noise| most.max(noise.abs())));
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        let reports = filter(noise, middle, Rule::Band).iter().filter(|is| **is).count();
        if reports as f64 > 0.01 * noise.len() as f64 { low = middle } else { high = middle }
    }
    high
}

/// Random numbers that are the same for the same seed, by xorshift.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// From zero to one.
    pub(super) fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Normal, with a standard deviation of one.
    pub(super) fn normal(&mut self) -> f64 {
        let (radius, turn) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * radius.ln()).sqrt() * (turn * TURN).cos()
    }

    pub(super) fn white(&mut self, n: usize, deviation: f64) -> Vec<f64> {
        (0..n).map(|_| deviation * self.normal()).collect()
    }

    /// After a first-order damping that keeps this share of the value before.
    pub(super) fn damped(&mut self, n: usize, deviation: f64, share: f64) -> Vec<f64> {
        let mut held = self.normal();
        (0..n)
            .map(|_| {
                held = share * held + (1.0 - share * share).sqrt() * self.normal();
                deviation * held
            })
            .collect()
    }

    /// With both sides of the exponential distribution.
    fn laplace(&mut self, n: usize, scale: f64) -> Vec<f64> {
        let one = |random: &mut Self| -scale * (1.0 - random.uniform()).ln();
        (0..n).map(|_| one(self) - one(self)).collect()
    }

    /// Student's distribution of three degrees of freedom.
    fn student(&mut self, n: usize, scale: f64) -> Vec<f64> {
        let one = |random: &mut Self| {
            let square = (0..3).map(|_| random.normal().powi(2)).sum::<f64>() / 3.0;
            scale * random.normal() / square.sqrt()
        };
        (0..n).map(|_| one(self)).collect()
    }

    /// Of this share of the samples, one that is off by this much.
    fn spikes(&mut self, n: usize, deviation: f64, share: f64, size: f64) -> Vec<f64> {
        let spike = |random: &mut Self| if random.uniform() < share { size } else { 0.0 };
        (0..n).map(|_| deviation * self.normal() + spike(self)).collect()
    }

    /// The mean of the last so many of white noise.
    fn averaged(&mut self, n: usize, deviation: f64, window: usize) -> Vec<f64> {
        let white = self.white(n + window - 1, deviation);
        white.windows(window).map(|window| window.iter().sum::<f64>() / window.len() as f64).collect()
    }
}

fn process(n: usize, of: impl Fn(f64) -> f64) -> Vec<f64> {
    (0..n).map(|i| of(i as f64)).collect()
}

pub(super) fn sine(n: usize, level: f64, amplitude: f64, period: f64) -> Vec<f64> {
    process(n, |i| level + amplitude * (TURN * i / period).sin())
}

const N: usize = 4_000;

pub(super) fn all(seed: u64) -> Vec<Series> {
    let random = &mut Random::new(seed);
    let flat = || process(N, |_| 60.0);
    let mut all = vec![
        Series::new("white noise", flat(), &random.white(N, 1.0)),
        Series::new("Laplace noise", flat(), &random.laplace(N, 1.0)),
        Series::new("Student noise, 3 degrees", flat(), &random.student(N, 1.0)),
        Series::new("noise with 1 % spikes of 10 deviations", flat(), &random.spikes(N, 1.0, 0.01, 10.0)),
        Series::new("coloured noise, 0.6", flat(), &random.damped(N, 1.0, 0.6)),
        Series::new("coloured noise, 0.9", flat(), &random.damped(N, 1.0, 0.9)),
        Series::new("coloured noise, 0.97", flat(), &random.damped(N, 1.0, 0.97)),
        Series::new("noise, quantised at its deviation", flat(), &random.white(N, 1.0)).quantised(1.0),
        Series::new("noise, quantised at five of it", process(N, |_| 61.0), &random.white(N, 1.0))
            .quantised(5.0),
        Series::new("slow wave", sine(N, 60.0, 12.0, 1_300.0), &random.white(N, 1.0)),
        Series::new("slow wave with a heartbeat", sine(N, 60.0, 12.0, 1_300.0), &random.white(N, 1.0))
            .by(Rule::Heartbeat(60)),
        Series::new("slow wave, quantised", sine(N, 60.0, 12.0, 1_300.0), &random.white(N, 1.0))
            .quantised(1.0),
        Series::new(
            "slow wave under spikes",
            sine(N, 60.0, 60.0, 1_300.0),
            &random.spikes(N, 1.0, 0.01, 10.0),
        ),
        Series::new("slow wave under Laplace noise", sine(N, 60.0, 30.0, 1_300.0), &random.laplace(N, 1.0)),
        Series::new("slow wave of averages", sine(N, 60.0, 12.0, 1_300.0), &random.averaged(N, 3.0, 10)),
        Series::new("slow wave without noise", sine(N, 60.0, 12.0, 1_300.0), &[0.0; N]),
        Series::new("steps", process(N, |i| 20.0 * ((i / 400.0).floor() * 7.0 % 5.0)), &random.white(N, 1.0)),
        Series::new("ramp", process(N, |i| i / 40.0), &random.white(N, 1.0)),
        Series::new("ramp without noise", process(N, |i| i / 40.0), &[0.0; N]),
        Series::new("daily cycle, each ten minutes", sine(N, 20.0, 5.0, 144.0), &random.white(N, 0.3))
            .each(600 * SECOND),
        Series::new("daily cycle, each hour", sine(1_000, 20.0, 5.0, 24.0), &random.white(1_000, 0.3))
            .each(3_600 * SECOND),
        Series::new("daily cycle, each minute", sine(N, 20.0, 5.0, 1_440.0), &random.white(N, 0.3))
            .each(60 * SECOND),
        Series::new(
            "started up, then held",
            process(N, |i| if i < 400.0 { 1.25 * i } else { 500.0 + 3.0 * (TURN * i / 600.0).sin() }),
            &random.white(N, 0.1),
        ),
        Series::new(
            "bumps on a flat process",
            process(N, |i| 60.0 + if i % 1_000.0 > 800.0 { 15.0 } else { 0.0 }),
            &random.white(N, 1.0),
        ),
        Series::new("hourly, 50 samples, drifting", process(50, |i| 20.0 + 0.5 * i), &random.white(50, 1.0))
            .each(3_600 * SECOND),
        Series::new("hourly, 50 samples, at rest", process(50, |_| 20.0), &random.white(50, 1.0))
            .each(3_600 * SECOND),
    ];
    all.extend(of_state(random));
    all.extend(stuck(random));
    all.extend(by_other_rules(random));
    all
}

/// Kinds of noise, four seeds each, and the share of it that the recommended band may let through.
pub(super) fn noises(n: usize) -> Vec<(&'static str, f64, Vec<Vec<f64>>)> {
    let each =
        |of: fn(&mut Random, usize) -> Vec<f64>| (0..4).map(|seed| of(&mut Random::new(seed), n)).collect();
    vec![
        ("normal", 0.015, each(|random, n| random.white(n, 1.0))),
        ("uniform", 0.02, each(|random, n| (0..n).map(|_| random.uniform()).collect())),
        ("Laplace", 0.025, each(|random, n| random.laplace(n, 1.0))),
        ("Student, 3 degrees", 0.02, each(|random, n| random.student(n, 1.0))),
        ("1 % spikes of 10 deviations", 0.02, each(|random, n| random.spikes(n, 1.0, 0.01, 10.0))),
        ("3 % spikes of 10 deviations", 0.025, each(|random, n| random.spikes(n, 1.0, 0.03, 10.0))),
        (
            "quantised at one deviation",
            0.02,
            each(|random, n| random.white(n, 1.0).iter().map(|value| value.round()).collect()),
        ),
        (
            "quantised at five deviations",
            0.02,
            each(|random, n| {
                random.white(n, 1.0).iter().map(|value| ((value + 1.5) / 5.0).round() * 5.0).collect()
            }),
        ),
        ("damped, 0.9", 0.02, each(|random, n| random.damped(n, 1.0, 0.9))),
        ("averages of ten", 0.02, each(|random, n| random.averaged(n, 1.0, 10))),
        (
            "each value ten times",
            0.02,
            each(|random, n| {
                let white = random.white(n.div_ceil(10), 1.0);
                (0..n).map(|i| white[i / 10]).collect()
            }),
        ),
        (
            "stuck for half",
            0.02,
            each(|random, n| {
                let white = random.white(n, 1.0);
                (0..n).map(|i| white[i.min(n / 2)]).collect()
            }),
        ),
    ]
}

/// What is not a measured quantity, and what moves by itself.
fn of_state(random: &mut Random) -> Vec<Series> {
    let mut valve = vec![];
    let mut is_open = false;
    while valve.len() < N {
        let dwell = 40 + (360.0 * random.uniform()) as usize;
        valve.extend(std::iter::repeat_n(if is_open { 100.0 } else { 0.0 }, dwell));
        is_open = !is_open;
    }
    valve.truncate(N);
    let closed = process(N, |i| if i < 300.0 && (i as u32 / 60) % 2 == 1 { 1.0 } else { 0.0 });
    let mut count = 41_000.0;
    let counter = (0..N).map(|_| {
        count += f64::from(u8::from(random.uniform() < 0.3));
        count
    });
    let counter: Vec<_> = counter.collect();
    let mut resting = counter[..N / 2].to_vec();
    resting.resize(N, counter[N / 2 - 1]);
    let mut level = 50.0;
    let walk = (0..N).map(|_| {
        level += random.normal();
        level
    });
    let walk: Vec<_> = walk.collect();
    vec![
        Series::new("valve, open or closed", valve, &[0.0; N]),
        Series::new("valve that stays closed", closed, &[0.0; N]),
        Series { noise_band: 1.0, ..Series::new("counter", counter, &[0.0; N]) },
        Series { noise_band: 1.0, ..Series::new("counter that rests", resting, &[0.0; N]) },
        Series::new("random walk", walk, &random.white(N, 0.5)),
    ]
}

/// Sensors that died.
fn stuck(random: &mut Random) -> Vec<Series> {
    let half = |series: Series| {
        let mut raw = series.raw;
        let last = raw[raw.len() / 2];
        let from = raw.len() / 2;
        raw[from..].fill(last);
        Series { raw, is_stuck: true, ..series }
    };
    let wave = sine(N, 60.0, 12.0, 1_300.0);
    vec![
        half(Series::new("stuck for half of the time", wave.clone(), &random.white(N, 1.0))),
        half(Series::new("stuck, quantised", wave.clone(), &random.white(N, 1.0)).quantised(0.5)),
        half(Series::new("stuck with a heartbeat", wave, &random.white(N, 1.0)).by(Rule::Heartbeat(60))),
    ]
}

/// Rules that hide more than their band: excursions over three bands are possible here.
fn by_other_rules(random: &mut Random) -> Vec<Series> {
    let bursts = process(N, |i| 60.0 + if (200.0..240.0).contains(&(i % 500.0)) { 400.0 } else { 0.0 });
    vec![
        Series::new("bursts under a shortest interval", bursts, &random.white(N, 1.0)).by(Rule::Soonest(90)),
        Series::new("creep past the sample before", process(N, |i| 60.0 + i / 10.0), &random.white(N, 0.02))
            .by(Rule::FromPrevious),
    ]
}
