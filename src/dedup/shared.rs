//! The engine for many threads.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::audit::{Audit, Auditor, Drops};
use super::clock::{EngineClock, instant};
use super::index::Hash;
use super::placing::Placing;
use super::settings::{Limit, Rules, Settings, SettingsError};
use super::snapshot::{Header, Reader, RestoreError, Restored, Saved, Writer};
use super::tracker::{ABREAST, Intent, PutBack, Tracker};
use super::{Device, Devices, Message, MessageId, Reservation, ReservationError, Verdict};
use crate::time::Period;

/// A snapshot takes the window in so many parts, so that what shards hold is written in the order of its age.
const SLICES: i64 = 64;

/// How many shards there may be.
const MOST_SHARDS: usize = 1024;

/// Deduplication in one process, for many threads: the window in shards with a lock each, and one clock.
///
/// The verdicts are those of a [`Deduplicator`](super::Deduplicator) that observes the same messages in the same order;
/// every message of an id meets in one shard. The limit is divided among the shards, so that near it they fill
/// one after the other.
///
/// ```
/// use chrono::{DateTime, TimeDelta, Utc};
/// use iot_runbook::dedup::{Device, Message, Secret, Settings, SharedDeduplicator};
///
/// let secret = Secret::random();
/// let engine = SharedDeduplicator::new(&Settings::new(TimeDelta::hours(1)).with_secret(secret), 8)?;
/// let message = Message::new(secret.id(b"press-4/17"), Device::new(4)?, secret.fingerprint(b"23.5"));
/// let now = DateTime::<Utc>::UNIX_EPOCH;
/// let fresh: usize = std::thread::scope(|scope| {
///     let threads = [(); 4].map(|()| scope.spawn(|| engine.observe(&message, now).passes()));
///     threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
/// });
/// assert_eq!(fresh, 1, "one of the threads passes it on");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SharedDeduplicator {
    settings: Settings,
    clock: SharedClock,
    placing: Placing,
    shards: Box<[Mutex<Shard>]>,
}

#[derive(Debug)]
struct Shard {
    tracker: Tracker,
    auditor: Auditor,
    /// The latest time that it was given: threads may come to it in another order than to the clock.
    at: i64,
}

impl SharedDeduplicator {
    /// An engine of so many shards that remembers nothing yet. Four for each thread keep them out of each other's
    /// way; each takes 200 KiB once it holds something.
    ///
    /// # Errors
    /// [`SettingsError`] where a setting does not hold, for a shard's part of the limit too, or there are no shards
    /// or more than 1024.
    pub fn new(settings: &Settings, shards: usize) -> Result<Self, SettingsError> {
        let rules = rules(settings, shards)?;
        Ok(Self::of(settings, &rules, shards, EngineClock::new(rules.max_forward_jump)))
    }

    fn of(settings: &Settings, rules: &Rules, shards: usize, clock: EngineClock) -> Self {
        let shard = || {
            let mut auditor = Auditor::default();
            if let Some(now) = clock.now() {
                auditor.begin(now);
            }
            Mutex::new(Shard { tracker: Tracker::new(*rules, settings.secret), auditor, at: i64::MIN })
        };
        Self {
            settings: *settings,
            placing: settings.secret.placing(),
            shards: std::iter::repeat_with(shard).take(shards).collect(),
            clock: SharedClock::new(clock),
        }
    }

    /// The settings that are in force.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// As [`Deduplicator::message`](super::Deduplicator::message).
    #[must_use]
    pub fn message(&self, id: MessageId, device: Device, payload: &[u8]) -> Message {
        Message::new(id, device, self.settings.secret.fingerprint(payload))
    }

    /// As [`Deduplicator::observe`](super::Deduplicator::observe).
    pub fn observe(&self, message: &Message, now: DateTime<Utc>) -> Verdict {
        self.decide(message, now, Intent::See).0
    }

