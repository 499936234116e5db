//! Alerts in, pages out, over the driver.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use iot_runbook::diagnosis::{Diagnosis, Recorded};
use iot_runbook::driver::{LocalActs, SimulatedTimer};
use iot_runbook::fleet::{FleetRunner, Incoming, IntakeError, Pager};
use iot_runbook::time::{Clock as _, ManualClock};
use iot_runbook::{Checks, Driver, catalog};

use super::world::{Adapters, BEGIN, Fault, Hidden, Size, World, device_name};
use super::*;
use crate::traced::Recorder;

#[derive(Clone, Default)]
struct Told(Arc<Mutex<(Vec<String>, Vec<Incident>)>>);

#[async_trait]
impl Pager for Told {
    async fn page(&self, page: &Page, incidents: &[Incident]) {
        assert_eq!(page.incidents, incidents.iter().map(|incident| incident.id).collect::<Vec<_>>());
        self.0.lock().unwrap().0.push(page.to_string());
    }

    async fn closed(&self, incident: &Incident) {
        self.0.lock().unwrap().1.push(incident.clone());
    }
}

/// A driver over a world in which the site's uplink is down, half an hour later.
fn driver() -> (Arc<World>, Arc<ManualClock>, Driver) {
    let fault = Fault { hidden: Hidden::SiteUplink(0), from: BEGIN, until: Some(BEGIN + secs(7_200)) };
    let world = Arc::new(World::new(Size { sites: 2, gateways: 4, devices: 40 }, vec![fault]));
    let clock = Arc::new(ManualClock::new(BEGIN + secs(1_900)));
    let probes = Adapters { world: Arc::clone(&world), clock: Arc::clone(&clock) }.probes();
    let timer = Arc::new(SimulatedTimer::new(Arc::clone(&clock)));
    let driver = Driver::new(&catalog::set().unwrap(), &Checks::builtin(), probes, timer)
        .unwrap()
        .with_clock(Arc::<ManualClock>::clone(&clock))
        .with_acts(Arc::new(LocalActs::default()));
    (world, clock, driver)
}

fn runner(capacity: usize) -> (Arc<World>, Arc<ManualClock>, Told, FleetRunner<Told>) {
    let (world, clock, driver) = driver();
    let topology: Topology = (0..40).map(|nr| world.subject(nr)).collect();
    let fleet = Fleet::new(topology, FleetSettings::default(), clock.now());
    let told = Told::default();
    (world, clock, told.clone(), FleetRunner::new(driver, fleet, told, capacity))
}

fn silent(nr: usize, world: &World) -> DeviceAlert {
    let last = world.last_message(nr, BEGIN + secs(1_900));
    let trigger = Trigger::new("no message for 30 min", last + secs(1_800));
    DeviceAlert::new("device-offline", device_name(nr), trigger, "test").with_last_seen(last)
}

#[tokio::test]
async fn alerts_become_one_page_and_one_end() {
    let (world, clock, told, runner) = runner(1_000);
    let intake = runner.intake();
    // The devices of site 0 are behind its even gateways.
    for nr in (0..40).filter(|nr| nr % 2 == 0) {
        intake.offer(Incoming::Alert(silent(nr, &world))).unwrap();
    }
    assert_eq!(intake.waiting(), 20);
    let until_paged = async {
        while told.0.lock().unwrap().0.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = runner.run() => panic!("the intake is open"),
        () = until_paged => {}
    }
    assert_eq!(runner.with_fleet(|fleet| fleet.counts().members), 20);
    {
        let told = told.0.lock().unwrap();
        assert!(told.0[0].contains("its uplink [site site-00]; 20 of 20 devices silent"), "{}", told.0[0]);
    }
    clock.set(BEGIN + secs(7_300));
    for nr in (0..40).filter(|nr| nr % 2 == 0) {
        intake.offer(Incoming::Seen { device: device_name(nr), at: clock.now() }).unwrap();
    }
    intake.close();
    runner.run().await;
    let told = told.0.lock().unwrap();
    assert_eq!((told.0.len(), told.1.len()), (1, 1));
    assert_eq!(told.1[0].closed.as_ref().unwrap().still_out, 0);
    runner.with_fleet(check);
}

