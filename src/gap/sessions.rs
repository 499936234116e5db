use std::iter;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::report::{Gap, Hole};
use crate::time::Period;

/// When the device was online, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions {
    covers: Period,
    /// In order of time, apart from each other.
    online: Vec<Period>,
    shortest: TimeDelta,
}

/// Where the device was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Presence {
    /// It had a session.
    Online,
    /// It had none.
    Offline,
    /// Nobody knows.
    Unknown,
}

/// A part of a gap with one presence.
///
/// `expected = caught_up + missing`, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Part {
    /// The part.
    pub period: Period,
    /// Where the device was.
    pub presence: Presence,
    /// How many rows it should have.
    pub expected: u64,
    /// How many of them are missing.
    pub missing: u64,
}

impl Part {
    /// How many of the expected rows came late.
    #[must_use]
    pub const fn caught_up(&self) -> u64 {
        self.expected.saturating_sub(self.missing)
    }
}

impl Sessions {
    /// The periods with a session, in any order, overlapping or not. Within `covers` the device was offline else;
    /// outside of it nobody knows.
    #[must_use]
    pub fn new(covers: Period, online: impl IntoIterator<Item = Period>) -> Self {
        let mut all: Vec<_> = online.into_iter().filter_map(|session| clip(&session, &covers)).collect();
        all.sort_unstable_by_key(Period::start);
        let mut online: Vec<Period> = Vec::with_capacity(all.len());
        for session in all {
            match online.last_mut() {
                Some(last) if session.start() <= last.end() => {
                    *last = until(last.start(), last.end().max(session.end()));
                }
                _ => online.push(session),
            }
        }
        Self { covers, online, shortest: TimeDelta::zero() }
    }

    /// The same, ignoring parts shorter than `shortest`: 1.5 keep-alives, as the contract has it (§16.2,
    /// `online-during-gap`), for so long a broker takes a dead session for alive. An ignored part joins the one before
    /// it, or the one after it where it is the first; where all are ignored, nobody knows.
    #[must_use]
    pub fn ignoring_shorter_than(self, shortest: TimeDelta) -> Self {
        Self { shortest, ..self }
    }

    /// The presences over a period, in order of time, each another than the one before.
    fn over(&self, asked: Period) -> Vec<(Period, Presence)> {
        let Some(known) = clip(&asked, &self.covers) else { return vec![(asked, Presence::Unknown)] };
        let mut parts: Vec<(Period, Presence)> = Vec::new();
        let mut at = asked.start();
        let mut add = |to: DateTime<Utc>, presence: Presence| {
            if at < to {
                parts.push((until(at, to), presence));
                at = to;
            }
        };
        add(known.start(), Presence::Unknown);
        for session in self.online.iter().filter_map(|session| clip(session, &known)) {
            add(session.start(), Presence::Offline);
            add(session.end(), Presence::Online);
        }
        add(known.end(), Presence::Offline);
        add(asked.end(), Presence::Unknown);
        self.ignore_short(asked, parts)
    }

    fn ignore_short(&self, asked: Period, parts: Vec<(Period, Presence)>) -> Vec<(Period, Presence)> {
        let mut at = asked.start();
        let mut kept: Vec<(Period, Presence)> = Vec::with_capacity(parts.len());
        for (part, presence) in parts {
            let is_short = part.length() < self.shortest;
            match kept.last_mut() {
                Some((last, before)) if is_short || *before == presence => {
                    *last = until(last.start(), part.end());
                }
                None if is_short => continue,
                _ => kept.push((until(at, part.end()), presence)),
            }
            at = part.end();
        }
        if kept.is_empty() { vec![(asked, Presence::Unknown)] } else { kept }
    }
}

