//! What is seen on connections: it confirms a new certificate, or shows that the device went back to an old one.

use chrono::{DateTime, TimeDelta, Utc};

use super::Lifecycle;
use super::command::{AlertKind, Command};
use super::credential::{Credential, Issued};
use super::doubt::Dated;
use super::event::Ignored;
use super::post_mortem::Outcome;
use super::rules::Rules;
use super::state::{Adopted, CutOff, Origin, Renewal, Retiring, Step, Successor};
use super::timeline::Happening;
use crate::certificate::message::Desired;
use crate::certificate::validity::Fingerprint;
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
    ) -> Result<(), Ignored> {
        let dated = self.dated(rules, fingerprint, at, now);
        let told = at;
        let at = at.min(now);
        if fingerprint == self.in_use.fingerprint {
            if dated == Dated::Wrongly || self.seen_at.is_some_and(|seen| at <= seen) {
                return Err(Ignored::Known);
            }
            self.seen_at = Some(at);
            self.seen_for_sure(dated, told, now);
            return Ok(());
        }
        let is_new = self.renewal.as_ref().and_then(Renewal::successor).map(|one| &one.issued);
        let is_new = is_new.into_iter().chain(self.candidates.iter().map(|one| &one.issued));
        let is_new = is_new.map(|one| one.credential().fingerprint).any(|one| one == fingerprint);
        let replaced = self.retiring.iter().position(|one| one.credential.fingerprint == fingerprint);
        if !is_new && replaced.is_none() {
            return Err(Ignored::UnknownCertificate);
        }
        if dated == Dated::Wrongly {
            self.unsettle(true);
            return Err(Ignored::Stale);
        }
        // At one moment both may be seen, and the new one is what the device goes on with.
        if self.seen_at.is_some_and(|seen| at < seen || (at == seen && !is_new)) {
            if told > now {
                // By its date it is the latest, and by the clock nobody can say.
                self.doubt_connections(Some(told), told, now);
                self.unsettle(true);
            }
            return Err(Ignored::Stale);
        }
        match replaced.filter(|_| !is_new) {
            Some(position) => {
                let back = self.retiring.remove(position);
                self.go_back(rules, &back, at, now);
            }
            None => self.confirm(rules, fingerprint, at, now),
        }
        if dated == Dated::Perhaps {
            self.unsettle(true);
            if is_new {
                self.alert(AlertKind::NotConfirmed);
            }
        }
        self.seen_for_sure(dated, told, now);
        Ok(())
    }

    /// After a connection was taken: whether it settles what the device has, and whether it may come again under its date.
    fn seen_for_sure(&mut self, dated: Dated, told: DateTime<Utc>, now: DateTime<Utc>) {
        if dated == Dated::Surely {
            self.unsettle(false);
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
        let Some(seen) = seen else { return };
        self.outbox.drop_where(|command| matches!(command, Command::Issue(_) | Command::Publish(_)));
        let old = std::mem::replace(&mut self.in_use, *seen.issued.credential());
        if self.cut_off.take().is_none() {
            others.push(old);
        }
        for other in others {
            self.retire_after_overlap(rules, other, at);
        }
        (self.origin, self.seen_at) = (seen.origin, Some(at));
        self.timeline.note(now, Happening::Confirmed(fingerprint));
        if told_another && seen.origin != Origin::Emergency {
            // What is retained on its topic is another certificate, which it must not take up later.
            let desired = Desired::new(seen.generation, seen.issued.pem());
            self.outbox.add(self.key(seen.generation, "publish"), Command::Publish(desired), now);
        }
        self.adopted = Some(Adopted {
            generation: seen.generation,
            began_at: seen.began_at,
            reported_at: seen.reported_at,
            confirmed_at: at,
            publishes: seen.publishes,
            issued: Some(seen.issued).filter(|_| !self.retiring.is_empty()),
        });
        if let Some(follow_up) = self.follow_up.take() {
            self.stand_down(follow_up.visit, now);
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
    fn retire_after_overlap(&mut self, rules: &Rules, credential: Credential, switch: DateTime<Utc>) {
        let remains = credential.end().map_or(TimeDelta::MAX, |end| end.signed_duration_since(switch));
        let retire_at = saturating_add(switch, rules.policy().overlap_within(remains));
        self.retiring.push(Retiring { credential, retire_at, compromised: false, ordered: false });
    }

    /// The device went back: the old one is in use again, and the new one is on its way again.
    fn go_back(&mut self, rules: &Rules, back: &Retiring, at: DateTime<Utc>, now: DateTime<Utc>) {
        let left = std::mem::replace(&mut self.in_use, back.credential);
        self.seen_at = Some(at);
        self.timeline.note(now, Happening::RolledBack(back.credential.fingerprint));
        self.alert(AlertKind::RolledBack);
        // It works, whatever the one was that the device left, unless it is being retired.
        let rescue_at = saturating_add(now, rules.settings().rescue_after);
        self.cut_off = back.ordered.then_some(CutOff { at: now, rescue_at });
        self.origin = Origin::Enrolled;
        if self.cut_off.is_none() && !self.in_use.has_ended(now) {
            self.close_recovery(rules, Outcome::WentBack, at, now);
        }
        let adopted = self.adopted.take();
        if self.compromised.contains(&left.public_key) {
            // It was retired at once, and is of no use any more.
            return;
        }
        let Some(adopted) = adopted else { return self.retire_after_overlap(rules, left, at) };
        let Some(issued) = adopted.issued.filter(|issued| *issued.credential() == left) else {
            return self.retire_after_overlap(rules, left, at);
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
            step: Step::Issued(Box::new(successor)),
            failures: 0,
            failure: None,
            told: false,
        });
    }
}

fn sort_out(found: Seen, fingerprint: Fingerprint, seen: &mut Option<Seen>, others: &mut Vec<Credential>) {
    if found.issued.credential().fingerprint == fingerprint {
        *seen = Some(found);
    } else {
        others.push(*found.issued.credential());
    }
}
