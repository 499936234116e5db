//! The queue of the provisioning service: a renewal waits for its place in the plan, and for the rate.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::certificate::schedule::TokenBucket;

/// How often the plan is made anew: with each run of the daily job, which certificates that live for a day want each hour.
const NEXT_PLAN: TimeDelta = TimeDelta::hours(1);

/// Whose turn it is.
#[derive(Debug)]
pub struct Turns {
    plan: BTreeMap<u32, DateTime<Utc>>,
    bucket: TokenBucket,
    /// Those whose turn has come, until another certificate is in use.
    started: BTreeSet<u32>,
    count: usize,
}

impl Turns {
    /// Nothing is planned yet.
    #[must_use]
    pub const fn new(bucket: TokenBucket) -> Self {
        Self { plan: BTreeMap::new(), bucket, started: BTreeSet::new(), count: 0 }
    }

    /// What the rate has to give.
    #[must_use]
    pub const fn bucket(&self) -> &TokenBucket {
        &self.bucket
    }

    /// How many renewals were started.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Whether the turn of a device has come.
    #[must_use]
    pub fn has_come(&self, number: u32) -> bool {
        self.started.contains(&number)
    }

    /// Another plan takes the place of the one before.
    pub fn plan(&mut self, starts: impl IntoIterator<Item = (u32, DateTime<Utc>)>) {
        self.plan = starts.into_iter().collect();
    }

    /// Lets a renewal of a device start.
    ///
    /// # Errors
    /// It is not its turn: when to ask again.
    pub fn take(&mut self, number: u32, now: DateTime<Utc>) -> Result<(), DateTime<Utc>> {
        if self.has_come(number) {
            return Ok(());
        }
        match self.plan.get(&number) {
            None => return Err(now + NEXT_PLAN),
            Some(at) if *at > now => return Err(*at),
            Some(_) if !self.bucket.try_take(now) => return Err(self.bucket.ready_at(now)),
            Some(_) => {}
        }
        self.begin(number);
        Ok(())
    }

    /// The same of one that waits for nobody.
    pub fn begin(&mut self, number: u32) {
        self.plan.remove(&number);
        self.count += usize::from(self.started.insert(number));
    }

    /// The renewal of a device is over: the next one waits for a turn of its own.
    pub fn end(&mut self, number: u32) {
        self.plan.remove(&number);
        self.started.remove(&number);
    }
}

#[cfg(test)]
mod tests {
    use iot_runbook::certificate::schedule::{Pending, Rate, Scheduler, Settings};

    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    #[test]
    fn each_renewal_takes_one_turn_at_the_rate() {
        let minute = TimeDelta::minutes(1);
        let bucket = TokenBucket::full(Rate::new(1, 1).unwrap(), NOW);
        let mut turns = Turns::new(bucket);
        assert_eq!(turns.take(1, NOW), Err(NOW + NEXT_PLAN), "it is not planned");
        let mut settings = Settings::default();
        (settings.spread, settings.lead) = (TimeDelta::zero(), TimeDelta::zero());
        let due = ["1", "2"].map(|device| Pending::new(device, 0, NOW, NOW + TimeDelta::days(1)));
        let scheduler = Scheduler::new(settings).unwrap();
        let plan = scheduler.plan(due, turns.bucket(), NOW);
        turns.plan(plan.starts.iter().filter_map(|one| Some((one.device.as_str().parse().ok()?, one.at))));
        assert_eq!(turns.take(2, NOW), Err(NOW + minute), "the other one is before it");
        assert_eq!(turns.take(1, NOW), Ok(()));
        assert_eq!(turns.take(1, NOW), Ok(()), "asked again it is the same turn");
        turns.begin(3);
        assert_eq!(turns.take(3, NOW), Ok(()), "out of turn");
        assert_eq!(turns.take(2, NOW + minute), Ok(()));
        assert_eq!(turns.count(), 3);
        turns.end(1);
        assert!(!turns.has_come(1) && turns.take(1, NOW + minute).is_err(), "another renewal");
    }
}
