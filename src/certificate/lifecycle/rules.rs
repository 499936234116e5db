//! By what rules a lifecycle goes on: the policy, and how long is waited for what.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::certificate::policy::text;
use crate::certificate::{CertificateProfile, Policy, PolicyError};
use crate::time::{format_duration, saturating_add};

/// No retry is worth less than this.
pub(super) const SHORTEST: TimeDelta = TimeDelta::seconds(1);

/// What may be set. It is data: serde reads it with lengths of time as text, and what is not named is as in the
/// default. [`Rules::new`] checks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// When what is due, the overlap, and how far the clock may jump.
    pub policy: Policy,
    /// A clock that is behind its high-water mark by no more than this counts as at the mark: the clocks of two machines
    /// differ. By more, it is suspect.
    #[serde(with = "text")]
    pub clock_tolerance: TimeDelta,
    /// How exactly the broker's log dates a connection. Where two certificates connect within less than this, nobody knows
    /// which came first: that confirms nothing.
    #[serde(with = "text")]
    pub log_resolution: TimeDelta,
    /// How long the first retry waits; each that follows waits twice as long.
    #[serde(with = "text")]
    pub first_retry: TimeDelta,
    /// No retry waits longer than this. An old certificate that is not retired so long after its overlap is an alert.
    #[serde(with = "text")]
    pub longest_retry: TimeDelta,
    /// No retry of a renewal waits longer than this part of the life that remains: its n-th.
    pub retry_share: u32,
    /// How long a command may stay without an answer until it is handed out again.
    #[serde(with = "text")]
    pub answer_within: TimeDelta,
    /// How many failures in a row make a renewal a failed one, of which someone is alerted.
    pub failures: u32,
    /// How long the device may take from its word that the test passed to a connection with the new certificate,
    /// until someone is alerted.
    #[serde(with = "text")]
    pub confirm_within: TimeDelta,
    /// A device reaches the provisioning service where its last contact is at most this old.
    #[serde(with = "text")]
    pub contact_within: TimeDelta,
    /// How long an approval of a re-provisioning, and then the act, may take.
    #[serde(with = "text")]
    pub approval_within: TimeDelta,
    /// How soon after an act of recovery the device must be back.
    #[serde(with = "text")]
    pub reconnect_within: TimeDelta,
    /// How long a visit to the device may take.
    #[serde(with = "text")]
    pub visit_within: TimeDelta,
    /// How long a device whose certificate was retired for its key may take to come back with another, until the
    /// emergency recovery begins.
    #[serde(with = "text")]
    pub rescue_after: TimeDelta,
}

impl Default for Settings {
    /// The default policy; clocks may differ by 30 seconds; a log of whole seconds; retries from a minute to a day, at most a tenth of what remains; an hour for an answer;
    /// three failures; a day to confirm. For the recovery what the runbook `certificate-expiry` has: contact within
    /// 24 hours, 4 hours for an approval, 5 minutes to be back, 7 days for a visit. An hour after a compromise.
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            clock_tolerance: TimeDelta::seconds(30),
            log_resolution: TimeDelta::seconds(1),
            first_retry: TimeDelta::minutes(1),
            longest_retry: TimeDelta::days(1),
            retry_share: 10,
            answer_within: TimeDelta::hours(1),
            failures: 3,
            confirm_within: TimeDelta::days(1),
            contact_within: TimeDelta::hours(24),
            approval_within: TimeDelta::hours(4),
            reconnect_within: TimeDelta::minutes(5),
            visit_within: TimeDelta::days(7),
            rescue_after: TimeDelta::hours(1),
        }
    }
}

/// [`Settings`] that hold. One value serves a fleet.
///
/// ```
/// use iot_runbook::certificate::lifecycle::{Rules, Settings};
///
/// let settings: Settings = serde_json::from_str(r#"{ "first_retry": "2d", "policy": { "overlap": "3d" } }"#)?;
/// let error = Rules::new(settings).unwrap_err();
/// assert!(error.to_string().starts_with("`first_retry` (2d) is above `longest_retry` (1d)"), "{error}");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Settings", into = "Settings")]
pub struct Rules(Settings);

impl Default for Rules {
    /// Of the default settings.
    fn default() -> Self {
        Self(Settings::default())
    }
}

impl TryFrom<Settings> for Rules {
    type Error = SettingsError;

    fn try_from(settings: Settings) -> Result<Self, SettingsError> {
        Self::new(settings)
    }
}

impl From<Rules> for Settings {
    fn from(rules: Rules) -> Self {
        rules.0
    }
}

