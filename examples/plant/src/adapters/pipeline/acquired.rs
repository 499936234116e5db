use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::{
    fact::Source,
    probe::{
        Acquisition, AcquisitionRequest, FieldPolls, FieldPollsRequest, GatewayHealth, GatewayProbe,
        HealthRequest, ProbeError,
    },
    time::Period,
};

use super::{known, whole};
use crate::{
    adapters::covered,
    pipeline::{GATEWAY, Pipeline, edge::Fate, machine::SAMPLED_EVERY},
    wait,
};

/// How long a reading may be on its way.
const READ_WITHIN: Duration = Duration::from_secs(1);

/// What the gateway read of the machine, and what it passed on.
#[derive(Debug)]
pub struct Acquired {
    pipeline: Arc<Pipeline>,
    source: Source,
}

impl Acquired {
    /// That of this pipeline's gateway.
    pub fn of(pipeline: &Arc<Pipeline>) -> Self {
        Self { pipeline: Arc::clone(pipeline), source: Source::new(format!("collector of {GATEWAY}")) }
    }
}

/// How many samples of a period a schedule asks for.
fn due(period: Period) -> u64 {
    let step = SAMPLED_EVERY.num_microseconds().unwrap_or(1);
    let until = |at: DateTime<Utc>| (at - TimeDelta::microseconds(1)).timestamp_micros().div_euclid(step);
    (until(period.end()) - until(period.start())).unsigned_abs()
}

#[async_trait]
impl GatewayProbe for Acquired {
    fn source(&self) -> Source {
        self.source.clone()
    }

    /// This gateway is a task, and has neither a process nor a health endpoint of its own.
    async fn health(&self, _: &HealthRequest) -> Result<GatewayHealth, ProbeError> {
        Err(ProbeError::unsupported())
    }

    async fn field_polls(&self, _: &FieldPollsRequest) -> Result<FieldPolls, ProbeError> {
        Err(ProbeError::unsupported())
    }

    /// Counts are of samples: a read brings those that were taken since the last one, so a late read loses none.
    async fn acquisition(&self, request: &AcquisitionRequest) -> Result<Acquisition, ProbeError> {
        known("gateway", request.gateway.as_str(), GATEWAY)?;
        whole(&request.device, request.tag.as_ref())?;
        let edge = self.pipeline.edge();
        let now = Utc::now();
        let end = request.period.end().min(now);
        // What is on its way is neither lost nor there. A machine that does not answer is not waited for longer.
        let is_read = || async { edge.read_until() >= end };
        wait::until_within("a reading", READ_WITHIN, is_read).await.ok();
        let raw = edge.raw(request.period);
        let covers = covered(request.period, raw.complete_from, now);
        let count = |fate| raw.entries.iter().filter(|(_, raw)| raw.fate == fate).count() as u64;
        let answer = Acquisition::new(Utc::now(), covers)
            .with_due(due(covers))
            .with_answered(raw.entries.len() as u64)
            .with_withheld(count(Fate::Withheld))
            .with_passed_on(count(Fate::Reported));
        Ok(match edge.last_error() {
            Some(error) => answer.with_error(error),
            None => answer,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_due_at_whole_steps() {
        let at = |millis: i64| DateTime::from_timestamp_millis(1_800_000_000_000 + millis).unwrap();
        let due = |from, to| due(Period::new(at(from), at(to)).unwrap());
        assert_eq!([due(0, 4), due(0, 5), due(1, 4), due(1, 5), due(0, 1000)], [1, 2, 0, 1, 250]);
    }
}
