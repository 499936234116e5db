use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use crate::dedup::audit::Drops;
use crate::dedup::{Device, SharedDeduplicator};
use crate::fact::Source;
use crate::probe::{DedupLogProbe, Dropped, DroppedRequest, ProbeError};
use crate::subject::{DeviceId, TagId};
use crate::time::{Clock, Period, SystemClock};

type Number = dyn Fn(&DeviceId, Option<&TagId>) -> Option<Device> + Send + Sync;

/// A [`DedupLogProbe`] over the deduplication of a service. [The module](super) has an example.
pub struct DedupLog {
    source: Source,
    engine: Arc<SharedDeduplicator>,
    number: Box<Number>,
    clock: Arc<dyn Clock>,
}

impl DedupLog {
    /// The log of an engine. `number` returns the number under which the engine knows a device, as the service that
    /// feeds it does. If the subject has a tag, and the engine does not count the messages of a tag apart, return `None`.
    #[must_use]
    pub fn new(
        source: impl Into<Source>,
        engine: Arc<SharedDeduplicator>,
        number: impl Fn(&DeviceId, Option<&TagId>) -> Option<Device> + Send + Sync + 'static,
    ) -> Self {
        Self { source: source.into(), engine, number: Box::new(number), clock: Arc::new(SystemClock) }
    }

    /// With another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl fmt::Debug for DedupLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DedupLog").field("source", &self.source).finish_non_exhaustive()
    }
}

#[async_trait]
impl DedupLogProbe for DedupLog {
    fn source(&self) -> Source {
        self.source.clone()
    }

    /// A device without a number is an error: nobody knows what was dropped of it.
    async fn dropped(&self, request: &DroppedRequest) -> Result<Dropped, ProbeError> {
        let device = (self.number)(&request.device, request.tag.as_ref()).ok_or_else(|| {
            let of_tag = request.tag.as_ref().map(|tag| format!(", tag `{tag}`")).unwrap_or_default();
            ProbeError::failed(format!(
                "the deduplication has no number for device `{}`{of_tag}",
                request.device
            ))
        })?;
        let drops = self.engine.dropped(device, request.period);
        Ok(Dropped::from_drops(&drops, self.engine.settings().ttl, request.period, self.clock.now()))
    }
}

impl Dropped {
    /// Returns the answer of a [`DedupLogProbe`] from what an engine dropped of a device in the period that was asked
    /// for ([`Deduplicator::dropped`](crate::dedup::Deduplicator::dropped)).
    ///
    /// None of it collided: the engine passes a message that collides, so all that it drops are copies. If the engine
    /// knows nothing of the period, because it was restarted since or has dropped too much to remember, the answer covers
    /// nothing, and the check is unknown.
    #[must_use]
    pub fn from_drops(drops: &Drops, ttl: TimeDelta, asked: Period, observed_at: DateTime<Utc>) -> Self {
        let covers = drops.covers.unwrap_or(Period::ending(asked.start(), TimeDelta::zero()));
        Self::new(observed_at, covers, drops.dropped, 0).with_identical(drops.dropped).with_ttl(ttl)
    }
}
