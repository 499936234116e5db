//! Events of `tracing`, as a subscriber gets them.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use iot_runbook::case::{CaseStore, MemoryCases, Message, NewCase, State, Worker};
use iot_runbook::check::{CheckRequest, CustomCheck};
use iot_runbook::diagnosis::{ActReport, ActRequest};
use iot_runbook::driver::{Actuator, Asked, SimulatedTimer};
use iot_runbook::fact::{Domain, Kind, Observation, Source, Value};
use iot_runbook::probe::layer::{Layered, Limit, Rate};
use iot_runbook::probe::{GatewayHealth, GatewayProbe, HealthRequest, ProbeError, Probes};
use iot_runbook::subject::Scope;
use iot_runbook::time::{Clock, ManualClock};
use iot_runbook::{Checks, Diagnosis, Document, Driver, RunbookSet, Subject, Trigger};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Metadata, Subscriber};
use ulid::Ulid;

use crate::deepest::NOW;

/// Keeps each event of the library in a line, and the names of its spans.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Kept>);

#[derive(Default)]
struct Kept {
    events: Mutex<Vec<String>>,
    spans: Mutex<Vec<String>>,
    ids: AtomicU64,
}

/// While a process has just one subscriber, `tracing` asks the thread that first comes to an event whether anybody listens. That
/// may be the thread of another test, where nobody does. With more than one it asks them all.
static OTHERS: LazyLock<[Dispatch; 2]> = LazyLock::new(|| [0, 1].map(|_| Dispatch::new(Recorder::default())));

impl Recorder {
    /// One that listens on this thread, until the guard is dropped.
    pub(crate) fn install() -> (Self, DefaultGuard) {
        LazyLock::force(&OTHERS);
        let recorder = Self::default();
        let guard = tracing::subscriber::set_default(recorder.clone());
        (recorder, guard)
    }

    /// The events, each `target: name field=value…` without the name of the library, and without the id of the diagnosis.
    pub(crate) fn events(&self) -> Vec<String> {
        self.0.events.lock().unwrap().clone()
    }

    fn spans(&self) -> Vec<String> {
        self.0.spans.lock().unwrap().clone()
    }
}

