//! The rules again, slow and obvious: everything that ever came is kept, and looked through afresh each time.
//!
//! Those that go by the interval between commits are left out: [`super::simulated`] holds them against the truth.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::lag::{Sample, Settings, Verdict};

#[derive(Clone, Copy, Debug, PartialEq)]
struct Commit {
    at: DateTime<Utc>,
    offset: u64,
    seen: DateTime<Utc>,
    head: u64,
}

/// What the model finds: verdict, lag, and the bounds of the age.
#[derive(Debug, PartialEq)]
pub(super) struct Expected {
    pub(super) verdict: Verdict,
    pub(super) lag: Option<u64>,
    pub(super) age: Option<(TimeDelta, Option<TimeDelta>)>,
    pub(super) lost: Option<u64>,
}

/// Of those that came, each time once, the `capacity` that came last.
fn kept<T: Copy>(
    came: impl Iterator<Item = T>,
    capacity: usize,
    at: fn(&T) -> DateTime<Utc>,
    lesser: fn(&T, &T) -> bool,
) -> Vec<T> {
    let mut kept: Vec<T> = vec![];
    for item in came {
        if let Some(same) = kept.iter_mut().find(|other| at(other) == at(&item)) {
            if lesser(&item, same) {
                *same = item;
            }
            continue;
        }
        if kept.len() == capacity {
            kept.remove(0);
        }
        kept.push(item);
    }
    kept.sort_by_key(at);
    kept
}

fn length(from: DateTime<Utc>, to: DateTime<Utc>) -> TimeDelta {
    if to > from { to - from } else { TimeDelta::zero() }
}

pub(super) fn judge(
    settings: &Settings,
    capacity: usize,
    now: DateTime<Utc>,
    members: Option<u32>,
    came: &[Sample],
) -> Expected {
    let only = |verdict| Expected { verdict, lag: None, age: None, lost: None };
    let furthest_behind = |one: &Sample, other: &Sample| {
        let key = |sample: &Sample| {
            let Sample { committed, high_watermark, log_start, committed_at, oldest_at, .. } = *sample;
            (committed, high_watermark, log_start, committed_at, oldest_at)
        };
        let lag = |sample: &Sample| match sample.committed {
            Some(committed) => u128::from(sample.high_watermark.saturating_sub(committed)),
            None => u128::MAX,
        };
        lag(one) > lag(other) || (lag(one) == lag(other) && key(one) < key(other))
    };
    let mut samples = kept(came.iter().copied(), capacity, |sample| sample.at, furthest_behind);
    let committed = came.iter().filter_map(|sample| {
        let at = sample.committed_at.filter(|at| *at < sample.at).unwrap_or(sample.at);
        Some(Commit { at, offset: sample.committed?, seen: sample.at, head: sample.high_watermark })
    });
    let earliest = |one: &Commit, other: &Commit| {
        (one.offset, one.seen, one.head) < (other.offset, other.seen, other.head)
    };
    let mut commits = kept(committed, capacity, |commit| commit.at, earliest);

    let is_past = |at: DateTime<Utc>| at <= now || at - now <= TimeDelta::seconds(30);
    samples.retain(|sample| is_past(sample.at));
    let mut has_fallen = false;
    let mut foreign = None;
    for i in (1..samples.len()).rev() {
        if samples[i].high_watermark < samples[i - 1].high_watermark {
            foreign = samples[i - 1].committed.filter(|offset| *offset > samples[i].high_watermark);
            samples.drain(..i);
            has_fallen = true;
            break;
        }
    }
    let Some(last) = samples.last().copied() else { return only(Verdict::Unknown) };
    let first = samples[0];
    // Commits that were seen before this log began are of another.
    let mut head = first.high_watermark;
    for i in (0..commits.len()).rev() {
        if commits[i].seen < first.at {
            if has_fallen || commits[i].head > head {
                commits.drain(..=i);
                break;
            }
            head = commits[i].head;
        }
    }
    commits.retain(|commit| is_past(commit.seen));

    if length(last.at, now) > settings.stale_after || contradicts(&last) {
        return only(Verdict::Unknown);
    }
    let lag = last.committed.map(|committed| last.high_watermark - committed);
    let age = last.committed.map(|committed| age(&samples, committed));
    let lost = lost(&samples);
    let own = own(&samples, foreign);
    let verdict = (lost > 0)
        .then_some(Verdict::DataLoss)
        .or_else(|| lag.is_none().then(|| never(&own)))
        .or_else(|| (lag? <= settings.allowed_lag).then_some(Verdict::Ok))
        .or_else(|| (members == Some(0)).then_some(Verdict::Stop))
        .unwrap_or_else(|| behind(settings, capacity, &own, &commits, lag.unwrap(), age.unwrap().0));
    Expected { verdict, lag, age, lost: (lost > 0).then_some(lost) }
}

