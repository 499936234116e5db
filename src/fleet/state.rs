//! What a fleet remembers between two calls.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::alert::{DeviceAlert, Silence};
use super::incident::{Cause, IncidentId};
use super::output::{Job, JobId};
use crate::fact::Source;
use crate::subject::{DeviceId, GatewayId, Part, SiteId, Subject};

/// One alert: the runbook that diagnoses it, and its device.
pub(super) type Key = (Arc<str>, DeviceId);

/// A device that an alert is about, from the first alert until it is back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Symptom {
    pub(super) subject: Subject,
    pub(super) alert: DeviceAlert,
    pub(super) sources: Vec<Source>,
    pub(super) state: State,
    /// Set while its diagnosis runs: it was seen again.
    pub(super) back_at: Option<DateTime<Utc>>,
    /// When the alert came in, where it dates the silence in the future: its clock is wrong.
    #[serde(default)]
    pub(super) heard_at: Option<DateTime<Utc>>,
}

impl Symptom {
    pub(super) fn silence(&self) -> Silence {
        let interval = self.subject.reporting_interval();
        match self.heard_at {
            Some(since) => Silence { since, is_measured: false, interval },
            None => self.alert.silence(interval),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    Waiting,
    Running(JobId),
    Member(IncidentId),
    Maintained,
}

/// The alerts of one runbook behind one gateway.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct GroupKey {
    pub(super) runbook: Arc<str>,
    pub(super) site: Option<SiteId>,
    pub(super) gateway: Option<GatewayId>,
}

impl GroupKey {
    pub(super) fn of(runbook: &Arc<str>, subject: &Subject) -> Self {
        Self { runbook: Arc::clone(runbook), site: subject.site.clone(), gateway: subject.gateway.clone() }
    }

    /// True if all that are in it depend on that part. Of a pipeline the group does not know.
    pub(super) fn is_within(&self, part: &Part) -> bool {
        match part {
            Part::Platform | Part::Pipeline(_) => true,
            Part::Site(site) => self.site.as_ref() == Some(site),
            Part::Gateway(gateway) => self.gateway.as_ref() == Some(gateway),
            Part::Device(_) | Part::Tag(_) => false,
        }
    }

    /// The smallest part that all in it are known to share.
    pub(super) fn place(&self) -> Part {
        match (&self.gateway, &self.site) {
            (Some(gateway), _) => Part::Gateway(gateway.clone()),
            (None, Some(site)) => Part::Site(site.clone()),
            (None, None) => Part::Platform,
        }
    }

    /// The parts of which one diagnosis goes first.
    pub(super) fn scouted(&self) -> impl Iterator<Item = Part> {
        [Some(Part::Platform), self.site.clone().map(Part::Site)].into_iter().flatten()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Group {
    /// Those that wait for a diagnosis, by when they fell silent.
    pub(super) waiting: BTreeSet<(DateTime<Utc>, DeviceId)>,
    /// The hold is over.
    pub(super) is_ready: bool,
    pub(super) running: u32,
    /// How many diagnoses have ended since anything waits.
    pub(super) findings: u32,
    /// How many of them in a row came to nothing for the same reason, and that reason.
    pub(super) undetermined: u32,
    #[serde(default)]
    pub(super) reason: Option<Cause>,
    /// Who came back undiagnosed of late: since when silent, and when back.
    pub(super) returned: Vec<(DeviceId, DateTime<Utc>, DateTime<Utc>)>,
}

impl Group {
    /// Counts a diagnosis that has ended.
    pub(super) fn count(&mut self, cause: Cause) {
        let reason = matches!(cause, Cause::Undetermined(_)).then_some(cause);
        let is_same = reason.is_some() && reason == self.reason;
        self.undetermined =
            if is_same { self.undetermined.saturating_add(1) } else { u32::from(reason.is_some()) };
        self.reason = reason;
    }

    /// Twice as many with each finding: the first may explain all others.
    pub(super) fn may_run(&self) -> bool {
        self.is_ready && !self.waiting.is_empty() && self.running < 1 << self.findings.min(6)
    }

    /// The one in the middle: the one whose silence is most like that of the others.
    pub(super) fn middle(&self) -> Option<(DateTime<Utc>, DeviceId)> {
        self.waiting.iter().nth(self.waiting.len() / 2).cloned()
    }
}

/// The first diagnosis of a site or of the platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Scout {
    pub(super) running: Option<JobId>,
    pub(super) found_at: Option<Duration>,
}

/// A diagnosis that somebody runs for the fleet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Running {
    pub(super) job: Job,
    pub(super) key: Key,
    pub(super) group: GroupKey,
    /// The incident and the part that it measures again.
    pub(super) recheck: Option<(IncidentId, Part)>,
}

/// What is due later. The time is that which has passed since the fleet began, so that a clock that is set back makes
/// nothing wait for longer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Due {
    Ready(GroupKey),
    Impatient(JobId),
    MaintenanceOver(Arc<str>, DeviceId),
    Returned(GroupKey),
    Recheck(IncidentId),
    Page(IncidentId),
    MorePages,
}

/// Pages that went out, and those that wait for the limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Paging {
    pub(super) sent: VecDeque<Duration>,
    pub(super) waiting: BTreeSet<IncidentId>,
}

/// Which open incidents there are of a cause, or of a part.
pub(super) type Index<K> = BTreeMap<K, BTreeSet<IncidentId>>;
