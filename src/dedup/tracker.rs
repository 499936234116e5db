//! The rules of deduplication over the log and its index, with engine time as an argument.

use super::clock::instant;
use super::index::{Hash, Index};
use super::log::{Entry, Log, Record, State};
use super::settings::Rules;
use super::{FirstSeen, Message, MessageId, Reservation, ReservationError, Secret, Verdict};
use chrono::TimeDelta;
use siphasher::sip::SipHasher13;

/// How many messages of a batch are looked up side by side.
const ABREAST: usize = 64;

/// How many ids at the tail are looked at when one is added: those whose time is over leave, those that were
/// seen again since they came go to the head.
const TIDIED: usize = 2;

/// How many are carried to the head at most when there is no room otherwise.
const CARRIED: usize = 32;

/// What the caller is about to do with the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    /// Pass it on at once.
    See,
    /// Commit or abort it later.
    Reserve,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Tracker {
    rules: Rules,
    placing: SipHasher13,
    log: Log,
    index: Index,
    counts: Counts,
}

/// What happened to the records of a tracker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Ids that were forgotten before their time, for want of room.
    pub(super) evicted: u64,
    /// The age of the youngest of them, in milliseconds.
    pub(super) youngest_evicted: Option<i64>,
    /// Ids that found no room near their place in the index.
    pub(super) overflowed: u64,
    /// Reservations whose time was over before they were decided.
    pub(super) lapsed: u64,
    /// Ids that left the tail one by one.
    pub(super) left: u64,
    /// Ids carried from the tail to the head.
    pub(super) carried: u64,
    /// Records that were moved or left in one call, at most.
    pub(super) longest: u64,
}

impl Tracker {
    pub(super) fn new(rules: Rules, secret: Secret) -> Self {
        Self {
            rules,
            placing: secret.placing(),
            log: Log::new(rules.positions, rules.sliding),
            index: Index::new(),
            counts: Counts::default(),
        }
    }

    /// How many ids take room.
    pub(super) const fn len(&self) -> u32 {
        self.log.len()
    }

    pub(super) const fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(super) const fn index_moves(&self) -> super::index::Moves {
        self.index.moves()
    }

    /// The sighting that the TTL of the oldest id runs from.
    pub(super) fn oldest(&self) -> Option<i64> {
        let tail = self.log.span().tail();
        self.log.get(tail).map(|record| self.log.at(tail, record))
    }

    #[inline]
    fn hash(&self, id: MessageId) -> Hash {
        hash(&self.placing, id)
    }

    /// The verdict on a message, and its reservation where it is to be reserved and has one.
    #[inline]
    pub(super) fn decide(
        &mut self,
        message: &Message,
        at: i64,
        intent: Intent,
    ) -> (Verdict, Option<Reservation>) {
        self.decide_hashed(message, self.hash(message.id), at, intent)
    }

    /// The verdicts on many messages, seen one after the other.
    pub(super) fn decide_all<'a>(
        &mut self,
        messages: impl ExactSizeIterator<Item = &'a Message> + Clone,
        at: i64,
        mut told: impl FnMut(&'a Message, Verdict),
    ) {
        let mut messages = messages;
        let mut hashes = [Hash::default(); ABREAST];
        let mut candidates = [0_u32; ABREAST];
        while messages.len() > 0 {
            let batch = messages.clone().take(ABREAST);
            for (hash, message) in hashes.iter_mut().zip(batch.clone()) {
                *hash = self.hash(message.id);
            }
            // Independent of one another, so that the cache misses of a batch pass side by side: first the
            // buckets, then the records.
            for (candidate, hash) in candidates.iter_mut().zip(&hashes).take(batch.len()) {
                *candidate = self.index.touch(*hash).unwrap_or_default();
            }
            let touched = candidates.iter().take(batch.len()).fold(0, |all, candidate| {
                all ^ self.log.get(*candidate).map_or(0, |record| record.payload().to_u64())
            });
            std::hint::black_box(touched);
            for (message, hash) in batch.zip(&hashes) {
                let (verdict, _) = self.decide_hashed(message, *hash, at, Intent::See);
                told(message, verdict);
            }
            if messages.nth(ABREAST - 1).is_none() {
                break;
            }
        }
    }

