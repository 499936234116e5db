//! Deadbands: which samples of a tag are worth reporting.

pub mod batch;
pub mod filter;
pub mod profile;
pub mod sample;
