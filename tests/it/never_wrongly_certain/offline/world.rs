//! A plant in memory: one [`World`] answers for all adapters, for the people and for the actuator.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::catalog;
use iot_runbook::check::Checks;
use iot_runbook::diagnosis::{
    ActReport, ActRequest, Alert, Approval, ApprovalRequest, AskRequest, Diagnosis, Finding, Reply,
};
use iot_runbook::driver::{Actuator, Driver, Operator, Sleep, Timer};
use iot_runbook::fact::{Source, Value};
use iot_runbook::probe::*;
use iot_runbook::runbook::RunbookSet;
use iot_runbook::subject::{Subject, Trigger};
use iot_runbook::time::{Clock, ManualClock, Period};
use ulid::Ulid;

use crate::memory::turn;

static SET: LazyLock<RunbookSet> = LazyLock::new(|| catalog::set().unwrap());

pub(super) const NOW: DateTime<Utc> = crate::deepest::NOW;
pub(super) const GATEWAY: &str = "gw-2";

/// What goes wrong in a world.
pub(super) type Fault = fn(&mut World);
/// What changes in it later, at that moment.
pub(super) type Change = fn(&mut World, DateTime<Utc>);

pub(super) const fn minutes(minutes: i64) -> TimeDelta {
    TimeDelta::minutes(minutes)
}

/// All that adapters, people and actuator answer. At first a PLC behind a gateway is silent for two hours, and everything
/// that can be asked about is well.
pub(super) struct World {
    pub(super) service: ServiceState,
    pub(super) last_receipt: Option<DateTime<Utc>>,
    /// From then on a message comes each minute.
    returned_at: Option<DateTime<Utc>>,
    /// Until then.
    pub(super) silent_again: Option<DateTime<Utc>>,
    /// Further receipts, as the platform labels them.
    pub(super) extra: Vec<Receipt>,
    /// The last receipts that are no live messages.
    pub(super) others: Vec<Receipt>,
    /// `None`: the platform does not know who saw it.
    pub(super) sightings: Option<Vec<Sighting>>,
    /// How often it reports; zero: nobody knows.
    pub(super) interval: TimeDelta,
    /// Whether the subject names its gateway and its site.
    pub(super) names_gateway: bool,
    pub(super) names_site: bool,
    /// Whether the device has a session of its own.
    is_own: bool,
    pub(super) session: SessionState,
    pub(super) last_packet: Option<DateTime<Utc>>,
    /// `None`: the broker does not tell it.
    pub(super) keep_alive: Option<TimeDelta>,
    pub(super) events: Vec<ConnectionEvent>,
    /// Messages of this device, of others, of the gateway about itself, within any period.
    pub(super) published: [u64; 3],
    /// What the broker counts, where it is not as [`published`](Self::published) says.
    pub(super) counts: Option<fn(DateTime<Utc>, Period) -> ClientPublishing>,
    pub(super) readings: Vec<ClockReading>,
    pub(super) broker_takes: bool,
    process: ProcessState,
    started_at: Option<DateTime<Utc>>,
    pub(super) endpoint: Endpoint,
    /// `None`: it comes each moment.
    pub(super) heartbeat: Option<DateTime<Utc>>,
    is_reachable: bool,
    /// What is known of the gateway, where it is not all of the above.
    pub(super) health: Option<fn(DateTime<Utc>) -> GatewayHealth>,
    pub(super) path: DevicePath,
    pub(super) polls: FieldPolls,
    pub(super) broker_path: BrokerPath,
    pub(super) site_answers: bool,
    pub(super) site_feed: Option<bool>,
    pub(super) certificate: CertificateAnswer,
    pub(super) power: PowerFacts,
    /// Questions that are never answered, and those that fail.
    pub(super) hangs: BTreeSet<&'static str>,
    pub(super) fails: BTreeSet<&'static str>,
    /// What changes so long after the alert.
    pub(super) changes: Vec<(TimeDelta, Change)>,
    /// The service's clock jumps by so much, so long after the alert.
    pub(super) clock_jump: Option<(TimeDelta, TimeDelta)>,
    /// Whether anybody is there.
    pub(super) people: bool,
    pub(super) approves: bool,
    pub(super) approves_after: TimeDelta,
    /// What a restart of the gateway brings about.
    pub(super) restart: Change,
    approvals: u32,
    restarts: u32,
    questions: u64,
    /// The idempotency keys of what was done.
    done: BTreeSet<String>,
}

