//! The rules of deduplication over the log and its index, with engine time as an argument.

use super::clock::instant;
use super::index::{Hash, Index, Spot};
use super::log::{Entry, Log, Record, State};
use super::placing::Placing;
use super::settings::Rules;
use super::{FirstSeen, Message, MessageId, Reservation, ReservationError, Secret, Verdict};
use chrono::TimeDelta;
use std::collections::BTreeSet;

/// How many messages of a batch are looked up side by side.
pub(super) const ABREAST: usize = 64;

/// How many ids at the tail are looked at for each message: those whose time is over leave, those that were seen
/// again since they came go to the head.
const TIDIED: usize = 2;

/// For how many messages the tail is looked at together.
const TIDIED_FOR: usize = 8;

/// Of the records in force, so many may be matched by records that are not: one in eight. And so many besides.
const HOLES: u32 = 8;
const FEW_HOLES: u32 = 1024;

/// What the caller is about to do with the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    /// Pass it on at once.
    See,
    /// Commit or abort it later.
    Reserve,
}

impl Intent {
    #[inline]
    const fn state(self) -> State {
        match self {
            Self::See => State::Seen,
            Self::Reserve => State::Reserved,
        }
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Tracker {
    rules: Rules,
    placing: Placing,
    log: Log,
    index: Index,
    /// The ids whose sighting is younger than their place in the log, by sighting and place.
    renewed: BTreeSet<(i64, u32)>,
    /// Where the oldest id is that is not among them, at the earliest.
    settled_from: u32,
    /// The youngest sighting of those that were put back from a snapshot, or moved.
    settled_until: i64,
    /// Messages that came since the tail was looked at.
    untidied: usize,
    /// What the clock shows, while a leap of it is held.
    doubt: Option<i64>,
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
    /// Records that were moved or left for one message, at most.
    pub(super) longest: u64,
}

impl Tracker {
    pub(super) fn new(rules: Rules, secret: Secret) -> Self {
        Self {
            rules,
            placing: secret.placing(),
            log: Log::new(rules.positions, rules.sliding),
            index: Index::new(rules.limit),
            renewed: BTreeSet::new(),
            settled_from: 0,
            settled_until: i64::MIN,
            untidied: 0,
            doubt: None,
            counts: Counts::default(),
        }
    }

    /// From now on the clock shows that time, and it is in doubt; or it is not.
    pub(super) const fn set_doubt(&mut self, doubt: Option<i64>) {
        self.doubt = doubt;
    }

    pub(super) const fn is_in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    /// How many ids take room.
    pub(super) const fn len(&self) -> u32 {
        self.log.in_force()
    }

    pub(super) const fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(super) const fn index_moves(&self) -> super::index::Moves {
        self.index.moves()
    }

    /// The sighting that the TTL of the oldest id runs from.
    pub(super) fn oldest(&self) -> Option<i64> {
        let settled = self.log.first_settled(self.settled_from);
        let renewed = self.renewed.iter().find(|renewed| self.is_renewed(**renewed));
        settled.map(|(_, at)| at).into_iter().chain(renewed.map(|(at, _)| *at)).min()
    }

    /// Where the id with the oldest sighting is, and that sighting. The log has them in the order of their sightings, but
    /// for those that were renewed since they came.
    fn find_oldest(&mut self) -> Option<(u32, i64)> {
        let settled = self.log.first_settled(self.settled_from);
        self.settled_from = settled.map_or(self.log.span().head(), |(position, _)| position);
        let renewed = loop {
            let Some(first) = self.renewed.first().copied() else { return settled };
            if self.is_renewed(first) {
                break first;
            }
            self.renewed.pop_first();
        };
        let (at, position) = renewed;
        settled.filter(|(_, settled)| *settled <= at).or(Some((position, at)))
    }

    /// Whether there is a renewed id with that sighting at that place; else it has left with its segment.
    fn is_renewed(&self, (at, position): (i64, u32)) -> bool {
        self.log.span().holds(position)
            && self.log.get(position).is_some_and(|record| {
                record.is_renewed() && record.state() != State::Moved && self.log.at(position, record) == at
            })
    }

    /// Where an id is placed, for the deciding methods.
    #[inline]
    pub(super) fn hash(&self, id: MessageId) -> Hash {
        self.placing.hash(id)
    }

    /// Where the ids of a batch are placed, with what they will need brought near.
    #[inline(always)]
    pub(super) fn place(&self, batch: &[Message], hashes: &mut [Hash; ABREAST]) {
        for (hash, message) in hashes.iter_mut().zip(batch) {
            *hash = self.placing.hash(message.id);
        }
        self.touch(hashes.iter().take(batch.len()).copied());
    }

    /// Reads the buckets of a batch, and the records that they name: each read independent of the others, so that
    /// the cache misses of the batch pass side by side.
    #[inline]
    pub(super) fn touch(&self, hashes: impl Iterator<Item = Hash>) {
        let mut candidates = [0; ABREAST];
        let mut count = 0;
        for hash in hashes {
            let (found, candidate) = self.index.touch(hash);
            if let Some(place) = candidates.get_mut(count) {
                *place = candidate;
            }
            count += usize::from(found);
        }
        let touched = candidates.iter().take(count).fold(0, |all, candidate| {
            all ^ self.log.get(*candidate).map_or(0, |record| record.payload().to_u64())
        });
        std::hint::black_box(touched);
    }

    /// So many messages come at `at`: lets ids leave whose time is over then, and carries to the head those that were
    /// seen again, some for each message.
    #[inline(always)]
    pub(super) fn expect(&mut self, messages: usize, at: i64) {
        self.untidied += messages;
        if self.untidied >= TIDIED_FOR {
            self.tidy_tail(messages, at);
        }
    }

    #[inline(never)]
    fn tidy_tail(&mut self, messages: usize, at: i64) {
        let before = at - self.rules.remembered;
        let most = std::mem::take(&mut self.untidied) * TIDIED;
        let most = if self.has_many_holes() { most * HOLES as usize } else { most };
        self.log.pop_segment(before);
        let mut moved = self.log.pop_many(before, most);
        while moved < most && self.tidy(at) {
            moved += 1;
        }
        if moved as u64 > self.counts.longest {
            self.counts.longest = self.counts.longest.max(moved.div_ceil(messages) as u64);
        }
    }

    /// Remembers a message whose own bucket shows that its id is not there and has room for it, as nearly always.
    /// `false`, and it is to be [sought](Self::decide_after_search), where that does not show it, the engine is full or
    /// the log begins a segment.
    #[inline(always)]
    pub(super) fn admit_at_once(&mut self, message: &Message, hash: Hash, at: i64, intent: Intent) -> bool {
        if !self.index.takes_one_more(self.log.len()) {
            return false;
        }
        let Some(room) = self.index.room_unless_there(hash, self.log.span()) else { return false };
        let Some(position) = self.log.append(message, intent.state(), at, at) else { return false };
        room.take(position);
        true
    }

    /// The verdict on a message that was not admitted at once. Where it is to be reserved it is, if it is fresh or
    /// late.
    #[inline(never)]
    pub(super) fn decide_after_search(
        &mut self,
        message: &Message,
        hash: Hash,
        at: i64,
        intent: Intent,
    ) -> Verdict {
        let log = &self.log;
        let spot = self.index.locate(hash, log.span(), |position| {
            log.get(position).is_some_and(|record| record.is(message.id))
        });
        match spot {
            Spot::Known(position) => self.decide_known(message, hash, at, intent, position),
            Spot::Free { .. } | Spot::Unknown if self.admit(message, (hash, spot), at, intent) => {
                Verdict::Fresh
            }
            Spot::Free { .. } | Spot::Unknown => Verdict::Untracked,
        }
    }

    /// The first match decides.
    fn decide_known(
        &mut self,
        message: &Message,
        hash: Hash,
        at: i64,
        intent: Intent,
        position: u32,
    ) -> Verdict {
        let Some(record) = self.log.get(position).copied() else { return Verdict::Untracked };
        let since = self.log.at(position, &record);
        // While a leap of the clock is held, what was seen before it is as old as the clock makes it. Where the clock is
        // right the copy is a new measurement, and dropped it would be lost; where it is wrong one comes twice.
        let doubt = self.doubt.filter(|_| since < at);
        let age = doubt.unwrap_or(at) - since;
        let state = record.state();
        let agrees = record.agrees(message);
        // Of another message's reservation nothing is known but that it has the id.
        let lapsed = state == State::Reserved && age >= self.rules.reserve_timeout && agrees;
        self.counts.lapsed += u64::from(lapsed);
        if age >= self.rules.remembered && doubt.is_none() {
            // As if it had left in time.
            self.remove(position);
            return self.decide_after_search(message, hash, at, intent);
        }
        if lapsed {
            self.begin_anew(message, hash, at, intent, (position, since));
            return Verdict::Fresh;
        }
        if age >= self.rules.ttl {
            self.begin_anew(message, hash, at, intent, (position, since));
            let past_ttl_by = TimeDelta::milliseconds(age - self.rules.ttl);
            return if agrees {
                Verdict::Late { last_seen: instant(since), past_ttl_by }
            } else {
                Verdict::Fresh
            };
        }
        let first_seen = self.log.first(position, since);
        if !agrees {
            let first = FirstSeen::new(record.device(), record.payload(), instant(first_seen));
            return Verdict::Collision { first };
        }
        if state == State::Reserved {
            return Verdict::InFlight;
        }
        let replayed = message.position.is_some() && self.log.source(position, &record) == message.position;
        if self.rules.sliding && !self.renew(position, since, at, |log| log.touch(position, at)) {
            self.move_to_head(hash, position, at);
        }
        if replayed { Verdict::Replay } else { Verdict::Duplicate { first_seen: instant(first_seen) } }
    }

    /// Remembers an id that is not remembered, if there is room.
    fn admit(&mut self, message: &Message, place: (Hash, Spot), at: i64, intent: Intent) -> bool {
        let mut moved = 0;
        let room = self.log.in_force() < self.rules.limit || self.make_room(at, &mut moved);
        let remembered = room && {
            let position = self.log.push_new(message, intent.state(), at, at);
            self.index_at(place, position)
        };
        self.counts.longest = self.counts.longest.max(moved + self.index.take_stepped());
        self.counts.overflowed += u64::from(room && !remembered);
        remembered
    }

    /// Whether so many records are out of force that the tail has to reach them soon.
    const fn has_many_holes(&self) -> bool {
        self.log.holes() > self.log.in_force() / HOLES + FEW_HOLES
    }

    /// One step of keeping the log short: an id whose time is over leaves, or the id at the tail goes to the head where
    /// too many behind it are out of force. `false` where there is nothing to do.
    #[inline]
    fn tidy(&mut self, at: i64) -> bool {
        let before = at - self.rules.remembered;
        let Some((record, oldest)) = self.log.front() else { return false };
        if record.state() == State::Moved {
            self.log.pop();
            return true;
        }
        // Where nothing was renewed the tail is the oldest.
        if oldest <= before || !self.renewed.is_empty() {
            return self.tidy_renewed(before);
        }
        self.has_many_holes() && self.carry()
    }

    #[inline(never)]
    fn tidy_renewed(&mut self, before: i64) -> bool {
        match self.find_oldest() {
            Some((position, oldest)) if oldest <= before => {
                self.remove(position);
                true
            }
            _ => self.has_many_holes() && self.carry(),
        }
    }

    /// Carries the id at the tail to the head.
    #[inline(never)]
    fn carry(&mut self) -> bool {
        let tail = self.log.span().tail();
        let Some(oldest) = self.log.entry(tail) else { return false };
        self.move_entry(
            self.placing.hash(oldest.message.id),
            (tail, oldest.at),
            &Entry { renewed: true, ..oldest },
        );
        self.log.pop();
        true
    }

    /// Room for one more at the limit: by an id whose time is over, or else by the oldest where it may be evicted. One
    /// that was reserved in this very millisecond is not: it could be reserved again, and its first holder would decide
    /// for the second.
    #[inline(never)]
    fn make_room(&mut self, at: i64, moved: &mut u64) -> bool {
        let Some((position, oldest)) = self.find_oldest() else { return false };
        let age = at - oldest;
        if age < self.rules.remembered {
            let is_reserved = self.log.get(position).is_some_and(|record| record.state() == State::Reserved);
            if !self.rules.evict || (is_reserved && age <= 0) {
                return false;
            }
            if age < self.rules.ttl {
                self.counts.evicted += 1;
                self.counts.youngest_evicted =
                    Some(self.counts.youngest_evicted.map_or(age, |youngest| youngest.min(age)));
            }
        }
        self.remove(position);
        *moved += 1;
        true
    }

    /// Takes an id away, wherever it is in the log.
    fn remove(&mut self, position: u32) {
        let Some(record) = self.log.get(position).copied() else { return };
        if record.is_renewed() {
            self.renewed.remove(&(self.log.at(position, &record), position));
        }
        if position == self.log.span().tail() {
            self.log.pop();
        } else {
            self.index.remove(self.placing.hash(record.id()), position, self.log.span());
            self.log.mark_moved(position);
        }
    }

    /// Renews the record at a position, whose TTL ran from `since` and now runs from `at`. `false`, and nothing is
    /// changed, where `renew` cannot.
    fn renew(&mut self, position: u32, since: i64, at: i64, renew: impl FnOnce(&mut Log) -> bool) -> bool {
        let was_renewed = self.log.get(position).is_some_and(Record::is_renewed);
        if !renew(&mut self.log) {
            return false;
        }
        if was_renewed {
            self.renewed.remove(&(since, position));
        }
        self.renewed.insert((at, position));
        true
    }

    /// Puts a record that was pushed into the index; where that has no room for it, it is out of force.
    #[inline(always)]
    fn index_at(&mut self, place: (Hash, Spot), position: u32) -> bool {
        let (log, placing) = (&self.log, &self.placing);
        let id_of = |position| Some(log.get(position)?.id());
        let found_room =
            self.index.insert(place, position, log.span(), log.len(), id_of, |id| placing.hash(id));
        if !found_room {
            self.log.mark_moved(position);
        }
        found_room
    }

    /// Begins the window of an id anew, with that message. The TTL of its record ran from `since`.
    fn begin_anew(
        &mut self,
        message: &Message,
        hash: Hash,
        at: i64,
        intent: Intent,
        (position, since): (u32, i64),
    ) {
        let entry = Entry { message: *message, state: intent.state(), first: at, at, renewed: false };
        if !self.renew(position, since, at, |log| log.renew(position, &entry)) {
            self.move_entry(hash, (position, since), &entry);
        }
    }

    /// Moves a record to the head, its TTL running from `at`.
    fn move_to_head(&mut self, hash: Hash, position: u32, at: i64) {
        if let Some(entry) = self.log.entry(position) {
            self.move_entry(hash, (position, entry.at), &Entry { at, renewed: false, ..entry });
        }
    }

    /// Moves a record to the head, with what is new of it.
    fn move_entry(&mut self, hash: Hash, (position, since): (u32, i64), entry: &Entry) {
        if self.log.get(position).is_some_and(Record::is_renewed) {
            self.renewed.remove(&(since, position));
        }
        let new = self.push(entry);
        self.index.replace(hash, position, new, self.log.span());
        self.log.mark_moved(position);
        self.log.pop_segment(entry.at.saturating_sub(self.rules.remembered));
    }

    /// Adds a record at the head; it is renewed where its sighting is not the youngest.
    fn push(&mut self, entry: &Entry) -> u32 {
        let renewed = entry.renewed || entry.at < self.settled_until;
        let position = self.log.push(&Entry { renewed, ..*entry });
        if renewed {
            self.renewed.insert((entry.at, position));
        } else {
            self.settled_until = entry.at;
        }
        position
    }

    /// Decides a reservation: the message counts as seen from then on, or as never seen.
    pub(super) fn settle(
        &mut self,
        reservation: &Reservation,
        at: i64,
        is_done: bool,
    ) -> Result<(), ReservationError> {
        let hash = self.placing.hash(reservation.id);
        let position = self.find(hash, reservation.id);
        let position = position.ok_or(ReservationError::Forgotten { id: reservation.id })?;
        let record = self.log.get(position).ok_or(ReservationError::Forgotten { id: reservation.id })?;
        if at - self.log.at(position, record) >= self.rules.remembered {
            return Err(ReservationError::Forgotten { id: reservation.id });
        }
        if record.state() != State::Reserved || self.log.at(position, record) != reservation.at {
            return Err(ReservationError::Taken { id: reservation.id });
        }
        if !is_done {
            self.remove(position);
        } else if let Some(record) = self.log.get_mut(position) {
            record.set_state(State::Seen);
        }
        Ok(())
    }

    /// Forgets an id that was seen. `false` where it is not remembered at `at`, or is reserved.
    pub(super) fn forget(&mut self, hash: Hash, id: MessageId, at: i64) -> bool {
        let Some(position) = self.find(hash, id) else { return false };
        let Some(record) = self.log.get(position) else { return false };
        let age = at - self.log.at(position, record);
        if record.state() != State::Seen || age >= self.rules.remembered {
            return false;
        }
        self.remove(position);
        true
    }

    fn find(&self, hash: Hash, id: MessageId) -> Option<u32> {
        let log = &self.log;
        self.index.find(hash, log.span(), |position| log.get(position).is_some_and(|record| record.is(id)))
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

    /// How many ids are remembered at `at`: a walk over all of them.
    pub(super) fn live(&self, at: i64) -> u64 {
        self.entries(at).count() as u64
    }

    /// The part of [`Tracker::entries`] that is from `from` on and was seen until `until`, added to `into`, and
    /// the position to go on from.
    pub(super) fn entries_until(&self, from: Option<u32>, until: i64, at: i64, into: &mut Vec<Entry>) -> u32 {
        let (tail, length) = (self.log.span().tail(), self.log.span().length());
        // What has left since is not gone on from.
        let done = from.map_or(0, |from| from.wrapping_sub(tail));
        for step in if done <= length { done } else { 0 }..length {
            let position = tail.wrapping_add(step);
            let Some(entry) = self.log.entry(position) else { continue };
            if entry.at > until {
                return position;
            }
            if entry.state != State::Moved && at - entry.at < self.rules.remembered {
                into.push(entry);
            }
        }
        tail.wrapping_add(length)
    }

    /// Puts back what [`Tracker::entries`] gave, in its order.
    pub(super) fn put_back(&mut self, entry: &Entry, at: i64) -> PutBack {
        if at - entry.at >= self.rules.remembered {
            return PutBack::Expired;
        }
        let id = entry.message.id;
        let hash = self.placing.hash(id);
        let log = &self.log;
        let spot = self.index.locate(hash, log.span(), |at| log.get(at).is_some_and(|record| record.is(id)));
        if let Spot::Known(_) = spot {
            return PutBack::Repeated;
        }
        let full = self.log.in_force() >= self.rules.limit;
        if full {
            match self.find_oldest() {
                Some((_, oldest)) if oldest > entry.at => return PutBack::ForTheOldest,
                Some((position, _)) => self.remove(position),
                None => {}
            }
        }
        let position = self.push(entry);
        let found_room = self.index_at((hash, spot), position);
        self.index.take_stepped();
        match (found_room, full) {
            (false, _) => PutBack::Refused,
            (true, true) => PutBack::ForTheOldest,
            (true, false) => PutBack::Remembered,
        }
    }
}

/// What came of an id that was put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PutBack {
    /// It is remembered.
    Remembered,
    /// There is no room for all: the oldest is not remembered any more, or it is the oldest itself.
    ForTheOldest,
    /// Its time is over.
    Expired,
    /// It is there already.
    Repeated,
    /// Too many meet in its place of the index.
    Refused,
}
