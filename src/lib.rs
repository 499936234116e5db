//! Operational runbooks for industrial IoT fleets, as graphs in data that a platform service executes.

#[cfg(feature = "toml")]
pub mod catalog;
pub mod certificate;
pub mod check;
pub mod diagnosis;
pub mod driver;
pub mod fact;
#[cfg(feature = "mock")]
pub mod mock;
pub mod probe;
pub mod runbook;
pub mod subject;
pub mod time;
