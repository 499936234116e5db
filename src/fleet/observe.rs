//! What comes in: alerts, sightings, ends of alerts, changes, maintenance.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::alert::{DeviceAlert, Silence, Taken};
use super::change::{Change, Maintenance, concerns};
use super::incident::{Blamed, IncidentId, Measured, Proof};
use super::state::{Due, GroupKey, Key, State, Symptom};
use super::{Fleet, Queued};
use crate::subject::{DeviceId, Part, Scope, SiteId, Subject};
use crate::time::{Period, saturating_add};

/// The parts that a cause can be shared through, the largest first.
const SHARED: [Scope; 4] = [Scope::Platform, Scope::Pipeline, Scope::Site, Scope::Gateway];

/// Taking in.
impl Fleet {
    /// Takes an alert. One whose device has a blank name is [not taken](Taken::NamesNoDevice). One that is dated in the
    /// future, by more than clocks may differ, counts as of now.
    pub fn observe_alert(&mut self, alert: DeviceAlert, now: DateTime<Utc>) -> Taken {
        self.advance(now);
        if alert.device.is_blank() {
            return Taken::NamesNoDevice;
        }
        self.counts.alerts += 1;
        let key = (Arc::clone(&alert.runbook), alert.device.clone());
        if let Some(known) = self.symptoms.get_mut(&key) {
            self.counts.repeated += 1;
            if !known.sources.contains(&alert.source) {
                known.sources.push(alert.source);
            }
            return Taken::Known;
        }
        let mut subject = self.topology.subject(&alert.device);
        subject.period = alert.period;
        let sources = vec![alert.source.clone()];
        let latest = saturating_add(now, self.settings.clock_tolerance);
        let heard_at = (alert.silence(subject.reporting_interval()).since > latest).then_some(now);
        let symptom = Symptom { subject, alert, sources, state: State::Waiting, back_at: None, heard_at };
        if let Some(until) = self.maintenance_until(&symptom.subject) {
            let left = until.signed_duration_since(self.now).to_std().unwrap_or_default();
            self.after(left, Due::MaintenanceOver(Arc::clone(&key.0), key.1.clone()));
            self.symptoms.insert(key, Symptom { state: State::Maintained, ..symptom });
            return Taken::InMaintenance { until };
        }
        self.symptoms.insert(key.clone(), symptom);
        self.place(&key)
    }

    /// Takes a message of a device that the platform received at `at`: one that the device made then, no will, no retained
    /// message and no replay. A time of the future, and one before the silence, say nothing.
    pub fn observe_seen(&mut self, device: &DeviceId, at: DateTime<Utc>, now: DateTime<Utc>) {
        self.advance(now);
        if at > saturating_add(now, self.settings.clock_tolerance) {
            return;
        }
        for runbook in self.settings.ended_by_a_sighting.clone() {
            let key = (Arc::from(runbook), device.clone());
            if self.symptoms.get(&key).is_some_and(|symptom| at > symptom.silence().since) {
                self.is_back(&key, at);
            }
        }
    }

    /// Takes the end of an alert, from whoever raised it. It is always taken, whatever became of the alert.
    pub fn observe_resolved(
        &mut self,
        runbook: &str,
        device: &DeviceId,
        at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) {
        self.advance(now);
        self.is_back(&(Arc::from(runbook), device.clone()), at);
    }

    /// Takes a change that somebody made. It is evidence beside incidents of parts that it touches, those that are open
    /// among them.
    pub fn observe_change(&mut self, change: Change, now: DateTime<Utc>) {
        self.advance(now);
        let from = saturating_add(now, -self.settings.changes_within);
        // What is open may have begun long ago.
        let oldest = self.incidents.values().map(|incident| incident.began).min();
        let oldest =
            oldest.map_or(from, |began| from.min(saturating_add(began, -self.settings.changes_within)));
        self.changes.retain(|known| known.at >= oldest);
        self.changes.push(change);
        let open: Vec<IncidentId> = self.incidents.keys().copied().collect();
        open.into_iter().for_each(|id| self.relate_changes(id));
    }

