//! The follow-up: people are asked to see to a certificate, in time before it ends.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Lifecycle;
use super::command::{AlertKind, Command, Visit, VisitKind};
use super::command_key::CommandKey;
use super::event::{EventError, Reachability};
use super::rules::Rules;
use super::state::Origin;
use super::timeline::Happening;
use crate::certificate::Stage;

/// The visit that was asked for, and what decides of which kind it must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Visits {
    follow_up: Option<FollowUp>,
    reachability: Reachability,
}

/// A person was asked to see to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FollowUp {
    kind: VisitKind,
    visit: CommandKey,
}

impl Visits {
    pub(super) const fn reachability(&self) -> Reachability {
        self.reachability
    }

    const fn is_asked_for(&self) -> bool {
        self.follow_up.is_some()
    }

    /// The kind of visit to a device whose certificate ends then.
    fn kind(&self, end: Option<DateTime<Utc>>) -> VisitKind {
        match self.reachability {
            Reachability::Offline { back_at } => {
                let in_time = back_at.is_some_and(|back| end.is_none_or(|end| back <= end));
                if in_time { VisitKind::MaintenanceWindow } else { VisitKind::Technician }
            }
            Reachability::Unknown | Reachability::Online => VisitKind::MaintenanceWindow,
        }
    }

    /// It is needed no more: the visit to call off.
    pub(super) fn take(&mut self) -> Option<CommandKey> {
        self.follow_up.take().map(|follow_up| follow_up.visit)
    }

    /// The device can be reached otherwise than before. Returns the visit to call off, where another kind is needed.
    ///
    /// # Errors
    /// [`EventError::Known`] where nothing has changed.
    fn handle(
        &mut self,
        reachability: Reachability,
        end: Option<DateTime<Utc>>,
    ) -> Result<Option<CommandKey>, EventError> {
        if std::mem::replace(&mut self.reachability, reachability) == reachability {
            return Err(EventError::Known);
        }
        let kind = self.kind(end);
        let changed = self.follow_up.take_if(|follow_up| follow_up.kind != kind);
        Ok(changed.map(|follow_up| follow_up.visit))
    }
}

impl Lifecycle {
    pub(super) fn follow_up_if_due(&mut self, rules: &Rules, now: DateTime<Utc>) {
        if self.visits.is_asked_for() || self.recovery.is_some() {
            return;
        }
        let by_hand = !self.auto_renewal && (self.origin == Origin::Emergency || self.cut_off.is_some());
        let due = match rules.policy().stage(&self.in_use.facts(), now, None) {
            Stage::FollowUp => true,
            Stage::Renewal => !self.auto_renewal,
            _ => by_hand,
        };
        if !due {
            return;
        }
        if let Some(issuer) = self.issuer_to_replace() {
            // That is told once for all its leaves, and no visit helps before.
            return self.escalate(issuer);
        }
        self.timeline.note(now, Happening::FollowedUp);
        self.alert(AlertKind::FollowUp);
        self.schedule(now);
    }

    fn schedule(&mut self, now: DateTime<Utc>) {
        let by = self.in_use.end();
        let kind = self.visits.kind(by);
        let visit = self.numbered("visit", "follow-up");
        self.outbox.add(visit.clone(), Command::Schedule(Visit { kind, by }), now);
        self.visits.follow_up = Some(FollowUp { kind, visit });
    }

    pub(super) fn reachability_changed(
        &mut self,
        reachability: Reachability,
        now: DateTime<Utc>,
    ) -> Result<(), EventError> {
        if let Some(visit) = self.visits.handle(reachability, self.in_use.end())? {
            self.stand_down(visit, now);
            self.schedule(now);
        }
        Ok(())
    }
}
