//! Deduplication, beside a slow model of its rules.

mod engine;
mod model;
mod random;
//! Deduplication from outside.

mod store;
mod ulid_health;
