//! What is seen on connections: it confirms a new certificate, or shows that the device went back to an old one.

use chrono::{DateTime, TimeDelta, Utc};

use super::Lifecycle;
use super::clock_doubt::TimestampTrust;
use super::command::{AlertKind, Command};
use super::credential::{Credential, Issued};
use super::event::EventError;
use super::post_mortem::Outcome;
use super::retirements::Retiring;
use super::rules::Rules;
use super::state::{Adopted, CutOff, Origin, Renewal, Step, Successor};
use super::timeline::Happening;
use crate::certificate::message::Desired;
use crate::certificate::validity::{CertId, Fingerprint};
use crate::time::saturating_add;

/// A certificate that was not seen yet, and is now.
struct Seen {
    generation: u64,
    began_at: DateTime<Utc>,
    reported_at: Option<DateTime<Utc>>,
    publishes: u32,
    issued: Issued,
    origin: Origin,
}

impl Lifecycle {
    pub(super) fn connected(
        &mut self,
        rules: &Rules,
        fingerprint: Fingerprint,
        at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), EventError> {
        let dated = self.dated(rules, fingerprint, at, now);
        let told = at;
        // A date ahead of the clock would postpone what is counted from it: retirement, and the next
        // connection's turn.
        let at = at.min(now);
        if self.retirements.is_retired(fingerprint) {
            let alerted = self.retired_in_use(rules, fingerprint, at, now);
            // One that is both retired and in use is a device cut off by its key: its connection still
            // shows that it is alive.
            if fingerprint != self.in_use.fingerprint {
                return alerted;
            }
        }
        if fingerprint == self.in_use.fingerprint {
            if dated == TimestampTrust::Untrusted || self.seen_at.is_some_and(|seen| at <= seen) {
                return Err(EventError::Known);
            }
            self.seen_at = Some(at);
            if let Some(adopted) = &mut self.adopted {
                // It works after all, so the old one is needed no more. A connection before the failed
                // test shows nothing.
                adopted.failed_at.take_if(|failed| at > *failed);
            }
            self.seen_for_sure(dated, told, now);
            return Ok(());
        }
        let is_new = self.renewal.as_ref().and_then(Renewal::successor).map(|one| &one.issued);
        let is_new = is_new.into_iter().chain(self.candidates.iter().map(|one| &one.issued));
        let is_new = is_new.map(|one| one.credential().fingerprint).any(|one| one == fingerprint);
        // Never guessed: a certificate of an unknown origin may be a stolen one, or another device's.
        if !is_new && !self.retirements.contains(fingerprint) {
            return Err(EventError::UnknownCertificate);
        }
        if dated == TimestampTrust::Untrusted {
            self.set_uncertain(true);
            return Err(EventError::Stale);
        }
        let resolution = rules.settings().log_resolution;
        let is_at_once = self.seen_at.is_some_and(|seen| {
            let between = at.signed_duration_since(seen).abs();
            between < resolution || between.is_zero()
        });
        // Where the one in use cannot connect, the other one was the device: there is nothing to confuse.
        let in_use_works = self.cut_off.is_none() && !self.in_use.has_ended(at);
        if is_at_once && is_new && in_use_works {
            // Nobody knows which of the two came last, so the new one is not confirmed. Someone hears of it where no later
            // connection shows which.
            let confirm_by = saturating_add(now, rules.settings().confirm_within);
            if let Some(successor) = self.renewal.as_mut().and_then(Renewal::successor_mut) {
                successor.confirm_by.get_or_insert(confirm_by);
            }
            self.doubt_connections(Some(told), told, now);
            return Err(EventError::SameMoment);
        }
        if !is_at_once && self.seen_at.is_some_and(|seen| at < seen) {
            return Err(EventError::Stale);
        }
        let back = if is_new { None } else { self.retirements.take_back(fingerprint) };
        match back {
            Some(back) => {
                // Within one moment of the log the device may as well have come from the old one to the new one: neither is
                // confirmed, and both stay valid until a later connection shows which.
                let what = if is_at_once { AlertKind::NotConfirmed } else { AlertKind::RolledBack };
                self.alert(what);
                self.go_back(rules, &back, at, now);
                if let Some(renewal) = self.renewal.as_mut().filter(|_| is_at_once) {
                    renewal.first_confirmed_at = None;
                }
            }
            None => self.confirm(rules, fingerprint, at, now),
        }
        // Both stay valid while that is open: to retire the wrong one would lose the device for good, and
        // to keep both costs only time.
        if dated == TimestampTrust::Uncertain {
            self.set_uncertain(true);
            if is_new {
                self.alert(AlertKind::NotConfirmed);
            }
        }
        self.seen_for_sure(dated, told, now);
        Ok(())
    }

