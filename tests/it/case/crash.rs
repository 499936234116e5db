//! Workers that stop at every await, over each built-in runbook with an act.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::case::{
    Case, CaseList, CaseStore, Filter, Happened, HistoryEntry, Lease, Leased, MemoryCases, Message, NewCase,
    Outcome, Save, State, StoreError, Worker,
};
use iot_runbook::catalog;
use iot_runbook::check::{CheckRequest, Checks, CustomCheck};
use iot_runbook::diagnosis::{
    ActReport, ActRequest, Alert, Approval, ApprovalRequest, AskRequest, Diagnosis, DiagnosisId, Recorded,
    RecordedValue, Reply,
};
use iot_runbook::driver::{Actuator, Asked, Driver, Operator, SimulatedTimer};
use iot_runbook::fact::{Kind, Observation};
use iot_runbook::probe::{ProbeError, Probes};
use iot_runbook::runbook::RunbookSet;
use iot_runbook::runbook::step::Query;
use iot_runbook::time::{Clock, ManualClock};

use super::block_on;
use crate::deepest::NOW;
use crate::memory::turn;
use crate::model::World;
use crate::player::begin;

/// Read once: a test makes thousands of plants.
static SET: LazyLock<RunbookSet> = LazyLock::new(|| catalog::set().unwrap());

/// Answers a check as a world does.
struct Drawn {
    world: World,
    query: Query,
    asked: Mutex<usize>,
}

#[async_trait]
impl CustomCheck for Drawn {
    async fn observe(&self, request: &CheckRequest<'_>) -> Result<Observation, ProbeError> {
        turn(1).await;
        let nth = {
            let mut asked = self.asked.lock().unwrap();
            *asked += 1;
            *asked
        };
        Ok(match self.world.value(&self.query, nth, request.now()) {
            Ok(value) => Observation::known(value, request.now(), "world"),
            Err(reason) => Observation::unknown(reason, "world", ""),
        })
    }
}

/// A store over memory that lets others go before and after each call, and may fail calls.
struct Slow {
    store: MemoryCases,
    calls: Mutex<u32>,
    /// The number of the write that fails, and whether it takes effect all the same.
    fails: Option<(u32, bool)>,
}

impl Slow {
    /// Whether this write fails, and takes effect.
    fn next_write(&self) -> Option<bool> {
        let mut calls = self.calls.lock().unwrap();
        *calls += 1;
        self.fails.filter(|(fails, _)| *fails == *calls).map(|(_, takes_effect)| takes_effect)
    }

    async fn write<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        turn(1).await;
        let fails = self.next_write();
        let done = if fails == Some(false) { None } else { Some(work.await) };
        turn(1).await;
        match (fails, done) {
            (None, Some(done)) => done,
            _ => Err(StoreError::unavailable("write", std::io::Error::other("gone"))),
        }
    }
}

#[async_trait]
impl CaseStore for Slow {
    async fn insert(&self, case: NewCase, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.store.insert(case, now).await
    }

    async fn load(&self, id: DiagnosisId) -> Result<Option<Case>, StoreError> {
        self.store.load(id).await
    }

    async fn due(
        &self,
        worker: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<Leased>, StoreError> {
        self.write(self.store.due(worker, now, until, limit)).await
    }

    async fn renew(&self, lease: &Lease, until: DateTime<Utc>) -> Result<(), StoreError> {
        self.store.renew(lease, until).await
    }

    async fn save(&self, lease: &Lease, save: Save, now: DateTime<Utc>) -> Result<u64, StoreError> {
        self.write(self.store.save(lease, save, now)).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        self.store.release(lease).await
    }

    async fn deliver(
        &self,
        id: DiagnosisId,
        message: Message,
        now: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        self.store.deliver(id, message, now).await
    }

    async fn list(&self, filter: &Filter, limit: usize) -> Result<CaseList, StoreError> {
        self.store.list(filter, limit).await
    }

    async fn history(&self, id: DiagnosisId) -> Result<Vec<HistoryEntry>, StoreError> {
        self.store.history(id).await
    }
}

/// An actuator that remembers its keys, and that only accepts acts that the store knows of.
struct Hands {
    store: Arc<Slow>,
    /// How often each key was done, and how often it came.
    keys: Mutex<BTreeMap<String, (u32, u32)>>,
}

#[async_trait]
impl Actuator for Hands {
    async fn act(&self, request: &ActRequest) -> ActReport {
        let case = block_on(self.store.load(request.diagnosis())).unwrap().unwrap();
        let saved = case.records.iter().any(
            |record| matches!(&record.what, Recorded::ActBegan { request: id, .. } if *id == request.id),
        );
        assert!(saved, "{} was begun and is not saved", request.idempotency_key());
        turn(1).await;
        {
            let mut keys = self.keys.lock().unwrap();
            let (done, came) = keys.entry(request.idempotency_key()).or_default();
            *came += 1;
            *done = 1;
        }
        turn(1).await;
        ActReport::done("hands")
    }
}

/// An operator who only hears alerts that the store knows of.
struct Desk {
    store: Arc<Slow>,
    /// The numbers of the alerts that came, and of those that were delivered.
    came: Mutex<BTreeSet<u32>>,
    delivered: Mutex<BTreeSet<u32>>,
}

#[async_trait]
impl Operator for Desk {
    async fn approve(&self, _: &ApprovalRequest) -> Option<Approval> {
        panic!("approvals come through the store")
    }

