//! Operational runbooks for industrial IoT fleets, as graphs in data that a platform service executes.

pub mod certificate;
pub mod check;
pub mod fact;
pub mod probe;
#[allow(missing_docs, dead_code, clippy::type_complexity)]
pub mod runbook {
    pub mod guard;
    pub mod step;
}
pub mod subject;
pub mod time;
