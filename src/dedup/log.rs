//! The records of an engine, oldest first, in segments that are given back one by one.
//!
//! A record has a *position*, a number that goes on for ever and wraps; the index holds positions. Whatever lies
//! between tail and head is remembered, and a position outside is dead, wherever it is still written.

mod record;
mod segment;
mod span;

use std::collections::VecDeque;

pub(super) use record::{Entry, Record, State};
use record::{HAS_POSITION, RENEWED};
use segment::{Beside, SEGMENT, SHIFT, Segment};
pub(super) use span::Span;

use super::{Message, Position};

/// The position that no record has, so that an empty slot of the index can say so.
pub(super) const NOWHERE: u32 = 0;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Log {
    /// The segment that is written, the youngest. It is empty where there is none, and holds memory for the next then.
    open: Segment,
    /// Those before it, oldest first.
    done: VecDeque<Segment>,
    /// The records' memory of a segment that is over, for the next.
    spare: Vec<Record>,
    sources: Beside<Position>,
    firsts: Beside<i64>,
    /// Whether anything lies beside the records.
    has_beside: bool,
    /// The position of the first record of the first segment.
    front: u32,
    tail: u32,
    head: u32,
    /// How many records there are from tail to head, and how many of them are no longer in force.
    len: u32,
    holes: u32,
}

impl Log {
    pub(super) const fn new(positions: bool, sliding: bool) -> Self {
        Self::starting_at(SEGMENT, positions, sliding)
    }

    /// A log whose first record is at `start`, which begins a segment.
    pub(super) const fn starting_at(start: u32, positions: bool, sliding: bool) -> Self {
        Self {
            open: Segment::none(),
            done: VecDeque::new(),
            spare: Vec::new(),
            sources: Beside::new(positions),
            firsts: Beside::new(sliding),
            has_beside: positions || sliding,
            front: start,
            tail: start,
            head: start,
            len: 0,
            holes: 0,
        }
    }

    /// How many records there are, those that are no longer in force among them.
    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    /// How many records are in force.
    pub(super) const fn in_force(&self) -> u32 {
        self.len.saturating_sub(self.holes)
    }

    /// How many are not.
    pub(super) const fn holes(&self) -> u32 {
        self.holes
    }

    /// The first record from `from` on whose place is that of its sighting, and that sighting. Looks at one segment, and
    /// at a number of each other.
    pub(super) fn first_settled(&self, from: u32) -> Option<(u32, i64)> {
        let Span { tail, length } = self.span();
        let done = from.wrapping_sub(tail);
        let mut step = if done <= length { done } else { 0 };
        while step < length {
            let position = tail.wrapping_add(step);
            let (number, within) = self.place(position);
            let segment = self.segment(number)?;
            let held = segment.records.len();
            match segment.records.get(within) {
                Some(record) if (segment.unsettled as usize) < held => {
                    if record.is_settled() {
                        return Some((position, segment.at(record)));
                    }
                    step += 1;
                }
                _ => step += SEGMENT - within as u32,
            }
        }
        None
    }

    #[inline]
    pub(super) const fn span(&self) -> Span {
        Span { tail: self.tail, length: self.head.wrapping_sub(self.tail) }
    }

    /// Where a position lies; beyond every segment where there is none such.
    #[inline]
    const fn place(&self, position: u32) -> (usize, usize) {
        ((position.wrapping_sub(self.front) >> SHIFT) as usize, (position & (SEGMENT - 1)) as usize)
    }

    #[inline]
    pub(super) fn get(&self, position: u32) -> Option<&Record> {
        let (segment, within) = self.place(position);
        self.segment(segment)?.records.get(within)
    }

    pub(super) fn get_mut(&mut self, position: u32) -> Option<&mut Record> {
        let (segment, within) = self.place(position);
        self.segment_mut(segment)?.records.get_mut(within)
    }

    /// The segment of that number, the oldest being the first.
    #[inline]
    fn segment(&self, number: usize) -> Option<&Segment> {
        self.done.get(number).or((number == self.done.len()).then_some(&self.open))
    }

    fn segment_mut(&mut self, number: usize) -> Option<&mut Segment> {
        if number == self.done.len() { Some(&mut self.open) } else { self.done.get_mut(number) }
    }

