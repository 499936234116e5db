//! The run itself, and what it remembers.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::bounds::Bounds;
use super::digest::{Digest, Due, IssuerDue, Page, Reach, Visit};
use super::entry::Renewal;
use super::index::{Candidate, ExpiryIndex};
use crate::certificate::policy::instant;
use crate::certificate::{Policy, Stage};
use crate::subject::DeviceId;
use crate::time::HighWater;

/// Two clocks of the platform may differ by this much.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::seconds(30);

/// How a run judges what the policy does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// A renewal is overdue when it was due for longer than this, and longer than a 24th of the certificate's life.
    /// (The smaller of the two counts.) By default 7 days.
    pub grace: TimeDelta,
    /// A device is offline when it was not seen for longer than this. By default a day.
    pub offline_after: TimeDelta,
}

impl Default for Settings {
    fn default() -> Self {
        Self { grace: TimeDelta::days(7), offline_after: TimeDelta::days(1) }
    }
}

/// What the platform knows of the contact with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contact {
    /// When the platform last received something from it, by its own clock; `None`: never. A time of more than 30 s after
    /// now is not believed: the reach of the device is unknown then.
    pub last_seen: Option<DateTime<Utc>>,
    /// When it is expected back, where somebody knows.
    pub back_at: Option<DateTime<Utc>>,
}

impl Contact {
    /// Last seen then, or never; nobody knows when it is back.
    #[must_use]
    pub const fn new(last_seen: Option<DateTime<Utc>>) -> Self {
        Self { last_seen, back_at: None }
    }

    /// The same, expected back then.
    #[must_use]
    pub const fn with_back_at(mut self, back_at: Option<DateTime<Utc>>) -> Self {
        self.back_at = back_at;
        self
    }
}

/// The clock cannot be trusted, so nothing was reported. Nothing was changed either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "clock-suspect: it is {now}, and the latest run was at {mark}; set the clock right, or, where it is right and no \
     run took place for long, accept it with `Sweep::accept_clock`"
)]
#[non_exhaustive]
pub struct ClockSuspect {
    /// The time that was given.
    pub now: DateTime<Utc>,
    /// The high-water mark.
    pub mark: DateTime<Utc>,
}

/// What must be kept over restarts: the high-water mark of the clock, and what was paged on its day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    high_water: Option<HighWater>,
    day: Option<NaiveDate>,
    /// Device and effective end: another certificate is another page.
    devices: BTreeSet<(DeviceId, DateTime<Utc>)>,
    issuers: BTreeSet<u64>,
    /// The same of those that nobody accepts: what has ended, or is revoked, since it was paged as late is another page.
    #[serde(default)]
    refused_devices: BTreeSet<(DeviceId, DateTime<Utc>)>,
    #[serde(default)]
    refused_issuers: BTreeSet<u64>,
}

impl State {
    /// The latest time at which a run took place.
    #[must_use]
    pub fn high_water(&self) -> Option<DateTime<Utc>> {
        self.high_water.map(HighWater::at)
    }
}

/// The daily job over an [`ExpiryIndex`].
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    settings: Settings,
    state: State,
}

