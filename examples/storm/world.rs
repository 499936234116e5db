//! A fleet in memory, and what is broken in it. It answers for all adapters, and knows the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use iot_runbook::fact::Source;
use iot_runbook::probe::layer::{Answer, Inner, Layer, Question};
use iot_runbook::probe::*;
use iot_runbook::subject::{DeviceId, GatewayId, Part, SiteId, Subject};
use iot_runbook::time::{Clock, ManualClock, Period};

/// When each storm begins.
pub(super) const BEGIN: DateTime<Utc> = DateTime::from_timestamp(1_800_000_000, 0).unwrap();

/// How large a fleet is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) sites: usize,
    pub(super) gateways: usize,
    pub(super) devices: usize,
}

/// What can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hidden {
    Broker,
    Ingestion,
    SiteUplink(usize),
    SitePower(usize),
    /// A firewall rule between the gateways of a site and the broker.
    Firewall(usize),
    Gateway(usize),
    Certificate(usize),
    /// The device hangs.
    Device(usize),
}

impl fmt::Display for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Broker => f.write_str("the broker"),
            Self::Ingestion => f.write_str("the ingestion"),
            Self::SiteUplink(nr) => write!(f, "the uplink of {}", site_name(nr)),
            Self::SitePower(nr) => write!(f, "the power of {}", site_name(nr)),
            Self::Firewall(nr) => write!(f, "a firewall between {} and the broker", site_name(nr)),
            Self::Gateway(nr) => write!(f, "the gateway {}", gateway_name(nr)),
            Self::Certificate(nr) => write!(f, "the certificate of {}", gateway_name(nr)),
            Self::Device(nr) => write!(f, "{}, which hangs", device_name(nr)),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) hidden: Hidden,
    pub(super) from: DateTime<Utc>,
    pub(super) until: Option<DateTime<Utc>>,
}

impl Fault {
    fn holds_at(&self, at: DateTime<Utc>) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

/// A fleet and its faults.
pub(super) struct World {
    pub(super) size: Size,
    pub(super) faults: Vec<Fault>,
    /// Devices that are behind another gateway than the topology says.
    pub(super) moved: BTreeMap<usize, usize>,
    /// Each question with whom it asks about, once.
    pub(super) asked: Mutex<BTreeSet<(&'static str, Box<str>)>>,
    /// How many questions the diagnoses had, and how many of them came to an adapter.
    pub(super) questions: Mutex<u64>,
    pub(super) calls: Mutex<u64>,
}

pub(super) fn device_name(nr: usize) -> DeviceId {
    format!("device-{nr:06}").into()
}

fn gateway_name(nr: usize) -> GatewayId {
    format!("gw-{nr:04}").into()
}

fn site_name(nr: usize) -> SiteId {
    format!("site-{nr:02}").into()
}

/// The number at the end of a name.
fn number(name: &str) -> usize {
    name.rsplit('-').next().and_then(|digits| digits.parse().ok()).unwrap_or(usize::MAX)
}

impl World {
    pub(super) fn new(size: Size, faults: Vec<Fault>) -> Self {
        let (moved, asked) = (BTreeMap::new(), Mutex::default());
        Self { size, faults, moved, asked, questions: Mutex::default(), calls: Mutex::default() }
    }

    fn site_of(&self, gateway: usize) -> usize {
        gateway % self.size.sites
    }

    /// The gateway that a device is really behind.
    pub(super) fn gateway_of(&self, device: usize) -> usize {
        self.moved.get(&device).copied().unwrap_or(device % self.size.gateways)
    }

    /// What the topology says of a device.
    pub(super) fn subject(&self, device: usize) -> Subject {
        let gateway = device % self.size.gateways;
        Subject::device(device_name(device))
            .with_gateway(gateway_name(gateway))
            .with_site(site_name(self.site_of(gateway)))
            .with_gateway_session()
            .with_reporting_interval(TimeDelta::minutes(1))
    }

    /// Whether that fault silences the device.
    pub(super) fn reaches(&self, hidden: Hidden, device: usize) -> bool {
        let gateway = self.gateway_of(device);
        match hidden {
            Hidden::Broker | Hidden::Ingestion => true,
            Hidden::SiteUplink(site) | Hidden::SitePower(site) | Hidden::Firewall(site) => {
                self.site_of(gateway) == site
            }
            Hidden::Gateway(nr) | Hidden::Certificate(nr) => nr == gateway,
            Hidden::Device(nr) => nr == device,
        }
    }

