//! The driver over shared answers: an answer from before a wait, an act or a last look never decides.

use std::sync::atomic::{AtomicBool, Ordering};

use iot_runbook::check::Checks;
use iot_runbook::diagnosis::{
    ActReport, ActRequest, Alert, Approval, ApprovalRequest, AskRequest, Diagnosis, Reply,
};
use iot_runbook::driver::{Actuator, Driver, Operator};
use iot_runbook::runbook::RunbookSet;
use iot_runbook::subject::{Subject, Trigger};
use ulid::Ulid;

use super::*;

/// Shares every answer of every method for a day: worse than any rule.
fn share_all(clock: &Arc<ManualClock>) -> Shared {
    let day = Sharing::For(TimeDelta::days(1));
    METHODS
        .iter()
        .fold(Shared::new(clock.clone()), |shared, method| shared.with_sharing(method.name, day).unwrap())
}

/// A device behind a gateway that does not run, and what happens to it.
struct Plant {
    set: RunbookSet,
    clock: Arc<ManualClock>,
    memory: Arc<Memory>,
    /// What changes when a person is asked to approve, and when somebody acts.
    on_approval: fn(&Memory),
    on_act: fn(&Memory),
    acted: Mutex<u32>,
}

#[async_trait]
impl Operator for Plant {
    async fn approve(&self, request: &ApprovalRequest) -> Option<Approval> {
        (self.on_approval)(&self.memory);
        Some(request.grant("ann"))
    }

    async fn answer(&self, _: &AskRequest) -> Option<Reply> {
        None
    }

    async fn tell(&self, _: &Alert) {}
}

#[async_trait]
impl Actuator for Plant {
    async fn act(&self, _: &ActRequest) -> ActReport {
        *self.acted.lock().unwrap() += 1;
        (self.on_act)(&self.memory);
        ActReport::done("actuator")
    }
}

fn nothing(_: &Memory) {}

/// The device sends again, through its gateway, which runs.
fn heal(memory: &Memory) {
    let at = memory.clock.now() + TimeDelta::seconds(1);
    memory.set(|facts| {
        facts.last_seen = Some(at);
        facts.events = vec![ConnectionEvent::accepted(at)];
        facts.session = SessionState::Up;
        facts.process = ProcessState::Running;
    });
    memory.clock.advance(TimeDelta::seconds(2));
}

impl Plant {
    fn new(on_approval: fn(&Memory), on_act: fn(&Memory)) -> Arc<Self> {
        let clock = Arc::new(ManualClock::new(NOW));
        let memory = Memory::new(clock.clone());
        memory.set(|facts| facts.process = ProcessState::NotRunning);
        let set = iot_runbook::catalog::set().unwrap();
        Arc::new(Self { set, clock, memory, on_approval, on_act, acted: Mutex::new(0) })
    }

    fn driver(self: &Arc<Self>, probes: Probes) -> Driver {
        let timer = Arc::new(SimulatedTimer::new(self.clock.clone()));
        Driver::new(&self.set, &Checks::builtin(), probes, timer)
            .unwrap()
            .with_clock(self.clock.clone())
            .with_operator(self.clone())
            .with_actuator(self.clone())
    }

    fn run(&self, driver: &Driver, id: u128) -> Option<String> {
        let subject =
            Subject::device("press-07").with_gateway("gw-2").with_site("north").with_gateway_session();
        let (trigger, now) = (Trigger::new("offline alert", NOW), self.clock.now());
        let mut diagnosis =
            Diagnosis::new(Ulid(id), &self.set, "device-offline", subject, trigger, now).unwrap();
        let finding = block_on(driver.run(&mut diagnosis)).unwrap();
        finding.conclusion().map(str::to_owned)
    }

    /// What a diagnosis comes to, and how often somebody acted.
    fn outcome(self: &Arc<Self>, probes: Probes) -> (Option<String>, u32) {
        let conclusion = self.run(&self.driver(probes), 1);
        (conclusion, *self.acted.lock().unwrap())
    }
}

type Course = (fn(&Memory), fn(&Memory));

const COURSES: [Course; 3] = [(nothing, nothing), (nothing, heal), (heal, nothing)];

