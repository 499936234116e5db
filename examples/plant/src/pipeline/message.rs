//! A message as it travels: what a firmware writes, and what the schema registry says it may look like.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// The schema version that is registered for every device of the pipeline.
pub const REGISTERED_SCHEMA: &str = "1";

/// A firmware: what a device's messages look like, and how it numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Firmware {
    /// What the fleet runs.
    Stable,
    /// It writes the reading as an object with its unit. Nobody registered that schema.
    NewSchema,
    /// Its message counter has three bits: ids come again after eight messages.
    ShortCounter,
}

impl Firmware {
    /// Its version.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Stable => "1.4.0",
            Self::NewSchema => "2.0.0",
            Self::ShortCounter => "1.4.1",
        }
    }

    /// The id of its message of this number.
    pub fn id(self, device: &str, number: u64) -> String {
        match self {
            Self::Stable | Self::NewSchema => format!("{device}-{number:08}"),
            Self::ShortCounter => format!("{device}-b{}", number % 8),
        }
    }

    /// Its message of this number.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(self, device: &str, number: u64, at: DateTime<Utc>, value: f64) -> Result<Vec<u8>> {
        let (id, firmware, at) = (self.id(device, number), self.version(), at.timestamp_micros());
        let message = match self {
            Self::NewSchema => serde_json::json!({
                "id": id, "device": device, "firmware": firmware, "at": at,
                "reading": { "value": value, "unit": "bar" },
            }),
            Self::Stable | Self::ShortCounter => serde_json::json!({
                "id": id, "device": device, "firmware": firmware, "at": at, "value": value,
            }),
        };
        Ok(serde_json::to_vec(&message)?)
    }
}

/// A message of the registered schema. Anything else is refused, with the reason.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Valid {
    /// Its id, by the firmware's numbering.
    pub id: String,
    /// The device.
    pub device: String,
    /// The firmware that wrote it.
    pub firmware: String,
    /// When the sample was taken, in microseconds since the Unix epoch.
    pub at: i64,
    /// The value.
    pub value: f64,
}

/// Validates a message against the registered schema.
///
/// # Errors
/// With what does not fit.
pub fn validate(payload: &[u8]) -> Result<Valid, String> {
    serde_json::from_slice(payload).map_err(|error| error.to_string())
}

/// The firmware version that a message names, whatever its schema.
pub fn firmware_of(payload: &[u8]) -> Option<String> {
    let message: serde_json::Value = serde_json::from_slice(payload).ok()?;
    Some(message.get("firmware")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_takes_stable_firmware_only() {
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let write = |firmware: Firmware| firmware.write("press-9", 9, at, 1.5).unwrap();
        let valid = validate(&write(Firmware::Stable)).unwrap();
        assert_eq!((&*valid.id, valid.value), ("press-9-00000009", 1.5));
        assert_eq!(validate(&write(Firmware::ShortCounter)).unwrap().id, "press-9-b1");
        let refused = validate(&write(Firmware::NewSchema)).unwrap_err();
        assert!(refused.contains("reading"), "{refused}");
        assert_eq!(firmware_of(&write(Firmware::NewSchema)).unwrap(), "2.0.0");
    }
}