    fn holds(&self, at: DateTime<Utc>, of: impl Fn(Hidden) -> bool) -> Option<&Fault> {
        self.faults.iter().find(|fault| fault.holds_at(at) && of(fault.hidden))
    }

    /// The last message that was received up to `at`.
    pub(super) fn last_message(&self, device: usize, at: DateTime<Utc>) -> DateTime<Utc> {
        self.messages(device, DateTime::UNIX_EPOCH, at, |hidden| self.reaches(hidden, device)).next().unwrap()
    }

    /// The messages of a device from `from` to `to` but for those that a fault keeps back, the latest first: one a minute,
    /// at a second of its own.
    fn messages(
        &self,
        device: usize,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        keeps_back: impl Fn(Hidden) -> bool,
    ) -> impl Iterator<Item = DateTime<Utc>> {
        let second = (device * 7 % 60) as u32;
        let before = move |at: DateTime<Utc>| {
            let sent = at.with_second(second).and_then(|at| at.with_nanosecond(0)).unwrap_or(at);
            if sent <= at { sent } else { sent - TimeDelta::minutes(1) }
        };
        let sent = move |at: DateTime<Utc>| {
            let mut sent = before(at);
            while let Some(fault) = self.holds(sent, &keeps_back) {
                sent = before(fault.from - TimeDelta::nanoseconds(1));
            }
            sent
        };
        let mut next = to;
        std::iter::from_fn(move || {
            let at = sent(next);
            next = at - TimeDelta::nanoseconds(1);
            (at >= from).then_some(at)
        })
    }

    /// True if what is concluded of the part is so.
    pub(super) fn is_true(
        &self,
        conclusion: &str,
        part: &Part,
        began: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> bool {
        self.faults.iter().any(|fault| {
            let overlaps = fault.from <= until && fault.until.is_none_or(|end| end >= began);
            overlaps && self.says(fault.hidden, conclusion, part)
        })
    }

    /// Whether that conclusion about that part names this fault.
    pub(super) fn says(&self, hidden: Hidden, conclusion: &str, part: &Part) -> bool {
        let nr = number(part.name());
        match (hidden, part) {
            (Hidden::Broker, Part::Platform) => conclusion == "broker-fault",
            (Hidden::Ingestion, Part::Platform) => conclusion == "ingestion-fault",
            (Hidden::SiteUplink(site), Part::Site(_)) => {
                nr == site && matches!(conclusion, "site-uplink-fault" | "site-offline")
            }
            (Hidden::SitePower(site), Part::Site(_)) => nr == site && conclusion == "site-power-fault",
            (Hidden::SitePower(_), Part::Device(_)) => {
                self.reaches(hidden, nr) && conclusion == "power-fault"
            }
            (Hidden::Firewall(site), Part::Gateway(_)) => {
                self.site_of(nr) == site && conclusion == "broker-path-fault"
            }
            (Hidden::Gateway(gateway), Part::Gateway(_)) => {
                nr == gateway && matches!(conclusion, "gateway-fault" | "gateway-recovered")
            }
            (Hidden::Certificate(gateway), Part::Gateway(_)) => {
                nr == gateway && conclusion == "certificate-expired"
            }
            (Hidden::Device(device), Part::Device(_)) => {
                nr == device && matches!(conclusion, "field-protocol-fault" | "dispatch-technician")
            }
            _ => false,
        }
    }

    fn client_down(&self, gateway: usize, at: DateTime<Utc>) -> Option<&Fault> {
        self.holds(at, |hidden| match hidden {
            Hidden::Broker => true,
            Hidden::SiteUplink(site) | Hidden::SitePower(site) | Hidden::Firewall(site) => {
                self.site_of(gateway) == site
            }
            Hidden::Gateway(nr) | Hidden::Certificate(nr) => nr == gateway,
            Hidden::Ingestion | Hidden::Device(_) => false,
        })
    }

    /// Why a gateway cannot be reached on any way, if it cannot.
    fn unreachable(&self, gateway: usize, at: DateTime<Utc>) -> Option<&Fault> {
        self.holds(at, |hidden| match hidden {
            Hidden::SiteUplink(site) | Hidden::SitePower(site) => self.site_of(gateway) == site,
            Hidden::Gateway(nr) => nr == gateway,
            _ => false,
        })
    }

    fn site_dark(&self, site: usize, at: DateTime<Utc>) -> Option<&Fault> {
        self.holds(
            at,
            |hidden| matches!(hidden, Hidden::SiteUplink(nr) | Hidden::SitePower(nr) if nr == site),
        )
    }
}

/// The adapters of one diagnosis: they answer as of its clock.
#[derive(Clone)]
pub(super) struct Adapters {
    pub(super) world: Arc<World>,
    pub(super) clock: Arc<ManualClock>,
}

impl Adapters {
    pub(super) fn probes(self) -> Probes {
        let all = Arc::new(self);
        Probes::new()
            .with_device(all.clone())
            .with_broker(all.clone())
            .with_gateway(all.clone())
            .with_network(all.clone())
            .with_platform(all.clone())
            .with_cert_store(all.clone())
            .with_power(all)
    }

