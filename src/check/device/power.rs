use crate::check::CheckRequest;
use crate::check::builtin::Builtin;
use crate::check::judge::{Verdict, choices, no_adapter};
use crate::check::param::{Given, ParamSpec};
use crate::fact::{ChoicesError, Detail, Details, Domain, Observation};
use crate::probe::{PowerFacts, PowerRequest, ProbeError, Probes};
use crate::runbook::step::About;
use crate::subject::Scope;

choices! {
    State {
        Confirmed = "confirmed",
        Uncertain = "uncertain",
    }
}

/// Does the device have power?
pub(in crate::check) struct Power;

impl Builtin for Power {
    const ID: &'static str = "power";
    const SCOPE: Scope = Scope::Device;
    const ABOUT: About = About::Now;
    const PARAMS: &'static [ParamSpec] = &[];

    fn domain() -> Result<Domain, ChoicesError> {
        State::domain()
    }

    fn bind(_: &Given<'_>) -> Option<Self> {
        Some(Self)
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let Some(probe) = probes.power() else { return Ok(no_adapter("power probe")) };
        let asked = PowerRequest::new(request.subject().device.clone());
        Ok(judge(&probe.power(&asked).await.map_err(|error| error.by(probe.source()))?).by(probe.source()))
    }
}

/// Uncertain where a fact says that power does not arrive; confirmed where one says that it does and none that it
/// does not. Anything else does not decide, and a person may.
fn judge(facts: &PowerFacts) -> Verdict {
    let told = [
        ("feed", facts.feed_live, "live", "dead"),
        ("breaker", facts.breaker_closed, "closed", "open"),
        ("device", facts.drawing, "draws power", "draws no power"),
    ];
    let mut details: Vec<_> = told
        .iter()
        .filter_map(|(name, fact, yes, no)| {
            fact.map(|fact| Detail::new(*name, if fact { *yes } else { *no }))
        })
        .collect();
    if details.is_empty() && facts.on_battery.is_none() {
        return Verdict::undetermined("the power unit tells nothing of this device");
    }
    if let Some(on_battery) = facts.on_battery {
        details.push(Detail::new("UPS", if on_battery { "on battery" } else { "on mains" }));
    }
    let against = told.iter().any(|(_, fact, ..)| *fact == Some(false));
    // A closed breaker passes on what may not be there, and a UPS may feed a cable that is cut.
    let arrives = facts.feed_live == Some(true) || facts.drawing == Some(true);
    let state = if against {
        State::Uncertain
    } else if arrives {
        State::Confirmed
    } else {
        return Verdict::undetermined("nothing tells whether power arrives at the device").with(details);
    };
    Verdict::known(state.value(), facts.observed_at, Details::from_iter(details))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{NOW, at};
    use crate::fact::UnknownReason;

    #[test]
    fn only_facts_that_say_so_confirm_or_deny_power() {
        let facts = || PowerFacts::new(at(NOW));
        for (facts, state) in [
            (facts().with_feed_live(true), State::Confirmed),
            (facts().with_drawing(true), State::Confirmed),
            (facts().with_feed_live(true).with_breaker_closed(true).with_on_battery(true), State::Confirmed),
            (facts().with_breaker_closed(false), State::Uncertain),
            (facts().with_drawing(false).with_breaker_closed(true).with_on_battery(false), State::Uncertain),
            (facts().with_feed_live(false), State::Uncertain),
            (facts().with_feed_live(true).with_breaker_closed(false), State::Uncertain),
            (facts().with_feed_live(true).with_drawing(false), State::Uncertain),
            (facts().with_drawing(true).with_feed_live(false), State::Uncertain),
        ] {
            assert_eq!(judge(&facts).value(), Some(state.value()), "{facts:?}");
        }
    }

    #[test]
    fn facts_that_do_not_decide_are_undetermined() {
        let facts = || PowerFacts::new(at(NOW));
        for facts in [
            facts(),
            facts().with_breaker_closed(true),
            facts().with_on_battery(false),
            facts().with_on_battery(true),
            facts().with_breaker_closed(true).with_on_battery(false),
        ] {
            assert_eq!(judge(&facts).reason(), Some(UnknownReason::Undetermined), "{facts:?}");
        }
        assert_eq!(judge(&facts().with_breaker_closed(true)).details().find("breaker"), Some("closed"));
    }
}
