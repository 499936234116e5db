//! Every method of every probe trait, with for how long its answers may be shared; and [`Layered`] as each of the traits.
//!
//! A test reads the traits and fails on a method that is not here: a default method that went past the layers would
//! hide what the adapter answers.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::question::{Answer, Observed, Part, Question};
use super::{Asking, Layer, Layered};
use crate::fact::Source;
use crate::probe::*;
use crate::time::saturating_add;

/// A method of a probe trait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Method {
    /// Its name: that of the adapter in [`Probes`], and that of the method, such as `gateway.health`.
    pub name: &'static str,
    /// For how long the documentation of the method lets its answers be shared.
    pub sharing: Sharing,
}

/// For how long an answer may be shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sharing {
    /// Each caller asks afresh.
    Never,
    /// For this long after it was asked.
    For(TimeDelta),
    /// For this long, where the period that it is about was over when it was asked; else never.
    OncePast(TimeDelta),
}

impl Sharing {
    /// For how long an answer may be shared that is asked at `asked_at`, about a period that is over at `over_at`.
    pub(super) fn length(self, asked_at: DateTime<Utc>, over_at: Option<DateTime<Utc>>) -> Option<TimeDelta> {
        match self {
            Self::Never => None,
            Self::For(length) => Some(length),
            Self::OncePast(length) => over_at.filter(|over_at| *over_at <= asked_at).map(|_| length),
        }
    }
}

/// No method of that name is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("method \"{name}\" is unknown: give one of `layer::METHODS`, such as \"gateway.health\"")]
pub struct UnknownMethod {
    /// The name.
    pub name: Box<str>,
}

impl Method {
    /// The adapter that it belongs to, by its name in [`Probes`], such as `gateway`.
    #[must_use]
    pub fn probe(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(probe, _)| probe)
    }

    /// The method of that name.
    ///
    /// # Errors
    /// [`UnknownMethod`] where there is none.
    pub fn named(name: &str) -> Result<&'static Self, UnknownMethod> {
        METHODS.iter().find(|method| method.name == name).ok_or_else(|| UnknownMethod { name: name.into() })
    }
}

const SECONDS: Sharing = Sharing::For(TimeDelta::seconds(5));
const MINUTE: Sharing = Sharing::For(TimeDelta::seconds(60));
// As long as a heartbeat takes: the shortest that is usual, since the library does not know the gateway's.
const HEARTBEAT: Sharing = Sharing::For(TimeDelta::seconds(30));
const PAST: Sharing = Sharing::OncePast(TimeDelta::hours(1));
const NEVER: Sharing = Sharing::Never;

/// How an adapter of that trait is wrapped.
pub(in crate::probe) trait Wrap {
    fn wrap(self: Arc<Self>, layers: Arc<[Arc<dyn Layer>]>, since: Option<DateTime<Utc>>) -> Arc<Self>;
}

macro_rules! table {
    ($($set:ident: $probe:ident {
        $($method:ident($ask:ident: $request:ty) -> [$($answer:tt)+] = ($part:expr, $sharing:expr, $over_at:expr);)*
    })*) => {
        /// Every method of every probe trait.
        pub const METHODS: &[Method] = &[$($(
            Method { name: concat!(stringify!($set), ".", stringify!($method)), sharing: $sharing },
        )*)*];

        $(
            #[async_trait]
            impl<P: $probe + ?Sized> $probe for Layered<P> {
                fn source(&self) -> Source {
                    self.adapter.source()
                }

                $(
                    async fn $method(&self, $ask: &$request) -> Result<$($answer)+, ProbeError> {
                        if self.layers.is_empty() {
                            return self.adapter.$method($ask).await;
                        }
                        static METHOD: Method = Method {
                            name: concat!(stringify!($set), ".", stringify!($method)),
                            sharing: $sharing,
                        };
                        let (source, part) = (self.adapter.source(), $part);
                        let question = Question::new(&METHOD, source, $ask, part, self.since, $over_at);
                        let call = || -> Asking<'_> {
                            Box::pin(async { self.adapter.$method($ask).await.map(Answer::new) })
                        };
                        self.ask(&question, &call).await?.take()
                    }
                )*
            }

            impl Wrap for dyn $probe {
                fn wrap(
                    self: Arc<Self>,
                    layers: Arc<[Arc<dyn Layer>]>,
                    since: Option<DateTime<Utc>>,
                ) -> Arc<Self> {
                    Arc::new(Layered::of(self, layers, since))
                }
            }
        )*
    };
}

