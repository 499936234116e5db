use super::*;

/// A signal that moves by twice its noise, all of it hidden.
fn hidden() -> Figures {
    let mut figures = Figures::new(8.0, 10_000, 1);
    figures.noise = 1.0;
    figures.spread = 5.0_f64.sqrt();
    figures.range = 9.0;
    figures.movement = 0.8;
    figures.significance = 80.0;
    figures.slowness = 4.0;
    figures.error = 5.0_f64.sqrt();
    figures.error_max = 6.0;
    figures.hidden_range = 9.0;
    figures.structure = 0.8;
    figures
}

fn changed(change: impl FnOnce(&mut Figures)) -> Figures {
    let mut figures = hidden();
    change(&mut figures);
    figures
}

#[test]
fn each_verdict_has_its_figures() {
    let coloured = Verdict::Undetermined { why: Why::Coloured };
    let alternating = Verdict::Undetermined { why: Why::Alternating };
    for (figures, verdict) in [
        (hidden(), Verdict::TooWide),
        // Half the variance, four standard deviations: just enough; and just not.
        (changed(|f| (f.movement, f.significance) = (0.5, 4.0)), Verdict::TooWide),
        (changed(|f| f.movement = 0.499), Verdict::ProcessStable),
        (changed(|f| f.significance = 3.99), Verdict::ProcessStable),
        // A quarter of the movement's variance of four: an error of √(2 + 1).
        (changed(|f| f.error = 3.001_f64.sqrt()), Verdict::TooWide),
        (changed(|f| f.error = 2.999_f64.sqrt()), Verdict::Fine),
        (changed(|f| f.structure = 0.3), Verdict::TooWide),
        (changed(|f| f.structure = 0.299), Verdict::Fine),
        // A damping that leaves a movement of 0.8 doubles, nearly, what is seen at a lag of two.
        (changed(|f| (f.colour, f.slowness) = (1.6, 2.9)), coloured),
        (changed(|f| (f.colour, f.slowness) = (1.49, 2.9)), Verdict::TooWide),
        (changed(|f| (f.colour, f.slowness) = (1.6, 3.0)), Verdict::TooWide),
        (changed(|f| (f.movement, f.colour, f.slowness) = (0.4, 1.6, 1.0)), Verdict::ProcessStable),
        (changed(|f| (f.movement, f.significance) = (-0.5, -4.0)), alternating),
        (changed(|f| (f.movement, f.significance) = (-0.49, -40.0)), Verdict::ProcessStable),
        // More colour than a damping leaves, with room for its error of 4 %: every second one alternates.
        (changed(|f| (f.movement, f.colour) = (0.0, 2.09)), alternating),
        (changed(|f| (f.movement, f.colour) = (0.0, 2.08)), Verdict::ProcessStable),
        (changed(|f| (f.movement, f.colour) = (0.8, 2.09)), Verdict::TooWide),
        // What is hidden counts for more than what the noise has reported.
        (changed(|f| (f.band, f.reported) = (1.0, 5_000)), Verdict::TooWide),
        (changed(|f| (f.band, f.reported, f.error) = (1.0, 5_000, 0.5)), Verdict::TooNarrow),
        (changed(|f| (f.band, f.reported, f.error) = (1.0, 100, 0.5)), Verdict::Fine),
        (changed(|f| (f.band, f.reported, f.movement) = (1.0, 101, 0.0)), Verdict::TooNarrow),
        // White noise reports one in a hundred at 3.64 σ, and the noise is known to 2.5 %.
        (changed(|f| (f.band, f.reported, f.movement) = (3.5, 101, 0.0)), Verdict::TooNarrow),
        (changed(|f| (f.band, f.reported, f.movement) = (3.6, 101, 0.0)), Verdict::ProcessStable),
        (Figures::new(1.0, 500, 1), Verdict::ProcessStable),
        (Figures::new(1.0, 499, 1), Verdict::Undetermined { why: Why::TooFew { samples: 499, needed: 500 } }),
    ] {
        assert_eq!(figures.judge(&Limits::default()), verdict, "{figures:?}");
    }
}

