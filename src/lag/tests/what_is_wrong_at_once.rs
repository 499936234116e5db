use super::*;

fn from(second: i64, start: u64, committed: u64) -> Sample {
    Sample::new(at(second), start, 1_000).with_committed(Some(committed))
}

#[test]
fn deleted_unread_is_lost_once() {
    for (looks, lost) in [
        (vec![from(0, 5, 5)], None),
        (vec![from(0, 6, 5)], Some(1)),
        (vec![from(0, 10, 5), from(10, 20, 5)], Some(15)),
        // The group began again at the log's start, and fell behind it again.
        (vec![from(0, 20, 5), from(10, 20, 20), from(20, 30, 25)], Some(15 + 5)),
        // It went back to what was read before.
        (vec![from(0, 20, 5), from(10, 20, 2)], Some(15)),
        // The log's start was told wrong for a while.
        (vec![from(0, 20, 5), from(10, 10, 5), from(20, 20, 5)], Some(15)),
        // All that was ever kept.
        (vec![from(0, 1_000, 0)], Some(1_000)),
    ] {
        let rule = judged(&window(looks.clone()));
        match lost {
            Some(lost) => assert_eq!(rule, Rule::PastRetention { lost }, "{looks:?}"),
            None => assert_eq!(rule.verdict(), Verdict::Unknown, "{looks:?}"),
        }
    }
}

#[test]
fn loss_is_told_even_of_who_has_caught_up_since() {
    let looks = [from(0, 20, 5), from(10, 20, 1_000)];
    assert_eq!(judged(&window(looks)), Rule::PastRetention { lost: 15 });
    let mut wrong = from(0, 20, 5);
    wrong.high_watermark = 19;
    assert_eq!(judged(&window([wrong, from(10, 20, 1_000)])), Rule::CaughtUp);
}

#[test]
fn never_committed_is_never_ok() {
    for (start, head, rule) in [
        (0, 0, Rule::NothingWritten),
        (0, 1, Rule::NeverCommitted { waiting: 1 }),
        (9, 9, Rule::NeverCommitted { waiting: 0 }),
    ] {
        let window = window([Sample::new(at(0), start, head)]);
        let report = judged_by(settings().with_allowed_lag(9), 0, None, &window);
        assert_eq!(report.rule, rule);
        assert_ne!(report.verdict(), Verdict::Ok);
    }
}

#[test]
fn no_consumer_and_waiting_is_stopped() {
    for (committed, members, verdict) in [
        (9, Some(0), Verdict::Stop),
        (10, Some(0), Verdict::Ok),
        (9, Some(1), Verdict::Unknown),
        (9, None, Verdict::Unknown),
    ] {
        let one = each_ten(&[(committed, 10)]);
        assert_eq!(judged_by(settings(), 0, members, &one).verdict(), verdict);
    }
}

#[test]
fn a_trivial_lag_is_no_lag() {
    let stalled = each_ten(&STALLED);
    let by = |allowed| judged_by(settings().with_allowed_lag(allowed), 100, Some(0), &stalled).rule;
    assert_eq!(by(35), Rule::CaughtUp);
    assert_eq!(by(34), Rule::NoConsumer);
}
