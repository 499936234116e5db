use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::rewind::Rewind;
use super::wire;
use super::zone::ZoneStep;
use crate::fact::duration_in_words;
use crate::time::Period;

/// What a series lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// The period that it is about: from the start asked for, until the end asked for, the moment given, or the newest
    /// row where that is later than the moment.
    pub period: Period,
    /// The gaps, in order of time. Those that late rows made good are among them, with nothing missing.
    pub gaps: Vec<Gap>,
    /// The gaps that are not listed, as there are too many or they were taken before.
    pub unlisted: Unlisted,
    /// What became of the rows.
    pub counts: Counts,
    /// Where the times went back over ground already covered, in order of arrival; the first 64.
    pub rewinds: Vec<Rewind>,
    /// The first row that was on time.
    pub first: Option<DateTime<Utc>>,
    /// The last row that was on time.
    pub last: Option<DateTime<Utc>>,
    /// The latest event of the rows whose clock ran ahead of their arrival.
    pub furthest_ahead: Option<DateTime<Utc>>,
}

impl Report {
    /// How many rows are still missing, in all gaps.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.gaps.iter().fold(self.unlisted.missing, |sum, gap| sum.saturating_add(gap.missing))
    }

    /// How many rows the period should have: those that were on time, and those that the gaps should have.
    #[must_use]
    pub fn expected(&self) -> u64 {
        let gaps = self.gaps.iter().fold(self.unlisted.expected, |sum, gap| sum.saturating_add(gap.expected));
        gaps.saturating_add(self.counts.on_time)
    }

    /// The steps of a time zone or of summer time that the rows show, in order of time: gaps and rewinds that a clock
    /// explains which sends local time for UTC.
    #[must_use]
    pub fn zone_steps(&self) -> Vec<ZoneStep> {
        let forward = self.gaps.iter().filter_map(|gap| {
            let by = gap.zone?;
            Some(ZoneStep { from: gap.from, to: gap.to, by })
        });
        let back = self.rewinds.iter().filter_map(|rewind| {
            let by = -rewind.zone?;
            Some(ZoneStep { from: rewind.from, to: rewind.to, by })
        });
        let mut steps: Vec<_> = forward.chain(back).collect();
        steps.sort_by_key(|step| step.from);
        steps
    }

    /// How many of the expected rows are there, on time or late.
    #[must_use]
    pub fn present(&self) -> u64 {
        self.expected().saturating_sub(self.missing())
    }
}

/// For people: how many rows are missing in which period, then a line for each gap.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.period.start(), self.period.end());
        write!(f, "{} of {} rows missing from {from} to {to}", self.missing(), self.expected())?;
        self.gaps.iter().try_for_each(|gap| write!(f, "\n{gap}"))?;
        if self.unlisted.gaps > 0 {
            let Unlisted { gaps, expected, missing } = self.unlisted;
            write!(f, "\n{gaps} more gaps are not listed: {missing} of {expected} rows missing")?;
        }
        self.rewinds.iter().try_for_each(|rewind| write!(f, "\n{rewind}"))
    }
}

/// A silence that breaks the promise of the cadence.
///
/// `expected = caught_up + missing`, always.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Gap {
    /// The row before it, or the start of the period.
    pub from: DateTime<Utc>,
    /// The row after it, the end of the period, or the moment of the report where it is open.
    pub to: DateTime<Utc>,
    /// What it begins at.
    pub begins: Begin,
    /// What it ends at.
    pub ends: End,
    /// The fewest rows that would have kept the promise.
    pub expected: u64,
    /// How many of them are still missing.
    pub missing: u64,
    /// Where they are missing, in order of time: the whole of it where no row came late.
    pub holes: Vec<Hole>,
    /// At most so many of the missing rows came late: they found no room, and are not placed in the gap. A gap remembers
    /// 4096 separate runs of late rows, and all gaps together 64 for each that may be listed.
    #[serde(default)]
    pub unplaced: u64,
    /// Whether a deadband without a heartbeat may have meant it.
    pub suspected: bool,
    /// By how much a clock may have been set forward instead, as in spring where a device sends local time for UTC: then
    /// no row is missing. An outage of that length looks the same, so the rows are counted as missing.
    #[serde(default, with = "wire::maybe_span", skip_serializing_if = "Option::is_none")]
    pub zone: Option<TimeDelta>,
}

impl Gap {
    /// How many of the expected rows came late.
    #[must_use]
    pub const fn caught_up(&self) -> u64 {
        self.expected.saturating_sub(self.missing)
    }

