use chrono::{DateTime, TimeDelta, Utc};

use super::CheckRequest;
use super::builtin::Builtin;
use super::param::{Given, ParamSpec};
use super::share::of_missing;
use super::verdict::{Verdict, no_adapter, no_period};
use crate::dedup::audit::Drops;
use crate::fact::{ChoicesError, Detail, Domain, Kind, Observation};
use crate::probe::{Dropped, DroppedRequest, ProbeError, Probes, Rows, RowsRequest};
use crate::runbook::step::About;
use crate::subject::Scope;
use crate::time::{Period, format_duration};

/// Which share of the missing rows did the deduplication drop though they were no duplicates?
pub(super) struct DedupCollisions;

impl Builtin for DedupCollisions {
    const ID: &'static str = "dedup-collisions";
    const SCOPE: Scope = Scope::Device;
    const ABOUT: About = About::Period;
    const PARAMS: &'static [ParamSpec] = &[];

    fn domain() -> Result<Domain, ChoicesError> {
        Ok(Domain::new(Kind::Number))
    }

    fn bind(_: &Given<'_>) -> Option<Self> {
        Some(Self)
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let Some(probe) = probes.dedup_log() else { return Ok(no_adapter("dedup log probe")) };
        let Some(telemetry) = probes.telemetry() else { return Ok(no_adapter("telemetry probe")) };
        let subject = request.subject();
        let Some(period) = subject.period else { return Ok(no_period(probe.source())) };
        let mut asked = DroppedRequest::new(subject.device.clone(), period);
        asked.tag.clone_from(&subject.tag);
        let answer = probe.dropped(&asked).await.map_err(|error| error.by(probe.source()))?;
        let mut rows = RowsRequest::new(subject.device.clone(), period);
        rows.tag.clone_from(&subject.tag);
        let rows = telemetry.rows(&rows).await.map_err(|error| error.by(telemetry.source()))?;
        Ok(judge(&answer, &rows, period).by(probe.source()))
    }
}

/// What an engine of this library dropped, as the answer of a [`DedupLogProbe`](crate::probe::DedupLogProbe): of a
/// device and period that [`Deduplicator::dropped`](crate::dedup::Deduplicator::dropped) was asked for.
///
/// None of it collided: the engine passes on what collides. Where it knows nothing of the period, because it was
/// restarted since or has dropped too much to remember, the answer covers nothing, and the check is unknown.
///
/// ```
/// # use chrono::{DateTime, TimeDelta, Utc};
/// # use iot_runbook::check::dedup_dropped;
/// # use iot_runbook::dedup::{Deduplicator, Device, Settings};
/// # use iot_runbook::time::Period;
/// # let now = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(1);
/// # let asked = Period::ending(now, TimeDelta::hours(1));
/// let engine = Deduplicator::with_settings(&Settings::new(TimeDelta::hours(6)))?;
/// // In your adapter's `dropped`:
/// let answer = dedup_dropped(&engine.dropped(Device::new(4)?, asked), engine.settings().ttl, asked, now);
/// assert_eq!(answer.collided, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn dedup_dropped(drops: &Drops, ttl: TimeDelta, asked: Period, observed_at: DateTime<Utc>) -> Dropped {
    let covers = drops.covers.unwrap_or(Period::ending(asked.start(), TimeDelta::zero()));
    Dropped::new(observed_at, covers, drops.dropped, 0).with_ttl(ttl)
}

fn judge(answer: &Dropped, rows: &Rows, asked: Period) -> Verdict {
    if answer.collided > answer.dropped {
        return Verdict::undetermined(format!(
            "the log contradicts itself: {} collided of {} dropped",
            answer.collided, answer.dropped
        ));
    }
    let mut details = vec![Detail::new("dropped in all", answer.dropped.to_string())];
    if let Some(ttl) = answer.ttl {
        details.push(Detail::new("ttl", format_duration(ttl)));
        if let Some(replay) = answer.replay.filter(|replay| ttl < *replay) {
            details.push(Detail::new(
                "ttl too short",
                format!("replays come up to {} later", format_duration(replay)),
            ));
        }
    }
    of_missing("collided", answer.collided, rows, asked, answer.covers, answer.observed_at).with(details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{NOW, at, period, secs};
    use crate::fact::{UnknownReason, Value};

    fn judged(dropped: u64, collided: u64, ttl: i64, replay: i64) -> Verdict {
        let asked = period(0, 100);
        let answer =
            Dropped::new(at(NOW), asked, dropped, collided).with_ttl(secs(ttl)).with_replay(secs(replay));
        judge(&answer, &Rows::new(at(NOW), 20, 10), asked)
    }

    #[test]
    fn only_collisions_count_and_a_short_ttl_is_named() {
        let verdict = judged(9, 4, 59, 60);
        assert_eq!(verdict.value(), Some(Value::Number(0.4)));
        assert!(verdict.details().find("ttl too short").is_some());
        assert!(judged(9, 4, 60, 60).details().find("ttl too short").is_none());
    }

    #[test]
    fn more_collisions_than_drops_decide_nothing() {
        assert_eq!(judged(3, 4, 1, 1).reason(), Some(UnknownReason::Undetermined));
        assert_eq!(judged(4, 4, 1, 1).value(), Some(Value::Number(0.4)));
    }
}
