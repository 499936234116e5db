//! The method: two sides that take turns.
//!
//! Both are warmed up and calibrated to short batches. Then they run in rounds, one batch of each a round, and who
//! goes first changes from round to round, so that a neighbour on a shared machine disturbs both alike. The
//! median over the rounds is what counts: a disturbed round moves it by nothing.
//!
//! What is counted is the processor time of this thread, which is all that either side runs on; so what other
//! processes take of the machine counts for nothing but the caches they empty.

use std::time::{Duration, Instant};

use cpu_time::ThreadTime;

/// One side of a comparison: runs its work that many times over.
pub(crate) type Side<'a> = Box<dyn FnMut(u64) + 'a>;

/// What a side's batch is calibrated to last: long beside the reading of the clock, and short beside the slices
/// in which a busy machine gives out its processors.
const BATCH: Duration = Duration::from_micros(400);

/// How long each side is run before anything counts.
const WARM_UP: Duration = Duration::from_millis(100);

/// How many rounds there are where a batch lasts as long as it is meant to.
const ROUNDS: usize = 1_001;

/// How long all rounds together may last, by the clock on the wall, where a single run is already longer than a
/// batch is meant to be.
const LONGEST: Duration = Duration::from_secs(12);

/// The fewest rounds.
const FEWEST: usize = 7;

/// The time of one run of each side in its median round, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Medians {
    /// Ours.
    pub(crate) ours_ns: f64,
    /// The peer's.
    pub(crate) peer_ns: f64,
    /// Ours in its fastest round: how near a machine with nothing else to do would come.
    pub(crate) ours_fastest_ns: f64,
}

/// Runs both side by side.
pub(crate) fn side_by_side(ours: &mut Side<'_>, peer: &mut Side<'_>) -> Medians {
    let (ours_batch, peer_batch) = (calibrated(ours), calibrated(peer));
    let begin = Instant::now();
    let (mut ours_times, mut peer_times) = (Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS));
    for round in 0..ROUNDS {
        if round % 2 == 0 {
            ours_times.push(timed(ours, ours_batch));
            peer_times.push(timed(peer, peer_batch));
        } else {
            peer_times.push(timed(peer, peer_batch));
            ours_times.push(timed(ours, ours_batch));
        }
        if round + 1 >= FEWEST && begin.elapsed() > LONGEST {
            break;
        }
    }
    let (ours_ns, peer_ns) = (median(&mut ours_times), median(&mut peer_times));
    // The median has sorted them.
    Medians { ours_ns, peer_ns, ours_fastest_ns: ours_times.first().copied().unwrap_or(f64::NAN) }
}

/// Warms the side up, and gives how many runs make a batch.
fn calibrated(side: &mut Side<'_>) -> u64 {
    let begin = Instant::now();
    let mut runs = 1;
    loop {
        let took = timed(side, runs) * as_f64(runs);
        let is_long_enough = took >= BATCH.as_secs_f64() * 1e9;
        if is_long_enough && begin.elapsed() >= WARM_UP {
            return runs;
        }
        if !is_long_enough {
            runs = runs.saturating_mul(2);
        }
    }
}

/// Nanoseconds of one run, over a batch of them.
fn timed(side: &mut Side<'_>, runs: u64) -> f64 {
    let begin = ThreadTime::now();
    side(runs);
    begin.elapsed().as_secs_f64() * 1e9 / as_f64(runs)
}

#[expect(clippy::cast_precision_loss, reason = "a batch is far below 2^53 runs")]
const fn as_f64(runs: u64) -> f64 {
    runs as f64
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disturbed_round_does_not_move_the_median() {
        assert_eq!(median(&mut [5.0, 1.0, 900.0, 5.0, 5.0]), 5.0);
    }
}
