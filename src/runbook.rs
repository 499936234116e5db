//! Runbooks: validated, immutable graphs of steps.
//!
//! A [`Runbook`] value that exists is valid: the guards of each step are disjoint and cover its domain, every
//! target exists, every step is reached and reaches an end, and no cycle is without a wait.

pub mod guard;
pub mod step;

use std::sync::Arc;

use guard::Branches;
use step::{HandoverStep, Query, QueryIndex, Step, StepIndex, StepKind};

/// A validated, immutable runbook. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Runbook(Arc<Graph>);

#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) name: Box<str>,
    pub(crate) version: u32,
    pub(crate) title: Box<str>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) start: StepIndex,
    /// In the order of their ids.
    pub(crate) steps: Box<[Step]>,
    pub(crate) queries: Box<[Query]>,
    /// Root causes, the likeliest first.
    pub(crate) prior: Box<[Box<str>]>,
}
