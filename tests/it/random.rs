//! How random tests draw their cases.

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

/// So many cases, the same in each run. With `FRESH_CASES=4`, as in the fuzz step of the gate, 4 times as many from a seed
/// of their own; what they find becomes a test with a name.
pub(crate) fn cases(count: u32) -> ProptestConfig {
    let fresh: Option<u32> = std::env::var("FRESH_CASES").ok().and_then(|times| times.parse().ok());
    let rng_seed = if fresh.is_some() { RngSeed::Random } else { RngSeed::Fixed(14) };
    let times = fresh.unwrap_or(1);
    let plain = ProptestConfig::default();
    ProptestConfig {
        cases: count.saturating_mul(times),
        max_global_rejects: plain.max_global_rejects.saturating_mul(times),
        rng_seed,
        ..plain
    }
}
