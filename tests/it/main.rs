//! The library from outside, a module per concept.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

mod allocations;
mod catalog;
mod deepest;
mod diagnosis;
mod imports;
mod model;
mod player;
mod runbook;
