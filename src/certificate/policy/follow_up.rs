//! Why a person must see to a certificate.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Facts, Policy, Stage, effective_end};

/// Why a person must see to a certificate. The first that holds, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FollowUpReason {
    /// It is due because its issuer ends before it: replace the issuer first, for another certificate from the same issuer
    /// would end no later.
    IssuerBinds,
    /// Its time is nearly over and nobody has seen a successor on a connection.
    NearlyOver,
    /// A certificate that it replaced is still valid though the overlap is over.
    OldCertificateRemains,
}

impl Policy {
    /// Why a person must see to this certificate at `now`, if one must. `None` too where it is revoked, not valid yet or
    /// expired, or the clock is suspect: those stages have conclusions of their own.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use iot_runbook::certificate::{Facts, FollowUpReason, Policy, Stage};
    ///
    /// let day = |days| DateTime::UNIX_EPOCH + TimeDelta::days(days);
    /// let policy = Policy::default();
    /// // 50 of 360 days are left until its issuer ends: renewal is due, and would bring nothing.
    /// let facts = Facts::new(day(0), day(360)).with_issuer_not_after(Some(day(250)));
    /// assert_eq!(policy.stage(&facts, day(200), None), Stage::Renewal);
    /// assert_eq!(policy.follow_up_reason(&facts, day(200), None), Some(FollowUpReason::IssuerBinds));
    /// ```
    #[must_use]
    pub fn follow_up_reason(
        &self,
        facts: &Facts,
        now: DateTime<Utc>,
        high_water: Option<DateTime<Utc>>,
    ) -> Option<FollowUpReason> {
        let stage = self.stage(facts, now, high_water);
        let own_end = effective_end(facts.not_after, None);
        let issuer_end = facts.issuer_not_after.and_then(|end| effective_end(end, None));
        let binds = issuer_end.is_some_and(|issuer| own_end.is_none_or(|own| issuer < own));
        match stage {
            Stage::Renewal | Stage::FollowUp if binds && !facts.confirmed => {
                Some(FollowUpReason::IssuerBinds)
            }
            Stage::FollowUp => Some(FollowUpReason::NearlyOver),
            Stage::Ok | Stage::Awareness | Stage::Renewal if facts.old_remains => {
                Some(FollowUpReason::OldCertificateRemains)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn day(days: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(days)
    }

    #[test]
    fn only_follow_up_has_a_reason() {
        use FollowUpReason::{IssuerBinds, NearlyOver, OldCertificateRemains};
        let policy = Policy::default();
        let plain = Facts::new(day(0), day(360));
        let bound = plain.with_issuer_not_after(Some(day(300)));
        let never = "9999-12-31T23:59:59Z".parse().unwrap();
        for (facts, now, expected) in [
            (plain, 100, None),
            (plain, 310, None),
            (plain, 340, Some(NearlyOver)),
            (plain.with_confirmed(true), 340, None),
            (plain, 361, None),
            (plain.with_revoked(true), 340, None),
            (plain, -1, None),
            (bound, 200, None),
            (bound, 250, Some(IssuerBinds)),
            (bound, 290, Some(IssuerBinds)),
            (bound.with_confirmed(true), 250, None),
            (bound, 301, None),
            // An issuer that ends with it, or later, does not bind it.
            (plain.with_issuer_not_after(Some(day(360))), 310, None),
            (plain.with_issuer_not_after(Some(never)), 310, None),
            (Facts::new(day(0), never).with_issuer_not_after(Some(day(300))), 250, Some(IssuerBinds)),
            (plain.with_old_remains(true), 100, Some(OldCertificateRemains)),
            (plain.with_old_remains(true), 340, Some(NearlyOver)),
            (plain.with_old_remains(true), 361, None),
        ] {
            assert_eq!(policy.follow_up_reason(&facts, day(now), None), expected, "{facts:?} at {now}");
        }
        let suspect = policy.follow_up_reason(&plain, day(340), Some(day(341)));
        assert_eq!(suspect, None);
    }
}
