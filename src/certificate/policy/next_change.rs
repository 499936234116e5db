use chrono::{DateTime, TimeDelta, Utc};

use super::{Facts, Policy, Share, effective_end, nanoseconds};

const SECOND: i128 = 1_000_000_000;

impl Policy {
    /// When the stage is next another than at `now`, to the nanosecond: until then nobody needs to look again.
    /// `None`: never, by these facts. The high-water mark is left out: it moves with the clock that it watches.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use iot_runbook::certificate::{Facts, Policy, Stage};
    ///
    /// let issued = DateTime::UNIX_EPOCH;
    /// let year = Facts::new(issued, issued + TimeDelta::days(360));
    /// let policy = Policy::default();
    /// let next = policy.next_change(&year, issued).ok_or("it ends")?;
    /// assert_eq!(next, issued + TimeDelta::days(270) + TimeDelta::nanoseconds(1));
    /// assert_eq!(policy.stage(&year, next, None), Stage::Awareness);
    /// # Ok::<(), &str>(())
    /// ```
    #[must_use]
    pub fn next_change(&self, facts: &Facts, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let stage = self.stage(facts, now, None);
        let mut candidates = self.candidates(facts);
        candidates.sort_unstable();
        candidates
            .into_iter()
            .flatten()
            .filter(|at| *at > now)
            .find(|at| self.stage(facts, *at, None) != stage)
    }

    /// Every moment at which a bound is crossed; between them nothing can change.
    fn candidates(&self, facts: &Facts) -> [Option<DateTime<Utc>>; 5] {
        let Some(end) = effective_end(facts.not_after, facts.issuer_not_after) else {
            return [Some(facts.not_before), None, None, None, None];
        };
        let life = effective_end(facts.not_after, None)
            .map(|end| nanoseconds(end.signed_duration_since(facts.not_before)));
        // Below a bound is at most a nanosecond less than it; a share of an odd life is rounded up first.
        let first_below = |fixed: TimeDelta, share: Share| {
            let scaled = life.filter(|_| !share.is_none()).map(|life| share.of_rounded_up(life));
            let bound = scaled.map_or(nanoseconds(fixed), |scaled| scaled.min(nanoseconds(fixed)));
            before(end, bound - 1)
        };
        [
            Some(facts.not_before),
            first_below(self.awareness, self.awareness_share),
            first_below(self.renewal, self.renewal_share),
            first_below(self.follow_up, self.follow_up_share),
            before(end, -1),
        ]
    }
}

/// The moment so many nanoseconds before another, where the calendar has it.
fn before(end: DateTime<Utc>, nanos: i128) -> Option<DateTime<Utc>> {
    let at = i128::from(end.timestamp()) * SECOND + i128::from(end.timestamp_subsec_nanos()) - nanos;
    let second = i64::try_from(at.div_euclid(SECOND)).ok()?;
    DateTime::from_timestamp(second, u32::try_from(at.rem_euclid(SECOND)).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;
    use crate::certificate::Stage;

    const NANO: TimeDelta = TimeDelta::nanoseconds(1);

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
    }

    #[test]
    fn a_year_changes_five_times() {
        let policy = Policy::default();
        let facts = Facts::new(at(0), at(360 * 24));
        let mut now = at(-1);
        let mut seen = vec![policy.stage(&facts, now, None)];
        while let Some(next) = policy.next_change(&facts, now) {
            now = next;
            seen.push(policy.stage(&facts, now, None));
        }
        let stages = [
            Stage::NotYetValid,
            Stage::Ok,
            Stage::Awareness,
            Stage::Renewal,
            Stage::FollowUp,
            Stage::Expired,
        ];
        assert_eq!(seen, stages);
        assert_eq!(now, at(360 * 24) + NANO);
        assert_eq!(policy.next_change(&facts.with_revoked(true), at(0)), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(14), ..ProptestConfig::default() })]

        #[test]
        fn stage_changes_exactly_at_next_change(
            life in 0i64..20_000, odd in 0i64..7, issuer in prop::option::of(0i64..20_000), now in -100i64..21_000,
            (confirmed, never) in any::<(bool, bool)>(), bounds in prop::array::uniform3(0i64..3_000),
            shares in prop::array::uniform3((0u32..9, 8u32..13)), between in prop::collection::vec(0.0f64..1.0, 8),
        ) {
            let [awareness, renewal, follow_up] = bounds.map(TimeDelta::hours);
            let [awareness_share, renewal_share, follow_up_share] = shares.map(|(part, parts)| Share::new(part, parts).unwrap());
            let policy = Policy {
                awareness, renewal, follow_up, awareness_share, renewal_share, follow_up_share, ..Policy::default()
            };
            let not_after = if never { DateTime::<Utc>::MAX_UTC } else { at(life) + NANO * odd as i32 };
            let facts = Facts::new(at(0), not_after)
                .with_issuer_not_after(issuer.map(at))
                .with_confirmed(confirmed);
            let stage = |now| policy.stage(&facts, now, None);
            let next = policy.next_change(&facts, at(now));
            let last = next.map_or(at(1_000_000), |next| next - NANO);
            prop_assert_eq!(stage(last), stage(at(now)));
            for share in between {
                let some = at(now) + TimeDelta::seconds(((last - at(now)).num_seconds() as f64 * share) as i64);
                prop_assert_eq!(stage(some), stage(at(now)), "{}", some);
            }
            if let Some(next) = next {
                prop_assert!(next > at(now));
                prop_assert_ne!(stage(next), stage(at(now)));
            }
        }

        #[test]
        fn ends_of_the_calendar_do_not_overflow(ends in prop::array::uniform4(any::<bool>()), long in any::<bool>()) {
            let end = |max: bool| if max { DateTime::<Utc>::MAX_UTC } else { DateTime::<Utc>::MIN_UTC };
            let awareness = if long { TimeDelta::MAX } else { TimeDelta::MIN };
            let policy = Policy { awareness, ..Policy::default() };
            let facts = Facts::new(end(ends[0]), end(ends[1])).with_issuer_not_after(Some(end(ends[2])));
            let _ = policy.next_change(&facts, end(ends[3]));
        }
    }
}
