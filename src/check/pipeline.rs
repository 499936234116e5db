//! The checks that ask where the rows of a period were lost, from the device to the database.
//!
//! Each of them works out the share of the missing rows that its finding accounts for ([`share`]), and concludes on it
//! only where that share is large enough.

pub(super) mod acquisition;
pub(super) mod bridge_lost;
pub(super) mod broker_messages;
pub(super) mod catch_up;
#[cfg(feature = "lag")]
pub(super) mod consumer_lag;
pub(super) mod consumer_offset;
#[cfg(feature = "deadband")]
pub(super) mod deadband;
pub(super) mod dedup_drops;
pub(super) mod edge_buffer;
pub(super) mod online_during_gap;
pub(super) mod rows_there;
pub(super) mod schema_rejections;
pub(super) mod service_history;
pub(super) mod share;
pub(super) mod storage_refusals;
pub(super) mod stored_elsewhere;
