//! A storm of alerts, played in simulated time: what breaks, what the platform hears of it, and what the fleet makes of it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::diagnosis::{ActReport, ActRequest, DiagnosisId, Finding, Reply};
use iot_runbook::driver::{Actuator, Asked, Handle, Progress, SimulatedTimer};
use iot_runbook::fact::Value;
use iot_runbook::fleet::{
    Cause, DeviceAlert, Fleet, FleetSettings, Incident, Job, JobId, Output, Page, Topology,
};
use iot_runbook::probe::layer::Shared;
use iot_runbook::runbook::RunbookSet;
use iot_runbook::subject::{DeviceId, Part, Scope, Trigger};
use iot_runbook::time::ManualClock;
use iot_runbook::{Checks, Diagnosis, Driver, catalog};
use ulid::Ulid;

use super::world::{Adapters, BEGIN, Counts, Fault, Hidden, Size, World, device_name};

/// How badly the platform hears.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hearing {
    /// Of so many alerts one is lost, one comes late, one comes twice, one says nothing of when the device was last seen.
    pub(super) lost: u64,
    pub(super) late: u64,
    pub(super) doubled: u64,
    pub(super) vague: u64,
}

/// What happened.
pub(super) struct Played {
    pub(super) fleet: Fleet,
    pub(super) pages: Vec<(DateTime<Utc>, Page, Vec<Incident>)>,
    pub(super) closed: Vec<Incident>,
    pub(super) diagnoses: usize,
    pub(super) alerts: usize,
}

enum Event {
    Alert(DeviceAlert),
    Seen(DeviceId),
    GoOn(JobId),
    Wake,
}

/// SplitMix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn one_of(&mut self, many: u64) -> bool {
        many > 0 && self.below(many) == 0
    }
}

/// A restart of the gateway does not help.
struct Supervisor;

#[async_trait]
impl Actuator for Supervisor {
    async fn act(&self, _: &ActRequest) -> ActReport {
        ActReport::failed("memory", "it does not start")
    }
}

/// The diagnoses that are under way, on one clock and one set of adapters.
struct Clinic {
    set: RunbookSet,
    driver: Driver,
    clock: Arc<ManualClock>,
    under_way: BTreeMap<u64, Diagnosis>,
}

impl Clinic {
    /// The adapters answer alike for whoever asks: what one diagnosis was answered serves the next, where `is_shared`.
    fn new(world: &Arc<World>, is_shared: bool) -> Self {
        let (set, clock) = (catalog::set().unwrap(), Arc::new(ManualClock::new(BEGIN)));
        let counts = |are_questions| Arc::new(Counts { world: Arc::clone(world), are_questions });
        let probes = Adapters { world: Arc::clone(world), clock: Arc::clone(&clock) }.probes();
        let mut probes = probes.with_layer(counts(false));
        if is_shared {
            probes = probes.with_layer(Arc::new(Shared::new(Arc::<ManualClock>::clone(&clock))));
        }
        let probes = probes.with_layer(counts(true));
        let timer = Arc::new(SimulatedTimer::new(Arc::clone(&clock)));
        let driver = Driver::new(&set, &Checks::builtin(), probes, timer).unwrap();
        let driver = driver.with_clock(Arc::<ManualClock>::clone(&clock)).with_actuator(Arc::new(Supervisor));
        Self { set, driver, clock, under_way: BTreeMap::new() }
    }

    fn begin(&mut self, job: &Job, now: DateTime<Utc>) {
        let id = DiagnosisId::new(Ulid(u128::from(job.id.0)));
        let (subject, trigger) = (job.subject.clone(), job.trigger.clone());
        let diagnosis = Diagnosis::new(id, &self.set, &job.runbook, subject, trigger, now).unwrap();
        self.under_way.insert(job.id.0, diagnosis);
    }

