use chrono::{DateTime, TimeDelta, Utc};
use thiserror::Error;

use super::{Policy, Share, effective_end, nanoseconds};
use crate::time::format_duration;

/// What a policy is to serve: certificates of one kind, and what there is to recover by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateProfile {
    /// For how long a certificate is issued.
    pub lifetime: TimeDelta,
    /// How long a renewal may take from its issue to its confirmation, such as the longest time between two contacts
    /// of a device. Zero where it is not known.
    pub renewal_takes: TimeDelta,
    /// When the operational certificate ends, where one is in use.
    pub operational_not_after: Option<DateTime<Utc>>,
    /// When the manufacturing certificate ends, where there is one.
    pub manufacturing_not_after: Option<DateTime<Utc>>,
    /// When the emergency certificate ends, where there is one.
    pub emergency_not_after: Option<DateTime<Utc>>,
}

impl CertificateProfile {
    /// Certificates of that lifetime; nothing else is known.
    #[must_use]
    pub const fn new(lifetime: TimeDelta) -> Self {
        Self {
            lifetime,
            renewal_takes: TimeDelta::zero(),
            operational_not_after: None,
            manufacturing_not_after: None,
            emergency_not_after: None,
        }
    }

    setters! {
        /// With that time for a renewal.
        const with_renewal_takes(takes: TimeDelta) => renewal_takes = takes;
        /// With that end of the operational certificate.
        const with_operational_not_after(at: DateTime<Utc>) => operational_not_after = Some(at);
        /// With that end of the manufacturing certificate.
        const with_manufacturing_not_after(at: DateTime<Utc>) => manufacturing_not_after = Some(at);
        /// With that end of the emergency certificate.
        const with_emergency_not_after(at: DateTime<Utc>) => emergency_not_after = Some(at);
    }
}

impl Policy {
    /// Whether its windows can be met by any certificate at all.
    ///
    /// # Errors
    /// [`PolicyError`], the first that is found.
    pub fn validate(&self) -> Result<(), PolicyError> {
        for (field, given) in [
            ("awareness", self.awareness),
            ("renewal", self.renewal),
            ("follow_up", self.follow_up),
            ("jump", self.jump),
        ] {
            if given <= TimeDelta::zero() {
                return Err(PolicyError::NotPositive { field, given });
            }
        }
        if self.overlap < TimeDelta::zero() {
            return Err(PolicyError::Negative { field: "overlap", given: self.overlap });
        }
        for (later, given, earlier, bound) in [
            ("renewal", self.renewal, "awareness", self.awareness),
            ("follow_up", self.follow_up, "renewal", self.renewal),
        ] {
            if given >= bound {
                return Err(PolicyError::OutOfOrder { later, given, earlier, bound });
            }
        }
        for (later, given, earlier, bound) in [
            ("renewal_share", self.renewal_share, "awareness_share", self.awareness_share),
            ("follow_up_share", self.follow_up_share, "renewal_share", self.renewal_share),
        ] {
            // Without a share the fixed time stands however short the life is, after every share.
            if !bound.is_none() && (given.is_none() || given >= bound) {
                return Err(PolicyError::SharesOutOfOrder { later, given, earlier, bound });
            }
        }
        if self.overlap > self.renewal {
            return Err(PolicyError::Overlap { overlap: self.overlap, renewal: self.renewal });
        }
        Ok(())
    }

    /// Whether it can be met by certificates on these terms, and whether there is something to recover by.
    ///
    /// # Errors
    /// [`PolicyError`], the first that is found.
    pub fn validate_for(&self, terms: &CertificateProfile) -> Result<(), PolicyError> {
        self.validate()?;
        if terms.lifetime <= TimeDelta::zero() {
            return Err(PolicyError::NotPositive { field: "lifetime", given: terms.lifetime });
        }
        if terms.renewal_takes < TimeDelta::zero() {
            return Err(PolicyError::Negative { field: "renewal_takes", given: terms.renewal_takes });
        }
        let life = nanoseconds(terms.lifetime);
        let bound = |fixed: TimeDelta, share: Share| match share {
            Share::NONE => nanoseconds(fixed),
            share => nanoseconds(fixed).min(life * share.numerator() / share.denominator()),
        };
        for (field, fixed, share) in [
            ("awareness", self.awareness, self.awareness_share),
            ("renewal", self.renewal, self.renewal_share),
            ("follow_up", self.follow_up, self.follow_up_share),
        ] {
            if bound(fixed, share) >= life {
                return Err(PolicyError::Threshold { field, given: fixed, lifetime: terms.lifetime });
            }
        }
        let window = bound(self.renewal, self.renewal_share) - bound(self.follow_up, self.follow_up_share);
        if window < nanoseconds(terms.renewal_takes) {
            return Err(PolicyError::Window { takes: terms.renewal_takes, lifetime: terms.lifetime });
        }
        let Some(operational) = terms.operational_not_after else { return Ok(()) };
        for (credential, not_after) in [
            ("manufacturing_not_after", terms.manufacturing_not_after),
            ("emergency_not_after", terms.emergency_not_after),
        ] {
            let Some(not_after) = not_after else { continue };
            let outlives = match (effective_end(not_after, None), effective_end(operational, None)) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(recovery), Some(operational)) => recovery > operational,
            };
            if !outlives {
                return Err(PolicyError::Recovery { credential, not_after, operational });
            }
        }
        Ok(())
    }

    /// How long the old certificate stays in use beside the new one, where so much remains of it: the overlap, or
    /// what remains, if that is less. Never negative.
    #[must_use]
    pub fn overlap_within(&self, remains: TimeDelta) -> TimeDelta {
        self.overlap.min(remains).max(TimeDelta::zero())
    }
}