#[derive(Default)]
struct Line {
    name: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.name = format!("{value:?}"),
            "diagnosis" | "case" | "id" => {}
            name => write!(self.fields, " {name}={value:?}").unwrap(),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("iot_runbook")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line::default();
        span.record(&mut line);
        self.0.spans.lock().unwrap().push(format!("{}{}", span.metadata().name(), line.fields));
        Id::from_u64(self.0.ids.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let metadata = event.metadata();
        let target = metadata.target().trim_start_matches("iot_runbook::");
        let event = format!("{} {target}: {}{}", metadata.level(), line.name, line.fields);
        self.0.events.lock().unwrap().push(event);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The trace of the alert.
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

const PUMP: &str = r#"
name = "pump"
version = 1
title = "A pump has tripped"
start = "settle"
[checks.running]
scope = "device"
domain = "flag"
[steps.settle]
title = "Wait an hour"
wait = { for = "1h" }
to = "running"
[steps.running]
title = "Does it run?"
check = "running"
unknown = "by-hand"
branches = [
    { is = true, to = "runs" },
    { is = false, to = "restart", alert = { severity = "critical", text = "It does not run." } },
]
[steps.restart]
title = "Restart it"
act = "restart-pump"
scope = "device"
approval = "required"
answer_within = "1h"
on = { done = "runs", refused = "by-hand", failed = "by-hand", expired = "by-hand" }
[conclusions.runs]
title = "It runs"
severity = "info"
[conclusions.by-hand]
title = "Somebody must look at it"
severity = "critical"
"#;

/// Fails once for a moment, and then knows that the pump does not run.
#[derive(Default)]
struct Drive(AtomicU32);

#[async_trait]
impl CustomCheck for Drive {
    async fn observe(&self, request: &CheckRequest<'_>) -> Result<Observation, ProbeError> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Err(ProbeError::transient("it starts")),
            _ => Ok(Observation::known(Value::Flag(false), request.now(), "drive")),
        }
    }
}

/// Does the act, and lets another worker take the case over meanwhile where it is given a store.
#[derive(Default)]
struct Hands(Option<(Arc<MemoryCases>, Arc<ManualClock>)>);

#[async_trait]
impl Actuator for Hands {
    async fn act(&self, _: &ActRequest) -> ActReport {
        if let Some((store, clock)) = &self.0 {
            clock.advance(TimeDelta::minutes(2));
            store.due("worker 2", clock.now(), clock.now(), 1).await.unwrap();
        }
        ActReport::done("hands")
    }
}

struct Plant {
    clock: Arc<ManualClock>,
    store: Arc<MemoryCases>,
}

impl Plant {
    /// A plant in which the case of a pump is inserted.
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::new(NOW));
        let store = Arc::new(MemoryCases::new());
        let trigger = Trigger::new("tripped", NOW).with_trace_parent(PARENT.parse().unwrap());
        let subject = Subject::device("pump-7");
        let diagnosis = Diagnosis::new(Ulid(7), &set(PUMP), "pump", subject, trigger, NOW).unwrap();
        store.insert(NewCase::of(&diagnosis), NOW).await.unwrap();
        Self { clock, store }
    }

    fn worker(&self, runbook: &str, hands: Hands) -> Worker {
        let timer = Arc::new(SimulatedTimer::new(Arc::clone(&self.clock)));
        let mut checks = Checks::builtin();
        checks
            .register("running", Domain::new(Kind::Flag), Scope::Device, Arc::new(Drive::default()))
            .unwrap();
        let driver = Driver::new(&set(runbook), &checks, Probes::new(), timer).unwrap();
        let driver = driver.with_clock(Arc::<ManualClock>::clone(&self.clock)).with_actuator(Arc::new(hands));
        let store = Arc::<MemoryCases>::clone(&self.store);
        Worker::new("worker 1", store, driver).with_longest_wait(Duration::from_secs(60))
    }

    /// Has the case run up to its approval, and approves it so often.
    async fn approve(&self, worker: &Worker, times: usize) {
        worker.turn().await.unwrap();
        self.clock.advance(TimeDelta::hours(1));
        worker.turn().await.unwrap();
        let case = self.store.load(Ulid(7).into()).await.unwrap().unwrap();
        let State::Asking(asked) = &case.state else { panic!("{:?}", case.state) };
        let Asked::Approval(request) = &asked[0] else { panic!("{asked:?}") };
        for _ in 0..times {
            let approval = Message::Approval(request.grant("ann"));
            self.store.deliver(case.id(), approval, self.clock.now()).await.unwrap();
        }
    }
}

fn set(runbook: &str) -> RunbookSet {
    RunbookSet::new([Document::from_toml(runbook).unwrap().validate().unwrap()]).unwrap()
}

