//! The verdicts over a store.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::record::instant;
use super::{DedupStore, StoreError, StoreErrorKind, StoreSettings, StoredRecord, WhenUnavailable};
use crate::dedup::{FirstSeen, Message, MessageId, SettingsError, Verdict, Window};

/// So many times others may change a record before this caller gives up. Each time somebody else got on.
const ROUNDS: u32 = 16;

/// Deduplication over a store that machines share. The verdicts, and the order in which the rules are tried, are
/// those of the engine within one process; see the [module](super) for what differs.
///
/// An operation whose answer is lost can be tried again: each record bears a random number of whoever put it, so that
/// nobody takes a record of their own for a message that came before. That holds for the tries within one call
/// ([`StoreSettings::retries`]), not for a second call of [`observe`](Self::observe) after an error: that may get
/// `Duplicate` of what the first put. Where a message is seen again after an error, [`reserve`](Self::reserve) it.
#[derive(Debug)]
pub struct StoreDeduplicator<S> {
    store: S,
    settings: StoreSettings,
    secret: RandomState,
    records: AtomicU64,
    troubles: Mutex<Troubles>,
}

/// What went wrong with the store, as far as messages were passed on because of it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Troubles {
    /// How many messages were passed on as `Untracked`.
    pub untracked: u64,
    /// The error of the last of them.
    pub last: Option<StoreError>,
}

/// The verdict on a message, and its reservation where it has one.
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "a message that is reserved is to be committed or aborted"]
pub struct Reserved {
    /// The verdict.
    pub verdict: Verdict,
    /// There where the verdict is `Fresh` or `Late`.
    pub reservation: Option<StoreReservation>,
}

/// A message that was reserved: nobody else processes it until this is committed or aborted, or the reserve
/// timeout is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "commit it once the message is safe, or abort it: until then the message counts as in flight"]
pub struct StoreReservation {
    id: MessageId,
    record: StoredRecord,
}

impl StoreReservation {
    /// The id of the message.
    #[must_use]
    pub const fn id(&self) -> MessageId {
        self.id
    }
}

/// What came of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Settled {
    /// The message counts as seen.
    Done,
    /// The reserve timeout passed, and somebody else took the message meanwhile: it may have been processed twice.
    /// Lengthen the timeout.
    Taken,
}

/// What comes of a record that is there.
enum Step {
    /// The verdict is final, and the record too.
    Tell(Verdict),
    /// The verdict is final once the record says that it was seen again.
    Touch(Verdict, StoredRecord),
    /// The verdict is final once the message's own record is in its place.
    Anew(Verdict),
}

