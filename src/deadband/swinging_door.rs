//! Swinging door: stores few samples, and draws straight lines between them that stay within a deviation of every
//! sample.
//!
//! # Example
//! ```
//! use iot_runbook::deadband::sample::Sample;
//! use iot_runbook::deadband::swinging_door::SwingingDoor;
//!
//! let mut door = SwingingDoor::with_deviation(0.5)?;
//! let mut kept = Vec::new();
//! // A ramp up, and a ramp down.
//! for second in 0..=100_i32 {
//!     let sample = Sample::new(i64::from(second) * 1_000_000_000, f64::from(50 - (second - 50).abs()));
//!     door.observe(sample, |report| kept.push(report.sample.value))?;
//! }
//! door.flush(|report| kept.push(report.sample.value));
//! assert_eq!(kept, [0.0, 50.0, 0.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What holds
//! - **No dropped sample is further than [`Settings::deviation`] from the line drawn at its time.** The line is the one
//!   between the two kept samples around it, or with [`Mode::Step`] the value of the earlier one. This is exact, as if
//!   the line were computed without rounding, for floats and for integers up to 64 bits. [`value_at`] draws the line
//!   and rounds to a few units in the last place.
//! - Every kept sample is one that came in, unchanged. They leave in the order of their times, except late ones.
//! - **A kept sample leaves at the latest with the [`look_ahead`](Settings::look_ahead)th sample after it** (64th by
//!   default), or with the first sample that comes later than [`Settings::max_interval`] after the kept sample before it.
//!   With `Mode::Step` it leaves at once when it is kept for its value.
//! - No line is longer than `max_interval`, unless no sample came in between.
//! - A change of the quality ends the line. The last sample before it and the first after it are kept.
//! - NaN and the infinities end the line too. The first NaN is kept, and holds until the next number, which is kept.
//! - For [`Settings::min_interval`] after a kept sample, none is kept for its value. **Only those samples may be dropped
//!   without the guarantee.** [`Counts::unbounded`] counts them.
//! - Samples out of time order take no part in any line; [`Order`] says what happens to them. If a clock jumps forward,
//!   all samples after it are late. Set [`Settings::ahead`] to prevent it; to end it, [flush](SwingingDoor::flush) the
//!   door and start a new one.
//! - No sample allocates. A door with a look-ahead of 64 takes about 2.7 KB.
//!
//! # How many samples it keeps
//! The tests compare the door with the fewest samples that any choice could keep, found by a shortest path. On random
//! walks, noise, daily cycles, quantised, spiky and stepped series it keeps at most 1.3 times as many, and mostly 1.0 to
//! 1.1 times. Without the look-ahead (a `look_ahead` of 1) it keeps up to 1.9 times as many on random walks, and up to
//! 279 times as many where noise lies well within the deviation.
//!
//! One case is worse: noise that reaches 95 to 100 % of the deviation. Of 5 000 samples, 3 to 24 would do; a look-ahead of 64
//! kept up to 14 times as many, 256 up to 3.7 times, and 1 024 up to 2.7 times. **Set the deviation a tenth above the
//! noise**, and it is at most 1.3 times again.
//!
//! No choice mends this. In a line of `n` samples some lie within `2 / n` of both edges of the band, so its ends must lie about
//! as near to the middle; the best of the last `k` samples lies `1 / k` from it. So lines have some `k` samples, while who knows
//! the whole series finds ends for lines that grow with it: the ratio has no bound for any fixed look-ahead. Even a door that
//! knew how far the line from each of its last samples will go kept, on average (at worst), this many times the fewest:
//!
//! | look-ahead | 1 000 samples | 5 000 | 20 000 | 80 000 |
//! |---:|---:|---:|---:|---:|
//! | 64 | 1.3 (2.0) | 2.2 (8.0) | 3.5 (5.9) | 10.5 (15.0) |
//! | 256 | 1.1 (1.4) | 1.7 (4.9) | 2.1 (3.2) | 3.5 (5.4) |
//! | 1 024 | 1.1 (1.2) | 1.3 (2.5) | 1.6 (2.4) | 2.2 (3.9) |
//! | 4 096 | 1.1 (1.2) | 1.2 (2.5) | 1.2 (1.5) | 1.2 (1.5) |
//!
//! # How
//! From the last kept sample opens a cone: the lines that pass every later sample within the deviation. A sample inside
//! the cone is a candidate for the end of the line, for the line to it is proven. Every sample narrows the cone, inside
//! or not. When the cone is empty, the line must end at a candidate. The door tries a line from each of the last six
//! candidates and ends at the one whose line goes furthest, as soon as only one can go on or the look-ahead is over.
//! Where lines are shorter than 4.25 samples on average it takes the last candidate, which is as good there.
//!
//! The swinging door of Bristol's patent (US 4 669 097), which most historians run, has no such proof: on the same kind of
//! series, its lines missed dropped samples by up to 1.95 times the deviation.
//!
//! Slopes are compared as floats, with a bound on the rounding, and exactly where the bound does not decide. A sample takes 13
//! to 30 ns, and 40 to 80 ns where lines have 5 to 30 samples, so that the choice among six ends is made often.