impl World {
    fn new() -> Self {
        let period = Period::ending(NOW, minutes(5));
        let mut world = Self {
            service: ServiceState::InService,
            last_receipt: Some(NOW - minutes(120)),
            returned_at: None,
            silent_again: None,
            extra: Vec::new(),
            others: Vec::new(),
            sightings: None,
            interval: minutes(1),
            names_gateway: true,
            names_site: true,
            is_own: false,
            session: SessionState::Up,
            last_packet: Some(NOW),
            keep_alive: Some(minutes(1)),
            events: Vec::new(),
            published: [0, 400, 10],
            counts: None,
            readings: Vec::new(),
            broker_takes: true,
            process: ProcessState::Running,
            started_at: Some(NOW - TimeDelta::days(9)),
            endpoint: Endpoint::Answers,
            heartbeat: None,
            is_reachable: true,
            health: None,
            path: DevicePath::new(NOW).with_port(PortReply::Answered).with_replier(Replier::Device),
            polls: FieldPolls::new(NOW, period).with_withheld(0),
            broker_path: BrokerPath::new(NOW, true).with_name(true).with_port(PortReply::Answered),
            site_answers: true,
            site_feed: Some(true),
            certificate: CertificateAnswer::new(NOW)
                .with_authentication(Authentication::Certificate)
                .with_has_connected(true),
            power: PowerFacts::new(NOW).with_drawing(true),
            hangs: BTreeSet::new(),
            fails: BTreeSet::new(),
            changes: Vec::new(),
            clock_jump: None,
            people: true,
            approves: true,
            approves_after: TimeDelta::zero(),
            restart: |_, _| {},
            approvals: 0,
            restarts: 0,
            questions: 0,
            done: BTreeSet::new(),
        };
        world.broker_path.tls = TlsOutcome::Completed;
        world.certificate(200, Revocation::NotRevoked);
        world
    }

    /// The certificate in use ends in so many days.
    pub(super) fn certificate(&mut self, days: i64, revocation: Revocation) {
        let end = NOW + TimeDelta::days(days);
        self.certificate.certificate =
            Some(Certificate::new("ab:cd".into(), end - TimeDelta::days(365), end, revocation));
    }

    /// The session holder lost its session two hours ago.
    pub(super) fn session_down(&mut self) {
        (self.session, self.published) = (SessionState::Down, [0; 3]);
        let end = NOW - minutes(119);
        self.events.push(ConnectionEvent::disconnected(end, DisconnectReason::KeepAliveTimeout));
    }

    /// The device has a session of its own, which is down.
    pub(super) fn own_session(&mut self) {
        self.is_own = true;
        self.session_down();
    }

    /// The device answers nothing, and its segment does or does not.
    pub(super) fn path_silent(&mut self, segment: Option<bool>) {
        self.path = DevicePath::new(NOW).with_port(PortReply::Silent).with_otherwise(false);
        self.path.segment = segment;
    }

    pub(super) fn gateway_dead(&mut self) {
        self.session_down();
        (self.process, self.endpoint) = (ProcessState::NotRunning, Endpoint::SilentSince(NOW - minutes(120)));
        (self.heartbeat, self.is_reachable) = (Some(NOW - minutes(120)), false);
    }

    pub(super) fn gateway_hangs(&mut self) {
        self.gateway_dead();
        self.process = ProcessState::Running;
    }

    pub(super) fn gateway_unreachable(&mut self) {
        self.gateway_dead();
        (self.process, self.endpoint) = (ProcessState::NotKnown, Endpoint::NotKnown);
    }

    /// The gateway runs again, and its device is still away.
    pub(super) fn gateway_back_alone(&mut self, at: DateTime<Utc>) {
        let well = Self::new();
        (self.process, self.endpoint, self.heartbeat) = (well.process, well.endpoint, well.heartbeat);
        (self.started_at, self.is_reachable) = (Some(at), true);
        (self.session, self.published) = (SessionState::Up, well.published);
        self.last_packet = Some(at);
        self.events.push(ConnectionEvent::accepted(at));
    }

