use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::bucket::{Level, Rate, TokenBucket};
use super::error::ScheduleError;
use super::jitter::{moment, nanos_at, nanos_of};
use super::maintenance::Maintenance;
use super::pending::Pending;
use super::queue::Queue;
use crate::subject::DeviceId;
use crate::time::saturating_add;

/// How renewals are spread.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// A renewal without a window of the CA starts up to this long after it became due, by the [jitter](super::jitter)
    /// of its device; but no later than half way from there to the last moment at which it may start. By default 0.
    pub spread: TimeDelta,
    /// How long before the end of a certificate its renewal must have started: as long as one takes, from its start to
    /// the new certificate on a connection. By default 0.
    pub lead: TimeDelta,
    /// When renewals may start. By default always.
    pub maintenance: Maintenance,
}

impl Default for Settings {
    fn default() -> Self {
        Self { spread: TimeDelta::zero(), lead: TimeDelta::zero(), maintenance: Maintenance::always() }
    }
}

/// Plans when each renewal of a fleet starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduler {
    settings: Settings,
}

/// When each renewal starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan {
    /// The starts, in their order.
    pub starts: Vec<Start>,
    /// What can never start, for no window for maintenance is left. The soonest end comes first.
    pub unplaced: Vec<Pending>,
    /// How many were named more than once. The one that ends first was kept.
    pub duplicates: usize,
    /// With the jitter and the windows of the CA more would have been late: they were given up, for all.
    pub hurried: bool,
}

/// The start of a renewal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Start {
    /// The device, by the id that the platform uses.
    pub device: DeviceId,
    /// Which certificate of the device is replaced.
    pub generation: u32,
    /// When to start.
    pub at: DateTime<Utc>,
    /// The effective end of the certificate.
    pub end: DateTime<Utc>,
    /// It starts too late to be done by then.
    pub late: bool,
}

/// Whether a fleet is renewed in time, and at which rate it would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Forecast {
    /// How many renewals wait, each device and generation counted once.
    pub count: usize,
    /// The first moment at which one of them must have started, or it is late; `None` where none waits.
    pub first_deadline: Option<DateTime<Utc>>,
    /// When the last of them starts, as planned; `None` where none waits, or some never start.
    pub cleared_at: Option<DateTime<Utc>>,
    /// How many start too late, or never.
    pub late: usize,
    /// At which rate each would start in time; `None`: at none, whatever it is.
    pub in_time: Option<Needed>,
    /// At which rate all of them could start by the first deadline; `None`: at none.
    pub cleared_in_time: Option<Needed>,
}

/// The rate that would do, where one less would not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Needed {
    /// Renewals a minute, with the same burst. It is the present rate where that does, even if a lower one would.
    pub per_minute: u32,
    /// By how many a minute the present rate must grow; 0: it need not.
    pub growth: u32,
}

/// What a walk comes to.
#[derive(Clone, Copy)]
struct Outcome {
    late: usize,
    cleared_at: Option<i128>,
}

impl Plan {
    /// The renewals that start too late. [`Self::unplaced`] are late too, and not among them.
    pub fn late(&self) -> impl Iterator<Item = &Start> {
        self.starts.iter().filter(|start| start.late)
    }

    fn late_count(&self) -> usize {
        self.late().count() + self.unplaced.len()
    }
}

impl Scheduler {
    /// A scheduler with these settings.
    ///
    /// # Errors
    /// [`ScheduleError::Negative`] where `spread` or `lead` is below zero.
    pub fn new(settings: Settings) -> Result<Self, ScheduleError> {
        for (field, given) in [("spread", settings.spread), ("lead", settings.lead)] {
            if given < TimeDelta::zero() {
                return Err(ScheduleError::Negative { field, given });
            }
        }
        Ok(Self { settings })
    }

    /// When each renewal starts, if all go on as planned from `now`: compromised keys first, then the soonest end
    /// first, each as soon as it may and a token is there. Jitter and windows of the CA are given up where more would
    /// be late with them: where all of the renewals are due and some order is in time, so is this plan. The same arguments give the same plan, in whatever order
    /// the renewals are named. No token is taken: that is for whoever starts them, each at its time.
    #[must_use]
    pub fn plan(
        &self,
        pending: impl IntoIterator<Item = Pending>,
        bucket: &TokenBucket,
        now: DateTime<Utc>,
    ) -> Plan {
        let level = bucket.level(now);
        let mut queue = self.queue(pending, now);
        let plan = self.walked(&queue, level, false);
        let late = plan.late_count();
        if late == 0 {
            return plan;
        }
        queue.hurry();
        let hurried = self.walked(&queue, level, true);
        if hurried.late_count() < late { hurried } else { plan }
    }

