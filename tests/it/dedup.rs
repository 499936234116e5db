//! Deduplication, beside a slow model of its rules.

mod engine;
mod memory;
mod model;
mod probe;
mod random;
mod shared;
mod snapshot;
mod store;
mod ulid_health;
