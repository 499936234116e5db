//! Swinging door: fewer samples, and straight lines between them that miss no dropped one by more than a
//! deviation.
//!
//! # What holds
//! Between two kept samples, [`value_at`] draws a line (or holds the first, in [`Mode::Step`]). Each sample that
//! was dropped lies within [`Settings::deviation`] of what is drawn at its moment: exactly, as if the line were
//! computed without rounding. `value_at` itself rounds to a few units in the last place of the kept values.
//!
//! - It emits only samples that came in, untouched, in the order of their times (late ones apart).
//! - A change of quality ends the line, and the sample that brings it is kept.
//! - So does a value that is not finite: the first NaN of a run is kept, and the first number after it; until
//!   then NaN holds. The infinities likewise.
//! - No line is longer than [`Settings::max_interval`], as long as samples come within it.
//! - Within [`Settings::min_interval`] after a kept sample none is kept for its value. **Those samples alone may
//!   be dropped without the guarantee**; [`Counts::unbounded`] counts those that were.
//! - Samples out of time order take no part: [`Order`] says what becomes of them. A clock that jumps forward makes
//!   all that follows late, unless [`Settings::ahead`] is set; [flush](SwingingDoor::flush) such a door, and begin a new
//!   one.
//!
//! # How
//! From the last kept sample opens a cone of the lines that pass every later sample within the deviation. A
//! sample that the cone can see is held, in place of the one held before, and narrows the cone by its own
//! deviation; one that it cannot see ends the line at the held sample, from where the next cone opens. So each
//! line is proven before its end is kept. Bristol's doors (US patent 4 669 097), which most historians run, turn
//! the doors without that proof, and miss dropped samples by several deviations.
//!
//! Slopes are compared by cross multiplication with a bound on the rounding, and exactly where they are within
//! that bound. A step allocates nothing.
//!
//! # Example
//! ```
//! use iot_runbook::deadband::sample::Sample;
//! use iot_runbook::deadband::swinging_door::{Settings, SwingingDoor};
//!
//! let mut door = SwingingDoor::new(&Settings::new(0.5))?;
//! let mut kept = Vec::new();
//! // A ramp up, and a ramp down.
//! for second in 0..=100_i32 {
//!     let sample = Sample::new(i64::from(second) * 1_000_000_000, f64::from(50 - (second - 50).abs()));
//!     kept.extend(door.push(sample)?.map(|report| report.sample.value));
//! }
//! kept.extend(door.flush().map(|report| report.sample.value));
//! assert_eq!(kept, [0.0, 50.0, 0.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cone;
mod exact;
mod report;
mod saved;
mod settings;

use serde::{Deserialize, Serialize};

use crate::deadband::filter::{Disorder, Order, OrderError};
use crate::deadband::sample::{Class, Number as _, Sample};
use cone::Cone;
use saved::Saved;

pub use report::{Counts, Reason, Report, Reports};
pub use saved::SavedError;
pub use settings::{Mode, Settings, SettingsError};

/// The door of one tag. Its state is saved and restored by serde, to the last bit in every format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct SwingingDoor {
    deviation: f64,
    /// In nanoseconds; `u64::MAX` where there is none.
    max_interval: u64,
    /// In nanoseconds.
    min_interval: u64,
    /// In nanoseconds; `u64::MAX` where there is no limit.
    ahead: u64,
    mode: Mode,
    order: Order,
    /// None until the first sample.
    line: Option<Line>,
    counts: Counts,
}

/// The line that is being drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Line {
    /// The last that was kept.
    anchor: Sample,
    /// The last that came in time; the anchor where `held` is zero.
    newest: Sample,
    /// How many came since the anchor; all but the newest are dropped.
    held: u64,
    /// Of those before the newest, how many are dropped without the guarantee.
    unbounded: u64,
    cone: Cone,
}

impl Line {
    const fn from(anchor: Sample) -> Self {
        Self { anchor, newest: anchor, held: 0, unbounded: 0, cone: Cone::OPEN }
    }

    /// How long after the anchor; only of what is no earlier.
    #[inline]
    const fn after_anchor(&self, sample: &Sample) -> u64 {
        // The difference of two i64 may not fit one, but always fits a u64.
        sample.at.wrapping_sub(self.anchor.at).cast_unsigned()
    }

    #[inline]
    const fn hold(&mut self, sample: Sample) {
        self.newest = sample;
        self.held += 1;
    }
}

