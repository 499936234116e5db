use super::CheckRequest;
use super::builtin::Builtin;
use super::param::{Given, ParamSpec};
use super::verdict::{Verdict, choices, no_adapter, no_period};
use super::window::not_covered;
use crate::fact::{ChoicesError, Detail, Details, Domain, Observation};
use crate::probe::{DeadbandFacts, DeadbandRequest, ProbeError, Probes};
use crate::runbook::step::About;
use crate::subject::Scope;
use crate::time::Period;

choices! {
    State {
        TooWide = "too-wide",
        Stable = "stable",
        Fine = "fine",
        TooNarrow = "too-narrow",
        None = "none",
    }
}

/// Did the deadband hold the rows back, and should it have?
pub(super) struct Deadband;

impl Builtin for Deadband {
    const ID: &'static str = "deadband";
    const SCOPE: Scope = Scope::Device;
    const ABOUT: About = About::Period;
    const PARAMS: &'static [ParamSpec] = &[];

    fn domain() -> Result<Domain, ChoicesError> {
        State::domain()
    }

    fn bind(_: &Given<'_>) -> Option<Self> {
        Some(Self)
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let Some(probe) = probes.deadband() else { return Ok(no_adapter("deadband probe")) };
        let subject = request.subject();
        let Some(period) = subject.period else { return Ok(no_period(probe.source())) };
        let mut asked = DeadbandRequest::new(subject.device.clone(), period);
        asked.tag.clone_from(&subject.tag);
        Ok(judge(&probe.deadband(&asked).await.map_err(|error| error.by(probe.source()))?, period)
            .by(probe.source()))
    }
}

/// - none: there is no deadband;
/// - too wide: it held back a movement that matters;
/// - stable: it held back what there was, and none of it matters;
/// - too narrow: the signal moved beyond it, and it lets even the noise through;
/// - fine: the signal moved beyond it, so it held nothing back that explains a gap.
fn judge(facts: &DeadbandFacts, asked: Period) -> Verdict {
    let mut details = Vec::with_capacity(4);
    let told = [
        ("width", facts.width),
        ("movement", facts.movement),
        ("change that matters", facts.matters),
        ("noise", facts.noise),
    ];
    for (name, number) in told {
        let Some(number) = number else { continue };
        if !(number >= 0.0 && number.is_finite()) {
            return Verdict::undetermined(format!("{name} of {number} is not believed"));
        }
        details.push(Detail::new(name, number.to_string()));
    }
    let known = |state: State, details: Vec<Detail>| {
        Verdict::known(state.value(), facts.observed_at, Details::from_iter(details))
    };
    let Some(width) = facts.width else { return known(State::None, details) };
    if let Some(missing) = not_covered(asked, facts.covers) {
        return Verdict::stale(missing).with(details);
    }
    let Some(movement) = facts.movement else {
        return Verdict::undetermined("nobody tells how the raw signal moved").with(details);
    };
    if movement <= width {
        return match facts.matters {
            Some(matters) if movement >= matters => known(State::TooWide, details),
            Some(_) => known(State::Stable, details),
            // A signal that stood still was stable, whatever matters.
            None if movement == 0.0 => known(State::Stable, details),
            None => Verdict::undetermined("nobody tells which change matters to the process").with(details),
        };
    }
    let narrow = facts.noise.is_some_and(|noise| width < noise);
    known(if narrow { State::TooNarrow } else { State::Fine }, details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{NOW, at, period};
    use crate::fact::UnknownReason;

    fn facts(width: f64, movement: f64) -> DeadbandFacts {
        DeadbandFacts::new(at(NOW), period(0, 100)).with_width(width).with_movement(movement)
    }

    fn judged(facts: &DeadbandFacts) -> Verdict {
        judge(facts, period(0, 100))
    }

    #[test]
    fn each_state_has_its_facts() {
        for (facts, state) in [
            (DeadbandFacts::new(at(NOW), period(0, 100)), State::None),
            (facts(5.0, 3.0).with_matters(3.0), State::TooWide),
            (facts(5.0, 2.9).with_matters(3.0), State::Stable),
            (facts(5.0, 0.0), State::Stable),
            (facts(5.0, 5.0).with_matters(6.0), State::Stable),
            (facts(5.0, 5.1).with_matters(1.0), State::Fine),
            (facts(0.1, 5.0).with_noise(0.1), State::Fine),
            (facts(0.1, 5.0).with_noise(0.2), State::TooNarrow),
        ] {
            assert_eq!(judged(&facts).value(), Some(state.value()), "{facts:?}");
        }
    }

    #[test]
    fn what_cannot_be_told_or_believed_is_unknown() {
        let mut no_movement = facts(5.0, 1.0);
        no_movement.movement = None;
        for facts in
            [no_movement, facts(5.0, 1.0), facts(f64::NAN, 1.0), facts(-1.0, 1.0), facts(5.0, f64::INFINITY)]
        {
            assert_eq!(judged(&facts).reason(), Some(UnknownReason::Undetermined), "{facts:?}");
        }
        let mut short = facts(5.0, 1.0).with_matters(2.0);
        short.covers = period(0, 99);
        assert_eq!(judged(&short).reason(), Some(UnknownReason::Stale));
    }
}
