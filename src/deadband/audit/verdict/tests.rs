use super::*;

/// A process that moves by 9 about noise of one, most of it hidden by a band of 8.
fn hidden() -> Figures {
    let mut figures = Figures::new(8.0, 10_000, 1);
    figures.constant = 1;
    figures.noise_samples = 9_998;
    figures.noise = 1.0;
    figures.damped_noise = 1.0;
    figures.quantum = 0.001;
    figures.noise_band = 3.6;
    figures.noise_band_least = 3.5;
    figures.range = 16.0;
    figures.movement = 9.0;
    figures.error = 5.0;
    figures.error_max = 8.0;
    figures.off = 7.0;
    figures.hidden = 7.0;
    figures.hidden_time = 1.0;
    figures.hidden_time_most = 1.0;
    figures
}

fn changed(change: impl FnOnce(&mut Figures)) -> Figures {
    let mut figures = hidden();
    change(&mut figures);
    figures
}

/// The same with nothing hidden.
fn shown(change: impl FnOnce(&mut Figures)) -> Figures {
    changed(|figures| {
        (figures.hidden, figures.hidden_time, figures.hidden_time_most) = (0.0, 0.0, 0.0);
        change(figures);
    })
}

const fn undetermined(why: Why) -> Verdict {
    Verdict::Undetermined { why }
}

#[test]
fn each_verdict_has_its_figures() {
    for (figures, verdict) in [
        (hidden(), Verdict::TooWide),
        (changed(|f| f.hidden_time = 0.201), Verdict::TooWide),
        (changed(|f| f.hidden_time = 0.2), undetermined(Why::Unsure)),
        (changed(|f| (f.hidden_time, f.damped_noise) = (0.2, 1.3)), undetermined(Why::Unsure)),
        (changed(|f| (f.hidden_time, f.damped_noise) = (0.2, 1.31)), undetermined(Why::Coloured)),
        (changed(|f| (f.hidden_time, f.hidden_time_most) = (0.2, 0.2)), Verdict::Fine),
        (shown(|f| f.movement = 7.3), Verdict::Fine),
        (shown(|f| f.movement = 7.2), Verdict::ProcessStable),
        // Without a silence of eight samples there is no level, and the raw range counts.
        (shown(|f| f.movement = 0.0), Verdict::Fine),
        (shown(|f| (f.movement, f.range) = (0.0, 7.2)), Verdict::ProcessStable),
        (shown(|f| (f.band, f.off, f.reported) = (3.4, 1.0, 101)), Verdict::TooNarrow),
        (shown(|f| (f.band, f.off, f.reported) = (3.4, 1.0, 100)), Verdict::Fine),
        (shown(|f| (f.band, f.off, f.reported) = (3.5, 1.0, 101)), Verdict::Fine),
        (shown(|f| (f.band, f.off, f.reported, f.noise) = (3.4, 1.0, 101, 0.0)), Verdict::Fine),
        // What is hidden counts for more than the noise that is reported.
        (changed(|f| (f.band, f.off, f.reported) = (3.4, 1.0, 101)), Verdict::TooWide),
        (changed(|f| f.off = 19.6), Verdict::TooWide),
        (changed(|f| f.off = 19.7), undetermined(Why::BeyondBand)),
        (changed(|f| f.alternates = true), undetermined(Why::Alternating)),
        (Figures::new(1.0, 49, 1), undetermined(Why::TooFew { samples: 49, needed: 50 })),
    ] {
        assert_eq!(figures.judge(&Limits::default()), verdict, "{figures:?}");
    }
}

#[test]
fn stuck_needs_noise_above_the_resolution() {
    let constant = |f: &mut Figures| (f.samples, f.constant) = (50, 50);
    for (figures, verdict) in [
        (shown(constant), Verdict::Stuck),
        (changed(|f| f.constant = 16), Verdict::Stuck),
        (changed(|f| f.constant = 15), Verdict::TooWide),
        (changed(|f| (f.constant, f.quantum) = (1_000, 1.0)), Verdict::TooWide),
        // Nine of ten samples repeat the one before: 0.9 to the power of 196 is one in a billion.
        (changed(|f| (f.constant, f.ties) = (197, 0.9)), Verdict::Stuck),
        (changed(|f| (f.constant, f.ties) = (196, 0.9)), Verdict::TooWide),
        // A valve that was seen to move, without noise, and to rest; a signal that never rested; one that was never seen.
        (shown(|f| (f.constant, f.noise, f.damped_noise, f.ties) = (10_000, 0.0, 0.0, 0.05)), Verdict::Fine),
        (
            shown(|f| (f.constant, f.noise, f.damped_noise, f.ties) = (10_000, 0.0, 0.0, 0.049)),
            undetermined(Why::Constant),
        ),
        (shown(|f| (f.constant, f.noise, f.damped_noise) = (9_999, 0.0, 0.0)), Verdict::Fine),
        // Noise of one step is the last digit.
        (
            shown(|f| (f.constant, f.noise, f.damped_noise) = (10_000, 0.001, 0.001)),
            undetermined(Why::Constant),
        ),
        (
            {
                let mut figures = Figures::new(1.0, 500, 1);
                figures.constant = 500;
                figures
            },
            undetermined(Why::Constant),
        ),
    ] {
        assert_eq!(figures.judge(&Limits::default()), verdict, "{figures:?}");
    }
}

