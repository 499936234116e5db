//! Deduplication: a full window of 100 000 ids, old ids leaving, one message in ten a copy: `cargo bench --bench dedup`.
//!
//! It watches the hot path from commit to commit; beside peers it stands in the package `peers`. Without cargo's
//! `--bench`, as `cargo test --benches` runs it, the window is filled and passed once, and not timed.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::dedup::{Deduplicator, Device, Fingerprint, Message, MessageId, Settings};

type Failure = Box<dyn std::error::Error>;

/// How many ids the window holds, one coming each millisecond.
const WINDOW: u64 = 100_000;

/// Messages of a round.
const ROUND: u64 = 1 << 14;

const ROUNDS: u64 = 101;

fn main() -> Result<(), Failure> {
    let is_timed = std::env::args().any(|arg| arg == "--bench");
    for (name, batch) in [("single", 1), ("batch64", 64)] {
        let ns = median(batch, if is_timed { ROUNDS } else { 1 })?;
        if is_timed {
            writeln!(std::io::stdout(), "dedup/{name} {ns:>8.1} ns")?;
        }
    }
    Ok(())
}

/// Nanoseconds of one message in the median round.
#[expect(clippy::disallowed_methods, reason = "how long it takes is what is asked")]
fn median(batch: usize, rounds: u64) -> Result<f64, Failure> {
    let window = TimeDelta::milliseconds(WINDOW.cast_signed());
    let mut engine = Deduplicator::with_settings(&Settings::new(window).with_grace(TimeDelta::zero()))?;
    let device = Device::new(1)?;
    let message = |number: u64| {
        let random = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Message::new(
            MessageId::from_u128(u128::from(number) << 64 | u128::from(random)),
            device,
            Fingerprint::from_u64(random),
        )
    };
    let (mut messages, mut verdicts) = (Vec::new(), Vec::new());
    let mut spent = Vec::new();
    let filling = WINDOW.div_ceil(ROUND);
    for round in 0..filling + rounds {
        messages.clear();
        messages.extend((round * ROUND..(round + 1) * ROUND).map(|number| {
            let back = number.wrapping_mul(0x2545_F491_4F6C_DD1D) % (WINDOW - 2 * ROUND);
            message(if number % 10 == 0 { number.saturating_sub(back) } else { number })
        }));
        let times: Vec<_> = (round * ROUND..(round + 1) * ROUND).step_by(batch).map(at).collect();
        let begin = Instant::now();
        for (now, batch) in times.into_iter().zip(messages.chunks(batch)) {
            verdicts.clear();
            match batch {
                [one] => verdicts.push(engine.observe(one, now)),
                many => engine.observe_batch(many, now, &mut verdicts),
            }
            black_box(&verdicts);
        }
        if round >= filling {
            spent.push(begin.elapsed().as_secs_f64() * 1e9 / ROUND as f64);
        }
    }
    spent.sort_unstable_by(f64::total_cmp);
    Ok(spent.get(spent.len() / 2).copied().unwrap_or(f64::NAN))
}

fn at(number: u64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(number.cast_signed()).unwrap_or_default()
}
