//! Deduplication: is this message a copy of one that was seen?

pub mod audit;
mod clock;
mod deduplicator;
mod device;
mod id;
mod index;
mod log;
mod message;
mod placing;
mod reservation;
mod secret;
mod settings;
pub mod snapshot;
pub mod store;
mod tracker;
pub mod ulid_health;
pub mod verdict;

pub use audit::Audit;
pub use clock::{ClockAudit, Holding};
pub use deduplicator::Deduplicator;
pub use device::{Device, DeviceError, Devices};
pub use id::{MessageId, UlidTextError};
pub use message::{Message, Position};
pub use reservation::{Reservation, ReservationError};
pub use secret::{Fingerprint, Secret};
pub use settings::{AtLimit, Limit, Settings, SettingsError, Window};
pub use snapshot::{RestoreError, Restored, Saved};
pub use verdict::{FirstSeen, Verdict};
