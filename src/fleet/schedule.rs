//! Which diagnosis runs next.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Fleet;
use super::incident::IncidentId;
use super::output::{Job, JobId};
use super::state::{Due, GroupKey, Key, Running, State};
use crate::subject::{DeviceId, Part};

impl Fleet {
    pub(super) fn hold_is_over(&mut self, key: GroupKey) {
        if let Some(group) = self.groups.get_mut(&key) {
            group.is_ready = true;
            self.candidates.insert(key);
        }
    }

    /// The next diagnosis that may run, if any.
    pub(super) fn start_next(&mut self) -> Option<Job> {
        while self.running.len() < self.settings.most_running {
            if let Some((incident, part)) = self.rechecks.pop_front() {
                match self.start_recheck(incident, part) {
                    Some(job) => return Some(job),
                    None => continue,
                }
            }
            // What is blocked comes back among the candidates when what blocks it is over.
            let key = self.candidates.pop_first()?;
            if self.groups.get(&key).is_some_and(|group| group.may_run())
                && !self.is_scouted(&key)
                && let Some(job) = self.start_first(&key)
            {
                return Some(job);
            }
        }
        None
    }

    /// True if a first diagnosis of the site, or of the platform, is under way.
    fn is_scouted(&self, key: &GroupKey) -> bool {
        key.scouted().any(|part| {
            let scout = self.scouts.get(&(Arc::clone(&key.runbook), part));
            scout.is_some_and(|scout| scout.running.is_some())
        })
    }

    fn start_first(&mut self, key: &GroupKey) -> Option<Job> {
        let group = self.groups.get_mut(key)?;
        let (began, device) = group.middle()?;
        group.waiting.remove(&(began, device.clone()));
        group.running += 1;
        if group.may_run() {
            self.candidates.insert(key.clone());
        }
        let job = self.job((Arc::clone(&key.runbook), device), key.clone(), None)?;
        for part in key.scouted() {
            let scout = self.scouts.entry((Arc::clone(&key.runbook), part)).or_default();
            let forget_after = self.settings.forget_after;
            if scout.found_at.is_none_or(|at| self.elapsed.saturating_sub(at) > forget_after) {
                scout.running = Some(job.id);
            }
        }
        self.after(self.settings.patience, Due::Impatient(job.id));
        Some(job)
    }

    fn start_recheck(&mut self, id: IncidentId, part: Part) -> Option<Job> {
        let incident = self.incidents.get(&id)?;
        let blamed = incident.parts.get(&part).filter(|blamed| blamed.ended_at.is_none())?;
        // The one that was diagnosed before is compared best.
        let mut again = blamed.measured.iter().map(|measured| &measured.device);
        let again = again.find(|device| incident.out.contains(*device));
        let device = again.or_else(|| incident.out_for(&part).next())?.clone();
        let key = (Arc::clone(&incident.runbook), device);
        let group = GroupKey::of(&key.0, &self.symptoms.get(&key)?.subject);
        self.job(key, group, Some((id, part)))
    }

    fn job(&mut self, key: Key, group: GroupKey, recheck: Option<(IncidentId, Part)>) -> Option<Job> {
        let symptom = self.symptoms.get_mut(&key)?;
        self.last_job += 1;
        let job = Job {
            id: JobId(self.last_job),
            runbook: Arc::clone(&key.0),
            subject: symptom.subject.clone(),
            trigger: symptom.alert.trigger.clone(),
            incident: recheck.as_ref().map(|(id, _)| *id),
        };
        if recheck.is_none() {
            symptom.state = State::Running(job.id);
        }
        self.running.insert(job.id, Running { job: job.clone(), key, group, recheck });
        Some(job)
    }

    /// Others need not wait for that diagnosis any longer.
    pub(super) fn release_scout(&mut self, job: JobId) {
        let mut released = Vec::new();
        for ((runbook, part), scout) in &mut self.scouts {
            if scout.running == Some(job) {
                scout.running = None;
                released.push((Arc::clone(runbook), part.clone()));
            }
        }
        for (runbook, part) in released {
            let within = self.groups.iter().filter(|(key, group)| {
                key.runbook == runbook && key.is_within(&part) && group.is_ready && !group.waiting.is_empty()
            });
            self.candidates.extend(within.map(|(key, _)| key.clone()));
        }
    }

    /// The diagnosis of that number has ended.
    pub(super) fn job_is_over(&mut self, job: JobId) -> Option<Running> {
        let running = self.running.remove(&job)?;
        if running.recheck.is_none() {
            if let Some(group) = self.groups.get_mut(&running.group) {
                group.running = group.running.saturating_sub(1);
                group.findings = group.findings.saturating_add(1);
                self.candidates.insert(running.group.clone());
            }
            for part in running.group.scouted() {
                let scout = self.scouts.entry((Arc::clone(&running.key.0), part)).or_default();
                scout.found_at = Some(self.elapsed);
            }
        }
        Some(running)
    }

    /// A device came back before anybody knew why it was silent.
    pub(super) fn returned(
        &mut self,
        key: &GroupKey,
        device: &DeviceId,
        began: DateTime<Utc>,
        at: DateTime<Utc>,
    ) {
        let group = self.groups.entry(key.clone()).or_default();
        group.returned.push((device.clone(), began, at));
        if group.returned.len() == 1 {
            self.after(self.settings.hold, Due::Returned(key.clone()));
        }
    }
}
