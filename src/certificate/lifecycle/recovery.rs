//! The emergency recovery: the provisioning service, then a technician, in rounds, until the device is back.

use chrono::{DateTime, Utc};

use super::Lifecycle;
use super::command::{AlertKind, Command, Issue, Visit, VisitKind};
use super::credential::{Issued, Refusal, SubjectKey};
use super::event::EventError;
use super::pass::is_over;
use super::post_mortem::{Cause, Outcome, PostMortem, alert_before};
use super::rules::Rules;
use super::state::{Origin, Recovery, RecoveryStep, Renewal, Step};
use super::timeline::Happening;
use crate::certificate::message::Reason;
use crate::time::saturating_add;

impl Lifecycle {
    /// Whether the device is being recovered, because its certificate ended or was retired.
    #[must_use]
    pub const fn in_recovery(&self) -> bool {
        self.recovery.is_some()
    }

    /// Begins the recovery where the certificate in use has ended, or was retired and nothing took its place in time.
    pub(super) fn watch_the_end(&mut self, rules: &Rules, now: DateTime<Utc>) {
        if self.recovery.is_some() {
            return;
        }
        let ended = self.in_use.has_ended(now);
        // A device that was cut off has `rescue_after` to come back by its renewal before anybody is sent
        // there.
        let lost_at = match self.cut_off {
            Some(cut_off) if ended || now >= cut_off.rescue_at => cut_off.at,
            _ if ended => self.in_use.end().unwrap_or(now),
            _ => return,
        };
        self.timeline.note(now, Happening::Expired);
        self.alert(AlertKind::Expired);
        let cause = self.cause();
        self.outbox.drop_where(|command| matches!(command, Command::Issue(_)));
        // A certificate on its way may reach the device still.
        self.renewal.take_if(|renewal| renewal.successor().is_none());
        self.recovery = Some(Recovery {
            generation: self.generation,
            round: 0,
            opened_at: now,
            lost: self.in_use,
            lost_at,
            cause,
            re_provisioning: None,
            visit: None,
            step: RecoveryStep::Failed { again_at: now },
        });
        self.begin_round(rules, now);
    }

    /// Goes on where a step took too long.
    pub(super) fn go_on_recovering(&mut self, rules: &Rules, now: DateTime<Utc>) {
        let Some(recovery) = &self.recovery else { return };
        // Nothing was tried yet where its command was never handed out, whatever time has passed.
        let is_command = |command: &Command| recovery.step.is_begun_by(command);
        if !is_over(recovery.step.until(), now) || self.outbox.holds_back(is_command) {
            return;
        }
        match recovery.step {
            RecoveryStep::Contact { .. } => {
                self.outbox.drop_where(|command| *command == Command::LookUpContact);
                self.go_there(rules, now);
            }
            RecoveryStep::ReProvisioning { .. } => self.re_provisioning_failed(rules, now),
            RecoveryStep::Verifying { by, .. } => {
                self.timeline.note(now, Happening::NotBack);
                match by {
                    Origin::Emergency => {
                        self.recovery_failed(
                            rules,
                            Reason::new("not back with the emergency certificate"),
                            now,
                        );
                    }
                    _ => self.go_there(rules, now),
                }
            }
            RecoveryStep::Physical { .. } => {
                self.recovery_failed(
                    rules,
                    Reason::new("the emergency certificate was not loaded in time"),
                    now,
                );
            }
            RecoveryStep::Failed { .. } => self.begin_round(rules, now),
        }
    }

    /// A step of the recovery takes its time from when its command is first handed out.
    pub(super) fn begin_waiting(&mut self, rules: &Rules, command: &Command, now: DateTime<Utc>) {
        let Some(recovery) = self.recovery.as_mut().filter(|one| one.step.is_begun_by(command)) else {
            return;
        };
        *recovery.step.until_mut() = saturating_add(now, recovery.step.longest(rules));
    }

    fn set_step(&mut self, step: RecoveryStep) {
        if let Some(recovery) = &mut self.recovery {
            recovery.step = step;
        }
    }

