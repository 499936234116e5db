//! How time moves a diagnosis.

use chrono::{DateTime, TimeDelta, Utc};

use super::{EXPIRED, OVER};
use crate::diagnosis::anomaly::{Anomaly, CLOCK_JUMP, CLOCK_SLACK, MOST_STEPS_BACK};
use crate::diagnosis::log::{Event, ExitIndex};
use crate::diagnosis::{Diagnosis, Phase};
use crate::time::since;

impl Diagnosis {
    /// Tells it the time: counts what has passed and takes every way out that time alone opens. Whether it may have
    /// moved: most calls come in one moment, with nothing that could fall due.
    pub(in crate::diagnosis) fn advance(&mut self, now: DateTime<Utc>) -> bool {
        let passes = now != self.now || self.phase.falls_due();
        if passes {
            self.pass_time(now);
        }
        passes
    }

    fn pass_time(&mut self, now: DateTime<Utc>) {
        if matches!(self.phase, Phase::Ended) {
            return;
        }
        self.tick(now);
        while self.phase.due().is_some_and(|due| due <= self.elapsed) {
            self.fall_due();
        }
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
        if gained < -CLOCK_SLACK {
            // Recorded at the moment before: the event says what the clock said then.
            self.note_anomaly(Anomaly::ClockBack { to: now });
            self.steps_back += 1;
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
        let awaited = self.phase.due().map_or(self.logged_elapsed, |due| due.max(self.logged_elapsed));
        if self.elapsed.checked_sub(&awaited).is_some_and(|late| late > CLOCK_JUMP) {
            self.note_anomaly(Anomaly::ClockForward);
        }
    }

    /// What was awaited has not come, or the wait is over.
    fn fall_due(&mut self) {
        match self.phase {
            Phase::Waiting { .. } => {
                self.push(Event::WaitEnded { idle: false, exit: Some(OVER) });
                self.begin_epoch();
                self.leave(OVER);
            }
            Phase::Deferred { .. } => {
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
                self.close(request);
                self.push(Event::Expired { request, exit: Some(EXPIRED) });
                self.begin_epoch();
                self.leave(EXPIRED);
            }
            Phase::Probing | Phase::LookingAgain(_) | Phase::Exploring(_) | Phase::Ended => {}
        }
    }

    pub(super) fn after(&self, length: TimeDelta) -> TimeDelta {
        self.elapsed.checked_add(&length).unwrap_or(TimeDelta::MAX)
    }

    pub(in crate::diagnosis) fn since_trigger(&self) -> TimeDelta {
        let before = self.context.started_at.signed_duration_since(self.context.trigger.at);
        before.checked_add(&self.elapsed).unwrap_or(TimeDelta::MAX)
    }
}
