//! The driver over adapters in memory, in simulated time.

mod bounds;
mod limits;
mod panics;
mod shared;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use iot_runbook::catalog;
use iot_runbook::check::Checks;
use iot_runbook::diagnosis::{
    ActReport, ActRequest, Alert, AnswerError, Approval, ApprovalRequest, AskRequest, Bundle, Diagnosis,
    Ending, Finding, Output, Reply,
};
use iot_runbook::driver::{
    Actuator, Driver, Journal, NotKept, Operator, RunError, SimulatedTimer, Sleep, Timer,
};
use iot_runbook::fact::UnknownReason;
use iot_runbook::probe::{ConnectionEvent, ProcessState, SessionState};
use iot_runbook::runbook::RunbookSet;
use iot_runbook::runbook::document::Document;
use iot_runbook::subject::{Subject, Trigger};
use iot_runbook::time::{Clock, ManualClock};
use ulid::Ulid;

use crate::deepest::NOW;
use crate::memory::{Manner, Memory, Path, turn};

/// A service: its adapters, its people, its clock.
struct Service {
    set: RunbookSet,
    clock: Arc<ManualClock>,
    memory: Arc<Memory>,
    people: Arc<People>,
    driver: Driver,
}

/// Who approves, answers, hears and acts.
#[derive(Default)]
struct People {
    /// What to do with an approval; nobody is there without.
    approves: Mutex<Option<bool>>,
    /// What to answer, by the name of the choice or yes and no.
    answers: Mutex<Option<&'static str>>,
    told: Mutex<Vec<String>>,
    /// How many turns telling takes.
    slow_to_hear: Mutex<u32>,
    acted: Mutex<Vec<String>>,
    /// What an act does to the world.
    effect: Mutex<Option<Box<dyn Fn() + Send>>>,
    /// What happens in the world while an approval or a question is pending.
    meanwhile: Mutex<Option<Box<dyn Fn() + Send>>>,
}

#[async_trait]
impl Operator for People {
    async fn approve(&self, request: &ApprovalRequest) -> Option<Approval> {
        if let Some(meanwhile) = &*self.meanwhile.lock().unwrap() {
            meanwhile();
        }
        let approves = *self.approves.lock().unwrap();
        match approves {
            Some(true) => Some(request.grant("operator")),
            Some(false) => Some(request.decline("operator", "not now")),
            None => None,
        }
    }

    async fn answer(&self, request: &AskRequest) -> Option<Reply> {
        if let Some(meanwhile) = &*self.meanwhile.lock().unwrap() {
            meanwhile();
        }
        let answer = (*self.answers.lock().unwrap())?;
        let value = match answer {
            "yes" => iot_runbook::fact::Value::Flag(true),
            "no" => iot_runbook::fact::Value::Flag(false),
            choice => request.domain().find_choice(choice)?,
        };
        Some(Reply::new(value, "operator"))
    }

    async fn tell(&self, alert: &Alert) {
        let turns = *self.slow_to_hear.lock().unwrap();
        turn(turns).await;
        self.told.lock().unwrap().push(alert.text().to_owned());
    }
}

#[async_trait]
impl Actuator for People {
    async fn act(&self, request: &ActRequest) -> ActReport {
        self.acted.lock().unwrap().push(request.idempotency_key());
        if let Some(effect) = &*self.effect.lock().unwrap() {
            effect();
        }
        ActReport::done("actuator")
    }
}

impl Service {
    fn new() -> Self {
        let set = catalog::set().unwrap();
        let clock = Arc::new(ManualClock::new(NOW));
        let memory = Memory::new(clock.clone());
        let people = Arc::new(People::default());
        let timer = Arc::new(SimulatedTimer::new(clock.clone()));
        let driver = Driver::new(&set, &Checks::builtin(), memory.probes(), timer)
            .unwrap()
            .with_clock(clock.clone())
            .with_operator(people.clone())
            .with_actuator(people.clone());
        Self { set, clock, memory, people, driver }
    }

    fn diagnosis(&self) -> Diagnosis {
        let subject = Subject::device("press-07").with_gateway("gw-2").with_site("north");
        let trigger = Trigger::new("offline alert", self.clock.now());
        Diagnosis::new(Ulid(1), &self.set, "device-offline", subject, trigger, self.clock.now()).unwrap()
    }

