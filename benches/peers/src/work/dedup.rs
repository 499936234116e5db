//! Deduplication: ours beside caches and maps, which know ids alone.
//!
//! Every side is given the same stream. `fill`: from empty to a full window. `steady`: the window has been full for a
//! while, old ids leave, and one message in ten is a copy of one that the window holds. Each side has the machine to itself for a
//! turn, its caches warmed by what is not timed, and turns go round.

mod counted;
mod sides;
mod stream;

use cpu_time::ThreadTime;

use super::Work;
use crate::error::Error;
use crate::measure::Medians;
use crate::report::{Report, Row, shown};
pub(crate) use counted::Counted;
use sides::{Deduplication, Make, OURS, PEERS};
use stream::{Item, Stream};

/// The work.
pub(crate) struct Dedup;

const NAME: &str = "dedup";

/// How many ids the window holds, and what the rows call it.
const WINDOWS: [(u64, &str); 3] = [(100_000, "100k"), (1_000_000, "1M"), (10_000_000, "10M")];

/// Messages that are made at a time, apart from what is timed.
const CHUNK: usize = 8192;
/// Chunks of a turn: the first are not timed.
const WARMING: usize = 8;
const TIMED: usize = 24;
const TURNS: usize = 5;

/// One side with its stream, and what was measured of it.
struct Runner {
    name: &'static str,
    side: Box<dyn Deduplication>,
    stream: Stream,
    items: Vec<Item>,
    told: Vec<bool>,
    fill_ns: f64,
    bytes_per_id: f64,
    chunks_ns: Vec<f64>,
    longest_chunk_ns: f64,
    copies: u64,
    missed: u64,
    wrongly_dropped: u64,
}

impl Work for Dedup {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "deduplication beside moka, quick_cache, DashMap and a std map, at 100 k, 1 M and 10 M ids; takes minutes and 8 GB"
    }

    fn run(&self, report: &mut Report) -> Result<(), Error> {
        for (ids, window) in WINDOWS {
            let mut runners = Vec::new();
            for (name, make) in OURS.into_iter().chain(PEERS) {
                runners.push(Runner::filled(name, make, ids)?);
            }
            for _ in 0..TURNS {
                runners.iter_mut().for_each(Runner::turn);
            }
            tell(report, window, &mut runners)?;
        }
        Ok(())
    }
}

fn tell(report: &mut Report, window: &str, runners: &mut [Runner]) -> Result<(), Error> {
    let (ours, peers) = runners.split_at_mut(OURS.len());
    for kind in ["fill", "steady"] {
        for ours in &mut *ours {
            for peer in &mut *peers {
                let case = format!("{kind}/{window}/{}", ours.name);
                let medians = if kind == "fill" {
                    Medians { ours_ns: ours.fill_ns, peer_ns: peer.fill_ns, ours_fastest_ns: ours.fill_ns }
                } else {
                    let (ours_ns, ours_fastest_ns) = ours.median_and_fastest();
                    Medians { ours_ns, peer_ns: peer.median_and_fastest().0, ours_fastest_ns }
                };
                let notes = vec![
                    ("peer_missed", (peer.missed as f64 / peer.copies as f64 * 1e4).round() / 1e4),
                    ("peer_false", peer.wrongly_dropped as f64),
                    ("ours_bytes_per_id", ours.bytes_per_id.round()),
                    ("peer_bytes_per_id", peer.bytes_per_id.round()),
                ];
                report.row(&Row { work: NAME, case, peer: peer.name, medians, notes })?;
            }
        }
    }
    for ours in ours {
        if ours.missed + ours.wrongly_dropped > 0 {
            return Err(Error::Differs(format!(
                "{window}/{}: ours missed {} copies of {} and dropped {} that were none",
                ours.name, ours.missed, ours.copies, ours.wrongly_dropped
            )));
        }
        report.remark(format!(
            "{window}/{}: {:.1} bytes per id, the slowest {CHUNK} messages {} each",
            ours.name,
            ours.bytes_per_id,
            shown(ours.longest_chunk_ns)
        ));
    }
    Ok(())
}

impl Runner {
    /// A side whose window has been filled.
    fn filled(name: &'static str, make: Make, ids: u64) -> Result<Self, Error> {
        let mut stream = Stream::new(ids);
        let (mut items, mut told) = (Vec::with_capacity(CHUNK), Vec::with_capacity(CHUNK));
        let mut side = None;
        let mut spent = 0.0;
        let mut failed = None;
        let held = allocation_counter::measure(|| match make(ids) {
            Err(error) => failed = Some(error),
            Ok(mut made) => {
                let mut left = usize::try_from(ids).unwrap_or(usize::MAX);
                while left > 0 {
                    stream.fill(&mut items, CHUNK.min(left));
                    left -= items.len();
                    told.clear();
                    spent += timed(made.as_mut(), &items, &mut told);
                }
                // The window stays full from here on; a table that was growing when it filled ends that first.
                stream.begin_copies();
                let mut left = usize::try_from(ids / 5).unwrap_or(usize::MAX);
                while left > 0 {
                    stream.fill(&mut items, CHUNK.min(left));
                    left -= items.len();
                    told.clear();
                    made.look(&items, &mut told);
                }
                side = Some(made);
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let Some(side) = side else { return Err(Error::Failed(format!("{name}: no side was made"))) };
        Ok(Self {
            name,
            side,
            stream,
            items,
            told,
            fill_ns: spent / ids as f64,
            bytes_per_id: held.bytes_current as f64 / ids as f64,
            chunks_ns: Vec::new(),
            longest_chunk_ns: 0.0,
            copies: 0,
            missed: 0,
            wrongly_dropped: 0,
        })
    }

    /// One chunk that is neither timed nor checked.
    fn pass_chunk(&mut self) {
        self.stream.fill(&mut self.items, CHUNK);
        self.told.clear();
        self.side.look(&self.items, &mut self.told);
    }

    fn turn(&mut self) {
        for chunk in 0..WARMING + TIMED {
            self.stream.fill(&mut self.items, CHUNK);
            self.told.clear();
            let ns = timed(self.side.as_mut(), &self.items, &mut self.told) / CHUNK as f64;
            if chunk >= WARMING {
                self.chunks_ns.push(ns);
                self.longest_chunk_ns = self.longest_chunk_ns.max(ns);
            }
            for (item, told) in self.items.iter().zip(&self.told) {
                self.copies += u64::from(item.is_copy);
                self.missed += u64::from(item.is_copy && !told);
                self.wrongly_dropped += u64::from(!item.is_copy && *told);
            }
        }
    }

    fn median_and_fastest(&mut self) -> (f64, f64) {
        self.chunks_ns.sort_unstable_by(f64::total_cmp);
        let at = |place: usize| self.chunks_ns.get(place).copied().unwrap_or(f64::NAN);
        (at(self.chunks_ns.len() / 2), at(0))
    }
}

/// Nanoseconds of this thread.
fn timed(side: &mut dyn Deduplication, items: &[Item], told: &mut Vec<bool>) -> f64 {
    let begin = ThreadTime::now();
    side.look(items, told);
    begin.elapsed().as_secs_f64() * 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_and_the_maps_agree_on_every_message() {
        for (name, make) in OURS.into_iter().chain(PEERS.into_iter().skip(4)) {
            let mut runner = Runner::filled(name, make, 3000).unwrap();
            runner.turn();
            assert!(runner.copies > 1000, "{name}");
            assert_eq!((runner.missed, runner.wrongly_dropped), (0, 0), "{name}");
        }
    }
}