    /// A connection with a retired certificate was accepted. Someone is alerted, once a day.
    fn retired_in_use(
        &mut self,
        rules: &Rules,
        fingerprint: Fingerprint,
        at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), EventError> {
        let again_after = rules.settings().longest_retry;
        self.retirements.retired_in_use(fingerprint, at, self.seen_at, again_after)?;
        self.timeline.note(now, Happening::RetiredInUse(fingerprint));
        self.alert(AlertKind::RetiredInUse { fingerprint });
        Ok(())
    }

    /// After a connection was taken: whether it settles what the device has, and whether it may come again under its date.
    fn seen_for_sure(&mut self, dated: TimestampTrust, told: DateTime<Utc>, now: DateTime<Utc>) {
        if dated == TimestampTrust::Trusted {
            self.set_uncertain(false);
        }
        if told > now {
            self.doubt_connections(Some(told), told, now);
        }
    }

    /// The new certificate was seen: it takes the place of the old one, which is retired after the overlap.
    fn confirm(&mut self, rules: &Rules, fingerprint: Fingerprint, at: DateTime<Utc>, now: DateTime<Utc>) {
        let mut others = Vec::new();
        let mut seen = None;
        let mut told_another = false;
        for one in std::mem::take(&mut self.candidates) {
            let found = Seen {
                generation: one.generation,
                began_at: one.at,
                reported_at: None,
                publishes: 0,
                issued: one.issued,
                origin: one.origin,
            };
            sort_out(found, fingerprint, &mut seen, &mut others);
        }
        if let Some(Renewal { generation, began_at, step: Step::Issued(successor), .. }) = self.renewal.take()
        {
            told_another =
                successor.publishes > 0 && successor.issued.credential().fingerprint != fingerprint;
            let found = Seen {
                generation,
                began_at,
                reported_at: successor.switched_at.or(successor.tested_at),
                publishes: successor.publishes,
                issued: successor.issued,
                origin: Origin::Renewed,
            };
            sort_out(found, fingerprint, &mut seen, &mut others);
        }
        let Some(mut seen) = seen else { return };
        self.outbox.drop_where(|command| matches!(command, Command::Issue(_) | Command::Publish(_)));
        let old = std::mem::replace(&mut self.in_use, *seen.issued.credential());
        let old_id = std::mem::replace(&mut self.cert_id, seen.issued.cert_id().cloned());
        // One that was cut off is retired already.
        if self.cut_off.take().is_none() {
            others.push((old, old_id));
        }
        for (other, cert_id) in others {
            self.retire_after_overlap(rules, other, cert_id, at);
        }
        (self.origin, self.seen_at) = (seen.origin, Some(at));
        self.timeline.note(now, Happening::Confirmed(fingerprint));
        if told_another && seen.origin != Origin::Emergency {
            // What is retained on its topic is another certificate, which it must not take up later. Where that is of a
            // later generation, this one is given the next.
            if seen.generation < self.desired_generation {
                self.generation = self.generation.saturating_add(1);
                seen.generation = self.generation;
            }
            self.order_publish("publish", Desired::new(seen.generation, seen.issued.pem()), now);
        }
        self.adopted = Some(Adopted {
            generation: seen.generation,
            began_at: seen.began_at,
            reported_at: seen.reported_at,
            confirmed_at: at,
            failed_at: None,
            publishes: seen.publishes,
            // Kept only while the device could go back to the old one: then it is published again.
            issued: Some(seen.issued).filter(|_| !self.retirements.is_empty()),
        });
        if let Some(visit) = self.visits.take() {
            self.stand_down(visit, now);
        }
        self.close_recovery(
            rules,
            match seen.origin {
                Origin::Emergency => Outcome::EmergencyCertificate,
                Origin::ReProvisioned => Outcome::ReProvisioned,
                Origin::ByHand => Outcome::InstalledByHand,
                Origin::Renewed | Origin::Enrolled => Outcome::Renewed,
            },
            at,
            now,
        );
    }

