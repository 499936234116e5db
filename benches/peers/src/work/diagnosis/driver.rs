//! Ours through the driver: the built-in `device-offline` to the same conclusion, with adapters behind `Arc<dyn …>` and the
//! checks that judge what they answer.
//!
//! More is done than by the machine alone: eleven questions in place of seven, each a future in a box with a time limit,
//! the adapters called through `async_trait`, the judgement of raw facts (a gateway's memory, a certificate's dates),
//! their texts for the trace, and the system's clock read twice for each step.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::catalog;
use iot_runbook::check::Checks;
use iot_runbook::diagnosis::Diagnosis;
use iot_runbook::driver::{Driver, Sleep, Timer};
use iot_runbook::fact::Source;
use iot_runbook::probe::{
    BrokerHealth, BrokerPath, BrokerPathRequest, BrokerProbe, CertStoreProbe, Certificate, CertificateAnswer,
    CertificateRequest, ConnectionLog, ConnectionLogRequest, DevicePath, DevicePathRequest, DeviceProbe,
    GatewayHealth, GatewayProbe, HealthRequest, IngestionHealth, LastSeenAnswer, LastSeenRequest, Messages,
    MessagesRequest, NetworkProbe, PathsTried, PlatformProbe, PlatformRequest, PortReply, PowerFacts,
    PowerProbe, PowerRequest, ProbeError, Probes, ProcessState, ProvisioningContact,
    ProvisioningContactRequest, Receipts, ReceiptsRequest, RenewalAnswer, RenewalRequest, Revocation,
    ServiceState, ServiceStateAnswer, ServiceStateRequest, SessionState, SitePathsRequest, TlsOutcome,
};
use iot_runbook::runbook::RunbookSet;
use iot_runbook::subject::{Subject, Trigger};
use tokio::runtime::Runtime;
use ulid::Ulid;

use super::Conclusion;
use super::machine::{RUNBOOK, conclusion};
use crate::error::Error;
use crate::measure::Side;

/// The driver over adapters in memory, on a runtime of one thread.
pub(crate) struct Driven {
    set: RunbookSet,
    subject: Subject,
    driver: Driver,
    runtime: Runtime,
    now: DateTime<Utc>,
}

impl Driven {
    /// Adapters that tell of a device in that state, offline for an hour though all up to it is well.
    pub(crate) fn new(state: ServiceState) -> Result<Self, Error> {
        // The driver's clock is the system's, so the adapters' facts must hold at present.
        let now = Utc::now();
        let memory = Arc::new(Memory::new(state, now));
        let probes = Probes::new()
            .with_device(Arc::<Memory>::clone(&memory))
            .with_broker(Arc::<Memory>::clone(&memory))
            .with_gateway(Arc::<Memory>::clone(&memory))
            .with_network(Arc::<Memory>::clone(&memory))
            .with_cert_store(Arc::<Memory>::clone(&memory))
            .with_platform(Arc::<Memory>::clone(&memory))
            .with_power(memory);
        let set = catalog::set().map_err(|error| Error::failed("the catalog", error))?;
        let driver = Driver::new(&set, &Checks::builtin(), probes, Arc::new(NoTimer))
            .map_err(|error| Error::failed("the checks of the catalog", error))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(|error| Error::failed("a runtime", error))?;
        let subject = Subject::device("press-07").with_gateway("gw-2").with_site("plant-north");
        Ok(Self { set, subject, driver, runtime, now })
    }

    /// What it concludes.
    pub(crate) fn conclude(&self) -> Result<Conclusion, Error> {
        let mut diagnosis = self.begin(&Trigger::new("offline alert", self.now))?;
        let finding = self.runtime.block_on(self.driver.run(&mut diagnosis));
        finding.map(|finding| conclusion(&finding)).map_err(|error| Error::failed("the driver", error))
    }

    fn begin(&self, trigger: &Trigger) -> Result<Diagnosis, Error> {
        Diagnosis::new(Ulid(1), &self.set, RUNBOOK, self.subject.clone(), trigger.clone(), self.now)
            .map_err(|error| Error::failed("a diagnosis", error))
    }

    /// The run, for timing: everything from a new diagnosis to its finding, both dropped.
    pub(crate) fn side(&self) -> Side<'_> {
        let trigger = Trigger::new("offline alert", self.now);
        Box::new(move |runs| {
            for _ in 0..runs {
                if let Ok(mut diagnosis) = self.begin(&trigger) {
                    let _ = std::hint::black_box(self.runtime.block_on(self.driver.run(&mut diagnosis)));
                }
            }
        })
    }
}

