use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::cadence::{Cadence, STEPS, distance, is_whole};
use super::wire;

/// The fewest distances between rows that a cadence is estimated from.
pub const FEWEST_DISTANCES: u64 = 16;

/// Parts of an octave: a bucket is 6.25 % wide at most.
const PARTS: usize = 16;
const BUCKETS: usize = 61 * PARTS;

/// Distances of four buckets about the middle one are taken for the same: some 20 % either way.
const NEAR: usize = 4;

/// 99 %, two-sided.
const Z: f64 = 2.576;

/// Of so many stamps, one may be off the step that they are rounded to.
const OFF_STEP: u64 = 100;

/// The fewest times that a distance comes to say how regularly it comes.
const REGULAR: u64 = 9;

/// The squared coefficient of variation of what comes regularly. Two lengths next to each other have 0.11 at most; rows
/// that are lost at random, one in three or fewer, have 0.67 or more.
const SPREAD: f64 = 0.25;

/// Estimates how often rows come from the series itself, in 39 KB whatever its length.
///
/// It takes the median of the distances between rows, and the mean of the distances within some 20 % of it. If more than
/// half of all distances are that near to each other, the median is among them: up to half of them may be anything
/// (gaps, bursts, far-future clocks) without moving the estimate. It refuses where it is not 99 % sure of that half, by
/// the score interval of E. B. Wilson (1927) for a share, which takes the distances for independent.
///
/// Time stamps may be coarser than the rows: a row each 1.059 s stamped in whole seconds has distances of 1 s and 2 s.
/// The estimator finds the [resolution](Estimate::resolution) of the stamps, and whether a second distance next to the
/// first comes regularly, as rounding makes it; then the period is the mean of both. Rows that are lost at random come
/// irregularly, and do not move the estimate. A row that is lost regularly, such as each twentieth, looks like a longer
/// period: give the cadence where you know it.
///
/// ```
/// use iot_runbook::gap::CadenceEstimator;
///
/// let mut estimator = CadenceEstimator::new();
/// // A row a second, with a gap of an hour.
/// let second = |second: i64| second * 1_000_000_000;
/// estimator.observe_slice(&(0..100).chain(3_700..3_800).map(second).collect::<Vec<_>>());
/// let estimate = estimator.estimate()?;
/// assert_eq!(estimate.every.num_seconds(), 1);
/// assert!(estimate.share > 0.99 && estimate.share_at_least > 0.95);
/// # Ok::<(), iot_runbook::gap::UndeterminedReason>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CadenceEstimator {
    newest: Option<i64>,
    buckets: Box<[Bucket]>,
    rows: u64,
    /// Rows behind a newer one.
    backward: u64,
    distances: u64,
    /// How many rows are off each step.
    off: [u64; STEPS.len()],
}

/// Distances of about the same length.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Bucket {
    count: u64,
    sum: u128,
    /// The number of the last of them, among all distances.
    last: u64,
    /// How many distances lie from each to the next, in all, and the sum of the squares.
    apart: u64,
    squares: f64,
}

impl Bucket {
    fn observe(&mut self, distance: u64, number: u64) {
        if self.count > 0 {
            let apart = number - self.last;
            self.apart += apart;
            self.squares += (apart as f64).powi(2);
        }
        self.count += 1;
        self.sum += u128::from(distance);
        self.last = number;
    }

    /// Whether its distances come at regular intervals.
    fn is_regular(&self) -> bool {
        let intervals = self.count.saturating_sub(1) as f64;
        let mean = self.apart as f64 / intervals;
        self.count >= REGULAR && self.squares / intervals <= mean.powi(2) * (1.0 + SPREAD)
    }
}

impl CadenceEstimator {
    /// An estimator that has seen no row.
    #[must_use]
    pub fn new() -> Self {
        let buckets = vec![Bucket::default(); BUCKETS].into_boxed_slice();
        Self { newest: None, buckets, rows: 0, backward: 0, distances: 0, off: [0; STEPS.len()] }
    }

    /// Takes the event of a row. Copies of the newest do not count; rows behind it count as disorder.
    pub fn observe_event(&mut self, event: DateTime<Utc>) {
        if let Some(event) = event.timestamp_nanos_opt() {
            self.observe_nanos(event);
        }
    }

    /// Takes the events of many rows, in nanoseconds since the Unix epoch, UTC.
    pub fn observe_slice(&mut self, events: &[i64]) {
        events.iter().for_each(|event| self.observe_nanos(*event));
    }

