//! The worker over mocked services.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use chrono::TimeDelta;
use iot_runbook::certificate::lifecycle::{Event, Lifecycle, Rules, Status};
use iot_runbook::certificate::message::{Desired, Outcome, Reason, Reported};
use iot_runbook::certificate::service::{ServiceError, ServiceErrorKind, TestOutcome, Worker};
use iot_runbook::mock::{
    MockConfigChannel, MockOpsNotifier, MockProvisioningService, MockScheduler, MockTestEndpoint,
};
use iot_runbook::time::{Clock as _, ManualClock};

use super::{NOW, certificate, day, with_left};

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
}

#[test]
fn renewal_survives_service_errors() {
    let new = certificate(1, 2, NOW, NOW + day(60));
    let desired = Desired::new(1, new.pem());
    let mut provisioning = MockProvisioningService::new();
    let issued = new.clone();
    let tried = AtomicUsize::new(0);
    provisioning.expect_issue().times(2).returning(move |request| {
        assert_eq!((&*request.device, request.key.as_str()), ("pump-7", "pump-7/1/issue"));
        match tried.fetch_add(1, Ordering::Relaxed) {
            0 => Err(ServiceError::transient("the CA is busy").with_cause(std::io::Error::other("queue"))),
            _ => Ok(issued.clone()),
        }
    });
    provisioning.expect_retire().times(1).returning(|request| {
        assert_eq!(request.retire.fingerprint, with_left(19).credential().fingerprint);
        Ok(())
    });
    let mut channel = MockConfigChannel::new();
    let published = desired.clone();
    channel.expect_publish().times(1).returning(move |request| {
        assert_eq!((request.topic.as_str(), &request.desired), ("pump-7/config/desired", &published));
        Ok(())
    });
    let says = Arc::new(Mutex::new(None));
    let said = Arc::clone(&says);
    channel.expect_reported().returning(move |request| {
        assert_eq!(request.topic, "pump-7/config/reported");
        Ok(said.lock().unwrap().clone())
    });
    let mut tests = MockTestEndpoint::new();
    tests.expect_outcome().returning(|_| Ok(Some(TestOutcome::passed(NOW))));
    let worker = Worker::new(
        Arc::new(provisioning),
        Arc::new(channel),
        Arc::new(MockOpsNotifier::new()),
        Arc::new(MockScheduler::new()),
    )
    .with_test_endpoint(Arc::new(tests));

    let (clock, rules) = (ManualClock::new(NOW), Rules::default());
    let mut pump = Lifecycle::new("pump-7", *with_left(19).credential(), NOW).unwrap();
    let saved = Mutex::new(Vec::new());
    let turn = |pump: &mut Lifecycle| {
        block_on(worker.turn(pump, &rules, &clock, |it| saved.lock().unwrap().push(it.clone())))
    };
    let first = turn(&mut pump);
    assert_eq!((first.carried_out, first.failed, first.wake_at), (1, 1, Some(NOW + TimeDelta::minutes(1))));
    clock.advance(TimeDelta::minutes(1));
    let second = turn(&mut pump);
    assert_eq!((second.carried_out, second.failed), (2, 0));
    *says.lock().unwrap() = Some(Reported::new(&desired, Outcome::TestPassed));
    assert_eq!(turn(&mut pump).carried_out, 0);
    assert!(pump.progress().unwrap().reported_at.is_some());
    let connected = Event::Connected { fingerprint: new.credential().fingerprint, at: clock.now() };
    pump.handle(&rules, connected, clock.now()).unwrap();
    clock.advance(day(7));
    assert_eq!(turn(&mut pump).carried_out, 1);
    assert_eq!(pump.status(), Status::Settled);
    assert!(saved.lock().unwrap().len() >= 8, "before each command, and at the end");
    assert_eq!(saved.lock().unwrap().last(), Some(&pump));
}