    fn run(&self) -> (Diagnosis, Finding) {
        let mut diagnosis = self.diagnosis();
        let finding = block_on(self.driver.run(&mut diagnosis)).unwrap();
        (diagnosis, finding)
    }

    fn conclusion(&self) -> Option<String> {
        self.run().1.conclusion().map(str::to_owned)
    }
}

/// A runbook of one step, which asks a check of a user's own and does this where nobody can tell.
fn cabinet(unknown: &str) -> RunbookSet {
    let text = format!(
        r#"
        name = "cabinet"
        version = 1
        title = "t"
        start = "door"
        [checks.door]
        scope = "device"
        domain = "flag"
        [steps.door]
        check = "door"
        unknown = {unknown}
        branches = [{{ is = true, to = "shut" }}, {{ is = false, to = "open" }}]
        [conclusions.shut]
        title = "shut"
        severity = "info"
        [conclusions.open]
        title = "open"
        severity = "warning"
    "#
    );
    RunbookSet::new([Document::from_toml(&text).unwrap().validate().unwrap()]).unwrap()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
}

/// Polls that many times, and drops it. Gives what it came to, if it did.
fn poll_times<T>(work: impl Future<Output = T>, times: usize) -> Option<T> {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..times {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return Some(done);
        }
    }
    None
}

