//! The checks that ask about the device itself: its state in the registry, its messages, its power and its network.

pub(super) mod device_back;
pub(super) mod device_reconnected;
pub(super) mod last_seen;
pub(super) mod messages;
pub(super) mod ot_network;
pub(super) mod path;
pub(super) mod power;
pub(super) mod presence;
pub(super) mod service_state;
