//! How often the audit of a deadband is right, over many seeds: signals of known truth, and the verdicts on each.
//!
//! `cargo bench --bench deadband_audit_power`; the numbers are the same in each run.
#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::error::Error;

use iot_runbook::deadband::audit::{Audit, Figures, Limits, Verdict, erfc};
use iot_runbook::deadband::sample::Sample;

const SEEDS: u64 = 500;
const LENGTHS: [u32; 4] = [50, 500, 2_000, 10_000];

/// All noise has a standard deviation of one, and time goes from zero to one.
struct Scenario {
    name: &'static str,
    /// What the audit should say.
    right: &'static str,
    band: f64,
    signal: fn(&mut Noise, f64) -> f64,
}

const TURN: f64 = std::f64::consts::TAU;

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "white noise", right: "stable", band: 4.0, signal: |noise, _| noise.white() },
    Scenario {
        name: "white noise, 1 % outliers of 10 σ",
        right: "stable",
        band: 12.0,
        signal: |noise, _| noise.white() + if noise.uniform() < 0.01 { 10.0 } else { 0.0 },
    },
    Scenario {
        name: "white noise, quantised at 1 σ",
        right: "stable",
        band: 4.0,
        signal: |noise, _| noise.white().round(),
    },
    Scenario {
        name: "white noise, quantised at 5 σ",
        right: "stable",
        band: 6.0,
        signal: |noise, _| (noise.white() / 5.0 + 0.3).round() * 5.0,
    },
    Scenario {
        name: "slow sine of 0.7 σ: less than the noise",
        right: "stable",
        band: 5.0,
        signal: |noise, time| noise.white() + 0.7 * (time * 3.0 * TURN).sin(),
    },
    Scenario {
        name: "damped transmitter, 0.3",
        right: "stable or undetermined",
        band: 4.0,
        signal: |noise, _| noise.damped(0.3),
    },
    Scenario {
        name: "damped transmitter, 0.6",
        right: "stable or undetermined",
        band: 4.0,
        signal: |noise, _| noise.damped(0.6),
    },
    Scenario {
        name: "damped transmitter, 0.9",
        right: "stable or undetermined",
        band: 4.0,
        signal: |noise, _| noise.damped(0.9),
    },
    Scenario {
        name: "damped transmitter, 0.97",
        right: "stable or undetermined",
        band: 4.0,
        signal: |noise, _| noise.damped(0.97),
    },
    Scenario {
        name: "damped twice, 0.8",
        right: "stable or undetermined",
        band: 4.0,
        signal: |noise, _| noise.damped_twice(0.8),
    },
    Scenario {
        name: "drift of 6 σ within the band",
        right: "too wide",
        band: 10.0,
        signal: |noise, time| noise.white() + 6.0 * time,
    },
    Scenario {
        name: "slow sine of 5 σ within the band",
        right: "too wide",
        band: 15.0,
        signal: |noise, time| noise.white() + 5.0 * (time * 3.0 * TURN).sin(),
    },
    Scenario {
        name: "a step of 6 σ within the band",
        right: "too wide",
        band: 12.0,
        signal: |noise, time| noise.white() + if time > 0.6 { 6.0 } else { 0.0 },
    },
    Scenario {
        name: "an excursion of 8 σ, for a tenth of the time",
        right: "too wide",
        band: 12.0,
        signal: |noise, time| noise.white() + if (0.6..0.7).contains(&time) { 8.0 } else { 0.0 },
    },
    Scenario {
        name: "a sensor that dies",
        right: "stuck",
        band: 8.0,
        signal: |noise, time| if time < 0.5 { noise.white() } else { 0.3 },
    },
    Scenario {
        name: "slow sine of 5 σ under damping of 0.6",
        right: "too wide",
        band: 15.0,
        signal: |noise, time| noise.damped(0.6) + 5.0 * (time * TURN).sin(),
    },
    Scenario {
        name: "slow sine without noise, within the band",
        right: "too wide",
        band: 15.0,
        signal: |_, time| 5.0 * (time * TURN).sin(),
    },
    Scenario {
        name: "slow sine of 20 σ, followed",
        right: "fine",
        band: 4.0,
        signal: |noise, time| noise.white() + 20.0 * (time * 3.0 * TURN).sin(),
    },
    Scenario {
        name: "steps of 20 σ, followed",
        right: "fine",
        band: 4.0,
        signal: |noise, time| noise.white() + 20.0 * (time * 5.0).floor(),
    },
    Scenario {
        name: "white noise, band of 1 σ",
        right: "too narrow",
        band: 1.0,
        signal: |noise, _| noise.white(),
    },
    Scenario {
        name: "slow sine of 5 σ, band of 1 σ",
        right: "too narrow",
        band: 1.0,
        signal: |noise, time| noise.white() + 5.0 * (time * 3.0 * TURN).sin(),
    },
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("| signal | right | samples | too wide | stable | fine | too narrow | stuck | undetermined |");
    println!("|---|---|---:|---:|---:|---:|---:|---:|---:|");
    for scenario in SCENARIOS {
        for samples in LENGTHS {
            let mut found = [0_u32; 6];
            for seed in 0..SEEDS {
                let verdict = audit(scenario, samples, seed)?.judge(&Limits::default());
                found[column(&verdict)] += 1;
            }
            let shares = found.map(|count| match count {
                0 => "·".to_owned(),
                count => format!("{:.1} %", 100.0 * f64::from(count) / SEEDS as f64),
            });
            println!("| {} | {} | {samples} | {} |", scenario.name, scenario.right, shares.join(" | "));
        }
    }

    println!("\n| band / σ | white noise reports | erfc(d / 2σ) |\n|---:|---:|---:|");
    for band in [1.0, 2.0, 3.0, 4.0, 5.0] {
        let white = Scenario { name: "", right: "", band, signal: |noise, _| noise.white() };
        let figures = audit(&white, 1_000_000, 1)?;
        let expected = erfc(band / 2.0);
        println!("| {band} | {:.3} % | {:.3} % |", 100.0 * (1.0 - figures.suppressed()), 100.0 * expected);
    }
    Ok(())
}

