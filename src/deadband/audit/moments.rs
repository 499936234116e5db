use serde::{Deserialize, Serialize};

use super::bits;

/// Count, mean, squares about it, lowest and highest (Welford 1962; joined as in Chan, Golub and LeVeque 1979).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Moments {
    pub(super) count: u64,
    #[serde(with = "bits")]
    pub(super) mean: f64,
    #[serde(with = "bits")]
    pub(super) squares: f64,
    #[serde(with = "bits")]
    pub(super) lowest: f64,
    #[serde(with = "bits")]
    pub(super) highest: f64,
}

impl Moments {
    pub(super) const NONE: Self =
        Self { count: 0, mean: 0.0, squares: 0.0, lowest: f64::INFINITY, highest: f64::NEG_INFINITY };

    pub(super) fn add(&mut self, value: f64) {
        self.count = self.count.saturating_add(1);
        let from_mean = value - self.mean;
        self.mean += from_mean / self.count as f64;
        self.squares += from_mean * (value - self.mean);
        self.lowest = self.lowest.min(value);
        self.highest = self.highest.max(value);
    }

    pub(super) fn join(self, other: Self) -> Self {
        if self.count == 0 {
            return other;
        }
        if other.count == 0 {
            return self;
        }
        let (own, others) = (self.count as f64, other.count as f64);
        let apart = other.mean - self.mean;
        let part = others / (own + others);
        Self {
            count: self.count.saturating_add(other.count),
            mean: apart.mul_add(part, self.mean),
            squares: self.squares + other.squares + apart * apart * own * part,
            lowest: self.lowest.min(other.lowest),
            highest: self.highest.max(other.highest),
        }
    }

    /// The mean square about zero of what is left when `from` is taken off, times the count.
    pub(super) fn squares_about(&self, from: f64) -> f64 {
        let apart = self.mean - from;
        self.squares + apart * apart * self.count as f64
    }

    /// Whether adding numbers can have led to it.
    pub(super) fn is_possible(&self) -> bool {
        if self.count == 0 {
            return *self == Self::NONE;
        }
        let finite = [self.mean, self.squares, self.lowest, self.highest].into_iter().all(f64::is_finite);
        finite && self.squares >= 0.0 && self.lowest <= self.highest
    }
}
