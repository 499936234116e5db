//! The parts that a log is made of.

use std::collections::VecDeque;

use super::record::Record;

/// How many records a segment has: 2¹². With 32 bytes each that is 128 KiB.
pub(super) const SHIFT: u32 = 12;
pub(super) const SEGMENT: u32 = 1 << SHIFT;

/// Records that are given back together.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) records: Vec<Record>,
    /// The time that its records count from, in milliseconds since the epoch.
    pub(super) base: i64,
    /// The youngest sighting in it.
    pub(super) newest: i64,
    /// How many of its records are no longer in force, and not yet passed by the tail.
    pub(super) holes: u32,
    /// How many of its records are not settled: renewed, or no longer in force.
    pub(super) unsettled: u32,
}

impl Segment {
    /// One that is not begun: it can count to no time.
    pub(super) const fn none() -> Self {
        Self { records: Vec::new(), base: i64::MAX, newest: i64::MIN, holes: 0, unsettled: 0 }
    }

    /// As if it were not begun, with the memory that it has.
    pub(super) fn clear(&mut self) {
        self.records.clear();
        (self.base, self.newest) = (i64::MAX, i64::MIN);
        (self.holes, self.unsettled) = (0, 0);
    }

    /// Whether it can count to that time.
    #[inline]
    pub(super) const fn counts(&self, at: i64) -> bool {
        let offset = at.wrapping_sub(self.base);
        0 <= offset && offset <= u32::MAX as i64
    }

    /// The sighting that the TTL of one of its records runs from.
    #[inline]
    pub(super) const fn at(&self, record: &Record) -> i64 {
        self.base + record.at as i64
    }

    #[inline]
    pub(super) const fn offset(&self, at: i64) -> u32 {
        at.wrapping_sub(self.base) as u32
    }
}

/// What lies beside the records, where the settings ask for it.
#[derive(Debug)]
pub(super) struct Beside<T> {
    pub(super) on: bool,
    segments: VecDeque<Vec<T>>,
    spare: Vec<T>,
}

impl<T: Copy> Beside<T> {
    pub(super) const fn new(on: bool) -> Self {
        Self { on, segments: VecDeque::new(), spare: Vec::new() }
    }

    pub(super) fn begin_segment(&mut self) {
        if self.on {
            let mut segment = std::mem::take(&mut self.spare);
            segment.reserve_exact(SEGMENT as usize);
            self.segments.push_back(segment);
        }
    }

    /// Pushes a value where there are such.
    pub(super) fn fill(&mut self, value: T) {
        if self.on {
            self.push(value);
        }
    }

    pub(super) fn push(&mut self, value: T) {
        if let Some(last) = self.segments.back_mut() {
            last.push(value);
        }
    }

    pub(super) fn get(&self, (segment, within): (usize, usize)) -> Option<T> {
        self.segments.get(segment)?.get(within).copied()
    }

    pub(super) fn set(&mut self, (segment, within): (usize, usize), value: T) {
        if let Some(place) = self.segments.get_mut(segment).and_then(|segment| segment.get_mut(within)) {
            *place = value;
        }
    }

    pub(super) fn end_segment(&mut self) {
        if let Some(mut segment) = self.segments.pop_front() {
            segment.clear();
            self.spare = segment;
        }
    }

    pub(super) fn give_back(&mut self) {
        self.spare = Vec::new();
    }
}