fn contradicts(sample: &Sample) -> bool {
    sample.log_start > sample.high_watermark
        || sample.committed.is_some_and(|committed| committed > sample.high_watermark)
}

fn age(samples: &[Sample], committed: u64) -> (TimeDelta, Option<TimeDelta>) {
    let last = samples.last().unwrap();
    if committed >= last.high_watermark {
        return (TimeDelta::zero(), Some(TimeDelta::zero()));
    }
    // The first offset may be a marker.
    let by = samples.iter().find(|sample| u128::from(sample.high_watermark) > u128::from(committed) + 1);
    let at_least = by.map_or(TimeDelta::zero(), |by| length(by.at, last.at));
    let before = samples.iter().rev().find(|sample| sample.high_watermark <= committed);
    let at_most = before.map(|before| length(before.at, last.at));
    let written =
        last.oldest_at.filter(|written| written.timestamp() > 0 || written.timestamp_subsec_nanos() > 0);
    match written.map(|written| length(written, last.at)) {
        Some(age) if age >= at_least && at_most.is_none_or(|most| age <= most) => (age, Some(age)),
        _ => (at_least, at_most),
    }
}

/// By the ranges of offsets: of each that was lost, what no range before it reached.
fn lost(samples: &[Sample]) -> u64 {
    let mut reached = 0_u64;
    let mut lost = 0_u64;
    for sample in samples.iter().filter(|sample| !contradicts(sample)) {
        let Some(committed) = sample.committed else { continue };
        if committed < sample.log_start {
            let from = committed.max(reached);
            if from < sample.log_start {
                lost = lost.saturating_add(sample.log_start - from);
            }
            reached = reached.max(sample.log_start);
        }
    }
    lost
}

/// The samples without the offset of the log before, which the coordinator tells until the group commits another.
fn own(samples: &[Sample], foreign: Option<u64>) -> Vec<Sample> {
    let is_own = |sample: &Sample| sample.committed.is_some_and(|offset| Some(offset) != foreign);
    let since = samples.iter().position(|sample| !contradicts(sample) && is_own(sample));
    let of_the_group = |(i, sample): (usize, &Sample)| match since {
        Some(since) if i >= since => *sample,
        _ => sample.with_committed(None),
    };
    samples.iter().enumerate().map(of_the_group).collect()
}

fn never(samples: &[Sample]) -> Verdict {
    if samples.iter().any(|sample| sample.committed.is_some() && !contradicts(sample)) {
        Verdict::OffsetGone
    } else if samples.last().unwrap().high_watermark == 0 {
        Verdict::Empty
    } else {
        Verdict::NeverCommitted
    }
}

/// Of a group with consumers, perhaps, and a lag that counts, if it has neither stopped nor stalled.
fn behind(
    settings: &Settings,
    capacity: usize,
    samples: &[Sample],
    commits: &[Commit],
    lag: u64,
    at_least: TimeDelta,
) -> Verdict {
    let last = samples.last().unwrap();
    let offsets = samples.iter().filter(|sample| !contradicts(sample)).filter_map(|sample| sample.committed);
    if offsets.max() > last.committed {
        return Verdict::Rewind;
    }
    if settings.max_lag.is_some_and(|max| lag > max) || settings.max_age.is_some_and(|max| at_least > max) {
        return Verdict::OverThreshold;
    }
    if samples.len() < settings.min_samples.min(capacity) {
        return Verdict::Unknown;
    }
    let lag_of = |commit: &Commit| commit.head.saturating_sub(commit.offset);
    let was_small = commits.iter().any(|commit| lag_of(commit) <= settings.allowed_lag);
    let falls = commits.windows(2).any(|pair| lag_of(&pair[1]) < lag_of(&pair[0]));
    if was_small || falls { Verdict::Ok } else { Verdict::Warn }
}