impl Rules {
    /// Rules of these settings.
    ///
    /// # Errors
    /// [`SettingsError`], the first that is found, with the names of the fields.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.policy.validate()?;
        for (field, given) in [
            ("first_retry", settings.first_retry),
            ("longest_retry", settings.longest_retry),
            ("answer_within", settings.answer_within),
            ("confirm_within", settings.confirm_within),
            ("contact_within", settings.contact_within),
            ("approval_within", settings.approval_within),
            ("reconnect_within", settings.reconnect_within),
            ("visit_within", settings.visit_within),
            ("rescue_after", settings.rescue_after),
        ] {
            if given < SHORTEST {
                return Err(SettingsError::TooShort { field, given });
            }
        }
        for (field, given) in
            [("clock_tolerance", settings.clock_tolerance), ("log_resolution", settings.log_resolution)]
        {
            if given < TimeDelta::zero() {
                return Err(SettingsError::Negative { field, given });
            }
        }
        if settings.first_retry > settings.longest_retry {
            let (first, longest) = (settings.first_retry, settings.longest_retry);
            return Err(SettingsError::Retries { first, longest });
        }
        // With the whole of what remains, the first failure would wait until the certificate has ended.
        if settings.retry_share < 2 {
            return Err(SettingsError::Share { given: settings.retry_share });
        }
        if settings.failures == 0 {
            return Err(SettingsError::NoFailures);
        }
        Ok(Self(settings))
    }

    /// The same, where its policy can be met by certificates on these terms too.
    ///
    /// # Errors
    /// [`SettingsError::Policy`].
    pub fn checked_for(self, terms: &CertificateProfile) -> Result<Self, SettingsError> {
        self.0.policy.validate_for(terms)?;
        Ok(self)
    }

    /// What was set.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.0
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.0.policy
    }

    /// How long to wait after so many failures in a row: twice as long each time, up to the longest.
    pub(super) fn wait(&self, failures: u32) -> TimeDelta {
        // 2^40 s are beyond any longest retry that matters.
        let doubled = 1i32.checked_shl(failures.saturating_sub(1).min(30)).unwrap_or(i32::MAX);
        let wait = self.0.first_retry.checked_mul(doubled).unwrap_or(self.0.longest_retry);
        wait.min(self.0.longest_retry)
    }

    /// When to try a renewal again: after that wait, and never later than its part of the life that remains. Where
    /// no worthwhile part remains, when that life is over.
    pub(super) fn again(
        &self,
        wait: TimeDelta,
        now: DateTime<Utc>,
        end: Option<DateTime<Utc>>,
    ) -> DateTime<Utc> {
        let Some(end) = end.filter(|end| *end >= now) else { return saturating_add(now, wait) };
        let share = i32::try_from(self.0.retry_share).unwrap_or(i32::MAX);
        let wait = wait.min(end.signed_duration_since(now) / share);
        if wait < SHORTEST {
            saturating_add(end, TimeDelta::nanoseconds(1))
        } else {
            saturating_add(now, wait)
        }
    }

    /// How long before its end a certificate of that life is followed up.
    pub(super) fn follow_up(&self, life: Option<TimeDelta>) -> TimeDelta {
        let fixed = self.0.policy.follow_up;
        life.and_then(|life| self.0.policy.follow_up_share.of_length(life))
            .map_or(fixed, |part| fixed.min(part))
    }
}