    /// Drives a diagnosis as far as it comes now: to its end, or to when it must go on. People approve at once; nobody is
    /// on site who could answer more.
    fn go_on(&mut self, job: JobId, now: DateTime<Utc>) -> Option<Result<Finding, DateTime<Utc>>> {
        self.clock.set(now);
        let (mut diagnosis, news) = (self.under_way.remove(&job.0)?, Handle::new());
        loop {
            let run = self.driver.run_until_wait(&mut diagnosis, &news, Duration::ZERO);
            let (until, asked) = match block_on(run).unwrap() {
                Progress::Ended(finding) => return Some(Ok(*finding)),
                Progress::Waits { until, asked } => (until, asked),
            };
            let mut is_answered = false;
            for asked in asked {
                match asked {
                    Asked::Approval(request) => {
                        is_answered |= diagnosis.approve(request.grant("ann"), now).is_ok();
                    }
                    Asked::Question(request) if request.step() == "restarted-by-hand" => {
                        let no = Reply::new(Value::Flag(false), "ann");
                        is_answered |= diagnosis.reply(request.id, no, now).is_ok();
                    }
                    Asked::Question(_) => {}
                }
            }
            if !is_answered {
                self.under_way.insert(job.0, diagnosis);
                // Never at the same moment again, so that the night goes on.
                return Some(Err(until.unwrap_or(now).max(now + TimeDelta::milliseconds(1))));
            }
        }
    }
}

/// Polls until it is ready: simulated time wakes itself.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
}

/// The alerts about all devices that the faults of `world` silence: half an hour after the last message.
fn alerts(world: &World, hearing: Hearing, random: &mut Random) -> Vec<(DateTime<Utc>, DeviceAlert)> {
    let mut alerts = Vec::new();
    for device in 0..world.size.devices {
        let reaching = world.faults.iter().filter(|fault| world.reaches(fault.hidden, device));
        let mut raised: BTreeMap<DateTime<Utc>, DateTime<Utc>> = BTreeMap::new();
        for fault in reaching {
            let last = world.last_message(device, fault.from);
            let at = last + TimeDelta::minutes(30);
            if world.last_message(device, at) == last {
                raised.insert(last, at);
            }
        }
        for (last, at) in raised {
            if random.one_of(hearing.lost) {
                continue;
            }
            let mut heard = at + TimeDelta::seconds(random.below(60) as i64);
            if random.one_of(hearing.late) {
                heard += TimeDelta::seconds(random.below(600) as i64);
            }
            let trigger = Trigger::new("no message for 30 min", at);
            let mut alert = DeviceAlert::new("device-offline", device_name(device), trigger, "alertmanager");
            if !random.one_of(hearing.vague) {
                alert = alert.with_last_seen(last);
            }
            if random.one_of(hearing.doubled) {
                alerts.push((heard + TimeDelta::seconds(random.below(300) as i64), alert.clone()));
            }
            alerts.push((heard, alert));
        }
    }
    alerts
}

/// Two to five causes within a quarter of an hour, and a topology that is wrong for one device in a hundred.
pub(super) fn night(seed: u64, size: Size) -> World {
    let mut random = Random(seed ^ 0xfa17);
    let faults = (0..2 + random.below(4)).map(|_| {
        let site = random.below(size.sites as u64) as usize;
        let gateway = random.below(size.gateways as u64) as usize;
        let hidden = match random.below(10) {
            0 => Hidden::Broker,
            1 => Hidden::Ingestion,
            2 | 3 => Hidden::SiteUplink(site),
            4 => Hidden::SitePower(site),
            5 | 6 => Hidden::Firewall(site),
            7 => Hidden::Certificate(gateway),
            8 => Hidden::Device(random.below(size.devices as u64) as usize),
            _ => Hidden::Gateway(gateway),
        };
        let from = BEGIN + TimeDelta::seconds(random.below(900) as i64);
        let lasts = 2_400 + random.below(7_200) as i64;
        Fault { hidden, from, until: Some(from + TimeDelta::seconds(lasts)) }
    });
    let faults: Vec<Fault> = faults.collect();
    let mut world = World::new(size, faults);
    for _ in 0..size.devices / 100 {
        let device = random.below(size.devices as u64) as usize;
        world.moved.insert(device, random.below(size.gateways as u64) as usize);
    }
    world
}

