//! The line from the last kept sample, and how it ends.

use super::candidates::{Candidates, Point};
use super::cone::{Cone, Position};
use super::settings::Checked;
use super::{Counts, Mode, Reason, Report};
use crate::deadband::sample::{Class, Number, Sample};

/// How many lines the mean length is taken over.
const LINES: u64 = 16;

/// Lines longer than this count as this long, so that one long line does not make the mean.
const LONGEST_COUNTED: u64 = 64;

/// The longest mean, times [`LINES`]. Lines are taken for that long at first.
pub(super) const LONGEST_MEAN: u64 = LINES * LONGEST_COUNTED;

/// Below this mean length, 4.25 samples, a line ends at the last sample it can. There the choice costs most of the time
/// and saves a tenth of the samples: 63 ns a sample in place of 22, for noise about the deviation.
const SHORT: u64 = LINES * 17 / 4;

/// Where kept samples go.
pub(super) type Out<'a, V> = &'a mut dyn FnMut(Report<V>);

/// The line that is being drawn.
#[derive(Clone, Debug)]
pub(super) struct Line<V: Number> {
    /// The last that was kept.
    pub(super) anchor: Sample<V>,
    /// The last that came in time; the anchor where `held` is zero.
    pub(super) newest: Sample<V>,
    /// How many came since the anchor.
    pub(super) held: u64,
    /// Of those, how many are dropped without the guarantee.
    pub(super) unbounded: u64,
    /// Whether it is drawn straight, from and to finite values. Else the anchor's value holds, and what follows is
    /// empty.
    pub(super) is_straight: bool,
    /// The mean length of the lines before, in samples, times [`LINES`].
    pub(super) mean_length: u64,
    /// Of no meaning before the line's second sample, and from the trials on.
    pub(super) cone: Cone<V>,
    pub(super) candidates: Candidates<V>,
}

impl<V: Number> Line<V> {
    pub(super) fn new(look_ahead: u64) -> Self {
        let none = Sample::new(0, V::default());
        Self {
            anchor: none,
            newest: none,
            held: 0,
            unbounded: 0,
            is_straight: false,
            mean_length: LONGEST_MEAN,
            cone: Cone::open(),
            candidates: Candidates::new(look_ahead.try_into().unwrap_or(0)),
        }
    }

    /// Starts from this sample.
    pub(super) fn start(&mut self, anchor: Sample<V>, mode: Mode) {
        (self.anchor, self.newest) = (anchor, anchor);
        (self.held, self.unbounded) = (0, 0);
        self.is_straight = mode == Mode::Linear && anchor.value.class() == Class::Finite;
        self.candidates.clear();
    }

    /// The samples that bind the cone, where it has a meaning.
    pub(super) fn cone_edges(&self) -> Option<[(V, u64); 2]> {
        let is_bound = self.is_straight && self.held > 0 && !self.candidates.has_trials();
        self.cone.edges().filter(|_| is_bound)
    }

    /// How long after the anchor; only of what is no earlier.
    #[inline]
    pub(super) const fn after_anchor(&self, at: i64) -> u64 {
        // The difference of two i64 may not fit one, but always fits a u64.
        at.wrapping_sub(self.anchor.at).cast_unsigned()
    }

    /// Holds a sample of the line's quality.
    #[inline]
    pub(super) const fn hold(&mut self, sample: Point<V>) {
        // By its parts, which may be in registers.
        (self.newest.at, self.newest.value) = (sample.at, sample.value);
        self.held += 1;
    }

    /// How many of the samples since the anchor may still be kept.
    pub(super) fn pending(&self, look_ahead: u64) -> u64 {
        self.held.min(if self.is_straight { look_ahead } else { 1 })
    }

    /// Takes in a sample that a straight line may go on to, and ends the line where it must.
    #[inline]
    pub(super) fn observe(&mut self, sample: Point<V>, set: &Checked, counts: &mut Counts, out: Out<'_, V>) {
        let after = self.after_anchor(sample.at);
        if self.held == 0 || self.candidates.has_trials() || after > set.max_interval {
            return self.observe_fully(sample, set, counts, out);
        }
        let position = self.cone.narrow(self.anchor.value, set.deviation, sample.value, after);
        if self.candidates.is_empty() {
            return self.observe_placed(sample, position, set, counts, out);
        }
        self.hold(sample);
        if position.is_closing {
            return self.end_closed(sample, set, counts, out);
        }
        let is_candidate = position.is_inside & (after >= set.min_interval);
        self.candidates.push_after(sample, is_candidate);
        self.candidates.drop_older(set.look_ahead);
        if self.candidates.may_choose(set.look_ahead) {
            self.end_where_due(set, counts, out);
        }
    }

