//! The positions of ids in the log: buckets of one cache line each.
//!
//! A slot is an 8-bit tag of the id's hash and a position in the log. A slot is dead once its position has left
//! the log, so nothing is ever deleted, and there are no tombstones. The bucket of a hash is found by
//! multiplication, so that a table may have any number of buckets and keeps their order when it grows: it moves
//! over bucket by bucket, gives the old one back in chunks as it goes, and never moves more than one bucket's
//! entries at a time.

mod bucket;
mod lanes;
mod table;

use bucket::Bucket;
pub(super) use bucket::Hash;
use lanes::SLOTS;
pub(super) use table::Spot;
use table::{CHUNK, PROBES, Table};

use super::MessageId;
use super::log::{NOWHERE, Span};

/// The fewest buckets of a table.
const FEWEST: usize = 16;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Index {
    table: Table,
    /// The table that it moves over to, and how many buckets have moved.
    moving: Option<(Table, usize)>,
    /// The most entries that there ever are.
    limit: u32,
    /// How many entries may be remembered before it moves to another table.
    fewest: u32,
    most: u32,
    /// From `fewest` on, at how many entries one more needs nothing but a place: at none while the table is moving.
    at_rest: u32,
    moves: Moves,
    stepped: u64,
}

/// Room for an id in the bucket of its own.
pub(super) struct Room<'a> {
    bucket: &'a mut Bucket,
    slot: usize,
    tag: u8,
}

