//! Certificates: read into plain values, what stage of its life one is in, and the messages of a renewal. A pure engine: bytes, facts and the
//! time in, values and a stage out.

pub mod message;
mod policy;
pub mod validity;

pub use policy::{Facts, Policy, PolicyError, Stage, Terms, effective_end};
