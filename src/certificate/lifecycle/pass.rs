//! Time passes: what comes due, and when to look again.

use chrono::{DateTime, TimeDelta, Utc};

use super::Lifecycle;
use super::clock::Reading;
use super::command::{AlertKind, Command};
use super::rules::Rules;
use super::timeline::Happening;
use crate::time::saturating_add;

/// Whether a wait until then is over. One that the end of the calendar cut short never is: what follows would be over at
/// once too, and so on without end.
pub(super) fn is_over(until: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now >= until && until < DateTime::<Utc>::MAX_UTC
}

impl Lifecycle {
    /// The time to go by: `now` where it can be trusted, and then the high-water mark rises to it; the mark where it
    /// cannot.
    pub(super) fn read_clock(&mut self, rules: &Rules, now: DateTime<Utc>) -> DateTime<Utc> {
        let settings = rules.settings();
        match self.clock.read(settings, now) {
            Reading::Trusted { before } => self.trust_clock(before),
            Reading::Suspect { is_first } => {
                let mark = self.clock.high_water();
                if is_first {
                    // Alerts go by what the clock shows while it is suspect: someone must hear of it, and
                    // the mark does not move.
                    self.outbox.shift_alerts(mark, now);
                    self.timeline.note(mark, Happening::ClockSuspect);
                    self.alert(AlertKind::ClockSuspect { now, mark });
                }
                // However it jumps about.
                let within = |wait: TimeDelta| saturating_add(now, wait);
                self.outbox.bring_alerts_forward(
                    now,
                    within(settings.longest_retry),
                    within(settings.answer_within),
                );
            }
        }
        self.clock.high_water()
    }

    /// Alerts go by the mark again, where they went by what a suspect clock showed.
    fn trust_clock(&mut self, shown: Option<DateTime<Utc>>) {
        if let Some(shown) = shown {
            self.outbox.shift_alerts(shown, self.clock.high_water());
        }
    }

    /// Takes `now` for right, back or far ahead, by the word of a person. No wait is longer than it would be had it begun
    /// now; an emergency that only the wrong clock saw is over.
    ///
    /// Connections are put in order by their times alone, and a clock that was ahead dated some of them later than `now`.
    /// So after it was set back, a [`Connected`](super::Event::Connected) of a certificate that was there by then, dated up
    /// to the time that was set back from, is taken only where it is reported as it happens: within the
    /// [`clock_tolerance`](super::Settings::clock_tolerance) of its date. Any other is [`EventError`](super::EventError), and one
    /// that speaks of another certificate than the one in use puts off all that is retired as replaced, until a connection
    /// shows for sure what the device has. That ends with the first connection that is dated later still.
    pub fn accept_clock(&mut self, rules: &Rules, now: DateTime<Utc>) {
        let settings = rules.settings();
        let within = |wait: TimeDelta| saturating_add(now, wait);
        // Before the dates are cut to the present: they show how far the wrong clock went.
        self.doubt_connections(self.seen_at, self.clock.high_water(), now);
        let shown = self.clock.accept(now);
        self.trust_clock(shown);
        self.seen_at = self.seen_at.map(|at| at.min(now));
        self.contact = self.contact.map(|at| at.min(now));
        self.outbox.bring_forward(now, within(settings.longest_retry), within(settings.answer_within));
        self.retirements.accept_clock(within(settings.policy.overlap));
        if let Some(cut_off) = &mut self.cut_off {
            cut_off.rescue_at = cut_off.rescue_at.min(within(settings.rescue_after));
        }
        if let Some(renewal) = &mut self.renewal {
            renewal.accept_clock(settings, now);
        }
        if let Some(recovery) = &mut self.recovery {
            recovery.accept_clock(rules, now);
        }
        // It ended by the wrong clock alone.
        if self.cut_off.is_none() && !self.in_use.has_ended(now) {
            self.call_recovery_off(now);
        }
        self.timeline.note(now, Happening::ClockAccepted);
        self.pass(rules, now);
    }

