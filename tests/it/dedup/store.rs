//! The verdicts over a store: as a slow model has them, whatever the store does.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::dedup::store::{
    DedupStore, MemoryStore, Settled, StoreDeduplicator, StoreError, StoreErrorKind, StoreReservation,
    StoreSettings, StoredRecord, WhenUnavailable, conformance,
};
use iot_runbook::dedup::{
    Deduplicator, Device, Fingerprint, FirstSeen, Message, MessageId, Position, Reservation, Settings,
    SettingsError, Verdict, Window,
};
use iot_runbook::mock::MockDedupStore;
use proptest::prelude::*;

const START: i64 = 1_800_000_000_000;

fn at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(START + ms).unwrap()
}

fn ms(ms: i64) -> TimeDelta {
    TimeDelta::milliseconds(ms)
}

fn message(id: u128, device: u32, payload: u64) -> Message {
    Message::new(MessageId::from_u128(id), Device::new(device).unwrap(), Fingerprint::from_u64(payload))
}

fn window(sliding: bool) -> Window {
    if sliding { Window::Sliding } else { Window::FixedFromFirst }
}

/// A future that never waits for anything.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("it waits"),
    }
}

/// The rules, as slowly and plainly as they can be written.
struct Model {
    ttl: i64,
    grace: i64,
    sliding: bool,
    timeout: i64,
    records: HashMap<u128, Known>,
    reservations: u32,
}

struct Known {
    message: Message,
    first: i64,
    last: i64,
    /// The number of its reservation, while that is undecided.
    reserved: Option<u32>,
}

impl Model {
    fn observe(&mut self, message: Message, now: i64, reserve: bool) -> (Verdict, Option<u32>) {
        let id = message.id.to_u128();
        if let Some(known) = self.records.get_mut(&id) {
            let age = now - if self.sliding { known.last } else { known.first };
            let same = known.message.device == message.device && known.message.payload == message.payload;
            let first_seen = at(known.first);
            if known.reserved.is_some() && same && age >= self.timeout || age >= self.ttl + self.grace {
                // As if it had never been.
            } else if age >= self.ttl {
                if same {
                    let (last_seen, past_ttl_by) = (at(now - age), ms(age - self.ttl));
                    let number = self.begin(message, now, reserve);
                    return (Verdict::Late { last_seen, past_ttl_by }, number);
                }
            } else if !same {
                let first = FirstSeen::new(known.message.device, known.message.payload, first_seen);
                return (Verdict::Collision { first }, None);
            } else if known.reserved.is_some() {
                return (Verdict::InFlight, None);
            } else {
                known.last = now;
                let replay = message.position.is_some() && message.position == known.message.position;
                return (if replay { Verdict::Replay } else { Verdict::Duplicate { first_seen } }, None);
            }
        }
        (Verdict::Fresh, self.begin(message, now, reserve))
    }

    fn is_over(&self, known: &Known, now: i64) -> bool {
        now - if self.sliding { known.last } else { known.first } >= self.ttl + self.grace
    }

    fn begin(&mut self, message: Message, now: i64, reserve: bool) -> Option<u32> {
        self.reservations += 1;
        let reserved = reserve.then_some(self.reservations);
        self.records.insert(message.id.to_u128(), Known { message, first: now, last: now, reserved });
        reserved
    }

    fn settle(&mut self, message: Message, number: u32, now: i64, commit: bool) -> Settled {
        let id = message.id.to_u128();
        match self.records.get(&id) {
            Some(known) if known.reserved == Some(number) => {
                if commit {
                    self.records.entry(id).and_modify(|known| known.reserved = None);
                } else {
                    self.records.remove(&id);
                }
                Settled::Done
            }
            Some(known) if !self.is_over(known, now) => Settled::Taken,
            _ => {
                if commit {
                    panic!("the streams below leave no reservation for so long");
                }
                Settled::Done
            }
        }
    }
}

/// A store that fails now and then, before or after it did what it was asked.
struct Flaky {
    store: Arc<MemoryStore>,
    calls: AtomicU32,
    /// One of so many calls fails; none where it is zero.
    every: u32,
}

impl Flaky {
    fn fails(&self, after: bool) -> Result<(), StoreError> {
        let calls = if after {
            self.calls.load(Ordering::Relaxed)
        } else {
            self.calls.fetch_add(1, Ordering::Relaxed) + 1
        };
        if self.every == 0
            || !calls.is_multiple_of(self.every)
            || (calls / self.every).is_multiple_of(2) != after
        {
            return Ok(());
        }
        Err(if after {
            StoreError::no_answer("the answer is lost")
        } else {
            StoreError::unavailable("it is away")
        })
    }
}

