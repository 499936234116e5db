//! Connections whose order is in doubt: a clock that was wrong dated some of them later than the time that is gone by now.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Lifecycle;
use super::rules::Rules;
use super::state::Renewal;
use crate::certificate::validity::Fingerprint;

/// What was dated later than the time that is gone by. It is over with the first connection that is dated later still.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ClockDoubt {
    /// The latest date of a connection that was reported.
    told_until: DateTime<Utc>,
    /// The latest date that the wrong clock can have given.
    until: DateTime<Utc>,
    /// Certificates of which such a connection may exist; one that is issued later has none.
    of: Vec<Fingerprint>,
    /// What the device has is not known for sure: nothing is retired as replaced until a connection shows it.
    pub(super) uncertain: bool,
}

/// What the date of a connection is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimestampTrust {
    /// It is in its place among the others.
    Trusted,
    /// It is reported as it happens, and might be an earlier one that is reported again.
    Uncertain,
    /// It may be an earlier one: the device need not have that certificate any more.
    Untrusted,
}

impl Lifecycle {
    /// Whether a connection, by its reported date, may be taken for a new one.
    pub(super) fn dated(
        &self,
        rules: &Rules,
        fingerprint: Fingerprint,
        at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> TimestampTrust {
        // What is earlier than the last connection moves nothing, so it needs no doubt.
        let is_later = self.seen_at.is_none_or(|seen| at > seen);
        let doubt = self.clock_doubt.as_ref();
        let Some(doubt) = doubt.filter(|one| is_later && at <= one.until && one.of.contains(&fingerprint))
        else {
            return TimestampTrust::Trusted;
        };
        let is_prompt = now.signed_duration_since(at).abs() <= rules.settings().clock_tolerance;
        // A connection that happens now is reported within the tolerance. One that comes later is read
        // again from a log, and its date may be the wrong clock's.
        if !is_prompt || at == doubt.told_until {
            TimestampTrust::Untrusted
        } else if at < doubt.told_until {
            TimestampTrust::Uncertain
        } else {
            TimestampTrust::Trusted
        }
    }

    /// A connection was reported with a date later than `now`: from now on it may be reported again.
    pub(super) fn doubt_connections(
        &mut self,
        told: Option<DateTime<Utc>>,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) {
        // The wrong clock may have dated connections up to here that nobody has reported yet. Any of them
        // could come in later and look like news.
        let until = told.map_or(until, |told| until.max(told));
        if until <= now {
            return;
        }
        let told_until = told.map_or(now, |told| told.max(now));
        let successor = self.renewal.as_ref().and_then(Renewal::successor).map(|one| &one.issued);
        let on_the_way = successor.into_iter().chain(self.candidates.iter().map(|one| &one.issued));
        let replaced = self.retirements.credentials().map(|one| one.fingerprint);
        let of = on_the_way
            .map(|one| one.credential().fingerprint)
            .chain(replaced)
            .chain([self.in_use.fingerprint]);
        let of = of.collect();
        let before = self.clock_doubt.take();
        self.clock_doubt = Some(ClockDoubt {
            // A clock that was set back twice doubts both times: the wider doubt holds.
            told_until: before.as_ref().map_or(told_until, |one| one.told_until.max(told_until)),
            until: before.as_ref().map_or(until, |one| one.until.max(until)),
            of,
            uncertain: before.is_some_and(|one| one.uncertain),
        });
    }

    /// What the device has is in doubt, or is not.
    pub(super) fn set_uncertain(&mut self, uncertain: bool) {
        let seen_at = self.seen_at;
        if let Some(doubt) = &mut self.clock_doubt {
            doubt.uncertain = uncertain;
        }
        // Once the true time has passed all that the wrong clock can have dated, every date is new again.
        self.clock_doubt.take_if(|one| !one.uncertain && seen_at.is_some_and(|seen| seen >= one.until));
    }
}