    /// The segment of the tail.
    #[inline]
    fn oldest_segment(&self) -> &Segment {
        self.done.front().unwrap_or(&self.open)
    }

    /// The sighting that the TTL of a record runs from.
    #[inline]
    pub(super) fn at(&self, position: u32, record: &Record) -> i64 {
        self.segment(self.place(position).0).map_or(0, |segment| segment.at(record))
    }

    /// The first sighting of a record whose TTL runs from `at`.
    pub(super) fn first(&self, position: u32, at: i64) -> i64 {
        self.firsts.get(self.place(position)).unwrap_or(at)
    }

    /// Where the message of a record was read from.
    pub(super) fn source(&self, position: u32, record: &Record) -> Option<Position> {
        if record.device & HAS_POSITION == 0 { None } else { self.sources.get(self.place(position)) }
    }

    /// Everything about the record at a position.
    pub(super) fn entry(&self, position: u32) -> Option<Entry> {
        let record = self.get(position)?;
        let at = self.at(position, record);
        let mut message = Message::new(record.id(), record.device(), record.payload());
        message.position = self.source(position, record);
        let renewed = record.is_renewed();
        Some(Entry { message, state: record.state(), first: self.first(position, at), at, renewed })
    }

    /// Adds a record at the head, and returns its position.
    pub(super) fn push(&mut self, entry: &Entry) -> u32 {
        let position = self.push_new(&entry.message, entry.state, entry.first, entry.at);
        if entry.renewed
            && let Some(segment) = self.segment_mut(self.place(position).0)
            && let Some(record) = segment.records.last_mut()
        {
            record.device |= RENEWED;
            segment.unsettled += 1;
        }
        position
    }

    /// [`Log::push`], of the parts of an entry.
    #[inline]
    pub(super) fn push_new(&mut self, message: &Message, state: State, first: i64, at: i64) -> u32 {
        if let Some(position) = self.append(message, state, first, at) {
            return position;
        }
        let source = self.source_of(message);
        self.begin_segment(message, state.bits() | flag_of(source), at);
        self.put_beside(source, first)
    }

    /// Adds a record at the head, unless it has to begin a segment.
    #[inline(always)]
    pub(super) fn append(&mut self, message: &Message, state: State, first: i64, at: i64) -> Option<u32> {
        let open = &mut self.open;
        if open.records.len() >= SEGMENT as usize || !open.counts(at) {
            return None;
        }
        open.newest = open.newest.max(at);
        // Made where it is written: a copy would wait for its parts.
        let offset = open.offset(at);
        if !self.has_beside {
            open.records.push(Record::new(message, state.bits(), offset));
            return Some(self.step());
        }
        let source = message.position.filter(|_| self.sources.on);
        open.records.push(Record::new(message, state.bits() | flag_of(source), offset));
        Some(self.put_beside(source, first))
    }

    #[inline(always)]
    fn source_of(&self, message: &Message) -> Option<Position> {
        message.position.filter(|_| self.sources.on)
    }

    /// What lies beside a record that was written at the head, which is past it then.
    #[inline(never)]
    fn put_beside(&mut self, source: Option<Position>, first: i64) -> u32 {
        if self.sources.on {
            self.sources.push(source.unwrap_or(Position::new(0, 0)));
        }
        if self.firsts.on {
            self.firsts.push(first);
        }
        self.step()
    }

    /// The head goes past a record that was written there; returns its position.
    #[inline(always)]
    const fn step(&mut self) -> u32 {
        let position = self.head;
        self.head = self.head.wrapping_add(1);
        self.len += 1;
        position
    }

    /// Begins the window of a record anew in its place: `false`, and nothing is changed, where its segment cannot
    /// count so far.
    pub(super) fn renew(&mut self, position: u32, entry: &Entry) -> bool {
        if !self.touch(position, entry.at) {
            return false;
        }
        self.write(position, &entry.message, entry.state);
        if self.firsts.on {
            let place = self.place(position);
            self.firsts.set(place, entry.first);
        }
        true
    }