    /// Takes a maintenance window. Who is silent already stays what it is.
    pub fn observe_maintenance(&mut self, maintenance: Maintenance, now: DateTime<Utc>) {
        self.advance(now);
        self.maintenance.retain(|window| window.period.end() > now);
        self.maintenance.push(maintenance);
    }

    fn maintenance_until(&self, subject: &Subject) -> Option<DateTime<Utc>> {
        let now = self.now;
        let holds = |window: &&Maintenance| window.period.contains(now) && concerns(&window.part, subject);
        self.maintenance.iter().filter(holds).map(|window| window.period.end()).max()
    }

    /// Still silent at the end: another window may hold, or else it is an alert as any other.
    pub(super) fn maintenance_is_over(&mut self, key: Key) {
        let Some(symptom) = self.symptoms.get(&key).filter(|symptom| symptom.state == State::Maintained)
        else {
            return;
        };
        match self.maintenance_until(&symptom.subject) {
            Some(until) => {
                let left = until.signed_duration_since(self.now).to_std().unwrap_or_default();
                self.after(left, Due::MaintenanceOver(key.0, key.1));
            }
            None => {
                self.place(&key);
            }
        }
    }

    /// A member of an incident that explains it, or else one that waits.
    pub(super) fn place(&mut self, key: &Key) -> Taken {
        let Some(symptom) = self.symptoms.get(key) else { return Taken::Known };
        match self.explanation(symptom) {
            Some((id, part, proof)) => {
                self.join(id, key, part, proof);
                Taken::Member(id)
            }
            None => {
                self.wait(key);
                Taken::Waits
            }
        }
    }

    /// The open incident whose cause explains that silence.
    fn explanation(&self, symptom: &Symptom) -> Option<(IncidentId, Part, Proof)> {
        let parts = SHARED.into_iter().filter_map(|scope| symptom.subject.part(scope));
        parts.into_iter().find_map(|part| {
            let open = self.by_part.get(&part)?.iter().filter_map(|id| self.incidents.get(id));
            let same = open.filter(|incident| incident.runbook == symptom.alert.runbook);
            let mut explaining = same.filter_map(|incident| {
                let blamed = incident.parts.get(&part).filter(|blamed| blamed.ended_at.is_none())?;
                Some((incident.id, self.proof(symptom, &part, blamed)?))
            });
            explaining.next().map(|(id, proof)| (id, part.clone(), proof))
        })
    }

    /// The proof that the silence began when devices fell silent for the part.
    pub(super) fn proof(&self, symptom: &Symptom, part: &Part, blamed: &Blamed) -> Option<Proof> {
        let silence = symptom.silence();
        let of = |measured: &&Measured| self.explains(measured, part, &symptom.subject.site, &silence);
        let measured = blamed.measured.iter().find(of)?;
        Some(Proof::Shares {
            blamed_by: measured.by,
            silent_since: silence.since,
            is_measured: silence.is_measured,
            apart: silence.since.signed_duration_since(measured.silence.since),
        })
    }

    /// True if what was measured of the part says something of a silence at that site. A broker has nodes and a pipeline
    /// partitions: that one site is cut off by it says nothing of another.
    pub(super) fn explains(
        &self,
        measured: &Measured,
        part: &Part,
        site: &Option<SiteId>,
        silence: &Silence,
    ) -> bool {
        let is_wide = matches!(part, Part::Platform | Part::Pipeline(_));
        (!is_wide || measured.site == *site) && self.is_near(silence, &measured.silence)
    }

    /// Begins the hold of its group, if it is the first there.
    pub(super) fn wait(&mut self, key: &Key) {
        let Some(symptom) = self.symptoms.get_mut(key) else { return };
        symptom.state = State::Waiting;
        let group_key = GroupKey::of(&key.0, &symptom.subject);
        let group = self.groups.entry(group_key.clone()).or_default();
        let is_first = group.waiting.is_empty();
        group.waiting.insert((symptom.silence().since, key.1.clone()));
        if group.is_ready {
            self.candidates.insert(group_key);
        } else if is_first {
            self.after(self.settings.hold, Due::Ready(group_key));
        }
    }

