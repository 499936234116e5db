//! Limits of acts: so many of one kind at one site within a period.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::people::Actuator;
use crate::diagnosis::{ActOutcome, ActQuota, ActReport, ActRequest, ApprovalRequest};
use crate::fact::{Detail, duration_in_words};
use crate::subject::SiteId;
use crate::time::{Clock, saturating_add};

/// How many acts of one kind may be done at one site within a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActLimit {
    most: usize,
    within: TimeDelta,
}

impl ActLimit {
    /// At most `most` acts within `within`; a negative length is taken as zero. None: no act of that kind at all.
    #[must_use]
    pub fn new(most: usize, within: TimeDelta) -> Self {
        Self { most, within: within.max(TimeDelta::zero()) }
    }

    /// At most so many in an hour.
    #[must_use]
    pub fn per_hour(most: usize) -> Self {
        Self::new(most, TimeDelta::hours(1))
    }
}

/// An act that was granted: it counts until its period is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GrantedAct {
    /// Its [idempotency key](ActRequest::idempotency_key).
    pub key: String,
    /// The id of the action.
    pub action: Box<str>,
    /// The site; acts whose site is not known count together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteId>,
    /// When it was granted.
    pub at: DateTime<Utc>,
}

/// An [`Actuator`] that passes on at most so many acts of one kind at one site within a period, and refuses the rest.
///
/// A cause that restarts do not cure, or a runbook that blames the wrong part, restarts one gateway after another. With a limit
/// it stops after a few, and people decide.
///
/// - An act beyond the limit is [refused](ActReport::refused) with the limit, when the acts were granted that used it up, and when the next is free.
///   The refusal is in the trace of the diagnosis, whose runbook goes on from `refused`: give that a step that asks a person.
/// - Whoever is asked to approve an act sees first how much of the limit is used ([`ApprovalRequest::quota`]).
/// - An act counts once, by its [idempotency key](ActRequest::idempotency_key): one that comes again after a restart of the service
///   is passed on, whatever the limit, since the actuator knows how it went.
/// - An act that your actuator refuses was not tried, and does not count. One that failed or was dropped does: nobody knows how
///   much of it was done.
/// - After the clock was set back no act counts for longer than the period.
///
/// It counts in one process. Save [`granted`](Self::granted) to go on after a restart; where several processes serve one fleet,
/// count in their database, as `examples/service` does.
///
/// ```
/// use std::sync::Arc;
/// use iot_runbook::driver::{ActLimit, Actuator, LimitedActuator};
/// use iot_runbook::time::SystemClock;
///
/// fn limited(yours: Arc<dyn Actuator>) -> LimitedActuator {
///     LimitedActuator::new(yours, ActLimit::per_hour(3), Arc::new(SystemClock))
///         .with_limit("restart-device", ActLimit::per_hour(20))
/// }
/// ```
pub struct LimitedActuator {
    inner: Arc<dyn Actuator>,
    limit: ActLimit,
    by_action: BTreeMap<Box<str>, ActLimit>,
    clock: Arc<dyn Clock>,
    granted: Mutex<Vec<Entry>>,
}

struct Entry {
    act: GrantedAct,
    /// How often it was passed on.
    passed: u32,
}

