//! The checks that ask about what is in front of the device: its gateway, its site, and the ways between them.

pub(super) mod broker_path;
pub(super) mod field_path;
pub(super) mod field_polls;
pub(super) mod gateway_health;
pub(super) mod gateway_went_first;
pub(super) mod restart_needed;
pub(super) mod seen_elsewhere;
pub(super) mod site_power;
pub(super) mod site_uplink;
