use super::normal::{erfc, erfc_inverse};
use super::{Audit, Squares};

/// What an audit measured; lengths in the unit of the tag. Its fields are open, so that figures which another
/// system gathered can be judged too.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Figures {
    /// The width of the deadband.
    pub band: f64,
    /// How many usable samples there were.
    pub samples: u64,
    /// How many of them were reported.
    pub reported: u64,
    /// The standard deviation of the noise: from the median of the second differences, which neither drift nor
    /// steps move, and at least what the quantum leaves (a quantum over √12).
    pub noise: f64,
    /// The smallest change between neighbours; zero where nothing changed.
    pub quantum: f64,
    /// The standard deviation of the raw signal.
    pub spread: f64,
    /// Its highest less its lowest value.
    pub range: f64,
    /// How much of the variance is movement: one less half the von Neumann ratio. About zero for white noise, near
    /// one for what moves smoothly, below zero for what alternates.
    pub movement: f64,
    /// How many standard deviations that is from what white noise gives.
    pub significance: f64,
    /// The noise at a lag of two over that of one, squared: one for white noise, up to two where it is coloured
    /// by a first-order damping.
    pub colour: f64,
    /// The variance over that within 32 samples: about one where nothing is slower than that.
    pub slowness: f64,
    /// The root mean square of raw less held value, over what was suppressed.
    pub error: f64,
    /// The furthest that a suppressed sample was from the held value.
    pub error_max: f64,
    /// The widest movement, from lowest to highest, between two reports.
    pub hidden_range: f64,
    /// How much of the suppressed variance is movement, in the measure of [`movement`](Self::movement).
    pub structure: f64,
}

impl Figures {
    /// Of a signal under a deadband of this width, of this many samples and reports, and nothing more yet: set
    /// the rest.
    #[must_use]
    pub const fn new(band: f64, samples: u64, reported: u64) -> Self {
        Self {
            band,
            samples,
            reported,
            noise: 0.0,
            quantum: 0.0,
            spread: 0.0,
            range: 0.0,
            movement: 0.0,
            significance: 0.0,
            colour: 1.0,
            slowness: 1.0,
            error: 0.0,
            error_max: 0.0,
            hidden_range: 0.0,
            structure: 0.0,
        }
    }

    /// The share of the samples that was suppressed; zero where there are none.
    #[must_use]
    pub fn suppressed(&self) -> f64 {
        if self.samples == 0 {
            0.0
        } else {
            1.0 - self.reported.min(self.samples) as f64 / self.samples as f64
        }
    }

    /// The share of samples that white noise alone would have this band report: erfc(d / 2σ).
    #[must_use]
    pub fn noise_reports(&self) -> f64 {
        if self.noise > 0.0 { erfc(self.band / (2.0 * self.noise)) } else { 0.0 }
    }

    /// The narrowest band that has white noise report at most this share of the samples: 2σ erfc⁻¹(share).
    #[must_use]
    pub fn noise_band(&self, share: f64) -> f64 {
        2.0 * self.noise * erfc_inverse(share)
    }

    /// How much of the movement's variance the held value missed, from zero to one.
    #[must_use]
    pub fn hidden(&self) -> f64 {
        let noise = self.noise * self.noise;
        let movement = self.spread * self.spread - noise;
        // Both the sample and the report that it is held to carry the noise.
        let missed = self.error * self.error - 2.0 * noise;
        if movement > 0.0 && missed > 0.0 { (missed / movement).min(1.0) } else { 0.0 }
    }
}

/// From the median of absolute second differences of white noise to its standard deviation: Φ⁻¹(3/4) √6.
const MEDIAN_BEND: f64 = 0.674_489_750_196_081_7 * 2.449_489_742_783_178;

impl Audit {
    /// What it has measured so far.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let quantum = if self.quantum.is_finite() { self.quantum } else { 0.0 };
        let [noise, at_two] = [0, 1].map(|lag| {
            self.bends.get(lag).map_or(0.0, |sketch: &super::Sketch| sketch.median(quantum) / MEDIAN_BEND)
        });
        let floor = quantum / 12.0_f64.sqrt();
        let variance = self.all.variance();
        let [near, far] = self.steps;
        let movement = movement(near, variance);
        let (closed, within) = self.holding.whole();
        let suppressed = if closed.freedom == 0 { 0.0 } else { closed.squares / closed.freedom as f64 };
        // What a quantum hides has no colour that could be seen.
        let has_colour = noise > quantum / 2.0 && noise > 0.0;
        Figures {
            band: self.band,
            samples: self.all.count,
            reported: self.reported,
            noise: noise.max(floor),
            quantum,
            spread: variance.sqrt(),
            range: self.all.range(),
            movement,
            significance: significance(movement, near.count),
            colour: if has_colour { (at_two / noise) * (at_two / noise) } else { 1.0 },
            slowness: if far.sum > 0.0 { 2.0 * variance / far.mean() } else { 1.0 },
            error: (closed.error_squares / closed.count.max(1) as f64).sqrt(),
            error_max: closed.error_max,
            hidden_range: closed.range,
            structure: self::movement(within, suppressed),
        }
    }
}

/// One less half the von Neumann ratio: the mean square of successive differences over twice the variance.
fn movement(steps: Squares, variance: f64) -> f64 {
    if steps.count == 0 || variance <= 0.0 { 0.0 } else { 1.0 - steps.mean() / (2.0 * variance) }
}

/// In standard deviations: for white noise the variance is (n − 2) / (n² − 1) (Young 1941), nearly normal from a
/// few dozen samples on.
fn significance(movement: f64, steps: u64) -> f64 {
    let samples = steps.saturating_add(1) as f64;
    if samples > 2.0 { movement * ((samples * samples - 1.0) / (samples - 2.0)).sqrt() } else { 0.0 }
}
