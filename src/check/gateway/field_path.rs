use crate::check::CheckRequest;
use crate::check::device::path::{self, Reach};
use crate::check::judge::{adapter, no_subject};
use crate::check::param::Given;
use crate::check::spec::Builtin;
use crate::fact::{ChoicesError, Domain, Observation};
use crate::probe::{ProbeError, Probes, Vantage};
use crate::runbook::step::About;
use crate::subject::Scope;

/// Does the device answer its gateway: on the port of its protocol, otherwise, and if not, does its segment?
pub(in crate::check) struct FieldPath;

impl Builtin for FieldPath {
    const ID: &'static str = "field-path";
    const SCOPE: Scope = Scope::Gateway;
    const ABOUT: About = About::Now;

    fn domain() -> Result<Domain, ChoicesError> {
        Reach::domain()
    }

    fn bind(_: &Given<'_>) -> Option<Self> {
        Some(Self)
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let probe = adapter(probes.network(), "network probe")?;
        let Some(gateway) = &request.subject().gateway else {
            return Ok(no_subject("gateway", probe.source()));
        };
        let path = path::device_path(probe, Vantage::Gateway(gateway.clone()), request).await?;
        Ok(path::verdict(&path).by(probe.source()))
    }
}
