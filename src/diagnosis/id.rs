//! The identity of a diagnosis, and the numbers of its requests.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use ulid::Ulid;

/// The identity of a diagnosis: a ULID. As text its 26 letters and digits, in documents too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiagnosisId(Ulid);

/// A text that is no identity of a diagnosis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a ULID: 26 characters of Crockford's base 32, the first at most 7")]
pub struct DiagnosisIdError {
    text: String,
}

/// The operating system gave no random bits for an identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bits for an identity ({why}); make one with `DiagnosisId::new`")]
pub struct NoRandomness {
    why: String,
}

impl DiagnosisId {
    /// The identity that `ulid` is.
    #[must_use]
    pub const fn new(ulid: Ulid) -> Self {
        Self(ulid)
    }

    /// A new identity: the time, and 80 random bits of the operating system.
    ///
    /// # Errors
    /// [`NoRandomness`] where the operating system gives none.
    ///
    /// ```
    /// use chrono::{TimeZone, Utc};
    /// use iot_runbook::diagnosis::DiagnosisId;
    ///
    /// let now = Utc.timestamp_opt(1_800_000_000, 0).unwrap();
    /// let (one, other) = (DiagnosisId::random(now)?, DiagnosisId::random(now)?);
    /// assert_ne!(one, other);
    /// assert_eq!(one.to_string()[..10], other.to_string()[..10], "both begin with the time");
    /// # Ok::<(), iot_runbook::diagnosis::NoRandomness>(())
    /// ```
    pub fn random(now: DateTime<Utc>) -> Result<Self, NoRandomness> {
        let mut random = [0; 16];
        // Of the 128 bits of a ULID the first 48 are the time.
        let (_, bytes) = random.split_at_mut(6);
        self::random(bytes)?;
        // Before 1970 there is no ULID; the random bits alone keep it unique.
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        Ok(Self(Ulid::from_parts(millis, u128::from_be_bytes(random))))
    }

    /// As a ULID.
    #[must_use]
    pub const fn ulid(self) -> Ulid {
        self.0
    }
}

impl From<Ulid> for DiagnosisId {
    fn from(ulid: Ulid) -> Self {
        Self(ulid)
    }
}

impl std::str::FromStr for DiagnosisId {
    type Err = DiagnosisIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The decoder lets a first character above 7 overflow: only what is written the same again is an id.
        Ulid::from_string(text)
            .ok()
            .map(Self)
            .filter(|id| id.to_string() == text)
            .ok_or_else(|| DiagnosisIdError { text: text.chars().take(40).collect() })
    }
}

impl fmt::Display for DiagnosisId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for DiagnosisId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

as_text!(DiagnosisId);

/// The number of a request within its diagnosis, from zero in the order of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub(super) u32);

impl RequestId {
    /// The number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Fills `bytes` from the operating system.
pub(super) fn random(bytes: &mut [u8]) -> Result<(), NoRandomness> {
    getrandom::fill(bytes).map_err(|error| NoRandomness { why: error.to_string() })
}
