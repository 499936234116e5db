//! How time moves a diagnosis.

use chrono::{DateTime, TimeDelta, Utc};

use super::{EXPIRED, OVER};
use crate::diagnosis::anomaly::{Anomaly, CLOCK_JUMP, CLOCK_SLACK, MOST_STEPS_BACK};
use crate::diagnosis::log::{Event, ExitIndex};
use crate::diagnosis::{Diagnosis, Phase};
use crate::runbook::Runbook;
use crate::time::since;

impl Diagnosis {
    /// Counts the time that has passed, and takes every exit that time alone opens.
    pub(in crate::diagnosis) fn advance(&mut self, now: DateTime<Utc>) {
        if self.is_ended() {
            return;
        }
        self.tick(now);
        while !self.is_ended() {
            // Before all else: a diagnosis that is over must not ask or act once more on its way out.
            if self.elapsed >= self.longest() {
                self.abort(Anomaly::TooLong);
            } else if self
                .retries
                .iter()
                .any(|retry| Some(retry.due) == self.next_due() && retry.due <= self.elapsed)
            {
                self.retry();
            } else if self.phase.due().is_some_and(|due| due <= self.elapsed) {
                self.fall_due();
            } else {
                break;
            }
        }
    }

    /// When time alone moves it on next, on its own account.
    pub(in crate::diagnosis) fn next_due(&self) -> Option<TimeDelta> {
        let retries = self.retries.iter().map(|retry| retry.due);
        let next = self.phase.due().into_iter().chain(retries).min()?;
        Some(next.min(self.longest()))
    }

    /// When the diagnosis has taken as long as the runbook allows that it began with, on its own account of time.
    pub(in crate::diagnosis) fn longest(&self) -> TimeDelta {
        let longest = self.context.set.runbook(self.context.entry).map_or(TimeDelta::MAX, Runbook::longest);
        longest.checked_add(&self.jumped).unwrap_or(TimeDelta::MAX)
    }

    /// Time is counted on the diagnosis's own account: what the given clock gained since the last call, and
    /// nothing where it stepped back. So a wait keeps its length whatever the clock does.
    fn tick(&mut self, now: DateTime<Utc>) {
        // Only here does time pass: what was logged since then was logged at the time that still is.
        let logged = self.log.next();
        if logged != self.logged {
            (self.logged, self.logged_elapsed) = (logged, self.elapsed);
        }
        let gained = since(now, self.now);
        // Clocks are adjusted by fractions of a second all the time; as an anomaly each would only be
        // noise.
        if gained < -CLOCK_SLACK {
            // Recorded at the moment before: the event says what the clock said then.
            self.note_anomaly(Anomaly::ClockBack { to: now });
            self.steps_back += 1;
            // Each step back is an entry: a clock that swings would make the trace grow without bound.
            if self.steps_back > MOST_STEPS_BACK {
                self.abort(Anomaly::ClockUnusable);
            }
            self.now = now;
            return;
        }
        if gained <= TimeDelta::zero() {
            return;
        }
        self.elapsed = self.after(gained);
        self.now = now;
        // A service that slept to the due moment is not late, however long that took.
        let awaited = self.next_due().unwrap_or(self.logged_elapsed);
        let late = self.elapsed.checked_sub(&awaited).unwrap_or(TimeDelta::MAX);
        if late > CLOCK_JUMP {
            self.note_anomaly(Anomaly::ClockForward);
            // Nobody knows whether that time has passed: it does not make the diagnosis too long.
            self.jumped = self.jumped.checked_add(&late).unwrap_or(TimeDelta::MAX);
        }
    }

    /// What was awaited has not come, or the wait is over.
    fn fall_due(&mut self) {
        match self.phase {
            Phase::Waiting { began, due } => {
                self.note_long_wait(began, due);
                self.push(Event::WaitEnded { idle: false, exit: Some(OVER) });
                self.begin_epoch();
                self.leave(OVER);
            }
            Phase::Deferred { began, due } => {
                self.note_long_wait(began, due);
                self.push(Event::WaitEnded { idle: false, exit: None });
                self.begin_epoch();
                let source = self.check().map(|check| check.source);
                if let Some(exit) = source.and_then(|source| self.enter_check(source)) {
                    self.leave(exit);
                }
            }
            Phase::Person { request, .. } => {
                self.close(request);
                let exit = self.unanswered_exit().map(ExitIndex::Step);
                self.push(Event::Expired { request, exit });
                self.begin_epoch();
                self.leave_or_explore(exit);
            }
            Phase::Approving { request, .. }
            | Phase::Rechecking { request, .. }
            | Phase::Acting { request, .. } => {
                self.push(Event::Expired { request, exit: Some(EXPIRED) });
                self.begin_epoch();
                self.leave(EXPIRED);
            }
            Phase::Probing | Phase::LookingAgain(_) | Phase::Exploring(_) | Phase::Ended => {}
        }
    }

    fn note_long_wait(&mut self, began: TimeDelta, due: TimeDelta) {
        let (asked, took) = (due.checked_sub(&began), self.elapsed.checked_sub(&began));
        let (Some(asked), Some(took)) = (asked, took) else { return };
        let late = took.checked_sub(&asked).unwrap_or(TimeDelta::MAX);
        // Both bounds: a poll loop of some seconds would otherwise note every short wait.
        if late > asked && late > TimeDelta::minutes(1) {
            self.note_anomaly(Anomaly::LongWait);
        }
    }

    pub(super) fn after(&self, length: TimeDelta) -> TimeDelta {
        self.elapsed.checked_add(&length).unwrap_or(TimeDelta::MAX)
    }

    pub(in crate::diagnosis) fn since_trigger(&self) -> TimeDelta {
        let before = self.context.started_at.signed_duration_since(self.context.raised_at());
        before.checked_add(&self.elapsed).unwrap_or(TimeDelta::MAX)
    }
}
