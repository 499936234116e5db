//! The worker over mocked services.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use chrono::TimeDelta;
use iot_runbook::adapter::Lifecycles;
use iot_runbook::certificate::lifecycle::{CommandKey, Event, Lifecycle, Rules, Status};
use iot_runbook::certificate::message::{Desired, Outcome, Reason, Reported};
use iot_runbook::certificate::service::{ServiceError, ServiceErrorKind, TestOutcome, Worker};
use iot_runbook::mock::{
    MockConfigChannel, MockLifecycleJournal, MockOpsNotifier, MockProvisioningService, MockScheduler,
    MockTestEndpoint,
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
        assert_eq!((request.device.as_str(), request.key.as_str()), ("pump-7", "pump-7/1/issue"));
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
    let saved = Arc::new(Mutex::new(Vec::new()));
    let mut journal = MockLifecycleJournal::new();
    let kept = Arc::clone(&saved);
    journal.expect_keep().returning(move |it| {
        kept.lock().unwrap().push(it.clone());
        Ok(())
    });
    let turn = |pump: &mut Lifecycle| block_on(worker.turn(pump, &rules, &clock, &journal)).unwrap();
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
    block_on(worker.turn(&mut pump, &rules, &clock, &Lifecycles::default())).unwrap();
    *says.lock().unwrap() = Some(Reported::new(&desired, failed()));
    clock.advance(TimeDelta::minutes(1));
    let first = block_on(worker.turn(&mut pump, &rules, &clock, &Lifecycles::default())).unwrap();
    assert_eq!(published.load(Ordering::Relaxed), 1);
    clock.set(first.wake_at.unwrap());
    let second = block_on(worker.turn(&mut pump, &rules, &clock, &Lifecycles::default())).unwrap();
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
    let turn = block_on(worker.turn(&mut pump, &rules, &clock, &Lifecycles::default())).unwrap();
    assert_eq!((turn.carried_out, turn.failed), (3, 0), "told, looked up, sent");
    pump.handle(&rules, Event::EmergencyLoaded { certificate: emergency.clone() }, clock.now()).unwrap();
    let fingerprint = emergency.credential().fingerprint;
    pump.handle(&rules, Event::Connected { fingerprint, at: clock.now() }, clock.now()).unwrap();
    let turn = block_on(worker.turn(&mut pump, &rules, &clock, &Lifecycles::default())).unwrap();
    assert!(turn.clock.is_none() && !pump.in_recovery());
    assert_eq!(ServiceError::refused("no").kind(), ServiceErrorKind::Refused);
    // A clock that jumped is told.
    clock.advance(day(40));
    let turn = block_on(worker.turn(&mut pump, &rules, &clock, &Lifecycles::default())).unwrap();
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
    let turn = block_on(worker.turn(&mut pump, &rules, &clock, &Lifecycles::default())).unwrap();
    assert_eq!((turn.carried_out, turn.failed), (1, 0));
    assert_eq!(turn.wake_at, Some(NOW + TimeDelta::hours(3)));
}

/// The journal fails at each of its calls in turn: what is not saved is not begun, a restart at that moment loses nothing,
/// and each command is carried out under one key.
#[test]
fn unsaved_command_is_not_carried_out() {
    let mut call = 0;
    loop {
        let fails = [call, call + 1, call + 3];
        let saves = renewal_with_a_failing_journal(&fails, call % 2 == 0);
        if call > saves {
            break;
        }
        call += 1;
    }
    assert!(call >= 8, "a renewal saves before each command and at the end of each turn: {call}");
}

