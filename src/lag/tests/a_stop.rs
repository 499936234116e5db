use super::*;

#[test]
fn is_a_wait_of_over_twice_the_longest_interval() {
    // Looks each ten seconds see commits from ten seconds to twenty apart, at most.
    let stopped = |looks: usize| {
        let looks: Vec<_> = (0..looks).map(|turn| (0, 8 + 10 * turn as u64)).collect();
        judged(&paced(&looks))
    };
    assert_ne!(stopped(5).verdict(), Verdict::Stop);
    assert_eq!(stopped(6), Rule::Stopped { waiting: secs(50), usual: Some(secs(20)) });
    assert_eq!(stopped(6).verdict(), Verdict::Stop);
    assert_eq!(stopped(60).verdict(), Verdict::Stop);
}

#[test]
fn is_no_pause_that_is_allowed() {
    let looks: Vec<_> = (0..7).map(|turn| (0, 8 + 10 * turn)).collect();
    let by = |pause| judged_by(settings().with_stop_after(secs(pause)), 100, None, &paced(&looks)).rule;
    assert_eq!(by(60).verdict(), Verdict::Stop);
    assert_ne!(by(61).verdict(), Verdict::Stop);
}

#[test]
fn counts_from_when_messages_waited() {
    let looks = |waiting: u64| {
        let idle = (0..20).map(|_| (0, 0));
        let looks: Vec<_> = idle.chain((0..waiting).map(|turn| (0, 5 + turn))).collect();
        judged_by(settings(), 400, None, &paced(&looks)).rule
    };
    assert_ne!(looks(5).verdict(), Verdict::Stop);
    assert_eq!(looks(6), Rule::Stopped { waiting: secs(50), usual: Some(secs(20)) });
}

#[test]
fn outlives_the_samples_of_the_last_commit() {
    let mut window = Window::new(3).unwrap();
    for turn in 0..6_u64 {
        window.observe(sample(10 * i64::try_from(turn).unwrap(), 10 * turn, 10 * turn + 5));
    }
    for second in (60..900).step_by(10) {
        window.observe(sample(second, 50, second.unsigned_abs()));
        let verdict = judged_by(settings(), second, None, &window).verdict();
        assert_eq!(verdict == Verdict::Stop, second >= 100, "{second}: {verdict}");
    }
    window.observe(sample(900, 51, 900));
    assert_ne!(judged_by(settings(), 900, None, &window).verdict(), Verdict::Stop);
}

#[test]
fn is_measured_by_whole_intervals_only() {
    // A commit each 300 s, looked at each 30 s with ten samples: a window sees no two of them.
    let mut window = Window::default();
    for turn in 0..200_i64 {
        let second = 30 * turn;
        let committed = (second / 300 * 300).unsigned_abs();
        window.observe(sample(second, committed, second.unsigned_abs() + 20));
        let settings = Settings::default();
        let verdict = judged_by(settings, second, None, &window).verdict();
        assert!(!matches!(verdict, Verdict::Stop | Verdict::Stall), "{second}: {verdict}");
    }
}

#[test]
fn of_an_unknown_pace_takes_the_slowest() {
    // Two intervals were seen, and three are needed.
    let mut window = each_ten(&[(10, 15), (20, 25), (30, 35), (40, 45)]);
    for second in [40, 50, 60] {
        window.observe(sample(second, 40, 50 + second.unsigned_abs()));
    }
    let by = |slowest| judged_by(settings().with_slowest_commit(secs(slowest)), 60, None, &window).rule;
    assert_eq!(by(30), Rule::Stopped { waiting: secs(30), usual: None });
    assert_eq!(by(31), Rule::Undecided { waiting: secs(30), have: 2, need: 3 });
    assert_eq!(by(31).verdict(), Verdict::Unknown);
}

#[test]
fn is_apart_from_a_stall_by_commit_times() {
    let told = |second: i64, offset, committed_at| {
        sample(second, offset, 200 + second.unsigned_abs()).with_committed_at(at(committed_at))
    };
    let mut window = Window::new(64).unwrap();
    for turn in 0..6_u32 {
        let second = 10 * i64::from(turn);
        window.observe(told(second, 10 * u64::from(turn), second));
    }
    let (mut stalled, mut stopped) = (window.clone(), window);
    for second in (60..=200).step_by(10) {
        stalled.observe(told(second, 50, second));
        stopped.observe(told(second, 50, 50));
    }
    let by = |window| judged_by(settings(), 200, None, window).rule;
    assert_eq!(by(&stalled), Rule::Unmoved { waiting: secs(150) });
    assert_eq!(by(&stalled).verdict(), Verdict::Stall);
    assert_eq!(by(&stopped), Rule::Stopped { waiting: secs(150), usual: Some(secs(20)) });
    // The stalled group stops as well.
    stalled.observe(told(240, 50, 200));
    assert_eq!(judged_by(settings(), 240, None, &stalled).verdict(), Verdict::Stall);
    stalled.observe(told(241, 50, 200));
    assert_eq!(judged_by(settings(), 241, None, &stalled).verdict(), Verdict::Stop);
}

#[test]
fn lagging_since_allowed_lag_was_passed() {
    // Three markers of transactions stay unread for long, then messages come.
    let mut looks = vec![(0, 3); 40];
    looks.extend((0..7).map(|turn| (0, 8 + turn)));
    let by = |looks: &[(u64, u64)]| {
        judged_by(settings().with_allowed_lag(3), 400 + 100, None, &paced(looks)).rule.verdict()
    };
    assert_ne!(by(&looks[..45]), Verdict::Stop);
    assert_eq!(by(&looks), Verdict::Stop);
}