impl<S: DedupStore> StoreDeduplicator<S> {
    /// Deduplication over `store`.
    ///
    /// # Errors
    /// [`SettingsError`] where a setting does not hold.
    pub fn new(store: S, settings: StoreSettings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self {
            store,
            settings,
            secret: RandomState::new(),
            records: AtomicU64::new(0),
            troubles: Mutex::default(),
        })
    }

    /// The store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// The settings that are in force.
    #[must_use]
    pub const fn settings(&self) -> &StoreSettings {
        &self.settings
    }

    /// What went wrong so far, as far as messages were passed on because of it.
    #[must_use]
    pub fn troubles(&self) -> Troubles {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The verdict on a message, which counts as seen from now on.
    ///
    /// For those who process a message whatever happens after. Where a crash, or an error of this, before it is
    /// safe must not lose it, [`reserve`](Self::reserve) it instead.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be asked and [`WhenUnavailable::Fail`] is set. The message is neither
    /// to be dropped nor forgotten then.
    pub async fn observe(&self, message: &Message, now: DateTime<Utc>) -> Result<Verdict, StoreError> {
        Ok(self.decide(message, now, false).await?.verdict)
    }

    /// The verdict on a message, which is in the caller's hands from now on if it is to be processed: once it is
    /// safe, [`commit`](Self::commit) it, or else [`abort`](Self::abort).
    ///
    /// # Errors
    /// As [`observe`](Self::observe). It may have been reserved all the same: it gets `InFlight` until the reserve
    /// timeout, and `Fresh` then.
    pub async fn reserve(&self, message: &Message, now: DateTime<Utc>) -> Result<Reserved, StoreError> {
        self.decide(message, now, true).await
    }

    /// The message that was reserved is safe: it counts as seen, since when it was reserved. May be called again
    /// after an error.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be asked: the message counts as in flight until the reserve timeout,
    /// and as never seen then.
    pub async fn commit(&self, reservation: &StoreReservation) -> Result<Settled, StoreError> {
        let id = reservation.id;
        let reserved = reservation.record.to_bytes();
        let safe = StoredRecord { in_flight: false, ..reservation.record };
        let bytes = safe.to_bytes();
        let keep = self.keep();
        if self.again(async || self.store.replace_if(id, &reserved, &bytes, keep).await).await? {
            return Ok(Settled::Done);
        }
        // It was forgotten, or taken by somebody else, or put by this and the answer was lost.
        match self.again(async || self.store.put_if_absent(id, &bytes, keep).await).await? {
            None => Ok(Settled::Done),
            Some(there) if read(id, &there)?.token == safe.token => Ok(Settled::Done),
            Some(_) => Ok(Settled::Taken),
        }
    }

    /// The message that was reserved was not processed: it counts as never seen. Nothing happens where somebody
    /// else has taken it meanwhile. May be called again after an error.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be asked: the message counts as in flight until the reserve timeout.
    pub async fn abort(&self, reservation: &StoreReservation) -> Result<(), StoreError> {
        let reserved = reservation.record.to_bytes();
        self.again(async || self.store.remove_if(reservation.id, &reserved).await).await.map(|_| ())
    }

    async fn decide(
        &self,
        message: &Message,
        now: DateTime<Utc>,
        reserve: bool,
    ) -> Result<Reserved, StoreError> {
        let own = StoredRecord::new(message, now.timestamp_millis(), reserve, self.token());
        match self.verdict(message, &own).await {
            Ok(verdict) => {
                let taken = reserve && matches!(verdict, Verdict::Fresh | Verdict::Late { .. });
                let reservation = taken.then_some(StoreReservation { id: message.id, record: own });
                Ok(Reserved { verdict, reservation })
            }
            Err(error)
                if error.kind() == StoreErrorKind::Full
                    || self.settings.when_unavailable == WhenUnavailable::PassUntracked =>
            {
                let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
                troubles.untracked = troubles.untracked.saturating_add(1);
                troubles.last = Some(error);
                Ok(Reserved { verdict: Verdict::Untracked, reservation: None })
            }
            Err(error) => Err(error),
        }
    }

    async fn verdict(&self, message: &Message, own: &StoredRecord) -> Result<Verdict, StoreError> {
        let (id, bytes, keep) = (message.id, own.to_bytes(), self.keep());
        // What the record of this message stands for, should it turn out to be there.
        let mut standing = Verdict::Fresh;
        let mut tries = u32::from(self.settings.retries);
        for _ in 0..ROUNDS {
            let there = match self.store.put_if_absent(id, &bytes, keep).await {
                Ok(None) => return Ok(Verdict::Fresh),
                Ok(Some(there)) => there,
                Err(error) => {
                    tries = left(tries, error)?;
                    continue;
                }
            };
            let record = read(id, &there)?;
            if record.token == own.token {
                return Ok(standing);
            }
            let (verdict, new) = match self.weigh(&record, message, own.first_seen) {
                Step::Tell(verdict) => return Ok(verdict),
                Step::Touch(verdict, touched) => (verdict, touched.to_bytes()),
                Step::Anew(verdict) => {
                    standing = verdict;
                    (verdict, bytes.clone())
                }
            };
            match self.store.replace_if(id, &there, &new, keep).await {
                Ok(true) => return Ok(verdict),
                Ok(false) => {}
                Err(error) => tries = left(tries, error)?,
            }
        }
        let text = format!("{ROUNDS} times while {id} was decided: see it again");
        Err(StoreError::of(StoreErrorKind::Contended, text))
    }

    /// The first match decides.
    fn weigh(&self, record: &StoredRecord, message: &Message, now: i64) -> Step {
        let StoreSettings { ttl, grace, window, reserve_timeout, .. } = self.settings;
        let sliding = window == Window::Sliding;
        let since = if sliding { record.last_seen } else { record.first_seen };
        // Below zero where the clock that made the record is ahead of this one: young, then.
        let age = now.saturating_sub(since);
        let (ttl, grace) = (ttl.num_milliseconds(), grace.num_milliseconds());
        let agrees = record.agrees(message);
        let lapsed = record.in_flight && age >= reserve_timeout.num_milliseconds() && agrees;
        if lapsed || age >= ttl.saturating_add(grace) {
            return Step::Anew(Verdict::Fresh);
        }
        if age >= ttl {
            let past_ttl_by = TimeDelta::try_milliseconds(age - ttl).unwrap_or(TimeDelta::MAX);
            let late = Verdict::Late { last_seen: instant(since), past_ttl_by };
            return Step::Anew(if agrees { late } else { Verdict::Fresh });
        }
        if !agrees {
            let first = FirstSeen::new(record.device, record.payload, record.first_seen());
            return Step::Tell(Verdict::Collision { first });
        }
        if record.in_flight {
            return Step::Tell(Verdict::InFlight);
        }
        let replayed = message.position.is_some() && message.position == record.position;
        let verdict =
            if replayed { Verdict::Replay } else { Verdict::Duplicate { first_seen: record.first_seen() } };
        if sliding && now > record.last_seen {
            Step::Touch(verdict, StoredRecord { last_seen: now, ..*record })
        } else {
            Step::Tell(verdict)
        }
    }

    /// Tries as often as is set.
    async fn again<T>(&self, ask: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut tries = u32::from(self.settings.retries);
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => tries = left(tries, error)?,
            }
        }
    }

    /// For how long a record is kept: until it decides nothing any more.
    fn keep(&self) -> Duration {
        let both = self.settings.ttl.checked_add(&self.settings.grace).unwrap_or(self.settings.ttl);
        // Up to the next millisecond, for both may have a rest below.
        both.to_std().unwrap_or_default().saturating_add(Duration::from_millis(1))
    }

    /// A number that no other record has.
    fn token(&self) -> u64 {
        self.secret.hash_one(self.records.fetch_add(1, Ordering::Relaxed))
    }
}

/// How many tries are left after an error.
fn left(tries: u32, error: StoreError) -> Result<u32, StoreError> {
    if error.is_transient() { tries.checked_sub(1).ok_or(error) } else { Err(error) }
}

fn read(id: MessageId, bytes: &[u8]) -> Result<StoredRecord, StoreError> {
    StoredRecord::from_bytes(bytes)
        .map_err(|error| StoreError::unreadable(format!("the record of {id}")).with_cause(error))
}