#[test]
fn each_probe_is_asked_once() {
    let service = Service::new();
    assert_eq!(service.conclusion().as_deref(), Some("dispatch-technician"));
    let asked = service.memory.asked.lock().unwrap().clone();
    // The log of connections is read for several periods. The conclusion looks whether the device is back.
    let expected = [
        ("broker-health", 1),
        ("broker-path", 1),
        ("certificate", 1),
        ("connection-log", 4),
        ("device-path", 1),
        ("health", 1),
        ("ingestion-health", 1),
        ("last-seen", 2),
        ("power", 1),
        ("receipts", 1),
        ("service-state", 2),
    ];
    assert_eq!(asked.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(service.people.told.lock().unwrap().len(), 1);
}

#[test]
fn what_the_facts_say_is_what_it_concludes() {
    type Change = fn(&Memory);
    let cases: [(&str, Change); 7] = [
        ("ot-network-fault", |memory| memory.set(|facts| facts.path = Path::SegmentDown)),
        ("client-or-clock", |memory| memory.set(|facts| facts.path = Path::Answers)),
        ("certificate-expired", |memory| memory.set(|facts| facts.not_after = NOW - TimeDelta::seconds(1))),
        ("power-fault", |memory| memory.set(|facts| facts.drawing = Some(false))),
        ("device-client-fault", |memory| {
            memory.set(|facts| (facts.session, facts.path) = (SessionState::Up, Path::Answers));
        }),
        ("changed-meanwhile", |memory| memory.set(|facts| facts.session = SessionState::Up)),
        ("expected-offline", |memory| {
            memory.set(|facts| facts.state = iot_runbook::probe::ServiceState::Maintenance);
        }),
    ];
    for (expected, change) in cases {
        let service = Service::new();
        change(&service.memory);
        assert_eq!(service.conclusion().as_deref(), Some(expected));
    }
}

#[test]
fn hanging_probe_is_unknown() {
    let service = Service::new();
    service.memory.behave("certificate", Manner::Hangs);
    let (diagnosis, finding) = service.run();
    assert_eq!(finding.ending(), Ending::Undetermined, "{:?}", finding.conclusion());
    let left: BTreeSet<_> = finding.hypotheses().iter().map(|left| &*left.cause).collect();
    let possible = ["device-fault", "certificate-expiry", "certificate-other", "not-provisioned"];
    assert_eq!(left, BTreeSet::from(possible));
    // It was the only one on its segment that did not answer, so the device itself leads.
    assert_eq!(&*finding.hypotheses()[0].cause, "device-fault");
    assert_eq!(finding.next_probe().map(|next| &*next.step), Some("certificate"));
    let refuted: Vec<_> = finding.refuted().iter().map(|refuted| &*refuted.conclusion).collect();
    assert!(refuted.contains(&"power-fault") && refuted.contains(&"ot-network-fault"), "{refuted:?}");
    assert!(diagnosis.trace().any(|record| record.to_string().contains("timeout")));
    assert!(service.people.acted.lock().unwrap().is_empty());
}

#[test]
fn a_timeout_names_the_adapter_that_hangs() {
    let service = Service::new();
    service.memory.behave("last-seen", Manner::Hangs);
    let (diagnosis, _) = service.run();
    let timeouts: Vec<_> =
        diagnosis.trace().map(|record| record.to_string()).filter(|text| text.contains("timeout")).collect();
    assert!(!timeouts.is_empty());
    let source = iot_runbook::probe::DeviceProbe::source(&*service.memory);
    for timeout in timeouts {
        assert!(timeout.contains(source.as_str()), "{timeout}");
    }
}

#[test]
fn an_error_that_says_so_is_tried_again() {
    let service = Service::new();
    service.memory.behave("power", Manner::Stumbles(2));
    assert_eq!(service.conclusion().as_deref(), Some("dispatch-technician"));
    assert_eq!(service.memory.asked("power"), 3);
    assert_eq!(service.clock.now() - NOW, TimeDelta::seconds(1 + 2));
}

#[test]
fn errors_are_retried_for_half_a_minute() {
    let service = Service::new();
    service.memory.behave("device-path", Manner::Stumbles(100));
    service.memory.behave("certificate", Manner::Refuses);
    let (diagnosis, finding) = service.run();
    assert_eq!(finding.ending(), Ending::Undetermined);
    // The trace says whose word it was.
    let last_word = diagnosis.trace().map(|record| record.to_string()).find(|line| {
        line.contains("explored: ot-network = ")
            || line.contains("ot-network = ") && !line.contains("asked again")
    });
    assert!(last_word.is_some_and(|line| line.contains("unknown (unavailable) by memory")));
    // After 1, 2, 4, 8 s, and for the last time when half a minute is over.
    assert_eq!(service.memory.asked("device-path"), 6);
    assert_eq!(service.clock.now() - NOW, TimeDelta::seconds(30));
    assert_eq!(service.memory.asked("certificate"), 1);
}

#[test]
fn returned_device_needs_no_registry() {
    let service = Service::new();
    service.memory.behave("service-state", Manner::Hangs);
    // It comes back while somebody is asked for its power.
    service.memory.set(|facts| facts.drawing = None);
    *service.people.answers.lock().unwrap() = Some("confirmed");
    let (memory, clock) = (service.memory.clone(), service.clock.clone());
    *service.people.meanwhile.lock().unwrap() = Some(Box::new(move || {
        memory.set(|facts| facts.last_seen = Some(clock.now()));
        clock.advance(TimeDelta::seconds(1));
    }));
    let (_, finding) = service.run();
    assert_eq!(finding.conclusion(), Some("recovered-meanwhile"));
    // Only at the beginning.
    assert_eq!(service.memory.asked("service-state"), 3);
}

#[test]
fn while_exploring_probes_run_side_by_side() {
    let service = Service::new();
    // Everything from here on is asked while exploring.
    service.memory.behave("last-seen", Manner::Refuses);
    for question in ["connection-log", "health", "device-path", "certificate", "power"] {
        service.memory.behave(question, Manner::Slow(3));
    }
    let (_, finding) = service.run();
    assert_eq!(finding.ending(), Ending::Undetermined);
    assert!(service.memory.open.lock().unwrap().1 >= 2);
}

#[test]
fn a_flap_is_waited_out_in_simulated_time() {
    let service = Service::new();
    service.memory.set(|facts| {
        facts.last_seen = Some(NOW - TimeDelta::minutes(1));
        facts.session = SessionState::Up;
        facts.events = vec![ConnectionEvent::accepted(NOW + TimeDelta::minutes(1))];
    });
    let memory = service.memory.clone();
    let clock = service.clock.clone();
    let mut diagnosis = service.diagnosis();
    let driver = service.driver.clone().with_clock(Arc::new(Moving { clock, memory }));
    let finding = block_on(driver.run(&mut diagnosis)).unwrap();
    assert_eq!(finding.conclusion(), Some("connectivity-flap"));
    assert!(finding.is_recovered());
    assert_eq!(service.clock.now() - NOW, TimeDelta::minutes(10));
}

/// A clock beside which the device keeps sending once ten minutes have passed.
struct Moving {
    clock: Arc<ManualClock>,
    memory: Arc<Memory>,
}

impl Clock for Moving {
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        let now = self.clock.now();
        if now >= NOW + TimeDelta::minutes(10) {
            self.memory.set(|facts| facts.last_seen = Some(now - TimeDelta::seconds(5)));
        }
        now
    }
}

