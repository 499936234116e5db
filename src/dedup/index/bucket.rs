//! One cache line of the index.

use crate::dedup::log::Span;

/// Slots of a bucket.
pub(super) const SLOTS: usize = 12;
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Bucket {
    pub(super) tags: [u8; SLOTS],
    /// The youngest position of an entry that had no room here and stands further on.
    pub(super) beyond: u32,
    pub(super) positions: [u32; SLOTS],
}

const _: () = assert!(size_of::<Bucket>() == 64);

pub(super) static EMPTY: Bucket = Bucket { tags: [0; SLOTS], beyond: 0, positions: [0; SLOTS] };

impl Bucket {
    /// The slots that have a tag, and now and then one that has not: the first is right. A bit for each: that of
    /// slot 0 to 7 in the highest of each byte, that of slot 8 to 11 in the one below.
    #[inline]
    pub(super) const fn tagged(&self, tag: u8) -> u64 {
        // The bytes that differ in nothing (Mycroft, 1987), eight and four at a time.
        const LOW: u64 = 0x0101_0101_0101_0101;
        const HIGH: u64 = 0x8080_8080_8080_8080;
        let [a, b, c, d, e, f, g, h, i, j, k, l] = self.tags;
        let same = LOW * tag as u64;
        let first = u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ same;
        let last = u64::from_le_bytes([i, j, k, l, 0, 0, 0, 0]) ^ same;
        let first = first.wrapping_sub(LOW) & !first & HIGH;
        let last = last.wrapping_sub(LOW) & !last & (HIGH >> 32);
        first | last >> 1
    }

    /// The slot of the lowest bit of [`Bucket::tagged`].
    #[inline]
    pub(super) const fn slot(tagged: u64) -> usize {
        let bit = tagged.trailing_zeros() as usize;
        bit / 8 + if bit % 8 == 7 { 0 } else { 8 }
    }

    /// The first slot whose position is not remembered any more.
    #[inline]
    pub(super) fn free(&self, span: Span) -> Option<usize> {
        let mut free = 0;
        for (position, bit) in self.positions.iter().zip(BITS) {
            free |= if span.holds(*position) { 0 } else { bit };
        }
        (free != 0).then_some(free.trailing_zeros() as usize)
    }

    #[inline]
    pub(super) fn put(&mut self, slot: usize, tag: u8, position: u32) {
        if let (Some(own), Some(place)) = (self.tags.get_mut(slot), self.positions.get_mut(slot)) {
            (*own, *place) = (tag, position);
        }
    }
}

/// A bit for each slot.
const BITS: [u32; SLOTS] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048];

/// The hash of an id, as the index takes it.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::dedup) struct Hash(pub(in crate::dedup) u64);

impl Hash {
    /// Its tag. Zero is that of an empty slot.
    #[inline]
    pub(super) const fn tag(self) -> u8 {
        let tag = self.0 as u8;
        if tag == 0 { 1 } else { tag }
    }

    /// Its bucket among so many.
    #[inline]
    pub(super) const fn home(self, buckets: usize) -> usize {
        ((self.0 as u128 * buckets as u128) >> 64) as usize
    }
}
