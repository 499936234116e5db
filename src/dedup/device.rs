//! Devices as small numbers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The number of a device: what a record of 32 bytes has room for.
///
/// It is yours where your devices have numbers, and one of [`Devices`] where they have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Device(u32);

impl Device {
    /// The largest number: 268 435 455.
    pub const MAX: Self = Self((1 << 28) - 1);

    /// The device of that number.
    ///
    /// # Errors
    /// [`DeviceError::TooLarge`] beyond [`Device::MAX`].
    pub const fn new(number: u32) -> Result<Self, DeviceError> {
        if number <= Self::MAX.0 { Ok(Self(number)) } else { Err(DeviceError::TooLarge { number }) }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The device in the lower 28 bits.
    pub(super) const fn from_low_bits(bits: u32) -> Self {
        Self(bits & Self::MAX.0)
    }
}

impl TryFrom<u32> for Device {
    type Error = DeviceError;

    fn try_from(number: u32) -> Result<Self, DeviceError> {
        Self::new(number)
    }
}

impl From<Device> for u32 {
    fn from(device: Device) -> Self {
        device.0
    }
}

/// Gives numbers to names of devices, in the order in which they come, and finds the names again.
///
/// One table for one engine, kept as long as it: the numbers of two tables mean different devices. A table made anew for each
/// message gives every device the number 0, and then messages of one device are dropped as copies of another's.
///
/// Ask once for each session of a device, not for each message. A snapshot of a window takes the names with it.
///
/// ```
/// use iot_runbook::dedup::{DeviceError, Devices};
///
/// let mut devices = Devices::default();
/// let press = devices.number("press-4")?;
/// assert_eq!(devices.number("press-4")?, press);
/// assert_eq!(devices.name(press), Some("press-4"));
/// # Ok::<(), DeviceError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Devices {
    numbers: HashMap<Arc<str>, Device>,
    names: Vec<Arc<str>>,
}

impl Devices {
    /// The device of that name; a new one where the name is new.
    ///
    /// # Errors
    /// [`DeviceError::TooMany`] when there are more names than numbers.
    pub fn number(&mut self, name: &str) -> Result<Device, DeviceError> {
        if let Some(device) = self.numbers.get(name) {
            return Ok(*device);
        }
        self.add(name.into())
    }

    /// The device of that name, if it has been given a number.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Device> {
        self.numbers.get(name).copied()
    }

    /// The name of a device; `None` where the number was not given by this table.
    #[must_use]
    pub fn name(&self, device: Device) -> Option<&str> {
        self.names.get(usize::try_from(device.0).ok()?).map(|name| &**name)
    }

    /// Every name, in the order of their numbers.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    fn add(&mut self, name: Arc<str>) -> Result<Device, DeviceError> {
        let device = u32::try_from(self.names.len()).map_or(Err(DeviceError::TooMany), |number| {
            Device::new(number).map_err(|_| DeviceError::TooMany)
        })?;
        match self.numbers.entry(name) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(free) => {
                self.names.push(Arc::clone(free.key()));
                Ok(*free.insert(device))
            }
        }
    }
}

/// Numbers are given in the order of the names; a name that comes again is passed over, and so are names beyond
/// [`Device::MAX`].
impl<T: Into<Arc<str>>> FromIterator<T> for Devices {
    fn from_iter<I: IntoIterator<Item = T>>(names: I) -> Self {
        let mut devices = Self::default();
        for name in names {
            if devices.add(name.into()).is_err() {
                break;
            }
        }
        devices
    }
}

/// Why there is no such device.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The number is too large.
    #[error("device {number} is beyond {}, the largest number: give devices smaller ones, as `Devices` does", Device::MAX.0)]
    TooLarge {
        /// The number.
        number: u32,
    },
    /// The table is full.
    #[error("{} devices have been given numbers, and there are no more: begin a new table", Device::MAX.0)]
    TooMany,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbered_and_found_again() {
        let mut devices: Devices = ["a", "b", "a", "c"].into_iter().collect();
        assert_eq!(devices.names().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(devices.number("b").unwrap().number(), 1);
        assert_eq!(devices.number("").unwrap().number(), 3);
        assert_eq!(devices.find("d"), None);
        assert_eq!(devices.find("c").and_then(|device| devices.name(device)), Some("c"));
        assert_eq!(devices.name(Device::MAX), None);
        let again: Devices = devices.names().collect();
        assert_eq!(again.find(""), devices.find(""));
    }

    #[test]
    fn numbers_end_where_the_records_room_ends() {
        assert_eq!(Device::new(Device::MAX.number()), Ok(Device::MAX));
        let number = Device::MAX.number() + 1;
        assert_eq!(Device::new(number), Err(DeviceError::TooLarge { number }));
        assert_eq!(serde_json::from_str::<Device>("7").unwrap().number(), 7);
        assert!(serde_json::from_str::<Device>("268435456").is_err());
    }
}