mod acting {
    use super::*;

    /// A gateway that does not run; a restart brings it and the device back.
    fn broken() -> Service {
        let service = Service::new();
        service.memory.set(|facts| facts.process = ProcessState::NotRunning);
        let memory = service.memory.clone();
        let clock = service.clock.clone();
        *service.people.effect.lock().unwrap() = Some(Box::new(move || {
            let at = clock.now() + TimeDelta::seconds(30);
            memory.set(|facts| {
                facts.process = ProcessState::Running;
                facts.last_seen = Some(at);
                facts.events = vec![ConnectionEvent::accepted(at)];
                facts.session = SessionState::Up;
            });
        }));
        service
    }

    #[test]
    fn approved_restart_is_done_and_verified() {
        let service = broken();
        *service.people.approves.lock().unwrap() = Some(true);
        let (_, finding) = service.run();
        assert_eq!(finding.conclusion(), Some("gateway-recovered"));
        let acted = service.people.acted.lock().unwrap().clone();
        assert_eq!(acted, ["restart-gateway/gateway:gw-2/00000000000000000000000001/0"]);
    }

    #[test]
    fn without_an_approval_nothing_is_done() {
        for approves in [Some(false), None] {
            let service = broken();
            *service.people.approves.lock().unwrap() = approves;
            *service.people.answers.lock().unwrap() = Some("no");
            let (_, finding) = service.run();
            assert_eq!(finding.conclusion(), Some("gateway-fault"));
            assert!(service.people.acted.lock().unwrap().is_empty());
        }
    }

    #[test]
    fn returned_device_is_left_alone() {
        let service = broken();
        *service.people.approves.lock().unwrap() = Some(true);
        let memory = service.memory.clone();
        let clock = service.clock.clone();
        *service.people.meanwhile.lock().unwrap() = Some(Box::new(move || {
            memory.set(|facts| facts.last_seen = Some(clock.now() + TimeDelta::seconds(1)));
            clock.advance(TimeDelta::seconds(2));
        }));
        let (_, finding) = service.run();
        assert_eq!(finding.conclusion(), Some("recovered-meanwhile"));
        assert!(service.people.acted.lock().unwrap().is_empty());
    }

    #[test]
    fn approval_of_another_state_is_refused() {
        let service = broken();
        let approval_of = |diagnosis: &mut Diagnosis| loop {
            let outcome = poll_times(service.driver.run(diagnosis), 1);
            assert!(outcome.is_none());
            diagnosis.hand_out_again();
            if let Output::Approve(request) = diagnosis.poll(service.clock.now()) {
                return request;
            }
        };
        let mut one = service.diagnosis();
        let given = approval_of(&mut one).grant("operator");
        // The same step of the same device an hour later: the evidence is another.
        service.clock.advance(TimeDelta::hours(1));
        let mut other = service.diagnosis();
        let _ = approval_of(&mut other);
        let before = other.bundle();
        let now = service.clock.now();
        assert_eq!(other.approve(given, now), Err(AnswerError::OtherState { differs: "evidence" }));
        assert_eq!(other.bundle(), before);
    }

    #[test]
    fn dropped_act_comes_again_under_its_key() {
        let service = broken();
        *service.people.approves.lock().unwrap() = Some(true);
        let (_, straight) = service.run();
        for times in 1.. {
            let service = broken();
            *service.people.approves.lock().unwrap() = Some(true);
            let mut diagnosis = service.diagnosis();
            if poll_times(service.driver.run(&mut diagnosis), times).is_some() {
                break;
            }
            let text = serde_json::to_string(&diagnosis.bundle()).unwrap();
            let bundle: Bundle = serde_json::from_str(&text).unwrap();
            let mut resumed = Diagnosis::resume(&bundle, &service.set).unwrap();
            let finding = block_on(service.driver.run(&mut resumed)).unwrap();
            assert_eq!(finding.conclusion(), straight.conclusion());
            let keys: BTreeSet<_> = service.people.acted.lock().unwrap().iter().cloned().collect();
            assert_eq!(keys.len(), 1);
        }
    }
}