    /// Whether it goes on: the stream is live, and no row has come yet.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.ends, End::Open)
    }

    /// Its period; empty where it runs backwards, which none of a detector does.
    #[must_use]
    pub fn period(&self) -> Period {
        Period::ending(self.to, self.to.signed_duration_since(self.from))
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, expected, missing, .. } = self;
        let length = duration_in_words(self.period().length());
        let suspected = if self.suspected { "suspected gap" } else { "gap" };
        write!(f, "{suspected} of {length} from {from} to {to}")?;
        if self.is_open() {
            f.write_str(", still open")?;
        }
        write!(f, ": {missing} of {expected} rows missing")?;
        match self.caught_up() {
            0 => {}
            caught_up => write!(f, ", {caught_up} came late")?,
        }
        if self.unplaced > 0 {
            write!(f, ", up to {} more came late and are not placed", self.unplaced)?;
        }
        match self.zone {
            None => Ok(()),
            Some(zone) => write!(f, "; a clock set forward by {} looks the same", duration_in_words(zone)),
        }
    }
}

/// A part of a gap that no late row made good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Hole {
    /// The row before it, or the start of the period.
    pub from: DateTime<Utc>,
    /// What it ends at, as a gap.
    pub to: DateTime<Utc>,
    /// How many rows are missing in it.
    pub missing: u64,
}

/// What a gap begins at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Begin {
    /// A row.
    Row,
    /// The start of the period: there is no row before the gap.
    Period,
}

/// What a gap ends at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum End {
    /// A row.
    Row,
    /// The end of the period: there is no row after the gap.
    Period,
    /// The moment of the report: the stream is live, and the gap goes on.
    Open,
}

/// Gaps that are counted and not listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Unlisted {
    /// How many gaps.
    pub gaps: u64,
    /// How many rows they should have.
    pub expected: u64,
    /// How many rows they miss.
    pub missing: u64,
}

impl Unlisted {
    pub(super) const NONE: Self = Self { gaps: 0, expected: 0, missing: 0 };

    pub(super) const fn add(&mut self, expected: u64, missing: u64) {
        self.gaps = self.gaps.saturating_add(1);
        self.expected = self.expected.saturating_add(expected);
        self.missing = self.missing.saturating_add(missing);
    }
}

/// What became of the rows. Each row is one of `on_time`, `duplicates`, `late`, `stepped_back`, `before`, `after` and
/// `ahead`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// All of them.
    pub rows: u64,
    /// Distinct rows that make the series.
    pub on_time: u64,
    /// Those of them that came behind a newer one.
    pub reordered: u64,
    /// Copies: an event that is in the series already, within the bounds on reordering.
    pub duplicates: u64,
    /// Rows that arrived too long after their event, or further behind than reordering is allowed. Copies among them
    /// are not recognized.
    pub late: u64,
    /// Those of them of which nobody knows whether they fill a gap: its gap is listed no longer, or has too many runs
    /// of late rows already. They fill none.
    pub unplaced: u64,
    /// Rows of [rewinds](Rewind).
    pub stepped_back: u64,
    /// Rows before the period.
    pub before: u64,
    /// Rows at the end of the period or after it.
    pub after: u64,
    /// Rows whose event is too far ahead of their arrival.
    pub ahead: u64,
    /// How many rewinds there were.
    pub rewinds: u64,
}

impl Counts {
    /// Whether each row is counted once.
    pub(super) fn are_whole(&self) -> bool {
        let kinds = [
            self.on_time,
            self.duplicates,
            self.late,
            self.stepped_back,
            self.before,
            self.after,
            self.ahead,
        ];
        let sum = kinds.iter().try_fold(0_u64, |sum, kind| sum.checked_add(*kind));
        sum == Some(self.rows) && self.reordered <= self.on_time && self.unplaced <= self.late
    }
}

/// What became of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It goes on with the series.
    OnTime,
    /// It belongs before a row that came earlier, within the bounds.
    Reordered,
    /// A row with this event is in the series already.
    Duplicate,
    /// It was caught up.
    Late,
    /// It belongs to a [`Rewind`]. The first rows of one are reported as [`Late`](Self::Late) or [`Before`](Self::Before),
    /// and counted anew once it is recognized.
    SteppedBack,
    /// It lies before the period.
    Before,
    /// It lies at the end of the period or after it.
    After,
    /// Its clock runs ahead of its arrival.
    Ahead,
}
