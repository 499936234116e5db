use crate::check::CheckRequest;
use crate::check::judge::{Verdict, adapter, choices};
use crate::check::spec::{Builtin, Observed, check};
use crate::fact::Details;
use crate::probe::{self, Probes, ServiceStateAnswer, ServiceStateRequest};

choices! {
    State {
        InService = "in-service",
        Maintenance = "maintenance",
        Decommissioned = "decommissioned",
        NeverProvisioned = "never-provisioned",
    }
}

check! {
    /// Is the device meant to be online?
    ServiceState = "service-state", Device, Now, State::VALUES;
}

impl Builtin for ServiceState {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.device(), "device probe")?;
        let asked = ServiceStateRequest::new(request.subject().device.clone());
        let answer = probe.service_state(&asked).await.map_err(|error| error.by(probe.source()))?;
        Ok(judge(&answer).by(probe.source()))
    }
}

/// A device that the registry does not have was never provisioned.
fn judge(answer: &ServiceStateAnswer) -> Verdict {
    let (state, details) = match answer.state {
        Some(probe::ServiceState::InService) => (State::InService, Details::none()),
        Some(probe::ServiceState::Maintenance) => (State::Maintenance, Details::none()),
        Some(probe::ServiceState::Decommissioned) => (State::Decommissioned, Details::none()),
        Some(probe::ServiceState::NeverProvisioned) => (State::NeverProvisioned, Details::none()),
        None => (State::NeverProvisioned, Details::one("registry", "has no such device")),
    };
    Verdict::known(state.value(), answer.observed_at, details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{NOW, at};

    #[test]
    fn states_map_and_none_is_unprovisioned() {
        for (state, choice) in [
            (Some(probe::ServiceState::InService), State::InService),
            (Some(probe::ServiceState::Maintenance), State::Maintenance),
            (Some(probe::ServiceState::Decommissioned), State::Decommissioned),
            (Some(probe::ServiceState::NeverProvisioned), State::NeverProvisioned),
            (None, State::NeverProvisioned),
        ] {
            let mut answer = ServiceStateAnswer::new(at(NOW));
            answer.state = state;
            assert_eq!(judge(&answer).value(), Some(choice.value()));
            if let Some(state) = state {
                assert_eq!(State::NAMES[choice as usize], state.name());
            }
        }
    }
}
