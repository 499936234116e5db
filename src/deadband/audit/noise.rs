//! How noisy a signal is, at several lags.
//!
//! A second difference `x₀ − 2x₋ₕ + x₋₂ₕ` cancels level and drift, and its median is moved little by steps and
//! outliers. At a lag of one it shows the noise between neighbours; at longer lags also noise that a damping has
//! smeared over many samples.

use serde::{Deserialize, Serialize};

use super::bits::Bits;
use super::sketch::Sketch;

/// The lags, in samples. Each is read without overlap, so that a lag keeps two values.
const LAGS: [u64; 4] = [1, 4, 16, 64];

/// From the median of absolute second differences of white noise to its standard deviation: Φ⁻¹(3/4) √6.
const MEDIAN_BEND: f64 = 0.674_489_750_196_081_7 * 2.449_489_742_783_178;

/// Noise turns back at two of three samples, a random walk at one of two; a smooth process seldom does. Where fewer than
/// this share turn back, no noise is seen. Few are asked for between neighbours, where a process that is scanned slowly
/// moves beneath the noise; more at long lags, where a wave with a period of a few lags looks like noise.
const FEWEST_TURNS: [f64; 4] = [0.2, 0.35, 0.35, 0.35];

/// Fewer second differences than this give no median.
const FEWEST: u64 = 10;

/// The relative standard error of the noise times √n, as simulated for white noise, and twice that: for 95 %.
const ERROR: f64 = 2.0 * 1.6;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Noise {
    lags: [Lag; 4],
    /// Of each three neighbours how far the middle one lies beyond both others; zero where it lies between.
    returns: Sketch,
    /// Times between neighbours.
    intervals: Sketch,
    /// Pairs of neighbours, and how many of them are equal.
    pairs: u64,
    ties: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lag {
    /// How many samples to pass over before the next is taken.
    wait: u64,
    older: Option<Bits>,
    newer: Option<Bits>,
    bends: Sketch,
    /// How many threes there were that are not all equal, and at how many of them the signal turned back.
    moving: u64,
    turns: u64,
    /// How many threes there were at all.
    threes: u64,
}

/// What the noise is, as far as it can be known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    /// The standard deviation between neighbours; zero where no noise is seen.
    pub(super) quick: f64,
    /// The same with what a damping may have smeared; never less.
    pub(super) damped: f64,
    /// By how much, relative to them, both may be wrong at 95 %.
    pub(super) uncertainty: f64,
    /// The share of neighbours that are equal.
    pub(super) ties: f64,
    /// Whether every second or fourth sample is alike, and their neighbours are not.
    pub(super) alternates: bool,
    /// How many threes it rests on.
    pub(super) samples: u64,
}

impl Noise {
    pub(super) fn new() -> Self {
        Self {
            lags: std::array::from_fn(|_| Lag::new()),
            returns: Sketch::new(),
            intervals: Sketch::new(),
            pairs: 0,
            ties: 0,
        }
    }

    /// Takes in a value that came `apart` nanoseconds after its neighbour.
    pub(super) fn observe(&mut self, value: f64, apart: u64) {
        let [quick, ..] = &self.lags;
        if let Some(Bits(before)) = quick.newer {
            self.pairs = self.pairs.saturating_add(1);
            self.ties = self.ties.saturating_add(u64::from(before.to_bits() == value.to_bits()));
            self.intervals.add(apart as f64);
            if let Some(Bits(older)) = quick.older
                && !(older == before && before == value)
            {
                let (there, back) = (before - older, before - value);
                let is_return = (there > 0.0) == (back > 0.0) && there != 0.0 && back != 0.0;
                self.returns.add(if is_return { there.abs().min(back.abs()) } else { 0.0 });
            }
        }
        for (lag, step) in self.lags.iter_mut().zip(LAGS) {
            lag.observe(value, step);
        }
    }

    /// What comes next is no neighbour of what came.
    pub(super) fn break_off(&mut self) {
        for lag in &mut self.lags {
            (lag.wait, lag.older, lag.newer) = (0, None, None);
        }
    }

    pub(super) fn join(&mut self, later: &Self) {
        for (own, others) in self.lags.iter_mut().zip(&later.lags) {
            own.bends.join(&others.bends);
            own.moving = own.moving.saturating_add(others.moving);
            own.turns = own.turns.saturating_add(others.turns);
            own.threes = own.threes.saturating_add(others.threes);
            (own.wait, own.older, own.newer) = (others.wait, others.older, others.newer);
        }
        self.returns.join(&later.returns);
        self.intervals.join(&later.intervals);
        self.pairs = self.pairs.saturating_add(later.pairs);
        self.ties = self.ties.saturating_add(later.ties);
    }

