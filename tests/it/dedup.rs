//! Deduplication, beside a slow model of its rules.

mod engine;
mod model;
mod random;
mod store;
mod ulid_health;
