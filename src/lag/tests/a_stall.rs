use super::*;

#[test]
fn unmoved_for_slowest_interval_is_stuck() {
    assert_eq!(judged(&each_ten(&STALLED)), Rule::Unmoved { waiting: secs(30) });
    assert_eq!(judged(&each_ten(&STALLED[..3])), Rule::Undecided { waiting: secs(20), have: 0, need: 3 });
    let caught_up_before = each_ten(&[(10, 10), (10, 20), (10, 30), (10, 40)]);
    assert_eq!(judged(&caught_up_before), Rule::WasCaughtUp);
}

#[test]
fn is_not_seen_in_one_possible_marker() {
    let idle = |sample: fn(Sample) -> Sample| {
        let mut window = paced(&[]);
        (0..100).for_each(|turn| window.observe(sample(super::sample(10 * turn, 1_050, 1_051))));
        judged_by(settings(), 1_000, None, &window)
    };
    let marker = idle(|sample| sample);
    assert_eq!((marker.rule, marker.verdict()), (Rule::LoneOffset { waiting: secs(990) }, Verdict::Unknown));
    assert_eq!(idle(Sample::with_nothing_unread).rule, Rule::CaughtUp);
    assert_eq!(idle(|sample| sample.with_oldest_at(at(0))).verdict(), Verdict::Stop);
}
