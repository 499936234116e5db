use chrono::{DateTime, TimeDelta, Utc};

use super::share::{Gap, Judged, percent};
use crate::check::CheckRequest;
use crate::check::builtin::Builtin;
use crate::check::judge::{choices, moment, no_adapter, no_period};
use crate::check::param::{Given, ParamKind, ParamSpec};
use crate::check::window::not_covered;
use crate::deadband::audit::{self, Audit, Figures, Limits, Measured};
use crate::fact::{ChoicesError, Detail, Domain, Observation};
use crate::probe::{DeadbandAudit, DeadbandFacts, DeadbandRequest, ProbeError, Probes};
use crate::runbook::step::About;
use crate::subject::Scope;
use crate::time::{Period, format_duration};

choices! {
    State {
        TooWide = "too-wide",
        Stable = "stable",
        SensorStuck = "sensor-stuck",
        Fine = "fine",
        TooNarrow = "too-narrow",
        LittleWithheld = "little-withheld",
        None = "none",
    }
}

/// Did a deadband withhold the missing rows, and should it have?
pub(in crate::check) struct Deadband {
    explains: f64,
}

impl Builtin for Deadband {
    const ID: &'static str = "deadband";
    const SCOPE: Scope = Scope::Device;
    const ABOUT: About = About::Period;
    const PARAMS: &'static [ParamSpec] = &[ParamSpec::required("explains", ParamKind::Share)];

    fn domain() -> Result<Domain, ChoicesError> {
        State::domain()
    }

    fn bind(params: &Given<'_>) -> Option<Self> {
        Some(Self { explains: params.share("explains")? })
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let Some(probe) = probes.deadband() else { return Ok(no_adapter("deadband probe")) };
        let subject = request.subject();
        let Some(period) = subject.period else { return Ok(no_period(probe.source())) };
        let gap = match Gap::ask_missing(request, probes).await? {
            Ok(gap) => gap,
            Err(unknown) => return Ok(unknown),
        };
        let mut asked = DeadbandRequest::new(subject.device.clone(), period);
        asked.tag.clone_from(&subject.tag);
        let facts = probe.deadband(&asked).await.map_err(|error| error.by(probe.source()))?;
        Ok(judge(&facts, &gap, self.explains, period).by(probe.source()))
    }
}

/// The answer of a [`DeadbandProbe`](crate::probe::DeadbandProbe) that an audit gives: its band, how the signal
/// moved, and the figures that the check `deadband` judges. `covers` is the period that the audit observed, which
/// begins before its first sample and ends after its last. Give it the silence itself, and add the
/// [noise before it](DeadbandFacts::least_noise_before) and the heartbeat from the configuration.
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
        .with_withheld(figures.samples.saturating_sub(figures.reported))
        .with_audit(told)
}

/// First the share of the missing rows that it withheld: below `explains`, how the band is set does not matter. A
/// heartbeat is never withheld, and with one the rows that are due are heartbeats.
///
/// Then whether the sensor is stuck, and how the band goes with the signal over the silence: by the figures of an audit,
/// or without them:
/// - too wide: it withheld a movement that matters;
/// - stable: it withheld what there was, and none of it matters;
/// - too narrow: the signal moved beyond it, and it lets even the noise through;
/// - fine: the signal moved beyond it, so it withheld nothing that explains a gap.
fn judge(facts: &DeadbandFacts, gap: &Gap, explains: f64, asked: Period) -> Judged {
    let mut details = Vec::with_capacity(8);
    for (name, number) in [
        ("width", facts.width),
        ("movement", facts.movement),
        ("change that matters", facts.matters),
        ("noise", facts.noise),
        ("least noise before", facts.least_noise_before),
        ("resolution", facts.resolution),
    ] {
        let Some(number) = number else { continue };
        if !(number >= 0.0 && number.is_finite()) {
            let why = format!("{name} must be a number from 0, got {number}");
            return Judged::undetermined(why).with(gap.notes());
        }
        details.push(Detail::new(name, number.to_string()));
    }
    details.extend(facts.heartbeat.map(|length| Detail::new("heartbeat", format_duration(length))));
    details.extend(gap.notes());
    let observed_at = facts.observed_at.min(gap.observed_at());
    let Some(width) = facts.width else {
        return Judged::known(State::None.value(), observed_at, 0.0).with(details);
    };
    if let Some(missing) = not_covered(asked, facts.covers) {
        return Judged::stale(missing).with(details);
    }
    let withheld = match facts.heartbeat.filter(|length| *length > TimeDelta::zero()) {
        Some(_) => 0,
        None => {
            let by_audit = facts.audit.as_ref().map(|audit| audit.samples.saturating_sub(audit.reported));
            let Some(withheld) = facts.withheld.or(by_audit) else {
                return Judged::undetermined("nobody counted the samples that the deadband withheld")
                    .with(details);
            };
            details.push(Detail::new("samples withheld", withheld.to_string()));
            withheld
        }
    };
    // A sample that is withheld would have been a row of its own.
    let share = gap.share_of_rows(withheld as f64);
    details.push(Detail::new("withheld", percent(share)));
    if share < explains || withheld == 0 {
        return Judged::known(State::LittleWithheld.value(), observed_at, share).with(details);
    }
    match state(facts, width, asked) {
        // A band that suits its signal is no cause, whatever it withheld.
        Ok((state @ (State::Fine | State::TooNarrow), figures)) => {
            Judged::known(state.value(), observed_at, 0.0).with(details).with(figures)
        }
        Ok((state, figures)) => Judged::known(state.value(), observed_at, share).with(details).with(figures),
        Err(why) => Judged::undetermined(why).with(details),
    }
}