    async fn answer(&self, _: &AskRequest) -> Option<Reply> {
        panic!("answers come through the store")
    }

    async fn tell(&self, alert: &Alert) {
        let case = block_on(self.store.load(alert.diagnosis())).unwrap().unwrap();
        assert!(alerts(&case) > alert.number() as usize, "{alert:?} was begun and is not saved");
        assert!(!matches!(case.state, State::Ended(_)), "{alert:?} came after the end");
        self.came.lock().unwrap().insert(alert.number());
        turn(2).await;
        self.delivered.lock().unwrap().insert(alert.number());
    }
}

/// How many alerts the saved records have.
fn alerts(case: &Case) -> usize {
    case.records.iter().filter(|record| matches!(record.what, Recorded::Alerted { .. })).count()
}

struct Plant {
    clock: Arc<ManualClock>,
    store: Arc<Slow>,
    hands: Arc<Hands>,
    desk: Arc<Desk>,
    worker: Worker,
    set: RunbookSet,
    id: DiagnosisId,
    /// The numbers of the messages that the store acknowledged.
    delivered: BTreeSet<u64>,
}

impl Plant {
    fn new(runbook: &str, seed: u64, fails: Option<(u32, bool)>) -> Self {
        let set = SET.clone();
        let clock = Arc::new(ManualClock::new(NOW));
        let store = Arc::new(Slow { store: MemoryCases::new(), calls: Mutex::new(0), fails });
        let hands = Arc::new(Hands { store: store.clone(), keys: Mutex::default() });
        let (came, delivered) = (Mutex::default(), Mutex::default());
        let desk = Arc::new(Desk { store: store.clone(), came, delivered });
        let mut checks = Checks::none();
        let world = World { seed, unknowns: 0, news: 0 };
        for query in set.queries() {
            if checks.find(&query.check).is_none() {
                let drawn = Drawn { world, query: query.clone(), asked: Mutex::new(0) };
                checks.register(&*query.check, query.domain.clone(), query.scope, Arc::new(drawn)).unwrap();
            }
        }
        let timer = Arc::new(SimulatedTimer::new(clock.clone()));
        let driver = Driver::new(&set, &checks, Probes::new(), timer)
            .unwrap()
            .with_clock(clock.clone())
            .with_actuator(hands.clone())
            .with_operator(desk.clone());
        let worker = Worker::new("w", store.clone(), driver).with_lease(Duration::from_secs(3));
        let diagnosis = begin(&set, runbook, NOW);
        let id = diagnosis.id();
        block_on(store.insert(NewCase::of(&diagnosis), NOW)).unwrap();
        Self { clock, store, hands, desk, worker, set, id, delivered: BTreeSet::new() }
    }

    fn case(&self) -> Case {
        block_on(self.store.load(self.id)).unwrap().unwrap()
    }

    fn has_ended(&self) -> bool {
        matches!(self.case().state, State::Ended(_))
    }

    /// One turn, polled so often at the most, then dropped. Returns how many polls are left.
    fn turn(&mut self, polls: usize) -> usize {
        let mut left = polls;
        {
            let mut work = pin!(self.worker.turn());
            let mut context = Context::from_waker(Waker::noop());
            while left > 0 {
                left -= 1;
                if work.as_mut().poll(&mut context).is_ready() {
                    break;
                }
            }
        }
        self.answer();
        left
    }

    /// People answer what they are asked, and time passes until the case is due.
    fn answer(&mut self) {
        let case = self.case();
        if let State::Asking(asked) = &case.state {
            for asked in asked {
                let message = match asked {
                    Asked::Approval(request) => Message::Approval(request.grant("ann")),
                    Asked::Question(request) => {
                        Message::reply(request.id, any_of(request.domain().kind()), "ann")
                    }
                };
                self.delivered
                    .insert(block_on(self.store.deliver(self.id, message, self.clock.now())).unwrap());
            }
        }
        let due = self.case().due_at.unwrap_or_else(|| self.clock.now());
        let until_due = (due - self.clock.now()).max(TimeDelta::zero());
        // Whatever lease there was expires.
        self.clock.advance(until_due + TimeDelta::seconds(4));
    }