    /// Lets the TTL of a record run from `at`; like [`Log::renew`].
    pub(super) fn touch(&mut self, position: u32, at: i64) -> bool {
        let (segment, within) = self.place(position);
        let Some(segment) = self.segment_mut(segment).filter(|segment| segment.counts(at)) else {
            return false;
        };
        let offset = segment.offset(at);
        segment.newest = segment.newest.max(at);
        if let Some(record) = segment.records.get_mut(within) {
            segment.unsettled += u32::from(record.is_settled());
            record.at = offset;
            record.device |= RENEWED;
        }
        true
    }

    /// The record at the tail, and the sighting that its TTL runs from.
    #[inline]
    pub(super) fn front(&self) -> Option<(&Record, i64)> {
        let segment = self.oldest_segment();
        let record = segment.records.get((self.tail & (SEGMENT - 1)) as usize)?;
        Some((record, segment.at(record)))
    }

    /// Puts a record out of force: it is elsewhere, or was removed.
    pub(super) fn mark_moved(&mut self, position: u32) {
        let (segment, within) = self.place(position);
        let Some(segment) = self.segment_mut(segment) else { return };
        let Some(record) = segment.records.get_mut(within).filter(|record| record.state() != State::Moved)
        else {
            return;
        };
        segment.unsettled += u32::from(record.is_settled());
        segment.holes += 1;
        record.set_state(State::Moved);
        self.holes += 1;
    }

    /// Takes the record at the tail away.
    #[inline]
    pub(super) fn pop(&mut self) {
        if self.len == 0 {
            return;
        }
        if self.front().is_some_and(|(record, _)| record.state() == State::Moved) {
            self.pass_holes(1);
        }
        self.len -= 1;
        self.tail = self.tail.wrapping_add(1);
        if self.tail.wrapping_sub(self.front) as usize >= self.oldest_segment().records.len() {
            self.leave_empty_segments();
        }
    }

    /// The tail passes so many records of its segment that are no longer in force.
    fn pass_holes(&mut self, holes: u32) {
        let segment = self.done.front_mut().unwrap_or(&mut self.open);
        segment.holes = segment.holes.saturating_sub(holes);
        self.holes = self.holes.saturating_sub(holes);
    }

    /// Takes away at most so many records at the tail that are over and settled, or no longer in force, of one segment,
    /// and says how many there were.
    pub(super) fn pop_many(&mut self, before: i64, most: usize) -> usize {
        let segment = self.oldest_segment();
        let from = (self.tail & (SEGMENT - 1)) as usize;
        let records = segment.records.get(from..).unwrap_or_default();
        let leaves = |record: &&Record| match record.state() {
            State::Moved => true,
            _ => segment.at(record) <= before && !record.is_renewed(),
        };
        let gone = records.iter().take(most).take_while(leaves).count();
        if gone > 0 {
            let holes = if segment.holes > 0 {
                records.iter().take(gone).filter(|record| record.state() == State::Moved).count()
            } else {
                0
            };
            let is_segment_over = gone == records.len();
            self.pass_holes(holes as u32);
            self.len -= gone as u32;
            self.tail = self.tail.wrapping_add(gone as u32);
            if is_segment_over {
                self.leave_empty_segments();
            }
        }
        gone
    }

    /// Takes the segment at the tail away where all its records are from `before` or earlier, and says how many
    /// there were.
    #[inline]
    pub(super) fn pop_segment(&mut self, before: i64) -> u32 {
        match self.done.front() {
            Some(segment) if segment.newest <= before => self.pop_done_segment(),
            _ => 0,
        }
    }

    #[cold]
    fn pop_done_segment(&mut self) -> u32 {
        let holes = self.oldest_segment().holes;
        self.pass_holes(holes);
        let held = self.oldest_segment().records.len();
        let gone = (held as u32).saturating_sub(self.tail.wrapping_sub(self.front));
        self.len -= gone.min(self.len);
        self.drop_front();
        gone
    }

    /// Gives back what is kept for the next segment.
    pub(super) fn give_back(&mut self) {
        self.spare = Vec::new();
        if self.open.records.is_empty() {
            self.open = Segment::none();
        }
        self.sources.give_back();
        self.firsts.give_back();
    }