    /// The old one is retired at the end of the overlap, or at its own, whichever is first.
    fn retire_after_overlap(
        &mut self,
        rules: &Rules,
        credential: Credential,
        cert_id: Option<CertId>,
        switch: DateTime<Utc>,
    ) {
        // A device with a short life left has a short overlap: it must not outlive its own end.
        let remains = credential.end().map_or(TimeDelta::MAX, |end| end.signed_duration_since(switch));
        let retire_at = saturating_add(switch, rules.policy().overlap_within(remains));
        self.retirements.add(credential, cert_id, retire_at);
    }

    /// The device went back: the old one is in use again, and the new one is on its way again.
    fn go_back(&mut self, rules: &Rules, back: &Retiring, at: DateTime<Utc>, now: DateTime<Utc>) {
        let left = std::mem::replace(&mut self.in_use, back.credential);
        let left_id = std::mem::replace(&mut self.cert_id, back.cert_id.clone());
        self.seen_at = Some(at);
        self.timeline.note(now, Happening::RolledBack(back.credential.fingerprint));
        // It works, whatever the one was that the device left, unless it is being retired. A command that was never handed out
        // is taken back.
        let rescue_at = saturating_add(now, rules.settings().rescue_after);
        let key = self.retirement_key(back.credential.fingerprint);
        let is_being_retired = back.ordered && self.outbox.find(&key).is_none_or(|open| open.handed_out);
        if !is_being_retired {
            self.outbox.take(&key);
        }
        self.cut_off = is_being_retired.then_some(CutOff { at: now, rescue_at });
        self.origin = Origin::Enrolled;
        if self.cut_off.is_none() && !self.in_use.has_ended(now) {
            self.close_recovery(rules, Outcome::WentBack, at, now);
        }
        let adopted = self.adopted.take();
        if self.compromised.contains(&left.public_key) {
            // It was retired at once, and is of no use any more.
            return;
        }
        let Some(adopted) = adopted else { return self.retire_after_overlap(rules, left, left_id, at) };
        let Some(issued) = adopted.issued.filter(|issued| *issued.credential() == left) else {
            return self.retire_after_overlap(rules, left, left_id, at);
        };
        if self.renewal.is_some() {
            return self.remember(adopted.generation, issued, Origin::Renewed, now);
        }
        self.outbox.drop_where(|command| matches!(command, Command::Publish(_)));
        let mut successor = Successor::new(issued);
        // The first word of it was another command.
        (successor.publishes, successor.again_at) = (adopted.publishes.max(1), Some(now));
        self.renewal = Some(Renewal {
            generation: adopted.generation,
            began_at: adopted.began_at,
            attempt_at: now,
            key: super::SubjectKey::Held(left.public_key),
            urgent: false,
            first_confirmed_at: Some(adopted.confirmed_at),
            step: Step::Issued(Box::new(successor)),
            failures: 0,
            failure: None,
            told: false,
        });
    }
}

fn sort_out(
    found: Seen,
    fingerprint: Fingerprint,
    seen: &mut Option<Seen>,
    others: &mut Vec<(Credential, Option<CertId>)>,
) {
    if found.issued.credential().fingerprint == fingerprint {
        *seen = Some(found);
    } else {
        others.push((*found.issued.credential(), found.issued.cert_id().cloned()));
    }
}
