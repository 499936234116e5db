//! What a run looks at, and the dates that it is judged by.

use chrono::{DateTime, Utc};

use super::super::bounds::{Bounds, DueRule};
use super::super::calendar::Calendar;
use super::super::entry::Renewal;
use super::super::record::Record;
use super::issuers::IssuerRecord;
use super::{ExpiryIndex, second};
use crate::certificate::policy::{Life, NEVER};

const SECOND: i128 = 1_000_000_000;

/// A certificate that may be told: past its first bound, or will be within the hour; revoked; or not valid yet.
#[derive(Clone, Copy)]
pub(in super::super) struct Candidate {
    pub(in super::super) record: Record,
    /// Its effective end in seconds; its own date where it never ends.
    end: i64,
}

impl ExpiryIndex {
    /// All that may be told at `now`, earliest end first, then by device.
    pub(in super::super) fn candidates(&self, now: DateTime<Utc>) -> Vec<Candidate> {
        let second = now.timestamp();
        let due = self.calendar.until(second);
        let mut all = Vec::with_capacity(due.map(<[u32]>::len).sum());
        let records = |slot: u32| self.records.get(slot as usize);
        let due = self.calendar.until(second).flatten().filter_map(|slot| records(*slot));
        all.extend(due.filter(|record| !record.is_revoked()).map(|record| self.candidate(record)));
        let later = self.calendar.beginning_after(Calendar::next_hour(second), second);
        let asleep = self.begins.beginning_after(second, second);
        let unborn = later.chain(asleep).filter_map(records);
        let unborn = unborn.filter(|record| record.not_before > second && !record.is_revoked());
        all.extend(unborn.map(|record| self.candidate(record)));
        let revoked = self.revoked.iter().filter_map(|device| records(self.slot_of(*device)?));
        all.extend(revoked.map(|record| self.candidate(record)));
        all.sort_unstable_by_key(|candidate| (candidate.end, candidate.record.device));
        all
    }

    fn candidate(&self, record: &Record) -> Candidate {
        Candidate { record: *record, end: end_of(&self.issuers, record).unwrap_or(record.not_after) }
    }
}

impl Candidate {
    /// Its effective end; its own date where it never ends.
    pub(in super::super) fn end(&self) -> DateTime<Utc> {
        second(self.end)
    }

    /// What its stage is told from, at `now` in nanoseconds.
    pub(in super::super) fn life(&self, now: i128) -> Life {
        Life {
            begin: nanos(self.record.not_before),
            own_end: self.record.own_end().map(nanos),
            end: Some(self.end).filter(|end| *end < NEVER).map(nanos),
            confirmed: self.record.renewal() == Renewal::Confirmed,
            now,
        }
    }
}

impl From<&Life> for Option<Bounds> {
    fn from(life: &Life) -> Self {
        life.end.map(|end| Bounds { end, life: life.own_end.map(|own| own - life.begin) })
    }
}

/// The earlier of its own end and its issuer's; `None`: never.
pub(super) fn end_of(issuers: &[IssuerRecord], record: &Record) -> Option<i64> {
    let issuer = issuers.get(record.issuer() as usize).and_then(|issuer| issuer.end);
    match (record.own_end(), issuer) {
        (Some(own), Some(issuer)) => Some(own.min(issuer)),
        (own, issuer) => own.or(issuer),
    }
}

/// When it comes due by itself; `None`: never, or its issuer binds it.
pub(super) fn due_of(rule: &DueRule, issuers: &[IssuerRecord], record: &Record) -> Option<i64> {
    if issuers.get(record.issuer() as usize).is_some_and(|issuer| issuer.binds(record)) {
        return None;
    }
    let life = record.own_end().map(|end| end - record.not_before);
    end_of(issuers, record).map(|end| rule.due_second(end, life))
}

fn nanos(second: i64) -> i128 {
    i128::from(second) * SECOND
}
