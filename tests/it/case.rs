//! Durable cases: the store in memory, and workers that stop anywhere.

mod corpus;
mod crash;
mod model;

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::case::{
    AfterSave, Case, CaseList, CaseStore, DamagedCase, Filter, HistoryEntry, Lease, Leased, MemoryCases,
    Message, NewCase, Outcome, Save, State, StateKind, StoreError, Worker, conformance,
};
use iot_runbook::catalog;
use iot_runbook::check::Checks;
use iot_runbook::diagnosis::{
    Alert, Anomaly, Approval, ApprovalRequest, AskRequest, Bundle, Diagnosis, DiagnosisId, Increment, Record,
    Recorded, Reply,
};
use iot_runbook::driver::{Asked, Driver, Operator, SimulatedTimer};
use iot_runbook::probe::Probes;
use iot_runbook::runbook::RunbookSet;
use iot_runbook::runbook::document::Document;
use iot_runbook::subject::{Subject, Trigger};
use iot_runbook::time::{Clock, ManualClock};
use proptest::prelude::*;
use ulid::Ulid;

use crate::deepest::NOW;
use crate::model::World;
use crate::player::{begin, play};
use crate::random::cases;

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn increments_are_the_bundle(seed: u64, unknowns in 0_u64..8, news in 0_usize..3) {
        let set = catalog::set().unwrap();
        for runbook in ["device-offline", "data-gap", "certificate-expiry"] {
            let diagnosis = begin(&set, runbook, NOW);
            let opening = diagnosis.opening();
            let mut saved = opening.save_point();
            let mut records = Vec::new();
            let world = World { seed, unknowns, news };
            play(diagnosis, world, |diagnosis| {
                let increment = diagnosis.increment_since(&saved);
                records.extend(increment.records);
                saved = increment.to;
                let bundle = Bundle::assemble(&opening, &saved, records.clone()).unwrap();
                assert_eq!(bundle, diagnosis.bundle());
                Diagnosis::resume(&bundle, &set).unwrap()
            });
        }
    }
}

#[test]
fn changed_records_are_damage() {
    let set = catalog::set().unwrap();
    let diagnosis =
        play(begin(&set, "device-offline", NOW), World { seed: 3, unknowns: 0, news: 0 }, |same| same);
    let opening = diagnosis.opening();
    let increment = diagnosis.increment_since(&opening.save_point());
    for at in 0..increment.records.len() {
        let mut records = increment.records.clone();
        records[at].at += TimeDelta::seconds(1);
        assert!(Bundle::assemble(&opening, &increment.to, records).is_err(), "record {at}");
        let mut records = increment.records.clone();
        records.remove(at);
        assert!(Bundle::assemble(&opening, &increment.to, records).is_err(), "without record {at}");
    }
}

#[test]
fn the_memory_store_conforms() {
    let violations = block_on(conformance::check(&MemoryCases::new(), NOW));
    assert!(violations.is_empty(), "{violations:#?}");
}

/// A store that breaks one rule.
struct Broken {
    store: MemoryCases,
    fault: u32,
    leases: AtomicU32,
}

const FAULTS: u32 = 11;
/// These break no rule: it is away when the cases are listed for the first time, or when the due ones are.
const AWAY: u32 = 12;
const AWAY_WHEN_DUE: u32 = 13;

#[async_trait]
impl CaseStore for Broken {
    async fn insert(&self, case: NewCase, now: DateTime<Utc>) -> Result<(), StoreError> {
        let inserted = self.store.insert(case, now).await;
        if self.fault == 0 { Ok(()) } else { inserted }
    }

    async fn load(&self, id: DiagnosisId) -> Result<Option<Case>, StoreError> {
        let mut case = self.store.load(id).await?;
        if let Some(case) = case.as_mut().filter(|_| self.fault == 1) {
            case.inbox.clear();
        }
        Ok(case)
    }

