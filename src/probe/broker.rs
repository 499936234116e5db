//! What the MQTT broker knows of a client: its sessions, and the messages that reached the broker.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::ProbeError;
use super::record::records;
use crate::fact::Source;
use crate::subject::{DeviceId, GatewayId, SiteId, TagId};
use crate::time::Period;

/// What the broker saw of a client (a device with a session of its own, or a gateway).
#[async_trait]
pub trait BrokerProbe: Send + Sync {
    /// Who answers, such as `broker eu-1`. Make it once and clone it.
    fn source(&self) -> Source;

    /// The log of a client's connections over a period, and whether its session is up now. About a period that
    /// is over an answer may be kept; ask afresh about one that ends now.
    ///
    /// Events may come twice and out of order, as brokers deliver them: whoever judges copes. `None`: this
    /// device has no session of its own, its messages travel in its gateway's. A device that is meant to connect
    /// by itself and never did has a log without events.
    ///
    /// # Errors
    /// [`ProbeError`] if the broker does not answer.
    async fn connection_log(
        &self,
        request: &ConnectionLogRequest,
    ) -> Result<Option<ConnectionLog>, ProbeError>;

    /// How many messages of a device whose sample times lie in a period reached the broker, in the period or later, and
    /// what the broker itself dropped or refused of them. Ask afresh each time: a buffer may deliver some a moment later.
    ///
    /// # Errors
    /// [`ProbeError`] if the broker does not answer; no message is an answer of zero.
    async fn messages(&self, request: &MessagesRequest) -> Result<Messages, ProbeError>;

    /// What a session holder published in a period, as the broker's own counters of this client show it: what it
    /// accepted, refused and dropped, of the device in question, of others, and of the holder itself. Ask afresh about a
    /// period that ends now.
    ///
    /// # Errors
    /// [`ProbeError`] where the broker does not count by client; the default does not answer. Nothing published is an
    /// answer of zero.
    async fn publishing(&self, _request: &PublishingRequest) -> Result<ClientPublishing, ProbeError> {
        Err(ProbeError::unsupported())
    }

    /// How many other clients lost their session at about the same time, beyond a gateway and a site. About a time that is
    /// over an answer may be kept.
    ///
    /// # Errors
    /// [`ProbeError`] where the broker does not keep that; the default does not answer.
    async fn disconnected_together(&self, _request: &TogetherRequest) -> Result<Together, ProbeError> {
        Err(ProbeError::unsupported())
    }

    /// What a session holder's own clock showed in a period: in its last live messages, in its tokens, in its requests
    /// for time. An answer may be shared for a minute.
    ///
    /// # Errors
    /// [`ProbeError`] where nobody reads these times; the default does not answer. Nothing to read is an empty answer.
    async fn clock_readings(&self, _request: &ClockRequest) -> Result<ClockReadings, ProbeError> {
        Err(ProbeError::unsupported())
    }
}

const _: Option<&dyn BrokerProbe> = None;

/// Whose session: a device's own, or a gateway's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Client {
    /// The session of the device itself.
    Device(DeviceId),
    /// The session of the gateway, in which the devices behind it may travel.
    Gateway(GatewayId),
}

records! {
    /// What did the broker log of the client's connections in the period?
    #[derive(Eq, Hash)]
    ConnectionLogRequest {
        /// Whose.
        client: Client,
        /// The period in question, by the broker's clock.
        period: Period,
    }

    /// What the broker logged of a client's connections.
    ConnectionLog {
        /// When this was looked up; [`now`](Self::now) held then.
        observed_at: DateTime<Utc>,
        /// The period that [`events`](Self::events) is complete for: the one asked for, or what of it the log
        /// still holds. A log that lags behind covers up to its last entry, not up to now.
        covers: Period,
        ..
        /// Each event in the period, in any order; one that is delivered twice may stand twice.
        events: Vec<ConnectionEvent> = with_events(events: Vec<ConnectionEvent>) => events,
        /// Whether the session is up at `observed_at`.
        now: SessionState = with_now(now: SessionState) => now,
        /// Whether it was up when [`covers`](Self::covers) begins.
        at_start: SessionState = with_at_start(state: SessionState) => state,
        /// The keep-alive that the client asked for; `None` if not known. Zero: it asked for none.
        keep_alive: Option<TimeDelta> = with_keep_alive(keep_alive: TimeDelta) => Some(keep_alive),
        /// When the broker last received any packet of the session that is up, a PINGREQ included; `None` where it is
        /// not known.
        last_packet: Option<DateTime<Utc>> = with_last_packet(at: DateTime<Utc>) => Some(at),
    }
}

