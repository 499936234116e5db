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

/// The steps that time stamps may be rounded to.
const STEPS: [i128; 6] = [60_000_000_000, 1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 1_000];

struct Rewind {
    newest: Row,
    rows: Vec<Row>,
    /// How many of the rows were counted as before the period.
    before: u64,
    is_recognized: bool,
    /// Rows where rows are missing.
    held: Vec<i64>,
    zone: Option<i128>,
}

impl Rewind {
    fn last(&self) -> i128 {
        i128::from(self.rows.last().unwrap().0)
    }
}

struct Model {
    start: i128,
    end: Option<i128>,
    silence: i128,
    tolerance: i128,
    has_heartbeat: bool,
    reorder_within: i128,
    reorder_rows: usize,
    on_time: Vec<i64>,
    newest_arrival: Option<i64>,
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
        has_heartbeat: cadence.heartbeat.is_some(),
        reorder_within: nanos(settings.reorder_within),
        reorder_rows: settings.reorder_rows,
        on_time: vec![],
        newest_arrival: None,
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
        model.observe((*event, *arrival), is_ahead, is_late);
    }
    model.report(i128::from(until))
}

impl Model {
    fn observe(&mut self, row: Row, is_ahead: bool, is_late: bool) {
        let (event, at) = (row.0, i128::from(row.0));
        let newest = self.on_time.iter().max().copied();
        if is_ahead {
            self.end_rewind(None);
            self.ahead = self.ahead.max(Some(event));
            self.counts[7] += 1;
        } else if self.end.is_some_and(|end| at >= end) {
            self.end_rewind(None);
            self.counts[6] += 1;
        } else if at >= self.start && newest.is_none_or(|newest| event > newest) {
            if is_late {
                self.end_rewind(None);
                self.late.push(event);
                self.counts[3] += 1;
            } else {
                if let (Some(newest), Some(right)) = (newest, self.set_right(at)) {
                    self.mislabelled.push((i128::from(newest), right.min(at)));
                }
                self.end_rewind(Some(at));
                self.on_time.push(event);
                self.newest_arrival = row.1;
                self.counts[0] += 1;
            }
        } else if let Some(newest) = newest {
            self.observe_older(row, newest, is_late);
        } else {
            self.counts[5] += 1;
        }
    }

