//! The checks that ask about the gateway and the site in front of the device.

pub(super) mod gateway_health;
pub(super) mod site_uplink;
