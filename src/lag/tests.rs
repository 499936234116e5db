//! Each rule from both sides of its bound, and the order in which they are asked.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Judge, Report, Rule, Sample, Settings, Verdict, Window};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn secs(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds)
}

/// Four samples are a whole window.
fn settings() -> Settings {
    Settings::default().with_min_samples(4)
}

fn window(samples: impl IntoIterator<Item = Sample>) -> Window {
    let mut window = Window::default();
    samples.into_iter().for_each(|sample| window.observe(sample));
    window
}

/// `(committed, head)` each ten seconds, from second zero.
fn each_ten(looks: &[(u64, u64)]) -> Window {
    let samples = looks.iter().zip(0..).map(|((committed, head), i)| sample(10 * i, *committed, *head));
    window(samples)
}

fn sample(second: i64, committed: u64, head: u64) -> Sample {
    Sample::new(at(second), 0, head).with_committed(Some(committed))
}

fn judged_by(settings: Settings, now: i64, members: Option<u32>, window: &Window) -> Report {
    Judge::new(settings).unwrap().partition(at(now), members, window)
}

fn judged(window: &Window) -> Rule {
    judged_by(settings(), 100, None, window).rule
}

const STALLED: [(u64, u64); 4] = [(5, 10), (5, 20), (5, 30), (5, 40)];

mod what_cannot_be_judged {
    use super::*;

    #[test]
    fn without_a_sample_nothing_is_known() {
        assert_eq!(judged(&Window::default()), Rule::NoSample);
    }

    #[test]
    fn a_sample_may_be_ahead_by_what_clocks_differ_by() {
        let one = window([sample(130, 10, 10)]);
        assert_eq!(judged_by(settings(), 100, None, &one).rule, Rule::CaughtUp);
        assert_eq!(judged_by(settings(), 99, None, &one).rule, Rule::FromTheFuture);
        let mut both = each_ten(&STALLED);
        both.observe(sample(10_000_000, 99, 99));
        assert!(matches!(judged(&both), Rule::Unmoved { .. }));
    }

    #[test]
    fn a_window_of_a_sampler_that_stopped_says_nothing_of_now() {
        let caught_up = each_ten(&[(10, 10)]);
        assert_eq!(judged_by(settings(), 300, None, &caught_up).rule, Rule::CaughtUp);
        assert_eq!(judged_by(settings(), 301, None, &caught_up).rule, Rule::Stale { age: secs(301) });
    }

    #[test]
    fn offsets_that_contradict_each_other_are_not_judged() {
        assert!(matches!(judged(&each_ten(&[(11, 10)])), Rule::Contradiction { committed: Some(11), .. }));
        let below = Sample::new(at(0), 11, 10);
        assert!(matches!(judged(&window([below])), Rule::Contradiction { committed: None, .. }));
        let equal = Sample::new(at(0), 10, 10);
        assert_eq!(judged(&window([equal])), Rule::NeverCommitted { waiting: 0 });
        // One that is over does not spoil the window.
        assert_eq!(judged(&each_ten(&[(11, 10), (11, 12), (12, 12)])), Rule::CaughtUp);
    }

    #[test]
    fn of_two_looks_of_one_time_the_one_further_behind_counts() {
        let (near, far) = (sample(0, 10, 10), sample(0, 10, 1_000));
        for looks in [[near, far], [far, near], [sample(0, 5, 6), far], [far, sample(0, 5, 6)]] {
            let report = judged_by(settings(), 0, Some(0), &window(looks));
            assert_eq!((report.rule, report.lag), (Rule::NoConsumer, Some(990)), "{looks:?}");
        }
    }

    #[test]
    fn a_commit_that_vanished_is_not_never_committed() {
        let gone = Sample::new(at(50), 0, 40);
        let rule = judged(&window([sample(0, 5, 10), gone]));
        assert_eq!(rule, Rule::CommitVanished { seen: at(0) });
        assert_eq!(rule.verdict(), Verdict::Unknown);
    }
}

mod what_is_wrong_at_once {
    use super::*;

    fn from(second: i64, start: u64, committed: u64) -> Sample {
        Sample::new(at(second), start, 1_000).with_committed(Some(committed))
    }

