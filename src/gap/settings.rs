use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::cadence::{Cadence, Promise, distance};
use super::wire;
use super::zone::ZoneRule;
use crate::time::{Period, format_duration};

/// The longest bound on reordering. Time zones and summer time move clocks by half an hour and more, so a bound below
/// a quarter never takes such a step for reordering.
pub const LONGEST_REORDER: TimeDelta = TimeDelta::minutes(15);

/// What a [`GapDetector`](super::GapDetector) looks for. The settings are checked when a detector is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Settings {
    /// How often rows are promised.
    pub cadence: Cadence,
    /// Where the period asked about begins. Rows before it are counted, and are no part of the series.
    pub start: DateTime<Utc>,
    /// The first instant after the period; `None`: a live stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<DateTime<Utc>>,
    /// How far behind the newest row another may come and still be on time. Less than [`LONGEST_REORDER`]; the default is
    /// 10 s.
    #[serde(with = "wire::span")]
    pub reorder_within: TimeDelta,
    /// How many event times are remembered to distinguish reordered rows from copies, 8 bytes each. A row older than all
    /// of them is late. From 1 to 1 048 576; the default is 1024.
    pub reorder_rows: usize,
    /// A row that arrives longer than this after its event is late: it was caught up. `None`: arrivals do not make a
    /// row late.
    #[serde(default, with = "wire::maybe_span", skip_serializing_if = "Option::is_none")]
    pub late_after: Option<TimeDelta>,
    /// A row whose event is further ahead of its arrival than this has a wrong clock, and is no part of the series.
    /// The default is a day.
    #[serde(with = "wire::span")]
    pub ahead: TimeDelta,
    /// How many gaps are listed; of more, the oldest are only counted. From 1 to 1 048 576; the default is 4096.
    pub max_gaps: usize,
}

impl Settings {
    /// A live stream from `start` on.
    #[must_use]
    pub const fn live(cadence: Cadence, start: DateTime<Utc>) -> Self {
        Self {
            cadence,
            start,
            end: None,
            reorder_within: TimeDelta::seconds(10),
            reorder_rows: 1024,
            late_after: None,
            ahead: TimeDelta::days(1),
            max_gaps: 4096,
        }
    }

    /// A period of the past.
    #[must_use]
    pub const fn over(cadence: Cadence, period: Period) -> Self {
        Self { end: Some(period.end()), ..Self::live(cadence, period.start()) }
    }

    setters! {
        /// The same with another bound on reordering in time.
        with_reorder_within(bound: TimeDelta) => reorder_within = bound;
        /// The same with another bound on reordering in rows.
        with_reorder_rows(rows: usize) => reorder_rows = rows;
        /// The same, with rows that arrive longer than this after their event being late.
        with_late_after(bound: TimeDelta) => late_after = Some(bound);
        /// The same with another bound on how far ahead of its arrival an event may be.
        with_ahead(bound: TimeDelta) => ahead = bound;
        /// The same with another number of gaps listed.
        with_max_gaps(gaps: usize) => max_gaps = gaps;
    }
}

/// Why settings are invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A duration that must be more than zero, or is too long.
    #[error("`{field}` is {}: give more than zero and less than 292 years", format_duration(*given))]
    NotPositive {
        /// The field.
        field: &'static str,
        /// What was given.
        given: TimeDelta,
    },
    /// A duration that must not be negative, or is too long.
    #[error("`{field}` is {}: give zero or more, and less than 292 years", format_duration(*given))]
    Negative {
        /// The field.
        field: &'static str,
        /// What was given.
        given: TimeDelta,
    },
    /// A bound so long that a clock's step by a time zone would pass for reordering.
    #[error("`reorder_within` is {}: give less than 15 minutes; rows that come later still count, as late ones", format_duration(*given))]
    ReorderTooLong {
        /// What was given.
        given: TimeDelta,
    },
    /// A number out of its range.
    #[error("`{field}` is {given}: give 1 to 1048576")]
    Number {
        /// The field.
        field: &'static str,
        /// What was given.
        given: usize,
    },
    /// An end of the period that 64 bits of nanoseconds do not reach.
    #[error("`{field}` is {given}: give a time between 1677-09-22 and 2262-04-11")]
    Range {
        /// The field.
        field: &'static str,
        /// What was given.
        given: DateTime<Utc>,
    },
    /// A period that runs backwards.
    #[error("the period ends at {end}, before it begins at {start}: give the earlier instant first")]
    Backwards {
        /// Where it was to begin.
        start: DateTime<Utc>,
        /// Where it was to end.
        end: DateTime<Utc>,
    },
}