    async fn due(
        &self,
        worker: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<Leased>, StoreError> {
        if self.fault == AWAY_WHEN_DUE && self.leases.swap(u32::MAX, Ordering::Relaxed) != u32::MAX {
            return Err(StoreError::Unavailable { what: "lease cases".into(), source: None });
        }
        let limit = if self.fault == 2 { limit + 1 } else { limit };
        let mut due = self.store.due(worker, now, until, limit).await?;
        if self.fault == 3 {
            due.reverse();
        }
        Ok(due)
    }

    async fn renew(&self, lease: &Lease, until: DateTime<Utc>) -> Result<(), StoreError> {
        if self.fault == 4 { Ok(()) } else { self.store.renew(lease, until).await }
    }

    async fn save(&self, lease: &Lease, mut save: Save, now: DateTime<Utc>) -> Result<u64, StoreError> {
        match self.fault {
            // Optimistic versions are ignored.
            5 => {
                if let Some(case) = self.store.load(lease.case).await? {
                    save.version = case.version;
                    save.increment.from = case.saved.records;
                }
            }
            // A message that comes during a run does not wake the case.
            6 => save.seen = u64::MAX,
            7 => save.then = AfterSave::HoldUntil(now + TimeDelta::days(1)),
            _ => {}
        }
        self.store.save(lease, save, now).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        if self.fault == 8 { Ok(()) } else { self.store.release(lease).await }
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
        if self.fault == AWAY && self.leases.swap(u32::MAX, Ordering::Relaxed) != u32::MAX {
            return Err(StoreError::Unavailable { what: "list cases".into(), source: None });
        }
        self.store.list(filter, limit).await
    }

    async fn history(&self, id: DiagnosisId) -> Result<Vec<HistoryEntry>, StoreError> {
        self.store.history(id).await
    }

    async fn outcome(&self, id: DiagnosisId, message: u64) -> Result<Option<Outcome>, StoreError> {
        let outcome = self.store.outcome(id, message).await?;
        Ok(match self.fault {
            // Of any message, and never why.
            9 => outcome.map(|_| Outcome::Taken),
            10 => self.store.outcome(id, 1).await?,
            _ => outcome,
        })
    }
}

#[test]
fn the_suite_finds_broken_stores() {
    for fault in 0..=FAULTS {
        let broken = Broken { store: MemoryCases::new(), fault, leases: AtomicU32::new(0) };
        let violations = block_on(conformance::check(&broken, NOW));
        assert_eq!(violations.is_empty(), fault == FAULTS, "fault {fault}: {violations:#?}");
    }
}

/// A store in which some cases can't be read, and what it does about them.
struct Damaged {
    store: MemoryCases,
    ids: Mutex<Vec<DiagnosisId>>,
    fault: u32,
}

impl Damaged {
    fn is_damaged(&self, id: DiagnosisId) -> bool {
        self.ids.lock().unwrap().contains(&id)
    }

    fn error(id: DiagnosisId) -> StoreError {
        StoreError::Damaged { case: id.to_string(), why: "no JSON".into() }
    }
}

#[async_trait]
impl CaseStore for Damaged {
    async fn insert(&self, case: NewCase, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.store.insert(case, now).await
    }

    async fn load(&self, id: DiagnosisId) -> Result<Option<Case>, StoreError> {
        match self.is_damaged(id) {
            true if self.fault == 0 => Ok(None),
            true => Err(Self::error(id)),
            false => self.store.load(id).await,
        }
    }

