//! The rules as one would write them first: of samples in order, by the clock of the looks, from vectors each time.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::lag::{Sample, Settings, Verdict};

/// Judges samples that come in order, all of one log, without the times of commits and of messages, of a group that has
/// not kept up since the first.
pub(super) fn judge(settings: &Settings, now: DateTime<Utc>, samples: &[Sample]) -> Verdict {
    let Some(last) = samples.last() else { return Verdict::Unknown };
    if now - last.at > settings.stale_after {
        return Verdict::Unknown;
    }
    if samples.iter().any(|sample| sample.committed.is_some_and(|committed| committed < sample.log_start)) {
        return Verdict::DataLoss;
    }
    let Some(committed) = last.committed else { return Verdict::NeverCommitted };
    let lags: Vec<u64> = samples.iter().filter_map(Sample::lag).collect();
    let offsets: Vec<u64> = samples.iter().filter_map(|sample| sample.committed).collect();
    let lag = last.high_watermark - committed;
    if lag <= settings.allowed_lag {
        return Verdict::Ok;
    }
    let pace = Pace::of(samples);
    let waiting = waiting(samples, last, settings.allowed_lag);
    let patience =
        pace.usual().map_or(settings.slowest_commit, |usual| usual * 2 + TimeDelta::nanoseconds(1));
    if waiting >= settings.stop_after && waiting >= patience {
        return if pace.moves == 0 { Verdict::Stall } else { Verdict::Stop };
    }
    if offsets.iter().any(|offset| *offset > committed) {
        return Verdict::Rewind;
    }
    let came = samples.iter().find(|sample| sample.high_watermark > committed + 1);
    let is_old = came.is_some_and(|first| settings.max_age.is_some_and(|max| last.at - first.at > max));
    if settings.max_lag.is_some_and(|max| lag > max) || is_old {
        return Verdict::OverThreshold;
    }
    let was_small = lags.iter().any(|lag| *lag <= settings.allowed_lag);
    if grows(samples) && !was_small {
        return Verdict::Growing;
    }
    let is_idle = pace.moves == 0 && !was_small && waiting > TimeDelta::zero();
    if pace.all.len() < 3 && (waiting >= settings.stop_after || is_idle)
        || samples.len() < settings.min_samples
    {
        return Verdict::Unknown;
    }
    let fell = lags.windows(2).any(|pair| pair.last() < pair.first());
    if was_small || fell { Verdict::Ok } else { Verdict::Warn }
}

/// The looks at which the offset had changed, with the ones before.
fn moves(samples: &[Sample]) -> Vec<(&Sample, &Sample)> {
    let pairs = samples.windows(2).filter_map(|pair| Some((pair.first()?, pair.last()?)));
    pairs.filter(|(before, after)| before.committed != after.committed).collect()
}

/// The intervals between commits, as long as they may have been.
struct Pace {
    moves: usize,
    all: Vec<TimeDelta>,
    busy: Vec<TimeDelta>,
}

impl Pace {
    fn of(samples: &[Sample]) -> Self {
        let moves = moves(samples);
        let (mut all, mut busy) = (Vec::new(), Vec::new());
        for pair in moves.windows(2) {
            let [(before, from), (_, to)] = pair else { continue };
            all.push(to.at - before.at);
            if from.lag() > Some(1) {
                busy.push(to.at - before.at);
            }
        }
        Self { moves: moves.len(), all, busy }
    }

    fn usual(&self) -> Option<TimeDelta> {
        let known = [&self.busy, &self.all].into_iter().find(|intervals| intervals.len() >= 3)?;
        known.iter().max().copied()
    }
}

fn waiting(samples: &[Sample], last: &Sample, allowed: u64) -> TimeDelta {
    let waits: Vec<&Sample> = samples
        .iter()
        .rev()
        .take_while(|sample| sample.committed == last.committed && sample.lag() > Some(allowed.max(1)))
        .collect();
    waits.last().map_or_else(TimeDelta::zero, |first| last.at - first.at)
}

/// Whether the lag after commits was never as small in the later half as at its largest in the first.
fn grows(samples: &[Sample]) -> bool {
    let lags: Vec<u64> = moves(samples).into_iter().filter_map(|(_, after)| after.lag()).collect();
    let (earlier, later) = lags.split_at(lags.len() / 2);
    lags.len() >= 8 && later.iter().min() > earlier.iter().max()
}