    /// The device is back.
    pub(super) fn is_back(&mut self, key: &Key, at: DateTime<Utc>) {
        let Some(symptom) = self.symptoms.get_mut(key) else { return };
        match symptom.state {
            State::Waiting => {
                let group = GroupKey::of(&key.0, &symptom.subject);
                let began = symptom.silence().since;
                self.leave_waiting(&group, began, &key.1);
                self.returned(&group, &key.1, began, at);
                self.end(key);
            }
            State::Running(job) => {
                if symptom.back_at.is_none() {
                    symptom.back_at = Some(at);
                    self.outputs.push_back(Queued::Back { job, at });
                }
            }
            State::Member(id) => {
                self.end(key);
                self.member_is_back(id, &key.1, at);
            }
            State::Maintained => self.end(key),
        }
    }

    /// It is over.
    pub(super) fn end(&mut self, key: &Key) {
        if self.symptoms.remove(key).is_some() {
            self.counts.over += 1;
        }
    }

    pub(super) fn leave_waiting(&mut self, key: &GroupKey, began: DateTime<Utc>, device: &DeviceId) {
        let Some(group) = self.groups.get_mut(key) else { return };
        group.waiting.remove(&(began, device.clone()));
        self.forget_group(key);
    }

    /// A group of which nothing waits, runs or has just returned is forgotten.
    pub(super) fn forget_group(&mut self, key: &GroupKey) {
        let Some(group) = self.groups.get(key) else { return };
        if group.waiting.is_empty() && group.running == 0 && group.returned.is_empty() {
            self.groups.remove(key);
            self.candidates.remove(key);
        }
    }

    /// How many devices are silent beside that one: what a platform answers to `platform-health`. Of a place that the
    /// topology does not know nothing is said.
    #[must_use]
    pub fn silent_beside(&self, subject: &Subject) -> crate::probe::SilentPeers {
        use crate::probe::{SilentPeers, SilentShare};

        let presence = |runbook: &Arc<str>| self.settings.ended_by_a_sighting.contains(&**runbook);
        let silent = |part: &Part| {
            let keys = self.symptoms.iter().filter(|((runbook, _), _)| presence(runbook));
            keys.filter(|(_, symptom)| concerns(part, &symptom.subject)).count() as u64
        };
        let share = |scope| {
            let part = subject.part(scope)?;
            let of = self.topology.count(&part);
            // More are silent than the topology knows of: it is wrong, and a share of it would be too.
            (of > 0).then(|| SilentShare::new(silent(&part).min(of), of))
        };
        let mut peers = SilentPeers::new(self.now);
        (peers.gateway, peers.site) = (share(Scope::Gateway), share(Scope::Site));
        peers
    }
}

impl Fleet {
    /// True if two silences may have one cause by when they began.
    pub(super) fn is_near(&self, one: &Silence, other: &Silence) -> bool {
        let settings = &self.settings;
        let is_measured = one.is_measured && other.is_measured;
        let margin = if is_measured { settings.margin } else { settings.alert_margin };
        let margin = margin.checked_add(&one.interval).and_then(|sum| sum.checked_add(&other.interval));
        one.since.signed_duration_since(other.since).abs() <= margin.unwrap_or(TimeDelta::MAX)
    }

    /// The changes that are evidence beside an incident: of a part that holds one of its parts, or lies within its place.
    pub(super) fn relate_changes(&mut self, id: IncidentId) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        let began = incident.began;
        let within = Period::ending(
            saturating_add(began, self.settings.margin),
            self.settings.changes_within + self.settings.margin,
        );
        let touches = |change: &&Change| {
            within.contains(change.at)
                && incident
                    .members
                    .keys()
                    .any(|device| concerns(&change.part, &self.topology.subject(device)))
        };
        let mut changes: Vec<Change> = self.changes.iter().filter(touches).cloned().collect();
        changes.sort_by_key(|change| std::cmp::Reverse(change.at));
        incident.changes = changes;
        incident.weigh();
    }
}