impl SwingingDoor {
    /// A door that has seen nothing yet.
    ///
    /// # Errors
    /// [`SettingsError`], which names the setting.
    pub fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let checked = settings.check()?;
        Ok(Self {
            deviation: settings.deviation,
            max_interval: checked.max_interval,
            min_interval: checked.min_interval,
            ahead: checked.ahead,
            mode: settings.mode,
            order: settings.order,
            line: None,
            counts: Counts::default(),
        })
    }

    /// Takes a sample in, and gives what is kept by now: none, one or two, in the order of their times.
    ///
    /// # Errors
    /// [`OrderError`] where the sample is no later than the newest and [`Order::Refuse`] is set; nothing has changed
    /// then.
    #[inline]
    pub fn push(&mut self, sample: Sample) -> Result<Reports, OrderError> {
        if let Some(line) = &mut self.line
            && self.mode == Mode::Linear
            && sample.at > line.newest.at
            && sample.quality == line.newest.quality
            && line.after_anchor(&sample) <= self.max_interval
        {
            // What is not finite the cone does not take.
            if take(line, &sample, self.deviation) {
                return Ok(Reports::NONE);
            }
            if sample.value.is_finite() && line.anchor.value.is_finite() {
                let before = end_line(line, &mut self.counts, self.min_interval);
                return Ok(begin_line(line, &mut self.counts, sample, self.deviation, before));
            }
        }
        self.push_slowly(sample)
    }

    /// The same for a sample that was received at this moment, in nanoseconds since the Unix epoch: one too far
    /// [`ahead`](Settings::ahead) of it is out of time order.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    #[inline]
    pub fn push_received(&mut self, sample: Sample, received: i64) -> Result<Reports, OrderError> {
        if sample.at > received && sample.at.abs_diff(received) > self.ahead {
            let error = OrderError { at: sample.at, against: received, disorder: Disorder::Ahead };
            return out_of_order(&mut self.counts, self.order, sample, error);
        }
        self.push(sample)
    }

    /// Keeps the sample that is held, if any: at the end, or where none is expected for long. The line goes on
    /// from it.
    pub fn flush(&mut self) -> Option<Report> {
        let line = self.line.as_mut()?;
        keep_newest(line, &mut self.counts, Reason::Last)
    }

    /// What became of the samples so far. The held one is among none of them yet.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = self.counts;
        if let Some(line) = &self.line {
            counts.drop_of(line.held.saturating_sub(1), line.unbounded);
        }
        counts
    }

    /// The last sample that came in time, kept or not.
    #[must_use]
    pub fn newest(&self) -> Option<Sample> {
        self.line.map(|line| line.newest)
    }

    #[inline(never)]
    fn push_slowly(&mut self, sample: Sample) -> Result<Reports, OrderError> {
        let (max, min, dev) = (self.max_interval, self.min_interval, self.deviation);
        let counts = &mut self.counts;
        let Some(line) = &mut self.line else {
            self.line = Some(Line::from(sample));
            return Ok(Reports::one(counts.keep(sample, Reason::First)));
        };
        if sample.at <= line.newest.at {
            let disorder = if sample.at == line.newest.at { Disorder::Duplicate } else { Disorder::Late };
            let error = OrderError { at: sample.at, against: line.newest.at, disorder };
            return out_of_order(counts, self.order, sample, error);
        }
        let class = sample.value.class();
        if sample.quality != line.newest.quality || class != line.newest.value.class() {
            let reason =
                if sample.quality == line.newest.quality { Reason::NotFinite } else { Reason::Quality };
            return Ok(break_off(line, counts, self.mode, max, sample, dev, reason));
        }
        let mut before = None;
        if line.after_anchor(&sample) > max {
            before = keep_newest(line, counts, Reason::MaxInterval);
        }
        let mut this = None;
        if class != Class::Finite {
            line.hold(sample);
        } else if self.mode == Mode::Step {
            this = step(line, counts, sample, dev, min);
        } else {
            return Ok(begin_line(line, counts, sample, dev, before));
        }
        Ok(Reports::two(before, this))
    }
}

/// Treats the sample as was chosen.
#[cold]
fn out_of_order(
    counts: &mut Counts,
    order: Order,
    sample: Sample,
    error: OrderError,
) -> Result<Reports, OrderError> {
    match order {
        Order::Pass => Ok(Reports::one(counts.keep(sample, Reason::Order))),
        Order::Drop => {
            counts.out_of_order = counts.out_of_order.saturating_add(1);
            Ok(Reports::NONE)
        }
        Order::Refuse => Err(error),
    }
}

