use std::fmt;
use std::sync::Arc;

use super::{
    BrokerProbe, CertStoreProbe, DeadbandProbe, DedupLogProbe, DeviceProbe, EdgeBufferProbe, GatewayProbe,
    KafkaProbe, NetworkProbe, PlatformProbe, PowerProbe, SchemaProbe, TelemetryProbe,
};

macro_rules! probes {
    ($($(#[$doc:meta])* $name:ident: $probe:ident = $with:ident,)*) => {
        /// The adapters that a service has. What an adapter that is not there would answer is unknown
        /// (`no-adapter`), never an error. Cheap to clone.
        ///
        /// ```
        /// use iot_runbook::probe::Probes;
        ///
        /// let none = Probes::new();
        /// assert!(none.broker().is_none());
        /// ```
        #[derive(Clone, Default)]
        pub struct Probes {
            $($name: Option<Arc<dyn $probe>>,)*
        }

        impl Probes {
            /// No adapter at all.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }

            $(
                #[doc = concat!("The same with this [`", stringify!($probe), "`] in place of the one it had.")]
                #[must_use]
                pub fn $with(mut self, probe: Arc<dyn $probe>) -> Self {
                    self.$name = Some(probe);
                    self
                }

                $(#[$doc])*
                #[must_use]
                pub fn $name(&self) -> Option<&Arc<dyn $probe>> {
                    self.$name.as_ref()
                }
            )*
        }

        impl fmt::Debug for Probes {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut shown = f.debug_struct("Probes");
                $(shown.field(stringify!($name), &self.$name.as_ref().map(|probe| probe.source()));)*
                shown.finish()
            }
        }
    };
}

probes! {
    /// The adapter for devices.
    device: DeviceProbe = with_device,
    /// The adapter for sessions and messages at the broker.
    broker: BrokerProbe = with_broker,
    /// The adapter for gateways.
    gateway: GatewayProbe = with_gateway,
    /// Who tries ways to sites and devices.
    network: NetworkProbe = with_network,
    /// Who reports on the platform itself.
    platform: PlatformProbe = with_platform,
    /// The adapter for certificates.
    cert_store: CertStoreProbe = with_cert_store,
    /// The adapter for power.
    power: PowerProbe = with_power,
    /// The adapter for Kafka.
    kafka: KafkaProbe = with_kafka,
    /// The adapter for outboxes at the edge.
    edge_buffer: EdgeBufferProbe = with_edge_buffer,
    /// The adapter for schema rejections.
    schema: SchemaProbe = with_schema,
    /// The adapter for deduplication.
    dedup_log: DedupLogProbe = with_dedup_log,
    /// The adapter for deadbands.
    deadband: DeadbandProbe = with_deadband,
    /// The adapter for the time-series database.
    telemetry: TelemetryProbe = with_telemetry,
}
