use super::*;

#[test]
fn what_was_before_the_head_fell_does_not_count() {
    let mut window = each_ten(&[(500, 900), (600, 900), (700, 900), (5, 10)]);
    let report = judged_by(settings(), 100, None, &window);
    assert_eq!((report.rule, report.samples), (Rule::Incomplete { have: 1, need: 4 }, 1));
    window.observe(sample(40, 10, 10));
    assert_eq!(judged(&window), Rule::CaughtUp);
    // Where the group's offset is beyond the head, nothing can be said.
    window.observe(sample(50, 700, 20));
    assert!(matches!(judged(&window), Rule::Contradiction { .. }));
}

#[test]
fn old_offset_is_not_judged_in_a_new_log() {
    let mut window = each_ten(&[(500, 520), (510, 520), (510, 100)]);
    assert!(matches!(judged(&window), Rule::Contradiction { .. }));
    // The new log has grown beyond it, and the group has yet to commit.
    window.observe(sample(30, 510, 515));
    let report = judged_by(settings(), 30, None, &window);
    assert_eq!((report.rule, report.lag), (Rule::OldLog { committed: 510 }, None));
    assert_eq!(report.verdict(), Verdict::Unknown);
    // It begins at the start: no rewind.
    for (second, committed) in [(40, 300), (50, 400), (60, 450)] {
        window.observe(sample(second, committed, 520));
        assert_ne!(judged(&window).verdict(), Verdict::Rewind);
    }
    window.observe(sample(70, 440, 520));
    assert_eq!(judged(&window), Rule::Rewound { from: 450, to: 440 });
}

#[test]
fn contradictory_commits_show_no_rewind() {
    let mut window = each_ten(&[(700, 90), (700, 95), (700, 99)]);
    window.observe(sample(30, 98, 100));
    assert_ne!(judged(&window).verdict(), Verdict::Rewind);
}