    #[inline]
    fn decide_hashed(
        &mut self,
        message: &Message,
        hash: Hash,
        at: i64,
        intent: Intent,
    ) -> (Verdict, Option<Reservation>) {
        let log = &self.log;
        let found = self
            .index
            .find(hash, log.span(), |position| log.get(position).is_some_and(|record| record.is(message.id)));
        match found.and_then(|position| Some((position, *self.log.get(position)?))) {
            None => self.admit(message, hash, at, intent),
            Some((position, record)) => self.decide_known(message, hash, at, intent, (position, &record)),
        }
    }

    /// The first match decides.
    fn decide_known(
        &mut self,
        message: &Message,
        hash: Hash,
        at: i64,
        intent: Intent,
        (position, record): (u32, &Record),
    ) -> (Verdict, Option<Reservation>) {
        let since = self.log.at(position, record);
        let age = at - since;
        let state = record.state();
        let lapsed = state == State::Reserved && age >= self.rules.reserve_timeout;
        self.counts.lapsed += u64::from(lapsed);
        if age >= self.rules.remembered || lapsed || state == State::Released {
            let reservation = self.begin_anew(message, hash, at, intent, position);
            return (Verdict::Fresh, reservation);
        }
        let agrees = record.agrees(message);
        if age >= self.rules.ttl {
            let reservation = self.begin_anew(message, hash, at, intent, position);
            let past_ttl_by = TimeDelta::milliseconds(age - self.rules.ttl);
            let late = Verdict::Late { last_seen: instant(since), past_ttl_by };
            return (if agrees { late } else { Verdict::Fresh }, reservation);
        }
        let first_seen = self.log.first(position, since);
        if !agrees {
            let first = FirstSeen::new(record.device(), record.payload(), instant(first_seen));
            return (Verdict::Collision { first }, None);
        }
        if state == State::Reserved {
            return (Verdict::InFlight, None);
        }
        let replayed = message.position.is_some() && self.log.source(position, record) == message.position;
        if self.rules.sliding && !self.log.touch(position, at) {
            self.move_to_head(hash, position, at);
        }
        let verdict =
            if replayed { Verdict::Replay } else { Verdict::Duplicate { first_seen: instant(first_seen) } };
        (verdict, None)
    }

    /// Remembers an id that is not remembered, if there is room.
    #[inline]
    fn admit(
        &mut self,
        message: &Message,
        hash: Hash,
        at: i64,
        intent: Intent,
    ) -> (Verdict, Option<Reservation>) {
        let moved_before = self.moved();
        self.log.pop_segment(at - self.rules.remembered);
        for _ in 0..TIDIED {
            if !self.tidy(at) {
                break;
            }
        }
        let room = self.log.len() < self.rules.limit || self.make_room(at);
        let remembered = room && self.push(hash, &entry(message, at, intent)).is_some();
        self.counts.longest = self.counts.longest.max(self.moved() - moved_before);
        if remembered {
            (Verdict::Fresh, reservation(message, at, intent))
        } else {
            self.counts.overflowed += u64::from(room);
            (Verdict::Untracked, None)
        }
    }

    /// Records that were moved or taken away so far.
    const fn moved(&self) -> u64 {
        self.index.moves().moved + self.counts.left + self.counts.carried
    }

    /// Takes the id at the tail away where its time is over, or carries it to the head where it was renewed since
    /// it came. `false` where it may stay.
    #[inline]
    fn tidy(&mut self, at: i64) -> bool {
        let tail = self.log.span().tail();
        let Some(record) = self.log.get(tail) else { return false };
        if record.state() == State::Moved || at - self.log.at(tail, record) >= self.rules.remembered {
            self.log.pop();
            self.counts.left += 1;
            return true;
        }
        if !record.is_renewed() {
            return false;
        }
        let hash = self.hash(record.id());
        self.move_to_head(hash, tail, self.log.at(tail, record));
        self.log.pop();
        self.counts.carried += 1;
        true
    }

    /// Room for one more at the limit: by whose time is over, or else by the oldest where it may be evicted.
    #[inline(never)]
    fn make_room(&mut self, at: i64) -> bool {
        for _ in 0..CARRIED {
            if !self.tidy(at) {
                break;
            }
            if self.log.len() < self.rules.limit {
                return true;
            }
        }
        if !self.rules.evict {
            return false;
        }
        if let Some(oldest) = self.oldest() {
            let age = at - oldest;
            if age < self.rules.ttl {
                self.counts.evicted += 1;
                self.counts.youngest_evicted =
                    Some(self.counts.youngest_evicted.map_or(age, |youngest| youngest.min(age)));
            }
        }
        self.log.pop();
        self.counts.left += 1;
        true
    }

