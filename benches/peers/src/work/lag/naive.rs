//! The rules as one would write them first: of samples in order, by the clock of the looks, from a vector each time.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::lag::{Sample, Settings, Verdict};

/// Judges samples that come in order, all of one log, with no commit's time and no message's timestamp told.
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
    if left_behind(settings, samples, last) {
        return Verdict::Stop;
    }
    if offsets.iter().any(|offset| *offset > committed) {
        return Verdict::Rewind;
    }
    let is_whole = samples.len() >= settings.min_samples;
    let was_small = lags.iter().any(|lag| *lag <= settings.allowed_lag);
    if is_whole && !was_small && offsets.iter().all(|offset| *offset == committed) {
        return Verdict::Stall;
    }
    let waiting = samples.iter().find(|sample| sample.high_watermark > committed);
    let is_old = waiting.is_some_and(|first| settings.max_age.is_some_and(|max| last.at - first.at > max));
    if settings.max_lag.is_some_and(|max| lag > max) || is_old {
        return Verdict::OverThreshold;
    }
    if !is_whole {
        return Verdict::Unknown;
    }
    let fell = lags.windows(2).any(|pair| pair.last() < pair.first());
    if was_small || fell { Verdict::Ok } else { Verdict::Warn }
}

/// Whether the head went on and the commits, which had moved, did not.
fn left_behind(settings: &Settings, samples: &[Sample], last: &Sample) -> bool {
    let stands: Vec<&Sample> = samples
        .iter()
        .rev()
        .take_while(|sample| {
            sample.committed == last.committed && sample.lag().is_some_and(|lag| lag > settings.allowed_lag)
        })
        .collect();
    let Some(first) = stands.last() else { return false };
    let mut moves: Vec<DateTime<Utc>> = samples.first().map(|sample| sample.at).into_iter().collect();
    moves.extend(samples.windows(2).filter_map(|pair| match pair {
        [before, after] if before.committed != after.committed => Some(after.at),
        _ => None,
    }));
    let gaps: Vec<TimeDelta> =
        moves.windows(2).filter_map(|pair| Some(*pair.last()? - *pair.first()?)).collect();
    let Some(usual) = gaps.into_iter().max() else { return false };
    let waiting = last.at - first.at;
    last.high_watermark > first.high_watermark && waiting >= settings.stop_after && waiting > usual * 2
}