/// How the sensor and the band did over the silence.
fn state(facts: &DeadbandFacts, width: f64, asked: Period) -> Result<(State, Vec<Detail>), String> {
    // How the signal moves outside of the silence says nothing of it.
    let covers = facts.covers;
    let slack = asked.length() / 10;
    if asked.start().signed_duration_since(covers.start()) > slack
        || covers.end().signed_duration_since(asked.end()) > slack
    {
        return Err(format!(
            "the signal was measured from {} to {}, longer than the silence; measure the silence itself",
            moment(covers.start()),
            moment(covers.end())
        ));
    }
    let is_constant = facts.movement == Some(0.0);
    if is_constant
        && let (Some(noise), Some(resolution)) = (facts.least_noise_before, facts.resolution)
        && noise > resolution
    {
        return Ok((State::SensorStuck, Vec::new()));
    }
    if is_constant {
        // Nothing moved that could matter: a counter, a closed valve, or a process at rest.
        return Ok((State::Stable, Vec::new()));
    }
    if let Some(figures) = facts.audit.as_ref() {
        return by_audit(figures, width, facts.matters).map(|(state, figures)| (state, figures.into()));
    }
    let Some(movement) = facts.movement else {
        return Err("nobody knows how the raw signal moved".to_owned());
    };
    let state = match facts.matters {
        Some(matters) if movement <= width => {
            if movement >= matters {
                State::TooWide
            } else {
                State::Stable
            }
        }
        None if movement <= width => {
            return Err("nobody knows which change matters to the process".to_owned());
        }
        _ if facts.noise.is_some_and(|noise| width < noise) => State::TooNarrow,
        _ => State::Fine,
    };
    Ok((state, Vec::new()))
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
    use super::super::share::testing::gap;
    use super::*;
    use crate::check::testing::{NOW, at, period, secs};
    use crate::deadband::sample::Sample;
    use crate::fact::UnknownReason;

    fn facts(width: f64, movement: f64) -> DeadbandFacts {
        let facts = DeadbandFacts::new(at(NOW), period(0, 100)).with_width(width).with_movement(movement);
        facts.with_withheld(10)
    }

    /// 10 rows are missing.
    fn judged(facts: &DeadbandFacts) -> Judged {
        judge(facts, &gap(20, 10), 0.5, period(0, 100))
    }

    #[test]
    fn a_band_that_withheld_little_is_no_cause_however_it_is_set() {
        let wide = || facts(5.0, 3.0).with_matters(3.0);
        for (facts, state, share) in [
            (wide().with_withheld(5), State::TooWide, 0.5),
            (wide().with_withheld(4), State::LittleWithheld, 0.4),
            (wide().with_withheld(0), State::LittleWithheld, 0.0),
            (wide().with_withheld(900), State::TooWide, 1.0),
            // A heartbeat is never withheld.
            (wide().with_heartbeat(secs(60)), State::LittleWithheld, 0.0),
            (wide().with_heartbeat(secs(0)), State::TooWide, 1.0),
            (DeadbandFacts::new(at(NOW), period(0, 100)), State::None, 0.0),
            (facts(5.0, 5.1).with_matters(1.0), State::Fine, 0.0),
        ] {
            let judged = judged(&facts);
            assert_eq!(judged.value(), Some(state.value()), "{facts:?}");
            assert_eq!(judged.accounts_for, Some(share), "{facts:?}");
        }
        let mut uncounted = wide();
        uncounted.withheld = None;
        assert_eq!(judged(&uncounted).reason(), Some(UnknownReason::Undetermined));
    }

    #[test]
    fn a_sensor_is_stuck_only_where_its_noise_never_rested_before() {
        let constant =
            |noise, resolution| facts(5.0, 0.0).with_least_noise_before(noise).with_resolution(resolution);
        for (facts, state) in [
            (constant(0.2, 0.1), State::SensorStuck),
            (constant(0.1, 0.1), State::Stable),
            // A counter, or the flow behind a valve that was closed before.
            (constant(0.0, 0.1), State::Stable),
            (facts(5.0, 0.0).with_least_noise_before(0.2), State::Stable),
            (
                facts(5.0, 0.1).with_least_noise_before(0.2).with_resolution(0.1).with_matters(1.0),
                State::Stable,
            ),
            // Exactly constant is exact: the smallest step is a movement.
            (
                facts(5.0, f64::MIN_POSITIVE)
                    .with_least_noise_before(0.2)
                    .with_resolution(0.1)
                    .with_matters(1.0),
                State::Stable,
            ),
        ] {
            assert_eq!(judged(&facts).value(), Some(state.value()), "{facts:?}");
        }
    }

    #[test]
    fn the_signal_is_measured_over_the_silence_and_no_longer() {
        let over = |from, to| {
            let mut facts = facts(5.0, 3.0).with_matters(3.0);
            facts.covers = period(from, to);
            judged(&facts)
        };
        assert_eq!(over(-10, 110).value(), Some(State::TooWide.value()));
        for longer in [over(-11, 100), over(0, 111)] {
            assert_eq!(longer.reason(), Some(UnknownReason::Undetermined));
            assert!(longer.detail("why").is_some_and(|why| why.contains("longer than the silence")));
        }
        assert_eq!(over(1, 100).reason(), Some(UnknownReason::Stale));
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
            let judged = judged(&facts);
            assert_eq!(judged.reason(), Some(UnknownReason::Undetermined), "{facts:?}");
            assert!(judged.verdict.details().iter().any(|detail| detail.text.contains(why)), "{judged:?}");
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
