#![doc = include_str!("audit/audit.md")]

mod assessment;
mod bits;
mod edges;
mod error;
mod figures;
mod holding;
mod moments;
mod normal;
mod saved;
mod shown;
mod sketch;
mod verdict;
mod watched;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::deadband::sample::{Sample, Severity};
use edges::{Edges, LONG};
use holding::Holding;
use moments::Moments;
use saved::Unchecked;
use sketch::Sketch;

pub use assessment::Assessment;
pub use error::AuditError;
pub use figures::Figures;
pub use normal::{erfc, erfc_inverse};
pub(crate) use shown::Measured;
pub use verdict::{Limits, Recommendation, Verdict, Why};
pub use watched::Watched;

/// What an audit gathers of one tag: raw samples, and which of them were reported. 4.2 KiB, whatever the length.
///
/// Audits of successive stretches are [joined](Self::join) to the audit of the whole, and one is saved and
/// restored by serde, to the last bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Audit {
    version: u32,
    /// The width that was in force.
    #[serde(with = "bits")]
    band: f64,
    /// In nanoseconds: samples further apart are no neighbours.
    longest_gap: u64,
    /// When the first and the last sample that is in order came.
    first: Option<i64>,
    last: Option<i64>,
    /// Passed over: bad, not finite, beyond what can be squared; and those out of order.
    unusable: u64,
    late: u64,
    reported: u64,
    all: Moments,
    /// The smallest change that is none.
    #[serde(with = "bits")]
    quantum: f64,
    /// Squares of the differences of neighbours at lags of one and [`LONG`].
    steps: [Squares; 2],
    /// Second differences at lags of one and two.
    bends: [Sketch; 2],
    edges: Edges,
    holding: Holding,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Squares {
    count: u64,
    #[serde(with = "bits")]
    sum: f64,
}

const VERSION: u32 = 1;

/// Values beyond are passed over, so that sums of squares stay finite.
const LARGEST: f64 = 1e140;

impl Audit {
    /// An audit of a tag whose deadband is `band` wide, in the unit of the tag: a change of at most that much is
    /// not reported. Of a band in percent, give the width that it comes to; of one that varies, the usual.
    ///
    /// # Errors
    /// [`AuditError::Band`] where that is negative or not finite.
    pub fn new(band: f64) -> Result<Self, AuditError> {
        if !(0.0..=LARGEST).contains(&band) {
            return Err(AuditError::Band { band });
        }
        Ok(Self {
            version: VERSION,
            band,
            longest_gap: u64::MAX,
            first: None,
            last: None,
            unusable: 0,
            late: 0,
            reported: 0,
            all: Moments::NONE,
            quantum: f64::INFINITY,
            steps: [Squares::NONE; 2],
            bends: [Sketch::new(), Sketch::new()],
            edges: Edges::new(),
            holding: Holding::new(),
        })
    }

    /// The same, where samples further apart than this are no neighbours: noise is not read from their
    /// difference. Set it to a few scans.
    ///
    /// # Errors
    /// [`AuditError::Gap`] where that is no length above zero, or beyond 292 years.
    pub fn with_longest_gap(self, longest_gap: TimeDelta) -> Result<Self, AuditError> {
        let nanos = longest_gap.num_nanoseconds().and_then(|nanos| u64::try_from(nanos).ok());
        match nanos {
            Some(longest) if longest > 0 => Ok(Self { longest_gap: longest, ..self }),
            _ => Err(AuditError::Gap { longest_gap }),
        }
    }

    /// Takes a raw sample in, and whether it was reported, be it at once or later.
    ///
    /// Samples are told in the order of their times, each once, when that is known. Where a filter has a shortest
    /// interval or sends previous samples, some leave late, as [`Held`](crate::deadband::filter::Reason::Held) or
    /// [`Previous`](crate::deadband::filter::Reason::Previous): told as suppressed, they would make the held value look
    /// further off than it was, and told again when they leave, they would count as late. [`Watched`] waits for them.
    /// What passes as out of [order](crate::deadband::filter::Reason::Order) is not for the audit, above all no sample
    /// of a clock far ahead, after which it would take all that follows for late.
    ///
    /// Bad samples, and values that are not finite or beyond 1e140, are counted and passed over; so are samples
    /// that are no later than the one before.
    pub fn observe(&mut self, sample: &Sample, is_reported: bool) {
        if self.last.is_some_and(|last| sample.at <= last) {
            self.pass_over_late();
            return;
        }
        let apart = self.last.map_or(0, |last| sample.at.abs_diff(last));
        self.first = self.first.or(Some(sample.at));
        self.last = Some(sample.at);
        let is_usable = sample.value.abs() <= LARGEST && sample.quality.severity() != Severity::Bad;
        if !is_usable {
            self.unusable = self.unusable.saturating_add(1);
            self.edges.break_off();
            self.holding.pass_over(is_reported);
            return;
        }
        if apart > self.longest_gap {
            self.edges.break_off();
            self.holding.break_off();
        }
        self.reported = self.reported.saturating_add(u64::from(is_reported));
        self.all.add(sample.value);
        self.edges.push(sample.value);
        let (steps, bends, quantum) = (&mut self.steps, &mut self.bends, &mut self.quantum);
        compare(self.edges.newest(), 0, steps, bends, quantum);
        self.holding.observe(sample.value, is_reported);
    }

