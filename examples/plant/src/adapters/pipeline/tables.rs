use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use iot_runbook::{
    fact::Source,
    probe::{
        Elsewhere, ElsewhereRequest, ProbeError, Rows, RowsRequest, StorageRefusals, StorageRefusalsRequest,
        TelemetryProbe,
    },
};

use super::{known, whole};
use crate::{
    adapters::{covered, unanswered},
    pipeline::{PIPELINE, Pipeline, table::Row, watch},
};

/// One length fits times that are off by lengths so far apart, in seconds: rows may come late.
const SPREAD: i64 = 5;

/// The time-series table, and the log of who writes into it.
#[derive(Debug)]
pub struct Tables {
    pipeline: Arc<Pipeline>,
    source: Source,
}

impl Tables {
    /// Those of this pipeline.
    pub fn of(pipeline: &Arc<Pipeline>) -> Self {
        Self { pipeline: Arc::clone(pipeline), source: Source::new("time-series table") }
    }
}

#[async_trait]
impl TelemetryProbe for Tables {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn rows(&self, request: &RowsRequest) -> Result<Rows, ProbeError> {
        whole(&request.device, request.tag.as_ref())?;
        let report = watch::rows_of(&self.pipeline, request.device.as_str(), request.period);
        let report = report.map_err(|error| unanswered("the table", error))?;
        Ok(Rows::from_report(&report, Utc::now()))
    }

    async fn storage_refusals(
        &self,
        request: &StorageRefusalsRequest,
    ) -> Result<StorageRefusals, ProbeError> {
        known("pipeline", request.pipeline.as_str(), PIPELINE)?;
        whole(&request.device, request.tag.as_ref())?;
        let log = self.pipeline.ingestion().log();
        let now = Utc::now();
        let of_device =
            || log.unwritten.within(request.period).filter(|(_, row)| row.device == request.device.as_str());
        let covers = covered(request.period, log.unwritten.complete_from(), now);
        let told = StorageRefusals::new(now, covers, of_device().count() as u64);
        Ok(match of_device().next() {
            Some((_, refused)) => told.with_example(refused.why.clone()),
            None => told,
        })
    }

    /// Rows by who made them. A row whose time lies in the life of the series fills an earlier gap there.
    async fn elsewhere(&self, request: &ElsewhereRequest) -> Result<Elsewhere, ProbeError> {
        whole(&request.device, request.tag.as_ref())?;
        let device = request.device.as_str();
        let rows = self.pipeline.table().made_by(device);
        let rows = rows.map_err(|error| unanswered("the table", error))?;
        let now = Utc::now();
        let log = self.pipeline.ingestion().log();
        let period = request.period;
        let (own, other): (Vec<_>, Vec<_>) = rows.into_iter().partition(|placed| placed.series == device);
        let began = own.first().map_or(now, |placed| placed.row.at);
        let is_outside = |row: &Row| period.contains(row.arrived) && !period.contains(row.at);
        let outside: Vec<_> = own.iter().map(|placed| placed.row).filter(is_outside).collect();
        let is_backfill = |row: &&Row| began <= row.at && row.at < row.arrived;
        let backfill = outside.iter().filter(is_backfill).count() as u64;
        let off = |row: &Row| (row.at - row.arrived).as_seconds_f64().round() as i64;
        let offs: BTreeSet<_> = outside.iter().filter(|row| !is_backfill(row)).map(off).collect();
        let elsewhere: Vec<_> = other
            .iter()
            .filter(|placed| period.contains(placed.row.at))
            .map(|placed| &placed.series)
            .collect();
        let shadowed = log.shadowed.within(period).filter(|(_, shadowed)| shadowed == device).count() as u64;
        // The table has no retention rule, and a row is applied when it is written.
        let mut answer = Elsewhere::new(now, covered(period, log.shadowed.complete_from(), now))
            .with_other_times(outside.len() as u64)
            .with_backfill(backfill)
            .with_other_name(elsewhere.len() as u64)
            .with_replaced(shadowed)
            .with_retention(0)
            .with_not_applied(0);
        if let (Some(least), Some(most)) = (offs.first(), offs.last())
            && most - least <= SPREAD
        {
            answer = answer.with_off_by(TimeDelta::seconds(*most));
        }
        Ok(match elsewhere.first() {
            Some(series) => answer.with_example(format!("series {series}")),
            None => answer,
        })
    }
}