    /// As [`Deduplicator::observe_batch`](super::Deduplicator::observe_batch): each shard's part of the batch is decided
    /// together, under its lock. Other threads' messages may come between the shards.
    pub fn observe_batch(&self, messages: &[Message], now: DateTime<Utc>, verdicts: &mut Vec<Verdict>) {
        if messages.is_empty() {
            return;
        }
        let (at, doubt) = self.tell(now);
        let mut placed: Vec<(usize, usize, Hash)> = messages
            .iter()
            .enumerate()
            .map(|(place, message)| {
                let hash = self.placing.hash(message.id);
                (self.shard_of(hash), place, hash)
            })
            .collect();
        // By shard, and within it in the order in which they came.
        placed.sort_unstable_by_key(|(shard, place, _)| (*shard, *place));
        let first = verdicts.len();
        verdicts.resize(first + messages.len(), Verdict::Untracked);
        for part in placed.chunk_by(|(one, ..), (other, ..)| one == other) {
            let Some(mut shard) = part.first().and_then(|(shard, ..)| self.lock(*shard)) else { continue };
            shard.tracker.set_doubt(doubt);
            for batch in part.chunks(ABREAST) {
                shard.tracker.touch(batch.iter().map(|(.., hash)| *hash));
                for (_, place, hash) in batch {
                    if let (Some(message), Some(verdict)) =
                        (messages.get(*place), verdicts.get_mut(first + place))
                    {
                        *verdict = shard.decide(message, *hash, at, Intent::See).0;
                    }
                }
            }
        }
    }

    /// As [`Deduplicator::reserve`](super::Deduplicator::reserve).
    pub fn reserve(&self, message: &Message, now: DateTime<Utc>) -> (Verdict, Option<Reservation>) {
        let (verdict, at) = self.decide(message, now, Intent::Reserve);
        (verdict, Reservation::of(message.id, verdict, at))
    }

    /// As [`Deduplicator::commit`](super::Deduplicator::commit).
    ///
    /// # Errors
    /// [`ReservationError`] where the reservation is no longer known, or is another's by now.
    #[expect(clippy::needless_pass_by_value, reason = "a reservation is decided once")]
    pub fn commit(&self, reservation: Reservation) -> Result<(), ReservationError> {
        self.settle(&reservation, true)
    }

    /// As [`Deduplicator::abort`](super::Deduplicator::abort).
    ///
    /// # Errors
    /// [`ReservationError`] where the reservation is no longer known, or is another's by now.
    #[expect(clippy::needless_pass_by_value, reason = "a reservation is decided once")]
    pub fn abort(&self, reservation: Reservation) -> Result<(), ReservationError> {
        self.settle(&reservation, false)
    }

    /// As [`Deduplicator::forget`](super::Deduplicator::forget).
    pub fn forget(&self, id: MessageId) -> bool {
        let Some(now) = self.clock.now() else { return false };
        let hash = self.placing.hash(id);
        self.lock(self.shard_of(hash)).is_some_and(|mut shard| shard.tracker.forget(hash, id, now))
    }

    /// As [`Deduplicator::tick`](super::Deduplicator::tick).
    pub fn tick(&self, now: DateTime<Utc>) {
        let (at, _) = self.tell(now);
        for mut shard in self.every_shard() {
            let at = shard.reach(at);
            shard.tracker.give_back(at);
        }
    }

    /// As [`Deduplicator::accept_clock`](super::Deduplicator::accept_clock).
    pub fn accept_clock(&self, now: DateTime<Utc>) {
        let at = self.clock.accept(now);
        self.every_shard().for_each(|mut shard| shard.auditor.begin(at));
    }

    /// As [`Deduplicator::audit`](super::Deduplicator::audit), over all shards.
    #[must_use]
    pub fn audit(&self) -> Audit {
        let clock = self.clock.audit();
        let audits =
            self.every_shard().map(|shard| shard.auditor.audit(&shard.tracker, &self.settings, &clock));
        let merged = audits.reduce(Audit::merge);
        merged.unwrap_or_else(|| Audit::empty(&self.settings, &clock))
    }

    /// As [`Deduplicator::dropped`](super::Deduplicator::dropped), over all shards.
    #[must_use]
    pub fn dropped(&self, device: Device, period: Period) -> Drops {
        let now = self.clock.now();
        let drops = self.every_shard().map(|shard| shard.auditor.dropped(device, period, now));
        drops.reduce(Drops::merge).unwrap_or(Drops { dropped: 0, covers: None })
    }

