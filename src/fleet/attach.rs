//! What a finding means for the devices beside it: incidents begin, grow, and end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::alert::Silence;
use super::incident::{Blamed, Cause, Closed, Incident, IncidentId, Measured, Member, Proof};
use super::output::JobId;
use super::settings::LONGEST_PAUSE;
use super::state::{Due, GroupKey, Key, Running, State};
use super::{Fleet, Queued};
use crate::diagnosis::{Ending, Finding};
use crate::subject::{DeviceId, Part, Subject};

/// An incident at so many sites is one of the platform's scale.
const SITES: usize = 3;

impl Fleet {
    /// Takes the result of a diagnosis. Of a job that is not under way nothing is taken.
    pub fn observe_finding(&mut self, job: JobId, finding: &Finding, now: DateTime<Utc>) {
        self.advance(now);
        self.release_scout(job);
        let Some(running) = self.job_is_over(job) else { return };
        match running.recheck {
            None => self.first_finding(&running.key, &running.group, finding),
            Some((incident, part)) => self.measured_again(incident, &part, &running.key, finding),
        }
        self.forget_group(&running.group);
    }

    /// That diagnosis could not be run: its device waits again, and its group is held for as long as at first.
    pub(super) fn give_up(&mut self, job: JobId, now: DateTime<Utc>) {
        self.advance(now);
        self.release_scout(job);
        let Some(Running { key, group, recheck: None, .. }) = self.job_is_over(job) else { return };
        // Or it would be tried again at once, for ever.
        if let Some(held) = self.groups.get_mut(&group) {
            held.is_ready = false;
            self.after(self.settings.hold, Due::Ready(group));
        }
        let back_at = self.symptoms.get(&key).and_then(|symptom| symptom.back_at);
        self.wait(&key);
        if let Some(at) = back_at {
            self.is_back(&key, at);
        }
    }

    fn first_finding(&mut self, key: &Key, group: &GroupKey, finding: &Finding) {
        let Some(symptom) = self.symptoms.get(key) else { return };
        let (began, back_at) = (symptom.silence().since, symptom.back_at);
        let recovered_at = back_at.or_else(|| finding.is_recovered().then(|| finding.at()));
        match finding.ending() {
            // Somebody said that there is nothing to diagnose.
            Ending::Withdrawn { .. } => {
                back_at.into_iter().for_each(|at| self.returned(group, &key.1, began, at));
                self.end(key);
            }
            // Back, and nobody knows why it was away.
            Ending::Concluded if finding.is_recovered() && finding.root_cause().is_none() => {
                self.returned(group, &key.1, began, recovered_at.unwrap_or(self.now));
                self.end(key);
            }
            _ => {
                let cause = Cause::of(finding);
                let is_undetermined = matches!(cause, Cause::Undetermined(_));
                if let Some(group) = self.groups.get_mut(group) {
                    group.count(cause);
                }
                let Some((id, part)) = self.attach(key, finding) else { return };
                self.explain_waiting(id, &part);
                if is_undetermined {
                    self.give_up_on(group, id, &part, finding);
                }
                if let Some(at) = recovered_at {
                    self.is_back(key, at);
                }
            }
        }
    }

    /// Makes the device of a finding a member of the incident of its cause.
    fn attach(&mut self, key: &Key, finding: &Finding) -> Option<(IncidentId, Part)> {
        let symptom = self.symptoms.get(key)?;
        let subject = symptom.subject.clone();
        let part = finding.part().cloned().unwrap_or_else(|| Part::Device(key.1.clone()));
        let (by, device, silence) = (finding.diagnosis(), key.1.clone(), symptom.silence());
        let measured = Measured { by, device, site: subject.site.clone(), silence };
        let id = self.incident_of(&key.0, &subject, &part, finding, measured);
        self.join(id, key, part.clone(), Proof::Diagnosed { by: finding.diagnosis() });
        self.relate_changes(id);
        Some((id, part))
    }