#[async_trait]
impl DedupStore for Flaky {
    async fn put_if_absent(
        &self,
        key: MessageId,
        value: &[u8],
        keep: Duration,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.fails(false)?;
        let there = self.store.put_if_absent(key, value, keep).await;
        self.fails(true)?;
        there
    }

    async fn replace_if(
        &self,
        key: MessageId,
        expected: &[u8],
        value: &[u8],
        keep: Duration,
    ) -> Result<bool, StoreError> {
        self.fails(false)?;
        let done = self.store.replace_if(key, expected, value, keep).await;
        self.fails(true)?;
        done
    }

    async fn remove_if(&self, key: MessageId, expected: &[u8]) -> Result<bool, StoreError> {
        self.fails(false)?;
        let done = self.store.remove_if(key, expected).await;
        self.fails(true)?;
        done
    }
}

#[derive(Clone, Debug)]
struct Turn {
    machine: usize,
    id: u128,
    device: u32,
    payload: u64,
    offset: Option<u64>,
    pause: i64,
    act: Act,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    See,
    Reserve,
    Commit,
    Abort,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let act = prop_oneof![3 => Just(Act::See), 3 => Just(Act::Reserve), 2 => Just(Act::Commit), 1 => Just(Act::Abort)];
    let pause = prop_oneof![4 => Just(0_i64), 4 => 0_i64..30, 1 => 0_i64..200];
    let turn = (0_usize..3, 0_u128..6, 0_u32..2, 0_u64..2, prop::option::of(0_u64..2), pause, act).prop_map(
        |(machine, id, device, payload, offset, pause, act)| Turn {
            machine,
            id,
            device,
            payload,
            offset,
            pause,
            act,
        },
    );
    prop::collection::vec(turn, 1..150)
}

