//! A renewal, from the request to the device's word.

use chrono::{DateTime, Utc};

use super::Lifecycle;
use super::command::{AlertKind, Command, Issue};
use super::credential::{Credential, Csr, Issued, Refusal, SubjectKey};
use super::event::EventError;
use super::pass::is_over;
use super::rules::Rules;
use super::state::{Candidate, Failure, Origin, Renewal, Step, Successor};
use super::timeline::Happening;
use crate::certificate::Stage;
use crate::certificate::message::{self, Desired, Reason, Reported};
use crate::certificate::validity::Fingerprint;
use crate::time::saturating_add;

impl Lifecycle {
    pub(super) fn begin_if_due(&mut self, rules: &Rules, now: DateTime<Utc>) {
        if self.renewal.is_some() || self.recovery.is_some() || !self.auto_renewal {
            return;
        }
        let is_due = matches!(
            rules.policy().stage(&self.in_use.facts(), now, None),
            Stage::Renewal | Stage::FollowUp | Stage::Expired
        );
        if is_due || self.origin == Origin::Emergency || self.cut_off.is_some() {
            // What cut the device off is how it began.
            if self.cut_off.is_none() {
                self.timeline.clear();
            }
            self.begin(rules, None, now);
        }
    }

    /// Begins the next generation, after another one that came to nothing or as the first.
    pub(super) fn begin(&mut self, rules: &Rules, after: Option<Renewal>, now: DateTime<Utc>) {
        let generation = self.generation.saturating_add(1);
        self.generation = generation;
        self.timeline.note(now, Happening::RenewalBegan { generation });
        let key = match self.offered.take() {
            Some(csr) => SubjectKey::Csr(csr),
            // The key of an emergency certificate was made elsewhere.
            None if self.origin == Origin::Emergency
                || self.compromised.contains(&self.in_use.public_key) =>
            {
                SubjectKey::Fresh { except: self.compromised.clone() }
            }
            None => SubjectKey::Held(self.in_use.public_key),
        };
        let step = match self.issuer_that_binds() {
            // Under an issuer that ends first, each new leaf would be shorter than the last. One whose
            // own life is due is asked for all the same.
            Some(issuer) if after.is_none() && !self.leaf_is_due(rules, now) => Step::Held(issuer),
            _ => Step::Issuing,
        };
        if let Step::Held(issuer) = step {
            self.timeline.note(now, Happening::HeldByIssuer);
            self.escalate(issuer);
        }
        let (failures, failure, told) =
            after.map_or((0, None, false), |after| (after.failures, after.failure, after.told));
        self.renewal = Some(Renewal {
            generation,
            began_at: now,
            attempt_at: now,
            key,
            urgent: self.is_needed_at_once(),
            first_confirmed_at: None,
            step,
            failures,
            failure,
            told,
        });
        self.order_issue(now);
    }

    /// Whether the device is cut off, or goes on with a key that was made elsewhere.
    pub(super) fn is_needed_at_once(&self) -> bool {
        self.cut_off.is_some() || self.origin == Origin::Emergency
    }

    /// Asks for the certificate, unless it is asked for.
    fn order_issue(&mut self, now: DateTime<Utc>) {
        let Some(renewal) = self.renewal.as_ref().filter(|one| one.step == Step::Issuing) else { return };
        let issue = Issue {
            generation: renewal.generation,
            key: renewal.key.clone(),
            replaces: self.cert_id.clone(),
            needed_by: self.in_use.end(),
            urgent: renewal.urgent,
        };
        self.outbox.add(self.key(renewal.generation, "issue"), Command::Issue(issue), now);
    }

    pub(super) fn go_on_renewing(&mut self, rules: &Rules, now: DateTime<Utc>) {
        self.order_issue(now);
        let Some(renewal) = &mut self.renewal else { return };
        match &mut renewal.step {
            Step::Refused { again_at: Some(at), .. } if is_over(*at, now) => {
                let after = self.renewal.take();
                self.begin(rules, after, now);
            }
            Step::Issued(successor) => {
                let facts = successor.issued.credential().facts();
                if matches!(
                    rules.policy().stage(&facts, now, None),
                    Stage::Renewal | Stage::FollowUp | Stage::Expired
                ) {
                    return self.replace_successor(rules, now);
                }
                // Known by the state and not by the event that brought it, so that no crash between the
                // two forgets to publish.
                let unsaid = successor.published_at.is_none() && successor.publishes == 0;
                let again = unsaid || successor.again_at.is_some_and(|at| is_over(at, now));
                if successor.confirm_by.is_some_and(|at| now >= at) {
                    successor.confirm_by = None;
                    self.alert(AlertKind::NotConfirmed);
                }
                if again {
                    self.publish(now);
                }
            }
            _ => {}
        }
    }

