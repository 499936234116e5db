//! The checks that ask the broker about a client: its connections and its messages.

pub(super) mod broker_connect;
pub(super) mod disconnect_count;
pub(super) mod gateway_publishing;
pub(super) mod sessions;
