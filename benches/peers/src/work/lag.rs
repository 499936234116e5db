//! Consumer lag: a group of a hundred partitions judged, and a sample taken.

use std::hint::black_box;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::lag::{Judge, Sample, Settings, Verdict, Window};

use super::Work;
use crate::error::Error;
use crate::measure::{self, Side};
use crate::report::{Report, Row};

mod naive;

/// The work.
pub(crate) struct Lag;

const NAME: &str = "lag";

/// How many partitions a group has.
const PARTITIONS: usize = 100;

/// The windows: as Burrow has them by default, and an hour of looks each minute.
const SIZES: [usize; 2] = [10, 60];

impl Work for Lag {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "consumer lag: a group of a hundred partitions judged, and a sample taken, at two sizes of window"
    }

    fn run(&self, report: &mut Report) -> Result<(), Error> {
        let judge = Judge::new(settings()).map_err(|error| Error::failed("the settings", error))?;
        for size in SIZES {
            let streams: Vec<_> = (0..PARTITIONS).map(|partition| stream(partition, size)).collect();
            let windows =
                streams.iter().map(|samples| window(size, samples)).collect::<Result<Vec<_>, _>>()?;
            let now = at(i64::try_from(size).unwrap_or_default());
            let kinds = proven(&judge, now, &windows, &streams)?;
            let mut ours: Side<'_> = Box::new(|runs| {
                for _ in 0..runs {
                    black_box(judge.group(now, None, black_box(&windows).iter().enumerate()).verdict());
                }
            });
            let mut peer: Side<'_> = Box::new(|runs| {
                for _ in 0..runs {
                    let verdicts =
                        black_box(&streams).iter().map(|samples| naive::judge(&settings(), now, samples));
                    black_box(verdicts.max());
                }
            });
            let medians = measure::side_by_side(&mut ours, &mut peer);
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let notes = vec![
                ("verdicts", kinds as f64),
                ("ns_per_partition", (medians.ours_ns / PARTITIONS as f64 * 10.0).round() / 10.0),
            ];
            let case = format!("judge 100 × {size}");
            report.row(&Row { work: NAME, case, peer: "naive-rules", medians, notes })?;
            drop((ours, peer));
            observe(report, size)?;
        }
        Ok(())
    }
}

fn settings() -> Settings {
    Settings::default().with_allowed_lag(5).with_max_lag(100_000).with_max_age(TimeDelta::days(1))
}

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(minute)
}

/// Partitions in turn: caught up, draining, slow, stalled, just stopped, gone back, lost.
fn stream(partition: usize, size: usize) -> Vec<Sample> {
    (0..size)
        .map(|i| {
            let (minute, i, size) = (i64::try_from(i).unwrap_or_default(), i as u64, size as u64);
            let head = 10_000 + 100 * i;
            let (start, committed) = match partition % 7 {
                0 => (0, head - i % 3),
                1 => (0, 1_000 + 140 * i),
                2 => (0, 5_000 + 80 * i),
                3 => (0, 5_000),
                4 => (0, 5_000 + 80 * i.min(size / 2)),
                5 if i == size - 1 => (0, 3_000),
                5 => (0, 5_000 + 80 * i),
                _ => (5_000 + 90 * i, 5_010 + 80 * i),
            };
            Sample::new(at(minute), start, head).with_committed(Some(committed))
        })
        .collect()
}

fn window(size: usize, samples: &[Sample]) -> Result<Window, Error> {
    let mut window = Window::new(size).map_err(|error| Error::failed("a window", error))?;
    samples.iter().for_each(|sample| window.observe(*sample));
    Ok(window)
}

/// Both judge each partition alike, and how many verdicts there were.
fn proven(
    judge: &Judge,
    now: DateTime<Utc>,
    windows: &[Window],
    streams: &[Vec<Sample>],
) -> Result<usize, Error> {
    let mut kinds: Vec<Verdict> = Vec::new();
    for (number, (window, samples)) in windows.iter().zip(streams).enumerate() {
        let ours = judge.partition(now, None, window);
        let naive = naive::judge(&settings(), now, samples);
        if ours.verdict() != naive {
            return Err(Error::Differs(format!("partition {number}: ours {ours}, the naive rules {naive}")));
        }
        kinds.push(naive);
    }
    kinds.sort_unstable();
    kinds.dedup();
    Ok(kinds.len())
}

/// A sample into a full window, beside a vector that is pushed to and cut.
fn observe(report: &mut Report, size: usize) -> Result<(), Error> {
    let mut window = window(size, &stream(0, size))?;
    let mut samples = stream(0, size);
    let sample = |turn: u64| {
        let at = at(0) + TimeDelta::nanoseconds(i64::try_from(turn).unwrap_or_default());
        Sample::new(at, 0, turn + 7).with_committed(Some(turn))
    };
    let (mut ours_turn, mut peer_turn) = (100 * 3_600_000_000_000_u64, 100 * 3_600_000_000_000_u64);
    let mut ours: Side<'_> = Box::new(|runs| {
        for _ in 0..runs {
            ours_turn += 1;
            window.observe(black_box(sample(ours_turn)));
        }
    });
    let mut peer: Side<'_> = Box::new(|runs| {
        for _ in 0..runs {
            peer_turn += 1;
            samples.remove(0);
            samples.push(black_box(sample(peer_turn)));
        }
    });
    let medians = measure::side_by_side(&mut ours, &mut peer);
    let case = format!("observe in {size}");
    report.row(&Row { work: NAME, case, peer: "vec", medians, notes: Vec::new() })
}
