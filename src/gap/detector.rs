use chrono::{DateTime, TimeDelta, Utc};

use super::cadence::distance;
use super::coverage::{Run, Runs};
use super::ledger::{GapSlot, Ledger, Silence};
use super::recent::{Recent, Seen};
use super::report::{Begin, Counts, End, Gap, Hole, Report, Verdict};
use super::rewind::{MOST_REWINDS, Running};
use super::saved::{RestoreError, Saved};
use super::settings::{Rule, Settings, SettingsError};
use crate::time::Period;

/// Finds the gaps in one series, row by row.
///
/// Give it the rows in the order in which they came, or in the order of their events. It holds
/// [`reorder_rows`](Settings::reorder_rows) times, and [`max_gaps`](Settings::max_gaps) gaps: the same for a day as for
/// a year.
///
/// ```
/// use chrono::{DateTime, TimeDelta, Utc};
/// use iot_runbook::gap::{Cadence, GapDetector, Settings};
///
/// let at = |second| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(second);
/// let settings = Settings::live(Cadence::every(TimeDelta::seconds(1)), at(0));
/// let mut detector = GapDetector::new(settings.with_late_after(TimeDelta::seconds(30)))?;
/// for second in [0, 1, 2, 3] {
///     detector.observe(at(second), at(second));
/// }
/// // Back after a minute, it sends what is now; then what it kept.
/// for (second, arrival) in [(64, 64), (4, 65), (5, 65), (6, 65)] {
///     detector.observe(at(second), at(arrival));
/// }
/// let report = detector.report(at(65));
/// assert_eq!((report.gaps[0].from, report.gaps[0].to), (at(3), at(64)));
/// assert_eq!((report.gaps[0].expected, report.gaps[0].caught_up(), report.missing()), (60, 3, 57));
/// # Ok::<(), iot_runbook::gap::SettingsError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct GapDetector {
    settings: Settings,
    rule: Rule,
    /// The newest row on time; the instant before the period where there is none.
    newest: i64,
    /// When it arrived, if that is known.
    newest_arrival: Option<i64>,
    first: Option<i64>,
    recent: Recent,
    ledger: Ledger,
    /// Late rows after the newest row on time.
    tail: Runs,
    rewinds: Vec<Running>,
    /// A run of rows far behind, recognized as a rewind or not.
    running: Option<Running>,
    counts: Counts,
    furthest_ahead: Option<i64>,
}