    /// Every position from tail to head that holds a record.
    pub(super) fn positions(&self) -> impl Iterator<Item = u32> {
        let span = self.span();
        (0..span.length).map(move |step| span.tail.wrapping_add(step)).filter(|at| self.get(*at).is_some())
    }

    fn write(&mut self, position: u32, message: &Message, state: State) {
        let source = self.source_of(message);
        if let Some(record) = self.get_mut(position) {
            record.payload = message.payload.to_u64();
            let flags = (record.device & RENEWED) | flag_of(source);
            record.device = message.device.number() | state.bits() | flags;
        }
        if let Some(source) = source {
            let place = self.place(position);
            self.sources.set(place, source);
        }
    }

    /// Begins a segment with a record from `at`.
    #[cold]
    #[inline(never)]
    fn begin_segment(&mut self, message: &Message, flags: u32, at: i64) {
        self.head = self.head.wrapping_add(SEGMENT - 1) & !(SEGMENT - 1);
        if self.open.records.is_empty() {
            (self.front, self.tail) = (self.head, self.head);
        } else {
            let next = Segment { records: std::mem::take(&mut self.spare), ..Segment::none() };
            self.done.push_back(std::mem::replace(&mut self.open, next));
        }
        let open = &mut self.open;
        open.records.reserve_exact(SEGMENT as usize);
        // Half the range lies before the first record: one that is carried over is older than its neighbours.
        (open.base, open.newest) = (at - (1 << 31), at);
        self.sources.begin_segment();
        self.firsts.begin_segment();
        let record = Record::new(message, flags, open.offset(at));
        if self.head == NOWHERE {
            // Nothing stands there: the place is taken by a record of nothing.
            let mut filler = record;
            filler.set_state(State::Moved);
            open.records.push(filler);
            (open.holes, open.unsettled) = (1, 1);
            self.holes += 1;
            self.sources.fill(Position::new(0, 0));
            self.firsts.fill(at);
            self.step();
        }
        self.open.records.push(record);
    }

    /// Leaves the segments at the tail that hold nothing any more.
    #[cold]
    fn leave_empty_segments(&mut self) {
        loop {
            let first = self.oldest_segment();
            let (over, held) = (self.tail.wrapping_sub(self.front) as usize, first.records.len());
            // One that is not full and not the last was left early, when time leapt.
            if over < held || (self.done.is_empty() && held < SEGMENT as usize) {
                break;
            }
            self.drop_front();
        }
    }

    fn drop_front(&mut self) {
        let is_last = self.done.is_empty();
        match self.done.pop_front() {
            Some(mut over) => {
                over.records.clear();
                self.spare = over.records;
            }
            None => self.open.clear(),
        }
        self.sources.end_segment();
        self.firsts.end_segment();
        self.front = self.front.wrapping_add(SEGMENT);
        self.tail = self.front;
        if is_last {
            self.head = self.front;
        }
    }
}