    pub(super) fn gateway_back(&mut self, at: DateTime<Utc>) {
        self.gateway_back_alone(at);
        self.device_back(at);
    }

    /// The gateway is back, its device is too, and breaks a minute later.
    pub(super) fn gateway_back_for_a_moment(&mut self, at: DateTime<Utc>) {
        self.gateway_back(at);
        self.device_silent(at + minutes(1));
        self.path_silent(Some(true));
        self.path.link = Some(true);
    }

    /// The gateway's process dies, and nothing of its devices comes any more.
    pub(super) fn gateway_dies(&mut self, at: DateTime<Utc>) {
        self.gateway_dead();
        (self.heartbeat, self.endpoint) = (Some(at), Endpoint::SilentSince(at));
        self.session_lost(at);
        self.device_silent(at);
    }

    pub(super) fn session_lost(&mut self, at: DateTime<Utc>) {
        self.events.push(ConnectionEvent::disconnected(at, DisconnectReason::ConnectionLost));
    }

    /// The device sends nothing from `at` on.
    pub(super) fn device_silent(&mut self, at: DateTime<Utc>) {
        self.silent_again = Some(at);
    }

    pub(super) fn gateway_restarted_by_hand(&mut self, at: DateTime<Utc>) {
        self.gateway_back_alone(at);
    }

    /// From `at` on its messages come.
    pub(super) fn device_back(&mut self, at: DateTime<Utc>) {
        self.returned_at = Some(at);
    }
}

/// A world, its clock, and the adapters over it.
#[derive(Clone)]
pub(super) struct Plant(Arc<Parts>);

struct Parts {
    world: Mutex<World>,
    clock: Arc<ManualClock>,
}

/// For how many turns nobody has asked anything.
#[derive(Default)]
pub(super) struct Idle {
    questions: u64,
    turns: u32,
}

/// Time that only the test lets pass.
struct Standing(Arc<ManualClock>);

impl Timer for Standing {
    fn sleep(&self, length: Duration) -> Sleep {
        let clock = Arc::clone(&self.0);
        let until = clock.now() + TimeDelta::from_std(length).unwrap();
        Box::pin(poll_fn(move |_| if clock.now() >= until { Poll::Ready(()) } else { Poll::Pending }))
    }
}

impl Plant {
    pub(super) fn new(fault: Fault) -> Self {
        let mut world = World::new();
        fault(&mut world);
        Self(Arc::new(Parts { world: Mutex::new(world), clock: Arc::new(ManualClock::new(NOW)) }))
    }

