//! One cache line of the index.

use super::lanes::{self, SLOTS};
use crate::dedup::log::Span;

/// The bits of all slots.
const ALL: u32 = (1 << SLOTS) - 1;

/// See the [module](self).
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Bucket {
    /// The tags, and behind them the bytes of [`Bucket::beyond`]: sixteen, which are compared at once.
    head: [u8; HEAD],
    positions: [u32; SLOTS],
}

/// Bytes before the positions.
const HEAD: usize = 16;

const _: () = assert!(size_of::<Bucket>() == 64);

pub(super) static EMPTY: Bucket = Bucket { head: [0; HEAD], positions: [0; SLOTS] };

impl Bucket {
    /// The slots that have a tag, a bit for each; some may be dead.
    #[inline]
    pub(super) fn tagged(&self, tag: u8) -> u32 {
        lanes::equal(&self.head, tag) & ALL
    }

    /// The tag and the position of each slot.
    pub(super) fn slots(&self) -> impl Iterator<Item = (u8, u32)> {
        self.head.into_iter().zip(self.positions)
    }

    /// The position of each slot.
    #[inline]
    pub(super) const fn positions(&self) -> &[u32; SLOTS] {
        &self.positions
    }

    /// The youngest position of an entry that had no room here and is further on.
    #[inline]
    pub(super) const fn beyond(&self) -> u32 {
        match self.head.last_chunk() {
            Some(last) => u32::from_le_bytes(*last),
            None => 0,
        }
    }

    pub(super) fn set_beyond(&mut self, position: u32) {
        if let Some(last) = self.head.last_chunk_mut() {
            *last = position.to_le_bytes();
        }
    }

    /// The slots whose position is remembered, a bit for each.
    #[inline]
    pub(super) fn live(&self, span: Span) -> u32 {
        lanes::live(&self.positions, span)
    }

    /// The first slot that has room, of those that are live.
    #[inline]
    pub(super) const fn free(live: u32) -> Option<usize> {
        let slot = live.trailing_ones() as usize;
        if slot < SLOTS { Some(slot) } else { None }
    }

    #[inline]
    pub(super) fn put(&mut self, slot: usize, tag: u8, position: u32) {
        if let (Some(own), Some(place)) = (self.head.get_mut(slot), self.positions.get_mut(slot)) {
            (*own, *place) = (tag, position);
        }
    }
}

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