#[test]
fn shared_answers_change_no_course() {
    let mut outcomes = Vec::new();
    for (on_approval, on_act) in COURSES {
        let plain = Plant::new(on_approval, on_act);
        let expected = plain.outcome(plain.memory.probes());
        let shared = Plant::new(on_approval, on_act);
        let layer = Arc::new(share_all(&shared.clock));
        assert_eq!(shared.outcome(shared.memory.probes().with_layer(layer.clone())), expected);
        assert!(layer.kept() > 0, "nothing was shared");
        outcomes.push(expected);
    }
    // The three courses differ: it stays silent after a restart, comes back by it, or is back before it.
    let acted: Vec<_> = outcomes.iter().map(|(_, acted)| *acted).collect();
    assert_eq!(acted, [1, 1, 0]);
    assert_ne!(outcomes[0].0, outcomes[1].0);
    assert_ne!(outcomes[1].0, outcomes[2].0);
}

/// A layer of a test's own: the world changes at a time.
struct At(DateTime<Utc>, Arc<Memory>, AtomicBool);

#[async_trait]
impl Layer for At {
    async fn around(&self, _: &Question, inner: Inner<'_>) -> Result<Answer, ProbeError> {
        if self.1.clock.now() >= self.0 && !self.2.swap(true, Ordering::Relaxed) {
            heal(&self.1);
        }
        inner.ask().await
    }
}

#[test]
fn a_device_that_heals_at_any_time_is_seen() {
    let mut conclusions = BTreeSet::new();
    for seconds in (0..3_600).step_by(60) {
        let heals_at = NOW + TimeDelta::seconds(seconds);
        let outcome = |shares: bool| {
            let plant = Plant::new(nothing, nothing);
            let heals = Arc::new(At(heals_at, plant.memory.clone(), AtomicBool::new(false)));
            let mut probes = plant.memory.probes().with_layer(heals);
            if shares {
                probes = probes.with_layer(Arc::new(share_all(&plant.clock)));
            }
            plant.outcome(probes)
        };
        let expected = outcome(false);
        assert_eq!(outcome(true), expected, "{seconds} s");
        conclusions.insert(expected.0);
    }
    assert!(conclusions.len() > 1, "{conclusions:?}");
}

/// Five devices of one gateway that went silent together.
#[test]
fn devices_of_one_gateway_ask_it_once() {
    let asked = |shares: bool| {
        let plant = Plant::new(nothing, nothing);
        let mut probes = plant.memory.probes();
        if shares {
            probes = probes.with_layer(Arc::new(Shared::new(plant.clock.clone())));
        }
        // Each waits for an approval in the end, which nobody gives.
        let timer = Arc::new(SimulatedTimer::new(plant.clock.clone()));
        let driver = Driver::new(&plant.set, &Checks::builtin(), probes, timer).unwrap();
        let driver = driver.with_clock(plant.clock.clone());
        let subject = |device: u128| {
            Subject::device(format!("press-{device}"))
                .with_gateway("gw-2")
                .with_site("north")
                .with_gateway_session()
        };
        let mut diagnoses: Vec<_> = (1..=5)
            .map(|device| {
                let trigger = Trigger::new("offline alert", NOW);
                Diagnosis::new(Ulid(device), &plant.set, "device-offline", subject(device), trigger, NOW)
                    .unwrap()
            })
            .collect();
        for diagnosis in &mut diagnoses {
            let mut run = std::pin::pin!(driver.run(diagnosis));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let _ = run.as_mut().poll(&mut context);
        }
        ["health", "last-seen", "service-state"].map(|question| plant.memory.asked(question))
    };
    let (plain, shared) = (asked(false), asked(true));
    assert_eq!((plain[0], shared[0]), (5, 1));
    // What may not be shared, and what is about each device.
    assert_eq!(plain[1..], shared[1..]);
}

/// An act ends the sharing of what was asked before it, and of what was asked while it was under way.
#[test]
fn an_act_forgets_before_and_after() {
    struct Forgets(Mutex<Vec<u32>>, Arc<Plant>);

    #[async_trait]
    impl Layer for Forgets {
        async fn around(&self, _: &Question, inner: Inner<'_>) -> Result<Answer, ProbeError> {
            inner.ask().await
        }

        fn forget_all(&self) {
            let acted = *self.1.acted.lock().unwrap();
            self.0.lock().unwrap().push(acted);
        }
    }

    let plant = Plant::new(nothing, heal);
    let forgets = Arc::new(Forgets(Mutex::default(), plant.clone()));
    plant.outcome(plant.memory.probes().with_layer(forgets.clone()));
    assert_eq!(*forgets.0.lock().unwrap(), [0, 1]);
}
