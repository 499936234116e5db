//! Where in the log an id stands: buckets of one cache line each.
//!
//! A slot is a 16-bit tag of the id's hash and a position in the log. A slot is dead once its position has left
//! the log, so nothing is ever deleted, and there are no tombstones. The bucket of a hash is found by
//! multiplication, so that a table may have any number of buckets and keeps their order when it grows: it moves
//! over bucket by bucket, gives the old one back in chunks as it goes, and never moves more than one bucket's
//! entries at a time.

use super::log::Span;

/// Slots of a bucket.
pub(super) const SLOTS: usize = 10;
/// How many buckets from its own on an entry may stand in. At a load of 0.7 a stretch of 64 holds 448 entries on
/// average and has room for 640: nine standard deviations more.
const PROBES: usize = 64;
/// Buckets that are allocated together: 2¹⁰, 64 KiB.
const CHUNK: usize = 1 << 10;
/// The fewest buckets of a table.
const FEWEST: usize = 16;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Bucket {
    tags: [u16; SLOTS],
    /// The youngest position of an entry that had no room here and stands further on.
    beyond: u32,
    positions: [u32; SLOTS],
}

const _: () = assert!(size_of::<Bucket>() == 64);

static EMPTY: Bucket = Bucket { tags: [0; SLOTS], beyond: 0, positions: [0; SLOTS] };

impl Bucket {
    /// The slots that have a tag, a bit for each.
    #[inline]
    fn tagged(&self, tag: u16) -> u32 {
        let mut found = 0;
        for (slot, own) in self.tags.iter().enumerate() {
            found |= u32::from(*own == tag) << slot;
        }
        found
    }

    /// The first slot whose position is not remembered any more.
    #[inline]
    fn free(&self, span: Span) -> Option<usize> {
        let mut free = 0_u32;
        for (slot, position) in self.positions.iter().enumerate() {
            free |= u32::from(!span.holds(*position)) << slot;
        }
        (free != 0).then_some(free.trailing_zeros() as usize)
    }
}

/// The hash of an id, as the index takes it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hash(pub(super) u64);

impl Hash {
    /// Its tag. Zero is that of an empty slot.
    #[inline]
    const fn tag(self) -> u16 {
        let tag = self.0 as u16;
        if tag == 0 { 1 } else { tag }
    }

    /// Its bucket among so many.
    #[inline]
    const fn home(self, buckets: usize) -> usize {
        ((self.0 as u128 * buckets as u128) >> 64) as usize
    }
}

#[derive(Debug)]
struct Table {
    /// How many buckets an entry may have for its own; the last is followed by those that it may stand in.
    buckets: usize,
    chunks: Vec<Option<Box<[Bucket]>>>,
}

impl Table {
    fn new(buckets: usize) -> Self {
        let chunks = (buckets + PROBES).div_ceil(CHUNK);
        Self { buckets, chunks: std::iter::repeat_with(|| None).take(chunks).collect() }
    }

    const fn all(&self) -> usize {
        self.buckets + PROBES
    }

    #[inline]
    fn bucket(&self, at: usize) -> &Bucket {
        match self.chunks.get(at / CHUNK) {
            Some(Some(chunk)) => chunk.get(at % CHUNK).unwrap_or(&EMPTY),
            _ => &EMPTY,
        }
    }

    /// The bucket to write to, allocated with its chunk if need be.
    fn bucket_mut(&mut self, at: usize) -> Option<&mut Bucket> {
        let all = self.all();
        let chunk = self.chunks.get_mut(at / CHUNK)?;
        let length = CHUNK.min(all - at / CHUNK * CHUNK);
        chunk.get_or_insert_with(|| vec![EMPTY; length].into_boxed_slice()).get_mut(at % CHUNK)
    }

    fn find(&self, hash: Hash, span: Span, is: &mut impl FnMut(u32) -> bool) -> Option<u32> {
        let tag = hash.tag();
        let home = hash.home(self.buckets);
        for at in home..home + PROBES {
            let bucket = self.bucket(at);
            let mut tagged = bucket.tagged(tag);
            while tagged != 0 {
                let slot = tagged.trailing_zeros() as usize;
                tagged &= tagged - 1;
                if let Some(position) = bucket.positions.get(slot)
                    && span.holds(*position)
                    && is(*position)
                {
                    return Some(*position);
                }
            }
            if !span.holds(bucket.beyond) {
                break;
            }
        }
        None
    }

    /// `false` where there is no room within the probes.
    fn insert(&mut self, hash: Hash, position: u32, span: Span) -> bool {
        let tag = hash.tag();
        let home = hash.home(self.buckets);
        for at in home..home + PROBES {
            let Some(slot) = self.bucket(at).free(span) else { continue };
            let Some(bucket) = self.bucket_mut(at) else { return false };
            if let (Some(own), Some(place)) = (bucket.tags.get_mut(slot), bucket.positions.get_mut(slot)) {
                (*own, *place) = (tag, position);
            }
            self.mark_beyond(home..at, position, span);
            return true;
        }
        false
    }

