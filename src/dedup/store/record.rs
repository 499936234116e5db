//! What a store holds of a message.

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::dedup::{Device, Fingerprint, Message, Position};

/// What a store holds of a message, and what a verdict needs: the device, the fingerprint of the payload, the
/// position in its source, when it was seen, and whether it is still in somebody's hands.
///
/// # Byte form
/// 38 bytes, and 12 more where the position is known; all numbers little-endian.
///
/// | bytes | is |
/// |---|---|
/// | 0 | the version of the form: 1 |
/// | 1 | flags: 1 in flight, 2 with a position; the others are zero |
/// | 2–5 | the device's number, at most 28 bits |
/// | 6–13 | the fingerprint |
/// | 14–21 | when it was first seen, in milliseconds since 1970 |
/// | 22–29 | the sighting that the TTL runs from in a sliding window, in the same |
/// | 30–37 | a random number that shows who put it |
/// | 38–41, 42–49 | the source and the offset |
///
/// Each record has one form, and each form that is read is written the same again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    pub(super) device: Device,
    pub(super) payload: Fingerprint,
    pub(super) position: Option<Position>,
    pub(super) in_flight: bool,
    /// Both in milliseconds since 1970, within chrono's calendar.
    pub(super) first_seen: i64,
    pub(super) last_seen: i64,
    pub(super) token: u64,
}

const VERSION: u8 = 1;
const IN_FLIGHT: u8 = 1;
const WITH_POSITION: u8 = 2;
const SHORT: usize = 38;
const LONG: usize = 50;

impl StoredRecord {
    pub(super) fn new(message: &Message, now: i64, in_flight: bool, token: u64) -> Self {
        Self {
            device: message.device,
            payload: message.payload,
            position: message.position,
            in_flight,
            first_seen: now,
            last_seen: now,
            token,
        }
    }

    /// The device that sent the message.
    #[must_use]
    pub const fn device(&self) -> Device {
        self.device
    }

    /// The fingerprint of its payload.
    #[must_use]
    pub const fn payload(&self) -> Fingerprint {
        self.payload
    }

    /// Where it was read from, if that is known.
    #[must_use]
    pub const fn position(&self) -> Option<Position> {
        self.position
    }

    /// When it was first seen, or reserved.
    #[must_use]
    pub fn first_seen(&self) -> DateTime<Utc> {
        instant(self.first_seen)
    }

    /// The last sighting, where the window slides; else the first.
    #[must_use]
    pub fn last_seen(&self) -> DateTime<Utc> {
        instant(self.last_seen)
    }

    pub(super) fn agrees(&self, message: &Message) -> bool {
        self.device == message.device && self.payload == message.payload
    }

    /// Its byte form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LONG);
        let position = if self.position.is_some() { WITH_POSITION } else { 0 };
        bytes.push(VERSION);
        bytes.push(position | if self.in_flight { IN_FLIGHT } else { 0 });
        bytes.extend(self.device.number().to_le_bytes());
        bytes.extend(self.payload.to_u64().to_le_bytes());
        bytes.extend(self.first_seen.to_le_bytes());
        bytes.extend(self.last_seen.to_le_bytes());
        bytes.extend(self.token.to_le_bytes());
        if let Some(position) = self.position {
            bytes.extend(position.source.to_le_bytes());
            bytes.extend(position.offset.to_le_bytes());
        }
        bytes
    }

    /// Reads a byte form.
    ///
    /// # Errors
    /// [`RecordError`], which says what is wrong with it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        let length = bytes.len();
        let mut rest = bytes;
        let [version] = take(&mut rest, length)?;
        if version != VERSION {
            return Err(RecordError::Version { version });
        }
        let [flags] = take(&mut rest, length)?;
        if flags & !(IN_FLIGHT | WITH_POSITION) != 0 {
            return Err(RecordError::Flags { flags });
        }
        let device = u32::from_le_bytes(take(&mut rest, length)?);
        let device = Device::new(device).map_err(|_| RecordError::Device { device })?;
        let payload = Fingerprint::from_u64(u64::from_le_bytes(take(&mut rest, length)?));
        let first_seen = time(i64::from_le_bytes(take(&mut rest, length)?))?;
        let last_seen = time(i64::from_le_bytes(take(&mut rest, length)?))?;
        let token = u64::from_le_bytes(take(&mut rest, length)?);
        let position = if flags & WITH_POSITION == 0 {
            None
        } else {
            let source = u32::from_le_bytes(take(&mut rest, length)?);
            Some(Position::new(source, u64::from_le_bytes(take(&mut rest, length)?)))
        };
        if !rest.is_empty() {
            return Err(RecordError::Length { length });
        }
        let in_flight = flags & IN_FLIGHT != 0;
        Ok(Self { device, payload, position, in_flight, first_seen, last_seen, token })
    }
}