/// The broker keeps the latest report, and it is read each turn: until the device was told again, it is the same failure.
#[test]
fn reread_report_holds_no_retry_up() {
    let new = certificate(1, 2, NOW, NOW + day(60));
    let desired = Desired::new(1, new.pem());
    let failed = || Outcome::TestFailed { reason: Reason::new("no route") };
    let mut provisioning = MockProvisioningService::new();
    provisioning.expect_issue().times(1).returning(move |_| Ok(new.clone()));
    let says = Arc::new(Mutex::new(None));
    let mut channel = MockConfigChannel::new();
    let (said, published) = (Arc::clone(&says), Arc::new(AtomicUsize::new(0)));
    channel.expect_reported().returning(move |_| Ok(said.lock().unwrap().clone()));
    let count = Arc::clone(&published);
    channel.expect_publish().returning(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    let mut tests = MockTestEndpoint::new();
    tests.expect_outcome().returning(|_| Ok(Some(TestOutcome::failed(NOW, Reason::new("no route")))));
    let worker = Worker::new(
        Arc::new(provisioning),
        Arc::new(channel),
        Arc::new(MockOpsNotifier::new()),
        Arc::new(MockScheduler::new()),
    )
    .with_test_endpoint(Arc::new(tests));
    let (clock, rules) = (ManualClock::new(NOW), Rules::default());
    let mut pump = Lifecycle::new("pump-7", *with_left(19).credential(), NOW).unwrap();
    block_on(worker.turn(&mut pump, &rules, &clock, |_| {}));
    *says.lock().unwrap() = Some(Reported::new(&desired, failed()));
    clock.advance(TimeDelta::minutes(1));
    let first = block_on(worker.turn(&mut pump, &rules, &clock, |_| {}));
    assert_eq!(published.load(Ordering::Relaxed), 1);
    clock.set(first.wake_at.unwrap());
    let second = block_on(worker.turn(&mut pump, &rules, &clock, |_| {}));
    assert_eq!((second.carried_out, published.load(Ordering::Relaxed)), (1, 2), "it is told again");
    // Once it was told again, a failure is another one.
    let failure = Event::Reported(Reported::new(&desired, failed()));
    pump.handle(&rules, failure, clock.now()).unwrap();
}

#[test]
fn emergency_runs_over_the_services_too() {
    let emergency = certificate(3, 3, NOW, NOW + day(300));
    let mut provisioning = MockProvisioningService::new();
    provisioning.expect_last_contact().times(1).returning(|_| Ok(None));
    provisioning.expect_issue().returning(|_| Err(ServiceError::refused("not now")));
    // It had ended: there is no overlap.
    provisioning.expect_retire().times(1).returning(|request| {
        assert_eq!(request.retire.fingerprint, with_left(1).credential().fingerprint);
        assert!(!request.retire.compromised);
        Ok(())
    });
    let mut notifier = MockOpsNotifier::new();
    notifier.expect_notify().returning(|_| Ok(()));
    notifier.expect_open_post_mortem().times(1).returning(|_| Ok(()));
    let mut scheduler = MockScheduler::new();
    scheduler.expect_schedule().times(1).returning(|request| {
        assert!(request.load_emergency_certificate);
        Ok(())
    });
    let mut channel = MockConfigChannel::new();
    channel.expect_reported().returning(|_| Err(ServiceError::transient("away")));
    let worker =
        Worker::new(Arc::new(provisioning), Arc::new(channel), Arc::new(notifier), Arc::new(scheduler));
    let (clock, rules) = (ManualClock::new(NOW + day(2)), Rules::default());
    let mut pump = Lifecycle::new("pump-7", *with_left(1).credential(), NOW).unwrap();
    let turn = block_on(worker.turn(&mut pump, &rules, &clock, |_| {}));
    assert_eq!((turn.carried_out, turn.failed), (3, 0), "told, looked up, sent");
    pump.handle(&rules, Event::EmergencyLoaded { certificate: emergency.clone() }, clock.now()).unwrap();
    let fingerprint = emergency.credential().fingerprint;
    pump.handle(&rules, Event::Connected { fingerprint, at: clock.now() }, clock.now()).unwrap();
    let turn = block_on(worker.turn(&mut pump, &rules, &clock, |_| {}));
    assert!(turn.clock.is_none() && !pump.in_recovery());
    assert_eq!(ServiceError::refused("no").kind(), ServiceErrorKind::Refused);
    // A clock that jumped is told.
    clock.advance(day(40));
    let turn = block_on(worker.turn(&mut pump, &rules, &clock, |_| {}));
    assert_eq!(turn.clock.map(|suspect| suspect.now), Some(clock.now()));
}

#[test]
fn queueing_service_fails_no_request() {
    let mut provisioning = MockProvisioningService::new();
    provisioning
        .expect_issue()
        .times(1)
        .returning(|_| Err(ServiceError::postponed(NOW + TimeDelta::hours(3), "412 before it")));
    let mut channel = MockConfigChannel::new();
    channel.expect_reported().returning(|_| Ok(None));
    let (pager, field) = (MockOpsNotifier::new(), MockScheduler::new());
    let worker = Worker::new(Arc::new(provisioning), Arc::new(channel), Arc::new(pager), Arc::new(field));
    let (clock, rules) = (ManualClock::new(NOW), Rules::default());
    let mut pump = Lifecycle::new("pump-7", *with_left(19).credential(), NOW).unwrap();
    let turn = block_on(worker.turn(&mut pump, &rules, &clock, |_| {}));
    assert_eq!((turn.carried_out, turn.failed), (1, 0));
    assert_eq!(turn.wake_at, Some(NOW + TimeDelta::hours(3)));
}
