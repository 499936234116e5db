use chrono::{DateTime, Utc};

use super::CheckRequest;
use super::builtin::Builtin;
use super::judge::{Verdict, choices, no_adapter, no_period};
use super::param::{Given, ParamSpec};
use super::window::not_covered;
use crate::deadband::audit::{self, Audit, Figures, Limits, Measured};
use crate::fact::{ChoicesError, Detail, Details, Domain, Observation};
use crate::probe::{DeadbandAudit, DeadbandFacts, DeadbandRequest, ProbeError, Probes};
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

/// The answer of a [`DeadbandProbe`](crate::probe::DeadbandProbe) that an audit gives: its band, how the signal
/// moved, and the figures that the check `deadband` judges. `covers` is the period that the audit observed, which
/// begins before its first sample and ends after its last.
///
/// ```
/// use chrono::{TimeZone, Utc};
/// use iot_runbook::check::deadband_facts;
/// use iot_runbook::deadband::audit::Audit;
/// use iot_runbook::deadband::sample::Sample;
/// use iot_runbook::time::Period;
///
/// let (eight, nine) = (Utc.timestamp_opt(28_800, 0).unwrap(), Utc.timestamp_opt(32_400, 0).unwrap());
/// let mut audit = Audit::new(0.5)?;
/// audit.observe(&Sample::at_time(eight, 21.5)?, true);
/// let facts = deadband_facts(&audit, nine, Period::new(eight, nine)?);
/// assert_eq!(facts.width, Some(0.5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn deadband_facts(audit: &Audit, observed_at: DateTime<Utc>, covers: Period) -> DeadbandFacts {
    let figures = audit.figures();
    let told = DeadbandAudit::new(figures.band, figures.samples, figures.reported)
        .with_noise(figures.noise)
        .with_spread(figures.spread)
        .with_movement(figures.movement)
        .with_significance(figures.significance)
        .with_colour(figures.colour)
        .with_slowness(figures.slowness)
        .with_error(figures.error)
        .with_hidden_range(figures.hidden_range)
        .with_structure(figures.structure);
    DeadbandFacts::new(observed_at, covers)
        .with_width(figures.band)
        .with_movement(figures.range)
        .with_noise(figures.noise)
        .with_audit(told)
}

/// With the figures of an audit, its verdict. Without:
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
    if let Some(figures) = facts.audit.as_ref() {
        return match by_audit(figures, width, facts.matters) {
            Ok((state, figures)) => known(state, details.into_iter().chain(figures).collect()),
            Err(why) => Verdict::undetermined(why).with(details),
        };
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

/// What the audit of a band says, and by which figures; or why it says nothing.
fn by_audit(told: &DeadbandAudit, width: f64, matters: Option<f64>) -> Result<(State, [Detail; 4]), String> {
    if told.band.to_bits() != width.to_bits() {
        return Err(format!("a band of {} was audited, and {width} is in force", told.band));
    }
    let mut figures = Figures::new(told.band, told.samples, told.reported);
    let lengths = [
        ("noise", told.noise, &mut figures.noise),
        ("spread", told.spread, &mut figures.spread),
        ("movement", told.movement, &mut figures.movement),
        ("significance", told.significance, &mut figures.significance),
        ("colour", told.colour, &mut figures.colour),
        ("slowness", told.slowness, &mut figures.slowness),
        ("error", told.error, &mut figures.error),
        ("hidden range", told.hidden_range, &mut figures.hidden_range),
        ("structure", told.structure, &mut figures.structure),
    ];
    for (name, told, figure) in lengths {
        *figure = told.ok_or_else(|| format!("the audit does not tell its {name}"))?;
    }
    let limits = Limits { matters, ..Limits::default() };
    let state = match figures.judge(&limits) {
        audit::Verdict::TooWide => State::TooWide,
        audit::Verdict::ProcessStable => State::Stable,
        audit::Verdict::Fine => State::Fine,
        audit::Verdict::TooNarrow => State::TooNarrow,
        audit::Verdict::Undetermined { why } => return Err(why.to_string()),
    };
    let share = |share: f64| format!("{:.1} %", 100.0 * share);
    let details = [
        Detail::new("suppressed", share(figures.suppressed())),
        Detail::new("movement in the signal", share(figures.movement)),
        Detail::new("movement hidden", share(figures.hidden())),
        Detail::new("range hidden", Measured(figures.hidden_range).to_string()),
    ];
    Ok((state, details))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{NOW, at, period};
    use crate::deadband::sample::Sample;
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

    /// Noise of one, and a movement that a band of eight hides.
    fn audited() -> DeadbandAudit {
        DeadbandAudit::new(8.0, 10_000, 1)
            .with_noise(1.0)
            .with_spread(3.0)
            .with_movement(0.9)
            .with_significance(90.0)
            .with_colour(1.0)
            .with_slowness(9.0)
            .with_error(3.0)
            .with_hidden_range(9.0)
            .with_structure(0.9)
    }

    #[test]
    fn the_audit_decides_where_it_is_told() {
        let facts = |audit: DeadbandAudit| facts(audit.band, 1e9).with_audit(audit);
        let mut busy = audited().with_error(0.5);
        (busy.band, busy.reported) = (1.0, 5_000);
        for (facts, state) in [
            (facts(audited()), State::TooWide),
            (facts(audited().with_movement(0.1)), State::Stable),
            (facts(audited().with_error(0.5)), State::Fine),
            (facts(audited()).with_matters(9.5), State::Fine),
            (facts(busy), State::TooNarrow),
        ] {
            assert_eq!(judged(&facts).value(), Some(state.value()), "{facts:?}");
        }
        let mut unsaid = audited();
        unsaid.colour = None;
        let mut few = audited();
        few.samples = 499;
        let coloured = audited().with_colour(2.0).with_slowness(1.0);
        for (facts, why) in [
            (facts(unsaid), "does not tell its colour"),
            (facts(few), "it takes 500"),
            (facts(coloured), "damped transmitter"),
            (facts(audited()).with_width(7.0), "7 is in force"),
            (facts(audited().with_noise(f64::NAN)), "no number"),
        ] {
            let verdict = judged(&facts);
            assert_eq!(verdict.reason(), Some(UnknownReason::Undetermined), "{facts:?}");
            assert!(verdict.details().iter().any(|detail| detail.text.contains(why)), "{verdict:?}");
        }
        let mut short = facts(audited());
        short.covers = period(0, 99);
        assert_eq!(judged(&short).reason(), Some(UnknownReason::Stale));
    }

    #[test]
    fn an_audit_makes_the_whole_answer() {
        let mut audit = Audit::new(8.0).unwrap();
        for second in 0..600_i32 {
            let noise = f64::from(second * second % 23 - 11) / 8.0;
            let value = 20.0 + 3.0 * (f64::from(second) / 100.0).sin() + noise;
            audit.observe(&Sample::new(i64::from(second), value), second == 0);
        }
        let answer = deadband_facts(&audit, at(NOW), period(0, 100));
        assert_eq!((answer.width, answer.noise), (Some(8.0), Some(audit.figures().noise)));
        assert_eq!(
            judged(&answer).value(),
            Some(State::TooWide.value()),
            "{}",
            audit.assess(&Limits::default())
        );
        assert_eq!(audit.assess(&Limits::default()).verdict, audit::Verdict::TooWide);
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