    fn begin_round(&mut self, rules: &Rules, now: DateTime<Utc>) {
        let Some(recovery) = &mut self.recovery else { return };
        recovery.round = recovery.round.saturating_add(1);
        let (generation, round) = (recovery.generation, recovery.round);
        if self.reaches_provisioning(rules, now) {
            return self.re_provision(rules, now);
        }
        self.set_step(RecoveryStep::Contact { until: saturating_add(now, rules.settings().answer_within) });
        let key = self.key(generation, &format!("contact/{round}"));
        self.outbox.add(key, Command::LookUpContact, now);
    }

    fn reaches_provisioning(&self, rules: &Rules, now: DateTime<Utc>) -> bool {
        self.contact.is_some_and(|at| now.signed_duration_since(at) <= rules.settings().contact_within)
    }

    pub(super) fn provisioning_contact_told(
        &mut self,
        rules: &Rules,
        last: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<(), EventError> {
        // A contact of the future would count as a recent one until its day has come.
        let last = last.map(|at| at.min(now));
        let is_new = last > self.contact;
        self.contact = self.contact.max(last);
        let Some(recovery) = &self.recovery else {
            return if is_new { Ok(()) } else { Err(EventError::Known) };
        };
        let waits = match recovery.step {
            RecoveryStep::Contact { .. } => true,
            // It is there after all: that is quicker than a technician. Once for each contact.
            RecoveryStep::Physical { .. } | RecoveryStep::Failed { .. } => {
                is_new && recovery.re_provisioning.is_none_or(|(_, asked_at)| last > Some(asked_at))
            }
            RecoveryStep::ReProvisioning { .. } | RecoveryStep::Verifying { .. } => false,
        };
        let was_asked = matches!(recovery.step, RecoveryStep::Contact { .. });
        if !waits {
            return if is_new { Ok(()) } else { Err(EventError::Known) };
        }
        self.outbox.drop_where(|command| *command == Command::LookUpContact);
        if self.reaches_provisioning(rules, now) {
            self.timeline.note(now, Happening::ReachedProvisioning);
            self.re_provision(rules, now);
        } else if was_asked {
            self.timeline.note(now, Happening::NoContact);
            self.go_there(rules, now);
        }
        Ok(())
    }

    fn re_provision(&mut self, rules: &Rules, now: DateTime<Utc>) {
        let generation = self.generation.saturating_add(1);
        let Some(recovery) = &mut self.recovery else { return };
        self.generation = generation;
        recovery.re_provisioning = Some((generation, now));
        recovery.step =
            RecoveryStep::ReProvisioning { until: saturating_add(now, rules.settings().approval_within) };
        // The device comes with its manufacturing certificate. Whether it has its old key still is not
        // known, so the new one is for a new key.
        let key = SubjectKey::Fresh { except: self.compromised.clone() };
        let replaces = self.cert_id.clone();
        let issue = Issue { generation, key, replaces, needed_by: self.in_use.end(), urgent: true };
        self.outbox.add(self.key(generation, "re-provision"), Command::ReProvision(issue), now);
        self.timeline.note(now, Happening::ReProvisioning);
    }

    pub(super) fn re_provisioned(
        &mut self,
        rules: &Rules,
        generation: u64,
        certificate: Issued,
        now: DateTime<Utc>,
    ) -> Result<(), EventError> {
        let other = EventError::OtherGeneration { told: generation, current: self.generation };
        let asked = self.recovery.as_ref().and_then(|recovery| recovery.re_provisioning);
        let is_asked = asked.is_some_and(|(asked, _)| asked == generation);
        // An answer may come when the emergency is over. The device can have that certificate, so it must
        // be known when it is seen.
        if !is_asked && self.unanswered != Some(generation) {
            return Err(other);
        }
        let known = self.retirements.credentials().chain([&self.in_use]);
        if known.map(|one| one.fingerprint).any(|one| one == certificate.credential().fingerprint) {
            return Err(EventError::Known);
        }
        if let Some(had) = self.candidates.iter().find(|one| one.generation == generation) {
            return Err(if had.issued == certificate {
                EventError::Known
            } else {
                EventError::SecondCertificate { generation }
            });
        }
        let key = SubjectKey::Fresh { except: self.compromised.clone() };
        if let Some(why) = certificate.refusal(rules, now, &key, &self.in_use) {
            self.refuse(certificate.credential(), why, now);
            if is_asked && self.is_re_provisioning() {
                self.re_provisioning_failed(rules, now);
            }
            return Err(EventError::Refused(why));
        }
        self.unanswered.take_if(|one| *one == generation);
        if is_asked {
            self.outbox.drop_where(|command| matches!(command, Command::ReProvision(_)));
        }
        self.brought(rules, generation, certificate, Origin::ReProvisioned, now);
        Ok(())
    }

    fn is_re_provisioning(&self) -> bool {
        self.recovery.as_ref().is_some_and(|one| matches!(one.step, RecoveryStep::ReProvisioning { .. }))
    }

    pub(super) fn re_provisioning_failed(&mut self, rules: &Rules, now: DateTime<Utc>) {
        self.outbox.drop_where(|command| matches!(command, Command::ReProvision(_)));
        self.go_there(rules, now);
    }

    /// A certificate that somebody brought to the device. It is a fact, due or not; only one that cannot work is refused.
    pub(super) fn installed(
        &mut self,
        rules: &Rules,
        certificate: Issued,
        origin: Origin,
        now: DateTime<Utc>,
    ) -> Result<(), EventError> {
        let credential = *certificate.credential();
        let successor = self.renewal.as_ref().and_then(Renewal::successor).map(|one| one.issued.credential());
        let known = self.candidates.iter().map(|one| one.issued.credential());
        let known = known.chain(successor).chain([&self.in_use]);
        let known = known.chain(self.retirements.credentials());
        if known.map(|one| one.fingerprint).any(|one| one == credential.fingerprint) {
            return Err(EventError::Known);
        }
        let refusal = if self.compromised.contains(&credential.public_key) {
            Some(Refusal::OtherKey { found: credential.public_key })
        } else if credential.has_ended(now) {
            Some(Refusal::Expired)
        } else {
            None
        };
        if let Some(why) = refusal {
            self.refuse(&credential, why, now);
            return Err(EventError::Refused(why));
        }
        self.generation = self.generation.saturating_add(1);
        self.brought(rules, self.generation, certificate, origin, now);
        Ok(())
    }

    fn brought(
        &mut self,
        rules: &Rules,
        generation: u64,
        certificate: Issued,
        origin: Origin,
        now: DateTime<Utc>,
    ) {
        self.timeline.note(now, Happening::Installed(certificate.credential().fingerprint));
        self.remember(generation, certificate, origin, now);
        let until = saturating_add(now, rules.settings().reconnect_within);
        self.set_step(RecoveryStep::Verifying { by: origin, until });
    }

    /// Physical access: a technician loads the emergency certificate. One visit for each round.
    fn go_there(&mut self, rules: &Rules, now: DateTime<Utc>) {
        self.set_step(RecoveryStep::Physical { until: saturating_add(now, rules.settings().visit_within) });
        let Some(recovery) = &self.recovery else { return };
        let (generation, round) = (recovery.generation, recovery.round);
        // A round may come back here from several steps, and two technicians would meet at the device.
        if recovery.visit.as_ref().is_some_and(|(asked_in, _)| *asked_in == round) {
            return;
        }
        self.timeline.note(now, Happening::PhysicalAccess);
        let key = self.key(generation, &format!("emergency/{round}"));
        let visit = Visit { kind: VisitKind::Technician, by: None };
        self.outbox.add(key.clone(), Command::LoadEmergencyCertificate(visit), now);
        if let Some(recovery) = &mut self.recovery {
            recovery.visit = Some((round, key));
        }
    }

    pub(super) fn visit_failed(
        &mut self,
        rules: &Rules,
        reason: Reason,
        now: DateTime<Utc>,
    ) -> Result<(), EventError> {
        match self.recovery.as_ref().map(|recovery| recovery.step) {
            Some(RecoveryStep::Physical { .. }) => {
                self.recovery_failed(rules, reason, now);
                Ok(())
            }
            _ => Err(EventError::Known),
        }
    }

    fn recovery_failed(&mut self, rules: &Rules, reason: Reason, now: DateTime<Utc>) {
        self.set_step(RecoveryStep::Failed { again_at: saturating_add(now, rules.settings().longest_retry) });
        self.outbox.drop_where(|command| matches!(command, Command::LoadEmergencyCertificate(_)));
        self.timeline.note(now, Happening::RecoveryFailed(reason.clone()));
        self.alert(AlertKind::RecoveryFailed { reason });
    }

    /// The device is back, or given up: the record is opened, and what is under way is called off.
    pub(super) fn close_recovery(
        &mut self,
        rules: &Rules,
        outcome: Outcome,
        at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) {
        let Some(recovery) = self.recovery.take() else { return };
        let life =
            recovery.lost.not_after.moment().map(|end| end.signed_duration_since(recovery.lost.not_before));
        // Of a certificate that was cut off nobody could have been warned.
        let notice = (recovery.cause != Cause::Retired)
            .then(|| alert_before(rules.follow_up(life), recovery.lost_at, at));
        let record = PostMortem {
            device: self.device.0.clone(),
            lost: recovery.lost.fingerprint,
            lost_at: recovery.lost_at,
            opened_at: recovery.opened_at,
            closed_at: now,
            outcome,
            cause: recovery.cause.clone(),
            timeline: self.timeline.entries().to_vec(),
            alert_before: notice,
        };
        let key = self.key(recovery.generation, "post-mortem");
        self.outbox.add(key, Command::OpenPostMortem(Box::new(record)), now);
        self.call_off(recovery, outcome, now);
    }

    /// There was no emergency.
    pub(super) fn call_recovery_off(&mut self, now: DateTime<Utc>) {
        if let Some(recovery) = self.recovery.take() {
            self.call_off(recovery, Outcome::WentBack, now);
        }
    }

    fn call_off(&mut self, recovery: Recovery, outcome: Outcome, now: DateTime<Utc>) {
        if let Some((generation, _)) = recovery.re_provisioning {
            let answered = self.candidates.iter().map(|one| one.generation);
            let mut answered = answered.chain(self.adopted.as_ref().map(|one| one.generation));
            self.unanswered = Some(generation).filter(|asked| answered.all(|one| one != *asked));
        }
        self.outbox.drop_where(|command| {
            matches!(
                command,
                Command::LookUpContact | Command::ReProvision(_) | Command::LoadEmergencyCertificate(_)
            )
        });
        if let Some((_, visit)) = recovery.visit
            // There the technician is who brought it back: there is nobody to call off.
            && outcome != Outcome::EmergencyCertificate
        {
            self.stand_down(visit, now);
        }
    }

    pub(super) fn decommissioned(&mut self, rules: &Rules, now: DateTime<Utc>) -> Result<(), EventError> {
        self.closed_at = Some(now);
        self.close_recovery(rules, Outcome::Decommissioned, now, now);
        if let Some(visit) = self.visits.take() {
            self.stand_down(visit, now);
        }
        self.renewal = None;
        self.cut_off = None;
        self.outbox.drop_where(|command| {
            // What protects the fleet, calls people back, or is a record is still to be done.
            !matches!(command, Command::Retire(_) | Command::StandDown { .. } | Command::OpenPostMortem(_))
        });
        Ok(())
    }

    /// Why there is an emergency at all.
    fn cause(&self) -> Cause {
        if self.cut_off.is_some() {
            return Cause::Retired;
        }
        let Some(renewal) = &self.renewal else {
            return if self.auto_renewal { Cause::NotBegun } else { Cause::NoAutoRenewal };
        };
        let reason = renewal.failure.as_ref().map(|failure| failure.reason.clone());
        match &renewal.step {
            Step::Held(_) | Step::Refused { why: Refusal::IssuerDue { .. }, .. } => Cause::IssuerBinds,
            Step::Issuing => Cause::NotIssued { reason },
            Step::Refused { why, .. } => Cause::Refused { why: *why },
            Step::Issued(successor) => {
                let said = [successor.downloaded_at, successor.tested_at, successor.switched_at];
                match reason {
                    Some(reason) if successor.failed => Cause::DeviceFailed { reason },
                    _ if said.iter().any(Option::is_some) => Cause::NotConfirmed,
                    Some(reason) if renewal.told => Cause::DeviceFailed { reason },
                    _ if successor.published_at.is_none() => Cause::NotPublished,
                    _ => Cause::DeviceSilent,
                }
            }
        }
    }
}
