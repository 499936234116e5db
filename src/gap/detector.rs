use chrono::{DateTime, Utc};

use super::cadence::distance;
use super::coverage::Runs;
use super::ledger::{Ledger, Place, Silence};
use super::recent::{Recent, Seen};
use super::report::{Begin, Counts, End, Gap, Hole, Report, Verdict};
use super::rewind::{MOST_REWINDS, REWIND_ROWS, Running};
use super::saved::{Saved, StateError};
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
///     detector.push(at(second), at(second));
/// }
/// // Back after a minute, it sends what is now; then what it kept.
/// for (second, arrival) in [(64, 64), (4, 65), (5, 65), (6, 65)] {
///     detector.push(at(second), at(arrival));
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
    pub fn push(&mut self, event: DateTime<Utc>, arrival: DateTime<Utc>) -> Verdict {
        self.take(nanoseconds(event), Some(nanoseconds(arrival)))
    }

    /// Takes a row of which the arrival is not known. Nothing then tells a clock that runs ahead, unless the period
    /// has an end.
    pub fn push_event(&mut self, event: DateTime<Utc>) -> Verdict {
        self.take(nanoseconds(event), None)
    }

    /// Takes a row by integers: nanoseconds since the Unix epoch, UTC.
    pub fn push_nanos(&mut self, event: i64, arrival: Option<i64>) -> Verdict {
        self.take(event, arrival)
    }

    /// Takes many rows of which the arrivals are not known: nanoseconds since the Unix epoch, UTC. As
    /// [`push_event`](Self::push_event) for each, and many times as fast where they are in order.
    pub fn push_slice(&mut self, events: &[i64]) {
        let mut rest = events;
        while let Some((event, after)) = rest.split_first() {
            let (run, after_run) = rest.split_at(self.in_step(rest));
            if run.is_empty() {
                self.take(*event, None);
                rest = after;
            } else {
                self.advance_by_run(run);
                rest = after_run;
            }
        }
    }

    /// What the series lacks, as it looks at `until`. More rows may follow.
    ///
    /// Where the period has no end, a silence at `until` is an open gap.
    #[must_use]
    pub fn report(&self, until: DateTime<Utc>) -> Report {
        let moment = nanoseconds(until).max(self.rule.start);
        let to = self.rule.end.map_or(moment, |end| moment.min(end));
        let ends = if self.rule.end.is_some_and(|end| moment >= end) { End::Period } else { End::Open };
        let listed = self.ledger.silences().map(|silence| self.told(silence, End::Row));
        let trailing = self.trailing(to).map(|silence| self.told(&silence, ends));
        let recognized = self.running.iter().filter(|running| running.is_recognized());
        let until = if self.first.is_some() { to.max(self.newest) } else { to };
        let time = DateTime::from_timestamp_nanos;
        Report {
            period: Period::ending(time(until), time(until).signed_duration_since(time(self.rule.start))),
            gaps: listed.chain(trailing).collect(),
            unlisted: self.ledger.unlisted(),
            counts: self.counts,
            rewinds: self.rewinds.iter().chain(recognized).take(MOST_REWINDS).map(Running::told).collect(),
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
        self.ledger.take_until(until).map(|silence| told(&rule, &silence, End::Row)).collect()
    }

    /// What became of the rows so far.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What it was told to look for.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Everything it knows, to be written by any serde format.
    #[must_use]
    pub fn save(&self) -> Saved {
        Saved {
            version: Saved::VERSION,
            settings: self.settings.clone(),
            newest: self.first.map(|_| self.newest),
            first: self.first,
            recent: self.recent.times().collect(),
            recent_forgotten: self.recent.forgotten(),
            silences: self.ledger.silences().cloned().collect(),
            silences_forgotten: self.ledger.forgotten(),
            unlisted: self.ledger.unlisted(),
            tail: self.tail.clone(),
            rewinds: self.rewinds.clone(),
            running: self.running,
            counts: self.counts,
            furthest_ahead: self.furthest_ahead,
        }
    }

    /// A detector that goes on where another was saved, as if nothing had been.
    ///
    /// # Errors
    /// [`StateError`] where no detector could have left that.
    pub fn restore(saved: &Saved) -> Result<Self, StateError> {
        let fresh = Self::new(saved.settings.clone())?;
        let rule = fresh.rule;
        let newest = saved.newest.unwrap_or(fresh.newest);
        saved.check(&rule, newest)?;
        let recent = Recent::restore(rule.reorder_rows, &saved.recent, saved.recent_forgotten)
            .ok_or(StateError::Field { field: "recent" })?;
        let ledger = fresh
            .ledger
            .restore(
                &saved.silences,
                saved.unlisted,
                saved.silences_forgotten,
                (rule.promise.before_start(), newest),
            )
            .ok_or(StateError::Field { field: "silences" })?;
        Ok(Self {
            newest,
            first: saved.first,
            recent,
            ledger,
            tail: saved.tail.clone(),
            rewinds: saved.rewinds.clone(),
            running: saved.running,
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
        self.end_rewind();
        self.first.get_or_insert(*first);
        self.newest = *last;
        self.recent.append(run);
        self.tail.forget_before(*last);
        let rows = u64::try_from(run.len()).unwrap_or(u64::MAX);
        self.counts.rows = self.counts.rows.saturating_add(rows);
        self.counts.on_time = self.counts.on_time.saturating_add(rows);
    }

    #[inline]
    fn take(&mut self, event: i64, arrival: Option<i64>) -> Verdict {
        count(&mut self.counts.rows);
        if self.rule.is_ahead(event, arrival) {
            self.end_rewind();
            self.furthest_ahead = self.furthest_ahead.max(Some(event));
            count(&mut self.counts.ahead);
            return Verdict::Ahead;
        }
        if event > self.rule.last {
            self.end_rewind();
            count(&mut self.counts.after);
            return Verdict::After;
        }
        if event > self.newest {
            return self.take_next(event, arrival);
        }
        if self.goes_on_with_rewind(event) {
            count(&mut self.counts.stepped_back);
            return Verdict::SteppedBack;
        }
        self.take_older(event, arrival)
    }

    /// A row after the newest.
    #[inline]
    fn take_next(&mut self, event: i64, arrival: Option<i64>) -> Verdict {
        if self.rule.is_late(event, arrival) {
            self.end_rewind();
            count(&mut self.counts.late);
            if !self.tail.add(event, &self.rule.promise) {
                count(&mut self.counts.unplaced);
            }
            return Verdict::Late;
        }
        let from = self.covered_until();
        if self.rule.promise.missing(from, event) > 0 {
            self.tail.forget_before(from);
            let runs = self.tail.split_off_before(event);
            self.ledger.push(Silence { from, to: event, runs });
        } else if !self.tail.is_empty() {
            self.tail.forget_before(event);
        }
        self.end_rewind();
        self.first.get_or_insert(event);
        self.newest = event;
        self.recent.push(event);
        count(&mut self.counts.on_time);
        Verdict::OnTime
    }

    /// A row that is not after the newest.
    fn take_older(&mut self, event: i64, arrival: Option<i64>) -> Verdict {
        let is_before = event < self.rule.start;
        if is_before && self.first.is_none() {
            count(&mut self.counts.before);
            return Verdict::Before;
        }
        let seen = self.recent.look(event);
        let is_far = distance(event, self.newest) > self.rule.reorder_within;
        if is_far || (seen == Seen::Forgotten && !is_before) {
            return self.take_far_behind(event, is_before);
        }
        self.end_rewind();
        if is_before {
            count(&mut self.counts.before);
            return Verdict::Before;
        }
        if seen == Seen::Copy {
            count(&mut self.counts.duplicates);
            return Verdict::Duplicate;
        }
        let place = self.ledger.place(event);
        if self.rule.is_late(event, arrival) {
            return self.take_late(place, event);
        }
        if let Place::Silence(index) = place {
            self.ledger.split(index, event);
        }
        self.recent.insert(event);
        self.first = self.first.map(|first| first.min(event));
        count(&mut self.counts.on_time);
        count(&mut self.counts.reordered);
        Verdict::Reordered
    }

    /// A row further behind than reordering is allowed: it is late where rows are missing, and it may be one of a
    /// rewind where they stand.
    fn take_far_behind(&mut self, event: i64, is_before: bool) -> Verdict {
        let place = if is_before { Place::Covered } else { self.ledger.place(event) };
        if matches!(place, Place::Silence(_)) {
            self.end_rewind();
            return self.take_late(place, event);
        }
        let verdict = if is_before {
            count(&mut self.counts.before);
            Verdict::Before
        } else {
            self.take_late(place, event)
        };
        let unplaced = u64::from(place == Place::Forgotten);
        match &mut self.running {
            // One that is recognized and goes on was seen to before.
            Some(running) if event > running.last && !running.is_recognized() => {
                running.last = event;
                running.rows += 1;
                running.before += u64::from(is_before);
                running.unplaced += unplaced;
            }
            _ => {
                self.end_rewind();
                let mut running = Running::new(self.newest, event, &self.rule.promise);
                running.before = u64::from(is_before);
                running.unplaced = unplaced;
                self.running = Some(running);
            }
        }
        self.recognize().unwrap_or(verdict)
    }

    fn take_late(&mut self, place: Place, event: i64) -> Verdict {
        count(&mut self.counts.late);
        let is_placed = match place {
            Place::Silence(index) => self.ledger.fill(index, event),
            Place::Forgotten => false,
            Place::Covered => true,
        };
        if !is_placed {
            count(&mut self.counts.unplaced);
        }
        Verdict::Late
    }

    /// Whether a row that is not after the newest is the next one of a recognized rewind; takes it if so. Where rows
    /// are missing it fills nothing if the clock was set back by a time zone, and goes its usual way otherwise.
    fn goes_on_with_rewind(&mut self, event: i64) -> bool {
        let ledger = &self.ledger;
        let Some(running) = self.running.as_mut().filter(|running| running.is_recognized()) else {
            return false;
        };
        let goes_on = event > running.last
            && (running.zone.is_some() || !matches!(ledger.place(event), Place::Silence(_)));
        if goes_on {
            running.last = event;
            running.rows = running.rows.saturating_add(1);
        }
        goes_on
    }

    /// Counts the rows of a rewind anew when it has enough of them.
    fn recognize(&mut self) -> Option<Verdict> {
        let running = self.running.as_ref().filter(|running| running.rows == REWIND_ROWS)?;
        let counts = &mut self.counts;
        counts.before = counts.before.saturating_sub(running.before);
        counts.late = counts.late.saturating_sub(running.rows.saturating_sub(running.before));
        counts.unplaced = counts.unplaced.saturating_sub(running.unplaced);
        counts.stepped_back = counts.stepped_back.saturating_add(running.rows);
        count(&mut counts.rewinds);
        Some(Verdict::SteppedBack)
    }

    fn end_rewind(&mut self) {
        let recognized = self.running.take().filter(Running::is_recognized);
        if self.rewinds.len() < MOST_REWINDS {
            self.rewinds.extend(recognized);
        }
    }

    /// Until when rows stand or came under the label of an earlier hour.
    fn covered_until(&self) -> i64 {
        let told_right = self.running.as_ref().and_then(Running::told_right);
        told_right.map_or(self.newest, |right| right.max(self.newest))
    }

    /// The silence after the newest row, up to `to`.
    fn trailing(&self, to: i64) -> Option<Silence> {
        let from = self.covered_until();
        let is_gap = self.rule.promise.missing(from, to) > 0;
        is_gap.then(|| {
            let mut runs = self.tail.clone();
            runs.forget_before(from);
            Silence { from, to, runs: runs.split_off_before(to) }
        })
    }

    fn told(&self, silence: &Silence, ends: End) -> Gap {
        told(&self.rule, silence, ends)
    }
}

fn told(rule: &Rule, silence: &Silence, ends: End) -> Gap {
    let Silence { from, to, runs } = silence;
    let begins = if *from < rule.start { Begin::Period } else { Begin::Row };
    // Where no row stands before, the period's own start is told.
    let time = |at: i64| DateTime::from_timestamp_nanos(at.max(rule.start));
    let holes: Vec<_> = runs
        .holes(*from, *to, rule.promise)
        .map(|(from, to, missing)| Hole { from: time(from), to: time(to), missing })
        .collect();
    Gap {
        from: time(*from),
        to: time(*to),
        begins,
        ends,
        expected: rule.promise.missing(*from, *to),
        missing: holes.iter().map(|hole| hole.missing).sum(),
        holes,
        suspected: rule.suspected,
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