    #[test]
    fn what_was_deleted_unread_is_lost_and_counted_once() {
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
    fn a_loss_is_told_even_of_who_has_caught_up_since() {
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
    fn a_group_without_a_consumer_has_stopped_if_anything_waits() {
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
}

mod burrow {
    use super::*;

    #[test]
    fn a_stop_is_a_silence_longer_than_all_commits_took() {
        let told = |second, committed_at| sample(second, 5, 100).with_committed_at(at(committed_at));
        let first = sample(0, 1, 90).with_committed_at(at(0));
        // The commits took 40 s.
        let looks = |last| window([first, told(40, 40), told(60, 40), told(last, 40)]);
        assert_ne!(judged(&looks(80)).verdict(), Verdict::Stop);
        assert_eq!(judged(&looks(81)), Rule::CommitsStopped { silent: secs(41), span: secs(40) });
        // Not by a window that is not whole.
        let three = window([first, told(40, 40), told(90, 40)]);
        assert_eq!(judged(&three), Rule::Incomplete { what: "samples", have: 3, need: 4 });
    }

    #[test]
    fn who_was_at_the_head_of_late_has_not_stopped() {
        let of = |head| {
            let told = |second, head| sample(second, 50, head).with_committed_at(at(10));
            let first = sample(0, 40, head).with_committed_at(at(0));
            window([first, told(10, head), told(40, 60), told(50, 60)])
        };
        assert_eq!(judged(&of(51)), Rule::CommitsStopped { silent: secs(40), span: secs(10) });
        assert_eq!(judged(&of(50)), Rule::WasCaughtUp);
    }

    #[test]
    fn one_commit_alone_is_measured_by_the_samples() {
        let looks = |committed_at| {
            [0, 10, 20, 30].map(|second| sample(second, 5, 9).with_committed_at(at(committed_at)))
        };
        assert_eq!(judged(&window(looks(-1))), Rule::CommitsStopped { silent: secs(31), span: secs(30) });
        assert_eq!(judged(&window(looks(0))), Rule::Incomplete { what: "commits", have: 1, need: 2 });
    }

    #[test]
    fn no_commit_is_later_than_the_look_that_saw_it() {
        let told = [0, 10, 20, 30].map(|second| sample(second, 5, 9).with_committed_at(at(1_000)));
        assert_eq!(judged(&window(told)), Rule::Unmoved { span: secs(30) });
    }

    #[test]
    fn a_rewind_that_is_made_good_is_none() {
        let growing = |offsets: [u64; 4]| {
            let heads = [100, 110, 120, 130];
            let looks: Vec<_> = offsets.into_iter().zip(heads).collect();
            judged(&each_ten(&looks))
        };
        assert_eq!(growing([10, 5, 6, 9]), Rule::Rewound { from: 10, to: 9 });
        assert_eq!(growing([10, 5, 6, 10]).verdict(), Verdict::Warn);
        // Burrow passes over the second step back.
        assert_eq!(growing([10, 5, 10, 3]), Rule::Rewound { from: 10, to: 3 });
        assert_eq!(growing([10, 9, 8, 8]), Rule::Rewound { from: 10, to: 8 });
        // Two commits show it.
        assert_eq!(judged(&each_ten(&[(6, 10), (5, 10)])), Rule::Rewound { from: 6, to: 5 });
        // Even where all was read before.
        assert_eq!(judged(&each_ten(&[(10, 10), (0, 10)])), Rule::Rewound { from: 10, to: 0 });
    }

    #[test]
    fn a_stall_is_one_offset_in_a_whole_window_that_was_never_caught_up() {
        assert_eq!(judged(&each_ten(&STALLED)), Rule::Unmoved { span: secs(30) });
        assert_eq!(judged(&each_ten(&STALLED[..3])), Rule::Incomplete { what: "samples", have: 3, need: 4 });
        let moved = each_ten(&[(5, 10), (5, 20), (5, 30), (6, 40)]);
        assert_eq!(judged(&moved), Rule::NotDecreasing);
        let was_there = each_ten(&[(10, 10), (10, 20), (10, 30), (10, 40)]);
        assert_eq!(judged(&was_there), Rule::WasCaughtUp);
        let nearly =
            |allowed| judged_by(settings().with_allowed_lag(allowed), 100, None, &each_ten(&STALLED));
        assert_eq!(nearly(4).rule, Rule::Unmoved { span: secs(30) });
        assert_eq!(nearly(5).rule, Rule::WasCaughtUp);
    }

    #[test]
    fn a_lag_that_never_falls_is_a_warning() {
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
    fn a_small_window_is_whole_when_it_is_full() {
        let mut two = Window::new(2).unwrap();
        two.observe(sample(0, 5, 10));
        assert_eq!(judged(&two), Rule::Incomplete { what: "samples", have: 1, need: 2 });
        two.observe(sample(10, 5, 20));
        assert_eq!(judged(&two), Rule::Unmoved { span: secs(10) });
    }

    #[test]
    fn a_slow_committer_is_measured_by_its_own_pace() {
        // A commit each 100 s and a look each 10 s: the samples see one commit, the window keeps more.
        let mut window = Window::default();
        for second in (0..=390_i64).step_by(10) {
            let turn = second / 100;
            let (done, head) = ((turn * 100).unsigned_abs(), second.unsigned_abs() + 50);
            window.observe(sample(second, done, head).with_committed_at(at(turn * 100)));
        }
        let report = judged_by(settings(), 390, None, &window);
        assert_eq!(report.verdict(), Verdict::Warn, "{report}");
        // When it stops, the last three hundred seconds are its measure.
        for second in (400..=620_i64).step_by(10) {
            let late = sample(second, 300, second.unsigned_abs() + 50).with_committed_at(at(300));
            window.observe(late);
        }
        let by = |settings| judged_by(settings, 620, None, &window).rule;
        assert_eq!(by(settings()), Rule::CommitsStopped { silent: secs(320), span: secs(300) });
    }
}

mod a_head_left_behind {
    use super::*;

    /// It moved each ten seconds up to second 20, then stopped; the head went on to second `last`.
    fn stops(last: i64, head: u64) -> Window {
        let mut window = each_ten(&[(10, 12), (20, 22), (30, 32)]);
        window.observe(sample(last - 1, 30, 40));
        window.observe(sample(last, 30, head));
        window
    }

    fn judged(window: &Window) -> Rule {
        judged_by(settings().with_stop_after(secs(30)), 100, None, window).rule
    }

    #[test]
    fn is_told_before_the_window_has_passed() {
        let told = Rule::HeadLeftBehind { waiting: secs(30), usual: secs(10) };
        assert_eq!(judged(&stops(50, 41)), told);
        assert_eq!(told.verdict(), Verdict::Stop);
        assert_ne!(judged(&stops(49, 41)).verdict(), Verdict::Stop);
    }

    #[test]
    fn is_told_only_while_the_head_moves() {
        let mut window = each_ten(&[(10, 12), (20, 22), (30, 40)]);
        window.observe(sample(60, 30, 40));
        assert_ne!(judged(&window).verdict(), Verdict::Stop);
        window.observe(sample(61, 30, 41));
        assert_eq!(judged(&window), Rule::HeadLeftBehind { waiting: secs(41), usual: secs(10) });
    }

    #[test]
    fn is_told_of_who_had_been_moving_and_after_twice_the_usual_time() {
        let idle = each_ten(&[(5, 10), (5, 11), (5, 12), (5, 13), (5, 14)]);
        assert_eq!(judged(&idle), Rule::Unmoved { span: secs(40) });
        let slow = |last| {
            let looks = [sample(0, 5, 10), sample(20, 6, 11), sample(last - 1, 6, 12), sample(last, 6, 13)];
            judged(&window(looks))
        };
        assert_ne!(slow(60).verdict(), Verdict::Stop);
        assert_eq!(slow(61), Rule::HeadLeftBehind { waiting: secs(41), usual: secs(20) });
    }

    #[test]
    fn counts_from_when_messages_waited_and_not_from_the_last_commit() {
        // It had read all until second 50.
        let mut window = each_ten(&[(10, 12), (20, 22), (30, 30), (30, 30), (30, 30)]);
        window.observe(sample(50, 30, 35));
        window.observe(sample(79, 30, 36));
        assert_ne!(judged(&window).verdict(), Verdict::Stop);
        window.observe(sample(80, 30, 37));
        assert_eq!(judged(&window), Rule::HeadLeftBehind { waiting: secs(30), usual: secs(10) });
    }

    #[test]
    fn is_no_stop_while_it_commits_the_same_offset_again() {
        let told = |second, offset, head| sample(second, offset, head).with_committed_at(at(second));
        let looks = [told(0, 10, 12), told(10, 20, 22), told(30, 20, 30), told(60, 20, 40), told(90, 20, 50)];
        assert_ne!(judged(&window(looks)).verdict(), Verdict::Stop);
    }
}

mod thresholds {
    use super::*;

    /// Behind by 100, and its lag falls; the oldest unread message is 40 s old at the last look.
    fn behind() -> Window {
        let looks = [(0, 150), (50, 190), (100, 220), (150, 250)];
        let mut window = each_ten(&looks);
        window.observe(sample(40, 200, 300).with_oldest_at(at(0)));
        window
    }

    #[test]
    fn are_strict_in_messages_and_in_time() {
        let by = |settings| judged_by(settings, 100, None, &behind()).rule;
        assert_eq!(by(settings()), Rule::Decreasing);
        assert_eq!(by(settings().with_max_lag(100)), Rule::Decreasing);
        assert_eq!(by(settings().with_max_lag(99)), Rule::OverMessages { lag: 100, max: 99 });
        assert_eq!(by(settings().with_max_age(secs(40))), Rule::Decreasing);
        let over = Rule::OverAge { at_least: secs(40), max: secs(39) };
        assert_eq!(by(settings().with_max_age(secs(39))), over);
        assert_eq!(by(settings().with_max_age(secs(39)).with_max_lag(99)).verdict(), over.verdict());
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
    fn give_way_to_a_stall_and_come_before_a_warning() {
        let stalled = judged_by(settings().with_max_lag(1), 100, None, &each_ten(&STALLED));
        assert_eq!(stalled.verdict(), Verdict::Stall);
        let slow = each_ten(&[(1, 10), (2, 11), (3, 12), (4, 13)]);
        assert_eq!(judged_by(settings().with_max_lag(1), 100, None, &slow).verdict(), Verdict::OverThreshold);
    }
}

mod another_log {
    use super::*;

    #[test]
    fn what_was_before_the_head_fell_does_not_count() {
        let mut window = each_ten(&[(500, 900), (600, 900), (700, 900), (5, 10)]);
        let report = judged_by(settings(), 100, None, &window);
        assert_eq!(
            (report.rule, report.samples),
            (Rule::Incomplete { what: "samples", have: 1, need: 4 }, 1)
        );
        window.observe(sample(40, 10, 10));
        assert_eq!(judged(&window), Rule::CaughtUp);
        // Where the group's offset is still that of the old log, nothing can be said.
        window.observe(sample(50, 700, 20));
        assert!(matches!(judged(&window), Rule::Contradiction { .. }));
    }

    #[test]
    fn commits_of_the_old_log_do_not_count_when_its_samples_have_left() {
        let mut window = Window::new(4).unwrap();
        window.observe(sample(0, 800, 900).with_committed_at(at(0)));
        for second in [10, 20, 30, 40] {
            window.observe(sample(second, 5, 50).with_committed_at(at(second)));
        }
        // Five commits came and four are kept: the first of the old log stays if the others were told once.
        assert_eq!(judged(&window), Rule::Unmoved { span: secs(30) });
        let mut told_once = Window::new(4).unwrap();
        told_once.observe(sample(0, 800, 900).with_committed_at(at(0)));
        for (second, committed_at) in [(10, 10), (20, 10), (30, 30), (40, 40)] {
            told_once.observe(sample(second, 5, 50).with_committed_at(at(committed_at)));
        }
        assert_eq!(judged(&told_once), Rule::Unmoved { span: secs(30) });
    }

    #[test]
    fn commits_lead_up_to_the_log_one_by_one() {
        let mut window = Window::new(4).unwrap();
        window.observe(sample(0, 90, 100).with_committed_at(at(0)));
        // Another log, which has grown beyond the old one by the time of the samples that are left.
        window.observe(sample(10, 5, 60).with_committed_at(at(10)));
        for (second, committed_at) in [(20, 15), (30, 15), (40, 40), (50, 40)] {
            window.observe(sample(second, 5, 200).with_committed_at(at(committed_at)));
        }
        assert_eq!(judged(&window), Rule::Unmoved { span: secs(30) });
    }

    #[test]
    fn commits_of_the_same_log_count_though_their_samples_have_left() {
        let mut window = Window::new(2).unwrap();
        window.observe(sample(0, 40, 50).with_committed_at(at(0)));
        window.observe(sample(10, 5, 50).with_committed_at(at(10)));
        window.observe(sample(20, 5, 50).with_committed_at(at(10)));
        assert_eq!(judged(&window), Rule::Rewound { from: 40, to: 5 });
    }
}

#[test]
fn the_report_says_what_it_is_from() {
    let report = judged_by(settings(), 100, None, &each_ten(&STALLED));
    assert_eq!((report.lag, report.samples, report.needed, report.at), (Some(35), 4, 4, Some(at(30))));
    assert!(report.is_complete() && report.trend.is_some());
    assert_eq!(
        report.to_string(),
        "stall: messages wait, and the committed offset stood still for 30s; 35 behind (30s at least)"
    );
    let none = judged_by(settings(), 100, None, &Window::default());
    assert_eq!(none.to_string(), "unknown: there is no sample");
}

#[test]
fn each_setting_that_cannot_be_is_named() {
    for (settings, field) in [
        (settings().with_min_samples(1), "`min_samples` is 1"),
        (settings().with_min_samples(Window::MOST + 1), "`min_samples` is 65537"),
        (settings().with_stop_after(secs(0)), "`stop_after` is 0s"),
        (settings().with_stale_after(secs(-1)), "`stale_after` is -1s"),
        (settings().with_max_age(secs(0)), "`max_age` is 0s"),
        (settings().with_retention(secs(0)), "`retention` is 0s"),
    ] {
        let error = Judge::new(settings).unwrap_err().to_string();
        assert!(error.starts_with(field), "{error}");
    }
    assert!(Judge::new(settings().with_min_samples(2)).is_ok());
    assert!(Judge::new(settings().with_min_samples(Window::MOST)).is_ok());
    assert!(Window::new(1).is_err() && Window::new(Window::MOST + 1).is_err());
    assert!(Window::new(2).is_ok() && Window::new(Window::MOST).is_ok());
}

mod a_group {
    use super::*;

    fn of(windows: &[Window]) -> crate::lag::GroupReport<usize> {
        Judge::new(settings()).unwrap().group(at(100), None, windows.iter().enumerate())
    }

    #[test]
    fn is_as_its_worst_partition_and_says_which() {
        let (fine, stalled) = (each_ten(&[(10, 10)]), each_ten(&STALLED));
        let worse = each_ten(&[(5, 10), (5, 20), (5, 30), (5, 41)]);
        let group = of(&[fine.clone(), stalled.clone(), worse, stalled, fine]);
        assert_eq!(group.verdict(), Verdict::Stall);
        assert_eq!(group.worst.map(|(name, _)| name), Some(2));
        assert_eq!(group.most_lag, Some((2, 36)));
        assert_eq!((group.total_lag, group.partitions, group.known, group.complete), (106, 5, 5, 3));
        let alike = of(&[each_ten(&[(10, 10)]), each_ten(&STALLED), each_ten(&STALLED)]);
        assert_eq!(alike.worst.map(|(name, _)| name), Some(1));
    }

    #[test]
    fn is_unknown_at_best_where_a_partition_gave_no_answer() {
        let fine = each_ten(&[(10, 10)]);
        let group = of(&[fine.clone(), Window::default()]);
        assert_eq!((group.verdict(), group.rule(), group.known), (Verdict::Unknown, Rule::NoSample, 1));
        let bad = of(&[fine.clone(), Window::default(), each_ten(&STALLED)]);
        assert_eq!(bad.verdict(), Verdict::Stall);
        assert_eq!(of(&[fine]).verdict(), Verdict::Ok);
    }

    #[test]
    fn without_a_partition_is_not_ok() {
        let none = of(&[]);
        assert_eq!((none.verdict(), none.rule()), (Verdict::Unknown, Rule::NoPartition));
        assert_eq!(none.to_string(), "unknown: no partition is told of");
        let empty = window([Sample::new(at(0), 0, 0)]);
        assert_eq!(of(std::slice::from_ref(&empty)).verdict(), Verdict::Empty);
        assert_eq!(of(&[empty, each_ten(&[(1, 1)])]).verdict(), Verdict::Ok);
    }
}
