//! The checks that ask the broker about a client: its connections and its messages.

pub(super) mod broker_connect;
pub(super) mod flap_history;
pub(super) mod holder;
pub(super) mod holder_clock;
pub(super) mod publishing;
pub(super) mod refusal;
pub(super) mod sessions;
