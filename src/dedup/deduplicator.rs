//! The engine for one thread.

use std::io::{self, Read, Write};

use chrono::{DateTime, TimeDelta, Utc};

use super::audit::{Audit, Auditor, Drops};
use super::clock::{EngineClock, instant};
use super::index::Hash;
use super::settings::{Settings, SettingsError};
use super::snapshot::{Header, Reader, RestoreError, Restored, Saved, Writer};
use super::tracker::{ABREAST, Intent, Tracker};
use super::{Device, Devices, Message, MessageId, Reservation, ReservationError, Verdict};
use crate::time::Period;

/// Deduplication in one process, for one owner. For many threads see
/// [`SharedDeduplicator`](super::SharedDeduplicator).
///
/// Every method that takes a message takes the time too, which moves the engine's own time; see the
/// [module](super) for what holds.
#[derive(Debug)]
pub struct Deduplicator {
    pub(super) settings: Settings,
    pub(super) clock: EngineClock,
    pub(super) tracker: Tracker,
    pub(super) auditor: Auditor,
}

impl Deduplicator {
    /// An engine that remembers ids for `window`, with all else as [`Settings::new`] has it.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta, Utc};
    /// use iot_runbook::dedup::{Deduplicator, Device};
    ///
    /// let mut engine = Deduplicator::new(TimeDelta::hours(6))?;
    /// let id = engine.settings().secret.id(b"press-4/17");
    /// let message = engine.message(id, Device::new(4)?, b"23.5");
    /// let now = DateTime::<Utc>::UNIX_EPOCH;
    /// assert!(engine.observe(&message, now).passes());
    /// assert!(engine.observe(&message, now).drops());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SettingsError`] if the window is under a millisecond, or over 2³¹ ms together with a quarter more.
    pub fn new(window: TimeDelta) -> Result<Self, SettingsError> {
        Self::with_settings(&Settings::new(window))
    }

    /// An engine that remembers nothing yet. It takes little memory until ids come.
    ///
    /// # Errors
    /// [`SettingsError`] if a setting is invalid.
    pub fn with_settings(settings: &Settings) -> Result<Self, SettingsError> {
        let rules = settings.rules()?;
        Ok(Self {
            settings: *settings,
            clock: EngineClock::new(rules.max_forward_jump),
            tracker: Tracker::new(rules, settings.secret),
            auditor: Auditor::default(),
        })
    }

    /// The settings that are in force.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A message of that id, device and payload, fingerprinted under the secret of this engine.
    ///
    /// A copy is recognised by its fingerprint, and that under another secret is another one.
    #[must_use]
    pub fn message(&self, id: MessageId, device: Device, payload: &[u8]) -> Message {
        Message::new(id, device, self.settings.secret.fingerprint(payload))
    }

    /// The verdict on a message, which counts as seen from now on.
    ///
    /// For those who process a message whatever happens after. Where a crash before it is safe must not lose
    /// it, [`reserve`](Self::reserve) it instead.
    #[inline]
    pub fn observe(&mut self, message: &Message, now: DateTime<Utc>) -> Verdict {
        let at = self.tell(now);
        let hash = self.tracker.hash(message.id);
        self.auditor.decide(&mut self.tracker, message, hash, at, Intent::See)
    }

    /// The verdicts on many messages, as if each were [seen](Self::observe) after the one before it. They are
    /// appended to `verdicts`, one for each. Several times as fast as one by one, for a window that does not fit
    /// the caches; batches of 64 and more gain most.
    pub fn observe_batch(&mut self, messages: &[Message], now: DateTime<Utc>, verdicts: &mut Vec<Verdict>) {
        if messages.is_empty() {
            return;
        }
        let at = self.tell(now);
        verdicts.reserve(messages.len());
        let mut hashes = [Hash::default(); ABREAST];
        for batch in messages.chunks(ABREAST) {
            self.tracker.expect(batch.len(), at);
            self.tracker.place(batch, &mut hashes);
            let mut fresh = 0;
            for (message, hash) in batch.iter().zip(&hashes) {
                if self.tracker.admit_at_once(message, *hash, at, Intent::See) {
                    fresh += 1;
                    verdicts.push(Verdict::Fresh);
                } else {
                    self.push_after_search(message, *hash, at, verdicts);
                }
            }
            self.auditor.count_fresh(fresh);
        }
    }