/// Nothing is ever waited for here: every adapter is ready at once.
struct NoTimer;

impl Timer for NoTimer {
    fn sleep(&self, _: Duration) -> Sleep {
        Box::pin(std::future::ready(()))
    }
}

/// One platform in memory, behind every adapter that the walk asks.
struct Memory {
    source: Source,
    state: ServiceStateAnswer,
    last_seen: LastSeenAnswer,
    health: GatewayHealth,
    path: DevicePath,
    to_broker: BrokerPath,
    broker: BrokerHealth,
    ingestion: IngestionHealth,
    certificate: CertificateAnswer,
    power: PowerFacts,
    now: DateTime<Utc>,
}

impl Memory {
    fn new(state: ServiceState, now: DateTime<Utc>) -> Self {
        let ago = |length| now - length;
        let valid = Certificate::new(
            "9f:2c:61:0b".into(),
            ago(TimeDelta::days(90)),
            now + TimeDelta::days(275),
            Revocation::NotRevoked,
        );
        Self {
            source: Source::from_static("memory"),
            state: ServiceStateAnswer::new(now).with_state(state),
            last_seen: LastSeenAnswer::new(now).with_last_receipt(ago(TimeDelta::hours(1))),
            health: GatewayHealth::new(now)
                .with_process(ProcessState::Running)
                .with_memory(0.61)
                .with_cpu(0.17)
                .with_disk(0.44)
                .with_last_heartbeat(ago(TimeDelta::seconds(20))),
            path: DevicePath::new(now)
                .with_port(PortReply::Silent)
                .with_otherwise(false)
                .with_segment(true)
                .with_link(true),
            to_broker: BrokerPath::new(now, true)
                .with_name(true)
                .with_port(PortReply::Answered)
                .with_tls(TlsOutcome::Completed),
            broker: BrokerHealth::new(now).with_takes_connections(true).with_takes_messages(true),
            ingestion: IngestionHealth::new(now).with_takes_messages(true).with_stores_rows(true),
            certificate: CertificateAnswer::new(now).with_certificate(valid.with_serial("4711")),
            power: PowerFacts::new(now).with_feed_live(true),
            now,
        }
    }
}

#[async_trait]
impl DeviceProbe for Memory {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn service_state(&self, _: &ServiceStateRequest) -> Result<ServiceStateAnswer, ProbeError> {
        Ok(self.state.clone())
    }

    async fn last_seen(&self, _: &LastSeenRequest) -> Result<LastSeenAnswer, ProbeError> {
        Ok(self.last_seen.clone())
    }

    async fn receipts(&self, asked: &ReceiptsRequest) -> Result<Receipts, ProbeError> {
        Ok(Receipts::new(self.now, asked.period))
    }
}

#[async_trait]
impl BrokerProbe for Memory {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn connection_log(
        &self,
        asked: &ConnectionLogRequest,
    ) -> Result<Option<ConnectionLog>, ProbeError> {
        Ok(Some(ConnectionLog::new(self.now, asked.period).with_now(SessionState::Down)))
    }

    async fn messages(&self, _: &MessagesRequest) -> Result<Messages, ProbeError> {
        Err(ProbeError::unsupported())
    }
}

#[async_trait]
impl GatewayProbe for Memory {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn health(&self, _: &HealthRequest) -> Result<GatewayHealth, ProbeError> {
        Ok(self.health.clone())
    }
}

#[async_trait]
impl NetworkProbe for Memory {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn site_paths(&self, _: &SitePathsRequest) -> Result<PathsTried, ProbeError> {
        Err(ProbeError::unsupported())
    }

    async fn device_path(&self, _: &DevicePathRequest) -> Result<DevicePath, ProbeError> {
        Ok(self.path.clone())
    }

    async fn broker_path(&self, _: &BrokerPathRequest) -> Result<BrokerPath, ProbeError> {
        Ok(self.to_broker.clone())
    }
}

#[async_trait]
impl PlatformProbe for Memory {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn broker_health(&self, _: &PlatformRequest) -> Result<BrokerHealth, ProbeError> {
        Ok(self.broker.clone())
    }

    async fn ingestion_health(&self, _: &PlatformRequest) -> Result<IngestionHealth, ProbeError> {
        Ok(self.ingestion.clone())
    }
}

#[async_trait]
impl CertStoreProbe for Memory {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn certificate(&self, _: &CertificateRequest) -> Result<CertificateAnswer, ProbeError> {
        Ok(self.certificate.clone())
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
        self.source.clone()
    }

    async fn power(&self, _: &PowerRequest) -> Result<PowerFacts, ProbeError> {
        Ok(self.power.clone())
    }
}
