//! What a scan lets pass.

use super::block::{BLOCK, bits};
use crate::deadband::filter::Reason;

/// Why tags of a word passed, where it is not their value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reasons {
    pub(super) first: u64,
    pub(super) quality: u64,
    pub(super) timed: u64,
}

/// What of a scan is to be reported. Positions are those in the values that were given: for a scan of all tags, the
/// tags' numbers.
#[derive(Clone, Copy, Debug)]
pub struct Passed<'a> {
    pub(super) words: &'a [u64],
    pub(super) reasons: &'a [Reasons],
    /// The reason of those that passed for their time.
    pub(super) timed: Reason,
    /// Whether the scan is out of time order, and such pass.
    pub(super) out_of_order: bool,
}

impl<'a> Passed<'a> {
    /// A bit for each position, set where it is to be reported: position 0 is the lowest bit of the first word.
    #[must_use]
    pub const fn words(&self) -> &'a [u64] {
        self.words
    }

    /// How many are to be reported.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether nothing is to be reported.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The positions of what is to be reported, in order.
    #[must_use]
    pub fn iter(&self) -> PassedTags<'a> {
        PassedTags { words: self.words.iter(), word: 0, base: 0, next: 0 }
    }

    /// Why this position is to be reported. `None` where it is not.
    #[must_use]
    pub fn reason(&self, position: usize) -> Option<Reason> {
        let bit = 1 << (position % BLOCK);
        if self.words.get(position / BLOCK)? & bit == 0 {
            return None;
        }
        let reasons = self.reasons.get(position / BLOCK)?;
        Some(if self.out_of_order {
            Reason::Order
        } else if reasons.first & bit != 0 {
            Reason::First
        } else if reasons.quality & bit != 0 {
            Reason::Quality
        } else if reasons.timed & bit != 0 {
            self.timed
        } else {
            Reason::Value
        })
    }
}

impl<'a> IntoIterator for &Passed<'a> {
    type Item = usize;
    type IntoIter = PassedTags<'a>;

    fn into_iter(self) -> PassedTags<'a> {
        self.iter()
    }
}

/// The positions of what is to be reported: see [`Passed::iter`].
#[derive(Clone, Debug)]
pub struct PassedTags<'a> {
    words: std::slice::Iter<'a, u64>,
    word: u64,
    base: usize,
    next: usize,
}

impl Iterator for PassedTags<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.word == 0 {
            self.word = *self.words.next()?;
            self.base = self.next;
            self.next += BLOCK;
        }
        let bit = bits(self.word).next()?;
        self.word &= self.word.wrapping_sub(1);
        Some(self.base + bit)
    }
}