/// Every method of every probe trait, handed to the macro `$then`: its question, its answer, the part that it asks about, for
/// how long an answer may be shared, and when the period in question is over.
macro_rules! every_method {
    ($then:ident) => {
        $then! {
            device: DeviceProbe {
                service_state(ask: ServiceStateRequest) -> [ServiceStateAnswer] = (Part::from(&ask.device), MINUTE, None);
                last_seen(ask: LastSeenRequest) -> [LastSeenAnswer] = (Part::from(&ask.device), NEVER, None);
                receipts(ask: ReceiptsRequest) -> [Receipts] = (Part::from(&ask.device), PAST, Some(ask.period.end()));
                service_history(ask: ServiceHistoryRequest) -> [ServiceHistory]
                    = (Part::from(&ask.device), PAST, Some(ask.period.end()));
                sightings(ask: SightingsRequest) -> [Sightings] = (Part::from(&ask.device), MINUTE, Some(ask.period.end()));
            }
            broker: BrokerProbe {
                connection_log(ask: ConnectionLogRequest) -> [Option<ConnectionLog>]
                    = (Part::from(&ask.client), PAST, Some(ask.period.end()));
                messages(ask: MessagesRequest) -> [Messages] = (Part::from(&ask.device), NEVER, Some(ask.period.end()));
                publishing(ask: PublishingRequest) -> [ClientPublishing]
                    = (Part::from(&ask.client), PAST, Some(ask.period.end()));
                disconnected_together(ask: TogetherRequest) -> [Together]
                    = (Part::from(&ask.client), PAST, Some(saturating_add(ask.at, ask.within)));
                clock_readings(ask: ClockRequest) -> [ClockReadings]
                    = (Part::from(&ask.client), MINUTE, Some(ask.period.end()));
            }
            gateway: GatewayProbe {
                health(ask: HealthRequest) -> [GatewayHealth] = (Part::from(&ask.gateway), HEARTBEAT, None);
                field_polls(ask: FieldPollsRequest) -> [FieldPolls]
                    = (Part::from(&ask.gateway), PAST, Some(ask.period.end()));
                acquisition(ask: AcquisitionRequest) -> [Acquisition]
                    = (Part::from(&ask.gateway), PAST, Some(ask.period.end()));
            }
            network: NetworkProbe {
                site_paths(ask: SitePathsRequest) -> [PathsTried] = (Part::from(&ask.site), SECONDS, None);
                device_path(ask: DevicePathRequest) -> [DevicePath] = (Part::from(&ask.device), NEVER, None);
                broker_path(ask: BrokerPathRequest) -> [BrokerPath] = (Part::from(&ask.holder), NEVER, None);
            }
            platform: PlatformProbe {
                broker_health(ask: PlatformRequest) -> [BrokerHealth] = (Part::platform(), SECONDS, None);
                ingestion_health(ask: PlatformRequest) -> [IngestionHealth] = (Part::platform(), SECONDS, None);
                silent_peers(ask: PlatformRequest) -> [SilentPeers] = (peers(ask), SECONDS, None);
            }
            // For how long its revocation list is fresh, and when it is renewed, only a service knows.
            cert_store: CertStoreProbe {
                certificate(ask: CertificateRequest) -> [CertificateAnswer] = (Part::from(&ask.holder), NEVER, None);
                renewal(ask: RenewalRequest) -> [RenewalAnswer] = (Part::from(&ask.holder), NEVER, None);
                provisioning_contact(ask: ProvisioningContactRequest) -> [ProvisioningContact]
                    = (Part::from(&ask.holder), PAST, Some(ask.period.end()));
            }
            power: PowerProbe {
                power(ask: PowerRequest) -> [PowerFacts] = (Part::from(&ask.device), NEVER, None);
                site_power(ask: SitePowerRequest) -> [SitePower] = (Part::from(&ask.site), MINUTE, None);
            }
            kafka: KafkaProbe {
                lag(ask: LagRequest) -> [LagFacts] = (Part::from(&ask.pipeline), PAST, Some(ask.period.end()));
                bridged(ask: BridgedRequest) -> [Bridged] = (Part::from(&ask.pipeline), NEVER, Some(ask.period.end()));
                offsets(ask: OffsetsRequest) -> [Offsets] = (Part::from(&ask.pipeline), NEVER, Some(ask.period.end()));
            }
            edge_buffer: EdgeBufferProbe {
                outbox(ask: OutboxRequest) -> [Outbox] = (Part::from(&ask.gateway), NEVER, Some(ask.period.end()));
            }
            schema: SchemaProbe {
                rejections(ask: RejectionsRequest) -> [Rejections]
                    = (Part::from(&ask.device), PAST, Some(ask.period.end()));
            }
            dedup_log: DedupLogProbe {
                dropped(ask: DroppedRequest) -> [Dropped] = (Part::from(&ask.device), PAST, Some(ask.period.end()));
            }
            deadband: DeadbandProbe {
                deadband(ask: DeadbandRequest) -> [DeadbandFacts]
                    = (Part::from(&ask.device), PAST, Some(ask.period.end()));
            }
            telemetry: TelemetryProbe {
                rows(ask: RowsRequest) -> [Rows] = (Part::from(&ask.device), MINUTE, Some(ask.period.end()));
                storage_refusals(ask: StorageRefusalsRequest) -> [StorageRefusals]
                    = (Part::from(&ask.pipeline), PAST, Some(ask.period.end()));
                elsewhere(ask: ElsewhereRequest) -> [Elsewhere]
                    = (Part::from(&ask.device), NEVER, Some(ask.period.end()));
            }
        }
    };
}

#[cfg(feature = "mock")]
pub(crate) use every_method;

every_method! { table }

/// Whose peers: the devices behind the gateway, where one is named.
fn peers(ask: &PlatformRequest) -> Part {
    ask.gateway.as_ref().map_or_else(|| (&ask.device).into(), Part::from)
}

macro_rules! observed {
    ($($answer:ident)*) => {$(
        impl Observed for $answer {
            fn observed_at(&self) -> Option<DateTime<Utc>> {
                Some(self.observed_at)
            }
        }
    )*};
}

observed! {
    ServiceStateAnswer LastSeenAnswer Receipts ServiceHistory Sightings ConnectionLog Messages ClientPublishing Together
    ClockReadings GatewayHealth FieldPolls Acquisition PathsTried DevicePath BrokerPath BrokerHealth IngestionHealth
    SilentPeers CertificateAnswer RenewalAnswer ProvisioningContact PowerFacts SitePower LagFacts Bridged Offsets Outbox
    Rejections Dropped DeadbandFacts Rows StorageRefusals Elsewhere
}
