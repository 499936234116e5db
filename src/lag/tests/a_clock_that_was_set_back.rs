use super::*;

#[test]
fn is_outlived_and_the_pace_is_kept() {
    let mut window = Window::new(3).unwrap();
    for turn in 0..8_u64 {
        let second = 1_000_000 + 10 * i64::try_from(turn).unwrap();
        window.observe(sample(second, 10 * turn, 10 * turn + 5));
    }
    for second in (0..200).step_by(10) {
        window.observe(sample(second, 70, 100 + second.unsigned_abs()));
    }
    let report = judged_by(settings(), 190, None, &window);
    assert_eq!(report.verdict(), Verdict::Stop, "{report}");
}

#[test]
fn one_late_sample_changes_nothing() {
    let mut window = Window::new(4).unwrap();
    for turn in 0..12_u64 {
        window.observe(sample(10 * i64::try_from(turn).unwrap(), 10 * turn, 10 * turn + 5));
    }
    let mut late = window.clone();
    late.observe(sample(3, 0, 5));
    for second in (120..=180).step_by(10) {
        late.observe(sample(second, 110, 120 + second.unsigned_abs()));
        window.observe(sample(second, 110, 120 + second.unsigned_abs()));
    }
    let by = |window| judged_by(settings(), 180, None, window).rule;
    assert_eq!(by(&late), by(&window));
    assert_eq!(by(&late).verdict(), Verdict::Stop);
}
