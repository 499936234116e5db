use super::*;

/// Behind by 100, and its lag falls; the oldest unread message is 25 s old at the last look.
fn behind() -> Window {
    let looks = [(0, 150), (50, 190), (100, 220), (150, 250)];
    let mut window = each_ten(&looks);
    window.observe(sample(40, 200, 300).with_oldest_at(at(15)));
    window
}

#[test]
fn are_strict_in_messages_and_in_time() {
    let by = |settings| judged_by(settings, 100, None, &behind()).rule;
    assert_eq!(by(settings()), Rule::Decreasing);
    assert_eq!(by(settings().with_max_lag(100)), Rule::Decreasing);
    assert_eq!(by(settings().with_max_lag(99)), Rule::OverMessages { lag: 100, max: 99 });
    assert_eq!(by(settings().with_max_age(secs(25))), Rule::Decreasing);
    let over = Rule::OverAge { at_least: secs(25), max: secs(24) };
    assert_eq!(by(settings().with_max_age(secs(24))), over);
    assert_eq!(by(settings().with_max_age(secs(24)).with_max_lag(99)).verdict(), over.verdict());
    assert_eq!(over.verdict(), Verdict::OverThreshold);
}

#[test]
fn hold_in_a_window_that_is_not_whole() {
    let one = each_ten(&[(0, 100)]);
    assert_eq!(judged_by(settings().with_max_lag(99), 0, None, &one).verdict(), Verdict::OverThreshold);
    assert_eq!(judged_by(settings().with_max_lag(100), 0, None, &one).verdict(), Verdict::Unknown);
}

#[test]
fn in_time_count_what_is_sure() {
    // The message came between second 0 and 10, so it is from 20 to 30 s old.
    let window = each_ten(&[(10, 10), (10, 20), (15, 30), (15, 40)]);
    let by = |max| judged_by(settings().with_max_age(secs(max)), 100, None, &window).rule;
    assert_eq!(by(19), Rule::OverAge { at_least: secs(20), max: secs(19) });
    assert_eq!(by(20), Rule::WasCaughtUp);
}

#[test]
fn count_no_offset_that_may_be_a_marker() {
    // Offset 10 came before second 0 and may be a marker; offset 11 came by second 30.
    let window = each_ten(&[(10, 11), (10, 11), (10, 11), (10, 13), (10, 14)]);
    let report = judged_by(settings().with_max_age(secs(10)), 40, None, &window);
    assert_eq!(report.age.map(|age| age.at_least), Some(secs(10)));
    assert_ne!(report.verdict(), Verdict::OverThreshold);
}

#[test]
fn take_no_timestamp_that_the_heads_exclude() {
    // The message came between second 10 and second 20.
    let aged = |written: DateTime<Utc>| {
        let mut window = each_ten(&[(10, 10), (10, 10), (10, 30)]);
        window.observe(sample(40, 10, 40).with_oldest_at(written));
        judged_by(settings().with_max_age(secs(35)), 40, None, &window)
    };
    for written in [DateTime::UNIX_EPOCH, at(-50_000), DateTime::<Utc>::MIN_UTC, at(39)] {
        let report = aged(written);
        let age = report.age.unwrap();
        assert_eq!((age.at_least, age.at_most, age.basis), (secs(20), Some(secs(30)), Basis::Interpolated));
        assert_ne!(report.verdict(), Verdict::OverThreshold, "{report}");
    }
    assert_eq!(aged(at(15)).age.map(|age| (age.estimate, age.basis)), Some((secs(25), Basis::Timestamp)));
}

#[test]
fn yield_to_a_stall_and_precede_a_warning() {
    let stalled = judged_by(settings().with_max_lag(1), 100, None, &each_ten(&STALLED));
    assert_eq!(stalled.verdict(), Verdict::Stall);
    let slow = each_ten(&[(1, 10), (2, 11), (3, 12), (4, 13)]);
    assert_eq!(judged_by(settings().with_max_lag(1), 100, None, &slow).verdict(), Verdict::OverThreshold);
}
