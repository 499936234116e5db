//! The gap alarm: it reads the table, and nothing else, and finds where rows are missing.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::time::Period;
use serde::Serialize;

use super::{DEVICE, Pipeline};
use crate::{error::Result, wait};

/// Rows may come this late in good order; what is younger is not judged.
pub const LATENESS: TimeDelta = TimeDelta::milliseconds(500);
/// A silence of this length is a gap, and not a machine that is busy with something else.
pub const TOLERANCE: TimeDelta = TimeDelta::seconds(1);

/// A gap in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The row before it.
    pub from: DateTime<Utc>,
    /// The row after it; while it is open, up to when it was looked at.
    pub to: DateTime<Utc>,
    /// Whether it is open.
    pub is_open: bool,
    /// How many rows the cadence promises between.
    pub expected: u64,
}

impl Gap {
    /// The period without rows.
    pub fn period(&self) -> Period {
        Period::ending(self.to, self.to - self.from)
    }
}

/// Waits until the table shows a gap that is at least so long.
///
/// # Errors
/// When none shows in time, or the table can't be read.
pub async fn found(pipeline: &Pipeline, at_least: TimeDelta) -> Result<Gap> {
    let at_least = at_least.max(TOLERANCE);
    let look = || longest(pipeline, Utc::now() - LATENESS).filter(|gap| gap.to - gap.from >= at_least);
    wait::until("a gap in the table", || async { look().is_some() }).await?;
    look().ok_or(crate::error::Error::TimedOut("a gap in the table"))
}

/// The longest gap in the table up to `until`, if there is one.
pub fn longest(pipeline: &Pipeline, until: DateTime<Utc>) -> Option<Gap> {
    let rows = pipeline.table().rows(DEVICE).ok()?;
    let mut ats = rows.iter().map(|row| row.at).filter(|at| *at < until).collect::<Vec<_>>();
    ats.push(until);
    let cadence = pipeline.plan().cadence();
    let (from, to) = ats.windows(2).map(|pair| (pair[0], pair[1])).max_by_key(|(from, to)| *to - *from)?;
    (to - from > TOLERANCE).then(|| Gap {
        from,
        to,
        is_open: to == until,
        expected: promised(to - from, cadence),
    })
}

/// How many rows a cadence promises strictly within a length.
pub fn promised(length: TimeDelta, cadence: TimeDelta) -> u64 {
    let length = (length.num_microseconds().unwrap_or(i64::MAX) - 1).max(0);
    (length / cadence.num_microseconds().unwrap_or(i64::MAX).max(1)).unsigned_abs()
}
