//! Swinging door, a sample at a time, beside the doors that everybody writes.
//!
//! The peer is the algorithm of the patent as historians run it: two doors that only open, and a sample kept
//! when they are past parallel. It is shorter, and its lines miss dropped samples by more than the deviation. The remarks
//! below the table say by how much, and how many samples each side keeps.

use std::hint::black_box;

use iot_runbook::deadband::sample::Sample;
use iot_runbook::deadband::swinging_door::{Mode, Settings, SwingingDoor, value_at};

use super::{Work, compare};
use crate::error::Error;
use crate::report::Report;

/// The work.
pub(crate) struct Door;

const NAME: &str = "swinging-door";

/// The target, in nanoseconds a sample.
const TARGET: f64 = 40.0;

const SAMPLES: u32 = 65_536;
const TICK: i64 = 100_000_000;

/// A sine with noise: its amplitude is one, the noise a tenth of that.
const DEVIATIONS: [(f64, &str); 4] =
    [(10.0, "all in one line"), (0.3, "noise within"), (0.08, "noise about it"), (0.0, "nothing dropped")];

impl Work for Door {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "one sample through a swinging door, at four deviations"
    }

    fn run(&self, report: &mut Report) -> Result<(), Error> {
        let samples = signal();
        for (deviation, case) in DEVIATIONS {
            let mut door = SwingingDoor::new(&Settings::new(deviation))
                .map_err(|error| Error::failed("a door", error))?;
            let kept = ours(&mut door, &samples)?;
            let textbook = Textbook::new(deviation).run(&samples);
            let (own, other) = (worst(&samples, &kept), worst(&samples, &textbook));
            let tolerance = deviation + 1e-12;
            if own > tolerance {
                return Err(Error::failed(case, format!("a line misses a sample by {own}")));
            }
            report.remark(format!(
                "{case}: keeps {} of {SAMPLES}, and misses none by more than {own:.3}; the textbook's keeps {}, \
                 and misses by {other:.3} where {deviation} is allowed",
                kept.len(),
                textbook.len()
            ));
            let medians = compare(
                report,
                NAME,
                case,
                Box::new(|runs| {
                    let mut door = door.clone();
                    for sample in endless(&samples, runs) {
                        let mut count = 0_u32;
                        let _ = black_box(door.observe(black_box(sample), |_| count += 1));
                        black_box(count);
                    }
                }),
                (
                    "textbook",
                    Box::new(|runs| {
                        let mut door = Textbook::new(deviation);
                        for sample in endless(&samples, runs) {
                            black_box(door.push(black_box(sample)));
                        }
                    }),
                ),
            )?;
            report.target(case, medians, TARGET);
        }
        Ok(())
    }
}

/// As many samples as wanted, the times always later.
fn endless(samples: &[Sample], count: u64) -> impl Iterator<Item = Sample> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let begin = i64::from(SAMPLES) * TICK;
    (0_i64..)
        .map(move |at| begin + at * TICK)
        .zip(samples.iter().cycle())
        .take(count)
        .map(|(at, sample)| Sample { at, ..*sample })
}

fn signal() -> Vec<Sample> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..SAMPLES)
        .map(|i| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            #[expect(clippy::cast_precision_loss, reason = "53 bits")]
            let noise = (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0;
            Sample::new(i64::from(i) * TICK, (f64::from(i) / 400.0).sin() + noise * 0.1)
        })
        .collect()
}

fn ours(door: &mut SwingingDoor, samples: &[Sample]) -> Result<Vec<Sample>, Error> {
    let mut kept = Vec::new();
    for sample in samples {
        door.observe(*sample, |report| kept.push(report.sample))
            .map_err(|error| Error::failed("a door", error))?;
    }
    door.flush(|report| kept.push(report.sample));
    Ok(kept)
}

/// The furthest that the lines miss a sample by.
fn worst(samples: &[Sample], kept: &[Sample]) -> f64 {
    let mut worst = 0.0_f64;
    let mut samples = samples.iter().peekable();
    for ends in kept.windows(2) {
        let [before, after] = ends else { continue };
        while let Some(sample) = samples.next_if(|sample| sample.at < after.at) {
            worst = worst.max((value_at(before, after, sample.at, Mode::Linear) - sample.value).abs());
        }
    }
    worst
}

/// The algorithm of US patent 4 669 097.
struct Textbook {
    deviation: f64,
    kept: Option<Sample>,
    held: Option<Sample>,
    /// The steepest slope from below the pivot, and the least steep from above it.
    low: f64,
    high: f64,
}

impl Textbook {
    const fn new(deviation: f64) -> Self {
        Self { deviation, kept: None, held: None, low: f64::INFINITY, high: f64::NEG_INFINITY }
    }

    fn push(&mut self, sample: Sample) -> Option<Sample> {
        let (Some(kept), Some(held)) = (self.kept, self.held) else {
            (self.kept, self.held) = (Some(sample), Some(sample));
            return Some(sample);
        };
        self.turn(&kept, &sample);
        self.held = Some(sample);
        if self.high <= self.low {
            return None;
        }
        self.kept = Some(held);
        (self.low, self.high) = (f64::INFINITY, f64::NEG_INFINITY);
        self.turn(&held, &sample);
        Some(held)
    }

    #[expect(clippy::cast_precision_loss, reason = "the textbook does so")]
    fn turn(&mut self, kept: &Sample, sample: &Sample) {
        let run = (sample.at - kept.at) as f64;
        self.high = self.high.max((sample.value - (kept.value + self.deviation)) / run);
        self.low = self.low.min((sample.value - (kept.value - self.deviation)) / run);
    }

    fn run(mut self, samples: &[Sample]) -> Vec<Sample> {
        let mut kept: Vec<_> = samples.iter().filter_map(|sample| self.push(*sample)).collect();
        kept.extend(self.held);
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn textbooks_door_keeps_the_ends_of_a_ramp() {
        let samples: Vec<_> = (0..10_i32).map(|i| Sample::new(i64::from(i), f64::from(i))).collect();
        let kept: Vec<_> = Textbook::new(0.5).run(&samples).iter().map(|sample| sample.at).collect();
        assert_eq!(kept, [0, 9]);
    }
}