#[inline(always)]
const fn flag_of(source: Option<Position>) -> u32 {
    if source.is_some() { HAS_POSITION } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::{Device, Fingerprint, MessageId};

    fn entry(number: u32, at: i64) -> Entry {
        let message = Message::new(
            MessageId::from_u128(number.into()),
            Device::new(number & 0xFFFF).unwrap(),
            Fingerprint::from_u64(9),
        );
        Entry { message, state: State::Seen, first: at, at, renewed: false }
    }

    #[test]
    fn log_holds_what_was_pushed_until_it_is_popped() {
        let mut log = Log::new(true, true);
        let mut positions = VecDeque::new();
        for number in 0..3 * SEGMENT {
            let mut entry = entry(number, i64::from(number));
            entry.first -= 7;
            if number % 3 == 0 {
                entry.message = entry.message.with_position(Position::new(1, number.into()));
            }
            positions.push_back((log.push(&entry), entry));
            if number % 2 == 0 {
                log.pop();
                positions.pop_front();
            }
        }
        assert_eq!(log.len() as usize, positions.len());
        assert_eq!(
            log.positions().collect::<Vec<_>>(),
            positions.iter().map(|(at, _)| *at).collect::<Vec<_>>()
        );
        for (position, entry) in &positions {
            assert_eq!(log.entry(*position).as_ref(), Some(entry));
            assert!(log.span().holds(*position));
        }
        assert!(!log.span().holds(positions[0].0 - 1));
        while log.len() > 0 {
            log.pop();
        }
        assert_eq!(log.positions().count(), 0);
        log.pop();
        let position = log.push(&entry(1, 5));
        assert_eq!(log.entry(position), Some(entry(1, 5)));
    }

    #[test]
    fn positions_wrap() {
        let mut log = Log::new(false, false);
        let start = u32::MAX - SEGMENT - (SEGMENT - 1);
        (log.front, log.tail, log.head) = (start, start, start);
        let positions: Vec<_> = (0..3 * SEGMENT).map(|number| log.push(&entry(number, 1))).collect();
        assert!(positions.contains(&u32::MAX) && positions.contains(&1) && !positions.contains(&NOWHERE));
        for (number, position) in (0..).zip(&positions) {
            assert_eq!(log.entry(*position), Some(entry(number, 1)));
        }
        for _ in 0..SEGMENT + 5 {
            log.pop();
        }
        assert!(log.entry(positions[SEGMENT as usize + 4]).is_some(), "of a segment that is still there");
        assert!(!log.span().holds(positions[SEGMENT as usize + 4]));
        assert!(log.span().holds(positions[SEGMENT as usize + 5]));
        assert_eq!(log.span().younger(u32::MAX, 1), 1);
    }

    #[test]
    fn segment_goes_at_once_when_all_of_it_is_old() {
        let mut log = Log::new(false, false);
        let positions: Vec<_> =
            (0..2 * SEGMENT + 1).map(|number| log.push(&entry(number, number.into()))).collect();
        log.pop();
        assert_eq!(log.pop_segment(i64::from(SEGMENT) - 2), 0, "its last one is younger");
        assert_eq!(log.pop_segment(i64::from(SEGMENT) - 1), SEGMENT - 1);
        assert_eq!(log.len(), SEGMENT + 1);
        assert!(log.touch(positions[SEGMENT as usize], 1 << 20));
        assert_eq!(log.pop_segment(1 << 19), 0, "one of it was touched");
        assert_eq!(log.pop_segment(1 << 20), SEGMENT);
        assert_eq!(log.pop_segment(i64::MAX), 0, "the last is still written");
        assert_eq!(
            log.entry(positions[2 * SEGMENT as usize]),
            Some(entry(2 * SEGMENT, (2 * SEGMENT).into()))
        );
    }

    #[test]
    fn time_that_leaps_begins_a_segment_of_its_own() {
        let mut log = Log::new(false, false);
        let far = 1 << 40;
        let positions = [(1, 0), (2, far), (3, far + 1), (4, far - (1 << 31)), (5, 0), (6, far)]
            .map(|(number, at)| (log.push(&entry(number, at)), entry(number, at)));
        for (position, entry) in &positions {
            assert_eq!(log.entry(*position).as_ref(), Some(entry));
        }
        assert!(!log.touch(positions[0].0, far), "it cannot count so far");
        assert_eq!(log.entry(positions[0].0), Some(entry(1, 0)));
        assert_eq!(log.positions().count(), 6);
        for (position, _) in &positions {
            assert_eq!(log.span().tail(), *position);
            log.pop();
        }
        assert_eq!(log.len(), 0);
    }

    #[test]
    fn a_record_is_renewed_in_its_place() {
        let mut log = Log::new(true, true);
        let position = log.push(&entry(1, 10));
        assert!(!log.get(position).unwrap().is_renewed());
        let mut anew = entry(1, 50);
        anew.message.device = Device::MAX;
        anew.message = anew.message.with_position(Position::new(3, 4));
        anew.state = State::Reserved;
        assert!(log.renew(position, &anew));
        assert_eq!(log.entry(position), Some(Entry { renewed: true, ..anew }));
        assert!(log.get(position).unwrap().is_renewed());
        let record = log.get_mut(position).unwrap();
        for state in [State::Seen, State::Moved] {
            record.set_state(state);
            assert_eq!((record.state(), record.device()), (state, Device::MAX));
            assert_eq!(record.is(anew.message.id), state != State::Moved);
        }
    }
}