    /// The incident of that cause and part: one that has both, one of the same cause beside it, or a new one.
    fn incident_of(
        &mut self,
        runbook: &Arc<str>,
        subject: &Subject,
        part: &Part,
        finding: &Finding,
        measured: Measured,
    ) -> IncidentId {
        let cause = Cause::of(finding);
        let same = self.by_cause.get(&(Arc::clone(runbook), cause.clone())).cloned().unwrap_or_default();
        let has = |id: &&IncidentId| {
            self.incidents.get(id).is_some_and(|incident| incident.open_parts().any(|(has, _)| has == part))
        };
        if let Some(id) = same.iter().find(has).copied() {
            self.confirm(id, part, measured);
            return id;
        }
        let near: Vec<IncidentId> =
            same.into_iter().filter(|id| self.is_of_that_time(*id, &measured.silence)).collect();
        let beside = |id: &&IncidentId| {
            self.incidents.get(id).is_some_and(|incident| {
                let same_gateway = incident.gateway.is_some() && incident.gateway == subject.gateway;
                let same_site = incident.site.is_some() && incident.site == subject.site;
                same_gateway || same_site || incident.place == Part::Platform
            })
        };
        let id = match near.iter().find(beside).copied() {
            Some(id) => id,
            None if near.len() + 1 >= SITES => self.merge(&near),
            None => self.open(runbook, cause, finding),
        };
        self.add_part(id, subject, part, measured);
        id
    }

    /// The part was found at fault again, by a device that may have fallen silent at another time.
    fn confirm(&mut self, id: IncidentId, part: &Part, measured: Measured) {
        let known = self.incidents.get(&id).and_then(|incident| incident.parts.get(part));
        let is_new = known.is_some_and(|blamed| {
            !blamed.measured.iter().any(|other| self.explains(other, part, &measured.site, &measured.silence))
        });
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        incident.confirmed_at = self.now;
        if is_new && let Some(blamed) = incident.parts.get_mut(part) {
            blamed.measured.push(measured);
        }
    }

    fn is_of_that_time(&self, id: IncidentId, silence: &Silence) -> bool {
        let Some(incident) = self.incidents.get(&id) else { return false };
        let mut measured = incident.parts.values().flat_map(|blamed| &blamed.measured);
        measured.any(|other| self.is_near(&other.silence, silence))
    }

    fn open(&mut self, runbook: &Arc<str>, cause: Cause, finding: &Finding) -> IncidentId {
        let title = finding.title().map_or_else(|| cause.to_string().into(), Box::from);
        let id = self.open_as(runbook, cause, title);
        if let Some(incident) = self.incidents.get_mut(&id) {
            incident.root_cause = finding.root_cause().map(Box::from);
            incident.severity = finding.severity();
            incident.is_recovered = finding.is_recovered();
            incident.advice = finding.advice().map(Box::from).collect();
            incident.measured = finding.hypotheses().to_vec();
            incident.weigh();
        }
        self.after(self.settings.page_after, Due::Page(id));
        self.recheck_after(id, self.settings.recheck_after);
        id
    }

    fn open_as(&mut self, runbook: &Arc<str>, cause: Cause, title: Box<str>) -> IncidentId {
        self.last_incident += 1;
        let id = IncidentId(self.last_incident);
        let incident = Incident {
            id,
            runbook: Arc::clone(runbook),
            cause: cause.clone(),
            title,
            root_cause: None,
            severity: None,
            is_recovered: false,
            advice: Vec::new(),
            hypotheses: Vec::new(),
            measured: Vec::new(),
            place: Part::Platform,
            parts: BTreeMap::new(),
            members: BTreeMap::new(),
            began: self.now,
            opened_at: self.now,
            confirmed_at: self.now,
            changes: Vec::new(),
            paged_at: None,
            closed: None,
            out: BTreeSet::new(),
            gateway: None,
            site: None,
            pause: self.settings.recheck_after,
            recheck_at: None,
        };
        self.incidents.insert(id, incident);
        self.by_cause.entry((Arc::clone(runbook), cause)).or_default().insert(id);
        id
    }