mod candidates;
mod cone;
mod exact;
mod line;
mod report;
mod saved;
mod settings;
mod trials;

use serde::{Deserialize, Serialize};

use crate::deadband::filter::{Disorder, Order, OrderError};
use crate::deadband::sample::{Class, Number, Sample};
use candidates::Point;
use line::Line;
use saved::Saved;
use settings::Checked;

pub use report::{Counts, Reason, Report};
pub use saved::RestoreError;
pub use settings::{Mode, Settings, SettingsError};

/// The door of one tag, whose values may be of any [`Number`]. Serde saves and restores its state, to the last bit in
/// every format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved", bound = "V: Number")]
pub struct SwingingDoor<V: Number = f64> {
    set: Checked,
    is_started: bool,
    line: Line<V>,
    counts: Counts,
}

impl<V: Number> SwingingDoor<V> {
    /// A door with this deviation, in the unit of the tag, and the default [`Settings`].
    ///
    /// # Errors
    /// [`SettingsError`] if the deviation is negative or not finite.
    pub fn with_deviation(deviation: f64) -> Result<Self, SettingsError> {
        Self::new(&Settings::new(deviation))
    }

    /// A door that has seen nothing yet.
    ///
    /// # Errors
    /// [`SettingsError`], which names the setting.
    pub fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let set = settings.check()?;
        let room = if set.mode == Mode::Linear { set.look_ahead } else { 0 };
        Ok(Self { set, is_started: false, line: Line::new(room), counts: Counts::default() })
    }

    /// Takes in a sample, and hands those that are kept by now to `report`, in the order of their times.
    ///
    /// # Errors
    /// [`OrderError`] where the sample is no later than the newest and [`Order::Refuse`] is set; nothing has changed
    /// then.
    #[inline]
    pub fn observe(
        &mut self,
        sample: Sample<V>,
        mut report: impl FnMut(Report<V>),
    ) -> Result<(), OrderError> {
        let line = &mut self.line;
        if line.is_straight
            && sample.at > line.newest.at
            && sample.quality == line.newest.quality
            && sample.value.class() == Class::Finite
        {
            let sample = Point { at: sample.at, value: sample.value };
            line.observe(sample, &self.set, &mut self.counts, &mut report);
            return Ok(());
        }
        self.observe_fully(sample, &mut report)
    }

    /// The same for a sample that was received at this moment, in nanoseconds since the Unix epoch: one too far
    /// [`ahead`](Settings::ahead) of it is out of time order.
    ///
    /// # Errors
    /// As [`observe`](Self::observe).
    #[inline]
    pub fn observe_received(
        &mut self,
        sample: Sample<V>,
        received: i64,
        mut report: impl FnMut(Report<V>),
    ) -> Result<(), OrderError> {
        if sample.at > received && sample.at.abs_diff(received) > self.set.ahead {
            let error = OrderError { at: sample.at, against: received, disorder: Disorder::Ahead };
            return self.out_of_order(sample, error, &mut report);
        }
        self.observe(sample, report)
    }

    /// Keeps the newest sample, and those before it that the lines to it need: at the end, or where no sample is
    /// expected for long. The next line goes on from there.
    pub fn flush(&mut self, mut report: impl FnMut(Report<V>)) {
        self.line.finish(Reason::Last, &self.set, &mut self.counts, &mut report);
    }

    /// What became of the samples so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let pending = self.line.pending(self.set.look_ahead);
        let mut counts = Counts { pending, ..self.counts };
        counts.drop_of(self.line.held - pending, self.line.unbounded);
        counts
    }

    /// The last sample that came in time, kept or not.
    #[must_use]
    pub fn newest(&self) -> Option<Sample<V>> {
        self.is_started.then_some(self.line.newest)
    }

    #[inline(never)]
    fn observe_fully(
        &mut self,
        sample: Sample<V>,
        report: &mut dyn FnMut(Report<V>),
    ) -> Result<(), OrderError> {
        if !self.is_started {
            self.is_started = true;
            self.start(sample, Reason::First, report);
            return Ok(());
        }
        let (set, line, counts) = (self.set, &mut self.line, &mut self.counts);
        let newest = line.newest;
        if sample.at <= newest.at {
            let disorder = if sample.at == newest.at { Disorder::Duplicate } else { Disorder::Late };
            let error = OrderError { at: sample.at, against: newest.at, disorder };
            return self.out_of_order(sample, error, report);
        }
        let is_late = line.after_anchor(sample.at) > set.max_interval;
        let reason = if sample.quality != newest.quality {
            Some(Reason::Quality)
        } else if sample.value.class() != newest.value.class() {
            Some(Reason::NotFinite)
        } else {
            None
        };
        if line.is_straight {
            // A break ends the line: all else was taken before.
            line.finish(Reason::Last, &set, counts, report);
        } else if is_late {
            line.keep_newest(Reason::MaxInterval, &set, counts, report);
        } else if reason.is_some() {
            line.unbounded += u64::from(is_outside(line, set.deviation));
        }
        if let Some(reason) = reason {
            self.start(sample, reason, report);
        } else if sample.value.class() == Class::Finite {
            self.step(sample, report);
        } else {
            line.hold(Point { at: sample.at, value: sample.value });
        }
        Ok(())
    }

    /// Holds the sample, or keeps it where it is outside the deviation.
    fn step(&mut self, sample: Sample<V>, report: &mut dyn FnMut(Report<V>)) {
        let (line, dev) = (&mut self.line, self.set.deviation);
        line.unbounded += u64::from(is_outside(line, dev));
        let is_soon = line.after_anchor(sample.at) < self.set.min_interval;
        if !is_soon && is_further(sample.value, line.anchor.value, dev) {
            self.start(sample, Reason::Value, report);
        } else {
            line.hold(Point { at: sample.at, value: sample.value });
        }
    }

    /// Keeps the sample, drops what is held, and starts the next line from it.
    fn start(&mut self, sample: Sample<V>, reason: Reason, report: &mut dyn FnMut(Report<V>)) {
        self.counts.drop_of(self.line.held, self.line.unbounded);
        self.line.start(sample, self.set.mode);
        report(self.counts.keep(sample, reason));
    }

    #[cold]
    fn out_of_order(
        &mut self,
        sample: Sample<V>,
        error: OrderError,
        report: &mut dyn FnMut(Report<V>),
    ) -> Result<(), OrderError> {
        match self.set.order {
            Order::DropDuplicates if self.is_duplicate(&sample) => {
                self.counts.duplicates = self.counts.duplicates.saturating_add(1);
            }
            Order::DropDuplicates | Order::Pass => report(self.counts.keep(sample, Reason::Order)),
            Order::Drop => self.counts.out_of_order = self.counts.out_of_order.saturating_add(1),
            Order::Refuse => return Err(error),
        }
        Ok(())
    }

    /// Whether it equals the newest sample or the last that was kept.
    fn is_duplicate(&self, sample: &Sample<V>) -> bool {
        let equals = |known: &Sample<V>| {
            let are_nan = [known, sample].iter().all(|sample| sample.value.class() == Class::NotANumber);
            known.at == sample.at
                && known.quality == sample.quality
                && (known.value == sample.value || are_nan)
        };
        equals(&self.line.newest) || equals(&self.line.anchor)
    }
}

