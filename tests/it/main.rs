//! The library from outside, a module per concept.

#![cfg(feature = "toml")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by them")]

mod allocations;
mod catalog;
mod deepest;
mod diagnosis;
mod runbook;