    /// Takes the event of a row, in nanoseconds since the Unix epoch, UTC.
    #[inline]
    pub fn observe_nanos(&mut self, event: i64) {
        self.rows = self.rows.saturating_add(1);
        for (off, step) in self.off.iter_mut().zip(STEPS) {
            if is_whole(event, step) {
                break;
            }
            *off += 1;
        }
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
            bucket.observe(distance, self.distances);
            self.distances += 1;
        }
    }

    /// How often rows come, and how sure that is.
    ///
    /// # Errors
    /// [`UndeterminedReason`] says why it is undetermined.
    pub fn estimate(&self) -> Result<Estimate, UndeterminedReason> {
        if self.backward > self.rows / 10 {
            return Err(UndeterminedReason::Disordered { backward: self.backward, rows: self.rows });
        }
        if self.distances < FEWEST_DISTANCES {
            return Err(UndeterminedReason::TooFew { distances: self.distances });
        }
        let near = self.middle();
        let resolution = self.resolution();
        let beside = resolution.and_then(|step| self.rounded_beside(near, step)).copied().unwrap_or_default();
        let count = near.iter().map(|bucket| bucket.count).sum::<u64>() + beside.count;
        let sum = near.iter().map(|bucket| bucket.sum).sum::<u128>() + beside.sum;
        let (share, share_at_least) = wilson(count, self.distances);
        if share_at_least <= 0.5 {
            return Err(UndeterminedReason::Scattered { share, share_at_least, distances: self.distances });
        }
        let mean = sum.checked_div(u128::from(count)).unwrap_or_default();
        let span = |nanos| TimeDelta::nanoseconds(i64::try_from(nanos).unwrap_or(i64::MAX));
        let resolution = resolution.map(|step| span(u128::from(step)));
        Ok(Estimate { every: span(mean), share, share_at_least, distances: self.distances, resolution })
    }

    /// The coarsest step that the time stamps are rounded to, but for one in a hundred.
    fn resolution(&self) -> Option<u64> {
        let fits = |off: u64| off <= self.rows / OFF_STEP;
        self.off.iter().zip(STEPS).find(|(off, _)| fits(**off)).map(|(_, step)| step)
    }

    /// The distances a step longer or shorter than those about the median, where rounding makes them: they come
    /// regularly, and are not among those about the median already.
    fn rounded_beside(&self, near: &[Bucket], step: u64) -> Option<&Bucket> {
        let most = near.iter().max_by_key(|bucket| bucket.count)?;
        let usual = u64::try_from(most.sum.checked_div(u128::from(most.count))?).ok()?;
        let (from, to) = (self.median().saturating_sub(NEAR), self.median() + NEAR);
        let beside = [usual.checked_add(step), usual.checked_sub(step)].into_iter().flatten();
        let outside = beside.map(index).filter(|at| !(from..=to).contains(at));
        let other = outside.filter_map(|at| self.buckets.get(at)).max_by_key(|bucket| bucket.count)?;
        let rarer = if other.count <= most.count { other } else { most };
        rarer.is_regular().then_some(other)
    }

    /// The buckets about the one with the median.
    fn middle(&self) -> &[Bucket] {
        let median = self.median();
        let near = median.saturating_sub(NEAR)..(median + NEAR + 1).min(self.buckets.len());
        self.buckets.get(near).unwrap_or_default()
    }

    fn median(&self) -> usize {
        let mut seen = 0;
        let median = self.buckets.iter().position(|bucket| {
            seen += bucket.count;
            seen.saturating_mul(2) >= self.distances
        });
        median.unwrap_or_default()
    }
}

impl Default for CadenceEstimator {
    fn default() -> Self {
        Self::new()
    }
}

/// How often rows come, estimated from the series.
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
    /// How many distances between rows were looked at.
    pub distances: u64,
    /// The coarsest of a minute, a second, a tenth, a hundredth, a millisecond and a microsecond that 99 of 100 time
    /// stamps are whole multiples of; `None`: they are finer. A device that samples on the full second has a resolution of a
    /// second too, whatever its clock can do.
    #[serde(default, with = "wire::maybe_span", skip_serializing_if = "Option::is_none")]
    pub resolution: Option<TimeDelta>,
}

impl Estimate {
    /// The cadence of a device that sends each sample.
    #[must_use]
    pub const fn cadence(&self) -> Cadence {
        Cadence::every(self.every)
    }
}

