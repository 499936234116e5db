use serde::{Deserialize, Serialize};

use super::noise::Reading;
use super::normal::{erfc, erfc_inverse};
use super::silence::Span;
use super::{Audit, Limits};

/// What an audit measured. Lengths are in the unit of the tag.
///
/// All fields are public, so that figures of another system can be judged too: make them with [`new`](Self::new).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Figures {
    /// The width of the deadband.
    pub band: f64,
    /// How many usable samples there were.
    pub samples: u64,
    /// How many of them were reported.
    pub reported: u64,
    /// How many samples at the end were exactly equal.
    pub constant: u64,
    /// The share of neighbours that were equal before that.
    pub ties: f64,
    /// How many sets of three samples the noise was read from.
    pub noise_samples: u64,
    /// The standard deviation of the noise between neighbours; zero where no noise was seen.
    pub noise: f64,
    /// The standard deviation of the noise if all that is as quick as a damped transmitter's noise is noise. Not less
    /// than [`noise`](Self::noise), and about the same for white noise.
    pub damped_noise: f64,
    /// The resolution: the smallest change between neighbours; zero where nothing changed.
    pub quantum: f64,
    /// The narrowest band that keeps the noise back, by the damped noise.
    pub noise_band: f64,
    /// A band narrower than this surely lets noise through: the noise band at the low end of its 95 % interval, by
    /// the noise between neighbours.
    pub noise_band_least: f64,
    /// Whether neighbours alternate.
    pub alternates: bool,
    /// The highest less the lowest raw value.
    pub range: f64,
    /// How far the process moved, without its noise: the highest less the lowest level of eight samples.
    pub movement: f64,
    /// The root mean square of raw less shown value, over what was suppressed.
    pub error: f64,
    /// The largest difference between a suppressed sample and the value that was shown.
    pub error_max: f64,
    /// The largest difference between a level of eight samples and the value that was shown.
    pub off: f64,
    /// The largest excursion of the process that no report shows.
    pub hidden: f64,
    /// The share of the moving time that surely hid an excursion: one beyond the noise band at the high end of its
    /// 95 % interval, by the damped noise.
    pub hidden_time: f64,
    /// The share of the moving time that may have hidden an excursion: one beyond
    /// [`noise_band_least`](Self::noise_band_least).
    pub hidden_time_most: f64,
}

impl Figures {
    /// Figures of a deadband with this width, so many samples and reports, and zero for all else: set the rest.
    #[must_use]
    pub const fn new(band: f64, samples: u64, reported: u64) -> Self {
        Self {
            band,
            samples,
            reported,
            constant: 0,
            ties: 0.0,
            noise_samples: 0,
            noise: 0.0,
            damped_noise: 0.0,
            quantum: 0.0,
            noise_band: 0.0,
            noise_band_least: 0.0,
            alternates: false,
            range: 0.0,
            movement: 0.0,
            error: 0.0,
            error_max: 0.0,
            off: 0.0,
            hidden: 0.0,
            hidden_time: 0.0,
            hidden_time_most: 0.0,
        }
    }

    /// Returns the share of the samples that was suppressed; zero where there are none.
    #[must_use]
    pub fn suppressed(&self) -> f64 {
        if self.samples == 0 {
            0.0
        } else {
            1.0 - self.reported.min(self.samples) as f64 / self.samples as f64
        }
    }

    /// Returns the share of samples that normal white noise alone would have this band report: erfc(d / 2σ).
    #[must_use]
    pub fn noise_reports(&self) -> f64 {
        if self.noise > 0.0 { erfc(self.band / (2.0 * self.noise)) } else { 0.0 }
    }
}

/// A float carries 15 digits: a smaller difference is rounding.
const ROUNDING: f64 = 1e-12;

/// A smallest change of at least this share of the largest value is a change of state, as of a valve, and not the last
/// digit of a converter.
const STATE: f64 = 0.5;

impl Audit {
    /// Returns what it has measured so far. The limits say what counts as noise.
    #[must_use]
    pub fn figures(&self, limits: &Limits) -> Figures {
        self.figures_by(self, limits)
    }

    /// The same with the noise of `before`, an audit of the record before this one, where that has seen more of it: for
    /// a short period such as a silence, in which the noise may not be seen at all.
    #[must_use]
    pub fn figures_after(&self, before: &Self, limits: &Limits) -> Figures {
        let (own, usual) = (self.reading(limits), before.reading(limits));
        self.figures_by(if usual.samples > own.samples { before } else { self }, limits)
    }

    fn reading(&self, limits: &Limits) -> Reading {
        let damping = limits.damping.num_nanoseconds().map_or(f64::INFINITY, |nanos| nanos as f64);
        self.noise.read(self.resolution(), self.constant.samples, damping)
    }

    fn resolution(&self) -> f64 {
        if self.quantum.is_finite() { self.quantum } else { 0.0 }
    }

    fn figures_by(&self, noisy: &Self, limits: &Limits) -> Figures {
        let reading = noisy.reading(limits);
        let quantum = noisy.resolution();
        let largest = |range: Option<Span>| range.map_or(0.0, |range| range.low.abs().max(range.high.abs()));
        let largest = largest(self.range).max(largest(noisy.range));
        let last_digit = if quantum < STATE * largest { quantum } else { 0.0 };
        let least = last_digit.max(ROUNDING * largest);
        // Lone outliers report twice each, once when they come and once when they go.
        let lone = noisy.noise.lone(limits.noise_reports / 2.0);
        let normal = 2.0 * erfc_inverse(limits.noise_reports);
        let width = |deviation: f64, scale: f64| (scale * (normal * deviation).max(lone)).max(least);
        let room = 1.0 + reading.uncertainty;
        // White noise lies within its band. Coloured noise wanders to both sides of it, and stays there.
        let wander = if reading.quick > 0.0 { (reading.damped / reading.quick).clamp(1.0, 2.0) } else { 1.0 };
        let noise_band_least = width(reading.quick, 1.0 / room);
        let silences = self.silences.whole();
        let (error, error_max) = self.errors.whole();
        Figures {
            band: self.band,
            samples: self.samples,
            reported: self.reported,
            constant: self.constant.samples,
            ties: reading.ties,
            noise_samples: reading.samples,
            noise: reading.quick,
            damped_noise: reading.damped,
            quantum,
            noise_band: width(reading.damped, 1.0),
            noise_band_least,
            alternates: reading.alternates,
            range: self.range.map_or(0.0, Span::width),
            movement: silences.levels,
            error,
            error_max,
            off: silences.off,
            hidden: silences.most_hidden,
            hidden_time: silences.share_hidden(width(reading.damped, room * wander)),
            hidden_time_most: silences.share_hidden(noise_band_least),
        }
    }
}