    #[inline(never)]
    fn push_after_search(&mut self, message: &Message, hash: Hash, at: i64, verdicts: &mut Vec<Verdict>) {
        verdicts.push(self.auditor.decide_after_search(&mut self.tracker, message, hash, at, Intent::See));
    }

    #[inline(always)]
    fn tell(&mut self, now: DateTime<Utc>) -> i64 {
        self.clock.follow(now).unwrap_or_else(|| self.tell_strange(now))
    }

    #[cold]
    fn tell_strange(&mut self, now: DateTime<Utc>) -> i64 {
        let at = self.clock.tell_strange(now);
        self.tracker.set_doubt(self.clock.doubt());
        self.auditor.begin(at);
        at
    }

    /// The verdict on a message that is in flight from now on, until its reservation is decided. There is a
    /// reservation for [`Fresh`](Verdict::Fresh) and [`Late`](Verdict::Late); a message of another verdict that
    /// [passes](Verdict::passes) is processed without one, as it is not remembered.
    ///
    /// Nothing is lost where a store fails in between: abort, let the broker send the message again, and it is fresh.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta, Utc};
    /// use iot_runbook::dedup::{Deduplicator, Device};
    ///
    /// let mut engine = Deduplicator::new(TimeDelta::hours(6))?;
    /// // An id that is not a ULID: any bytes, hashed under the secret of the engine.
    /// let id = engine.settings().secret.id(b"press-4/17");
    /// let message = engine.message(id, Device::new(4)?, b"23.5");
    ///
    /// let mut store_works = [false, true, true].into_iter();
    /// let mut rows = 0;
    /// let mut handle = |now: DateTime<Utc>| -> Result<bool, Box<dyn std::error::Error>> {
    ///     let (verdict, reservation) = engine.reserve(&message, now);
    ///     let is_done = verdict.drops() || verdict.passes() && store_works.next() == Some(true);
    ///     rows += u32::from(is_done && verdict.passes());
    ///     if let Some(reservation) = reservation {
    ///         if is_done { engine.commit(reservation)? } else { engine.abort(reservation)? }
    ///     }
    ///     Ok(is_done) // Acknowledge the message to the broker only then.
    /// };
    /// let now = DateTime::UNIX_EPOCH;
    /// assert!(!handle(now)?, "the store fails");
    /// assert!(handle(now)?, "sent again: stored");
    /// assert!(handle(now)?, "sent once more: a copy, dropped");
    /// assert_eq!(rows, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reserve(&mut self, message: &Message, now: DateTime<Utc>) -> (Verdict, Option<Reservation>) {
        let at = self.tell(now);
        let hash = self.tracker.hash(message.id);
        let verdict = self.auditor.decide(&mut self.tracker, message, hash, at, Intent::Reserve);
        (verdict, Reservation::of(message.id, verdict, at))
    }

    /// The message was processed: it counts as seen, since it was reserved.
    ///
    /// # Errors
    /// [`ReservationError`] where the reservation is no longer known, or is another's by now.
    #[expect(clippy::needless_pass_by_value, reason = "a reservation is decided once")]
    pub fn commit(&mut self, reservation: Reservation) -> Result<(), ReservationError> {
        self.settle(&reservation, true)
    }

    /// The message was not processed: it counts as never seen, so that it is fresh when it comes again.
    ///
    /// # Errors
    /// [`ReservationError`] where the reservation is no longer known, or is another's by now.
    #[expect(clippy::needless_pass_by_value, reason = "a reservation is decided once")]
    pub fn abort(&mut self, reservation: Reservation) -> Result<(), ReservationError> {
        self.settle(&reservation, false)
    }

    fn settle(&mut self, reservation: &Reservation, is_done: bool) -> Result<(), ReservationError> {
        let forgotten = ReservationError::Forgotten { id: reservation.id };
        let now = self.clock.now().ok_or(forgotten)?;
        self.tracker.settle(reservation, now, is_done)
    }

    /// Forgets an id that was seen, as where its message was lost after all: when the message comes again it is fresh.
    /// `false`, and nothing is changed, if the id is not remembered, or is reserved: its holder decides that.
    pub fn forget(&mut self, id: MessageId) -> bool {
        let Some(now) = self.clock.now() else { return false };
        let hash = self.tracker.hash(id);
        self.tracker.forget(hash, id, now)
    }

    /// Moves the clock on when no message comes, and gives back the memory of ids whose time is over. Seeing messages
    /// does that too, bit by bit; this is for quiet hours.
    pub fn tick(&mut self, now: DateTime<Utc>) {
        let at = self.tell(now);
        self.tracker.give_back(at);
    }

    /// Takes `now` for the time though it is further ahead than
    /// [`max_forward_jump`](Settings::max_forward_jump) lets it be; engine time never runs back.
    pub fn accept_clock(&mut self, now: DateTime<Utc>) {
        let at = self.clock.accept(now);
        self.tracker.set_doubt(None);
        self.auditor.begin(at);
    }

    /// Writes everything that is remembered, but for what is in flight; see [`snapshot`](super::snapshot). `devices` is the
    /// list that numbered the devices of the messages; their names go with the snapshot. If your devices have numbers of
    /// their own, give an empty list.
    ///
    /// # Errors
    /// The error of `to`, or one of [`InvalidInput`](io::ErrorKind::InvalidInput) if a message is of a device that is not in
    /// the list. What was written until then is not a snapshot: write to a new file, and put it in the place of
    /// the old one when this has returned.
    pub fn snapshot(&self, devices: &Devices, to: impl Write) -> io::Result<Saved> {
        let now = self.clock.now();
        let header = Header::new(self.tracker.rules(), self.settings.secret, now);
        let mut writer = Writer::new(to, header, devices)?;
        if let Some(now) = now {
            for entry in self.tracker.entries(now) {
                writer.write(&entry)?;
            }
        }
        writer.finish()
    }

    /// An engine that goes on from a snapshot, with these settings but for the secret, which is that of
    /// the snapshot. `now` is what the clock says: where it is behind the time of the snapshot the engine goes
    /// on from that, where it is too far ahead its time holds, and the audit reports both.
    ///
    /// The names in the snapshot are looked up in `devices`, and added where they are new; the ids go to the numbers that
    /// their devices have there. So the list may be an empty one, the one that was saved, or another.
    ///
    /// # Errors
    /// [`RestoreError`] if a setting is invalid, if the bytes are not a whole snapshot and nothing else, or if the snapshot
    /// is of a later version, or has no names where the list has some.
    pub fn restore(
        settings: &Settings,
        devices: &mut Devices,
        from: impl Read,
        now: DateTime<Utc>,
    ) -> Result<(Self, Restored), RestoreError> {
        let rules = settings.rules()?;
        let reader = Reader::new(from, devices)?;
        let header = *reader.header();
        let mut tracker = Tracker::new(rules, header.secret);
        let mut restored = Restored { saved_at: header.now.map(instant), ..Restored::default() };
        let saved_at = header.now.unwrap_or(i64::MIN);
        restored.in_flight = reader.read_all(|entry| restored.count(tracker.put_back(entry, saved_at)))?;
        let clock = header.clock(&rules, now);
        tracker.set_doubt(clock.doubt());
        let mut auditor = Auditor::default();
        if let Some(now) = clock.now() {
            auditor.begin(now);
        }
        Ok((Self { settings: settings.with_secret(header.secret), clock, tracker, auditor }, restored))
    }

    /// What the engine has done since it was made or restored.
    #[must_use]
    pub fn audit(&self) -> Audit {
        self.auditor.audit(&self.tracker, &self.settings, self.clock.audit())
    }

    /// How many messages of a device were dropped in a period, as the `dedup-log` step of a runbook asks.
    #[must_use]
    pub fn dropped(&self, device: Device, period: Period) -> Drops {
        self.auditor.dropped(device, period, self.clock.now())
    }

    /// How many ids are remembered at engine time, reserved ones among them. It looks at each, so ask it for a report and
    /// not for every message; [`len`](Self::len) costs nothing.
    #[must_use]
    pub fn live(&self) -> u64 {
        self.clock.now().map_or(0, |now| self.tracker.live(now))
    }

    /// How many ids take room: those that are remembered, and those whose time is over and whose room is not
    /// given back yet.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.tracker.len() as u64
    }

    /// Whether no id takes room.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.tracker.len() == 0
    }
}
