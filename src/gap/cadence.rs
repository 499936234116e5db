use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// How often rows of a series are promised.
///
/// The contract (§16.2, trigger): with a heartbeat, one heartbeat and one sample period lie between two rows at most;
/// without one, a sample period. With a deadband and no heartbeat, silence may be what the deadband wants, so such a gap
/// is only suspected.
///
/// ```
/// use chrono::TimeDelta;
/// use iot_runbook::gap::Cadence;
///
/// let second = Cadence::every(TimeDelta::seconds(1));
/// assert_eq!(second.longest_silence(), Some(TimeDelta::seconds(1)));
/// assert!(second.with_deadband().is_suspected());
///
/// let banded = second.with_deadband().with_heartbeat(TimeDelta::seconds(60));
/// assert_eq!(banded.longest_silence(), Some(TimeDelta::seconds(61)));
/// assert!(!banded.is_suspected());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Cadence {
    /// The sample period: how often the device takes a sample.
    #[serde(with = "super::wire::span")]
    pub every: TimeDelta,
    /// The longest that a deadband holds rows back.
    #[serde(default, with = "super::wire::maybe_span", skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<TimeDelta>,
    /// Whether a deadband holds rows back.
    #[serde(default)]
    pub deadband: bool,
    /// How much longer than promised a silence may be; `None`: half a sample period, so that a silence is rounded to
    /// whole periods.
    #[serde(default, with = "super::wire::maybe_span", skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<TimeDelta>,
}

impl Cadence {
    /// A row each sample period.
    #[must_use]
    pub const fn every(every: TimeDelta) -> Self {
        Self { every, heartbeat: None, deadband: false, tolerance: None }
    }

    /// The same with a deadband that lets a row through this long after the last one.
    #[must_use]
    pub const fn with_heartbeat(self, heartbeat: TimeDelta) -> Self {
        Self { heartbeat: Some(heartbeat), ..self }
    }

    /// The same with a deadband on.
    #[must_use]
    pub const fn with_deadband(self) -> Self {
        Self { deadband: true, ..self }
    }

    /// The same with another tolerance.
    #[must_use]
    pub const fn with_tolerance(self, tolerance: TimeDelta) -> Self {
        Self { tolerance: Some(tolerance), ..self }
    }

    /// The longest silence that is promised, the tolerance aside: heartbeat and sample period, or the sample period.
    /// `None` where the sum is beyond what a duration holds.
    #[must_use]
    pub fn longest_silence(&self) -> Option<TimeDelta> {
        self.heartbeat.map_or(Some(self.every), |heartbeat| heartbeat.checked_add(&self.every))
    }

    /// Whether a gap is only suspected: a deadband without a heartbeat promises nothing.
    #[must_use]
    pub const fn is_suspected(&self) -> bool {
        self.deadband && self.heartbeat.is_none()
    }
}

/// The steps that time stamps are rounded to: a minute, a second, a tenth, a hundredth, a millisecond, a microsecond.
/// Each divides the one before it.
pub(super) const STEPS: [u64; 6] = [60_000_000_000, 1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 1_000];

/// The promise in nanoseconds. A silence is a distance between two rows next to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Promise {
    /// The longest silence, at least 1.
    silence: u64,
    tolerance: u64,
    /// Their sum.
    limit: u64,
    /// The instant before the period.
    before_start: i64,
    /// Whether some rounding of time stamps can stretch a silence beyond the limit.
    may_be_coarse: bool,
}

impl Promise {
    /// `silence` is taken as 1 at least.
    pub(super) fn new(silence: u64, tolerance: u64, before_start: i64) -> Self {
        let silence = silence.max(1);
        let may_be_coarse = STEPS.into_iter().any(|step| matters(step, silence, tolerance));
        let limit = silence.saturating_add(tolerance);
        Self { silence, tolerance, limit, before_start, may_be_coarse }
    }

    /// The instant before the period: where a row that is not known of may have stood last.
    pub(super) const fn before_start(&self) -> i64 {
        self.before_start
    }

    /// The longest silence that is no gap, whatever the time stamps are rounded to.
    pub(super) const fn limit(&self) -> u64 {
        self.limit
    }

    /// The tolerance that the coarsest rounding gives.
    pub(super) fn widest_tolerance(&self) -> u64 {
        let step = STEPS.into_iter().find(|step| matters(*step, self.silence, self.tolerance));
        step.map_or(self.tolerance, |step| step - 1)
    }

