use chrono::{DateTime, TimeDelta, Utc};

use crate::dedup::audit::Drops;
use crate::probe::Dropped;
use crate::time::Period;

/// What an engine of this library dropped, as the answer of a [`DedupLogProbe`](crate::probe::DedupLogProbe): of a
/// device and period that [`Deduplicator::dropped`](crate::dedup::Deduplicator::dropped) was asked for.
///
/// None of it collided: the engine passes on what collides, so that all it drops are real duplicates. Where it knows nothing of the period, because it was
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
    Dropped::new(observed_at, covers, drops.dropped, 0).with_identical(drops.dropped).with_ttl(ttl)
}