/// Whether the held sample, if any, is too far from the anchor to be dropped with the guarantee.
fn is_outside<V: Number>(line: &Line<V>, dev: f64) -> bool {
    line.held > 0 && is_further(line.newest.value, line.anchor.value, dev)
}

/// Whether a value is further than `dev` from another, exactly. Not of what is not finite.
fn is_further<V: Number>(value: V, from: V, dev: f64) -> bool {
    if value.class() != Class::Finite || from.class() != Class::Finite {
        return false;
    }
    let [rise, lost] = value.exact_rise(from);
    if rise.abs() != dev {
        return rise.abs() > dev;
    }
    // Rounding keeps order: where the rounded distance is the deviation, what rounding lost decides.
    if rise > 0.0 { lost > 0.0 } else { lost < 0.0 }
}

/// What two neighbouring kept samples say of the moment `at` between them: the line, or the first where `mode` is
/// [`Mode::Step`], where one is not finite or where their qualities differ. Before the first it is the first's
/// value, after the second the second's. Samples that passed as [`Reason::Order`] are no neighbours: leave them out.
///
/// It rounds: to four units in the last place of the larger of the two values.
#[must_use]
pub fn value_at<V: Number>(before: &Sample<V>, after: &Sample<V>, at: i64, mode: Mode) -> f64 {
    let (from, to) = (before.value.to_f64(), after.value.to_f64());
    if at >= after.at {
        return to;
    }
    let is_line =
        mode == Mode::Linear && before.quality == after.quality && from.is_finite() && to.is_finite();
    if !is_line || at <= before.at {
        return from;
    }
    let part = at.abs_diff(before.at) as f64 / after.at.abs_diff(before.at) as f64;
    // Each product alone, so that no difference of the values overflows.
    from * (1.0 - part) + to * part
}

#[cfg(test)]
mod tests;