/// Whether a session is up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionState {
    /// It is up.
    Up,
    /// It is not.
    Down,
    /// Not known; the events alone are judged.
    #[default]
    NotKnown,
}

records! {
    /// One event in the log of a client's connections.
    ConnectionEvent {
        /// When, by the broker's clock.
        at: DateTime<Utc>,
        /// What.
        kind: ConnectionEventKind,
        ..
        /// The broker's id of the session that it is about, where it gives one: so a session that ends because
        /// a new one took its place can be distinguished from the new one.
        session: Option<Arc<str>> = with_session(session: impl Into<Arc<str>>) => Some(session.into()),
        /// The broker's own words for the reason, where they say more than the kind.
        text: Option<Arc<str>> = with_text(text: impl Into<Arc<str>>) => Some(text.into()),
    }
}

impl ConnectionEvent {
    /// A CONNECT that the broker accepted.
    #[must_use]
    pub fn accepted(at: DateTime<Utc>) -> Self {
        Self::new(at, ConnectionEventKind::Accepted)
    }

    /// A CONNECT, or a TLS handshake before it, that was refused.
    #[must_use]
    pub fn refused(at: DateTime<Utc>, reason: RefusalReason) -> Self {
        Self::new(at, ConnectionEventKind::Refused(reason))
    }

    /// The end of a session.
    #[must_use]
    pub fn disconnected(at: DateTime<Utc>, reason: DisconnectReason) -> Self {
        Self::new(at, ConnectionEventKind::Disconnected(reason))
    }
}

/// What happened to a client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ConnectionEventKind {
    /// The broker accepted its CONNECT.
    Accepted,
    /// The broker, or the TLS door in front of it, refused it.
    Refused(RefusalReason),
    /// Its session ended.
    Disconnected(DisconnectReason),
}

named! {
    /// Why a broker, or the TLS door in front of it, refused a connection. Names are kebab-case in documents.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    #[non_exhaustive]
    RefusalReason {
        /// Wrong or missing credentials.
        AuthError = "auth-error",
        /// Known, and not allowed to connect.
        Forbidden = "forbidden",
        /// Another session holds its client id.
        DuplicateClientId = "duplicate-client-id",
        /// Too many connections or too fast.
        Throttled = "throttled",
        /// The broker itself was not ready.
        ServerUnavailable = "server-unavailable",
        /// What the client sent was no proper CONNECT.
        ProtocolError = "protocol-error",
        /// It presented no certificate where one is wanted.
        NoCertificate = "no-certificate",
        /// Its certificate is past its end.
        CertificateExpired = "certificate-expired",
        /// Its certificate is revoked.
        CertificateRevoked = "certificate-revoked",
        /// Its certificate is not valid yet.
        CertificateNotYetValid = "certificate-not-yet-valid",
        /// Its certificate is signed by nobody that is trusted.
        UnknownCa = "unknown-ca",
        /// The client broke off: it does not trust the broker's certificate.
        ServerCertificateRejected = "server-certificate-rejected",
        /// The TLS handshake failed, and the log does not say why.
        TlsError = "tls-error",
        /// Its client id is not accepted.
        ClientIdRejected = "client-id-rejected",
        /// It speaks a protocol version or uses a feature that the broker does not support.
        NotSupported = "not-supported",
        /// Its CONNECT or its will is larger than the broker allows.
        PacketTooLarge = "packet-too-large",
        /// A quota of connections or messages is used up.
        QuotaExceeded = "quota-exceeded",
        /// It should use another server.
        ServerMoved = "server-moved",
        /// The log gives no reason that is known here.
        Unspecified = "unspecified",
    }
}

