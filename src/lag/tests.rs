//! Each rule from both sides of its bound, and the order in which they are asked.

mod a_clock_that_was_set_back;
mod a_course;
mod a_group;
mod a_rewind;
mod a_stall;
mod a_stop;
mod an_open_transaction;
mod another_log;
mod thresholds;
mod what_cannot_be_judged;
mod what_is_wrong_at_once;

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
        "stall: messages have waited 30 s, and the committed offset does not move; 35 behind (30 s at least)"
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
