//! What a built-in check is: one trait, apart from the list of all of them, so that no check has to know the others.

use super::CheckRequest;
use super::param::{Given, ParamSpec};
use crate::fact::{ChoicesError, Domain, Observation};
use crate::probe::{ProbeError, Probes};
use crate::runbook::step::About;
use crate::subject::Scope;

/// A built-in check with its params parsed.
pub(in crate::check) trait Builtin: Sized {
    const ID: &'static str;
    const SCOPE: Scope;
    const ABOUT: About;
    /// The params that a step may give it.
    const PARAMS: &'static [ParamSpec] = &[];

    fn domain() -> Result<Domain, ChoicesError>;

    /// Reads the params, which have been proven against [`Self::PARAMS`]; `None` only where they were not.
    fn bind(params: &Given<'_>) -> Option<Self>;

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError>;
}