    fn finish(mut self) -> Self {
        for _ in 0..10_000 {
            if self.has_ended() {
                return self;
            }
            self.turn(usize::MAX);
        }
        panic!("it does not end: {:?}", self.case().state);
    }

    fn check(&self, what: &str) {
        let case = self.case();
        let bundle = case.bundle().unwrap();
        let ended = Diagnosis::resume(&bundle, &self.set).unwrap();
        assert_eq!(State::Ended(Box::new(ended.finding().unwrap())), case.state, "{what}");
        // Every act that was ever begun is in the trace once, under the key that it was done by.
        let began =
            case.records.iter().filter(|record| matches!(record.what, Recorded::ActBegan { .. })).count();
        let keys = self.hands.keys.lock().unwrap();
        assert_eq!(keys.len(), began, "{what}: {keys:?}");
        // Every alert that came due was delivered.
        let delivered: BTreeSet<u32> = (0..).take(alerts(&case)).collect();
        assert_eq!(*self.desk.delivered.lock().unwrap(), delivered, "{what}");
        assert_eq!(*self.desk.came.lock().unwrap(), delivered, "{what}");
        // Every answer that was acknowledged was handled once, and each that was taken is in the trace.
        let mut handled = BTreeMap::new();
        for entry in block_on(self.store.history(self.id)).unwrap() {
            if let Happened::Handled { number, outcome } = entry.what {
                assert!(
                    handled.insert(number, outcome).is_none(),
                    "{what}: message {number} was handled twice"
                );
            }
        }
        let left: BTreeSet<u64> = case.inbox.iter().map(|(number, _)| *number).collect();
        let all: BTreeSet<u64> = handled.keys().copied().chain(left).collect();
        assert_eq!(all, self.delivered, "{what}");
        let taken = handled.values().filter(|outcome| **outcome == Outcome::Taken).count();
        let answered = case.records.iter().filter(|record| {
            matches!(record.what, Recorded::Approved { .. } | Recorded::PersonAnswered { .. })
        });
        assert_eq!(taken, answered.count(), "{what}");
    }
}

fn any_of(kind: &Kind) -> RecordedValue {
    match kind {
        Kind::Flag => RecordedValue::Flag(true),
        Kind::Count => RecordedValue::Count(1),
        Kind::Number => RecordedValue::Number("1".into()),
        Kind::Duration => RecordedValue::Duration("1m".into()),
        _ => RecordedValue::Absent,
    }
}

/// Worlds in which each built-in runbook that acts does so after a person's approval, and one in which an alert is raised.
static WORLDS: LazyLock<Vec<(&'static str, u64)>> = LazyLock::new(|| {
    let mut found = Vec::new();
    // No step of `data-gap` acts.
    for runbook in ["device-offline", "certificate-expiry"] {
        let acts = |seed: &u64| {
            let plant = Plant::new(runbook, *seed, None).finish();
            let keys = plant.hands.keys.lock().unwrap().len();
            keys > 0 && !plant.delivered.is_empty()
        };
        found.extend((0..2_000).find(acts).map(|seed| (runbook, seed)));
    }
    assert_eq!(found.len(), 2, "a runbook whose act no world comes to: {found:?}");
    let runbook = "certificate-expiry";
    let alerts = |seed: &u64| alerts(&Plant::new(runbook, *seed, None).finish().case()) > 0;
    found.extend((0..2_000).find(alerts).map(|seed| (runbook, seed)));
    assert_eq!(found.len(), 3, "no world raises an alert: {found:?}");
    found
});

#[test]
fn a_stop_at_any_await_repeats_no_act_and_loses_no_alert() {
    let mut repeated = 0;
    for &(runbook, seed) in &*WORLDS {
        // Stops after so many polls in each turn of the first part of its life; the rest is run whole.
        for polls in 1..400 {
            let mut plant = Plant::new(runbook, seed, None);
            let mut left = polls;
            while left > 0 && !plant.has_ended() {
                left = plant.turn(left);
            }
            let is_through = plant.has_ended();
            let plant = plant.finish();
            plant.check(&format!("{runbook}, seed {seed}, stopped after {polls} polls"));
            repeated += plant.hands.keys.lock().unwrap().values().filter(|(_, came)| *came > 1).count();
            if is_through {
                break;
            }
        }
    }
    assert!(repeated > 0, "no act was stopped half way: the test has missed what it is for");
}

#[test]
fn any_write_may_fail_and_nothing_is_lost_or_repeated() {
    for &(runbook, seed) in &*WORLDS {
        for takes_effect in [false, true] {
            for write in 1..60 {
                let plant = Plant::new(runbook, seed, Some((write, takes_effect))).finish();
                plant.check(&format!("{runbook}, seed {seed}, write {write} failed, {takes_effect}"));
                if *plant.store.calls.lock().unwrap() < write {
                    break;
                }
            }
        }
    }
}