impl Room<'_> {
    /// The id is at that position of the log.
    #[inline(always)]
    pub(super) fn take(self, position: u32) {
        self.bucket.put(self.slot, self.tag, position);
    }
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
    /// An index of so many entries at most.
    pub(super) fn new(limit: u32) -> Self {
        let (table, moves) = (Table::new(FEWEST), Moves::default());
        let mut index =
            Self { table, moving: None, limit, fewest: 0, most: 0, at_rest: 0, moves, stepped: 0 };
        index.settle(Table::new(FEWEST));
        index
    }

    pub(super) const fn moves(&self) -> Moves {
        self.moves
    }

    /// How many entries were moved since this was last asked.
    #[inline]
    pub(super) const fn take_stepped(&mut self) -> u64 {
        std::mem::replace(&mut self.stepped, 0)
    }

    /// The position of the id whose hash that is, among those remembered for which `is` holds, or else where it
    /// may stand.
    #[inline]
    pub(super) fn locate(&self, hash: Hash, span: Span, mut is: impl FnMut(u32) -> bool) -> Spot {
        match &self.moving {
            None => self.table.locate(hash, span, &mut is),
            Some((next, moved)) => {
                self.find_in_both(next, *moved, hash, span, &mut is).map_or(Spot::Unknown, Spot::Known)
            }
        }
    }

    /// Like [`Index::locate`], where only those that are there matter.
    pub(super) fn find(&self, hash: Hash, span: Span, is: impl FnMut(u32) -> bool) -> Option<u32> {
        match self.locate(hash, span, is) {
            Spot::Known(position) => Some(position),
            Spot::Free { .. } | Spot::Unknown => None,
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

    /// Whether one more entry than so many needs nothing but a place: as nearly always. Not where that is the limit, or
    /// the table is moving or has to.
    #[inline(always)]
    pub(super) const fn takes_one_more(&self, remembered: u32) -> bool {
        remembered.wrapping_sub(self.fewest) < self.at_rest
    }

    /// Room for a hash in its own bucket, where one look at that shows that its id is not there: as nearly always. For
    /// an index that [takes one more](Self::takes_one_more).
    #[inline(always)]
    pub(super) fn room_unless_there(&mut self, hash: Hash, span: Span) -> Option<Room<'_>> {
        let bucket = self.table.written(hash.home(self.table.buckets))?;
        let tag = hash.tag();
        let live = bucket.live(span);
        if bucket.tagged(tag) & live != 0 || span.holds(bucket.beyond()) {
            return None;
        }
        let slot = Bucket::free(live)?;
        Some(Room { bucket, slot, tag })
    }

    /// Begins to move to another table where this one is too full or too empty for so many entries.
    fn fit(&mut self, remembered: u32) {
        if remembered.wrapping_sub(self.fewest) > self.most - self.fewest {
            self.resize(remembered as usize);
        }
    }

    /// Reads the bucket of a hash, so that it is in the cache when the hash is looked up. Returns whether a slot has
    /// its tag, and the position of the first that has, whose record will be read then; it need not be remembered.
    /// Without a branch on what is read, so that many are read side by side.
    #[inline]
    pub(super) fn touch(&self, hash: Hash) -> (bool, u32) {
        let table = match &self.moving {
            Some((next, moved)) if hash.home(self.table.buckets) < *moved => next,
            _ => &self.table,
        };
        let bucket = table.bucket(hash.home(table.buckets));
        let tagged = bucket.tagged(hash.tag());
        (tagged != 0, bucket.positions()[(tagged.trailing_zeros() as usize).min(SLOTS - 1)])
    }

    /// Adds a position, which is remembered already, at the spot that [`Index::locate`] gave just before. `false`,
    /// and nothing is added, where too many entries meet. `id_of` gives the id of a position that is
    /// remembered, and `hash_id` hashes it. Moves on by one bucket where the table is moving, and begins to move where it is too full or too
    /// empty for `remembered` entries.
    #[inline]
    pub(super) fn insert(
        &mut self,
        (hash, spot): (Hash, Spot),
        position: u32,
        span: Span,
        remembered: u32,
        id_of: impl Fn(u32) -> Option<MessageId>,
        hash_id: impl Fn(MessageId) -> Hash,
    ) -> bool {
        match spot {
            Spot::Free { bucket, slot, home } if self.moving.is_none() => {
                self.fit(remembered);
                self.table.put(hash.tag(), position, span, (home, bucket, slot))
            }
            _ => self.insert_anywhere(hash, position, span, id_of, hash_id),
        }
    }

    #[inline(never)]
    fn insert_anywhere(
        &mut self,
        hash: Hash,
        position: u32,
        span: Span,
        id_of: impl Fn(u32) -> Option<MessageId>,
        hash_id: impl Fn(MessageId) -> Hash,
    ) -> bool {
        self.step(span, id_of, hash_id);
        match &mut self.moving {
            Some((next, moved)) if hash.home(self.table.buckets) < *moved => {
                next.insert(hash, position, span)
            }
            _ => self.table.insert(hash, position, span),
        }
    }

    /// Lets the entry of `old` stand at `new`.
    pub(super) fn replace(&mut self, hash: Hash, old: u32, new: u32, span: Span) {
        // The old copy of a moved bucket is still there: the next table must have the change, or a find
        // would return the position that was left.
        if let Some((next, _)) = &mut self.moving
            && next.replace(hash, old, new, span)
        {
            return;
        }
        self.table.replace(hash, old, new, span);
    }

    /// Takes the entry of a position away, so that its room is free at once.
    pub(super) fn remove(&mut self, hash: Hash, position: u32, span: Span) {
        if let Some((next, _)) = &mut self.moving {
            next.replace(hash, position, NOWHERE, span);
        }
        self.table.replace(hash, position, NOWHERE, span);
    }

    /// Begins to move to a table for so many entries.
    #[cold]
    fn resize(&mut self, remembered: usize) {
        let buckets = if remembered > self.table.buckets * SLOTS / 2 {
            // By half, not to twice the size: right after growing the load is 0.4 and not 0.3, and an id
            // takes that much less memory.
            self.table.buckets * 3 / 2
        } else {
            // Half full at most when it has moved, an id being added with each bucket that does.
            ((remembered + self.table.all()) * 2 / SLOTS).max(FEWEST)
        };
        self.moving = Some((Table::new(buckets), 0));
        self.at_rest = 0;
    }

    /// Takes a table, and when to leave it: above a load of 0.6, or below 0.2.
    fn settle(&mut self, table: Table) {
        let slots = table.buckets * SLOTS;
        self.most = u32::try_from(slots * 3 / 5).unwrap_or(u32::MAX);
        self.fewest = if table.buckets > FEWEST { u32::try_from(slots / 5).unwrap_or(u32::MAX) } else { 0 };
        self.at_rest = self.most.min(self.limit).saturating_sub(self.fewest);
        self.table = table;
    }

    /// Moves one bucket over, if the table is moving.
    pub(super) fn step(
        &mut self,
        span: Span,
        id_of: impl Fn(u32) -> Option<MessageId>,
        hash_id: impl Fn(MessageId) -> Hash,
    ) {
        let Some((next, moved)) = &mut self.moving else { return };
        let bucket = *self.table.bucket(*moved);
        // The ids first, so that the records are read side by side.
        let ids =
            bucket.positions().map(|position| if span.holds(position) { id_of(position) } else { None });
        for ((tag, position), id) in bucket.slots().zip(ids) {
            // After positions have wrapped, one that was dead may be another's: then its tag says so, or it stands
            // there a second time, which does no harm.
            let Some(hash) = id.map(&hash_id).filter(|hash| hash.tag() == tag) else { continue };
            // The next table is roomier or far from full, so that losing one takes ids chosen with the secret.
            if next.insert(hash, position, span) {
                self.moves.moved += 1;
                self.stepped += 1;
            } else {
                self.moves.lost += 1;
            }
        }
        *moved += 1;
        // Buckets that moved are still looked at, on the way to what overflowed from them.
        if let Some(done) = moved.checked_sub(PROBES)
            && done > 0
            && done.is_multiple_of(CHUNK)
            && let Some(chunk) = self.table.chunks.get_mut(done / CHUNK - 1)
        {
            *chunk = None;
        }
        if *moved == self.table.all()
            && let Some((next, _)) = self.moving.take()
        {
            self.settle(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use siphasher::sip::SipHasher13;

    use super::*;
    use crate::dedup::log::{Entry, Log, State};
    use crate::dedup::{Device, Fingerprint, Message};

    fn hash_of(number: u64) -> Hash {
        Hash(SipHasher13::new_with_keys(1, 2).hash(&number.to_le_bytes()))
    }

    fn entry(number: u64) -> Entry {
        let message =
            Message::new(MessageId::from_u128(number.into()), Device::MAX, Fingerprint::from_u64(number));
        Entry { message, state: State::Seen, first: 0, at: 0, renewed: false }
    }

    /// A log and its index, into which numbers go.
    struct Both {
        log: Log,
        index: Index,
        hash_of: fn(u64) -> Hash,
    }

    impl Both {
        fn new(hash_of: fn(u64) -> Hash) -> Self {
            Self::starting_at(1 << 12, hash_of)
        }

        fn starting_at(position: u32, hash_of: fn(u64) -> Hash) -> Self {
            Self { log: Log::starting_at(position, false, false), index: Index::new(u32::MAX), hash_of }
        }

        fn add(&mut self, number: u64) -> bool {
            let position = self.log.push(&entry(number));
            let (log, hash_of) = (&self.log, self.hash_of);
            let id_of = |position| Some(log.get(position)?.id());
            let hash_id = |id: MessageId| hash_of(id.to_u128() as u64);
            let spot = self.index.locate(hash_of(number), log.span(), |_| false);
            self.index.insert((hash_of(number), spot), position, log.span(), log.len(), id_of, hash_id)
        }

        fn knows(&self, number: u64) -> bool {
            let is =
                |position| self.log.get(position).is_some_and(|record| record.payload().to_u64() == number);
            self.index.find((self.hash_of)(number), self.log.span(), is).is_some()
        }
    }

    #[test]
    fn all_are_found_while_it_resizes() {
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
    fn overflow_survives_its_chunk() {
        let mut both = Both::new(hash_of);
        let mut looked = 0;
        for number in 0..100_000 {
            assert!(both.add(number));
            let Some((_, moved)) = &both.index.moving else { continue };
            let (moved, buckets) = (*moved, both.index.table.buckets);
            if moved < CHUNK || moved % CHUNK > PROBES || moved % 7 > 1 {
                continue;
            }
            for known in 0..=number {
                let home = hash_of(known).home(buckets);
                if (moved - moved % CHUNK - PROBES..moved + PROBES).contains(&home) {
                    assert!(both.knows(known), "{known} of {number}, with {moved} moved of {buckets}");
                    looked += 1;
                }
            }
        }
        assert!(looked > 10_000, "{looked}");
    }

    #[test]
    fn nothing_is_lost_where_positions_wrap() {
        for segments_before in [0, 1, 3] {
            let start = 0_u32.wrapping_sub(segments_before << 12);
            let mut both = Both::starting_at(start, hash_of);
            let mut left = 0;
            for number in 0..40_000 {
                assert!(both.add(number), "{number}");
                if both.log.len() > 15_000 {
                    both.log.pop();
                    left += u64::from(both.log.len() < 15_001 && number > 15_000);
                }
                if number % 3001 == 0 {
                    let first = (number + 1).saturating_sub(14_990);
                    assert!((first..=number).all(|known| both.knows(known)), "at {number}");
                }
            }
            assert!(left > 0);
            assert_eq!(both.index.moves().lost, 0);
        }
    }

    #[test]
    fn overflowed_entry_is_found_after_a_move() {
        let mut both = Both::new(|number| Hash(7 << 40 | number));
        let count = SLOTS as u64 + 1;
        for number in 1..=count {
            assert!(both.add(number));
        }
        let (old, new) = ((1 << 12) + SLOTS as u32, both.log.push(&entry(count)));
        both.index.replace((both.hash_of)(count), old, new, both.log.span());
        while both.log.len() > 1 {
            both.log.pop();
        }
        assert!(both.knows(count));
        assert!(!both.knows(1));
    }

    #[test]
    fn room_is_free_after_a_mass_exit() {
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
    fn crowded_bucket_refuses_and_finds_the_rest() {
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
