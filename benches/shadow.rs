//! A live deadband alone, and with a shadow band beside it: `cargo bench --bench shadow`.
//!
//! The aim is twice the time at most. Without cargo's `--bench`, as `cargo test --benches` runs it, each stream
//! is passed once, and not timed.

use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use chrono::TimeDelta;
use iot_runbook::deadband::filter::{Extent, Filter, OrderError, Rule, Settings, Verdict};
use iot_runbook::deadband::sample::Sample;
use iot_runbook::deadband::shadow::Shadow;

type Failure = Box<dyn std::error::Error>;

const SAMPLES: usize = 1 << 16;
const ROUNDS: usize = 41;

fn main() -> Result<(), Failure> {
    let is_timed = std::env::args().any(|arg| arg == "--bench");
    let rounds = if is_timed { ROUNDS } else { 1 };
    for (name, swing) in [("quiet", 0.0), ("wave", 12.0)] {
        let samples = stream(swing);
        let rule = |width| {
            let settings = Settings::new(Extent::Absolute(width)).with_max_interval(TimeDelta::minutes(10));
            Rule::<f64>::new(settings).map(Arc::new)
        };
        let (live, candidate) = (rule(4.0)?, rule(6.0)?);
        let alone = median(rounds, || {
            let mut filter = Filter::new(Arc::clone(&live));
            let mut reports = 0_u64;
            let mut kept_back = 0_u64;
            for sample in &samples {
                let verdict = filter.observe(*black_box(sample), |_| reports += 1);
                kept_back += u64::from(is_kept_back(verdict));
            }
            reports + kept_back
        });
        let beside = median(rounds, || {
            let mut shadow = Shadow::new(Filter::new(Arc::clone(&live)), Arc::clone(&candidate));
            let mut reports = 0_u64;
            let mut kept_back = 0_u64;
            for sample in &samples {
                let verdict = shadow.observe(*black_box(sample), |_| reports += 1);
                kept_back += u64::from(is_kept_back(verdict));
            }
            reports + kept_back + shadow.candidate().row().reports
        });
        if is_timed {
            let ratio = beside / alone;
            writeln!(
                std::io::stdout(),
                "{name}: alone {alone:.2} ns, with a shadow {beside:.2} ns: {ratio:.2} times"
            )?;
        }
    }
    Ok(())
}

/// Uses the verdict as a caller does. `black_box` of the whole would copy bytes that were just written one by one, and the
/// processor waits for that: 7 ns a sample, with a shadow and without.
fn is_kept_back(verdict: Result<Verdict, OrderError>) -> bool {
    !matches!(verdict, Ok(Verdict::Reported(_)))
}

/// Nanoseconds of one sample in the median round.
#[expect(clippy::disallowed_methods, reason = "how long it takes is what is asked")]
fn median(rounds: usize, mut pass: impl FnMut() -> u64) -> f64 {
    let mut times: Vec<_> = (0..rounds)
        .map(|_| {
            let begin = Instant::now();
            black_box(pass());
            begin.elapsed().as_secs_f64() * 1e9 / SAMPLES as f64
        })
        .collect();
    times.sort_unstable_by(f64::total_cmp);
    times.get(rounds / 2).copied().unwrap_or_default()
}

fn stream(swing: f64) -> Vec<Sample> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f64 / f64::from(1 << 23) - 1.0
    };
    (0..SAMPLES)
        .map(|i| {
            let second = i as f64;
            Sample::new(i as i64 * 1_000_000_000, 60.0 + swing * (second / 300.0).sin() + noise())
        })
        .collect()
}