#[tokio::test]
async fn what_is_not_taken_is_handed_back() {
    let (world, _, _, runner) = runner(2);
    let intake = runner.intake();
    let mut odd = silent(0, &world);
    odd.runbook = "no-such".into();
    let error = intake.offer(Incoming::Alert(odd.clone())).unwrap_err();
    assert!(
        error.to_string().contains("no runbook of the driver is called `no-such`: name one of"),
        "{error}"
    );
    let IntakeError::NoSuchRunbook { offered, .. } = error else { panic!("{error}") };
    assert_eq!(*offered, Incoming::Alert(odd));
    for (nameless, kind) in names::blank_news().into_iter().zip(["device", "device", "device", "site"]) {
        let error = intake.offer(nameless.clone()).unwrap_err();
        assert!(error.to_string().starts_with(&format!("the name of a {kind} is blank")), "{error}");
        let IntakeError::BlankName { offered, .. } = error else { panic!("{error}") };
        assert_eq!(*offered, nameless);
    }
    for nr in [0, 2] {
        intake.offer(Incoming::Alert(silent(nr, &world))).unwrap();
    }
    let third = Incoming::Alert(silent(4, &world));
    let full = intake.offer(third.clone()).unwrap_err();
    assert_eq!(full, IntakeError::Full { offered: Box::new(third.clone()), capacity: 2 });
    intake.close();
    assert_eq!(intake.offer(third.clone()), Err(IntakeError::Closed { offered: Box::new(third) }));
    // What was taken before is not lost.
    runner.run().await;
    assert_eq!(runner.with_fleet(|fleet| fleet.counts().alerts), 2);
}

#[tokio::test]
async fn a_night_is_seen_from_alert_to_end() {
    let (recorder, _guard) = Recorder::install();
    let (world, clock, told, runner) = runner(1_000);
    let intake = runner.intake();
    for nr in (0..40).filter(|nr| nr % 2 == 0) {
        intake.offer(Incoming::Alert(silent(nr, &world))).unwrap();
    }
    let until_paged = async {
        while told.0.lock().unwrap().0.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = runner.run() => panic!("the intake is open"),
        () = until_paged => {}
    }
    clock.set(BEGIN + secs(7_300));
    for nr in (0..40).filter(|nr| nr % 2 == 0) {
        intake.offer(Incoming::Seen { device: device_name(nr), at: clock.now() }).unwrap();
    }
    intake.close();
    runner.run().await;

    let events = recorder.events();
    let of = |name: &str| {
        let begin = format!("fleet::runner: {name}");
        events.iter().filter(|event| event.contains(&begin)).collect::<Vec<_>>()
    };
    assert_eq!(of("alert").len(), 20, "{events:#?}");
    assert!(of("alert")[0].ends_with("runbook=device-offline taken=Waits"), "{:?}", of("alert"));
    assert_eq!(of("diagnose").len(), of("found").len());
    assert!(of("found")[0].ends_with("conclusion=site-uplink-fault"), "{:?}", of("found"));
    assert_eq!(of("page").len(), 1);
    assert!(
        of("page")[0].starts_with("WARN fleet::runner: page severity=critical incidents=1 page="),
        "{events:?}"
    );
    assert_eq!(of("incident closed").len(), 1);
    assert!(of("incident closed")[0].ends_with("members=20"), "{:?}", of("incident closed"));
}

/// The saved fleet has an alert of a runbook that this driver has not.
#[test]
fn alert_of_an_unknown_runbook_waits() {
    let (_, clock, driver) = driver();
    let mut settings = FleetSettings::default();
    settings.hold = std::time::Duration::from_secs(20);
    let mut fleet = Fleet::new(Topology::default(), settings, clock.now());
    let mut gone = alert(0, clock.now());
    gone.runbook = "gone".into();
    fleet.observe_alert(gone, clock.now());
    clock.advance(secs(20));
    let runner = Arc::new(FleetRunner::new(driver, fleet, Told::default(), 10));
    runner.intake().close();
    let (done, ended) = std::sync::mpsc::channel();
    let beside = Arc::clone(&runner);
    // In a thread of its own: a run that tries again without a pause never returns.
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(beside.run());
        done.send(()).unwrap();
    });
    assert!(ended.recv_timeout(std::time::Duration::from_secs(20)).is_ok(), "it tries without a pause");
    assert_eq!(runner.with_fleet(Fleet::counts).waiting, 1);
    let next = runner.with_fleet(|fleet| poll(&mut fleet.clone(), clock.now())).until;
    assert_eq!(next, Some(clock.now() + secs(20)), "it is tried again later");
}