    pub(super) fn set(&self) -> &'static RunbookSet {
        &SET
    }

    /// A driver whose time only [`Plant::let_time_pass`] lets pass.
    pub(super) fn driver(&self) -> Driver {
        let timer = Arc::new(Standing(self.0.clock.clone()));
        let all = Arc::new(self.clone());
        let probes = Probes::new()
            .with_device(all.clone())
            .with_broker(all.clone())
            .with_gateway(all.clone())
            .with_network(all.clone())
            .with_platform(all.clone())
            .with_cert_store(all.clone())
            .with_power(all.clone());
        Driver::new(&SET, &Checks::builtin(), probes, timer)
            .unwrap()
            .with_clock(self.0.clock.clone())
            .with_operator(all.clone())
            .with_actuator(all)
    }

    pub(super) fn diagnosis_of(&self, device: &str, id: u128) -> Diagnosis {
        let world = self.0.world.lock().unwrap();
        let mut subject = Subject::device(device).with_reporting_interval(world.interval);
        if world.names_gateway {
            subject = subject.with_gateway(GATEWAY);
        }
        if world.names_site {
            subject = subject.with_site("north");
        }
        let trigger = Trigger::new("offline alert", NOW);
        Diagnosis::new(Ulid(id), &SET, "device-offline", subject, trigger, NOW).unwrap()
    }

    pub(super) fn diagnosis(&self) -> Diagnosis {
        self.diagnosis_of("press-07", 1)
    }

    pub(super) fn diagnose(&self) -> (Diagnosis, Finding) {
        let mut diagnosis = self.diagnosis();
        let finding = self.run(&mut diagnosis);
        (diagnosis, finding)
    }

    pub(super) fn run(&self, diagnosis: &mut Diagnosis) -> Finding {
        self.run_for(diagnosis, usize::MAX).unwrap()
    }

    /// Polls the run so often at the most, and drops it.
    pub(super) fn run_for(&self, diagnosis: &mut Diagnosis, turns: usize) -> Option<Finding> {
        let driver = self.driver();
        let mut run = pin!(driver.run(diagnosis));
        let mut context = Context::from_waker(Waker::noop());
        let mut idle = Idle::default();
        for _ in 0..turns {
            if let Poll::Ready(ended) = run.as_mut().poll(&mut context) {
                return Some(ended.unwrap());
            }
            self.let_time_pass(&mut idle);
        }
        None
    }

    /// Half a minute passes once nobody has asked anything for some turns.
    pub(super) fn let_time_pass(&self, idle: &mut Idle) {
        let questions = self.0.world.lock().unwrap().questions;
        idle.turns = if questions == idle.questions { idle.turns + 1 } else { 0 };
        idle.questions = questions;
        if idle.turns == 6 {
            self.0.clock.advance(TimeDelta::seconds(30));
            idle.turns = 0;
        }
    }

    pub(super) fn approvals(&self) -> u32 {
        self.0.world.lock().unwrap().approvals
    }

    pub(super) fn restarts(&self) -> u32 {
        self.0.world.lock().unwrap().restarts
    }

    /// The answer to a question, after what was due to change has changed.
    async fn ask<T>(
        &self,
        question: &'static str,
        answer: impl FnOnce(&World, DateTime<Utc>) -> Result<T, ProbeError> + Send,
    ) -> Result<T, ProbeError> {
        turn(1).await;
        let hangs = self.up_to_date(|world, _| world.hangs.contains(question));
        if hangs {
            std::future::pending::<()>().await;
        }
        self.up_to_date(|world, now| {
            if world.fails.contains(question) {
                return Err(ProbeError::failed("it is down"));
            }
            answer(world, now)
        })
    }

    fn up_to_date<T>(&self, then: impl FnOnce(&mut World, DateTime<Utc>) -> T) -> T {
        let mut world = self.0.world.lock().unwrap();
        world.questions += 1;
        let now = self.0.clock.now();
        let is_due = |after: TimeDelta| NOW + after <= now;
        while let Some(at) = world.changes.iter().position(|(after, _)| is_due(*after)) {
            let (after, change) = world.changes.remove(at);
            change(&mut world, NOW + after);
        }
        if let Some((_, jump)) = world.clock_jump.take_if(|(after, _)| is_due(*after)) {
            self.0.clock.set(now + jump);
        }
        then(&mut world, self.0.clock.now())
    }
}

impl World {
    fn last_seen(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let until = self.silent_again.map_or(now, |silent| silent.min(now));
        self.returned_at.map_or(self.last_receipt, |back| Some(back.max(until)))
    }

    fn receipts(&self, now: DateTime<Utc>) -> Vec<Receipt> {
        let back = self.returned_at.into_iter().flat_map(|back| {
            let each_minute = std::iter::successors(Some(back), |at| Some(*at + minutes(1)));
            let until = self.silent_again.map_or(now, |silent| silent.min(now));
            each_minute.take_while(move |at| *at <= until)
        });
        self.last_receipt.into_iter().chain(back).map(|at| Receipt::new(at, MessageKind::Live)).collect()
    }
}

/// The same answer, as of now.
macro_rules! as_of {
    ($now:ident, $answer:expr) => {{
        let mut answer = $answer.clone();
        answer.observed_at = $now;
        Ok(answer)
    }};
}

#[async_trait]
impl DeviceProbe for Plant {
    fn source(&self) -> Source {
        Source::from_static("memory")
    }

    async fn service_state(&self, _: &ServiceStateRequest) -> Result<ServiceStateAnswer, ProbeError> {
        self.ask("service-state", |world, now| Ok(ServiceStateAnswer::new(now).with_state(world.service)))
            .await
    }

