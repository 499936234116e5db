//! Certificates: read into plain values, and what stage of its life one is in. A pure engine: bytes, facts and the
//! time in, values and a stage out.

mod policy;
pub mod validity;

pub use policy::{Facts, Policy, PolicyError, Stage, Terms, effective_end};
