//! Gaps: a day of rows through the detector, beside what everybody writes.
//!
//! The peers hold all rows before they say anything: one sorts them and looks at each pair, the other keeps a set of the
//! slots that are there and asks for each slot. Neither knows late rows, reordering, or a clock that went back.

use std::collections::HashSet;
use std::hint::black_box;

use chrono::{DateTime, TimeDelta};
use iot_runbook::gap::{Cadence, GapDetector, Report as Gaps, Settings};
use iot_runbook::time::Period;

use super::Work;
use crate::error::Error;
use crate::measure::{self, Medians, Side};
use crate::report::{Report, Row};

/// The work.
pub(crate) struct Gap;

const NAME: &str = "gap";

/// How many slots there are, one a second.
const SLOTS: u32 = 1 << 20;
const SECOND: i64 = 1_000_000_000;

/// The target in nanoseconds a row, where rows are in order: 50 M rows a second.
const TARGET: f64 = 20.0;

/// What is asked of both: how many gaps, and how many rows are missing.
type Answer = (usize, u64);

/// What rows, in nanoseconds, lack.
type Finds = fn(&[i64]) -> Answer;

const PEERS: [(&str, Finds); 2] = [("sort-windows", sorted), ("hash-set", slots)];

impl Work for Gap {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "the gaps of a million rows: all there, one gap in a thousand rows, rows that overtake each other"
    }

    fn run(&self, report: &mut Report) -> Result<(), Error> {
        let whole: Vec<i64> = (0..i64::from(SLOTS)).map(|slot| slot * SECOND).collect();
        let gaps: Vec<i64> = whole.iter().copied().filter(|at| at / SECOND % 1_000 < 990).collect();
        let mut swapped = gaps.clone();
        for pair in swapped.chunks_exact_mut(100) {
            pair.swap(40, 42);
        }
        for (case, rows) in [("in order", &whole), ("with gaps", &gaps), ("1 % overtaken", &swapped)] {
            let answer = detected(rows)?;
            for (peer, theirs) in PEERS {
                if theirs(rows) != answer {
                    return Err(Error::Differs(format!(
                        "{case}: ours {answer:?}, {peer} {:?}",
                        theirs(rows)
                    )));
                }
                let medians = measure::side_by_side(&mut ours(rows), &mut side(rows, theirs));
                let notes =
                    vec![("rows", rows.len() as f64), ("ours_ns_a_row", medians.ours_ns / rows.len() as f64)];
                report.row(&Row { work: NAME, case: case.to_owned(), peer, medians, notes })?;
                if peer == "sort-windows" {
                    target(report, case, rows.len() as f64, medians);
                }
            }
            report.remark(format!("{case}: {} gaps, {} rows missing, as both peers say", answer.0, answer.1));
        }
        Ok(())
    }
}

fn target(report: &mut Report, case: &str, rows: f64, medians: Medians) {
    let a_row = Medians {
        ours_ns: medians.ours_ns / rows,
        peer_ns: medians.peer_ns / rows,
        ours_fastest_ns: medians.ours_fastest_ns / rows,
    };
    report.target(&format!("{case}, a row"), a_row, TARGET);
}

fn detector() -> Result<GapDetector, Error> {
    let at = |slot: i64| DateTime::from_timestamp_nanos(slot * SECOND);
    let period =
        Period::new(at(0), at(i64::from(SLOTS))).map_err(|error| Error::failed("a period", error))?;
    let settings = Settings::over(Cadence::every(TimeDelta::seconds(1)), period);
    GapDetector::new(settings).map_err(|error| Error::failed("a detector", error))
}

fn run(mut detector: GapDetector, rows: &[i64]) -> Gaps {
    detector.observe_slice(rows);
    let end = DateTime::from_timestamp_nanos(i64::from(SLOTS) * SECOND);
    detector.finish(end)
}

fn detected(rows: &[i64]) -> Result<Answer, Error> {
    let gaps = run(detector()?, rows);
    Ok((gaps.gaps.len(), gaps.missing()))
}

fn ours(rows: &[i64]) -> Side<'_> {
    Box::new(|runs| {
        for _ in 0..runs {
            if let Ok(detector) = detector() {
                black_box(run(detector, black_box(rows)));
            }
        }
    })
}

fn side(rows: &[i64], theirs: fn(&[i64]) -> Answer) -> Side<'_> {
    Box::new(move |runs| {
        for _ in 0..runs {
            black_box(theirs(black_box(rows)));
        }
    })
}

/// All rows, sorted, without copies, each beside the next.
fn sorted(rows: &[i64]) -> Answer {
    let mut rows = rows.to_vec();
    // The ends of the period, as rows that would keep the promise.
    rows.extend([-SECOND, i64::from(SLOTS) * SECOND]);
    rows.sort_unstable();
    rows.dedup();
    rows.windows(2)
        .filter_map(|pair| match pair {
            [a, b] if b - a > SECOND + SECOND / 2 => Some((b - a + SECOND / 2) / SECOND - 1),
            _ => None,
        })
        .fold((0, 0), |(gaps, missing), more| (gaps + 1, missing + more.unsigned_abs()))
}

/// The slots that are there, and each slot asked for.
fn slots(rows: &[i64]) -> Answer {
    let there: HashSet<i64> = rows.iter().map(|at| (at + SECOND / 2) / SECOND).collect();
    let (mut gaps, mut missing, mut was_there) = (0, 0, true);
    for slot in 0..i64::from(SLOTS) {
        let is_there = there.contains(&slot);
        gaps += usize::from(was_there && !is_there);
        missing += u64::from(!is_there);
        was_there = is_there;
    }
    (gaps, missing)
}
