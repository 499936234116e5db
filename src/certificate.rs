//! Certificates: what stage of its life one is in. A pure engine: facts and the time in, a stage out.

pub mod checklist;
mod policy;
pub mod sweep;

pub use policy::{Facts, Policy, Stage, effective_end};
