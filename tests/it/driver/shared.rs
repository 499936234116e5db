//! Acts that diagnoses share, news from other tasks, and a second look.

use std::task::{Context, Poll, Waker};

use iot_runbook::diagnosis::NewsError;
use iot_runbook::driver::{Handle, LocalActs, SecondLook};
use iot_runbook::fact::{Observation, Value};

use super::*;

/// Another diagnosis of the same gateway.
fn other(service: &Service, id: u128) -> Diagnosis {
    let subject = Subject::device(format!("press-{id}")).with_gateway("gw-2").with_site("north");
    let trigger = Trigger::new("offline alert", service.clock.now());
    Diagnosis::new(Ulid(id), &service.set, "device-offline", subject, trigger, service.clock.now()).unwrap()
}

/// A gateway that does not run, and people who take their time.
struct Slow {
    approved: Mutex<u32>,
    acted: Mutex<u32>,
    grants: bool,
}

#[async_trait]
impl Operator for Slow {
    async fn approve(&self, request: &ApprovalRequest) -> Option<Approval> {
        turn(3).await;
        *self.approved.lock().unwrap() += 1;
        Some(if self.grants { request.grant("ann") } else { request.decline("ann", "not now") })
    }

    async fn answer(&self, _: &AskRequest) -> Option<Reply> {
        Some(Reply::new(Value::Flag(false), "ann"))
    }

    async fn tell(&self, _: &Alert) {}
}

#[async_trait]
impl Actuator for Slow {
    async fn act(&self, _: &ActRequest) -> ActReport {
        turn(3).await;
        *self.acted.lock().unwrap() += 1;
        ActReport::failed("actuator", "it does not start")
    }
}

/// A driver for which nothing expires.
fn patient(service: &Service) -> Driver {
    let probes = service.memory.probes();
    let driver = Driver::new(&service.set, &Checks::builtin(), probes, Arc::new(Never)).unwrap();
    driver.with_clock(service.clock.clone())
}

/// Runs diagnoses side by side, each with a driver of its own that shares the acts. The findings, in order.
fn side_by_side(
    service: &Service,
    people: &Arc<Slow>,
    ids: std::ops::Range<u128>,
) -> Vec<(Diagnosis, Finding)> {
    let acts = Arc::new(LocalActs::default());
    let work: Vec<_> = ids
        .map(|id| {
            let driver = patient(service)
                .with_operator(people.clone())
                .with_actuator(people.clone())
                .with_acts(acts.clone());
            let mut diagnosis = other(service, id);
            Box::pin(async move {
                let finding = driver.run(&mut diagnosis).await.unwrap();
                (diagnosis, finding)
            })
        })
        .collect();
    let mut context = Context::from_waker(Waker::noop());
    let mut running: Vec<_> = work.into_iter().map(Some).collect();
    let mut done: Vec<Option<(Diagnosis, Finding)>> = running.iter().map(|_| None).collect();
    while done.iter().any(Option::is_none) {
        for (work, done) in running.iter_mut().zip(&mut done) {
            if let Some(future) = work
                && let Poll::Ready(ended) = future.as_mut().poll(&mut context)
            {
                *done = Some(ended);
                *work = None;
            }
        }
    }
    done.into_iter().flatten().collect()
}

#[test]
fn one_approval_serves_all_of_a_gateway() {
    for grants in [true, false] {
        let service = Service::new();
        service.memory.set(|facts| facts.process = ProcessState::NotRunning);
        let people = Arc::new(Slow { approved: Mutex::default(), acted: Mutex::default(), grants });
        let ended = side_by_side(&service, &people, 1..6);
        assert_eq!(*people.approved.lock().unwrap(), 1);
        assert_eq!(*people.acted.lock().unwrap(), u32::from(grants));
        let mut shared = 0;
        for (diagnosis, finding) in &ended {
            assert_eq!(finding.conclusion(), Some("gateway-fault"));
            let trace: Vec<_> = diagnosis.trace().map(|record| record.to_string()).collect();
            let by = if grants { "ann approves" } else { "ann declines: not now" };
            assert!(trace.iter().any(|line| line.contains(by)), "{trace:#?}");
            shared += trace.iter().filter(|line| line.contains("done for diagnosis")).count();
        }
        // All but one say for whom it was done.
        assert_eq!(shared, if grants { 4 } else { 0 });
    }
}

