use super::*;

#[test]
fn without_a_sample_nothing_is_known() {
    assert_eq!(judged(&Window::default()), Rule::NoSample);
}

#[test]
fn sample_may_be_ahead_by_what_clocks_differ_by() {
    let one = window([sample(130, 10, 10)]);
    assert_eq!(judged_by(settings(), 100, None, &one).rule, Rule::CaughtUp);
    assert_eq!(judged_by(settings(), 99, None, &one).rule, Rule::FromTheFuture);
    let mut both = each_ten(&STALLED);
    both.observe(sample(10_000_000, 99, 99));
    assert_eq!(judged(&both), Rule::Unmoved { waiting: secs(30) });
}

#[test]
fn stopped_sampler_shows_nothing_of_now() {
    let caught_up = each_ten(&[(10, 10)]);
    assert_eq!(judged_by(settings(), 300, None, &caught_up).rule, Rule::CaughtUp);
    assert_eq!(judged_by(settings(), 301, None, &caught_up).rule, Rule::Stale { age: secs(301) });
}

#[test]
fn contradictory_offsets_are_not_judged() {
    assert!(matches!(judged(&each_ten(&[(11, 10)])), Rule::Contradiction { committed: Some(11), .. }));
    let below = Sample::new(at(0), 11, 10);
    assert!(matches!(judged(&window([below])), Rule::Contradiction { committed: None, .. }));
    let equal = Sample::new(at(0), 10, 10);
    assert_eq!(judged(&window([equal])), Rule::NeverCommitted { waiting: 0 });
    // One that is over does not spoil the window.
    assert_eq!(judged(&each_ten(&[(11, 10), (11, 12), (12, 12)])), Rule::CaughtUp);
}

#[test]
fn of_equal_times_the_further_behind_counts() {
    let (near, far) = (sample(0, 10, 10), sample(0, 10, 1_000));
    for looks in [[near, far], [far, near], [sample(0, 5, 6), far], [far, sample(0, 5, 6)]] {
        let report = judged_by(settings(), 0, Some(0), &window(looks));
        assert_eq!((report.rule, report.lag), (Rule::NoConsumer, Some(990)), "{looks:?}");
    }
}

#[test]
fn share_groups_are_refused() {
    let caught_up = each_ten(&[(10, 10)]);
    let report = judged_by(settings(), 0, GroupState::Share, &caught_up);
    assert_eq!((report.rule, report.verdict()), (Rule::ShareGroup, Verdict::Unknown));
    for state in [GroupState::Rebalancing, GroupState::Stable, GroupState::NotAsked] {
        assert_eq!(judged_by(settings(), 0, state, &caught_up).verdict(), Verdict::Ok);
    }
    assert_eq!(judged_by(settings(), 0, GroupState::Empty, &each_ten(&[(9, 11)])).rule, Rule::NoConsumer);
}

#[test]
fn offset_that_is_gone_is_not_never_committed() {
    let mut window = Window::new(2).unwrap();
    window.observe(sample(0, 5, 10));
    for second in [50, 60, 70, 80] {
        window.observe(Sample::new(at(second), 0, 40));
        let rule = judged(&window);
        assert_eq!((rule, rule.verdict()), (Rule::OffsetGone { seen: at(0) }, Verdict::OffsetGone));
    }
    // It comes back below where it was.
    window.observe(sample(90, 4, 40));
    assert_eq!(judged(&window), Rule::Rewound { from: 5, to: 4 });
}