    /// Counts one that is out of time order.
    const fn pass_over_late(&mut self) {
        self.late = self.late.saturating_add(1);
    }

    /// Joins the audit of the stretch that follows, as if its samples had been observed here. Counts and medians
    /// come out the same, sums to within rounding.
    ///
    /// # Errors
    /// [`AuditError::Unlike`] and [`AuditError::Overlap`]; nothing changes then.
    pub fn join(&mut self, later: &Self) -> Result<(), AuditError> {
        if self.band.to_bits() != later.band.to_bits() || self.longest_gap != later.longest_gap {
            return Err(AuditError::Unlike);
        }
        let (Some(end), Some(begin)) = (self.last, later.first) else {
            if self.last.is_none() {
                let late = self.late.saturating_add(later.late);
                *self = Self { late, ..later.clone() };
            } else {
                self.late = self.late.saturating_add(later.late);
            }
            return Ok(());
        };
        if begin <= end {
            return Err(AuditError::Overlap { begin, end });
        }
        if begin.abs_diff(end) > self.longest_gap {
            self.edges.break_off();
            self.holding.break_off();
        }
        let (steps, bends, quantum) = (&mut self.steps, &mut self.bends, &mut self.quantum);
        self.edges.across(&later.edges, |values, done| compare(values, done, steps, bends, quantum));
        self.edges.join(&later.edges);
        self.holding.join(&later.holding);
        self.last = later.last;
        self.unusable = self.unusable.saturating_add(later.unusable);
        self.late = self.late.saturating_add(later.late);
        self.reported = self.reported.saturating_add(later.reported);
        self.all = self.all.join(later.all);
        self.quantum = self.quantum.min(later.quantum);
        for (own, others) in self.steps.iter_mut().zip(&later.steps) {
            own.count = own.count.saturating_add(others.count);
            own.sum += others.sum;
        }
        for (own, others) in self.bends.iter_mut().zip(&later.bends) {
            own.join(others);
        }
        Ok(())
    }

    /// How many samples were bad, not finite or beyond 1e140, and passed over.
    #[must_use]
    pub const fn unusable(&self) -> u64 {
        self.unusable
    }

    /// How many samples were no later than the one before, and passed over.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late
    }

    /// When the first and the last sample came, in nanoseconds since the Unix epoch.
    #[must_use]
    pub fn period(&self) -> Option<(i64, i64)> {
        self.first.zip(self.last)
    }
}

/// Compares the newest of these values, which stand newest first, with those before it; but for the comparisons
/// that lie within the newest `done` of them.
fn compare(
    values: &[f64],
    done: usize,
    steps: &mut [Squares; 2],
    bends: &mut [Sketch; 2],
    quantum: &mut f64,
) {
    let Some(newest) = values.first() else { return };
    let before = |lag: usize| if lag < done { None } else { values.get(lag) };
    for (squares, lag) in steps.iter_mut().zip([1, LONG]) {
        if let Some(before) = before(lag) {
            squares.add(newest - before);
        }
    }
    if let Some(before) = before(1) {
        let step = (newest - before).abs();
        if step > 0.0 && step < *quantum {
            *quantum = step;
        }
    }
    for (sketch, lag) in bends.iter_mut().zip([1, 2]) {
        if let (Some(middle), Some(before)) = (values.get(lag), before(2 * lag)) {
            sketch.add(((newest - middle) - (middle - before)).abs());
        }
    }
}

impl Squares {
    const NONE: Self = Self { count: 0, sum: 0.0 };

    const fn add(&mut self, difference: f64) {
        self.count = self.count.saturating_add(1);
        self.sum += difference * difference;
    }

    fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / self.count as f64 }
    }
}
