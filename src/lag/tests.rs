//! Each rule from both sides of its bound, and the order in which they are asked.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Basis, GroupState, Judge, Report, Rule, Sample, Settings, Verdict, Window};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn secs(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds)
}

/// Four samples are a whole window.
fn settings() -> Settings {
    Settings::default().with_min_samples(4).with_slowest_commit(secs(30)).with_stop_after(secs(30))
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

fn judged_by(settings: Settings, now: i64, members: impl Into<GroupState>, window: &Window) -> Report {
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
        assert_eq!(judged(&both), Rule::Unmoved { waiting: secs(30) });
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
    fn an_offset_that_is_gone_is_not_never_committed() {
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

/// `(committed, head)` each ten seconds, from a group that was seen to commit each ten seconds before.
fn paced(looks: &[(u64, u64)]) -> Window {
    let mut window = Window::new(64).unwrap();
    for turn in 0..5_u64 {
        let second = 10 * i64::try_from(turn).unwrap() - 50;
        window.observe(sample(second, 1_000 + 10 * turn, 1_008 + 10 * turn));
    }
    looks.iter().zip(0..).for_each(|((committed, head), i)| {
        window.observe(sample(10 * i, 1_050 + committed, 1_050 + head));
    });
    window
}

mod a_stop {
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
    fn differs_from_a_stall_where_commits_have_times() {
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
    fn is_told_above_the_allowed_lag_from_when_it_was_passed() {
        // Three markers of transactions stay unread for long, then messages come.
        let mut looks = vec![(0, 3); 40];
        looks.extend((0..7).map(|turn| (0, 8 + turn)));
        let by = |looks: &[(u64, u64)]| {
            judged_by(settings().with_allowed_lag(3), 400 + 100, None, &paced(looks)).rule.verdict()
        };
        assert_ne!(by(&looks[..45]), Verdict::Stop);
        assert_eq!(by(&looks), Verdict::Stop);
    }
}

mod a_stall {
    use super::*;

    #[test]
    fn is_an_offset_that_never_moved_for_the_slowest_interval() {
        assert_eq!(judged(&each_ten(&STALLED)), Rule::Unmoved { waiting: secs(30) });
        assert_eq!(judged(&each_ten(&STALLED[..3])), Rule::Undecided { waiting: secs(20), have: 0, need: 3 });
        let caught_up_before = each_ten(&[(10, 10), (10, 20), (10, 30), (10, 40)]);
        assert_eq!(judged(&caught_up_before), Rule::WasCaughtUp);
    }

    #[test]
    fn is_not_told_of_one_offset_that_may_be_a_marker() {
        let idle = |sample: fn(Sample) -> Sample| {
            let mut window = paced(&[]);
            (0..100).for_each(|turn| window.observe(sample(super::sample(10 * turn, 1_050, 1_051))));
            judged_by(settings(), 1_000, None, &window)
        };
        let marker = idle(|sample| sample);
        assert_eq!(
            (marker.rule, marker.verdict()),
            (Rule::LoneOffset { waiting: secs(990) }, Verdict::Unknown)
        );
        assert_eq!(idle(Sample::with_nothing_unread).rule, Rule::CaughtUp);
        assert_eq!(idle(|sample| sample.with_oldest_at(at(0))).verdict(), Verdict::Stop);
    }
}

mod a_rewind {
    use super::*;

    #[test]
    fn lasts_until_it_is_made_good() {
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
        // Even where all was read before.
        assert_eq!(judged(&each_ten(&[(10, 10), (0, 10)])), Rule::Rewound { from: 10, to: 0 });
    }

    #[test]
    fn does_not_fade_with_the_samples() {
        let mut window = Window::new(3).unwrap();
        window.observe(sample(0, 900, 1_000));
        for turn in 1..90_i64 {
            let committed = 10 * turn.unsigned_abs();
            window.observe(sample(10 * turn, committed, 1_000 + committed));
            let rule = judged_by(settings(), 10 * turn, None, &window).rule;
            assert_eq!(rule, Rule::Rewound { from: 900, to: committed });
        }
        window.observe(sample(900, 900, 1_900));
        assert_ne!(judged_by(settings(), 900, None, &window).verdict(), Verdict::Rewind);
    }
}

mod a_course {
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
    fn that_grows_without_end_is_a_verdict_of_its_own() {
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
}

mod an_open_transaction {
    use super::*;

    fn held(second: i64, committed: u64, stable: u64, head: u64) -> Sample {
        sample(second, committed, head).with_last_stable_offset(stable)
    }

    #[test]
    fn is_reported_when_the_stable_offset_does_not_move() {
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
    fn a_group_that_reads_committed_is_judged_up_to_it() {
        let window = window([held(0, 10, 10, 30), held(10, 12, 12, 40)]);
        assert_eq!(judged_by(settings(), 10, Some(0), &window).rule, Rule::CaughtUp);
        let beyond = super::window([held(0, 10, 31, 30)]);
        assert!(matches!(judged(&beyond), Rule::Contradiction { .. }));
    }
}

mod thresholds {
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
            assert_eq!(
                (age.at_least, age.at_most, age.basis),
                (secs(20), Some(secs(30)), Basis::Interpolated)
            );
            assert_ne!(report.verdict(), Verdict::OverThreshold, "{report}");
        }
        assert_eq!(aged(at(15)).age.map(|age| (age.estimate, age.basis)), Some((secs(25), Basis::Timestamp)));
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
        assert_eq!((report.rule, report.samples), (Rule::Incomplete { have: 1, need: 4 }, 1));
        window.observe(sample(40, 10, 10));
        assert_eq!(judged(&window), Rule::CaughtUp);
        // Where the group's offset is beyond the head, nothing can be said.
        window.observe(sample(50, 700, 20));
        assert!(matches!(judged(&window), Rule::Contradiction { .. }));
    }

    #[test]
    fn an_offset_of_the_old_log_is_not_judged_in_the_new_one() {
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
    fn commits_that_contradict_the_head_are_no_measure_of_a_rewind() {
        let mut window = each_ten(&[(700, 90), (700, 95), (700, 99)]);
        window.observe(sample(30, 98, 100));
        assert_ne!(judged(&window).verdict(), Verdict::Rewind);
    }
}

mod a_clock_that_was_set_back {
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
}

#[test]
fn rules_of_burrow_are_a_mode_of_their_own() {
    use super::burrow::Status;
    let judge = Judge::new(settings()).unwrap();
    assert_eq!(judge.burrow(at(30), &each_ten(&STALLED)), Status::Stall);
    assert_eq!(judge.burrow(at(61), &each_ten(&STALLED)), Status::Stop);
    assert_eq!(judge.burrow(at(30), &each_ten(&STALLED[..3])), Status::Ok);
    assert_eq!(judge.burrow(at(30), &each_ten(&[(1, 10), (2, 11), (3, 12), (4, 13)])), Status::Warning);
    assert_eq!(judge.burrow(at(0), &Window::default()), Status::Ok);
}

#[test]
fn the_report_says_what_it_is_from() {
    let report = judged_by(settings(), 100, None, &each_ten(&STALLED));
    assert_eq!((report.lag, report.samples, report.needed, report.at), (Some(35), 4, 4, Some(at(30))));
    assert!(report.is_complete() && report.trend.is_some());
    assert_eq!(
        report.to_string(),
        "stall: messages have waited 30s, and the committed offset does not move; 35 behind (30s at least)"
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
        (settings().with_slowest_commit(secs(0)), "`slowest_commit` is 0s"),
        (settings().with_transaction_after(secs(0)), "`transaction_after` is 0s"),
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

    fn of(windows: &[Window]) -> super::super::GroupReport<usize> {
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
        assert_eq!(none.to_string(), "unknown: there is no partition");
        let empty = window([Sample::new(at(0), 0, 0)]);
        assert_eq!(of(std::slice::from_ref(&empty)).verdict(), Verdict::Empty);
        assert_eq!(of(&[empty, each_ten(&[(1, 1)])]).verdict(), Verdict::Ok);
    }
}
