//! The filter of one tag: a [`Rule`] that many tags share, and the [`State`] of each.
//!
//! # What holds
//! - Every report is a sample that came in, with its own time and quality. Nothing is made up.
//! - A change of the quality passes at once, whatever else is set.
//! - NaN and the infinities pass once when a tag enters them and once when it leaves.
//! - Samples in time order, finite and of one quality: none is further than the band from the last report, unless
//!   a shortest interval holds it back.
//! - A heartbeat is counted from the last report, whatever the report's reason. It is due with the first sample that
//!   comes as late or later, and only then: time alone makes no sample.
//! - A state that is saved after any sample and restored goes on as if nothing had been.
//!
//! A profile of a vendor may break some of these; its [table](crate::deadband::profile) says which.

mod band;
mod counts;
mod glance;
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
pub use saved::{Saved, StateError};
pub use settings::{ConfigError, Order, Settings};
pub use state::State;

use super::sample::{Number, Quality, Sample};
use glance::Glance;

/// The filter of one tag: its rule, its state, and its counts.
///
/// Give it each sample as it comes; it hands the ones to report to a closure, in time order. Where a shortest
/// interval is set, [`poll`](Self::poll) it at [`due`](Self::due) too, and [`flush`](Self::flush) it in the end.
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
///     filter.step(Sample::new(second * 1_000_000_000, value), |report| {
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
    /// A filter that has seen nothing.
    #[must_use]
    pub fn new(rule: Arc<Rule<V>>) -> Self {
        Self { rule, state: State::default(), hold: Hold::default(), counts: Counts::default() }
    }

    /// Judges a sample, and hands what is to be reported to `report`, in time order: what was held, the previous
    /// one, and the sample itself.
    ///
    /// # Errors
    /// [`OrderError`] for a sample out of time order where [`Order::Refuse`] is set. Nothing has changed then.
    #[inline]
    pub fn step(&mut self, sample: Sample<V>, report: impl FnMut(Report<V>)) -> Result<Verdict, OrderError> {
        self.take(sample, None, report)
    }

    /// The same for a sample that was received at this moment, in nanoseconds since the Unix epoch: a sample too
    /// far ahead of it is out of order. Telegraf's heartbeat goes by this moment.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    #[inline]
    pub fn step_received(
        &mut self,
        sample: Sample<V>,
        received: i64,
        report: impl FnMut(Report<V>),
    ) -> Result<Verdict, OrderError> {
        self.take(sample, Some(received), report)
    }

    #[inline(always)]
    fn take(
        &mut self,
        sample: Sample<V>,
        received: Option<i64>,
        mut report: impl FnMut(Report<V>),
    ) -> Result<Verdict, OrderError> {
        let (rule, state, hold) = (&*self.rule, &mut self.state, &mut self.hold);
        match rule.glance(state, &sample, received) {
            Glance::Within => {
                rule.hold_off(state, hold, sample);
                self.counts.suppress(Suppression::Band);
                Ok(Verdict::Suppressed(Suppression::Band))
            }
            Glance::Outside => {
                if let Some(sample) = rule.move_on(state, hold, sample) {
                    self.counts.add(Reason::Previous);
                    report(Report { sample, reason: Reason::Previous });
                }
                self.counts.add(Reason::Value);
                report(Report { sample, reason: Reason::Value });
                Ok(Verdict::Reported(Reason::Value))
            }
            // By its parts, so that it need not lie in memory for what takes it by a glance.
            Glance::Unsure => self.take_fully(sample.at, sample.value, sample.quality, received, report),
        }
    }

    #[inline(never)]
    fn take_fully(
        &mut self,
        at: i64,
        value: V,
        quality: Quality,
        received: Option<i64>,
        mut report: impl FnMut(Report<V>),
    ) -> Result<Verdict, OrderError> {
        let counts = &mut self.counts;
        let verdict = self.rule.step_fully(
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

    /// Takes back what a clock that ran ahead did to the order of time: what comes after `now`, in nanoseconds since
    /// the Unix epoch, is in order again. Reports what is held, and changes nothing where no sample was later.
    ///
    /// Under [`Order::Pass`] such a clock loses nothing, but has each sample pass until time catches up with it; under
    /// [`Order::Drop`] it mutes the tag. [`Counts::out_of_order`] rises with every sample then.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use iot_runbook::deadband::filter::{Extent, Filter, Rule, Settings};
    /// use iot_runbook::deadband::sample::Sample;
    ///
    /// let mut filter = Filter::new(Arc::new(Rule::new(Settings::new(Extent::Absolute(1.0)))?));
    /// let mut reported = Vec::new();
    /// for at in [0, i64::MAX, 1, 2] {
    ///     filter.step(Sample::new(at, 20.0), |report| reported.push(report.sample.at))?;
    /// }
    /// assert_eq!((reported.as_slice(), filter.counts().out_of_order()), ([0, 1, 2].as_slice(), 2));
    /// filter.turn_back(2, |_| {});
    /// filter.step(Sample::new(3, 20.0), |report| reported.push(report.sample.at))?;
    /// assert_eq!(reported, [0, 1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn turn_back(&mut self, now: i64, report: impl FnMut(Report<V>)) {
        if self.state.newest().is_none_or(|newest| newest <= now) {
            return;
        }
        self.flush(report);
        // It lies ahead of what comes, and would be out of order if it went before that.
        self.hold.previous = None;
        self.state.newest = now;
        self.state.reported_at = self.state.reported_at.min(now);
    }

    /// Whether the sample that was suppressed last may still be reported.
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
    /// [`StateError`] where it was saved under another profile, or is no state that a filter could be in.
    pub fn restore(rule: Arc<Rule<V>>, saved: &Saved<V>) -> Result<Self, StateError> {
        let (state, hold, counts) = saved.open(&rule)?;
        Ok(Self { rule, state, hold, counts })
    }
}
