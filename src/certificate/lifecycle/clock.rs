//! The time: whether it can be trusted, what comes due as it passes, and when to look again.

use chrono::{DateTime, TimeDelta, Utc};

use super::command::{AlertKind, Command};
use super::rules::Rules;
use super::state::Step;
use super::timeline::Happening;
use super::{Lifecycle, Retiring};
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
        let ahead = now.signed_duration_since(self.high_water);
        if ahead < -settings.clock_tolerance || ahead > settings.policy.jump {
            let first = self.suspect.replace(now).is_none();
            if first {
                self.outbox.shift_alerts(self.high_water, now);
                self.timeline.note(self.high_water, Happening::ClockSuspect);
                self.alert(AlertKind::ClockSuspect { now, mark: self.high_water });
            }
            // However it jumps about.
            let within = |wait: TimeDelta| saturating_add(now, wait);
            self.outbox.bring_alerts_forward(
                now,
                within(settings.longest_retry),
                within(settings.answer_within),
            );
        } else {
            self.high_water = self.high_water.max(now);
            self.trust_clock();
        }
        self.high_water
    }

    /// The time that alerts go by: they go out whatever the clock, so of one that cannot be trusted what it shows.
    pub(super) fn alert_time(&self) -> DateTime<Utc> {
        self.suspect.unwrap_or(self.high_water)
    }

    fn trust_clock(&mut self) {
        if let Some(shown) = self.suspect.take() {
            self.outbox.shift_alerts(shown, self.high_water);
        }
    }

    /// Takes `now` for right, back or far ahead, by the word of a person. No wait is longer than it would be had it begun
    /// now; an emergency that only the wrong clock saw is over.
    ///
    /// Connections are put in order by their times alone, and a clock that was ahead dated some of them later than `now`.
    /// So after it was set back, a [`Connected`](super::Event::Connected) of a certificate that was there by then, dated up
    /// to the time that was set back from, is taken only where it is told as it happens: within the
    /// [`clock_tolerance`](super::Settings::clock_tolerance) of its date. Any other is [`EventError`](super::EventError), and one
    /// that speaks of another certificate than the one in use puts off all that is retired as replaced, until a connection
    /// tells for sure what the device has. That ends with the first connection that is dated later still.
    pub fn accept_clock(&mut self, rules: &Rules, now: DateTime<Utc>) {
        let settings = rules.settings();
        let within = |wait: TimeDelta| saturating_add(now, wait);
        self.doubt_connections(self.seen_at, self.high_water, now);
        self.high_water = now;
        self.trust_clock();
        self.seen_at = self.seen_at.map(|at| at.min(now));
        self.contact = self.contact.map(|at| at.min(now));
        self.outbox.bring_forward(now, within(settings.longest_retry), within(settings.answer_within));
        for retiring in &mut self.retiring {
            retiring.retire_at = retiring.retire_at.min(within(settings.policy.overlap));
        }
        if let Some(cut_off) = &mut self.cut_off {
            cut_off.rescue_at = cut_off.rescue_at.min(within(settings.rescue_after));
        }
        match self.renewal.as_mut().map(|renewal| &mut renewal.step) {
            Some(Step::Refused { again_at, .. }) => {
                *again_at = again_at.map(|at| at.min(within(settings.longest_retry)));
            }
            Some(Step::Issued(successor)) => {
                successor.again_at = successor.again_at.map(|at| at.min(within(settings.longest_retry)));
                successor.confirm_by = successor.confirm_by.map(|at| at.min(within(settings.confirm_within)));
            }
            _ => {}
        }
        if let Some(recovery) = &mut self.recovery {
            let longest = recovery.step.longest(rules);
            let until = recovery.step.until_mut();
            *until = (*until).min(within(longest));
        }
        if self.cut_off.is_none() && !self.in_use.has_ended(now) {
            self.call_recovery_off(now);
        }
        self.timeline.note(now, Happening::ClockAccepted);
        self.pass(rules, now);
    }

    /// Does what has come due.
    pub(super) fn pass(&mut self, rules: &Rules, now: DateTime<Utc>) {
        self.give_up_waiting(rules, now);
        self.retire_what_is_due(now);
        if self.closed_at.is_some() {
            return;
        }
        self.watch_retirement(rules, now);
        self.watch_the_end(rules, now);
        self.go_on_recovering(rules, now);
        self.begin_if_due(rules, now);
        self.go_on_renewing(rules, now);
        self.follow_up_if_due(rules, now);
    }

    /// When to [`poll`](Self::poll) next, if nothing happens before: nothing comes due earlier. `None`: never, for the device
    /// is out of service and all is done. It is at most half of the policy's `jump` ahead of the latest time that was
    /// known, so that a jump of the clock is told from a long rest.
    ///
    /// Ask again after each `handle` and `poll`. A time that has passed means at once.
    #[must_use]
    pub fn wake_at(&self, rules: &Rules) -> Option<DateTime<Utc>> {
        let settings = rules.settings();
        if let Some(now) = self.suspect {
            return Some(saturating_add(now, settings.first_retry));
        }
        let retire = self.retiring.iter().filter(|one| !one.ordered && self.may_retire(self.high_water));
        let retire = retire.map(|one| one.retire_at).min();
        let always = [self.outbox.wake_at(|command| self.allows(command, self.high_water)), retire];
        if self.closed_at.is_some() {
            return always.into_iter().flatten().min();
        }
        let successor = self.renewal.as_ref().and_then(|renewal| renewal.successor());
        let next_change = |facts| settings.policy.next_change(&facts, self.high_water);
        let refused = match self.renewal.as_ref().map(|renewal| &renewal.step) {
            Some(Step::Refused { again_at, .. }) => *again_at,
            _ => None,
        };
        let unalerted = self.retiring.iter().filter(|one| !one.alerted);
        let rest = [
            Some(saturating_add(self.high_water, settings.policy.jump / 2)),
            unalerted.map(|one| saturating_add(one.retire_at, settings.longest_retry)).min(),
            next_change(self.in_use.facts()),
            self.cut_off.filter(|_| self.recovery.is_none()).map(|cut_off| cut_off.rescue_at),
            self.recovery.as_ref().map(|recovery| recovery.step.until()),
            refused,
            successor.and_then(|one| one.again_at),
            successor.and_then(|one| one.confirm_by),
            successor.and_then(|one| next_change(one.issued.credential().facts())),
        ];
        always.into_iter().chain(rest).flatten().min()
    }

    /// Nothing is retired as replaced while what replaced it does not work, or may not be what the device has: it may need
    /// the old one.
    fn may_retire(&self, now: DateTime<Utc>) -> bool {
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
            _ if self.suspect.is_some() => false,
            Command::Retire(retire) => retire.compromised || self.may_retire(now),
            _ => true,
        }
    }

    /// Alerts where a certificate that was replaced is not retired though its overlap is long over: what holds it back, or
    /// the service that retires it, needs somebody.
    fn watch_retirement(&mut self, rules: &Rules, now: DateTime<Utc>) {
        let longest = rules.settings().longest_retry;
        let is_late =
            |one: &&mut Retiring| !one.alerted && is_over(saturating_add(one.retire_at, longest), now);
        let mut late = Vec::new();
        for one in self.retiring.iter_mut().filter(is_late) {
            one.alerted = true;
            // One that has ended is of no use to anybody.
            late.extend((!one.credential.has_ended(now)).then_some(one.credential.fingerprint));
        }
        for fingerprint in late {
            self.alert(AlertKind::NotRetired { fingerprint });
        }
    }

    fn retire_what_is_due(&mut self, now: DateTime<Utc>) {
        if !self.may_retire(now) {
            return;
        }
        let is_due = |one: &&mut Retiring| !one.ordered && now >= one.retire_at;
        let mut due = Vec::new();
        for one in self.retiring.iter_mut().filter(is_due) {
            one.ordered = true;
            due.push((one.credential.fingerprint, one.compromised));
        }
        for (fingerprint, compromised) in due {
            self.order_retirement(fingerprint, compromised, now);
        }
    }
}
