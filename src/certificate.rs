//! Certificates: read into plain values, what stage of its life one is in, what the daily sweep over a fleet finds,
//! when each renewal starts and how one runs, its messages, and the prevention checklist. A pure engine: bytes, facts and
//! the time in, values out.

pub mod checklist;
pub mod lifecycle;
pub mod message;
mod policy;
pub mod schedule;
pub mod service;
pub mod sweep;
pub mod validity;

pub use policy::{CertificateProfile, Facts, Policy, PolicyError, Share, ShareError, Stage, effective_end};
