use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};

use super::layer::{Layer, Wrap};
use super::{
    BrokerProbe, CertStoreProbe, DeadbandProbe, DedupLogProbe, DeviceProbe, EdgeBufferProbe, GatewayProbe,
    KafkaProbe, NetworkProbe, PlatformProbe, PowerProbe, SchemaProbe, TelemetryProbe,
};
use crate::fact::Source;

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
            $($name: Option<Adapter<dyn $probe>>,)*
            layers: Layers,
            taken: Taken,
        }

        /// Which adapters somebody took in hand since the set was made. A copy begins anew.
        #[derive(Default)]
        struct Taken {
            $($name: AtomicBool,)*
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
                    self.$name = Some(Adapter::new(probe, &self.layers));
                    self
                }

                $(#[$doc])*
                #[must_use]
                pub fn $name(&self) -> Option<&Arc<dyn $probe>> {
                    let adapter = self.$name.as_ref()?;
                    self.taken.$name.store(true, Ordering::Relaxed);
                    Some(&adapter.layered)
                }
            )*

            /// The same with `layer` around every adapter, those supplied later too. The last layer that is added is the
            /// outermost, see [`layer`](super::layer).
            #[must_use]
            pub fn with_layer(self, layer: Arc<dyn Layer>) -> Self {
                let around = self.layers.around.iter().cloned().chain([layer]).collect();
                self.wrapped_by(Layers { around, ..self.layers })
            }

            /// The same for one who may be served with answers that were asked for others at `since` or later; `None`: with
            /// those alone that are asked now. The driver sets it for each question of a diagnosis; without it layers share
            /// nothing. See [`Question::since`](super::layer::Question::since).
            #[must_use]
            pub fn shared_since(&self, since: Option<DateTime<Utc>>) -> Cow<'_, Self> {
                if self.layers.around.is_empty() || self.layers.since == since {
                    return Cow::Borrowed(self);
                }
                let around = Arc::clone(&self.layers.around);
                Cow::Owned(self.wrapped_by(Layers { around, since }))
            }

            fn wrapped_by(&self, layers: Layers) -> Self {
                let taken = Taken::default();
                Self { $($name: self.$name.as_ref().map(|adapter| adapter.wrapped_by(&layers)),)* layers, taken }
            }

            /// The sources of the adapters that were taken in hand, each once: where a check gives no answer, it waits for
            /// one of them.
            pub(crate) fn taken(&self) -> Vec<Source> {
                let mut sources = Vec::new();
                $(
                    if let Some(adapter) = self.$name.as_ref().filter(|_| self.taken.$name.load(Ordering::Relaxed)) {
                        let source = adapter.supplied.source();
                        if !sources.contains(&source) {
                            sources.push(source);
                        }
                    }
                )*
                sources
            }
        }

        impl fmt::Debug for Probes {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut shown = f.debug_struct("Probes");
                $(shown.field(stringify!($name), &self.$name.as_ref().map(|adapter| adapter.layered.source()));)*
                shown.field("layers", &self.layers.around.len());
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

impl Probes {
    /// Makes no layer give out an answer that was asked before now: something was changed, such as by a restart. The
    /// driver calls it for its own acts.
    pub fn forget_all(&self) {
        for layer in &*self.layers.around {
            layer.forget_all();
        }
    }
}

impl Clone for Taken {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// The layers around all adapters, the innermost first, and since when an answer serves.
#[derive(Clone, Default)]
struct Layers {
    around: Arc<[Arc<dyn Layer>]>,
    since: Option<DateTime<Utc>>,
}

/// An adapter, as it was supplied and as it is asked.
struct Adapter<P: ?Sized> {
    supplied: Arc<P>,
    layered: Arc<P>,
}

impl<P: Wrap + ?Sized> Adapter<P> {
    fn new(supplied: Arc<P>, layers: &Layers) -> Self {
        let layered = if layers.around.is_empty() {
            Arc::clone(&supplied)
        } else {
            Arc::clone(&supplied).wrap(Arc::clone(&layers.around), layers.since)
        };
        Self { supplied, layered }
    }

    fn wrapped_by(&self, layers: &Layers) -> Self {
        Self::new(Arc::clone(&self.supplied), layers)
    }
}

impl<P: ?Sized> Clone for Adapter<P> {
    fn clone(&self) -> Self {
        Self { supplied: Arc::clone(&self.supplied), layered: Arc::clone(&self.layered) }
    }
}