    async fn due(
        &self,
        worker: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<Leased>, StoreError> {
        let mut due = self.store.due(worker, now, until, limit).await?;
        if self.fault == 1 && due.iter().any(|leased| self.is_damaged(leased.case.id())) {
            return Err(Self::error(due[0].case.id()));
        }
        due.retain(|leased| !self.is_damaged(leased.case.id()));
        Ok(due)
    }

    async fn renew(&self, lease: &Lease, until: DateTime<Utc>) -> Result<(), StoreError> {
        self.store.renew(lease, until).await
    }

    async fn save(&self, lease: &Lease, save: Save, now: DateTime<Utc>) -> Result<u64, StoreError> {
        self.store.save(lease, save, now).await
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
        if self.fault == 2 && self.is_damaged(id) {
            return Err(Self::error(id));
        }
        self.store.deliver(id, message, now).await
    }

    async fn list(&self, filter: &Filter, limit: usize) -> Result<CaseList, StoreError> {
        let mut list = self.store.list(filter, limit).await?;
        let damaged: Vec<_> = list.cases.iter().map(Case::id).filter(|id| self.is_damaged(*id)).collect();
        match damaged.first() {
            // One hides the others; it is lost; it ends the list.
            Some(first) if self.fault == 3 => return Err(Self::error(*first)),
            Some(_) if self.fault == 4 => list.cases.retain(|case| !self.is_damaged(case.id())),
            Some(_) if self.fault == 5 => list.next = None,
            _ => {}
        }
        if self.fault != 4 {
            list.cases.retain(|case| !self.is_damaged(case.id()));
            list.damaged = damaged.into_iter().map(|id| DamagedCase::new(id, "no JSON")).collect();
        }
        Ok(list)
    }

    async fn history(&self, id: DiagnosisId) -> Result<Vec<HistoryEntry>, StoreError> {
        self.store.history(id).await
    }
}

#[test]
fn the_suite_finds_stores_that_hide_damage() {
    for fault in 0..=6 {
        let store = Damaged { store: MemoryCases::new(), ids: Mutex::default(), fault };
        let damage = async |id| store.ids.lock().unwrap().push(id);
        let violations = block_on(conformance::check_damage(&store, NOW, damage));
        assert_eq!(violations.is_empty(), fault == 6, "fault {fault}: {violations:#?}");
    }
}

/// A runbook that waits, whose conclusion is of that title.
fn waiting(version: u32, length: &str) -> iot_runbook::Runbook {
    let text = format!(
        "name = \"rest\"\nversion = {version}\ntitle = \"Rest\"\nstart = \"rest\"\n\
         [steps.rest]\ntitle = \"Rest\"\nwait = {{ for = \"{length}\" }}\nto = \"call\"\n\
         [conclusions.call]\ntitle = \"Call\"\nseverity = \"info\"\n"
    );
    Document::from_toml(&text).unwrap().validate().unwrap()
}

struct Rest<S = MemoryCases> {
    clock: Arc<ManualClock>,
    store: Arc<S>,
}

impl Rest {
    fn new() -> Self {
        Self { clock: Arc::new(ManualClock::new(NOW)), store: Arc::new(MemoryCases::new()) }
    }
}

impl<S: CaseStore + 'static> Rest<S> {
    fn worker(&self, runbooks: impl IntoIterator<Item = iot_runbook::Runbook>) -> (RunbookSet, Worker) {
        let set = RunbookSet::new(runbooks).unwrap();
        let timer = Arc::new(SimulatedTimer::new(self.clock.clone()));
        let driver = Driver::new(&set, &Checks::builtin(), Probes::new(), timer).unwrap();
        let worker = Worker::new("w", self.store.clone(), driver.with_clock(self.clock.clone()));
        (set, worker)
    }

    fn begin(&self, set: &RunbookSet) -> DiagnosisId {
        let trigger = Trigger::new("alarm", self.clock.now());
        let begun =
            Diagnosis::new(Ulid(1), set, "rest", Subject::device("d"), trigger, self.clock.now()).unwrap();
        block_on(self.store.insert(NewCase::of(&begun), self.clock.now())).unwrap();
        begun.id()
    }