/// Why settings make no rules.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The policy cannot be kept to.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A length of time is too short.
    #[error("`{field}` is {}: set it to a second or more", format_duration(*given))]
    TooShort {
        /// The field.
        field: &'static str,
        /// What it is.
        given: TimeDelta,
    },
    /// A length of time is below zero.
    #[error("`{field}` is {}: set it to zero or more", format_duration(*given))]
    Negative {
        /// The field.
        field: &'static str,
        /// What it is.
        given: TimeDelta,
    },
    /// The first retry waits longer than the longest.
    #[error(
        "`first_retry` ({}) is above `longest_retry` ({}): shorten the one or lengthen the other",
        format_duration(*first),
        format_duration(*longest)
    )]
    Retries {
        /// The first.
        first: TimeDelta,
        /// The longest.
        longest: TimeDelta,
    },
    /// A retry could wait for all of the life that remains.
    #[error("`retry_share` is {given}: set it to 2 or more, so that a retry leaves time for another")]
    Share {
        /// What it is.
        given: u32,
    },
    /// Nothing would ever count as failed, or all would.
    #[error("`failures` is 0: set it to 1 or more")]
    NoFailures,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::Share;

    #[test]
    fn the_faults_of_settings_are_named() {
        let good = Settings::default();
        assert!(Rules::new(good).is_ok());
        let zero = TimeDelta::zero();
        for (settings, named) in [
            (Settings { first_retry: zero, ..good }, "`first_retry` is 0s"),
            (Settings { longest_retry: zero, ..good }, "`longest_retry` is 0s"),
            (Settings { answer_within: zero, ..good }, "`answer_within` is 0s"),
            (Settings { confirm_within: zero, ..good }, "`confirm_within` is 0s"),
            (Settings { contact_within: zero, ..good }, "`contact_within` is 0s"),
            (Settings { approval_within: zero, ..good }, "`approval_within` is 0s"),
            (Settings { reconnect_within: zero, ..good }, "`reconnect_within` is 0s"),
            (Settings { visit_within: zero, ..good }, "`visit_within` is 0s"),
            (Settings { rescue_after: TimeDelta::milliseconds(999), ..good }, "`rescue_after` is 999ms"),
            (Settings { clock_tolerance: -TimeDelta::seconds(1), ..good }, "`clock_tolerance` is -1s"),
            (Settings { retry_share: 1, ..good }, "`retry_share` is 1"),
            (Settings { failures: 0, ..good }, "`failures` is 0"),
            (Settings { first_retry: TimeDelta::hours(25), ..good }, "`first_retry` (1d1h) is above"),
            (
                Settings { policy: Policy { renewal: TimeDelta::days(90), ..Policy::default() }, ..good },
                "`renewal` (90d) is not below `awareness` (90d)",
            ),
        ] {
            let error = Rules::new(settings).unwrap_err().to_string();
            assert!(error.starts_with(named), "{error}");
            let text = serde_json::to_string(&settings).unwrap();
            assert!(serde_json::from_str::<Rules>(&text).unwrap_err().to_string().starts_with(named));
        }
        let short =
            Settings { first_retry: SHORTEST, longest_retry: SHORTEST, retry_share: 2, failures: 1, ..good };
        assert!(Rules::new(short).is_ok());
        assert!(Rules::new(Settings { clock_tolerance: zero, ..good }).is_ok());
        let fixed = Policy {
            awareness_share: Share::NONE,
            renewal_share: Share::NONE,
            follow_up_share: Share::NONE,
            ..Policy::default()
        };
        let rules = Rules::new(Settings { policy: fixed, ..good }).unwrap();
        assert!(rules.checked_for(&CertificateProfile::new(TimeDelta::days(365))).is_ok());
        assert!(matches!(
            rules.checked_for(&CertificateProfile::new(TimeDelta::days(80))),
            Err(SettingsError::Policy(_))
        ));
    }

    #[test]
    fn retry_waits_grow_up_to_the_longest() {
        let rules = Rules::default();
        let minutes: Vec<_> =
            [0, 1, 2, 3, 11, 12, 40, u32::MAX].map(|n| rules.wait(n).num_minutes()).to_vec();
        assert_eq!(minutes, [1, 1, 2, 4, 1024, 1440, 1440, 1440]);
        let long = TimeDelta::days(2_000_000);
        let settings = Settings { first_retry: long, longest_retry: TimeDelta::MAX, ..Settings::default() };
        assert_eq!(Rules::new(settings).unwrap().wait(40), TimeDelta::MAX);
    }

    #[test]
    fn retry_wait_is_bounded_by_what_remains() {
        let rules = Rules::default();
        let now = DateTime::UNIX_EPOCH;
        let (hour, second) = (TimeDelta::hours(1), TimeDelta::seconds(1));
        let nano = TimeDelta::nanoseconds(1);
        for (left, waits) in [
            (hour * 11, hour),
            (hour * 10, hour),
            (hour * 5, hour / 2),
            (second * 10, second),
            // A tenth of it is worth nothing: the next step is when it has ended.
            (second * 10 - nano, second * 10),
            (TimeDelta::zero(), nano),
        ] {
            assert_eq!(rules.again(hour, now, Some(now + left)), now + waits, "{left}");
        }
        assert_eq!(rules.again(hour, now, None), now + hour);
        assert_eq!(rules.again(hour, now, Some(now - nano)), now + hour, "no life remains");
        assert_eq!(rules.again(TimeDelta::MAX, DateTime::<Utc>::MAX_UTC, None), DateTime::<Utc>::MAX_UTC);
    }

    #[test]
    fn the_follow_up_scales_with_the_life() {
        let rules = Rules::default();
        let day = TimeDelta::days;
        for (life, before) in [(None, 30), (Some(day(360)), 30), (Some(day(180)), 30), (Some(day(60)), 10)] {
            assert_eq!(rules.follow_up(life), day(before));
        }
        let policy = Policy {
            follow_up_share: Share::NONE,
            renewal_share: Share::NONE,
            awareness_share: Share::NONE,
            ..Policy::default()
        };
        let rules = Rules::new(Settings { policy, ..Settings::default() }).unwrap();
        assert_eq!(rules.follow_up(Some(day(6))), day(30));
    }
}
