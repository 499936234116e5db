use super::CheckRequest;
use super::builtin::Builtin;
use super::edge_buffer::count;
use super::judge::{Verdict, choices, no_adapter, no_period, no_subject, when};
use super::param::{Given, ParamSpec};
use super::window::not_covered;
use crate::fact::{ChoicesError, Details, Domain, Observation};
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

/// In this order: pending (some is still held), none (some was dropped), arrived (some was delivered later, and none
/// is lost), none (nothing was kept). What waits and what was dropped is proof where the log is short; that
/// everything arrived is not, and neither is a count that is not told.
fn judge(outbox: &Outbox, asked: Period) -> Verdict {
    let mut details = vec![
        count("unsent", outbox.unsent),
        count("delivered later", outbox.delivered),
        count("dropped", outbox.dropped),
    ];
    details.extend(outbox.oldest_unsent.map(|at| when("oldest unsent", at)));
    let state = match (outbox.unsent, outbox.dropped, outbox.delivered) {
        (Some(1..), ..) => State::Pending,
        (Some(0), Some(1..), _) => State::None,
        _ => {
            if let Some(missing) = not_covered(asked, outbox.covers) {
                return Verdict::stale(missing).with(details);
            }
            match (outbox.unsent, outbox.dropped, outbox.delivered) {
                (Some(_), Some(_), Some(1..)) => State::Arrived,
                (Some(_), Some(_), Some(0)) => State::None,
                _ => {
                    let why = "the outbox does not tell what it holds, dropped and delivered";
                    return Verdict::undetermined(why).with(details);
                }
            }
        }
    };
    Verdict::known(state.value(), outbox.observed_at, Details::from_iter(details))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{NOW, at, period};
    use crate::fact::UnknownReason;

    fn told() -> Outbox {
        Outbox::new(at(NOW), period(0, 100))
    }

    fn outbox(unsent: u64, dropped: u64, delivered: u64) -> Outbox {
        told().with_unsent(unsent).with_dropped(dropped).with_delivered(delivered)
    }

    #[test]
    fn what_waits_comes_first_then_what_is_lost_then_what_arrived() {
        for (outbox, state) in [
            (outbox(1, 0, 9), State::Pending),
            (outbox(1, 10_000, 9), State::Pending),
            (outbox(0, 10_000, 1), State::None),
            (outbox(0, 1, 0), State::None),
            (outbox(0, 1, 10_000), State::None),
            (outbox(0, 0, 9), State::Arrived),
            (outbox(0, 0, 0), State::None),
            (told().with_unsent(1), State::Pending),
            (told().with_unsent(0).with_dropped(1), State::None),
        ] {
            let verdict = judge(&outbox, period(0, 100));
            assert_eq!(verdict.value(), Some(state.value()), "{outbox:?}");
            if let Some(dropped) = outbox.dropped {
                assert_eq!(verdict.details().find("dropped"), Some(&*dropped.to_string()));
            }
        }
    }

    #[test]
    fn counts_that_are_not_told_are_not_none() {
        for outbox in [
            told(),
            told().with_delivered(9),
            told().with_dropped(0).with_delivered(9),
            told().with_dropped(9).with_delivered(9),
            told().with_unsent(0).with_delivered(9),
            told().with_unsent(0).with_dropped(0),
        ] {
            let verdict = judge(&outbox, period(0, 100));
            assert_eq!(verdict.reason(), Some(UnknownReason::Undetermined), "{outbox:?}");
        }
    }

    #[test]
    fn only_what_waits_or_is_lost_is_proof_where_the_log_is_short() {
        let asked = period(0, 101);
        for outbox in [outbox(0, 0, 0), outbox(0, 0, 9)] {
            assert_eq!(judge(&outbox, asked).reason(), Some(UnknownReason::Stale), "{outbox:?}");
        }
        assert_eq!(judge(&outbox(1, 0, 0), asked).value(), Some(State::Pending.value()));
        assert_eq!(judge(&outbox(0, 1, 9), asked).value(), Some(State::None.value()));
    }
}