    /// Does what has come due.
    pub(super) fn pass(&mut self, rules: &Rules, now: DateTime<Utc>) {
        self.give_up_waiting(rules, now);
        // For a device out of service too: its old certificate must not stay accepted.
        self.retire_what_is_due(now);
        if self.closed_at.is_some() {
            return;
        }
        self.watch_retirement(rules, now);
        // The end before the renewal: a recovery replaces it, and the two must not ask for a certificate
        // at once.
        self.watch_the_end(rules, now);
        self.go_on_recovering(rules, now);
        self.begin_if_due(rules, now);
        self.go_on_renewing(rules, now);
        self.follow_up_if_due(rules, now);
    }

    /// When to [`poll`](Self::poll) next, if nothing happens before: nothing comes due earlier. `None`: never, for the device
    /// is out of service and all is done. It is at most half of the policy's `jump` ahead of the latest time that was
    /// known, so that a jump of the clock is known from a long rest.
    ///
    /// Ask again after each `handle` and `poll`. A time that has passed means at once.
    #[must_use]
    pub fn wake_at(&self, rules: &Rules) -> Option<DateTime<Utc>> {
        let settings = rules.settings();
        if self.clock.suspect().is_some() {
            return Some(self.clock.wake_at(settings));
        }
        let now = self.clock.high_water();
        let is_closed = self.closed_at.is_some();
        let late_after = (!is_closed).then_some(settings.longest_retry);
        let always = [
            self.outbox.wake_at(|command| self.allows(command, now)),
            self.retirements.wake_at(self.may_retire(now), late_after),
        ];
        if is_closed {
            return always.into_iter().flatten().min();
        }
        let rest = [
            Some(self.clock.wake_at(settings)),
            settings.policy.next_change(&self.in_use.facts(), now),
            self.cut_off.filter(|_| self.recovery.is_none()).map(|cut_off| cut_off.rescue_at),
            self.recovery.as_ref().map(|recovery| recovery.step.until()),
            self.renewal.as_ref().and_then(|renewal| renewal.wake_at(&settings.policy, now)),
        ];
        always.into_iter().chain(rest).flatten().min()
    }

    /// Nothing is retired as replaced while what replaced it does not work, or may not be what the device has: it may need
    /// the old one.
    fn may_retire(&self, now: DateTime<Utc>) -> bool {
        // The last certificate that works is never retired, whatever its overlap says.
        let works = !self.in_use.has_ended(now) && self.in_use.not_before <= now;
        let is_known = self.clock_doubt.as_ref().is_none_or(|doubt| !doubt.uncertain);
        let has_failed = self.adopted.as_ref().is_some_and(|adopted| adopted.failed_at.is_some());
        self.closed_at.is_some() || (self.cut_off.is_none() && works && is_known && !has_failed)
    }

    /// Whether that may be handed out now. What retires a certificate as replaced waits where it may be needed after all,
    /// though it was handed out before.
    pub(super) fn allows(&self, command: &Command, now: DateTime<Utc>) -> bool {
        match command {
            Command::Alert(_) => true,
            _ if self.clock.suspect().is_some() => false,
            // Asked again when it is handed out: much may have happened since it was ordered. A
            // compromised key waits for nothing.
            Command::Retire(retire) => retire.compromised || self.may_retire(now),
            _ => true,
        }
    }

    /// Alerts where a certificate that was replaced is not retired though its overlap is long over: what holds it back, or
    /// the service that retires it, needs somebody.
    fn watch_retirement(&mut self, rules: &Rules, now: DateTime<Utc>) {
        for fingerprint in self.retirements.take_late(now, rules.settings().longest_retry) {
            self.alert(AlertKind::NotRetired { fingerprint });
        }
    }

    fn retire_what_is_due(&mut self, now: DateTime<Utc>) {
        if !self.may_retire(now) {
            return;
        }
        for fingerprint in self.retirements.take_due(now) {
            self.order_retirement(fingerprint, false, now);
        }
    }
}
