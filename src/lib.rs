//! Operational runbooks for industrial IoT fleets, as graphs in data that a platform service executes.

pub mod fact;
pub mod probe;
pub mod subject;
pub mod time;
