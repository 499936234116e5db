//! The library from outside, a module per concept.
#![cfg(feature = "toml")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

mod adapter;
mod allocations;
mod case;
mod catalog;
mod certificate;
mod check;
mod deadband;
mod dedup;
mod deepest;
mod diagnosis;
mod driver;
mod examples;
mod field;
mod fleet;
mod gap;
mod imports;
mod lag;
mod layers;
mod machine;
mod memory;
mod misuse;
mod model;
mod names;
mod never_wrongly_certain;
mod player;
mod random;
mod redaction;
mod rehearsals;
mod report;
mod runbook;
mod situations;
mod traced;
