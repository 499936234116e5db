//! An id, as it was received.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::dedup::{Device, MessageId};

/// How many bits of a ULID are random.
pub(super) const RANDOM_BITS: u32 = 80;

/// An id, the device that it came from, and when it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sighting {
    /// The id.
    #[serde(with = "as_text")]
    pub id: MessageId,
    /// The device.
    pub device: Device,
    /// When it was received, by the clock of the receiver.
    pub received_at: DateTime<Utc>,
}

impl Sighting {
    /// The timestamp of the id, in milliseconds since 1970.
    pub(super) const fn stamp(&self) -> u64 {
        stamp(self.id)
    }

    /// The timestamp of the id, as a date.
    #[must_use]
    pub fn timestamp(&self) -> DateTime<Utc> {
        date(self.stamp())
    }

    /// The 80 random bits of the id.
    pub(super) const fn random(&self) -> u128 {
        random(self.id)
    }
}

/// The first 48 bits.
pub(super) const fn stamp(id: MessageId) -> u64 {
    (id.to_u128() >> RANDOM_BITS) as u64
}

/// The last 80 bits.
pub(super) const fn random(id: MessageId) -> u128 {
    id.to_u128() & ((1 << RANDOM_BITS) - 1)
}

/// Milliseconds since 1970 as a date; 48 bits of them end in the year 10889.
pub(super) fn date(ms: u64) -> DateTime<Utc> {
    i64::try_from(ms).ok().and_then(DateTime::from_timestamp_millis).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// An id as a ULID's text, for 128 bits are more than a number has in most formats.
mod as_text {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::dedup::MessageId;

    pub(super) fn serialize<S: Serializer>(id: &MessageId, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<MessageId, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(from)?;
        MessageId::from_ulid_text(&text).map_err(D::Error::custom)
    }
}