    /// Notes the question; the time of the answer.
    fn ask(&self, question: &'static str, of: &str) -> DateTime<Utc> {
        self.world.asked.lock().unwrap().insert((question, of.into()));
        self.clock.now()
    }
}

/// Counts what comes by.
pub(super) struct Counts {
    pub(super) world: Arc<World>,
    /// Whether that is the questions of the diagnoses, or what is left for the adapters.
    pub(super) are_questions: bool,
}

#[async_trait]
impl Layer for Counts {
    async fn around(&self, _: &Question, inner: Inner<'_>) -> Result<Answer, ProbeError> {
        let count = if self.are_questions { &self.world.questions } else { &self.world.calls };
        *count.lock().unwrap() += 1;
        inner.ask().await
    }
}

fn client(client: &Client) -> &str {
    match client {
        Client::Device(device) => device.as_str(),
        Client::Gateway(gateway) => gateway.as_str(),
        _ => "",
    }
}

const fn source() -> Source {
    Source::from_static("memory")
}

#[async_trait]
impl DeviceProbe for Adapters {
    fn source(&self) -> Source {
        source()
    }

    async fn service_state(&self, request: &ServiceStateRequest) -> Result<ServiceStateAnswer, ProbeError> {
        let now = self.ask("service-state", request.device.as_str());
        Ok(ServiceStateAnswer::new(now).with_state(ServiceState::InService))
    }

    async fn last_seen(&self, request: &LastSeenRequest) -> Result<LastSeenAnswer, ProbeError> {
        let now = self.ask("last-seen", request.device.as_str());
        let last = self.world.last_message(number(request.device.as_str()), now);
        Ok(LastSeenAnswer::new(now).with_last_receipt(last))
    }

    async fn receipts(&self, request: &ReceiptsRequest) -> Result<Receipts, ProbeError> {
        let now = self.ask("receipts", request.device.as_str());
        let device = number(request.device.as_str());
        let reaches = |hidden| self.world.reaches(hidden, device);
        let within = self.world.messages(device, request.period.start(), now, reaches);
        let mut receipts: Vec<_> = within.map(|at| Receipt::new(at, MessageKind::Live)).collect();
        receipts.reverse();
        Ok(Receipts::new(now, request.period).with_messages(receipts))
    }
}

#[async_trait]
impl BrokerProbe for Adapters {
    fn source(&self) -> Source {
        source()
    }

    async fn connection_log(
        &self,
        request: &ConnectionLogRequest,
    ) -> Result<Option<ConnectionLog>, ProbeError> {
        let now = self.ask("connection-log", client(&request.client));
        let Client::Gateway(gateway) = &request.client else { return Ok(None) };
        let mut log = ConnectionLog::new(now, request.period);
        log.keep_alive = Some(TimeDelta::minutes(1));
        Ok(Some(match self.world.client_down(number(gateway.as_str()), now) {
            None => log.with_now(SessionState::Up).with_last_packet(now),
            Some(fault) => {
                let (from, end) = (fault.from, fault.from + TimeDelta::seconds(90));
                let ended = ConnectionEvent::disconnected(end, DisconnectReason::KeepAliveTimeout);
                let events =
                    if request.period.contains(end) && end <= now { vec![ended] } else { Vec::new() };
                log.with_now(SessionState::Down).with_last_packet(from).with_events(events)
            }
        }))
    }

    async fn messages(&self, _: &MessagesRequest) -> Result<Messages, ProbeError> {
        Err(ProbeError::unsupported())
    }