    fn observe_older(&mut self, row: Row, newest: i64, is_late: bool) {
        let (event, at) = (row.0, i128::from(row.0));
        let is_before = at < self.start;
        let is_missing = self.silences(None).iter().any(|(from, to)| *from < at && at < *to);
        let is_replay = self.rewind.as_ref().is_some_and(|rewind| self.zone(rewind).is_none());
        if let Some(rewind) = self.rewind.as_mut().filter(|rewind| rewind.is_recognized)
            && at > rewind.last()
            && !(is_replay && is_missing)
        {
            rewind.rows.push(row);
            rewind.held.extend(is_missing.then_some(event));
            self.counts[4] += 1;
            return;
        }
        if event == newest && self.observe_repeated(row) {
            return;
        }
        let mut newest_first = self.on_time.clone();
        newest_first.sort_unstable_by(|a, b| b.cmp(a));
        let is_forgotten = newest_first.get(self.reorder_rows).is_some_and(|forgotten| event <= *forgotten);
        let is_far = i128::from(newest) - at > self.reorder_within;
        if is_far || (is_forgotten && !is_before) {
            self.counts[if is_before { 5 } else { 3 }] += 1;
            if !is_before && is_missing {
                self.end_rewind(None);
                self.late.push(event);
            } else {
                self.begin_or_go_on_with_rewind(row, newest, is_before);
            }
            return;
        }
        self.end_rewind(None);
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

    /// A row with the time of the newest, which may be the next row of a clock that was set back.
    fn observe_repeated(&mut self, row: Row) -> bool {
        if let Some(rewind) = self.rewind.as_ref().filter(|rewind| rewind.is_recognized) {
            let is_again = rewind.newest.0 == row.0 && rewind.last() == i128::from(row.0);
            self.counts[2] += u64::from(is_again);
            return is_again;
        }
        let mut rewind = self.rewind_of(row, row.0);
        if let Some(before) = self.rewind.as_ref().filter(|before| before.last() < i128::from(row.0)) {
            rewind.rows.splice(..0, before.rows.iter().copied());
            (rewind.newest, rewind.before) = (before.newest, before.before);
        }
        let rows = rewind.rows.len() as u64;
        if self.zone(&rewind).is_none() || rows < self.needed(&rewind) {
            return false;
        }
        self.counts[5] -= rewind.before;
        self.counts[3] -= rows - 1 - rewind.before;
        self.counts[4] += rows - 1;
        rewind.is_recognized = true;
        self.rewind = Some(rewind);
        self.counts[4] += 1;
        true
    }

    fn begin_or_go_on_with_rewind(&mut self, row: Row, newest: i64, is_before: bool) {
        match &mut self.rewind {
            Some(rewind) if !rewind.is_recognized && i128::from(row.0) > rewind.last() => {
                rewind.rows.push(row);
            }
            _ => {
                self.end_rewind(None);
                self.rewind = Some(self.rewind_of(row, newest));
            }
        }
        let needed = self.rewind.as_ref().map_or(3, |rewind| self.needed(rewind));
        let rewind = self.rewind.as_mut().unwrap();
        rewind.before += u64::from(is_before);
        let rows = rewind.rows.len() as u64;
        if !rewind.is_recognized && rows >= needed {
            rewind.is_recognized = true;
            self.counts[5] -= rewind.before;
            self.counts[3] -= rows - rewind.before;
            self.counts[4] += rows;
        }
    }

    fn rewind_of(&self, row: Row, newest: i64) -> Rewind {
        let newest = (newest, self.newest_arrival);
        Rewind { newest, rows: vec![row], before: 0, is_recognized: false, held: vec![], zone: None }
    }

    fn end_rewind(&mut self, next: Option<i128>) {
        let Some(mut rewind) = self.rewind.take().filter(|rewind| rewind.is_recognized) else { return };
        rewind.zone = next.map_or_else(|| self.zone(&rewind), |next| self.zone_before(&rewind, next));
        if rewind.zone.is_none() {
            self.counts[4] -= rewind.held.len() as u64;
            self.counts[3] += rewind.held.len() as u64;
            self.late.extend(&rewind.held);
        } else {
            rewind.held.clear();
        }
        self.rewinds.push(rewind);
    }

    fn is_fast(&self) -> bool {
        self.silence + self.widest_tolerance() <= HALF_HOUR / 6
    }

    /// How many rows make a rewind.
    fn needed(&self, rewind: &Rewind) -> u64 {
        match self.zone(rewind) {
            Some(zone) if !self.is_fast() => u64::try_from(zone / self.silence).unwrap().clamp(1, 3),
            _ => 3,
        }
    }

    /// What the clock may have gone back by: half hours, or an hour where rows come slowly. Not where the rows arrived
    /// in less than half the time.
    fn zone(&self, rewind: &Rewind) -> Option<i128> {
        let widest = self.widest_tolerance();
        let distance = i128::from(rewind.newest.0) - i128::from(rewind.rows[0].0);
        let zone = if self.is_fast() {
            let limit = self.silence + widest;
            (1..=52)
                .map(|half| half * HALF_HOUR)
                .find(|whole| distance < *whole && *whole <= distance + limit)?
        } else {
            let within = widest.min(HALF_HOUR / 12);
            let fits = (2 * HALF_HOUR - distance - self.silence).abs() <= within && distance <= 2 * HALF_HOUR;
            Some(2 * HALF_HOUR).filter(|_| fits && !self.has_heartbeat)?
        };
        let arrived = rewind.newest.1.zip(rewind.rows.last().unwrap().1);
        let elapsed = rewind.last() + zone - i128::from(rewind.newest.0);
        let is_replay =
            arrived.is_some_and(|(from, to)| 2 * (i128::from(to) - i128::from(from)).max(0) < elapsed);
        (!is_replay).then_some(zone)
    }

    /// The same, as the next row or moment allows.
    fn zone_before(&self, rewind: &Rewind, next: i128) -> Option<i128> {
        let goes_on = self.missing(rewind.last(), next, true) == 0;
        self.zone(rewind).filter(|zone| goes_on || next >= rewind.last() + zone)
    }

    fn set_right(&self, next: i128) -> Option<i128> {
        let rewind = self.rewind.as_ref().filter(|rewind| rewind.is_recognized)?;
        if self.missing(rewind.last(), i128::from(rewind.newest.0), true) == 0 {
            return None;
        }
        Some(rewind.last() + self.zone_before(rewind, next)?)
    }

    /// The distances between rows next to each other that are too long.
    fn silences(&self, until: Option<i128>) -> Vec<(i128, i128)> {
        let rows = self.on_time.iter().map(|at| (i128::from(*at), i128::from(*at)));
        let mut covered: Vec<_> = rows.chain(self.mislabelled.iter().copied()).collect();
        covered.extend(until.map(|until| (until, until)));
        covered.sort_unstable();
        let mut silences = vec![];
        let mut reached = self.start - 1;
        for (from, to) in covered {
            if self.missing(reached, from, Some(from) != until) > 0 {
                silences.push((reached, from));
            }
            reached = reached.max(to);
        }
        silences
    }

    fn widest_tolerance(&self) -> i128 {
        let steps = STEPS.into_iter().filter(|step| *step <= self.silence && self.silence % step != 0);
        steps.map(|step| step - 1).chain([self.tolerance]).max().unwrap()
    }

    /// The tolerance of a silence, where its time stamps may be rounded.
    fn tolerance(&self, from: i128, to: i128, is_row: bool) -> i128 {
        let is_rounded = |step: &i128| {
            let on_step = from % step == 0 && (!is_row || to % step == 0);
            from >= self.start && *step <= self.silence && self.silence % step != 0 && on_step
        };
        let steps = STEPS.into_iter().filter(is_rounded).map(|step| step - 1);
        steps.chain([self.tolerance]).max().unwrap()
    }

    fn missing(&self, from: i128, to: i128, is_row: bool) -> u64 {
        self.missing_within(from, to, self.tolerance(from, to, is_row))
    }

    /// Rows are put in one by one until the promise holds.
    fn missing_within(&self, from: i128, to: i128, tolerance: i128) -> u64 {
        if to - from <= self.silence + tolerance {
            return 0;
        }
        // The start of the period is no row, and comes neither early nor late.
        let tolerance = if from < self.start { 0 } else { tolerance };
        let (mut at, mut rows) = (from, 0);
        while to - at > self.silence + tolerance {
            at += self.silence;
            rows += 1;
        }
        rows
    }

    fn report(mut self, until: i128) -> Told {
        let until = until.max(self.start);
        let reaches_end = self.end.is_some_and(|end| until >= end);
        let to = self.end.map_or(until, |end| until.min(end));
        let newest = self.on_time.iter().max().copied();
        let is_trailing = newest.is_none_or(|newest| i128::from(newest) < to);
        if let (true, Some(newest), Some(right)) = (is_trailing, newest, self.set_right(to)) {
            self.mislabelled.push((i128::from(newest), right));
        }
        self.end_rewind(is_trailing.then_some(to));
        let silences = self.silences(is_trailing.then_some(to));
        let gaps = silences.iter().map(|(from, end)| {
            let mut at_rows = vec![*from, *end];
            at_rows.extend(self.late.iter().map(|at| i128::from(*at)).filter(|at| from < at && at < end));
            at_rows.sort_unstable();
            let time = |at: i128| i64::try_from(at.max(self.start)).unwrap();
            let is_row = newest.is_some_and(|newest| *end <= i128::from(newest));
            let tolerance = self.tolerance(*from, *end, is_row);
            let holes: Vec<_> = at_rows
                .windows(2)
                .map(|pair| (time(pair[0]), time(pair[1]), self.missing_within(pair[0], pair[1], tolerance)))
                .filter(|hole| hole.2 > 0)
                .collect();
            let ends = match (is_row, reaches_end) {
                (true, _) => End::Row,
                (false, true) => End::Period,
                (false, false) => End::Open,
            };
            Gap {
                from: time(*from),
                to: time(*end),
                begins: if *from < self.start { Begin::Period } else { Begin::Row },
                ends,
                expected: self.missing(*from, *end, is_row),
                missing: holes.iter().map(|hole| hole.2).sum(),
                holes,
            }
        });
        let gaps = gaps.collect();
        let rewinds = self.rewinds.iter().map(|one| {
            let zone = one.zone.map(|zone| i64::try_from(zone).unwrap());
            let rows = (one.rows.len() - one.held.len()) as u64;
            (one.newest.0, one.rows[0].0, one.rows.last().unwrap().0, rows, zone)
        });
        Told {
            gaps,
            counts: self.counts,
            rewinds: rewinds.collect(),
            ends: (self.on_time.iter().min().copied(), newest, self.ahead),
        }
    }
}
