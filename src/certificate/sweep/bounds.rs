//! When a certificate comes due, from its dates: the arithmetic of the policy turned round.

use chrono::{DateTime, TimeDelta, Utc};

use crate::certificate::policy::{Life, instant, nanoseconds};
use crate::certificate::{Policy, Share, effective_end};
use crate::time::saturating_add;

const SECOND: i128 = 1_000_000_000;

/// The dates of a certificate that ends some day, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) end: i128,
    /// Of its own life; `None` where it would never end by itself.
    pub(super) life: Option<i128>,
}

impl From<&Life> for Option<Bounds> {
    fn from(life: &Life) -> Self {
        life.end.map(|end| Bounds { end, life: life.own_end.map(|own| own - life.begin) })
    }
}

impl Bounds {
    /// `None` where it never ends.
    pub(super) fn of(
        not_before: DateTime<Utc>,
        not_after: DateTime<Utc>,
        issuer: Option<DateTime<Utc>>,
    ) -> Option<Self> {
        let end = instant(effective_end(not_after, issuer)?);
        let life = effective_end(not_after, None).map(|own| instant(own) - instant(not_before));
        Some(Self { end, life })
    }

    /// The last moment before renewal is due.
    pub(super) fn renewal_at(&self, end: DateTime<Utc>, policy: &Policy) -> DateTime<Utc> {
        let share = policy.renewal_share;
        let fixed = nanoseconds(policy.renewal);
        let scaled = self.life.filter(|_| !share.is_none()).map(|life| share.of_rounded_up(life));
        let before = scaled.map_or(fixed, |scaled| scaled.min(fixed)).max(0);
        let seconds = i64::try_from(before / SECOND).unwrap_or(i64::MAX);
        let nanos = u32::try_from(before % SECOND).unwrap_or_default();
        saturating_add(end, -TimeDelta::new(seconds, nanos).unwrap_or(TimeDelta::MAX))
    }

    /// Whether renewal has been due for longer than the grace: the smaller of `grace` and a 24th of its life.
    pub(super) fn is_overdue(&self, policy: &Policy, grace: TimeDelta, now: i128) -> bool {
        // In parts of which a life has a whole number for each share, nothing is rounded.
        let share = policy.renewal_share;
        let parts = share.denominator() * 24;
        let fixed = nanoseconds(policy.renewal) * parts;
        let renewal = self
            .life
            .filter(|_| !share.is_none())
            .map_or(fixed, |life| fixed.min(life * share.numerator() * 24));
        let grace = nanoseconds(grace) * parts;
        let grace = self.life.map_or(grace, |life| grace.min(life * share.denominator()));
        (self.end - now) * parts < renewal - grace
    }
}

/// The bounds of a policy in whole seconds, rounded so that no certificate is found too late.
#[derive(Clone, Copy, Debug)]
pub(super) struct DueRule([Bound; 3]);

#[derive(Clone, Copy, Debug)]
struct Bound {
    fixed: i64,
    share: Share,
}

impl DueRule {
    pub(super) fn of(policy: &Policy) -> Self {
        let bound = |fixed: TimeDelta, share: Share| {
            let fixed = fixed.num_seconds().saturating_add(i64::from(fixed.subsec_nanos() > 0)).max(0);
            Bound { fixed, share }
        };
        Self([
            bound(policy.awareness, policy.awareness_share),
            bound(policy.renewal, policy.renewal_share),
            bound(policy.follow_up, policy.follow_up_share),
        ])
    }

    /// The last second that is surely before any stage but the first; of a certificate that ends then, and lives for
    /// so many seconds. `None` for one that would never end by itself.
    pub(super) fn due_second(&self, end: i64, life: Option<i64>) -> i64 {
        let before = self.0.iter().map(|bound| {
            let part =
                |life: i64| i64::try_from(bound.share.of_rounded_up(i128::from(life))).unwrap_or(i64::MAX);
            let scaled = life.filter(|_| !bound.share.is_none()).map(part);
            scaled.map_or(bound.fixed, |scaled| scaled.min(bound.fixed))
        });
        end.saturating_sub(before.fold(0, i64::max)).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    #[test]
    fn due_in_the_last_second_before_bound() {
        let rule = DueRule::of(&Policy::default());
        for (life, before) in [
            // Ninety days, from a life of a hundred and eighty on.
            (None, 90 * DAY),
            (Some(365 * DAY), 90 * DAY),
            (Some(180 * DAY), 90 * DAY),
            // Half of a shorter one, rounded up.
            (Some(180 * DAY - 1), 90 * DAY),
            (Some(180 * DAY - 2), 90 * DAY - 1),
            (Some(180 * DAY - 3), 90 * DAY - 1),
            (Some(60 * DAY), 30 * DAY),
            (Some(35), 18),
            (Some(0), 0),
        ] {
            assert_eq!(rule.due_second(0, life), -before - 1, "{life:?}");
        }
        let fixed = Policy {
            awareness_share: Share::NONE,
            renewal_share: Share::NONE,
            follow_up_share: Share::NONE,
            ..Policy::default()
        };
        assert_eq!(DueRule::of(&fixed).due_second(0, Some(35)), -90 * DAY - 1);
        let part = Policy { awareness: TimeDelta::milliseconds(90_001), ..fixed };
        let part = Policy { renewal: TimeDelta::seconds(60), follow_up: TimeDelta::seconds(30), ..part };
        assert_eq!(DueRule::of(&part).due_second(0, None), -92);
    }
}
