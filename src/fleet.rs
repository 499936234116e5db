//! Many alerts, few causes: one incident for one cause, and one page for one incident.
//!
//! A [`Fleet`] takes the alerts about devices, and decides which of them are diagnosed. It is a plain value without I/O:
//!
//! 1. [`Fleet::observe_alert`] takes an alert, [`Fleet::observe_seen`] a message of a device, [`Fleet::observe_resolved`] the
//!    end of an alert, [`Fleet::observe_finding`] the result of a diagnosis.
//! 2. [`Fleet::poll`] returns what to do: run a diagnosis, page somebody, take note of an incident that has ended.
//!
//! ```
//! use chrono::{TimeDelta, TimeZone, Utc};
//! use iot_runbook::fleet::{DeviceAlert, Fleet, FleetSettings, Output, Topology};
//! use iot_runbook::subject::{Subject, Trigger};
//!
//! let now = Utc.timestamp_opt(1_800_000_000, 0).unwrap();
//! let presses = (1..=40).map(|nr| Subject::device(format!("press-{nr}")).with_gateway("gw-2").with_site("north"));
//! let mut fleet = Fleet::new(presses.collect::<Topology>(), FleetSettings::default(), now);
//! for nr in 1..=40 {
//!     let trigger = Trigger::new("no message for 30 min", now);
//!     let alert = DeviceAlert::new("device-offline", format!("press-{nr}"), trigger, "alertmanager");
//!     fleet.observe_alert(alert.with_last_seen(now - TimeDelta::minutes(30)), now);
//! }
//! // One of them is diagnosed. If that blames the gateway, the others are members of the same incident.
//! let later = now + TimeDelta::seconds(30);
//! assert!(matches!(fleet.poll(later), Output::Diagnose(_)));
//! assert!(matches!(fleet.poll(later), Output::Pending { .. }));
//! ```
//!
//! # What holds
//! - **No alert is lost.** It waits, it is being diagnosed, it is a member of an incident with the proof why, or its device
//!   is in maintenance, until the device is seen again or the alert is resolved. [`Fleet::counts`] adds up.
//! - **A cause is measured.** An incident is opened by a finding alone, and names the part that the finding blames. A
//!   device is a member without a diagnosis of its own only if it depends on that part by the topology and fell silent
//!   when the others did; [`Proof`] says by how much. Whoever fell silent before or after has another cause, and is diagnosed.
//!   A fault of the platform or of a pipeline is measured at each site: a broker has nodes, and a pipeline partitions.
//! - **The part first.** Behind a gateway, and at a site that nobody has asked about of late, one diagnosis goes first; the
//!   others start from what it found. Each diagnosis that explains no other doubles how many may run at once.
//! - **One incident for one cause.** The same conclusion about several parts of one gateway or site, or at three sites, at
//!   one time is one incident with these parts.
//! - **It ends by measurement.** An open incident is measured again, soon after the first of its devices is back. When the
//!   part works, the incident closes and says how many are still out; these are diagnosed again, each for itself. The end
//!   of an alert is always taken, whatever suppressed its beginning.
//! - **Pages, not devices.** At most [`FleetSettings::most_pages`] go out in ten minutes. The last of them lists all incidents that
//!   are left.
//! - **Changes are evidence**, never a branch: see [`Change`].
//! - A clock that is set back makes nothing wait for longer.
//!
//! A [`FleetRunner`] runs it with a [`Driver`](crate::driver::Driver): alerts come in through its [`Intake`], which is
//! bounded and drops nothing, and pages go out through a [`Pager`].
//!
//! # Seen from outside
//! With the feature `tracing` the runner has these events, named by their message, with the target `iot_runbook::fleet::runner`;
//! each diagnosis has those of the [driver](crate::driver#seen-from-outside).
//!
//! | event | level | fields |
//! |---|---|---|
//! | `alert` | debug | `device`, `runbook`, `taken`: what became of it |
//! | `diagnose` | debug | `job`, `device`, and the `incident` that it measures again |
//! | `found` | debug | `job`, and the `conclusion` if there is one |
//! | `page` | warn | `severity`, `incidents` (how many), `page` (its text) |
//! | `incident closed` | info | `incident`, `members` (how many) |
//!
//! # After a restart
//! All of it serialises: save it, and call [`Fleet::hand_out_again`] after a restart, which hands out again what was under way.