    /// The certificate on its way came to be due itself: it is still known, and the next generation begins, unless the
    /// device is being recovered.
    fn replace_successor(&mut self, rules: &Rules, now: DateTime<Utc>) {
        let Some(after) = self.renewal.take() else { return };
        self.outbox.drop_where(|command| matches!(command, Command::Publish(_)));
        if let Step::Issued(successor) = &after.step {
            self.remember(after.generation, successor.issued.clone(), Origin::Renewed, now);
        }
        if self.recovery.is_none() {
            self.begin(rules, Some(after), now);
        }
    }

    /// Remembers a certificate that the device has, or may have, and was not seen with.
    pub(super) fn remember(&mut self, generation: u64, issued: Issued, origin: Origin, at: DateTime<Utc>) {
        self.candidates.push(Candidate { generation, at, issued, origin });
    }

    fn publish(&mut self, now: DateTime<Utc>) {
        let Some(renewal) = &mut self.renewal else { return };
        let generation = renewal.generation;
        let Step::Issued(successor) = &mut renewal.step else { return };
        (successor.again_at, successor.failed) = (None, false);
        let is_open =
            |command: &Command| matches!(command, Command::Publish(open) if open.generation == generation);
        if self.outbox.keys_where(is_open).next().is_some() {
            return;
        }
        successor.publishes = successor.publishes.saturating_add(1);
        renewal.attempt_at = now;
        // The device takes no older generation than the last that it was given.
        if renewal.generation < self.desired_generation {
            self.generation = self.generation.saturating_add(1);
            renewal.generation = self.generation;
        }
        let what = match successor.publishes {
            1 => "publish".to_owned(),
            count => format!("publish/{count}"),
        };
        let desired = successor.desired(renewal.generation);
        self.order_publish(&what, desired, now);
    }

    /// Publishes it in the place of any other: the message is retained, so one of an older generation that is tried again
    /// later would replace it.
    pub(super) fn order_publish(&mut self, what: &str, desired: Desired, now: DateTime<Utc>) {
        self.outbox.drop_where(|command| matches!(command, Command::Publish(_)));
        self.desired_generation = desired.generation;
        self.outbox.add(self.key(desired.generation, what), Command::Publish(desired), now);
    }

    pub(super) fn issued(
        &mut self,
        rules: &Rules,
        generation: u64,
        certificate: Issued,
        now: DateTime<Utc>,
    ) -> Result<(), EventError> {
        let known = |known: Fingerprint| match known == certificate.credential().fingerprint {
            true => EventError::Known,
            false => EventError::SecondCertificate { generation },
        };
        if self.adopted.as_ref().is_some_and(|adopted| adopted.generation == generation) {
            return Err(known(self.in_use.fingerprint));
        }
        let (current, is_needed_at_once) = (self.generation, self.is_needed_at_once());
        let Some(renewal) = self.renewal.as_mut().filter(|renewal| renewal.generation == generation) else {
            return Err(EventError::OtherGeneration { told: generation, current });
        };
        match &renewal.step {
            Step::Issued(successor) => return Err(known(successor.issued.credential().fingerprint)),
            Step::Refused { .. } => return Err(EventError::Known),
            Step::Held(_) | Step::Issuing => {}
        }
        let credential = *certificate.credential();
        let refusal = if self.compromised.contains(&credential.public_key) {
            Some(Refusal::OtherKey { found: credential.public_key })
        } else {
            let refusal = certificate.refusal(rules, now, &renewal.key, &self.in_use);
            refusal.or_else(|| certificate.no_gain(&self.in_use).filter(|_| !is_needed_at_once))
        };
        self.outbox.drop_where(|command| matches!(command, Command::Issue(_)));
        let Some(why) = refusal else {
            self.timeline.note(now, Happening::Issued(credential.fingerprint));
            renewal.step = Step::Issued(Box::new(Successor::new(certificate)));
            return Ok(());
        };
        renewal.failures = renewal.failures.saturating_add(1);
        renewal.failure = Some(Failure { at: now, reason: Reason::new(why.to_string()) });
        // A refusal has an alert of its own, which the one for several failures in a row would only
        // repeat.
        renewal.told = true;
        let again_at = rules.again(rules.wait(renewal.failures), now, self.in_use.end());
        // Another from that issuer would be refused as well: only its replacement helps, and that is an
        // event.
        let again_at = (!matches!(why, Refusal::IssuerDue { .. })).then_some(again_at);
        renewal.step = Step::Refused { why, again_at };
        self.refuse(&credential, why, now);
        if let Refusal::IssuerDue { issuer } = why {
            self.escalate(issuer);
        }
        Err(EventError::Refused(why))
    }