    /// The promise for a silence between two rows, with the rounding of their time stamps in its tolerance.
    ///
    /// Time stamps that are rounded down to a step are less than a step further apart than the rows are. Two that are
    /// both whole steps are taken for rounded, if the silence is not whole steps itself: only a rounded series of that
    /// cadence keeps to the step. A step is at most one silence, so that twice the silence is a gap always.
    #[inline]
    pub(super) fn between_rows(self, from: i64, to: i64) -> Self {
        if self.may_be_coarse {
            self.rounded(from, |step| is_whole(from, step) && is_whole(to, step))
        } else {
            self
        }
    }

    /// As [`Promise::between_rows`], up to an instant that is no row: an end of the period, or the moment of a report.
    pub(super) fn after_row(self, from: i64) -> Self {
        if self.may_be_coarse { self.rounded(from, |step| is_whole(from, step)) } else { self }
    }

    fn rounded(self, from: i64, is_on: impl Fn(u64) -> bool) -> Self {
        // The start of the period is no row, and not rounded.
        let is_row = from != self.before_start;
        let step = STEPS
            .into_iter()
            .find(|step| is_row && matters(*step, self.silence, self.tolerance) && is_on(*step));
        step.map_or(self, |step| {
            let tolerance = step - 1;
            Self { tolerance, limit: self.silence.saturating_add(tolerance), ..self }
        })
    }

    /// The least number of rows that, put between two instants, keep the promise: none where it is kept.
    ///
    /// The tolerance is for rows that come early or late. The start of a period does neither, so it counts for none
    /// there.
    pub(super) const fn missing(&self, from: i64, to: i64) -> u64 {
        let silence = distance(from, to);
        if silence <= self.limit {
            return 0;
        }
        let tolerance = if from == self.before_start { 0 } else { self.tolerance };
        (silence - tolerance).div_ceil(self.silence) - 1
    }
}

/// Whether rounding to a step stretches a silence beyond its tolerance.
fn matters(step: u64, silence: u64, tolerance: u64) -> bool {
    step <= silence && step - 1 > tolerance && !silence.is_multiple_of(step)
}

/// Whether an instant is a whole multiple of a step.
pub(super) const fn is_whole(at: i64, step: u64) -> bool {
    at.unsigned_abs().is_multiple_of(step)
}

/// How far `to` is after `from`; zero where it is not.
pub(super) const fn distance(from: i64, to: i64) -> u64 {
    if to > from { to.abs_diff(from) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_rows_are_the_fewest_possible() {
        // Silence, tolerance, distance: missing after a row, and after the start of the period.
        let table = [
            (10, 0, 0, 0, 0),
            (10, 0, 10, 0, 0),
            (10, 0, 11, 1, 1),
            (10, 0, 20, 1, 1),
            (10, 0, 21, 2, 2),
            (10, 5, 15, 0, 0),
            (10, 5, 16, 1, 1),
            (10, 5, 25, 1, 2),
            (10, 5, 26, 2, 2),
            (10, 25, 35, 0, 0),
            (10, 25, 36, 1, 3),
            (0, 0, 1, 0, 0),
            (0, 0, 5, 4, 4),
            (1, 0, i64::MAX, i64::MAX as u64 - 1, i64::MAX as u64 - 1),
            (u64::MAX, u64::MAX, i64::MAX, 0, 0),
            (1, u64::MAX, i64::MAX, 0, 0),
        ];
        for (silence, tolerance, distance, after_row, after_start) in table {
            let promise = |before| Promise::new(silence, tolerance, before);
            assert_eq!(promise(-1).missing(0, distance), after_row, "{silence} {tolerance} {distance}");
            assert_eq!(promise(0).missing(0, distance), after_start, "{silence} {tolerance} {distance}");
        }
        assert_eq!(Promise::new(1, 0, 0).missing(i64::MIN, i64::MAX), u64::MAX - 1);
    }

    #[test]
    fn split_silence_never_misses_more() {
        for (tolerance, start) in (0..8).flat_map(|tolerance| [(tolerance, -1), (tolerance, 0)]) {
            let promise = Promise::new(3, tolerance, start);
            for (a, b) in (0..40).flat_map(|a| (0..40).map(move |b| (a, b))) {
                let parts = promise.missing(0, a) + promise.missing(a, a + b);
                assert!(parts <= promise.missing(0, a + b), "{tolerance} {start} {a} {b}");
            }
        }
    }

    #[test]
    fn distance_holds_at_the_ends_of_time() {
        assert_eq!(distance(i64::MIN, i64::MAX), u64::MAX);
        assert_eq!(distance(i64::MAX, i64::MIN), 0);
    }
}