mod alert;
mod attach;
mod change;
mod incident;
mod intake;
mod observe;
mod output;
mod page;
mod runner;
mod schedule;
mod settings;
mod state;
mod topology;
mod webhook;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::subject::Part;
use crate::time::saturating_add;
use state::{Due, Group, GroupKey, Index, Key, Paging, Running, Scout, Symptom};

pub use alert::{DeviceAlert, Taken};
pub use change::{Change, Maintenance};
pub use incident::{Blamed, Cause, Closed, Incident, IncidentId, Measured, Member, Proof};
pub use intake::{Incoming, Intake, IntakeError};
pub use output::{Job, JobId, Output, Page};
pub use runner::{FleetRunner, Pager};
pub use settings::FleetSettings;
pub use topology::Topology;
pub use webhook::{NoDevice, Notice, Webhook, WebhookAlert, WebhookStatus};

/// The alerts and incidents of a fleet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fleet {
    settings: FleetSettings,
    #[serde(deserialize_with = "topology::saved")]
    topology: Topology,
    changes: Vec<Change>,
    maintenance: Vec<Maintenance>,
    #[serde(with = "pairs")]
    symptoms: BTreeMap<Key, Symptom>,
    #[serde(with = "pairs")]
    groups: BTreeMap<GroupKey, Group>,
    /// Groups that may have something to start.
    candidates: BTreeSet<GroupKey>,
    #[serde(with = "pairs")]
    scouts: BTreeMap<(Arc<str>, Part), Scout>,
    #[serde(with = "pairs")]
    running: BTreeMap<JobId, Running>,
    rechecks: VecDeque<(IncidentId, Part)>,
    #[serde(with = "pairs")]
    incidents: BTreeMap<IncidentId, Incident>,
    #[serde(with = "pairs")]
    by_part: Index<Part>,
    #[serde(with = "pairs")]
    by_cause: Index<(Arc<str>, Cause)>,
    due: BTreeSet<(Duration, Due)>,
    outputs: VecDeque<Queued>,
    pager: Paging,
    counts: Counts,
    now: DateTime<Utc>,
    elapsed: Duration,
    last_job: u64,
    last_incident: u64,
}

/// An output that waits for the next poll.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Queued {
    Back { job: JobId, at: DateTime<Utc> },
    Page(Page),
    Closed(Box<Incident>),
    Again(Job),
}

/// What became of all alerts. `alerts` is the sum of `repeated` and of all below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// How many came in.
    pub alerts: u64,
    /// How many of them were known.
    pub repeated: u64,
    /// How many devices wait for a diagnosis.
    pub waiting: u64,
    /// How many are being diagnosed for the first time.
    pub diagnosed_now: u64,
    /// How many are silent members of an open incident.
    pub members: u64,
    /// How many are in maintenance.
    pub in_maintenance: u64,
    /// How many are over: the device is back, or somebody withdrew the diagnosis.
    pub over: u64,
}

impl Fleet {
    /// A fleet without alerts.
    #[must_use]
    pub fn new(topology: Topology, settings: FleetSettings, now: DateTime<Utc>) -> Self {
        Self {
            settings,
            topology,
            changes: Vec::new(),
            maintenance: Vec::new(),
            symptoms: BTreeMap::new(),
            groups: BTreeMap::new(),
            candidates: BTreeSet::new(),
            scouts: BTreeMap::new(),
            running: BTreeMap::new(),
            rechecks: VecDeque::new(),
            incidents: BTreeMap::new(),
            by_part: Index::new(),
            by_cause: Index::new(),
            due: BTreeSet::new(),
            outputs: VecDeque::new(),
            pager: Paging::default(),
            counts: Counts::default(),
            now,
            elapsed: Duration::ZERO,
            last_job: 0,
            last_incident: 0,
        }
    }

