//! The record of an emergency: what happened, why the renewal by itself did not do, and when to alert the next time.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::credential::Refusal;
use super::timeline::Entry;
use crate::certificate::message::Reason;
use crate::certificate::policy::text;
use crate::certificate::validity::Fingerprint;
use crate::subject::DeviceId;
use crate::time::saturating_add;

/// The record of one emergency, from the end of a certificate to the device's return. Plain data, to be kept and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PostMortem {
    /// The device.
    pub device: DeviceId,
    /// The certificate that it could not use any more.
    pub lost: Fingerprint,
    /// When that ended, or was retired for its key.
    pub lost_at: DateTime<Utc>,
    /// When the emergency was seen.
    pub opened_at: DateTime<Utc>,
    /// When the device was back, or given up.
    pub closed_at: DateTime<Utc>,
    /// How it came back.
    pub outcome: Outcome,
    /// Why the automatic renewal failed, as far as is known.
    pub cause: Cause,
    /// What happened since the renewal began, the oldest first.
    pub timeline: Vec<Entry>,
    /// How long before the end of a certificate to alert from now on, so that the same handling is in time: the follow-up
    /// bound that stood, and the time that the device was cut off for. `None`: no earlier alert would have helped,
    /// for a key that is compromised gives no notice.
    #[serde(default, with = "optional")]
    pub alert_before: Option<TimeDelta>,
}

/// How a device came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Outcome {
    /// By the renewal, late.
    Renewed,
    /// By its manufacturing certificate.
    ReProvisioned,
    /// By the emergency certificate.
    EmergencyCertificate,
    /// By a certificate that somebody installed otherwise.
    InstalledByHand,
    /// By a certificate that it had before, and that was valid still.
    WentBack,
    /// It was taken out of service before it was back.
    Decommissioned,
}

/// Why an automatic renewal failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Cause {
    /// Devices of this type have none.
    NoAutoRenewal,
    /// None was begun: nobody looked in time.
    NotBegun,
    /// The issuer ended, and was not replaced.
    IssuerBinds,
    /// No certificate was issued.
    NotIssued {
        /// The latest failure, where one was reported.
        reason: Option<Reason>,
    },
    /// What was issued could not be used.
    Refused {
        /// Why.
        why: Refusal,
    },
    /// The certificate was not published.
    NotPublished,
    /// The device never said anything of the certificate: it was offline.
    DeviceSilent,
    /// The device could not take the certificate, or its test failed.
    DeviceFailed {
        /// Why.
        reason: Reason,
    },
    /// The device has it, and was not seen with it.
    NotConfirmed,
    /// A key was compromised, or the certificate was retired while the device went back to it.
    Retired,
}

/// How much earlier to alert.
pub(super) fn alert_before(bound: TimeDelta, lost_at: DateTime<Utc>, back_at: DateTime<Utc>) -> TimeDelta {
    let cut_off = back_at.signed_duration_since(lost_at).max(TimeDelta::zero());
    // Through the calendar, which ends where the sum would not fit.
    saturating_add(DateTime::UNIX_EPOCH, bound)
        .checked_add_signed(cut_off)
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
        .signed_duration_since(DateTime::UNIX_EPOCH)
}

/// A length of time that may be missing, as text.
mod optional {
    use chrono::TimeDelta;
    use serde::{Deserialize, Deserializer, Serialize as _, Serializer};

    use super::text;

    #[derive(serde::Serialize, Deserialize)]
    struct Text(#[serde(with = "text")] TimeDelta);

    pub(super) fn serialize<S: Serializer>(
        length: &Option<TimeDelta>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        length.map(Text).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<TimeDelta>, D::Error> {
        Ok(Option::<Text>::deserialize(deserializer)?.map(|Text(length)| length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_alert_covers_the_outage() {
        let end = DateTime::UNIX_EPOCH;
        let day = TimeDelta::days;
        assert_eq!(alert_before(day(30), end, end + day(4)), day(34));
        assert_eq!(alert_before(day(30), end, end - day(4)), day(30));
        let whole = alert_before(day(30), DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
        assert!(whole > day(90_000_000), "{whole}");
    }
}