/// Holds the sample, where the line can go on to it.
#[inline]
fn take(line: &mut Line, sample: &Sample, dev: f64) -> bool {
    let after = line.after_anchor(sample);
    let is_taken = line.cone.take(line.anchor.value, dev, sample.value, after);
    if is_taken {
        line.hold(*sample);
    }
    is_taken
}

/// Holds the first sample that a line is bound by.
#[inline]
fn begin_line(
    line: &mut Line,
    counts: &mut Counts,
    sample: Sample,
    dev: f64,
    before: Option<Report>,
) -> Reports {
    match Cone::first(line.anchor.value, dev, sample.value, line.after_anchor(&sample)) {
        Some(cone) => {
            line.cone = cone;
            line.hold(sample);
            Reports::two(before, None)
        }
        // Too far from the anchor for a line to be computed.
        None => Reports::two(before, Some(start_anew(line, counts, sample, Reason::Line))),
    }
}

/// Ends the line at the held sample, which is kept unless it is too near the anchor: then the line goes on,
/// bound by nothing that came until then. Either way a new cone is to begin.
fn end_line(line: &mut Line, counts: &mut Counts, min: u64) -> Option<Report> {
    if line.after_anchor(&line.newest) >= min {
        return keep_newest(line, counts, Reason::Line);
    }
    line.unbounded = line.held;
    None
}

/// Holds the sample, or keeps it where it is outside the deviation.
fn step(line: &mut Line, counts: &mut Counts, sample: Sample, dev: f64, min: u64) -> Option<Report> {
    line.unbounded += u64::from(is_outside(line, dev));
    if sample.value.exceeds(line.anchor.value, dev) && line.after_anchor(&sample) >= min {
        return Some(start_anew(line, counts, sample, Reason::Value));
    }
    line.hold(sample);
    None
}

/// Whether the held sample, if any, is too far from the anchor to be dropped with the guarantee.
fn is_outside(line: &Line, dev: f64) -> bool {
    line.held > 0 && line.newest.value.exceeds(line.anchor.value, dev)
}

/// Keeps a sample of another quality or class, and before it the end of the line that it breaks.
fn break_off(
    line: &mut Line,
    counts: &mut Counts,
    mode: Mode,
    max: u64,
    sample: Sample,
    dev: f64,
    reason: Reason,
) -> Reports {
    let end = if mode == Mode::Linear && line.newest.value.is_finite() {
        keep_newest(line, counts, Reason::Last)
    } else if line.after_anchor(&sample) > max {
        // The break comes too late to end what holds.
        keep_newest(line, counts, Reason::MaxInterval)
    } else {
        // What holds until the break needs no end.
        line.unbounded += u64::from(is_outside(line, dev));
        None
    };
    Reports::two(end, Some(start_anew(line, counts, sample, reason)))
}

/// Keeps the sample, drops what is held, and starts the next line from it.
fn start_anew(line: &mut Line, counts: &mut Counts, sample: Sample, reason: Reason) -> Report {
    counts.drop_of(line.held, line.unbounded);
    *line = Line::from(sample);
    counts.keep(sample, reason)
}

/// Keeps the held sample, if any, and starts the next line from it.
fn keep_newest(line: &mut Line, counts: &mut Counts, reason: Reason) -> Option<Report> {
    let dropped = line.held.checked_sub(1)?;
    counts.drop_of(dropped, line.unbounded);
    *line = Line::from(line.newest);
    Some(counts.keep(line.anchor, reason))
}

/// What two neighbouring kept samples say of the moment `at` between them: the line, or the first where `mode` is
/// [`Mode::Step`], where one is not finite or where their qualities differ. Before the first it is the first's
/// value, after the second the second's. Samples that passed as [`Reason::Order`] are no neighbours: leave them out.
///
/// It rounds: to four units in the last place of the larger of the two values.
#[must_use]
pub fn value_at(before: &Sample, after: &Sample, at: i64, mode: Mode) -> f64 {
    if at >= after.at {
        return after.value;
    }
    let is_line = mode == Mode::Linear
        && before.quality == after.quality
        && before.value.is_finite()
        && after.value.is_finite();
    if !is_line || at <= before.at {
        return before.value;
    }
    let part = at.abs_diff(before.at) as f64 / after.at.abs_diff(before.at) as f64;
    // Each product alone, so that no difference of the values overflows.
    before.value * (1.0 - part) + after.value * part
}

#[cfg(test)]
mod tests;