    fn turn(&self, worker: &Worker, id: DiagnosisId) -> State {
        let turn = block_on(worker.turn()).unwrap();
        assert!(turn.failed.is_empty(), "{turn:?}");
        block_on(self.store.load(id)).unwrap().unwrap().state
    }
}

#[test]
fn upgraded_runbook_ends_on_its_own_version() {
    let rest = Rest::new();
    let (set, old) = rest.worker([waiting(1, "1h")]);
    let id = rest.begin(&set);
    assert_eq!(rest.turn(&old, id).kind(), StateKind::Waiting);
    rest.clock.advance(TimeDelta::hours(1));
    // A worker that has only the new version keeps it, and says what is missing.
    let (_, new) = rest.worker([waiting(2, "2h")]);
    let State::Stuck { why } = rest.turn(&new, id) else { panic!("it went on") };
    assert!(why.contains("add the version and thresholds that it was begun with"), "{why}");
    // It rests, and then ends where a set has both.
    let (_, both) = rest.worker([waiting(2, "2h"), waiting(1, "1h")]);
    assert_eq!(rest.turn(&both, id).kind(), StateKind::Stuck);
    rest.clock.advance(TimeDelta::minutes(5));
    let State::Ended(finding) = rest.turn(&both, id) else { panic!("it has not ended") };
    assert_eq!(finding.conclusion(), Some("call"));
}

#[test]
fn a_stuck_case_keeps_its_messages_and_is_woken() {
    let rest = Rest::new();
    let (set, old) = rest.worker([waiting(1, "1h")]);
    let id = rest.begin(&set);
    assert_eq!(rest.turn(&old, id).kind(), StateKind::Waiting);
    let (_, new) = rest.worker([waiting(2, "2h")]);
    block_on(rest.store.deliver(id, Message::withdrawal("ann", "not needed"), rest.clock.now())).unwrap();
    assert_eq!(rest.turn(&new, id).kind(), StateKind::Stuck);
    assert_eq!(block_on(rest.store.load(id)).unwrap().unwrap().inbox.len(), 1);
    // Not again at once: who can't go on with it does not spin.
    assert!(block_on(new.turn()).unwrap().saved.is_empty());
    block_on(rest.store.deliver(id, Message::Wake, rest.clock.now())).unwrap();
    assert_eq!(rest.turn(&old, id).kind(), StateKind::Ended);
    assert!(block_on(rest.store.load(id)).unwrap().unwrap().inbox.is_empty());
}

#[test]
fn a_clock_set_back_makes_no_wait_longer() {
    for (back, wakes) in [(TimeDelta::seconds(10), false), (TimeDelta::hours(3), true)] {
        let rest = Rest::new();
        let (set, worker) = rest.worker([waiting(1, "1h")]);
        let id = rest.begin(&set);
        assert_eq!(rest.turn(&worker, id).kind(), StateKind::Waiting);
        rest.clock.advance(TimeDelta::minutes(20));
        assert!(block_on(worker.turn()).unwrap().saved.is_empty());
        rest.clock.set(rest.clock.now() - back);
        assert_eq!(block_on(worker.turn()).unwrap().saved.len(), usize::from(wakes), "{back}");
        if !wakes {
            continue;
        }
        let case = block_on(rest.store.load(id)).unwrap().unwrap();
        // What is left is counted from when it was run last: nobody knows how much of it passed since.
        assert_eq!(case.due_at, Some(rest.clock.now() + TimeDelta::hours(1)));
        let has_noted = |record: &Record| matches!(record.what, Recorded::Anomaly(Anomaly::ClockBack { .. }));
        assert!(case.records.iter().any(has_noted), "{:?}", case.records);
        // Once, and not again by this worker.
        assert!(block_on(worker.turn()).unwrap().saved.is_empty());
        rest.clock.advance(TimeDelta::hours(1));
        assert_eq!(rest.turn(&worker, id).kind(), StateKind::Ended);
    }
}

#[test]
fn cases_are_woken_when_the_store_is_back() {
    let store = Broken { store: MemoryCases::new(), fault: AWAY, leases: AtomicU32::new(0) };
    let rest = Rest { clock: Arc::new(ManualClock::new(NOW)), store: Arc::new(store) };
    let (set, worker) = rest.worker([waiting(1, "1h")]);
    let id = rest.begin(&set);
    assert_eq!(rest.turn(&worker, id).kind(), StateKind::Waiting);
    rest.clock.set(rest.clock.now() - TimeDelta::hours(1));
    assert!(block_on(worker.turn()).unwrap_err().is_transient());
    assert_eq!(block_on(worker.turn()).unwrap().saved, [(id, StateKind::Waiting)]);
}

/// A runbook whose only step is an act that a person must approve.
fn acting() -> iot_runbook::Runbook {
    let text = r#"
        name = "rest"
        version = 1
        title = "Restart"
        start = "restart"
        [steps.restart]
        act = "restart-pump"
        scope = "device"
        answer_within = "30m"
        on = { done = "done", refused = "by-hand", failed = "by-hand", expired = "by-hand" }
        [conclusions.done]
        title = "Done"
        severity = "info"
        [conclusions.by-hand]
        title = "By hand"
        severity = "critical"
    "#;
    Document::from_toml(text).unwrap().validate().unwrap()
}

#[test]
fn a_waiting_decline_wins_over_every_grant() {
    // Every inbox of up to four answers to one request.
    for (length, bits) in (1..=4).flat_map(|length| (0..1_u32 << length).map(move |bits| (length, bits))) {
        let declines: Vec<bool> = (0..length).map(|at| bits >> at & 1 == 1).collect();
        let rest = Rest::new();
        let (set, worker) = rest.worker([acting()]);
        let id = rest.begin(&set);
        let State::Asking(asked) = rest.turn(&worker, id) else { panic!("nobody is asked") };
        let [Asked::Approval(request)] = asked.as_slice() else { panic!("{asked:?}") };
        let deliver = |declines: &bool| {
            let approval = if *declines { request.decline("bob", "no") } else { request.grant("ann") };
            block_on(rest.store.deliver(id, Message::Approval(approval), rest.clock.now())).unwrap()
        };
        let numbers: Vec<u64> = declines.iter().map(deliver).collect();
        let outcome = |number| block_on(rest.store.outcome(id, number)).unwrap();
        assert!(numbers.iter().all(|number| outcome(*number).is_none()));
        rest.turn(&worker, id);
        let case = block_on(rest.store.load(id)).unwrap().unwrap();
        let acted = case.records.iter().any(|record| matches!(record.what, Recorded::ActBegan { .. }));
        assert_eq!(acted, !declines.contains(&true), "{declines:?}");
        // One answer counts: the first decline, else the first grant. The rest is refused, with a reason.
        let counts = declines.iter().position(|declines| *declines).unwrap_or(0);
        for (at, number) in numbers.into_iter().enumerate() {
            let is_taken = matches!(outcome(number), Some(Outcome::Taken));
            assert_eq!(is_taken, at == counts, "{declines:?}: {:?}", outcome(number));
        }
    }
}

#[test]
fn a_decline_after_the_act_began_is_refused() {
    let rest = Rest::new();
    let (set, worker) = rest.worker([acting()]);
    let id = rest.begin(&set);
    let State::Asking(asked) = rest.turn(&worker, id) else { panic!("nobody is asked") };
    let [Asked::Approval(request)] = asked.as_slice() else { panic!("{asked:?}") };
    let deliver = |approval| block_on(rest.store.deliver(id, Message::Approval(approval), rest.clock.now()));
    deliver(request.grant("ann")).unwrap();
    assert_eq!(rest.turn(&worker, id).kind(), StateKind::Ended);
    assert!(matches!(deliver(request.decline("bob", "no")), Err(StoreError::Ended(_))));
}

#[test]
fn short_waits_are_slept_and_long_ones_saved() {
    for (length, ended) in [("5s", true), ("6s", false)] {
        let rest = Rest::new();
        let (set, worker) = rest.worker([waiting(1, length)]);
        let id = rest.begin(&set);
        let state = rest.turn(&worker, id).kind();
        assert_eq!(state == StateKind::Ended, ended, "{length}: {state:?}");
    }
}

#[test]
fn a_worker_runs_until_it_is_stopped() {
    let rest = Rest::new();
    let (set, worker) = rest.worker([waiting(1, "1m")]);
    let id = rest.begin(&set);
    let store = rest.store;
    let mut reports = Vec::new();
    // It stops once the case has ended; its rests move the clock.
    let stop = std::future::poll_fn(|context| {
        context.waker().wake_by_ref();
        let ended = block_on(store.load(id)).unwrap().unwrap().state.kind() == StateKind::Ended;
        if ended { Poll::Ready(()) } else { Poll::Pending }
    });
    block_on(worker.run(stop, |report| reports.push(report.unwrap().1)));
    assert_eq!(reports, [StateKind::Waiting, StateKind::Ended]);
}

#[test]
fn each_step_writes_its_new_records_only() {
    // The sum of what is written is the number of records, however often it is saved.
    let set = catalog::set().unwrap();
    let mut saves = 0;
    for seed in 0..20 {
        let diagnosis = begin(&set, "device-offline", NOW);
        let mut saved = diagnosis.opening().save_point();
        let mut written = 0;
        let ended = play(diagnosis, World { seed, unknowns: 2, news: 2 }, |diagnosis| {
            let Increment { records, to, .. } = diagnosis.increment_since(&saved);
            written += records.len();
            saves += 1;
            saved = to;
            diagnosis
        });
        assert_eq!(written + ended.increment_since(&saved).records.len(), ended.trace_len());
    }
    assert!(saves > 30, "{saves}");
}

/// An operator whom no alert reaches until the channel is mended; then it counts them.
#[derive(Default)]
struct Unreachable {
    panics: bool,
    is_mended: AtomicBool,
    delivered: AtomicU32,
}

#[async_trait]
impl Operator for Unreachable {
    async fn approve(&self, _: &ApprovalRequest) -> Option<Approval> {
        None
    }

