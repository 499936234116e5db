use super::CheckRequest;
use super::builtin::Builtin;
use super::param::{Given, ParamSpec};
use super::verdict::{Verdict, choices, no_adapter, no_period, no_subject, when};
use super::window::not_covered;
use crate::fact::{ChoicesError, Detail, Details, Domain, Observation};
use crate::probe::{Outbox, OutboxRequest, ProbeError, Probes};
use crate::runbook::step::About;
use crate::subject::Scope;
use crate::time::Period;

choices! {
    State {
        Pending = "pending",
        Arrived = "arrived",
        None = "none",
    }
}

/// Is what the device made while it was offline on its way?
pub(super) struct CatchUp;

impl Builtin for CatchUp {
    const ID: &'static str = "catch-up";
    const SCOPE: Scope = Scope::Gateway;
    const ABOUT: About = About::Period;
    const PARAMS: &'static [ParamSpec] = &[];

    fn domain() -> Result<Domain, ChoicesError> {
        State::domain()
    }

    fn bind(_: &Given<'_>) -> Option<Self> {
        Some(Self)
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let Some(probe) = probes.edge_buffer() else { return Ok(no_adapter("edge buffer probe")) };
        let subject = request.subject();
        let Some(period) = subject.period else { return Ok(no_period(probe.source())) };
        let Some(gateway) = &subject.gateway else { return Ok(no_subject("gateway", probe.source())) };
        let asked = OutboxRequest::new(gateway.clone(), subject.device.clone(), period);
        Ok(judge(&probe.outbox(&asked).await.map_err(|error| error.by(probe.source()))?, period)
            .by(probe.source()))
    }
}

/// In this order: pending (some is still held), arrived (some was delivered later), none.
fn judge(outbox: &Outbox, asked: Period) -> Verdict {
    let mut details = vec![
        Detail::new("unsent", outbox.unsent.to_string()),
        Detail::new("delivered later", outbox.delivered.to_string()),
    ];
    if outbox.dropped > 0 {
        details.push(Detail::new("dropped", outbox.dropped.to_string()));
    }
    details.extend(outbox.oldest_unsent.map(|at| when("oldest unsent", at)));
    let state = if outbox.unsent > 0 {
        State::Pending
    } else if outbox.delivered > 0 {
        State::Arrived
    } else if let Some(missing) = not_covered(asked, outbox.covers) {
        return Verdict::stale(missing).with(details);
    } else {
        State::None
    };
    Verdict::known(state.value(), outbox.observed_at, Details::from_iter(details))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{NOW, at, period};
    use crate::fact::UnknownReason;

    #[test]
    fn pending_comes_before_arrived_and_none_needs_a_log_that_covers() {
        let outbox = || Outbox::new(at(NOW), period(0, 100));
        let asked = period(0, 100);
        assert_eq!(
            judge(&outbox().with_unsent(1).with_delivered(9), asked).value(),
            Some(State::Pending.value())
        );
        assert_eq!(judge(&outbox().with_delivered(9), asked).value(), Some(State::Arrived.value()));
        assert_eq!(judge(&outbox(), asked).value(), Some(State::None.value()));
        assert_eq!(judge(&outbox(), period(0, 101)).reason(), Some(UnknownReason::Stale));
        let late = judge(&outbox().with_delivered(1), period(0, 101));
        assert_eq!(late.value(), Some(State::Arrived.value()));
    }
}