    /// Whether a line that must end ends at the last candidate, without a choice.
    #[inline]
    const fn ends_at_last(&self) -> bool {
        (self.mean_length < SHORT && !self.candidates.is_empty()) || self.candidates.is_single()
    }

    /// Takes in a sample that closes the cone.
    #[inline(never)]
    fn end_closed(&mut self, sample: Point<V>, set: &Checked, counts: &mut Counts, out: Out<'_, V>) {
        self.candidates.push_after(sample, false);
        if self.mean_length >= SHORT {
            self.candidates.drop_older(set.look_ahead);
        }
        let mut is_closed = true;
        while is_closed {
            if !self.ends_at_last() {
                self.try_candidates(set);
                break;
            }
            let Some((number, end)) = self.candidates.last_point() else { break };
            is_closed = self.begin_at(number, end, Reason::Line, set, counts, out);
        }
        if self.candidates.may_choose(set.look_ahead) {
            self.end_where_due(set, counts, out);
        }
    }

    #[inline(never)]
    fn observe_fully(&mut self, sample: Point<V>, set: &Checked, counts: &mut Counts, out: Out<'_, V>) {
        while self.held > 0 && self.after_anchor(sample.at) > set.max_interval {
            let end = self.latest_end();
            self.end_at(end, Reason::MaxInterval, set, counts, out);
        }
        if self.candidates.has_trials() {
            self.hold(sample);
            self.candidates.push(sample, false, set.look_ahead);
            self.candidates.try_newest(set.deviation);
            self.end_where_due(set, counts, out);
        } else {
            let position = self.narrow(self.held + 1, sample, set);
            self.observe_placed(sample, position, set, counts, out);
        }
    }

    #[inline(never)]
    fn observe_placed(
        &mut self,
        sample: Point<V>,
        position: Position,
        set: &Checked,
        counts: &mut Counts,
        out: Out<'_, V>,
    ) {
        self.hold(sample);
        let (position, is_candidate) = self.settle(position, self.held, sample, set);
        self.candidates.push(sample, is_candidate, set.look_ahead);
        if position.is_closing {
            self.try_candidates(set);
        }
        self.end_where_due(set, counts, out);
    }

    /// Tries the candidates, if it pays. From now on the cone decides nothing.
    fn try_candidates(&mut self, set: &Checked) {
        if self.mean_length < SHORT {
            self.candidates.keep_last();
        }
        self.candidates.try_all(set.deviation);
    }

    /// Ends the line as often as there is no reason to wait.
    #[inline(never)]
    pub(super) fn end_where_due(&mut self, set: &Checked, counts: &mut Counts, out: Out<'_, V>) {
        while let Some(end) = self.candidates.choose(set.look_ahead) {
            self.end_at(Some(end), Reason::Line, set, counts, out);
        }
    }

    /// Keeps the newest sample, if it is not kept yet, and before it what the lines to it need.
    pub(super) fn finish(&mut self, reason: Reason, set: &Checked, counts: &mut Counts, out: Out<'_, V>) {
        while self.held > 0 {
            let last = self.candidates.last();
            if !self.is_straight || last.is_none() || last == Some(self.candidates.newest()) {
                self.end_at(None, reason, set, counts, out);
                return;
            }
            if !self.candidates.has_trials() {
                self.try_candidates(set);
            }
            let end = self.candidates.nearest_to_newest();
            self.end_at(end, Reason::Line, set, counts, out);
        }
    }

    /// Keeps the newest sample, if it is not kept yet; of a line that is not straight.
    pub(super) fn keep_newest(
        &mut self,
        reason: Reason,
        set: &Checked,
        counts: &mut Counts,
        out: Out<'_, V>,
    ) {
        if self.held > 0 {
            self.end_at(None, reason, set, counts, out);
        }
    }