proptest! {
    #![proptest_config(crate::random::cases(500))]

    #[test]
    fn shared_store_equals_model_and_engine(
        turns in turns(),
        sliding: bool,
        grace in 0_i64..60,
        timeout in 1_i64..100,
        every in prop_oneof![Just(0_u32), 2_u32..9],
    ) {
        let settings = StoreSettings::new(ms(100))
            .with_grace(ms(grace))
            .with_window(window(sliding))
            .with_reserve_timeout(ms(timeout))
            .with_retries(200);
        let store = Arc::new(Flaky { store: Arc::default(), calls: AtomicU32::new(0), every });
        let machines: Vec<_> =
            (0..3).map(|_| StoreDeduplicator::new(Arc::clone(&store), settings).unwrap()).collect();
        let mut model =
            Model { ttl: 100, grace, sliding, timeout, records: HashMap::new(), reservations: 0 };
        let mut engine = Deduplicator::with_settings(
            &Settings::new(ms(100))
                .with_grace(ms(grace))
                .with_window(window(sliding))
                .with_reserve_timeout(ms(timeout))
                .with_positions(true),
        )
        .unwrap();
        let mut held: Vec<(Message, StoreReservation, u32, Reservation)> = Vec::new();
        let mut time = 0;
        for turn in turns {
            time += turn.pause;
            store.store.advance(Duration::from_millis(turn.pause.unsigned_abs()));
            let machine = &machines[turn.machine];
            let mut one = message(turn.id, turn.device, turn.payload);
            if let Some(offset) = turn.offset {
                one = one.with_position(Position::new(1, offset));
            }
            match turn.act {
                Act::See => {
                    let expected = model.observe(one, time, false).0;
                    prop_assert_eq!(now(machine.observe(&one, at(time))).unwrap(), expected);
                    prop_assert_eq!(engine.observe(&one, at(time)), expected);
                }
                Act::Reserve => {
                    let (expected, number) = model.observe(one, time, true);
                    let reserved = now(machine.reserve(&one, at(time))).unwrap();
                    prop_assert_eq!(reserved.verdict, expected);
                    prop_assert_eq!(reserved.reservation.is_some(), number.is_some());
                    let (verdict, own) = engine.reserve(&one, at(time));
                    prop_assert_eq!(verdict, expected);
                    if let (Some(theirs), Some(number), Some(own)) = (reserved.reservation, number, own) {
                        held.push((one, theirs, number, own));
                    }
                }
                Act::Commit | Act::Abort => {
                    // By another machine at that: a reservation is plain data.
                    let Some((one, reservation, number, own)) = held.pop() else { continue };
                    if model.records.get(&one.id.to_u128()).is_none_or(|known| model.is_over(known, time)) {
                        continue;
                    }
                    if let Act::Commit = turn.act {
                        let expected = model.settle(one, number, time, true);
                        prop_assert_eq!(now(machine.commit(&reservation)).unwrap(), expected);
                        prop_assert_eq!(engine.commit(own).is_ok(), expected == Settled::Done);
                    } else {
                        model.settle(one, number, time, false);
                        now(machine.abort(&reservation)).unwrap();
                        let _ = engine.abort(own);
                    }
                }
            }
        }
        prop_assert_eq!(machines[0].troubles().untracked, 0);
    }

    #[test]
    fn any_bytes_round_trip_or_are_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        good: bool,
        position: bool,
    ) {
        let mut bytes = bytes;
        if good {
            bytes.resize(if position { 50 } else { 38 }, 7);
            bytes[..2].copy_from_slice(&[1, u8::from(position) * 2]);
            for at in [5, 21, 20, 29, 28] {
                bytes[at] = 0;
            }
        }
        match StoredRecord::from_bytes(&bytes) {
            Ok(record) => prop_assert_eq!(record.to_bytes(), bytes),
            Err(error) => {
                prop_assert!(!good, "{}", error);
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}

#[test]
fn a_b_a_collides_and_the_first_stays() {
    let dedup = StoreDeduplicator::new(MemoryStore::default(), StoreSettings::new(ms(1000))).unwrap();
    let (a, b) = (message(1, 1, 5), message(1, 2, 5));
    let first = FirstSeen::new(a.device, a.payload, at(0));
    assert_eq!(now(dedup.observe(&a, at(0))).unwrap(), Verdict::Fresh);
    for time in 1..4 {
        assert_eq!(now(dedup.observe(&b, at(time))).unwrap(), Verdict::Collision { first });
        assert_eq!(now(dedup.observe(&a, at(time))).unwrap(), Verdict::Duplicate { first_seen: at(0) });
    }
}

#[test]
fn a_clock_that_runs_back_forgets_nothing() {
    for sliding in [false, true] {
        let settings = StoreSettings::new(ms(1000)).with_window(window(sliding));
        let dedup = StoreDeduplicator::new(MemoryStore::default(), settings).unwrap();
        let one = message(1, 1, 5);
        assert_eq!(now(dedup.observe(&one, at(0))).unwrap(), Verdict::Fresh);
        for time in [-1, -1_000_000, 0] {
            assert_eq!(now(dedup.observe(&one, at(time))).unwrap(), Verdict::Duplicate { first_seen: at(0) });
        }
        let extremes = [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC, DateTime::<Utc>::MIN_UTC];
        for time in extremes {
            now(dedup.observe(&one, time)).unwrap();
        }
    }
}

#[test]
fn record_is_kept_while_it_decides() {
    let settings = StoreSettings::new(ms(100)).with_grace(ms(50));
    let dedup = StoreDeduplicator::new(MemoryStore::default(), settings).unwrap();
    assert_eq!(now(dedup.observe(&message(1, 1, 5), at(0))).unwrap(), Verdict::Fresh);
    dedup.store().advance(Duration::from_millis(149));
    let late = Verdict::Late { last_seen: at(0), past_ttl_by: ms(49) };
    assert_eq!(now(dedup.observe(&message(1, 1, 5), at(149))).unwrap(), late);
    dedup.store().advance(Duration::from_millis(151));
    assert!(dedup.store().is_empty());
}

#[test]
fn commit_of_a_forgotten_id_is_kept() {
    let dedup = StoreDeduplicator::new(MemoryStore::default(), StoreSettings::new(ms(1000))).unwrap();
    let one = message(1, 1, 5);
    let reservation = now(dedup.reserve(&one, at(0))).unwrap().reservation.unwrap();
    dedup.store().advance(Duration::from_secs(60));
    assert_eq!(now(dedup.commit(&reservation)).unwrap(), Settled::Done);
    assert_eq!(now(dedup.commit(&reservation)).unwrap(), Settled::Done);
    assert!(now(dedup.observe(&one, at(1))).unwrap().drops());
    assert_eq!(reservation.id(), one.id);
}

#[test]
fn full_store_leaves_untracked() {
    let dedup = StoreDeduplicator::new(MemoryStore::with_room(1), StoreSettings::new(ms(1000))).unwrap();
    assert_eq!(now(dedup.observe(&message(1, 1, 5), at(0))).unwrap(), Verdict::Fresh);
    for time in 1..3 {
        let reserved = now(dedup.reserve(&message(2, 1, 5), at(time))).unwrap();
        assert_eq!(reserved.verdict, Verdict::Untracked);
        assert_eq!(reserved.reservation, None);
    }
    assert!(now(dedup.observe(&message(1, 1, 5), at(3))).unwrap().drops());
    let troubles = dedup.troubles();
    assert_eq!(troubles.untracked, 2);
    assert_eq!(troubles.last.map(|error| error.kind()), Some(StoreErrorKind::Full));
}

#[test]
fn away_store_drops_no_message() {
    for error in [StoreError::unavailable("away"), StoreError::refused("no"), StoreError::no_answer("late")] {
        let tries = if error.is_transient() { 3 } else { 1 };
        for policy in [WhenUnavailable::Fail, WhenUnavailable::PassUntracked] {
            let mut store = MockDedupStore::new();
            let given = error.clone();
            store.expect_put_if_absent().times(tries).returning(move |_, _, _| Err(given.clone()));
            let settings = StoreSettings::new(ms(1000)).with_retries(2).with_when_unavailable(policy);
            let dedup = StoreDeduplicator::new(store, settings).unwrap();
            let seen = now(dedup.observe(&message(1, 1, 5), at(0)));
            match policy {
                WhenUnavailable::Fail => assert_eq!(seen.unwrap_err().kind(), error.kind()),
                _ => assert_eq!(seen.unwrap(), Verdict::Untracked),
            }
            assert_eq!(dedup.troubles().untracked, u64::from(policy != WhenUnavailable::Fail));
        }
    }
}

#[test]
fn unreadable_record_is_not_overwritten() {
    let store = MemoryStore::default();
    let one = message(1, 1, 5);
    now(store.put_if_absent(one.id, b"1", Duration::from_secs(9))).unwrap();
    let dedup = StoreDeduplicator::new(store, StoreSettings::new(ms(1000))).unwrap();
    let error = now(dedup.observe(&one, at(0))).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unreadable);
    assert!(error.to_string().contains("the record of 00000000000000000000000001"), "{error}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("version 49"), "{cause}");
}

#[test]
fn contended_record_ends_in_an_error() {
    let mut store = MockDedupStore::new();
    let old = Arc::new(Mutex::new(None::<Vec<u8>>));
    store.expect_put_if_absent().returning(move |_, value, _| {
        // Reserved long ago, by somebody else.
        let mut bytes = old.lock().unwrap().get_or_insert_with(|| value.to_vec()).clone();
        bytes[1] |= 1;
        bytes[14..30].copy_from_slice(&[0; 16]);
        bytes[30] ^= 1;
        Ok(Some(bytes))
    });
    store.expect_replace_if().times(16).returning(|_, _, _, _| Ok(false));
    let dedup = StoreDeduplicator::new(store, StoreSettings::new(ms(1000))).unwrap();
    let error = now(dedup.observe(&message(1, 1, 5), at(0))).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Contended);
    assert!(error.is_transient());
}

#[test]
fn settings_that_do_not_hold_are_refused() {
    let wrong = StoreSettings::new(ms(0));
    let error = StoreDeduplicator::new(MemoryStore::default(), wrong).map(|_| ()).unwrap_err();
    assert_eq!(error, SettingsError::TooShort { field: "ttl", given: ms(0) });
}

/// A store with a fault.
struct Broken {
    store: MemoryStore,
    fault: Fault,
    first: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// Looks and then puts.
    LooksFirst,
    /// Gives back the new value.
    GivesTheNew,
    /// Cuts values at the first zero.
    CutsAtZero,
    /// Takes ids for one that differ in their last bit.
    ShortKeys,
    /// Compares lengths alone.
    ComparesLengths,
    /// Replaces what is not there.
    ReplacesNothing,
    /// Never removes.
    KeepsAll,
    /// Keeps for ever.
    ForEver,
    /// Keeps for no time.
    ForNoTime,
    /// A value that is replaced keeps its time.
    OldTime,
    /// Every racer replaces.
    ReplacesTwice,
}

impl Broken {
    fn key(&self, key: MessageId) -> MessageId {
        let mask = if self.fault == Fault::ShortKeys { !1 } else { !0 };
        MessageId::from_u128(key.to_u128() & mask)
    }

    fn value<'a>(&self, value: &'a [u8]) -> &'a [u8] {
        let cut = value.iter().position(|byte| *byte == 0).filter(|_| self.fault == Fault::CutsAtZero);
        &value[..cut.unwrap_or(value.len())]
    }

    fn keep(&self, keep: Duration) -> Duration {
        match self.fault {
            Fault::ForEver => Duration::from_secs(u64::MAX),
            Fault::ForNoTime => Duration::from_millis(1),
            _ => keep,
        }
    }
}