/// How it comes out without diagnoses: alerts grouped by the gateway in their labels, one page for each group, half a minute
/// after its first alert. Taken to mean that the gateway is at fault, as many a night shift takes it.
pub(super) fn by_gateway(world: &World, seed: u64, hearing: Hearing) -> Judged {
    let mut groups: BTreeMap<Part, DateTime<Utc>> = BTreeMap::new();
    for (at, alert) in alerts(world, hearing, &mut Random(seed)) {
        let nr = alert.device.as_str().rsplit('-').next().and_then(|nr| nr.parse().ok()).unwrap_or_default();
        if let Some(gateway) = world.subject(nr).part(Scope::Gateway) {
            let first = groups.entry(gateway).or_insert(at);
            *first = at.min(*first);
        }
    }
    let pages: Vec<_> =
        groups.into_iter().map(|(gateway, at)| (at + TimeDelta::seconds(30), gateway)).collect();
    let mut judged = Judged { pages: pages.len(), ..Judged::default() };
    judged.most_pages = most_at_once(pages.iter().map(|(at, _)| *at));
    let lies = |(at, part): &&(DateTime<Utc>, Part)| !world.is_true("gateway-fault", part, BEGIN, *at);
    judged.wrong = pages.iter().filter(lies).map(|(_, part)| part.to_string()).collect();
    for fault in world.faults.iter().filter(|fault| stands_alone(world, fault)) {
        judged.faults += 1;
        let named = pages.iter().any(|(_, part)| world.says(fault.hidden, "gateway-fault", part));
        judged.named += usize::from(named);
    }
    judged
}

/// The most pages within ten minutes.
fn most_at_once(moments: impl Iterator<Item = DateTime<Utc>>) -> usize {
    let moments: Vec<_> = moments.collect();
    let within = |at: &DateTime<Utc>| {
        moments.iter().filter(|other| *other >= at && **other - *at < TimeDelta::minutes(10)).count()
    };
    moments.iter().map(within).max().unwrap_or(0)
}

/// Whether that fault alone silences a device, which the topology puts in its place.
fn is_alone(world: &World, fault: &Fault, device: usize) -> bool {
    let reach = world.faults.iter().filter(|other| world.reaches(other.hidden, device)).count();
    reach == 1 && world.reaches(fault.hidden, device) && !world.moved.contains_key(&device)
}

fn stands_alone(world: &World, fault: &Fault) -> bool {
    (0..world.size.devices).any(|device| is_alone(world, fault, device))
}

/// Plays a storm to its end, with the answers of the adapters shared among the diagnoses.
pub(super) fn play(world: &Arc<World>, seed: u64, hearing: Hearing, until: DateTime<Utc>) -> Played {
    play_with(world, seed, hearing, until, true)
}

/// The same, where `is_shared` says whether answers are shared.
pub(super) fn play_with(
    world: &Arc<World>,
    seed: u64,
    hearing: Hearing,
    until: DateTime<Utc>,
    is_shared: bool,
) -> Played {
    let mut random = Random(seed);
    let topology: Topology = (0..world.size.devices).map(|nr| world.subject(nr)).collect();
    let mut fleet = Fleet::new(topology, FleetSettings::default(), BEGIN);
    let mut clinic = Clinic::new(world, is_shared);
    // Ordered by time, then by number.
    let mut queue: BinaryHeap<Reverse<(DateTime<Utc>, usize)>> = BinaryHeap::new();
    let mut events: Vec<Option<Event>> = Vec::new();
    let push = |queue: &mut BinaryHeap<_>, events: &mut Vec<Option<Event>>, at, event| {
        queue.push(Reverse((at, events.len())));
        events.push(Some(event));
    };
    let heard = alerts(world, hearing, &mut random);
    let mut played = Played {
        fleet: fleet.clone(),
        pages: Vec::new(),
        closed: Vec::new(),
        diagnoses: 0,
        alerts: heard.len(),
    };
    for (at, alert) in heard {
        // It is seen again in the minute after the faults that reach it are over.
        let device: usize = alert.device.as_str().rsplit('-').next().and_then(|nr| nr.parse().ok()).unwrap();
        let ends = world.faults.iter().filter(|fault| world.reaches(fault.hidden, device));
        for end in ends.filter_map(|fault| fault.until) {
            let seen = world.last_message(device, end + TimeDelta::seconds(61));
            if seen >= end {
                push(&mut queue, &mut events, seen, Event::Seen(alert.device.clone()));
            }
        }
        push(&mut queue, &mut events, at, Event::Alert(alert));
    }
    let mut wake_at = None;
    while let Some(Reverse((now, nr))) = queue.pop() {
        if now > until {
            break;
        }
        match events[nr].take() {
            Some(Event::Alert(alert)) => {
                fleet.observe_alert(alert, now);
            }
            Some(Event::Seen(device)) => fleet.observe_seen(&device, now, now),
            Some(Event::GoOn(job)) => match clinic.go_on(job, now) {
                Some(Ok(finding)) => fleet.observe_finding(job, &finding, now),
                Some(Err(at)) => push(&mut queue, &mut events, at, Event::GoOn(job)),
                None => {}
            },
            Some(Event::Wake) => wake_at = None,
            None => {}
        }
        loop {
            match fleet.poll(now) {
                Output::Diagnose(job) => {
                    played.diagnoses += usize::from(job.incident.is_none());
                    clinic.begin(&job, now);
                    push(&mut queue, &mut events, now, Event::GoOn(job.id));
                }
                Output::Page(page) => {
                    let incidents =
                        page.incidents.iter().filter_map(|id| fleet.incident(*id)).cloned().collect();
                    played.pages.push((now, page, incidents));
                }
                Output::Closed(incident) => played.closed.push(*incident),
                Output::Pending { until } => {
                    if let Some(until) = until
                        && wake_at.is_none_or(|at| until < at)
                    {
                        wake_at = Some(until);
                        push(&mut queue, &mut events, until, Event::Wake);
                    }
                    break;
                }
                _ => {}
            }
        }
    }
    played.fleet = fleet;
    played
}

