use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::cadence::{Cadence, distance};
use super::wire;

/// The fewest distances between rows that tell a cadence.
pub const FEWEST_DISTANCES: u64 = 16;

/// Parts of an octave: a bucket is 6.25 % wide at most.
const PARTS: usize = 16;
const BUCKETS: usize = 61 * PARTS;

/// Distances of four buckets about the middle one are taken for the same: some 20 % either way.
const NEAR: usize = 4;

/// 99 %, two-sided.
const Z: f64 = 2.576;

/// Estimates how often rows come from the series itself, in 24 KB whatever its length.
///
/// It takes the median of the distances between rows, and the mean of the distances within some 20 % of it. If more than
/// half of all distances lie that near to each other, the median is among them: up to half of them may be anything
/// (gaps, bursts, far-future clocks) without moving the estimate. It refuses where it is not 99 % sure of that half, by
/// the score interval of E. B. Wilson (1927) for a share, which takes the distances for independent.
///
/// ```
/// use iot_runbook::gap::CadenceEstimator;
///
/// let mut estimator = CadenceEstimator::new();
/// // A row a second, with a gap of an hour.
/// let second = |second: i64| second * 1_000_000_000;
/// estimator.push_slice(&(0..100).chain(3_700..3_800).map(second).collect::<Vec<_>>());
/// let estimate = estimator.estimate()?;
/// assert_eq!(estimate.every.num_seconds(), 1);
/// assert!(estimate.share > 0.99 && estimate.share_at_least > 0.95);
/// # Ok::<(), iot_runbook::gap::Unsure>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CadenceEstimator {
    newest: Option<i64>,
    buckets: Box<[Bucket]>,
    rows: u64,
    /// Rows behind a newer one.
    backward: u64,
    distances: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Bucket {
    count: u64,
    sum: u128,
}

impl CadenceEstimator {
    /// An estimator that has seen no row.
    #[must_use]
    pub fn new() -> Self {
        let buckets = vec![Bucket::default(); BUCKETS].into_boxed_slice();
        Self { newest: None, buckets, rows: 0, backward: 0, distances: 0 }
    }

    /// Takes the event of a row. Copies of the newest do not count; rows behind it count as disorder.
    pub fn push_event(&mut self, event: DateTime<Utc>) {
        if let Some(event) = event.timestamp_nanos_opt() {
            self.push_nanos(event);
        }
    }

    /// Takes the events of many rows, in nanoseconds since the Unix epoch, UTC.
    pub fn push_slice(&mut self, events: &[i64]) {
        events.iter().for_each(|event| self.push_nanos(*event));
    }

    /// Takes the event of a row, in nanoseconds since the Unix epoch, UTC.
    #[inline]
    pub fn push_nanos(&mut self, event: i64) {
        self.rows = self.rows.saturating_add(1);
        let Some(newest) = self.newest else {
            self.newest = Some(event);
            return;
        };
        if event <= newest {
            self.backward += u64::from(event < newest);
            return;
        }
        self.newest = Some(event);
        let distance = distance(newest, event);
        if let Some(bucket) = self.buckets.get_mut(index(distance)) {
            bucket.count += 1;
            bucket.sum += u128::from(distance);
            self.distances += 1;
        }
    }

    /// How often rows come, and how sure that is.
    ///
    /// # Errors
    /// [`Unsure`] says why nobody can tell.
    pub fn estimate(&self) -> Result<Estimate, Unsure> {
        if self.backward > self.rows / 10 {
            return Err(Unsure::Disordered { backward: self.backward, rows: self.rows });
        }
        if self.distances < FEWEST_DISTANCES {
            return Err(Unsure::TooFew { distances: self.distances });
        }
        let near = self.middle();
        let count: u64 = near.iter().map(|bucket| bucket.count).sum();
        let sum: u128 = near.iter().map(|bucket| bucket.sum).sum();
        let (share, share_at_least) = wilson(count, self.distances);
        if share_at_least <= 0.5 {
            return Err(Unsure::Scattered { share, share_at_least, distances: self.distances });
        }
        let mean = sum.checked_div(u128::from(count)).unwrap_or_default();
        let every = TimeDelta::nanoseconds(i64::try_from(mean).unwrap_or(i64::MAX));
        Ok(Estimate { every, share, share_at_least, distances: self.distances })
    }

    /// The buckets about the one with the median.
    fn middle(&self) -> &[Bucket] {
        let mut seen = 0;
        let median = self.buckets.iter().position(|bucket| {
            seen += bucket.count;
            seen.saturating_mul(2) >= self.distances
        });
        let median = median.unwrap_or_default();
        let near = median.saturating_sub(NEAR)..(median + NEAR + 1).min(self.buckets.len());
        self.buckets.get(near).unwrap_or_default()
    }
}

impl Default for CadenceEstimator {
    fn default() -> Self {
        Self::new()
    }
}

/// How often rows come, as the series tells.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Estimate {
    /// The sample period.
    #[serde(with = "wire::span")]
    pub every: TimeDelta,
    /// The share of the distances that are of this period, within some 20 %. From 0 to 1.
    pub share: f64,
    /// Which share it is at least, with 99 % confidence; above a half.
    pub share_at_least: f64,
    /// How many distances between rows tell it.
    pub distances: u64,
}

impl Estimate {
    /// The cadence of a device that sends each sample.
    #[must_use]
    pub const fn cadence(&self) -> Cadence {
        Cadence::every(self.every)
    }
}

