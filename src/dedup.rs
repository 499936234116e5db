//! Deduplication: is this message a copy of one that was seen?

mod device;
mod id;
mod message;
mod secret;
pub mod verdict;

pub use device::{Device, DeviceError, Devices};
pub use id::{MessageId, UlidTextError};
pub use message::{Message, Position};
pub use secret::{Fingerprint, Secret};
pub use verdict::{FirstSeen, Verdict};