    async fn publishing(&self, request: &PublishingRequest) -> Result<ClientPublishing, ProbeError> {
        let now = self.ask("publishing", client(&request.client));
        let (gateway, device) = (number(client(&request.client)), number(request.device.as_str()));
        // An ingestion that stands still is no reason for the broker to count nothing.
        let published = |device: usize| {
            let sent = self.world.messages(device, request.period.start(), now, |hidden| {
                hidden != Hidden::Ingestion && self.world.reaches(hidden, device)
            });
            sent.filter(|_| self.world.gateway_of(device) == gateway).count() as u64
        };
        let others =
            (gateway..self.world.size.devices).step_by(self.world.size.gateways).filter(|nr| *nr != device);
        Ok(ClientPublishing::new(now, request.period)
            .with_device(MessageCounts::new(published(device)))
            .with_others(MessageCounts::new(others.take(20).map(published).sum()))
            .with_itself(MessageCounts::new(if self.world.client_down(gateway, now).is_some() {
                0
            } else {
                5
            }))
            .with_sends_heartbeats(true))
    }
}

#[async_trait]
impl GatewayProbe for Adapters {
    fn source(&self) -> Source {
        source()
    }

    async fn health(&self, request: &HealthRequest) -> Result<GatewayHealth, ProbeError> {
        let now = self.ask("health", request.gateway.as_str());
        let nr = number(request.gateway.as_str());
        let health = GatewayHealth::new(now).with_heartbeat_path(HeartbeatPath::Supervisor);
        let reached = |is| vec![PathTried::new("agent".into(), is)];
        Ok(match self.world.unreachable(nr, now) {
            None => health
                .with_process(ProcessState::Running)
                .with_started_at(BEGIN - TimeDelta::days(30))
                .with_last_heartbeat(now)
                .with_endpoint(Endpoint::Answers)
                .with_memory(0.4)
                .with_cpu(0.2)
                .with_disk(0.5)
                .with_paths(reached(true)),
            Some(Fault { hidden: Hidden::Gateway(_), from, .. }) => health
                .with_process(ProcessState::NotRunning)
                .with_last_heartbeat(*from)
                .with_endpoint(Endpoint::SilentSince(*from))
                .with_paths(reached(false)),
            Some(Fault { from, .. }) => health
                .with_last_heartbeat(*from)
                .with_endpoint(Endpoint::SilentSince(*from))
                .with_paths(reached(false)),
        })
    }

    async fn field_polls(&self, request: &FieldPollsRequest) -> Result<FieldPolls, ProbeError> {
        let now = self.ask("field-polls", request.device.as_str());
        let (gateway, device) = (number(request.gateway.as_str()), number(request.device.as_str()));
        if self.world.unreachable(gateway, now).is_some() {
            return Err(ProbeError::failed("the gateway does not answer"));
        }
        // It counts since it was last away.
        let away = self.world.faults.iter().filter(|fault| match fault.hidden {
            Hidden::SiteUplink(site) | Hidden::SitePower(site) => self.world.site_of(gateway) == site,
            Hidden::Gateway(nr) => nr == gateway,
            _ => false,
        });
        let since = away.filter_map(|fault| fault.until).filter(|until| *until <= now).max();
        let from = since.map_or(request.period.start(), |since| since.max(request.period.start()));
        let polls = FieldPolls::new(now, Period::ending(now, now - from)).with_withheld(0);
        if self.world.gateway_of(device) != gateway {
            return Ok(polls.with_made(0).with_answered(0).with_passed_on(0));
        }
        // One poll a minute, passed on at once.
        let hangs = |hidden| hidden == Hidden::Device(device);
        let made = self.world.messages(device, from, now, |_| false).count() as u64;
        let answered = self.world.messages(device, from, now, hangs).count() as u64;
        let is_connected = self.world.holds(now, hangs).is_none();
        Ok(polls
            .with_connected(is_connected)
            .with_made(made)
            .with_answered(answered)
            .with_passed_on(answered))
    }
}

#[async_trait]
impl NetworkProbe for Adapters {
    fn source(&self) -> Source {
        source()
    }

    async fn site_paths(&self, request: &SitePathsRequest) -> Result<PathsTried, ProbeError> {
        let now = self.ask("site-paths", request.site.as_str());
        let answers = self.world.site_dark(number(request.site.as_str()), now).is_none();
        Ok(PathsTried::new(now).with_paths(vec![PathTried::new("router".into(), answers)]))
    }

