//! The service as a process, over a PostgreSQL of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

mod alerts;
mod crash;
mod limits;
mod people;
mod replicas;
mod requests;
mod service;
mod stop;
mod unsaved;
mod upgrade;
mod world;
