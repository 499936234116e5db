//! What a detector must say, in the slowest and most obvious way: everything is kept, and walked again for each row.

use chrono::{DateTime, Utc};
use iot_runbook::gap::{Begin, End, Report, Settings};

/// Nanoseconds of a half hour.
const HALF_HOUR: i128 = 1_800_000_000_000;

/// A row: its event and its arrival, in nanoseconds.
pub(super) type Row = (i64, Option<i64>);

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) begins: Begin,
    pub(super) ends: End,
    pub(super) expected: u64,
    pub(super) missing: u64,
    pub(super) holes: Vec<(i64, i64, u64)>,
}

/// A report in plain numbers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) gaps: Vec<Gap>,
    /// On time, reordered, duplicates, late, stepped back, before, after, ahead.
    pub(super) counts: [u64; 8],
    /// From, to, last, rows, zone.
    pub(super) rewinds: Vec<(i64, i64, i64, u64, Option<i64>)>,
    pub(super) ends: (Option<i64>, Option<i64>, Option<i64>),
}

pub(super) fn plain(report: &Report) -> Told {
    let nanos = |at: DateTime<Utc>| at.timestamp_nanos_opt().unwrap();
    let counts = &report.counts;
    Told {
        gaps: report
            .gaps
            .iter()
            .map(|gap| Gap {
                from: nanos(gap.from),
                to: nanos(gap.to),
                begins: gap.begins,
                ends: gap.ends,
                expected: gap.expected,
                missing: gap.missing,
                holes: gap
                    .holes
                    .iter()
                    .map(|hole| (nanos(hole.from), nanos(hole.to), hole.missing))
                    .collect(),
            })
            .collect(),
        counts: [
            counts.on_time,
            counts.reordered,
            counts.duplicates,
            counts.late,
            counts.stepped_back,
            counts.before,
            counts.after,
            counts.ahead,
        ],
        rewinds: report
            .rewinds
            .iter()
            .map(|one| {
                let zone = one.zone.map(|zone| zone.num_nanoseconds().unwrap());
                (nanos(one.from), nanos(one.to), nanos(one.last), one.rows, zone)
            })
            .collect(),
        ends: (report.first.map(nanos), report.last.map(nanos), report.furthest_ahead.map(nanos)),
    }
}

struct Rewind {
    newest: i64,
    events: Vec<i64>,
    /// How many of the events were counted as before the period.
    before: u64,
}

struct Model {
    start: i128,
    end: Option<i128>,
    silence: i128,
    tolerance: i128,
    reorder_within: i128,
    reorder_rows: usize,
    on_time: Vec<i64>,
    late: Vec<i64>,
    /// Stretches after a row that came under the label of an earlier hour.
    mislabelled: Vec<(i128, i128)>,
    rewind: Option<Rewind>,
    rewinds: Vec<Rewind>,
    counts: [u64; 8],
    ahead: Option<i64>,
}

pub(super) fn judge(settings: &Settings, rows: &[Row], until: i64) -> Told {
    let nanos = |span: chrono::TimeDelta| i128::from(span.num_nanoseconds().unwrap());
    let instant = |at: DateTime<Utc>| i128::from(at.timestamp_nanos_opt().unwrap());
    let cadence = settings.cadence;
    let mut model = Model {
        start: instant(settings.start),
        end: settings.end.map(instant),
        silence: nanos(cadence.every) + cadence.heartbeat.map_or(0, nanos),
        tolerance: cadence.tolerance.map_or(nanos(cadence.every) / 2, nanos),
        reorder_within: nanos(settings.reorder_within),
        reorder_rows: settings.reorder_rows,
        on_time: vec![],
        late: vec![],
        mislabelled: vec![],
        rewind: None,
        rewinds: vec![],
        counts: [0; 8],
        ahead: None,
    };
    for (event, arrival) in rows {
        let lead = arrival.map(|arrival| i128::from(*event) - i128::from(arrival));
        let is_ahead = lead.is_some_and(|lead| lead > nanos(settings.ahead));
        let is_late = lead.zip(settings.late_after).is_some_and(|(lead, bound)| -lead > nanos(bound));
        model.take(*event, is_ahead, is_late);
    }
    model.told(i128::from(until))
}