    /// Reports a certificate that is not taken. One for a key in other hands must be of no use to them either.
    pub(super) fn refuse(&mut self, credential: &Credential, why: Refusal, now: DateTime<Utc>) {
        self.timeline.note(now, Happening::Refused(why));
        self.alert(AlertKind::CertificateRefused { why });
        if self.compromised.contains(&credential.public_key) {
            self.order_retirement(credential.fingerprint, true, now);
        }
    }

    /// An attempt failed: after so many in a row someone is alerted.
    pub(super) fn renewal_failed(&mut self, rules: &Rules, reason: Reason, now: DateTime<Utc>) {
        let Some(renewal) = &mut self.renewal else { return };
        renewal.failures = renewal.failures.saturating_add(1);
        renewal.failure = Some(Failure { at: now, reason: reason.clone() });
        if renewal.failures >= rules.settings().failures && !renewal.told {
            renewal.told = true;
            self.alert(AlertKind::RenewalFailed { reason });
        }
    }

    /// The broker has it, or the device shows that it does: now it is the device's turn. The message is retained, so a device
    /// that is offline gets it when it is back, and nothing is published again.
    pub(super) fn published(&mut self, generation: u64, now: DateTime<Utc>) {
        let Some(renewal) = self.renewal.as_mut().filter(|one| one.generation == generation) else { return };
        let Some(successor) = renewal.successor_mut() else { return };
        if successor.published_at.replace(now).is_none() {
            self.timeline.note(now, Happening::Published);
        }
    }

    pub(super) fn reported(
        &mut self,
        rules: &Rules,
        reported: Reported,
        now: DateTime<Utc>,
    ) -> Result<(), EventError> {
        let (told, current) = (reported.generation, self.generation);
        if let message::Outcome::Refused { reason } | message::Outcome::TestFailed { reason } =
            &reported.outcome
            && let Some(adopted) = &self.adopted
            && self.renewal.is_none()
            && adopted.generation == told
            && adopted.issued.as_ref().is_none_or(|one| reported.is_of(&Desired::new(told, one.pem())))
        {
            return self.failed_after_confirmation(reason.clone(), now);
        }
        let Some(renewal) = self.renewal.as_ref().filter(|renewal| renewal.generation == told) else {
            return Err(EventError::OtherGeneration { told, current });
        };
        match renewal.successor() {
            Some(successor) if successor.is_meant_by(told, &reported) => {}
            _ => return Err(EventError::UnknownCertificate),
        }
        let is_failure = matches!(
            reported.outcome,
            message::Outcome::Refused { .. } | message::Outcome::TestFailed { .. }
        );
        if is_failure && self.is_to_try_again() {
            return Err(EventError::Known);
        }
        // Whoever speaks of it has received it: the broker's word for it is needed no more.
        self.outbox.drop_where(|command| matches!(command, Command::Publish(_)));
        self.published(told, now);
        let Some(successor) = self.renewal.as_mut().and_then(Renewal::successor_mut) else { return Ok(()) };
        let first = |seen: &mut Option<DateTime<Utc>>| match seen {
            Some(_) => Err(EventError::Known),
            None => {
                *seen = Some(now);
                Ok(())
            }
        };
        let confirm_by = saturating_add(now, rules.settings().confirm_within);
        match reported.outcome {
            message::Outcome::Downloaded => {
                first(&mut successor.downloaded_at)?;
                self.timeline.note(now, Happening::Downloaded);
            }
            message::Outcome::TestPassed => {
                first(&mut successor.tested_at)?;
                successor.confirm_by = Some(confirm_by);
                self.timeline.note(now, Happening::TestPassed);
            }
            message::Outcome::Switched => {
                first(&mut successor.switched_at)?;
                successor.confirm_by = Some(confirm_by);
                self.timeline.note(now, Happening::SaidSwitched);
            }
            message::Outcome::Refused { reason } | message::Outcome::TestFailed { reason } => {
                return self.device_failed(rules, reason, now);
            }
        }
        Ok(())
    }