/// Why nobody can tell how often rows come.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsure {
    /// The series is too short.
    #[error("{distances} distances between rows are too few to tell a cadence: give 16 or more, or state it")]
    TooFew {
        /// How many distances there are.
        distances: u64,
    },
    /// No distance is that of most rows, as with a deadband.
    #[error(
        "only {share:.2} of {distances} distances between rows are alike, more than half cannot be told: \
         state the cadence"
    )]
    Scattered {
        /// The largest share that was found.
        share: f64,
        /// Which share it is at least.
        share_at_least: f64,
        /// How many distances there are.
        distances: u64,
    },
    /// More than a tenth of the rows are behind a newer one.
    #[error("{backward} of {rows} rows are out of order: sort them by event, or state the cadence")]
    Disordered {
        /// How many are behind a newer one.
        backward: u64,
        /// How many there are.
        rows: u64,
    },
}

/// The bucket of a distance: its octave, and the part of that.
const fn index(distance: u64) -> usize {
    let octave = 63 - (distance | 1).leading_zeros() as usize;
    if octave < 4 {
        return distance as usize;
    }
    let part = (distance >> (octave - 4)) as usize % PARTS;
    (octave - 3) * PARTS + part
}

/// The share, and its lower bound.
fn wilson(count: u64, of: u64) -> (f64, f64) {
    let n = of as f64;
    let share = count as f64 / n;
    let z2 = Z * Z;
    let half = Z * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    (share, (share + z2 / (2.0 * n) - half) / (1.0 + z2 / n))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn estimate(distances: impl IntoIterator<Item = i64>) -> Result<Estimate, Unsure> {
        let mut estimator = CadenceEstimator::new();
        let mut at = 0;
        estimator.push_nanos(at);
        for distance in distances {
            at += distance;
            estimator.push_nanos(at);
        }
        estimator.estimate()
    }

    #[test]
    fn each_bucket_follows_the_one_before_and_is_narrow() {
        assert!((0..16).all(|distance| index(distance) as u64 == distance));
        let mut last = 15;
        for octave in 4..64 {
            for part in 0..PARTS as u64 {
                let distance = (1_u64 << octave) + ((1_u64 << octave) / PARTS as u64) * part;
                let at = index(distance);
                assert!(at == last || at == last + 1, "{distance}: {last} {at}");
                last = at;
            }
        }
        assert_eq!((index(15), index(16), index(31), index(32)), (15, 16, 31, 32));
        assert_eq!(index(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_period_with_jitter_is_its_mean() {
        let told = estimate((0..1_000).map(|row| SECOND + (row % 21 - 10) * 5_000_000)).unwrap();
        assert!((told.every.num_milliseconds() - 1_000).abs() <= 1, "{told:?}");
        assert_eq!(told.share, 1.0);
        assert_eq!(told.cadence(), Cadence::every(told.every));
    }

    #[test]
    fn less_than_half_of_anything_does_not_move_it() {
        let anything = [1, 3_600 * SECOND, SECOND / 3, 2 * SECOND, 7];
        let mixed = (0..1_000).map(|row| if row % 10 < 4 { anything[row % 5] } else { SECOND });
        let told = estimate(mixed).unwrap();
        assert_eq!((told.every, told.share), (TimeDelta::seconds(1), 0.6));
        assert!(told.share_at_least > 0.5 && told.share_at_least < 0.6);
    }

    #[test]
    fn it_refuses_where_it_is_not_sure() {
        assert_eq!(estimate([SECOND; 15]), Err(Unsure::TooFew { distances: 15 }));
        assert!(estimate([SECOND; 16]).is_ok());
        let half = |row: i64| if row % 2 == 0 { SECOND } else { 9 * SECOND };
        assert!(matches!(estimate((0..1_000).map(half)), Err(Unsure::Scattered { .. })));
        // Six in ten are too few of 20, and enough of 1000.
        let six = |row: i64| if row % 10 < 6 { SECOND } else { (row + 2) * SECOND };
        assert!(matches!(estimate((0..20).map(six)), Err(Unsure::Scattered { distances: 20, .. })));
        assert!(estimate((0..1_000).map(six)).is_ok());
    }

    #[test]
    fn disorder_is_refused_and_copies_are_not() {
        let mut estimator = CadenceEstimator::new();
        (0..100).for_each(|row| estimator.push_slice(&[row * SECOND, row * SECOND]));
        assert_eq!(estimator.estimate().map(|told| told.distances), Ok(99));
        (0..22).for_each(|_| estimator.push_nanos(5));
        assert!(estimator.estimate().is_ok(), "22 of 222 are a tenth");
        (0..2).for_each(|_| estimator.push_nanos(5));
        assert_eq!(estimator.estimate(), Err(Unsure::Disordered { backward: 24, rows: 224 }));
    }

    #[test]
    fn the_ends_of_time_are_distances() {
        let mut estimator = CadenceEstimator::new();
        estimator.push_slice(&[i64::MIN, i64::MAX, i64::MIN, i64::MAX]);
        assert!(matches!(estimator.estimate(), Err(Unsure::Disordered { backward: 1, .. })));
        estimator.push_event(DateTime::<Utc>::MAX_UTC);
        assert_eq!(estimator.rows, 4);
    }

    #[test]
    fn the_bound_is_that_of_wilson() {
        // By hand: n = 100, 90 of them, z = 2.576.
        let (share, at_least) = wilson(90, 100);
        assert!((share - 0.9).abs() < 1e-12 && (at_least - 0.796_2).abs() < 1e-4, "{at_least}");
    }
}
