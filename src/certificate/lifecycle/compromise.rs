//! A key in other hands: no overlap, no spreading, no confirmation.

use chrono::{DateTime, Utc};

use super::Lifecycle;
use super::command::{AlertKind, Command};
use super::event::EventError;
use super::rules::Rules;
use super::state::{CutOff, Renewal, Step};
use super::timeline::Happening;
use crate::certificate::validity::Fingerprint;
use crate::time::saturating_add;

impl Lifecycle {
    /// Retires each certificate of the key at once. Where that is the one in use, the next is issued out of turn; where it
    /// is one on its way, the next generation begins.
    pub(super) fn key_compromised(
        &mut self,
        rules: &Rules,
        public_key: Fingerprint,
        now: DateTime<Utc>,
    ) -> Result<(), EventError> {
        if self.compromised.contains(&public_key) {
            return Err(EventError::Known);
        }
        let successor =
            self.renewal.as_ref().and_then(Renewal::successor).map(|one| *one.issued.credential());
        let candidates = self.candidates.iter().map(|one| *one.issued.credential());
        let known: Vec<_> = candidates.chain(successor).chain([self.in_use]).collect();
        let mut fingerprints: Vec<_> =
            known.iter().filter(|one| one.public_key == public_key).map(|one| one.fingerprint).collect();
        let replaced = self.retirements.credentials().filter(|one| one.public_key == public_key);
        fingerprints.extend(replaced.map(|one| one.fingerprint));
        let asked_for = self.renewal.as_ref().is_some_and(|one| match one.step {
            Step::Issuing => one.key.admits(public_key),
            // A request for any other key names none.
            Step::Held(_) | Step::Refused { .. } => one.key.names(public_key),
            Step::Issued(_) => false,
        });
        let offered = self.offered.as_ref().is_some_and(|csr| csr.public_key() == public_key);
        // Whatever is being brought to the device may be for that key, and be told of later.
        let brought = self.recovery.is_some() || self.unanswered.is_some();
        // Even one that the device does not have now: it may offer it again, or be given a certificate for it later.
        self.compromised.push(public_key);
        if fingerprints.is_empty() && !asked_for && !offered && !brought {
            return Err(EventError::UnknownCertificate);
        }
        // This is how the story begins; entries of the last renewal would only hide it in the
        // post-mortem.
        if self.renewal.is_none() && self.recovery.is_none() {
            self.timeline.clear();
        }
        self.timeline.note(now, Happening::KeyCompromised(public_key));
        self.alert(AlertKind::KeyCompromised);
        self.offered.take_if(|csr| csr.public_key() == public_key);
        self.candidates.retain(|one| one.issued.credential().public_key != public_key);
        self.retirements.drop_key(public_key);
        for fingerprint in fingerprints {
            // A command that retires it as merely replaced says too little.
            self.outbox.drop_where(
                |command| matches!(command, Command::Retire(open) if open.fingerprint == fingerprint),
            );
            self.order_retirement(fingerprint, true, now);
        }
        if self.in_use.public_key == public_key {
            let rescue_at = saturating_add(now, rules.settings().rescue_after);
            self.cut_off.get_or_insert(CutOff { at: now, rescue_at });
            // The one in use may be published still, where another was before it.
            let under_way = self.renewal.as_ref().map(|one| one.generation);
            self.outbox.drop_where(
                |command| matches!(command, Command::Publish(open) if Some(open.generation) != under_way),
            );
        }
        self.renew_with_another_key(rules, public_key, now);
        Ok(())
    }

    /// A renewal for that key is of no use; one that has brought another key's certificate goes on.
    fn renew_with_another_key(&mut self, rules: &Rules, public_key: Fingerprint, now: DateTime<Utc>) {
        let cut_off = self.cut_off.is_some();
        let Some(renewal) = &self.renewal else { return };
        let useless = match &renewal.step {
            Step::Issued(successor) => successor.issued.credential().public_key == public_key,
            // What is asked for may be issued already, for that key or under a queue's pace.
            Step::Issuing => renewal.key.admits(public_key) || cut_off,
            Step::Held(_) | Step::Refused { .. } => cut_off || renewal.key.admits(public_key),
        };
        if useless {
            self.outbox.drop_where(|command| matches!(command, Command::Issue(_) | Command::Publish(_)));
            let after = self.renewal.take();
            if self.recovery.is_none() {
                self.begin(rules, after, now);
            }
        }
    }
}