named! {
    /// Why a session ended. Names are kebab-case in documents.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    #[non_exhaustive]
    DisconnectReason {
        /// The client sent a DISCONNECT of its own.
        ClientInitiated = "client-initiated",
        /// The connection broke.
        ConnectionLost = "connection-lost",
        /// Nothing was heard for one and a half times the keep-alive.
        KeepAliveTimeout = "keep-alive-timeout",
        /// Its credentials do not hold any more.
        AuthError = "auth-error",
        /// Another session with its client id took its place.
        DuplicateClientId = "duplicate-client-id",
        /// It did what it is not allowed to.
        Forbidden = "forbidden",
        /// The broker ended it, and the log does not say why.
        ServerInitiated = "server-initiated",
        /// It sent too much or too fast.
        Throttled = "throttled",
        /// Its certificate ran out.
        CertificateExpired = "certificate-expired",
        /// Its certificate was revoked.
        CertificateRevoked = "certificate-revoked",
        /// Its certificate is not valid yet.
        CertificateNotYetValid = "certificate-not-yet-valid",
        /// Its certificate is signed by nobody that is trusted.
        UnknownCa = "unknown-ca",
        /// The broker shut down or restarted.
        ServerShuttingDown = "server-shutting-down",
        /// The broker was too busy.
        ServerBusy = "server-busy",
        /// The broker sent the client to another server (rebalancing).
        ServerMoved = "server-moved",
        /// An operator or an API call ended it.
        #[serde(rename = "administrative-action")]
        Administrative = "administrative-action",
        /// The client sent what is not proper MQTT.
        ProtocolError = "protocol-error",
        /// It sent a packet that is larger than the broker allows.
        PacketTooLarge = "packet-too-large",
        /// It used what the broker does not support.
        NotSupported = "not-supported",
        /// A quota is used up.
        QuotaExceeded = "quota-exceeded",
        /// The client ended it because of an error of its own.
        ClientError = "client-error",
        /// It lasted as long as the broker allows, or its session or token expired. It is no break: a client that is well
        /// comes back at once, and a connection that is logged as lost within a minute of it is the same end.
        Expired = "expired",
        /// The TLS connection failed.
        TlsError = "tls-error",
        /// The log gives no reason that is known here.
        Unspecified = "unspecified",
    }
}

records! {
    /// How many messages of the device reached the broker in the period?
    #[derive(Eq, Hash)]
    MessagesRequest {
        /// The device whose messages are counted, whichever session they travelled in.
        device: DeviceId,
        /// The period in question: when the samples of the messages were taken. A broker that cannot read them counts
        /// by its own receipt time.
        period: Period,
        ..
        /// Count the messages of this tag alone; `None`: of all.
        tag: Option<TagId> = with_tag(tag: TagId) => Some(tag),
    }

    /// The messages that reached the broker.
    Messages {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        /// The period that the count is complete for.
        covers: Period,
        /// How many different messages came to the broker, those included that it then dropped or refused. One that
        /// was delivered again counts once if the broker recognises it.
        arrived: u64,
        ..
        /// How many of them the device made and the broker received within the period: live ones. No replay from a
        /// buffer, no retained message delivered again, no will or death certificate, no repetition with bad quality.
        /// `None` where they are not counted apart.
        live: Option<u64> = with_live(count: u64) => Some(count),
        /// What the broker dropped or refused of them, each message under one reason; empty: looked, and nothing.
        /// `None` where that is not known.
        dropped: Option<Vec<BrokerDrop>> = with_dropped(drops: Vec<BrokerDrop>) => Some(drops),
    }

    /// Messages that the broker dropped or refused for one reason.
    BrokerDrop {
        /// Why.
        reason: BrokerDropReason,
        /// How many different messages.
        messages: u64,
    }
}