impl Gap {
    /// Its parts by where the device was. They cover it, and their rows sum up to its rows.
    ///
    /// Missing rows are taken to lie evenly in their hole, and rows that came late evenly over what they made good.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta, Utc};
    /// use iot_runbook::gap::{Cadence, GapDetector, Presence, Sessions, Settings};
    /// use iot_runbook::time::Period;
    ///
    /// let at = |second| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(second);
    /// let day = Period::new(at(0), at(86_400))?;
    /// let mut detector = GapDetector::new(Settings::over(Cadence::every(TimeDelta::seconds(60)), day))?;
    /// for minute in (0..600).chain(660..1440) {
    ///     detector.observe_event(at(minute * 60));
    /// }
    /// let report = detector.finish(at(86_400));
    /// // It had a session until 10:20, and again from 11:00.
    /// let sessions = Sessions::new(day, [Period::new(at(0), at(37_200))?, Period::new(at(39_600), at(86_400))?]);
    /// let parts = report.gaps[0].split(&sessions);
    /// assert_eq!(
    ///     parts.iter().map(|part| (part.presence, part.missing)).collect::<Vec<_>>(),
    ///     [(Presence::Online, 20), (Presence::Offline, 40)]
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn split(&self, sessions: &Sessions) -> Vec<Part> {
        let spread = Spread::new(self);
        let parts = sessions.over(self.period());
        let last = parts.len();
        let mut before = (0, 0);
        iter::zip(1.., parts)
            .map(|(number, (period, presence))| {
                let upto = if number == last {
                    (self.missing, self.caught_up())
                } else {
                    let end = period.end();
                    (spread.missing_before(end), spread.caught_up_before(end))
                };
                let (missing, caught_up) = (upto.0.saturating_sub(before.0), upto.1.saturating_sub(before.1));
                before = upto;
                Part { period, presence, expected: missing.saturating_add(caught_up), missing }
            })
            .collect()
    }
}

/// Where the rows of a gap are taken to lie.
struct Spread<'a> {
    gap: &'a Gap,
    /// How long what late rows made good is, in all.
    made_good: u128,
}

impl<'a> Spread<'a> {
    fn new(gap: &'a Gap) -> Self {
        let mut spread = Self { gap, made_good: 0 };
        spread.made_good = spread.made_good_before(gap.to);
        spread
    }

    fn missing_before(&self, at: DateTime<Utc>) -> u64 {
        let sum = self.gap.holes.iter().map(|hole| {
            let rows = u128::from(hole.missing);
            // The k-th of n stands at k / (n + 1) of the hole.
            before(rows + 1, length(hole.from, at), length(hole.from, hole.to)).min(rows)
        });
        narrow(sum.sum()).min(self.gap.missing)
    }

    fn caught_up_before(&self, at: DateTime<Utc>) -> u64 {
        let rows = u128::from(self.gap.caught_up());
        let so_far = self.made_good_before(at);
        // A single late row makes no length good; the rows then stand where the first hole ends.
        if self.made_good == 0 {
            let first = self.gap.holes.first().map_or(self.gap.from, |hole| hole.to);
            return if first < at { narrow(rows) } else { 0 };
        }
        narrow(before(rows + 1, so_far, self.made_good).min(rows))
    }

    /// How long what late rows made good is before `at`.
    fn made_good_before(&self, at: DateTime<Utc>) -> u128 {
        let in_holes = self.gap.holes.iter().map(|Hole { from, to, .. }| length(*from, at.min(*to))).sum();
        length(self.gap.from, at).saturating_sub(in_holes)
    }
}

/// How many k from 1 on have `k / parts < reached / whole`.
const fn before(parts: u128, reached: u128, whole: u128) -> u128 {
    if reached == 0 || whole == 0 {
        0
    } else {
        parts.saturating_mul(reached).div_ceil(whole).saturating_sub(1)
    }
}

/// Nanoseconds; zero where `to` is not after `from`.
fn length(from: DateTime<Utc>, to: DateTime<Utc>) -> u128 {
    let length = to.signed_duration_since(from);
    let seconds = u128::try_from(length.num_seconds()).unwrap_or_default();
    seconds * 1_000_000_000 + u128::try_from(length.subsec_nanos()).unwrap_or_default()
}

fn narrow(rows: u128) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

/// What both have, if anything.
fn clip(one: &Period, other: &Period) -> Option<Period> {
    Period::new(one.start().max(other.start()), one.end().min(other.end()))
        .ok()
        .filter(|both| !both.length().is_zero())
}

/// The period between two instants in order.
fn until(from: DateTime<Utc>, to: DateTime<Utc>) -> Period {
    Period::ending(to, to.signed_duration_since(from))
}
