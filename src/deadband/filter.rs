//! The filter of one tag: reports a value when it leaves the band around the last report.
//!
//! # Example
//! ```
//! use iot_runbook::deadband::filter::Filter;
//! use iot_runbook::deadband::sample::Sample;
//!
//! let mut filter = Filter::absolute(0.5)?;
//! let mut reported = Vec::new();
//! for (second, celsius) in [(0, 20.0), (1, 20.4), (2, 20.6), (3, 20.7)] {
//!     filter.observe(Sample::new(second * 1_000_000_000, celsius), |report| reported.push(report.sample.value))?;
//! }
//! assert_eq!(reported, [20.0, 20.6]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Tags with the same [`Settings`] share one [`Rule`]; each has a [`State`] of at most 48 bytes. A [`Filter`] holds both.
//!
//! # What holds
//! - Every report is a sample that came in, with its own time and quality.
//! - Every suppressed sample lies within the band around the last report, exactly: as if without rounding.
//! - A change of the quality is reported at once, whatever else is set.
//! - NaN and the infinities are reported once when a tag enters them, and the first value after them.
//! - A change sooner than the shortest interval is held. When the interval is over, the lowest, the highest and the last
//!   value of it are reported.
//! - A heartbeat is due when the longest interval has passed since the last report, for whatever reason that was made. The
//!   next sample carries it. Time alone reports nothing.
//! - Late samples are reported as [`Reason::Order`] and change nothing. A sample of the same time that adds nothing is a
//!   duplicate and is dropped. [`Order`] has the rules, and other policies.
//! - A state that is saved after any sample and restored continues exactly where it was.
//!
//! The profile of a vendor may break some of these. Its [table](crate::deadband::profile) says which.

mod band;
mod counts;
mod fast_path;
mod hold;
mod report;
mod rule;
mod saved;
mod settings;
mod state;
mod vendor;

use std::sync::Arc;

pub(super) use band::Widths;
pub use band::{Band, Extent};
pub use counts::Counts;
pub use hold::Hold;
pub use report::{Disorder, OrderError, Reason, Report, Suppression, Verdict};
pub use rule::Rule;
pub(super) use rule::{moved, width_at};
pub use saved::{RestoreError, Saved};
pub use settings::{Order, Settings, SettingsError};
pub use state::State;

use super::sample::{Number, Quality, Sample};
pub(super) use fast_path::FastPath;

/// The filter of one tag: its rule, its state, and its counts.
///
/// Pass each sample to [`observe`](Self::observe) as it comes. What is to be reported goes to the closure, in the order
/// of time. With a shortest interval, also call [`poll`](Self::poll) at [`due`](Self::due), and [`flush`](Self::flush)
/// at the end.
///
/// ```
/// use std::sync::Arc;
/// use chrono::TimeDelta;
/// use iot_runbook::deadband::filter::{Extent, Filter, Reason, Rule, Settings};
/// use iot_runbook::deadband::sample::Sample;
///
/// let settings = Settings::new(Extent::Absolute(0.5)).with_max_interval(TimeDelta::seconds(60));
/// let rule = Arc::new(Rule::<f64>::new(settings)?);
/// let mut filter = Filter::new(Arc::clone(&rule));
/// let mut reported = Vec::new();
/// for (second, value) in [(0, 20.0), (1, 20.5), (2, 20.6), (3, f64::NAN), (4, f64::NAN), (5, 20.6), (65, 20.6)] {
///     filter.observe(Sample::new(second * 1_000_000_000, value), |report| {
///         reported.push((report.sample.at / 1_000_000_000, report.reason));
///     })?;
/// }
/// assert_eq!(
///     reported,
///     [(0, Reason::First), (2, Reason::Value), (3, Reason::Value), (5, Reason::Value), (65, Reason::Heartbeat)]
/// );
/// assert_eq!(filter.counts().suppressed_in_band(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Filter<V: Number = f64> {
    rule: Arc<Rule<V>>,
    state: State<V>,
    hold: Hold<V>,
    counts: Counts,
}