impl Model {
    fn take(&mut self, event: i64, is_ahead: bool, is_late: bool) {
        let at = i128::from(event);
        let newest = self.on_time.iter().max().copied();
        if is_ahead {
            self.end_rewind();
            self.ahead = self.ahead.max(Some(event));
            self.counts[7] += 1;
        } else if self.end.is_some_and(|end| at >= end) {
            self.end_rewind();
            self.counts[6] += 1;
        } else if at >= self.start && newest.is_none_or(|newest| event > newest) {
            if is_late {
                self.late.push(event);
                self.counts[3] += 1;
            } else {
                if let (Some(newest), Some(right)) = (newest, self.told_right()) {
                    self.mislabelled.push((i128::from(newest), right.min(at)));
                }
                self.on_time.push(event);
                self.counts[0] += 1;
            }
            self.end_rewind();
        } else if let Some(newest) = newest {
            self.take_older(event, newest, is_late);
        } else {
            self.counts[5] += 1;
        }
    }

    fn take_older(&mut self, event: i64, newest: i64, is_late: bool) {
        let at = i128::from(event);
        let is_before = at < self.start;
        let is_missing = self.silences(None).iter().any(|(from, to)| *from < at && at < *to);
        let zone = self.rewind.as_ref().and_then(|rewind| self.zone(rewind));
        if let Some(rewind) = self.rewind.as_mut().filter(|rewind| rewind.events.len() >= 3)
            && event > *rewind.events.last().unwrap()
            && (zone.is_some() || !is_missing)
        {
            rewind.events.push(event);
            self.counts[4] += 1;
            return;
        }
        let mut newest_first = self.on_time.clone();
        newest_first.sort_unstable_by(|a, b| b.cmp(a));
        let is_forgotten = newest_first.get(self.reorder_rows).is_some_and(|forgotten| event <= *forgotten);
        let is_far = i128::from(newest) - at > self.reorder_within;
        if is_far || (is_forgotten && !is_before) {
            self.counts[if is_before { 5 } else { 3 }] += 1;
            if !is_before && is_missing {
                self.late.push(event);
                self.end_rewind();
            } else {
                self.begin_or_go_on_with_rewind(event, newest, is_before);
            }
            return;
        }
        self.end_rewind();
        if is_before {
            self.counts[5] += 1;
        } else if self.on_time.contains(&event) {
            self.counts[2] += 1;
        } else if is_late {
            self.late.push(event);
            self.counts[3] += 1;
        } else {
            self.on_time.push(event);
            self.counts[0] += 1;
            self.counts[1] += 1;
        }
    }

    fn begin_or_go_on_with_rewind(&mut self, event: i64, newest: i64, is_before: bool) {
        match &mut self.rewind {
            Some(rewind) if rewind.events.len() < 3 && event > *rewind.events.last().unwrap() => {
                rewind.events.push(event);
                rewind.before += u64::from(is_before);
                if rewind.events.len() == 3 {
                    self.counts[5] -= rewind.before;
                    self.counts[3] -= 3 - rewind.before;
                    self.counts[4] += 3;
                }
            }
            _ => {
                self.end_rewind();
                self.rewind = Some(Rewind { newest, events: vec![event], before: u64::from(is_before) });
            }
        }
    }

    fn end_rewind(&mut self) {
        if let Some(rewind) = self.rewind.take().filter(|rewind| rewind.events.len() >= 3) {
            self.rewinds.push(rewind);
        }
    }