    async fn answer(&self, _: &AskRequest) -> Option<Reply> {
        None
    }

    async fn tell(&self, _: &Alert) {
        if !self.is_mended.load(Ordering::Relaxed) {
            assert!(!self.panics, "the channel is broken");
            std::future::pending::<()>().await;
        }
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }
}

/// An ended case is taken up by nobody: an alert that was not delivered by then would reach nobody.
#[test]
fn a_case_stays_open_until_its_alert_is_delivered() {
    let text = r#"
        name = "rest"
        version = 1
        title = "Rest"
        start = "rest"
        [steps.rest]
        title = "Rest"
        wait = { for = "1s" }
        to = { to = "call", alert = { severity = "critical", text = "Look at the pump." } }
        [conclusions.call]
        title = "Call"
        severity = "critical"
    "#;
    for panics in [false, true] {
        let rest = Rest::new();
        let operator = Arc::new(Unreachable { panics, ..Unreachable::default() });
        let set = RunbookSet::new([Document::from_toml(text).unwrap().validate().unwrap()]).unwrap();
        let timer = Arc::new(SimulatedTimer::new(rest.clock.clone()));
        let driver = Driver::new(&set, &Checks::builtin(), Probes::new(), timer).unwrap();
        let driver = driver.with_clock(rest.clock.clone()).with_operator(operator.clone());
        let worker = Worker::new("w", rest.store.clone(), driver);
        let id = rest.begin(&set);
        for _ in 0..3 {
            assert_eq!(rest.turn(&worker, id).kind(), StateKind::Ready, "panics: {panics}");
            let due = block_on(rest.store.load(id)).unwrap().unwrap().due_at;
            assert_eq!(due, Some(rest.clock.now() + TimeDelta::minutes(5)), "not again at once");
            rest.clock.advance(TimeDelta::minutes(5));
        }
        operator.is_mended.store(true, Ordering::Relaxed);
        let State::Ended(finding) = rest.turn(&worker, id) else { panic!("it has not ended") };
        assert_eq!((finding.conclusion(), operator.delivered.load(Ordering::Relaxed)), (Some("call"), 1));
    }
}

#[test]
fn a_worker_rests_and_goes_on_when_the_store_fails() {
    let store = Broken { store: MemoryCases::new(), fault: AWAY_WHEN_DUE, leases: AtomicU32::new(0) };
    let rest = Rest { clock: Arc::new(ManualClock::new(NOW)), store: Arc::new(store) };
    let (set, worker) = rest.worker([waiting(1, "1s")]);
    let worker = worker.with_idle(std::time::Duration::from_secs(5));
    let id = rest.begin(&set);
    let mut reports = Vec::new();
    let stop = std::future::poll_fn(|context| {
        context.waker().wake_by_ref();
        let ended = block_on(rest.store.load(id)).unwrap().unwrap().state.kind() == StateKind::Ended;
        if ended { Poll::Ready(()) } else { Poll::Pending }
    });
    let report = |report: Result<_, StoreError>| reports.push((report.is_ok(), rest.clock.now() - NOW));
    block_on(worker.run(stop, report));
    // It is tried again after a rest; the wait of the case has passed by then.
    assert_eq!(reports, [(false, TimeDelta::zero()), (true, TimeDelta::seconds(5))]);
}

/// More of them than are listed at once.
#[test]
fn a_clock_set_back_wakes_every_case() {
    let rest = Rest::new();
    let (set, worker) = rest.worker([waiting(1, "1h")]);
    let worker = worker.with_at_once(1_000);
    let now = rest.clock.now();
    for number in 1..=250 {
        let trigger = Trigger::new("alarm", now);
        let begun = Diagnosis::new(Ulid(number), &set, "rest", Subject::device("d"), trigger, now).unwrap();
        block_on(rest.store.insert(NewCase::of(&begun), now)).unwrap();
    }
    assert_eq!(block_on(worker.turn()).unwrap().saved.len(), 250);
    rest.clock.set(now - TimeDelta::hours(1));
    assert_eq!(block_on(worker.turn()).unwrap().saved.len(), 250);
}