    /// Adds a record and its place in the index; `None` where the index has no room for it.
    fn push(&mut self, hash: Hash, entry: &Entry) -> Option<u32> {
        let position = self.log.push(entry);
        let (log, placing) = (&self.log, &self.placing);
        let hash_of = |position| Some(self::hash(placing, log.get(position)?.id()));
        if self.index.insert(hash, position, log.span(), log.len(), hash_of) {
            return Some(position);
        }
        self.mark_moved(position);
        None
    }

    /// Begins the window of an id anew, with that message.
    fn begin_anew(
        &mut self,
        message: &Message,
        hash: Hash,
        at: i64,
        intent: Intent,
        position: u32,
    ) -> Option<Reservation> {
        let entry = entry(message, at, intent);
        if !self.log.renew(position, &entry) {
            self.stand_elsewhere(hash, position, &entry);
        }
        reservation(message, at, intent)
    }

    /// Moves a record to the head, its TTL running from `at`.
    fn move_to_head(&mut self, hash: Hash, position: u32, at: i64) {
        if let Some(entry) = self.log.entry(position) {
            self.stand_elsewhere(hash, position, &Entry { at, ..entry });
        }
    }

    fn stand_elsewhere(&mut self, hash: Hash, position: u32, entry: &Entry) {
        let new = self.log.push(entry);
        self.index.replace(hash, position, new, self.log.span());
        self.mark_moved(position);
    }

    fn mark_moved(&mut self, position: u32) {
        if let Some(record) = self.log.get_mut(position) {
            record.set_state(State::Moved);
        }
    }

    /// Decides a reservation: the message counts as seen from then on, or as never seen.
    pub(super) fn settle(&mut self, reservation: &Reservation, state: State) -> Result<(), ReservationError> {
        let hash = self.hash(reservation.id);
        let log = &self.log;
        let found = self.index.find(hash, log.span(), |position| {
            log.get(position).is_some_and(|record| record.is(reservation.id))
        });
        let position = found.ok_or(ReservationError::Forgotten { id: reservation.id })?;
        let record = log.get(position).ok_or(ReservationError::Forgotten { id: reservation.id })?;
        if record.state() != State::Reserved || log.at(position, record) != reservation.at {
            return Err(ReservationError::Taken { id: reservation.id });
        }
        if let Some(record) = self.log.get_mut(position) {
            record.set_state(state);
        }
        Ok(())
    }

    /// Gives back the memory of ids whose time is over, all at once.
    pub(super) fn give_back(&mut self, at: i64) {
        while self.log.pop_segment(at - self.rules.remembered) > 0 {}
        self.log.give_back();
    }

    pub(super) const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Everything that is remembered at `at`, oldest first.
    pub(super) fn entries(&self, at: i64) -> impl Iterator<Item = Entry> {
        self.log
            .positions()
            .filter_map(|position| self.log.entry(position))
            .filter(move |entry| entry.state != State::Moved && at - entry.at < self.rules.remembered)
    }

    /// Puts back what [`Tracker::entries`] told, in its order. `None` where it is there already.
    pub(super) fn put_back(&mut self, entry: &Entry, at: i64) -> Option<PutBack> {
        if at - entry.at >= self.rules.remembered {
            return Some(PutBack::Expired);
        }
        let hash = self.hash(entry.message.id);
        let log = &self.log;
        let id = entry.message.id;
        if self.index.find(hash, log.span(), |at| log.get(at).is_some_and(|record| record.is(id))).is_some() {
            return None;
        }
        let full = self.log.len() >= self.rules.limit;
        if full {
            self.log.pop();
        }
        self.push(hash, entry)?;
        Some(if full { PutBack::ForTheOldest } else { PutBack::Remembered })
    }
}

/// What came of an id that was put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PutBack {
    /// It is remembered.
    Remembered,
    /// It is remembered, and the oldest one is not any more.
    ForTheOldest,
    /// Its time is over.
    Expired,
}

#[inline]
fn hash(placing: &SipHasher13, id: MessageId) -> Hash {
    Hash(placing.hash(&id.to_u128().to_le_bytes()))
}

fn entry(message: &Message, at: i64, intent: Intent) -> Entry {
    let state = match intent {
        Intent::See => State::Seen,
        Intent::Reserve => State::Reserved,
    };
    Entry { message: *message, state, first: at, at }
}

fn reservation(message: &Message, at: i64, intent: Intent) -> Option<Reservation> {
    (intent == Intent::Reserve).then_some(Reservation { id: message.id, at })
}
