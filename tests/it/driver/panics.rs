//! What panics of a user's own ends there.

use super::*;
use iot_runbook::check::{CheckRequest, CustomCheck};
use iot_runbook::fact::{Domain, Kind, Observation};
use iot_runbook::probe::ProbeError;
use iot_runbook::subject::Scope;

/// Panics at whatever it is named for.
struct Panics(&'static str);

impl Panics {
    fn at(&self, what: &str) {
        assert!(self.0 != what, "no {what} today");
    }
}

#[async_trait]
impl Operator for Panics {
    async fn approve(&self, request: &ApprovalRequest) -> Option<Approval> {
        turn(1).await;
        self.at("approval");
        Some(request.grant("operator"))
    }

    async fn answer(&self, _: &AskRequest) -> Option<Reply> {
        self.at("answer");
        Some(Reply::new(iot_runbook::fact::Value::Flag(false), "operator"))
    }

    async fn tell(&self, _: &Alert) {
        self.at("alert");
    }
}

#[async_trait]
impl Actuator for Panics {
    async fn act(&self, _: &ActRequest) -> ActReport {
        turn(1).await;
        self.at("act");
        ActReport::refused("actuator", "not safe")
    }
}

#[async_trait]
impl CustomCheck for Panics {
    async fn observe(&self, request: &CheckRequest<'_>) -> Result<Observation, ProbeError> {
        turn(2).await;
        self.at("check");
        Ok(Observation::known(iot_runbook::fact::Value::Flag(true), request.now(), "check"))
    }
}

fn told(diagnosis: &Diagnosis, words: &str) -> bool {
    diagnosis.trace().any(|record| record.to_string().contains(words))
}

#[test]
fn panicking_probe_is_unknown() {
    let set = cabinet(r#"{ to = "open", note = "nobody could tell" }"#);
    for (at, conclusion) in [("check", "open"), ("nothing", "shut")] {
        let service = Service::new();
        let mut checks = Checks::none();
        checks.register("door", Domain::new(Kind::Flag), Scope::Device, Arc::new(Panics(at))).unwrap();
        let timer = Arc::new(SimulatedTimer::new(service.clock.clone()));
        let driver = Driver::new(&set, &checks, service.memory.probes(), timer).unwrap();
        let driver = driver.with_clock(service.clock.clone());
        let trigger = Trigger::new("alarm", NOW);
        let mut diagnosis =
            Diagnosis::new(Ulid(1), &set, "cabinet", Subject::device("d"), trigger, NOW).unwrap();
        let finding = block_on(driver.run(&mut diagnosis)).unwrap();
        assert_eq!(finding.conclusion(), Some(conclusion));
        let panicked = "unknown (failed) by door; why: the adapter panicked: no check today";
        assert_eq!(told(&diagnosis, panicked), at == "check");
    }
}

fn ended(at: &'static str) -> (Diagnosis, Option<String>) {
    let service = Service::new();
    service.memory.set(|facts| facts.process = ProcessState::NotRunning);
    let people = Arc::new(Panics(at));
    let driver = service.driver.clone().with_operator(people.clone()).with_actuator(people);
    let mut diagnosis = service.diagnosis();
    let finding = block_on(driver.run(&mut diagnosis)).unwrap();
    (diagnosis, finding.conclusion().map(str::to_owned))
}

#[test]
fn panic_is_silence_or_a_failed_act() {
    for (at, says) in [
        ("nothing", "actuator: refused; why: not safe"),
        ("approval", "no answer in time"),
        ("act", "driver: failed; why: the actuator panicked: no act today; nobody knows how much of it"),
        ("answer", "no answer in time"),
    ] {
        let (diagnosis, conclusion) = ended(at);
        assert_eq!(conclusion.as_deref(), Some("gateway-fault"), "{at}");
        let lines: Vec<_> = diagnosis.trace().map(|record| record.to_string()).collect();
        assert!(told(&diagnosis, says), "{at}: {lines:#?}");
    }
}

#[test]
fn alert_is_delivered_again_after_a_panic() {
    let (diagnosis, _) = ended("alert");
    assert_eq!(diagnosis.bundle().alerts_told, 0);
    let (diagnosis, _) = ended("nothing");
    assert_eq!(diagnosis.bundle().alerts_told, 1);
}