impl GapDetector {
    /// A detector that has seen no row.
    ///
    /// # Errors
    /// [`SettingsError`] where the settings make no sense.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let rule = Rule::new(&settings)?;
        Ok(Self {
            newest: rule.promise.before_start(),
            newest_arrival: None,
            first: None,
            recent: Recent::new(rule.reorder_rows),
            ledger: Ledger::new(rule.promise, rule.max_gaps),
            tail: Runs::default(),
            rewinds: Vec::new(),
            running: None,
            counts: Counts::default(),
            furthest_ahead: None,
            settings,
            rule,
        })
    }

    /// Takes a row by its event and its arrival. Instants beyond the years 1677 to 2262 are taken as the nearest
    /// within.
    pub fn observe(&mut self, event: DateTime<Utc>, arrival: DateTime<Utc>) -> Verdict {
        self.apply(nanoseconds(event), Some(nanoseconds(arrival)))
    }

    /// Takes a row whose arrival is not known. Then a clock that runs ahead is found only if the period has an end.
    pub fn observe_event(&mut self, event: DateTime<Utc>) -> Verdict {
        self.apply(nanoseconds(event), None)
    }

    /// Takes a row by integers: nanoseconds since the Unix epoch, UTC.
    pub fn observe_nanos(&mut self, event: i64, arrival: Option<i64>) -> Verdict {
        self.apply(event, arrival)
    }

    /// Takes many rows of which the arrivals are not known: nanoseconds since the Unix epoch, UTC. As
    /// [`observe_event`](Self::observe_event) for each, and many times as fast where they are in order.
    pub fn observe_slice(&mut self, events: &[i64]) {
        let mut rest = events;
        while let Some((event, after)) = rest.split_first() {
            let (run, after_run) = rest.split_at(self.in_step(rest));
            if run.is_empty() {
                self.apply(*event, None);
                rest = after;
            } else {
                self.advance_by_run(run);
                rest = after_run;
            }
        }
    }

    /// Returns what the series lacks, as it looks at `until`. More rows may follow.
    ///
    /// Where the period has no end, a silence at `until` is an open gap.
    #[must_use]
    pub fn report(&self, until: DateTime<Utc>) -> Report {
        let moment = nanoseconds(until).max(self.rule.start);
        let to = self.rule.end.map_or(moment, |end| moment.min(end));
        let next = (to > self.newest).then_some(to);
        if let Some(running) = self.running.as_ref().filter(|running| running.held_rows > 0)
            && running.clone().end(next, self.rule.promise).0.held_rows > 0
        {
            // A replay as it looks at that moment: what it brought fills gaps.
            let mut ended = self.clone();
            ended.end_rewind(next);
            return ended.report(until);
        }
        let ends = if self.rule.end.is_some_and(|end| moment >= end) { End::Period } else { End::Open };
        let listed = self.ledger.silences().map(|silence| gap(&self.rule, silence, End::Row));
        let trailing = self.trailing(to).map(|silence| gap(&self.rule, &silence, ends));
        let running = self.running.iter().filter(|running| running.is_recognized);
        let running = running.map(|running| running.clone().end(next, self.rule.promise).0);
        let until = if self.first.is_some() { to.max(self.newest) } else { to };
        let time = DateTime::from_timestamp_nanos;
        Report {
            period: Period::ending(time(until), time(until).signed_duration_since(time(self.rule.start))),
            gaps: listed.chain(trailing).collect(),
            unlisted: self.ledger.unlisted(),
            counts: self.counts,
            rewinds: self
                .rewinds
                .iter()
                .map(Running::report)
                .chain(running.map(|running| running.report()))
                .take(MOST_REWINDS)
                .collect(),
            first: self.first.map(time),
            last: self.first.map(|_| time(self.newest)),
            furthest_ahead: self.furthest_ahead.map(time),
        }
    }

    /// The last [`report`](Self::report).
    #[must_use]
    pub fn finish(self, until: DateTime<Utc>) -> Report {
        self.report(until)
    }

    /// Hands over the gaps that end at `until` or before, and lists them no longer: for a live stream that runs for
    /// ever. Late rows for them are counted as [`unplaced`](Counts::unplaced) from then on, so leave them as long as a
    /// catch-up may take.
    pub fn take_gaps(&mut self, until: DateTime<Utc>) -> Vec<Gap> {
        let (rule, until) = (self.rule, nanoseconds(until));
        // What a replay has brought so far fills gaps, as a report says; once they are taken it no longer could.
        let holds_rows = |running: &Running| {
            running.is_recognized && running.clone().end(None, rule.promise).0.held_rows > 0
        };
        if self.running.as_ref().is_some_and(holds_rows) {
            self.end_rewind(None);
        }
        self.ledger.take_until(until).iter().map(|silence| gap(&rule, silence, End::Row)).collect()
    }

    /// What became of the rows so far.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The settings that it was made with.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns everything it knows, to be written by any serde format.
    #[must_use]
    pub fn save(&self) -> Saved {
        Saved {
            version: Saved::VERSION,
            settings: self.settings.clone(),
            newest: self.first.map(|_| self.newest),
            newest_arrival: self.newest_arrival,
            first: self.first,
            recent: self.recent.times().collect(),
            recent_forgotten: self.recent.forgotten(),
            silences: self.ledger.silences().cloned().collect(),
            silences_forgotten: self.ledger.forgotten(),
            unlisted: self.ledger.unlisted(),
            tail: self.tail.clone(),
            rewinds: self.rewinds.clone(),
            running: self.running.clone(),
            counts: self.counts,
            furthest_ahead: self.furthest_ahead,
        }
    }

    /// Makes a detector that goes on exactly where another was saved.
    ///
    /// # Errors
    /// [`RestoreError`] if the saved state is of another version, or was changed.
    pub fn restore(saved: &Saved) -> Result<Self, RestoreError> {
        let fresh = Self::new(saved.settings.clone())?;
        let rule = fresh.rule;
        let newest = saved.newest.unwrap_or(fresh.newest);
        saved.check(&rule, newest)?;
        let recent = Recent::restore(rule.reorder_rows, &saved.recent, saved.recent_forgotten)
            .ok_or(RestoreError::Field { field: "recent" })?;
        let ledger = fresh
            .ledger
            .restore(
                &saved.silences,
                saved.unlisted,
                saved.silences_forgotten,
                (rule.promise.before_start(), newest),
            )
            .ok_or(RestoreError::Field { field: "silences" })?;
        Ok(Self {
            newest,
            newest_arrival: saved.newest_arrival,
            first: saved.first,
            recent,
            ledger,
            tail: saved.tail.clone(),
            rewinds: saved.rewinds.clone(),
            running: saved.running.clone(),
            counts: saved.counts,
            furthest_ahead: saved.furthest_ahead,
            ..fresh
        })
    }

    /// How many of the first rows each follow the one before within the promise.
    fn in_step(&self, rows: &[i64]) -> usize {
        let (limit, last) = (self.rule.promise.limit(), self.rule.last);
        let mut before = self.newest;
        rows.iter()
            .take_while(|row| {
                let follows = **row > before && row.abs_diff(before) <= limit && **row <= last;
                before = **row;
                follows
            })
            .count()
    }

    /// Takes rows that are in step.
    fn advance_by_run(&mut self, run: &[i64]) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return };
        self.end_rewind(Some(*first));
        self.first.get_or_insert(*first);
        (self.newest, self.newest_arrival) = (*last, None);
        self.recent.append(run);
        self.tail.forget_before(*last);
        let rows = u64::try_from(run.len()).unwrap_or(u64::MAX);
        self.counts.rows = self.counts.rows.saturating_add(rows);
        self.counts.on_time = self.counts.on_time.saturating_add(rows);
    }

    #[inline]
    fn apply(&mut self, event: i64, arrival: Option<i64>) -> Verdict {
        count(&mut self.counts.rows);
        if self.rule.is_ahead(event, arrival) {
            self.end_rewind(None);
            self.furthest_ahead = self.furthest_ahead.max(Some(event));
            count(&mut self.counts.ahead);
            return Verdict::Ahead;
        }
        if event > self.rule.last {
            self.end_rewind(None);
            count(&mut self.counts.after);
            return Verdict::After;
        }
        if event > self.newest {
            return self.apply_next(event, arrival);
        }
        if self.goes_on_with_rewind(event, arrival) {
            count(&mut self.counts.stepped_back);
            return Verdict::SteppedBack;
        }
        self.apply_older(event, arrival)
    }

    /// A row after the newest.
    #[inline]
    fn apply_next(&mut self, event: i64, arrival: Option<i64>) -> Verdict {
        let promise = self.rule.promise;
        if self.rule.is_late(event, arrival) {
            self.end_rewind(None);
            count(&mut self.counts.late);
            if !self.tail.add(Run::of(event), &promise, true) {
                count(&mut self.counts.unplaced);
            }
            return Verdict::Late;
        }
        let from = self.covered_until(event);
        self.end_rewind(Some(event));
        if promise.between_rows(from, event).missing(from, event) > 0 {
            self.tail.forget_before(from);
            let runs = self.tail.split_off_before(event);
            let is_real = self.is_outage(from, event, arrival);
            self.ledger.push(Silence { is_real, ..Silence::new(from, event, runs) });
        } else if !self.tail.is_empty() {
            self.tail.forget_before(event);
        }
        self.first.get_or_insert(event);
        (self.newest, self.newest_arrival) = (event, arrival);
        self.recent.push(event);
        count(&mut self.counts.on_time);
        Verdict::OnTime
    }

    /// A row that is not after the newest.
    fn apply_older(&mut self, event: i64, arrival: Option<i64>) -> Verdict {
        let is_before = event < self.rule.start;
        if is_before && self.first.is_none() {
            count(&mut self.counts.before);
            return Verdict::Before;
        }
        if event == self.newest
            && let Some(verdict) = self.apply_repeated(event, arrival)
        {
            return verdict;
        }
        let seen = self.recent.look(event);
        let is_far = distance(event, self.newest) > self.rule.reorder_within;
        if is_far || (seen == Seen::Forgotten && !is_before) {
            return self.apply_far_behind(event, arrival, is_before);
        }
        self.end_rewind(None);
        if is_before {
            count(&mut self.counts.before);
            return Verdict::Before;
        }
        if seen == Seen::Copy {
            count(&mut self.counts.duplicates);
            return Verdict::Duplicate;
        }
        let slot = self.ledger.place(event);
        if self.rule.is_late(event, arrival) {
            return self.apply_late(slot, event);
        }
        if let GapSlot::Silence(index) = slot {
            self.ledger.split(index, event);
        }
        self.recent.insert(event);
        self.first = self.first.map(|first| first.min(event));
        count(&mut self.counts.on_time);
        count(&mut self.counts.reordered);
        Verdict::Reordered
    }

    /// A row with the time of the newest one. Where rows come each 20 minutes or more seldom it may be the next one, of a
    /// clock that was set back by an hour. `None`: it is a copy.
    fn apply_repeated(&mut self, event: i64, arrival: Option<i64>) -> Option<Verdict> {
        if let Some(running) = self.running.as_ref().filter(|running| running.is_recognized) {
            // A clock is not set back twice by an hour.
            let is_again = running.from == event && running.last == event;
            return is_again.then(|| {
                count(&mut self.counts.duplicates);
                Verdict::Duplicate
            });
        }
        let newest = (self.newest, self.newest_arrival);
        let running = match self.running.as_ref().filter(|running| event > running.last) {
            Some(running) => {
                let mut running = running.clone();
                running.advance(event, arrival);
                running
            }
            None => Running::new(newest, (event, arrival), &self.rule),
        };
        // Only a rewind that is complete with this row is one: the last row of the hour, or the only one.
        if running.zone().is_none() || running.rows < self.rule.zone.rows_of(running.zone()) {
            return None;
        }
        self.running = Some(running);
        count(&mut self.counts.late);
        self.recognize()
    }

    /// A row further behind than reordering is allowed: it is late where rows are missing, and it may be one of a
    /// rewind where they are not.
    fn apply_far_behind(&mut self, event: i64, arrival: Option<i64>, is_before: bool) -> Verdict {
        let slot = if is_before { GapSlot::Covered } else { self.ledger.place(event) };
        if matches!(slot, GapSlot::Silence(_)) {
            self.end_rewind(None);
            return self.apply_late(self.ledger.place(event), event);
        }
        let verdict = if is_before {
            count(&mut self.counts.before);
            Verdict::Before
        } else {
            self.apply_late(slot, event)
        };
        let unplaced = u64::from(slot == GapSlot::Forgotten);
        match &mut self.running {
            // One that is recognized and goes on was seen to before.
            Some(running) if event > running.last && !running.is_recognized => {
                running.advance(event, arrival);
                running.before += u64::from(is_before);
                running.unplaced += unplaced;
            }
            _ => {
                self.end_rewind(None);
                let newest = (self.newest, self.newest_arrival);
                let mut running = Running::new(newest, (event, arrival), &self.rule);
                running.before = u64::from(is_before);
                running.unplaced = unplaced;
                self.running = Some(running);
            }
        }
        self.recognize().unwrap_or(verdict)
    }

    fn apply_late(&mut self, slot: GapSlot, event: i64) -> Verdict {
        count(&mut self.counts.late);
        let is_placed = match slot {
            GapSlot::Silence(index) => self.ledger.fill(index, event),
            GapSlot::Forgotten => false,
            GapSlot::Covered => true,
        };
        if !is_placed {
            count(&mut self.counts.unplaced);
        }
        Verdict::Late
    }

    /// Whether a row that is not after the newest is the next one of a recognized rewind; takes it if so. Where rows
    /// are missing it is held back if the clock seems to be set back by a time zone, and goes its usual way otherwise.
    fn goes_on_with_rewind(&mut self, event: i64, arrival: Option<i64>) -> bool {
        let ledger = &self.ledger;
        let Some(running) = self.running.as_mut().filter(|running| running.is_recognized) else {
            return false;
        };
        if event <= running.last {
            return false;
        }
        if matches!(ledger.place(event), GapSlot::Silence(_)) {
            if running.zone().is_none() {
                return false;
            }
            running.hold(event, &self.rule.promise);
        }
        running.advance(event, arrival);
        true
    }

    /// Counts the rows of a rewind anew when it has enough of them.
    fn recognize(&mut self) -> Option<Verdict> {
        let zone_rule = self.rule.zone;
        let running = self.running.as_mut().filter(|running| !running.is_recognized)?;
        if running.rows < zone_rule.rows_of(running.zone()) {
            return None;
        }
        let counts = &mut self.counts;
        counts.before = counts.before.saturating_sub(running.before);
        counts.late = counts.late.saturating_sub(running.rows.saturating_sub(running.before));
        counts.unplaced = counts.unplaced.saturating_sub(running.unplaced);
        counts.stepped_back = counts.stepped_back.saturating_add(running.rows);
        count(&mut counts.rewinds);
        (running.is_recognized, running.before, running.unplaced) = (true, 0, 0);
        Some(Verdict::SteppedBack)
    }

    /// Ends the rewind that runs, with the row or the moment that follows it if that is known. One that turns out to be a
    /// replay fills the gaps that it went through.
    fn end_rewind(&mut self, next: Option<i64>) {
        let Some(running) = self.running.take().filter(|running| running.is_recognized) else { return };
        let (mut running, held) = running.end(next, self.rule.promise);
        let counts = &mut self.counts;
        counts.stepped_back = counts.stepped_back.saturating_sub(running.held_rows);
        counts.late = counts.late.saturating_add(running.held_rows);
        if running.held_rows > 0 {
            counts.unplaced = counts.unplaced.saturating_add(running.unplaced);
        }
        for rows in held.iter() {
            if !self.ledger.fill_run(rows) {
                count(&mut self.counts.unplaced);
            }
        }
        (running.held_rows, running.unplaced) = (0, 0);
        if self.rewinds.len() < MOST_REWINDS {
            self.rewinds.push(running);
        }
    }

    /// Until when rows are there or came under the label of an earlier hour, as `next` shows: the row or the moment that
    /// follows.
    fn covered_until(&self, next: i64) -> i64 {
        let promise = self.rule.promise;
        let set_right = self.running.as_ref().and_then(|running| running.set_right(next, promise));
        set_right.map_or(self.newest, |right| right.max(self.newest))
    }

    /// Whether the arrivals of two rows say that so much time went by as their events are apart, and no clock was set
    /// forward between them.
    fn is_outage(&self, from: i64, event: i64, arrival: Option<i64>) -> bool {
        let apart = distance(from, event);
        let Some(zone) = self.rule.zone.forward(apart) else { return false };
        let arrived = self.newest_arrival.zip(arrival).map(|(before, arrival)| distance(before, arrival));
        arrived.is_some_and(|arrived| arrived >= apart.saturating_sub(zone / 2))
    }

    /// The silence after the newest row, up to `to`.
    fn trailing(&self, to: i64) -> Option<Silence> {
        let from = self.covered_until(to);
        let is_gap = self.rule.promise.after_row(from).missing(from, to) > 0;
        is_gap.then(|| {
            let mut runs = self.tail.clone();
            runs.forget_before(from);
            Silence::new(from, to, runs.split_off_before(to))
        })
    }
}