named! {
    /// Why a broker dropped or refused a message that came to it. Names are kebab-case in documents.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    #[non_exhaustive]
    BrokerDropReason {
        /// A queue was full: of a session, a subscriber or the broker.
        QueueFull = "queue-full",
        /// A quota of the client or the tenant was used up, or the message was too large.
        Quota = "quota",
        /// The client is not allowed to publish on this topic.
        Acl = "acl",
        /// Nobody was subscribed to its topic: the fault of whoever should be, such as the bridge.
        NoSubscriber = "no-subscriber",
        /// The broker gives no reason.
        Unspecified = "unspecified",
    }
}

records! {
    /// What did the client publish in the period?
    #[derive(Eq, Hash)]
    PublishingRequest {
        /// Whose session.
        client: Client,
        /// The device whose messages are counted apart.
        device: DeviceId,
        /// The period in question, by the broker's clock.
        period: Period,
    }

    /// What a client published, as the broker counted it. Each that is `None` is not counted apart.
    ClientPublishing {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        /// The period that the counts are complete for.
        covers: Period,
        ..
        /// All its messages.
        all: Option<MessageCounts> = with_all(counts: MessageCounts) => Some(counts),
        /// Live messages of the device in question.
        device: Option<MessageCounts> = with_device(counts: MessageCounts) => Some(counts),
        /// Live messages of other devices.
        others: Option<MessageCounts> = with_others(counts: MessageCounts) => Some(counts),
        /// What a gateway publishes about itself: heartbeats, its own status.
        itself: Option<MessageCounts> = with_itself(counts: MessageCounts) => Some(counts),
        /// Whether a gateway of this kind sends heartbeats over this session when it is well.
        sends_heartbeats: Option<bool> = with_sends_heartbeats(sends: bool) => Some(sends),
    }

    /// What became of a client's messages at the broker.
    MessageCounts {
        /// How many were accepted.
        accepted: u64,
        ..
        /// How many were refused because the client may not publish there.
        refused_by_acl: u64 = with_refused_by_acl(count: u64) => count,
        /// How many were dropped because a queue or a quota was full.
        dropped_by_quota: u64 = with_dropped_by_quota(count: u64) => count,
        /// When the last one was accepted.
        last_accepted: Option<DateTime<Utc>> = with_last_accepted(at: DateTime<Utc>) => Some(at),
    }

    /// Which other clients lost their session at about this time?
    #[derive(Eq, Hash)]
    TogetherRequest {
        /// The time in question, by the broker's clock.
        at: DateTime<Utc>,
        /// How far from it another end still counts as at the same time.
        within: TimeDelta,
        /// Whose session it is.
        client: Client,
        ..
        /// Leave out the clients behind this gateway.
        except_gateway: Option<GatewayId> = with_except_gateway(id: GatewayId) => Some(id),
        /// Leave out the clients of this site.
        except_site: Option<SiteId> = with_except_site(id: SiteId) => Some(id),
    }

    /// How many other clients lost their session at about the same time.
    Together {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        /// How many, each client counted once. Those that said goodbye themselves are left out.
        lost: u64,
        /// How many there were in all before, on the same broker node where that is known: those that were lost included.
        connected: u64,
    }

    /// What did the client's own clock show in the period?
    #[derive(Eq, Hash)]
    ClockRequest {
        /// Whose clock.
        client: Client,
        /// The period in question, by the broker's clock.
        period: Period,
    }

    /// What a client's own clock showed.
    ClockReadings {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        ..
        /// Each reading in the period, in any order.
        readings: Vec<ClockReading> = with_readings(readings: Vec<ClockReading>) => readings,
        /// How far the clock may be off for what was refused, such as the lifetime of a token, where that is known.
        allowed: Option<TimeDelta> = with_allowed(allowed: TimeDelta) => Some(allowed),
    }

    /// One reading of a client's clock.
    ClockReading {
        /// When it was received, by the platform's clock.
        at: DateTime<Utc>,
        /// What the client's clock showed.
        shown: DateTime<Utc>,
        /// Where it was read.
        from: ClockSource,
    }
}

/// Where the time of a client's clock is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ClockSource {
    /// In the time of a live message. A message may use local time.
    Message,
    /// In the time at which it issued a token.
    Token,
    /// In its request for time (NTP).
    TimeRequest,
}