#[tokio::test]
async fn a_case_is_seen_from_its_wait_to_its_conclusion() {
    let (recorder, _guard) = Recorder::install();
    let plant = Plant::new().await;
    let worker = plant.worker(PUMP, Hands::default());
    plant.approve(&worker, 2).await;
    worker.turn().await.unwrap();

    let events = recorder.events();
    let expected = [
        "INFO driver::events: wait step=settle length=1h",
        "INFO case::worker: saved state=waiting",
        "INFO driver::events: retry step=running check=running observation=unknown (unavailable) by running; \
         why: it starts pause=1s",
        "DEBUG driver::events: answer step=running check=running value=no source=drive",
        "WARN driver::events: alert step=running severity=critical text=It does not run.",
        "INFO driver::events: approval asked step=restart action=restart-pump within=1h",
        "INFO case::worker: saved state=asking",
        "INFO case::journal: message number=1",
        "INFO case::journal: message number=2 refused=",
        "INFO driver::events: approval step=restart granted=true by=ann",
        "INFO driver::events: act step=restart action=restart-pump visit=0 within=1h",
        "INFO driver::events: act reported step=restart outcome=done by=hands",
        "INFO driver::events: conclusion runbook=pump conclusion=runs",
        "INFO case::worker: saved state=ended",
    ];
    assert_eq!(events.len(), expected.len(), "{events:#?}");
    for (event, expected) in events.iter().zip(expected) {
        assert!(event.starts_with(expected), "{event}\n{expected}");
    }
    // Of three runs each was resumed from the store, the second an hour after the alert.
    let spans = recorder.spans();
    let runs: Vec<_> = spans.iter().filter(|span| !span.starts_with("probe")).collect();
    let expected = (1..=3).flat_map(|token| {
        [
            format!("case worker=worker 1 token={token} trace_parent={PARENT}"),
            format!("diagnosis runbook=pump device=pump-7 trace_parent={PARENT}"),
        ]
    });
    assert_eq!(runs, expected.collect::<Vec<_>>().iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn an_alert_without_a_trace_has_none() {
    let (recorder, _guard) = Recorder::install();
    let clock = Arc::new(ManualClock::new(NOW));
    let timer = Arc::new(SimulatedTimer::new(Arc::clone(&clock)));
    let mut checks = Checks::builtin();
    checks.register("running", Domain::new(Kind::Flag), Scope::Device, Arc::new(Drive::default())).unwrap();
    let driver = Driver::new(&set(PUMP), &checks, Probes::new(), timer).unwrap().with_clock(clock);
    let (subject, trigger) = (Subject::device("pump-7"), Trigger::new("tripped", NOW));
    let mut diagnosis = Diagnosis::new(Ulid(7), &set(PUMP), "pump", subject, trigger, NOW).unwrap();
    driver.run(&mut diagnosis).await.unwrap();
    assert_eq!(recorder.spans()[0], "diagnosis runbook=pump device=pump-7");
}

#[tokio::test]
async fn a_case_that_is_lost_or_stuck_is_a_warning() {
    let plant = Plant::new().await;
    let thief = Hands(Some((Arc::clone(&plant.store), Arc::clone(&plant.clock))));
    let worker = plant.worker(PUMP, thief);
    plant.approve(&worker, 1).await;
    let (recorder, _guard) = Recorder::install();
    worker.turn().await.unwrap();
    let events = recorder.events();
    let last = events.last().unwrap();
    assert!(last.starts_with("WARN case::worker: not saved error=the lease on case"), "{events:#?}");
    // Its runbook was changed under the same version.
    let changed = plant.worker(&PUMP.replace("1h", "2h"), Hands::default());
    changed.turn().await.unwrap();
    let events = recorder.events().split_off(events.len());
    assert!(
        events[0].starts_with("WARN case::worker: stuck why=runbook \"pump\" has fingerprint"),
        "{events:#?}"
    );
    assert_eq!(events[1], "INFO case::worker: saved state=stuck");
}

/// Answers at once.
struct Agent;

#[async_trait]
impl GatewayProbe for Agent {
    fn source(&self) -> Source {
        Source::new("agent")
    }

    async fn health(&self, _: &HealthRequest) -> Result<GatewayHealth, ProbeError> {
        tokio::task::yield_now().await;
        Ok(GatewayHealth::new(NOW))
    }
}

#[tokio::test]
async fn waits_in_limiters_are_events() {
    let (recorder, _guard) = Recorder::install();
    let clock = Arc::new(ManualClock::new(NOW));
    let timer = Arc::new(SimulatedTimer::new(Arc::clone(&clock)));
    let rate = Rate::new(1, TimeDelta::seconds(2), clock, timer);
    let ask = HealthRequest::new("gw-2".into());
    let rated = Layered::new(Arc::new(Agent)).with_layer(Arc::new(rate));
    rated.health(&ask).await.unwrap();
    rated.health(&ask).await.unwrap();
    let limited = Layered::new(Arc::new(Agent)).with_layer(Arc::new(Limit::new(1)));
    let both = tokio::join!(limited.health(&ask), limited.health(&ask));
    assert!(both.0.is_ok() && both.1.is_ok());
    assert_eq!(
        recorder.events(),
        [
            "DEBUG probe::layer::question: wait in a limiter layer=rate method=gateway.health part=gateway gw-2 wait=2s",
            "DEBUG probe::layer::question: wait in a limiter layer=limit method=gateway.health part=gateway gw-2",
        ]
    );
}
