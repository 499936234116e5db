use super::*;

#[test]
fn that_never_falls_is_a_warning() {
    for (looks, rule) in [
        ([(1, 10), (2, 11), (3, 12), (4, 13)], Rule::NotDecreasing),
        ([(1, 10), (2, 12), (3, 13), (4, 15)], Rule::NotDecreasing),
        ([(1, 10), (3, 11), (4, 13), (5, 20)], Rule::Decreasing),
        ([(1, 10), (2, 11), (3, 12), (5, 13)], Rule::Decreasing),
        ([(1, 10), (2, 11), (12, 12), (13, 20)], Rule::WasCaughtUp),
    ] {
        assert_eq!(judged(&each_ten(&looks)), rule, "{looks:?}");
    }
}

#[test]
fn is_unknown_with_too_few_samples() {
    assert_eq!(judged(&each_ten(&[(1, 10), (2, 20)])), Rule::Incomplete { have: 2, need: 4 });
    let mut two = Window::new(2).unwrap();
    two.observe(sample(0, 5, 10));
    two.observe(sample(10, 6, 20));
    assert_eq!(judged(&two), Rule::NotDecreasing);
}

#[test]
fn that_grows_endlessly_is_a_verdict() {
    // It reads half of what comes. The topic keeps a message for 2 000 s.
    let mut window = Window::default();
    let settings = settings().with_retention(secs(2_000));
    for turn in 0..60_u64 {
        let second = 10 * i64::try_from(turn).unwrap();
        window.observe(sample(second, 500 * turn, 1_000 * turn + 10));
    }
    let report = judged_by(settings, 590, None, &window);
    let Rule::Growing { lost_in: Some(left), over, .. } = report.rule else { panic!("{report}") };
    assert_eq!(report.verdict(), Verdict::Growing);
    assert!(over > secs(400), "{report}");
    // The message that is read next is 300 s old, and this grows by half a second a second.
    assert!((left - secs(3_400)).abs() < secs(200), "{report}");
    let unbounded = judged_by(super::settings(), 590, None, &window).rule;
    assert!(matches!(unbounded, Rule::Growing { lost_in: None, .. }));
}