impl Sweep {
    /// A job that never ran: the first for its fleet. It believes any clock; later go on by [`resume`](Self::resume).
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, state: State::default() }
    }

    /// A job that goes on from what was kept.
    #[must_use]
    pub const fn resume(settings: Settings, state: State) -> Self {
        Self { settings, state }
    }

    /// What to keep after each run.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Takes `now` for right, back or far ahead. What was paged on its day stays paged.
    pub const fn accept_clock(&mut self, now: DateTime<Utc>) {
        self.state.high_water = Some(HighWater::new(now));
    }

    /// What is due at `now`. `contact` is asked once for each device whose renewal is due, or whose certificate is revoked or not valid
    /// yet, where no successor is confirmed; `None`: not known.
    ///
    /// # Errors
    /// [`ClockSuspect`] where `now` is before the latest run, or further ahead of it than the policy's `jump`.
    pub fn run(
        &mut self,
        index: &ExpiryIndex,
        now: DateTime<Utc>,
        mut contact: impl FnMut(&DeviceId) -> Option<Contact>,
    ) -> Result<Digest, ClockSuspect> {
        let policy = index.policy();
        if let Some(mark) = self.state.high_water
            && policy.suspects_clock(mark, now)
        {
            return Err(ClockSuspect { now, mark: mark.at() });
        }
        self.state.high_water = Some(HighWater::new(now));
        let due: Vec<_> = index
            .candidates(now)
            .iter()
            .filter_map(|candidate| self.judge(policy, candidate, now, &mut contact))
            .collect();
        let mut issuers: Vec<_> = index
            .binding(now)
            .map(|binding| IssuerDue {
                issuer: binding.issuer,
                name: binding.name,
                end: binding.not_after,
                stage: policy.stage(&binding.facts, now, None),
                leaves: binding.leaves,
            })
            .filter(|due| due.stage != Stage::Ok)
            .collect();
        issuers.sort_unstable_by_key(|due| (due.end, due.issuer));
        let page = self.page(now.date_naive(), &due, &issuers);
        Ok(Digest { at: now, due, issuers, page })
    }

    /// `None` where it is not due yet.
    fn judge(
        &self,
        policy: &Policy,
        candidate: &Candidate<'_>,
        now: DateTime<Utc>,
        contact: &mut impl FnMut(&DeviceId) -> Option<Contact>,
    ) -> Option<Due> {
        let life = candidate.life(instant(now));
        let entry = candidate.entry;
        let stage = if entry.revoked { Stage::Revoked } else { policy.stage_by(&life) };
        if stage == Stage::Ok {
            return None;
        }
        let end = candidate.end;
        let is_open = stage != Stage::Awareness && entry.renewal != Renewal::Confirmed;
        let bounds = Option::<Bounds>::from(&life);
        Some(Due {
            device: entry.device.clone(),
            generation: entry.generation,
            end,
            stage,
            renewal: entry.renewal,
            auto_renewal: entry.auto_renewal,
            overdue: is_open
                && bounds.is_some_and(|bounds| bounds.is_overdue(policy, self.settings.grace, life.now)),
            reach: if is_open { self.reach(end, now, contact(&entry.device)) } else { Reach::NotAsked },
        })
    }

    fn reach(&self, end: DateTime<Utc>, now: DateTime<Utc>, contact: Option<Contact>) -> Reach {
        let Some(contact) = contact else { return Reach::Unknown };
        let since = contact.last_seen;
        // A contact after now is a clock that is wrong, and shows nothing of the device.
        if since.is_some_and(|seen| seen.signed_duration_since(now) > CLOCK_TOLERANCE) {
            return Reach::Unknown;
        }
        if since.is_some_and(|seen| now.signed_duration_since(seen) <= self.settings.offline_after) {
            return Reach::Online;
        }
        let visit = match contact.back_at {
            _ if now > end => Visit::Technician,
            Some(back) if back > end => Visit::Technician,
            // An expectation that has passed says nothing of when it is back.
            Some(back) if back >= now => Visit::MaintenanceWindow,
            _ => Visit::Undecided,
        };
        Reach::Offline { since, visit }
    }

    /// What was not paged on this day yet.
    fn page(&mut self, day: NaiveDate, due: &[Due], issuers: &[IssuerDue]) -> Option<Page> {
        if self.state.day != Some(day) {
            self.state.day = Some(day);
            self.state.devices.clear();
            self.state.issuers.clear();
            self.state.refused_devices.clear();
            self.state.refused_issuers.clear();
        }
        let State { devices, issuers: late_issuers, refused_devices, refused_issuers, .. } = &mut self.state;
        let mut is_new = |due: &&Due| {
            let paged = if is_refused(due.stage) { &mut *refused_devices } else { &mut *devices };
            due.pages() && paged.insert((due.device.clone(), due.end))
        };
        let due: Vec<_> = due.iter().filter(&mut is_new).cloned().collect();
        let mut is_new = |due: &&IssuerDue| {
            let paged = if is_refused(due.stage) { &mut *refused_issuers } else { &mut *late_issuers };
            due.pages() && paged.insert(due.issuer)
        };
        let issuers: Vec<_> = issuers.iter().filter(&mut is_new).cloned().collect();
        (!due.is_empty() || !issuers.is_empty()).then_some(Page { day, due, issuers })
    }
}

/// Whether a peer refuses it already.
const fn is_refused(stage: Stage) -> bool {
    matches!(stage, Stage::Expired | Stage::Revoked | Stage::NotYetValid)
}
