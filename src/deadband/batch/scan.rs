//! One scan: of all tags, or of some.

use super::block::{BLOCK, Block, bits, is_dense, requalified, settle, sift, stamp};
use super::passed::Reasons;
use super::{FilterBank, Passed};
use crate::deadband::filter::{Order, Reason, Suppression, moved, width_at};
use crate::deadband::sample::{Number, Quality};

/// Why a scan is refused. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// As many are needed as there are tags, or values.
    #[error("the scan has {given} {what}, and needs {needed}: give one for each")]
    Length {
        /// What there are too few or too many of.
        what: &'static str,
        /// How many were given.
        given: usize,
        /// How many are needed.
        needed: usize,
    },
    /// A number that is no tag's.
    #[error(
        "position {position} of the scan is of tag {tag}, and the bank has {tags} tags: add it with `add_tag`"
    )]
    Tag {
        /// Where in the scan.
        position: usize,
        /// The number.
        tag: u32,
        /// How many tags there are.
        tags: usize,
    },
    /// It is out of time order, and such are refused.
    #[error(
        "a scan at {at} ns is not after the last, at {newest} ns: drop it, or set `order` to pass or drop"
    )]
    Order {
        /// When it was, in nanoseconds since the Unix epoch.
        at: i64,
        /// When the last was.
        newest: i64,
    },
}

