mod follow_up;
mod next_change;
mod share;
mod validate;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::validity::Chain;
use crate::time::HighWater;

pub use follow_up::FollowUpReason;
pub use share::{Share, ShareError};
pub use validate::{CertificateProfile, PolicyError};

/// Remaining-lifetime thresholds for awareness, renewal and follow-up. "Left" is the effective end less now; each threshold
/// is the smaller of a fixed time and a share of the lifetime, so that it also serves certificates that live for hours.
/// Comparisons are strict.
///
/// It is data: serde reads it with lengths of time as text, and a field that is not named has its default. Nothing is
/// checked until [`Policy::validate`] or [`Policy::validate_for`] does.
///
/// ```
/// use iot_runbook::certificate::Policy;
///
/// let policy: Policy = serde_json::from_str(r#"{ "renewal": "45d", "overlap": "3d" }"#)?;
/// assert!(policy.validate().is_ok());
/// let policy: Policy = serde_json::from_str(r#"{ "renewal": "120d" }"#)?;
/// let error = policy.validate().unwrap_err();
/// assert!(error.to_string().starts_with("`renewal` (120d) is not below `awareness` (90d)"), "{error}");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Policy {
    /// Awareness when less than this, and less than its share of its life, is left.
    #[serde(with = "text")]
    pub awareness: TimeDelta,
    /// Renewal when less than this, and less than its share of its life, is left.
    #[serde(with = "text")]
    pub renewal: TimeDelta,
    /// Follow-up when less than this, and less than its share of its life, is left.
    #[serde(with = "text")]
    pub follow_up: TimeDelta,
    /// Awareness when less than this share of its life is left, too.
    pub awareness_share: Share,
    /// Renewal when less than this share of its life is left, too.
    pub renewal_share: Share,
    /// Follow-up when less than this share of its life is left, too.
    pub follow_up_share: Share,
    /// How long the old certificate stays in use beside the new one; never longer than what remains of it.
    #[serde(with = "text")]
    pub overlap: TimeDelta,
    /// The clock is suspect when it is further than this ahead of the high-water mark.
    #[serde(with = "text")]
    pub jump: TimeDelta,
}

impl Default for Policy {
    /// 90, 60 and 30 days, as from a lifetime of 180 days on, and half, a third and a sixth of a shorter one; an
    /// overlap of 7 days; the clock may jump by 30 days.
    fn default() -> Self {
        Self {
            awareness: TimeDelta::days(90),
            renewal: TimeDelta::days(60),
            follow_up: TimeDelta::days(30),
            awareness_share: Share::HALF,
            renewal_share: Share::THIRD,
            follow_up_share: Share::SIXTH,
            overlap: TimeDelta::days(7),
            jump: TimeDelta::days(30),
        }
    }
}

/// Lengths of time as text.
pub(super) mod text {
    use chrono::TimeDelta;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    use crate::time::{format_duration, parse_duration};

