//! Runbooks: validated, immutable graphs of steps.
//!
//! A [`Document`](document::Document) is what somebody wrote; [`Document::validate`](document::Document::validate) proves
//! it and makes a [`Runbook`], or lists every fault with its line. So a `Runbook` is always valid: the guards of each step
//! are disjoint and cover its domain, every target exists, every step is reachable and reaches a conclusion, and every
//! cycle contains a wait. A [`RunbookSet`] links runbooks that hand over to each other; a diagnosis walks in a set.
//!
//! [`Runbook::graph`] gives the steps and transitions to petgraph; [`Runbook::to_mermaid`] and [`Runbook::to_dot`] draw
//! them, with the path of a diagnosis as a [`Highlight`].

mod chart;
mod cover;
mod describe;
pub mod document;
mod dot;
pub mod fault;
mod fingerprint;
mod graph;
pub mod guard;
mod mermaid;
mod set;
pub mod step;
pub(crate) mod suggest;
pub mod text;
mod validate;

use std::sync::Arc;

use chrono::TimeDelta;

use step::{Query, Recheck, Step, StepIndex, StepKind};

pub use fingerprint::{Fingerprint, FingerprintError};
pub use graph::{Highlight, Transition};
#[cfg(feature = "report")]
pub(crate) use mermaid::escape as mermaid_escape;
pub use set::{RunbookSet, SetError, SetErrors};
pub(crate) use validate::malformed_id;

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
    pub(crate) unless: Option<Arc<Recheck>>,
    pub(crate) clock_tolerance: TimeDelta,
    pub(crate) longest: TimeDelta,
}

/// The clock tolerance of a runbook that declares none.
pub const CLOCK_TOLERANCE: TimeDelta = TimeDelta::seconds(30);

/// The longest duration of a diagnosis whose runbook declares none.
pub const LONGEST: TimeDelta = TimeDelta::days(30);

impl Runbook {
    /// Its name, unique in a set, such as `device-offline`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its version, counted by its author.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.0.version
    }

    /// What it is for, in a line.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.0.title
    }

    /// What it means, in 32 bytes: the same for every document that walks the same way.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }

    /// The step it begins with.
    #[must_use]
    pub fn start(&self) -> StepIndex {
        self.0.start
    }

    /// Its steps, conclusions included, in the order of their ids.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0.steps
    }

    /// The step at that position.
    #[must_use]
    pub fn step(&self, at: StepIndex) -> Option<&Step> {
        self.0.steps.get(at.position())
    }

    /// The position of the step of that id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<StepIndex> {
        let at = self.0.steps.binary_search_by(|step| (*step.id).cmp(id)).ok()?;
        u32::try_from(at).ok().map(StepIndex)
    }

    /// The ids and positions of its conclusions, in the order of their ids.
    pub fn conclusions(&self) -> impl Iterator<Item = (&str, StepIndex)> {
        (0_u32..)
            .zip(&self.0.steps)
            .filter(|(_, step)| matches!(step.kind, StepKind::Conclude(_)))
            .map(|(at, step)| (&*step.id, StepIndex(at)))
    }

    /// What its steps ask: each check with its params, once.
    #[must_use]
    pub fn queries(&self) -> &[Query] {
        &self.0.queries
    }

    /// Root causes in the order of their frequency, the likeliest first.
    pub fn prior(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.prior.iter().map(AsRef::as_ref)
    }

    /// What is asked again before a diagnosis ends undetermined, and consulted when a fact is pushed in.
    #[must_use]
    pub fn unless(&self) -> Option<&Recheck> {
        self.0.unless.as_deref()
    }

    /// How far the clocks of a platform may differ: an instant this far in the future still counts as now.
    #[must_use]
    pub fn clock_tolerance(&self) -> TimeDelta {
        self.0.clock_tolerance
    }

    /// How long a diagnosis that begins with this runbook may take.
    #[must_use]
    pub fn longest(&self) -> TimeDelta {
        self.0.longest
    }
}