/// The first `N` bytes, which are taken from the rest.
fn take<const N: usize>(rest: &mut &[u8], length: usize) -> Result<[u8; N], RecordError> {
    let (first, others) = rest.split_first_chunk().ok_or(RecordError::Length { length })?;
    *rest = others;
    Ok(*first)
}

fn time(ms: i64) -> Result<i64, RecordError> {
    DateTime::from_timestamp_millis(ms).map(|_| ms).ok_or(RecordError::Time { ms })
}

pub(super) fn instant(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Why bytes are no record.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// They are too few or too many.
    #[error(
        "a record has {SHORT} bytes, or {LONG} with a position, and this has {length}: something else writes under these keys"
    )]
    Length {
        /// How many there are.
        length: usize,
    },
    /// The form is of another version.
    #[error(
        "the record is of version {version}, and this library reads version {VERSION}: bring every machine that shares the store to the newer one"
    )]
    Version {
        /// The version.
        version: u8,
    },
    /// There are flags that this version does not know.
    #[error("the record's flags are {flags:#010b}, and only the last two are known: it is damaged")]
    Flags {
        /// The flags.
        flags: u8,
    },
    /// The device's number is too large.
    #[error("the record's device is {device}, beyond {}: it is damaged", Device::MAX.number())]
    Device {
        /// The number.
        device: u32,
    },
    /// A time is beyond the calendar.
    #[error("a time of the record is {ms} ms since 1970, beyond the calendar: it is damaged")]
    Time {
        /// The milliseconds.
        ms: i64,
    },
}

const _: () = assert!(SHORT == 2 + 4 + 4 * 8 && LONG == SHORT + 4 + 8);

#[cfg(test)]
mod tests {
    use super::*;

    fn record(position: Option<Position>, in_flight: bool) -> StoredRecord {
        StoredRecord {
            device: Device::MAX,
            payload: Fingerprint::from_u64(0x0102_0304_0506_0708),
            position,
            in_flight,
            first_seen: -1,
            last_seen: 1_800_000_000_123,
            token: 9,
        }
    }

    #[test]
    fn the_form_is_as_it_is_described() {
        let bytes = record(Some(Position::new(3, 0x0A0B)), true).to_bytes();
        let mut expected = vec![1, 3, 255, 255, 255, 15, 8, 7, 6, 5, 4, 3, 2, 1];
        expected.extend([255; 8]);
        expected.extend(1_800_000_000_123_i64.to_le_bytes());
        expected.extend([9, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0x0B, 0x0A, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes, expected);
        assert_eq!(record(None, false).to_bytes().len(), SHORT);
    }

    #[test]
    fn each_damage_is_named() {
        let good = record(None, false).to_bytes();
        assert_eq!(StoredRecord::from_bytes(&good), Ok(record(None, false)));
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            StoredRecord::from_bytes(&bytes).unwrap_err()
        };
        assert_eq!(with(0, 2), RecordError::Version { version: 2 });
        assert_eq!(with(1, 4), RecordError::Flags { flags: 4 });
        assert_eq!(with(1, 2), RecordError::Length { length: SHORT });
        assert_eq!(with(5, 16), RecordError::Device { device: 0x10FF_FFFF });
        assert_eq!(with(21, 127), RecordError::Time { ms: i64::MAX });
        assert_eq!(with(29, 128), RecordError::Time { ms: i64::MIN + 1_800_000_000_123 });
        for length in 0..SHORT {
            assert_eq!(StoredRecord::from_bytes(&good[..length]), Err(RecordError::Length { length }));
        }
        let longer: Vec<_> = good.iter().copied().chain([0]).collect();
        assert_eq!(StoredRecord::from_bytes(&longer), Err(RecordError::Length { length: SHORT + 1 }));
    }
}
