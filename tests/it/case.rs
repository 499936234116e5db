//! Durable cases: the store in memory, and workers that stop anywhere.

mod corpus;
mod crash;
mod model;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::case::{
    AfterSave, CaseStore, Filter, HistoryEntry, Lease, Leased, MemoryCases, Message, NewCase, Outcome, Save,
    State, StateKind, StoreError, Worker, conformance,
};
use iot_runbook::catalog;
use iot_runbook::check::Checks;
use iot_runbook::diagnosis::{Bundle, Diagnosis, DiagnosisId, Increment, Recorded};
use iot_runbook::driver::{Asked, Driver, SimulatedTimer};
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

const FAULTS: u32 = 9;

#[async_trait]
impl CaseStore for Broken {
    async fn insert(&self, case: NewCase, now: DateTime<Utc>) -> Result<(), StoreError> {
        let inserted = self.store.insert(case, now).await;
        if self.fault == 0 { Ok(()) } else { inserted }
    }

    async fn load(&self, id: DiagnosisId) -> Result<Option<iot_runbook::case::Case>, StoreError> {
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
        let limit = if self.fault == 2 { limit + 1 } else { limit };
        let mut due = self.store.due(worker, now, until, limit).await?;
        if self.fault == 3 {
            due.reverse();
        }
        self.leases.fetch_add(1, Ordering::Relaxed);
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

    async fn list(&self, filter: &Filter, limit: usize) -> Result<Vec<iot_runbook::case::Case>, StoreError> {
        self.store.list(filter, limit).await
    }

    async fn history(&self, id: DiagnosisId) -> Result<Vec<HistoryEntry>, StoreError> {
        self.store.history(id).await
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

/// A runbook that waits, whose conclusion is of that title.
fn waiting(version: u32, length: &str) -> iot_runbook::Runbook {
    let text = format!(
        "name = \"rest\"\nversion = {version}\ntitle = \"Rest\"\nstart = \"rest\"\n\
         [steps.rest]\ntitle = \"Rest\"\nwait = {{ for = \"{length}\" }}\nto = \"call\"\n\
         [conclusions.call]\ntitle = \"Call\"\nseverity = \"info\"\n"
    );
    Document::from_toml(&text).unwrap().validate().unwrap()
}

struct Rest {
    clock: Arc<ManualClock>,
    store: Arc<MemoryCases>,
}

impl Rest {
    fn new() -> Self {
        Self { clock: Arc::new(ManualClock::new(NOW)), store: Arc::new(MemoryCases::new()) }
    }

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