    /// Lets the slot of `old` say `new`. `false` where there is none.
    fn replace(&mut self, hash: Hash, old: u32, new: u32, span: Span) -> bool {
        let home = hash.home(self.buckets);
        for at in home..home + PROBES {
            if !self.bucket(at).positions.contains(&old) {
                continue;
            }
            let Some(bucket) = self.bucket_mut(at) else { return false };
            for place in bucket.positions.iter_mut().filter(|place| **place == old) {
                *place = new;
            }
            self.mark_beyond(home..at, new, span);
            return true;
        }
        false
    }

    fn mark_beyond(&mut self, passed: std::ops::Range<usize>, position: u32, span: Span) {
        for at in passed {
            if let Some(bucket) = self.bucket_mut(at) {
                bucket.beyond = span.younger(bucket.beyond, position);
            }
        }
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Index {
    table: Table,
    /// The table that it moves over to, and how many buckets have moved.
    moving: Option<(Table, usize)>,
    moves: Moves,
}

/// How much the index has moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moves {
    /// Entries that were moved to another table in all.
    pub(super) moved: u64,
    /// Entries that found no room in the next table: they are remembered and not found.
    pub(super) lost: u64,
}

impl Index {
    pub(super) fn new() -> Self {
        Self { table: Table::new(FEWEST), moving: None, moves: Moves::default() }
    }

    pub(super) const fn moves(&self) -> Moves {
        self.moves
    }

    /// The position of the id whose hash that is, among those remembered for which `is` holds.
    #[inline]
    pub(super) fn find(&self, hash: Hash, span: Span, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        match &self.moving {
            None => self.table.find(hash, span, &mut is),
            Some((next, moved)) => self.find_in_both(next, *moved, hash, span, &mut is),
        }
    }

    #[inline(never)]
    fn find_in_both(
        &self,
        next: &Table,
        moved: usize,
        hash: Hash,
        span: Span,
        is: &mut impl FnMut(u32) -> bool,
    ) -> Option<u32> {
        let home = hash.home(self.table.buckets);
        if home < moved
            && let Some(found) = next.find(hash, span, is)
        {
            return Some(found);
        }
        // An entry stands in its own bucket or in one of the next few, which may not have moved yet.
        if home + PROBES > moved { self.table.find(hash, span, is) } else { None }
    }

    /// What is to be read before a hash is looked up: the position of the first slot in its bucket that has its
    /// tag. It need not be remembered; reading it brings the bucket into the cache, and so, early for many
    /// hashes, hides what memory costs.
    #[inline]
    pub(super) fn touch(&self, hash: Hash) -> Option<u32> {
        let table = match &self.moving {
            Some((next, moved)) if hash.home(self.table.buckets) < *moved => next,
            _ => &self.table,
        };
        let bucket = table.bucket(hash.home(table.buckets));
        let tagged = bucket.tagged(hash.tag());
        bucket.positions.get(tagged.trailing_zeros() as usize).copied()
    }

    /// Adds a position, which is remembered already. `false`, and nothing is added, where too many entries meet.
    /// `hash_of` tells the hash of a position that is remembered. Moves on by one bucket where the table is
    /// moving, and begins to move where it is too full or too empty for `remembered` entries.
    #[inline]
    pub(super) fn insert(
        &mut self,
        hash: Hash,
        position: u32,
        span: Span,
        remembered: u32,
        hash_of: impl Fn(u32) -> Option<Hash>,
    ) -> bool {
        if self.moving.is_some() {
            self.step(span, hash_of);
        } else {
            self.resize(remembered as usize);
        }
        match &mut self.moving {
            Some((next, moved)) if hash.home(self.table.buckets) < *moved => {
                next.insert(hash, position, span)
            }
            _ => self.table.insert(hash, position, span),
        }
    }

    /// Lets the entry of `old` stand at `new`.
    pub(super) fn replace(&mut self, hash: Hash, old: u32, new: u32, span: Span) {
        if let Some((next, _)) = &mut self.moving
            && next.replace(hash, old, new, span)
        {
            return;
        }
        self.table.replace(hash, old, new, span);
    }

    /// Begins to move where the table is too full or far too empty.
    #[inline]
    fn resize(&mut self, remembered: usize) {
        let slots = self.table.buckets * SLOTS;
        if remembered > slots / 10 * 7 {
            self.begin((self.table.buckets * 3 / 2).max(FEWEST));
        } else if remembered < slots / 5 && self.table.buckets > FEWEST {
            // Half full at most when it has moved, an id being added with each bucket that does.
            self.begin(((remembered + self.table.all()) * 2 / SLOTS).max(FEWEST));
        }
    }

    #[cold]
    fn begin(&mut self, buckets: usize) {
        self.moving = Some((Table::new(buckets), 0));
    }