    /// The end that makes the line longest.
    fn latest_end(&self) -> Option<u64> {
        if self.candidates.has_trials() { self.candidates.furthest() } else { self.candidates.last() }
    }

    /// Ends the line at the sample of this number, or at the newest: it is kept, and the next line begins there.
    fn end_at(
        &mut self,
        number: Option<u64>,
        reason: Reason,
        set: &Checked,
        counts: &mut Counts,
        out: Out<'_, V>,
    ) {
        let point = number.and_then(|number| Some((number, self.candidates.from(number).first().copied()?)));
        let newest = Point { at: self.newest.at, value: self.newest.value };
        let (number, end) = point.unwrap_or((self.candidates.newest(), newest));
        if self.begin_at(number, end, reason, set, counts, out) {
            self.try_candidates(set);
        }
    }

    /// Keeps the sample of this number, and begins the next line there. Returns whether a sample closes that already: then
    /// it must end too.
    #[inline(always)]
    fn begin_at(
        &mut self,
        number: u64,
        end: Point<V>,
        reason: Reason,
        set: &Checked,
        counts: &mut Counts,
        out: Out<'_, V>,
    ) -> bool {
        let left = self.candidates.newest() - number;
        let length = self.held - left;
        self.mean_length += length.min(LONGEST_COUNTED);
        self.mean_length -= self.mean_length / LINES;
        counts.drop_of(length.saturating_sub(1), self.unbounded);
        (self.anchor.at, self.anchor.value) = (end.at, end.value);
        out(counts.keep(self.anchor, reason));
        (self.held, self.unbounded) = (left, 0);
        self.candidates.begin();
        let Some(first) = self.candidates.back(left) else { return false };
        let (position, is_candidate) = self.open_cone(1, first, set);
        self.candidates.add(number + 1, is_candidate);
        if position.is_closing {
            return true;
        }
        for held in 2..=left {
            let Some(point) = self.candidates.back(left - held + 1) else { return false };
            let position = self.narrow(held, point, set);
            let (position, is_candidate) = self.settle(position, held, point, set);
            self.candidates.add(number + held, is_candidate);
            if position.is_closing {
                return true;
            }
        }
        false
    }

    /// Narrows the cone by the sample that is so many after the anchor, and returns where it lies. A first sample
    /// lies outside: [`settle`](Self::settle) has the cone begin with it.
    #[inline]
    fn narrow(&mut self, held: u64, sample: Point<V>, set: &Checked) -> Position {
        if held == 1 {
            return Position::OUTSIDE;
        }
        self.cone.narrow(self.anchor.value, set.deviation, sample.value, self.after_anchor(sample.at))
    }

    /// Has the cone begin with a sample outside that no candidate came before. Returns where the sample lies then, and
    /// whether the line may end at it.
    #[inline]
    fn settle(&mut self, position: Position, held: u64, sample: Point<V>, set: &Checked) -> (Position, bool) {
        let after = self.after_anchor(sample.at);
        if !self.candidates.is_empty() || position.is_inside {
            return (position, position.is_inside & (after >= set.min_interval));
        }
        self.open_cone(held, sample, set)
    }

    /// Has the cone begin with this sample, the first that binds the line.
    #[inline]
    fn open_cone(&mut self, held: u64, sample: Point<V>, set: &Checked) -> (Position, bool) {
        let after = self.after_anchor(sample.at);
        // All before came too soon to be kept, and do not bind the line.
        self.unbounded = held - 1;
        match Cone::first(self.anchor.value, set.deviation, sample.value, after) {
            Some(cone) => {
                self.cone = cone;
                (Position::INSIDE, after >= set.min_interval)
            }
            // Too far for a line to be computed, but there is nothing between that it could miss.
            None => (Position::CLOSING, true),
        }
    }
}

impl<V: Number> PartialEq for Line<V> {
    fn eq(&self, other: &Self) -> bool {
        let parts = |line: &Self| (line.anchor, line.newest, line.held, line.unbounded, line.mean_length);
        parts(self) == parts(other)
            && self.is_straight == other.is_straight
            && self.cone_edges() == other.cone_edges()
            && self.candidates == other.candidates
    }
}
