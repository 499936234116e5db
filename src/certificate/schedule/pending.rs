use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::window::Window;
use crate::subject::DeviceId;

/// A renewal that waits to be started. There is one for each device and generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pending {
    /// The device, by the id that the platform uses.
    pub device: DeviceId,
    /// Which certificate of the device is to be replaced.
    pub generation: u32,
    /// When its renewal became due, or will.
    pub due: DateTime<Utc>,
    /// Its effective end.
    pub end: DateTime<Utc>,
    /// The window that the CA suggests, where it does.
    pub window: Option<Window>,
    /// Its key is compromised: it goes before all others, and nothing but the rate holds it back.
    pub compromised: bool,
}

impl Pending {
    /// Of a certificate that comes due and ends then; no window of the CA is known, and its key is safe.
    #[must_use]
    pub fn new(device: impl Into<DeviceId>, generation: u32, due: DateTime<Utc>, end: DateTime<Utc>) -> Self {
        Self { device: device.into(), generation, due, end, window: None, compromised: false }
    }

    setters! {
        /// The same with a window that the CA suggests.
        const with_window(window: Option<Window>) => window = window;
        /// The same with a key that is compromised, or is not.
        const with_compromised(compromised: bool) => compromised = compromised;
    }
}