/// Filters the signal by a plain deadband, and audits that.
fn audit(scenario: &Scenario, samples: u32, seed: u64) -> Result<Figures, Box<dyn Error>> {
    let mut noise = Noise::new(seed);
    let mut audit = Audit::new(scenario.band)?;
    let mut last = f64::NAN;
    for i in 0..samples {
        let value = 100.0 + (scenario.signal)(&mut noise, f64::from(i) / f64::from(samples));
        let is_reported = last.is_nan() || (value - last).abs() > scenario.band;
        if is_reported {
            last = value;
        }
        audit.observe(&Sample::new(i64::from(i) * 1_000_000_000, value), is_reported);
    }
    Ok(audit.figures(&Limits::default()))
}

fn column(verdict: &Verdict) -> usize {
    match verdict {
        Verdict::TooWide => 0,
        Verdict::ProcessStable => 1,
        Verdict::Fine => 2,
        Verdict::TooNarrow => 3,
        Verdict::Stuck => 4,
        _ => 5,
    }
}

/// Noise that is the same for the same seed, by xorshift.
struct Noise {
    state: u64,
    /// What the dampings hold.
    held: [f64; 2],
}

impl Noise {
    const fn new(seed: u64) -> Self {
        Self { state: (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15), held: [0.0; 2] }
    }

    /// From zero to one.
    fn uniform(&mut self) -> f64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Normal, by the polar form of Box and Muller.
    fn white(&mut self) -> f64 {
        let (radius, turn) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * radius.ln()).sqrt() * (turn * TURN).cos()
    }

    /// After a first-order damping that keeps this share of the value before.
    fn damped(&mut self, share: f64) -> f64 {
        self.held[0] = share.mul_add(self.held[0], (1.0 - share * share).sqrt() * self.white());
        self.held[0]
    }

    /// After two of them in a row.
    fn damped_twice(&mut self, share: f64) -> f64 {
        let once = self.damped(share);
        let gain = (1.0 - share * share) / (1.0 + share * share).sqrt();
        self.held[1] = share.mul_add(self.held[1], gain * once);
        self.held[1]
    }
}