    /// As [`Deduplicator::snapshot`](super::Deduplicator::snapshot), in 64 slices of time, shard after shard: no shard
    /// is locked while its part is written, and what is seen meanwhile is in it or not. An engine of any number of
    /// shards can restore it. A message seen meanwhile of a device that is not in the list is left out.
    ///
    /// # Errors
    /// As [`Deduplicator::snapshot`](super::Deduplicator::snapshot).
    pub fn snapshot(&self, devices: &Devices, to: impl Write) -> io::Result<Saved> {
        let now = self.clock.now();
        let header = match self.lock(0) {
            Some(shard) => Header::new(shard.tracker.rules(), self.settings.secret, now),
            None => return Err(io::Error::other("an engine without shards")),
        };
        let mut writer = Writer::new(to, header, devices)?;
        let Some(now) = now else { return writer.finish() };
        let oldest =
            self.every_shard().filter_map(|shard| shard.tracker.oldest()).min().unwrap_or(now).min(now);
        let mut reached: Vec<Option<u32>> = vec![None; self.shards.len()];
        let mut slice = Vec::new();
        for number in 1..=SLICES {
            // Nothing is written while a shard is locked.
            let until = if number == SLICES { i64::MAX } else { oldest + (now - oldest) / SLICES * number };
            for (shard, reached) in self.every_shard().zip(&mut reached) {
                *reached = Some(shard.tracker.entries_until(*reached, until, now, &mut slice));
                drop(shard);
                for entry in slice.drain(..) {
                    if entry.at >= now && !writer.has_name(&entry) {
                        continue;
                    }
                    writer.write(&entry.not_after(now))?;
                }
            }
        }
        writer.finish()
    }

    /// As [`Deduplicator::restore`](super::Deduplicator::restore), with so many shards.
    ///
    /// # Errors
    /// As [`Deduplicator::restore`](super::Deduplicator::restore), and [`SettingsError`] for the number of shards.
    pub fn restore(
        settings: &Settings,
        shards: usize,
        devices: &mut Devices,
        from: impl Read,
        now: DateTime<Utc>,
    ) -> Result<(Self, Restored), RestoreError> {
        let rules = rules(settings, shards)?;
        let reader = Reader::new(from, devices)?;
        let header = *reader.header();
        let settings = settings.with_secret(header.secret);
        let engine = Self::of(&settings, &rules, shards, header.clock(&rules, now));
        let mut restored = Restored { saved_at: header.now.map(instant), ..Restored::default() };
        let saved_at = header.now.unwrap_or(i64::MIN);
        restored.in_flight = reader.read_all(|entry| {
            let shard = engine.lock(engine.shard_of(engine.placing.hash(entry.message.id)));
            restored
                .count(shard.map_or(PutBack::Refused, |mut shard| shard.tracker.put_back(entry, saved_at)));
        })?;
        Ok((engine, restored))
    }

    /// As [`Deduplicator::live`](super::Deduplicator::live), over all shards.
    #[must_use]
    pub fn live(&self) -> u64 {
        let Some(now) = self.clock.now() else { return 0 };
        self.every_shard().map(|shard| shard.tracker.live(now)).sum()
    }

