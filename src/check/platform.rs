//! The check that asks about the platform itself.

pub(super) mod platform_health;
