//! Deduplication, beside a slow model of its rules.

mod engine;
mod model;
mod random;
//! Deduplication from outside.

mod ulid_health;