/// Settings that make sense, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) promise: Promise,
    pub(super) zone: ZoneRule,
    pub(super) suspected: bool,
    pub(super) start: i64,
    /// The first instant that is out of the period.
    pub(super) end: Option<i64>,
    /// The last instant in the period, or of all.
    pub(super) last: i64,
    pub(super) reorder_within: u64,
    pub(super) reorder_rows: usize,
    late_after: Option<u64>,
    ahead: u64,
    pub(super) max_gaps: usize,
}

impl Rule {
    pub(super) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let cadence = &settings.cadence;
        let every = positive("cadence.every", cadence.every)?;
        let silence = match cadence.heartbeat {
            // Each is less than 2^63.
            Some(heartbeat) => every.saturating_add(positive("cadence.heartbeat", heartbeat)?),
            None => every,
        };
        let tolerance = match cadence.tolerance {
            Some(tolerance) => not_negative("cadence.tolerance", tolerance)?,
            None => every / 2,
        };
        let start = instant("start", settings.start)?;
        let end = settings.end.map(|end| instant("end", end)).transpose()?;
        if let Some(given) = settings.end.filter(|end| *end < settings.start) {
            return Err(SettingsError::Backwards { start: settings.start, end: given });
        }
        let reorder_within = not_negative("reorder_within", settings.reorder_within)?;
        if settings.reorder_within >= LONGEST_REORDER {
            return Err(SettingsError::ReorderTooLong { given: settings.reorder_within });
        }
        let promise = Promise::new(silence, tolerance, start.saturating_sub(1));
        Ok(Self {
            promise,
            zone: ZoneRule::new(silence, promise.widest_tolerance(), cadence.heartbeat.is_some()),
            suspected: cadence.is_suspected(),
            start,
            end,
            last: end.map_or(i64::MAX, |end| end.saturating_sub(1)),
            reorder_within,
            reorder_rows: number("reorder_rows", settings.reorder_rows)?,
            late_after: settings.late_after.map(|bound| not_negative("late_after", bound)).transpose()?,
            ahead: not_negative("ahead", settings.ahead)?,
            max_gaps: number("max_gaps", settings.max_gaps)?,
        })
    }

    pub(super) fn is_ahead(&self, event: i64, arrival: Option<i64>) -> bool {
        arrival.is_some_and(|arrival| distance(arrival, event) > self.ahead)
    }

    pub(super) fn is_late(&self, event: i64, arrival: Option<i64>) -> bool {
        let Some((bound, arrival)) = self.late_after.zip(arrival) else { return false };
        distance(event, arrival) > bound
    }
}

fn positive(field: &'static str, given: TimeDelta) -> Result<u64, SettingsError> {
    match nanoseconds(given) {
        Some(1..) => not_negative(field, given),
        _ => Err(SettingsError::NotPositive { field, given }),
    }
}

fn not_negative(field: &'static str, given: TimeDelta) -> Result<u64, SettingsError> {
    nanoseconds(given).ok_or(SettingsError::Negative { field, given })
}

fn nanoseconds(given: TimeDelta) -> Option<u64> {
    given.num_nanoseconds().and_then(|given| u64::try_from(given).ok())
}

fn number(field: &'static str, given: usize) -> Result<usize, SettingsError> {
    if (1..=1 << 20).contains(&given) { Ok(given) } else { Err(SettingsError::Number { field, given }) }
}

/// The very first nanosecond has none before it.
fn instant(field: &'static str, given: DateTime<Utc>) -> Result<i64, SettingsError> {
    given
        .timestamp_nanos_opt()
        .filter(|instant| *instant > i64::MIN)
        .ok_or(SettingsError::Range { field, given })
}
