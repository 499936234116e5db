//! What keeps the platform from seeing: an adapter that is not there, that fails, or that never answers.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use iot_runbook::{
    fact::Source,
    probe::{
        Bridged, BridgedRequest, BrokerPath, BrokerPathRequest, CertStoreProbe, CertificateAnswer,
        CertificateRequest, DevicePath, DevicePathRequest, DeviceProbe, FieldPolls, FieldPollsRequest,
        GatewayHealth, GatewayProbe, HealthRequest, KafkaProbe, LagFacts, LagRequest, LastSeenAnswer,
        LastSeenRequest, NetworkProbe, Offsets, OffsetsRequest, PathsTried, ProbeError, Probes,
        ProvisioningContact, ProvisioningContactRequest, Receipts, ReceiptsRequest, Renewal, RenewalAnswer,
        RenewalRequest, RowsRequest, ServiceStateAnswer, ServiceStateRequest, SitePathsRequest,
        TelemetryProbe,
    },
};
use tokio::{sync::Notify, time::sleep};

use crate::{
    adapters::{Adapters, pipeline::PipelineAdapters},
    wait::DEADLINE,
};

const LOOK_EVERY: Duration = Duration::from_millis(25);

/// What keeps the platform from seeing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Nothing.
    None,
    /// No adapter for power was supplied.
    NoPowerProbe,
    /// No adapter for certificates was supplied.
    NoCertificateProbe,
    /// The adapter for certificates looks at once, and answers late.
    CertificateProbeSlow,
    /// The adapter for gateways never answers.
    GatewayProbeHangs,
    /// The adapter for networks fails.
    NetworkProbeFails,
    /// The adapter for Kafka never answers how far the consumers are.
    LagProbeHangs,
    /// The adapter for Kafka looks at once how far the consumers are, and answers late.
    LagProbeSlow,
    /// The registry fails; what the platform received is still known.
    RegistryFails,
}

impl Obstacle {
    /// What a reader is told of it.
    pub const fn story(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::NoPowerProbe => Some("the platform has no adapter for power"),
            Self::NoCertificateProbe => Some("the platform has no adapter for certificates"),
            Self::CertificateProbeSlow => Some("the platform's adapter for certificates answers late"),
            Self::GatewayProbeHangs => Some("the platform's adapter for gateways never answers"),
            Self::NetworkProbeFails => Some("the platform's adapter for networks fails"),
            Self::LagProbeHangs => Some("the platform's adapter for Kafka never answers about lag"),
            Self::LagProbeSlow => Some("the platform's adapter for Kafka answers late about lag"),
            Self::RegistryFails => Some("the platform's registry fails"),
        }
    }

    /// How long one attempt at a probe may take, where it is so: one that answers late must not be given up.
    pub fn time_limit(self, usual: Duration) -> Duration {
        match self {
            Self::CertificateProbeSlow | Self::LagProbeSlow => DEADLINE,
            _ => usual,
        }
    }

    /// What is left to ask with. `asked` is notified when the platform asks about a certificate.
    pub fn before(self, adapters: Adapters, asked: &Arc<Notify>) -> Probes {
        let Adapters { device, broker, gateway, network, cert_store, power, platform } = adapters;
        let mut probes = Probes::new().with_broker(broker).with_platform(platform);
        probes = match self {
            Self::RegistryFails => probes.with_device(Arc::new(FailingRegistry(device))),
            _ => probes.with_device(device),
        };
        probes = match self {
            Self::GatewayProbeHangs => probes.with_gateway(Arc::new(Hanging(gateway.source()))),
            _ => probes.with_gateway(gateway),
        };
        probes = match self {
            Self::NetworkProbeFails => probes.with_network(Arc::new(Failing(network.source()))),
            _ => probes.with_network(network),
        };
        probes = match self {
            Self::NoCertificateProbe => probes,
            Self::CertificateProbeSlow => {
                let (asked, is_late) = (Arc::clone(asked), AtomicBool::new(true));
                probes.with_cert_store(Arc::new(SlowCertificates { inner: cert_store, asked, is_late }))
            }
            _ => probes.with_cert_store(cert_store),
        };
        if self != Self::NoPowerProbe {
            probes = probes.with_power(power);
        }
        probes
    }
}

impl Obstacle {
    /// The same for the pipeline.
    ///
    /// `asked` is notified when the platform asks Kafka about lag.
    pub fn before_pipeline(self, mut adapters: PipelineAdapters, asked: &Arc<Notify>) -> Probes {
        adapters.kafka = match self {
            Self::LagProbeHangs => Arc::new(HangingLag(adapters.kafka)),
            Self::LagProbeSlow => {
                let rows = Arc::clone(&adapters.telemetry);
                Arc::new(SlowLag { kafka: adapters.kafka, rows, asked: Arc::clone(asked) })
            }
            _ => adapters.kafka,
        };
        adapters.probes()
    }
}