/// How true the pages were.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// Pages that name a cause that is not there.
    pub(super) wrong: Vec<String>,
    /// Faults that nothing else hid, and how many of these were named first by the page about their devices.
    pub(super) faults: usize,
    pub(super) named: usize,
    /// The others, with what the first page about their devices said.
    pub(super) missed: Vec<String>,
    pub(super) pages: usize,
    /// The most pages within ten minutes.
    pub(super) most_pages: usize,
}

/// Conclusions that say themselves that the cause is not known.
const OPEN: [&str; 2] = ["not-reachable", "power-uncertain"];

/// Compares the pages with what was broken.
pub(super) fn judge(world: &World, played: &Played) -> Judged {
    let most_pages = most_at_once(played.pages.iter().map(|(at, ..)| *at));
    let mut judged = Judged { pages: played.pages.len(), most_pages, ..Judged::default() };
    let paged =
        || played.pages.iter().flat_map(|(at, _, incidents)| incidents.iter().map(move |one| (*at, one)));
    for (at, incident) in paged() {
        let Cause::Concluded(conclusion) = &incident.cause else { continue };
        let is_open = OPEN.contains(&&**conclusion);
        // Somebody looked at some time between the silence and the page.
        let lies = |part: &&Part| !world.is_true(conclusion, part, incident.began, at);
        if let Some(part) = incident.parts.keys().find(lies).filter(|_| !is_open) {
            judged.wrong.push(format!("{} at {part}: {conclusion}", at.format("%H:%M:%S")));
        }
    }
    for fault in &world.faults {
        let alone = |device: &DeviceId| {
            let nr = device.as_str().rsplit('-').next().and_then(|nr| nr.parse().ok()).unwrap_or(usize::MAX);
            is_alone(world, fault, nr)
        };
        if !stands_alone(world, fault) {
            continue;
        }
        judged.faults += 1;
        // A page is about all devices that its incident ever had.
        let last = |id| {
            let closed = played.closed.iter().find(|closed| closed.id == id);
            closed.or_else(|| played.fleet.incident(id))
        };
        let about = |incident: &Incident| {
            let later = last(incident.id).into_iter().flat_map(|one| one.members.keys());
            incident.members.keys().chain(later).any(alone)
        };
        let Some((_, first)) = paged().find(|(_, incident)| about(incident)) else {
            judged.missed.push(format!("{}: no page", fault.hidden));
            continue;
        };
        let says = |part| match &first.cause {
            Cause::Concluded(said) => world.says(fault.hidden, said, part),
            _ => false,
        };
        let later = last(first.id).into_iter().flat_map(|one| one.parts.keys());
        if first.parts.keys().chain(later).any(says) {
            judged.named += 1;
        } else {
            judged.missed.push(format!("{}: {}", fault.hidden, first.cause));
        }
    }
    judged
}