    async fn device_path(&self, request: &DevicePathRequest) -> Result<DevicePath, ProbeError> {
        let now = self.ask("device-path", request.device.as_str());
        let device = number(request.device.as_str());
        let gateway = self.world.gateway_of(device);
        let Vantage::Gateway(from) = &request.from else { return Err(ProbeError::unsupported()) };
        if self.world.unreachable(number(from.as_str()), now).is_some() || number(from.as_str()) != gateway {
            return Err(ProbeError::failed("the gateway cannot try it"));
        }
        let hangs = self.world.holds(now, |hidden| hidden == Hidden::Device(device)).is_some();
        let path = DevicePath::new(now).with_segment(true).with_link(true);
        Ok(if hangs {
            path.with_port(PortReply::Silent).with_otherwise(false)
        } else {
            path.with_port(PortReply::Answered).with_replier(Replier::Device).with_otherwise(true)
        })
    }

    async fn broker_path(&self, request: &BrokerPathRequest) -> Result<BrokerPath, ProbeError> {
        let now = self.ask("broker-path", client(&request.holder));
        let gateway = number(client(&request.holder));
        if self.world.unreachable(gateway, now).is_some() {
            return Err(ProbeError::failed("the gateway cannot try it"));
        }
        let site = self.world.site_of(gateway);
        let closed = self.world.holds(now, |hidden| hidden == Hidden::Firewall(site)).is_some();
        let path = BrokerPath::new(now, true).with_name(true);
        Ok(if closed {
            path.with_port(PortReply::Silent)
        } else {
            path.with_port(PortReply::Answered).with_tls(TlsOutcome::Completed)
        })
    }
}

#[async_trait]
impl PlatformProbe for Adapters {
    fn source(&self) -> Source {
        source()
    }

    async fn broker_health(&self, _: &PlatformRequest) -> Result<BrokerHealth, ProbeError> {
        let now = self.ask("broker-health", "platform");
        let takes = self.world.holds(now, |hidden| hidden == Hidden::Broker).is_none();
        Ok(BrokerHealth::new(now).with_takes_connections(takes).with_takes_messages(takes))
    }

    async fn ingestion_health(&self, _: &PlatformRequest) -> Result<IngestionHealth, ProbeError> {
        let now = self.ask("ingestion-health", "platform");
        let works = self.world.holds(now, |hidden| hidden == Hidden::Ingestion).is_none();
        Ok(IngestionHealth::new(now).with_takes_messages(works).with_stores_rows(works))
    }
}

#[async_trait]
impl CertStoreProbe for Adapters {
    fn source(&self) -> Source {
        source()
    }

    async fn certificate(&self, request: &CertificateRequest) -> Result<CertificateAnswer, ProbeError> {
        let now = self.ask("certificate", client(&request.holder));
        let gateway = number(client(&request.holder));
        let fault = self.world.holds(now, |hidden| hidden == Hidden::Certificate(gateway));
        let end = fault.map_or(BEGIN + TimeDelta::days(200), |fault| fault.from);
        let mut answer = CertificateAnswer::new(now)
            .with_authentication(Authentication::Certificate)
            .with_has_connected(true);
        let begin = end - TimeDelta::days(365);
        answer.certificate = Some(Certificate::new("ab:cd".into(), begin, end, Revocation::NotRevoked));
        Ok(answer)
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
impl PowerProbe for Adapters {
    fn source(&self) -> Source {
        source()
    }

    async fn power(&self, request: &PowerRequest) -> Result<PowerFacts, ProbeError> {
        let now = self.ask("power", request.device.as_str());
        let site = self.world.site_of(self.world.gateway_of(number(request.device.as_str())));
        let dark = self.world.holds(now, |hidden| hidden == Hidden::SitePower(site)).is_some();
        Ok(PowerFacts::new(now).with_feed_live(!dark).with_drawing(!dark))
    }

    async fn site_power(&self, request: &SitePowerRequest) -> Result<SitePower, ProbeError> {
        let now = self.ask("site-power", request.site.as_str());
        let site = number(request.site.as_str());
        let dark = self.world.holds(now, |hidden| hidden == Hidden::SitePower(site)).is_some();
        Ok(SitePower::new(now).with_feeds(vec![FeedReading::new("utility meter".into(), !dark, false)]))
    }
}