/// A silence as it is reported.
fn gap(rule: &Rule, silence: &Silence, ends: End) -> Gap {
    let Silence { from, to, runs, .. } = silence;
    let is_closed = ends == End::Row;
    let promise =
        if is_closed { rule.promise.between_rows(*from, *to) } else { rule.promise.after_row(*from) };
    let begins = if *from < rule.start { Begin::Period } else { Begin::Row };
    // Where no row is before it, the gap begins at the start of the period.
    let time = |at: i64| DateTime::from_timestamp_nanos(at.max(rule.start));
    let holes: Vec<_> = runs
        .holes(*from, *to, promise)
        .map(|(from, to, missing)| Hole { from: time(from), to: time(to), missing })
        .collect();
    let expected = promise.missing(*from, *to);
    let missing = holes.iter().map(|hole| hole.missing).sum();
    let may_be_step = is_closed && begins == Begin::Row && missing == expected && !silence.is_real;
    let zone = rule.zone.forward(distance(*from, *to)).filter(|_| may_be_step);
    Gap {
        from: time(*from),
        to: time(*to),
        begins,
        ends,
        expected,
        missing,
        holes,
        unplaced: silence.unplaced.into(),
        suspected: rule.suspected,
        zone: zone.and_then(|zone| i64::try_from(zone).ok()).map(TimeDelta::nanoseconds),
    }
}

const fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

/// The nearest that 64 bits reach.
fn nanoseconds(at: DateTime<Utc>) -> i64 {
    let before = if at < DateTime::UNIX_EPOCH { i64::MIN } else { i64::MAX };
    at.timestamp_nanos_opt().unwrap_or(before)
}