#[test]
fn a_dropped_claim_is_free_for_the_next() {
    let service = Service::new();
    service.memory.set(|facts| facts.process = ProcessState::NotRunning);
    let people = Arc::new(Slow { approved: Mutex::default(), acted: Mutex::default(), grants: true });
    let driver = patient(&service).with_operator(people.clone()).with_actuator(people);
    let (mut one, mut two) = (other(&service, 1), other(&service, 2));
    // Dropped at each of its turns, while it asks, acts or waits: the other goes on and ends.
    for times in 0..12 {
        let _ = poll_times(driver.run(&mut one), times);
        let mut other = two.clone();
        assert_eq!(block_on(driver.run(&mut other)).unwrap().conclusion(), Some("gateway-fault"));
        service.clock.advance(TimeDelta::minutes(6));
        two = self::other(&service, 100 + times as u128);
    }
}

#[test]
fn another_target_is_another_act() {
    let service = Service::new();
    service.memory.set(|facts| facts.process = ProcessState::NotRunning);
    *service.people.approves.lock().unwrap() = Some(true);
    for gateway in ["gw-2", "gw-3"] {
        let subject = Subject::device("press-07").with_gateway(gateway);
        let trigger = Trigger::new("offline alert", NOW);
        let mut diagnosis =
            Diagnosis::new(Ulid(7), &service.set, "device-offline", subject, trigger, service.clock.now())
                .unwrap();
        let _ = block_on(service.driver.run(&mut diagnosis)).unwrap();
    }
    assert_eq!(service.people.acted.lock().unwrap().len(), 2);
}

#[test]
fn a_withdrawal_ends_the_run_at_once() {
    let service = Service::new();
    service.memory.set(|facts| facts.last_seen = Some(NOW - TimeDelta::minutes(1)));
    let handle = Handle::new();
    let mut diagnosis = service.diagnosis();
    // It watches a flap, on a timer that is never due.
    let driver =
        Driver::new(&service.set, &Checks::builtin(), service.memory.probes(), Arc::new(Never)).unwrap();
    let driver = driver.with_clock(service.clock.clone());
    let receipt = {
        let mut run = pin!(driver.run_with(&mut diagnosis, &handle));
        let mut context = Context::from_waker(Waker::noop());
        assert!(run.as_mut().poll(&mut context).is_pending());
        let unknown = handle.inform("no-such-check", Observation::known(Value::Flag(true), NOW, "broker"));
        let receipt = handle.clone().withdraw("alertmanager", "the alert cleared");
        let late = handle.inform("device-back", Observation::known(Value::Flag(true), NOW, "broker"));
        let Poll::Ready(Ok(finding)) = run.as_mut().poll(&mut context) else { panic!("it still runs") };
        let Ending::Withdrawn { by, why, under_way } = finding.ending() else { panic!("{finding:?}") };
        assert_eq!((by.as_str(), &*why, under_way), ("alertmanager", "the alert cleared", None));
        assert!(matches!(unknown.outcome(), Some(Err(NewsError::NoSuchCheck { .. }))));
        assert_eq!(late.outcome(), Some(Err(NewsError::Ended)));
        receipt
    };
    assert_eq!(receipt.outcome(), Some(Ok(())));
    let again = Diagnosis::resume(&diagnosis.bundle(), &service.set).unwrap();
    assert_eq!(again.finding(), diagnosis.finding());
}

#[test]
fn second_look_asks_the_failed_again() {
    let service = Service::new();
    // Fails for longer than half a minute, in which 6 attempts are made.
    service.memory.behave("certificate", Manner::Stumbles(12));
    let mut diagnosis = service.diagnosis();
    let finding = block_on(service.driver.run(&mut diagnosis)).unwrap();
    assert_eq!(finding.ending(), Ending::Undetermined);
    assert_eq!(diagnosis.can_go_on(), ["certificate"]);

    let service = Service::new();
    service.memory.behave("certificate", Manner::Stumbles(12));
    let driver = service.driver.clone().with_second_look(SecondLook::new(Duration::from_secs(600), 3));
    let mut diagnosis = service.diagnosis();
    let finding = block_on(driver.run(&mut diagnosis)).unwrap();
    assert_eq!(finding.conclusion(), Some("dispatch-technician"));
    let took = service.clock.now() - NOW;
    assert!((TimeDelta::minutes(20)..TimeDelta::minutes(25)).contains(&took), "{took}");
    let again = Diagnosis::resume(&diagnosis.bundle(), &service.set).unwrap();
    assert_eq!(again.bundle(), diagnosis.bundle());

    // One that refuses for good is not worth a second look.
    let service = Service::new();
    service.memory.behave("certificate", Manner::Refuses);
    let driver = service.driver.clone().with_second_look(SecondLook::new(Duration::from_secs(600), 3));
    let finding = block_on(driver.run(&mut service.diagnosis())).unwrap();
    assert_eq!(finding.ending(), Ending::Undetermined);
    assert_eq!(service.clock.now(), NOW);
}