/// A whole renewal whose journal fails at these calls, with or without a restart from what it kept. Returns how often it
/// was called.
fn renewal_with_a_failing_journal(fails: &[usize], restarts: bool) -> usize {
    #[derive(Default)]
    struct World {
        calls: usize,
        kept: Option<Lifecycle>,
        /// The keys of the commands that were carried out.
        done: Vec<String>,
    }
    /// Nothing is carried out that the journal does not hold as handed out.
    fn carry_out(world: &Mutex<World>, key: &CommandKey) {
        let mut world = world.lock().unwrap();
        let kept = world.kept.as_ref().expect("a command before anything was saved");
        assert!(kept.open_commands().any(|open| open == key), "{key:?} is not in the journal");
        world.done.push(key.as_str().to_owned());
    }
    let new = certificate(1, 2, NOW, NOW + day(60));
    let old = with_left(19).credential().fingerprint;
    let world = Arc::new(Mutex::new(World::default()));
    let mut provisioning = MockProvisioningService::new();
    let (seen, issued) = (Arc::clone(&world), new.clone());
    provisioning.expect_issue().returning(move |request| {
        carry_out(&seen, &request.key);
        Ok(issued.clone())
    });
    let seen = Arc::clone(&world);
    provisioning.expect_retire().returning(move |request| {
        assert_eq!(request.retire.fingerprint, old);
        carry_out(&seen, &request.key);
        Ok(())
    });
    let mut channel = MockConfigChannel::new();
    let seen = Arc::clone(&world);
    channel.expect_publish().returning(move |request| {
        carry_out(&seen, &request.key);
        Ok(())
    });
    let reported = Reported::new(&Desired::new(1, new.pem()), Outcome::TestPassed);
    let seen = Arc::clone(&world);
    channel.expect_reported().returning(move |_| {
        let is_published = seen.lock().unwrap().done.iter().any(|key| key.ends_with("/publish"));
        Ok(is_published.then(|| reported.clone()))
    });
    let mut journal = MockLifecycleJournal::new();
    let (seen, fails) = (Arc::clone(&world), fails.to_vec());
    journal.expect_keep().returning(move |lifecycle| {
        let mut world = seen.lock().unwrap();
        world.calls += 1;
        if fails.contains(&(world.calls - 1)) {
            return Err(ServiceError::transient("the disk is full"));
        }
        world.kept = Some(lifecycle.clone());
        Ok(())
    });
    let (pager, field) = (MockOpsNotifier::new(), MockScheduler::new());
    let worker = Worker::new(Arc::new(provisioning), Arc::new(channel), Arc::new(pager), Arc::new(field));
    let (clock, rules) = (ManualClock::new(NOW), Rules::default());
    let first = Lifecycle::new("pump-7", *with_left(19).credential(), NOW).unwrap();
    world.lock().unwrap().kept = Some(first.clone());
    let mut pump = first;
    let run = |pump: &mut Lifecycle, heard: Option<&Event>| {
        for _ in 0..4 {
            // What was not saved is gone with the process, and the log of connections still has it.
            if let Some(event) = heard {
                pump.handle(&rules, event.clone(), clock.now()).ok();
            }
            match block_on(worker.turn(pump, &rules, &clock, &journal)) {
                Ok(_) => return,
                Err(error) => assert_eq!(error.source.kind(), ServiceErrorKind::Transient),
            }
            if restarts {
                *pump = serde_json::from_value(serde_json::to_value(&world.lock().unwrap().kept).unwrap())
                    .unwrap();
            }
        }
        panic!("the journal fails three times at most");
    };
    run(&mut pump, None);
    clock.advance(TimeDelta::minutes(1));
    run(&mut pump, None);
    let connected = Event::Connected { fingerprint: new.credential().fingerprint, at: clock.now() };
    run(&mut pump, Some(&connected));
    clock.advance(day(7));
    run(&mut pump, None);
    assert_eq!((pump.status(), pump.in_use().fingerprint), (Status::Settled, new.credential().fingerprint));
    let world = world.lock().unwrap();
    let mut distinct = world.done.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 3, "issue, publish, retire: {:?}", world.done);
    if !restarts {
        // A process that goes on never does one twice: what was not saved was not begun.
        assert_eq!(world.done.len(), 3, "{:?}", world.done);
    }
    world.calls
}