    /// Reads the noise. `constant` is how many samples at the end are equal: they show nothing of it.
    pub(super) fn read(&self, quantum: f64, constant: u64, damping_nanos: f64) -> Reading {
        let run = constant.saturating_sub(1);
        let (pairs, ties) = (self.pairs.saturating_sub(run), self.ties.saturating_sub(run));
        let changes = pairs.saturating_sub(ties).max(1);
        let first = self.first_lag(pairs as f64 / changes as f64, quantum);
        let deviation = |at: usize| self.deviation(at, quantum).unwrap_or(0.0);
        let quick = deviation(first);
        // A damping smears noise over about so many samples, twice that to be on the safe side.
        let reach = 2.0 * damping_nanos / self.intervals.median(0.0).max(1.0);
        let within = |at: &usize| {
            at.checked_sub(1).and_then(|at| LAGS.get(at)).is_some_and(|lag| (*lag as f64) < reach)
        };
        // The largest of several medians is too large by about a standard error.
        let surely = |at: usize| {
            let moving = self.lags.get(at).map_or(0, |lag| lag.moving);
            deviation(at) / (1.0 + ERROR / 2.0 / (moving.max(1) as f64).sqrt())
        };
        let damped = (first + 1..LAGS.len()).filter(within).map(surely).fold(quick, f64::max);
        let samples = self.lags.get(first).map_or(0, |lag| lag.moving);
        Reading {
            quick,
            damped,
            uncertainty: ERROR / (samples.max(1) as f64).sqrt(),
            ties: if pairs == 0 { 0.0 } else { ties as f64 / pairs as f64 },
            alternates: self.alternates(quantum),
            samples,
        }
    }

    /// The first lag at which noise can be seen: one, unless each value is repeated `hold` times, as by an average that
    /// is written at each scan. Where all changes are a quantum or two, values are repeated for lack of resolution.
    fn first_lag(&self, hold: f64, quantum: f64) -> usize {
        let is_seen = |at: &usize| {
            let deviation = self.deviation(*at, quantum);
            LAGS.get(*at).is_some_and(|lag| *lag as f64 >= hold)
                && deviation.is_some_and(|deviation| deviation > 2.0 * quantum)
        };
        if hold < 2.0 { 0 } else { (1..LAGS.len()).find(is_seen).unwrap_or(0) }
    }

    /// Noise of neighbours and of samples four apart is the same, and a damping makes the latter larger.
    fn alternates(&self, quantum: f64) -> bool {
        let [near, far, ..] = &self.lags;
        let [quick, slow] = [near, far].map(|lag| lag.bends.median(quantum));
        far.threes >= 100 && near.moving >= near.threes / 2 && near.moving > FEWEST && quick > 1.6 * slow
    }

    /// The standard deviation of the noise at a lag, where there is noise.
    fn deviation(&self, at: usize, quantum: f64) -> Option<f64> {
        let (lag, fewest) = (self.lags.get(at)?, FEWEST_TURNS.get(at)?);
        let turns_back = lag.turns as f64 >= fewest * lag.moving as f64;
        (lag.moving >= FEWEST && turns_back).then(|| lag.bends.median(quantum) / MEDIAN_BEND)
    }

    /// The size that lone samples exceed at this share of the samples.
    pub(super) fn lone(&self, share: f64) -> f64 {
        self.returns.quantile(1.0 - share)
    }

    pub(super) fn is_possible(&self) -> bool {
        let is_value = |value: &Option<Bits>| value.is_none_or(|Bits(value)| value.abs() <= super::LARGEST);
        self.ties <= self.pairs
            && self.lags.iter().zip(LAGS).all(|(lag, step)| {
                lag.turns <= lag.moving
                    && lag.moving <= lag.threes
                    && lag.wait < step
                    && is_value(&lag.older)
                    && is_value(&lag.newer)
                    && (lag.newer.is_some() || lag.older.is_none())
            })
    }
}

impl Lag {
    fn new() -> Self {
        Self { wait: 0, older: None, newer: None, bends: Sketch::new(), moving: 0, turns: 0, threes: 0 }
    }

    fn observe(&mut self, value: f64, step: u64) {
        if self.wait > 0 {
            self.wait -= 1;
            return;
        }
        self.wait = step - 1;
        if let (Some(Bits(older)), Some(Bits(newer))) = (self.older, self.newer) {
            self.threes = self.threes.saturating_add(1);
            let (before, after) = (newer - older, value - newer);
            // Three equal values show no noise: a sensor is stuck, or its resolution hides it. Counted as noise of
            // zero, they would pull the median to zero.
            if before != 0.0 || after != 0.0 {
                self.moving = self.moving.saturating_add(1);
                self.bends.add((after - before).abs());
                let is_turn = (before > 0.0 && after < 0.0) || (before < 0.0 && after > 0.0);
                self.turns = self.turns.saturating_add(u64::from(is_turn));
            }
        }
        self.older = self.newer;
        self.newer = Some(Bits(value));
    }
}