    pub(in crate::certificate) fn serialize<S: Serializer>(
        length: &TimeDelta,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_duration(*length))
    }

    pub(in crate::certificate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<TimeDelta, D::Error> {
        parse_duration(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

named! {
    /// The stages of a certificate's life, and the states in which it has none.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    #[non_exhaustive]
    Stage {
        /// Nothing is due.
        Ok = "ok",
        /// It is in the daily digest; nothing is to be done.
        Awareness = "awareness",
        /// A new one must be issued and brought to the device.
        Renewal = "renewal",
        /// Nobody has seen the new one on a connection: a person must see to it.
        FollowUp = "follow-up",
        /// It is past its end.
        Expired = "expired",
        /// It is not valid yet.
        NotYetValid = "not-yet-valid",
        /// It is revoked.
        Revoked = "revoked",
        /// The clock stepped back, or jumped: nothing that depends on the time is known.
        ClockSuspect = "clock-suspect",
    }
}

/// What a stage depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// From when on it is valid, this instant included.
    pub not_before: DateTime<Utc>,
    /// Until when it is valid, this instant included.
    pub not_after: DateTime<Utc>,
    /// The earliest end among its issuers, where it is known.
    pub issuer_not_after: Option<DateTime<Utc>>,
    /// Whether it is revoked.
    pub revoked: bool,
    /// Whether its successor was seen on an accepted connection.
    pub confirmed: bool,
    /// Whether a certificate that it replaced is still valid though the overlap is over.
    pub old_remains: bool,
}

impl Facts {
    /// Of a certificate with these ends (both included), not revoked, without a confirmed successor.
    #[must_use]
    pub const fn new(not_before: DateTime<Utc>, not_after: DateTime<Utc>) -> Self {
        Self {
            not_before,
            not_after,
            issuer_not_after: None,
            revoked: false,
            confirmed: false,
            old_remains: false,
        }
    }

    setters! {
        /// The same with the earliest end among its issuers.
        const with_issuer_not_after(at: Option<DateTime<Utc>>) => issuer_not_after = at;
        /// The same, revoked or not.
        const with_revoked(revoked: bool) => revoked = revoked;
        /// The same, with a replaced certificate that is still valid after the overlap, or without.
        const with_old_remains(old_remains: bool) => old_remains = old_remains;
        /// The same, with a confirmed successor or not.
        const with_confirmed(confirmed: bool) => confirmed = confirmed;
    }
}

impl Policy {
    /// The stage at `now`. `high_water` is the latest time that was ever known, kept over restarts.
    ///
    /// The first that holds of: clock-suspect, revoked (which a stolen certificate stays after its end), not-yet-valid,
    /// expired, and the stages by what is left. With a confirmed successor there is no follow-up: the stage stays renewal
    /// until the end. [`follow_up_reason`](Self::follow_up_reason) says what else needs a person.
    #[must_use]
    pub fn stage(&self, facts: &Facts, now: DateTime<Utc>, high_water: Option<DateTime<Utc>>) -> Stage {
        if high_water.is_some_and(|mark| self.suspects_clock(HighWater::new(mark), now)) {
            return Stage::ClockSuspect;
        }
        if facts.revoked {
            return Stage::Revoked;
        }
        let end = |end: DateTime<Utc>, issuer| effective_end(end, issuer).map(instant);
        self.stage_by(&Life {
            begin: instant(facts.not_before),
            own_end: end(facts.not_after, None),
            end: end(facts.not_after, facts.issuer_not_after),
            confirmed: facts.confirmed,
            now: instant(now),
        })
    }

    /// Whether the clock is behind the mark, or ahead of it by more than it may jump.
    pub(super) fn suspects_clock(&self, mark: HighWater, now: DateTime<Utc>) -> bool {
        mark.suspects(now, TimeDelta::zero(), self.jump)
    }

    /// The stage by the dates alone.
    pub(super) fn stage_by(&self, life: &Life) -> Stage {
        if life.now < life.begin {
            return Stage::NotYetValid;
        }
        let Some(end) = life.end else { return Stage::Ok };
        if life.now > end {
            return Stage::Expired;
        }
        let left = end - life.now;
        // One that never expires has a life of any length: the fixed times alone bind it.
        let whole = life.own_end.map(|end| end - life.begin);
        let below = |fixed: TimeDelta, share: Share| {
            let is_below = |whole: i128| left * share.denominator() < whole * share.numerator();
            left < nanoseconds(fixed) && (share.is_none() || whole.is_none_or(is_below))
        };
        if below(self.follow_up, self.follow_up_share) && !life.confirmed {
            Stage::FollowUp
        } else if below(self.renewal, self.renewal_share) {
            Stage::Renewal
        } else if below(self.awareness, self.awareness_share) {
            Stage::Awareness
        } else {
            Stage::Ok
        }
    }
}

/// The dates of a certificate, and the time, in nanoseconds since 1970. An end of `None` never comes.
pub(super) struct Life {
    pub(super) begin: i128,
    pub(super) own_end: Option<i128>,
    pub(super) end: Option<i128>,
    pub(super) confirmed: bool,
    pub(super) now: i128,
}

impl From<&Chain> for Facts {
    /// Of the device's own certificate, with the earliest end among its issuers. It begins when all of the chain
    /// has begun.
    fn from(chain: &Chain) -> Self {
        let issuers = chain.issuers().iter().map(|issuer| issuer.not_after.written()).min();
        Self::new(chain.effective().not_before, chain.leaf().not_after.written())
            .with_issuer_not_after(issuers)
    }
}

/// When a certificate ends: its own end or that of its issuers, whichever comes first. `None`: never, as one that
/// ends on 9999-12-31 or later means it.
#[must_use]
pub fn effective_end(not_after: DateTime<Utc>, issuer: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    [Some(not_after), issuer].into_iter().flatten().filter(|end| !is_never(*end)).min()
}

/// The first second that no certificate is taken to end in: 9999-12-31.
pub(super) const NEVER: i64 = 253_402_214_400;

fn is_never(end: DateTime<Utc>) -> bool {
    end.timestamp() >= NEVER
}

/// Nanoseconds since 1970.
pub(super) fn instant(at: DateTime<Utc>) -> i128 {
    i128::from(at.timestamp()) * 1_000_000_000 + i128::from(at.timestamp_subsec_nanos())
}

/// Exact, and wide enough for the whole calendar.
pub(super) fn nanoseconds(length: TimeDelta) -> i128 {
    i128::from(length.num_seconds()) * 1_000_000_000 + i128::from(length.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    const NANO: TimeDelta = TimeDelta::nanoseconds(1);

    fn day(days: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000 + days)
    }

    fn stage(facts: &Facts, now: DateTime<Utc>) -> Stage {
        Policy::default().stage(facts, now, None)
    }

    #[test]
    fn the_bounds_are_strict_and_exact() {
        let year = Facts::new(day(0), day(360));
        for (now, expected) in [
            (day(0) - NANO, Stage::NotYetValid),
            (day(0), Stage::Ok),
            (day(270), Stage::Ok),
            (day(270) + NANO, Stage::Awareness),
            (day(300), Stage::Awareness),
            (day(300) + NANO, Stage::Renewal),
            (day(330), Stage::Renewal),
            (day(330) + NANO, Stage::FollowUp),
            (day(360), Stage::FollowUp),
            (day(360) + NANO, Stage::Expired),
        ] {
            assert_eq!(stage(&year, now), expected, "{now}");
        }
    }

    #[test]
    fn a_short_life_scales_the_bounds() {
        let short = Facts::new(day(0), day(12));
        for (now, expected) in [
            (day(6), Stage::Ok),
            (day(6) + NANO, Stage::Awareness),
            (day(8), Stage::Awareness),
            (day(8) + NANO, Stage::Renewal),
            (day(10), Stage::Renewal),
            (day(10) + NANO, Stage::FollowUp),
        ] {
            assert_eq!(stage(&short, now), expected, "{now}");
        }
        // A life of an odd number of nanoseconds: half of 3 ns is 1.5 ns, and 1 ns is below it.
        let tiny = Facts::new(day(0), day(0) + NANO * 3);
        assert_eq!(stage(&tiny, day(0) + NANO), Stage::Ok);
        assert_eq!(stage(&tiny, day(0) + NANO * 2), Stage::Awareness);
    }

    #[test]
    fn two_thirds_of_a_life_are_exact() {
        let share = |text: &str| text.parse::<Share>().unwrap();
        let policy =
            Policy { awareness_share: share("3/4"), renewal_share: share("2/3"), ..Policy::default() };
        // A life of 4 ns: two thirds are 2.67 ns, so 2 ns are below it and 3 ns are not.
        let tiny = Facts::new(day(0), day(0) + NANO * 4);
        for (passed, expected) in [(1, Stage::Ok), (2, Stage::Renewal)] {
            assert_eq!(policy.stage(&tiny, day(0) + NANO * passed, None), expected);
        }
        // Let's Encrypt's six days: renewed when two thirds are left.
        let short = Facts::new(day(0), day(6));
        assert_eq!(policy.stage(&short, day(2), None), Stage::Awareness);
        assert_eq!(policy.stage(&short, day(2) + NANO, None), Stage::Renewal);
    }

    #[test]
    fn from_180_days_on_the_fixed_times_bind() {
        let facts = Facts::new(day(0), day(180));
        assert_eq!(stage(&facts, day(90)), Stage::Ok);
        assert_eq!(stage(&facts, day(90) + NANO), Stage::Awareness);
        assert_eq!(stage(&facts, day(120) + NANO), Stage::Renewal);
        assert_eq!(stage(&facts, day(150) + NANO), Stage::FollowUp);
    }

    #[test]
    fn confirmed_successor_needs_no_follow_up() {
        let facts = Facts::new(day(0), day(360)).with_confirmed(true);
        assert_eq!(stage(&facts, day(340)), Stage::Renewal);
        assert_eq!(stage(&facts, day(360) + NANO), Stage::Expired);
    }

    #[test]
    fn clock_suspect_comes_first_and_then_revoked() {
        let policy = Policy::default();
        let facts = Facts::new(day(0), day(360));
        let jump = policy.jump;
        for now in [day(-1), day(0), day(340), day(361)] {
            assert_eq!(policy.stage(&facts.with_revoked(true), now, Some(now)), Stage::Revoked, "{now}");
        }
        for (mark, expected) in [
            (day(100) + NANO, Stage::ClockSuspect),
            (day(100), Stage::Ok),
            (day(100) - jump, Stage::Ok),
            (day(100) - jump - NANO, Stage::ClockSuspect),
        ] {
            assert_eq!(policy.stage(&facts, day(100), Some(mark)), expected, "{mark}");
            let expected = if expected == Stage::Ok { Stage::Revoked } else { expected };
            assert_eq!(policy.stage(&facts.with_revoked(true), day(100), Some(mark)), expected, "{mark}");
        }
    }

    #[test]
    fn the_issuer_binds_where_it_ends_earlier() {
        let facts = Facts::new(day(0), day(360)).with_issuer_not_after(Some(day(100)));
        assert_eq!(stage(&facts, day(100)), Stage::FollowUp);
        assert_eq!(stage(&facts, day(100) + NANO), Stage::Expired);
    }

    #[test]
    fn the_end_of_9999_never_comes() {
        let never = "9999-12-31T23:59:59Z".parse::<DateTime<Utc>>().unwrap();
        let facts = Facts::new(day(0), never);
        for now in [day(0), never, DateTime::<Utc>::MAX_UTC] {
            assert_eq!(stage(&facts, now), Stage::Ok);
        }
        assert_eq!(stage(&facts.with_issuer_not_after(Some(day(10))), day(0)), Stage::FollowUp);
        assert_eq!(stage(&facts.with_issuer_not_after(Some(never)), day(0)), Stage::Ok);
    }

    #[test]
    fn end_before_the_start_is_never_in_use() {
        let facts = Facts::new(day(10), day(0));
        assert_eq!(stage(&facts, day(5)), Stage::NotYetValid);
        assert_eq!(stage(&facts, day(11)), Stage::Expired);
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(14), ..ProptestConfig::default() })]

        #[test]
        fn any_date_is_safe_and_stages_only_advance(
            from in 0i64..4_000_000, life in 0i64..4_000_000, one in 0i64..8_000_000, later in 0i64..8_000_000,
        ) {
            let at = |hours: i64| DateTime::UNIX_EPOCH + TimeDelta::hours(hours);
            let facts = Facts::new(at(from), at(from + life));
            let order = |now: i64| match stage(&facts, at(now)) {
                Stage::NotYetValid => 0,
                stage => 1 + stage as u8,
            };
            prop_assert!(order(one) <= order(one.saturating_add(later)));
        }

        #[test]
        fn ends_of_the_calendar_do_not_overflow(a in any::<bool>(), b in any::<bool>(), c in any::<bool>()) {
            let end = |max: bool| if max { DateTime::<Utc>::MAX_UTC } else { DateTime::<Utc>::MIN_UTC };
            let facts = Facts::new(end(a), end(b));
            let _ = Policy::default().stage(&facts, end(c), Some(end(a)));
        }
    }
}
