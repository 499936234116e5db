use serde::{Deserialize, Serialize};

use super::moments::Moments;
use super::{Squares, bits};

/// What the filter held back: how far the held value was off, and what moved beneath it.
///
/// A run is what is suppressed between two reports. What a stretch holds back before its first report is off from
/// a value that only the stretch before knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Holding {
    /// Whether a sample has come, usable or not.
    is_begun: bool,
    /// The first value, where it was suppressed.
    first: Option<Bits>,
    /// The newest value, where it was suppressed and is a neighbour of what comes.
    newest: Option<Bits>,
    /// The run before the first report; none until that.
    head: Option<Moments>,
    /// What was reported last; none where that was no usable value.
    reported: Option<Bits>,
    /// The run since.
    run: Moments,
    /// Differences of neighbours within runs.
    steps: Squares,
    closed: Closed,
}

/// The sums of all runs that are over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Closed {
    /// How many values are off from a value that is known.
    pub(super) count: u64,
    #[serde(with = "bits")]
    pub(super) error_squares: f64,
    #[serde(with = "bits")]
    pub(super) error_max: f64,
    /// The widest run, its report taken in.
    #[serde(with = "bits")]
    pub(super) range: f64,
    /// Squares about the mean of each run, and how many values less one for each.
    #[serde(with = "bits")]
    pub(super) squares: f64,
    pub(super) freedom: u64,
}

/// A float that is written as its bits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Bits(#[serde(with = "bits")] f64);

impl Holding {
    pub(super) const fn new() -> Self {
        Self {
            is_begun: false,
            first: None,
            newest: None,
            head: None,
            reported: None,
            run: Moments::NONE,
            steps: Squares::NONE,
            closed: Closed::NONE,
        }
    }

    pub(super) fn observe(&mut self, value: f64, is_reported: bool) {
        if !self.is_begun {
            self.is_begun = true;
            self.first = (!is_reported).then_some(Bits(value));
        }
        if is_reported {
            self.close();
            self.reported = Some(Bits(value));
            self.newest = None;
            return;
        }
        if let Some(Bits(newest)) = self.newest {
            self.steps.add(value - newest);
        }
        self.run.add(value);
        self.newest = Some(Bits(value));
    }

    /// A sample that is not usable.
    pub(super) fn pass_over(&mut self, is_reported: bool) {
        self.is_begun = true;
        self.newest = None;
        if is_reported {
            self.close();
            self.reported = None;
        }
    }

    /// What comes next is no neighbour of what came.
    pub(super) const fn break_off(&mut self) {
        self.newest = None;
    }

    pub(super) fn join(&mut self, later: &Self) {
        if !later.is_begun {
            return;
        }
        if !self.is_begun {
            self.clone_from(later);
            return;
        }
        if let (Some(Bits(newest)), Some(Bits(first))) = (self.newest, later.first) {
            self.steps.add(first - newest);
        }
        self.steps.count = self.steps.count.saturating_add(later.steps.count);
        self.steps.sum += later.steps.sum;
        self.newest = later.newest;
        match later.head {
            None => self.run = self.run.join(later.run),
            Some(head) => {
                self.run = self.run.join(head);
                self.close();
                self.run = later.run;
                self.reported = later.reported;
            }
        }
        self.closed = self.closed.join(later.closed);
    }

    fn close(&mut self) {
        let run = std::mem::replace(&mut self.run, Moments::NONE);
        if self.head.is_none() {
            self.head = Some(run);
        } else {
            self.closed.add(&run, self.reported);
        }
    }

    /// The sums with the runs at both ends, and the differences within runs.
    pub(super) fn whole(&self) -> (Closed, Squares) {
        let mut closed = self.closed;
        closed.add(&self.run, self.reported);
        if let Some(head) = &self.head {
            closed.add(head, None);
        }
        (closed, self.steps)
    }

    pub(super) fn is_possible(&self) -> bool {
        let closed = &self.closed;
        let sums = [closed.error_squares, closed.error_max, closed.range, closed.squares, self.steps.sum];
        let values = [self.first, self.newest, self.reported];
        self.run.is_possible()
            && self.head.is_none_or(|head| head.is_possible())
            && sums.iter().all(|sum| *sum >= 0.0 && sum.is_finite())
            && values.iter().flatten().all(|Bits(value)| value.is_finite())
            && (self.head.is_some() || self.reported.is_none())
    }
}

impl Closed {
    const NONE: Self =
        Self { count: 0, error_squares: 0.0, error_max: 0.0, range: 0.0, squares: 0.0, freedom: 0 };

    fn add(&mut self, run: &Moments, reported: Option<Bits>) {
        if run.count == 0 {
            return;
        }
        self.squares += run.squares;
        self.freedom = self.freedom.saturating_add(run.count - 1);
        let (mut lowest, mut highest) = (run.lowest, run.highest);
        if let Some(Bits(reported)) = reported {
            self.count = self.count.saturating_add(run.count);
            self.error_squares += run.squares_about(reported);
            self.error_max = self.error_max.max(highest - reported).max(reported - lowest);
            (lowest, highest) = (lowest.min(reported), highest.max(reported));
        }
        self.range = self.range.max(highest - lowest);
    }

    fn join(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            error_squares: self.error_squares + other.error_squares,
            error_max: self.error_max.max(other.error_max),
            range: self.range.max(other.range),
            squares: self.squares + other.squares,
            freedom: self.freedom.saturating_add(other.freedom),
        }
    }
}