impl LimitedActuator {
    /// Limits each kind of act to that many at each site, before `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Actuator>, limit: ActLimit, clock: Arc<dyn Clock>) -> Self {
        Self { inner, limit, by_action: BTreeMap::new(), clock, granted: Mutex::default() }
    }

    /// The same with another limit for one action.
    #[must_use]
    pub fn with_limit(mut self, action: impl Into<Box<str>>, limit: ActLimit) -> Self {
        self.by_action.insert(action.into(), limit);
        self
    }

    /// The same with acts that an earlier process granted.
    #[must_use]
    pub fn with_granted(self, acts: impl IntoIterator<Item = GrantedAct>) -> Self {
        self.lock().extend(acts.into_iter().map(|act| Entry { act, passed: 1 }));
        self
    }

    /// The acts that count now, in the order in which they were granted.
    #[must_use]
    pub fn granted(&self) -> Vec<GrantedAct> {
        let mut granted = self.lock();
        self.forget_old(&mut granted);
        granted.iter().map(|entry| entry.act.clone()).collect()
    }

    fn limit_of(&self, action: &str) -> ActLimit {
        self.by_action.get(action).copied().unwrap_or(self.limit)
    }

    /// Drops the acts whose period is over, and returns the time.
    fn forget_old(&self, granted: &mut Vec<Entry>) -> DateTime<Utc> {
        let now = self.clock.now();
        granted.retain_mut(|entry| {
            // A clock that was set back: it counts from now on, and so for one period at the most.
            entry.act.at = entry.act.at.min(now);
            saturating_add(entry.act.at, self.limit_of(&entry.act.action).within) > now
        });
        now
    }

    /// What counts for such an act at that site now.
    fn quota_of(
        &self,
        granted: &[Entry],
        action: &str,
        site: Option<&SiteId>,
        now: DateTime<Utc>,
    ) -> ActQuota {
        let ActLimit { most, within } = self.limit_of(action);
        let same = granted.iter().map(|entry| &entry.act);
        let same = same.filter(|act| *act.action == *action && act.site.as_ref() == site);
        ActQuota::new(action, site.cloned(), most, within, now).with_used(same.map(|act| act.at).collect())
    }

    fn grant(&self, request: &ActRequest) -> Result<(), ActQuota> {
        let mut granted = self.lock();
        let now = self.forget_old(&mut granted);
        let key = request.idempotency_key();
        if let Some(known) = granted.iter_mut().find(|entry| entry.act.key == key) {
            known.passed = known.passed.saturating_add(1);
            return Ok(());
        }
        let (action, site) = (request.action(), request.subject().site.clone());
        let quota = self.quota_of(&granted, action, site.as_ref(), now);
        if quota.is_reached() {
            return Err(quota);
        }
        granted.push(Entry { act: GrantedAct { key, action: action.into(), site, at: now }, passed: 1 });
        Ok(())
    }

    /// Gives back what was granted for an act that was not tried, unless the same act is under way elsewhere too.
    fn give_back(&self, request: &ActRequest) {
        let key = request.idempotency_key();
        self.lock().retain(|entry| entry.act.key != key || entry.passed > 1);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Actuator for LimitedActuator {
    async fn act(&self, request: &ActRequest) -> ActReport {
        if let Err(used_up) = self.grant(request) {
            return refusal(&used_up);
        }
        let report = self.inner.act(request).await;
        if report.outcome == ActOutcome::Refused {
            self.give_back(request);
        }
        report
    }

    /// Its own limit, or that of the actuator within where only that is reached. None for an act that was granted before: it is
    /// passed on, whatever the limit.
    async fn quota(&self, request: &ApprovalRequest) -> Option<ActQuota> {
        let own = {
            let mut granted = self.lock();
            let now = self.forget_old(&mut granted);
            let key = request.idempotency_key();
            let is_known = granted.iter().any(|entry| Some(&*entry.act.key) == key);
            let site = request.subject().site.as_ref();
            (!is_known).then(|| self.quota_of(&granted, request.action(), site, now))
        };
        match own {
            Some(own) if own.is_reached() => Some(own),
            own => {
                self.inner.quota(request).await.filter(|inner| own.is_none() || inner.is_reached()).or(own)
            }
        }
    }
}

fn refusal(quota: &ActQuota) -> ActReport {
    let (action, most, within) = (&quota.action, quota.most, duration_in_words(quota.within));
    let place = match &quota.site {
        Some(site) => format!("at site {}", site.as_str()),
        None => "where the site is not known".to_owned(),
    };
    let why = format!(
        "the limit is reached: at most {most} `{action}` {place} within {within}; \
         find out why so many are wanted, and do it by hand if it is right"
    );
    // No keys: they name other targets, which nobody could take out of a redacted bundle.
    let at = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let free = quota.free_at().map(|free| Detail::new("free at", at(free)));
    let used = quota.used.iter().map(|granted| Detail::new("granted at", at(*granted)));
    ActReport::refused("act limit", why).with_details(free.into_iter().chain(used))
}

impl fmt::Debug for LimitedActuator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitedActuator")
            .field("limit", &self.limit)
            .field("by_action", &self.by_action)
            .field("granted", &self.lock().len())
            .finish_non_exhaustive()
    }
}
