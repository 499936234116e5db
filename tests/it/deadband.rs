//! Deadbands: each engine beside a slow and obvious model of it.

mod allocations;
mod audit;
mod bank;
mod exact;
mod filter;
mod model;
mod profile;
#[cfg(feature = "report")]
mod report;
mod restore;
mod shadow;
mod streams;
mod swinging_door;
