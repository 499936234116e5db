//! Whether the platform itself is well, and who else fell silent.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ProbeError;
use super::record::records;
use crate::fact::Source;
use crate::subject::{DeviceId, GatewayId, SiteId};

/// Reports on the platform's own parts that serve a device: its broker node and its ingestion partition.
#[async_trait]
pub trait PlatformProbe: Send + Sync {
    /// Who answers, such as `platform monitor`. Make it once and clone it.
    fn source(&self) -> Source;

    /// Whether the broker takes connections and messages now, on the node that serves this device. Devices of one node may
    /// share an answer for some seconds.
    ///
    /// # Errors
    /// [`ProbeError`] where nobody watches the broker. A broker that does not answer is an answer.
    async fn broker_health(&self, request: &PlatformRequest) -> Result<BrokerHealth, ProbeError>;

    /// Whether the ingestion takes messages and stores rows now, on the partition that serves this device. Devices of one
    /// partition may share an answer for some seconds.
    ///
    /// # Errors
    /// [`ProbeError`] where nobody watches the ingestion. An ingestion that does not answer is an answer.
    async fn ingestion_health(&self, request: &PlatformRequest) -> Result<IngestionHealth, ProbeError>;

    /// Which other devices are silent now. Devices of one gateway may share an answer for some seconds.
    ///
    /// # Errors
    /// [`ProbeError`] where nobody counts them; the default does not answer.
    async fn silent_peers(&self, _request: &PlatformRequest) -> Result<SilentPeers, ProbeError> {
        Err(ProbeError::unsupported())
    }
}

const _: Option<&dyn PlatformProbe> = None;

records! {
    /// How are the parts of the platform that serve the device?
    #[derive(Eq, Hash)]
    PlatformRequest {
        /// The device.
        device: DeviceId,
        ..
        /// Its gateway.
        gateway: Option<GatewayId> = with_gateway(gateway: GatewayId) => Some(gateway),
        /// Its site.
        site: Option<SiteId> = with_site(site: SiteId) => Some(site),
    }

    /// Whether a broker node works. Each fact that is `None` is not known; it is never taken for good.
    BrokerHealth {
        /// When these facts held.
        observed_at: DateTime<Utc>,
        ..
        /// Whether a new connection was accepted, such as a test client's.
        takes_connections: Option<bool> = with_takes_connections(takes: bool) => Some(takes),
        /// Whether a message went through, such as a test client's.
        takes_messages: Option<bool> = with_takes_messages(takes: bool) => Some(takes),
        /// The node, for the person who reads the trace.
        node: Option<Box<str>> = with_node(node: impl Into<Box<str>>) => Some(node.into()),
    }

    /// Whether an ingestion partition works. Each fact that is `None` is not known; it is never taken for good.
    IngestionHealth {
        /// When these facts held.
        observed_at: DateTime<Utc>,
        ..
        /// Whether it consumes messages.
        takes_messages: Option<bool> = with_takes_messages(takes: bool) => Some(takes),
        /// Whether the rows of new messages are stored.
        stores_rows: Option<bool> = with_stores_rows(stores: bool) => Some(stores),
        /// The partition, for the person who reads the trace.
        partition: Option<Box<str>> = with_partition(partition: impl Into<Box<str>>) => Some(partition.into()),
    }

    /// Which other devices are silent.
    SilentPeers {
        /// When these were counted.
        observed_at: DateTime<Utc>,
        ..
        /// Those behind its gateway, this device included.
        gateway: Option<SilentShare> = with_gateway(share: SilentShare) => Some(share),
        /// Those of its site, this device included.
        site: Option<SilentShare> = with_site(share: SilentShare) => Some(share),
        /// How many sites have more silent devices than usual.
        sites: Option<u64> = with_sites(count: u64) => Some(count),
    }

    /// How many of some devices are silent.
    SilentShare {
        /// How many are silent.
        silent: u64,
        /// Of how many.
        of: u64,
    }
}
