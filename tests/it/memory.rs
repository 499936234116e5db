//! Adapters over facts in memory, as a test sets them.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::fact::Source;
use iot_runbook::probe::{
    BrokerHealth, BrokerPath, BrokerPathRequest, BrokerProbe, CertStoreProbe, Certificate, CertificateAnswer,
    CertificateRequest, ClientPublishing, ConnectionEvent, ConnectionLog, ConnectionLogRequest, DevicePath,
    DevicePathRequest, DeviceProbe, GatewayHealth, GatewayProbe, HealthRequest, IngestionHealth,
    LastSeenAnswer, LastSeenRequest, MessageCounts, Messages, MessagesRequest, NetworkProbe, PathTried,
    PathsTried, PlatformProbe, PlatformRequest, PortReply, PowerFacts, PowerProbe, PowerRequest, ProbeError,
    Probes, ProcessState, ProvisioningContact, ProvisioningContactRequest, PublishingRequest, Receipts,
    ReceiptsRequest, RenewalAnswer, RenewalRequest, Replier, Revocation, ServiceState, ServiceStateAnswer,
    ServiceStateRequest, SessionState, SitePathsRequest, TlsOutcome,
};
use iot_runbook::time::{Clock, ManualClock};

/// How an adapter behaves before it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It answers at once.
    #[default]
    Prompt,
    /// It lets others go first, that many times.
    Slow(u32),
    /// It never answers.
    Hangs,
    /// It fails that many times in a way that trying again may help.
    Stumbles(u32),
    /// It refuses.
    Refuses,
}

/// A device that has been silent for an hour, with everything around it in order.
pub(crate) struct Memory {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) facts: Mutex<Facts>,
    /// How often each question was asked.
    pub(crate) asked: Mutex<BTreeMap<&'static str, u32>>,
    pub(crate) manners: Mutex<BTreeMap<&'static str, Manner>>,
    /// How many questions are open now, and how many were at the most.
    pub(crate) open: Mutex<(u32, u32)>,
}

/// What comes of a try at the device from its gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    Answers,
    /// Its neighbours answer and its switch port has a link, and it does not answer.
    Silent,
    SegmentDown,
}

#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) state: ServiceState,
    pub(crate) last_seen: Option<DateTime<Utc>>,
    pub(crate) events: Vec<ConnectionEvent>,
    pub(crate) session: SessionState,
    pub(crate) process: ProcessState,
    pub(crate) path: Path,
    pub(crate) not_after: DateTime<Utc>,
    pub(crate) drawing: Option<bool>,
}

impl Memory {
    pub(crate) fn new(clock: Arc<ManualClock>) -> Arc<Self> {
        let now = clock.now();
        Arc::new(Self {
            clock,
            facts: Mutex::new(Facts {
                state: ServiceState::InService,
                last_seen: Some(now - TimeDelta::hours(1)),
                events: Vec::new(),
                session: SessionState::Down,
                process: ProcessState::Running,
                path: Path::Silent,
                not_after: now + TimeDelta::days(200),
                drawing: Some(true),
            }),
            asked: Mutex::default(),
            manners: Mutex::default(),
            open: Mutex::default(),
        })
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.facts.lock().unwrap());
    }

    pub(crate) fn behave(&self, question: &'static str, manner: Manner) {
        self.manners.lock().unwrap().insert(question, manner);
    }

    pub(crate) fn asked(&self, question: &str) -> u32 {
        self.asked.lock().unwrap().get(question).copied().unwrap_or_default()
    }

    pub(crate) fn probes(self: &Arc<Self>) -> Probes {
        Probes::new()
            .with_device(self.clone())
            .with_broker(self.clone())
            .with_gateway(self.clone())
            .with_network(self.clone())
            .with_cert_store(self.clone())
            .with_power(self.clone())
            .with_platform(self.clone())
    }

    async fn answer<T>(
        &self,
        question: &'static str,
        tell: impl FnOnce(&Facts, DateTime<Utc>) -> T + Send,
    ) -> Result<T, ProbeError> {
        let nth = {
            let mut asked = self.asked.lock().unwrap();
            let nth = asked.entry(question).or_default();
            *nth += 1;
            *nth
        };
        {
            let mut open = self.open.lock().unwrap();
            open.0 += 1;
            open.1 = open.1.max(open.0);
        }
        let _closing = Closing(&self.open);
        let manner = self.manners.lock().unwrap().get(question).copied().unwrap_or_default();
        match manner {
            Manner::Prompt => {}
            Manner::Slow(turns) => turn(turns).await,
            Manner::Hangs => std::future::pending().await,
            Manner::Stumbles(times) if nth <= times => return Err(ProbeError::transient("not just now")),
            Manner::Stumbles(_) => {}
            Manner::Refuses => return Err(ProbeError::refused("not allowed to ask")),
        }
        Ok(tell(&self.facts.lock().unwrap(), self.clock.now()))
    }
}

struct Closing<'a>(&'a Mutex<(u32, u32)>);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap().0 -= 1;
    }
}

