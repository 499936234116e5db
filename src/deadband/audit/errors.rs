//! How far the value that was shown was from the raw one, over all that was suppressed.

use serde::{Deserialize, Serialize};

use super::bits::{self, Bits};
use super::moments::Moments;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Errors {
    /// What was suppressed before the first report: only the stretch before knows what was shown. None until that.
    head: Option<Moments>,
    /// What was reported last; none where that was no usable value.
    shown: Option<Bits>,
    /// What was suppressed since.
    run: Moments,
    count: u64,
    #[serde(with = "bits")]
    squares: f64,
    #[serde(with = "bits")]
    most: f64,
}

impl Errors {
    pub(super) const fn new() -> Self {
        Self { head: None, shown: None, run: Moments::NONE, count: 0, squares: 0.0, most: 0.0 }
    }

    /// Takes in a sample; none where it is not usable.
    pub(super) fn observe(&mut self, value: Option<f64>, is_reported: bool) {
        if is_reported {
            self.close();
            self.shown = value.map(Bits);
        } else if let Some(value) = value {
            self.run.add(value);
        }
    }

    fn close(&mut self) {
        let run = std::mem::replace(&mut self.run, Moments::NONE);
        if self.head.is_none() {
            self.head = Some(run);
        } else {
            self.add(&run);
        }
    }

    fn add(&mut self, run: &Moments) {
        if let (Some(Bits(shown)), 1..) = (self.shown, run.count) {
            self.count = self.count.saturating_add(run.count);
            self.squares += run.squares_about(shown);
            self.most = self.most.max(run.highest - shown).max(shown - run.lowest);
        }
    }

    pub(super) fn join(&mut self, later: &Self) {
        match later.head {
            None => self.run = self.run.join(later.run),
            Some(head) => {
                self.run = self.run.join(head);
                self.close();
                self.run = later.run;
                self.shown = later.shown;
            }
        }
        self.count = self.count.saturating_add(later.count);
        self.squares += later.squares;
        self.most = self.most.max(later.most);
    }

    /// The root mean square and the largest.
    pub(super) fn whole(&self) -> (f64, f64) {
        let mut all = self.clone();
        all.close();
        ((all.squares / all.count.max(1) as f64).sqrt(), all.most)
    }

    pub(super) fn is_possible(&self) -> bool {
        let sums = [self.squares, self.most];
        self.run.is_possible()
            && self.head.is_none_or(|head| head.is_possible())
            && sums.iter().all(|sum| *sum >= 0.0 && sum.is_finite())
            && self.shown.is_none_or(|Bits(shown)| shown.abs() <= super::LARGEST)
            && (self.head.is_some() || self.shown.is_none())
    }
}