impl<V: Number> Filter<V> {
    /// A filter with a band of a fixed width, in the unit of the tag, and the default [`Settings`].
    ///
    /// # Errors
    /// [`SettingsError`] if the width is negative or not finite.
    pub fn absolute(width: f64) -> Result<Self, SettingsError> {
        Self::with_band(Extent::Absolute(width))
    }

    /// A filter with a band in percent of the range from `low` to `high`, and the default [`Settings`].
    ///
    /// # Errors
    /// [`SettingsError`] if the percentage is negative, or the range is empty or not finite.
    pub fn percent_of_span(percent: f64, low: f64, high: f64) -> Result<Self, SettingsError> {
        Self::with_band(Extent::PercentOfSpan { percent, low, high })
    }

    /// A filter with a band in percent of the last reported value, at least `floor`, and the default [`Settings`].
    ///
    /// # Errors
    /// [`SettingsError`] if the percentage or the floor is negative or not finite.
    pub fn percent_of_last(percent: f64, floor: f64) -> Result<Self, SettingsError> {
        Self::with_band(Extent::PercentOfLast { percent, floor })
    }

    /// A filter of one tag with these settings. For many tags with the same settings make one [`Rule`] and give it to
    /// [`Filter::new`].
    ///
    /// # Errors
    /// [`SettingsError`] if a setting is invalid.
    pub fn with_settings(settings: Settings) -> Result<Self, SettingsError> {
        Ok(Self::new(Arc::new(Rule::new(settings)?)))
    }

    fn with_band(band: Extent) -> Result<Self, SettingsError> {
        Self::with_settings(Settings::new(band))
    }

    /// A filter that has seen nothing. Tags with the same settings share the rule.
    #[must_use]
    pub fn new(rule: Arc<Rule<V>>) -> Self {
        Self { rule, state: State::default(), hold: Hold::default(), counts: Counts::default() }
    }

    /// Decides about a sample. What is to be reported goes to `report` in the order of time: samples that were held, the
    /// previous sample, and the sample itself.
    ///
    /// # Errors
    /// [`OrderError`] for a sample out of time order where [`Order::Refuse`] is set. Nothing has changed then.
    #[inline]
    pub fn observe(
        &mut self,
        sample: Sample<V>,
        report: impl FnMut(Report<V>),
    ) -> Result<Verdict, OrderError> {
        self.apply(sample, None, report)
    }

    /// The same for a sample that was received at this moment, in nanoseconds since the Unix epoch: a sample too
    /// far ahead of it is out of order. Telegraf's heartbeat goes by this moment.
    ///
    /// # Errors
    /// As [`observe`](Self::observe).
    #[inline]
    pub fn observe_received(
        &mut self,
        sample: Sample<V>,
        received: i64,
        report: impl FnMut(Report<V>),
    ) -> Result<Verdict, OrderError> {
        self.apply(sample, Some(received), report)
    }

    #[inline(always)]
    fn apply(
        &mut self,
        sample: Sample<V>,
        received: Option<i64>,
        mut report: impl FnMut(Report<V>),
    ) -> Result<Verdict, OrderError> {
        let (rule, state, hold) = (&*self.rule, &mut self.state, &mut self.hold);
        match rule.fast_path(state, &sample, received) {
            FastPath::Within => {
                rule.suppress(state, hold, sample);
                self.counts.suppress(Suppression::Band);
                Ok(Verdict::Suppressed(Suppression::Band))
            }
            FastPath::Outside => {
                if let Some(sample) = rule.report(state, hold, sample) {
                    self.counts.add(Reason::Previous);
                    report(Report { sample, reason: Reason::Previous });
                }
                self.counts.add(Reason::Value);
                report(Report { sample, reason: Reason::Value });
                Ok(Verdict::Reported(Reason::Value))
            }
            // By its parts, so that the fast path can keep the sample in registers.
            FastPath::Undecided => {
                self.apply_fully(sample.at, sample.value, sample.quality, received, report)
            }
        }
    }

