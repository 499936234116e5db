use crate::check::prelude::*;
use crate::probe::{self, ServiceStateAnswer, ServiceStateRequest};

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
        let asked = ServiceStateRequest::new(request.device());
        let answer = probe.service_state(&asked).await.by(probe.source())?;
        Ok(judge(&answer).by(probe.source()))
    }
}

/// A device that the registry does not have was never provisioned.
fn judge(answer: &ServiceStateAnswer) -> Verdict {
    let state = match answer.state {
        Some(probe::ServiceState::InService) => State::InService,
        Some(probe::ServiceState::Maintenance) => State::Maintenance,
        Some(probe::ServiceState::Decommissioned) => State::Decommissioned,
        Some(probe::ServiceState::NeverProvisioned) | None => State::NeverProvisioned,
    };
    let none = answer.state.is_none().then(|| Detail::new("registry", "has no such device"));
    Verdict::known(state, answer.observed_at).with(none)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;

    #[test]
    fn states_map_and_none_is_unprovisioned() {
        for (state, choice) in [
            (Some(probe::ServiceState::InService), State::InService),
            (Some(probe::ServiceState::Maintenance), State::Maintenance),
            (Some(probe::ServiceState::Decommissioned), State::Decommissioned),
            (Some(probe::ServiceState::NeverProvisioned), State::NeverProvisioned),
            (None, State::NeverProvisioned),
        ] {
            judge(&ServiceStateAnswer { state, ..ServiceStateAnswer::new(at(NOW)) }).expect(choice);
            if let Some(state) = state {
                assert_eq!(State::NAMES[choice as usize], state.name());
            }
        }
    }
}