    /// Moves one bucket over, if the table is moving.
    pub(super) fn step(&mut self, span: Span, hash_of: impl Fn(u32) -> Option<Hash>) {
        let Some((next, moved)) = &mut self.moving else { return };
        let bucket = *self.table.bucket(*moved);
        for (tag, position) in bucket.tags.into_iter().zip(bucket.positions) {
            if tag == 0 || !span.holds(position) {
                continue;
            }
            // After positions have wrapped, one that was dead may be another's: then its tag says so, or it stands
            // there a second time, which does no harm.
            let Some(hash) = hash_of(position).filter(|hash| hash.tag() == tag) else { continue };
            // The next table is roomier or far from full, so that losing one takes ids chosen with the secret.
            if next.insert(hash, position, span) {
                self.moves.moved += 1;
            } else {
                self.moves.lost += 1;
            }
        }
        *moved += 1;
        if moved.is_multiple_of(CHUNK)
            && let Some(chunk) = self.table.chunks.get_mut(*moved / CHUNK - 1)
        {
            *chunk = None;
        }
        if *moved == self.table.all()
            && let Some((next, _)) = self.moving.take()
        {
            self.table = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use siphasher::sip::SipHasher13;

    use super::*;
    use crate::dedup::log::{Entry, Log, State};
    use crate::dedup::{Device, Fingerprint, Message, MessageId};

    fn hash_of(number: u64) -> Hash {
        Hash(SipHasher13::new_with_keys(1, 2).hash(&number.to_le_bytes()))
    }

    fn entry(number: u64) -> Entry {
        let message =
            Message::new(MessageId::from_u128(number.into()), Device::MAX, Fingerprint::from_u64(number));
        Entry { message, state: State::Seen, first: 0, at: 0 }
    }

    /// A log and its index, into which numbers go.
    struct Both {
        log: Log,
        index: Index,
        hash_of: fn(u64) -> Hash,
    }

    impl Both {
        fn new(hash_of: fn(u64) -> Hash) -> Self {
            Self { log: Log::new(false, false), index: Index::new(), hash_of }
        }

        fn add(&mut self, number: u64) -> bool {
            let position = self.log.push(&entry(number));
            let (log, hash_of) = (&self.log, self.hash_of);
            let of = |position| Some(hash_of(log.get(position)?.payload().to_u64()));
            self.index.insert(hash_of(number), position, log.span(), log.len(), of)
        }

        fn knows(&self, number: u64) -> bool {
            let is =
                |position| self.log.get(position).is_some_and(|record| record.payload().to_u64() == number);
            self.index.find((self.hash_of)(number), self.log.span(), is).is_some()
        }
    }

    #[test]
    fn everything_in_the_log_is_found_while_it_grows_and_shrinks() {
        let mut both = Both::new(hash_of);
        let (mut added, mut left) = (0, 0);
        // It grows over several tables, stays, shrinks, and grows again.
        for (target, turns) in
            [(20_000, 20_000), (20_000, 30_000), (100, 25_000), (100, 5000), (5000, 10_000)]
        {
            for turn in 0..turns {
                assert!(both.add(added), "{added}");
                added += 1;
                while u64::from(both.log.len()) > target
                    || (turn % 2 == 0 && both.log.len() > 1 && target == 100)
                {
                    both.log.pop();
                    left += 1;
                    if target > 100 {
                        break;
                    }
                }
                if turn % 501 == 0 {
                    for number in left..added {
                        assert!(both.knows(number), "{number} of {left}..{added}");
                    }
                    assert!((left.saturating_sub(500)..left).all(|number| !both.knows(number)));
                }
            }
        }
        assert_eq!(both.index.moves().lost, 0);
    }

    #[test]
    fn it_has_room_when_nearly_all_leaves_at_once_and_as_much_comes_again() {
        let mut both = Both::new(hash_of);
        for round in 0..6 {
            for number in 0..10_000 {
                assert!(both.add(round * 10_000 + number));
            }
            while both.log.len() > 1 {
                both.log.pop();
            }
        }
        for number in 60_000..60_600 {
            assert!(both.add(number));
            both.log.pop();
        }
        assert!(both.index.table.buckets < 100 || both.index.moving.is_some(), "it has given room back");
    }

    #[test]
    fn where_too_many_meet_one_is_refused_and_the_others_are_found() {
        // All of one bucket and one tag, as only somebody who knows the secret can choose them.
        let mut both = Both::new(|_| Hash(7 << 32 | 5));
        let room = (SLOTS * PROBES) as u64;
        for number in 0..room {
            assert!(both.add(number));
        }
        for number in room..room + 30 {
            assert!(!both.add(number), "{number}");
        }
        assert!((0..room).all(|number| both.knows(number)));
        assert!(!both.knows(room));
        // The place of one that left is free again.
        both.log.pop();
        assert!(both.add(1000));
        assert!(!both.knows(0) && both.knows(1) && both.knows(1000));
    }
}