struct HangingLag(Arc<dyn KafkaProbe>);

#[async_trait]
impl KafkaProbe for HangingLag {
    fn source(&self) -> Source {
        self.0.source()
    }

    async fn lag(&self, _: &LagRequest) -> Result<LagFacts, ProbeError> {
        pending().await
    }

    async fn bridged(&self, request: &BridgedRequest) -> Result<Bridged, ProbeError> {
        self.0.bridged(request).await
    }

    async fn offsets(&self, request: &OffsetsRequest) -> Result<Offsets, ProbeError> {
        self.0.offsets(request).await
    }
}

/// Looks at once, and answers only when no row of the period is missing any more.
struct SlowLag {
    kafka: Arc<dyn KafkaProbe>,
    rows: Arc<dyn TelemetryProbe>,
    asked: Arc<Notify>,
}

#[async_trait]
impl KafkaProbe for SlowLag {
    fn source(&self) -> Source {
        self.kafka.source()
    }

    async fn lag(&self, request: &LagRequest) -> Result<LagFacts, ProbeError> {
        let found = self.kafka.lag(request).await?;
        self.asked.notify_one();
        if let Some(device) = &request.device {
            let rows = RowsRequest::new(device.clone(), request.period);
            while self.rows.rows(&rows).await?.missing() > 0 {
                sleep(LOOK_EVERY).await;
            }
        }
        Ok(found)
    }

    async fn bridged(&self, request: &BridgedRequest) -> Result<Bridged, ProbeError> {
        self.kafka.bridged(request).await
    }

    async fn offsets(&self, request: &OffsetsRequest) -> Result<Offsets, ProbeError> {
        self.kafka.offsets(request).await
    }
}

/// Looks at once, and answers its first question only when the renewal is through.
struct SlowCertificates {
    inner: Arc<dyn CertStoreProbe>,
    asked: Arc<Notify>,
    is_late: AtomicBool,
}

#[async_trait]
impl CertStoreProbe for SlowCertificates {
    fn source(&self) -> Source {
        self.inner.source()
    }

    async fn certificate(&self, request: &CertificateRequest) -> Result<CertificateAnswer, ProbeError> {
        let found = self.inner.certificate(request).await?;
        if self.is_late.swap(false, Ordering::SeqCst) {
            self.asked.notify_one();
            let renewal = RenewalRequest::new(request.holder.clone());
            let is_through = |latest: Renewal| latest.confirmed_at.is_some();
            while !self.inner.renewal(&renewal).await?.latest.is_some_and(is_through) {
                sleep(LOOK_EVERY).await;
            }
        }
        Ok(found)
    }

    async fn renewal(&self, request: &RenewalRequest) -> Result<RenewalAnswer, ProbeError> {
        self.inner.renewal(request).await
    }

    async fn provisioning_contact(
        &self,
        request: &ProvisioningContactRequest,
    ) -> Result<ProvisioningContact, ProbeError> {
        self.inner.provisioning_contact(request).await
    }
}

struct Hanging(Source);

#[async_trait]
impl GatewayProbe for Hanging {
    fn source(&self) -> Source {
        self.0.clone()
    }

    async fn health(&self, _: &HealthRequest) -> Result<GatewayHealth, ProbeError> {
        pending().await
    }

    async fn field_polls(&self, _: &FieldPollsRequest) -> Result<FieldPolls, ProbeError> {
        pending().await
    }
}

struct Failing(Source);

#[async_trait]
impl NetworkProbe for Failing {
    fn source(&self) -> Source {
        self.0.clone()
    }

    async fn site_paths(&self, _: &SitePathsRequest) -> Result<PathsTried, ProbeError> {
        Err(ProbeError::failed("the network monitor answers nonsense"))
    }

    async fn device_path(&self, _: &DevicePathRequest) -> Result<DevicePath, ProbeError> {
        Err(ProbeError::failed("the network monitor answers nonsense"))
    }

    async fn broker_path(&self, _: &BrokerPathRequest) -> Result<BrokerPath, ProbeError> {
        Err(ProbeError::failed("the network monitor answers nonsense"))
    }
}

struct FailingRegistry(Arc<dyn DeviceProbe>);

#[async_trait]
impl DeviceProbe for FailingRegistry {
    fn source(&self) -> Source {
        self.0.source()
    }

    async fn service_state(&self, _: &ServiceStateRequest) -> Result<ServiceStateAnswer, ProbeError> {
        Err(ProbeError::failed("the registry's database is locked"))
    }

    async fn last_seen(&self, request: &LastSeenRequest) -> Result<LastSeenAnswer, ProbeError> {
        self.0.last_seen(request).await
    }

    async fn receipts(&self, request: &ReceiptsRequest) -> Result<Receipts, ProbeError> {
        self.0.receipts(request).await
    }
}