    /// How many ids take room, over all shards.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.every_shard().map(|shard| u64::from(shard.tracker.len())).sum()
    }

    /// Whether no id takes room.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn decide(&self, message: &Message, now: DateTime<Utc>, intent: Intent) -> (Verdict, i64) {
        let (at, doubt) = self.tell(now);
        let hash = self.placing.hash(message.id);
        match self.lock(self.shard_of(hash)) {
            Some(mut shard) => {
                shard.tracker.set_doubt(doubt);
                shard.decide(message, hash, at, intent)
            }
            None => (Verdict::Untracked, at),
        }
    }

    fn settle(&self, reservation: &Reservation, is_done: bool) -> Result<(), ReservationError> {
        let forgotten = ReservationError::Forgotten { id: reservation.id };
        let shard = self.shard_of(self.placing.hash(reservation.id));
        let now = self.clock.now().ok_or_else(|| forgotten.clone())?;
        let mut shard = self.lock(shard).ok_or(forgotten)?;
        let at = shard.reach(now);
        shard.tracker.settle(reservation, at, is_done)
    }

    /// The engine time, and what the clock shows where it is in doubt.
    fn tell(&self, now: DateTime<Utc>) -> (i64, Option<i64>) {
        let Told { at, doubt, is_first } = self.clock.tell(now);
        if is_first {
            self.every_shard().for_each(|mut shard| shard.auditor.begin(at));
        }
        (at, doubt)
    }

    fn shard_of(&self, hash: Hash) -> usize {
        shard_of(hash, self.shards.len())
    }

    fn lock(&self, shard: usize) -> Option<MutexGuard<'_, Shard>> {
        self.shards.get(shard).map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn every_shard(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shard {
    /// The verdict, and the time that it was given at.
    fn decide(&mut self, message: &Message, hash: Hash, at: i64, intent: Intent) -> (Verdict, i64) {
        let at = self.reach(at);
        (self.auditor.decide(&mut self.tracker, message, hash, at, intent), at)
    }

    fn reach(&mut self, at: i64) -> i64 {
        self.at = self.at.max(at);
        self.at
    }
}

/// The rules of each of so many shards.
fn rules(settings: &Settings, shards: usize) -> Result<Rules, SettingsError> {
    let count = u64::try_from(shards).unwrap_or(u64::MAX);
    if shards == 0 || shards > MOST_SHARDS {
        return Err(SettingsError::Shards { given: shards });
    }
    settings.rules()?;
    let limit = match settings.limit {
        Limit::Ids(ids) if ids < count => return Err(SettingsError::Shards { given: shards }),
        Limit::Ids(ids) => Limit::Ids(ids / count),
        Limit::Bytes(bytes) => Limit::Bytes(bytes / count),
    };
    settings.with_limit(limit).rules()
}

/// By bits that neither the place in the index nor its tag is taken from.
const fn shard_of(hash: Hash, shards: usize) -> usize {
    ((((hash.0 >> 8) & 0xFFFF) * shards as u64) >> 16) as usize
}

/// What came of a time that a thread gave.
struct Told {
    /// The engine time.
    at: i64,
    /// What the thread's clock shows, where that is in doubt.
    doubt: Option<i64>,
    /// True if it was the first time.
    is_first: bool,
}

/// One clock for all threads, without a lock while it stands still or a thread is a little behind.
#[derive(Debug)]
struct SharedClock {
    /// The engine time; the least there is until the first.
    now: AtomicI64,
    holding: AtomicBool,
    /// By how many milliseconds a thread was behind at most.
    behind: AtomicI64,
    clock: Mutex<EngineClock>,
}

impl SharedClock {
    fn new(clock: EngineClock) -> Self {
        Self {
            now: AtomicI64::new(clock.now().unwrap_or(i64::MIN)),
            holding: AtomicBool::new(clock.audit().holding.is_some()),
            behind: AtomicI64::new(0),
            clock: Mutex::new(clock),
        }
    }

    /// Gives it the time `told`.
    fn tell(&self, told: DateTime<Utc>) -> Told {
        let at = told.timestamp_millis();
        let now = self.now.load(Ordering::Acquire);
        if at <= now && !self.holding.load(Ordering::Acquire) {
            if at < now {
                self.behind.fetch_max(now.saturating_sub(at), Ordering::Relaxed);
            }
            return Told { at: now, doubt: None, is_first: false };
        }
        let mut clock = self.lock();
        let is_first = clock.now().is_none();
        let at = clock.tell(told);
        self.publish(&clock);
        Told { at, doubt: clock.doubt(), is_first }
    }

    fn accept(&self, told: DateTime<Utc>) -> i64 {
        let mut clock = self.lock();
        let at = clock.accept(told);
        self.publish(&clock);
        at
    }

    fn now(&self) -> Option<i64> {
        self.lock().now()
    }

    fn audit(&self) -> super::ClockAudit {
        let mut audit = *self.lock().audit();
        let behind =
            TimeDelta::try_milliseconds(self.behind.load(Ordering::Relaxed)).unwrap_or(TimeDelta::MAX);
        audit.behind_by_at_most = audit.behind_by_at_most.max(behind);
        audit
    }

    /// While the clock is locked, so that what others read never runs back.
    fn publish(&self, clock: &EngineClock) {
        self.now.store(clock.now().unwrap_or(i64::MIN), Ordering::Release);
        self.holding.store(clock.audit().holding.is_some(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, EngineClock> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