#[test]
fn what_matters_to_the_process_decides_where_it_is_told() {
    let limits = Limits::default();
    assert_eq!(hidden().judge(&limits.with_matters(9.0)), Verdict::TooWide);
    assert_eq!(hidden().judge(&limits.with_matters(9.1)), Verdict::Fine);
    // Little of a large movement, and enough to matter.
    let little = changed(|f| f.error = 0.1);
    assert_eq!(little.judge(&limits), Verdict::Fine);
    assert_eq!(little.judge(&limits.with_matters(2.0)), Verdict::TooWide);
}

#[test]
fn figures_that_cannot_be_are_not_judged() {
    for change in [
        |f: &mut Figures| f.noise = f64::NAN,
        |f: &mut Figures| f.band = -1.0,
        |f: &mut Figures| f.spread = f64::INFINITY,
        |f: &mut Figures| f.movement = f64::NAN,
        |f: &mut Figures| f.reported = 10_001,
    ] {
        let figures = changed(change);
        assert_eq!(
            figures.judge(&Limits::default()),
            Verdict::Undetermined { why: Why::Unbelievable },
            "{figures:?}"
        );
        assert_eq!(figures.recommend(&Limits::default()), None);
    }
}

#[test]
fn limits_that_cannot_be_are_not_judged_by() {
    for change in [
        |l: &mut Limits| l.significance = f64::NAN,
        |l: &mut Limits| l.movement = -0.1,
        |l: &mut Limits| l.hidden = 1.1,
        |l: &mut Limits| l.noise_reports = f64::NAN,
        |l: &mut Limits| l.matters = Some(-1.0),
        |l: &mut Limits| l.error_budget = Some(f64::NAN),
        |l: &mut Limits| l.error_budget = Some(f64::INFINITY),
    ] {
        let mut limits = Limits::default();
        change(&mut limits);
        assert_eq!(hidden().judge(&limits), Verdict::Undetermined { why: Why::Unbelievable }, "{limits:?}");
        assert_eq!(hidden().recommend(&limits), None);
    }
}

#[test]
fn the_recommended_band_keeps_the_noise_back_or_says_that_none_does() {
    let limits = Limits::default();
    let Some(Recommendation::Band { width }) = hidden().recommend(&limits) else { panic!("no band") };
    assert!((width - 3.642_773).abs() < 1e-5, "{width}");
    let mut set = hidden();
    set.band = width;
    assert!((set.noise_reports() - 0.01).abs() < 1e-12);
    assert_eq!(hidden().recommend(&limits.with_error_budget(width)), Some(Recommendation::Band { width }));
    assert_eq!(
        hidden().recommend(&limits.with_error_budget(2.0)),
        Some(Recommendation::SwingingDoor { deviation: 2.0, noise_band: width })
    );
    let Some(Recommendation::Band { width: rarer }) = hidden().recommend(&limits.with_noise_reports(1e-6))
    else {
        panic!("no band")
    };
    assert!(rarer > width);
    let few = changed(|f| (f.samples, f.reported) = (499, 1));
    assert_eq!(few.recommend(&limits), None);
}

#[test]
fn the_words_name_the_verdict_and_what_to_set() {
    let words = hidden().assess(&Limits::default().with_error_budget(2.0)).to_string();
    for part in
        ["too wide", "99.99 % of 10000", "2.2361", "swinging door with a deviation of 2.0000", "3.6428"]
    {
        assert!(words.contains(part), "{part}: {words}");
    }
    let words = changed(|f| (f.movement, f.structure) = (-0.001, 0.0)).assess(&Limits::default()).to_string();
    assert!(
        words.starts_with("Under a band of 8, the process is stable: there was nothing but noise."),
        "{words}"
    );
    assert!(words.contains("Movement is 0 %"), "{words}");
    // Nothing moved, and there was nothing to keep back.
    let words = Figures::new(1e-6, 500, 1).assess(&Limits::default()).to_string();
    assert!(
        words.starts_with("Under a band of 1e-6,")
            && words.ends_with("any band does, for there was no noise.")
    );
    let words = changed(|f| f.noise = 3e-7).assess(&Limits::default()).to_string();
    assert!(words.contains("a band of 1.0928e-6"), "{words}");
    let words = Figures::new(1.0, 3, 1).assess(&Limits::default()).to_string();
    assert!(
        words.contains("3 samples, and it takes 500") && words.contains("No band is recommended"),
        "{words}"
    );
}