#[test]
fn dropped_anywhere_it_loses_no_answer() {
    let slow = || {
        let service = Service::new();
        for question in ["service-state", "last-seen", "connection-log", "health", "certificate", "power"] {
            service.memory.behave(question, Manner::Slow(1));
        }
        *service.people.slow_to_hear.lock().unwrap() = 2;
        service
    };
    let straight = slow();
    let (expected, _) = straight.run();
    for times in 1.. {
        let service = slow();
        let mut diagnosis = service.diagnosis();
        if poll_times(service.driver.run(&mut diagnosis), times).is_some() {
            assert!(times > 5, "nothing was ever under way");
            break;
        }
        let before = diagnosis.trace_len();
        let answered: Vec<_> = diagnosis.trace().collect();
        let _ = block_on(service.driver.run(&mut diagnosis)).unwrap();
        let after: Vec<_> = diagnosis.trace().collect();
        assert_eq!(after[..before], answered);
        let steps = |diagnosis: &Diagnosis| diagnosis.trace().map(|record| record.step).collect::<Vec<_>>();
        assert_eq!(steps(&diagnosis), steps(&expected));
        // What was cut off is asked again, once; nothing else is.
        for (question, asked) in straight.memory.asked.lock().unwrap().iter() {
            let again = service.memory.asked(question) - asked;
            assert!(again <= 2, "{question} was asked {again} times more");
        }
        assert!(!service.people.told.lock().unwrap().is_empty(), "the alert was lost");
    }
}

#[test]
fn person_answers_for_a_missing_adapter() {
    let service = Service::new();
    service.memory.set(|facts| facts.drawing = None);
    *service.people.answers.lock().unwrap() = Some("confirmed");
    assert_eq!(service.conclusion().as_deref(), Some("dispatch-technician"));

    let nobody = Service::new();
    nobody.memory.set(|facts| facts.drawing = None);
    let (diagnosis, finding) = nobody.run();
    assert_eq!((finding.ending(), finding.conclusion()), (Ending::Undetermined, None));
    let causes: Vec<_> = finding.hypotheses().iter().map(|left| &*left.cause).collect();
    assert_eq!(causes, ["device-fault", "power-loss"]);
    let reasons: Vec<_> = diagnosis.trace().map(|record| record.to_string()).collect();
    let undetermined = UnknownReason::Undetermined.name();
    assert!(reasons.iter().any(|line| line.contains(undetermined)), "{reasons:#?}");
}

#[test]
fn deadline_ends_the_run_only() {
    let service = Service::new();
    service.memory.set(|facts| facts.last_seen = Some(NOW - TimeDelta::minutes(1)));
    let driver = service.driver.clone().with_deadline(Duration::from_secs(60));
    let mut diagnosis = service.diagnosis();
    let ended = block_on(driver.run(&mut diagnosis));
    assert_eq!(ended.map(|finding| finding.at()), Err(RunError::Deadline(Duration::from_secs(60))));
    assert_eq!(service.clock.now() - NOW, TimeDelta::seconds(60));
    assert_eq!(diagnosis.step(), "flap");
    assert!(block_on(service.driver.run(&mut diagnosis)).is_ok());
}

/// A timer after whose first sleep the clock has been set back by a day. It counts what was slept.
struct SetBack {
    clock: Arc<ManualClock>,
    slept: Mutex<Vec<Duration>>,
}

impl Timer for SetBack {
    fn sleep(&self, length: Duration) -> Sleep {
        self.slept.lock().unwrap().push(length);
        self.clock.advance(TimeDelta::from_std(length).unwrap() - TimeDelta::days(1));
        Box::pin(std::future::ready(()))
    }
}