impl<V: Number> FilterBank<V> {
    /// Judges a good value of each tag, taken `at` so many nanoseconds since the Unix epoch.
    ///
    /// # Errors
    /// [`ScanError`] for another number of values than of tags, and for a scan out of time order where such are
    /// refused.
    pub fn scan(&mut self, at: i64, values: &[V]) -> Result<Passed<'_>, ScanError> {
        self.scan_all(at, values, None)
    }

    /// The same with a quality for each value.
    ///
    /// # Errors
    /// As [`scan`](Self::scan).
    pub fn scan_with_quality(
        &mut self,
        at: i64,
        values: &[V],
        qualities: &[Quality],
    ) -> Result<Passed<'_>, ScanError> {
        same("qualities", qualities.len(), values.len())?;
        self.scan_all(at, values, Some(qualities))
    }

    /// Judges values of some tags, by their numbers, in the order given; one tag may come more than once.
    ///
    /// # Errors
    /// [`ScanError`] for a number that is no tag's, for another number of values than of tags, and for a scan out of
    /// time order where such are refused.
    pub fn scan_some(&mut self, at: i64, tags: &[u32], values: &[V]) -> Result<Passed<'_>, ScanError> {
        self.scan_sparse(at, tags, values, None)
    }

    /// The same with a quality for each value.
    ///
    /// # Errors
    /// As [`scan_some`](Self::scan_some).
    pub fn scan_some_with_quality(
        &mut self,
        at: i64,
        tags: &[u32],
        values: &[V],
        qualities: &[Quality],
    ) -> Result<Passed<'_>, ScanError> {
        same("qualities", qualities.len(), values.len())?;
        self.scan_sparse(at, tags, values, Some(qualities))
    }

    fn scan_all(
        &mut self,
        at: i64,
        values: &[V],
        qualities: Option<&[Quality]>,
    ) -> Result<Passed<'_>, ScanError> {
        same("values", values.len(), self.tags)?;
        if !self.in_order(at, false)? {
            return Ok(self.disordered(at, None, values, qualities));
        }
        if qualities.is_some() {
            self.need_qualities();
        }
        let timed = self.timed_reason(at);
        self.resize(self.blocks.len());
        // Nothing but the value can cause a report then, so the one comparison is all there is to a
        // block.
        let is_plain = qualities.is_none() && self.qualities.is_empty() && self.reported_at.is_empty();
        let (mut reported, mut others) = (0, Reasons64::default());
        for block_at in 0..self.blocks.len() {
            let base = block_at * BLOCK;
            let Some(block) = self.blocks.get_mut(block_at) else { continue };
            let (Some(last), Some(bounds), Some(widths)) = (
                self.last.get_mut(base..).and_then(<[V]>::first_chunk_mut::<BLOCK>),
                self.bounds.get_mut(base..).and_then(<[V::Width]>::first_chunk_mut::<BLOCK>),
                self.widths.get(base..),
            ) else {
                continue;
            };
            let tail;
            let given = values.get(base..).unwrap_or_default();
            let block_values = match given.first_chunk::<BLOCK>() {
                Some(values) => values,
                None => {
                    tail = filled(given);
                    &tail
                }
            };
            let alike = block.relative == 0 && block.started == block.tags;
            // What a block did in the last scan foretells this one: where many tags moved, one pass over
            // all costs less than picking them out.
            let dense = self.passed.get(block_at).is_some_and(|passed| is_dense(*passed));
            let (outside, doubtful) = sift(block_values, last, bounds, alike, dense);
            let doubtful = doubtful & block.started;
            // Nearly every block of nearly every scan ends here.
            if is_plain && outside | doubtful == 0 && block.started == block.tags {
                if let (Some(word), Some(reasons)) =
                    (self.passed.get_mut(block_at), self.reasons.get_mut(block_at))
                {
                    *word = 0;
                    *reasons = Reasons::default();
                }
                continue;
            }
            let moves = outside | settle(doubtful, block_values, last, bounds, widths, alike);
            let mut reasons = Reasons { first: block.tags & !block.started, ..Reasons::default() };
            if let Some(before) =
                self.qualities.get_mut(base..).and_then(<[Quality]>::first_chunk_mut::<BLOCK>)
            {
                let tail;
                let given = qualities.and_then(|qualities| qualities.get(base..)).unwrap_or_default();
                let now = match given.first_chunk::<BLOCK>() {
                    Some(now) => now,
                    // Without qualities all are good.
                    None => {
                        tail = filled(given);
                        &tail
                    }
                };
                reasons.quality = requalified(now, before) & block.tags & block.started;
                for at in bits(reasons.quality | reasons.first) {
                    before[at % BLOCK] = now[at % BLOCK];
                }
            }
            let reported_at = self.reported_at.get_mut(base..).and_then(<[i64]>::first_chunk_mut::<BLOCK>);
            let is_due = at >= block.due;
            if is_due && let Some(reported_at) = &reported_at {
                reasons.timed =
                    overdue(reported_at, at, self.rule.max) & block.started & !moves & !reasons.quality;
            }
            let extra = (reasons.first | reasons.quality | reasons.timed) & !moves;
            for at in bits(extra) {
                last[at % BLOCK] = block_values[at % BLOCK];
            }
            let passed = moves | extra;
            for at in bits(passed & block.relative) {
                if let Some(widths) = widths.get(at) {
                    bounds[at % BLOCK] = V::bound(width_at(*widths, last[at % BLOCK]));
                }
            }
            block.started |= passed;
            if let Some(reported_at) = reported_at {
                if passed != 0 {
                    stamp(reported_at, passed, at);
                }
                block.next_due(reported_at, at, is_due, passed, self.rule.max);
            }
            reported += u64::from(passed.count_ones());
            if extra | reasons.quality != 0 {
                others.add(&reasons);
            }
            if let (Some(word), Some(out)) = (self.passed.get_mut(block_at), self.reasons.get_mut(block_at)) {
                *word = passed;
                *out = reasons;
            }
        }
        self.newest = Some(at);
        self.count(values.len(), reported, &others, timed);
        Ok(self.outcome(self.blocks.len(), timed, false))
    }

    fn scan_sparse(
        &mut self,
        at: i64,
        tags: &[u32],
        values: &[V],
        qualities: Option<&[Quality]>,
    ) -> Result<Passed<'_>, ScanError> {
        same("values", values.len(), tags.len())?;
        // All numbers first: a scan that is refused in the middle would have changed the tags before.
        let beyond = tags.iter().position(|tag| *tag as usize >= self.tags);
        if let Some((position, tag)) = beyond.and_then(|at| Some((at, *tags.get(at)?))) {
            return Err(ScanError::Tag { position, tag, tags: self.tags });
        }
        if !self.in_order(at, true)? {
            return Ok(self.disordered(at, Some(tags), values, qualities));
        }
        if qualities.is_some() {
            self.need_qualities();
        }
        let timed = self.timed_reason(at);
        let words = values.len().div_ceil(BLOCK);
        self.resize(words);
        self.passed.iter_mut().take(words).for_each(|word| *word = 0);
        self.reasons.iter_mut().take(words).for_each(|reasons| *reasons = Reasons::default());
        let (mut reported, mut others) = (0, Reasons64::default());
        for (position, (tag, value)) in tags.iter().zip(values).enumerate() {
            let quality = qualities.and_then(|qualities| qualities.get(position)).copied();
            let Some(reason) = self.judge(at, *tag as usize, *value, quality.unwrap_or_default()) else {
                continue;
            };
            reported += 1;
            let bit = 1 << (position % BLOCK);
            let (Some(word), Some(out)) =
                (self.passed.get_mut(position / BLOCK), self.reasons.get_mut(position / BLOCK))
            else {
                continue;
            };
            *word |= bit;
            let mut reasons = Reasons::default();
            match reason {
                Reason::First => reasons.first = bit,
                Reason::Quality => reasons.quality = bit,
                Reason::Value => {}
                _ => reasons.timed = bit,
            }
            out.first |= reasons.first;
            out.quality |= reasons.quality;
            out.timed |= reasons.timed;
            others.add(&reasons);
        }
        self.newest = Some(at);
        self.count(values.len(), reported, &others, timed);
        Ok(self.outcome(words, timed, false))
    }

    /// One tag by itself. The reason is a heartbeat for a gap too.
    #[inline]
    fn judge(&mut self, at: i64, tag: usize, value: V, quality: Quality) -> Option<Reason> {
        let (last, bound) = (self.last.get_mut(tag)?, self.bounds.get_mut(tag)?);
        let block = self.blocks.get_mut(tag / BLOCK)?;
        let widths = self.widths.get(tag);
        let before = self.qualities.get_mut(tag);
        let reported_at = self.reported_at.get_mut(tag);
        // In the order of `Rule::judge`, so that a bank names the same reason as a filter for each tag
        // would.
        let reason = if !block.is_started(tag % BLOCK) {
            Reason::First
        } else if before.as_deref().copied().unwrap_or_default() != quality {
            Reason::Quality
        } else if !value.is_near(*last, *bound)
            && (value.is_far(*last, *bound)
                || widths.is_some_and(|widths| moved(value, *last, width_at(*widths, *last))))
        {
            Reason::Value
        } else if reported_at.as_deref().is_some_and(|before| at.saturating_sub(*before) >= self.rule.max) {
            Reason::Heartbeat
        } else {
            return None;
        };
        *last = value;
        if block.relative >> (tag % BLOCK) & 1 == 1
            && let Some(widths) = widths
        {
            *bound = V::bound(width_at(*widths, value));
        }
        if let Some(before) = before {
            *before = quality;
        }
        if let Some(before) = reported_at {
            *before = at;
        }
        block.restore(tag % BLOCK, true, at.saturating_add(self.rule.max));
        Some(reason)
    }

    fn timed_reason(&self, at: i64) -> Reason {
        match self.newest {
            Some(newest) if at.saturating_sub(newest) > self.rule.max => Reason::Gap,
            _ => Reason::Heartbeat,
        }
    }

    fn resize(&mut self, words: usize) {
        let words = words.max(self.blocks.len());
        self.passed.resize(words, 0);
        self.reasons.resize(words, Reasons::default());
    }

    fn outcome(&self, words: usize, timed: Reason, out_of_order: bool) -> Passed<'_> {
        Passed {
            words: self.passed.get(..words).unwrap_or_default(),
            reasons: self.reasons.get(..words).unwrap_or_default(),
            timed,
            out_of_order,
        }
    }

    /// A scan that is out of time order: all of it passes, but for duplicates, or nothing does.
    fn disordered(
        &mut self,
        at: i64,
        tags: Option<&[u32]>,
        values: &[V],
        qualities: Option<&[Quality]>,
    ) -> Passed<'_> {
        let order = self.rule.settings().order;
        let (passes, drops) = (order != Order::Drop, order == Order::DropDuplicates);
        let words = values.len().div_ceil(BLOCK);
        self.resize(words);
        self.passed.iter_mut().take(words).for_each(|word| *word = 0);
        let mut passed = 0;
        for (position, value) in values.iter().enumerate() {
            let tag = tags.map_or(Some(position), |tags| tags.get(position).map(|tag| *tag as usize));
            let quality =
                qualities.and_then(|qualities| qualities.get(position)).copied().unwrap_or_default();
            let is_duplicate = drops && tag.is_some_and(|tag| self.is_duplicate(at, tag, *value, quality));
            if passes
                && !is_duplicate
                && let Some(word) = self.passed.get_mut(position / BLOCK)
            {
                *word |= 1 << (position % BLOCK);
                passed += 1;
            }
        }
        self.counts.add_many(Reason::Order, passed);
        let dropped = values.len() as u64 - passed;
        self.counts.suppress_many(if drops { Suppression::Duplicate } else { Suppression::Order }, dropped);
        self.outcome(words, Reason::Heartbeat, true)
    }

    /// As a filter says it, of a value of the newest scan's moment or of the tag's last report, where that is known.
    fn is_duplicate(&self, at: i64, tag: usize, value: V, quality: Quality) -> bool {
        let is_started = self.blocks.get(tag / BLOCK).is_some_and(|block| block.is_started(tag % BLOCK));
        let is_known = self.newest == Some(at) || self.reported_at.get(tag) == Some(&at);
        let before = self.qualities.get(tag).copied().unwrap_or_default();
        let last = self.last.get(tag).zip(self.widths.get(tag));
        is_started
            && is_known
            && quality == before
            && last.is_some_and(|(last, widths)| !moved(value, *last, width_at(*widths, *last)))
    }

    fn count(&mut self, values: usize, reported: u64, others: &Reasons64, timed: Reason) {
        self.counts.add_many(Reason::First, others.first);
        self.counts.add_many(Reason::Quality, others.quality);
        self.counts.add_many(timed, others.timed);
        // The rest, and not counted one by one: that would cost the loop over the blocks.
        let of_value = reported.saturating_sub(others.first + others.quality + others.timed);
        self.counts.add_many(Reason::Value, of_value);
        self.counts.suppress_many(Suppression::Band, (values as u64).saturating_sub(reported));
    }
}

