//! The rules again, slow and obvious: everything that ever came is kept, and looked through afresh each time.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::lag::{Sample, Settings, Verdict};

#[derive(Clone, Copy, Debug, PartialEq)]
struct Commit {
    at: DateTime<Utc>,
    offset: u64,
    seen: DateTime<Utc>,
    head: u64,
}

/// What the model comes to: verdict, lag, and the bounds of the age.
#[derive(Debug, PartialEq)]
pub(super) struct Told {
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
) -> Told {
    let told = |verdict| Told { verdict, lag: None, age: None, lost: None };
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
        let at = sample.committed_at.filter(|told| *told < sample.at).unwrap_or(sample.at);
        Some(Commit { at, offset: sample.committed?, seen: sample.at, head: sample.high_watermark })
    });
    let earliest = |one: &Commit, other: &Commit| {
        (one.offset, one.seen, one.head) < (other.offset, other.seen, other.head)
    };
    let mut commits = kept(committed, capacity, |commit| commit.at, earliest);

    let is_past = |at: DateTime<Utc>| at <= now || at - now <= TimeDelta::seconds(30);
    samples.retain(|sample| is_past(sample.at));
    let mut has_fallen = false;
    for i in (1..samples.len()).rev() {
        if samples[i].high_watermark < samples[i - 1].high_watermark {
            samples.drain(..i);
            has_fallen = true;
            break;
        }
    }
    let Some(last) = samples.last().copied() else { return told(Verdict::Unknown) };
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
        return told(Verdict::Unknown);
    }
    let lag = last.committed.map(|committed| last.high_watermark - committed);
    let age = last.committed.map(|committed| age(&samples, committed));
    let lost = lost(&samples);
    let verdict = (lost > 0)
        .then_some(Verdict::DataLoss)
        .or_else(|| lag.is_none().then(|| never(&samples)))
        .or_else(|| (lag? <= settings.allowed_lag).then_some(Verdict::Ok))
        .or_else(|| (members == Some(0)).then_some(Verdict::Stop))
        .unwrap_or_else(|| behind(settings, capacity, &samples, &commits, lag.unwrap(), age.unwrap().0));
    Told { verdict, lag, age, lost: (lost > 0).then_some(lost) }
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
    if let Some(written) = last.oldest_at {
        let age = length(written, last.at);
        return (age, Some(age));
    }
    let after = samples.iter().find(|sample| sample.high_watermark > committed).unwrap();
    let before = samples.iter().rev().find(|sample| sample.high_watermark <= committed);
    (length(after.at, last.at), before.map(|before| length(before.at, last.at)))
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

fn never(samples: &[Sample]) -> Verdict {
    if samples.iter().any(|sample| sample.committed.is_some()) {
        Verdict::Unknown
    } else if samples.last().unwrap().high_watermark == 0 {
        Verdict::Empty
    } else {
        Verdict::NeverCommitted
    }
}

/// Of a group with consumers, perhaps, and a lag that counts.
fn behind(
    settings: &Settings,
    capacity: usize,
    samples: &[Sample],
    commits: &[Commit],
    lag: u64,
    at_least: TimeDelta,
) -> Verdict {
    let last = samples.last().unwrap();
    let is_whole = samples.len() >= settings.min_samples.min(capacity);
    let is_small = |commit: &Commit| commit.head.saturating_sub(commit.offset) <= settings.allowed_lag;
    let lag_of = |commit: &Commit| commit.head.saturating_sub(commit.offset);
    if let (Some(from), Some(to)) = (commits.first(), commits.last()) {
        let span = if commits.len() == 1 { length(samples[0].at, last.at) } else { length(from.at, to.at) };
        let was_there = samples.iter().any(|sample| sample.high_watermark <= to.offset);
        if is_whole && length(to.at, last.at) > span && !was_there {
            return Verdict::Stop;
        }
        if left_behind(settings, samples, commits) {
            return Verdict::Stop;
        }
        if commits.iter().any(|commit| commit.offset > to.offset) {
            return Verdict::Rewind;
        }
    }
    let is_whole = is_whole && commits.len() >= 2;
    let was_small = commits.iter().any(is_small);
    if is_whole && !was_small && commits.iter().all(|commit| commit.offset == commits[0].offset) {
        return Verdict::Stall;
    }
    if settings.max_lag.is_some_and(|max| lag > max) || settings.max_age.is_some_and(|max| at_least > max) {
        return Verdict::OverThreshold;
    }
    if !is_whole {
        return Verdict::Unknown;
    }
    let falls = commits.windows(2).any(|pair| lag_of(&pair[1]) < lag_of(&pair[0]));
    if was_small || falls { Verdict::Ok } else { Verdict::Warn }
}

/// Whether the head went on, and the commits, which had moved before, did not.
fn left_behind(settings: &Settings, samples: &[Sample], commits: &[Commit]) -> bool {
    let last = samples.last().unwrap();
    // Every suffix of the samples that stands under one commit, with a lag that counts.
    let stands = |sample: &Sample| {
        sample.committed == last.committed
            && sample.committed_at == last.committed_at
            && sample.lag().is_some_and(|lag| lag > settings.allowed_lag)
    };
    let Some(from) = (0..samples.len()).find(|from| samples[*from..].iter().all(stands)) else {
        return false;
    };
    let moves: Vec<_> = (0..commits.len())
        .filter(|i| *i == 0 || commits[*i].offset != commits[*i - 1].offset)
        .map(|i| commits[i].at)
        .collect();
    let Some(usual) = moves.windows(2).map(|pair| length(pair[0], pair[1])).max() else { return false };
    let waiting = length(samples[from].at, last.at);
    last.high_watermark > samples[from].high_watermark
        && waiting >= settings.stop_after
        && usual.checked_mul(2).is_some_and(|patience| waiting > patience)
}
