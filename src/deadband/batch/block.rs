//! 64 tags: one bit each, in one word.

use crate::deadband::filter::{Widths, moved, width_at};
use crate::deadband::sample::{Number, Quality};

/// How many tags share a word.
pub(super) const BLOCK: usize = 64;

/// Up to this many are decided one by one; above, once more all together.
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

/// Those that one subtraction does not prove to be within their bands.
#[inline]
pub(super) fn doubtful<V: Number>(values: &[V; BLOCK], last: &[V; BLOCK], bounds: &[V::Width; BLOCK]) -> u64 {
    let mut word = 0;
    for (at, ((value, last), bound)) in values.iter().zip(last).zip(bounds).enumerate() {
        word |= u64::from(!value.is_near(*last, *bound)) << at;
    }
    word
}

/// Those of `doubtful` that moved. Their last values move too. `alike` where every tag is started and none has a band
/// that depends on the last value.
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
    let mut left = doubtful;
    if alike && doubtful.count_ones() > FEW {
        moves = settle_far(values, last, bounds);
        left &= !moves;
    }
    for at in bits(left) {
        let (value, before) = (values[at % BLOCK], &mut last[at % BLOCK]);
        let far = alike && value.is_far(*before, bounds[at % BLOCK]);
        if far || widths.get(at).is_some_and(|widths| moved(value, *before, width_at(*widths, *before))) {
            *before = value;
            moves |= 1 << at;
        }
    }
    moves
}

/// The same for those that one subtraction proves to be outside.
#[inline]
fn settle_far<V: Number>(values: &[V; BLOCK], last: &mut [V; BLOCK], bounds: &[V::Width; BLOCK]) -> u64 {
    let mut word = 0;
    for (at, ((value, before), bound)) in values.iter().zip(last).zip(bounds).enumerate() {
        let far = value.is_far(*before, *bound);
        word |= u64::from(far) << at;
        *before = if far { *value } else { *before };
    }
    word
}

/// Those whose quality is another than before.
pub(super) fn requalified(qualities: &[Quality; BLOCK], before: &[Quality; BLOCK]) -> u64 {
    let mut word = 0;
    for (at, (quality, before)) in qualities.iter().zip(before).enumerate() {
        word |= u64::from(quality != before) << at;
    }
    word
}