    async fn last_seen(&self, _: &LastSeenRequest) -> Result<LastSeenAnswer, ProbeError> {
        self.ask("last-seen", |world, now| {
            let mut answer = LastSeenAnswer::new(now);
            answer.last_receipt = world.last_seen(now);
            answer.others = world.others.clone();
            Ok(answer)
        })
        .await
    }

    async fn receipts(&self, request: &ReceiptsRequest) -> Result<Receipts, ProbeError> {
        let period = request.period;
        self.ask("receipts", move |world, now| {
            let extra = world.extra.iter().filter(|one| one.at <= now).cloned();
            let messages =
                world.receipts(now).into_iter().chain(extra).filter(|one| period.contains(one.at)).collect();
            Ok(Receipts::new(now, period).with_messages(messages))
        })
        .await
    }

    async fn sightings(&self, _: &SightingsRequest) -> Result<Sightings, ProbeError> {
        self.ask("sightings", |world, now| {
            let sightings = world.sightings.clone().ok_or_else(ProbeError::unsupported)?;
            Ok(Sightings::new(now).with_sightings(sightings))
        })
        .await
    }
}

#[async_trait]
impl BrokerProbe for Plant {
    fn source(&self) -> Source {
        Source::from_static("memory")
    }

    async fn connection_log(
        &self,
        request: &ConnectionLogRequest,
    ) -> Result<Option<ConnectionLog>, ProbeError> {
        let (period, of_device) = (request.period, matches!(request.client, Client::Device(_)));
        self.ask("connection-log", move |world, now| {
            // Whoever is not the holder has no session at all.
            if of_device != world.is_own {
                return Ok(None);
            }
            let is_shown = |event: &&ConnectionEvent| period.contains(event.at) || event.at > now;
            let events = world.events.iter().filter(is_shown).cloned().collect();
            let mut log = ConnectionLog::new(now, period).with_events(events).with_now(world.session);
            (log.keep_alive, log.last_packet) = (world.keep_alive, world.last_packet);
            if world.session == SessionState::Up && world.last_packet == Some(NOW) {
                log.last_packet = Some(now);
            }
            Ok(Some(log))
        })
        .await
    }

    async fn messages(&self, _: &MessagesRequest) -> Result<Messages, ProbeError> {
        Err(ProbeError::unsupported())
    }

    async fn publishing(&self, request: &PublishingRequest) -> Result<ClientPublishing, ProbeError> {
        let period = request.period;
        self.ask("publishing", move |world, now| {
            if let Some(counts) = world.counts {
                return Ok(counts(now, period));
            }
            let [device, others, itself] = world.published.map(MessageCounts::new);
            Ok(ClientPublishing::new(now, period)
                .with_device(device)
                .with_others(others)
                .with_itself(itself)
                .with_sends_heartbeats(true))
        })
        .await
    }

    async fn clock_readings(&self, _: &ClockRequest) -> Result<ClockReadings, ProbeError> {
        self.ask("clock-readings", |world, now| {
            Ok(ClockReadings::new(now).with_readings(world.readings.clone()))
        })
        .await
    }
}

#[async_trait]
impl GatewayProbe for Plant {
    fn source(&self) -> Source {
        Source::from_static("memory")
    }

    async fn health(&self, _: &HealthRequest) -> Result<GatewayHealth, ProbeError> {
        self.ask("health", |world, now| {
            if let Some(health) = world.health {
                return Ok(health(now));
            }
            let mut health = GatewayHealth::new(now)
                .with_process(world.process)
                .with_memory(0.4)
                .with_cpu(0.2)
                .with_disk(0.5)
                .with_last_heartbeat(world.heartbeat.unwrap_or(now))
                .with_heartbeat_path(HeartbeatPath::Supervisor)
                .with_endpoint(world.endpoint)
                .with_paths(vec![PathTried::new("agent".into(), world.is_reachable)]);
            health.started_at = world.started_at;
            Ok(health)
        })
        .await
    }

    async fn field_polls(&self, request: &FieldPollsRequest) -> Result<FieldPolls, ProbeError> {
        let period = request.period;
        self.ask("field-polls", move |world, now| {
            let mut polls = world.polls.clone();
            (polls.observed_at, polls.covers) = (now, period);
            Ok(polls)
        })
        .await
    }
}

#[async_trait]
impl NetworkProbe for Plant {
    fn source(&self) -> Source {
        Source::from_static("memory")
    }