    #[inline(never)]
    fn apply_fully(
        &mut self,
        at: i64,
        value: V,
        quality: Quality,
        received: Option<i64>,
        mut report: impl FnMut(Report<V>),
    ) -> Result<Verdict, OrderError> {
        let counts = &mut self.counts;
        let verdict = self.rule.observe_fully(
            &mut self.state,
            &mut self.hold,
            Sample { at, value, quality },
            received,
            &mut |out: Report<V>| {
                counts.add(out.reason);
                report(out);
            },
        )?;
        self.counts.judge(verdict);
        Ok(verdict)
    }

    /// Reports what is held, where its interval is over at `now`, in nanoseconds since the Unix epoch.
    pub fn poll(&mut self, now: i64, mut report: impl FnMut(Report<V>)) {
        if self.due().is_some_and(|due| due <= now) {
            self.flush(&mut report);
        }
    }

    /// When what is held leaves, in nanoseconds since the Unix epoch. `None`: nothing is held.
    #[must_use]
    pub fn due(&self) -> Option<i64> {
        self.rule.due(&self.state, &self.hold)
    }

    /// Reports what is held at once: for the end of a stream.
    pub fn flush(&mut self, mut report: impl FnMut(Report<V>)) {
        let counts = &mut self.counts;
        self.rule.release(&mut self.state, &mut self.hold, &mut |out: Report<V>| {
            counts.add(out.reason);
            report(out);
        });
    }

    /// Accepts a clock that was set back: samples after `now`, in nanoseconds since the Unix epoch, are in order again.
    /// Reports what is held. Changes nothing if no sample was later than `now`.
    ///
    /// Until then, after a clock that ran ahead, every sample is late: by default and under [`Order::Pass`] all of them
    /// pass, under [`Order::Drop`] the tag is mute. [`Counts::out_of_order`] rises with every sample.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use iot_runbook::deadband::filter::{Extent, Filter, Rule, Settings};
    /// use iot_runbook::deadband::sample::Sample;
    ///
    /// let mut filter = Filter::new(Arc::new(Rule::new(Settings::new(Extent::Absolute(1.0)))?));
    /// let mut reported = Vec::new();
    /// for at in [0, i64::MAX, 1, 2] {
    ///     filter.observe(Sample::new(at, 20.0), |report| reported.push(report.sample.at))?;
    /// }
    /// assert_eq!((reported.as_slice(), filter.counts().out_of_order()), ([0, 1, 2].as_slice(), 2));
    /// filter.accept_clock(2, |_| {});
    /// filter.observe(Sample::new(3, 20.0), |report| reported.push(report.sample.at))?;
    /// assert_eq!(reported, [0, 1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn accept_clock(&mut self, now: i64, report: impl FnMut(Report<V>)) {
        // A clock that was not ahead is accepted by every sample as it comes: to flush what is held would
        // report it too soon.
        if self.state.newest().is_none_or(|newest| newest <= now) {
            return;
        }
        self.flush(report);
        // It lies ahead of what comes, and would be out of order if it went before that.
        self.hold.previous = None;
        self.state.newest = now;
        // The next heartbeat is counted from here, and not from a moment that may be years ahead.
        self.state.reported_at = self.state.reported_at.min(now);
    }

    /// True if the sample that was suppressed last may still be reported.
    pub(super) fn may_send_previous(&self) -> bool {
        self.hold.previous.is_some()
    }

    /// How many samples were reported and suppressed, by reason.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What it remembers of its tag.
    #[must_use]
    pub const fn state(&self) -> &State<V> {
        &self.state
    }

    /// Its rule.
    #[must_use]
    pub const fn rule(&self) -> &Arc<Rule<V>> {
        &self.rule
    }

    /// Everything it remembers, to be written by any serde format.
    #[must_use]
    pub fn save(&self) -> Saved<V> {
        Saved::new(self.rule.profile(), self.state, self.hold, self.counts)
    }

    /// A filter that goes on where another was saved. Band and intervals may differ from the other's: from now on,
    /// the new ones hold.
    ///
    /// # Errors
    /// [`RestoreError`] where it was saved under another profile, or is no state that a filter could be in.
    pub fn restore(rule: Arc<Rule<V>>, saved: &Saved<V>) -> Result<Self, RestoreError> {
        let (state, hold, counts) = saved.open(&rule)?;
        Ok(Self { rule, state, hold, counts })
    }
}