/// It came back while nobody could diagnose it.
#[tokio::test]
async fn seen_before_an_unknown_runbook_is_over() {
    let (_, clock, driver) = driver();
    let mut settings = FleetSettings::default();
    settings.ended_by_a_sighting.insert("gone".into());
    let mut fleet = Fleet::new(Topology::default(), settings, clock.now());
    let mut gone = alert(0, clock.now());
    gone.runbook = "gone".into();
    fleet.observe_alert(gone, clock.now());
    clock.advance(secs(30));
    assert_eq!(poll(&mut fleet, clock.now()).jobs.len(), 1);
    clock.advance(secs(1));
    fleet.observe_seen(&"d-0".into(), clock.now(), clock.now());
    let runner = FleetRunner::new(driver, fleet, Told::default(), 10);
    runner.intake().close();
    runner.run().await;
    assert_eq!(runner.with_fleet(Fleet::counts).over, 1);
}

/// Runs beside the test, on the same thread.
fn beside(runner: FleetRunner<Told>) -> (Arc<FleetRunner<Told>>, tokio::task::JoinHandle<()>) {
    let runner = Arc::new(runner);
    let run = Arc::clone(&runner);
    (runner, tokio::spawn(async move { run.run().await }))
}

async fn let_it_run() {
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

/// Nothing is due, so only what comes in can wake it.
#[tokio::test]
async fn an_idle_run_wakes_for_what_comes_in() {
    let (_, clock, _, runner) = runner(10);
    let (runner, run) = beside(runner);
    let_it_run().await;
    let intake = runner.intake();
    // In the order in which it was offered: the device is back after its alert.
    let alert =
        DeviceAlert::new("device-offline", "stranger", Trigger::new("no message", clock.now()), "test");
    intake.offer(Incoming::Alert(alert.with_last_seen(clock.now() - secs(1)))).unwrap();
    intake.offer(Incoming::Seen { device: "stranger".into(), at: clock.now() }).unwrap();
    let_it_run().await;
    assert_eq!((intake.waiting(), runner.with_fleet(Fleet::counts).over), (0, 1));
    intake.close();
    let_it_run().await;
    assert!(run.is_finished(), "it was not woken for the end");
    run.await.unwrap();
}

/// Which incident each diagnosis belongs to, and how many facts were pushed in.
#[derive(Default)]
struct Watch(Mutex<Vec<(Option<Box<str>>, usize)>>);

#[async_trait]
impl iot_runbook::driver::Journal for Watch {
    async fn keep(&self, diagnosis: &Diagnosis) -> Result<(), iot_runbook::driver::NotKept> {
        if diagnosis.is_ended() {
            let records = (0..diagnosis.trace_len()).filter_map(|at| diagnosis.record(at));
            let news = records.filter(|record| matches!(record.what, Recorded::News { .. })).count();
            self.0.lock().unwrap().push((diagnosis.opening().incident, news));
        }
        Ok(())
    }
}

/// Acts of one incident are shared, so its measurement must say which incident it is.
#[tokio::test]
async fn measured_again_it_belongs_to_its_incident() {
    let (world, clock, driver) = driver();
    let watch = Arc::new(Watch::default());
    let fleet =
        Fleet::new((0..40).map(|nr| world.subject(nr)).collect(), FleetSettings::default(), clock.now());
    let runner = FleetRunner::new(driver.with_journal(watch.clone()), fleet, Told::default(), 100);
    for nr in (0..40).filter(|nr| nr % 2 == 0) {
        runner.intake().offer(Incoming::Alert(silent(nr, &world))).unwrap();
    }
    let until_measured = async {
        while watch.0.lock().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = runner.run() => panic!("the intake is open"),
        () = until_measured => {}
    }
    let ended = watch.0.lock().unwrap();
    let incidents: Vec<Option<&str>> = ended.iter().map(|(incident, _)| incident.as_deref()).collect();
    assert_eq!(incidents[..2], [None, Some("INC-1")]);
}

/// A device that is seen while it is diagnosed: the diagnosis is told, if its runbook has a check for that.
#[tokio::test]
async fn diagnosis_hears_that_its_device_is_back() {
    let (world, clock, driver) = driver();
    let watch = Arc::new(Watch::default());
    let mut fleet =
        Fleet::new((0..40).map(|nr| world.subject(nr)).collect(), FleetSettings::default(), clock.now());
    fleet.observe_alert(silent(0, &world), clock.now());
    clock.advance(secs(30));
    assert_eq!(poll(&mut fleet, clock.now()).jobs.len(), 1);
    fleet.observe_seen(&device_name(0), clock.now(), clock.now());
    let runner = FleetRunner::new(driver.with_journal(watch.clone()), fleet, Told::default(), 100);
    runner.intake().close();
    runner.run().await;
    assert_eq!(watch.0.lock().unwrap().iter().map(|(_, news)| *news).collect::<Vec<_>>(), [1]);
}
