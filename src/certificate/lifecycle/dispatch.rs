//! In: events. Out: commands.

use chrono::{DateTime, TimeDelta, Utc};

use super::Lifecycle;
use super::command::{Alert, AlertKind, Command, Order, Retire};
use super::command_key::CommandKey;
use super::event::{Event, EventError};
use super::rules::{Rules, SHORTEST};
use super::timeline::Happening;
use crate::certificate::message::Reason;
use crate::certificate::validity::Fingerprint;
use crate::time::saturating_add;

/// For how long a request to issue may be put off at once.
const LONGEST_TURN: TimeDelta = TimeDelta::days(1);

impl Lifecycle {
    /// Takes what happened.
    ///
    /// # Errors
    /// [`EventError`] where the event changes nothing. The time has passed all the same.
    pub fn handle(&mut self, rules: &Rules, event: Event, now: DateTime<Utc>) -> Result<(), EventError> {
        // Read before the clock moves on: events between the two moments are taken as they happened.
        let mut passed = self.clock.high_water();
        let now = self.read_clock(rules, now);
        let taken = self.apply_in_order(rules, event, &mut passed, now);
        self.pass(rules, now);
        taken
    }

    /// Takes all that happened while the service was down, in the order of its dates, and only then lets the time pass. Call
    /// it after a restart, before the first [`poll`](Self::poll): else a certificate is retired at the end of its overlap
    /// though the device went back to it meanwhile. What has no date is taken last. Returns what changed nothing, and
    /// why.
    pub fn catch_up(
        &mut self,
        rules: &Rules,
        events: impl IntoIterator<Item = Event>,
        now: DateTime<Utc>,
    ) -> Vec<(Event, EventError)> {
        let mut passed = self.clock.high_water();
        let now = self.read_clock(rules, now);
        let mut events: Vec<_> = events.into_iter().collect();
        // What has no date is about the present, so it comes last. The sort is stable: of one moment the
        // order given stays.
        events.sort_by_key(|event| event.at().unwrap_or(DateTime::<Utc>::MAX_UTC));
        let mut ignored = Vec::new();
        for event in events {
            if let Err(error) = self.apply_in_order(rules, event.clone(), &mut passed, now) {
                ignored.push((event, error));
            }
        }
        self.pass(rules, now);
        ignored
    }

    /// Lets the time pass until the event happened, and applies it: what comes due later must not come before it.
    fn apply_in_order(
        &mut self,
        rules: &Rules,
        event: Event,
        passed: &mut DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), EventError> {
        // Time passes up to the event first: a retirement that came due before a device went back is
        // ordered before it, as it would have been live.
        *passed = event.at().map_or(now, |at| at.max(*passed).min(now));
        self.pass(rules, *passed);
        self.apply(rules, event, now)
    }

    /// The next command that is to be carried out now. `None`: there is none until [`wake_at`](Self::wake_at), or until
    /// something happens.
    ///
    /// While the clock is suspect there are alerts alone.
    pub fn poll(&mut self, rules: &Rules, now: DateTime<Utc>) -> Option<Order> {
        let now = self.read_clock(rules, now);
        self.pass(rules, now);
        // Under a suspect clock there are alerts alone, so this is the time for all that is handed out.
        let hand_out_at = self.clock.alert_time();
        let answer_by = saturating_add(hand_out_at, rules.settings().answer_within);
        // Taken out, since what may be handed out is asked of the rest of the lifecycle.
        let mut outbox = std::mem::take(&mut self.outbox);
        let order = outbox.hand_out(hand_out_at, answer_by, |command| self.allows(command, now));
        self.outbox = outbox;
        let (order, is_first) = order?;
        if let (Command::Issue(_), Some(renewal)) = (&order.command, &mut self.renewal) {
            renewal.attempt_at = now;
        }
        // From the first handing out only: a command that is repeated after a restart must not start its
        // step's time anew.
        if is_first {
            self.begin_waiting(rules, &order.command, now);
        }
        Some(order)
    }

    fn apply(&mut self, rules: &Rules, event: Event, now: DateTime<Utc>) -> Result<(), EventError> {
        match event {
            Event::Done { key } => self.done(&key, now),
            Event::Failed { key, reason } => self.failed(rules, &key, reason, now),
            Event::Postponed { key, until } => self.postponed(rules, &key, until, now),
            // Answers to open commands come before this: what was ordered is finished even for a device
            // out of service.
            _ if self.closed_at.is_some() => Err(EventError::Closed),
            Event::Issued { generation, certificate } => self.issued(rules, generation, certificate, now),
            Event::Reported(reported) => self.reported(rules, reported, now),
            Event::Tested { fingerprint, failed } => self.tested(rules, fingerprint, failed, now),
            Event::Connected { fingerprint, at } => self.connected(rules, fingerprint, at, now),
            Event::KeyCompromised { public_key } => self.key_compromised(rules, public_key, now),
            Event::KeyOffered(csr) => self.key_offered(csr),
            Event::IssuerReplaced => self.issuer_replaced(rules, now),
            Event::Reachability(reachability) => self.reachability_changed(reachability, now),
            Event::Installed { certificate } => {
                self.installed(rules, certificate, super::Origin::ByHand, now)
            }
            Event::EmergencyLoaded { certificate } => {
                self.installed(rules, certificate, super::Origin::Emergency, now)
            }
            Event::ProvisioningContact { last } => self.provisioning_contact_told(rules, last, now),
            Event::ReProvisioned { generation, certificate } => {
                self.re_provisioned(rules, generation, certificate, now)
            }
            Event::VisitFailed { reason } => self.visit_failed(rules, reason, now),
            Event::Decommissioned => self.decommissioned(rules, now),
        }
    }

