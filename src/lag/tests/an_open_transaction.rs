use super::*;

fn held(second: i64, committed: u64, stable: u64, head: u64) -> Sample {
    sample(second, committed, head).with_last_stable_offset(stable)
}

#[test]
fn is_seen_by_an_unmoving_stable_offset() {
    let settings = settings().with_transaction_after(secs(60));
    let mut window = Window::new(2).unwrap();
    for (second, head) in [(0, 10), (10, 20), (20, 30), (30, 40), (70, 80)] {
        window.observe(held(second, 10, 10, head));
    }
    // It was below the head from second 10 on.
    let report = judged_by(settings, 70, None, &window);
    assert_eq!((report.rule, report.lag, report.held_back), (Rule::CaughtUp, Some(0), Some(70)));
    window.observe(held(71, 10, 10, 80));
    let report = judged_by(settings, 71, None, &window);
    assert_eq!(report.rule, Rule::TransactionOpen { open: secs(61), held_back: 70 });
    assert_eq!(report.verdict(), Verdict::TransactionOpen);
    // It moved, and another is open.
    window.observe(held(80, 10, 11, 80));
    assert_ne!(judged_by(settings, 80, None, &window).verdict(), Verdict::TransactionOpen);
}

#[test]
fn hides_no_stop_of_the_group() {
    let settings = settings().with_transaction_after(secs(10));
    let mut window = Window::new(4).unwrap();
    (0..9).for_each(|turn| window.observe(held(10 * turn, 5, 10, 20)));
    assert_eq!(judged_by(settings, 80, None, &window).verdict(), Verdict::Stall);
}

#[test]
fn committed_reader_is_judged_up_to_it() {
    let window = window([held(0, 10, 10, 30), held(10, 12, 12, 40)]);
    assert_eq!(judged_by(settings(), 10, Some(0), &window).rule, Rule::CaughtUp);
    let beyond = super::window([held(0, 10, 31, 30)]);
    assert!(matches!(judged(&beyond), Rule::Contradiction { .. }));
}