    fn walked(&self, queue: &Queue, level: Level, hurried: bool) -> Plan {
        let mut starts = Vec::with_capacity(queue.len());
        let mut unplaced = Vec::new();
        queue.walk(level, &self.settings.maintenance, |waiting, at| {
            let pending = &waiting.pending;
            match at {
                None => unplaced.push(pending.clone()),
                Some(at) => starts.push(Start {
                    device: pending.device.clone(),
                    generation: pending.generation,
                    at: moment(at),
                    end: pending.end,
                    late: at > waiting.deadline,
                }),
            }
            true
        });
        Plan { starts, unplaced, duplicates: queue.duplicates, hurried }
    }

    /// Whether each of these renewals starts in time as [planned](Self::plan), and by how much the rate must grow where
    /// one does not. The rates are those without jitter and windows of the CA, which a plan gives up where it must.
    ///
    /// Exact where all of them are due: where this order is late, so is every other. Where some come due later, it is
    /// what this order does then; one that leaves a token for a renewal to come might do with a little less.
    ///
    /// Rates are found by bisection, some thirty walks over the fleet at most for each of the two.
    #[must_use]
    pub fn forecast(
        &self,
        pending: impl IntoIterator<Item = Pending>,
        bucket: &TokenBucket,
        now: DateTime<Utc>,
    ) -> Forecast {
        let mut queue = self.queue(pending, now);
        let (level, rate) = (bucket.level(now), bucket.rate());
        let first = queue.deadlines().min();
        let planned = self.outcome(&queue, level);
        queue.hurry();
        let hurried = if planned.late == 0 { planned } else { self.outcome(&queue, level) };
        let told = if hurried.late < planned.late { hurried } else { planned };
        let in_time = if told.late == 0 {
            Some(Needed { per_minute: rate.per_minute(), growth: 0 })
        } else {
            self.needed(&queue, level, rate, None)
        };
        Forecast {
            count: queue.len(),
            first_deadline: first.map(moment),
            cleared_at: told.cleared_at.map(moment),
            late: told.late,
            in_time,
            cleared_in_time: self.needed(&queue, level, rate, first),
        }
    }

    /// Whether all of these certificates are replaced in time where the CA revokes them `within` so long from `now`, a day for
    /// a key in other hands (CA/Browser Forum's baseline requirements, section 4.9.1.1): a drill for the day on which
    /// that happens. All are due at once; jitter and the windows of the CA are given up, and maintenance is kept.
    #[must_use]
    pub fn forecast_revocation(
        &self,
        pending: impl IntoIterator<Item = Pending>,
        within: TimeDelta,
        bucket: &TokenBucket,
        now: DateTime<Utc>,
    ) -> Forecast {
        let revoked_at = saturating_add(now, within);
        let revoked = |one: Pending| {
            let end = one.end.min(revoked_at);
            Pending { due: now, end, window: None, ..one }
        };
        let scheduler = Self { settings: Settings { spread: TimeDelta::zero(), ..self.settings.clone() } };
        scheduler.forecast(pending.into_iter().map(revoked), bucket, now)
    }

    fn outcome(&self, queue: &Queue, level: Level) -> Outcome {
        let mut outcome = Outcome { late: 0, cleared_at: None };
        queue.walk(level, &self.settings.maintenance, |waiting, at| {
            outcome.late += usize::from(at.is_none_or(|at| at > waiting.deadline));
            // What never starts comes last.
            outcome.cleared_at = at;
            true
        });
        outcome
    }

    /// The rate at which all start by their deadlines, or all by `all` where that is given.
    fn needed(&self, queue: &Queue, level: Level, rate: Rate, all: Option<i128>) -> Option<Needed> {
        let does = |per_minute: u32| {
            let mut does = true;
            queue.walk(level.with_per_minute(per_minute), &self.settings.maintenance, |waiting, at| {
                does = at.is_some_and(|at| at <= all.unwrap_or(waiting.deadline));
                does
            });
            does
        };
        let present = rate.per_minute();
        if does(present) {
            return Some(Needed { per_minute: present, growth: 0 });
        }
        // The lower bound never does, and the upper always.
        let (mut low, mut high) = (present, u32::MAX);
        if !does(high) {
            return None;
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if does(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        Some(Needed { per_minute: high, growth: high - present })
    }

    fn queue(&self, pending: impl IntoIterator<Item = Pending>, now: DateTime<Utc>) -> Queue {
        Queue::of(pending, nanos_of(self.settings.spread), nanos_of(self.settings.lead), nanos_at(now))
    }
}