#[test]
fn what_matters_to_the_process_decides() {
    let limits = Limits::default();
    assert_eq!(hidden().judge(&limits.with_matters(7.0)), Verdict::TooWide);
    assert_eq!(hidden().judge(&limits.with_matters(7.1)), Verdict::Fine);
    // Once is enough, beyond the noise.
    let once = changed(|f| f.hidden_time = 0.001);
    assert_eq!(once.judge(&limits.with_matters(7.0)), Verdict::TooWide);
    let within = changed(|f| f.hidden_time = 0.0);
    assert_eq!(within.judge(&limits.with_matters(1.0)), undetermined(Why::Unsure));
    assert_eq!(shown(|f| f.hidden = 3.0).judge(&limits.with_matters(1.0)), Verdict::Fine);
}

#[test]
fn impossible_figures_are_not_judged() {
    for change in [
        |f: &mut Figures| f.noise = f64::NAN,
        |f: &mut Figures| f.band = -1.0,
        |f: &mut Figures| f.hidden = f64::INFINITY,
        |f: &mut Figures| f.ties = 1.1,
        |f: &mut Figures| f.hidden_time = f64::NAN,
        |f: &mut Figures| f.reported = 10_001,
        |f: &mut Figures| f.constant = 10_001,
    ] {
        let figures = changed(change);
        assert_eq!(figures.judge(&Limits::default()), undetermined(Why::Unbelievable), "{figures:?}");
        assert_eq!(figures.recommend(&Limits::default()), None);
    }
}

#[test]
fn impossible_limits_judge_nothing() {
    for change in [
        |l: &mut Limits| l.hidden_time = -0.1,
        |l: &mut Limits| l.noise_reports = f64::NAN,
        |l: &mut Limits| l.range_share = 1.1,
        |l: &mut Limits| l.matters = Some(-1.0),
        |l: &mut Limits| l.error_budget = Some(f64::INFINITY),
        |l: &mut Limits| l.damping = TimeDelta::seconds(-1),
    ] {
        let mut limits = Limits::default();
        change(&mut limits);
        assert_eq!(hidden().judge(&limits), undetermined(Why::Unbelievable), "{limits:?}");
        assert_eq!(hidden().recommend(&limits), None);
    }
}

#[test]
fn recommendation_is_band_conflict_or_none() {
    let limits = Limits::default();
    let band = |width, of_range| Some(Recommendation::Band { width, of_range });
    assert_eq!(hidden().recommend(&limits), band(3.6, Some(3.6 / 16.0)));
    assert_eq!(changed(|f| f.range = 18.0).recommend(&limits), band(3.6, None));
    // The range of a process at rest is its noise.
    assert_eq!(shown(|f| (f.range, f.movement) = (7.0, 1.0)).recommend(&limits), band(3.6, None));
    assert_eq!(hidden().recommend(&limits.with_error_budget(3.6)), band(3.6, Some(3.6 / 16.0)));
    let conflict = Recommendation::Conflict { noise_band: 3.6, error_budget: 2.0 };
    assert_eq!(hidden().recommend(&limits.with_error_budget(2.0)), Some(conflict));
    assert_eq!(changed(|f| f.constant = 100).recommend(&limits), None);
    assert_eq!(changed(|f| f.alternates = true).recommend(&limits), None);
}

#[test]
fn text_names_verdict_figures_and_what_to_set() {
    let text = hidden().assess(&Limits::default().with_error_budget(2.0)).to_string();
    for part in ["A band of 8 is too wide", "99.99 % of 10000", "no report shows is 7.0000", "takes 3.6000"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = hidden().assess(&Limits::default()).to_string();
    assert!(text.contains("band that keeps the noise back is 3.6000, which is 22 % of the range"), "{text}");
    let text = changed(|f| f.constant = 100).assess(&Limits::default()).to_string();
    assert!(
        text.contains("stuck") && text.contains("last 100 samples") && text.contains("No band is"),
        "{text}"
    );
    let text = Figures::new(1.0, 3, 1).assess(&Limits::default()).to_string();
    assert!(text.contains("there are 3 samples, and 50 are needed"), "{text}");
}

#[test]
fn verdict_is_restored_from_json() {
    let assessment = changed(|f| f.hidden_time = 0.2).assess(&Limits::default().with_matters(2.0));
    let saved = serde_json::to_string(&assessment).unwrap();
    assert_eq!(serde_json::from_str::<super::super::Assessment>(&saved).unwrap(), assessment);
    let limits: Limits = serde_json::from_str(r#"{"matters": 2.0, "damping": 60}"#).unwrap();
    assert_eq!(limits, Limits::default().with_matters(2.0).with_damping(TimeDelta::minutes(1)));
    assert!(serde_json::from_str::<Limits>(r#"{"hidden": 0.25}"#).is_err());
    assert!(serde_json::from_str::<Limits>(r#"{"damping": 9223372036854775807}"#).is_err());
}
