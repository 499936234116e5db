//! Deadbands: which samples of a tag are worth reporting.

pub mod audit;
pub mod batch;
pub mod filter;
pub mod profile;
pub mod sample;
pub mod swinging_door;
