#![doc = include_str!("audit/audit.md")]

mod assessment;
mod bits;
mod constant;
mod error;
mod errors;
mod figures;
mod fmt;
mod moments;
mod noise;
mod normal;
mod saved;
mod silence;
mod sketch;
mod verdict;
mod watched;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::deadband::sample::{Number, Sample, Severity};
use constant::Constant;
use errors::Errors;
use noise::Noise;
use silence::{Silences, Span};

pub use assessment::Assessment;
pub use error::AuditError;
pub use figures::Figures;
pub(crate) use fmt::Rounded;
pub use normal::{erfc, erfc_inverse};
pub use verdict::{Limits, Recommendation, Verdict, Why};
pub use watched::Watched;

/// The audit of one tag: it observes raw samples, and which of them were reported.
///
/// It takes 7 KiB, whatever the length of the record. Audits of successive pieces are [joined](Self::join), and an audit
/// is saved and restored with serde, exactly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Audit {
    version: u32,
    /// The width that is in force.
    #[serde(with = "bits")]
    band: f64,
    /// In nanoseconds: samples further apart are not neighbours.
    longest_gap: u64,
    /// Times of the first and the last sample that was in order.
    first: Option<i64>,
    last: Option<i64>,
    /// Passed over: bad, not finite or too large; and those out of order.
    unusable: u64,
    late: u64,
    samples: u64,
    reported: u64,
    range: Option<Span>,
    /// The smallest change between neighbours.
    #[serde(with = "bits")]
    quantum: f64,
    /// The last value, where what comes next may be its neighbour.
    neighbour: Option<bits::Bits>,
    noise: Noise,
    silences: Silences,
    errors: Errors,
    constant: Constant,
}

const VERSION: u32 = 2;

/// Larger values are passed over, so that sums of squares stay finite.
const LARGEST: f64 = 1e140;

impl Audit {
    /// Starts an audit of a tag whose deadband has this width, in the unit of the tag: a change of at most `band` is
    /// not reported. For a band in percent, give the width that it comes to; for a width that varies, the usual one.
    ///
    /// # Errors
    /// [`AuditError::Band`] if it is negative, not finite, or beyond 1e140.
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
            samples: 0,
            reported: 0,
            range: None,
            quantum: f64::INFINITY,
            neighbour: None,
            noise: Noise::new(),
            silences: Silences::new(),
            errors: Errors::new(),
            constant: Constant::new(),
        })
    }

    /// Sets the longest time between neighbours: noise is not read from samples further apart. Set it to a few scans.
    ///
    /// # Errors
    /// [`AuditError::Gap`] if it is not above zero, or beyond 292 years.
    pub fn with_longest_gap(self, longest_gap: TimeDelta) -> Result<Self, AuditError> {
        let nanos = longest_gap.num_nanoseconds().and_then(|nanos| u64::try_from(nanos).ok());
        match nanos {
            Some(longest) if longest > 0 => Ok(Self { longest_gap: longest, ..self }),
            _ => Err(AuditError::Gap { longest_gap }),
        }
    }

    /// Observes a raw sample, of any type of number, and whether it was reported, at once or later.
    ///
    /// Give each sample once, in the order of time, when it is known whether it was reported. A filter with a shortest
    /// interval, or one that sends previous samples, reports some late, as
    /// [`Held`](crate::deadband::filter::Reason::Held) or [`Previous`](crate::deadband::filter::Reason::Previous);
    /// [`Watched`] waits for them. Do not give what is reported as out of
    /// [order](crate::deadband::filter::Reason::Order): after one sample of a clock that is far ahead, all others would
    /// be late.
    ///
    /// Bad samples, and values that are not finite or beyond 1e140, are counted and passed over; so are samples whose
    /// time is not after that of the one before.
    pub fn observe<V: Number>(&mut self, sample: &Sample<V>, is_reported: bool) {
        if self.last.is_some_and(|last| sample.at <= last) {
            self.pass_over_late();
            return;
        }
        let apart = self.last.map_or(0, |last| sample.at.abs_diff(last));
        self.first = self.first.or(Some(sample.at));
        self.last = Some(sample.at);
        let value = sample.value.to_f64();
        let is_usable = value.abs() <= LARGEST && sample.quality.severity() != Severity::Bad;
        if !is_usable {
            self.unusable = self.unusable.saturating_add(1);
            self.errors.observe(None, is_reported);
            self.break_off();
            return;
        }
        if apart > self.longest_gap {
            self.break_off();
        }
        self.samples = self.samples.saturating_add(1);
        self.reported = self.reported.saturating_add(u64::from(is_reported));
        Span::take(&mut self.range, value);
        if let Some(bits::Bits(before)) = self.neighbour.replace(bits::Bits(value)) {
            let step = (value - before).abs();
            if step > 0.0 {
                self.quantum = self.quantum.min(step);
            }
        }
        self.noise.observe(value, apart);
        self.silences.observe(value, is_reported, self.band);
        self.errors.observe(Some(value), is_reported);
        self.constant.observe(value);
    }

    /// Counts a sample that is out of time order.
    const fn pass_over_late(&mut self) {
        self.late = self.late.saturating_add(1);
    }

    /// What comes next is not a neighbour of what came.
    fn break_off(&mut self) {
        self.neighbour = None;
        self.noise.break_off();
        self.silences.break_off();
    }

    /// Joins the audit of the piece that follows. The result is that of one audit over both, with a break at the seam:
    /// the samples on its two sides do not count as neighbours, and the first report after it ends a silence.
    ///
    /// # Errors
    /// [`AuditError::Unlike`] if bands or gaps differ, [`AuditError::Overlap`] if the piece does not follow. Nothing
    /// changes then.
    pub fn join(&mut self, later: &Self) -> Result<(), AuditError> {
        if self.band.to_bits() != later.band.to_bits() || self.longest_gap != later.longest_gap {
            return Err(AuditError::Unlike);
        }
        if let (Some(end), Some(begin)) = (self.last, later.first)
            && begin <= end
        {
            return Err(AuditError::Overlap { begin, end });
        }
        self.late = self.late.saturating_add(later.late);
        if later.last.is_none() {
            return Ok(());
        }
        self.first = self.first.or(later.first);
        self.last = later.last;
        self.unusable = self.unusable.saturating_add(later.unusable);
        self.samples = self.samples.saturating_add(later.samples);
        self.reported = self.reported.saturating_add(later.reported);
        self.range = Span::join(self.range, later.range);
        self.quantum = self.quantum.min(later.quantum);
        self.neighbour = later.neighbour;
        self.noise.join(&later.noise);
        self.silences.join(&later.silences);
        self.errors.join(&later.errors);
        self.constant.join(&later.constant);
        Ok(())
    }

    /// Returns how many usable samples it has observed.
    #[must_use]
    pub const fn samples(&self) -> u64 {
        self.samples
    }

    /// Returns how many of them were reported.
    #[must_use]
    pub const fn reported(&self) -> u64 {
        self.reported
    }

    /// Returns how many samples were bad, not finite or beyond 1e140, and passed over.
    #[must_use]
    pub const fn unusable(&self) -> u64 {
        self.unusable
    }

    /// Returns how many samples were not later than the one before, and passed over.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late
    }

    /// Returns the times of the first and the last sample, in nanoseconds since the Unix epoch.
    #[must_use]
    pub fn period(&self) -> Option<(i64, i64)> {
        self.first.zip(self.last)
    }
}
