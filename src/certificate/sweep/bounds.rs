//! When a certificate comes due, from its dates: the arithmetic of the policy turned round.

use chrono::{DateTime, TimeDelta, Utc};

use crate::certificate::{Policy, effective_end};
use crate::time::saturating_add;

const SECOND: i128 = 1_000_000_000;

/// The dates of a certificate that ends some day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) end: DateTime<Utc>,
    /// Nanoseconds of its own life; `None` where it would never end by itself.
    life: Option<i128>,
}

impl Bounds {
    /// `None` where it never ends.
    pub(super) fn of(
        not_before: DateTime<Utc>,
        not_after: DateTime<Utc>,
        issuer: Option<DateTime<Utc>>,
    ) -> Option<Self> {
        let end = effective_end(not_after, issuer)?;
        let life =
            effective_end(not_after, None).map(|own| nanoseconds(own.signed_duration_since(not_before)));
        Some(Self { end, life })
    }

    /// The last second that is surely before any stage but the first.
    pub(super) fn due_second(&self, policy: &Policy) -> i64 {
        let before = [(policy.awareness, 2), (policy.renewal, 3), (policy.follow_up, 6)]
            .into_iter()
            .map(|(fixed, share)| self.shorter(fixed, share))
            .fold(0, i128::max);
        let seconds = i64::try_from(before / SECOND).unwrap_or(i64::MAX);
        self.end.timestamp().saturating_sub(seconds).saturating_sub(1)
    }

    /// The last moment before renewal is due.
    pub(super) fn renewal_at(&self, policy: &Policy) -> DateTime<Utc> {
        let before = self.shorter(policy.renewal, 3).max(0);
        let seconds = i64::try_from(before / SECOND).unwrap_or(i64::MAX);
        let nanos = u32::try_from(before % SECOND).unwrap_or_default();
        saturating_add(self.end, -TimeDelta::new(seconds, nanos).unwrap_or(TimeDelta::MAX))
    }

    /// Whether renewal has been due for longer than the grace: the smaller of `grace` and a 24th of its life.
    pub(super) fn is_overdue(&self, policy: &Policy, grace: TimeDelta, now: DateTime<Utc>) -> bool {
        // In 24ths of a nanosecond all of it is whole.
        let renewal = nanoseconds(policy.renewal) * 24;
        let renewal = self.life.map_or(renewal, |life| renewal.min(life * 8));
        let grace = nanoseconds(grace) * 24;
        let grace = self.life.map_or(grace, |life| grace.min(life));
        nanoseconds(self.end.signed_duration_since(now)) * 24 < renewal - grace
    }

    fn shorter(&self, fixed: TimeDelta, share: i128) -> i128 {
        let fixed = nanoseconds(fixed);
        self.life.map_or(fixed, |life| fixed.min((life + share - 1) / share))
    }
}

fn nanoseconds(length: TimeDelta) -> i128 {
    i128::from(length.num_seconds()) * SECOND + i128::from(length.subsec_nanos())
}