    /// The half hours that the clock may have gone back by, if there are any.
    fn zone(&self, rewind: &Rewind) -> Option<i128> {
        let limit = self.silence + self.tolerance;
        let distance = i128::from(rewind.newest) - i128::from(rewind.events[0]);
        let mut whole = (1..=52).map(|half| half * HALF_HOUR);
        whole.find(|whole| distance < *whole && *whole <= distance + limit).filter(|_| limit <= HALF_HOUR / 6)
    }

    fn told_right(&self) -> Option<i128> {
        let rewind = self.rewind.as_ref().filter(|rewind| rewind.events.len() >= 3)?;
        Some(i128::from(*rewind.events.last().unwrap()) + self.zone(rewind)?)
    }

    /// The distances between rows next to each other that are too long.
    fn silences(&self, until: Option<i128>) -> Vec<(i128, i128)> {
        let rows = self.on_time.iter().map(|at| (i128::from(*at), i128::from(*at)));
        let mut covered: Vec<_> = rows.chain(self.mislabelled.iter().copied()).collect();
        if let Some(until) = until {
            if let (Some(newest), Some(right)) = (self.on_time.iter().max(), self.told_right()) {
                covered.push((i128::from(*newest), right));
            }
            covered.push((until, until));
        }
        covered.sort_unstable();
        let mut silences = vec![];
        let mut reached = self.start - 1;
        for (from, to) in covered {
            if self.missing(reached, from) > 0 {
                silences.push((reached, from));
            }
            reached = reached.max(to);
        }
        silences
    }

    /// Rows are put in one by one until the promise holds.
    fn missing(&self, from: i128, to: i128) -> u64 {
        if to - from <= self.silence + self.tolerance {
            return 0;
        }
        // The start of the period is no row, and comes neither early nor late.
        let tolerance = if from < self.start { 0 } else { self.tolerance };
        let (mut at, mut rows) = (from, 0);
        while to - at > self.silence + tolerance {
            at += self.silence;
            rows += 1;
        }
        rows
    }

    fn told(mut self, until: i128) -> Told {
        let until = until.max(self.start);
        let reaches_end = self.end.is_some_and(|end| until >= end);
        let to = self.end.map_or(until, |end| until.min(end));
        let newest = self.on_time.iter().max().copied();
        let is_trailing = newest.is_none_or(|newest| i128::from(newest) < to);
        let silences = self.silences(is_trailing.then_some(to));
        let gaps = silences.iter().map(|(from, end)| {
            let mut stands = vec![*from, *end];
            stands.extend(self.late.iter().map(|at| i128::from(*at)).filter(|at| from < at && at < end));
            stands.sort_unstable();
            let time = |at: i128| i64::try_from(at.max(self.start)).unwrap();
            let holes: Vec<_> = stands
                .windows(2)
                .map(|pair| (time(pair[0]), time(pair[1]), self.missing(pair[0], pair[1])))
                .filter(|hole| hole.2 > 0)
                .collect();
            let ends = match (newest.is_some_and(|newest| *end <= i128::from(newest)), reaches_end) {
                (true, _) => End::Row,
                (false, true) => End::Period,
                (false, false) => End::Open,
            };
            Gap {
                from: time(*from),
                to: time(*end),
                begins: if *from < self.start { Begin::Period } else { Begin::Row },
                ends,
                expected: self.missing(*from, *end),
                missing: holes.iter().map(|hole| hole.2).sum(),
                holes,
            }
        });
        let gaps = gaps.collect();
        self.end_rewind();
        let rewinds = self.rewinds.iter().map(|one| {
            let zone = self.zone(one).map(|zone| i64::try_from(zone).unwrap());
            (one.newest, one.events[0], *one.events.last().unwrap(), one.events.len() as u64, zone)
        });
        Told {
            gaps,
            counts: self.counts,
            rewinds: rewinds.collect(),
            ends: (self.on_time.iter().min().copied(), newest, self.ahead),
        }
    }
}
