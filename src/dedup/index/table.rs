//! A table of buckets.

use super::bucket::{Bucket, EMPTY, Hash};
use crate::dedup::log::Span;

/// How many buckets from its own on an entry may stand in. At a load of 0.6 a stretch of 64 holds 461 entries on
/// average and has room for 768: fourteen standard deviations more.
pub(super) const PROBES: usize = 64;
/// Buckets that are allocated together: 2⁹, 32 KiB.
pub(super) const CHUNK: usize = 1 << 9;

/// Where an id is, or may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dedup) enum Spot {
    /// It is at that position of the log.
    Known(u32),
    /// It is not there, and that slot of that bucket is the first that has room for it.
    Free {
        /// The bucket's number.
        bucket: usize,
        /// The slot's.
        slot: usize,
        /// The number of the id's own bucket; the same, unless that is full.
        home: usize,
    },
    /// It is not there, and where it may stand is to be looked for.
    Unknown,
}

/// Buckets in the order of their hashes.
#[derive(Debug)]
pub(super) struct Table {
    /// How many buckets an entry may have for its own; the last is followed by those that it may stand in.
    pub(super) buckets: usize,
    pub(super) chunks: Vec<Option<Box<[Bucket; CHUNK]>>>,
}

impl Table {
    pub(super) fn new(buckets: usize) -> Self {
        let chunks = (buckets + PROBES).div_ceil(CHUNK);
        Self { buckets, chunks: std::iter::repeat_with(|| None).take(chunks).collect() }
    }

    pub(super) const fn all(&self) -> usize {
        self.buckets + PROBES
    }

    #[inline]
    pub(super) fn bucket(&self, at: usize) -> &Bucket {
        match self.chunks.get(at / CHUNK) {
            Some(Some(chunk)) => &chunk[at % CHUNK],
            _ => &EMPTY,
        }
    }

    /// The bucket to write to, if it was ever written to.
    #[inline]
    pub(super) fn written(&mut self, at: usize) -> Option<&mut Bucket> {
        let chunk = self.chunks.get_mut(at / CHUNK)?.as_mut()?;
        Some(&mut chunk[at % CHUNK])
    }

    /// The bucket to write to, allocated with its chunk if need be.
    #[inline]
    fn bucket_mut(&mut self, at: usize) -> Option<&mut Bucket> {
        let chunk = self.chunks.get_mut(at / CHUNK)?;
        if chunk.is_none() {
            *chunk = new_chunk();
        }
        Some(&mut chunk.as_mut()?[at % CHUNK])
    }

    #[inline]
    pub(super) fn locate(&self, hash: Hash, span: Span, is: &mut impl FnMut(u32) -> bool) -> Spot {
        let tag = hash.tag();
        let home = hash.home(self.buckets);
        let mut free = None;
        for at in home..home + PROBES {
            let bucket = self.bucket(at);
            let live = bucket.live(span);
            let mut tagged = bucket.tagged(tag) & live;
            while tagged != 0 {
                let slot = tagged.trailing_zeros() as usize;
                tagged &= tagged - 1;
                if let Some(position) = bucket.positions().get(slot)
                    && is(*position)
                {
                    return Spot::Known(*position);
                }
            }
            // The search goes on behind a free slot: an id that overflowed while this bucket was full is
            // further on, and to miss it would let a copy through.
            if free.is_none() {
                free = Bucket::free(live).map(|slot| (at, slot));
            }
            if !span.holds(bucket.beyond()) && free.is_some() {
                break;
            }
        }
        free.map_or(Spot::Unknown, |(bucket, slot)| Spot::Free { bucket, slot, home })
    }

    pub(super) fn find(&self, hash: Hash, span: Span, is: &mut impl FnMut(u32) -> bool) -> Option<u32> {
        match self.locate(hash, span, is) {
            Spot::Known(position) => Some(position),
            Spot::Free { .. } | Spot::Unknown => None,
        }
    }

    /// Puts a position where [`Table::locate`] found room for its hash.
    #[inline]
    pub(super) fn put(
        &mut self,
        tag: u8,
        position: u32,
        span: Span,
        (home, at, slot): (usize, usize, usize),
    ) -> bool {
        let Some(bucket) = self.bucket_mut(at) else { return false };
        bucket.put(slot, tag, position);
        if at != home {
            self.mark_beyond(home..at, position, span);
        }
        true
    }

    /// `false` where there is no room within the probes.
    pub(super) fn insert(&mut self, hash: Hash, position: u32, span: Span) -> bool {
        let home = hash.home(self.buckets);
        let free =
            (home..home + PROBES).find_map(|at| Some((home, at, Bucket::free(self.bucket(at).live(span))?)));
        free.is_some_and(|free| self.put(hash.tag(), position, span, free))
    }

    /// Lets the slot of `old` say `new`. `false` where there is none.
    pub(super) fn replace(&mut self, hash: Hash, old: u32, new: u32, span: Span) -> bool {
        let (tag, home) = (hash.tag(), hash.home(self.buckets));
        for at in home..home + PROBES {
            let bucket = self.bucket(at);
            let Some(slot) = bucket.slots().position(|slot| slot == (tag, old)) else { continue };
            let Some(bucket) = self.bucket_mut(at) else { return false };
            bucket.put(slot, tag, new);
            self.mark_beyond(home..at, new, span);
            return true;
        }
        false
    }

    fn mark_beyond(&mut self, passed: std::ops::Range<usize>, position: u32, span: Span) {
        for at in passed {
            if let Some(bucket) = self.bucket_mut(at) {
                bucket.set_beyond(span.younger(bucket.beyond(), position));
            }
        }
    }
}

#[cold]
fn new_chunk() -> Option<Box<[Bucket; CHUNK]>> {
    // By way of a vector, as an array would stand on the stack first.
    vec![EMPTY; CHUNK].into_boxed_slice().try_into().ok()
}
