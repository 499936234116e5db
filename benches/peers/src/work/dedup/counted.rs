use super::sides::{OURS, PEERS};
use super::{CHUNK, Runner};
use crate::error::Error;
use crate::report::Report;
use crate::work::Work;

/// The stream of [`Dedup`](super::Dedup) through one side, without a clock: what it takes is counted from outside.
pub(crate) struct Counted;

const IDS: u64 = 100_000;

impl Work for Counted {
    fn name(&self) -> &'static str {
        "dedup-stream"
    }

    fn about(&self) -> &'static str {
        "one side of dedup at 100 k, not timed: benches/peers/count counts its instructions (PEERS_SIDE, PEERS_CHUNKS)"
    }

    fn run(&self, report: &mut Report) -> Result<(), Error> {
        let set = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
        let (side, chunks) = (set("PEERS_SIDE", "batch64"), set("PEERS_CHUNKS", "16"));
        let Some((name, make)) = OURS.into_iter().chain(PEERS).find(|(name, _)| *name == side) else {
            return Err(Error::Usage(format!("PEERS_SIDE is {side}: no side has this name")));
        };
        let Ok(chunks) = chunks.parse::<u32>() else {
            return Err(Error::Usage(format!("PEERS_CHUNKS is {chunks}: give a number")));
        };
        let mut runner = Runner::filled(name, make, IDS)?;
        for _ in 0..chunks {
            runner.pass_chunk();
        }
        report.remark(format!("{name}: {chunks} chunks of {CHUNK} messages"));
        Ok(())
    }
}