    fn done(&mut self, key: &CommandKey, now: DateTime<Utc>) -> Result<(), EventError> {
        let open = self.outbox.find(key).ok_or(EventError::UnknownCommand)?;
        match &open.command {
            // The word that it was done is not enough: the answer itself is wanted.
            Command::Issue(_) | Command::ReProvision(_) | Command::LookUpContact => {
                return Err(EventError::UnknownCommand);
            }
            Command::Publish(desired) => {
                let generation = desired.generation;
                self.published(generation, now);
            }
            Command::Retire(retire) => {
                self.retirements.retired(retire.fingerprint, now);
                if let (true, Some(adopted)) = (self.retirements.is_empty(), &mut self.adopted) {
                    adopted.issued = None;
                }
            }
            _ => {}
        }
        self.outbox.take(key);
        Ok(())
    }

    fn failed(
        &mut self,
        rules: &Rules,
        key: &CommandKey,
        reason: Reason,
        now: DateTime<Utc>,
    ) -> Result<(), EventError> {
        let end = self.in_use.end();
        let alert_time = self.clock.alert_time();
        let open = self.outbox.find_mut(key).ok_or(EventError::UnknownCommand)?;
        let time = if matches!(open.command, Command::Alert(_)) { alert_time } else { now };
        // A failure that is reported twice would double the wait twice.
        if open.handed.is_none() && open.failures > 0 && open.due > time {
            return Err(EventError::Known);
        }
        open.failures = open.failures.saturating_add(1);
        open.handed = None;
        let (failures, wait) = (open.failures, rules.wait(open.failures));
        open.due = match open.command {
            // These two alone race against the end of the certificate, so they never wait longer than a
            // part of what remains.
            Command::Issue(_) | Command::Publish(_) => rules.again(wait, now, end),
            _ => saturating_add(time, wait),
        };
        let command = open.command.clone();
        if !matches!(command, Command::Alert(_)) {
            let (key, reason) = (key.clone(), reason.clone());
            self.timeline.note(now, Happening::CommandFailed { key, reason });
        }
        match command {
            Command::Issue(_) => self.renewal_failed(rules, reason, now),
            Command::ReProvision(_) => self.re_provisioning_failed(rules, now),
            // An alert about an alert would fail the same way, for ever.
            Command::Alert(_) => {}
            _ if failures == rules.settings().failures => {
                self.alert(AlertKind::CommandFails { key: key.clone(), reason });
            }
            _ => {}
        }
        Ok(())
    }

    fn postponed(
        &mut self,
        rules: &Rules,
        key: &CommandKey,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), EventError> {
        let end = self.in_use.end();
        let open = self.outbox.find_mut(key).ok_or(EventError::UnknownCommand)?;
        let Command::Issue(issue) = &open.command else { return Err(EventError::UnknownCommand) };
        if issue.urgent {
            return self.failed(rules, key, Reason::new("it was put off, though it must not wait"), now);
        }
        // Whether it was handed out is not known after a restart; then it is due.
        if open.handed.is_none() && open.due > now {
            return Err(EventError::Known);
        }
        open.handed = None;
        // Whatever the service says: it may be down when the turn comes, and a date in the past would ask
        // in a loop.
        let wait = until.signed_duration_since(now).clamp(SHORTEST, LONGEST_TURN);
        open.due = rules.again(wait, now, end);
        self.timeline.note_latest(now, Happening::Postponed { until });
        Ok(())
    }

    /// What was handed out and not answered in time has failed.
    pub(super) fn give_up_waiting(&mut self, rules: &Rules, now: DateTime<Utc>) {
        while let Some(key) = self.outbox.overdue(now, self.clock.alert_time()) {
            // Its time to answer is taken away, so that this ends.
            if self.failed(rules, &key, Reason::new("no answer in time"), now).is_err() {
                return;
            }
        }
    }

    pub(super) fn alert(&mut self, what: AlertKind) {
        let key = match &what {
            // Named by the issuer alone: a thousand devices under it raise one alert, for the receiver
            // knows the key already.
            AlertKind::IssuerBinds { issuer } => {
                CommandKey::new(format!("issuer/{}/binds", issuer.fingerprint))
            }
            _ => self.numbered("alert", what.name()),
        };
        let ends = self.in_use.end();
        let alert = Alert { generation: self.generation, ends, severity: what.severity(), what };
        self.outbox.add(key, Command::Alert(alert), self.clock.alert_time());
    }

    pub(super) fn order_retirement(
        &mut self,
        fingerprint: Fingerprint,
        compromised: bool,
        now: DateTime<Utc>,
    ) {
        let key = self.retirement_key(fingerprint);
        self.outbox.add(key, Command::Retire(Retire { fingerprint, compromised }), now);
        self.timeline.note(now, Happening::Retired(fingerprint));
    }

    pub(super) fn retirement_key(&self, fingerprint: Fingerprint) -> CommandKey {
        CommandKey::new(format!("{}/retire/{fingerprint}", self.device.0))
    }

    /// Calls a visit off, whether it was scheduled already or not.
    pub(super) fn stand_down(&mut self, visit: CommandKey, now: DateTime<Utc>) {
        self.outbox.take(&visit);
        let key = CommandKey::new(format!("{visit}/stand-down"));
        self.outbox.add(key, Command::StandDown { visit }, now);
    }

    /// The key of what there is one of in a generation.
    pub(super) fn key(&self, generation: u64, what: &str) -> CommandKey {
        CommandKey::new(format!("{}/{generation}/{what}", self.device.0))
    }

    /// The key of what there may be more of in a generation.
    pub(super) fn numbered(&mut self, what: &str, which: &str) -> CommandKey {
        self.asked = self.asked.saturating_add(1);
        CommandKey::new(format!("{}/{}/{what}/{which}/{}", self.device.0, self.generation, self.asked))
    }
}