    fn add_part(&mut self, id: IncidentId, subject: &Subject, part: &Part, measured: Measured) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        let gateway = match part {
            Part::Gateway(gateway) => Some(gateway.clone()),
            Part::Device(_) | Part::Tag(_) => subject.gateway.clone(),
            _ => None,
        };
        let site =
            if matches!(part, Part::Platform | Part::Pipeline(_)) { None } else { subject.site.clone() };
        if incident.parts.is_empty() {
            (incident.gateway, incident.site, incident.place) = (gateway, site, part.clone());
            incident.began = measured.silence.since;
        } else {
            incident.gateway = incident.gateway.take().filter(|common| Some(common) == gateway.as_ref());
            incident.site = incident.site.take().filter(|common| Some(common) == site.as_ref());
            incident.place = match (&incident.gateway, &incident.site) {
                (Some(gateway), _) => Part::Gateway(gateway.clone()),
                (None, Some(site)) => Part::Site(site.clone()),
                (None, None) => Part::Platform,
            };
        }
        incident.confirmed_at = self.now;
        incident.parts.insert(part.clone(), Blamed { measured: vec![measured], silent: 0, ended_at: None });
        self.by_part.entry(part.clone()).or_default().insert(id);
    }

    /// Makes one incident of several; the oldest keeps its number.
    fn merge(&mut self, ids: &[IncidentId]) -> IncidentId {
        let into = ids.iter().min().copied().unwrap_or(IncidentId(self.last_incident));
        for id in ids.iter().filter(|id| **id != into) {
            let Some(mut absorbed) = self.forget_incident(*id) else { continue };
            for device in &absorbed.out {
                let key = (Arc::clone(&absorbed.runbook), device.clone());
                if let Some(symptom) = self.symptoms.get_mut(&key) {
                    symptom.state = State::Member(into);
                }
            }
            for part in absorbed.parts.keys() {
                self.by_part.entry(part.clone()).or_default().insert(into);
            }
            if let Some(incident) = self.incidents.get_mut(&into) {
                for (part, blamed) in &absorbed.parts {
                    // Of a part that both have, one at least has ended: an incident of one cause has each part once.
                    match incident.parts.get_mut(part) {
                        Some(known) if blamed.ended_at.is_some() => {
                            known.measured.extend(blamed.measured.clone());
                        }
                        _ => drop(incident.parts.insert(part.clone(), blamed.clone())),
                    }
                }
                for (device, member) in &absorbed.members {
                    // One that came back there may be silent here: for this part it is a member.
                    if !incident.out.contains(device) {
                        incident.members.insert(device.clone(), member.clone());
                    }
                }
                incident.out.append(&mut absorbed.out.clone());
                incident.began = incident.began.min(absorbed.began);
                incident.paged_at = incident.paged_at.or(absorbed.paged_at);
                (incident.gateway, incident.site, incident.place) = (None, None, Part::Platform);
            }
            absorbed.closed = Some(Closed { at: self.now, still_out: 0, merged_into: Some(into) });
            self.outputs.push_back(Queued::Closed(Box::new(absorbed)));
        }
        into
    }

    /// Makes a device that is silent a member.
    pub(super) fn join(&mut self, id: IncidentId, key: &Key, part: Part, proof: Proof) {
        let (Some(symptom), Some(incident)) = (self.symptoms.get_mut(key), self.incidents.get_mut(&id))
        else {
            return;
        };
        symptom.state = State::Member(id);
        if let Some(blamed) = incident.parts.get_mut(&part) {
            blamed.silent += 1;
        }
        incident.began = incident.began.min(symptom.silence().since);
        incident.out.insert(key.1.clone());
        let sources = symptom.sources.clone();
        let member = Member { part, proof, sources, joined_at: self.now, back_at: None };
        incident.members.insert(key.1.clone(), member);
    }

    /// Those that wait and depend on the part, and fell silent with it, are members.
    fn explain_waiting(&mut self, id: IncidentId, part: &Part) {
        let Some(incident) = self.incidents.get(&id) else { return };
        let Some(blamed) = incident.parts.get(part).filter(|blamed| blamed.ended_at.is_none()) else {
            return;
        };
        let mut explained = Vec::new();
        let groups = self.groups.iter();
        for (group, waiting) in
            groups.filter(|(key, _)| key.runbook == incident.runbook && key.is_within(part))
        {
            for (_, device) in &waiting.waiting {
                let key = (Arc::clone(&group.runbook), device.clone());
                let Some(symptom) = self.symptoms.get(&key) else { continue };
                if super::change::concerns(part, &symptom.subject)
                    && let Some(proof) = self.proof(symptom, part, blamed)
                {
                    explained.push((group.clone(), key, symptom.silence().since, proof));
                }
            }
        }
        for (group, key, began, proof) in explained {
            self.leave_waiting(&group, began, &key.1);
            self.join(id, &key, part.clone(), proof);
        }
    }

    /// Enough diagnoses behind one gateway came to nothing for the same reason: those that still wait would too. Devices of
    /// which nobody knows where they are share no reason.
    fn give_up_on(&mut self, key: &GroupKey, id: IncidentId, part: &Part, finding: &Finding) {
        if key.place() == Part::Platform {
            return;
        }
        let enough = self.settings.undetermined_enough;
        let Some(group) = self.groups.get_mut(key).filter(|group| group.undetermined >= enough) else {
            return;
        };
        let waiting: Vec<_> = std::mem::take(&mut group.waiting).into_iter().collect();
        for (_, device) in waiting {
            let proof = Proof::LikeOthers { by: finding.diagnosis() };
            self.join(id, &(Arc::clone(&key.runbook), device), part.clone(), proof);
        }
    }

    /// Plans the next measurement, unless an earlier one is planned.
    fn recheck_after(&mut self, id: IncidentId, pause: std::time::Duration) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        let at = self.elapsed.saturating_add(pause);
        if incident.recheck_at.is_none_or(|planned| planned > at || planned <= self.elapsed) {
            incident.recheck_at = Some(at);
            self.due.insert((at, Due::Recheck(id)));
        }
    }

    pub(super) fn recheck(&mut self, id: IncidentId) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        // An earlier one was planned since.
        if incident.recheck_at.is_none_or(|at| at > self.elapsed) {
            return;
        }
        incident.pause = incident.pause.saturating_mul(2).min(LONGEST_PAUSE);
        let (pause, parts): (_, Vec<Part>) =
            (incident.pause, incident.open_parts().map(|(part, _)| part.clone()).collect());
        self.rechecks.extend(parts.into_iter().map(|part| (id, part)));
        self.recheck_after(id, pause);
    }

    fn measured_again(&mut self, id: IncidentId, part: &Part, key: &Key, finding: &Finding) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        let is_open = incident.parts.get(part).is_some_and(|blamed| blamed.ended_at.is_none());
        if !is_open {
            return;
        }
        let confirms =
            Cause::of(finding) == incident.cause && finding.part().is_none_or(|blamed| blamed == part);
        match finding.ending() {
            Ending::Concluded | Ending::Undetermined if confirms => {
                incident.confirmed_at = self.now;
                return;
            }
            Ending::Concluded => {}
            // What nobody could measure has not ended.
            _ => return,
        }
        // It may have come back since, and be silent again for another cause.
        let is_member = self.symptoms.get(key).is_some_and(|symptom| symptom.state == State::Member(id));
        self.end_part(id, part, is_member.then_some(&key.1));
        match (is_member, finding.is_recovered()) {
            (false, _) => {}
            (true, true) => self.end(key),
            (true, false) => drop(self.attach(key, finding)),
        }
    }

    /// The part works again. Whoever is silent for it still is diagnosed again, but for `measured`, who was.
    fn end_part(&mut self, id: IncidentId, part: &Part, measured: Option<&DeviceId>) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        let Some(blamed) = incident.parts.get_mut(part) else { return };
        (blamed.ended_at, blamed.silent) = (Some(self.now), 0);
        let still_out: Vec<DeviceId> = incident.out_for(part).cloned().collect();
        for device in &still_out {
            incident.out.remove(device);
        }
        let is_over = incident.open_parts().next().is_none();
        let runbook = Arc::clone(&incident.runbook);
        if let Some(ids) = self.by_part.get_mut(part) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_part.remove(part);
            }
        }
        if let Some(measured) = measured
            && let Some(member) =
                self.incidents.get_mut(&id).and_then(|incident| incident.members.get_mut(measured))
        {
            member.back_at = Some(self.now);
        }
        for device in still_out.iter().filter(|device| Some(*device) != measured) {
            self.wait(&(Arc::clone(&runbook), device.clone()));
        }
        if is_over {
            self.close(id);
        }
    }

    fn close(&mut self, id: IncidentId) {
        let Some(mut incident) = self.forget_incident(id) else { return };
        let still_out = incident.members.values().filter(|member| member.back_at.is_none()).count();
        incident.closed = Some(Closed { at: self.now, still_out, merged_into: None });
        self.outputs.push_back(Queued::Closed(Box::new(incident)));
    }

    fn forget_incident(&mut self, id: IncidentId) -> Option<Incident> {
        let incident = self.incidents.remove(&id)?;
        self.pager.waiting.remove(&id);
        let key = (Arc::clone(&incident.runbook), incident.cause.clone());
        if let Some(ids) = self.by_cause.get_mut(&key) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_cause.remove(&key);
            }
        }
        for part in incident.parts.keys() {
            if let Some(ids) = self.by_part.get_mut(part) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.by_part.remove(part);
                }
            }
        }
        Some(incident)
    }

    pub(super) fn member_is_back(&mut self, id: IncidentId, device: &DeviceId, at: DateTime<Utc>) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        let Some(member) = incident.members.get_mut(device) else { return };
        member.back_at = Some(at);
        incident.out.remove(device);
        let part = member.part.clone();
        let silent = incident.parts.get_mut(&part).map(|blamed| {
            blamed.silent = blamed.silent.saturating_sub(1);
            blamed.silent
        });
        match silent {
            Some(0) => self.end_part(id, &part, None),
            // The cause may be over for all: soon, when those that come back by themselves have done so.
            _ => self.recheck_after(id, self.settings.hold.saturating_mul(2)),
        }
    }

    /// Devices of one place that came back together before anybody knew why are one short outage.
    pub(super) fn count_returned(&mut self, key: &GroupKey) {
        let Some(group) = self.groups.get_mut(key) else { return };
        let returned = std::mem::take(&mut group.returned);
        self.forget_group(key);
        if returned.len() < self.settings.short_outage_of {
            return;
        }
        let id = self.open_as(
            &key.runbook,
            Cause::ShortOutage,
            "Devices of one place were silent for a while".into(),
        );
        if let Some(mut incident) = self.forget_incident(id) {
            incident.place = key.place();
            incident.began = returned.iter().map(|(_, began, _)| *began).min().unwrap_or(self.now);
            incident.members.extend(returned.into_iter().map(|(device, _, at)| {
                let part = Part::Device(device.clone());
                let back_at = Some(at);
                let member = Member {
                    part,
                    proof: Proof::CameBack,
                    sources: Vec::new(),
                    joined_at: self.now,
                    back_at,
                };
                (device, member)
            }));
            incident.closed = Some(Closed { at: self.now, still_out: 0, merged_into: None });
            self.outputs.push_back(Queued::Closed(Box::new(incident)));
        }
    }
}