#[async_trait]
impl DedupStore for Broken {
    async fn put_if_absent(
        &self,
        key: MessageId,
        value: &[u8],
        keep: Duration,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let (key, value, keep) = (self.key(key), self.value(value), self.keep(keep));
        if self.fault == Fault::LooksFirst && !self.first.load(Ordering::Relaxed) {
            // The first time that a caller waits in between, another one comes.
            let probe = self.store.put_if_absent(key, value, keep).await?;
            let mut waited = false;
            std::future::poll_fn(|context| {
                context.waker().wake_by_ref();
                if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            return Ok(probe.filter(|there| there != &[0; 38]));
        }
        let there = self.store.put_if_absent(key, value, keep).await?;
        Ok(if self.fault == Fault::GivesTheNew { there.map(|_| value.to_vec()) } else { there })
    }

    async fn replace_if(
        &self,
        key: MessageId,
        expected: &[u8],
        value: &[u8],
        keep: Duration,
    ) -> Result<bool, StoreError> {
        let (key, expected, value) = (self.key(key), self.value(expected), self.value(value));
        match self.fault {
            Fault::ComparesLengths => {
                let there = self.store.put_if_absent(key, expected, keep).await?;
                let there = there.filter(|there| there.len() == expected.len());
                if there.is_none() {
                    self.store.remove_if(key, expected).await?;
                }
                let there = there.unwrap_or_else(|| expected.to_vec());
                self.store.replace_if(key, &there, value, keep).await
            }
            Fault::ReplacesNothing => {
                let absent = self.store.put_if_absent(key, value, keep).await?.is_none();
                Ok(absent || self.store.replace_if(key, expected, value, keep).await?)
            }
            Fault::OldTime => self.store.replace_if(key, expected, value, Duration::from_millis(1)).await,
            Fault::ReplacesTwice => {
                Ok(self.store.replace_if(key, expected, value, keep).await? || expected == [0; 38])
            }
            _ => self.store.replace_if(key, expected, value, self.keep(keep)).await,
        }
    }

    async fn remove_if(&self, key: MessageId, expected: &[u8]) -> Result<bool, StoreError> {
        if self.fault == Fault::KeepsAll {
            return Ok(true);
        }
        self.store.remove_if(self.key(key), self.value(expected)).await
    }
}

#[test]
fn conformance_finds_each_broken_store() {
    use conformance::Rule::{Atomic, Bytes, Compare, Expiry, Keys, Presence};
    for (fault, rule) in [
        (Fault::None, None),
        (Fault::LooksFirst, Some(Atomic)),
        (Fault::GivesTheNew, Some(Bytes)),
        (Fault::CutsAtZero, Some(Bytes)),
        (Fault::ShortKeys, Some(Keys)),
        (Fault::ComparesLengths, Some(Compare)),
        (Fault::ReplacesNothing, Some(Presence)),
        (Fault::KeepsAll, Some(Compare)),
        (Fault::ForEver, Some(Expiry)),
        (Fault::ForNoTime, Some(Expiry)),
        (Fault::OldTime, Some(Expiry)),
        (Fault::ReplacesTwice, Some(Atomic)),
    ] {
        let store = Broken { store: MemoryStore::default(), fault, first: AtomicBool::new(false) };
        let unused = MessageId::from_u128(0x51AB << 40);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let violations = runtime.block_on(async {
            let mut found = conformance::operations(&store, unused).await.unwrap();
            found.extend(conformance::races(&store, unused).await.unwrap());
            // As `operations` leaves them, where a store keeps all.
            let unused = MessageId::from_u128(0x51AC << 40);
            found.extend(
                conformance::expiry(&store, unused, async |time| store.store.advance(time)).await.unwrap(),
            );
            found
        });
        match rule {
            None => {
                assert_eq!(violations, []);
                assert!(store.store.is_empty());
            }
            Some(rule) => {
                assert!(violations.iter().any(|found| found.rule == rule), "{fault:?}: {violations:?}");
                assert!(violations[0].to_string().starts_with(violations[0].method));
            }
        }
    }
}
