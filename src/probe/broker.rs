//! What the MQTT broker knows of a client: its sessions, and the messages that reached the broker.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::ProbeError;
use super::record::record;
use crate::fact::Source;
use crate::subject::{DeviceId, GatewayId, TagId};
use crate::time::Period;

/// Tells what the broker saw of a client (a device with a session of its own, or a gateway).
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
    /// [`ProbeError`] where the broker does not tell.
    async fn connection_log(
        &self,
        request: &ConnectionLogRequest,
    ) -> Result<Option<ConnectionLog>, ProbeError>;

    /// How many messages of a device whose sample times lie in a period reached the broker, in the period or later, and
    /// what the broker itself dropped or refused of them. Ask afresh each time: a buffer may deliver some a moment later.
    ///
    /// # Errors
    /// [`ProbeError`] where the broker does not tell; no message is an answer of zero.
    async fn messages(&self, request: &MessagesRequest) -> Result<Messages, ProbeError>;
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

record! {
    /// What did the broker log of the client's connections in the period?
    ConnectionLogRequest {
        required {
            /// Whose.
            client: Client,
            /// The period in question, by the broker's clock.
            period: Period,
        }
        optional {}
    }
}

record! {
    /// What the broker logged of a client's connections.
    ConnectionLog {
        required {
            /// When this was looked up; [`now`](Self::now) held then.
            observed_at: DateTime<Utc>,
            /// The period that [`events`](Self::events) is complete for: the one asked for, or what of it the log
            /// still holds. A log that lags behind covers up to its last entry, not up to now.
            covers: Period,
        }
        optional {
            /// Each event in the period, in any order; one that is delivered twice may stand twice.
            events: Vec<ConnectionEvent> = with_events(events: Vec<ConnectionEvent>) => events,
            /// Whether the session is up at `observed_at`.
            now: SessionState = with_now(now: SessionState) => now,
            /// Whether it was up when [`covers`](Self::covers) begins.
            at_start: SessionState = with_at_start(state: SessionState) => state,
            /// The keep-alive that the client asked for; `None` where it is not told. Zero: it asked for none.
            keep_alive: Option<TimeDelta> = with_keep_alive(keep_alive: TimeDelta) => Some(keep_alive),
        }
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
    /// The broker does not tell; the events alone are judged.
    #[default]
    NotTold,
}

record! {
    /// One event in the log of a client's connections.
    ConnectionEvent {
        required {
            /// When, by the broker's clock.
            at: DateTime<Utc>,
            /// What.
            kind: ConnectionEventKind,
        }
        optional {
            /// The broker's id of the session that it is about, where it gives one: so a session that ends because
            /// a new one took its place is told from the new one.
            session: Option<Arc<str>> = with_session(session: impl Into<Arc<str>>) => Some(session.into()),
        }
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

macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// Its name in documents.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

reasons! {
    /// Why a broker, or the TLS door in front of it, refused a connection. Names are kebab-case in documents.
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
        /// The log gives no reason.
        Unspecified = "unspecified",
    }
}

reasons! {
    /// Why a session ended. Names are kebab-case in documents.
    DisconnectReason {
        /// The client said goodbye.
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
        /// The broker ended it (shutdown, rebalancing, an operator).
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
        /// The log gives no reason.
        Unspecified = "unspecified",
    }
}

record! {
    /// How many messages of the device reached the broker in the period?
    MessagesRequest {
        required {
            /// The device whose messages are counted, whichever session they travelled in.
            device: DeviceId,
            /// The period in question: when the samples of the messages were taken. A broker that cannot read them counts
            /// by its own receipt time.
            period: Period,
        }
        optional {
            /// Count the messages of this tag alone; `None`: of all.
            tag: Option<TagId> = with_tag(tag: TagId) => Some(tag),
        }
    }
}

record! {
    /// The messages that reached the broker.
    Messages {
        required {
            /// When this was looked up.
            observed_at: DateTime<Utc>,
            /// The period that the count is complete for.
            covers: Period,
            /// How many different messages came to the broker, those included that it then dropped or refused. One that
            /// was delivered again counts once where the broker can tell.
            arrived: u64,
        }
        optional {
            /// How many of them the device made and the broker received within the period: live ones. No replay from a
            /// buffer, no retained message delivered again, no will or death certificate, no repetition with bad quality.
            /// `None` where they are not counted apart.
            live: Option<u64> = with_live(count: u64) => Some(count),
            /// What the broker dropped or refused of them, each message under one reason; empty: looked, and nothing.
            /// `None` where that is not known.
            dropped: Option<Vec<BrokerDrop>> = with_dropped(drops: Vec<BrokerDrop>) => Some(drops),
        }
    }
}

record! {
    /// Messages that the broker dropped or refused for one reason.
    BrokerDrop {
        required {
            /// Why.
            reason: BrokerDropReason,
            /// How many different messages.
            messages: u64,
        }
        optional {}
    }
}

reasons! {
    /// Why a broker dropped or refused a message that came to it. Names are kebab-case in documents.
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
