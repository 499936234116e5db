//! 64 tags: one bit each, in one word.

use crate::deadband::filter::{Widths, moved, width_at};
use crate::deadband::sample::{Number, Quality};

/// How many tags share a word.
pub(super) const BLOCK: usize = 64;

/// Up to this many are decided one by one; more, all together.
const FEW: u32 = 8;

/// What is known of 64 tags.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// Those that are tags.
    pub(super) tags: u64,
    /// Those with a report.
    pub(super) started: u64,
    /// Those whose band depends on the last value.
    pub(super) relative: u64,
    /// No heartbeat is due before, in nanoseconds.
    pub(super) due: i64,
}

impl Default for Block {
    fn default() -> Self {
        Self { tags: 0, started: 0, relative: 0, due: i64::MAX }
    }
}

impl Block {
    pub(super) fn add(&mut self, at: usize, relative: bool) {
        self.tags |= 1 << at;
        self.relative |= u64::from(relative) << at;
    }

    pub(super) fn is_started(&self, at: usize) -> bool {
        self.started >> at & 1 == 1
    }

    pub(super) fn restore(&mut self, at: usize, started: bool, due: i64) {
        self.started = self.started & !(1 << at) | u64::from(started) << at;
        if started {
            self.due = self.due.min(due);
        }
    }
}

/// The bits that are set, the lowest first.
pub(super) fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros() as usize);
        word &= word.wrapping_sub(1);
        bit
    })
}

/// A word for each bit. A table, because a shift by a variable is no instruction of SSE2.
const BITS: [u64; BLOCK] = {
    let mut bits = [0; BLOCK];
    let mut at = 0;
    while at < BLOCK {
        bits[at] = 1 << at;
        at += 1;
    }
    bits
};

/// What one subtraction for each tag proves: those that are outside, and those of which it proves nothing. The last
/// values of those outside have moved. `dense` where many are expected outside. `alike` where every tag is started and
/// none has a band that depends on the last value; else nothing is taken for proven outside.
#[inline]
pub(super) fn sift<V: Number>(
    values: &[V; BLOCK],
    last: &mut [V; BLOCK],
    bounds: &[V::Width; BLOCK],
    alike: bool,
    dense: bool,
) -> (u64, u64) {
    if !(alike && dense) {
        let doubtful = doubtful(values, last, bounds);
        if !alike || doubtful.count_ones() <= FEW {
            return (0, doubtful);
        }
    }
    sweep(values, last, bounds)
}

/// Whether many of these passed.
pub(super) const fn is_dense(passed: u64) -> bool {
    passed.count_ones() > FEW
}

/// Those that one subtraction does not prove to be within their bands.
// On its own, compilers know that the arrays lie apart, and take several tags at once.
#[inline(never)]
fn doubtful<V: Number>(values: &[V; BLOCK], last: &[V; BLOCK], bounds: &[V::Width; BLOCK]) -> u64 {
    let mut word = 0;
    for (((value, last), bound), bit) in values.iter().zip(last).zip(bounds).zip(&BITS) {
        word |= if value.is_near(*last, *bound) { 0 } else { *bit };
    }
    word
}

/// Those that one subtraction proves to be outside, and moves; and those of which it proves nothing.
#[inline(never)]
fn sweep<V: Number>(values: &[V; BLOCK], last: &mut [V; BLOCK], bounds: &[V::Width; BLOCK]) -> (u64, u64) {
    let (mut outside, mut doubtful) = (0, 0);
    for (((value, last), bound), bit) in values.iter().zip(last).zip(bounds).zip(&BITS) {
        let (value, before) = (*value, *last);
        let (far, near) = (value.is_far(before, *bound), value.is_near(before, *bound));
        // A mask, not a branch: which tags move cannot be foretold, and a wrong guess costs more than the
        // whole line.
        outside |= u64::from(far).wrapping_neg() & bit;
        doubtful |= u64::from(!near).wrapping_neg() & bit;
        *last = value.or(far, before);
    }
    (outside, doubtful & !outside)
}

/// Those of `doubtful` that moved, exactly. Their last values move too.
#[inline]
pub(super) fn settle<V: Number>(
    doubtful: u64,
    values: &[V; BLOCK],
    last: &mut [V; BLOCK],
    bounds: &[V::Width; BLOCK],
    widths: &[Widths],
    alike: bool,
) -> u64 {
    let mut moves = 0;
    for at in bits(doubtful) {
        let (value, before) = (values[at % BLOCK], &mut last[at % BLOCK]);
        // Where a width depends on the value, the exact comparison decides alone.
        let far = alike && value.is_far(*before, bounds[at % BLOCK]);
        if far || widths.get(at).is_some_and(|widths| moved(value, *before, width_at(*widths, *before))) {
            *before = value;
            moves |= 1 << at;
        }
    }
    moves
}

/// Sets when those that passed were reported. The whole block is gone through: memory gives lines in a row sooner than
/// some of them here and there.
#[inline(never)]
pub(super) fn stamp(reported_at: &mut [i64; BLOCK], passed: u64, at: i64) {
    for (before, bit) in reported_at.iter_mut().zip(&BITS) {
        *before = at.or(passed & bit != 0, *before);
    }
}

/// Those whose quality is another than before.
#[inline(never)]
pub(super) fn requalified(qualities: &[Quality; BLOCK], before: &[Quality; BLOCK]) -> u64 {
    let mut word = 0;
    for ((quality, before), bit) in qualities.iter().zip(before).zip(&BITS) {
        word |= u64::from(quality != before).wrapping_neg() & bit;
    }
    word
}
