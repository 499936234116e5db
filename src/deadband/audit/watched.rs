use std::collections::VecDeque;

use super::Audit;
use crate::deadband::filter::{Filter, OrderError, Reason, Report, Suppression, Verdict};
use crate::deadband::sample::{Number, Sample};

/// A filter and the audit that watches it, which observes each sample once it is known whether it was reported.
///
/// A sample that a shortest interval holds, or that may go first as the previous one, leaves late or not at all. Until
/// that is known it waits here: at most what comes within one shortest interval, and one more. What is out of time
/// order is observed at once, as [late](Audit::late).
///
/// ```
/// use chrono::TimeDelta;
/// use iot_runbook::deadband::audit::{Audit, Watched};
/// use iot_runbook::deadband::filter::{Extent, Filter, Settings};
/// use iot_runbook::deadband::sample::Sample;
///
/// let settings = Settings::new(Extent::Absolute(0.5)).with_min_interval(TimeDelta::nanoseconds(10));
/// let mut tag = Watched::new(Filter::with_settings(settings)?, Audit::new(0.5)?);
/// let mut sent = Vec::new();
/// for (at, value) in [(0, 1.0), (2, 5.0), (3, 4.0), (4, 9.0)] {
///     tag.observe(Sample::new(at, value), |report| sent.push(report.sample.at))?;
/// }
/// // Three are held, and the audit waits with them.
/// assert_eq!((sent.len(), tag.audit().samples()), (1, 1));
/// tag.poll(10, |report| sent.push(report.sample.at));
/// assert_eq!(sent, [0, 3, 4]);
/// assert_eq!((tag.audit().samples(), tag.audit().reported()), (4, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Watched<V: Number = f64> {
    filter: Filter<V>,
    audit: Audit,
    /// In time order, each with whether it was reported by now.
    waiting: VecDeque<(Sample<V>, bool)>,
}

impl<V: Number> Watched<V> {
    /// Has the audit watch the filter from now on. What the filter already holds is unknown to it.
    #[must_use]
    pub const fn new(filter: Filter<V>, audit: Audit) -> Self {
        Self { filter, audit, waiting: VecDeque::new() }
    }

    /// As [`Filter::observe`].
    ///
    /// # Errors
    /// As there. The audit observes what is refused, as late.
    pub fn observe(
        &mut self,
        sample: Sample<V>,
        report: impl FnMut(Report<V>),
    ) -> Result<Verdict, OrderError> {
        self.take(sample, None, report)
    }

    /// As [`Filter::observe_received`].
    ///
    /// # Errors
    /// As [`observe`](Self::observe).
    pub fn observe_received(
        &mut self,
        sample: Sample<V>,
        received: i64,
        report: impl FnMut(Report<V>),
    ) -> Result<Verdict, OrderError> {
        self.take(sample, Some(received), report)
    }

    fn take(
        &mut self,
        sample: Sample<V>,
        received: Option<i64>,
        mut report: impl FnMut(Report<V>),
    ) -> Result<Verdict, OrderError> {
        let waiting = &mut self.waiting;
        let out = |out: Report<V>| {
            mark(waiting, &out);
            report(out);
        };
        let verdict = match received {
            Some(received) => self.filter.observe_received(sample, received, out),
            None => self.filter.observe(sample, out),
        };
        match verdict {
            Err(_)
            | Ok(
                Verdict::Reported(Reason::Order)
                | Verdict::Suppressed(Suppression::Order | Suppression::Duplicate),
            ) => {
                self.audit.pass_over_late();
            }
            Ok(verdict) => {
                self.waiting.push_back((sample, matches!(verdict, Verdict::Reported(_))));
                self.settle();
            }
        }
        verdict
    }

    /// As [`Filter::poll`].
    pub fn poll(&mut self, now: i64, mut report: impl FnMut(Report<V>)) {
        let waiting = &mut self.waiting;
        self.filter.poll(now, |out| {
            mark(waiting, &out);
            report(out);
        });
        self.settle();
    }

    /// As [`Filter::flush`], and no sample waits any longer.
    pub fn flush(&mut self, mut report: impl FnMut(Report<V>)) {
        let waiting = &mut self.waiting;
        self.filter.flush(|out| {
            mark(waiting, &out);
            report(out);
        });
        self.tell(0);
    }

    /// The audit, of what is known by now.
    #[must_use]
    pub const fn audit(&self) -> &Audit {
        &self.audit
    }

    /// The filter.
    #[must_use]
    pub const fn filter(&self) -> &Filter<V> {
        &self.filter
    }

    /// Both, to be saved or to go on apart. What waits is observed first, as it is.
    #[must_use]
    pub fn into_parts(mut self) -> (Filter<V>, Audit) {
        self.tell(0);
        (self.filter, self.audit)
    }

    /// Feeds the audit all but what may still leave.
    fn settle(&mut self) {
        if self.filter.due().is_none() {
            let is_last_open = self.filter.may_send_previous()
                && self.waiting.back().is_some_and(|(_, is_reported)| !is_reported);
            self.tell(usize::from(is_last_open));
        }
    }

    /// Feeds the audit all but the newest so many.
    fn tell(&mut self, but: usize) {
        let known = self.waiting.len().saturating_sub(but);
        for (sample, is_reported) in self.waiting.drain(..known) {
            self.audit.observe(&sample, is_reported);
        }
    }
}

/// Of samples in order no two are of one moment.
fn mark<V>(waiting: &mut VecDeque<(Sample<V>, bool)>, report: &Report<V>) {
    if matches!(report.reason, Reason::Held | Reason::Previous)
        && let Some((_, is_reported)) =
            waiting.iter_mut().rev().find(|(sample, _)| sample.at == report.sample.at)
    {
        *is_reported = true;
    }
}