/// Lets others go first, that many times.
pub(crate) async fn turn(mut turns: u32) {
    poll_fn(move |context| {
        if turns == 0 {
            return Poll::Ready(());
        }
        turns -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn memory() -> Source {
    Source::new("memory")
}

#[async_trait]
impl DeviceProbe for Memory {
    fn source(&self) -> Source {
        memory()
    }

    async fn service_state(&self, _: &ServiceStateRequest) -> Result<ServiceStateAnswer, ProbeError> {
        self.answer("service-state", |facts, now| ServiceStateAnswer::new(now).with_state(facts.state)).await
    }

    async fn last_seen(&self, _: &LastSeenRequest) -> Result<LastSeenAnswer, ProbeError> {
        self.answer("last-seen", |facts, now| match facts.last_seen {
            Some(at) => LastSeenAnswer::new(now).with_last_receipt(at),
            None => LastSeenAnswer::new(now),
        })
        .await
    }

    async fn receipts(&self, request: &ReceiptsRequest) -> Result<Receipts, ProbeError> {
        let period = request.period;
        self.answer("receipts", move |facts, now| {
            let answer = Receipts::new(now, period);
            match facts.last_seen.filter(|at| period.contains(*at)) {
                Some(at) => answer.with_live(at),
                None => answer,
            }
        })
        .await
    }
}

#[async_trait]
impl BrokerProbe for Memory {
    fn source(&self) -> Source {
        memory()
    }

    async fn connection_log(
        &self,
        request: &ConnectionLogRequest,
    ) -> Result<Option<ConnectionLog>, ProbeError> {
        let period = request.period;
        self.answer("connection-log", move |facts, now| {
            let events = facts.events.iter().filter(|event| period.contains(event.at)).cloned().collect();
            Some(ConnectionLog::new(now, period).with_events(events).with_now(facts.session))
        })
        .await
    }

    async fn messages(&self, request: &MessagesRequest) -> Result<Messages, ProbeError> {
        let period = request.period;
        self.answer("messages", move |_, now| Messages::new(now, period, 0)).await
    }

    async fn publishing(&self, request: &PublishingRequest) -> Result<ClientPublishing, ProbeError> {
        let period = request.period;
        self.answer("publishing", move |_, now| {
            let none = || MessageCounts::new(0);
            ClientPublishing::new(now, period).with_device(none()).with_others(none()).with_itself(none())
        })
        .await
    }
}

#[async_trait]
impl GatewayProbe for Memory {
    fn source(&self) -> Source {
        memory()
    }

    async fn health(&self, _: &HealthRequest) -> Result<GatewayHealth, ProbeError> {
        self.answer("health", |facts, now| {
            let health = GatewayHealth::new(now).with_process(facts.process);
            match facts.process {
                ProcessState::Running => {
                    health.with_last_heartbeat(now).with_memory(0.4).with_cpu(0.1).with_disk(0.5)
                }
                _ => health,
            }
        })
        .await
    }
}

#[async_trait]
impl NetworkProbe for Memory {
    fn source(&self) -> Source {
        memory()
    }

    async fn site_paths(&self, _: &SitePathsRequest) -> Result<PathsTried, ProbeError> {
        self.answer("site-paths", |_, now| {
            PathsTried::new(now).with_paths(vec![PathTried::new("router".into(), true)])
        })
        .await
    }

    async fn device_path(&self, _: &DevicePathRequest) -> Result<DevicePath, ProbeError> {
        self.answer("device-path", |facts, now| match facts.path {
            Path::Answers => {
                DevicePath::new(now).with_port(PortReply::Answered).with_replier(Replier::Device)
            }
            silent => DevicePath::new(now)
                .with_port(PortReply::Silent)
                .with_otherwise(false)
                .with_segment(silent == Path::Silent)
                .with_link(silent == Path::Silent),
        })
        .await
    }

    async fn broker_path(&self, _: &BrokerPathRequest) -> Result<BrokerPath, ProbeError> {
        self.answer("broker-path", |_, now| {
            let path = BrokerPath::new(now, true).with_name(true).with_port(PortReply::Answered);
            path.with_tls(TlsOutcome::Completed)
        })
        .await
    }
}

#[async_trait]
impl PlatformProbe for Memory {
    fn source(&self) -> Source {
        memory()
    }

    async fn broker_health(&self, _: &PlatformRequest) -> Result<BrokerHealth, ProbeError> {
        self.answer("broker-health", |_, now| {
            BrokerHealth::new(now).with_takes_connections(true).with_takes_messages(true)
        })
        .await
    }

    async fn ingestion_health(&self, _: &PlatformRequest) -> Result<IngestionHealth, ProbeError> {
        self.answer("ingestion-health", |_, now| {
            IngestionHealth::new(now).with_takes_messages(true).with_stores_rows(true)
        })
        .await
    }
}

#[async_trait]
impl CertStoreProbe for Memory {
    fn source(&self) -> Source {
        memory()
    }

    async fn certificate(&self, _: &CertificateRequest) -> Result<CertificateAnswer, ProbeError> {
        self.answer("certificate", |facts, now| {
            let begin = now - TimeDelta::days(165);
            let certificate = Certificate::new("00".into(), begin, facts.not_after, Revocation::NotRevoked);
            CertificateAnswer::new(now).with_certificate(certificate)
        })
        .await
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
impl PowerProbe for Memory {
    fn source(&self) -> Source {
        memory()
    }

    async fn power(&self, _: &PowerRequest) -> Result<PowerFacts, ProbeError> {
        self.answer("power", |facts, now| match facts.drawing {
            Some(drawing) => PowerFacts::new(now).with_drawing(drawing),
            None => PowerFacts::new(now),
        })
        .await
    }
}