/// How many passed for a reason other than their value.
#[derive(Default)]
struct Reasons64 {
    first: u64,
    quality: u64,
    timed: u64,
}

impl Reasons64 {
    fn add(&mut self, reasons: &Reasons) {
        self.first += u64::from(reasons.first.count_ones());
        self.quality += u64::from(reasons.quality.count_ones());
        self.timed += u64::from(reasons.timed.count_ones());
    }
}

impl Block {
    /// Keeps `due` a bound below the first moment at which a tag is due.
    fn next_due(&mut self, reported_at: &[i64; BLOCK], at: i64, is_due: bool, passed: u64, max: i64) {
        if is_due {
            // A lower bound is enough. One that is too early costs a pass over the block; too late would
            // lose a heartbeat.
            let started = bits(self.started).map(|bit| reported_at[bit % BLOCK].saturating_add(max));
            self.due = started.min().unwrap_or(i64::MAX);
        } else if passed != 0 {
            self.due = self.due.min(at.saturating_add(max));
        }
    }
}

/// Those whose last report is as old as `max`, or older.
fn overdue(reported_at: &[i64; BLOCK], at: i64, max: i64) -> u64 {
    // Without a branch: then several tags are compared at once.
    let mut word = 0;
    for (bit, before) in reported_at.iter().enumerate() {
        word |= u64::from(at.saturating_sub(*before) >= max) << bit;
    }
    word
}

/// A whole block, filled up.
fn filled<T: Copy + Default>(given: &[T]) -> [T; BLOCK] {
    let mut block = [T::default(); BLOCK];
    for (to, from) in block.iter_mut().zip(given) {
        *to = *from;
    }
    block
}

fn same(what: &'static str, given: usize, needed: usize) -> Result<(), ScanError> {
    if given == needed { Ok(()) } else { Err(ScanError::Length { what, given, needed }) }
}
