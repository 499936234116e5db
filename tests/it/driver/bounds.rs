//! What each request is told of the time, and for how long anything is waited for.

use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, Utc};
use iot_runbook::check::{CheckRequest, CustomCheck};
use iot_runbook::fact::{Domain, Kind, Observation, Value};
use iot_runbook::probe::ProbeError;
use iot_runbook::subject::Scope;

use super::*;

/// A check that fails at first, and notes the time that each request says.
struct Noting {
    failures: u32,
    after: Option<TimeDelta>,
    said: Mutex<Vec<DateTime<Utc>>>,
}

#[async_trait]
impl CustomCheck for Noting {
    async fn observe(&self, request: &CheckRequest<'_>) -> Result<Observation, ProbeError> {
        let mut said = self.said.lock().unwrap();
        said.push(request.now());
        if said.len() <= self.failures as usize {
            let error = ProbeError::transient("not just now");
            return Err(self
                .after
                .map_or_else(|| error.clone(), |after| error.clone().with_retry_after(after)));
        }
        Ok(Observation::known(Value::Flag(true), request.now(), "check"))
    }
}

/// The times that the attempts at a check were told, since the beginning.
fn told(failures: u32, after: Option<TimeDelta>, journal: Option<TimeDelta>) -> Vec<TimeDelta> {
    let set = cabinet(r#""explore""#);
    let service = Service::new();
    let noting = Arc::new(Noting { failures, after, said: Mutex::default() });
    let mut checks = Checks::none();
    checks.register("door", Domain::new(Kind::Flag), Scope::Device, noting.clone()).unwrap();
    let timer = Arc::new(SimulatedTimer::new(service.clock.clone()));
    let mut driver =
        Driver::new(&set, &checks, service.memory.probes(), timer).unwrap().with_clock(service.clock.clone());
    if let Some(length) = journal {
        driver = driver.with_journal(Arc::new(Lengthy { clock: service.clock, length }));
    }
    let trigger = Trigger::new("alarm", NOW);
    let mut diagnosis = Diagnosis::new(Ulid(1), &set, "cabinet", Subject::device("d"), trigger, NOW).unwrap();
    let finding = block_on(driver.run(&mut diagnosis)).unwrap();
    assert_eq!(finding.conclusion(), Some("shut"));
    let said = noting.said.lock().unwrap();
    said.iter().map(|at| *at - NOW).collect()
}

/// A journal that takes its time.
struct Lengthy {
    clock: Arc<ManualClock>,
    length: TimeDelta,
}

#[async_trait]
impl Journal for Lengthy {
    async fn keep(&self, _: &Diagnosis) -> Result<(), NotKept> {
        self.clock.advance(self.length);
        Ok(())
    }
}

#[test]
fn each_attempt_is_told_its_own_time() {
    let of =
        |millis: &[i64]| millis.iter().map(|millis| TimeDelta::milliseconds(*millis)).collect::<Vec<_>>();
    assert_eq!(told(2, None, None), of(&[0, 1_000, 3_000]));
    // The error names a longer pause.
    assert_eq!(told(1, Some(TimeDelta::seconds(2)), None), of(&[0, 2000]));
    // The journal is waited for before it is asked.
    assert_eq!(told(0, None, Some(TimeDelta::seconds(7))), of(&[7000]));
}

/// Counts how many of its calls are under way; each hangs until it is dropped.
#[derive(Default)]
struct Hangs {
    /// Which of them do: `approve`, `act`, `tell`.
    what: &'static str,
    open: AtomicU32,
}

struct Open<'a>(&'a AtomicU32);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Hangs {
    async fn at(&self, what: &str) {
        if self.what == what {
            self.open.fetch_add(1, Ordering::Relaxed);
            let _open = Open(&self.open);
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Operator for Hangs {
    async fn approve(&self, request: &ApprovalRequest) -> Option<Approval> {
        self.at("approve").await;
        Some(request.grant("operator"))
    }

    async fn answer(&self, _: &AskRequest) -> Option<Reply> {
        // What was waited for in vain is not under way any more.
        assert_eq!(self.open.load(Ordering::Relaxed), u32::from(self.what == "tell"));
        Some(Reply::new(Value::Flag(false), "operator"))
    }

    async fn tell(&self, _: &Alert) {
        self.at("tell").await;
    }
}

#[async_trait]
impl Actuator for Hangs {
    async fn act(&self, _: &ActRequest) -> ActReport {
        self.at("act").await;
        ActReport::refused("actuator", "not safe")
    }
}

#[test]
fn runbook_bounds_a_hanging_person() {
    // The alert is told beside everything else; at the end it has as long as one attempt at a probe.
    for (what, minutes, seconds) in [("nothing", 0, 0), ("approve", 15, 0), ("act", 15, 0), ("tell", 0, 10)] {
        let service = Service::new();
        service.memory.set(|facts| facts.process = ProcessState::NotRunning);
        let people = Arc::new(Hangs { what, open: AtomicU32::default() });
        let driver = service.driver.clone().with_operator(people.clone()).with_actuator(people.clone());
        let mut diagnosis = service.diagnosis();
        let finding = block_on(driver.run(&mut diagnosis)).unwrap();
        assert_eq!(finding.conclusion(), Some("gateway-fault"), "{what}");
        let passed = TimeDelta::minutes(minutes) + TimeDelta::seconds(seconds);
        assert_eq!(service.clock.now() - NOW, passed, "{what}");
        assert_eq!(people.open.load(Ordering::Relaxed), 0, "{what}");
        assert_eq!(diagnosis.bundle().alerts_told, u32::from(what != "tell"), "{what}");
    }
}

#[test]
fn alert_under_way_at_the_end_is_delivered() {
    let service = Service::new();
    *service.people.slow_to_hear.lock().unwrap() = 5;
    let (diagnosis, finding) = service.run();
    assert_eq!(finding.conclusion(), Some("dispatch-technician"));
    assert_eq!(service.people.told.lock().unwrap().len(), 1);
    assert_eq!(diagnosis.bundle().alerts_told, 1);
}
