use chrono::TimeDelta;

use super::share::{Gap, OfTag as _, percent};
use crate::check::prelude::*;
use crate::deadband::audit::{self, Figures, Limits, Rounded};
use crate::probe::{DeadbandAudit, DeadbandFacts, DeadbandRequest};
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

check! {
    /// Did a deadband withhold the missing rows, and should it have?
    Deadband = "deadband", Device, Period, State::VALUES;
    explains: f64,
}

impl Builtin for Deadband {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.deadband(), "deadband probe")?;
        let period = request.period(probe.source())?;
        let gap = Gap::ask_missing(request, probes).await?;
        let asked = DeadbandRequest::new(request.device(), period).of_tag(request);
        let facts = probe.deadband(&asked).await.by(probe.source())?;
        Ok(judge(&facts, &gap, self.explains, period).by(probe.source()))
    }
}

/// First the share of the missing rows that it withheld: below `explains`, how the band is set does not matter. A
/// heartbeat is never withheld: where it is as short as the rows are apart, the rows that are due are heartbeats.
///
/// Then whether the sensor is stuck, and how the band goes with the signal over the silence: by the figures of an audit,
/// or without them:
/// - too wide: it withheld a movement that matters;
/// - stable: it withheld what there was, and none of it matters;
/// - too narrow: the signal moved beyond it, and it lets even the noise through;
/// - fine: the signal moved beyond it, so it withheld nothing that explains a gap.
fn judge(facts: &DeadbandFacts, gap: &Gap, explains: f64, asked: Period) -> Verdict {
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
            return Verdict::undetermined(why).with(gap.notes());
        }
        details.push(Detail::new(name, number.to_string()));
    }
    details.extend(facts.heartbeat.map(|length| Detail::new("heartbeat", format_duration(length))));
    details.extend(gap.notes());
    let observed_at = facts.observed_at.min(gap.observed_at());
    let Some(width) = facts.width else {
        return Verdict::known(State::None, observed_at).accounting_for(0.0).with(details);
    };
    if let Some(missing) = not_covered(asked, facts.covers) {
        return Verdict::stale(missing).with(details);
    }
    // A heartbeat that is longer than the rows are apart does not bring them.
    let brings_rows = |length: &TimeDelta| *length > TimeDelta::zero() && gap.rows_come_within(*length);
    let withheld = match facts.heartbeat.filter(brings_rows) {
        Some(_) => 0,
        None => {
            let by_audit = facts.audit.as_ref().map(|audit| audit.samples.saturating_sub(audit.reported));
            let Some(withheld) = facts.withheld.or(by_audit) else {
                return Verdict::undetermined("nobody counted the samples that the deadband withheld")
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
        return Verdict::known(State::LittleWithheld, observed_at).accounting_for(share).with(details);
    }
    match state(facts, width, asked) {
        Ok((state, figures)) => {
            // A band that suits its signal is no cause, whatever it withheld.
            let share = if matches!(state, State::Fine | State::TooNarrow) { 0.0 } else { share };
            Verdict::known(state, observed_at).accounting_for(share).with(details).with(figures)
        }
        Err(why) => Verdict::undetermined(why).with(details),
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
    let noise_never_rests = facts.least_noise_before.zip(facts.resolution).map(|(least, step)| least > step);
    match noise_never_rests.filter(|_| is_constant) {
        Some(true) => return Ok((State::SensorStuck, Vec::new())),
        // It rested before: a counter, a closed valve.
        Some(false) => return Ok((State::Stable, Vec::new())),
        None => {}
    }
    if let Some(figures) = facts.audit.as_ref() {
        return by_audit(figures, width, facts.matters).map(|(state, figures)| (state, figures.into()));
    }
    if is_constant {
        let why = "the raw signal did not move at all, and nobody knows whether it ever rests: a process at rest and a \
                   dead sensor look the same; say its resolution and its least noise before";
        return Err(why.to_owned());
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

/// Returns the verdict of the audit with its details, or why there is none.
fn by_audit(told: &DeadbandAudit, width: f64, matters: Option<f64>) -> Result<(State, [Detail; 5]), String> {
    if told.band.to_bits() != width.to_bits() {
        return Err(format!("the audit is of a band of {}, but the band in force is {width}", told.band));
    }
    let mut figures = Figures::new(told.band, told.samples, told.reported);
    let missing = |name: &str| format!("the audit has no {name}");
    for (name, count, figure) in [
        ("constant", told.constant, &mut figures.constant),
        ("noise samples", told.noise_samples, &mut figures.noise_samples),
    ] {
        *figure = count.ok_or_else(|| missing(name))?;
    }
    figures.alternates = told.alternates.ok_or_else(|| missing("alternates"))?;
    for (name, number, figure) in [
        ("ties", told.ties, &mut figures.ties),
        ("noise", told.noise, &mut figures.noise),
        ("damped noise", told.damped_noise, &mut figures.damped_noise),
        ("quantum", told.quantum, &mut figures.quantum),
        ("noise band", told.noise_band, &mut figures.noise_band),
        ("least noise band", told.noise_band_least, &mut figures.noise_band_least),
        ("range", told.range, &mut figures.range),
        ("movement", told.movement, &mut figures.movement),
        ("off", told.off, &mut figures.off),
        ("hidden excursion", told.hidden, &mut figures.hidden),
        ("hidden time", told.hidden_time, &mut figures.hidden_time),
        ("most hidden time", told.hidden_time_most, &mut figures.hidden_time_most),
    ] {
        *figure = number.ok_or_else(|| missing(name))?;
    }
    let limits = Limits { matters, ..Limits::default() };
    let state = match figures.judge(&limits) {
        audit::Verdict::TooWide => State::TooWide,
        audit::Verdict::ProcessStable => State::Stable,
        audit::Verdict::Stuck => State::SensorStuck,
        audit::Verdict::Fine => State::Fine,
        audit::Verdict::TooNarrow => State::TooNarrow,
        audit::Verdict::Undetermined { why } => return Err(why.to_string()),
    };
    let details = [
        Detail::new("suppressed", format!("{:.1} %", 100.0 * figures.suppressed())),
        Detail::new("movement of the process", Rounded(figures.movement).to_string()),
        Detail::new("largest hidden excursion", Rounded(figures.hidden).to_string()),
        Detail::new("noise band", Rounded(figures.noise_band).to_string()),
        Detail::new("equal samples at the end", figures.constant.to_string()),
    ];
    Ok((state, details))
}

#[cfg(test)]
mod tests {
    use super::super::share::testing::gap;
    use super::*;
    use crate::check::testing::*;
    use crate::deadband::audit::Audit;
    use crate::deadband::sample::Sample;

    fn facts(width: f64, movement: f64) -> DeadbandFacts {
        let facts = DeadbandFacts::new(at(NOW), period(0, 100)).with_width(width).with_movement(movement);
        facts.with_withheld(10)
    }

    /// 10 rows are missing.
    fn judged(facts: &DeadbandFacts) -> Verdict {
        judge(facts, &gap(20, 10), 0.5, period(0, 100))
    }

    #[test]
    fn little_withheld_is_no_cause() {
        let wide = || facts(5.0, 3.0).with_matters(3.0);
        for (facts, state, share) in [
            (wide().with_withheld(5), State::TooWide, 0.5),
            (wide().with_withheld(4), State::LittleWithheld, 0.4),
            (wide().with_withheld(0), State::LittleWithheld, 0.0),
            (wide().with_withheld(900), State::TooWide, 1.0),
            // A heartbeat is never withheld.
            (wide().with_heartbeat(secs(5)), State::LittleWithheld, 0.0),
            (wide().with_heartbeat(secs(60)), State::TooWide, 1.0),
            (wide().with_heartbeat(secs(0)), State::TooWide, 1.0),
            (DeadbandFacts::new(at(NOW), period(0, 100)), State::None, 0.0),
            (facts(5.0, 5.1).with_matters(1.0), State::Fine, 0.0),
        ] {
            judged(&facts).expect_share_of(&facts, state, share);
        }
        let uncounted = DeadbandFacts { withheld: None, ..wide() };
        judged(&uncounted).expect(Undetermined);
    }

    #[test]
    fn stuck_only_if_noise_never_rested() {
        let constant =
            |noise, resolution| facts(5.0, 0.0).with_least_noise_before(noise).with_resolution(resolution);
        for (facts, state) in [
            (constant(0.2, 0.1), State::SensorStuck),
            (constant(0.1, 0.1), State::Stable),
            // A counter, or the flow behind a valve that was closed before.
            (constant(0.0, 0.1), State::Stable),
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
            judged(&facts).expect_of(&facts, state);
        }
    }

    /// A frozen driver, a clamped input and a process at rest look the same to a plain adapter.
    #[test]
    fn constant_signal_of_unknown_noise_is_undetermined() {
        for facts in [
            facts(5.0, 0.0),
            facts(5.0, 0.0).with_matters(3.0),
            facts(5.0, 0.0).with_least_noise_before(0.2),
            facts(5.0, 0.0).with_resolution(0.1),
        ] {
            judged(&facts).expect_of(&facts, Undetermined);
        }
    }

    #[test]
    fn signal_is_measured_over_the_silence() {
        let over = |from, to| {
            let facts = DeadbandFacts { covers: period(from, to), ..facts(5.0, 3.0).with_matters(3.0) };
            judged(&facts)
        };
        over(-10, 110).expect(State::TooWide);
        for longer in [over(-11, 100), over(0, 111)] {
            longer.expect(Undetermined);
            assert!(longer.detail("why").is_some_and(|why| why.contains("longer than the silence")));
        }
        over(1, 100).expect(Stale);
    }

    #[test]
    fn each_state_has_its_facts() {
        for (facts, state) in [
            (DeadbandFacts::new(at(NOW), period(0, 100)), State::None),
            (facts(5.0, 3.0).with_matters(3.0), State::TooWide),
            (facts(5.0, 2.9).with_matters(3.0), State::Stable),
            (facts(5.0, 5.0).with_matters(6.0), State::Stable),
            (facts(5.0, 5.1).with_matters(1.0), State::Fine),
            (facts(0.1, 5.0).with_noise(0.1), State::Fine),
            (facts(0.1, 5.0).with_noise(0.2), State::TooNarrow),
        ] {
            judged(&facts).expect_of(&facts, state);
        }
    }

    /// Noise of one, and an excursion of seven that a band of eight hides.
    fn audited() -> DeadbandAudit {
        DeadbandAudit::new(8.0, 10_000, 1)
            .with_constant(1)
            .with_ties(0.0)
            .with_noise_samples(9_998)
            .with_noise(1.0)
            .with_damped_noise(1.0)
            .with_quantum(0.001)
            .with_noise_band(3.6)
            .with_noise_band_least(3.5)
            .with_alternates(false)
            .with_range(14.0)
            .with_movement(9.0)
            .with_off(7.0)
            .with_hidden(7.0)
            .with_hidden_time(1.0)
            .with_hidden_time_most(1.0)
    }

    #[test]
    fn the_audit_decides_where_there_is_one() {
        let facts = |audit: DeadbandAudit| facts(audit.band, 1e9).with_audit(audit);
        let fine = || audited().with_hidden_time(0.0).with_hidden_time_most(0.0);
        let mut busy = fine().with_off(0.5);
        (busy.band, busy.reported) = (1.0, 5_000);
        for (facts, state) in [
            (facts(audited()), State::TooWide),
            (facts(fine()), State::Fine),
            (facts(fine().with_movement(1.0)), State::Stable),
            (facts(audited()).with_matters(7.5), State::Fine),
            (facts(audited().with_constant(100)), State::SensorStuck),
            (
                facts(
                    audited()
                        .with_constant(100)
                        .with_quantum(1.0)
                        .with_hidden_time(0.0)
                        .with_hidden_time_most(0.0),
                ),
                State::Fine,
            ),
            (facts(busy), State::TooNarrow),
        ] {
            judged(&facts).expect_of(&facts, state);
        }
        let incomplete = DeadbandAudit { damped_noise: None, ..audited() };
        let few = DeadbandAudit { samples: 49, ..audited() };
        let coloured = audited().with_damped_noise(2.0).with_hidden_time(0.0);
        for (facts, why) in [
            (facts(incomplete), "has no damped noise"),
            (facts(few), "50 are needed"),
            (facts(coloured), "damped transmitter"),
            (facts(audited()).with_width(7.0), "in force is 7"),
            (facts(audited().with_noise(f64::NAN)), "not a number"),
        ] {
            let judged = judged(&facts);
            judged.expect_of(&facts, Undetermined);
            assert!(judged.details().iter().any(|detail| detail.text.contains(why)), "{judged:?}");
        }
        let short = DeadbandFacts { covers: period(0, 99), ..facts(audited()) };
        judged(&short).expect(Stale);
    }

    /// An hour of noise about a slow wave, and then a silence.
    fn hour_and_silence(silence: impl Fn(i32) -> f64) -> DeadbandFacts {
        let noise = |second: i32| {
            let mixed = u64::from(second.unsigned_abs()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (mixed >> 40) as f64 / f64::from(1 << 23) - 1.0
        };
        let [mut before, mut audit] = [Audit::new(8.0).unwrap(), Audit::new(8.0).unwrap()];
        for second in 0..3_600 {
            before
                .observe(&Sample::new(i64::from(second) * 1_000_000_000, 20.0 + noise(second)), second == 0);
        }
        for second in 3_600..4_200 {
            let value = silence(second) + if silence(second) == 0.0 { 20.5 } else { noise(second) };
            audit.observe(&Sample::new(i64::from(second) * 1_000_000_000, value), false);
        }
        DeadbandFacts::from_figures(
            &audit.figures_after(&before, &Limits::default()),
            at(NOW),
            period(0, 100),
        )
    }

    #[test]
    fn silence_is_judged_by_the_noise_before_it() {
        for (facts, state) in [
            (hour_and_silence(|second| 20.0 + f64::from(second - 3_600) / 80.0), State::TooWide),
            (hour_and_silence(|_| 20.0), State::Stable),
            (hour_and_silence(|_| 0.0), State::SensorStuck),
        ] {
            judged(&facts).expect_of(&facts, state);
        }
    }

    #[test]
    fn stop_amid_quick_movement_is_unknown() {
        // The wave moves further between two samples than its noise does, so that no noise is seen.
        let wave = |second: i64| (second % 40 - 20).abs() as f64 / 2.0 + 0.01 * (second % 3) as f64;
        let [mut before, mut audit] = [Audit::new(8.0).unwrap(), Audit::new(8.0).unwrap()];
        let sample = |second: i64, value| Sample::new(second * 1_000_000_000, value);
        (0..3_600).for_each(|second| before.observe(&sample(second, wave(second)), second == 0));
        (3_600..4_200).for_each(|second| audit.observe(&sample(second, 5.25), false));
        let figures = audit.figures_after(&before, &Limits::default());
        let judged = judged(&DeadbandFacts::from_figures(&figures, at(NOW), period(0, 100)));
        judged.expect_of(&figures, Undetermined);
        assert!(judged.detail("why").is_some_and(|why| why.contains("dead sensor")), "{judged:?}");
    }

    #[test]
    fn what_cannot_be_told_or_believed_is_unknown() {
        let no_movement = DeadbandFacts { movement: None, ..facts(5.0, 1.0) };
        for facts in
            [no_movement, facts(5.0, 1.0), facts(f64::NAN, 1.0), facts(-1.0, 1.0), facts(5.0, f64::INFINITY)]
        {
            judged(&facts).expect_of(&facts, Undetermined);
        }
        let short = DeadbandFacts { covers: period(0, 99), ..facts(5.0, 1.0).with_matters(2.0) };
        judged(&short).expect(Stale);
    }
}