    pub(super) fn tested(
        &mut self,
        rules: &Rules,
        fingerprint: Fingerprint,
        failed: Option<Reason>,
        now: DateTime<Utc>,
    ) -> Result<(), EventError> {
        if let (Some(reason), Some(_)) = (&failed, &self.adopted)
            && fingerprint == self.in_use.fingerprint
        {
            return self.failed_after_confirmation(reason.clone(), now);
        }
        let Some(successor) = self
            .renewal
            .as_mut()
            .and_then(Renewal::successor_mut)
            .filter(|one| one.issued.credential().fingerprint == fingerprint)
        else {
            return Err(EventError::UnknownCertificate);
        };
        if let Some(reason) = failed {
            if self.is_to_try_again() {
                return Err(EventError::Known);
            }
            return self.device_failed(rules, reason, now);
        }
        if successor.tested_at.is_some() {
            return Err(EventError::Known);
        }
        successor.tested_at = Some(now);
        successor.confirm_by = Some(saturating_add(now, rules.settings().confirm_within));
        self.timeline.note(now, Happening::TestPassed);
        Ok(())
    }

    /// The certificate in use was confirmed, and its test failed after all: the device may need the old one again.
    fn failed_after_confirmation(&mut self, reason: Reason, now: DateTime<Utc>) -> Result<(), EventError> {
        let Some(adopted) = self.adopted.as_mut().filter(|one| one.failed_at.is_none()) else {
            return Err(EventError::Known);
        };
        adopted.failed_at = Some(now);
        self.timeline.note(now, Happening::DeviceFailed(reason.clone()));
        self.alert(AlertKind::FailedAfterConfirmation { reason });
        Ok(())
    }

    /// Whether the device is to be asked again to try: what it failed with until then is known. Whoever reads its latest
    /// report each time reads the same one until then, and must not take that for another failure.
    fn is_to_try_again(&self) -> bool {
        let Some(renewal) = &self.renewal else { return false };
        let is_again = |command: &Command| {
            matches!(command, Command::Publish(open) if open.generation == renewal.generation)
                && renewal.successor().is_some_and(|successor| successor.publishes > 1)
        };
        self.outbox.keys_where(is_again).next().is_some()
    }

    /// The device could not take it, or its test failed: the same certificate is published again, later each time.
    fn device_failed(&mut self, rules: &Rules, reason: Reason, now: DateTime<Utc>) -> Result<(), EventError> {
        let end = self.in_use.end();
        let Some(renewal) = &mut self.renewal else { return Ok(()) };
        let wait = rules.wait(renewal.failures.saturating_add(1));
        let Some(successor) = renewal.successor_mut() else { return Ok(()) };
        if successor.failed {
            return Err(EventError::Known);
        }
        successor.failed = true;
        successor.again_at = Some(rules.again(wait, now, end));
        // The next try begins without a word from the device, or its next report would count as known.
        (successor.tested_at, successor.switched_at, successor.confirm_by) = (None, None, None);
        self.timeline.note(now, Happening::DeviceFailed(reason.clone()));
        self.renewal_failed(rules, reason, now);
        Ok(())
    }

    pub(super) fn key_offered(&mut self, csr: Csr) -> Result<(), EventError> {
        let public_key = csr.public_key();
        if self.compromised.contains(&public_key) {
            return Err(EventError::Refused(Refusal::OtherKey { found: public_key }));
        }
        if self.offered.as_ref() == Some(&csr) {
            return Err(EventError::Known);
        }
        self.offered = Some(csr);
        Ok(())
    }
}
