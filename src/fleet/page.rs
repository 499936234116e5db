//! Whom to wake, and how often at the most.

use std::cmp::Reverse;

use super::incident::{Incident, IncidentId};
use super::output::Page;
use super::state::Due;
use super::{Fleet, Queued};

impl Fleet {
    pub(super) fn page(&mut self, id: IncidentId) {
        let needs = |incident: &Incident| incident.is_urgent() && incident.paged_at.is_none();
        if self.incidents.get(&id).is_some_and(needs) {
            self.pager.waiting.insert(id);
            self.send_pages();
        }
    }

    /// Sends what waits, as far as the limit allows. The last page before the limit has all that are left.
    pub(super) fn send_pages(&mut self) {
        let within = self.settings.pages_within;
        while self.pager.sent.front().is_some_and(|at| self.elapsed.saturating_sub(*at) >= within) {
            self.pager.sent.pop_front();
        }
        let mut waiting: Vec<IncidentId> = self.pager.waiting.iter().copied().collect();
        waiting
            .sort_by_key(|id| (Reverse(self.incidents.get(id).and_then(|incident| incident.severity)), *id));
        let most = self.settings.most_pages.max(1);
        let mut waiting = waiting.into_iter().peekable();
        while waiting.peek().is_some() && self.pager.sent.len() < most {
            let is_last = self.pager.sent.len() + 1 == most;
            let ids: Vec<IncidentId> = waiting.by_ref().take(if is_last { usize::MAX } else { 1 }).collect();
            self.send(ids);
        }
        if waiting.peek().is_some()
            && let Some(first) = self.pager.sent.front()
        {
            let pause = first.saturating_add(within).saturating_sub(self.elapsed);
            self.after(pause, Due::MorePages);
        }
    }

    fn send(&mut self, ids: Vec<IncidentId>) {
        self.pager.sent.push_back(self.elapsed);
        let mut lines = Vec::with_capacity(ids.len());
        let mut severity = None;
        for id in &ids {
            self.pager.waiting.remove(id);
            if let Some(incident) = self.incidents.get_mut(id) {
                incident.paged_at = Some(self.now);
                severity = severity.max(incident.severity);
                lines.push(incident.to_string());
            }
        }
        self.outputs.push_back(Queued::Page(Page { incidents: ids, severity, lines }));
    }
}
