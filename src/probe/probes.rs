use std::fmt;
use std::sync::Arc;

use super::{
    BrokerProbe, CertStoreProbe, DeadbandProbe, DedupLogProbe, DeviceProbe, EdgeBufferProbe, GatewayProbe,
    KafkaProbe, NetworkProbe, PlatformProbe, PowerProbe, SchemaProbe, TelemetryProbe,
};

macro_rules! probes {
    ($($(#[$doc:meta])* $name:ident: $probe:ident = $with:ident,)*) => {
        /// The adapters that a service has. One that is not there makes what it would tell unknown
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
    /// Who tells of devices.
    device: DeviceProbe = with_device,
    /// Who tells of sessions and messages at the broker.
    broker: BrokerProbe = with_broker,
    /// Who tells of gateways.
    gateway: GatewayProbe = with_gateway,
    /// Who tries ways to sites and devices.
    network: NetworkProbe = with_network,
    /// Who reports on the platform itself.
    platform: PlatformProbe = with_platform,
    /// Who tells of certificates.
    cert_store: CertStoreProbe = with_cert_store,
    /// Who tells of power.
    power: PowerProbe = with_power,
    /// Who tells of Kafka.
    kafka: KafkaProbe = with_kafka,
    /// Who tells of outboxes at the edge.
    edge_buffer: EdgeBufferProbe = with_edge_buffer,
    /// Who tells of schema rejections.
    schema: SchemaProbe = with_schema,
    /// Who tells of deduplication.
    dedup_log: DedupLogProbe = with_dedup_log,
    /// Who tells of deadbands.
    deadband: DeadbandProbe = with_deadband,
    /// Who tells of rows in the time-series database.
    telemetry: TelemetryProbe = with_telemetry,
}