/// Why a policy cannot be kept to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A length of time is not above zero.
    #[error("`{field}` is {}: set it to more than zero", format_duration(*given))]
    NotPositive {
        /// The field.
        field: &'static str,
        /// What it is set to.
        given: TimeDelta,
    },
    /// A length of time is negative.
    #[error("`{field}` is {}: set it to zero or more", format_duration(*given))]
    Negative {
        /// The field.
        field: &'static str,
        /// What it is set to.
        given: TimeDelta,
    },
    /// A stage would begin before the one that precedes it.
    #[error(
        "`{later}` ({}) is not below `{earlier}` ({}), and its stage comes after: lower it, or raise `{earlier}`",
        format_duration(*given), format_duration(*bound)
    )]
    OutOfOrder {
        /// The field of the later stage.
        later: &'static str,
        /// What it is set to.
        given: TimeDelta,
        /// The field of the stage before.
        earlier: &'static str,
        /// What that is set to.
        bound: TimeDelta,
    },
    /// Of a short life, a stage would begin before the one that precedes it.
    #[error(
        "`{later}` ({given}) is not a share below `{earlier}` ({bound}), and its stage comes after: lower it"
    )]
    SharesOutOfOrder {
        /// The field of the later stage.
        later: &'static str,
        /// What it is set to.
        given: Share,
        /// The field of the stage before.
        earlier: &'static str,
        /// What that is set to.
        bound: Share,
    },
    /// More overlap than what remains when renewal begins.
    #[error(
        "`overlap` ({}) is longer than what remains when `renewal` ({}) begins: shorten it",
        format_duration(*overlap), format_duration(*renewal)
    )]
    Overlap {
        /// The overlap.
        overlap: TimeDelta,
        /// What remains at the most.
        renewal: TimeDelta,
    },
    /// A stage would begin at the issue: a fresh certificate would be due already.
    #[error(
        "`{field}` ({}) is not below the `lifetime` ({}): lower it, or set `{field}_share` below 1",
        format_duration(*given), format_duration(*lifetime)
    )]
    Threshold {
        /// The field.
        field: &'static str,
        /// What it is set to.
        given: TimeDelta,
        /// For how long a certificate is issued.
        lifetime: TimeDelta,
    },
    /// Follow-up would begin before a renewal can be through.
    #[error(
        "between `renewal` and `follow_up` there is less than `renewal_takes` ({}) in a `lifetime` of {}: raise \
         `renewal`, lower `follow_up`, or have certificates issued for longer",
        format_duration(*takes), format_duration(*lifetime)
    )]
    Window {
        /// How long a renewal takes.
        takes: TimeDelta,
        /// For how long a certificate is issued.
        lifetime: TimeDelta,
    },
    /// What a device recovers by ends no later than what it is to replace.
    #[error(
        "`{credential}` ({not_after}) is not after `operational_not_after` ({operational}): nothing would be left to \
         recover by; renew that credential first"
    )]
    Recovery {
        /// The field of the credential.
        credential: &'static str,
        /// When it ends.
        not_after: DateTime<Utc>,
        /// When the operational certificate ends.
        operational: DateTime<Utc>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(days: i64) -> TimeDelta {
        TimeDelta::days(days)
    }

    #[test]
    fn faults_name_fields_at_exact_bounds() {
        let good = Policy::default();
        let nano = TimeDelta::nanoseconds(1);
        let fine = [
            good,
            Policy { renewal: day(90) - nano, ..good },
            Policy { follow_up: day(60) - nano, ..good },
            Policy { overlap: day(60), ..good },
            Policy { overlap: day(0), ..good },
            Policy { awareness_share: Share::NONE, ..good },
            Policy {
                awareness_share: Share::NONE,
                renewal_share: Share::NONE,
                follow_up_share: Share::NONE,
                ..good
            },
        ];
        for policy in fine {
            assert_eq!(policy.validate(), Ok(()), "{policy:?}");
        }
        for (policy, named) in [
            (Policy { awareness: day(0), ..good }, "`awareness` is 0s"),
            (Policy { jump: day(-1), ..good }, "`jump` is -1d"),
            (Policy { overlap: -nano, ..good }, "`overlap` is -1ns"),
            (Policy { renewal: day(90), ..good }, "`renewal` (90d) is not below `awareness` (90d)"),
            (Policy { follow_up: day(60), ..good }, "`follow_up` (60d) is not below `renewal` (60d)"),
            (
                Policy { renewal_share: Share::HALF, ..good },
                "`renewal_share` (1/2) is not a share below `awareness_share` (1/2)",
            ),
            (
                Policy { follow_up_share: Share::NONE, ..good },
                "`follow_up_share` (0) is not a share below `renewal_share` (1/3)",
            ),
            (Policy { overlap: day(60) + nano, ..good }, "`overlap` (60d1ns) is longer than what remains"),
        ] {
            let error = policy.validate().unwrap_err().to_string();
            assert!(error.starts_with(named), "{error}");
            assert_eq!(
                policy.validate_for(&CertificateProfile::new(day(365))).unwrap_err().to_string(),
                error
            );
        }
    }

    #[test]
    fn fixed_threshold_must_be_below_the_lifetime() {
        let fixed = Policy {
            awareness_share: Share::NONE,
            renewal_share: Share::NONE,
            follow_up_share: Share::NONE,
            ..Policy::default()
        };
        let nano = TimeDelta::nanoseconds(1);
        assert_eq!(fixed.validate_for(&CertificateProfile::new(day(90) + nano)), Ok(()));
        let error = fixed.validate_for(&CertificateProfile::new(day(90))).unwrap_err().to_string();
        assert!(error.starts_with("`awareness` (90d) is not below the `lifetime` (90d)"), "{error}");
        for hours in [1, 24, 9_000] {
            assert_eq!(
                Policy::default().validate_for(&CertificateProfile::new(TimeDelta::hours(hours))),
                Ok(())
            );
        }
        let whole = Policy { awareness_share: Share::new(1, 1).unwrap(), ..Policy::default() };
        assert!(
            whole.validate_for(&CertificateProfile::new(day(10))).is_err(),
            "a share of 1 is the whole life"
        );
        assert!(
            fixed
                .validate_for(&CertificateProfile::new(day(0)))
                .unwrap_err()
                .to_string()
                .contains("`lifetime`")
        );
    }

    #[test]
    fn renewal_must_fit_before_the_follow_up() {
        let policy = Policy::default();
        for (lifetime, window) in [(day(360), day(30)), (day(36), day(6))] {
            let terms = CertificateProfile::new(lifetime).with_renewal_takes(window);
            assert_eq!(policy.validate_for(&terms), Ok(()));
            let longer = terms.with_renewal_takes(window + TimeDelta::nanoseconds(1));
            assert!(matches!(policy.validate_for(&longer), Err(PolicyError::Window { .. })));
        }
        let negative = CertificateProfile::new(day(36)).with_renewal_takes(day(-1));
        assert!(matches!(policy.validate_for(&negative), Err(PolicyError::Negative { .. })));
    }

    #[test]
    fn recovery_outlives_what_it_replaces() {
        let at = |days| DateTime::UNIX_EPOCH + day(days);
        let never = "9999-12-31T23:59:59Z".parse().unwrap();
        let terms = CertificateProfile::new(day(365));
        for (recovery, operational, fine) in [
            (at(101), at(100), true),
            (at(100), at(100), false),
            (at(99), at(100), false),
            (never, at(100), true),
            (at(100), never, false),
            (never, never, true),
        ] {
            let terms = terms.with_operational_not_after(operational);
            for (field, terms) in [
                ("`manufacturing_not_after`", terms.with_manufacturing_not_after(recovery)),
                ("`emergency_not_after`", terms.with_emergency_not_after(recovery)),
            ] {
                let found = Policy::default().validate_for(&terms);
                assert_eq!(found.is_ok(), fine, "{field} {recovery} {operational}");
                assert!(found.err().is_none_or(|error| error.to_string().starts_with(field)));
            }
        }
    }

    #[test]
    fn the_overlap_is_cut_to_what_remains() {
        let policy = Policy::default();
        for (remains, overlap) in [(day(8), day(7)), (day(7), day(7)), (day(6), day(6)), (day(-1), day(0))] {
            assert_eq!(policy.overlap_within(remains), overlap);
        }
    }

    #[test]
    fn a_policy_is_data() {
        let policy = Policy { renewal: day(45), ..Policy::default() };
        let text = serde_json::to_string(&policy).unwrap();
        assert!(text.contains(r#""renewal":"45d""#), "{text}");
        assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), policy);
        assert_eq!(serde_json::from_str::<Policy>("{}").unwrap(), Policy::default());
        assert!(serde_json::from_str::<Policy>(r#"{ "renewl": "45d" }"#).is_err());
        assert!(serde_json::from_str::<Policy>(r#"{ "renewal": "45" }"#).is_err());
        let policy: Policy =
            serde_json::from_str(r#"{ "awareness_share": "3/4", "renewal_share": "2/3" }"#).unwrap();
        assert_eq!(policy.validate(), Ok(()));
        assert_eq!(policy.renewal_share, Share::new(2, 3).unwrap());
    }
}