    /// What is where. A change of it holds for alerts from then on.
    pub const fn topology_mut(&mut self) -> &mut Topology {
        &mut self.topology
    }

    /// What is where.
    #[must_use]
    pub const fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The open incidents, the oldest first.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values()
    }

    /// An open incident.
    #[must_use]
    pub fn incident(&self, id: IncidentId) -> Option<&Incident> {
        self.incidents.get(&id)
    }

    /// What became of all alerts.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = self.counts;
        for symptom in self.symptoms.values() {
            *match symptom.state {
                state::State::Waiting => &mut counts.waiting,
                state::State::Running(_) => &mut counts.diagnosed_now,
                state::State::Member(_) => &mut counts.members,
                state::State::Maintained => &mut counts.in_maintenance,
            } += 1;
        }
        counts
    }

    /// Hands out again what was under way: call it after a restart. Each diagnosis whose device is back by now is told anew.
    pub fn hand_out_again(&mut self) {
        // What waits of these would come before its diagnosis, or twice.
        self.outputs.retain(|queued| !matches!(queued, Queued::Back { .. } | Queued::Again(_)));
        for (id, running) in &self.running {
            self.outputs.push_back(Queued::Again(running.job.clone()));
            let symptom = self.symptoms.get(&running.key);
            let diagnosed = symptom.filter(|symptom| symptom.state == state::State::Running(*id));
            if let Some(at) = diagnosed.and_then(|symptom| symptom.back_at) {
                self.outputs.push_back(Queued::Back { job: *id, at });
            }
        }
    }

    /// Takes the time. A step back adds nothing to what has passed, and a wait goes on from there.
    fn advance(&mut self, now: DateTime<Utc>) {
        if let Ok(passed) = now.signed_duration_since(self.now).to_std() {
            self.elapsed = self.elapsed.saturating_add(passed);
        }
        self.now = now;
    }

    fn after(&mut self, pause: Duration, due: Due) {
        self.due.insert((self.elapsed.saturating_add(pause), due));
    }

    /// Does what is due, and returns what to do next. Call it after each `observe_…`, and at the time that
    /// [`Output::Pending`] names, until it returns [`Output::Pending`].
    pub fn poll(&mut self, now: DateTime<Utc>) -> Output {
        self.advance(now);
        loop {
            if let Some(queued) = self.outputs.pop_front() {
                return match queued {
                    Queued::Back { job, at } => Output::Back { job, at },
                    Queued::Page(page) => Output::Page(page),
                    Queued::Closed(incident) => Output::Closed(incident),
                    Queued::Again(job) => Output::Diagnose(job),
                };
            }
            if self.due.first().is_some_and(|(at, _)| *at <= self.elapsed)
                && let Some((_, due)) = self.due.pop_first()
            {
                self.fall_due(due);
                continue;
            }
            if let Some(job) = self.start_next() {
                return Output::Diagnose(job);
            }
            let until = self.due.first().map(|(at, _)| {
                let left = TimeDelta::from_std(at.saturating_sub(self.elapsed)).unwrap_or(TimeDelta::MAX);
                saturating_add(self.now, left)
            });
            return Output::Pending { until };
        }
    }

    fn fall_due(&mut self, due: Due) {
        match due {
            Due::Ready(group) => self.hold_is_over(group),
            Due::Impatient(job) => self.release_scout(job),
            Due::MaintenanceOver(runbook, device) => self.maintenance_is_over((runbook, device)),
            Due::Returned(group) => self.count_returned(&group),
            Due::Recheck(incident) => self.recheck(incident),
            Due::Page(incident) => self.page(incident),
            Due::MorePages => self.send_pages(),
        }
    }
}

/// A map whose keys are no text, as a list of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::de::DeserializeOwned;
    use serde::{Deserialize as _, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K: DeserializeOwned + Ord, V: DeserializeOwned, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<K, V>, D::Error> {
        Ok(Vec::<(K, V)>::deserialize(from)?.into_iter().collect())
    }
}