    async fn site_paths(&self, _: &SitePathsRequest) -> Result<PathsTried, ProbeError> {
        self.ask("site-paths", |world, now| {
            Ok(PathsTried::new(now).with_paths(vec![PathTried::new("router".into(), world.site_answers)]))
        })
        .await
    }

    async fn device_path(&self, _: &DevicePathRequest) -> Result<DevicePath, ProbeError> {
        self.ask("device-path", |world, now| as_of!(now, world.path)).await
    }

    async fn broker_path(&self, _: &BrokerPathRequest) -> Result<BrokerPath, ProbeError> {
        self.ask("broker-path", |world, now| as_of!(now, world.broker_path)).await
    }
}

#[async_trait]
impl PlatformProbe for Plant {
    fn source(&self) -> Source {
        Source::from_static("memory")
    }

    async fn broker_health(&self, _: &PlatformRequest) -> Result<BrokerHealth, ProbeError> {
        self.ask("broker-health", |world, now| {
            let takes = world.broker_takes;
            Ok(BrokerHealth::new(now).with_takes_connections(takes).with_takes_messages(takes))
        })
        .await
    }

    async fn ingestion_health(&self, _: &PlatformRequest) -> Result<IngestionHealth, ProbeError> {
        self.ask("ingestion-health", |_, now| {
            Ok(IngestionHealth::new(now).with_takes_messages(true).with_stores_rows(true))
        })
        .await
    }
}

#[async_trait]
impl CertStoreProbe for Plant {
    fn source(&self) -> Source {
        Source::from_static("memory")
    }

    async fn certificate(&self, _: &CertificateRequest) -> Result<CertificateAnswer, ProbeError> {
        self.ask("certificate", |world, now| as_of!(now, world.certificate)).await
    }

    async fn renewal(&self, _: &RenewalRequest) -> Result<RenewalAnswer, ProbeError> {
        Err(ProbeError::unsupported())
    }

    async fn provisioning_contact(
        &self,
        _: &ProvisioningContactRequest,
    ) -> Result<ProvisioningContact, ProbeError> {
        Err(ProbeError::unsupported())
    }
}

#[async_trait]
impl PowerProbe for Plant {
    fn source(&self) -> Source {
        Source::from_static("memory")
    }

    async fn power(&self, _: &PowerRequest) -> Result<PowerFacts, ProbeError> {
        self.ask("power", |world, now| as_of!(now, world.power)).await
    }

    async fn site_power(&self, _: &SitePowerRequest) -> Result<SitePower, ProbeError> {
        self.ask("site-power", |world, now| {
            let reading = |live| FeedReading::new("utility meter".into(), live, false);
            Ok(SitePower::new(now).with_feeds(world.site_feed.into_iter().map(reading).collect()))
        })
        .await
    }
}

/// People approve and say that nobody restarted the gateway by hand; nobody on site looks after the power.
#[async_trait]
impl Operator for Plant {
    async fn approve(&self, request: &ApprovalRequest) -> Option<Approval> {
        let (is_there, after) = self.up_to_date(|world, _| (world.people, world.approves_after));
        if !is_there {
            return None;
        }
        if !after.is_zero() {
            Standing(self.0.clock.clone()).sleep(after.to_std().unwrap()).await;
        }
        self.up_to_date(|world, _| {
            world.approvals += 1;
            Some(if world.approves { request.grant("ann") } else { request.decline("ann", "not now") })
        })
    }

    async fn answer(&self, request: &AskRequest) -> Option<Reply> {
        let is_there = self.up_to_date(|world, _| world.people);
        (is_there && request.step() == "restarted-by-hand").then(|| Reply::new(Value::Flag(false), "ann"))
    }

    async fn tell(&self, _: &Alert) {}
}

#[async_trait]
impl Actuator for Plant {
    async fn act(&self, request: &ActRequest) -> ActReport {
        turn(1).await;
        self.up_to_date(|world, now| {
            if request.action() != "restart-gateway" {
                return ActReport::refused("memory", "nobody can do that");
            }
            if world.done.insert(request.idempotency_key()) {
                world.restarts += 1;
                (world.restart)(world, now);
            }
            ActReport::done("memory")
        })
    }
}
