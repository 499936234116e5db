use crate::check::CheckRequest;
use crate::check::builtin::Builtin;
use crate::check::gateway::site_uplink::paths;
use crate::check::judge::{Verdict, choices, no_adapter, no_subject};
use crate::check::param::{Given, ParamSpec};
use crate::fact::{ChoicesError, Domain, Observation};
use crate::probe::{OtPathsRequest, PathsTried, ProbeError, Probes};
use crate::runbook::step::About;
use crate::subject::Scope;

choices! {
    State {
        Reachable = "reachable",
        Unreachable = "unreachable",
    }
}

/// Does the device answer its gateway over the OT network?
pub(in crate::check) struct OtNetwork;

impl Builtin for OtNetwork {
    const ID: &'static str = "ot-network";
    const SCOPE: Scope = Scope::Gateway;
    const ABOUT: About = About::Now;
    const PARAMS: &'static [ParamSpec] = &[];

    fn domain() -> Result<Domain, ChoicesError> {
        State::domain()
    }

    fn bind(_: &Given<'_>) -> Option<Self> {
        Some(Self)
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let Some(probe) = probes.network() else { return Ok(no_adapter("network probe")) };
        let Some(gateway) = &request.subject().gateway else {
            return Ok(no_subject("gateway", probe.source()));
        };
        let asked = OtPathsRequest::new(gateway.clone(), request.subject().device.clone());
        Ok(judge(&probe.ot_paths(&asked).await.map_err(|error| error.by(probe.source()))?).by(probe.source()))
    }
}

fn judge(tried: &PathsTried) -> Verdict {
    if tried.paths.is_empty() {
        return Verdict::undetermined("the gateway has no way to the device that could be tried");
    }
    let state =
        if tried.paths.iter().any(|path| path.answered) { State::Reachable } else { State::Unreachable };
    Verdict::known(state.value(), tried.observed_at, paths(&tried.paths).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{NOW, at};
    use crate::fact::UnknownReason;
    use crate::probe::PathTried;

    #[test]
    fn a_device_that_answers_on_one_way_is_reachable() {
        let tried = |answers: &[bool]| {
            let paths = answers.iter().map(|answered| PathTried::new("tcp 502".into(), *answered)).collect();
            judge(&PathsTried::new(at(NOW)).with_paths(paths))
        };
        assert_eq!(tried(&[true, false]).value(), Some(State::Reachable.value()));
        assert_eq!(tried(&[false]).value(), Some(State::Unreachable.value()));
        assert_eq!(tried(&[]).reason(), Some(UnknownReason::Undetermined));
    }
}
