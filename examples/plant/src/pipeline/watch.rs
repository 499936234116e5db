//! The gap alarm: it reads the table, and nothing else, and the library's `gap` finds where rows are missing.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use iot_runbook::{
    gap::{Cadence, Gap, GapDetector, Report, Sessions, Settings},
    time::Period,
};

use super::{DEVICE, KEEP_ALIVE, Pipeline, table::Row};
use crate::{
    broker::EventKind,
    error::{Error, Result},
    wait,
};

/// Rows may come this late in good order; what is younger is not judged.
pub const LATENESS: TimeDelta = TimeDelta::milliseconds(500);
/// What comes later than this was kept somewhere, and caught up.
pub const LATE_AFTER: TimeDelta = TimeDelta::seconds(1);
/// As much silence as no alarm is raised for.
const ALARM_AFTER: TimeDelta = TimeDelta::seconds(1);

/// Waits until the table shows a gap in which so much time's rows are missing.
///
/// # Errors
/// When none shows in time, or the table can't be read.
pub async fn found(pipeline: &Pipeline, at_least: TimeDelta) -> Result<Gap> {
    let found = found_within(pipeline, at_least, wait::DEADLINE).await;
    found.ok_or(Error::TimedOut("a gap in the table"))
}

/// The same for at most `limit`; none where no such gap shows by then.
pub async fn found_within(pipeline: &Pipeline, at_least: TimeDelta, limit: Duration) -> Option<Gap> {
    let at_least = rows_in(at_least.max(ALARM_AFTER), pipeline.plan().cadence());
    let look = || look(pipeline).ok().flatten().filter(|gap| gap.missing >= at_least);
    wait::until_within("a gap in the table", limit, || async { look().is_some() }).await.ok();
    look()
}

/// The gap in the table that most rows are missing in, if there is one that is worth an alarm.
///
/// # Errors
/// When the table can't be read.
pub fn look(pipeline: &Pipeline) -> Result<Option<Gap>> {
    let least = rows_in(ALARM_AFTER, pipeline.plan().cadence());
    let gaps = report(pipeline)?.map_or_else(Vec::new, |report| report.gaps);
    Ok(gaps.into_iter().filter(|gap| gap.missing >= least).max_by_key(|gap| gap.missing))
}

/// What became of a gap that was found before.
///
/// # Errors
/// When the table can't be read.
pub fn again(pipeline: &Pipeline, gap: &Gap) -> Result<Option<Gap>> {
    let gaps = report(pipeline)?.map_or_else(Vec::new, |report| report.gaps);
    Ok(gaps.into_iter().find(|now| now.from <= gap.from && gap.from < now.to))
}

/// What the series lacks, from its first row on; none where it has no row.
fn report(pipeline: &Pipeline) -> Result<Option<Report>> {
    let mut rows = pipeline.table().rows(DEVICE)?;
    // As a stream has them. What a wrong clock dates before the first is no part of the series.
    rows.sort_by_key(|row| row.arrived);
    let Some(first) = rows.first().map(|row| row.at) else { return Ok(None) };
    let settings = Settings::live(pipeline.plan().cadence(), first).with_late_after(LATE_AFTER);
    let mut detector = detector(settings)?;
    for Row { at, arrived } in rows {
        detector.observe(at, arrived);
    }
    Ok(Some(detector.finish((Utc::now() - LATENESS).trunc_subsecs(3))))
}

/// The rows of a period: how many the cadence promises, and how many are there.
///
/// # Errors
/// When the table can't be read, or the period makes no sense to a detector.
pub fn rows_of(pipeline: &Pipeline, device: &str, period: Period) -> Result<Report> {
    let mut detector = detector(Settings::over(pipeline.plan().cadence(), period))?;
    for row in pipeline.table().rows(device)? {
        if period.contains(row.at) {
            detector.observe_event(row.at);
        }
    }
    Ok(detector.finish(period.end()))
}

/// When the device had a session, by the broker's log. Parts shorter than one and a half keep-alives say nothing.
pub fn sessions(pipeline: &Pipeline, covers: Period) -> Sessions {
    let now = Utc::now();
    let mut online = Vec::new();
    let mut since: Option<DateTime<Utc>> = None;
    for event in pipeline.broker().events(DEVICE, DateTime::<Utc>::MIN_UTC) {
        match event.kind {
            EventKind::Connected => since = since.or(Some(event.at)),
            EventKind::Disconnected(_) => {
                online.extend(since.take().and_then(|since| Period::new(since, event.at).ok()));
            }
            EventKind::Refused(_) => {}
        }
    }
    online.extend(since.and_then(|since| Period::new(since, now).ok()));
    let shortest = TimeDelta::milliseconds(i64::from(KEEP_ALIVE) * 1500);
    Sessions::new(covers, online).ignoring_shorter_than(shortest)
}

fn detector(settings: Settings) -> Result<GapDetector> {
    GapDetector::new(settings).map_err(|error| Error::Refused(error.to_string()))
}

/// How many rows a length of silence lacks.
fn rows_in(length: TimeDelta, cadence: Cadence) -> u64 {
    let silence = cadence.longest_silence().unwrap_or(TimeDelta::MAX).num_milliseconds().max(1);
    (length.num_milliseconds() / silence).unsigned_abs()
}