#[test]
fn clock_set_back_lengthens_no_deadline() {
    let service = Service::new();
    service.memory.set(|facts| facts.last_seen = Some(NOW - TimeDelta::minutes(1)));
    let timer = Arc::new(SetBack { clock: service.clock.clone(), slept: Mutex::default() });
    let driver =
        Driver::new(&service.set, &Checks::builtin(), service.memory.probes(), timer.clone()).unwrap();
    let driver = driver.with_clock(service.clock.clone()).with_deadline(Duration::from_secs(60));
    let mut diagnosis = service.diagnosis();
    let ended = block_on(driver.run(&mut diagnosis));
    assert_eq!(ended.map(|finding| finding.at()), Err(RunError::Deadline(Duration::from_secs(60))));
    assert_eq!(*timer.slept.lock().unwrap(), [Duration::from_secs(60)]);
}

/// A journal that never comes back.
struct Stuck;

#[async_trait]
impl Journal for Stuck {
    async fn keep(&self, _: &Diagnosis) -> Result<(), NotKept> {
        std::future::pending().await
    }
}

/// A journal that can't save.
struct Full;

#[async_trait]
impl Journal for Full {
    async fn keep(&self, _: &Diagnosis) -> Result<(), NotKept> {
        Err(NotKept::new("the disk is full"))
    }
}

#[test]
fn unsaved_diagnosis_begins_nothing() {
    let service = Service::new();
    let driver = service.driver.clone().with_journal(Arc::new(Full));
    let mut diagnosis = service.diagnosis();
    let ended = block_on(driver.run(&mut diagnosis));
    assert_eq!(ended.map(|finding| finding.at()), Err(RunError::NotKept(NotKept::new("the disk is full"))));
    assert!(service.memory.asked.lock().unwrap().is_empty());
    // The diagnosis is whole: the next run ends it.
    assert!(block_on(service.driver.run(&mut diagnosis)).is_ok());
}

#[test]
fn deadline_bounds_a_hanging_journal() {
    let service = Service::new();
    let driver = service.driver.clone().with_journal(Arc::new(Stuck)).with_deadline(Duration::from_secs(1));
    let mut diagnosis = service.diagnosis();
    let ended = block_on(driver.run(&mut diagnosis));
    assert_eq!(ended.map(|finding| finding.at()), Err(RunError::Deadline(Duration::from_secs(1))));
    assert!(service.memory.asked.lock().unwrap().is_empty());
}

#[test]
fn diagnosis_of_other_runbooks_is_refused() {
    let service = Service::new();
    let only = catalog::certificate_expiry().unwrap().validate().unwrap();
    let set = RunbookSet::new([only]).unwrap();
    let trigger = Trigger::new("daily", NOW);
    let mut other =
        Diagnosis::new(Ulid(1), &set, "certificate-expiry", Subject::device("d"), trigger, NOW).unwrap();
    let ended = block_on(service.driver.run(&mut other));
    assert_eq!(ended.map(|finding| finding.at()), Err(RunError::OtherRunbooks));
    assert!(service.memory.asked.lock().unwrap().is_empty());
}

#[test]
fn hanging_probe_is_asked_for_half_a_minute() {
    let service = Service::new();
    service.memory.behave("service-state", Manner::Hangs);
    let driver = service.driver.clone().with_time_limit(Duration::from_secs(7));
    let mut diagnosis = service.diagnosis();
    let _ = block_on(driver.run(&mut diagnosis)).unwrap();
    // Attempts begin after 0, 8, 17 and 28 s; one more, where the conclusion looks whether the device is back.
    assert_eq!(service.memory.asked("service-state"), 4 + 1);
    assert_eq!(service.clock.now() - NOW, TimeDelta::seconds(28 + 7 + 7));
}

#[test]
fn a_run_can_be_spawned() {
    fn spawnable<T: Send>(_: &T) {}
    let service = Service::new();
    let mut diagnosis = service.diagnosis();
    spawnable(&service.driver.run(&mut diagnosis));
}

/// A timer that is never due.
struct Never;

impl Timer for Never {
    fn sleep(&self, _: Duration) -> Sleep {
        Box::pin(std::future::pending())
    }
}

#[test]
fn what_is_ready_at_once_needs_no_timer() {
    let service = Service::new();
    let driver =
        Driver::new(&service.set, &Checks::builtin(), service.memory.probes(), Arc::new(Never)).unwrap();
    let driver = driver.with_clock(service.clock.clone());
    let mut diagnosis = service.diagnosis();
    let finding = poll_times(driver.run(&mut diagnosis), 1).unwrap().unwrap();
    assert_eq!(finding.conclusion(), Some("dispatch-technician"));
}
