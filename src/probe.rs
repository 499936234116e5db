//! The questions that checks ask of a platform, as traits that its services answer with adapters.
//!
//! An adapter is a type of yours that implements one of the traits and is handed over in [`Probes`]:
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use chrono::{DateTime, Utc};
//! use iot_runbook::fact::Source;
//! use iot_runbook::probe::{PowerFacts, PowerProbe, PowerRequest, ProbeError, Probes};
//!
//! /// Asks the power unit of a hall.
//! struct PowerUnit {
//!     source: Source,
//! }
//!
//! impl PowerUnit {
//!     // In place of a call to the unit: when it was measured, and whether the feed is live.
//!     async fn read(&self, device: &str) -> Result<Option<(DateTime<Utc>, bool)>, std::io::Error> {
//!         let _ = device;
//!         Ok(Some((DateTime::UNIX_EPOCH, true)))
//!     }
//! }
//!
//! #[async_trait]
//! impl PowerProbe for PowerUnit {
//!     fn source(&self) -> Source {
//!         self.source.clone()
//!     }
//!
//!     async fn power(&self, request: &PowerRequest) -> Result<PowerFacts, ProbeError> {
//!         match self.read(request.device.as_str()).await {
//!             Ok(Some((measured_at, live))) => Ok(PowerFacts::new(measured_at).with_feed_live(live)),
//!             Ok(None) => Err(ProbeError::failed("the unit does not feed this device")),
//!             Err(error) => Err(ProbeError::transient("the unit cannot be reached").with_cause(error)),
//!         }
//!     }
//! }
//!
//! let probes = Probes::new().with_power(Arc::new(PowerUnit { source: Source::new("power unit hall 3") }));
//! assert!(probes.power().is_some());
//! ```
//!
//! # What holds for every adapter
//! - It reports **facts, never verdicts**: an adapter has no threshold. The checks judge.
//! - `observed_at` is when the facts held, by the platform's clock: of a cached answer it is when the cache was
//!   filled, of a measurement when it was taken. It is never in the future.
//! - A log says in `covers` for which period it is complete: the period asked for where all of it is kept, less
//!   where it is not. Outside of it nothing is taken for absent.
//! - Periods are half-open: the start belongs to them, the end does not.
//! - "Looked, and there is none" is an answer (`None`, an empty list, zero). Not knowing is an `Err`, whose kind
//!   decides what the driver does: [`ProbeErrorKind`]. In an answer of many facts, one that is documented as "not
//!   known" may be `None` as well; it is never taken for good.
//! - Times are in UTC, shares run from 0 to 1, lengths of time are [`chrono::TimeDelta`].
//! - Retries are the driver's: an adapter asks once. A future of it may be dropped at any await.
//! - It may be asked by many diagnoses at a time. For how long an answer may be shared among them is documented at each
//!   method; one that is shared keeps its `observed_at`. [`layer`] shares answers, and limits what reaches a system.
//!
//! An adapter that does not answer one of its trait's questions returns [`ProbeError::unsupported`].
//! [`conformance`] tests an adapter against these rules.

mod broker;
mod cert_store;
pub mod conformance;
mod deadband_config;
mod dedup_log;
mod device;
mod edge_buffer;
mod error;
mod gateway;
mod kafka;
pub mod layer;
mod network;
mod platform;
mod power;
mod probes;
mod record;
mod schema;
mod telemetry;
pub mod vocabulary;

pub use broker::{
    BrokerDrop, BrokerDropReason, BrokerProbe, Client, ClientPublishing, ClockReading, ClockReadings,
    ClockRequest, ClockSource, ConnectionEvent, ConnectionEventKind, ConnectionLog, ConnectionLogRequest,
    DisconnectReason, MessageCounts, Messages, MessagesRequest, PublishingRequest, RefusalReason,
    SessionState, Together, TogetherRequest,
};
pub use cert_store::{
    Authentication, CertStoreProbe, Certificate, CertificateAnswer, CertificateRequest, ProvisioningContact,
    ProvisioningContactRequest, Renewal, RenewalAnswer, RenewalRequest, Revocation, WhichCertificate,
};
pub use deadband_config::{DeadbandAudit, DeadbandFacts, DeadbandProbe, DeadbandRequest};
pub use dedup_log::{DedupLogProbe, Dropped, DroppedRequest};
pub use device::{
    DeviceProbe, LastSeenAnswer, LastSeenRequest, MessageKind, Receipt, Receipts, ReceiptsRequest,
    ServiceChange, ServiceHistory, ServiceHistoryRequest, ServiceState, ServiceStateAnswer,
    ServiceStateRequest, Sighting, Sightings, SightingsRequest,
};
pub use edge_buffer::{EdgeBufferProbe, Outbox, OutboxRequest};
pub use error::{ProbeError, ProbeErrorKind};
pub use gateway::{
    Acquisition, AcquisitionRequest, Endpoint, FieldPolls, FieldPollsRequest, GatewayHealth, GatewayProbe,
    HealthRequest, HeartbeatPath, ProcessState, Subscription,
};
pub use kafka::{
    Bridged, BridgedRequest, KafkaProbe, LagFacts, LagRequest, LagSample, OffsetReset, Offsets,
    OffsetsRequest, OpenTransaction, PartitionLag, ResetCause, StuckRecord, StuckState, TransactionState,
};
pub use network::{
    BrokerPath, BrokerPathRequest, DevicePath, DevicePathRequest, Identity, NetworkProbe, PathTried,
    PathsTried, PortReply, Replier, SitePathsRequest, TlsOutcome, Vantage,
};
pub use platform::{BrokerHealth, IngestionHealth, PlatformProbe, PlatformRequest, SilentPeers, SilentShare};
pub use power::{FeedReading, PowerFacts, PowerProbe, PowerRequest, SitePower, SitePowerRequest};
pub use probes::Probes;
pub use schema::{Rejections, RejectionsRequest, SchemaProbe};
pub use telemetry::{
    Elsewhere, ElsewhereRequest, Rows, RowsRequest, StorageRefusals, StorageRefusalsRequest, TelemetryProbe,
};