/// Why the cadence is undetermined.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UndeterminedReason {
    /// The series is too short.
    #[error(
        "cadence is undetermined: {distances} distances between rows are too few; give 16 or more, or state the cadence"
    )]
    TooFew {
        /// How many distances there are.
        distances: u64,
    },
    /// No distance is that of most rows, as with a deadband.
    #[error(
        "cadence is undetermined: only {share:.2} of {distances} distances between rows are alike, and more than half \
         must be; state the cadence"
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
    #[error(
        "cadence is undetermined: {backward} of {rows} rows are out of order; sort them by event, or state the cadence"
    )]
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

    fn estimate(distances: impl IntoIterator<Item = i64>) -> Result<Estimate, UndeterminedReason> {
        let mut estimator = CadenceEstimator::new();
        let mut at = 0;
        estimator.observe_nanos(at);
        for distance in distances {
            at += distance;
            estimator.observe_nanos(at);
        }
        estimator.estimate()
    }

    #[test]
    fn buckets_are_adjacent_and_narrow() {
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
        assert_eq!(estimate([SECOND; 15]), Err(UndeterminedReason::TooFew { distances: 15 }));
        assert!(estimate([SECOND; 16]).is_ok());
        let half = |row: i64| if row % 2 == 0 { SECOND } else { 9 * SECOND };
        assert!(matches!(estimate((0..1_000).map(half)), Err(UndeterminedReason::Scattered { .. })));
        // Six in ten are too few of 20, and enough of 1000.
        let six = |row: i64| if row % 10 < 6 { SECOND } else { (row + 2) * SECOND };
        assert!(matches!(
            estimate((0..20).map(six)),
            Err(UndeterminedReason::Scattered { distances: 20, .. })
        ));
        assert!(estimate((0..1_000).map(six)).is_ok());
    }

    /// Rows each `every` ms, their stamps rounded down to whole `step` ms.
    fn rounded(every: i64, step: i64, rows: i64) -> Vec<i64> {
        (0..rows).map(|row| row * every / step * step * 1_000_000).collect()
    }

    fn of(rows: &[i64]) -> Estimate {
        let mut estimator = CadenceEstimator::new();
        estimator.observe_slice(rows);
        estimator.estimate().unwrap()
    }

    #[test]
    fn rounded_stamps_do_not_move_the_period() {
        for (every, step) in [
            (1_059, 1_000),
            (1_500, 1_000),
            (1_941, 1_000),
            (2_300, 1_000),
            (3_700, 1_000),
            (83_000, 60_000),
            (130, 100),
        ] {
            let estimate = of(&rounded(every, step, 2_000));
            let off = (estimate.every.num_microseconds().unwrap() - every * 1_000).abs();
            assert!(off <= every, "{every} {step}: {estimate:?}");
            assert_eq!(estimate.resolution, Some(TimeDelta::milliseconds(step)));
            assert!(estimate.share > 0.99, "{every} {step}: {estimate:?}");
        }
    }

    #[test]
    fn rows_lost_at_random_do_not_move_the_period() {
        let mut random = 1_u64;
        for lost in [3, 5, 10, 20, 50, 100] {
            let mut rows = rounded(1_000, 1_000, 20_000);
            rows.retain(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                !(random >> 33).is_multiple_of(lost)
            });
            assert_eq!(of(&rows).every, TimeDelta::seconds(1), "one in {lost}");
        }
    }

    #[test]
    fn one_percent_may_be_off_the_resolution() {
        for (off, resolution) in [(0, 1_000), (10, 1_000), (11, 1)] {
            let mut rows = rounded(1_059, 1_000, 1_000);
            rows.iter_mut().step_by(90).take(off).for_each(|row| *row += 3_000_000);
            assert_eq!(of(&rows).resolution, Some(TimeDelta::milliseconds(resolution)), "{off}");
        }
        let odd: Vec<_> = (0..100).map(|row| row * SECOND + 7 * row + 1).collect();
        assert_eq!(of(&odd).resolution, None);
    }

    #[test]
    fn disorder_is_refused_and_copies_are_not() {
        let mut estimator = CadenceEstimator::new();
        (0..100).for_each(|row| estimator.observe_slice(&[row * SECOND, row * SECOND]));
        assert_eq!(estimator.estimate().map(|told| told.distances), Ok(99));
        (0..22).for_each(|_| estimator.observe_nanos(5));
        assert!(estimator.estimate().is_ok(), "22 of 222 are a tenth");
        (0..2).for_each(|_| estimator.observe_nanos(5));
        assert_eq!(estimator.estimate(), Err(UndeterminedReason::Disordered { backward: 24, rows: 224 }));
    }

    #[test]
    fn the_ends_of_time_are_distances() {
        let mut estimator = CadenceEstimator::new();
        estimator.observe_slice(&[i64::MIN, i64::MAX, i64::MIN, i64::MAX]);
        assert!(matches!(estimator.estimate(), Err(UndeterminedReason::Disordered { backward: 1, .. })));
        estimator.observe_event(DateTime::<Utc>::MAX_UTC);
        assert_eq!(estimator.rows, 4);
    }

    #[test]
    fn the_bound_is_that_of_wilson() {
        // By hand: n = 100, 90 of them, z = 2.576.
        let (share, at_least) = wilson(90, 100);
        assert!((share - 0.9).abs() < 1e-12 && (at_least - 0.796_2).abs() < 1e-4, "{at_least}");
    }
}
