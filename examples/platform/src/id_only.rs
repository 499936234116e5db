//! Deduplication by the id alone, as many run it today: `SET id NX PX`. Whatever has the id of another message is
//! dropped, also where it is no copy. A log beside it tells how often.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use iot_runbook::dedup::{Fingerprint, MessageId};
use iot_runbook::fact::Source;
use iot_runbook::probe::{DedupLogProbe, Dropped, DroppedRequest, ProbeError};
use iot_runbook::subject::DeviceId;
use iot_runbook::time::{Clock, Period, saturating_add};

use crate::link::{Link, LinkError};
use crate::redis_store::milliseconds;

/// For how long the log is kept.
const KEPT: TimeDelta = TimeDelta::days(7);

/// Deduplication by the id alone. The value under the id says which message had it first; the log of what was
/// dropped is two sorted sets for each device, all that was dropped and what was no copy.
pub struct IdOnly {
    link: Arc<Link>,
    clock: Arc<dyn Clock>,
    ttl: TimeDelta,
    /// Tells entries of the log apart that are made in one millisecond.
    writer: u64,
    written: AtomicU64,
}

impl IdOnly {
    /// Deduplication over `link`, with its log from now on.
    ///
    /// # Errors
    /// [`LinkError`] where Redis cannot be asked.
    pub async fn begin(link: Arc<Link>, clock: Arc<dyn Clock>, ttl: TimeDelta) -> Result<Self, LinkError> {
        let mut ask = redis::cmd("SET");
        ask.arg("id-only:since").arg(ceil(clock.now())).arg("NX");
        link.ask::<()>(&ask).await?;
        Ok(Self { link, clock, ttl, writer: RandomState::new().hash_one(0), written: AtomicU64::new(0) })
    }

    /// Whether the message is dropped.
    ///
    /// # Errors
    /// [`LinkError`] where Redis cannot be asked.
    pub async fn drops(
        &self,
        id: MessageId,
        device: &DeviceId,
        payload: Fingerprint,
    ) -> Result<bool, LinkError> {
        let own = format!("{payload} {device}");
        let mut ask = redis::cmd("SET");
        ask.arg(format!("id-only:seen:{id}")).arg(&own).arg("NX").arg("GET").arg("PX");
        ask.arg(milliseconds(self.ttl.to_std().unwrap_or_default()));
        let first: Option<String> = self.link.ask(&ask).await?;
        let Some(first) = first else { return Ok(false) };
        self.note(id, device, first != own).await?;
        Ok(true)
    }

    async fn note(&self, id: MessageId, device: &DeviceId, collided: bool) -> Result<(), LinkError> {
        let now = self.clock.now();
        let at = now.timestamp_millis();
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let entry = format!("{at} {id} {:x} {number}", self.writer);
        let mut ask = redis::pipe();
        ask.atomic();
        let names = [("dropped", true), ("collided", collided)];
        for (name, _) in names.into_iter().filter(|(_, noted)| *noted) {
            let log = format!("id-only:{name}:{device}");
            ask.cmd("ZADD").arg(&log).arg(at).arg(&entry).ignore();
            let over = ceil(saturating_add(now, -KEPT));
            ask.cmd("ZREMRANGEBYSCORE").arg(&log).arg("-inf").arg(format!("({over}")).ignore();
            ask.cmd("PEXPIRE").arg(&log).arg(KEPT.num_milliseconds()).ignore();
        }
        self.link.ask_all(&ask).await
    }
}

#[async_trait]
impl DedupLogProbe for IdOnly {
    fn source(&self) -> Source {
        Source::new("id-only deduplication in redis")
    }

    async fn dropped(&self, request: &DroppedRequest) -> Result<Dropped, ProbeError> {
        if request.tag.is_some() {
            // It is asked for one tag, and the log does not know of tags.
            return Err(ProbeError::unsupported());
        }
        let now = self.clock.now();
        let mut ask = redis::pipe();
        ask.cmd("GET").arg("id-only:since");
        for name in ["dropped", "collided"] {
            let (from, to) = (ceil(request.period.start()), ceil(request.period.end()));
            ask.cmd("ZCOUNT")
                .arg(format!("id-only:{name}:{}", request.device))
                .arg(from)
                .arg(format!("({to}"));
        }
        let (since, dropped, collided): (Option<i64>, u64, u64) =
            self.link.ask_all(&ask).await.map_err(probe_error)?;
        let since = since.and_then(DateTime::from_timestamp_millis).unwrap_or(now);
        let from = request.period.start().max(since).max(saturating_add(now, -KEPT));
        let to = request.period.end().min(now).max(from);
        let covers = Period::new(from, to).unwrap_or(Period::ending(to, TimeDelta::zero()));
        Ok(Dropped::new(now, covers, dropped, collided).with_ttl(self.ttl))
    }
}

/// The first whole millisecond from then on: a millisecond lies in a period if it does between these of its ends.
fn ceil(at: DateTime<Utc>) -> i64 {
    let whole = at.trunc_subsecs(3);
    whole.timestamp_millis() + i64::from(whole < at)
}

fn probe_error(error: LinkError) -> ProbeError {
    match error {
        LinkError::NotConnected(_) => ProbeError::transient("redis cannot be reached").with_cause(error),
        LinkError::NoAnswer(_) => ProbeError::timeout("redis did not answer").with_cause(error),
        LinkError::Answered(_) => ProbeError::failed("redis answered with an error").with_cause(error),
    }
}
